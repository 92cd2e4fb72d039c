/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a series back: one second at a time, records of the same second merged. Memory is that of
 * one second.
 */
#include <stdlib.h>
#include <string.h>

#include "gate/base/vec.h"
#include "gate/format/hdrlog.h"
#include "gate/measure/series.h"
#include "gate/measure/series_internal.h"

/* The rows of one second; texts point into `bytes`, or are owned where rows were merged. */
struct rows {
	struct fg_buf bytes;
	struct fg_series_row *items;
	size_t count, capacity;
	char **owned;
	size_t owned_count, owned_capacity;
};

enum { ROWS_MAX = 64 * 2 * FG_REGISTRY_CLASSES_MAX };

static void rows_clear(struct rows *rows)
{
	for (size_t i = 0; i < rows->owned_count; i++)
		free(rows->owned[i]);
	rows->owned_count = 0;
	rows->count = 0;
	fg_buf_clear(&rows->bytes);
}

static void rows_done(struct rows *rows)
{
	rows_clear(rows);
	fg_buf_done(&rows->bytes);
	free(rows->items);
	free(rows->owned);
}

static int compare_rows(const void *left, const void *right)
{
	const struct fg_series_row *a = left;
	const struct fg_series_row *b = right;

	if (a->class_index != b->class_index)
		return a->class_index < b->class_index ? -1 : 1;
	return (int)a->expected - (int)b->expected;
}

/* text of both, which may be the one or the other */
static int merge_text(struct rows *rows, const char **into, const char *other, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {.max = FG_HDRLOG_TEXT_MAX};
	struct fg_hist sum;

	if (!other)
		return 0;
	if (!*into) {
		*into = other;
		return 0;
	}
	int rc = FG_VEC_ROOM(rows, owned, owned_count, owned_capacity, 4 * ROWS_MAX, err);

	fg_hist_init(&sum, NULL);
	if (rc == 0)
		rc = fg_hdrlog_decode(*into, strlen(*into), &sum, err);
	if (rc == 0)
		rc = fg_hdrlog_decode(other, strlen(other), &sum, err);
	if (rc == 0)
		rc = fg_hdrlog_encode(&sum, &text, err);
	fg_hist_done(&sum);
	if (rc)
		return rc;
	rows->owned[rows->owned_count] = fg_buf_take(&text, NULL);
	*into = rows->owned[rows->owned_count++];
	return 0;
}

static int merge_row(struct rows *rows, struct fg_series_row *into,
		     const struct fg_series_row *other, struct fg_err *err)
{
	const bool one = into->duration_hdr == into->service_hdr;
	int rc = merge_text(rows, &into->response_hdr, other->response_hdr, err);

	if (rc == 0)
		rc = merge_text(rows, &into->service_hdr, other->service_hdr, err);
	/* one text for both, or different ones where a part has stamps */
	if (rc == 0 && one && other->duration_hdr)
		into->duration_hdr = into->service_hdr;
	else if (rc == 0)
		rc = merge_text(rows, &into->duration_hdr, other->duration_hdr, err);
	into->requests += other->requests;
	into->failed += other->failed;
	into->sent_bytes += other->sent_bytes;
	into->received_bytes += other->received_bytes;
	return rc;
}

static int merge_equal(struct rows *rows, struct fg_err *err)
{
	size_t kept = 0;
	int rc = 0;

	qsort(rows->items, rows->count, sizeof(*rows->items), compare_rows);
	for (size_t i = 1; rc == 0 && i < rows->count; i++) {
		if (compare_rows(&rows->items[kept], &rows->items[i]) == 0)
			rc = merge_row(rows, &rows->items[kept], &rows->items[i], err);
		else
			rows->items[++kept] = rows->items[i];
	}
	if (rows->count)
		rows->count = kept + 1;
	return rc;
}

/* All rows of the second that entry *at begins; *at moves behind it. */
static int load_second(const struct fg_series *series, size_t *at, struct rows *rows,
		       struct fg_err *err)
{
	const struct fg_series_index *index = &series->rows;
	const uint32_t second = index->items[*at].second;
	size_t first = *at;
	size_t place = 0;
	int rc = 0;

	rows_clear(rows);
	for (; rc == 0 && *at < index->count && index->items[*at].second == second; ++*at)
		rc = fg_series_get(series, &index->items[*at], &rows->bytes, err);
	while (rc == 0 && place < rows->bytes.len) {
		rc = FG_VEC_ROOM(rows, items, count, capacity, ROWS_MAX, err);
		if (rc == 0)
			(void)fg_series_row_next(&rows->bytes, &place, &rows->items[rows->count++]);
	}
	if (rc == 0 && *at - first > 1)
		rc = merge_equal(rows, err);
	return rc;
}

int fg_series_each(const struct fg_result *result, uint32_t from, uint32_t to, fg_series_row_fn row,
		   void *context, struct fg_err *err)
{
	const struct fg_series *series = result->series;
	struct rows rows = {0};
	int rc = fg_series_flush(result, err);
	size_t at = fg_series_find(&series->rows, from);

	fg_buf_init(&rows.bytes, FG_SERIES_RECORD_MAX);
	while (rc == 0 && at < series->rows.count &&
	       (to == UINT32_MAX || series->rows.items[at].second < to)) {
		rc = load_second(series, &at, &rows, err);
		for (size_t i = 0; rc == 0 && i < rows.count; i++)
			rc = row(context, &rows.items[i], err);
	}
	rows_done(&rows);
	return rc;
}

