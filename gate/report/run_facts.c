/* SPDX-License-Identifier: Apache-2.0 */
/* Facts of a run as short texts and rows, used by every writer so that they say the same. */
#include "gate/report/report_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gate/base/num.h"

double fg_report_percent(uint64_t part, uint64_t whole)
{
	return whole ? (double)(part * 10000 / whole) / 100 : 0;
}

void fg_report_duration(uint64_t ns, char buffer[FG_NUM_TEXT_MAX])
{
	uint64_t seconds = (ns + FG_NS_PER_S / 2) / FG_NS_PER_S;

	if (ns < FG_NS_PER_S)
		(void)fg_num_format_ns((double)ns, buffer);
	else if (seconds < 3600)
		(void)snprintf(buffer, FG_NUM_TEXT_MAX, "%" PRIu64 ":%02u", seconds / 60,
			       (unsigned)(seconds % 60));
	else
		(void)snprintf(buffer, FG_NUM_TEXT_MAX, "%" PRIu64 ":%02u:%02u", seconds / 3600,
			       (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60));
}

int fg_summary_mode_parse(const char *text, enum fg_summary_mode *ret, struct fg_err *err)
{
	static const char *const words[] = {"compact", "full", "disabled"};

	for (size_t i = 0; i < FG_ARRAY_LEN(words); i++) {
		if (text && strcmp(text, words[i]) != 0)
			continue;
		*ret = (enum fg_summary_mode)i;
		return 0;
	}
	return fg_err_set(err, FG_E_INVALID, "knows compact, full and disabled, got \"%s\"", text);
}

int fg_time_unit_parse(const char *text, enum fg_time_unit *ret, struct fg_err *err)
{
	static const char *const words[] = {"", "s", "ms", "us"};

	for (size_t i = 0; i < FG_ARRAY_LEN(words); i++) {
		if (text && strcmp(text, words[i]) != 0)
			continue;
		*ret = (enum fg_time_unit)i;
		return 0;
	}
	return fg_err_set(err, FG_E_INVALID, "knows s, ms and us, got \"%s\"", text);
}

const char *fg_report_time(const struct fg_report_pen *pen, double ns, char buffer[FG_NUM_TEXT_MAX])
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {
		[FG_TIME_UNIT_AUTO] = {"", 1},
		[FG_TIME_UNIT_S] = {"s", 1e9},
		[FG_TIME_UNIT_MS] = {"ms", 1e6},
		[FG_TIME_UNIT_US] = {"µs", 1e3},
	};

	if (pen->time_unit == FG_TIME_UNIT_AUTO)
		return fg_num_format_ns(ns, buffer);
	(void)snprintf(buffer, FG_NUM_TEXT_MAX, "%.2f %s", ns / units[pen->time_unit].ns,
		       units[pen->time_unit].name);
	return buffer;
}

/* Statuses that were not expected, each with its count; k6 numbers those from 400 on. */
static const char *add_statuses(const struct fg_result *result, struct fg_buf *out,
				const char *comma)
{
	char count[FG_NUM_TEXT_MAX];

	for (unsigned status = 100; status < FG_STATUS_MAX; status++) {
		uint64_t sum = 0;

		for (size_t i = 0; i < result->totals->class_count; i++) {
			const struct fg_class_slice *half =
				fg_slice_class(result->totals, i, false);

			sum += half->statuses ? half->statuses[status] : 0;
		}
		if (sum == 0)
			continue;
		fg_buf_addf(out, "%s%s × %u", comma, fg_num_format_count(sum, count), status);
		if (status >= 400)
			fg_buf_addf(out, " (k6 %u)", 1000 + status);
		comma = ", ";
	}
	return comma;
}

void fg_report_errors(const struct fg_result *result, struct fg_buf *out)
{
	const char *comma = "";
	char count[FG_NUM_TEXT_MAX];

	for (int e = FG_NET_OK + 1; e < FG_NET_ERROR_COUNT; e++) {
		enum fg_net_error kind = (enum fg_net_error)e;
		uint64_t sum = 0;

		if (kind == FG_NET_HTTP_STATUS)
			continue;
		for (size_t i = 0; i < 2 * result->totals->class_count; i++)
			sum += result->totals->classes[i].errors[kind];
		if (sum == 0)
			continue;
		fg_buf_addf(out, "%s%s %s (k6 %u)", comma, fg_num_format_count(sum, count),
			    fg_net_error_name(kind), fg_net_error_code(kind));
		comma = ", ";
	}
	(void)add_statuses(result, out, comma);
}

