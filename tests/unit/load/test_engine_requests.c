/* SPDX-License-Identifier: Apache-2.0 */
/* The engine suite, what is sent: request lines, headers, bodies; and over which connections. */
#include "tests/unit/load/engine_rig.h"

#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "gate/base/clock.h"
#include "tests/unit/load/script_server.h"

#define OK_TEXT "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

/* Answers with the request itself: its head and body are the body. */
static void serve_mirror(struct script_peer *peer)
{
	const bool head_only = peer->server->context != NULL;

	while (script_read(peer)) {
		char line[96];

		if (!strncmp(peer->text, "HEAD ", 5)) {
			script_text(peer, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
			continue;
		}
		snprintf(line, sizeof(line), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
			 strlen(peer->text) + (head_only ? 0 : peer->body_len));
		script_text(peer, line);
		script_text(peer, peer->text);
		if (!head_only)
			script_say(peer, peer->body, peer->body_len);
	}
}

struct sent {
	const char *method, *path, *body, *headers[3], *cookie;
	enum fg_connection connection;
	const char *contains[3], *lacks[3];
};

static const struct sent sents[] = {
	{.method = "GET",
	 .path = "/",
	 .contains = {"GET / HTTP/1.1\r\n", "Host: 127.0.0.1:", "User-Agent: flamegate/"},
	 .lacks = {"Accept", "Content-Length", "Cookie"}},
	{.method = "GET", .path = "", .contains = {"GET / HTTP/1.1\r\n"}},
	{.method = "GET", .path = "?a=b", .contains = {"GET /?a=b HTTP/1.1\r\n"}},
	{.method = "GET", .path = "/x#part", .contains = {"GET /x HTTP/1.1\r\n"}},
	{.method = "GET",
	 .path = "/a/../b/./c?x=%20y&z",
	 .contains = {"GET /a/../b/./c?x=%20y&z HTTP/1.1\r\n"}},
	{.method = "GET",
	 .path = "/",
	 .headers = {"X-A: b c", "X-Empty: ", "Accept: text/x"},
	 .contains = {"\r\nX-A: b c\r\n", "\r\nX-Empty:", "\r\nAccept: text/x\r\n"},
	 .lacks = {"X-Empty;"}},
	{.method = "GET",
	 .path = "/",
	 .headers = {"User-Agent: me", "Host: elsewhere.test"},
	 .contains = {"\r\nUser-Agent: me\r\n", "\r\nHost: elsewhere.test\r\n"},
	 .lacks = {"flamegate", "Host: 127"}},
	{.method = "GET",
	 .path = "/",
	 .cookie = "a=b; c=d",
	 .contains = {"\r\nCookie: a=b; c=d\r\n"}},
	{.method = "GET",
	 .path = "/",
	 .connection = FG_CONNECTION_NONE,
	 .contains = {"\r\nConnection: close\r\n"}},
	{.method = "GET",
	 .path = "/",
	 .body = "odd",
	 .contains = {"GET / HTTP/1.1\r\n", "\r\nContent-Length: 3\r\n", "\r\n\r\nodd"}},
	{.method = "POST",
	 .path = "/",
	 .body = "hello body",
	 .contains = {"POST / HTTP/1.1\r\n", "\r\nContent-Length: 10\r\n", "\r\n\r\nhello body"},
	 .lacks = {"Expect", "Content-Type", "urlencoded"}},
	{.method = "POST",
	 .path = "/",
	 .body = "{}",
	 .headers = {"Content-Type: application/json"},
	 .contains = {"\r\nContent-Type: application/json\r\n", "\r\n\r\n{}"}},
	{.method = "POST", .path = "/", .body = "", .contains = {"\r\nContent-Length: 0\r\n"}},
	{.method = "POST",
	 .path = "/",
	 .contains = {"POST / HTTP/1.1\r\n", "\r\nContent-Length: 0\r\n"},
	 .lacks = {"Content-Type"}},
	{.method = "PUT",
	 .path = "/",
	 .body = "x",
	 .contains = {"PUT / HTTP/1.1\r\n", "\r\nContent-Length: 1\r\n"}},
	{.method = "PUT", .path = "/", .contains = {"PUT / ", "\r\nContent-Length: 0\r\n"}},
	{.method = "PATCH",
	 .path = "/",
	 .body = "xy",
	 .contains = {"PATCH / HTTP/1.1\r\n", "\r\nContent-Length: 2\r\n", "\r\n\r\nxy"}},
	{.method = "DELETE",
	 .path = "/",
	 .contains = {"DELETE / HTTP/1.1\r\n"},
	 .lacks = {"Content-Length"}},
	{.method = "DELETE",
	 .path = "/",
	 .body = "why",
	 .contains = {"DELETE / HTTP/1.1\r\n", "\r\n\r\nwhy"}},
	{.method = "OPTIONS", .path = "/", .contains = {"OPTIONS / HTTP/1.1\r\n"}},
	{.method = "OPTIONS", .path = "/", .body = "o", .contains = {"OPTIONS / ", "\r\n\r\no"}},
	{.method = "PURGE", .path = "/x", .contains = {"PURGE /x HTTP/1.1\r\n"}},
};

static void look(const char *engine, size_t number, const struct sent *row, const char *request)
{
	for (size_t i = 0; i < FG_ARRAY_LEN(row->contains); i++) {
		if (row->contains[i] && !strstr(request, row->contains[i]))
			fail_msg("%s, row %zu: no \"%s\" in: %s", engine, number, row->contains[i],
				 request);
		if (row->lacks[i] && strcasestr(request, row->lacks[i]))
			fail_msg("%s, row %zu: \"%s\" in: %s", engine, number, row->lacks[i],
				 request);
	}
	/* A header once only, whoever made it. */
	for (const char *line = strstr(request, "\r\n"); line && line[2] != '\r';
	     line = strstr(line + 2, "\r\n")) {
		char name[64];

		snprintf(name, sizeof(name), "\r\n%.*s:", (int)strcspn(line + 2, ":"), line + 2);
		if (strcasestr(line + 2, name))
			fail_msg("%s, row %zu: twice \"%s\" in: %s", engine, number, name + 2,
				 request);
	}
}

static void run_sent(struct rig *rig, size_t number, const struct sent *row, unsigned port)
{
	static struct fg_http_options options[3]; /* engines know them by their address */
	struct fg_engine_request request;
	struct rig_reply reply;
	size_t headers = 0;
	char url[128];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", port, row->path);
	options[row->connection] = rig->http;
	options[row->connection].connection = row->connection;
	request = rig_request(rig, row->method, url);
	request.http = &options[row->connection];
	while (headers < FG_ARRAY_LEN(row->headers) && row->headers[headers])
		headers++;
	request.headers = row->headers;
	request.header_count = headers;
	request.body = row->body;
	request.body_len = row->body ? strlen(row->body) : 0;
	request.cookie = row->cookie;
	rig_run(rig, &request, &reply);
	assert_int_equal(reply.response.error, FG_NET_OK);
	look(rig->ops->name, number, row, reply.response.body);
	assert_int_equal(reply.response.sent_bytes, reply.response.body_len);
	rig_forget(&reply);
}

/* One VU sends them all, forwards and backwards: nothing of one request is left for the next. */
static void test_what_is_sent(void **state)
{
	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		struct script_server server = {.serve = serve_mirror};
		struct rig rig;

		script_start(&server);
		rig_open(&rig, engine_rig_all[e], 1);
		for (size_t i = 0; i < FG_ARRAY_LEN(sents); i++)
			run_sent(&rig, i, &sents[i], server.port);
		for (size_t i = FG_ARRAY_LEN(sents); i-- > 0;)
			run_sent(&rig, i, &sents[i], server.port);
		rig_close(&rig);
		script_stop(&server);
	}
}

