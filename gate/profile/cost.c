/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/profile/cost.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"
#include "gate/profile/cost_kernel.h"
#include "gate/profile/normalise.h"

static const uint32_t NOT_YET = UINT32_MAX;

enum { BLOCKS_MAX = 1 << 20, CELLS_MAX = 1 << 28 };

/* What a row needs only while it is being counted. */
struct draft {
	uint64_t source;   /* hash of the first source name; see fg_normalise_source() */
	uint32_t filename; /* the first that is known */
	uint32_t function; /* the most frequent one */
	uint64_t most;     /* its samples */
	size_t seen;       /* last sample that counted in total */
};

struct builder {
	const struct fg_profile *profile;
	const struct fg_cost_options *options;
	struct fg_cost *cost;
	struct fg_profile *keys; /* used for its strings: key → index → row */
	struct draft *drafts;    /* per row */
	size_t draft_capacity;
	uint32_t *function_rows;   /* per function */
	uint64_t *function_counts; /* samples per function */
	uint32_t *group_rows;      /* per stack: the row of its kernel part; 0 = none, else + 1 */
	struct fg_buf text;
	struct fg_err *err;
};

void fg_cost_free(struct fg_cost *cost)
{
	if (!cost)
		return;
	for (size_t i = 0; i < cost->count; i++) {
		struct fg_cost_row *row = &cost->rows[i];

		free(row->key);
		free(row->name);
		free(row->module);
		free(row->filename);
		free(row->self_by_block);
		free(row->total_by_block);
	}
	free(cost->rows);
	free(cost->by_key);
	free(cost->samples_by_block);
	free(cost);
}

/* One row's arrays; the sum of all is bounded before it is asked for. */
static int new_row(struct builder *b, const char *key)
{
	struct fg_cost *cost = b->cost;
	int rc = FG_VEC_ROOM(cost, rows, count, capacity, CELLS_MAX / cost->block_count, b->err);

	if (!rc)
		rc = fg_vec_grow((void **)&b->drafts, &b->draft_capacity, cost->count + 1,
				 FG_PROFILE_ITEMS_MAX, sizeof(*b->drafts), b->err);
	if (rc)
		return rc;
	struct fg_cost_row *row = &cost->rows[cost->count++];

	*row = (struct fg_cost_row){
		.gated = true,
		.self_by_block = calloc(cost->block_count, sizeof(*row->self_by_block)),
		.total_by_block = calloc(cost->block_count, sizeof(*row->total_by_block)),
	};
	if (!row->self_by_block || !row->total_by_block)
		return fg_err_nomem(b->err);
	b->drafts[cost->count - 1] = (struct draft){.function = NOT_YET, .seen = SIZE_MAX};
	return fg_str_dup(key, &row->key, b->err);
}

/* The row of the key in b->text; made if need be. */
static int64_t row_of_key(struct builder *b, bool *ret_new)
{
	int rc = fg_buf_check(&b->text, b->err);

	if (rc)
		return rc;
	/* String 0 is empty and no key is, so row = string − 1. */
	int64_t string = fg_profile_string(b->keys, b->text.data, b->text.len, b->err);

	if (string < 0)
		return string;
	*ret_new = (size_t)string > b->cost->count;
	if (*ret_new)
		rc = new_row(b, fg_profile_text(b->keys, (uint32_t)string));
	return rc ? rc : string - 1;
}

static uint64_t source_of(struct builder *b, const char *name)
{
	fg_buf_clear(&b->text);
	fg_normalise_source(name, &b->text);
	return b->text.data ? XXH3_64bits(b->text.data, b->text.len) : 0;
}

/* A second source function under the key: another name but for clones and template arguments, or
 * the same in another file. */
static void check_ambiguous(struct builder *b, size_t row, const struct fg_pfunction *function,
			    bool is_new)
{
	struct draft *draft = &b->drafts[row];
	uint64_t source = source_of(b, fg_profile_text(b->profile, function->name));

	if (is_new)
		draft->source = source;
	bool other_file =
		draft->filename && function->filename && draft->filename != function->filename;

	if (draft->source != source || other_file)
		b->cost->rows[row].ambiguous = true;
	if (!draft->filename)
		draft->filename = function->filename;
}

