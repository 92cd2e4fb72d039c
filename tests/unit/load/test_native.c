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
#include "runner/load/native_clock.h"
#include "runner/load/native_internal.h"

/* -- the server --------------------------------------------------------------------------------
 */

enum { CONNECTIONS_MAX = 8, TEXTS_MAX = 3, REQUEST_MAX = 64 << 10 };

/* w: wait for a request head; s: say the next text; c: close; r: reset; h: hold until the client
 * closes; g: wait for go. */
struct script {
	const char *actions;
	const char *texts[TEXTS_MAX];
};

struct connection {
	struct peer *peer;
	const struct script *script;
	int fd;
	pthread_t thread;
	char request[REQUEST_MAX]; /* the latest */
};

struct peer {
	const struct script *scripts;
	int fd;
	uint16_t port;
	pthread_t thread;
	atomic_int accepted, ended, go; /* partners: the test's thread */
	struct connection connections[CONNECTIONS_MAX];
};

static void wait_request(struct connection *c)
{
	size_t len = 0;

	memset(c->request, 0, sizeof(c->request));
	while (len < sizeof(c->request) - 1 && !strstr(c->request, "\r\n\r\n")) {
		const ssize_t got = recv(c->fd, c->request + len, sizeof(c->request) - 1 - len, 0);

		if (got <= 0)
			return;
		len += (size_t)got;
	}
}

static void hold(int fd)
{
	struct pollfd gone = {.fd = fd, .events = POLLRDHUP};

	(void)poll(&gone, 1, 20000);
}

static void *serve(void *context)
{
	struct connection *c = context;
	const struct linger now = {.l_onoff = 1};
	size_t text = 0;

	for (const char *a = c->script->actions; *a; a++) {
		const char *say = text < TEXTS_MAX ? c->script->texts[text] : NULL;

		if (*a == 'w')
			wait_request(c);
		else if (*a == 's' && say && ++text)
			(void)!send(c->fd, say, strlen(say), MSG_NOSIGNAL);
		else if (*a == 'r')
			setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		else if (*a == 'h')
			hold(c->fd);
		while (*a == 'g' && !atomic_load(&c->peer->go))
			sched_yield();
	}
	close(c->fd);
	atomic_fetch_add(&c->peer->ended, 1);
	return NULL;
}

static void *accept_all(void *context)
{
	struct peer *peer = context;
	int fd;

	while ((fd = accept(peer->fd, NULL, NULL)) >= 0) {
		const int i = atomic_fetch_add(&peer->accepted, 1);
		struct connection *c = &peer->connections[i];

		if (i >= CONNECTIONS_MAX || !peer->scripts[i].actions)
			abort(); /* one connection too many */
		c->peer = peer;
		c->script = &peer->scripts[i];
		c->fd = fd;
		if (pthread_create(&c->thread, NULL, serve, c))
			abort();
	}
	return NULL;
}

static void peer_listen(struct peer *peer, const struct script *scripts, struct sockaddr *address,
			socklen_t len)
{
	memset(peer, 0, sizeof(*peer));
	peer->scripts = scripts;
	peer->fd = socket(address->sa_family, SOCK_STREAM, 0);
	assert_true(peer->fd >= 0);
	assert_int_equal(bind(peer->fd, address, len), 0);
	assert_int_equal(listen(peer->fd, 16), 0);
	assert_int_equal(getsockname(peer->fd, address, &len), 0);
	assert_int_equal(pthread_create(&peer->thread, NULL, accept_all, peer), 0);
}

static void peer_start(struct peer *peer, const struct script *scripts)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	peer_listen(peer, scripts, (struct sockaddr *)&address, sizeof(address));
	peer->port = ntohs(address.sin_port);
}

static int peer_stop(struct peer *peer)
{
	const int accepted = atomic_load(&peer->accepted);

	shutdown(peer->fd, SHUT_RDWR);
	pthread_join(peer->thread, NULL);
	close(peer->fd);
	for (int i = 0; i < accepted; i++)
		pthread_join(peer->connections[i].thread, NULL);
	return accepted;
}

