/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a connection of engine_native is made, linked to its VU, moved from state to state and
 * closed. Its memory is used again once libuv has let go of the handle.
 */
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runner/load/native_internal.h"

static const bool moves[FG_NATIVE_STATE_COUNT][FG_NATIVE_STATE_COUNT] = {
	[FG_NATIVE_CLOSED] = {[FG_NATIVE_RESOLVING] = true, [FG_NATIVE_CONNECTING] = true},
	[FG_NATIVE_RESOLVING] = {[FG_NATIVE_CONNECTING] = true, [FG_NATIVE_CLOSED] = true},
	[FG_NATIVE_CONNECTING] = {[FG_NATIVE_HANDSHAKING] = true,
				  [FG_NATIVE_SENDING] = true,
				  [FG_NATIVE_CLOSED] = true},
	[FG_NATIVE_HANDSHAKING] = {[FG_NATIVE_SENDING] = true, [FG_NATIVE_CLOSED] = true},
	[FG_NATIVE_SENDING] = {[FG_NATIVE_RECEIVING] = true, [FG_NATIVE_CLOSED] = true},
	[FG_NATIVE_RECEIVING] = {[FG_NATIVE_IDLE] = true, [FG_NATIVE_CLOSED] = true},
	[FG_NATIVE_IDLE] = {[FG_NATIVE_SENDING] = true, [FG_NATIVE_CLOSED] = true},
};

/* The only place that changes a connection's state. */
void fg_native_conn_move(struct fg_native_conn *conn, enum fg_native_state to)
{
	assert(moves[conn->state][to]);
	conn->state = to;
}

/* -- life ------------------------------------------------------------------------------------- */

static void unlink_conn(struct fg_native_conn *conn)
{
	*conn->link = conn->next;
	if (conn->next)
		conn->next->link = conn->link;
}

static void link_conn(struct fg_native_conn *conn, struct fg_engine_vu *vu)
{
	conn->next = vu->conns;
	conn->link = &vu->conns;
	if (conn->next)
		conn->next->link = &conn->next;
	vu->conns = conn;
}

static void recycle(struct fg_native_conn *conn)
{
	conn->next = conn->engine->free_conns;
	conn->engine->free_conns = conn;
}

static void on_poll_closed(uv_handle_t *handle)
{
	recycle(handle->data);
}

/* A server that answers before the end of an upload shuts its window: what is left, and our FIN
 * behind it, would stay in the kernel for as long as it does not read. A reset takes it away. */
static void drop_unsent(int fd)
{
	const struct linger now = {.l_onoff = 1};
	int unsent = 0;

	if (ioctl(fd, SIOCOUTQNSD, &unsent) == 0 && unsent > 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void fg_native_conn_close(struct fg_native_conn *conn)
{
	fg_native_conn_move(conn, FG_NATIVE_CLOSED);
	unlink_conn(conn);
	fg_native_name_forget(&conn->waiter);
	fg_native_deadline_clear(&conn->deadline);
	fg_http1_reader_done(&conn->reader);
	if (conn->tls)
		fg_native_tls_shutdown(conn->tls);
	fg_native_tls_free(conn->tls);
	if (conn->task)
		conn->task->conn = NULL;
	conn->task = NULL;
	conn->vu = NULL;
	conn->tls = NULL;
	if (conn->fd < 0) {
		recycle(conn);
		return;
	}
	uv_close((uv_handle_t *)&conn->poll, on_poll_closed);
	drop_unsent(conn->fd);
	fg_load_unlabel(conn->engine->labels, conn->own_port);
	close(conn->fd);
	conn->fd = -1;
}

struct fg_native_conn *fg_native_conn_new(struct fg_native_task *task)
{
	struct fg_engine *engine = task->vu->engine;
	struct fg_native_conn *conn = engine->free_conns;

	if (conn) {
		engine->free_conns = conn->next;
		memset(conn, 0, sizeof(*conn));
	} else {
		conn = calloc(1, sizeof(*conn));
		if (!conn)
			return NULL;
	}
	conn->engine = engine;
	conn->fd = -1;
	conn->vu = task->vu;
	conn->origin = task->origin;
	conn->task = task;
	task->conn = conn;
	link_conn(conn, task->vu);
	return conn;
}

void fg_native_conn_to_front(struct fg_native_conn *conn)
{
	if (conn->vu->conns == conn)
		return;
	unlink_conn(conn);
	link_conn(conn, conn->vu);
}
