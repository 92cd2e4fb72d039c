/* SPDX-License-Identifier: Apache-2.0 */
/* A program whose symbols are the test's material: see make_variants.sh. */
#include <stdio.h>
#include <unistd.h>

int zoo_outer(int x);
int zoo_leaf(int x);
int zoo_risky(int x);
int zoo_alias_long(int x);
int __zoo_leaf(int x);
int zoo_weak(int x);
void zoo_complain(int x) __attribute__((cold, noinline));

static inline __attribute__((always_inline)) int zoo_inner(int x)
{
	__asm__ volatile("zoo_inner_mark: nop");
	return x * 3;
}

static inline __attribute__((always_inline)) int zoo_middle(int x)
{
	return zoo_inner(x + 1) + 1;
}

__attribute__((noinline)) int zoo_outer(int x)
{
	return zoo_middle(x) * 2;
}

__attribute__((noinline)) int zoo_leaf(int x)
{
	__asm__ volatile("" : "+r"(x));
	return x + 1;
}
int zoo_alias_long(int x) __attribute__((alias("zoo_leaf")));
int __zoo_leaf(int x) __attribute__((alias("zoo_leaf")));
int zoo_weak(int x) __attribute__((weak, alias("zoo_leaf")));

static __attribute__((noinline)) int zoo_local(int x)
{
	__asm__ volatile("" : "+r"(x));
	return x + 7;
}

void zoo_complain(int x)
{
	printf("%d\n", x);
}

__attribute__((noinline)) int zoo_risky(int x)
{
	if (x > 1000) {
		zoo_complain(x);
		zoo_complain(x + 1);
		return -1;
	}
	return zoo_local(x);
}

int main(int argc, char **argv)
{
	(void)argv;
	return zoo_outer(argc) + zoo_leaf(argc) + zoo_risky(argc) + (int)getpid() == 0;
}
