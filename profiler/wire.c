/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <protobuf-c/protobuf-c.h>

#include "gate/base/clock.h"

enum {
	READ_STEP_BYTES = 256 << 10,
	FILL_BYTES_MAX = 4 << 20, /* per call, so that one peer cannot hold the caller */
	FDS_PER_READ = 16,
};

static const char *const type_names[] = {
	[FG_WIRE_HELLO] = "HELLO",   [FG_WIRE_START] = "START",       [FG_WIRE_READY] = "READY",
	[FG_WIRE_MODULE] = "MODULE", [FG_WIRE_KALLSYMS] = "KALLSYMS", [FG_WIRE_SAMPLES] = "SAMPLES",
	[FG_WIRE_STATS] = "STATS",   [FG_WIRE_ENABLE] = "ENABLE",     [FG_WIRE_STOP] = "STOP",
	[FG_WIRE_DONE] = "DONE",     [FG_WIRE_ERROR] = "ERROR",       [FG_WIRE_NOTICE] = "NOTICE",
	[FG_WIRE_SLICE] = "SLICE",   [FG_WIRE_PROCESS] = "PROCESS",   [FG_WIRE_RUNTIME] = "RUNTIME",
	[FG_WIRE_SCRIPT] = "SCRIPT", [FG_WIRE_LABELS] = "LABELS",
};
static_assert(FG_ARRAY_LEN(type_names) == FG_WIRE_TYPE_COUNT, "one name per type");

const char *fg_wire_type_name(unsigned type)
{
	return type > 0 && type < FG_WIRE_TYPE_COUNT ? type_names[type] : "unknown";
}

int fg_wire_init(struct fg_wire *wire, int fd, struct fg_err *err)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	memset(wire, 0, sizeof(*wire));
	wire->fd = fd;
	fg_buf_init(&wire->in, FG_WIRE_MESSAGE_MAX + FG_WIRE_HEADER_BYTES + READ_STEP_BYTES);
	fg_buf_init(&wire->out, FG_WIRE_OUT_MAX);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fstat(fd, &st) < 0)
		return fg_err_errno(err, errno, "profiler stream");
	wire->is_socket = S_ISSOCK(st.st_mode);
	return 0;
}

void fg_wire_done(struct fg_wire *wire)
{
	if (!wire)
		return;
	for (size_t i = 0; i < wire->fds_out_count; i++)
		close(wire->fds_out[i].fd);
	for (size_t i = 0; i < wire->fds_in_count; i++)
		close(wire->fds_in[i]);
	wire->fds_out_count = 0;
	wire->fds_in_count = 0;
	if (wire->fd >= 0)
		close(wire->fd);
	wire->fd = -1;
	fg_buf_done(&wire->in);
	fg_buf_done(&wire->out);
}

static void put_header(uint8_t header[FG_WIRE_HEADER_BYTES], size_t len, unsigned type)
{
	for (unsigned i = 0; i < 4; i++)
		header[i] = (uint8_t)(len >> (8 * i));
	header[4] = (uint8_t)type;
	header[5] = (uint8_t)(type >> 8);
}

/* Drops what was sent once it is worth the move. */
static void compact_out(struct fg_wire *wire)
{
	size_t left = wire->out.len - wire->out_sent;

	if (wire->out_sent < left)
		return;
	if (left)
		memmove(wire->out.data, wire->out.data + wire->out_sent, left);
	wire->out.len = left;
	wire->out_sent = 0;
}

static int queue_message(struct fg_wire *wire, enum fg_wire_type type,
			 const ProtobufCMessage *message, struct fg_err *err)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	uint8_t header[FG_WIRE_HEADER_BYTES];

	if (len > FG_WIRE_MESSAGE_MAX)
		return fg_err_set(err, FG_E_LIMIT, "profiler stream: %s of %zu bytes is too large",
				  fg_wire_type_name(type), len);
	compact_out(wire);
	char *room = fg_buf_reserve(&wire->out, sizeof(header) + len);

	if (!room) {
		wire->out.failed = false;
		return fg_err_set(err, FG_E_IO, "profiler stream: the reader is too slow");
	}
	put_header(header, len, type);
	memcpy(room, header, sizeof(header));
	(void)protobuf_c_message_pack(message, (uint8_t *)room + sizeof(header));
	fg_buf_commit(&wire->out, sizeof(header) + len);
	return 0;
}

int fg_wire_send(struct fg_wire *wire, enum fg_wire_type type,
		 const struct ProtobufCMessage *message, int passed_fd, struct fg_err *err)
{
	uint64_t position = wire->out_position + wire->out.len - wire->out_sent;
	int rc = wire->fd >= 0 ? queue_message(wire, type, message, err)
			       : fg_err_set(err, FG_E_IO, "profiler stream is closed");

	if (passed_fd < 0)
		return rc;
	if (rc || !fg_wire_can_pass_fd(wire)) {
		close(passed_fd);
		return rc;
	}
	wire->fds_out[wire->fds_out_count].position = position;
	wire->fds_out[wire->fds_out_count].fd = passed_fd;
	wire->fds_out_count++;
	return 0;
}

/* Sends up to the next message that carries a descriptor, or that message's bytes with it. */
static ssize_t send_some(struct fg_wire *wire)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	size_t len = wire->out.len - wire->out_sent;
	struct iovec iov = {.iov_base = wire->out.data + wire->out_sent, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (!wire->is_socket)
		return write(wire->fd, iov.iov_base, iov.iov_len);
	if (wire->fds_out_count && wire->fds_out[0].position == wire->out_position) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &wire->fds_out[0].fd, sizeof(int));
		if (wire->fds_out_count > 1)
			iov.iov_len = FG_MIN(
				len, (size_t)(wire->fds_out[1].position - wire->out_position));
	} else if (wire->fds_out_count) {
		iov.iov_len = FG_MIN(len, (size_t)(wire->fds_out[0].position - wire->out_position));
	}
	return sendmsg(wire->fd, &msg, MSG_NOSIGNAL);
}

