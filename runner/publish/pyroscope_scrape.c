/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles that the target served itself go as they are, in one piece each: their sample types are
 * the target's, so they cannot be cut by time or class as our own.
 */
#include "runner/publish/pyroscope_internal.h"

#include "gate/profile/scraped.h"

#include <string.h>

static int own_labels(const struct fg_tags *labels, const char *name, struct fg_tags *ret,
		      struct fg_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < labels->count; i++) {
		const struct fg_tag *tag = &labels->items[i];

		rc = fg_tags_add(ret, tag->key,
				 strcmp(tag->key, "__name__") == 0 ? name : tag->value, err);
	}
	return rc;
}

/* Restamped, the last one was fetched now; the others keep their distance, or the server would take
 * them for one. */
static uint64_t stamp_of(const struct fg_bundle *bundle, const struct fg_scrape *scrape,
			 const struct fg_pyroscope_options *options)
{
	uint64_t last_ns = 0;

	if (!options->restamp_now)
		return bundle->result->started_unix_ns + scrape->at_ns;
	for (size_t i = 0; i < bundle->scrape_count; i++)
		last_ns = FG_MAX(last_ns, bundle->scrapes[i].at_ns);
	return options->now_unix_ns - (last_ns - scrape->at_ns);
}

static int make_piece(const struct fg_bundle *bundle, const struct fg_scrape *scrape,
		      const struct fg_pyroscope_options *options, size_t labels_bytes,
		      struct fg_pyroscope_piece *piece, struct fg_err *err)
{
	struct fg_scraped_summary summary;
	uint64_t duration_ns = scrape->from_ns ? scrape->at_ns - scrape->from_ns : 0;
	size_t plain_bytes = 0;
	int rc = fg_scraped_summarise(scrape->bytes, scrape->len, &summary, err);

	if (rc)
		return rc;
	piece->endpoint = "";
	piece->samples = summary.samples;
	piece->time_unix_ns = stamp_of(bundle, scrape, options);
	if (piece->time_unix_ns + FG_PYROSCOPE_OLDEST_NS < options->now_unix_ns)
		return fg_err_set(err, FG_E_INVALID,
				  "it was fetched more than an hour ago, and Pyroscope refuses "
				  "older profiles: use --restamp now");
	rc = fg_scraped_stamp(scrape->bytes, scrape->len, piece->time_unix_ns, duration_ns,
			      &piece->pprof, &plain_bytes, err);
	if (rc == 0 && (summary.samples > FG_PYROSCOPE_SAMPLES_MAX ||
			plain_bytes + labels_bytes > FG_PYROSCOPE_BYTES_MAX))
		rc = fg_err_set(err, FG_E_LIMIT,
				"%llu samples in %zu bytes; the server takes %d and %d",
				(unsigned long long)summary.samples, plain_bytes,
				FG_PYROSCOPE_SAMPLES_MAX, FG_PYROSCOPE_BYTES_MAX);
	return rc;
}

int fg_pyroscope_scrape(const struct fg_bundle *bundle, const struct fg_scrape *scrape,
			const struct fg_pyroscope_options *options, const struct fg_tags *labels,
			struct fg_pyroscope_report *report, struct fg_err *err)
{
	struct fg_pyroscope_report own = {.profiles = 0};
	struct fg_pyroscope_piece piece = {.endpoint = ""};
	struct fg_tags tags = {.items = NULL};

	fg_buf_init(&piece.pprof, FG_SCRAPED_INFLATED_MAX);
	int rc = own_labels(labels, scrape->type, &tags, err);

	if (rc == 0)
		rc = make_piece(bundle, scrape, options, fg_pyroscope_labels_bytes(&tags), &piece,
				err);
	if (rc == 0 && piece.samples > 0)
		rc = fg_pyroscope_push(options, &tags, &piece, &own, err);
	report->other_profiles += own.profiles;
	report->bytes_sent += own.bytes_sent;
	report->retries += own.retries;
	fg_buf_done(&piece.pprof);
	fg_tags_done(&tags);
	return rc ? fg_err_wrap(err, "scraped profile %s", scrape->name) : 0;
}