size_t fg_series_seconds(const struct fg_result *result)
{
	const struct fg_series_index *index = &result->series->rows;
	size_t seconds = 0;

	if (fg_series_flush(result, NULL))
		return 0;
	for (size_t i = 0; i < index->count; i++)
		seconds += i == 0 || index->items[i].second != index->items[i - 1].second;
	return seconds;
}

/* -- slices -------------------------------------------------------------------------------------
 */

struct walk {
	const struct fg_result *result;
	struct fg_slice *slice; /* handed out */
	struct fg_slice *line;  /* one line on its way into it */
	struct rows rows;
	struct fg_buf bytes;
	fg_series_slice_fn call;
	void *context;
};

static int decode_into(struct fg_hist *hist, const char *text, struct fg_err *err)
{
	return text ? fg_hdrlog_decode(text, strlen(text), hist, err) : 0;
}

static int add_row(struct fg_slice *slice, const struct fg_series_row *row, struct fg_err *err)
{
	struct fg_class_slice *half = fg_slice_class(slice, row->class_index, row->expected);
	int rc = decode_into(&half->trends[FG_TREND_RESPONSE_TIME], row->response_hdr, err);

	if (rc == 0)
		rc = decode_into(&half->trends[FG_TREND_SERVICE_TIME], row->service_hdr, err);
	if (rc == 0)
		rc = decode_into(&half->trends[FG_TREND_DURATION], row->duration_hdr, err);
	half->requests += row->requests;
	half->failed += row->failed;
	half->sent_bytes += row->sent_bytes;
	half->received_bytes += row->received_bytes;
	return rc;
}

/* The lines of `second` from entry *at on; *at moves behind them. */
static int add_lines(struct walk *walk, const struct fg_series_index *index, uint32_t second,
		     size_t *at, struct fg_err *err)
{
	int rc = 0;

	for (; rc == 0 && *at < index->count && index->items[*at].second == second; ++*at) {
		uint32_t seconds = 0;

		fg_buf_clear(&walk->bytes);
		fg_slice_clear(walk->line);
		rc = fg_series_get(walk->result->series, &index->items[*at], &walk->bytes, err);
		if (rc == 0)
			rc = fg_series_get_line(walk->bytes.data, walk->bytes.len, walk->line,
						&seconds, err);
		if (rc == 0)
			rc = fg_slice_add(walk->slice, walk->line, err);
	}
	return rc;
}

static int give(struct walk *walk, uint32_t seconds, struct fg_err *err)
{
	return walk->call(walk->context, walk->slice, seconds, err);
}

static uint32_t second_at(const struct fg_series_index *index, size_t at, uint32_t to)
{
	if (at >= index->count || (to != UINT32_MAX && index->items[at].second >= to))
		return UINT32_MAX;
	return index->items[at].second;
}

static int walk_seconds(struct walk *walk, uint32_t from, uint32_t to, struct fg_err *err)
{
	const struct fg_series *series = walk->result->series;
	size_t rows = fg_series_find(&series->rows, from);
	size_t counts = fg_series_find(&series->counts, from);
	size_t intervals = fg_series_find(&series->intervals, from);
	int rc = 0;

	while (rc == 0) {
		uint32_t second = FG_MIN(second_at(&series->rows, rows, to),
					 second_at(&series->counts, counts, to));
		uint32_t interval = second_at(&series->intervals, intervals, to);

		if (second == UINT32_MAX && interval == UINT32_MAX)
			return 0;
		fg_slice_clear(walk->slice);
		walk->slice->second = FG_MIN(second, interval);
		if (interval < second) {
			rc = add_lines(walk, &series->intervals, interval, &intervals, err);
			rc = rc ? rc : give(walk, FG_SERIES_INTERVAL_S, err);
			continue;
		}
		if (second_at(&series->rows, rows, to) == second) {
			rc = load_second(series, &rows, &walk->rows, err);
			for (size_t i = 0; rc == 0 && i < walk->rows.count; i++)
				rc = add_row(walk->slice, &walk->rows.items[i], err);
		}
		if (rc == 0)
			rc = add_lines(walk, &series->counts, second, &counts, err);
		rc = rc ? rc : give(walk, 1, err);
	}
	return rc;
}

int fg_series_slices(const struct fg_result *result, uint32_t from, uint32_t to,
		     fg_series_slice_fn slice, void *context, struct fg_err *err)
{
	struct walk walk = {.result = result, .call = slice, .context = context};
	int rc = fg_series_flush(result, err);

	fg_buf_init(&walk.rows.bytes, FG_SERIES_RECORD_MAX);
	fg_buf_init(&walk.bytes, FG_SERIES_RECORD_MAX);
	if (rc == 0)
		rc = fg_slice_new(&result->registry, NULL, &walk.slice, err);
	if (rc == 0)
		rc = fg_slice_new(&result->registry, NULL, &walk.line, err);
	if (rc == 0)
		rc = walk_seconds(&walk, from, to, err);
	fg_slice_free(walk.slice);
	fg_slice_free(walk.line);
	rows_done(&walk.rows);
	fg_buf_done(&walk.bytes);
	return rc;
}
