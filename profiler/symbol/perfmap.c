/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overlaps are resolved once, by a sweep over the lines in order of start with the covering lines
 * in a heap, the latest on top. So a look-up is one binary search.
 */
#include "profiler/symbol/perfmap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/vec.h"

struct entries {
	struct fg_perfmap_entry *items;
	size_t count, capacity;
};

/* The line is NUL-terminated. */
static bool parse_line(char *line, size_t len, struct fg_perfmap_entry *ret)
{
	char *first = memchr(line, ' ', len);
	char *second = first ? memchr(first + 1, ' ', len - (size_t)(first + 1 - line)) : NULL;
	uint64_t size;

	if (!second || second[1] == '\0' ||
	    fg_num_hex(line, (size_t)(first - line), &ret->start, NULL) ||
	    fg_num_hex(first + 1, (size_t)(second - first - 1), &size, NULL) || size == 0 ||
	    __builtin_add_overflow(ret->start, size, &ret->end))
		return false;
	ret->name = second + 1;
	return true;
}

static int parse_lines(struct fg_perfmap *map, size_t len, struct entries *lines,
		       struct fg_err *err)
{
	size_t number = 0;

	for (char *line = map->text, *end = map->text + len; line < end;) {
		struct fg_perfmap_entry entry = {.line = ++number};
		char *stop = memchr(line, '\n', (size_t)(end - line));

		if (!stop)
			stop = end;
		*stop = '\0';
		bool good = parse_line(line, (size_t)(stop - line), &entry);

		line = stop + 1;
		if (!good) {
			map->malformed++;
			continue;
		}
		int rc = FG_VEC_ROOM(lines, items, count, capacity, FG_PERFMAP_MAX, err);

		if (rc)
			return rc;
		lines->items[lines->count++] = entry;
	}
	return 0;
}

static int compare(const void *left, const void *right)
{
	const struct fg_perfmap_entry *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->line < b->line ? -1 : a->line > b->line;
}

static void sift_down(struct fg_perfmap_entry *heap, size_t count, size_t at)
{
	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= count)
			return;
		if (child + 1 < count && heap[child + 1].line > heap[child].line)
			child++;
		if (heap[at].line >= heap[child].line)
			return;
		struct fg_perfmap_entry other = heap[at];

		heap[at] = heap[child];
		heap[child] = other;
		at = child;
	}
}

static void pop(struct entries *heap)
{
	heap->items[0] = heap->items[--heap->count];
	sift_down(heap->items, heap->count, 0);
}

static void push(struct entries *heap, struct fg_perfmap_entry entry)
{
	size_t at = heap->count++;

	for (; at && heap->items[(at - 1) / 2].line < entry.line; at = (at - 1) / 2)
		heap->items[at] = heap->items[(at - 1) / 2];
	heap->items[at] = entry;
}

static int emit(struct fg_perfmap *map, const struct fg_perfmap_entry *entry, uint64_t start,
		uint64_t end, struct fg_err *err)
{
	/* each line starts one piece and ends one at most */
	int rc = FG_VEC_ROOM(map, items, count, capacity, 2 * (size_t)FG_PERFMAP_MAX, err);

	if (rc)
		return rc;
	assert(map->items);
	struct fg_perfmap_entry *last = map->count ? &map->items[map->count - 1] : NULL;

	if (last && last->line == entry->line && last->end == start) {
		last->end = end;
		return 0;
	}
	map->items[map->count++] = (struct fg_perfmap_entry){start, end, entry->name, entry->line};
	return 0;
}

/* `heap` has room for all lines. */
static int sweep(struct fg_perfmap *map, const struct entries *lines, struct entries *heap,
		 struct fg_err *err)
{
	uint64_t at = 0;

	for (size_t next = 0; next < lines->count || heap->count;) {
		if (heap->count && heap->items[0].end <= at) {
			pop(heap);
			continue;
		}
		if (!heap->count)
			at = FG_MAX(at, lines->items[next].start);
		while (next < lines->count && lines->items[next].start <= at)
			push(heap, lines->items[next++]);
		if (heap->items[0].end <= at)
			continue;
		uint64_t end = heap->items[0].end;

		if (next < lines->count && lines->items[next].start < end)
			end = lines->items[next].start;
		int rc = emit(map, &heap->items[0], at, end, err);

		if (rc)
			return rc;
		at = end;
	}
	return 0;
}

static int index_lines(struct fg_perfmap *map, struct entries *lines, struct fg_err *err)
{
	if (lines->count == 0)
		return 0;
	struct entries heap = {.items = calloc(lines->count, sizeof(*heap.items))};

	if (!heap.items)
		return fg_err_nomem(err);
	qsort(lines->items, lines->count, sizeof(*lines->items), compare);
	int rc = sweep(map, lines, &heap, err);

	free(heap.items);
	return rc;
}

int fg_perfmap_parse(const char *text, size_t len, struct fg_perfmap *ret, struct fg_err *err)
{
	struct fg_perfmap map = {0};
	struct entries lines = {0};

	if (len > FG_PERFMAP_TEXT_MAX)
		return fg_err_set(err, FG_E_LIMIT, "perf map of %zu bytes", len);
	map.text = malloc(len + 1);
	if (!map.text)
		return fg_err_nomem(err);
	memcpy(map.text, text, len);
	map.text[len] = '\0';
	int rc = parse_lines(&map, len, &lines, err);

	if (!rc)
		rc = index_lines(&map, &lines, err);
	free(lines.items);
	if (rc)
		fg_perfmap_done(&map);
	else
		*ret = map;
	return rc;
}

const struct fg_perfmap_entry *fg_perfmap_find(const struct fg_perfmap *map, uint64_t address)
{
	size_t low = 0, high = map->count; /* the first behind address */

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (map->items[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address < map->items[low - 1].end ? &map->items[low - 1] : NULL;
}

void fg_perfmap_done(struct fg_perfmap *map)
{
	if (!map)
		return;
	free(map->items);
	free(map->text);
	*map = (struct fg_perfmap){0};
}
