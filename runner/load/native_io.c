/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/native_io.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

/* -- dialling --------------------------------------------------------------------------------- */

static const struct sockaddr *address_of(const struct fg_native_conn *conn, socklen_t *ret_len)
{
	const struct fg_native_origin *origin = conn->origin;
	const union fg_native_address *address = &origin->address;

	if (origin->reach == FG_NATIVE_BY_PATH) {
		*ret_len = sizeof(origin->path);
		return (const struct sockaddr *)&origin->path;
	}
	if (origin->reach == FG_NATIVE_BY_NAME)
		address =
			fg_native_name_address(origin->name, conn->turn, conn->tries, origin->port);
	if (!address)
		return NULL;
	*ret_len = fg_native_address_len(address);
	return &address->any;
}

static int adopt(struct fg_native_conn *conn, int fd)
{
	const int on = 1;
	const int rc = uv_poll_init(conn->engine->loop, &conn->poll, fd);

	if (rc) {
		close(fd);
		return -rc;
	}
	conn->poll.data = conn;
	conn->fd = fd;
	if (conn->origin->reach == FG_NATIVE_BY_PATH)
		return 0; /* the kernel stamps no unix sockets */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	conn->stamped = fg_native_clock_watch(fd);
	return 0;
}

int fg_native_dial(struct fg_native_conn *conn)
{
	socklen_t len = 0;
	const struct sockaddr *address = address_of(conn, &len);
	int fd, rc;

	if (!address)
		return EADDRNOTAVAIL;
	fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	rc = adopt(conn, fd);
	if (rc)
		return rc;
	rc = connect(fd, address, len) ? errno : 0;
	if (conn->engine->labels && (!rc || rc == EINPROGRESS)) {
		conn->own_port = fg_load_local_port(fd);
		conn->server_port = fg_load_port_of(address);
		fg_load_label(conn->engine->labels, conn->own_port, conn->server_port,
			      conn->task->request.label);
	}
	return rc;
}

int fg_native_dial_result(const struct fg_native_conn *conn)
{
	int failure = 0;
	socklen_t len = sizeof(failure);

	if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &failure, &len))
		return errno;
	return failure;
}

/* -- sending ---------------------------------------------------------------------------------- */

static ssize_t send_tls(struct fg_native_conn *conn, const struct fg_native_message *message)
{
	size_t taken = 0;
	int os_errno = 0;

	switch (fg_native_tls_write(conn->tls, message->parts[0].iov_base,
				    message->parts[0].iov_len, &taken)) {
	case FG_NATIVE_TLS_DONE:
		return (ssize_t)taken;
	case FG_NATIVE_TLS_AGAIN:
		return -EAGAIN;
	case FG_NATIVE_TLS_CLOSED:
	case FG_NATIVE_TLS_FAILED:
		break;
	}
	(void)fg_native_tls_failure(conn->tls, &os_errno);
	return os_errno ? -os_errno : -EPIPE;
}

ssize_t fg_native_send(struct fg_native_conn *conn, const struct fg_native_message *message)
{
	const struct iovec *parts = message->parts;
	ssize_t sent;

	if (conn->tls)
		return send_tls(conn, message);
	if (message->count == 1) {
		sent = send(conn->fd, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL);
	} else {
		union {
			const struct iovec *in;
			struct iovec *out;
		} cast = {.in = parts};
		const struct msghdr header = {.msg_iov = cast.out,
					      .msg_iovlen = (size_t)message->count};

		sent = sendmsg(conn->fd, &header, MSG_NOSIGNAL);
	}
	return sent < 0 ? -errno : sent;
}

/* -- receiving -------------------------------------------------------------------------------- */

/* Turns what is in the raw buffer into text; several records become one piece. */
static void decrypt(struct fg_native_conn *conn, size_t raw_len, struct fg_native_input *ret)
{
	struct fg_native_tls *tls = conn->tls;
	enum fg_native_tls_result result = FG_NATIVE_TLS_AGAIN;
	int os_errno = 0;

	fg_native_tls_feed(tls, conn->engine->raw, raw_len);
	ret->bytes = conn->engine->text;
	ret->len = 0;
	if (conn->state == FG_NATIVE_HANDSHAKING)
		return; /* the hand-shake takes it */
	do {
		size_t len = 0;

		result = fg_native_tls_read(tls, ret->bytes + ret->len,
					    FG_NATIVE_TEXT_SIZE - ret->len, &len);
		ret->len += result == FG_NATIVE_TLS_DONE ? len : 0;
	} while (result == FG_NATIVE_TLS_DONE && ret->len < FG_NATIVE_TEXT_SIZE &&
		 fg_native_tls_has_input(tls));
	conn->said_bye |= result == FG_NATIVE_TLS_CLOSED;
	ret->ended |= result == FG_NATIVE_TLS_CLOSED;
	ret->full |= fg_native_tls_has_input(tls);
	if (result != FG_NATIVE_TLS_FAILED && fg_native_tls_settle(tls))
		return;
	ret->ended = true;
	ret->failure = EPROTO;
	ret->why = fg_native_tls_failure(tls, &os_errno);
}

static void take_failure(struct fg_native_conn *conn, ssize_t len, struct fg_native_input *ret)
{
	ret->ended = true;
	if (len < 0) {
		ret->failure = errno;
		ret->why = strerror(errno);
	} else {
		ret->truncated = conn->tls && !conn->said_bye;
	}
}

bool fg_native_receive(struct fg_native_conn *conn, struct fg_native_input *ret)
{
	_Alignas(struct cmsghdr) char control[FG_NATIVE_STAMP_ROOM];
	struct iovec part = {conn->engine->raw, FG_NATIVE_READ_SIZE};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = conn->stamped ? control : NULL,
				 .msg_controllen = conn->stamped ? sizeof(control) : 0};
	const ssize_t len = recvmsg(conn->fd, &message, 0);

	*ret = (struct fg_native_input){.bytes = conn->engine->raw};
	if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
		if (!conn->tls || !fg_native_tls_has_input(conn->tls))
			return false;
		decrypt(conn, 0, ret);
		return true;
	}
	if (len <= 0) {
		take_failure(conn, len, ret);
		return true;
	}
	ret->len = (size_t)len;
	ret->full = len == FG_NATIVE_READ_SIZE;
	ret->stamp_ns = message.msg_controllen ? fg_native_clock_stamp(&message) : 0;
	if (conn->tls)
		decrypt(conn, (size_t)len, ret);
	return true;
}