void fg_cost_key(const struct fg_profile *profile, uint32_t function, uint32_t location_flags,
		 struct fg_buf *out)
{
	const uint32_t raw = FG_LOC_UNNAMED | FG_LOC_PLACEHOLDER | FG_LOC_KERNEL;
	const struct fg_pfunction *of = &profile->functions[function];
	const char *name = fg_profile_text(profile, of->name);

	fg_buf_add_str(out, fg_profile_module_name(profile, of->module));
	fg_buf_add_char(out, ' ');
	/* Kernel functions keep their raw names: normalised, __x64_sys_writev is the name of the
	 * whole group of its system call, which is gated. */
	if (location_flags & raw)
		fg_buf_add_str(out, name);
	else if (location_flags & FG_LOC_SCRIPT)
		fg_normalise_script(name, fg_profile_text(profile, of->filename), out);
	else
		fg_normalise_name(name, out);
}

static int64_t row_of_function(struct builder *b, uint32_t index, uint32_t flags)
{
	const uint32_t nameless = FG_LOC_UNNAMED | FG_LOC_PLACEHOLDER;
	const struct fg_pfunction *function = &b->profile->functions[index];
	bool is_new = false;

	if (b->function_rows[index] != NOT_YET)
		return b->function_rows[index];
	fg_buf_clear(&b->text);
	fg_cost_key(b->profile, index, flags, &b->text);
	int64_t row = row_of_key(b, &is_new);

	if (row < 0)
		return row;
	check_ambiguous(b, (size_t)row, function, is_new);
	struct fg_cost_row *r = &b->cost->rows[row];

	r->kernel |= (flags & FG_LOC_KERNEL) != 0;
	r->gated &= !r->kernel && !r->ambiguous && !(flags & nameless);
	b->function_rows[index] = (uint32_t)row;
	return row;
}

static int64_t row_of_group(struct builder *b, uint32_t stack)
{
	bool is_new = false;

	if (b->group_rows[stack] != NOT_YET)
		return b->group_rows[stack];
	fg_buf_clear(&b->text);
	if (!fg_cost_kernel_group(b->profile, &b->profile->stacks[stack], &b->text)) {
		b->group_rows[stack] = 0;
		return 0;
	}
	int64_t row = row_of_key(b, &is_new);

	if (row < 0)
		return row;
	b->cost->rows[row].kernel = true;
	b->cost->rows[row].group = true;
	b->group_rows[stack] = (uint32_t)row + 1;
	return row + 1;
}

static void add_u32(uint32_t *cell, uint64_t count)
{
	*cell = count > UINT32_MAX - *cell ? UINT32_MAX : *cell + (uint32_t)count;
}

static void add_self(struct builder *b, size_t row, size_t block, uint64_t count)
{
	b->cost->rows[row].self += count;
	add_u32(&b->cost->rows[row].self_by_block[block], count);
}

static void add_total(struct builder *b, size_t row, size_t block, size_t number, uint64_t count)
{
	if (b->drafts[row].seen == number)
		return; /* recursion */
	b->drafts[row].seen = number;
	b->cost->rows[row].total += count;
	add_u32(&b->cost->rows[row].total_by_block[block], count);
}

static int count_location(struct builder *b, const struct fg_plocation *location, bool leaf,
			  size_t block, size_t number)
{
	uint64_t count = b->profile->samples[number].count;

	for (size_t i = 0; i < location->line_count; i++) {
		uint32_t function = b->profile->lines[location->line_start + i].function;
		int64_t row = row_of_function(b, function, location->flags);

		if (row < 0)
			return (int)row;
		b->function_counts[function] += count;
		if (leaf && i == 0)
			add_self(b, (size_t)row, block, count);
		add_total(b, (size_t)row, block, number, count);
	}
	return 0;
}

