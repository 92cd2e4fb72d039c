/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection: how it comes to be, and the bytes of one request at a time over it.
 *
 * A keep-alive request costs send and recvmsg; the socket stays registered with epoll, writability
 * is watched only after EAGAIN, and there is no second recvmsg to learn that nothing more is there.
 * Retry: once, on a new connection, when a reused one ended before any byte of the response came
 * and the request may be sent twice (idempotent, RFC 9110 9.2.2) or was not sent at all. For the
 * others a reused connection is asked first whether the server has closed it.
 */
#include "runner/load/native_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/base/clock.h"
#include "runner/load/native_io.h"

/* Ends the task without a response. The text is copied before the connection goes. */
static void fail(struct fg_native_conn *conn, enum fg_net_error error, const char *why)
{
	struct fg_native_task *task = conn->task;
	struct fg_http1_reader reader = conn->reader;
	char text[160];

	snprintf(text, sizeof(text), "%.159s", why);
	reader.head = reader.body = NULL;
	reader.keep = NULL;
	fg_native_conn_close(conn);
	fg_native_task_done(task, &reader, error, text, 0, fg_clock_monotonic_ns());
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct fg_native_conn *conn, int events)
{
	if (conn->events == events)
		return;
	conn->events = events;
	(void)uv_poll_start(&conn->poll, events, on_poll); /* fails only on a bad handle */
}

/* -- sending ---------------------------------------------------------------------------------- */

static bool reset_by_peer(int failure)
{
	return failure == EPIPE || failure == ECONNRESET;
}

static void sent_all(struct fg_native_conn *conn)
{
	conn->task->sent_ns = fg_clock_monotonic_ns();
	fg_native_conn_move(conn, FG_NATIVE_RECEIVING);
	watch(conn, UV_READABLE);
}

/* Writes until the socket is full. A peer that has closed may still have answered: reading tells.
 */
static void send_message(struct fg_native_conn *conn, const struct fg_native_request *prepared)
{
	struct fg_native_task *task = conn->task;
	struct fg_native_message message;

	fg_native_message(prepared, &task->request, &message);
	if (conn->sent == message.len)
		message.len = 0; /* only TLS has something left */
	else if (conn->sent)
		fg_native_message_skip(&message, conn->sent);
	while (message.len) {
		const ssize_t sent = fg_native_send(conn, &message);

		if (sent == -EAGAIN) {
			watch(conn, UV_READABLE | UV_WRITABLE);
			return;
		}
		if (sent < 0 && !reset_by_peer((int)-sent)) {
			fail(conn, FG_NET_RESET, strerror((int)-sent));
			return;
		}
		if (sent < 0) {
			fg_native_conn_move(conn, FG_NATIVE_RECEIVING);
			watch(conn, UV_READABLE);
			return;
		}
		conn->sent += (size_t)sent;
		task->sent_bytes += (uint64_t)sent;
		if ((size_t)sent == message.len)
			break;
		fg_native_message_skip(&message, (size_t)sent);
	}
	if (conn->tls && fg_native_tls_flush(conn->tls) == FG_NATIVE_TLS_AGAIN)
		watch(conn, UV_READABLE | UV_WRITABLE);
	else
		sent_all(conn);
}

static void begin_send(struct fg_native_conn *conn, const struct fg_native_request *prepared,
		       uint64_t now_ns)
{
	struct fg_native_task *task = conn->task;

	fg_native_deadline_clear(&conn->deadline);
	fg_native_conn_move(conn, FG_NATIVE_SENDING);
	conn->sent = 0;
	fg_http1_reader_init(&conn->reader, &conn->engine->pool,
			     !strcmp(task->request.method, "HEAD"),
			     task->request.want_body ? FG_ENGINE_BODY_MAX : 0);
	task->send_ns = now_ns;
	task->labelled_port = task->request.label ? conn->own_port : 0;
	fg_load_label(conn->engine->labels, conn->own_port, conn->server_port, task->request.label);
	send_message(conn, prepared);
}

/* Goes on with a request that was prepared for something else meanwhile. */
static void resume_send(struct fg_native_conn *conn, bool first)
{
	struct fg_engine *engine = conn->engine;
	const struct fg_native_request *prepared;
	struct fg_err err;

	if (fg_native_prepare(&engine->requests, &engine->origins, &conn->task->request, &prepared,
			      &err))
		fail(conn, FG_NET_GENERIC, err.message);
	else if (first)
		begin_send(conn, prepared, fg_clock_monotonic_ns());
	else
		send_message(conn, prepared);
}

