/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.jsonl: what a slice holds beside its rows, as one JSON line; only what is not zero. Two
 * kinds: "seconds": 1 has counts, "seconds": 10 has histograms, statuses and errors. "i" is the
 * index in run.json's list of the same name.
 */
#include <string.h>

#include "gate/format/hdrlog.h"
#include "gate/measure/bundle_internal.h"
#include "gate/measure/run_json_read.h"
#include "gate/measure/series.h"
#include "gate/measure/series_internal.h"

/* The trends that are not in the rows; durations only where they are not the service time. */
static const enum fg_trend rest_trends[] = {
	FG_TREND_DURATION, FG_TREND_WAKEUP,     FG_TREND_BLOCKED,
	FG_TREND_DNS,      FG_TREND_CONNECTING, FG_TREND_TLS_HANDSHAKING,
	FG_TREND_SENDING,  FG_TREND_WAITING,    FG_TREND_RECEIVING,
};
static_assert(FG_ARRAY_LEN(rest_trends) + 2 == FG_TREND_COUNT, "each trend is kept somewhere");

/* -- writing ------------------------------------------------------------------------------------
 */

static void put_nonzero(struct fg_json_writer *w, const char *key, uint64_t value)
{
	if (value)
		fg_json_put_u64(w, key, value);
}

static bool scenario_counts(const struct fg_scenario_slice *s)
{
	return s->iterations || s->interrupted || s->dropped || s->scheduled || s->late || s->vus ||
	       s->vus_max;
}

static void put_scenario_counts(struct fg_json_writer *w, const struct fg_slice *slice)
{
	fg_json_begin_array(w, "scenarios");
	for (size_t i = 0; i < slice->scenario_count; i++) {
		const struct fg_scenario_slice *s = &slice->scenarios[i];

		if (!scenario_counts(s))
			continue;
		fg_json_begin(w, NULL);
		fg_json_put_u64(w, "i", i);
		put_nonzero(w, "iterations", s->iterations);
		put_nonzero(w, "interrupted", s->interrupted);
		put_nonzero(w, "dropped", s->dropped);
		put_nonzero(w, "scheduled", s->scheduled);
		put_nonzero(w, "late", s->late);
		put_nonzero(w, "vus", s->vus);
		put_nonzero(w, "vusMax", s->vus_max);
		fg_json_end(w);
	}
	fg_json_end(w);
}

static void put_check_counts(struct fg_json_writer *w, const struct fg_slice *slice)
{
	fg_json_begin_array(w, "checks");
	for (size_t i = 0; i < slice->check_count; i++) {
		if (!slice->checks[i].passes && !slice->checks[i].fails)
			continue;
		fg_json_begin(w, NULL);
		fg_json_put_u64(w, "i", i);
		put_nonzero(w, "passes", slice->checks[i].passes);
		put_nonzero(w, "fails", slice->checks[i].fails);
		fg_json_end(w);
	}
	fg_json_end(w);
}

static void put_custom_counts(struct fg_json_writer *w, const struct fg_slice *slice)
{
	fg_json_begin_array(w, "customs");
	for (size_t i = 0; i < slice->custom_count; i++) {
		if (!slice->customs[i].count)
			continue;
		fg_json_begin(w, NULL);
		fg_json_put_u64(w, "i", i);
		fg_bundle_put_custom(w, &slice->customs[i]);
		fg_json_end(w);
	}
	fg_json_end(w);
}

void fg_series_put_counts(struct fg_buf *out, const struct fg_slice *slice, bool *failed)
{
	struct fg_json_writer w;

	fg_json_writer_init(&w, out, false);
	fg_json_begin(&w, NULL);
	fg_json_put_u64(&w, "second", slice->second);
	fg_json_put_u64(&w, "seconds", 1);
	put_scenario_counts(&w, slice);
	put_check_counts(&w, slice);
	put_custom_counts(&w, slice);
	fg_json_end(&w);
	fg_buf_add_char(out, '\n');
	*failed = *failed || w.failed;
}

static bool has_rest(const struct fg_class_slice *half)
{
	for (size_t t = 0; t < FG_ARRAY_LEN(rest_trends); t++)
		if (half->trends[rest_trends[t]].count)
			return true;
	return half->statuses || half->requests;
}

