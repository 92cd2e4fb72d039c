/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/symbol/inline.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/vec.h"

enum {
	RANGES_MAX = 4 << 20,   /* of units, and of one unit's functions */
	DIES_MAX = 16 << 20,    /* visited in one unit: sibling links may form a circle */
	CHILDREN_MAX = 1 << 16, /* visited in one scope */
	NAMESPACE_DEPTH_MAX = 32,
};

struct range {
	uint64_t start, end;
	size_t item; /* index of the unit or function */
};
struct ranges {
	struct range *items;
	size_t count, capacity;
};
struct functions {
	Dwarf_Die *items;
	size_t count, capacity;
};
struct unit {
	Dwarf_Die die;
	bool listed; /* functions and ranges are filled */
	struct functions functions;
	struct ranges ranges;
	size_t visited;
};
struct fg_inline {
	Dwarf *dwarf;
	struct unit *items;
	size_t count, capacity;
	struct ranges ranges;
};

static int add_ranges(struct ranges *ranges, Dwarf_Die *die, size_t item, struct fg_err *err)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t at = 0;

	while ((at = dwarf_ranges(die, at, &base, &start, &end)) > 0) {
		if (start >= end || start == 0)
			continue; /* dropped by the linker */
		int rc = FG_VEC_ROOM(ranges, items, count, capacity, RANGES_MAX, err);

		if (rc)
			return rc;
		ranges->items[ranges->count++] = (struct range){start, end, item};
	}
	return 0;
}

static int compare_ranges(const void *left, const void *right)
{
	const struct range *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (a->end != b->end)
		return a->end < b->end ? -1 : 1;
	return a->item < b->item ? -1 : a->item > b->item;
}

static void sort_ranges(struct ranges *ranges)
{
	if (ranges->count)
		qsort(ranges->items, ranges->count, sizeof(*ranges->items), compare_ranges);
}

static const struct range *find_range(const struct ranges *ranges, uint64_t vaddr)
{
	size_t low = 0, high = ranges->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges->items[middle].start <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	return low && vaddr < ranges->items[low - 1].end ? &ranges->items[low - 1] : NULL;
}

static int list_units(struct fg_inline *dwarf, struct fg_err *err)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die, split;
	uint8_t type;

	while (dwarf_get_units(dwarf->dwarf, cu, &cu, NULL, &type, &die, &split) == 0) {
		if (type != DW_UT_compile && type != DW_UT_skeleton && type != DW_UT_partial)
			continue;
		int rc = FG_VEC_ROOM(dwarf, items, count, capacity, RANGES_MAX, err);

		if (!rc)
			rc = add_ranges(&dwarf->ranges, &die, dwarf->count, err);
		if (rc)
			return rc;
		/* the code of a skeleton is described in its .dwo, if libdw found that */
		dwarf->items[dwarf->count++].die =
			type == DW_UT_skeleton && dwarf_tag(&split) != DW_TAG_invalid ? split : die;
	}
	sort_ranges(&dwarf->ranges);
	return 0;
}

struct fg_inline *fg_inline_open(struct Elf *elf)
{
	struct fg_inline *dwarf = calloc(1, sizeof(*dwarf));

	if (!dwarf)
		return NULL;
	dwarf->dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
	if (!dwarf->dwarf || list_units(dwarf, NULL) || dwarf->ranges.count == 0) {
		fg_inline_close(dwarf);
		return NULL;
	}
	return dwarf;
}

void fg_inline_close(struct fg_inline *dwarf)
{
	if (!dwarf)
		return;
	for (size_t i = 0; i < dwarf->count; i++) {
		free(dwarf->items[i].functions.items);
		free(dwarf->items[i].ranges.items);
	}
	free(dwarf->items);
	free(dwarf->ranges.items);
	if (dwarf->dwarf)
		dwarf_end(dwarf->dwarf);
	free(dwarf);
}

static bool holds_functions(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_class_type ||
	       tag == DW_TAG_structure_type || tag == DW_TAG_union_type ||
	       tag == DW_TAG_enumeration_type;
}

static int add_function(struct unit *unit, Dwarf_Die *die, struct fg_err *err)
{
	size_t before = unit->ranges.count;
	int rc = add_ranges(&unit->ranges, die, unit->functions.count, err);

	if (rc || unit->ranges.count == before)
		return rc; /* a declaration or an abstract function */
	rc = FG_VEC_ROOM(&unit->functions, items, count, capacity, RANGES_MAX, err);
	if (!rc)
		unit->functions.items[unit->functions.count++] = *die;
	return rc;
}

/* Depth is bounded by the callers' count, width by the unit's. */
static int list_functions(struct unit *unit, Dwarf_Die *parent, unsigned depth, struct fg_err *err)
{
	Dwarf_Die die;
	int rc = 0;

	if (depth > NAMESPACE_DEPTH_MAX || dwarf_child(parent, &die) != 0)
		return 0;
	do {
		int tag = dwarf_tag(&die);

		if (++unit->visited > DIES_MAX)
			break;
		if (tag == DW_TAG_subprogram)
			rc = add_function(unit, &die, err);
		else if (holds_functions(tag))
			rc = list_functions(unit, &die, depth + 1, err);
	} while (!rc && dwarf_siblingof(&die, &die) == 0);
	return rc;
}