static int count_kernel(struct builder *b, size_t block, size_t number, bool leaf)
{
	const struct fg_psample *sample = &b->profile->samples[number];
	int64_t group = row_of_group(b, sample->stack);

	if (group < 0)
		return (int)group;
	if (group && leaf)
		add_self(b, (size_t)group - 1, block, sample->count);
	if (group)
		add_total(b, (size_t)group - 1, block, number, sample->count);
	return 0;
}

static int count_sample(struct builder *b, size_t number, size_t block)
{
	const struct fg_profile *profile = b->profile;
	const struct fg_psample *sample = &profile->samples[number];
	const struct fg_pstack *stack = &profile->stacks[sample->stack];
	const struct fg_plocation *leaf = &profile->locations[profile->frames[stack->frame_start]];

	b->cost->samples += sample->count;
	b->cost->samples_by_block[block] += sample->count;
	if (stack->result == FG_STACK_KERNEL_ONLY)
		b->cost->kernel_only += sample->count;
	else if (stack->result != FG_STACK_COMPLETE)
		b->cost->incomplete += sample->count;
	if (leaf->flags & (FG_LOC_UNNAMED | FG_LOC_PLACEHOLDER))
		b->cost->unnamed_self += sample->count;
	for (size_t i = 0; i < stack->frame_count; i++) {
		const struct fg_plocation *location =
			&profile->locations[profile->frames[stack->frame_start + i]];

		if (i && (location->flags & FG_LOC_GUESSED))
			continue;
		int rc = count_location(b, location, i == 0, block, number);

		if (rc)
			return rc;
	}
	return count_kernel(b, block, number, leaf->flags & FG_LOC_KERNEL);
}

static bool is_among(const uint32_t *seconds, size_t count, uint32_t second)
{
	for (size_t i = 0; i < count; i++) {
		if (seconds[i] == second)
			return true;
	}
	return false;
}

bool fg_cost_counts(const struct fg_profile *profile, const struct fg_cost_options *options,
		    const struct fg_psample *sample)
{
	if (!sample->count || sample->second < options->second_from)
		return false;
	if (options->seconds && !is_among(options->seconds, options->second_count, sample->second))
		return false;
	if (options->phase && strcmp(options->phase, fg_profile_text(profile, sample->phase)) != 0)
		return false;
	if (options->latency &&
	    strcmp(options->latency, fg_profile_text(profile, sample->latency)) != 0)
		return false;
	return !options->endpoint ||
	       strcmp(options->endpoint, fg_profile_text(profile, sample->endpoint)) == 0;
}

/* The sample's block; false if it is not asked for. */
static bool wanted(const struct builder *b, const struct fg_psample *sample, size_t *ret_block)
{
	const struct fg_cost_options *options = b->options;

	if (!fg_cost_counts(b->profile, options, sample))
		return false;
	*ret_block = options->block_seconds
			     ? (sample->second - options->second_from) / options->block_seconds
			     : 0;
	return *ret_block < b->cost->block_count;
}

static int count_all(struct builder *b)
{
	for (size_t i = 0; i < b->profile->sample_count; i++) {
		size_t block;

		if (!wanted(b, &b->profile->samples[i], &block))
			continue;
		int rc = count_sample(b, i, block);

		if (rc)
			return rc;
	}
	return 0;
}

/* Each row shows the function that was sampled most; ties: the first. */
static int name_rows(struct builder *b)
{
	struct fg_cost *cost = b->cost;
	const struct fg_profile *profile = b->profile;

	for (uint32_t i = 0; i < profile->function_count; i++) {
		uint32_t row = b->function_rows[i];

		if (row != NOT_YET && b->function_counts[i] > b->drafts[row].most) {
			b->drafts[row].most = b->function_counts[i];
			b->drafts[row].function = i;
		}
	}
	for (size_t i = 0; i < cost->count; i++) {
		struct fg_cost_row *row = &cost->rows[i];
		uint32_t index = b->drafts[i].function;
		const struct fg_pfunction *function =
			index == NOT_YET ? NULL : &profile->functions[index];
		const char *name = function ? fg_profile_text(profile, function->name) : row->key;
		const char *module =
			function ? fg_profile_module_name(profile, function->module) : "[kernel]";
		const char *file = function ? fg_profile_text(profile, function->filename) : "";
		int rc = fg_str_dup(name, &row->name, b->err);

		if (!rc)
			rc = fg_str_dup(module, &row->module, b->err);
		if (!rc)
			rc = fg_str_dup(file, &row->filename, b->err);
		if (rc)
			return rc;
		row->line = function ? function->start_line : 0;
	}
	return 0;
}