/* -- the client -------------------------------------------------------------------------------- */

enum { SLOTS = 3 };

struct client {
	uv_loop_t loop;
	struct fg_engine *engine;
	struct fg_engine_vu *vu;
	struct fg_http_options http;
	char url[128];
	bool inside; /* of start */
	struct reply {
		struct client *client;
		bool done;
		struct fg_engine_response response;
		char head[1024], body[1024];
	} replies[SLOTS];
};

static void client_start(struct client *client, uint16_t port)
{
	struct fg_err err;

	memset(client, 0, sizeof(*client));
	assert_int_equal(uv_loop_init(&client->loop), 0);
	assert_ok(fg_engine_native.engine_new(&client->loop, NULL, &client->engine, &err), &err);
	assert_ok(fg_engine_native.vu_new(client->engine, SLOTS, &client->vu, &err), &err);
	client->http.timeout_ns = 20 * FG_NS_PER_S;
	client->http.connect_timeout_ns = 10 * FG_NS_PER_S;
	snprintf(client->url, sizeof(client->url), "http://127.0.0.1:%u/a?b=c", port);
}

static void client_stop(struct client *client)
{
	fg_engine_native.vu_free(client->vu);
	fg_engine_native.engine_close(client->engine);
	uv_run(&client->loop, UV_RUN_DEFAULT);
	fg_engine_native.engine_free(client->engine);
	assert_int_equal(uv_loop_close(&client->loop), 0);
}

static void on_done(void *context, const struct fg_engine_response *response)
{
	struct reply *reply = context;

	assert_false(reply->client->inside);
	assert_false(reply->done);
	reply->done = true;
	reply->response = *response;
	reply->head[0] = reply->body[0] = '\0';
	if (response->head) {
		assert_int_equal(strlen(response->head), response->head_len);
		snprintf(reply->head, sizeof(reply->head), "%s", response->head);
	}
	if (response->body)
		snprintf(reply->body, sizeof(reply->body), "%.*s", (int)response->body_len,
			 response->body);
}

static struct fg_engine_request request_of(struct client *client, const char *method)
{
	return (struct fg_engine_request){
		.method = method, .url = client->url, .http = &client->http, .want_body = true};
}

static int start(struct client *client, unsigned slot, const struct fg_engine_request *request)
{
	struct fg_err err;
	int rc;

	client->replies[slot].client = client;
	client->replies[slot].done = false;
	client->inside = true;
	rc = fg_engine_native.start(client->vu, slot, request, on_done, &client->replies[slot],
				    &err);
	client->inside = false;
	return rc;
}

static const struct fg_engine_response *finish(struct client *client, unsigned slot)
{
	while (!client->replies[slot].done)
		assert_true(uv_run(&client->loop, UV_RUN_ONCE) || client->replies[slot].done);
	return &client->replies[slot].response;
}

static const struct fg_engine_response *get(struct client *client, const char *method)
{
	const struct fg_engine_request request = request_of(client, method);

	assert_int_equal(start(client, 0, &request), 0);
	return finish(client, 0);
}

/* -- tests ------------------------------------------------------------------------------------- */

#define OK  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define BYE "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"