static void add_clock(const struct fg_result *result, struct fg_buf *out)
{
	bool kernel = false, user = false;

	for (size_t i = 0; i < result->registry.class_count; i++) {
		if (strcmp(result->registry.classes[i].clock, "kernel") == 0)
			kernel = true;
		else
			user = true;
	}
	fg_buf_add_str(out, "response time from the schedule, stamped by ");
	fg_buf_add_str(out, kernel && user ? "the kernel or the loop"
			    : kernel       ? "the kernel"
					   : "the loop");
}

int fg_report_measured(const struct fg_result *result, struct fg_buf *out, struct fg_err *err)
{
	uint64_t dropped = 0, late = 0, interrupted = 0;
	char text[FG_NUM_TEXT_MAX];
	struct fg_hist lag;
	int rc = 0;

	fg_hist_init(&lag, NULL);
	for (size_t i = 0; i < result->totals->scenario_count && rc == 0; i++) {
		const struct fg_scenario_slice *one = &result->totals->scenarios[i];

		dropped += one->dropped;
		late += one->late;
		interrupted += one->interrupted;
		rc = fg_hist_add(&lag, &one->lag);
	}
	if (rc) {
		fg_hist_done(&lag);
		return fg_err_nomem(err);
	}
	add_clock(result, out);
	if (lag.count > 0)
		fg_buf_addf(out, "; lag p99 %s",
			    fg_num_format_ns((double)fg_hist_percentile_ns(&lag, 99), text));
	fg_hist_done(&lag);
	if (dropped > 0)
		fg_buf_addf(out, "; %s iterations dropped (never begun)",
			    fg_num_format_count(dropped, text));
	else
		fg_buf_add_str(out, "; nothing dropped");
	fg_buf_addf(out, ", %s late", fg_num_format_count(late, text));
	if (interrupted > 0)
		fg_buf_addf(out, ", %s iterations cut at the end",
			    fg_num_format_count(interrupted, text));
	return fg_buf_check(out, err);
}

void fg_report_samples(const struct fg_profile_info *info, struct fg_buf *out)
{
	char samples[FG_NUM_TEXT_MAX], lost[FG_NUM_TEXT_MAX];
	uint64_t kernel_only = fg_profile_info_kernel_only(info);

	fg_buf_addf(out, "%s samples, %s lost", fg_num_format_count(info->samples, samples),
		    fg_num_format_count(info->lost, lost));
	if (info->lost_by[FG_LOSS_RING] > 0 && info->lost_by[FG_LOSS_LIMIT] > 0)
		fg_buf_addf(out, " (%s of them beyond what is kept)",
			    fg_num_format_count(info->lost_by[FG_LOSS_LIMIT], lost));
	else if (info->lost_by[FG_LOSS_LIMIT] > 0)
		fg_buf_add_str(out, " (beyond what is kept)");
	else if (info->lost_by[FG_LOSS_RING] > 0)
		fg_buf_add_str(out, " (the ring was full)");
	fg_buf_addf(out, ", %.2f %% complete, %.1f %% unnamed",
		    100.0 * fg_profile_info_complete_share(info), 100.0 * info->unnamed_share);
	if (kernel_only > 0)
		fg_buf_addf(out, ", %.1f %% in the kernel only",
			    100.0 * (double)kernel_only / (double)info->samples);
	if (strcmp(info->source, "perf") == 0)
		fg_buf_addf(out, ", by perf events%s",
			    info->user_cpu_ns ? " of user mode alone" : "");
}

static void add_passed(const struct fg_result *result, size_t judged, size_t warned,
		       struct fg_buf *out)
{
	if (fg_result_is_recording(result))
		return; /* nothing was judged */
	if (fg_result_requests(result) == 0) {
		fg_buf_add_str(out, "PASSED, but nothing was measured: no request ended in the "
				    "measured phase");
		return;
	}
	if (judged == 0) {
		fg_buf_add_str(out, "PASSED: no thresholds were set");
		return;
	}
	fg_buf_addf(out, "PASSED: %zu of %zu threshold%s", judged - warned, judged,
		    judged == 1 ? "" : "s");
	if (warned > 0)
		fg_buf_addf(out, "; %zu not met, but only warn%s", warned, warned == 1 ? "s" : "");
	if (result->status == FG_RUN_ABORTED)
		fg_buf_add_str(out, "; stopped early");
}

/* Another outcome came first, or `onInvalid: warn` stands: the reason is said all the same. */
static void add_why_invalid(const struct fg_result *result, struct fg_buf *out)
{
	if (result->invalid_reason)
		fg_buf_addf(out, "; invalid measurement: %s", result->invalid_reason);
}

