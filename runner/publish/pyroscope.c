/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of things: check everything that can be checked here, then send the pieces one by one,
 * then read back. What one run published is found by its run_id label.
 */
#include "runner/publish/pyroscope_internal.h"

#include "gate/profile/wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SELECTOR_MAX = 16 << 10 };

static int check_options(const struct fg_bundle *bundle, const struct fg_pyroscope_options *options,
			 struct fg_err *err)
{
	if (!options->url || !*options->url)
		return fg_err_set(err, FG_E_USAGE, "no Pyroscope URL was given");
	if (options->bearer_token && options->basic_user)
		return fg_err_set(err, FG_E_USAGE,
				  "both a user name and a bearer token were given; a request can "
				  "carry only one of them");
	if (options->tenant) {
		int rc = fg_pyroscope_check_tenant(options->tenant, err);

		if (rc)
			return rc;
	}
	if (!bundle->profile && !bundle->scrape_count) {
		const char *why = bundle->result->profile.why_absent;

		return fg_err_set(err, FG_E_NO_DATA, "the bundle has no CPU profile%s%s",
				  *why ? ": " : "", why);
	}
	return 0;
}

static int split(const struct fg_profile *profile, const struct fg_pyroscope_options *options,
		 const struct fg_tags *labels, struct fg_pyroscope_pieces *ret, struct fg_err *err)
{
	struct fg_pyroscope_split_options limits = {
		.labels_bytes = fg_pyroscope_labels_bytes(labels),
		.max_bytes = FG_PYROSCOPE_BYTES_MAX,
		.max_samples = FG_PYROSCOPE_SAMPLES_MAX,
		.now_unix_ns = options->now_unix_ns,
		.restamp_now = options->restamp_now,
	};

	return fg_pyroscope_split(profile, &limits, ret, err);
}

static int push_all(const struct fg_pyroscope_options *options, const struct fg_tags *labels,
		    const struct fg_pyroscope_pieces *pieces, struct fg_pyroscope_report *report,
		    struct fg_err *err)
{
	for (size_t i = 0; i < pieces->count; i++) {
		int rc = fg_pyroscope_push(options, labels, &pieces->items[i], report, err);

		if (rc && pieces->count > 1)
			return fg_err_wrap(err, "upload %zu of %zu", i + 1, pieces->count);
		if (rc)
			return rc;
	}
	return 0;
}

static int publish(const struct fg_pyroscope_options *options, const struct fg_pyroscope_type *type,
		   const struct fg_tags *labels, const struct fg_pyroscope_pieces *pieces,
		   struct fg_pyroscope_report *report, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf selector = {.data = NULL};
	uint64_t first_ns = UINT64_MAX, last_ns = 0;

	for (size_t i = 0; i < pieces->count; i++) {
		first_ns = FG_MIN(first_ns, pieces->items[i].time_unix_ns);
		last_ns = FG_MAX(last_ns, pieces->items[i].time_unix_ns);
	}
	fg_buf_init(&selector, SELECTOR_MAX);
	fg_pyroscope_selector(labels, &selector);
	int rc = fg_buf_check(&selector, err);

	if (rc == 0)
		rc = push_all(options, labels, pieces, report, err);
	if (rc)
		return rc;
	(void)snprintf(report->query, sizeof(report->query), "%s%s from %llu to %llu (ms)",
		       type->values, selector.data, (unsigned long long)(first_ns / FG_NS_PER_MS),
		       (unsigned long long)(last_ns / FG_NS_PER_MS + 1));
	if (!options->verify)
		return 0;
	return fg_pyroscope_verify(options, type, selector.data, first_ns, last_ns, report, err);
}

static int publish_type(const struct fg_profile *profile,
			const struct fg_pyroscope_options *options, const struct fg_tags *labels,
			struct fg_pyroscope_report *report, struct fg_err *err)
{
	const struct fg_pyroscope_type *type = fg_pyroscope_type(profile->type);
	struct fg_pyroscope_pieces pieces = {.items = NULL};
	struct fg_tags own = {.items = NULL};
	int rc = fg_pyroscope_labels_of(labels, profile->type, &own, err);

	if (rc == 0)
		rc = split(profile, options, &own, &pieces, err);
	if (rc == 0)
		rc = publish(options, type, &own, &pieces, report, err);
	fg_pyroscope_pieces_done(&pieces);
	fg_tags_done(&own);
	return rc;
}

/* A target that never waits, or touches no new page, has nothing to send; that is no failure. */
static int publish_other(const struct fg_profile *profile,
			 const struct fg_pyroscope_options *options, const struct fg_tags *labels,
			 struct fg_pyroscope_report *total, struct fg_err *err)
{
	struct fg_pyroscope_report report = {.profiles = 0};
	struct fg_profile busy;
	int rc = fg_wait_drop_idle(profile, &busy, err);

	if (rc)
		return rc;
	if (busy.sample_count > 0)
		rc = publish_type(&busy, options, labels, &report, err);
	free(busy.samples);
	if (rc == -FG_E_NO_DATA)
		return 0;
	total->other_profiles += report.profiles;
	total->bytes_sent += report.bytes_sent;
	total->retries += report.retries;
	return rc ? fg_err_wrap(err, "%s profile", fg_profile_type_name(profile->type)) : 0;
}

int fg_pyroscope_publish(const struct fg_bundle *bundle, const struct fg_pyroscope_options *options,
			 struct fg_pyroscope_report *ret, struct fg_err *err)
{
	struct fg_pyroscope_report report = {.profiles = 0};
	struct fg_tags labels = {.items = NULL};
	int rc = check_options(bundle, options, err);

	if (rc == 0)
		rc = fg_pyroscope_labels(bundle->result, options, &labels, err);
	if (rc == 0 && bundle->profile)
		rc = publish_type(bundle->profile, options, &labels, &report, err);
	for (int i = 0; rc == 0 && i < FG_PROFILE_TYPE_COUNT; i++)
		if (bundle->profiles[i])
			rc = publish_other(bundle->profiles[i], options, &labels, &report, err);
	for (size_t i = 0; rc == 0 && i < bundle->scrape_count; i++)
		rc = fg_pyroscope_scrape(bundle, &bundle->scrapes[i], options, &labels, &report,
					 err);
	fg_tags_done(&labels);
	if (rc)
		return rc;
	*ret = report;
	return 0;
}