static int by_self(const void *left, const void *right)
{
	const struct fg_cost_row *a = left;
	const struct fg_cost_row *b = right;

	if (a->self != b->self)
		return a->self > b->self ? -1 : 1;
	return strcmp(a->key, b->key);
}

static int by_key(const void *left, const void *right)
{
	const struct fg_cost_row *const *a = left;
	const struct fg_cost_row *const *b = right;

	return strcmp((*a)->key, (*b)->key);
}

static int sort_rows(struct fg_cost *cost, struct fg_err *err)
{
	cost->by_key = calloc(cost->count + 1, sizeof(*cost->by_key));
	if (!cost->by_key)
		return fg_err_nomem(err);
	if (!cost->count)
		return 0;
	qsort(cost->rows, cost->count, sizeof(*cost->rows), by_self);
	for (size_t i = 0; i < cost->count; i++)
		cost->by_key[i] = &cost->rows[i];
	qsort(cost->by_key, cost->count, sizeof(*cost->by_key), by_key);
	return 0;
}

static int builder_init(struct builder *b)
{
	const struct fg_profile *profile = b->profile;
	const struct fg_cost_options *options = b->options;
	size_t blocks = options->block_seconds ? options->block_count : 1;

	if (!blocks || blocks > BLOCKS_MAX)
		return fg_err_set(b->err, FG_E_INVALID, "cost over %zu blocks (1 to %d)", blocks,
				  BLOCKS_MAX);
	fg_buf_init(&b->text, FG_PROFILE_STRING_MAX + FG_NORMALISE_MAX + 64);
	b->cost = calloc(1, sizeof(*b->cost));
	b->function_rows = malloc((profile->function_count + 1) * sizeof(*b->function_rows));
	b->function_counts = calloc(profile->function_count + 1, sizeof(*b->function_counts));
	b->group_rows = malloc((profile->stack_count + 1) * sizeof(*b->group_rows));
	if (!b->cost || !b->function_rows || !b->function_counts || !b->group_rows)
		return fg_err_nomem(b->err);
	memset(b->function_rows, 0xff, (profile->function_count + 1) * sizeof(*b->function_rows));
	memset(b->group_rows, 0xff, (profile->stack_count + 1) * sizeof(*b->group_rows));
	b->cost->block_count = blocks;
	b->cost->samples_by_block = calloc(blocks, sizeof(*b->cost->samples_by_block));
	if (!b->cost->samples_by_block)
		return fg_err_nomem(b->err);
	return fg_profile_new(&b->keys, b->err);
}

int fg_cost_new(const struct fg_profile *profile, const struct fg_cost_options *options,
		struct fg_cost **ret, struct fg_err *err)
{
	struct builder b = {.profile = profile, .options = options, .err = err};
	int rc = builder_init(&b);

	if (!rc)
		rc = count_all(&b);
	if (!rc)
		rc = name_rows(&b);
	if (!rc)
		rc = sort_rows(b.cost, err);
	if (rc)
		fg_cost_free(b.cost);
	else
		*ret = b.cost;
	fg_profile_free(b.keys);
	fg_buf_done(&b.text);
	free(b.drafts);
	free(b.function_rows);
	free(b.function_counts);
	free(b.group_rows);
	return rc;
}

const struct fg_cost_row *fg_cost_find(const struct fg_cost *cost, const char *key)
{
	size_t low = 0;
	size_t high = cost->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(cost->by_key[middle]->key, key);

		if (order == 0)
			return cost->by_key[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