/* A constant request is set up once; its cookie may change all the same. */
static void test_constant_requests(void **state)
{
	static const char *const cookies[] = {NULL, "a=1", "a=1", "a=2", NULL, "b=3"};

	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		struct script_server server = {.serve = serve_mirror};
		struct fg_engine_request request, other;
		struct rig_reply reply;
		struct rig rig;
		char url[64], other_url[64];

		script_start(&server);
		rig_open(&rig, engine_rig_all[e], 1);
		snprintf(url, sizeof(url), "http://127.0.0.1:%u/one", server.port);
		snprintf(other_url, sizeof(other_url), "http://127.0.0.1:%u/two", server.port);
		request = rig_request(&rig, "POST", url);
		request.body = "body";
		request.body_len = 4;
		request.constant_key = &request;
		other = rig_request(&rig, "GET", other_url);
		other.constant_key = &other;
		for (size_t i = 0; i < FG_ARRAY_LEN(cookies); i++) {
			char line[64];

			request.cookie = cookies[i];
			rig_run(&rig, &request, &reply);
			snprintf(line, sizeof(line), "\r\nCookie: %s\r\n",
				 cookies[i] ? cookies[i] : "");
			assert_int_equal(strstr(reply.response.body, line) != NULL,
					 cookies[i] != NULL);
			assert_int_equal(strstr(reply.response.body, "Cookie") != NULL,
					 cookies[i] != NULL);
			assert_non_null(strstr(reply.response.body, "POST /one "));
			assert_non_null(strstr(reply.response.body, "\r\n\r\nbody"));
			rig_forget(&reply);
			if (i % 2)
				continue;
			rig_run(&rig, &other, &reply);
			assert_non_null(strstr(reply.response.body, "GET /two "));
			assert_null(strstr(reply.response.body, "Cookie"));
			rig_forget(&reply);
		}
		rig_close(&rig);
		script_stop(&server);
		assert_int_equal(atomic_load(&server.connections), 1);
	}
}

