/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/load/script_server.h"

#include "tests/kit/kit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "gate/base/num.h"

void script_pause_ms(unsigned ms)
{
	const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&pause, NULL);
}

long script_receive(struct script_peer *peer, char *bytes, size_t max)
{
	if (peer->tls)
		return tls_read(peer, bytes, max);
	return recv(peer->fd, bytes, max, 0);
}

bool script_say(struct script_peer *peer, const char *bytes, size_t len)
{
	while (len) {
		const long n = peer->tls ? tls_write(peer, bytes, len)
					 : send(peer->fd, bytes, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

bool script_text(struct script_peer *peer, const char *text)
{
	return script_say(peer, text, strlen(text));
}

void script_hang(struct script_peer *peer)
{
	char byte;

	while (script_receive(peer, &byte, 1) > 0)
		;
}

void script_reset(struct script_peer *peer)
{
	const struct linger now = {.l_onoff = 1};
	int waiting = 1;

	/* A reset throws away what was not sent yet. */
	while (!ioctl(peer->fd, SIOCOUTQ, &waiting) && waiting > 0)
		script_pause_ms(1);
	setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static size_t content_length(const char *head)
{
	const char *line = strcasestr(head, "\r\nContent-Length: ");
	uint64_t value = 0;

	if (!line)
		return 0;
	line += 18;
	if (fg_num_u64(line, strcspn(line, "\r"), &value, NULL))
		return 0;
	return (size_t)value;
}

/* Everything up to the blank line into `text`; what follows stays in `ahead`. */
static bool read_head(struct script_peer *peer)
{
	for (;;) {
		const char *end;

		peer->ahead[peer->ahead_len] = '\0';
		end = strstr(peer->ahead, "\r\n\r\n");
		if (end) {
			const size_t len = (size_t)(end + 4 - peer->ahead);

			memcpy(peer->text, peer->ahead, len);
			peer->text[len] = '\0';
			peer->ahead_len -= len;
			memmove(peer->ahead, peer->ahead + len, peer->ahead_len);
			return true;
		}
		const long n = script_receive(peer, peer->ahead + peer->ahead_len,
					      sizeof(peer->ahead) - 1 - peer->ahead_len);

		if (n <= 0)
			return false;
		peer->ahead_len += (size_t)n;
	}
}

bool script_read(struct script_peer *peer)
{
	size_t have;

	if (!read_head(peer))
		return false;
	free(peer->body);
	peer->body_len = content_length(peer->text);
	peer->body = calloc(1, peer->body_len + 1);
	assert_non_null(peer->body);
	have = peer->ahead_len < peer->body_len ? peer->ahead_len : peer->body_len;
	memcpy(peer->body, peer->ahead, have);
	peer->ahead_len -= have;
	memmove(peer->ahead, peer->ahead + have, peer->ahead_len);
	while (have < peer->body_len) {
		const long n = script_receive(peer, peer->body + have, peer->body_len - have);

		if (n <= 0)
			return false;
		have += (size_t)n;
	}
	if (!atomic_fetch_add(&peer->server->requests, 1))
		memcpy(peer->server->first_request, peer->text, sizeof(peer->text));
	return true;
}

static void *peer_main(void *context)
{
	struct script_peer *peer = context;
	struct script_server *server = peer->server;

	if (!server->tls_context || tls_accept(peer, server->tls_context)) {
		server->serve(peer);
	} else { /* a reset because of an unread request could overtake the alert */
		char byte;

		while (recv(peer->fd, &byte, 1, 0) > 0)
			;
	}
	tls_end(peer);
	/* The descriptor stays ours until script_stop(), which may have to shut it down. */
	{
		const int empty = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		(void)dup3(empty, peer->fd, O_CLOEXEC); /* really closes it, reset included */
		close(empty);
	}
	return NULL;
}

static void take(struct script_server *server, int fd)
{
	const unsigned number = atomic_load(&server->connections);
	struct script_peer *peer = calloc(1, sizeof(*peer));
	const int one = 1;

	if (!peer || number >= SCRIPT_PEERS_MAX) {
		free(peer);
		close(fd);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	peer->server = server;
	peer->fd = fd;
	peer->number = number;
	server->peers[number] = peer;
	atomic_fetch_add(&server->connections, 1);
	if (pthread_create(&peer->thread, NULL, peer_main, peer))
		abort();
}

static void *accept_main(void *context)
{
	struct script_server *server = context;

	for (;;) {
		const int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);

		if (atomic_load(&server->stopping)) {
			if (fd >= 0)
				close(fd);
			return NULL;
		}
		if (fd >= 0)
			take(server, fd);
	}
}

static void listen_tcp(struct script_server *server)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(server->fd >= 0);
	assert_int_equal(bind(server->fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &len), 0);
	server->port = ntohs(address.sin_port);
}

static void listen_unix(struct script_server *server)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	assert_true(strlen(server->unix_path) < sizeof(address.sun_path));
	memcpy(address.sun_path, server->unix_path, strlen(server->unix_path));
	server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(server->fd >= 0);
	assert_int_equal(bind(server->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

void script_start(struct script_server *server)
{
	sigset_t pipe_signal;

	atomic_store(&server->connections, 0);
	atomic_store(&server->requests, 0);
	atomic_store(&server->stopping, false);
	if (server->unix_path)
		listen_unix(server);
	else
		listen_tcp(server);
	assert_int_equal(listen(server->fd, 512), 0);
	/* OpenSSL writes with write(2); the threads inherit this, and the engines' rig wants it
	 * too, as a worker thread does. */
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
	assert_int_equal(pthread_create(&server->thread, NULL, accept_main, server), 0);
}

void script_stop(struct script_server *server)
{
	atomic_store(&server->stopping, true);
	(void)shutdown(server->fd, SHUT_RDWR); /* wakes accept() */
	pthread_join(server->thread, NULL);
	close(server->fd);
	for (unsigned i = 0; i < atomic_load(&server->connections); i++) {
		struct script_peer *peer = server->peers[i];

		(void)shutdown(peer->fd, SHUT_RDWR);
		pthread_join(peer->thread, NULL);
		close(peer->fd);
		free(peer->body);
		free(peer);
		server->peers[i] = NULL;
	}
	if (server->unix_path)
		unlink(server->unix_path);
}
