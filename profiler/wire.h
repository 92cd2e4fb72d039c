/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Framing between client and helper: u32 length + u16 type (little endian), a protobuf body of at
 * most 16 MiB, and open files beside it where the stream is a local socket.
 *
 * Promises: never blocks, never trusts a length. Everything is queued; the owner polls and calls
 * fill and flush. Knows nothing of what the messages mean.
 */
#ifndef FG_PROFILER_WIRE_H
#define FG_PROFILER_WIRE_H

#include "gate/base/buf.h"

enum {
	FG_WIRE_PROTOCOL = 2,
	FG_WIRE_HEADER_BYTES = 6,
	FG_WIRE_MESSAGE_MAX = 16 << 20,
	FG_WIRE_OUT_MAX = 32 << 20, /* queued and unsent */
	FG_WIRE_FDS_MAX = 512,      /* queued in one direction */
};

enum fg_wire_type {
	FG_WIRE_HELLO = 1,
	FG_WIRE_START,
	FG_WIRE_READY,
	FG_WIRE_MODULE,
	FG_WIRE_KALLSYMS,
	FG_WIRE_SAMPLES,
	FG_WIRE_STATS,
	FG_WIRE_ENABLE,
	FG_WIRE_STOP,
	FG_WIRE_DONE,
	FG_WIRE_ERROR,
	FG_WIRE_NOTICE,
	FG_WIRE_SLICE,
	FG_WIRE_PROCESS,
	FG_WIRE_RUNTIME,
	FG_WIRE_SCRIPT,
	FG_WIRE_LABELS,
	FG_WIRE_TYPE_COUNT
};
const char *fg_wire_type_name(unsigned type);

struct fg_wire_fd {
	uint64_t position; /* of the first byte of its message in the outgoing stream */
	int fd;
};

struct fg_wire {
	int fd; /* owned; -1 once the peer is gone */
	bool is_socket;
	bool eof;
	struct fg_buf in, out;
	size_t in_used;  /* consumed bytes at the front of in */
	size_t out_sent; /* sent bytes at the front of out */
	uint64_t out_position;
	struct fg_wire_fd fds_out[FG_WIRE_FDS_MAX];
	size_t fds_out_count;
	int fds_in[FG_WIRE_FDS_MAX];
	size_t fds_in_count;
	bool fds_lost; /* some did not arrive (too many open files): which is unknown */
};

struct fg_wire_message {
	unsigned type;
	const uint8_t *body; /* until the next call on the wire */
	size_t len;
};

struct ProtobufCMessage;

/** Takes `fd` (made non-blocking). */
int fg_wire_init(struct fg_wire *wire, int fd, struct fg_err *err) FG_MUST_USE;
void fg_wire_done(struct fg_wire *wire);
/** Queues a message; `passed_fd` ≥ 0 is taken in every case, and dropped where the stream cannot
 *  carry it. IO when the queue is full
 *  (its reader does not read), LIMIT for a message above the maximum. */
int fg_wire_send(struct fg_wire *wire, enum fg_wire_type type,
		 const struct ProtobufCMessage *message, int passed_fd,
		 struct fg_err *err) FG_MUST_USE;
/** Writes what the peer takes now. IO when it is gone. */
int fg_wire_flush(struct fg_wire *wire, struct fg_err *err) FG_MUST_USE;
/** Flushes until empty or `deadline_ns` (monotonic): TIMEOUT. */
int fg_wire_flush_all(struct fg_wire *wire, uint64_t deadline_ns, struct fg_err *err) FG_MUST_USE;
/** Whether a descriptor can go with the next message. */
bool fg_wire_can_pass_fd(const struct fg_wire *wire);
size_t fg_wire_pending(const struct fg_wire *wire);
/** Reads what is there, up to a bounded amount; sets wire->eof at the end of the stream. */
int fg_wire_fill(struct fg_wire *wire, struct fg_err *err) FG_MUST_USE;
/** 1: `ret` is the next message; 0: none complete yet; negative: the stream is malformed. */
int fg_wire_next_message(struct fg_wire *wire, struct fg_wire_message *ret, struct fg_err *err);
/** The oldest received descriptor (now the caller's), or -1; after a loss always -1. */
int fg_wire_take_fd(struct fg_wire *wire);

#endif
