/* SPDX-License-Identifier: Apache-2.0 */
/* The engine suite, a request's life: time-outs, cuts at every stage, phases, slots, many VUs. */
#include "tests/unit/load/engine_rig.h"

#include "tests/kit/kit.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gate/base/clock.h"
#include "tests/unit/load/script_server.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define OK_TEXT OK_HEAD "Content-Length: 5\r\n\r\nhello"

/* How far the server goes before it falls silent; as text after the request. */
struct stage {
	const char *name, *said; /* NULL: does not even read the request (or shake hands) */
	uint16_t status;
};

static const struct stage stages[] = {
	{"unread", NULL, 0},
	{"unanswered", "", 0},
	{"half a status line", "HTTP/1.1 2", 0},
	{"half a head", OK_HEAD "X-A: b\r\nContent", 200},
	{"no body", OK_HEAD "Content-Length: 5\r\n\r\n", 200},
	{"half a body", OK_HEAD "Content-Length: 5\r\n\r\nhel", 200},
	{"half a chunk", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", 200},
	{"no last chunk", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 200},
	{"until close", OK_HEAD "\r\nhello", 200},
};

struct stage_server {
	const struct stage *stage;
	atomic_uint silent; /* how often it has come as far as it goes */
	atomic_bool well;   /* from now on it answers */
};

static void serve_stage(struct script_peer *peer)
{
	struct stage_server *context = peer->server->context;

	if (!context->stage->said && !atomic_load(&context->well)) {
		atomic_fetch_add(&context->silent, 1);
		script_pause_ms(1);
		while (!atomic_load(&context->well) && !atomic_load(&peer->server->stopping))
			script_pause_ms(1);
		return;
	}
	while (script_read(peer)) {
		if (atomic_load(&context->well)) {
			script_text(peer, OK_TEXT);
			continue;
		}
		script_text(peer, context->stage->said);
		atomic_fetch_add(&context->silent, 1);
		script_hang(peer);
	}
}

static void look_at_recovery(struct rig *rig, struct stage_server *context, const char *url)
{
	struct rig_reply reply;

	atomic_store(&context->well, true);
	rig_get(rig, url, &reply);
	assert_int_equal(reply.response.error, FG_NET_OK);
	assert_false(reply.response.reused);
	assert_string_equal(reply.response.body, "hello");
	rig_forget(&reply);
}

static void test_timeouts(void **state)
{
	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		for (size_t i = 0; i < FG_ARRAY_LEN(stages); i++) {
			struct stage_server context = {.stage = &stages[i]};
			struct script_server server = {.serve = serve_stage, .context = &context};
			struct rig_reply reply;
			struct rig rig;
			char url[64];

			script_start(&server);
			rig_open(&rig, engine_rig_all[e], 1);
			rig.what = stages[i].name;
			rig.http.timeout_ns = 60 * FG_NS_PER_MS;
			snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
			rig_get(&rig, url, &reply);
			if (reply.response.error != FG_NET_TIMEOUT ||
			    reply.response.status != stages[i].status)
				fail_msg("%s, \"%s\": %s, %u", rig.ops->name, rig.what,
					 fg_net_error_name(reply.response.error),
					 reply.response.status);
			assert_true(reply.response.end_ns - reply.start_ns >= 59 * FG_NS_PER_MS);
			rig_forget(&reply);
			rig.http.timeout_ns = 10 * FG_NS_PER_S;
			look_at_recovery(&rig, &context, url);
			rig_close(&rig);
			script_stop(&server);
		}
	}
}

static void test_cuts(void **state)
{
	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		for (size_t i = 0; i < FG_ARRAY_LEN(stages); i++) {
			struct stage_server context = {.stage = &stages[i]};
			struct script_server server = {.serve = serve_stage, .context = &context};
			struct fg_engine_request request;
			struct rig_reply reply;
			struct rig rig;
			char url[64];

			script_start(&server);
			rig_open(&rig, engine_rig_all[e], 1);
			snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
			rig.ops->cancel(rig.vu); /* nothing runs: nothing happens */
			request = rig_request(&rig, "GET", url);
			rig_start(&rig, 0, &request, &reply);
			rig_until(&rig, &context.silent, 1);
			/* What it said has come; whether it was read yet is as it happens. */
			uv_run(&rig.loop, UV_RUN_NOWAIT);
			rig.ops->cancel(rig.vu);
			rig_wait(&rig, &reply);
			assert_int_equal(reply.response.error, FG_NET_UNFINISHED);
			rig.ops->cancel(rig.vu);
			uv_run(&rig.loop, UV_RUN_NOWAIT);
			assert_int_equal(reply.done, 1);
			rig_forget(&reply);
			look_at_recovery(&rig, &context, url);
			rig_close(&rig);
			script_stop(&server);
		}
	}
}