/* -- opening ---------------------------------------------------------------------------------- */

static void shake_hands(struct fg_native_conn *conn)
{
	const uint64_t now_ns = fg_clock_monotonic_ns();
	int os_errno = 0;

	switch (fg_native_tls_handshake(conn->tls)) {
	case FG_NATIVE_TLS_DONE:
		conn->task->tls_ns = now_ns - conn->phase_ns;
		resume_send(conn, true);
		return;
	case FG_NATIVE_TLS_AGAIN:
		watch(conn, fg_native_tls_flush(conn->tls) == FG_NATIVE_TLS_AGAIN
				    ? UV_READABLE | UV_WRITABLE
				    : UV_READABLE);
		return;
	case FG_NATIVE_TLS_CLOSED:
	case FG_NATIVE_TLS_FAILED:
		break;
	}
	fail(conn, FG_NET_TLS, fg_native_tls_failure(conn->tls, &os_errno));
}

static void connected(struct fg_native_conn *conn)
{
	struct fg_native_origin *origin = conn->origin;
	const uint64_t now_ns = fg_clock_monotonic_ns();
	struct fg_err err;

	conn->task->connecting_ns = now_ns - conn->phase_ns;
	conn->phase_ns = now_ns;
	if (!origin->context) {
		resume_send(conn, true);
		return;
	}
	if (fg_native_tls_new(origin->context, conn->fd, origin->server_name, &conn->tls, &err)) {
		fail(conn, FG_NET_TLS, err.message);
		return;
	}
	fg_native_conn_move(conn, FG_NATIVE_HANDSHAKING);
	shake_hands(conn);
}

static enum fg_net_error dial_error(int failure)
{
	switch (failure) {
	case ECONNREFUSED:
	case EAGAIN: /* a unix socket whose queue is full */
		return FG_NET_REFUSED;
	case ETIMEDOUT:
		return FG_NET_DIAL_TIMEOUT;
	case ECONNRESET:
		return FG_NET_RESET;
	default:
		return FG_NET_DIAL;
	}
}

static void dial(struct fg_native_conn *conn);

/* The name's next address gets a connection of its own; its connect time-out starts anew. */
static void dial_failed(struct fg_native_conn *conn, int failure)
{
	struct fg_native_task *task = conn->task;
	struct fg_native_conn *next = NULL;
	const unsigned tries = conn->tries + 1, turn = conn->turn;
	const uint64_t phase_ns = conn->phase_ns;

	if (conn->origin->reach == FG_NATIVE_BY_NAME && tries < conn->origin->name->count)
		next = fg_native_conn_new(task);
	if (!next) {
		fail(conn, dial_error(failure), strerror(failure));
		return;
	}
	conn->task = NULL;
	fg_native_conn_close(conn);
	next->tries = tries;
	next->turn = turn;
	next->phase_ns = phase_ns;
	fg_native_conn_move(next, FG_NATIVE_CONNECTING);
	if (fg_native_deadline_set(&next->engine->connect_deadlines, &next->deadline,
				   task->request.http->connect_timeout_ns, fg_clock_monotonic_ns(),
				   NULL))
		fail(next, FG_NET_GENERIC, "out of memory");
	else
		dial(next);
}

static void dial(struct fg_native_conn *conn)
{
	int failure;

	if (conn->state != FG_NATIVE_CONNECTING)
		fg_native_conn_move(conn, FG_NATIVE_CONNECTING);
	failure = fg_native_dial(conn);
	if (failure == EINPROGRESS)
		watch(conn, UV_WRITABLE);
	else if (failure)
		dial_failed(conn, failure);
	else
		connected(conn);
}

static void on_name(struct fg_native_waiter *waiter, int failure)
{
	struct fg_native_conn *conn =
		(struct fg_native_conn *)(void *)((char *)waiter -
						  offsetof(struct fg_native_conn, waiter));
	const uint64_t now_ns = fg_clock_monotonic_ns();

	conn->task->dns_ns = now_ns - conn->phase_ns;
	conn->phase_ns = now_ns;
	if (failure) {
		fail(conn, FG_NET_DNS, uv_strerror(failure));
		return;
	}
	conn->turn = fg_native_name_turn(conn->origin->name);
	dial(conn);
}

