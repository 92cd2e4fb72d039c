/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name_addresses FILE [DEBUG_ROOT]: names addresses of one ELF file, for tests and people.
 *
 * Reads hexadecimal addresses (p_vaddr space) from stdin, one per line; writes for each
 * `ADDRESS named|unnamed NAME at FILE:LINE` with one line more, indented, per caller that it was
 * inlined into; the last one is the physical function. `info seconds S` ends the output.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "gate/base/clock.h"
#include "gate/base/num.h"
#include "profiler/symbol/symbolizer.h"

static void print_symbol(uint64_t vaddr, const struct fg_symbol *symbol)
{
	for (size_t i = 0; i < symbol->line_count; i++) {
		const struct fg_symbol_line *line = &symbol->lines[i];

		if (i == 0)
			printf("%llx %s", (unsigned long long)vaddr,
			       symbol->named ? "named" : "unnamed");
		printf(" %s at %s:%u\n", line->name, line->filename, line->line);
	}
}

static int name_all(struct fg_symbolizer *symbolizer, int module, struct fg_err *err)
{
	char text[64];
	uint64_t spent_ns = 0;

	while (fgets(text, sizeof(text), stdin)) {
		struct fg_symbol symbol;
		uint64_t vaddr;
		int rc = fg_num_hex(text, strcspn(text, "\n"), &vaddr, err);
		uint64_t start_ns = fg_clock_monotonic_ns();

		if (!rc)
			rc = fg_symbolizer_resolve(symbolizer, module, vaddr, &symbol, err);
		if (rc)
			return rc;
		spent_ns += fg_clock_monotonic_ns() - start_ns;
		print_symbol(vaddr, &symbol);
	}
	printf("info seconds %.6f\n", (double)spent_ns / 1e9);
	return 0;
}

int main(int argc, char **argv)
{
	struct fg_symbolizer_options options = {.inlines = true};
	struct fg_symbolizer *symbolizer = NULL;
	struct fg_err err = {0};

	if (argc < 2 || argc > 3) {
		(void)fputs("usage: name_addresses FILE [DEBUG_ROOT]\n", stderr);
		return 2;
	}
	if (argc == 3)
		options.debug_root = argv[2];
	int rc = fg_symbolizer_new(&options, &symbolizer, &err);
	int module = rc;

	if (!rc)
		module = fg_symbolizer_add_module(symbolizer, open(argv[1], O_RDONLY | O_CLOEXEC),
						  argv[1], &err);
	rc = module < 0 ? module : name_all(symbolizer, module, &err);
	if (rc)
		(void)fprintf(stderr, "%s\n", err.message);
	fg_symbolizer_free(symbolizer);
	return rc ? 1 : 0;
}