/* Two digits: nobody gates on a phase of a request per 10 s closer than that, and with three they
 * would be a fifth of the bundle. */
static int coarse(const struct fg_hist *hist, struct fg_hist *ret)
{
	enum { STEP = 16 }; /* of 1 024 counters per octave: within 1.6 % */
	int rc = 0;

	for (size_t b = 0; rc == 0 && b < FG_HIST_BLOCKS; b++)
		for (size_t k = 0; hist->blocks[b] && rc == 0 && k < FG_HIST_BLOCK_COUNTERS; k++) {
			size_t index = (b << 10) + k;
			size_t kept = index < 2 * STEP ? index : index - index % STEP + STEP / 2;

			rc = fg_hist_record_n(ret, fg_hist_index_low_ns(kept), hist->blocks[b][k]);
		}
	return rc;
}

static int put_trend(struct fg_json_writer *w, enum fg_trend trend, const struct fg_hist *hist,
		     struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {.max = FG_HDRLOG_TEXT_MAX};
	struct fg_hist less;
	int rc = 0;

	if (hist->count == 0)
		return 0;
	fg_hist_init(&less, NULL);
	if (trend != FG_TREND_DURATION && coarse(hist, &less) != 0)
		rc = fg_err_nomem(err);
	if (rc == 0)
		rc = fg_hdrlog_encode(trend == FG_TREND_DURATION ? hist : &less, &text, err);
	fg_hist_done(&less);
	if (rc == 0)
		fg_json_put_string(w, fg_metrics[trend].name, text.data);
	return rc;
}

static int put_trends(struct fg_json_writer *w, const struct fg_class_slice *half,
		      struct fg_err *err)
{
	int rc = 0;

	fg_json_begin(w, "trends");
	for (size_t t = 0; rc == 0 && t < FG_ARRAY_LEN(rest_trends); t++)
		rc = put_trend(w, rest_trends[t], &half->trends[rest_trends[t]], err);
	fg_json_end(w);
	return rc;
}

static int put_class_rest(struct fg_json_writer *w, const struct fg_slice *slice,
			  struct fg_err *err)
{
	int rc = 0;

	fg_json_begin_array(w, "classes");
	for (size_t i = 0; rc == 0 && i < 2 * slice->class_count; i++) {
		const struct fg_class_slice *half = &slice->classes[i];

		if (!has_rest(half))
			continue;
		fg_json_begin(w, NULL);
		fg_json_put_u64(w, "i", i / 2);
		fg_json_put_bool(w, "expected", i % 2 == 1);
		fg_bundle_put_errors(w, half);
		rc = put_trends(w, half, err);
		fg_json_end(w);
	}
	fg_json_end(w);
	return rc;
}

static int put_scenario_rest(struct fg_json_writer *w, const struct fg_slice *slice,
			     struct fg_err *err)
{
	int rc = 0;

	fg_json_begin_array(w, "scenarios");
	for (size_t i = 0; rc == 0 && i < slice->scenario_count; i++) {
		const struct fg_scenario_slice *s = &slice->scenarios[i];

		fg_json_begin(w, NULL);
		fg_json_put_u64(w, "i", i);
		rc = fg_bundle_put_hist(w, "iterationDuration", &s->iteration_duration, err);
		if (rc == 0)
			rc = fg_bundle_put_hist(w, "lag", &s->lag, err);
		if (rc == 0)
			rc = fg_bundle_put_hist(w, "queue", &s->queue, err);
		fg_json_end(w);
	}
	fg_json_end(w);
	return rc;
}

static int put_custom_rest(struct fg_json_writer *w, const struct fg_slice *slice,
			   struct fg_err *err)
{
	int rc = 0;

