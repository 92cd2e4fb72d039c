/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/symbol/symbolizer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/base/clock.h"
#include "gate/base/vec.h"
#include "profiler/symbol/ksyms.h"
#include "profiler/symbol/module.h"
#include "profiler/symbol/perfmap.h"

#define INLINE_BUDGET_NS (20 * FG_NS_PER_S)

struct slot { /* a perf map has no ELF module and the other way round */
	struct fg_module elf;
	struct fg_perfmap perfmap;
	bool is_perfmap;
};
struct fg_symbolizer {
	struct slot *items;
	size_t count, capacity;
	struct fg_names names;
	struct fg_ksyms ksyms;
	bool ksyms_tried, inlines;
	struct fg_err ksyms_err;
	char *kallsyms_path, *debug_root;
	struct fg_debug_fetch fetch;
	uint64_t inline_left_ns;
	size_t inlines_skipped;
};

int fg_symbolizer_new(const struct fg_symbolizer_options *options, struct fg_symbolizer **ret,
		      struct fg_err *err)
{
	struct fg_symbolizer *symbolizer = calloc(1, sizeof(*symbolizer));

	if (!symbolizer)
		return fg_err_nomem(err);
	symbolizer->inlines = options->inlines;
	symbolizer->names.style = options->style;
	symbolizer->fetch = options->fetch;
	symbolizer->inline_left_ns =
		options->inline_budget_ns ? options->inline_budget_ns : INLINE_BUDGET_NS;
	symbolizer->kallsyms_path =
		strdup(options->kallsyms_path ? options->kallsyms_path : "/proc/kallsyms");
	symbolizer->debug_root =
		strdup(options->debug_root ? options->debug_root : "/usr/lib/debug");
	if (!symbolizer->kallsyms_path || !symbolizer->debug_root) {
		fg_symbolizer_free(symbolizer);
		return fg_err_nomem(err);
	}
	*ret = symbolizer;
	return 0;
}

void fg_symbolizer_free(struct fg_symbolizer *symbolizer)
{
	if (!symbolizer)
		return;
	for (size_t i = 0; i < symbolizer->count; i++) {
		if (symbolizer->items[i].is_perfmap)
			fg_perfmap_done(&symbolizer->items[i].perfmap);
		else
			fg_module_done(&symbolizer->items[i].elf);
	}
	free(symbolizer->items);
	fg_names_done(&symbolizer->names);
	fg_ksyms_done(&symbolizer->ksyms);
	free(symbolizer->kallsyms_path);
	free(symbolizer->debug_root);
	free(symbolizer);
}

/* Takes fd and image. */
static int add_elf(struct fg_symbolizer *symbolizer, int fd, void *image, size_t len,
		   const char *path, struct fg_err *err)
{
	int rc = FG_VEC_ROOM(symbolizer, items, count, capacity, FG_SYMBOL_MODULES_MAX, err);

	if (rc) {
		if (fd >= 0)
			close(fd);
		free(image);
		return fg_err_wrap(err, "modules");
	}
	struct slot *slot = &symbolizer->items[symbolizer->count];

	memset(slot, 0, sizeof(*slot));
	rc = fg_module_init(&slot->elf, fd, image, len, path, err);
	return rc ? rc : (int)symbolizer->count++;
}

int fg_symbolizer_add_module(struct fg_symbolizer *symbolizer, int fd, const char *path,
			     struct fg_err *err)
{
	return add_elf(symbolizer, fd, NULL, 0, path, err);
}

int fg_symbolizer_add_image(struct fg_symbolizer *symbolizer, const void *image, size_t len,
			    const char *path, struct fg_err *err)
{
	if (len == 0 || len > FG_SYMBOL_IMAGE_MAX)
		return fg_err_set(err, FG_E_LIMIT, "%s: image of %zu bytes", path, len);
	void *copy = malloc(len);

	if (!copy)
		return fg_err_nomem(err);
	memcpy(copy, image, len);
	return add_elf(symbolizer, -1, copy, len, path, err);
}

