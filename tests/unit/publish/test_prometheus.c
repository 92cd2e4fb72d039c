/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remote write: what a request says when it is taken apart again, series that end, what is refused,
 * and which answers of a server are tried again (a server in this process, on port 0).
 */
#include "tests/kit/kit.h"

#include <runner/publish/remote_write.pb-c.h>
#include <snappy-c.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runner/publish/prometheus_internal.h"
#include "tests/unit/judge/sample_run.h"

static struct fg_trend_stats stats_of(const char *text)
{
	struct fg_trend_stats stats;

	assert_int_equal(fg_trend_stats_parse(text, &stats, NULL), 0);
	return stats;
}

static FgRemoteWrite__WriteRequest *unpack(const void *bytes, size_t len)
{
	size_t raw_len = 0;

	assert_int_equal(snappy_uncompressed_length(bytes, len, &raw_len), SNAPPY_OK);
	char *raw = malloc(raw_len + 1);

	assert_non_null(raw);
	assert_int_equal(snappy_uncompress(bytes, len, raw, &raw_len), SNAPPY_OK);
	FgRemoteWrite__WriteRequest *request =
		fg_remote_write__write_request__unpack(NULL, raw_len, (const uint8_t *)raw);

	assert_non_null(request);
	free(raw);
	return request;
}

static const char *label_of(const FgRemoteWrite__TimeSeries *series, const char *name)
{
	for (size_t i = 0; i < series->n_labels; i++)
		if (strcmp(series->labels[i]->name, name) == 0)
			return series->labels[i]->value;
	return NULL;
}

static const FgRemoteWrite__TimeSeries *find(const FgRemoteWrite__WriteRequest *request,
					     const char *metric, const char *expected_response)
{
	for (size_t i = 0; i < request->n_timeseries; i++) {
		const FgRemoteWrite__TimeSeries *series = request->timeseries[i];
		const char *expected = label_of(series, "expected_response");

		if (strcmp(label_of(series, "__name__"), metric) == 0 &&
		    (!expected_response || (expected && strcmp(expected, expected_response) == 0)))
			return series;
	}
	fail_msg("no series %s", metric);
	return NULL;
}

static struct fg_prometheus_snapshot snapshot_of(const struct fg_result *result,
						 const struct fg_tags *labels, int64_t time_ms)
{
	struct fg_trend_stats stats = stats_of("p(95),avg,count");
	struct fg_prometheus_snapshot snapshot = {.items = NULL};
	struct fg_err err = {0};

	assert_ok(fg_prometheus_snapshot(&result->registry, result->totals, &stats, labels, time_ms,
					 &snapshot, &err),
		  &err);
	return snapshot;
}

/* -- encoding -----------------------------------------------------------------------------------
 */

static void test_request(void **state)
{
	struct fg_result *result = sample_result();
	struct fg_tags labels = {.items = NULL};
	struct fg_err err = {0};
	struct fg_buf out;

	(void)state;
	assert_int_equal(fg_tags_add(&labels, "testid", "run-1", &err), 0);
	assert_int_equal(fg_tags_add(&labels, "tier", "not this one", &err), 0);
	assert_int_equal(fg_tags_add(&labels, "my-team", "a", &err), 0);
	struct fg_prometheus_snapshot snapshot = snapshot_of(result, &labels, 1795250000123);

	fg_buf_init(&out, 1 << 20);
	assert_ok(fg_prometheus_encode(&snapshot, 0, false, snapshot.time_ms, &out, &err), &err);
	FgRemoteWrite__WriteRequest *request = unpack(out.data, out.len);

	assert_int_equal(request->n_timeseries, snapshot.count);
	for (size_t i = 0; i < request->n_timeseries; i++) {
		const FgRemoteWrite__TimeSeries *series = request->timeseries[i];

		assert_int_equal(series->n_samples, 1);
		assert_int_equal(series->samples[0]->timestamp, 1795250000123);
		assert_string_equal(label_of(series, "testid"), "run-1");
		assert_string_equal(label_of(series, "my_team"), "a");
		for (size_t l = 1; l < series->n_labels; l++)
			assert_true(strcmp(series->labels[l - 1]->name, series->labels[l]->name) <
				    0);
	}
	const FgRemoteWrite__TimeSeries *series = find(request, "k6_http_reqs_total", "true");

	assert_string_equal(label_of(series, "status"), "200");
	assert_string_equal(label_of(series, "tier"), "read"); /* the point's own comes first */
	/* ms inside, seconds outside; a count is a count */
	series = find(request, "k6_http_req_duration_p95", "true");
	assert_true(series->samples[0]->value > 0.0001 && series->samples[0]->value < 0.1);
	series = find(request, "k6_http_req_duration_count", "true");
	assert_true(series->samples[0]->value >= 360);
	series = find(request, "k6_checks_rate", NULL);
	assert_string_equal(label_of(series, "check"), "logged in");
	assert_true(series->samples[0]->value > 0.99 && series->samples[0]->value < 1);
	assert_null(label_of(find(request, "k6_vus", NULL), "scenario"));
	fg_remote_write__write_request__free_unpacked(request, NULL);
	fg_prometheus_snapshot_done(&snapshot);
	fg_tags_done(&labels);
	fg_buf_done(&out);
	fg_result_free(result);
}