int fg_wire_flush(struct fg_wire *wire, struct fg_err *err)
{
	while (wire->out_sent < wire->out.len) {
		ssize_t sent = send_some(wire);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN)
			return 0;
		if (sent <= 0)
			return fg_err_errno(err, sent < 0 ? errno : EPIPE, "profiler stream");
		if (wire->fds_out_count && wire->fds_out[0].position == wire->out_position) {
			close(wire->fds_out[0].fd);
			wire->fds_out_count--;
			memmove(wire->fds_out, wire->fds_out + 1,
				wire->fds_out_count * sizeof(wire->fds_out[0]));
		}
		wire->out_sent += (size_t)sent;
		wire->out_position += (uint64_t)sent;
	}
	compact_out(wire);
	return 0;
}

int fg_wire_flush_all(struct fg_wire *wire, uint64_t deadline_ns, struct fg_err *err)
{
	for (;;) {
		int rc = fg_wire_flush(wire, err);

		if (rc || !fg_wire_pending(wire))
			return rc;
		uint64_t now_ns = fg_clock_monotonic_ns();

		if (now_ns >= deadline_ns)
			return fg_err_set(err, FG_E_TIMEOUT, "profiler stream: not read in time");
		struct pollfd poll_fd = {.fd = wire->fd, .events = POLLOUT};

		(void)poll(&poll_fd, 1, (int)((deadline_ns - now_ns) / FG_NS_PER_MS) + 1);
	}
}

bool fg_wire_can_pass_fd(const struct fg_wire *wire)
{
	return wire->is_socket && wire->fds_out_count < FG_WIRE_FDS_MAX;
}

size_t fg_wire_pending(const struct fg_wire *wire)
{
	return wire->out.len - wire->out_sent;
}

/* Keeps what fits; a peer that sends more descriptors than messages loses them. */
static void collect_fds(struct fg_wire *wire, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (wire->fds_in_count < FG_WIRE_FDS_MAX)
				wire->fds_in[wire->fds_in_count++] = fd;
			else
				close(fd);
		}
	}
}

static ssize_t receive_some(struct fg_wire *wire, char *room, size_t size)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(FDS_PER_READ * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = room, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (!wire->is_socket)
		return read(wire->fd, room, size);
	msg.msg_control = control.bytes;
	msg.msg_controllen = sizeof(control.bytes);
	ssize_t got = recvmsg(wire->fd, &msg, MSG_CMSG_CLOEXEC);

	if (got > 0)
		collect_fds(wire, &msg);
	if (got > 0 && (msg.msg_flags & MSG_CTRUNC))
		wire->fds_lost = true;
	return got;
}

static void compact_in(struct fg_wire *wire)
{
	size_t left = wire->in.len - wire->in_used;

	if (!wire->in_used)
		return;
	if (left)
		memmove(wire->in.data, wire->in.data + wire->in_used, left);
	wire->in.len = left;
	wire->in_used = 0;
}

int fg_wire_fill(struct fg_wire *wire, struct fg_err *err)
{
	compact_in(wire);
	for (size_t total = 0; total < FILL_BYTES_MAX && !wire->eof;) {
		/* A full buffer holds at least one whole message: the caller takes it first. */
		if (wire->in.len + READ_STEP_BYTES > wire->in.max)
			return 0;
		char *room = fg_buf_reserve(&wire->in, READ_STEP_BYTES);

		if (!room)
			return fg_err_nomem(err);
		ssize_t got = receive_some(wire, room, READ_STEP_BYTES);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return 0;
		if (got < 0 && errno != ECONNRESET)
			return fg_err_errno(err, errno, "profiler stream");
		if (got <= 0) {
			wire->eof = true;
			return 0;
		}
		fg_buf_commit(&wire->in, (size_t)got);
		total += (size_t)got;
	}
	return 0;
}

int fg_wire_next_message(struct fg_wire *wire, struct fg_wire_message *ret, struct fg_err *err)
{
	size_t have = wire->in.len - wire->in_used;

	if (have < FG_WIRE_HEADER_BYTES)
		return 0;
	const uint8_t *header = (const uint8_t *)wire->in.data + wire->in_used;
	size_t len = (size_t)header[0] | (size_t)header[1] << 8 | (size_t)header[2] << 16 |
		     (size_t)header[3] << 24;
	unsigned type = (unsigned)header[4] | (unsigned)header[5] << 8;

	if (type == 0 || type >= FG_WIRE_TYPE_COUNT)
		return fg_err_set(err, FG_E_INVALID, "profiler stream: unknown message type %u",
				  type);
	if (len > FG_WIRE_MESSAGE_MAX)
		return fg_err_set(err, FG_E_INVALID, "profiler stream: %s claims %zu bytes",
				  fg_wire_type_name(type), len);
	if (have - FG_WIRE_HEADER_BYTES < len)
		return 0;
	ret->type = type;
	ret->body = header + FG_WIRE_HEADER_BYTES;
	ret->len = len;
	wire->in_used += FG_WIRE_HEADER_BYTES + len;
	return 1;
}

int fg_wire_take_fd(struct fg_wire *wire)
{
	if (!wire->fds_in_count || wire->fds_lost)
		return -1;
	int fd = wire->fds_in[0];

	wire->fds_in_count--;
	memmove(wire->fds_in, wire->fds_in + 1, wire->fds_in_count * sizeof(wire->fds_in[0]));
	return fd;
}
