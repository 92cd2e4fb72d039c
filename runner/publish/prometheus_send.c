/* SPDX-License-Identifier: Apache-2.0 */
/* One request until it is accepted or given up. */
#include "runner/publish/prometheus_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "gate/base/str.h"
#include "runner/http_client.h"

enum { FIXED_HEADERS = 3, ANSWER_MAX = 64 << 10, SHOWN_MAX = 300, TRIES = 5 };

#define TIMEOUT_NS    (5 * FG_NS_PER_S)
#define FIRST_WAIT_NS (200 * FG_NS_PER_MS)

struct fg_trend_stats fg_prometheus_stats(const struct fg_prometheus_options *options)
{
	/* k6 sends p(99) alone unless told otherwise; its dashboard asks for these four. */
	static const struct fg_trend_stats defaults = {
		.items = {{FG_TREND_STAT_PERCENTILE, 95, "p(95)"},
			  {FG_TREND_STAT_PERCENTILE, 99, "p(99)"},
			  {FG_TREND_STAT_MIN, 0, "min"},
			  {FG_TREND_STAT_MAX, 0, "max"}},
		.count = 4,
	};

	return options->stats.count ? options->stats : defaults;
}

int fg_prometheus_check(const struct fg_prometheus_options *options, struct fg_err *err)
{
	char shown[512];

	if (!options->url || !*options->url)
		return fg_err_set(err, FG_E_USAGE, "no remote write URL was given");
	fg_http_url_masked(options->url, shown, sizeof(shown));
	if (!fg_str_starts_with(options->url, "http://") &&
	    !fg_str_starts_with(options->url, "https://"))
		return fg_err_set(err, FG_E_USAGE, "%s: remote write needs an http(s) URL", shown);
	if (options->bearer_token && options->basic_user)
		return fg_err_set(err, FG_E_USAGE,
				  "both a user name and a bearer token were given; a request can "
				  "carry only one of them");
	if (options->header_count > FG_PROMETHEUS_HEADERS_MAX)
		return fg_err_set(err, FG_E_LIMIT, "more than %d headers",
				  FG_PROMETHEUS_HEADERS_MAX);
	if (options->labels && options->labels->count > FG_PROMETHEUS_LABELS_MAX)
		return fg_err_set(err, FG_E_LIMIT, "more than %d labels", FG_PROMETHEUS_LABELS_MAX);
	return 0;
}

/* The server's words on one line, without what a terminal would obey. */
static void first_line(const struct fg_buf *body, char shown[SHOWN_MAX])
{
	size_t at = 0;

	for (size_t i = 0; i < body->len && at + 1 < SHOWN_MAX && body->data[i] != '\n'; i++)
		shown[at++] = isprint((unsigned char)body->data[i]) ? body->data[i] : '?';
	shown[at] = '\0';
}

static int judge(const struct fg_prometheus_options *options,
		 const struct fg_http_response *response, bool *ret_again, struct fg_err *err)
{
	char shown[512], words[SHOWN_MAX];

	if (response->status >= 200 && response->status < 300)
		return 0;
	*ret_again = response->status >= 500 || response->status == 429;
	fg_http_url_masked(options->url, shown, sizeof(shown));
	first_line(&response->body, words);
	return fg_err_set(err, FG_E_REFUSED, "%s answered %ld%s%s", shown, response->status,
			  *words ? ": " : "", words);
}

static int post(const struct fg_prometheus_options *options, const struct fg_prometheus_body *body,
		bool *ret_again, struct fg_err *err)
{
	const char *headers[FIXED_HEADERS + FG_PROMETHEUS_HEADERS_MAX] = {
		"Content-Encoding: snappy",
		"Content-Type: application/x-protobuf",
		"X-Prometheus-Remote-Write-Version: 0.1.0",
	};
	struct fg_http_request request = {
		.method = "POST",
		.url = options->url,
		.headers = headers,
		.header_count = FIXED_HEADERS + options->header_count,
		.body = body->bytes,
		.body_len = body->len,
		.basic_user = options->basic_user,
		.basic_password = options->basic_password,
		.bearer_token = options->bearer_token,
		.timeout_ns = options->timeout_ns ? options->timeout_ns : TIMEOUT_NS,
		.max_response_bytes = ANSWER_MAX,
		.insecure = options->insecure,
	};
	struct fg_http_response response;

	for (size_t i = 0; i < options->header_count; i++)
		headers[FIXED_HEADERS + i] = options->headers[i];
	int rc = fg_http_fetch(&request, &response, err);

	if (rc) {
		*ret_again = rc == -FG_E_NETWORK;
		return rc;
	}
	rc = judge(options, &response, ret_again, err);
	fg_http_response_done(&response);
	return rc;
}

int fg_prometheus_send(const struct fg_prometheus_options *options,
		       const struct fg_prometheus_body *body, fg_prometheus_wait_fn *wait,
		       void *context, struct fg_prometheus_report *report, struct fg_err *err)
{
	unsigned tries = options->max_tries ? options->max_tries : TRIES;
	uint64_t wait_ns = FIRST_WAIT_NS;

	for (unsigned i = 1;; i++) {
		bool again = false;
		int rc = post(options, body, &again, err);

		if (rc == 0) {
			report->samples += body->series;
			report->bytes += body->len;
			return 0;
		}
		if (!again || i == tries || !wait(context, wait_ns))
			return rc;
		report->retries++;
		wait_ns *= 2;
	}
}
