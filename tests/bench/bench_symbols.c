/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_symbols [--inlines] FILE…: CPU time for naming 5 000 addresses of each module, the first
 * look-up (which reads the symbols) told apart. Addresses are spread evenly over the module's
 * functions as its unwind tables know them. Ends with 1 when a module needs more than 0.5 s without
 * inlines (the project's target); says what is missing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libelf.h>

#include "profiler/symbol/symbolizer.h"
#include "profiler/unwind/fde.h"
#include "profiler/unwind/gopclntab.h"

enum { ADDRESSES = 5000 };
#define LIMIT_S 0.5

/* CPU time: a busy machine does not count. */
static uint64_t cpu_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * FG_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* `addresses` from FDEs, or from Go's table; how many there are. */
static size_t spread(const char *path, uint64_t addresses[ADDRESSES])
{
	struct fg_fdes fdes = {0};
	struct fg_gotab go = {0};
	struct fg_gofunc function;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t count = 0;

	elf_version(EV_CURRENT);
	struct Elf *elf = fd >= 0 ? elf_begin(fd, ELF_C_READ, NULL) : NULL;

	if (elf && fg_fdes_read(elf, &fdes, NULL) == 0 && fdes.count)
		for (; count < ADDRESSES; count++) {
			const struct fg_fde *fde = &fdes.items[count * fdes.count / ADDRESSES];

			addresses[count] = fde->start + count % (fde->end - fde->start);
		}
	if (elf)
		fg_gotab_find(elf, &go);
	for (size_t i = 0; go.base && count < ADDRESSES && i < ADDRESSES; i++)
		if (fg_gotab_function(&go, i * go.count / ADDRESSES, &function))
			addresses[count++] = function.start;
	fg_fdes_done(&fdes);
	elf_end(elf);
	if (fd >= 0)
		close(fd);
	return count;
}

/* Seconds, or negative when the module is not here. */
static double measure(const char *path, bool inlines)
{
	const struct fg_symbolizer_options options = {.inlines = inlines};
	static uint64_t addresses[ADDRESSES];
	struct fg_symbolizer *symbolizer;
	size_t count = spread(path, addresses), named = 0, frames = 0;
	uint64_t first_ns = 0, start_ns = cpu_ns();

	if (!count || fg_symbolizer_new(&options, &symbolizer, NULL))
		return -1;
	int module =
		fg_symbolizer_add_module(symbolizer, open(path, O_RDONLY | O_CLOEXEC), path, NULL);

	for (size_t i = 0; module >= 0 && i < count; i++) {
		struct fg_symbol symbol;

		if (fg_symbolizer_resolve(symbolizer, module, addresses[i], &symbol, NULL))
			continue;
		named += symbol.named;
		frames += symbol.line_count;
		if (i == 0)
			first_ns = cpu_ns() - start_ns;
	}
	uint64_t all_ns = cpu_ns() - start_ns;

	fg_symbolizer_free(symbolizer);
	printf("%-48s %4zu addresses %7.1f ms, of it %7.1f to read symbols; %zu named, %zu "
	       "frames\n",
	       path, count, (double)all_ns / 1e6, (double)first_ns / 1e6, named, frames);
	return (double)all_ns / 1e9;
}

int main(int argc, char **argv)
{
	bool inlines = argc > 1 && strcmp(argv[1], "--inlines") == 0;
	int slow = 0;

	for (int i = inlines ? 2 : 1; i < argc; i++) {
		double seconds = measure(argv[i], inlines);

		if (seconds < 0)
			printf("%-48s not here\n", argv[i]);
		slow |= !inlines && seconds > LIMIT_S;
	}
	return slow;
}
