/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/symbol/gosym.h"

#include <stdlib.h>
#include <string.h>

#include "profiler/unwind/gopclntab.h"

enum { PCDATA_INLINE_INDEX = 2, FUNCDATA_INLINE_TREE = 3 };

struct fg_gosym {
	struct fg_gotab tab;
	const uint8_t *trees; /* inline trees of all functions; NULL: unknown */
	size_t trees_len;
};

/* An inlined call as the compiler wrote it: struct inlinedCall. */
struct call {
	uint32_t name, parent_offset, start_line;
};

struct fg_gosym *fg_gosym_open(struct Elf *elf)
{
	struct fg_gosym *go = calloc(1, sizeof(*go));

	if (!go)
		return NULL;
	fg_gotab_find(elf, &go->tab);
	if (go->tab.base == 0) {
		free(go);
		return NULL;
	}
	go->trees = fg_gotab_inline_trees(elf, &go->tab, &go->trees_len);
	return go;
}

void fg_gosym_close(struct fg_gosym *go)
{
	free(go);
}

size_t fg_gosym_count(const struct fg_gosym *go)
{
	return go->tab.count;
}

static bool read_call(const struct fg_gosym *go, uint32_t tree, int32_t index, struct call *ret)
{
	static const struct {
		size_t bytes, name, parent, start_line; /* 0: none */
	} v1_18 = {20, 12, 16, 0}, v1_20 = {16, 4, 8, 12};
	bool old = go->tab.format == FG_GO_1_18;
	size_t bytes = old ? v1_18.bytes : v1_20.bytes;
	uint64_t at = (uint64_t)tree + (uint64_t)(uint32_t)index * bytes;

	if (!go->trees || index < 0 || at > go->trees_len || go->trees_len - at < bytes)
		return false;
	*ret = (struct call){0};
	memcpy(&ret->name, go->trees + at + (old ? v1_18.name : v1_20.name), 4);
	memcpy(&ret->parent_offset, go->trees + at + (old ? v1_18.parent : v1_20.parent), 4);
	if (!old)
		memcpy(&ret->start_line, go->trees + at + v1_20.start_line, 4);
	return true;
}

static struct fg_name *keep(struct fg_names *names, const char *text)
{
	return text && text[0] ? fg_names_keep(names, text, strlen(text), NULL) : NULL;
}

/* Number → offset of the name, by a list for each compilation unit. */
static const char *file_name(const struct fg_gotab *tab, const struct fg_gofunc *function,
			     int32_t number)
{
	uint64_t at = ((uint64_t)function->unit + (uint32_t)number) * 4;
	uint32_t offset;

	if (number < 0 || at > tab->files - tab->units || tab->files - tab->units - at < 4)
		return NULL;
	memcpy(&offset, tab->bytes + tab->units + at, sizeof(offset));
	return fg_gotab_text(tab, tab->files, tab->tables, offset);
}

static void set_place(const struct fg_gosym *go, const struct fg_gofunc *function, uint64_t offset,
		      struct fg_names *names, struct fg_inline_frame *frame)
{
	const struct fg_gotab *tab = &go->tab;
	int32_t line = fg_gotab_value(tab, function, function->line, offset);

	frame->line = line > 0 ? (uint32_t)line : 0;
	frame->file = keep(names, file_name(tab, function,
					    fg_gotab_value(tab, function, function->file, offset)));
}

int fg_gosym_find(const struct fg_gosym *go, struct fg_names *names, uint64_t vaddr, bool inlines,
		  struct fg_inline_frame ret[FG_SYMBOL_INLINE_MAX], size_t *ret_count,
		  struct fg_err *err)
{
	const struct fg_gotab *tab = &go->tab;
	struct fg_gofunc function;
	size_t count = 0;

	*ret_count = 0;
	if (!fg_gotab_lookup(tab, vaddr, &function) || !function.name[0])
		return 0;
	uint32_t index_table = fg_gotab_pcdata(tab, &function, PCDATA_INLINE_INDEX);
	uint32_t tree = fg_gotab_funcdata(tab, &function, FUNCDATA_INLINE_TREE);
	uint64_t offset = FG_MAX(vaddr, function.start) - function.start;
	struct call call;

	/* A tree that leads back to where it was ends by its depth, also when nobody counts. */
	for (size_t depth = 1;
	     index_table && tree != UINT32_MAX && depth < FG_SYMBOL_INLINE_MAX &&
	     read_call(go, tree, fg_gotab_value(tab, &function, index_table, offset), &call);
	     depth++) {
		struct fg_inline_frame *frame = &ret[count];

		*frame = (struct fg_inline_frame){
			.name = keep(names, fg_gotab_text(tab, tab->names, tab->units, call.name)),
			.start_line = call.start_line <= INT32_MAX ? call.start_line : 0,
		};
		set_place(go, &function, offset, names, frame);
		offset = call.parent_offset;
		count += inlines;
		if (offset >= function.end - function.start)
			break;
	}
	ret[count] = (struct fg_inline_frame){.start_line = function.start_line};
	set_place(go, &function, offset, names, &ret[count]);
	ret[count].name = fg_names_keep(names, function.name, strlen(function.name), err);
	if (!ret[count].name)
		return -(int)FG_E_NOMEM;
	*ret_count = count + 1;
	return 0;
}
