/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the series, those that read and write a bundle, and their tests. */
#ifndef FG_MEASURE_SERIES_INTERNAL_H
#define FG_MEASURE_SERIES_INTERNAL_H

#include "gate/format/json.h"
#include "gate/measure/result.h"
#include "gate/measure/series.h"
#include "gate/measure/spool.h"

enum { FG_SERIES_RECORD_MAX = 1 << 30 }; /* all rows of one second */

/* Where what is: one entry per record, sorted by second; equal seconds in order of arrival. */
struct fg_series_entry {
	uint64_t offset;
	uint32_t len;
	uint32_t second;
};

struct fg_series_index {
	struct fg_series_entry *items;
	size_t count, capacity;
};

struct fg_series_observer {
	fg_series_observer_fn call;
	void *context;
};

struct fg_series {
	struct fg_spool spool;
	struct fg_series_index rows;               /* records of series_row.c */
	struct fg_series_index counts;             /* JSON lines of series_json.c, seconds: 1 */
	struct fg_series_index intervals;          /* the same, seconds: FG_SERIES_INTERVAL_S */
	struct fg_slice *held[FG_SERIES_HELD_MAX]; /* by second */
	size_t held_count;
	struct fg_slice *spare;    /* cleared */
	struct fg_slice *interval; /* what was added up since interval->second; NULL: nothing yet */
	bool interval_used;
	uint32_t sealed; /* all seconds before it left `held` */
	struct fg_buf scratch;
	struct fg_series_observer observers[FG_SERIES_OBSERVERS_MAX];
	size_t observer_count;
	char partial[FG_ERR_MESSAGE_MAX]; /* "": complete */
};

int fg_series_new(struct fg_series **ret, struct fg_err *err) FG_MUST_USE;
void fg_series_free(struct fg_series *series);
/** Takes a worker's second; copies what it needs. */
int fg_series_take(struct fg_result *result, const struct fg_slice *slice,
		   struct fg_err *err) FG_MUST_USE;
/** Everything that is held is encoded; readers call it first. */
int fg_series_flush(const struct fg_result *result, struct fg_err *err) FG_MUST_USE;
/** A record of that second; a failure to write it only makes the series partial. */
int fg_series_put(struct fg_series *series, struct fg_series_index *index, uint32_t second,
		  const void *bytes, size_t len, struct fg_err *err) FG_MUST_USE;
/** The first entry of `second` or later. */
size_t fg_series_find(const struct fg_series_index *index, uint32_t second);
/** Appends the record's bytes. */
int fg_series_get(const struct fg_series *series, const struct fg_series_entry *entry,
		  struct fg_buf *out, struct fg_err *err) FG_MUST_USE;

/* Rows of one record. */
void fg_series_row_put(struct fg_buf *out, const struct fg_series_row *row);
/** All rows of a slice; histograms are encoded. */
int fg_series_rows_put(struct fg_buf *out, const struct fg_registry *registry,
		       const struct fg_slice *slice, struct fg_err *err) FG_MUST_USE;
/** True if the rows tell the duration: it is the same as the service time. */
bool fg_series_has_duration(const struct fg_class_slice *half);
/** The row at *at, which moves behind it; false at the end. */
bool fg_series_row_next(const struct fg_buf *record, size_t *at, struct fg_series_row *ret);

/* metrics.jsonl: a line (with its newline) says what a slice holds beside the rows. */
void fg_series_put_counts(struct fg_buf *out, const struct fg_slice *slice, bool *failed);
int fg_series_put_interval(struct fg_buf *out, const struct fg_slice *slice,
			   struct fg_err *err) FG_MUST_USE;
/** Fills an empty slice of the right shape; INVALID if the line does not fit it. */
int fg_series_get_line(const char *line, size_t len, struct fg_slice *slice, uint32_t *ret_seconds,
		       struct fg_err *err) FG_MUST_USE;
/** dst += what fg_series_put_interval() writes, of the scenarios whose warm-up is over. */
int fg_series_add_rest(struct fg_slice *dst, const struct fg_registry *registry,
		       const struct fg_slice *src, struct fg_err *err) FG_MUST_USE;

#endif