/* Cut in the same turn as it was started, and while the connection is being made. */
static void test_cut_while_connecting(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0), fill[8];
	char url[64];

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	for (size_t i = 0; i < FG_ARRAY_LEN(fill); i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fill[i], (struct sockaddr *)&address, len);
	}
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(address.sin_port));
	for (size_t e = 0; e < engine_rig_count; e++) {
		struct rig_reply reply;
		struct rig rig;

		for (unsigned turns = 0; turns < 4; turns++) {
			struct fg_engine_request request;

			rig_open(&rig, engine_rig_all[e], 1);
			request = rig_request(&rig, "GET", url);
			rig_start(&rig, 0, &request, &reply);
			for (unsigned turn = 0; turn < turns; turn++)
				uv_run(&rig.loop, UV_RUN_NOWAIT);
			rig.ops->cancel(rig.vu);
			rig_wait(&rig, &reply);
			assert_int_equal(reply.response.error, FG_NET_UNFINISHED);
			assert_int_equal(reply.response.sending_ns, 0);
			rig_forget(&reply);
			rig_close(&rig);
		}
		rig_open(&rig, engine_rig_all[e], 1);
		rig.http.connect_timeout_ns = 60 * FG_NS_PER_MS;
		rig_get(&rig, url, &reply);
		assert_int_equal(reply.response.error, FG_NET_DIAL_TIMEOUT);
		assert_int_equal(reply.response.waiting_ns, 0);
		assert_true(reply.response.blocked_ns >= 59 * FG_NS_PER_MS);
		rig_forget(&reply);
		rig_close(&rig);
	}
	for (size_t i = 0; i < FG_ARRAY_LEN(fill); i++)
		close(fill[i]);
	close(fd);
}

/* -- phases --------------------------------------------------------------------------------------
 */

enum { PAUSE_MS = 30 };

/* Pauses before it reads the body (which is larger than every socket buffer), before the head and
 * in the middle of the body. */
static void serve_slowly(struct script_peer *peer)
{
	char block[4096];
	uint64_t left = 64 << 20;

	while (script_receive(peer, block, 1) > 0 && block[0] != '\r')
		; /* far enough to know that the request has begun */
	script_pause_ms(PAUSE_MS);
	if (peer->server->context) {
		while (left > 0) {
			const long n = script_receive(peer, block, sizeof(block));

			if (n <= 0)
				return;
			left -= FG_MIN((uint64_t)n, left);
		}
	} else {
		(void)script_receive(peer, block, sizeof(block));
	}
	script_pause_ms(PAUSE_MS);
	script_text(peer, OK_HEAD "Content-Length: 5\r\n\r\nhe");
	script_pause_ms(PAUSE_MS);
	script_text(peer, "llo");
	script_hang(peer);
}

static void test_phases(void **state)
{
	const uint64_t pause_ns = (PAUSE_MS - 1) * FG_NS_PER_MS;

	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		for (int upload = 0; upload < 2; upload++) {
			struct script_server server = {.serve = serve_slowly,
						       .context = upload ? &server : NULL};
			const size_t len = upload ? 64 << 20 : 0;
			char *body = calloc(1, len + 1);
			struct fg_engine_request request;
			struct rig_reply reply;
			struct rig rig;
			char url[64];

			assert_non_null(body);
			script_start(&server);
			rig_open(&rig, engine_rig_all[e], 1);
			snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
			request = rig_request(&rig, upload ? "POST" : "GET", url);
			request.body = upload ? body : NULL;
			request.body_len = len;
			rig_run(&rig, &request, &reply);
			assert_int_equal(reply.response.error, FG_NET_OK);
			assert_false(reply.response.reused);
			assert_true(reply.response.connecting_ns > 0);
			assert_int_equal(reply.response.tls_ns, 0);
			if (upload)
				assert_true(reply.response.sending_ns >= pause_ns);
			else
				assert_true(reply.response.sending_ns < pause_ns);
			assert_true(reply.response.waiting_ns >= pause_ns);
			/* A busy machine shows us the first byte late: what waiting gains then,
			 * receiving loses. */
			assert_true(reply.response.receiving_ns > 0);
			assert_true(reply.response.waiting_ns + reply.response.receiving_ns >=
				    2 * pause_ns);
			rig_forget(&reply);
			rig_close(&rig);
			script_stop(&server);
			free(body);
		}
	}
}

