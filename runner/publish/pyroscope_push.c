/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending one piece. A failed try may have stored it all the same (500 Unavailable, 504, a broken
 * connection), so a repetition carries the same bytes, labels and stamp: the server then keeps one.
 */
#include "runner/publish/pyroscope_internal.h"

#include "gate/base/str.h"
#include "gate/format/json.h"

#include <runner/publish/pyroscope.pb-c.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { URL_MAX = 4096, ANSWER_MAX = 1 << 20, SHOWN_MESSAGE_MAX = 400, UUID_SIZE = 37 };

/* -- the request ---------------------------------------------------------------------------- */

/* base + "/" + method without doubled slash: the server answers that with a redirect. */
static int make_url(const char *base, const char *method, char url[URL_MAX], struct fg_err *err)
{
	size_t len = strlen(base);
	char shown[512];

	fg_http_url_masked(base, shown, sizeof(shown));
	if (strpbrk(base, "?# \t\r\n"))
		return fg_err_set(
			err, FG_E_USAGE,
			"%s: the Pyroscope URL is http(s)://HOST[:PORT][/PREFIX], without "
			"query",
			shown);
	while (len > 0 && base[len - 1] == '/')
		len--;
	int used =
		snprintf(url, URL_MAX, "%.*s/%s", (int)FG_MIN(len, (size_t)URL_MAX), base, method);

	if (used < 0 || used >= URL_MAX)
		return fg_err_set(err, FG_E_LIMIT, "the Pyroscope URL is too long");
	return 0;
}

int fg_pyroscope_post(const struct fg_pyroscope_options *options, const char *method,
		      const struct fg_buf *body, size_t max_response_bytes,
		      struct fg_http_response *ret, struct fg_err *err)
{
	char url[URL_MAX], tenant[FG_PYROSCOPE_TENANT_MAX + 32];
	const char *headers[2] = {"Content-Type: application/proto"};
	struct fg_http_request request = {
		.method = "POST",
		.url = url,
		.headers = headers,
		.header_count = 1,
		.body = body->data,
		.body_len = body->len,
		.basic_user = options->basic_user,
		.basic_password = options->basic_password,
		.bearer_token = options->bearer_token,
		.timeout_ns = options->timeout_ns,
		.max_response_bytes = max_response_bytes,
	};
	int rc = make_url(options->url, method, url, err);

	if (rc)
		return rc;
	if (options->tenant) {
		(void)snprintf(tenant, sizeof(tenant), "X-Scope-OrgID: %s", options->tenant);
		headers[request.header_count++] = tenant;
	}
	return fg_http_fetch(&request, ret, err);
}

static int make_uuid(char uuid[UUID_SIZE], struct fg_err *err)
{
	uint8_t bytes[16];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return fg_err_errno(err, errno, "cannot get random bytes");
	bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40); /* version 4 */
	bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
	for (size_t i = 0, at = 0; i < sizeof(bytes); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			uuid[at++] = '-';
		(void)snprintf(uuid + at, 3, "%02x", bytes[i]);
		at += 2;
	}
	return 0;
}

struct pairs {
	FgPyroscope__LabelPair items[FG_PYROSCOPE_LABELS_MAX];
	FgPyroscope__LabelPair *pointers[FG_PYROSCOPE_LABELS_MAX];
	size_t count;
};

static void add_pair(struct pairs *pairs, char *name, char *value)
{
	FgPyroscope__LabelPair *pair = &pairs->items[pairs->count];

	assert(pairs->count < FG_PYROSCOPE_LABELS_MAX); /* fg_pyroscope_labels left room */
	fg_pyroscope__label_pair__init(pair);
	pair->name = name;
	pair->value = value;
	pairs->pointers[pairs->count++] = pair;
}

