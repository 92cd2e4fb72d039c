/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bundle as the run itself would have sent it: cumulative totals every interval with the times of
 * then, at the end the exact totals. Seconds in a bundle know no statuses; a class half that only
 * ever saw one has it all along, one that saw several is without until the end.
 */
#include "runner/publish/prometheus_internal.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "gate/measure/series.h"

#define INTERVAL_NS (5 * FG_NS_PER_S)

struct replay {
	const struct fg_bundle *bundle;
	const struct fg_prometheus_options *options;
	struct fg_trend_stats stats;
	int64_t shift_ns;
	uint64_t interval_s;
	struct fg_result *so_far; /* its totals are what was known at a moment */
	uint32_t sent_until;      /* seconds */
	bool any;                 /* something was added since */
	uint32_t known_until;
	struct fg_prometheus_snapshot last;
	struct fg_prometheus_report *report;
};

static bool wait_here(void *context, uint64_t ns)
{
	(void)context;
	(void)poll(NULL, 0, (int)(ns / FG_NS_PER_MS));
	return true;
}

static int explain(int rc, struct fg_err *err)
{
	if (rc == -FG_E_REFUSED &&
	    (strstr(err->message, "out of bounds") || strstr(err->message, "out of order") ||
	     strstr(err->message, "too old")))
		return fg_err_wrap(err,
				   "Prometheus takes a series in order of time only, and nothing "
				   "from about an hour before its newest sample; was this bundle "
				   "sent before? (--label testid=NAME makes series of their own, "
				   "--restamp now publishes as if measured now)");
	return rc;
}

static int send_totals(struct replay *r, const struct fg_slice *totals, uint64_t offset_ns,
		       bool is_final, struct fg_err *err)
{
	const struct fg_result *result = r->bundle->result;
	struct fg_prometheus_snapshot now = {.items = NULL};
	struct fg_prometheus_push *push = NULL;
	int64_t unix_ns = (int64_t)(result->started_unix_ns + offset_ns) + r->shift_ns;
	int64_t time_ms = FG_MAX(unix_ns / (int64_t)FG_NS_PER_MS, r->last.time_ms + 1);
	int rc = fg_prometheus_snapshot(&result->registry, totals, &r->stats, r->options->labels,
					time_ms, &now, err);

	if (rc == 0)
		rc = fg_prometheus_push_new(&r->last, &now, &push, err);
	if (rc == 0 && is_final && r->options->stale_markers)
		rc = fg_prometheus_push_end(push, &now, err);
	for (size_t i = 0; rc == 0 && i < push->count; i++)
		rc = explain(fg_prometheus_send(r->options, &push->items[i], wait_here, NULL,
						r->report, err),
			     err);
	fg_prometheus_push_free(push);
	if (rc) {
		fg_prometheus_snapshot_done(&now);
		return rc;
	}
	r->report->pushes++;
	fg_prometheus_snapshot_done(&r->last);
	r->last = now;
	return 0;
}

/* The one status that this half saw in the whole run, or -1. */
static int only_status(const struct fg_class_slice *half)
{
	int found = -1;

	for (int status = 0; half->statuses && status < FG_STATUS_MAX; status++) {
		if (half->statuses[status] == 0)
			continue;
		if (found >= 0)
			return -1;
		found = status;
	}
	return found;
}

static int add_statuses(struct replay *r, struct fg_err *err)
{
	struct fg_slice *totals = r->so_far->totals;

	for (size_t i = 0; i < 2 * totals->class_count; i++) {
		int status = only_status(&r->bundle->result->totals->classes[i]);

		if (status < 0 || totals->classes[i].requests == 0)
			continue;
		uint32_t *statuses = fg_slice_statuses(&totals->classes[i]);

		if (!statuses)
			return fg_err_nomem(err);
		statuses[status] = (uint32_t)FG_MIN(totals->classes[i].requests, UINT32_MAX);
	}
	return 0;
}

/* Before a second that belongs to the next push is added, what was known until then is sent. */
static int send_due(struct replay *r, uint32_t second, struct fg_err *err)
{
	if (!r->any || second < r->sent_until + r->interval_s)
		return 0;
	int rc = add_statuses(r, err);

	if (rc == 0)
		rc = send_totals(r, r->so_far->totals, (uint64_t)r->known_until * FG_NS_PER_S,
				 false, err);
	while (r->sent_until + r->interval_s <= second)
		r->sent_until += (uint32_t)r->interval_s;
	r->any = false;
	return rc;
}

static int take(void *context, const struct fg_slice *slice, uint32_t seconds, struct fg_err *err)
{
	struct replay *r = context;
	int rc = send_due(r, slice->second + seconds - 1, err);

	if (rc)
		return rc;
	r->any = true;
	r->known_until = FG_MAX(r->known_until, slice->second + seconds);
	/* Intervals are of the measured phase already. */
	return seconds == 1 ? fg_result_add_slice(r->so_far, slice, err)
			    : fg_slice_add(r->so_far->totals, slice, err);
}

int fg_prometheus_replay(const struct fg_bundle *bundle,
			 const struct fg_prometheus_options *options, int64_t shift_ns,
			 struct fg_prometheus_report *ret, struct fg_err *err)
{
	struct fg_prometheus_report report = {.pushes = 0};
	uint64_t interval_ns = options->push_interval_ns ? options->push_interval_ns : INTERVAL_NS;
	struct replay r = {
		.bundle = bundle,
		.options = options,
		.stats = fg_prometheus_stats(options),
		.shift_ns = shift_ns,
		.interval_s = FG_MAX(interval_ns / FG_NS_PER_S, 1u),
		.report = &report,
	};
	int rc = fg_prometheus_check(options, err);

	if (rc == 0)
		rc = fg_result_new(&bundle->result->registry, &r.so_far, err);
	if (rc == 0)
		rc = fg_series_slices(bundle->result, 0, UINT32_MAX, take, &r, err);
	if (rc == 0)
		rc = send_totals(&r, bundle->result->totals, bundle->result->duration_ns, true,
				 err);
	fg_prometheus_snapshot_done(&r.last);
	fg_result_free(r.so_far);
	if (rc)
		return rc;
	report.complete = true;
	*ret = report;
	return 0;
}
