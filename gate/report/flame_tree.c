/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks → tree. Every stack becomes a sequence of frames from its root; sequences are sorted by
 * name, so that equal beginnings lie side by side and one pass makes the nodes in preorder, in the
 * same order for every run of the same program.
 */
#include "gate/report/flame_internal.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/vec.h"

enum { IDS_MAX = 1 << 27 };

static const uint32_t NOT_YET = UINT32_MAX;

struct sequence {
	size_t start;
	uint32_t count;
	uint64_t samples, base_samples;
};

struct builder {
	struct fg_flame_tree *tree;
	struct fg_profile *keys;  /* used for its strings: key → index → frame */
	uint32_t *line_frames[2]; /* of each profile, per line: its frame, or NOT_YET */
	uint32_t *ids;            /* frames of all sequences; later their ranks */
	size_t id_count, id_capacity;
	struct sequence *sequences;
	size_t sequence_count, sequence_capacity;
	uint32_t *by_rank; /* rank → frame */
	struct fg_buf key;
	struct fg_err *err;
};

static const char *const kind_names[] = {
	[FG_FLAME_ALL] = "all",         [FG_FLAME_NATIVE] = "native",
	[FG_FLAME_INLINED] = "inlined", [FG_FLAME_KERNEL] = "kernel",
	[FG_FLAME_JIT] = "JIT",         [FG_FLAME_SCRIPT] = "script",
	[FG_FLAME_UNNAMED] = "unnamed", [FG_FLAME_MISSING] = "frames missing",
};

static_assert(FG_ARRAY_LEN(kind_names) == FG_FLAME_KIND_COUNT, "a kind without a name");

const char *fg_flame_kind_name(enum fg_flame_kind kind)
{
	return kind_names[kind];
}

void fg_flame_tree_free(struct fg_flame_tree *tree)
{
	if (!tree)
		return;
	free(tree->frames);
	free(tree->nodes);
	free(tree);
}

/* -- frames -------------------------------------------------------------------------------------
 */

/* The root that tells what was waited for misses nothing. */
static bool is_wait(const struct fg_profile *profile, const struct fg_plocation *location)
{
	static const char begin[] = "[wait: ";
	const struct fg_pline *line = &profile->lines[location->line_start];

	return strncmp(fg_profile_text(profile, profile->functions[line->function].name), begin,
		       strlen(begin)) == 0;
}

static enum fg_flame_kind kind_of(const struct fg_profile *profile,
				  const struct fg_plocation *location, bool inlined)
{
	static const struct {
		uint32_t flag;
		enum fg_flame_kind kind;
	} kinds[] = {
		{FG_LOC_PLACEHOLDER, FG_FLAME_MISSING},
		{FG_LOC_KERNEL, FG_FLAME_KERNEL},
		{FG_LOC_SCRIPT, FG_FLAME_SCRIPT},
		{FG_LOC_UNNAMED, FG_FLAME_UNNAMED},
		{FG_LOC_JIT, FG_FLAME_JIT},
	};

	if ((location->flags & FG_LOC_PLACEHOLDER) && is_wait(profile, location))
		return FG_FLAME_ALL;
	for (size_t i = 0; i < FG_ARRAY_LEN(kinds); i++)
		if (location->flags & kinds[i].flag)
			return kinds[i].kind;
	return inlined ? FG_FLAME_INLINED : FG_FLAME_NATIVE;
}

static int64_t intern_frame(struct builder *b, const struct fg_flame_frame *frame)
{
	struct fg_flame_tree *tree = b->tree;

	fg_buf_clear(&b->key);
	fg_buf_addf(&b->key, "%c %s\n%s", (char)('a' + (int)frame->kind), frame->name,
		    frame->module);
	int rc = fg_buf_check(&b->key, b->err);
	/* String 0 is empty and no key is, so frame = string − 1. */
	int64_t string = rc ? rc : fg_profile_string(b->keys, b->key.data, b->key.len, b->err);

	if (string < 0 || (size_t)string <= tree->frame_count)
		return string < 0 ? string : string - 1;
	rc = FG_VEC_ROOM(tree, frames, frame_count, frame_capacity, FG_PROFILE_ITEMS_MAX, b->err);
	if (rc)
		return rc;
	tree->frames[tree->frame_count++] = *frame;
	return string - 1;
}