void fg_report_outcome(const struct fg_result *result, struct fg_buf *out)
{
	size_t judged = 0, failed = 0, warned = 0;
	const int outcome = result->outcome ? fg_outcome_find(result->outcome) : -1;
	const bool is_invalid = outcome == FG_OUTCOME_INVALID_MEASUREMENT && result->invalid_reason;

	for (size_t i = 0; i < result->threshold_count; i++) {
		const struct fg_threshold_result *one = &result->thresholds[i];

		judged += one->level != FG_LEVEL_OFF;
		failed += !one->passed && one->level == FG_LEVEL_ERROR;
		warned += !one->passed && one->level == FG_LEVEL_WARN;
	}
	if (outcome == FG_OUTCOME_PASSED)
		add_passed(result, judged, warned, out);
	else if (outcome == FG_OUTCOME_THRESHOLDS)
		fg_buf_addf(out, "FAILED: %zu of %zu threshold%s (exit %d)", failed, judged,
			    judged == 1 ? "" : "s", result->exit_code);
	else if (is_invalid)
		fg_buf_addf(out, "INVALID: %s (exit %d)", result->invalid_reason,
			    result->exit_code);
	else if (outcome >= 0)
		fg_buf_addf(out, "FAILED: %s (exit %d)", fg_outcomes[outcome].meaning,
			    result->exit_code);
	if (outcome >= 0 && !is_invalid)
		add_why_invalid(result, out);
}

/* -- the request table --------------------------------------------------------------------------
 */

/* CPU of the samples that carry this class. Those that carry none stay out: the attribution, which
 * is told beside it, says how much that is. */
static double class_cpu_ns(const struct fg_result *result, const struct fg_profile *profile,
			   const char *name, uint64_t requests)
{
	uint64_t hits = 0, attributed = 0, all = 0;

	if (!profile || requests == 0 || result->measured_target_cpu_ns == 0)
		return -1.0;
	for (size_t i = 0; i < profile->sample_count; i++) {
		const struct fg_psample *sample = &profile->samples[i];
		const char *endpoint = fg_profile_text(profile, sample->endpoint);

		if (strcmp(fg_profile_text(profile, sample->phase), "measure") != 0)
			continue;
		all += sample->count;
		attributed += endpoint[0] ? sample->count : 0;
		hits += strcmp(endpoint, name) == 0 ? sample->count : 0;
	}
	if (!fg_report_tells_classes(&result->profile, attributed, all))
		return -1.0;
	return (double)hits / (double)all * (double)result->measured_target_cpu_ns /
	       (double)requests;
}

int fg_report_class_of(const struct fg_result *result, const struct fg_profile *profile,
		       size_t class_index, struct fg_report_class *ret, struct fg_err *err)
{
	struct fg_report_class row = {.def = &result->registry.classes[class_index]};
	struct fg_hist sum;
	int rc = 0;

	fg_hist_init(&sum, NULL);
	for (int half = 0; half < 2 && rc == 0; half++) {
		const struct fg_class_slice *slice =
			fg_slice_class(result->totals, class_index, half == 1);

		row.requests += slice->requests;
		row.failed += slice->failed;
		rc = fg_hist_add(&sum, &slice->trends[FG_TREND_RESPONSE_TIME]);
	}
	if (rc == 0 && sum.count > 0) {
		row.p50_ns = fg_hist_percentile_ns(&sum, 50);
		row.p95_ns = fg_hist_percentile_ns(&sum, 95);
		row.p99_ns = fg_hist_percentile_ns(&sum, 99);
		row.max_ns = sum.max_ns;
	}
	fg_hist_done(&sum);
	if (rc)
		return fg_err_nomem(err);
	if (result->measured_ns > 0)
		row.rate_per_s =
			(double)row.requests * (double)FG_NS_PER_S / (double)result->measured_ns;
	FG_AUTO_BUF struct fg_buf text = {.max = 8192};

	fg_registry_class_text(&result->registry, class_index, &text);
	rc = fg_buf_check(&text, err);
	if (rc)
		return rc;
	row.cpu_ns = class_cpu_ns(result, profile, text.data, row.requests);
	*ret = row;
	return 0;
}

bool fg_report_shows(const struct fg_cost_row *row)
{
	return row->self > 0 && (!row->kernel || row->group);
}

int fg_report_cost(const struct fg_profile *profile, struct fg_cost **ret, struct fg_err *err)
{
	const struct fg_cost_options options = {.phase = "measure"};

	*ret = NULL;
	return profile ? fg_cost_new(profile, &options, ret, err) : 0;
}