static void test_connections(void **state)
{
	static const struct {
		const char *what, *method;
		struct script scripts[3];
		enum fg_net_error errors[3]; /* of as many requests */
		int requests, connections;
		enum fg_connection reuse;
	} cases[] = {
		{"kept", "GET", {{"wswswsh", {OK, OK, OK}}}, {0}, 3, 1, FG_CONNECTION_VU},
		{"POST kept", "POST", {{"wswsh", {OK, OK}}}, {0}, 2, 1, FG_CONNECTION_VU},
		{"not kept", "GET", {{"wsh", {OK}}, {"wsh", {OK}}}, {0}, 2, 2, FG_CONNECTION_NONE},
		{"says close",
		 "GET",
		 {{"wsh", {BYE}}, {"wsh", {BYE}}},
		 {0},
		 2,
		 2,
		 FG_CONNECTION_VU},
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
		{"POST not retried",
		 "POST",
		 {{"wswc", {OK}}},
		 {0, FG_NET_RESET},
		 2,
		 1,
		 FG_CONNECTION_VU},
		{"PATCH not retried",
		 "PATCH",
		 {{"wswrc", {OK}}},
		 {0, FG_NET_RESET},
		 2,
		 1,
		 FG_CONNECTION_VU},
		{"answer begun",
		 "GET",
		 {{"wswsc", {OK, "H"}}},
		 {0, FG_NET_RESET},
		 2,
		 1,
		 FG_CONNECTION_VU},
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

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct peer *peer = malloc(sizeof(*peer));
		struct client client;

		assert_non_null(peer);
		peer_start(peer, cases[i].scripts);
		client_start(&client, peer->port);
		client.http.connection = cases[i].reuse;
		for (int r = 0; r < cases[i].requests; r++) {
			const struct fg_engine_response *response = get(&client, cases[i].method);

			if (response->error != cases[i].errors[r])
				fail_msg("%s, request %d: error %d \"%s\"", cases[i].what, r,
					 response->error, response->error_text);
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
		assert_int_equal(peer_stop(peer), cases[i].connections);
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

static void test_what_is_sent(void **state)
{
	static const struct {
		const char *method, *url, *headers[2], *body, *cookie, *sent;
	} cases[] = {
		{"GET",
		 "%s/x?y=1#z",
		 {NULL},
		 NULL,
		 NULL,
		 "GET /x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: flamegate/" FG_VERSION
		 "\r\nAccept: */*\r\n\r\n"},
		{"GET",
		 "%s",
		 {"User-Agent: me", "accept: a"},
		 NULL,
		 NULL,
		 "GET / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: me\r\naccept: a\r\n\r\n"},
		{"GET",
		 "%s?q",
		 {"Host: other", "User-Agent: me"},
		 NULL,
		 "a=b; c=d",
		 "GET /?q HTTP/1.1\r\nAccept: */*\r\nHost: other\r\nUser-Agent: me\r\n"
		 "Cookie: a=b; c=d\r\n\r\n"},
		{"POST",
		 "%s/",
		 {"Accept: a", "User-Agent: me"},
		 NULL,
		 NULL,
		 "POST / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAccept: a\r\nUser-Agent: me\r\n"
		 "Content-Length: 0\r\n\r\n"},
		{"DELETE",
		 "%s/a/../b",
		 {"Accept: a", "User-Agent: me"},
		 NULL,
		 NULL,
		 "DELETE /a/../b HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAccept: a\r\n"
		 "User-Agent: me\r\n\r\n"},
		{"PUT",
		 "%s/",
		 {"Accept: a", "User-Agent: me"},
		 "body",
		 "x=y",
		 "PUT / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAccept: a\r\nUser-Agent: me\r\n"
		 "Content-Length: 4\r\nCookie: x=y\r\n\r\nbody"},
		{"PUT",
		 "%s/",
		 {"Transfer-Encoding: chunked", "User-Agent: me"},
		 "body",
		 NULL,
		 "PUT / HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAccept: */*\r\n"
		 "Transfer-Encoding: chunked\r\nUser-Agent: me\r\n\r\n4\r\nbody\r\n0\r\n\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < 2 * FG_ARRAY_LEN(cases); i++) {
		static const struct script scripts[2] = {{"wsh", {OK}}};
		const size_t c = i / 2;
		struct peer *peer = malloc(sizeof(*peer));
		struct client client;
		struct fg_engine_request request;
		char base[64], sent[512];
		size_t headers = 0;

		assert_non_null(peer);
		peer_start(peer, scripts);
		client_start(&client, peer->port);
		snprintf(base, sizeof(base), "http://127.0.0.1:%u", peer->port);
		snprintf(client.url, sizeof(client.url), "%s%s", base, cases[c].url + 2);
		snprintf(sent, sizeof(sent), "%s", cases[c].sent);
		if (strstr(sent, "%u"))
			snprintf(sent, sizeof(sent), "%.*s%u%s",
				 (int)(strstr(cases[c].sent, "%u") - cases[c].sent), cases[c].sent,
				 peer->port, strstr(cases[c].sent, "%u") + 2);
		request = request_of(&client, cases[c].method);
		request.constant_key = i % 2 ? &cases[c] : NULL;
		while (headers < 2 && cases[c].headers[headers])
			headers++;
		request.headers = cases[c].headers;
		request.header_count = headers;
		request.body = cases[c].body;
		request.body_len = cases[c].body ? strlen(cases[c].body) : 0;
		request.cookie = cases[c].cookie;
		assert_int_equal(start(&client, 0, &request), 0);
		assert_int_equal(finish(&client, 0)->error, FG_NET_OK);
		assert_int_equal(client.replies[0].response.sent_bytes, strlen(sent));
		assert_int_equal(client.replies[0].response.received_bytes, strlen(OK));
		assert_int_equal(client.replies[0].response.http_version, 11);
		assert_string_equal(client.replies[0].head, "Content-Length: 5\r\n");
		client_stop(&client);
		peer_stop(peer);
		assert_string_equal(peer->connections[0].request, sent);
		free(peer);
	}
}

static void test_refused_by_start(void **state)
{
	static const struct {
		const char *method, *url, *header, *cookie;
	} cases[] = {
		{"GET", "ftp://127.0.0.1/", NULL, NULL},
		{"GET", "/relative", NULL, NULL},
		{"GET", "http://", NULL, NULL},
		{"GET", "http:///x", NULL, NULL},
		{"GET", "http://a b/", NULL, NULL},
		{"GET", "http://127.0.0.1:0/", NULL, NULL},
		{"GET", "http://127.0.0.1:65536/", NULL, NULL},
		{"GET", "http://127.0.0.1:1x/", NULL, NULL},
		{"GET", "http://[::1/", NULL, NULL},
		{"GET", "http://[::1]x/", NULL, NULL},
		{"GET", "http://127.0.0.1:1/a b", NULL, NULL},
		{"GET", "http://127.0.0.1:1/a\r\nX: y", NULL, NULL},
		{"G ET", "http://127.0.0.1:1/", NULL, NULL},
		{"", "http://127.0.0.1:1/", NULL, NULL},
		{"CONNECT", "http://127.0.0.1:1/", NULL, NULL},
		{"GET", "http://127.0.0.1:1/", "A: b\r\nC: d", NULL},
		{"GET", "http://127.0.0.1:1/", NULL, "a=b\r\nC: d"},
	};
	struct client client;

	(void)state;
	client_start(&client, 1);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_engine_request request = request_of(&client, cases[i].method);

		request.url = cases[i].url;
		request.headers = &cases[i].header;
		request.header_count = cases[i].header ? 1 : 0;
		request.cookie = cases[i].cookie;
		if (start(&client, 0, &request) != -FG_E_INVALID)
			fail_msg("case %zu: %s %s was not refused", i, cases[i].method,
				 cases[i].url);
	}
	client_stop(&client);
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

static void test_refuses(void **state)
{
	static const struct {
		enum fg_http_version version;
		const char *proxy, *url;
		enum fg_auth_kind auth;
		bool refused;
	} cases[] = {
		{FG_HTTP_AUTO, NULL, "http://a/", FG_AUTH_NONE, false},
		{FG_HTTP_AUTO, "", "HTTP://a/", FG_AUTH_NONE, false},
		{FG_HTTP_1_1, NULL, "https://a/", FG_AUTH_NONE, false},
		{FG_HTTP_1_1, NULL, "{{ vars.url }}", FG_AUTH_NONE, false},
		{FG_HTTP_AUTO, NULL, "https://a/", FG_AUTH_NONE, true},
		{FG_HTTP_AUTO, NULL, "{{ vars.url }}", FG_AUTH_NONE, true},
		{FG_HTTP_AUTO, NULL, NULL, FG_AUTH_NONE, true},
		{FG_HTTP_2, NULL, "https://a/", FG_AUTH_NONE, true},
		{FG_HTTP_H2C, NULL, "http://a/", FG_AUTH_NONE, true},
		{FG_HTTP_AUTO, "http://p:1", "http://a/", FG_AUTH_NONE, true},
		{FG_HTTP_AUTO, NULL, "http://a/", FG_AUTH_DIGEST, true},
		{FG_HTTP_1_1, NULL, "http://a/", FG_AUTH_SIGV4, true},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_http_options http = {.version = cases[i].version};
		char proxy[32] = "";

		snprintf(proxy, sizeof(proxy), "%s", cases[i].proxy ? cases[i].proxy : "");
		http.proxy = cases[i].proxy ? proxy : NULL;
		http.auth.kind = cases[i].auth;
		if ((fg_engine_native.refuses(&http, cases[i].url) != NULL) != cases[i].refused)
			fail_msg("case %zu", i);
	}
}

/* -- the clock --------------------------------------------------------------------------------- */

static uint64_t pretended_ns, wall_offset_ns;

static uint64_t pretend_monotonic(void)
{
	return pretended_ns;
}

static uint64_t pretend_realtime(void)
{
	return pretended_ns + wall_offset_ns;
}

static void test_clock(void **state)
{
	struct fg_native_clock clock;
	const uint64_t s = FG_NS_PER_S;

	(void)state;
	fg_native_clock_init(&clock);
	clock.monotonic = pretend_monotonic;
	clock.realtime = pretend_realtime;
	pretended_ns = 100 * s;
	wall_offset_ns = 1000000 * s;
	assert_int_equal(fg_native_clock_translate(&clock, 0, 0, 100 * s), 0);
	assert_int_equal(clock.refused, 0);
	/* In between, and both ends. */
	assert_int_equal(fg_native_clock_translate(&clock, wall_offset_ns + 99 * s, 98 * s,
						   100 * s),
			 99 * s);
	assert_int_equal(fg_native_clock_translate(&clock, wall_offset_ns + 98 * s, 98 * s,
						   100 * s),
			 98 * s);
	assert_int_equal(fg_native_clock_translate(&clock, wall_offset_ns + 100 * s, 98 * s,
						   100 * s),
			 100 * s);
	/* Before the send, after now. */
	assert_int_equal(
		fg_native_clock_translate(&clock, wall_offset_ns + 98 * s - 1, 98 * s, 100 * s), 0);
	assert_int_equal(fg_native_clock_translate(&clock, wall_offset_ns + 100 * s + 1, 98 * s,
						   100 * s),
			 0);
	assert_int_equal(clock.refused, 2);
	assert_int_equal(clock.steps, 0);
	/* Somebody sets the wall clock back: one stamp is lost, the next is right. */
	wall_offset_ns -= 10 * s;
	assert_int_equal(
		fg_native_clock_translate(&clock, wall_offset_ns + 99 * s, 98 * s, 100 * s), 0);
	assert_int_equal(clock.refused, 3);
	assert_int_equal(clock.steps, 1);
	assert_int_equal(fg_native_clock_translate(&clock, wall_offset_ns + 99 * s, 98 * s,
						   100 * s),
			 99 * s);
	/* A small step is seen at the next check, before it is used. */
	wall_offset_ns += s / 2;
	pretended_ns = 101 * s;
	assert_int_equal(fg_native_clock_translate(&clock, wall_offset_ns + 100 * s, 99 * s,
						   101 * s),
			 100 * s);
	assert_int_equal(clock.steps, 2);
	assert_int_equal(clock.refused, 3);
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

	/* In two pieces, so that head and body must be kept. */
	while (recv(client, text, sizeof(text), 0) > 0) {
		(void)!send(client, OK, 30, MSG_NOSIGNAL);
		(void)!send(client, OK + 30, strlen(OK) - 30, MSG_NOSIGNAL);
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
	for (int i = 0; i < 200; i++) {
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
		cmocka_unit_test(test_what_is_sent),
		cmocka_unit_test(test_refused_by_start),
		cmocka_unit_test(test_no_connection),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_slots_share_connections),
		cmocka_unit_test(test_answer_before_the_end),
		cmocka_unit_test(test_pins_and_unix),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_no_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