/* The frame of line `at` of a location. */
static int64_t frame_of(struct builder *b, int which, const struct fg_profile *profile,
			const struct fg_plocation *location, size_t at)
{
	uint32_t line = location->line_start + (uint32_t)at;
	uint32_t *known = &b->line_frames[which][line];

	if (*known != NOT_YET)
		return *known;
	const struct fg_pfunction *function = &profile->functions[profile->lines[line].function];
	const struct fg_flame_frame frame = {
		.name = fg_profile_text(profile, function->name),
		.module = fg_profile_module_name(profile, function->module),
		.filename = fg_profile_text(profile, function->filename),
		.line = function->start_line,
		.kind = kind_of(profile, location, at + 1 < location->line_count),
		.guessed = location->flags & FG_LOC_GUESSED,
	};
	int64_t id = intern_frame(b, &frame);

	if (id >= 0)
		*known = (uint32_t)id;
	return id;
}

/* -- sequences ----------------------------------------------------------------------------------
 */

static int add_id(struct builder *b, struct sequence *sequence, int64_t id)
{
	static const struct fg_flame_frame deeper = {
		.name = "[deeper frames]", .module = "", .filename = "", .kind = FG_FLAME_MISSING};

	if (id < 0)
		return (int)id;
	if (sequence->count >= FG_FLAME_DEPTH_MAX)
		return 0;
	if (sequence->count == FG_FLAME_DEPTH_MAX - 1)
		id = intern_frame(b, &deeper);
	if (id < 0)
		return (int)id;
	int rc = FG_VEC_ROOM(b, ids, id_count, id_capacity, IDS_MAX, b->err);

	if (rc)
		return rc;
	b->ids[b->id_count++] = (uint32_t)id;
	sequence->count++;
	return 0;
}

static int add_stack(struct builder *b, int which, const struct fg_profile *profile,
		     const struct fg_pstack *stack, uint64_t samples)
{
	struct sequence sequence = {.start = b->id_count,
				    .samples = which ? 0 : samples,
				    .base_samples = which ? samples : 0};
	int rc = FG_VEC_ROOM(b, sequences, sequence_count, sequence_capacity, FG_PROFILE_ITEMS_MAX,
			     b->err);

	for (size_t i = stack->frame_count; i-- > 0 && rc == 0;) {
		const struct fg_plocation *location =
			&profile->locations[profile->frames[stack->frame_start + i]];

		for (size_t k = location->line_count; k-- > 0 && rc == 0;)
			rc = add_id(b, &sequence, frame_of(b, which, profile, location, k));
	}
	if (rc == 0)
		b->sequences[b->sequence_count++] = sequence;
	return rc;
}

static int add_profile(struct builder *b, int which, const struct fg_profile *profile)
{
	FG_AUTO_FREE uint64_t *counts = calloc(profile->stack_count + 1, sizeof(*counts));
	size_t lines = profile->line_count + 1;
	int rc = 0;

	b->line_frames[which] = malloc(lines * sizeof(*b->line_frames[which]));
	if (!counts || !b->line_frames[which])
		return fg_err_nomem(b->err);
	memset(b->line_frames[which], 0xff, lines * sizeof(*b->line_frames[which]));
	for (size_t i = 0; i < profile->sample_count; i++) {
		uint64_t *count = &counts[profile->samples[i].stack];

		/* Half of the range, so that no sum of a hostile file's samples overflows. */
		if (__builtin_add_overflow(*count, profile->samples[i].count, count) ||
		    *count > (uint64_t)INT64_MAX / FG_PROFILE_ITEMS_MAX)
			return fg_err_set(b->err, FG_E_LIMIT, "a stack of too many samples");
	}
	for (size_t i = 0; i < profile->stack_count && rc == 0; i++)
		if (counts[i])
			rc = add_stack(b, which, profile, &profile->stacks[i], counts[i]);
	return rc;
}

/* -- order --------------------------------------------------------------------------------------
 */

static int by_frame(const void *left, const void *right, void *context)
{
	const struct fg_flame_frame *frames = context;
	const struct fg_flame_frame *a = &frames[*(const uint32_t *)left];
	const struct fg_flame_frame *b = &frames[*(const uint32_t *)right];
	int order = strcmp(a->name, b->name);

	if (order == 0)
		order = strcmp(a->module, b->module);
	return order ? order : (a->kind > b->kind) - (a->kind < b->kind);
}

