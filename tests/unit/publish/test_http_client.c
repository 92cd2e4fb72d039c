/* SPDX-License-Identifier: Apache-2.0 */
/* The blocking HTTP client against servers that say one thing and hang up. */
#include "tests/kit/kit.h"

#include "runner/http_client.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct server {
	pid_t pid;
	char url[64];
	int seen_fd; /* what it was sent, in full, once it has answered */
};

/* One connection: reads until the blank line, answers, closes. `answer` NULL: never answers. */
static void serve(int listener, const char *answer, int seen_fd)
{
	char request[65536];
	size_t len = 0;
	int client = accept(listener, NULL, NULL);

	while (len < sizeof(request) - 1) {
		ssize_t got = read(client, request + len, sizeof(request) - 1 - len);

		if (got <= 0)
			break;
		len += (size_t)got;
		request[len] = '\0';
		if (strstr(request, "\r\n\r\n"))
			break;
	}
	(void)!write(seen_fd, request, len);
	(void)close(seen_fd);
	while (!answer)
		(void)pause();
	(void)!write(client, answer, strlen(answer));
	_exit(0);
}

static struct server start(const char *answer)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), ends[2];
	struct server server;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(listener, 4), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(pipe(ends), 0);
	server.pid = fork();
	assert_true(server.pid >= 0);
	if (server.pid == 0)
		serve(listener, answer, ends[1]);
	assert_int_equal(close(listener), 0);
	assert_int_equal(close(ends[1]), 0);
	server.seen_fd = ends[0];
	(void)snprintf(server.url, sizeof(server.url), "http://127.0.0.1:%u/x",
		       ntohs(address.sin_port));
	return server;
}

static void stop(struct server *server, char *seen, size_t size_bytes)
{
	size_t len = 0;
	ssize_t got;

	(void)kill(server->pid, SIGKILL);
	assert_int_equal(waitpid(server->pid, NULL, 0), server->pid);
	while (seen && len < size_bytes - 1 &&
	       (got = read(server->seen_fd, seen + len, size_bytes - 1 - len)) > 0)
		len += (size_t)got;
	if (seen)
		seen[len] = '\0';
	assert_int_equal(close(server->seen_fd), 0);
}

static void test_answers(void **state)
{
	static const struct {
		const char *answer;
		size_t max;
		uint64_t timeout_ns;
		int rc;
		long status;
		const char *body; /* or part of the message */
	} cases[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 0, 0, 0, 200, "hi"},
		{"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", 0, 0, 0, 503, NULL},
		{"HTTP/1.1 302 Go\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 0,
		 0, 0, 302, NULL},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: "
		 "chunked\r\n\r\n2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n",
		 0, 0, 0, 200, "hi!"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789", 8, 0, -FG_E_LIMIT, 0,
		 "larger than 8 bytes"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123", 0, 0, -FG_E_NETWORK, 0, ""},
		{"", 0, 0, -FG_E_NETWORK, 0, "GET http://127.0.0.1"},
		{"SSH-2.0-OpenSSH\r\n", 0, 0, -FG_E_NETWORK, 0, ""},
		{NULL, 0, 100 * FG_NS_PER_MS, -FG_E_NETWORK, 0, "timed out"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct server server = start(cases[i].answer);
		struct fg_http_request request = {
			.method = "GET",
			.url = server.url,
			.max_response_bytes = cases[i].max,
			.timeout_ns = cases[i].timeout_ns,
			.direct = true,
		};
		struct fg_http_response response;
		struct fg_err err;
		int rc = fg_http_fetch(&request, &response, &err);

		stop(&server, NULL, 0);
		if (rc != cases[i].rc)
			fail_msg("case %zu: %d %s", i, rc, rc ? err.message : "");
		if (rc) {
			if (!strstr(err.message, cases[i].body))
				fail_msg("case %zu: %s", i, err.message);
			continue;
		}
		assert_int_equal(response.status, cases[i].status);
		if (cases[i].body)
			assert_string_equal(response.body.data, cases[i].body);
		else
			assert_int_equal(response.body.len, 0);
		fg_http_response_done(&response);
	}
}

static void test_what_is_sent(void **state)
{
	static const char *const headers[] = {"X-Scope-OrgID: a",
					      "Content-Type: application/proto"};
	struct server server = start("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	struct fg_http_request request = {
		.method = "PUT",
		.url = server.url,
		.headers = headers,
		.header_count = 2,
		.body = "a\0b",
		.body_len = 3,
		.basic_user = "bob",
		.basic_password = "hunter2",
		.direct = true,
	};
	struct fg_http_response response;
	struct fg_err err;
	char seen[65536];

	(void)state;
	assert_ok(fg_http_fetch(&request, &response, &err), &err);
	fg_http_response_done(&response);
	stop(&server, seen, sizeof(seen));
	assert_ptr_equal(strstr(seen, "PUT /x HTTP/1.1\r\n"), seen);
	assert_non_null(strstr(seen, "X-Scope-OrgID: a\r\n"));
	assert_non_null(strstr(seen, "Content-Type: application/proto\r\n"));
	assert_non_null(strstr(seen, "Authorization: Basic Ym9iOmh1bnRlcjI=\r\n"));
	assert_non_null(strstr(seen, "Content-Length: 3\r\n"));
	assert_non_null(strstr(seen, "User-Agent: flamegate/"));
	assert_null(strstr(seen, "Expect:"));
}

static void test_refused_before_sending(void **state)
{
	static const char *const evil[] = {"X: a\r\nY: b"};
	static char long_token[20000];
	struct fg_http_request cases[] = {
		{.method = "GET", .url = "ftp://127.0.0.1/"},
		{.method = "GET", .url = "file:///etc/passwd"},
		{.method = "GET", .url = "http://"},
		{.method = "GET", .url = "http://x y/"},
		{.method = "GET", .url = "http://127.0.0.1:1/", .headers = evil, .header_count = 1},
		{.method = "GET", .url = "http://127.0.0.1:1/", .bearer_token = "a\nb"},
		{.method = "GET", .url = "http://127.0.0.1:1/", .bearer_token = long_token},
	};

	(void)state;
	memset(long_token, 'x', sizeof(long_token) - 1);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_http_response response;
		struct fg_err err;
		int rc = fg_http_fetch(&cases[i], &response, &err);

		if (rc != -FG_E_INVALID && rc != -FG_E_LIMIT)
			fail_msg("case %zu: %d", i, rc);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_what_is_sent),
		cmocka_unit_test(test_refused_before_sending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
