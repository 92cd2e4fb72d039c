/* SPDX-License-Identifier: Apache-2.0 */
/* A program of its own that loads Python when it runs: zoo_embed_python LIBRARY SCRIPT. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* The pages of dlsym() say how: ISO C knows no way from an object to a function. */
static int find(void *library, const char *name, void *function)
{
	void *symbol = dlsym(library, name);

	memcpy(function, &symbol, sizeof(symbol));
	return symbol ? 0 : -1;
}

int main(int argc, char **argv)
{
	void *library = argc == 3 ? dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL) : NULL;
	void (*initialize)(int);
	int (*run)(const char *);
	char code[4096];

	if (!library || find(library, "Py_InitializeEx", &initialize) != 0 ||
	    find(library, "PyRun_SimpleString", &run) != 0)
		return 2;
	initialize(0);
	(void)snprintf(code, sizeof(code), "exec(compile(open('%s').read(), '%s', 'exec'))",
		       argv[2], argv[2]);
	return run(code);
}
