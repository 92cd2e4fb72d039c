/* SPDX-License-Identifier: Apache-2.0 */
/* What the other profile types and the memory series say, in a line each. */
#include "gate/report/report_internal.h"

#include <stdlib.h>

#include "gate/base/num.h"

/* 1 / FG_WAIT_BUDGET_PART of profiler/bpf/shared.h. */
enum { WAITS_BUDGET_PERCENT = 1 };

struct cause {
	enum fg_wait_class wait;
	uint64_t us;
};

static int by_time(const void *a, const void *b)
{
	const struct cause *left = a, *right = b;

	if (left->us != right->us)
		return left->us > right->us ? -1 : 1;
	return (int)left->wait - (int)right->wait;
}

static void add_time(uint64_t us, uint64_t requests, struct fg_buf *out)
{
	char text[FG_NUM_TEXT_MAX];
	double ns = (double)us * 1e3;

	fg_buf_add_str(out, fg_num_format_ns(requests ? ns / (double)requests : ns, text));
}

bool fg_report_waits(const struct fg_result *result, struct fg_buf *out)
{
	const struct fg_profile_info *info = &result->profile;
	uint64_t requests = fg_result_requests(result);
	struct cause causes[FG_WAIT_CLASS_COUNT];
	const char *comma = "";

	if (!info->present ||
	    (!info->types[FG_PROFILE_OFFCPU].present && !info->types[FG_PROFILE_WALL].present))
		return false;
	for (int i = 0; i < FG_WAIT_CLASS_COUNT; i++)
		causes[i] = (struct cause){(enum fg_wait_class)i, info->wait_us[i]};
	qsort(causes, FG_ARRAY_LEN(causes), sizeof(causes[0]), by_time);
	fg_buf_add_str(out, requests ? "waiting per request: " : "waiting: ");
	for (size_t i = 0; i < FG_ARRAY_LEN(causes); i++) {
		if (!causes[i].us || causes[i].wait == FG_WAIT_IDLE)
			continue;
		fg_buf_addf(out, "%s%s ", comma, fg_wait_class_name(causes[i].wait));
		add_time(causes[i].us, requests, out);
		comma = ", ";
	}
	if (!*comma)
		fg_buf_add_str(out, "none");
	if (info->wait_us[FG_WAIT_IDLE]) {
		fg_buf_add_str(out, "; threads waited for work ");
		add_time(info->wait_us[FG_WAIT_IDLE], 0, out);
		fg_buf_add_str(out, " in all");
	}
	return true;
}

/* How much of it was looked at, and what looking cost. */
static void add_effort(const struct fg_result *result, struct fg_buf *out)
{
	const struct fg_profile_type_info *types = result->profile.types;
	const struct fg_profile_type_info *type =
		&types[types[FG_PROFILE_OFFCPU].present ? FG_PROFILE_OFFCPU : FG_PROFILE_WALL];
	char samples[FG_NUM_TEXT_MAX], events[FG_NUM_TEXT_MAX], lost[FG_NUM_TEXT_MAX];
	double cpu_ns = (double)result->measured_ns * (double)result->profile.cpus;

	fg_buf_addf(
		out, "%s of %s switches looked at, %s lost, %.2f %% complete",
		fg_num_format_count(type->events > type->skipped ? type->events - type->skipped : 0,
				    samples),
		fg_num_format_count(type->events, events), fg_num_format_count(type->lost, lost),
		type->with_user ? 100.0 * (double)type->complete / (double)type->with_user : 0);
	if (cpu_ns <= 0)
		return;
	double percent = 100.0 * (double)type->bpf_ns / cpu_ns;

	fg_buf_addf(out, ", cost %.2f %% of the CPUs", percent);
	/* Stacks keep to the budget; what is left is that each switch is counted. */
	if (percent > 1.25 * WAITS_BUDGET_PERCENT)
		fg_buf_addf(out, ", above its %d %%: so many switches, and each is counted",
			    WAITS_BUDGET_PERCENT);
}

bool fg_report_faults(const struct fg_result *result, struct fg_buf *out)
{
	const struct fg_profile_type_info *type = &result->profile.types[FG_PROFILE_FAULTS];
	uint64_t requests = fg_result_requests(result);
	char faults[FG_NUM_TEXT_MAX], samples[FG_NUM_TEXT_MAX];

	if (!result->profile.present || !type->present)
		return false;
	fg_buf_addf(out, "page faults: %s from %s samples",
		    fg_num_format_count(type->value, faults),
		    fg_num_format_count(type->samples, samples));
	if (requests)
		fg_buf_addf(out, ", %.2f per request", (double)type->value / (double)requests);
	return true;
}

bool fg_report_memory(const struct fg_result *result, struct fg_buf *out)
{
	struct fg_rss_summary rss;
	char start[FG_NUM_TEXT_MAX], peak[FG_NUM_TEXT_MAX], end[FG_NUM_TEXT_MAX];
	char growth[FG_NUM_TEXT_MAX];

	if (!fg_result_rss(result, &rss))
		return false;
	double bytes = rss.growth_per_1000_requests_bytes;

	fg_buf_addf(out, "memory: %s at first, %s at most, %s at last",
		    fg_num_format_bytes(rss.start_bytes, start),
		    fg_num_format_bytes(rss.peak_bytes, peak),
		    fg_num_format_bytes(rss.end_bytes, end));
	if (fg_result_requests(result))
		fg_buf_addf(out, " (%s%s per 1 000 requests)", bytes < 0 ? "-" : "+",
			    fg_num_format_bytes((uint64_t)(bytes < 0 ? -bytes : bytes), growth));
	return true;
}

void fg_report_other_types(const struct fg_report_pen *pen, const struct fg_result *result)
{
	static bool (*const lines[])(const struct fg_result *, struct fg_buf *) = {
		fg_report_waits, fg_report_faults, fg_report_memory};

	for (size_t i = 0; i < FG_ARRAY_LEN(lines); i++) {
		FG_AUTO_BUF struct fg_buf line = {.max = 1024};

		if (!lines[i](result, &line))
			continue;
		fg_report_wrapped(pen, 2, 6, &line);
		if (lines[i] != fg_report_waits)
			continue;
		fg_buf_clear(&line);
		add_effort(result, &line);
		fg_report_wrapped(pen, 6, 6, &line);
	}
}