static int open_conn(struct fg_native_task *task, uint64_t now_ns, struct fg_err *err)
{
	struct fg_native_conn *conn = fg_native_conn_new(task);
	struct fg_native_name *name = task->origin->name;
	int rc;

	if (!conn)
		return fg_err_nomem(err);
	conn->phase_ns = now_ns;
	fg_native_conn_move(conn, FG_NATIVE_RESOLVING);
	conn->waiter.on_name = on_name;
	rc = fg_native_deadline_set(&conn->engine->connect_deadlines, &conn->deadline,
				    task->request.http->connect_timeout_ns, now_ns, err);
	if (!rc && name && !fg_native_name_is_fresh(name, now_ns)) {
		rc = fg_native_name_wait(&conn->engine->origins.names, name, &conn->waiter, err);
	} else if (!rc) {
		if (name)
			conn->turn = fg_native_name_turn(name);
		dial(conn);
	}
	if (rc)
		fg_native_conn_close(conn);
	return rc;
}

/* -- receiving -------------------------------------------------------------------------------- */

static bool may_retry(const struct fg_native_conn *conn)
{
	const struct fg_native_task *task = conn->task;

	return task->reused && !task->retried && !task->first_byte_ns &&
	       (conn->sent == 0 || fg_native_is_idempotent(task->request.method));
}

/* The connection ended before the response did. */
static void cut_short(struct fg_native_conn *conn, const char *why)
{
	struct fg_native_task *task = conn->task;
	struct fg_err err;

	if (!may_retry(conn)) {
		/* TLS 1.3: the client's certificate is refused after the handshake. */
		fail(conn, strstr(why, " alert ") ? FG_NET_TLS : FG_NET_RESET, why);
		return;
	}
	task->retried = true;
	task->reused = false;
	task->send_ns = task->sent_ns = 0;
	fg_native_conn_close(conn);
	if (open_conn(task, fg_clock_monotonic_ns(), &err))
		fg_native_task_done(task, NULL, FG_NET_GENERIC, err.message, 0,
				    fg_clock_monotonic_ns());
}

static void limit_idle(struct fg_engine_vu *vu)
{
	unsigned idle = 0;

	for (struct fg_native_conn *conn = vu->conns, *next; conn; conn = next) {
		next = conn->next;
		if (conn->state == FG_NATIVE_IDLE && ++idle > FG_NATIVE_IDLE_PER_SLOT * vu->slots)
			fg_native_conn_close(conn);
	}
}

/* The response is complete: the connection is free (or gone) before the task reports, because the
 * report usually starts the next request. */
static void finish(struct fg_native_conn *conn, const struct fg_native_input *input, bool clean,
		   uint64_t now_ns)
{
	struct fg_native_task *task = conn->task;
	struct fg_engine_vu *vu = conn->vu;
	struct fg_http1_reader reader = conn->reader;
	const uint64_t stamp_ns = input->stamp_ns;

	conn->reader.keep = NULL;
	conn->task = NULL;
	task->conn = NULL;
	if (clean && conn->state == FG_NATIVE_RECEIVING && task->sent_ns &&
	    fg_http1_reusable(&reader.parser) &&
	    task->request.http->connection != FG_CONNECTION_NONE) {
		fg_native_conn_move(conn, FG_NATIVE_IDLE);
		fg_native_conn_to_front(conn);
		if (conn->next)
			limit_idle(vu);
	} else {
		fg_native_conn_close(conn);
	}
	fg_native_task_done(task, &reader, FG_NET_OK, NULL, stamp_ns, now_ns);
}

static void take_end(struct fg_native_conn *conn, const struct fg_native_input *input,
		     uint64_t now_ns)
{
	/* A TLS peer that just goes away may have been cut off by somebody else. */
	const bool truncated =
		input->truncated && conn->reader.parser.state == FG_HTTP1_UNTIL_CLOSE;

	if (!input->failure && !truncated && fg_http1_read_eof(&conn->reader) == FG_HTTP1_END)
		finish(conn, input, false, now_ns);
	else
		cut_short(conn, input->failure ? input->why : "the server closed the connection");
}

/* What came for the running request; false: it or the connection is over. */
static bool take_response(struct fg_native_conn *conn, const struct fg_native_input *input)
{
	const uint64_t now_ns = fg_clock_monotonic_ns();
	enum fg_http1_event event = FG_HTTP1_MORE;
	size_t used = 0;

	if (input->len) {
		if (!conn->task->first_byte_ns)
			conn->task->first_byte_ns = now_ns;
		event = fg_http1_read(&conn->reader, input->bytes, input->len, &used);
	}
	if (event == FG_HTTP1_END) {
		finish(conn, input, used == input->len && !input->ended && !input->full, now_ns);
		return false;
	}
	if (event == FG_HTTP1_BAD) {
		fail(conn, conn->reader.no_memory ? FG_NET_GENERIC : FG_NET_BAD_RESPONSE,
		     conn->reader.parser.fault);
		return false;
	}
	if (input->ended)
		take_end(conn, input, now_ns);
	return !input->ended;
}