int fg_symbolizer_add_perf_map(struct fg_symbolizer *symbolizer, const char *text, size_t len,
			       const char *path, struct fg_err *err)
{
	int rc = FG_VEC_ROOM(symbolizer, items, count, capacity, FG_SYMBOL_MODULES_MAX, err);

	if (rc)
		return fg_err_wrap(err, "modules");
	struct slot *slot = &symbolizer->items[symbolizer->count];

	memset(slot, 0, sizeof(*slot));
	slot->is_perfmap = true;
	rc = fg_perfmap_parse(text, len, &slot->perfmap, err);
	return rc ? fg_err_wrap(err, "%s", path) : (int)symbolizer->count++;
}

static void set_line(const struct fg_symbolizer *symbolizer, struct fg_symbol *symbol,
		     struct fg_name *name)
{
	symbol->line_count = 1;
	symbol->lines[0] = (struct fg_symbol_line){
		.name = fg_names_display(&symbolizer->names, name),
		.system_name = name->raw,
		.filename = "",
	};
}

/* The name of the function that the processor executed, without DWARF. */
static int resolve_physical(struct fg_symbolizer *symbolizer, struct fg_module *module,
			    uint64_t vaddr, struct fg_symbol *ret, struct fg_err *err)
{
	int rc = fg_module_load(module, symbolizer->debug_root, &symbolizer->fetch, err);

	if (rc)
		return rc;
	const struct fg_elfsym_entry *entry = fg_elfsym_find(&module->symbols, vaddr);
	const struct fg_fde *fde = entry ? NULL : fg_fdes_find(&module->fdes, vaddr);
	struct fg_name *name =
		entry ? fg_names_keep(&symbolizer->names, entry->name, strlen(entry->name), err)
		      : fg_names_keepf(&symbolizer->names, err, "%s+0x%llx",
				       fg_module_base_name(module),
				       (unsigned long long)(fde ? fde->start : vaddr));

	if (!name)
		return -(int)FG_E_NOMEM;
	ret->named = entry != NULL;
	set_line(symbolizer, ret, name);
	return 0;
}

/* Puts DWARF's frames in front of, and its places into, the physical one. The symbol table has the
 * last word about the physical name: DWARF lacks clone suffixes. */
static void merge_frames(const struct fg_symbolizer *symbolizer, struct fg_symbol *symbol,
			 const struct fg_inline_frame *frames, size_t count)
{
	struct fg_symbol_line physical = symbol->lines[0];

	if (count == 0 || (!symbol->named && !frames[count - 1].name))
		return;
	for (size_t i = 0; i < count; i++) {
		struct fg_name *name = frames[i].name;

		symbol->lines[i] = (struct fg_symbol_line){
			.name = name ? fg_names_display(&symbolizer->names, name) : "[inlined]",
			.system_name = name ? name->raw : "[inlined]",
			.filename = frames[i].file ? frames[i].file->raw : "",
			.line = frames[i].line,
			.start_line = frames[i].start_line,
		};
	}
	if (symbol->named) {
		symbol->lines[count - 1].name = physical.name;
		symbol->lines[count - 1].system_name = physical.system_name;
	}
	symbol->named = true;
	symbol->line_count = count;
}

static int resolve_inlines(struct fg_symbolizer *symbolizer, struct fg_module *module,
			   uint64_t vaddr, struct fg_symbol *symbol, struct fg_err *err)
{
	struct fg_inline_frame frames[FG_SYMBOL_INLINE_MAX];
	size_t count = 0;

	if (symbolizer->inline_left_ns == 0) {
		symbolizer->inlines_skipped++;
		return 0;
	}
	uint64_t start_ns = fg_clock_monotonic_ns();
	struct fg_inline *dwarf = fg_module_dwarf(module);
	int rc = dwarf ? fg_inline_find(dwarf, &symbolizer->names, vaddr, frames, &count, err) : 0;
	uint64_t spent_ns = fg_clock_monotonic_ns() - start_ns;

	symbolizer->inline_left_ns -= FG_MIN(spent_ns, symbolizer->inline_left_ns);
	if (!rc)
		merge_frames(symbolizer, symbol, frames, count);
	return rc;
}