	fg_json_begin_array(w, "customs");
	for (size_t i = 0; rc == 0 && i < slice->custom_count; i++) {
		const struct fg_custom_slice *c = &slice->customs[i];

		if (!c->trend.count && !c->large.count && !c->below.count)
			continue;
		fg_json_begin(w, NULL);
		fg_json_put_u64(w, "i", i);
		rc = fg_bundle_put_custom_hists(w, c, err);
		fg_json_end(w);
	}
	fg_json_end(w);
	fg_json_begin_array(w, "groups");
	for (size_t i = 0; rc == 0 && i < slice->group_count; i++) {
		if (!slice->groups[i].count)
			continue;
		fg_json_begin(w, NULL);
		fg_json_put_u64(w, "i", i);
		rc = fg_bundle_put_hist(w, "duration", &slice->groups[i], err);
		fg_json_end(w);
	}
	fg_json_end(w);
	return rc;
}

int fg_series_put_interval(struct fg_buf *out, const struct fg_slice *slice, struct fg_err *err)
{
	struct fg_json_writer w;

	fg_json_writer_init(&w, out, false);
	fg_json_begin(&w, NULL);
	fg_json_put_u64(&w, "second", slice->second);
	fg_json_put_u64(&w, "seconds", FG_SERIES_INTERVAL_S);
	int rc = put_class_rest(&w, slice, err);

	if (rc == 0)
		rc = put_scenario_rest(&w, slice, err);
	if (rc == 0)
		rc = put_custom_rest(&w, slice, err);
	fg_json_end(&w);
	fg_buf_add_char(out, '\n');
	if (rc == 0)
		rc = fg_json_writer_check(&w, err);
	return rc ? fg_err_wrap(err, "seconds from %u on", slice->second) : 0;
}

/* -- reading ------------------------------------------------------------------------------------
 */

struct line {
	struct fg_slice *slice;
	size_t blocks;     /* budget of histograms */
	uint64_t previous; /* each index once: of a class 2i and 2i+1 */
	bool any;
};

/* Rising, so that no histogram is filled twice. */
static int get_index(const struct fg_json_at *at, size_t count, bool halves, struct line *line,
		     size_t *ret, struct fg_err *err)
{
	uint64_t i = 0;
	bool expected = false;
	int rc = count == 0 ? fg_json_error(at, err, "run.json has none of these")
			    : fg_json_u64(at, "i", count - 1, &i, err);

	if (rc == 0 && halves)
		rc = fg_json_bool(at, "expected", &expected, err);
	if (rc)
		return rc;
	i = halves ? 2 * i + (expected ? 1 : 0) : i;
	if (line->any && i <= line->previous)
		return fg_json_error(at, err, "out of order");
	line->any = true;
	line->previous = i;
	*ret = (size_t)i;
	return 0;
}

static int get_count(const struct fg_json_at *at, const char *key, uint64_t *ret,
		     struct fg_err *err)
{
	return fg_json_has(at, key) ? fg_json_u64(at, key, INT64_MAX, ret, err) : 0;
}

static int get_trend(const struct fg_json_at *trends, const char *key, struct fg_hist *hist,
		     size_t *blocks, struct fg_err *err)
{
	const char *text = NULL;
	size_t len = 0;
	size_t used = 0;

	if (!fg_json_has(trends, key))
		return 0;
	int rc = fg_json_string(trends, key, &text, &len, err);

	FG_JSON_TRY(rc, fg_hdrlog_decode(text, len, hist, err));
	for (size_t i = 0; i < FG_HIST_BLOCKS; i++)
		used += hist->blocks[i] ? 1 : 0;
	if (rc == 0 && used > *blocks)
		return fg_err_set(err, FG_E_LIMIT, "%s: too many histograms", key);
	*blocks -= FG_MIN(used, *blocks);
	return rc;
}

static int get_class(const struct fg_json_at *at, struct line *line, struct fg_err *err)
{
	struct fg_json_at trends;
	size_t i = 0;
	int rc = get_index(at, line->slice->class_count, true, line, &i, err);

	if (rc)
		return rc;
	struct fg_class_slice *half = &line->slice->classes[i];

	rc = fg_bundle_get_errors(at, half, err);
	FG_JSON_TRY(rc, fg_json_object(at, "trends", &trends, err));
	for (size_t t = 0; rc == 0 && t < FG_ARRAY_LEN(rest_trends); t++)
		rc = get_trend(&trends, fg_metrics[rest_trends[t]].name,
			       &half->trends[rest_trends[t]], &line->blocks, err);
	return rc;
}

