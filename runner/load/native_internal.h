/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of engine_native share: engine, VU, task (a slot's request) and connection.
 *
 * engine_native.c owns VUs and tasks and reports; native_conn.c moves bytes for a task over a
 * connection and calls fg_native_task_done() exactly once for each fg_native_conn_begin().
 */
#ifndef FG_LOAD_NATIVE_INTERNAL_H
#define FG_LOAD_NATIVE_INTERNAL_H

#include "runner/load/engine.h"
#include "runner/load/http1_reader.h"
#include "runner/load/native_clock.h"
#include "runner/load/native_deadline.h"
#include "runner/load/native_origin.h"
#include "runner/load/native_request.h"

enum {
	FG_NATIVE_READ_SIZE = 64 << 10, /* shared by all connections of an engine */
	FG_NATIVE_TEXT_SIZE = 2 * FG_NATIVE_READ_SIZE,
	FG_NATIVE_IDLE_PER_SLOT = 8, /* connections that a VU keeps open without using them */
};

struct fg_native_conn;

struct fg_native_task {
	struct fg_engine_vu *vu;
	struct fg_native_conn *conn; /* NULL: nothing runs, or what runs is in `deferred` */
	struct fg_native_task *next_deferred;
	struct fg_engine_request request; /* a copy; what it points to is the caller's */
	struct fg_native_origin *origin;
	void (*on_done)(void *context, const struct fg_engine_response *response);
	void *context;
	struct fg_native_deadline deadline;
	uint64_t start_ns, send_ns, sent_ns, first_byte_ns; /* 0: not yet */
	uint64_t dns_ns, connecting_ns, tls_ns;
	uint64_t sent_bytes;
	uint64_t serial;         /* of the slot's requests */
	uint16_t labelled_port;  /* 0: it carries no label */
	enum fg_net_error error; /* of a deferred one, with its text */
	char *failure;
	bool running, deferred, retried, reused, to_cut;
};

enum fg_native_state {
	FG_NATIVE_CLOSED,
	FG_NATIVE_RESOLVING,
	FG_NATIVE_CONNECTING,
	FG_NATIVE_HANDSHAKING,
	FG_NATIVE_SENDING, /* not all of the request was taken by the socket yet */
	FG_NATIVE_RECEIVING,
	FG_NATIVE_IDLE,
	FG_NATIVE_STATE_COUNT
};

struct fg_native_conn {
	uv_poll_t poll;
	struct fg_engine *engine;
	struct fg_engine_vu *vu;             /* NULL: closing */
	struct fg_native_conn *next, **link; /* in the VU's list; next alone: in the free list */
	struct fg_native_task *task;         /* NULL: idle */
	struct fg_native_origin *origin;
	struct fg_native_tls *tls; /* NULL: cleartext */
	struct fg_native_waiter waiter;
	struct fg_native_deadline deadline; /* of connecting */
	struct fg_http1_reader reader;
	size_t sent;          /* of the message */
	uint64_t phase_ns;    /* when the state before sending began */
	unsigned turn, tries; /* of the name's addresses */
	int fd;               /* -1: none */
	int events;           /* polled for */
	bool said_bye;        /* TLS ended in order */
	enum fg_native_state state;
	bool stamped;                   /* the socket gives kernel stamps */
	uint16_t own_port, server_port; /* for labels; 0: not known */
};

struct fg_engine_vu {
	struct fg_engine *engine;
	struct fg_native_conn *conns; /* latest used first */
	unsigned slots;
	struct fg_native_task tasks[];
};

struct fg_engine {
	uv_loop_t *loop;
	struct fg_native_deadlines deadlines, connect_deadlines;
	struct fg_native_origins origins;
	struct fg_native_requests requests;
	struct fg_native_clock clock;
	struct fg_http1_pool pool;
	struct fg_native_conn *free_conns;
	uv_idle_t idle; /* active while something is deferred */
	struct fg_native_task *deferred;
	char *raw;                           /* what recvmsg fills */
	char *text;                          /* what TLS makes of it */
	const struct fg_load_labels *labels; /* NULL: none */
	uint64_t unsolicited; /* idle connections closed because the server spoke unasked */
	bool starting;        /* inside of start: results are deferred */
};

/** Sends the task's request over an idle connection of its VU, or opens one. */
int fg_native_conn_begin(struct fg_native_task *task, const struct fg_native_request *prepared,
			 uint64_t now_ns, struct fg_err *err) FG_MUST_USE;
/** A closed connection for the task; NULL: no memory. */
struct fg_native_conn *fg_native_conn_new(struct fg_native_task *task);
/** The only place that changes a connection's state. */
void fg_native_conn_move(struct fg_native_conn *conn, enum fg_native_state to);
/** Of its VU's list: used next. */
void fg_native_conn_to_front(struct fg_native_conn *conn);
/** Closes whatever it is doing, without a word to its task. */
void fg_native_conn_close(struct fg_native_conn *conn);
/** Its connect time-out or its task's. */
void fg_native_conn_expire(struct fg_native_conn *conn, bool connecting, uint64_t now_ns);
void fg_native_conn_on_connect_due(struct fg_native_deadline *deadline, uint64_t now_ns);

/** The connection has let go of the task. `reader` NULL or without head: no response. `stamp_ns` is
 *  the kernel's, 0: none. */
void fg_native_task_done(struct fg_native_task *task, struct fg_http1_reader *reader,
			 enum fg_net_error error, const char *failure, uint64_t stamp_ns,
			 uint64_t now_ns);

#endif