static void test_stale_marker(void **state)
{
	double stale = fg_prometheus_stale();
	uint64_t bits;

	(void)state;
	memcpy(&bits, &stale, sizeof(bits));
	assert_true(bits == 0x7ff0000000000002u);
}

/* A class half that gets a second status: the series of the first one ends in that push. */
static void test_series_end(void **state)
{
	struct fg_registry registry = sample_registry();
	struct fg_request_record record = {.class_index = SAMPLE_ITEMS, .status = 404};
	struct fg_prometheus_push *push;
	struct fg_result *result;
	struct fg_slice *slice;
	struct fg_err err = {0};

	(void)state;
	assert_ok(fg_result_new(&registry, &result, &err), &err);
	assert_ok(fg_slice_new(&registry, NULL, &slice, &err), &err);
	assert_int_equal(fg_slice_request(slice, &record), 0);
	assert_ok(fg_result_add_slice(result, slice, &err), &err);
	struct fg_prometheus_snapshot before = snapshot_of(result, NULL, 1000);

	record.status = 500;
	fg_slice_clear(slice);
	assert_int_equal(fg_slice_request(slice, &record), 0);
	assert_ok(fg_result_add_slice(result, slice, &err), &err);
	struct fg_prometheus_snapshot now = snapshot_of(result, NULL, 2000);

	assert_ok(fg_prometheus_push_new(&before, &now, &push, &err), &err);
	assert_int_equal(push->count, 2);
	FgRemoteWrite__WriteRequest *ended = unpack(push->items[0].bytes, push->items[0].len);

	for (size_t i = 0; i < ended->n_timeseries; i++) {
		assert_string_equal(label_of(ended->timeseries[i], "status"), "404");
		assert_true(ended->timeseries[i]->samples[0]->value !=
			    ended->timeseries[i]->samples[0]->value);
		/* http_reqs with this status goes on: it is split by status */
		assert_string_not_equal(label_of(ended->timeseries[i], "__name__"),
					"k6_http_reqs_total");
	}
	assert_int_equal(ended->n_timeseries, push->items[0].series);
	fg_remote_write__write_request__free_unpacked(ended, NULL);
	size_t bodies = push->count;

	assert_ok(fg_prometheus_push_end(push, &now, &err), &err);
	assert_int_equal(push->count, bodies + 1);
	ended = unpack(push->items[bodies].bytes, push->items[bodies].len);
	assert_int_equal(ended->n_timeseries, now.count);
	assert_int_equal(ended->timeseries[0]->samples[0]->timestamp, 2001);
	fg_remote_write__write_request__free_unpacked(ended, NULL);
	fg_prometheus_push_free(push);
	fg_prometheus_snapshot_done(&before);
	fg_prometheus_snapshot_done(&now);
	fg_slice_free(slice);
	fg_result_free(result);
	fg_registry_done(&registry);
}

