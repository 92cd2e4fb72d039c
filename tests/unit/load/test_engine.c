/* SPDX-License-Identifier: Apache-2.0 */
/* Whole runs with engine_curl against a real server on loopback that misbehaves in known ways. */
#include "tests/kit/kit.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gate/measure/series.h"
#include "gate/base/clock.h"
#include "tests/unit/load/load_kit.h"

static struct fg_result *run_file(struct load_file *lf, uint16_t port)
{
	struct fg_load_options options = {.file = &lf->file, .seed = 1, .threads = 1};
	struct fg_result *result = NULL;
	char url[64];
	struct fg_err err;

	snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
	options.target_url = url;
	assert_ok(fg_load_run(&options, &result, &err), &err);
	assert_non_null(result);
	return result;
}

/* `events` within a fifth of a second. */
static void quick_arrival(struct load_file *lf, uint64_t events, uint64_t vus, uint64_t vus_max)
{
	load_file_arrival(lf, events, 200 * FG_NS_PER_MS, vus, vus_max)->time_unit_ns =
		200 * FG_NS_PER_MS;
}

struct sums {
	uint64_t requests, failed, lower_bounds, errors[FG_NET_ERROR_COUNT], status[FG_STATUS_MAX];
	uint64_t sent, received;
};

static void add_up(const struct fg_result *result, struct sums *sums)
{
	memset(sums, 0, sizeof(*sums));
	for (size_t i = 0; i < 2 * result->totals->class_count; i++) {
		const struct fg_class_slice *half = &result->totals->classes[i];

		sums->requests += half->requests;
		sums->failed += half->failed;
		sums->sent += half->sent_bytes;
		sums->received += half->received_bytes;
		sums->lower_bounds += half->trends[FG_TREND_RESPONSE_TIME].lower_bounds;
		for (size_t e = 0; e < FG_NET_ERROR_COUNT; e++)
			sums->errors[e] += half->errors[e];
		for (size_t s = 0; half->statuses && s < FG_STATUS_MAX; s++)
			sums->status[s] += half->statuses[s];
	}
}

/* Every fault: 20 requests by two VUs or more, each counted under its kind. */
static void test_faults(void **state)
{
	static const struct {
		enum server_mode mode;
		enum fg_net_error error;
		uint16_t status;
		bool lower_bound;
	} cases[] = {
		{SERVER_OK, FG_NET_OK, 200, false},
		{SERVER_CLOSE, FG_NET_OK, 200, false},
		{SERVER_IDLE_CLOSE, FG_NET_OK, 200, false},
		{SERVER_STATUS_500, FG_NET_HTTP_STATUS, 500, false},
		{SERVER_GARBAGE, FG_NET_BAD_RESPONSE, 0, false},
		{SERVER_HEADERS, FG_NET_BAD_RESPONSE, 200, false},
		{SERVER_CHUNKS, FG_NET_BAD_RESPONSE, 200, false},
		{SERVER_RESET, FG_NET_RESET, 0, false},
		{SERVER_EMPTY, FG_NET_RESET, 0, false},
		{SERVER_PARTIAL, FG_NET_RESET, 200, false},
		{SERVER_HANG, FG_NET_TIMEOUT, 0, true},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct server server = {.fd = -1};
		struct load_file lf;
		struct fg_step_http *http;
		struct fg_result *result;
		struct sums sums;

		server_start(&server, cases[i].mode);
		load_file_init(&lf);
		quick_arrival(&lf, 20, 2, 20);
		http = load_file_request(&lf, "GET", "/");
		if (cases[i].mode == SERVER_HANG) /* else a busy machine would be a time-out */
			http->http.timeout_ns = 300 * FG_NS_PER_MS;
		result = run_file(&lf, server.port);
		add_up(result, &sums);
		if (sums.requests != 20)
			fail_msg("mode %d: %llu requests, %llu dropped", cases[i].mode,
				 (unsigned long long)sums.requests,
				 (unsigned long long)result->totals->scenarios[0].dropped);
		assert_int_equal(sums.failed, cases[i].error ? 20 : 0);
		if (cases[i].error)
			assert_int_equal(sums.errors[cases[i].error], 20);
		assert_int_equal(sums.status[cases[i].status], 20);
		assert_int_equal(sums.lower_bounds, cases[i].lower_bound ? 20 : 0);
		assert_int_equal(result->totals->scenarios[0].iterations, 20);
		assert_int_equal(result->totals->scenarios[0].dropped, 0);
		assert_int_equal(result->status, FG_RUN_COMPLETED);
		fg_result_free(result);
		server_stop(&server);
	}
}