static void test_large_uploads(void **state)
{
	static const size_t sizes[] = {1000,           (64 << 10) - 1, 64 << 10,
				       (64 << 10) + 1, 1 << 20,        8 << 20};

	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		struct script_server server = {.serve = serve_mirror, .context = &server};
		struct rig rig;
		char *body = malloc(8 << 20);

		assert_non_null(body);
		memset(body, 'u', 8 << 20);
		script_start(&server);
		rig_open(&rig, engine_rig_all[e], 1);
		for (size_t i = 0; i < FG_ARRAY_LEN(sizes); i++) {
			struct fg_engine_request request;
			struct rig_reply reply;
			char url[64], line[64];

			snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
			request = rig_request(&rig, "POST", url);
			request.body = body;
			request.body_len = sizes[i];
			rig_run(&rig, &request, &reply);
			assert_int_equal(reply.response.error, FG_NET_OK);
			snprintf(line, sizeof(line), "\r\nContent-Length: %zu\r\n", sizes[i]);
			assert_non_null(strstr(reply.response.body, line));
			assert_null(strstr(reply.response.body, "Expect"));
			assert_int_equal(reply.response.sent_bytes,
					 reply.response.body_len + sizes[i]);
			rig_forget(&reply);
		}
		rig_close(&rig);
		script_stop(&server);
		assert_int_equal(atomic_load(&server.connections), 1);
		free(body);
	}
}

static void serve_ok(struct script_peer *peer)
{
	while (script_read(peer))
		script_text(peer, OK_TEXT);
}

/* Two requests, the end of an iteration, one more. */
static void test_reuse_policies(void **state)
{
	static const struct {
		enum fg_connection connection;
		unsigned connections;
	} cases[] = {
		{FG_CONNECTION_VU, 1},
		{FG_CONNECTION_ITERATION, 2},
		{FG_CONNECTION_NONE, 3},
	};

	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
			struct script_server server = {.serve = serve_ok};
			struct rig_reply reply;
			struct rig rig;
			char url[64];

			script_start(&server);
			rig_open(&rig, engine_rig_all[e], 1);
			rig.http.connection = cases[i].connection;
			snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
			for (unsigned n = 0; n < 3; n++) {
				rig_get(&rig, url, &reply);
				assert_int_equal(reply.response.error, FG_NET_OK);
				rig_forget(&reply);
				if (n == 1)
					rig.ops->vu_reset(rig.vu, cases[i].connection);
			}
			rig_close(&rig);
			script_stop(&server);
			assert_int_equal(atomic_load(&server.connections), cases[i].connections);
			assert_int_equal(atomic_load(&server.requests), 3);
		}
	}
}

