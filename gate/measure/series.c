/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The per-second series: rows sorted by second, class and half, each row there once. Several
 * workers report the same second; their histograms are decoded, added and encoded again, which
 * keeps one simple invariant (every row is encoded and final) at about 0.1 ms per extra worker, row
 * and second on the coordinator.
 */
#include "gate/measure/result.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/vec.h"
#include "gate/format/hdrlog.h"

static void row_done(struct fg_series_row *row)
{
	free(row->response_hdr);
	free(row->duration_hdr);
}

void fg_series_done(struct fg_series *series)
{
	if (!series)
		return;
	for (size_t i = 0; i < series->count; i++)
		row_done(&series->items[i]);
	free(series->items);
	*series = (struct fg_series){0};
}

int fg_series_compare(const struct fg_series_row *a, const struct fg_series_row *b)
{
	if (a->second != b->second)
		return a->second < b->second ? -1 : 1;
	if (a->class_index != b->class_index)
		return a->class_index < b->class_index ? -1 : 1;
	return (int)a->expected - (int)b->expected;
}

/* The first row that is not before `key`; from the end, because time goes forward. */
static size_t lower_bound(const struct fg_series *series, const struct fg_series_row *key)
{
	size_t at = series->count;

	while (at > 0 && fg_series_compare(&series->items[at - 1], key) >= 0)
		at--;
	return at;
}

const struct fg_series_row *fg_series_find(const struct fg_series *series, uint32_t second,
					   uint32_t class_index, bool expected)
{
	const struct fg_series_row key = {
		.second = second, .class_index = class_index, .expected = expected};
	size_t low = 0;
	size_t high = series->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (fg_series_compare(&series->items[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == series->count || fg_series_compare(&series->items[low], &key) != 0)
		return NULL;
	return &series->items[low];
}

int fg_series_room(struct fg_series *series, struct fg_err *err)
{
	return FG_VEC_ROOM(series, items, count, capacity, FG_SERIES_ROWS_MAX, err);
}

static int insert(struct fg_series *series, size_t at, const struct fg_series_row *key,
		  struct fg_err *err)
{
	int rc = fg_series_room(series, err);

	if (rc)
		return fg_err_wrap(err, "the run's series");
	memmove(&series->items[at + 1], &series->items[at],
		(series->count - at) * sizeof(*series->items));
	series->items[at] = *key;
	series->items[at].requests = 0;
	series->items[at].failed = 0;
	series->items[at].response_hdr = NULL;
	series->items[at].duration_hdr = NULL;
	series->count++;
	return 0;
}

/* text of (old text + hist), or NULL if both are empty. */
static int merged_text(const char *old, const struct fg_hist *hist, char **ret, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {.max = FG_HDRLOG_TEXT_MAX};
	struct fg_hist sum;
	int rc = 0;

	*ret = NULL;
	if (hist->count == 0 && !old)
		return 0;
	if (!old) {
		rc = fg_hdrlog_encode(hist, &text, err);
	} else {
		fg_hist_init(&sum, NULL);
		rc = fg_hdrlog_decode(old, strlen(old), &sum, err);
		if (rc == 0 && fg_hist_add(&sum, hist) != 0)
			rc = fg_err_nomem(err);
		if (rc == 0)
			rc = fg_hdrlog_encode(&sum, &text, err);
		fg_hist_done(&sum);
	}
	if (rc == 0)
		*ret = fg_buf_take(&text, NULL);
	return rc;
}

int fg_series_add(struct fg_series *series, const struct fg_series_row *key,
		  const struct fg_class_slice *half, struct fg_err *err)
{
	size_t at = lower_bound(series, key);
	char *response = NULL;
	char *duration = NULL;
	int rc = 0;

	if (at == series->count || fg_series_compare(&series->items[at], key) != 0)
		rc = insert(series, at, key, err);
	if (rc)
		return rc;
	struct fg_series_row *row = &series->items[at];

	rc = merged_text(row->response_hdr, &half->trends[FG_TREND_RESPONSE_TIME], &response, err);
	if (rc == 0)
		rc = merged_text(row->duration_hdr, &half->trends[FG_TREND_DURATION], &duration,
				 err);
	if (rc) {
		free(response);
		return fg_err_wrap(err, "second %u", key->second);
	}
	row_done(row);
	row->response_hdr = response;
	row->duration_hdr = duration;
	row->requests += half->requests;
	row->failed += half->failed;
	return 0;
}
