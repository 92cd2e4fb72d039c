/* SPDX-License-Identifier: Apache-2.0 */
/* Opened by zoo_native at run time. */
unsigned zoo_plugin_burn(unsigned seed);

__attribute__((noinline)) static unsigned zoo_plugin_inner(unsigned seed)
{
	for (unsigned i = 0; i < 20000; i++)
		seed = seed * 1664525u + 1013904223u + i;
	return seed;
}

unsigned zoo_plugin_burn(unsigned seed)
{
	return zoo_plugin_inner(seed) + 1;
}