static void test_refused_and_bad_addresses(void **state)
{
	static const struct {
		const char *url;
		enum fg_net_error error;
	} cases[] = {
		{"http://no-such-host.invalid/", FG_NET_DNS},
		{"http://127.0.0.1:99999/", FG_NET_BAD_URL},
		{"http://[::1/", FG_NET_BAD_URL},
		{NULL, FG_NET_TLS}, /* https to a server that speaks no TLS */
	};
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	struct load_file lf;
	struct fg_result *result;
	struct sums sums;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	/* Bound but not listening: refused, and nobody else can take the port meanwhile. */
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	load_file_init(&lf);
	quick_arrival(&lf, 20, 2, 2);
	load_file_request(&lf, "GET", "/");
	result = run_file(&lf, ntohs(address.sin_port));
	add_up(result, &sums);
	assert_int_equal(sums.errors[FG_NET_REFUSED], 20);
	assert_int_equal(sums.lower_bounds, 0);
	fg_result_free(result);
	close(fd);

	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct server server = {.fd = -1};
		char url[64];

		server_start(&server, SERVER_GARBAGE);
		snprintf(url, sizeof(url), "https://127.0.0.1:%u/", server.port);
		load_file_init(&lf);
		quick_arrival(&lf, 5, 1, 5);
		load_file_request(&lf, "GET", cases[i].url ? cases[i].url : url);
		result = run_file(&lf, server.port);
		add_up(result, &sums);
		assert_int_equal(sums.requests, 5);
		assert_int_equal(sums.errors[cases[i].error], 5);
		fg_result_free(result);
		server_stop(&server);
	}
}

/* A full queue of connections: ours stay half open until the dial times out or the VU is cut. libuv
 * aborts if it is asked to watch what curl has closed meanwhile. */
static void test_cut_while_connecting(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0), fill[8];
	struct fg_stage stages[] = {{300 * FG_NS_PER_MS, 8}, {0, 0}, {700 * FG_NS_PER_MS, 0}};
	struct fg_scenario *ramp;
	struct load_file lf;
	struct fg_result *result;
	struct sums sums;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	for (size_t i = 0; i < FG_ARRAY_LEN(fill); i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fill[i], (struct sockaddr *)&address, len);
	}
	load_file_init(&lf);
	load_file_vus(&lf, 8, FG_NS_PER_S)->graceful_stop_ns = 0;
	load_file_request(&lf, "GET", "/")->http.connect_timeout_ns = 60 * FG_NS_PER_MS;
	ramp = load_file_vus(&lf, 8, FG_NS_PER_S);
	ramp->executor = FG_EXEC_RAMPING_VUS;
	ramp->start_vus = 8;
	ramp->stages = stages;
	ramp->stage_count = FG_ARRAY_LEN(stages);
	ramp->graceful_ramp_down_ns = 0;
	load_file_request(&lf, "GET", "/")->http.connect_timeout_ns = 10 * FG_NS_PER_S;
	result = run_file(&lf, ntohs(address.sin_port));
	add_up(result, &sums);
	assert_true(sums.errors[FG_NET_DIAL_TIMEOUT] >= 8);
	assert_int_equal(result->totals->scenarios[1].interrupted, 8);
	fg_result_free(result);
	for (size_t i = 0; i < FG_ARRAY_LEN(fill); i++)
		close(fill[i]);
	close(fd);
}