/* Large snapshots are cut into requests, and nothing is lost at the cuts. */
static void test_many_series(void **state)
{
	enum { COUNT = 2 * FG_PROMETHEUS_REQUEST_SERIES + 7 };
	struct fg_prometheus_snapshot snapshot = {.time_ms = 5};
	struct fg_prometheus_push *push;
	struct fg_err err = {0};
	size_t series = 0;

	(void)state;
	snapshot.items = calloc(COUNT, sizeof(*snapshot.items));
	assert_non_null(snapshot.items);
	for (snapshot.count = 0; snapshot.count < COUNT; snapshot.count++) {
		char labels[64];
		int len = snprintf(labels, sizeof(labels), "__name__%cx%06zu", 0, snapshot.count);
		struct fg_prometheus_series *one = &snapshot.items[snapshot.count];

		one->labels = malloc((size_t)len + 1);
		assert_non_null(one->labels);
		memcpy(one->labels, labels, (size_t)len + 1);
		one->labels_len = (size_t)len + 1;
		one->value = (double)snapshot.count;
	}
	assert_ok(fg_prometheus_push_new(NULL, &snapshot, &push, &err), &err);
	assert_int_equal(push->count, 3);
	for (size_t i = 0; i < push->count; i++) {
		FgRemoteWrite__WriteRequest *request =
			unpack(push->items[i].bytes, push->items[i].len);

		for (size_t k = 0; k < request->n_timeseries; k++, series++)
			assert_true(request->timeseries[k]->samples[0]->value == (double)series);
		fg_remote_write__write_request__free_unpacked(request, NULL);
	}
	assert_int_equal(series, COUNT);
	fg_prometheus_push_free(push);
	fg_prometheus_snapshot_done(&snapshot);
}

static void test_bad_options(void **state)
{
	static const struct {
		struct fg_prometheus_options options;
		const char *message;
	} cases[] = {
		{{.url = NULL}, "no remote write URL"},
		{{.url = ""}, "no remote write URL"},
		{{.url = "ftp://u:secret@h/"}, "ftp://***@h/: remote write needs an http(s) URL"},
		{{.url = "http://h/", .basic_user = "u", .bearer_token = "t"}, "only one of them"},
		{{.url = "http://h/", .header_count = 33}, "more than 32 headers"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_prometheus *prometheus = NULL;
		struct fg_err err = {0};

		assert_true(fg_prometheus_start(&cases[i].options, &prometheus, &err) < 0);
		assert_null(prometheus);
		if (!strstr(err.message, cases[i].message))
			fail_msg("%s", err.message);
	}
}

/* -- a server -----------------------------------------------------------------------------------
 */

/* Answers each request on a connection of its own with the next status of a list, the last one from
 * then on, and keeps how many there were. */
struct server {
	int listener;
	uint16_t port;
	pthread_t thread;
	const int *statuses;
	unsigned requests; /* read after join */
	char seen[4096];   /* head of the last request */
};

static size_t read_request(int fd, char *head, size_t size)
{
	size_t len = 0, body = 0;
	char *end = NULL;

	while (!end || len < (size_t)(end - head) + 4 + body) {
		ssize_t got = read(fd, head + len, size - 1 - len);

		if (got <= 0)
			return 0;
		len += (size_t)got;
		head[len] = '\0';
		end = strstr(head, "\r\n\r\n");
		const char *length = strstr(head, "Content-Length: ");

		body = 0;
		for (const char *c = length ? length + 16 : ""; *c >= '0' && *c <= '9'; c++)
			body = body * 10 + (size_t)(*c - '0');
	}
	return len;
}

static void *serve(void *context)
{
	struct server *server = context;

	for (;;) {
		static char request[1 << 20];
		char answer[256];
		int fd = accept(server->listener, NULL, NULL);

		if (fd < 0)
			return NULL;
		if (read_request(fd, request, sizeof(request)) > 0) {
			int status = *server->statuses;

			if (server->statuses[1])
				server->statuses++;
			server->requests++;
			(void)snprintf(server->seen, sizeof(server->seen), "%.4000s", request);
			int len = snprintf(answer, sizeof(answer),
					   "HTTP/1.1 %d x\r\nContent-Length: 11\r\nConnection: "
					   "close\r\n\r\nout of room",
					   status);

			if (status > 0)
				FG_IGNORE(write(fd, answer, (size_t)len) < 0);
		}
		(void)close(fd);
	}
}

static void server_start(struct server *server, const int *statuses)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);

	*server = (struct server){.statuses = statuses};
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(server->listener >= 0);
	assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server->listener, 16), 0);
	assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
	server->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_stop(struct server *server)
{
	(void)shutdown(server->listener, SHUT_RDWR);
	(void)pthread_join(server->thread, NULL);
	(void)close(server->listener);
}

static bool no_wait(void *context, uint64_t ns)
{
	unsigned *waits = context;

	assert_true(ns >= 100 * FG_NS_PER_MS);
	(*waits)++;
	return true;
}

