/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Go tells for each address how far SP is below the return address. What it does not tell:
 *
 * - where RBP was saved. The prologue's code does; functions that keep none leave it alone.
 * - SP of functions that move to another stack (systemstack, cgo, vDSO calls). The linker marks
 *   them; where such a function has set up a frame, RBP leads back, across the stacks.
 * - which functions are the outermost. Marked as well, but for those that switch goroutines.
 */
#include "profiler/unwind/gorows.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/vec.h"

enum {
	STEPS_MAX = 64 << 20, /* over all functions: a hostile table ends here */
	CODE_BYTES_MAX = 512 << 20,
	PADDING_BYTES = 64,  /* behind a function, to the next one: nothing executes there */
	PROLOGUE_BYTES = 96, /* RBP is saved within these, or not at all */
	SEARCH_BYTES = 48,   /* behind the instruction that makes room */
};

struct rows {
	struct fg_unwind_row *items;
	size_t count, capacity;
};

/* What the prologue does with RBP; offsets from the function's start. */
struct frame {
	uint64_t saved_at; /* from here on it lies at CFA + 8 × slot; UINT64_MAX: never */
	uint64_t set_at;   /* from here on RBP points to that slot; UINT64_MAX: never */
	int8_t slot;
};

struct builder {
	const struct fg_gotab *tab;
	const uint8_t *code; /* tab->text … etext */
	struct rows rows;
	size_t steps;
	struct fg_err *err;
};

static struct fg_unwind_row make_row(enum fg_row_kind kind)
{
	return (struct fg_unwind_row){.kind = (uint8_t)kind, .rbp_offset_8 = FG_RBP_SAME};
}

static bool same_rule(const struct fg_unwind_row *a, const struct fg_unwind_row *b)
{
	return a->kind == b->kind && a->cfa_offset_8 == b->cfa_offset_8 &&
	       a->rbp_offset_8 == b->rbp_offset_8;
}

static int append(struct rows *rows, uint64_t address, struct fg_unwind_row row, struct fg_err *err)
{
	const struct fg_unwind_row *last = rows->count ? &rows->items[rows->count - 1] : NULL;

	row.address = (uint32_t)address;
	if (last && same_rule(last, &row))
		return 0;
	assert(!last || last->address < row.address);
	int rc = FG_VEC_ROOM(rows, items, count, capacity, FG_UNWIND_ROWS_MAX, err);

	if (!rc)
		rows->items[rows->count++] = row;
	return rc;
}

/* `mov rbp → [rsp + n]` at code; its length, or 0. */
static size_t stores_rbp(const uint8_t *code, size_t len, int32_t *ret_offset)
{
	enum { SHORT_BYTES = 5, LONG_BYTES = 8 };

	if (len >= SHORT_BYTES && memcmp(code, "\x48\x89\x6c\x24", 4) == 0) {
		*ret_offset = (int8_t)code[4];
		return SHORT_BYTES;
	}
	if (len >= LONG_BYTES && memcmp(code, "\x48\x89\xac\x24", 4) == 0) {
		memcpy(ret_offset, code + 4, sizeof(*ret_offset));
		return LONG_BYTES;
	}
	return 0;
}

/* `mov rbp, rsp` or `lea rbp, [rsp + n]`; its length, or 0. */
static size_t sets_rbp(const uint8_t *code, size_t len)
{
	static const struct {
		uint8_t bytes[4];
		uint8_t compared, size;
	} forms[] = {
		{{0x48, 0x89, 0xe5}, 3, 3},
		{{0x48, 0x8d, 0x6c, 0x24}, 4, 5},
		{{0x48, 0x8d, 0xac, 0x24}, 4, 8},
	};

	for (size_t i = 0; i < FG_ARRAY_LEN(forms); i++)
		if (len >= forms[i].size && memcmp(code, forms[i].bytes, forms[i].compared) == 0)
			return forms[i].size;
	return 0;
}

static bool set_slot(struct frame *frame, int64_t offset)
{
	if (offset % 8 || offset / 8 <= FG_RBP_SAME || offset >= 0)
		return false;
	frame->slot = (int8_t)(offset / 8);
	return true;
}