/* The child of `parent` that covers vaddr and leads towards an inlined function. */
static bool step_down(Dwarf_Die *parent, uint64_t vaddr, Dwarf_Die *ret)
{
	Dwarf_Die die;

	if (dwarf_child(parent, &die) != 0)
		return false;
	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		int tag = dwarf_tag(&die);

		if ((tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block) &&
		    dwarf_haspc(&die, vaddr) > 0) {
			*ret = die;
			return true;
		}
		if (dwarf_siblingof(&die, &die) != 0)
			break;
	}
	return false;
}

/* Fills outermost first; the last FG_SYMBOL_INLINE_MAX levels at most. */
static size_t collect_scopes(Dwarf_Die *function, uint64_t vaddr,
			     Dwarf_Die ret[FG_SYMBOL_INLINE_MAX])
{
	enum { BLOCKS_MAX = 256 };
	Dwarf_Die at = *function, inner;
	size_t count = 0;

	ret[count++] = at;
	for (size_t i = 0; i < BLOCKS_MAX && step_down(&at, vaddr, &inner); i++) {
		at = inner;
		if (dwarf_tag(&at) != DW_TAG_inlined_subroutine)
			continue;
		if (count == FG_SYMBOL_INLINE_MAX)
			break;
		ret[count++] = at;
	}
	return count;
}

static struct fg_name *keep(struct fg_names *names, const char *text)
{
	return text && text[0] ? fg_names_keep(names, text, strlen(text), NULL) : NULL;
}

/* Relative to the compilation directory, where it lies below that: short, and the same on every
 * machine. */
static const char *shorten(Dwarf_Die *unit, const char *path)
{
	Dwarf_Attribute attribute;
	const char *dir = dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute));
	size_t len = dir ? strlen(dir) : 0;

	if (path && len && strncmp(path, dir, len) == 0 && path[len] == '/')
		path += len + 1;
	while (path && strncmp(path, "./", 2) == 0)
		path += 2;
	return path;
}

static struct fg_name *function_name(Dwarf_Die *die, struct fg_names *names)
{
	static const unsigned attributes[] = {DW_AT_linkage_name, DW_AT_MIPS_linkage_name};
	Dwarf_Attribute memory;

	for (size_t i = 0; i < FG_ARRAY_LEN(attributes); i++) {
		const char *name =
			dwarf_formstring(dwarf_attr_integrate(die, attributes[i], &memory));

		if (name)
			return keep(names, name);
	}
	return keep(names, dwarf_diename(die));
}

static uint32_t number(Dwarf_Die *die, unsigned attribute)
{
	Dwarf_Attribute memory;
	Dwarf_Word value;

	if (dwarf_formudata(dwarf_attr_integrate(die, attribute, &memory), &value) ||
	    value > INT32_MAX)
		return 0;
	return (uint32_t)value;
}

static void set_call_place(Dwarf_Die *unit, Dwarf_Die *inlined, struct fg_names *names,
			   struct fg_inline_frame *frame)
{
	Dwarf_Files *files;
	size_t count, file = number(inlined, DW_AT_call_file);

	frame->line = number(inlined, DW_AT_call_line);
	if (frame->line && dwarf_getsrcfiles(unit, &files, &count) == 0 && file < count)
		frame->file = keep(names, shorten(unit, dwarf_filesrc(files, file, NULL, NULL)));
}

static void set_address_place(Dwarf_Die *unit, uint64_t vaddr, struct fg_names *names,
			      struct fg_inline_frame *frame)
{
	Dwarf_Line *line = dwarf_getsrc_die(unit, vaddr);
	int line_number;

	if (!line)
		return;
	/* line 0: made by the compiler from no line in particular, but from this file */
	if (dwarf_lineno(line, &line_number) == 0 && line_number > 0)
		frame->line = (uint32_t)line_number;
	frame->file = keep(names, shorten(unit, dwarf_linesrc(line, NULL, NULL)));
}

static struct unit *find_unit(struct fg_inline *dwarf, uint64_t vaddr)
{
	const struct range *range = find_range(&dwarf->ranges, vaddr);

	return range ? &dwarf->items[range->item] : NULL;
}

int fg_inline_find(struct fg_inline *dwarf, struct fg_names *names, uint64_t vaddr,
		   struct fg_inline_frame ret[FG_SYMBOL_INLINE_MAX], size_t *ret_count,
		   struct fg_err *err)
{
	Dwarf_Die scopes[FG_SYMBOL_INLINE_MAX];
	struct unit *unit = find_unit(dwarf, vaddr);

	*ret_count = 0;
	if (!unit)
		return 0;
	if (!unit->listed) {
		int rc = list_functions(unit, &unit->die, 0, err);

		if (rc)
			return rc;
		sort_ranges(&unit->ranges);
		unit->listed = true;
	}
	const struct range *range = find_range(&unit->ranges, vaddr);

	if (!range)
		return 0;
	size_t count = collect_scopes(&unit->functions.items[range->item], vaddr, scopes);

	for (size_t i = 0; i < count; i++) {
		Dwarf_Die *die = &scopes[count - 1 - i];

		ret[i] = (struct fg_inline_frame){
			.name = function_name(die, names),
			.start_line = number(die, DW_AT_decl_line),
		};
		if (i == 0)
			set_address_place(&unit->die, vaddr, names, &ret[i]);
		else
			set_call_place(&unit->die, die + 1, names, &ret[i]);
	}
	*ret_count = count;
	return 0;
}
