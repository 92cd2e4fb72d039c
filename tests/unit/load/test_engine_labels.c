/* SPDX-License-Identifier: Apache-2.0 */
/* The engine suite, labels: what stands at a connection's port when the server reads a request. */
#include "tests/unit/load/engine_rig.h"

#include "tests/kit/kit.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runner/load/labels.h"
#include "tests/unit/load/script_server.h"

#define OK_TEXT "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static _Atomic uint32_t words[65536];

struct seen {
	atomic_uint word, port, count;
	bool close;
};

static uint16_t peer_port(int fd)
{
	struct sockaddr_in address = {0};
	socklen_t len = sizeof(address);

	return getpeername(fd, (struct sockaddr *)&address, &len) ? 0 : ntohs(address.sin_port);
}

static void serve(struct script_peer *peer)
{
	struct seen *seen = peer->server->context;
	const uint16_t port = peer_port(peer->fd);

	while (script_read(peer)) {
		atomic_store(&seen->word, atomic_load(&words[port]));
		atomic_store(&seen->port, port);
		atomic_fetch_add(&seen->count, 1);
		script_text(peer, OK_TEXT);
		if (seen->close)
			return;
	}
}

static unsigned words_set(void)
{
	unsigned count = 0;

	for (size_t i = 0; i < FG_ARRAY_LEN(words); i++)
		count += atomic_load(&words[i]) != 0;
	return count;
}

static void run_labelled(struct rig *rig, const struct script_server *server, uint16_t label,
			 struct rig_reply *reply)
{
	struct fg_engine_request request;
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server->unix_path ? 80u : server->port);
	request = rig_request(rig, "GET", url);
	request.label = label;
	rig_run(rig, &request, reply);
	assert_int_equal(reply->response.error, FG_NET_OK);
}

/* Keep-alive: each request's own label, over the same port; gone with the connection. */
static void test_each_request_has_its_label(void **state)
{
	static const uint16_t labels[] = {1, 7, 65535, 0, 3};

	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		const struct fg_load_labels to = {.words = words};
		struct seen seen = {0};
		struct script_server server = {.serve = serve, .context = &seen};
		struct rig_reply reply;
		struct rig rig;
		unsigned port = 0;

		script_start(&server);
		rig_open_labelled(&rig, engine_rig_all[e], 1, &to);
		for (size_t i = 0; i < FG_ARRAY_LEN(labels); i++) {
			run_labelled(&rig, &server, labels[i], &reply);
			assert_int_equal(atomic_load(&seen.word),
					 (uint32_t)server.port << 16 | labels[i]);
			assert_int_equal(reply.response.labelled_port,
					 labels[i] ? atomic_load(&seen.port) : 0);
			assert_true(!port || port == atomic_load(&seen.port));
			port = atomic_load(&seen.port);
			rig_forget(&reply);
		}
		if (words_set() != 1)
			fail_msg("%s: %u", rig.ops->name, words_set());
		rig_close(&rig);
		if (words_set())
			fail_msg("%s: %u", engine_rig_all[e]->name, words_set());
		script_stop(&server);
	}
}

/* A new connection per request leaves nothing behind at the ports it gave back. */
static void test_closed_ports_are_nobodys(void **state)
{
	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		const struct fg_load_labels to = {.words = words};
		struct seen seen = {.close = true};
		struct script_server server = {.serve = serve, .context = &seen};
		struct rig_reply reply;
		struct rig rig;

		script_start(&server);
		rig_open_labelled(&rig, engine_rig_all[e], 1, &to);
		rig.http.connection = FG_CONNECTION_NONE;
		for (uint16_t i = 1; i < 20; i++) {
			run_labelled(&rig, &server, i, &reply);
			assert_int_equal(atomic_load(&seen.word), (uint32_t)server.port << 16 | i);
			assert_true(words_set() <= 1);
			rig_forget(&reply);
		}
		rig_close(&rig);
		assert_int_equal(words_set(), 0);
		script_stop(&server);
	}
}

static void test_translated_ports_are_not_checked(void **state)
{
	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		const struct fg_load_labels to = {.words = words, .any_port = true};
		struct seen seen = {0};
		struct script_server server = {.serve = serve, .context = &seen};
		struct rig_reply reply;
		struct rig rig;

		script_start(&server);
		rig_open_labelled(&rig, engine_rig_all[e], 1, &to);
		run_labelled(&rig, &server, 5, &reply);
		assert_int_equal(atomic_load(&seen.word), 5);
		rig_forget(&reply);
		rig_close(&rig);
		assert_int_equal(words_set(), 0);
		script_stop(&server);
	}
}

/* Nobody listens: nothing is stored, and no request claims a port. */
static void test_without_labels(void **state)
{
	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		struct seen seen = {0};
		struct script_server server = {.serve = serve, .context = &seen};
		struct rig_reply reply;
		struct rig rig;

		script_start(&server);
		rig_open(&rig, engine_rig_all[e], 1);
		run_labelled(&rig, &server, 9, &reply);
		assert_int_equal(atomic_load(&seen.word), 0);
		assert_int_equal(words_set(), 0);
		rig_forget(&reply);
		rig_close(&rig);
		script_stop(&server);
	}
}

static void test_unix_sockets_have_none(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/tmp/fg-labels-%ld", (long)getpid());
	for (size_t e = 0; e < engine_rig_count; e++) {
		const struct fg_load_labels to = {.words = words};
		struct seen seen = {0};
		struct script_server server = {.serve = serve, .context = &seen, .unix_path = path};
		struct rig_reply reply;
		struct rig rig;

		script_start(&server);
		rig_open_labelled(&rig, engine_rig_all[e], 1, &to);
		rig.http.unix_socket = path;
		run_labelled(&rig, &server, 9, &reply);
		assert_int_equal(reply.response.labelled_port, 0);
		assert_int_equal(words_set(), 0);
		rig_forget(&reply);
		rig_close(&rig);
		script_stop(&server);
		unlink(path);
	}
}

static void test_ports_of_addresses(void **state)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(80)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(65535)};
	struct sockaddr other = {.sa_family = AF_UNIX};

	(void)state;
	assert_int_equal(fg_load_port_of((struct sockaddr *)&v4), 80);
	assert_int_equal(fg_load_port_of((struct sockaddr *)&v6), 65535);
	assert_int_equal(fg_load_port_of(&other), 0);
	assert_int_equal(fg_load_local_port(-1), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_request_has_its_label),
		cmocka_unit_test(test_closed_ports_are_nobodys),
		cmocka_unit_test(test_translated_ports_are_not_checked),
		cmocka_unit_test(test_without_labels),
		cmocka_unit_test(test_unix_sockets_have_none),
		cmocka_unit_test(test_ports_of_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
