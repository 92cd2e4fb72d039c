/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of thresholds only. */
#ifndef FG_JUDGE_THRESHOLD_INTERNAL_H
#define FG_JUDGE_THRESHOLD_INTERNAL_H

#include "gate/judge/threshold.h"

struct fg_threshold_cursor {
	const char *text;
	size_t at, end;
	unsigned where; /* FG_THRESHOLD_IN_… */
};

struct fg_threshold_slice {
	size_t start, len;
};

/** Starts behind leading spaces and ends before trailing ones; LIMIT for absurdly long texts. */
int fg_threshold_cursor(struct fg_threshold_cursor *in, const char *text, unsigned where,
			struct fg_err *err) FG_MUST_USE;
void fg_threshold_skip_spaces(struct fg_threshold_cursor *in);
/** Puts the place of `offset` into `err` and returns `rc`. */
int fg_threshold_at(const struct fg_threshold_cursor *in, size_t offset, struct fg_err *err,
		    int rc);
struct fg_threshold_slice fg_threshold_trimmed(const struct fg_threshold_cursor *in, size_t start,
					       size_t stop);

/** metric [selector], and the place behind it; `tags` of an error are freed. */
int fg_operand_parse(struct fg_threshold_cursor *in, struct fg_operand *ret,
		     struct fg_err *err) FG_MUST_USE;
void fg_operand_done(struct fg_operand *operand);
/** The limit, from the cursor to its end. */
int fg_threshold_parse_limit(struct fg_threshold_cursor *in, struct fg_threshold *threshold,
			     struct fg_err *err) FG_MUST_USE;

/* What a metric is, built in or custom. */
struct fg_operand_info {
	const char *name;
	enum fg_metric_type type;
	enum fg_metric_scope scope;
	bool is_time, is_bytes;
};
/** false: a custom metric that `registry` (may be NULL) does not have; *ret is then a guess. */
bool fg_operand_describe(const struct fg_operand *operand, const struct fg_registry *registry,
			 struct fg_operand_info *ret);
/** NULL, or which statistics the type has, in `buffer`. */
const char *fg_stat_misfit(enum fg_stat stat, enum fg_metric_type type, char buffer[128]);

/* What is looked at. */
struct fg_view {
	const struct fg_registry *registry;
	const struct fg_slice *slice;
	double seconds;                 /* for rates per second */
	const struct fg_vus_range *vus; /* of a whole run; NULL: a part, or not known */
};
struct fg_view fg_view_of_result(const struct fg_result *result);
/** NaN and 0 samples: no data. Times in ns. */
int fg_operand_value(const struct fg_operand *operand, const struct fg_view *view,
		     double *ret_value, uint64_t *ret_samples, struct fg_err *err) FG_MUST_USE;
/** Of the whole left side. */
int fg_threshold_value(const struct fg_threshold *threshold, const struct fg_view *view,
		       double *ret_value, uint64_t *ret_samples, struct fg_err *err) FG_MUST_USE;
bool fg_compare_holds(enum fg_compare compare, double value, double limit);

/* What a scope came to. */
struct fg_scope_outcome {
	double value; /* of the whole part, or of the worst window; NaN: no data */
	uint64_t samples;
	uint32_t start_s, end_s; /* of that window */
	uint32_t windows;        /* judged */
	uint32_t empty;          /* windows without data between some with data */
	uint32_t empty_start_s, empty_end_s;
	bool not_kept; /* the series does not have this metric at this resolution */
};
int fg_threshold_scope(const struct fg_threshold *threshold, const struct fg_result *result,
		       struct fg_scope_outcome *ret, struct fg_err *err) FG_MUST_USE;

#endif