static int get_scenario(const struct fg_json_at *at, struct line *line, struct fg_err *err)
{
	size_t i = 0;
	uint64_t vus = 0, vus_max = 0;
	int rc = get_index(at, line->slice->scenario_count, false, line, &i, err);

	if (rc)
		return rc;
	struct fg_scenario_slice *s = &line->slice->scenarios[i];

	rc = get_count(at, "iterations", &s->iterations, err);
	FG_JSON_TRY(rc, get_count(at, "interrupted", &s->interrupted, err));
	FG_JSON_TRY(rc, get_count(at, "dropped", &s->dropped, err));
	FG_JSON_TRY(rc, get_count(at, "scheduled", &s->scheduled, err));
	FG_JSON_TRY(rc, get_count(at, "late", &s->late, err));
	FG_JSON_TRY(rc, get_count(at, "vus", &vus, err));
	FG_JSON_TRY(rc, get_count(at, "vusMax", &vus_max, err));
	FG_JSON_TRY(rc, fg_bundle_get_hist(at, "iterationDuration", &s->iteration_duration,
					   &line->blocks, err));
	FG_JSON_TRY(rc, fg_bundle_get_hist(at, "lag", &s->lag, &line->blocks, err));
	FG_JSON_TRY(rc, fg_bundle_get_hist(at, "queue", &s->queue, &line->blocks, err));
	if (rc == 0 && (vus > UINT32_MAX || vus_max > UINT32_MAX))
		return fg_json_error(at, err, "more VUs than there can be");
	s->vus = (uint32_t)vus;
	s->vus_max = (uint32_t)vus_max;
	return rc;
}

static int get_check(const struct fg_json_at *at, struct line *line, struct fg_err *err)
{
	size_t i = 0;
	int rc = get_index(at, line->slice->check_count, false, line, &i, err);

	if (rc)
		return rc;
	rc = get_count(at, "passes", &line->slice->checks[i].passes, err);
	FG_JSON_TRY(rc, get_count(at, "fails", &line->slice->checks[i].fails, err));
	return rc;
}

static int get_custom(const struct fg_json_at *at, struct line *line, struct fg_err *err)
{
	size_t i = 0;
	int rc = get_index(at, line->slice->custom_count, false, line, &i, err);

	if (rc)
		return rc;
	struct fg_custom_slice *custom = &line->slice->customs[i];

	if (fg_json_has(at, "count"))
		rc = fg_bundle_get_custom(at, custom, err);
	FG_JSON_TRY(rc, fg_bundle_get_custom_hists(at, custom, &line->blocks, err));
	custom->last_second = line->slice->second;
	return rc;
}

static int get_group(const struct fg_json_at *at, struct line *line, struct fg_err *err)
{
	size_t i = 0;
	int rc = get_index(at, line->slice->group_count, false, line, &i, err);

	FG_JSON_TRY(rc, fg_bundle_get_hist(at, "duration", &line->slice->groups[i], &line->blocks,
					   err));
	return rc;
}

static int get_list(const struct fg_json_at *root, const char *key, size_t max,
		    int (*get)(const struct fg_json_at *, struct line *, struct fg_err *),
		    struct line *line, struct fg_err *err)
{
	struct fg_json_at list;

	if (!fg_json_has(root, key))
		return 0;
	int rc = fg_json_array(root, key, max, &list, err);

	line->any = false;
	for (size_t i = 0; rc == 0 && i < fg_json_count(&list); i++) {
		struct fg_json_at element;

		rc = fg_json_element(&list, i, &element, err);
		FG_JSON_TRY(rc, get(&element, line, err));
	}
	return rc;
}

int fg_series_get_line(const char *text, size_t len, struct fg_slice *slice, uint32_t *ret_seconds,
		       struct fg_err *err)
{
	FG_AUTO_JSON json_t *tree = NULL;
	struct line line = {.slice = slice, .blocks = FG_BUNDLE_BLOCKS_MAX};
	uint32_t seconds = 0;
	int rc = fg_json_parse(text, len, &tree, err);

