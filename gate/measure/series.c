/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holding seconds until they are complete, encoding them once, and the index of what was put aside.
 * Reading is in series_read.c.
 */
#include "gate/measure/series.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"
#include "gate/measure/series_internal.h"

int fg_series_new(struct fg_series **ret, struct fg_err *err)
{
	struct fg_series *series = calloc(1, sizeof(*series));

	if (!series)
		return fg_err_nomem(err);
	fg_spool_init(&series->spool);
	fg_buf_init(&series->scratch, FG_SERIES_RECORD_MAX);
	*ret = series;
	return 0;
}

void fg_series_free(struct fg_series *series)
{
	if (!series)
		return;
	for (size_t i = 0; i < series->held_count; i++)
		fg_slice_free(series->held[i]);
	fg_slice_free(series->spare);
	fg_slice_free(series->interval);
	fg_spool_done(&series->spool);
	fg_buf_done(&series->scratch);
	free(series->rows.items);
	free(series->counts.items);
	free(series->intervals.items);
	free(series);
}

/* -- the index ----------------------------------------------------------------------------------
 */

size_t fg_series_find(const struct fg_series_index *index, uint32_t second)
{
	size_t low = 0;
	size_t high = index->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (index->items[middle].second < second)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int fg_series_put(struct fg_series *series, struct fg_series_index *index, uint32_t second,
		  const void *bytes, size_t len, struct fg_err *err)
{
	struct fg_series_entry entry = {.len = (uint32_t)len, .second = second};
	struct fg_err why = {0};

	if (len == 0 || series->partial[0])
		return 0;
	int rc = FG_VEC_ROOM(index, items, count, capacity, FG_SERIES_INDEX_MAX, err);

	if (rc)
		return fg_err_wrap(err, "the run's series");
	rc = fg_spool_append(&series->spool, bytes, len, &entry.offset, &why);
	if (rc == -FG_E_NOMEM)
		return fg_err_nomem(err);
	if (rc) { /* a full disk: what was counted so far is worth more than this */
		(void)snprintf(series->partial, sizeof(series->partial),
			       "nothing per second from second %u on: %.1024s", second,
			       why.message);
		return 0;
	}
	/* From the end, because time goes forward. */
	size_t at = index->count;

	while (at > 0 && index->items[at - 1].second > second)
		at--;
	memmove(&index->items[at + 1], &index->items[at],
		(index->count - at) * sizeof(*index->items));
	index->items[at] = entry;
	index->count++;
	return 0;
}

int fg_series_get(const struct fg_series *series, const struct fg_series_entry *entry,
		  struct fg_buf *out, struct fg_err *err)
{
	char *to = fg_buf_reserve(out, entry->len);

	if (!to)
		return fg_buf_check(out, err);
	int rc = fg_spool_read(&series->spool, entry->offset, to, entry->len, err);

	if (rc == 0)
		fg_buf_commit(out, entry->len);
	return rc;
}

/* -- encoding -----------------------------------------------------------------------------------
 */

static int put_rows(struct fg_series *series, const struct fg_registry *registry,
		    const struct fg_slice *slice, struct fg_err *err)
{
	fg_buf_clear(&series->scratch);
	int rc = fg_series_rows_put(&series->scratch, registry, slice, err);

	return rc ? rc
		  : fg_series_put(series, &series->rows, slice->second, series->scratch.data,
				  series->scratch.len, err);
}

static int put_counts(struct fg_series *series, const struct fg_slice *slice, struct fg_err *err)
{
	bool failed = false;

	fg_buf_clear(&series->scratch);
	fg_series_put_counts(&series->scratch, slice, &failed);
	int rc = fg_buf_check(&series->scratch, err);

	if (rc == 0 && failed)
		return fg_err_set(err, FG_E_INTERNAL, "a counter beyond 63 bits");
	return rc ? rc
		  : fg_series_put(series, &series->counts, slice->second, series->scratch.data,
				  series->scratch.len, err);
}

static int put_interval(struct fg_series *series, struct fg_err *err)
{
	if (!series->interval_used)
		return 0;
	fg_buf_clear(&series->scratch);
	int rc = fg_series_put_interval(&series->scratch, series->interval, err);

	if (rc == 0)
		rc = fg_series_put(series, &series->intervals, series->interval->second,
				   series->scratch.data, series->scratch.len, err);
	fg_slice_clear(series->interval);
	series->interval_used = false;
	return rc;
}

static int add_interval(struct fg_series *series, const struct fg_registry *registry,
			const struct fg_slice *slice, struct fg_err *err)
{
	uint32_t start = slice->second - slice->second % FG_SERIES_INTERVAL_S;
	int rc = 0;

	if (!series->interval)
		rc = fg_slice_new(registry, NULL, &series->interval, err);
	else if (series->interval_used && series->interval->second != start)
		rc = put_interval(series, err);
	if (rc)
		return rc;
	series->interval->second = start;
	series->interval_used = true;
	return fg_series_add_rest(series->interval, registry, slice, err);
}

static int encode(const struct fg_result *result, const struct fg_slice *slice, struct fg_err *err)
{
	struct fg_series *series = result->series;
	int rc = put_rows(series, &result->registry, slice, err);

	if (rc == 0)
		rc = put_counts(series, slice, err);
	if (rc == 0)
		rc = add_interval(series, &result->registry, slice, err);
	for (size_t i = 0; rc == 0 && i < series->observer_count; i++)
		series->observers[i].call(series->observers[i].context, slice);
	return rc;
}

/* -- holding ------------------------------------------------------------------------------------
 */

static int make_slice(const struct fg_result *result, uint32_t second, struct fg_slice **ret,
		      struct fg_err *err)
{
	struct fg_series *series = result->series;
	int rc = 0;

	*ret = series->spare;
	series->spare = NULL;
	if (!*ret)
		rc = fg_slice_new(&result->registry, NULL, ret, err);
	if (rc == 0)
		(*ret)->second = second;
	return rc;
}

static void drop_slice(struct fg_series *series, struct fg_slice *slice)
{
	fg_slice_clear(slice); /* its blocks too: holding them would double the memory */
	if (series->spare)
		fg_slice_free(slice);
	else
		series->spare = slice;
}

/* The oldest one that is held leaves. */
static int release_first(const struct fg_result *result, struct fg_err *err)
{
	struct fg_series *series = result->series;
	struct fg_slice *first = series->held[0];

	series->held_count--;
	memmove(&series->held[0], &series->held[1], series->held_count * sizeof(series->held[0]));
	if (first->second >= series->sealed)
		series->sealed = first->second + 1;
	int rc = encode(result, first, err);

	drop_slice(series, first);
	return rc;
}

int fg_series_take(struct fg_result *result, const struct fg_slice *slice, struct fg_err *err)
{
	struct fg_series *series = result->series;
	size_t at = series->held_count;
	int rc = 0;

	if (slice->second < series->sealed)
		return encode(result, slice, err); /* late; readers merge */
	while (at > 0 && series->held[at - 1]->second > slice->second)
		at--;
	if (at > 0 && series->held[at - 1]->second == slice->second)
		return fg_slice_add(series->held[at - 1], slice, err);
	if (series->held_count == FG_SERIES_HELD_MAX) {
		if (at == 0)
			return encode(result, slice, err);
		rc = release_first(result, err);
		at--;
	}
	struct fg_slice *copy = NULL;

	if (rc == 0)
		rc = make_slice(result, slice->second, &copy, err);
	if (rc == 0)
		rc = fg_slice_add(copy, slice, err);
	if (rc) {
		fg_slice_free(copy);
		return rc;
	}
	memmove(&series->held[at + 1], &series->held[at],
		(series->held_count - at) * sizeof(series->held[0]));
	series->held[at] = copy;
	series->held_count++;
	return 0;
}

static int seal(const struct fg_result *result, uint64_t second, struct fg_err *err)
{
	struct fg_series *series = result->series;
	int rc = 0;

	while (rc == 0 && series->held_count && series->held[0]->second < second)
		rc = release_first(result, err);
	return rc;
}

int fg_series_seal(struct fg_result *result, uint32_t second, struct fg_err *err)
{
	return seal(result, second, err);
}

int fg_series_flush(const struct fg_result *result, struct fg_err *err)
{
	int rc = seal(result, UINT64_MAX, err);

	return rc ? rc : put_interval(result->series, err);
}

/* -- the rest -----------------------------------------------------------------------------------
 */

int fg_series_observe(struct fg_result *result, fg_series_observer_fn observer, void *context,
		      struct fg_err *err)
{
	struct fg_series *series = result->series;

	if (series->observer_count == FG_SERIES_OBSERVERS_MAX)
		return fg_err_set(err, FG_E_LIMIT, "more than %d observers of one run",
				  FG_SERIES_OBSERVERS_MAX);
	series->observers[series->observer_count++] =
		(struct fg_series_observer){.call = observer, .context = context};
	return 0;
}

int fg_series_spool_in(struct fg_result *result, const char *dir, struct fg_err *err)
{
	return fg_str_replace(dir, &result->series->spool.dir, err);
}

const char *fg_series_partial(const struct fg_result *result)
{
	return result->series->partial[0] ? result->series->partial : NULL;
}

static int copy_index(struct fg_series *dst, struct fg_series_index *to,
		      const struct fg_series *src, const struct fg_series_index *from,
		      struct fg_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < from->count; i++) {
		fg_buf_clear(&dst->scratch);
		rc = fg_series_get(src, &from->items[i], &dst->scratch, err);
		if (rc == 0)
			rc = fg_series_put(dst, to, from->items[i].second, dst->scratch.data,
					   dst->scratch.len, err);
	}
	return rc;
}

int fg_series_merge(struct fg_result *dst, const struct fg_result *src, struct fg_err *err)
{
	struct fg_series *to = dst->series;
	const struct fg_series *from = src->series;

	if (!fg_registry_equal(&dst->registry, &src->registry))
		return fg_err_set(err, FG_E_INVALID, "the runs measured different things");
	int rc = fg_series_flush(dst, err);

	if (rc == 0)
		rc = fg_series_flush(src, err);
	if (rc == 0)
		rc = copy_index(to, &to->rows, from, &from->rows, err);
	if (rc == 0)
		rc = copy_index(to, &to->counts, from, &from->counts, err);
	if (rc == 0)
		rc = copy_index(to, &to->intervals, from, &from->intervals, err);
	if (rc == 0 && from->partial[0] && !to->partial[0])
		memcpy(to->partial, from->partial, sizeof(to->partial));
	return rc;
}