/* 0 as a status: the connection is closed without an answer. */
static void test_retries(void **state)
{
	static const struct {
		int statuses[8];
		int rc;
		unsigned requests;
	} cases[] = {
		{{200}, 0, 1},
		{{204}, 0, 1},
		{{503, 429, 200}, 0, 3},
		{{500, 500, 500, 500, 500}, -FG_E_REFUSED, 3},
		{{400, 200}, -FG_E_REFUSED, 1},
		{{401, 200}, -FG_E_REFUSED, 1},
		{{302, 200}, -FG_E_REFUSED, 1},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		char bytes[] = "body", url[64];
		const struct fg_prometheus_body body = {.bytes = bytes, .len = 4, .series = 7};
		const char *const headers[] = {"X-Scope-OrgID: t1"};
		struct fg_prometheus_report report = {.pushes = 0};
		struct fg_err err = {0};
		struct server server;
		unsigned waits = 0;

		server_start(&server, cases[i].statuses);
		(void)snprintf(url, sizeof(url), "http://u:s3cret@127.0.0.1:%u/api/v1/write",
			       server.port);
		const struct fg_prometheus_options options = {
			.url = url, .max_tries = 3, .headers = headers, .header_count = 1};
		int rc = fg_prometheus_send(&options, &body, no_wait, &waits, &report, &err);

		server_stop(&server);
		if (rc != cases[i].rc || server.requests != cases[i].requests ||
		    waits != cases[i].requests - 1 || report.retries != waits)
			fail_msg("case %zu: %d after %u requests: %s", i, rc, server.requests,
				 err.message);
		assert_int_equal(report.samples, rc ? 0 : 7);
		assert_null(strstr(err.message, "s3cret"));
		if (rc)
			assert_non_null(strstr(err.message, "out of room"));
		assert_non_null(strstr(server.seen, "POST /api/v1/write HTTP/1.1"));
		assert_non_null(strstr(server.seen, "Content-Encoding: snappy\r\n"));
		assert_non_null(strstr(server.seen, "Content-Type: application/x-protobuf\r\n"));
		assert_non_null(
			strstr(server.seen, "X-Prometheus-Remote-Write-Version: 0.1.0\r\n"));
		assert_non_null(strstr(server.seen, "X-Scope-OrgID: t1\r\n"));
		assert_non_null(strstr(server.seen, "Authorization: Basic "));
	}
}

/* -- the live publisher -------------------------------------------------------------------------
 */

static void run_live(const char *url, bool stale, struct fg_prometheus_report *ret)
{
	struct fg_result *result = sample_result();
	const struct fg_prometheus_options options = {.url = url,
						      .push_interval_ns = 2 * FG_NS_PER_S,
						      .finish_timeout_ns = FG_NS_PER_S,
						      .max_tries = 2,
						      .stale_markers = stale};
	struct fg_prometheus *prometheus;
	struct fg_err err = {0};

	assert_ok(fg_prometheus_start(&options, &prometheus, &err), &err);
	for (uint64_t second = 1; second <= 5; second++) /* due at 1, 3 and 5 */
		fg_prometheus_tick(prometheus, &result->registry, result->totals,
				   second * FG_NS_PER_S);
	fg_prometheus_finish(prometheus, &result->registry, result->totals, 5 * FG_NS_PER_S, ret);
	fg_prometheus_free(prometheus);
	fg_result_free(result);
}

static void test_live(void **state)
{
	static const int fine[] = {204, 0}, refused[] = {400, 0}, late[] = {400, 400, 400, 204, 0};
	static const struct {
		const int *statuses;
		uint64_t pushes, lost;
		bool complete;
	} cases[] = {{fine, 4, 0, true}, {refused, 0, 4, false}, {late, 1, 3, true}};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_prometheus_report report;
		struct server server;
		char url[64];

		server_start(&server, cases[i].statuses);
		(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
		run_live(url, false, &report);
		server_stop(&server);
		assert_int_equal(report.pushes, cases[i].pushes);
		assert_int_equal(report.lost, cases[i].lost);
		assert_int_equal(report.complete, cases[i].complete);
		assert_int_equal(server.requests, 4);
	}
}

/* Nobody listens: the end comes within its time, and says why. */
static void test_dead_server(void **state)
{
	struct fg_prometheus_report report;

	(void)state;
	run_live("http://127.0.0.1:1/", true, &report);
	assert_int_equal(report.pushes, 0);
	assert_int_equal(report.lost, 4);
	assert_false(report.complete);
	assert_non_null(strstr(report.error, "127.0.0.1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),     cmocka_unit_test(test_stale_marker),
		cmocka_unit_test(test_series_end),  cmocka_unit_test(test_many_series),
		cmocka_unit_test(test_bad_options), cmocka_unit_test(test_retries),
		cmocka_unit_test(test_live),        cmocka_unit_test(test_dead_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
