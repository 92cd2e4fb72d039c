/* SPDX-License-Identifier: Apache-2.0 */
/* profile.scrape in one run: when it is fetched, and where it goes. */
#include <stdio.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/profile/scraped.h"
#include "runner/http_client.h"
#include "runner/run/scrape.h"
#include "runner/run/session.h"

int fg_session_scrape_start(struct fg_session *s, struct fg_err *err)
{
	const struct fg_scrape_options options = {
		.items = s->file->scrapes,
		.count = s->file->scrape_count,
		.target_url = s->target_url,
	};

	if (!options.count || s->options->no_profile)
		return 0;
	return fg_scrapes_start(&options, &s->scrapes, err);
}

/* The measured phase is known from the live result; one without warm-up begins at once. */
void fg_session_scrape_second(struct fg_session *s, const struct fg_result *live,
			      uint64_t elapsed_ns)
{
	if (s->scrapes && elapsed_ns >= live->measured_start_ns)
		fg_scrapes_begin(s->scrapes);
}

void fg_session_scrape_end(struct fg_session *s)
{
	if (s->scrapes)
		fg_scrapes_end(s->scrapes);
}

/* "heap", and "heap-2" for the second one of an endpoint. */
static void make_name(const char *url, size_t number, char *out, size_t size)
{
	size_t end = strcspn(url, "?#"), start;

	while (end > 0 && url[end - 1] == '/')
		end--;
	for (start = end; start > 0 && url[start - 1] != '/'; start--)
		;
	int len = (int)FG_MIN(end - start, (size_t)64);

	if (number > 1)
		(void)snprintf(out, size, "%.*s-%zu", len, url + start, number);
	else
		(void)snprintf(out, size, "%.*s", len, url + start);
}

static void tell(const struct fg_session *s, const struct fg_scraped_profile *profile,
		 const char *name)
{
	struct fg_scraped_summary summary;
	FG_AUTO_BUF struct fg_buf text = {.max = 4096};

	if (s->options->quiet ||
	    fg_scraped_summarise(profile->pprof.data, profile->pprof.len, &summary, NULL))
		return;
	for (size_t i = 0; i < summary.column_count; i++) {
		const struct fg_scraped_column *column = &summary.columns[i];
		char size[FG_NUM_TEXT_MAX];
		uint64_t total = column->total > 0 ? (uint64_t)column->total : 0;

		fg_buf_addf(&text, "%s%s ", i ? ", " : "", column->type);
		if (strcmp(column->unit, "bytes") == 0)
			fg_buf_addf(&text, "%s", fg_num_format_bytes(total, size));
		else if (strcmp(column->unit, "nanoseconds") == 0)
			fg_buf_addf(&text, "%s", fg_num_format_ns((double)total, size));
		else
			fg_buf_addf(&text, "%llu", (unsigned long long)total);
	}
	fg_session_note(s, "scraped %s as %s: %s\n", name, profile->scrape->type,
			text.data ? text.data : "");
}

static int keep(struct fg_session *s, struct fg_scraped_profile *profile, size_t number,
		struct fg_err *err)
{
	uint64_t started_ns = s->run->bundle.result->started_ns;
	char name[96], url[512];

	make_name(profile->scrape->url, number, name, sizeof(name));
	fg_http_url_masked(profile->scrape->url, url, sizeof(url));
	if (profile->problem[0]) {
		fg_session_note(s, "profile: %s was not scraped: %s\n", url, profile->problem);
		return 0;
	}
	if (profile->lost)
		fg_session_note(s,
				"profile: %u earlier profiles of %s were dropped; fetch them "
				"less often\n",
				profile->lost, url);
	tell(s, profile, name);
	const struct fg_scrape scrape = {
		.name = name,
		.type = profile->scrape->type,
		.url = url,
		.from_ns = profile->from_ns != profile->to_ns && profile->from_ns > started_ns
				   ? profile->from_ns - started_ns
				   : 0,
		.at_ns = profile->to_ns > started_ns ? profile->to_ns - started_ns : 0,
		.bytes = profile->pprof.data,
		.len = profile->pprof.len,
	};

	return fg_bundle_add_scrape(&s->run->bundle, &scrape, err);
}

int fg_session_scrape_keep(struct fg_session *s, struct fg_err *err)
{
	struct fg_scraped_profile *results;
	size_t count = s->scrapes ? fg_scrapes_results(s->scrapes, &results) : 0;
	int rc = 0;

	for (size_t i = 0, number = 0; rc == 0 && i < count; i++) {
		bool same = i && results[i].scrape == results[i - 1].scrape;

		/* An endpoint that is not there fails at the start and at the end: once is enough.
		 */
		if (same && strcmp(results[i].problem, results[i - 1].problem) == 0 &&
		    results[i].problem[0])
			continue;
		number = same ? number + 1 : 1;
		rc = keep(s, &results[i], number, err);
	}
	if (s->scrapes && !count)
		fg_session_note(s, "profile: nothing was scraped, the measured phase did not "
				   "begin\n");
	return rc;
}