	if (rc)
		return rc;
	const struct fg_json_at root = fg_json_root(tree);

	rc = fg_json_u32(&root, "second", UINT32_MAX - 1, &slice->second, err);
	FG_JSON_TRY(rc, fg_json_u32(&root, "seconds", FG_SERIES_INTERVAL_S, &seconds, err));
	if (rc == 0 && seconds != 1 && seconds != FG_SERIES_INTERVAL_S)
		return fg_json_error(&root, err, "\"seconds\" is 1 or %d", FG_SERIES_INTERVAL_S);
	FG_JSON_TRY(rc, get_list(&root, "classes", 2 * slice->class_count, get_class, &line, err));
	FG_JSON_TRY(rc,
		    get_list(&root, "scenarios", slice->scenario_count, get_scenario, &line, err));
	FG_JSON_TRY(rc, get_list(&root, "checks", slice->check_count, get_check, &line, err));
	FG_JSON_TRY(rc, get_list(&root, "customs", slice->custom_count, get_custom, &line, err));
	FG_JSON_TRY(rc, get_list(&root, "groups", slice->group_count, get_group, &line, err));
	if (rc == 0)
		*ret_seconds = seconds;
	return rc;
}

/* -- what an interval holds --------------------------------------------------------------------
 */

static int add_class_rest(struct fg_class_slice *dst, const struct fg_class_slice *src,
			  struct fg_err *err)
{
	uint32_t *statuses = src->statuses ? fg_slice_statuses(dst) : NULL;

	if (src->statuses && !statuses)
		return fg_err_nomem(err);
	for (size_t i = 0; statuses && i < FG_STATUS_MAX; i++)
		statuses[i] += src->statuses[i];
	for (size_t i = 0; i < FG_NET_ERROR_COUNT; i++)
		dst->errors[i] += src->errors[i];
	for (size_t t = fg_series_has_duration(src) ? 1 : 0; t < FG_ARRAY_LEN(rest_trends); t++)
		if (fg_hist_add(&dst->trends[rest_trends[t]], &src->trends[rest_trends[t]]))
			return fg_err_nomem(err);
	return 0;
}

static int add_scenario_rest(struct fg_scenario_slice *dst, const struct fg_scenario_slice *src,
			     struct fg_err *err)
{
	return fg_hist_add(&dst->iteration_duration, &src->iteration_duration) ||
			       fg_hist_add(&dst->lag, &src->lag) ||
			       fg_hist_add(&dst->queue, &src->queue)
		       ? fg_err_nomem(err)
		       : 0;
}

static int add_custom_rest(struct fg_slice *dst, const struct fg_registry *registry,
			   const struct fg_slice *src, struct fg_err *err)
{
	for (size_t i = 0; i < src->custom_count; i++) {
		struct fg_custom_slice *to = &dst->customs[i];
		const struct fg_custom_slice *from = &src->customs[i];

		if (fg_result_is_warmup(registry, registry->customs[i].scenario, src->second))
			continue;
		if (fg_hist_add(&to->trend, &from->trend) ||
		    fg_hist_add(&to->large, &from->large) || fg_hist_add(&to->below, &from->below))
			return fg_err_nomem(err);
	}
	for (size_t i = 0; i < src->group_count; i++)
		if (!fg_result_is_warmup(registry, registry->groups[i].scenario, src->second) &&
		    fg_hist_add(&dst->groups[i], &src->groups[i]))
			return fg_err_nomem(err);
	return 0;
}

int fg_series_add_rest(struct fg_slice *dst, const struct fg_registry *registry,
		       const struct fg_slice *src, struct fg_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < 2 * src->class_count; i++)
		if (!fg_result_is_warmup(registry, registry->classes[i / 2].scenario, src->second))
			rc = add_class_rest(&dst->classes[i], &src->classes[i], err);
	for (size_t i = 0; rc == 0 && i < src->scenario_count; i++)
		if (!fg_result_is_warmup(registry, i, src->second))
			rc = add_scenario_rest(&dst->scenarios[i], &src->scenarios[i], err);
	return rc ? rc : add_custom_rest(dst, registry, src, err);
}
