/* SPDX-License-Identifier: Apache-2.0 */
/* engine_native against a server that follows a script, connection by connection. */
#include "tests/kit/kit.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gate/base/clock.h"
#include "tests/unit/load/native_kit.h"

/* -- tests ------------------------------------------------------------------------------------- */

#define BYE "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"

static const struct {
	const char *what, *method;
	struct script scripts[3];
	enum fg_net_error errors[3]; /* of as many requests */
	int requests, connections;
	enum fg_connection reuse;
} connection_cases[] = {
	{"kept", "GET", {{"wswswsh", {OK, OK, OK}}}, {0}, 3, 1, FG_CONNECTION_VU},
	{"POST kept", "POST", {{"wswsh", {OK, OK}}}, {0}, 2, 1, FG_CONNECTION_VU},
	{"not kept", "GET", {{"wsh", {OK}}, {"wsh", {OK}}}, {0}, 2, 2, FG_CONNECTION_NONE},
	{"says close", "GET", {{"wsh", {BYE}}, {"wsh", {BYE}}}, {0}, 2, 2, FG_CONNECTION_VU},
	{"garbage behind",
	 "GET",
	 {{"wsh", {OK "HTTP/1.1 200 OK\r\n"}}, {"wsh", {OK}}},
	 {0},
	 2,
	 2,
	 FG_CONNECTION_VU},
	{"in three pieces",
	 "GET",
	 {{"wssswsh", {"HTTP/1.1 20", "0 OK\r\nContent-Length: 5\r\n\r\nhe", "llo"}}},
	 {0},
	 1,
	 1,
	 FG_CONNECTION_VU},
	{"until close",
	 "GET",
	 {{"wsc", {"HTTP/1.1 200 OK\r\n\r\nhello"}}},
	 {0},
	 1,
	 1,
	 FG_CONNECTION_VU},
	{"interim first",
	 "GET",
	 {{"wssh", {"HTTP/1.1 100 C\r\n\r\n", OK}}},
	 {0},
	 1,
	 1,
	 FG_CONNECTION_VU},
	/* A reused connection that ends without an answer. */
	{"retried", "GET", {{"wswc", {OK}}, {"wsh", {OK}}}, {0}, 2, 2, FG_CONNECTION_VU},
	{"retried after reset",
	 "PUT",
	 {{"wswrc", {OK}}, {"wsh", {OK}}},
	 {0},
	 2,
	 2,
	 FG_CONNECTION_VU},
	{"not twice",
	 "GET",
	 {{"wswc", {OK}}, {"wc", {NULL}}},
	 {0, FG_NET_RESET},
	 2,
	 2,
	 FG_CONNECTION_VU},
	{"POST not retried", "POST", {{"wswc", {OK}}}, {0, FG_NET_RESET}, 2, 1, FG_CONNECTION_VU},
	{"PATCH not retried",
	 "PATCH",
	 {{"wswrc", {OK}}},
	 {0, FG_NET_RESET},
	 2,
	 1,
	 FG_CONNECTION_VU},
	{"answer begun", "GET", {{"wswsc", {OK, "H"}}}, {0, FG_NET_RESET}, 2, 1, FG_CONNECTION_VU},
	{"new is not retried",
	 "GET",
	 {{"wc", {NULL}}, {"wrc", {NULL}}},
	 {FG_NET_RESET, FG_NET_RESET},
	 2,
	 2,
	 FG_CONNECTION_VU},
	{"cut in the body",
	 "GET",
	 {{"wsc", {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"}}},
	 {FG_NET_RESET},
	 1,
	 1,
	 FG_CONNECTION_VU},
	{"not HTTP",
	 "GET",
	 {{"wsh", {"SSH-2.0-x\r\n"}}, {"wsh", {OK}}},
	 {FG_NET_BAD_RESPONSE, 0},
	 2,
	 2,
	 FG_CONNECTION_VU},
	{"speaks first",
	 "GET",
	 {{"sh", {"220 mail\r\n"}}},
	 {FG_NET_BAD_RESPONSE},
	 1,
	 1,
	 FG_CONNECTION_VU},
};

static void test_connections(void **state)
{

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(connection_cases); i++) {
		struct peer *peer = malloc(sizeof(*peer));
		struct client client;

		assert_non_null(peer);
		peer_start(peer, connection_cases[i].scripts);
		client_start(&client, peer->port);
		client.http.connection = connection_cases[i].reuse;
		for (int r = 0; r < connection_cases[i].requests; r++) {
			const struct fg_engine_response *response =
				get(&client, connection_cases[i].method);

			if (response->error != connection_cases[i].errors[r])
				fail_msg("%s, request %d: error %d \"%s\"",
					 connection_cases[i].what, r, response->error,
					 response->error_text);
			assert_true(response->error == 0 || response->error_text[0]);
			if (response->error)
				continue;
			assert_int_equal(response->status, 200);
			assert_string_equal(client.replies[0].body, "hello");
			assert_true(response->send_ns + response->sending_ns +
					    response->waiting_ns + response->receiving_ns ==
				    response->end_ns);
			assert_int_equal(response->connecting_ns > 0, !response->reused);
		}
		client_stop(&client);
		assert_int_equal(peer_stop(peer), connection_cases[i].connections);
		free(peer);
	}
}

/* The server ends or speaks while nobody asks: the next request, POST too, gets a new connection.
 */
static void test_idle_end(void **state)
{
	static const struct {
		struct script scripts[2];
		uint64_t unsolicited;
	} cases[] = {
		{{{"wsgc", {OK}}, {"wsh", {OK}}}, 0},
		{{{"wsgrc", {OK}}, {"wsh", {OK}}}, 0},
		{{{"wsgsh", {OK, "HTTP/1.1 408 Timeout\r\n\r\n"}}, {"wsh", {OK}}}, 1},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct peer *peer = malloc(sizeof(*peer));
		struct client client;

		assert_non_null(peer);
		peer_start(peer, cases[i].scripts);
		client_start(&client, peer->port);
		assert_int_equal(get(&client, "POST")->error, FG_NET_OK);
		atomic_store(&peer->go, 1);
		while (atomic_load(&peer->ended) == 0)
			uv_run(&client.loop, UV_RUN_NOWAIT);
		assert_int_equal(get(&client, "POST")->error, FG_NET_OK);
		assert_false(client.replies[0].response.reused);
		assert_int_equal(client.engine->unsolicited, cases[i].unsolicited);
		client_stop(&client);
		assert_int_equal(peer_stop(peer), 2);
		free(peer);
	}
}

/* Nothing answers: each is reported once, by the loop and not by start. */
static void test_no_connection(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct client client;
	int fill[8];

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	client_start(&client, ntohs(address.sin_port));
	assert_int_equal(get(&client, "GET")->error, FG_NET_REFUSED);
	assert_int_equal(client.replies[0].response.status, 0);
	snprintf(client.url, sizeof(client.url), "http://no-such-host.invalid/");
	assert_int_equal(get(&client, "GET")->error, FG_NET_DNS);
	snprintf(client.url, sizeof(client.url), "http://localhost:%u/", ntohs(address.sin_port));
	assert_int_equal(get(&client, "GET")->error, FG_NET_REFUSED);

	/* A full queue: the dial hangs until a time-out. */
	assert_int_equal(listen(fd, 0), 0);
	for (size_t i = 0; i < FG_ARRAY_LEN(fill); i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fill[i], (struct sockaddr *)&address, len);
	}
	client.http.connect_timeout_ns = 50 * FG_NS_PER_MS;
	snprintf(client.url, sizeof(client.url), "http://127.0.0.1:%u/", ntohs(address.sin_port));
	assert_int_equal(get(&client, "GET")->error, FG_NET_DIAL_TIMEOUT);
	assert_true(client.replies[0].response.blocked_ns >= 50 * FG_NS_PER_MS);
	client.http.connect_timeout_ns = 0;
	client.http.timeout_ns = 50 * FG_NS_PER_MS;
	assert_int_equal(get(&client, "GET")->error, FG_NET_DIAL_TIMEOUT);
	for (size_t i = 0; i < FG_ARRAY_LEN(fill); i++)
		close(fill[i]);
	close(fd);
	client_stop(&client);
}

static void test_timeout(void **state)
{
	static const struct script scripts[3] = {{"wh", {NULL}}, {"wsh", {"HTTP/1.1 200 OK\r\n"}}};
	struct peer *peer = malloc(sizeof(*peer));
	struct client client;

	(void)state;
	assert_non_null(peer);
	peer_start(peer, scripts);
	client_start(&client, peer->port);
	client.http.timeout_ns = 60 * FG_NS_PER_MS;
	for (int i = 0; i < 2; i++) {
		const struct fg_engine_response *response = get(&client, "GET");

		assert_int_equal(response->error, FG_NET_TIMEOUT);
		assert_int_equal(response->status, i ? 200 : 0);
		assert_true(response->end_ns - response->send_ns + response->blocked_ns >=
			    60 * FG_NS_PER_MS);
	}
	client_stop(&client);
	assert_int_equal(peer_stop(peer), 2);
	free(peer);
}

/* Cut while resolving, connecting, waiting, and after a failure that was not reported yet. */
static void test_cancel(void **state)
{
	static const struct script scripts[3] = {{"wh", {NULL}}, {"wsh", {OK}}};
	struct peer *peer = malloc(sizeof(*peer));
	struct fg_engine_request request;
	struct client client;
	char url[128];

	(void)state;
	assert_non_null(peer);
	peer_start(peer, scripts);
	client_start(&client, peer->port);
	memcpy(url, client.url, sizeof(url));
	fg_engine_native.cancel(client.vu); /* nothing runs */
	for (int i = 0; i < 3; i++) {
		request = request_of(&client, "GET");
		snprintf(client.url, sizeof(client.url), "%s",
			 i == 0   ? "http://localhost:1/"
			 : i == 1 ? "http://255.255.255.255:1/"
				  : url);
		assert_int_equal(start(&client, 0, &request), 0);
		while (i == 2 && !client.vu->tasks[0].sent_ns)
			uv_run(&client.loop, UV_RUN_ONCE);
		fg_engine_native.cancel(client.vu);
		assert_true(client.replies[0].done);
		assert_int_equal(client.replies[0].response.error, FG_NET_UNFINISHED);
	}
	assert_int_equal(get(&client, "GET")->error, FG_NET_OK);
	/* Freed while running: unrecorded, but nothing may be left. */
	client_stop(&client);
	peer_stop(peer);
	free(peer);
}

struct starter {
	struct client *client;
	unsigned done;
	enum fg_net_error second;
};

static void on_second(void *context, const struct fg_engine_response *response)
{
	struct starter *starter = context;

	starter->done++;
	starter->second = response->error;
}

static void on_first(void *context, const struct fg_engine_response *response)
{
	struct starter *starter = context;
	struct fg_engine_request request = request_of(starter->client, "GET");
	struct fg_err err;

	assert_int_equal(response->error, FG_NET_UNFINISHED);
	assert_int_equal(fg_engine_native.start(starter->client->vu, 1, &request, on_second,
						starter, &err),
			 0);
}

/* What is started while others are cut is not cut with them. */
static void test_cancel_starts(void **state)
{
	struct fg_engine_request request;
	struct client client;
	struct starter starter = {.client = &client};
	struct fg_err err;

	(void)state;
	client_start(&client, 1);
	snprintf(client.url, sizeof(client.url), "http://localhost:1/");
	request = request_of(&client, "GET");
	assert_int_equal(fg_engine_native.start(client.vu, 0, &request, on_first, &starter, &err),
			 0);
	fg_engine_native.cancel(client.vu);
	assert_int_equal(starter.done, 0);
	while (!starter.done)
		uv_run(&client.loop, UV_RUN_ONCE);
	assert_int_equal(starter.second, FG_NET_REFUSED);
	client_stop(&client);
}

static void test_slots_share_connections(void **state)
{
	static const struct script scripts[4] = {
		{"wgswsh", {OK, OK}}, {"wgswsh", {OK, OK}}, {"wgswsh", {OK, OK}}};
	struct peer *peer = malloc(sizeof(*peer));
	struct client client;

	(void)state;
	assert_non_null(peer);
	peer_start(peer, scripts);
	client_start(&client, peer->port);
	for (int round = 0; round < 2; round++) {
		const struct fg_engine_request request = request_of(&client, "GET");

		for (unsigned slot = 0; slot < SLOTS; slot++)
			assert_int_equal(start(&client, slot, &request), 0);
		assert_int_equal(start(&client, 1, &request), -FG_E_INTERNAL);
		atomic_store(&peer->go, 1);
		for (unsigned slot = 0; slot < SLOTS; slot++) {
			assert_int_equal(finish(&client, slot)->error, FG_NET_OK);
			assert_int_equal(client.replies[slot].response.reused, round);
			client.replies[slot].done = false;
		}
	}
	fg_engine_native.vu_reset(client.vu, FG_CONNECTION_VU);
	assert_non_null(client.vu->conns);
	fg_engine_native.vu_reset(client.vu, FG_CONNECTION_ITERATION);
	assert_null(client.vu->conns);
	client_stop(&client);
	assert_int_equal(peer_stop(peer), 3);
	free(peer);
}

/* The body does not fit into the socket, and the server answers without reading it. */
static void test_answer_before_the_end(void **state)
{
	static const struct script scripts[3] = {{"sh", {OK}}, {"wsh", {OK}}};
	const size_t len = 32 << 20;
	struct peer *peer = malloc(sizeof(*peer));
	struct fg_engine_request request;
	struct client client;
	char *body = calloc(1, len);

	(void)state;
	assert_non_null(peer);
	assert_non_null(body);
	peer_start(peer, scripts);
	client_start(&client, peer->port);
	request = request_of(&client, "POST");
	request.body = body;
	request.body_len = len;
	assert_int_equal(start(&client, 0, &request), 0);
	assert_int_equal(finish(&client, 0)->error, FG_NET_OK);
	assert_true(client.replies[0].response.sent_bytes < len);
	assert_int_equal(get(&client, "GET")->error, FG_NET_OK);
	assert_false(client.replies[0].response.reused);
	client_stop(&client);
	assert_int_equal(peer_stop(peer), 2);
	free(body);
	free(peer);
}

static void test_pins_and_unix(void **state)
{
	static const struct script scripts[3] = {{"wsh", {OK}}};
	struct sockaddr_un path = {.sun_family = AF_UNIX};
	struct peer *peer = malloc(sizeof(*peer));
	struct fg_tag pin = {.key = (char[]){"api.invalid:81"}};
	struct client client;
	char address[32];

	(void)state;
	assert_non_null(peer);
	peer_start(peer, scripts);
	client_start(&client, 1);
	snprintf(address, sizeof(address), "127.0.0.1:%u", peer->port);
	snprintf(client.url, sizeof(client.url), "http://API.invalid:81/");
	pin.value = address;
	client.http.resolve.items = &pin;
	client.http.resolve.count = 1;
	assert_int_equal(get(&client, "GET")->error, FG_NET_OK);
	if (fg_engine_native_has_kernel_clock()) {
		const struct fg_engine_response *r = &client.replies[0].response;

		assert_in_range(r->kernel_end_ns, r->send_ns, r->end_ns);
	}
	client_stop(&client);
	peer_stop(peer);
	assert_non_null(strstr(peer->connections[0].request, "Host: API.invalid:81\r\n"));

	snprintf(path.sun_path, sizeof(path.sun_path), "/tmp/native-test-%d.sock", (int)getpid());
	peer_listen(peer, scripts, (struct sockaddr *)&path, sizeof(path));
	client_start(&client, 1);
	client.http.unix_socket = path.sun_path;
	assert_int_equal(get(&client, "GET")->error, FG_NET_OK);
	assert_int_equal(client.replies[0].response.kernel_end_ns, 0); /* none on these */
	client_stop(&client);
	peer_stop(peer);
	unlink(path.sun_path);
	free(peer);
}

/* -- no allocation once warm --------------------------------------------------------------------
 */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
static _Thread_local bool counting;
static uint64_t allocations;

void *__wrap_malloc(size_t size)
{
	allocations += counting;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	allocations += counting;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	allocations += counting;
	return __real_realloc(old, size);
}

static void *echo(void *context)
{
	const int *fd = context;
	const int client = accept(*fd, NULL, NULL);
	char text[4096];

	/* In two pieces, so that head and body must be kept: the second waits for the ACK of the
	 * first, which keeps them apart. */
	while (recv(client, text, sizeof(text), 0) > 0) {
		(void)!send(client, OK, 30, MSG_NOSIGNAL);
		(void)!send(client, &OK[30], strlen(OK) - 30, MSG_NOSIGNAL);
	}
	close(client);
	return NULL;
}

static void test_no_allocation(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct client client;
	pthread_t thread;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(pthread_create(&thread, NULL, echo, &fd), 0);
	client_start(&client, ntohs(address.sin_port));
	for (int i = 0; i < 70; i++) {
		struct fg_engine_request request = request_of(&client, "POST");

		counting = i >= 20;
		request.constant_key = i % 2 ? &client : NULL;
		request.body = i % 2 ? "const" : "fresh";
		request.body_len = 5;
		request.cookie = i % 3 ? "a=b" : NULL;
		assert_int_equal(start(&client, 0, &request), 0);
		assert_int_equal(finish(&client, 0)->error, FG_NET_OK);
		counting = false;
	}
	assert_int_equal(allocations, 0);
	client_stop(&client);
	pthread_join(thread, NULL);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connections),
		cmocka_unit_test(test_idle_end),
		cmocka_unit_test(test_no_connection),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_cancel_starts),
		cmocka_unit_test(test_slots_share_connections),
		cmocka_unit_test(test_answer_before_the_end),
		cmocka_unit_test(test_pins_and_unix),
		cmocka_unit_test(test_no_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