/* Connections belong to VUs: as many as VUs in use, however unevenly the requests fall. */
static void test_connections_are_the_vus(void **state)
{
	static const struct {
		enum fg_connection connection;
		bool arrivals;
	} cases[] = {
		{FG_CONNECTION_VU, false},
		{FG_CONNECTION_VU, true},
		{FG_CONNECTION_ITERATION, false},
		{FG_CONNECTION_NONE, false},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct server server = {.fd = -1};
		struct load_file lf;
		struct fg_result *result;
		uint64_t iterations;

		server_start(&server, SERVER_OK);
		load_file_init(&lf);
		if (cases[i].arrivals)
			load_file_arrival(&lf, 200, FG_NS_PER_S, 7, 7);
		else
			load_file_vus(&lf, 7, FG_NS_PER_S);
		load_file_request(&lf, "GET", "/a")->http.connection = cases[i].connection;
		load_file_request(&lf, "GET", "/b")->http.connection = cases[i].connection;
		load_file_think(&lf, 5 * FG_NS_PER_MS, 40 * FG_NS_PER_MS);
		result = run_file(&lf, server.port);
		server_stop(&server);
		iterations = result->totals->scenarios[0].iterations;
		assert_true(iterations >= 50);
		assert_int_equal(fg_result_failed(result), 0);
		assert_int_equal(server.requests, fg_result_requests(result));
		if (cases[i].connection == FG_CONNECTION_VU)
			assert_int_equal(server.connections, 7);
		else if (cases[i].connection == FG_CONNECTION_ITERATION)
			assert_int_equal(server.connections, iterations);
		else
			assert_int_equal(server.connections, 2 * iterations);
		fg_result_free(result);
	}
}

static void test_what_is_sent(void **state)
{
	static const struct {
		const char *method, *url, *body, *header, *expect;
	} cases[] = {
		{"GET", "/x?y=1", NULL, NULL, "GET /x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:"},
		{"GET", "/", NULL, NULL, "User-Agent: flamegate/"},
		{"GET", "/", NULL, "X-A: b c", "X-A: b c\r\n"},
		{"POST", "/", "hello body", NULL, "\r\n\r\nhello body"},
		{"PUT", "/", "hello body", NULL, "PUT / HTTP/1.1"},
		{"DELETE", "/", NULL, NULL, "DELETE / HTTP/1.1"},
		{"PATCH", "/", "0123456789", "Content-Type: text/x", "Content-Type: text/x\r\n"},
		{"GET", "/v#vu", NULL, NULL, "GET /v1 "},
		{"GET", "/v#iteration", NULL, NULL, "GET /v0 "},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct server server = {.fd = -1};
		struct load_file lf;
		struct fg_step_http *http;
		struct fg_result *result;
		struct sums sums;
		char *name = NULL;

		server_start(&server, SERVER_OK);
		load_file_init(&lf);
		quick_arrival(&lf, 3, 3, 3);
		http = load_file_request(&lf, cases[i].method, cases[i].url);
		if (cases[i].body) {
			http->has_body = true;
			load_template(&lf, &http->body, cases[i].body);
		}
		if (cases[i].header) {
			name = strndup(cases[i].header, strcspn(cases[i].header, ":"));
			lf.header.name = name;
			load_template(&lf, &lf.header.value, cases[i].header + strlen(name) + 2);
			http->headers = &lf.header;
			http->header_count = 1;
		}
		result = run_file(&lf, server.port);
		add_up(result, &sums);
		fg_result_free(result);
		server_stop(&server);
		assert_int_equal(sums.sent, 3 * strlen(server.first_request));
		assert_int_equal(sums.received, 3 * strlen(OK_ANSWER));
		if (!strstr(server.first_request, cases[i].expect))
			fail_msg("case %zu: \"%s\" not in: %s", i, cases[i].expect,
				 server.first_request);
		assert_null(strstr(server.first_request, "Expect:"));
		assert_null(strstr(server.first_request, "urlencoded"));
		assert_int_equal(server.requests, 3);
		free(name);
	}
}

/* One VU, 50 ms per answer, an event every 10 ms: response time grows with the wait, service time
 * does not, and what still waits at the end is dropped as a lower bound. */