/* SP is `depth` below the return address in the step's code: does that save RBP? */
static bool find_save(const uint8_t *code, const struct fg_gosteps *step, struct frame *ret)
{
	uint64_t end = FG_MIN(step->to, step->from + SEARCH_BYTES);
	int32_t offset;

	/* since 1.21: push rbp */
	if (step->value == 8 && step->from && code[step->from - 1] == 0x55) {
		ret->slot = -2;
		ret->saved_at = step->from;
	}
	for (uint64_t at = step->from; at < end && ret->saved_at == UINT64_MAX; at++) {
		size_t len = stores_rbp(code + at, (size_t)(step->to - at), &offset);

		if (len && set_slot(ret, (int64_t)offset - step->value - 8))
			ret->saved_at = at + len;
	}
	if (ret->saved_at == UINT64_MAX)
		return false;
	size_t len = sets_rbp(code + ret->saved_at,
			      (size_t)(step->limit - FG_MIN(ret->saved_at, step->limit)));

	if (len)
		ret->set_at = ret->saved_at + len;
	return true;
}

static struct frame find_frame(const struct builder *builder, const struct fg_gofunc *function)
{
	const uint8_t *code = builder->code + (function->start - builder->tab->text);
	struct frame frame = {.saved_at = UINT64_MAX, .set_at = UINT64_MAX};
	struct fg_gosteps steps;

	fg_gosteps_init(builder->tab, function, function->depth, &steps);
	while (fg_gosteps_next(&steps) && steps.from < PROLOGUE_BYTES)
		if (steps.value > 0 && find_save(code, &steps, &frame))
			break;
	return frame;
}

static struct fg_unwind_row other_stack(void)
{
	struct fg_unwind_row row = make_row(FG_ROW_FRAME_POINTER);

	row.cfa_offset_8 = FG_FRAME_ON_ANY_STACK;
	return row;
}

static struct fg_unwind_row row_of(int32_t depth, const struct frame *frame, uint64_t at,
				   bool writes_sp)
{
	struct fg_unwind_row row = make_row(FG_ROW_RSP);

	/* A function without a frame that leaves its stack: RBP is its caller's, whom we miss. */
	if (writes_sp && (frame->set_at == UINT64_MAX || (depth > 0 && at >= frame->set_at)))
		return other_stack();
	if (depth < 0 || depth % 8 || depth / 8 + 1 > INT16_MAX)
		return make_row(FG_ROW_UNSUPPORTED);
	row.cfa_offset_8 = (int16_t)(depth / 8 + 1);
	if (depth > 0 && at >= frame->saved_at)
		row.rbp_offset_8 = frame->slot;
	return row;
}

/* One step, cut where the prologue saves and sets RBP. */
static int append_step(struct builder *builder, const struct fg_gofunc *function,
		       const struct fg_gosteps *step, const struct frame *frame)
{
	bool writes_sp = function->flags & FG_GO_WRITES_SP;
	const uint64_t cuts[] = {step->from, frame->saved_at, frame->set_at};
	int rc = 0;

	for (size_t i = 0; i < FG_ARRAY_LEN(cuts) && !rc; i++)
		if (i == 0 || (cuts[i] > step->from && cuts[i] < step->to))
			rc = append(&builder->rows, function->start + cuts[i],
				    row_of(step->value, frame, cuts[i], writes_sp), builder->err);
	return rc;
}

static int append_steps(struct builder *builder, const struct fg_gofunc *function)
{
	struct frame frame = find_frame(builder, function);
	struct fg_gosteps steps;
	int rc = 0;

	fg_gosteps_init(builder->tab, function, function->depth, &steps);
	while (!rc && fg_gosteps_next(&steps)) {
		if (++builder->steps > STEPS_MAX)
			return fg_err_set(builder->err, FG_E_LIMIT, "Go's tables are too long");
		rc = append_step(builder, function, &steps, &frame);
	}
	if (!rc && steps.limit - steps.to >= PADDING_BYTES)
		rc = append(&builder->rows, function->start + steps.to, make_row(FG_ROW_NONE),
			    builder->err);
	return rc;
}

/* What the marks do not say; older versions lack some of them. */
static enum fg_row_kind special_kind(const struct fg_gofunc *function)
{
	static const struct {
		const char *name;
		enum fg_row_kind kind;
	} names[] = {
		{"runtime.goexit", FG_ROW_STOP},
		{"runtime.mstart", FG_ROW_STOP},
		{"runtime.rt0_go", FG_ROW_STOP},
		{"runtime.mcall", FG_ROW_STOP},
		{"runtime.morestack", FG_ROW_STOP},
		{"runtime.gogo", FG_ROW_STOP},
		{"gogo", FG_ROW_STOP},
		{"_rt0_amd64", FG_ROW_STOP},
		{"_rt0_amd64_linux", FG_ROW_STOP},
		/* outermost says Go, but the kernel called it */
		{"runtime.sigtramp", FG_ROW_RSP},
		{"runtime.cgoSigtramp", FG_ROW_RSP},
	};

