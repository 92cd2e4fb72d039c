/* SPDX-License-Identifier: Apache-2.0 */
/* Symbols, DWARF and MiniDebugInfo of hostile ELF images: every address gets some name. */
#include "profiler/symbol/symbolizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fg_symbolizer_options options = {
		.inlines = true,
		.debug_root = "/nonexistent",
		.kallsyms_path = "/nonexistent",
	};
	struct fg_symbolizer *symbolizer;
	struct fg_symbol symbol;

	if (fg_symbolizer_new(&options, &symbolizer, NULL))
		return 0;
	int module = fg_symbolizer_add_image(symbolizer, data, size, "fuzz", NULL);

	for (uint64_t vaddr = 0; module >= 0 && vaddr < 0x2000; vaddr += 0x88)
		if (fg_symbolizer_resolve(symbolizer, module, vaddr, &symbol, NULL) == 0)
			assert(symbol.line_count > 0 && symbol.lines[0].name[0]);
	fg_symbolizer_free(symbolizer);
	return 0;
}