static void test_waiting_counts(void **state)
{
	struct server server = {.fd = -1, .delay_ms = 50};
	struct load_file lf;
	struct fg_result *result;
	const struct fg_scenario_slice *counts;
	struct sums sums;
	struct fg_hist response, service;

	(void)state;
	server_start(&server, SERVER_DELAY);
	load_file_init(&lf);
	load_file_arrival(&lf, 100, FG_NS_PER_S, 1, 1);
	load_file_request(&lf, "GET", "/");
	result = run_file(&lf, server.port);
	server_stop(&server);
	counts = &result->totals->scenarios[0];
	add_up(result, &sums);
	assert_int_equal(counts->scheduled, 100);
	assert_int_equal(counts->iterations + counts->dropped, 100);
	/* Never sent: no request and no failure, as in k6, but a lower bound of the times. */
	assert_int_equal(sums.requests, counts->iterations);
	assert_int_equal(sums.failed, 0);
	assert_int_equal(sums.errors[FG_NET_UNFINISHED], 0);
	assert_int_equal(sums.status[0], 0);
	assert_int_equal(sums.lower_bounds, counts->dropped);
	assert_int_equal(fg_slice_class(result->totals, 0, false)->trends[FG_TREND_DURATION].count,
			 counts->dropped);
	assert_true(fg_series_seconds(result) > 0);
	assert_true(counts->dropped >= 75);
	assert_true(counts->late >= counts->iterations - 2);
	assert_int_equal(counts->queue.count + counts->lag.count, counts->iterations);
	response = fg_slice_class(result->totals, 0, true)->trends[FG_TREND_RESPONSE_TIME];
	service = fg_slice_class(result->totals, 0, true)->trends[FG_TREND_DURATION];
	assert_true(response.max_ns > 500 * FG_NS_PER_MS);
	assert_true(service.min_ns >= 49 * FG_NS_PER_MS);
	assert_true(fg_hist_percentile_ns(&service, 50) < 200 * FG_NS_PER_MS);
	fg_result_free(result);
}

/* The same with noVU: drop and room for more VUs. */
static void test_drop_as_k6(void **state)
{
	struct server server = {.fd = -1, .delay_ms = 50};
	struct load_file lf;
	struct fg_result *result;
	struct sums sums;

	(void)state;
	server_start(&server, SERVER_DELAY);
	load_file_init(&lf);
	load_file_arrival(&lf, 100, FG_NS_PER_S, 1, 3)->no_vu = FG_NO_VU_DROP;
	load_file_request(&lf, "GET", "/");
	result = run_file(&lf, server.port);
	server_stop(&server);
	add_up(result, &sums);
	assert_int_equal(sums.lower_bounds, 0);
	assert_int_equal(result->totals->scenarios[0].vus_max, 3);
	assert_true(result->totals->scenarios[0].dropped >= 30);
	assert_int_equal(result->totals->scenarios[0].iterations +
				 result->totals->scenarios[0].dropped,
			 100);
	fg_result_free(result);
}

static void test_graceful_stop_cuts(void **state)
{
	struct server server = {.fd = -1};
	struct load_file lf;
	struct fg_result *result;
	struct sums sums;

	(void)state;
	server_start(&server, SERVER_HANG);
	load_file_init(&lf);
	load_file_vus(&lf, 4, FG_NS_PER_S)->graceful_stop_ns = 200 * FG_NS_PER_MS;
	load_file_request(&lf, "GET", "/");
	result = run_file(&lf, server.port);
	server_stop(&server);
	add_up(result, &sums);
	assert_int_equal(sums.requests, 4);
	assert_int_equal(sums.errors[FG_NET_UNFINISHED], 4);
	assert_int_equal(sums.lower_bounds, 4);
	assert_int_equal(result->totals->scenarios[0].interrupted, 4);
	assert_int_equal(result->totals->scenarios[0].iterations, 0);
	assert_in_range(result->duration_ns, 1200 * FG_NS_PER_MS, 5000 * FG_NS_PER_MS);
	fg_result_free(result);
}

struct stopper {
	unsigned seconds;
	enum fg_load_stop how[3];
	enum fg_run_status status;
	bool by_signal;
};