static void fill_pairs(struct pairs *pairs, const struct fg_tags *labels, char *endpoint)
{
	static char endpoint_name[] = "endpoint"; /* protobuf-c wants it writable */
	bool is_added = *endpoint == '\0';

	for (size_t i = 0; i < labels->count; i++) {
		if (!is_added && strcmp(labels->items[i].key, endpoint_name) > 0) {
			add_pair(pairs, endpoint_name, endpoint);
			is_added = true;
		}
		add_pair(pairs, labels->items[i].key, labels->items[i].value);
	}
	if (!is_added)
		add_pair(pairs, endpoint_name, endpoint);
}

static int pack(const struct fg_tags *labels, const struct fg_pyroscope_piece *piece,
		struct fg_buf *out, struct fg_err *err)
{
	FgPyroscope__PushRequest request = FG_PYROSCOPE__PUSH_REQUEST__INIT;
	FgPyroscope__RawProfileSeries series = FG_PYROSCOPE__RAW_PROFILE_SERIES__INIT;
	FgPyroscope__RawSample sample;
	FgPyroscope__RawSample *sample_pointer = &sample;
	FgPyroscope__RawProfileSeries *series_pointer = &series;
	FG_AUTO_FREE char *endpoint = NULL;
	struct pairs pairs = {.count = 0};
	char uuid[UUID_SIZE] = "";
	int rc = make_uuid(uuid, err);

	if (rc == 0)
		rc = fg_str_dup(piece->endpoint, &endpoint, err);
	if (rc)
		return rc;
	fill_pairs(&pairs, labels, endpoint);
	fg_pyroscope__raw_sample__init(&sample);
	sample.raw_profile.data = (uint8_t *)piece->pprof.data;
	sample.raw_profile.len = piece->pprof.len;
	sample.id = uuid;
	series.n_labels = pairs.count;
	series.labels = pairs.pointers;
	series.n_samples = 1;
	series.samples = &sample_pointer;
	request.n_series = 1;
	request.series = &series_pointer;
	size_t len = fg_pyroscope__push_request__get_packed_size(&request);
	char *room = fg_buf_reserve(out, len);

	if (room)
		fg_buf_commit(out, fg_pyroscope__push_request__pack(&request, (uint8_t *)room));
	return fg_buf_check(out, err);
}

/* -- the answer ----------------------------------------------------------------------------- */

enum fg_pyroscope_action fg_pyroscope_classify(long status, const char *code, const char *message)
{
	if (status == 200)
		return FG_PYROSCOPE_STORED;
	if (status == 408 || strcmp(code, "aborted") == 0)
		return FG_PYROSCOPE_RETRY;
	/* The bucket refills within a second or so; an ingest quota ("limit of … reached, next
	 * reset at …") does not within a CI job. */
	if (status == 429)
		return fg_str_starts_with(message, "limit of ") ? FG_PYROSCOPE_FAIL
								: FG_PYROSCOPE_RETRY;
	/* `unknown` is also what a profile that cannot be decoded gets. */
	if (status == 500 && strcmp(code, "unknown") == 0)
		return fg_str_starts_with(message, "rpc error:") ? FG_PYROSCOPE_RETRY
								 : FG_PYROSCOPE_FAIL;
	if (status >= 500 && status != 501)
		return FG_PYROSCOPE_RETRY;
	return FG_PYROSCOPE_FAIL;
}

uint64_t fg_pyroscope_backoff_ns(unsigned attempt)
{
	return (500ull << FG_MIN(attempt - 1, 4)) * FG_NS_PER_MS;
}

struct answer {
	char code[64];
	char message[SHOWN_MESSAGE_MAX];
};