/* -- several at once -----------------------------------------------------------------------------
 */

/* Answers only when everybody has asked. */
static void serve_together(struct script_peer *peer)
{
	atomic_uint *wanted = peer->server->context;

	while (script_read(peer)) {
		while (atomic_load(&peer->server->requests) < atomic_load(wanted) &&
		       !atomic_load(&peer->server->stopping))
			script_pause_ms(1);
		script_text(peer, OK_TEXT);
	}
}

static void test_slots(void **state)
{
	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		atomic_uint wanted = 8;
		struct script_server server = {.serve = serve_together, .context = &wanted};
		struct rig_reply replies[8];
		struct rig rig;
		char url[64];

		script_start(&server);
		rig_open(&rig, engine_rig_all[e], 8);
		snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
		const struct fg_engine_request request = rig_request(&rig, "GET", url);

		for (unsigned round = 0; round < 3; round++) {
			for (unsigned i = 0; i < 8; i++)
				rig_start(&rig, i, &request, &replies[i]);
			for (unsigned i = 0; i < 8; i++) {
				rig_wait(&rig, &replies[i]);
				assert_int_equal(replies[i].response.error, FG_NET_OK);
				assert_int_equal(replies[i].response.reused, round > 0);
				rig_forget(&replies[i]);
			}
			wanted += 8;
		}
		/* Slots share what is open: slot 7 alone needs no connection of its own. */
		wanted = 0;
		rig_start(&rig, 7, &request, &replies[7]);
		rig_wait(&rig, &replies[7]);
		assert_true(replies[7].response.reused);
		rig_forget(&replies[7]);
		assert_int_equal(atomic_load(&server.connections), 8);
		/* A cut ends all of them. */
		wanted = 1000;
		for (unsigned i = 0; i < 8; i++)
			rig_start(&rig, i, &request, &replies[i]);
		rig_until(&rig, &server.requests, 33);
		rig.ops->cancel(rig.vu);
		for (unsigned i = 0; i < 8; i++) {
			rig_wait(&rig, &replies[i]);
			assert_int_equal(replies[i].response.error, FG_NET_UNFINISHED);
			rig_forget(&replies[i]);
		}
		rig_close(&rig);
		script_stop(&server);
	}
}

/* One VU is cut: its neighbours on the same loop do not notice. */
static void test_many_vus(void **state)
{
	enum { VUS = 100 };

	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		atomic_uint wanted = VUS;
		struct script_server server = {.serve = serve_together, .context = &wanted};
		struct rig_reply *replies = calloc(VUS, sizeof(*replies));
		struct fg_engine_vu *vus[VUS];
		struct rig rig;
		struct fg_err err;
		char url[64];

		assert_non_null(replies);
		script_start(&server);
		rig_open(&rig, engine_rig_all[e], 1);
		snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
		const struct fg_engine_request request = rig_request(&rig, "GET", url);
		struct fg_engine_vu *own = rig.vu;

		for (unsigned i = 0; i < VUS; i++) {
			assert_ok(rig.ops->vu_new(rig.engine, 1, &vus[i], &err), &err);
			rig.vu = vus[i];
			rig_start(&rig, 0, &request, &replies[i]);
			if (i % 10 == 9)
				uv_run(&rig.loop, UV_RUN_NOWAIT);
		}
		rig.ops->cancel(vus[VUS / 2]);
		wanted = 0;
		for (unsigned i = 0; i < VUS; i++) {
			rig_wait(&rig, &replies[i]);
			if (i != VUS / 2)
				assert_int_equal(replies[i].response.error, FG_NET_OK);
			else
				assert_int_equal(replies[i].response.error, FG_NET_UNFINISHED);
			rig_forget(&replies[i]);
		}
		for (unsigned i = 0; i < VUS; i++) { /* never another VU's connection */
			rig.vu = vus[i];
			rig_run(&rig, &request, &replies[i]);
			assert_int_equal(replies[i].response.error, FG_NET_OK);
			assert_int_equal(replies[i].response.reused, i != VUS / 2);
			rig_forget(&replies[i]);
			rig.ops->vu_free(vus[i]);
		}
		rig.vu = own;
		rig_close(&rig);
		script_stop(&server);
		assert_in_range(atomic_load(&server.connections), VUS - 1, VUS + 1);
		free(replies);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timeouts),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_cut_while_connecting),
		cmocka_unit_test(test_phases),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_many_vus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