static void on_second(void *context, struct fg_load *load, const struct fg_result *live,
		      uint64_t elapsed_ns)
{
	struct stopper *stopper = context;
	const unsigned second = stopper->seconds++;

	(void)live;
	(void)elapsed_ns;
	if (second >= FG_ARRAY_LEN(stopper->how) || stopper->how[second] == FG_LOAD_STOP_NONE)
		return;
	if (stopper->by_signal)
		raise(SIGINT);
	else
		fg_load_request_stop(load, stopper->how[second], stopper->status);
}

/* Requests take 1.5 s: a drain lets them finish, a second stop does not. */
static void test_interrupts(void **state)
{
	static const struct {
		struct stopper stopper;
		bool finished;
	} cases[] = {
		{{0, {FG_LOAD_STOP_DRAIN}, FG_RUN_ABORTED, false}, true},
		{{0, {FG_LOAD_STOP_NOW}, FG_RUN_TARGET_DIED, false}, false},
		{{0, {FG_LOAD_STOP_DRAIN}, FG_RUN_INTERRUPTED, true}, true},
		{{0, {FG_LOAD_STOP_DRAIN, FG_LOAD_STOP_NOW}, FG_RUN_INTERRUPTED, true}, false},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct server server = {.fd = -1, .delay_ms = cases[i].finished ? 1500 : 8000};
		struct stopper stopper = cases[i].stopper;
		struct load_file lf;
		struct fg_result *result = NULL;
		struct fg_load_options options = {.file = &lf.file,
						  .threads = 2,
						  .on_second = on_second,
						  .context = &stopper,
						  .handle_signals = true};
		char url[64];
		struct fg_err err;

		server_start(&server, SERVER_DELAY);
		snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
		options.target_url = url;
		load_file_init(&lf);
		load_file_vus(&lf, 4, 20 * FG_NS_PER_S);
		load_file_request(&lf, "GET", "/");
		assert_ok(fg_load_run(&options, &result, &err), &err);
		server_stop(&server);
		assert_int_equal(result->status, stopper.status);
		assert_int_equal(result->totals->scenarios[0].interrupted,
				 cases[i].finished ? 0 : 4);
		assert_int_equal(result->totals->scenarios[0].iterations,
				 cases[i].finished ? 4 : 0);
		assert_true(result->duration_ns < 7 * FG_NS_PER_S);
		fg_result_free(result);
	}
}

static void test_refusals_before_the_start(void **state)
{
	struct load_file lf;
	struct fg_load_options options = {.file = &lf.file, .engine = "nonsense"};
	struct fg_result *result = NULL;
	struct fg_err err;

	(void)state;
	load_file_init(&lf);
	assert_int_equal(fg_load_run(&options, &result, &err), -FG_E_INVALID); /* no scenario */
	load_file_vus(&lf, 2, FG_NS_PER_S);
	load_file_request(&lf, "GET", "/");
	assert_int_equal(fg_load_run(&options, &result, &err), -FG_E_USAGE);
	options.engine = NULL;
	assert_int_equal(fg_load_run(&options, &result, &err), -FG_E_INVALID); /* relative */
	assert_non_null(strstr(err.message, "target.url"));
	options.target_url = "http://127.0.0.1:1";
	options.threads = 3;
	lf.file.loadgen_cpus = lf.names[1];
	snprintf(lf.names[1], sizeof(lf.names[1]), "1-x");
	assert_int_equal(fg_load_run(&options, &result, &err), -FG_E_INVALID);
	lf.file.loadgen_cpus = NULL;
	lf.steps[0][0].http.http.version = FG_HTTP_H2C;
	assert_int_equal(fg_load_run(&options, &result, &err), -FG_E_LATER);
	lf.steps[0][0].http.http.version = FG_HTTP_AUTO;
	lf.scenarios[0].vus = 900000;
	assert_int_equal(fg_load_run(&options, &result, &err) < 0, 1);
	assert_null(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_refused_and_bad_addresses),
		cmocka_unit_test(test_connections_are_the_vus),
		cmocka_unit_test(test_what_is_sent),
		cmocka_unit_test(test_cut_while_connecting),
		cmocka_unit_test(test_waiting_counts),
		cmocka_unit_test(test_drop_as_k6),
		cmocka_unit_test(test_graceful_stop_cuts),
		cmocka_unit_test(test_interrupts),
		cmocka_unit_test(test_refusals_before_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