/* A server's words end up on a terminal and in CI logs: bounded, and without control characters. */
static void copy_harmless(const char *text, char *out, size_t size_bytes)
{
	(void)snprintf(out, size_bytes, "%s", text);
	for (char *at = out; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = ' ';
}

static void read_answer(const struct fg_http_response *response, struct answer *ret)
{
	FG_AUTO_JSON json_t *json = NULL;
	const char *text = response->body.data ? response->body.data : "";

	memset(ret, 0, sizeof(*ret));
	if (fg_json_parse(text, response->body.len, &json, NULL) != 0 || !json_is_object(json)) {
		copy_harmless(text, ret->message, sizeof(ret->message));
		return;
	}
	const char *code = json_string_value(json_object_get(json, "code"));
	const char *message = json_string_value(json_object_get(json, "message"));

	copy_harmless(code ? code : "", ret->code, sizeof(ret->code));
	copy_harmless(message ? message : "", ret->message, sizeof(ret->message));
}

static const char *advice(long status)
{
	switch (status) {
	case 401:
		return "give user and password, a bearer token, or the tenant (X-Scope-OrgID)";
	case 403:
		return "these credentials may not write (Grafana Cloud: scope profiles:write)";
	case 404:
		return "no Pyroscope at this URL (a path prefix missing or too much?)";
	case 405:
	case 415:
		return "this is not Pyroscope's Push method; check the URL and proxies";
	case 413:
		return "a proxy limits the size of requests";
	case 429:
		return "the tenant's ingestion limit is used up";
	case 501:
		return "this server does not know the Push method";
	default:
		return status / 100 == 3 ? "the server redirects: give the URL it points to" : "";
	}
}

int fg_pyroscope_refused(const struct fg_http_response *response, struct fg_err *err)
{
	struct answer answer;
	const char *hint = advice(response->status);

	read_answer(response, &answer);
	return fg_err_set(err, FG_E_REFUSED, "Pyroscope answered %ld%s%s%s%s%s%s", response->status,
			  answer.code[0] ? " " : "", answer.code, answer.message[0] ? ": " : "",
			  answer.message, *hint ? "; " : "", hint);
}

/* -- trying --------------------------------------------------------------------------------- */

/* One try; *ret_again is only meaningful on failure. */
static int try_once(const struct fg_pyroscope_options *options, const struct fg_buf *body,
		    bool *ret_again, struct fg_err *err)
{
	struct fg_http_response response;
	struct answer answer;
	int rc = fg_pyroscope_post(options, "push.v1.PusherService/Push", body, ANSWER_MAX,
				   &response, err);

	if (rc) {
		*ret_again = rc == -FG_E_NETWORK;
		return rc;
	}
	read_answer(&response, &answer);
	enum fg_pyroscope_action action =
		fg_pyroscope_classify(response.status, answer.code, answer.message);

	*ret_again = action == FG_PYROSCOPE_RETRY;
	if (action != FG_PYROSCOPE_STORED)
		rc = fg_pyroscope_refused(&response, err);
	fg_http_response_done(&response);
	return rc;
}

int fg_pyroscope_push(const struct fg_pyroscope_options *options, const struct fg_tags *labels,
		      const struct fg_pyroscope_piece *piece, struct fg_pyroscope_report *report,
		      struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf body = {.data = NULL};
	unsigned max_tries = options->max_tries ? options->max_tries : FG_PYROSCOPE_TRIES_MAX;
	bool again = false;

	fg_buf_init(&body, FG_PROFILE_BYTES_MAX + (1 << 20));
	int rc = pack(labels, piece, &body, err);

	if (rc)
		return rc;
	for (unsigned tries = 1;; tries++) {
		rc = try_once(options, &body, &again, err);
		if (rc == 0)
			break;
		if (!again)
			return rc;
		if (tries >= max_tries)
			return fg_err_wrap(err, "given up after %u %s", tries,
					   tries == 1 ? "try" : "tries");
		report->retries++;
		(void)poll(NULL, 0, (int)(fg_pyroscope_backoff_ns(tries) / FG_NS_PER_MS));
	}
	report->profiles++;
	report->samples_sent += piece->samples;
	report->cpu_ns_sent += piece->cpu_ns;
	report->bytes_sent += body.len;
	return 0;
}
