/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket calls of a connection, with or without TLS: dial, send, receive with the kernel's
 * stamp. Decides nothing.
 */
#ifndef FG_LOAD_NATIVE_IO_H
#define FG_LOAD_NATIVE_IO_H

#include <sys/types.h>

#include "runner/load/native_internal.h"

struct fg_native_input {
	char *bytes; /* in the engine's buffer: until the next receive */
	size_t len;
	bool full;         /* there is probably more */
	bool ended;        /* no more will come, after the bytes */
	bool truncated;    /* … and TLS did not say so */
	int failure;       /* errno or EPROTO: it ended because of that */
	const char *why;   /* text of the failure */
	uint64_t stamp_ns; /* when the last of it reached the kernel, CLOCK_REALTIME; 0: unknown */
};

/** Makes the socket and connects: 0, EINPROGRESS or why not (errno). */
int fg_native_dial(struct fg_native_conn *conn);
/** After EINPROGRESS, when the socket became writable. */
int fg_native_dial_result(const struct fg_native_conn *conn);
/** Bytes taken, or -errno (-EAGAIN: the socket is full). */
ssize_t fg_native_send(struct fg_native_conn *conn, const struct fg_native_message *message);
/** false: nothing is there yet. */
bool fg_native_receive(struct fg_native_conn *conn, struct fg_native_input *ret);

#endif