static int by_ranks(const void *left, const void *right, void *context)
{
	const uint32_t *ids = context;
	const struct sequence *a = left;
	const struct sequence *b = right;

	for (uint32_t i = 0; i < a->count && i < b->count; i++) {
		uint32_t x = ids[a->start + i], y = ids[b->start + i];

		if (x != y)
			return x < y ? -1 : 1;
	}
	return (a->count > b->count) - (a->count < b->count);
}

static int rank(struct builder *b)
{
	size_t count = b->tree->frame_count;
	FG_AUTO_FREE uint32_t *ranks = calloc(count + 1, sizeof(*ranks));

	b->by_rank = calloc(count + 1, sizeof(*b->by_rank));
	if (!ranks || !b->by_rank)
		return fg_err_nomem(b->err);
	for (size_t i = 0; i < count; i++)
		b->by_rank[i] = (uint32_t)i;
	if (count)
		qsort_r(b->by_rank, count, sizeof(*b->by_rank), by_frame, b->tree->frames);
	for (size_t i = 0; i < count; i++)
		ranks[b->by_rank[i]] = (uint32_t)i;
	for (size_t i = 0; i < b->id_count; i++)
		b->ids[i] = ranks[b->ids[i]];
	if (b->sequence_count)
		qsort_r(b->sequences, b->sequence_count, sizeof(*b->sequences), by_ranks, b->ids);
	return 0;
}

/* -- nodes --------------------------------------------------------------------------------------
 */

static int push_node(struct builder *b, uint32_t frame, uint32_t depth)
{
	struct fg_flame_tree *tree = b->tree;
	int rc = FG_VEC_ROOM(tree, nodes, node_count, node_capacity, FG_FLAME_NODES_MAX, b->err);

	if (rc)
		return rc;
	tree->nodes[tree->node_count++] =
		(struct fg_flame_node){.frame = frame, .depth = depth, .start = tree->samples};
	tree->depth = FG_MAX(tree->depth, depth);
	return 0;
}

static int grow(struct builder *b)
{
	static const struct fg_flame_frame all = {
		.name = "all", .module = "", .filename = "", .kind = FG_FLAME_ALL};
	struct fg_flame_tree *tree = b->tree;
	size_t path[FG_FLAME_DEPTH_MAX + 1] = {0};
	const struct sequence *last = NULL;
	int64_t root = intern_frame(b, &all);
	int rc = root < 0 ? (int)root : push_node(b, (uint32_t)root, 0);

	for (size_t i = 0; i < b->sequence_count && rc == 0; i++) {
		const struct sequence *one = &b->sequences[i];
		uint32_t same = 0;

		while (last && same < last->count && same < one->count &&
		       b->ids[last->start + same] == b->ids[one->start + same])
			same++;
		for (uint32_t k = same; k < one->count && rc == 0; k++) {
			path[k + 1] = tree->node_count;
			rc = push_node(b, b->by_rank[b->ids[one->start + k]], k + 1);
		}
		if (rc)
			break;
		for (uint32_t k = 0; k <= one->count; k++) {
			tree->nodes[path[k]].total += one->samples;
			tree->nodes[path[k]].base_total += one->base_samples;
		}
		tree->nodes[path[one->count]].self += one->samples;
		tree->samples += one->samples;
		tree->base_samples += one->base_samples;
		last = one;
	}
	return rc;
}

static void builder_done(struct builder *b)
{
	fg_profile_free(b->keys);
	free(b->line_frames[0]);
	free(b->line_frames[1]);
	free(b->ids);
	free(b->sequences);
	free(b->by_rank);
	fg_buf_done(&b->key);
}

int fg_flame_tree_new(const struct fg_profile *profile, const struct fg_profile *base,
		      struct fg_flame_tree **ret, struct fg_err *err)
{
	struct builder b = {.err = err};
	int rc = fg_profile_new(&b.keys, err);

	fg_buf_init(&b.key, (size_t)2 * FG_PROFILE_STRING_MAX + 64);
	b.tree = calloc(1, sizeof(*b.tree));
	if (rc == 0 && !b.tree)
		rc = fg_err_nomem(err);
	if (rc == 0)
		rc = add_profile(&b, 0, profile);
	if (rc == 0 && base)
		rc = add_profile(&b, 1, base);
	if (rc == 0)
		rc = rank(&b);
	if (rc == 0)
		rc = grow(&b);
	if (rc)
		fg_flame_tree_free(b.tree);
	else
		*ret = b.tree;
	builder_done(&b);
	return rc;
}