static int resolve_perfmap(struct fg_symbolizer *symbolizer, const struct fg_perfmap *map,
			   uint64_t address, struct fg_symbol *ret, struct fg_err *err)
{
	const struct fg_perfmap_entry *entry = fg_perfmap_find(map, address);
	const char *text = entry ? entry->name : "[jit]";
	struct fg_name *name = fg_names_keep(&symbolizer->names, text, strlen(text), err);

	if (!name)
		return -(int)FG_E_NOMEM;
	ret->named = entry != NULL;
	set_line(symbolizer, ret, name);
	ret->lines[0].name = name->raw; /* runtimes write names for people */
	return 0;
}

/* Go's own table knows everything about Go's code; *ret_found false: the address is elsewhere. */
static int resolve_go(struct fg_symbolizer *symbolizer, struct fg_module *module, uint64_t vaddr,
		      struct fg_symbol *ret, bool *ret_found, struct fg_err *err)
{
	struct fg_inline_frame frames[FG_SYMBOL_INLINE_MAX];
	size_t count = 0;
	int rc = fg_module_load(module, symbolizer->debug_root, &symbolizer->fetch, err);

	if (!rc && module->go)
		rc = fg_gosym_find(module->go, &symbolizer->names, vaddr, symbolizer->inlines,
				   frames, &count, err);
	*ret_found = count > 0;
	for (size_t i = 0; i < count; i++) {
		struct fg_name *name = frames[i].name;

		ret->lines[i] = (struct fg_symbol_line){
			.name = name ? fg_names_display_plain(&symbolizer->names, name)
				     : "[inlined]",
			.system_name = name ? name->raw : "[inlined]",
			.filename = frames[i].file ? frames[i].file->raw : "",
			.line = frames[i].line,
			.start_line = frames[i].start_line,
		};
	}
	ret->named = true;
	ret->line_count = count;
	return rc;
}

int fg_symbolizer_resolve(struct fg_symbolizer *symbolizer, int module, uint64_t vaddr,
			  struct fg_symbol *ret, struct fg_err *err)
{
	if (module < 0 || (size_t)module >= symbolizer->count)
		return fg_err_set(err, FG_E_INTERNAL, "no module %d", module);
	struct slot *slot = &symbolizer->items[module];

	if (slot->is_perfmap)
		return resolve_perfmap(symbolizer, &slot->perfmap, vaddr, ret, err);
	bool found;
	int rc = resolve_go(symbolizer, &slot->elf, vaddr, ret, &found, err);

	if (rc || found)
		return rc;
	rc = resolve_physical(symbolizer, &slot->elf, vaddr, ret, err);
	return rc || !symbolizer->inlines
		       ? rc
		       : resolve_inlines(symbolizer, &slot->elf, vaddr, ret, err);
}

int fg_symbolizer_resolve_kernel(struct fg_symbolizer *symbolizer, uint64_t address,
				 struct fg_symbol *ret, struct fg_err *err)
{
	if (!symbolizer->ksyms_tried) {
		symbolizer->ksyms_tried = true;
		/* without names the addresses stay unnamed, and the report says why */
		(void)!fg_ksyms_read(symbolizer->kallsyms_path, &symbolizer->ksyms,
				     &symbolizer->ksyms_err);
	}
	const struct fg_ksym *symbol = fg_ksyms_find(&symbolizer->ksyms, address);
	const char *text = symbol ? symbol->name : "[kernel]"; /* addresses move at each boot */
	struct fg_name *name = fg_names_keep(&symbolizer->names, text, strlen(text), err);

	if (!name)
		return -(int)FG_E_NOMEM;
	ret->named = symbol != NULL;
	set_line(symbolizer, ret, name);
	return 0;
}

const char *fg_symbolizer_kernel_problem(const struct fg_symbolizer *symbolizer)
{
	return symbolizer->ksyms_err.message;
}

size_t fg_symbolizer_inlines_skipped(const struct fg_symbolizer *symbolizer)
{
	return symbolizer->inlines_skipped;
}

const char *fg_symbolizer_build_id(const struct fg_symbolizer *symbolizer, int module)
{
	if (module < 0 || (size_t)module >= symbolizer->count ||
	    symbolizer->items[module].is_perfmap)
		return "";
	return symbolizer->items[module].elf.build_id;
}