	if (fg_gofunc_returns_signal(function))
		return FG_ROW_SIGNAL;
	for (size_t i = 0; i < FG_ARRAY_LEN(names); i++)
		if (strcmp(function->name, names[i].name) == 0)
			return names[i].kind;
	return function->flags & FG_GO_TOP_FRAME ? FG_ROW_STOP : FG_ROW_RSP;
}

/* From the byte before, unless that is no padding but the end of another function, which a sample
 * may be at, or a table that nobody's linker wrote has a row there. */
static int append_signal(struct builder *builder, uint64_t start)
{
	enum { INT3 = 0xcc };
	const struct rows *rows = &builder->rows;
	const struct fg_unwind_row *last = rows->count ? &rows->items[rows->count - 1] : NULL;

	if (last && last->address < start - 1 && start > builder->tab->text &&
	    builder->code[start - 1 - builder->tab->text] == INT3)
		start--;
	return append(&builder->rows, start, make_row(FG_ROW_SIGNAL), builder->err);
}

static int append_function(struct builder *builder, const struct fg_gofunc *function)
{
	enum fg_row_kind kind = special_kind(function);

	if (kind == FG_ROW_SIGNAL)
		return append_signal(builder, function->start);
	if (kind != FG_ROW_RSP)
		return append(&builder->rows, function->start, make_row(kind), builder->err);
	if (!function->depth) /* C code, linked by Go */
		return append(&builder->rows, function->start, make_row(FG_ROW_NONE), builder->err);
	return append_steps(builder, function);
}

static int append_all(struct builder *builder)
{
	const struct fg_gotab *tab = builder->tab;
	uint64_t covered = tab->text;
	int rc = 0;

	for (size_t i = 0; i < tab->count && !rc; i++) {
		struct fg_gofunc function;

		if (!fg_gotab_function(tab, i, &function) || function.start < covered)
			continue;
		if (function.start > covered)
			rc = append(&builder->rows, covered, make_row(FG_ROW_NONE), builder->err);
		if (!rc)
			rc = append_function(builder, &function);
		covered = function.end;
	}
	return rc ? rc : append(&builder->rows, covered, make_row(FG_ROW_NONE), builder->err);
}

/* Rows of both in order of address; Go's hold where they say something. */
static int merge(struct fg_unwind_table *table, const struct rows *go, struct rows *ret,
		 struct fg_err *err)
{
	size_t i = 0, k = 0;
	int rc = 0;

	while (!rc && (i < go->count || k < table->row_count)) {
		uint64_t next_go = i < go->count ? go->items[i].address : UINT64_MAX;
		uint64_t next_eh = k < table->row_count ? table->rows[k].address : UINT64_MAX;
		uint64_t address = FG_MIN(next_go, next_eh);

		i += next_go == address;
		k += next_eh == address;
		struct fg_unwind_row row = i ? go->items[i - 1] : make_row(FG_ROW_NONE);

		if (row.kind == FG_ROW_NONE && k)
			row = table->rows[k - 1];
		rc = append(ret, address, row, err);
	}
	return rc;
}

static void take(struct fg_unwind_table *table, struct rows *rows)
{
	free(table->rows);
	table->rows = rows->items;
	table->row_count = rows->count;
	table->row_capacity = rows->capacity;
	table->unsupported_rows = 0;
	for (size_t i = 0; i < rows->count; i++)
		table->unsupported_rows += rows->items[i].kind == FG_ROW_UNSUPPORTED;
	*rows = (struct rows){0};
}

static const uint8_t *read_code(struct Elf *elf, const struct fg_gotab *tab,
				const struct fg_unwind_table *table)
{
	uint64_t len = tab->etext - tab->text;

	for (size_t i = 0; i < table->segment_count; i++) {
		const struct fg_unwind_segment *segment = &table->segments[i];
		uint64_t before = tab->text - segment->vaddr;

		if (tab->text < segment->vaddr || before > segment->file_size ||
		    len > segment->file_size - before || len > CODE_BYTES_MAX)
			continue;
		Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)(segment->file_offset + before),
						      len, ELF_T_BYTE);

		return data && data->d_size == len ? data->d_buf : NULL;
	}
	return NULL;
}

int fg_gorows_add(struct Elf *elf, const struct fg_gotab *tab, struct fg_unwind_table *table,
		  struct fg_err *err)
{
	struct builder builder = {.tab = tab, .err = err};
	struct rows merged = {0};

	builder.code = read_code(elf, tab, table);
	if (!builder.code)
		return fg_err_set(err, FG_E_INVALID, "Go's code is not where its table says");
	int rc = append_all(&builder);

	if (!rc)
		rc = merge(table, &builder.rows, &merged, err);
	if (!rc)
		take(table, &merged);
	free(builder.rows.items);
	free(merged.items);
	return rc;
}