/* Nothing may come on an idle connection but its end and what TLS says for itself. */
static bool take_unasked(struct fg_native_conn *conn, const struct fg_native_input *input)
{
	if (!input->len && !input->ended)
		return true;
	if (input->len)
		conn->engine->unsolicited++;
	fg_native_conn_close(conn);
	return false;
}

static bool take(struct fg_native_conn *conn, const struct fg_native_input *input)
{
	if (conn->state == FG_NATIVE_IDLE)
		return take_unasked(conn, input);
	if (conn->state != FG_NATIVE_HANDSHAKING)
		return take_response(conn, input);
	if (input->ended) { /* what came before its end was fed by an earlier turn */
		fail(conn, FG_NET_TLS,
		     input->why ? input->why : "the server closed during the TLS handshake");
		return false;
	}
	shake_hands(conn);
	return false; /* the next turn of the loop reads on */
}

static void receive(struct fg_native_conn *conn)
{
	enum { ROUNDS = 16 }; /* then others get a turn */
	struct fg_native_input input;

	for (int round = 0; round < ROUNDS; round++) {
		if (!fg_native_receive(conn, &input) || !take(conn, &input) || !input.full)
			return;
	}
}

/* -- events ----------------------------------------------------------------------------------- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct fg_native_conn *conn = poll->data;

	if (status < 0) { /* libuv has stopped watching: the socket is broken, reading tells why */
		conn->events = 0;
		events = conn->state == FG_NATIVE_CONNECTING ? UV_WRITABLE : UV_READABLE;
	}
	if (conn->state == FG_NATIVE_CONNECTING) {
		const int failure = fg_native_dial_result(conn);

		if (failure)
			dial_failed(conn, failure);
		else
			connected(conn);
		return;
	}
	if ((events & UV_WRITABLE) && conn->state == FG_NATIVE_SENDING)
		resume_send(conn, false);
	else if ((events & UV_WRITABLE) && conn->state == FG_NATIVE_HANDSHAKING)
		shake_hands(conn);
	else
		receive(conn);
}

void fg_native_conn_expire(struct fg_native_conn *conn, bool connecting, uint64_t now_ns)
{
	struct fg_native_task *task = conn->task;
	const uint64_t serial = task->serial;

	(void)now_ns;
	if (conn->state < FG_NATIVE_SENDING || connecting) {
		fail(conn, FG_NET_DIAL_TIMEOUT,
		     connecting ? "no connection within connectTimeout"
				: "no connection within timeout");
		return;
	}
	/* What is in the socket already was in time: we are late. */
	receive(conn);
	if (task->serial == serial && task->running && task->conn)
		fail(task->conn, FG_NET_TIMEOUT, "no complete response within timeout");
}

void fg_native_conn_on_connect_due(struct fg_native_deadline *deadline, uint64_t now_ns)
{
	struct fg_native_conn *conn =
		(struct fg_native_conn *)(void *)((char *)deadline -
						  offsetof(struct fg_native_conn, deadline));

	fg_native_conn_expire(conn, true, now_ns);
}

/* -- beginning -------------------------------------------------------------------------------- */

/* Whether the server has closed it, for requests that must not be sent twice. */
static bool is_stale(const struct fg_native_conn *conn)
{
	char byte;
	const ssize_t len = recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return len == 0 || (len > 0 && !conn->tls) || (len < 0 && errno != EAGAIN);
}

static struct fg_native_conn *find_idle(struct fg_native_task *task)
{
	const bool careful = !fg_native_is_idempotent(task->request.method);

	for (struct fg_native_conn *conn = task->vu->conns, *next; conn; conn = next) {
		next = conn->next;
		if (conn->state != FG_NATIVE_IDLE || conn->origin != task->origin)
			continue;
		if (!careful || !is_stale(conn))
			return conn;
		fg_native_conn_close(conn);
	}
	return NULL;
}

int fg_native_conn_begin(struct fg_native_task *task, const struct fg_native_request *prepared,
			 uint64_t now_ns, struct fg_err *err)
{
	struct fg_native_conn *conn = find_idle(task);

	if (!conn)
		return open_conn(task, now_ns, err);
	conn->task = task;
	task->conn = conn;
	task->reused = true;
	begin_send(conn, prepared, now_ns);
	return 0;
}
