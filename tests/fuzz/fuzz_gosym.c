/* SPDX-License-Identifier: Apache-2.0 */
/* Names, lines and inline trees from a hostile .gopclntab. */
#include "profiler/symbol/symbolizer.h"
#include "tests/fuzz/go_image.h"

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
	size_t len;
	uint8_t *image = go_image(data, size, &len);

	if (!image || fg_symbolizer_new(&options, &symbolizer, NULL)) {
		free(image);
		return 0;
	}
	int module = fg_symbolizer_add_image(symbolizer, image, len, "fuzz", NULL);

	for (uint64_t at = 0; module >= 0 && at < 0x1000; at += 0x33) {
		if (fg_symbolizer_resolve(symbolizer, module, GO_IMAGE_CODE + at, &symbol, NULL))
			continue;
		assert(symbol.line_count > 0 && symbol.line_count <= FG_SYMBOL_INLINE_MAX);
		for (size_t i = 0; i < symbol.line_count; i++)
			assert(symbol.lines[i].name[0] && symbol.lines[i].filename);
	}
	fg_symbolizer_free(symbolizer);
	free(image);
	return 0;
}