static void test_unix_socket(void **state)
{
	char dir[] = "/tmp/fg-unix-XXXXXX", path[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	for (size_t e = 0; e < engine_rig_count; e++) {
		struct script_server server = {.serve = serve_mirror, .unix_path = path};
		struct rig_reply reply;
		struct rig rig;

		script_start(&server);
		rig_open(&rig, engine_rig_all[e], 1);
		rig.http.unix_socket = path;
		for (unsigned n = 0; n < 2; n++) {
			rig_get(&rig, "http://any.test/x", &reply);
			assert_int_equal(reply.response.error, FG_NET_OK);
			assert_non_null(strstr(reply.response.body, "GET /x HTTP/1.1\r\n"));
			assert_non_null(strstr(reply.response.body, "Host: any.test\r\n"));
			rig_forget(&reply);
		}
		script_stop(&server);
		assert_int_equal(atomic_load(&server.connections), 1);
		rig_get(&rig, "http://any.test/x", &reply); /* nobody is there */
		assert_true(reply.response.error == FG_NET_DIAL ||
			    reply.response.error == FG_NET_REFUSED);
		rig_forget(&reply);
		rig_close(&rig);
	}
	rmdir(dir);
}

/* The pin of one step is not the next one's. */
static void test_resolve(void **state)
{
	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		struct script_server servers[2] = {{.serve = serve_mirror},
						   {.serve = serve_mirror}};
		struct fg_http_options pinned[2];
		struct fg_tags tags[2] = {{0}, {0}};
		struct rig_reply reply;
		struct rig rig;
		struct fg_err err;

		rig_open(&rig, engine_rig_all[e], 1);
		for (unsigned i = 0; i < 2; i++) {
			char to[32];

			script_start(&servers[i]);
			snprintf(to, sizeof(to), "127.0.0.1:%u", servers[i].port);
			assert_true(fg_tags_add(&tags[i], "pinned.test:80", to, &err) >= 0);
			assert_true(fg_tags_add(&tags[i], "other.test:8080", "127.0.0.1:1", &err) >=
				    0);
			pinned[i] = rig.http;
			pinned[i].resolve = tags[i];
		}
		for (unsigned n = 0; n < 4; n++) {
			struct fg_engine_request request =
				rig_request(&rig, "GET", "http://pinned.test/");

			request.http = &pinned[n % 2];
			rig_run(&rig, &request, &reply);
			if (reply.response.error)
				fail_msg("%s: %s", rig.ops->name, reply.response.error_text);
			assert_non_null(strstr(reply.response.body, "\r\nHost: pinned.test\r\n"));
			rig_forget(&reply);
		}
		struct fg_engine_request request =
			rig_request(&rig, "GET", "http://other.test:8080/");

		request.http = &pinned[0];
		rig_run(&rig, &request, &reply);
		assert_int_equal(reply.response.error, FG_NET_REFUSED);
		rig_forget(&reply);
		rig_close(&rig);
		for (unsigned i = 0; i < 2; i++) {
			script_stop(&servers[i]);
			assert_int_equal(atomic_load(&servers[i].requests), 2);
			assert_int_equal(atomic_load(&servers[i].connections), 1);
			fg_tags_done(&tags[i]);
		}
	}
}

static void test_bad_addresses(void **state)
{
	static const struct {
		const char *url;
		enum fg_net_error error;
	} cases[] = {
		{"http://no-such-host.invalid/", FG_NET_DNS},
		{"http://127.0.0.1:99999/", FG_NET_BAD_URL},
		{"http://[::1/", FG_NET_BAD_URL},
		{"http://127.0.0.1:1/", FG_NET_REFUSED},
	};

	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		struct rig rig;

		rig_open(&rig, engine_rig_all[e], 1);
		for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
			struct rig_reply reply;

			rig_get(&rig, cases[i].url, &reply);
			if (reply.response.error != cases[i].error)
				fail_msg("%s, %s: %s (%s)", rig.ops->name, cases[i].url,
					 fg_net_error_name(reply.response.error),
					 reply.response.error_text);
			assert_false(reply.response.reused);
			rig_forget(&reply);
		}
		rig_close(&rig);
	}
}

static void test_starts_that_fail(void **state)
{
	static const struct {
		const char *method, *header, *cookie;
	} broken[] = {
		{.method = "GET /x"},           {.method = ""},         {.method = "GET\r\nX:"},
		{.header = "X-A: b\r\nX-B: c"}, {.header = "X-A: b\n"}, {.cookie = "a=b\r\nX-A: b"},
	};

	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		struct script_server server = {.serve = serve_ok};
		struct fg_engine_request request;
		struct rig_reply reply;
		struct rig rig;
		struct fg_err err;
		char url[64];

		script_start(&server);
		rig_open(&rig, engine_rig_all[e], 2);
		snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
		request = rig_request(&rig, "GET", url);
		for (size_t i = 0; i < FG_ARRAY_LEN(broken); i++) {
			struct fg_engine_request bad = request;

			bad.method = broken[i].method ? broken[i].method : "GET";
			bad.headers = &broken[i].header;
			bad.header_count = broken[i].header ? 1 : 0;
			bad.cookie = broken[i].cookie;
			assert_int_equal(rig.ops->start(rig.vu, 0, &bad, NULL, NULL, &err),
					 -FG_E_INVALID);
		}
		rig_start(&rig, 0, &request, &reply);
		assert_true(rig.ops->start(rig.vu, 0, &request, NULL, NULL, &err) < 0);
		assert_true(rig.ops->start(rig.vu, 2, &request, NULL, NULL, &err) < 0);
		rig_wait(&rig, &reply);
		assert_int_equal(reply.response.error, FG_NET_OK);
		rig_forget(&reply);
		rig_close(&rig);
		script_stop(&server);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_sent),  cmocka_unit_test(test_constant_requests),
		cmocka_unit_test(test_large_uploads), cmocka_unit_test(test_reuse_policies),
		cmocka_unit_test(test_unix_socket),   cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_bad_addresses), cmocka_unit_test(test_starts_that_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
