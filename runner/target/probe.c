/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/target/probe.h"

#include "gate/base/clock.h"
#include "gate/base/file.h"
#include "gate/base/num.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int finish_connect(int fd, int timeout_ms)
{
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	int fault = 0;
	socklen_t len = sizeof(fault);
	int ready = poll(&wait, 1, timeout_ms);

	if (ready <= 0)
		return ready == 0 ? ETIMEDOUT : errno;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &len) != 0)
		return errno;
	return fault;
}

static int connect_one(const struct addrinfo *address, int timeout_ms)
{
	FG_AUTO_CLOSE int fd =
		socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
		return 0;
	return errno == EINPROGRESS ? finish_connect(fd, timeout_ms) : errno;
}

int fg_probe_tcp(const char *host, uint16_t port, int timeout_ms)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	char service[8];
	int fault = EHOSTUNREACH;

	(void)snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(host, service, &hints, &found) != 0)
		return EHOSTUNREACH;
	for (const struct addrinfo *at = found; at && fault; at = at->ai_next)
		fault = connect_one(at, timeout_ms);
	freeaddrinfo(found);
	return fault;
}

/* Binding the wildcard address of both families: free for whatever the target will bind. */
static int bind_any(int family, uint16_t *ret)
{
	FG_AUTO_CLOSE int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_any};
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr *address = family == AF_INET6 ? (void *)&v6 : (void *)&v4;
	socklen_t len = family == AF_INET6 ? sizeof(v6) : sizeof(v4);
	int off = 0;

	if (fd < 0)
		return errno;
	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, address, len) != 0 || getsockname(fd, address, &len) != 0)
		return errno;
	*ret = ntohs(family == AF_INET6 ? v6.sin6_port : v4.sin_port);
	return 0;
}

int fg_probe_free_port(uint16_t *ret, struct fg_err *err)
{
	int fault = bind_any(AF_INET6, ret);

	if (fault) /* no IPv6 on this machine */
		fault = bind_any(AF_INET, ret);
	if (fault)
		return fg_err_errno(err, fault, "cannot find a free port");
	return 0;
}

int fg_target_wait_url(const char *url, uint64_t timeout_ns, struct fg_err *err)
{
	uint64_t deadline_ns = fg_clock_monotonic_ns() + timeout_ns;
	char host[256], waited[FG_NUM_TEXT_MAX];
	uint16_t port = 0;
	bool is_local = false;
	int rc = fg_target_url_parts(url, host, &port, &is_local, err);

	for (int pause_ms = 10; rc == 0; pause_ms = FG_MIN(pause_ms * 2, 100)) {
		int fault = fg_probe_tcp(host, port, 1000);

		if (fault == 0)
			return 0;
		if (fg_clock_monotonic_ns() >= deadline_ns)
			return fg_err_set(
				err, FG_E_TIMEOUT,
				"nothing accepts connections on %s:%u after %s (%s); is the server "
				"running?",
				host, port, fg_num_format_duration(timeout_ns, waited),
				strerror(fault));
		(void)poll(NULL, 0, pause_ms);
	}
	return rc;
}
