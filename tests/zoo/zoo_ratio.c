/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server whose paths cost 0, 1 and 10 units of CPU, in the shapes that servers have.
 *
 * usage: zoo_ratio MODE [OPTION…]; prints "listening on PORT" and serves until it is killed.
 *   threads   a thread per connection        loop   one thread, epoll
 *   prefork   two processes with a loop each
 *   split     reads the head of a request in two receives
 *   backend=N asks 127.0.0.1:N (connect, one byte, one byte back) before the work
 *   close     closes after each response     v6     listens on [::1]
 *   rounds=N  of the unit
 * GET or POST of /zero, /one, /ten, and /slow (40 in a function of its own); a body is read and
 * summed up, with its bytes costing as they do. GET of /costs: {"zero": [ns, requests], …}, which
 * the thread's own clock has counted since the start.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "gate/base/num.h"

#define NOINLINE __attribute__((noinline))

enum { HEAD_MAX = 4096, EVENTS_MAX = 64, SPLIT_BYTES = 9, WORKERS = 2 };

static struct {
	uint64_t rounds, backend;
	bool split, close, v6;
} options = {.rounds = 400000};

/* What the kernel says that each class took, and how many there were; of all processes. */
enum { ZERO, ONE, TEN, CLASSES };
static struct cost {
	_Atomic uint64_t ns, count;
} * costs;

static uint64_t thread_cpu_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static NOINLINE void burn(uint64_t units)
{
	uint64_t x = 1;

	for (uint64_t i = 0; i < units * options.rounds; i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		__asm__ volatile("" : "+r"(x));
	}
}

/* What only slow requests do: 40 units, under a name of its own. */
static NOINLINE void burn_slowly(void)
{
	uint64_t x = 2;

	for (uint64_t i = 0; i < 40 * options.rounds; i++) {
		x = x * 6364136223846793005u + 1;
		__asm__ volatile("" : "+r"(x));
	}
}

static void ask_backend(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((uint16_t)options.backend),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char byte = '?';

	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    send(fd, &byte, 1, MSG_NOSIGNAL) == 1)
		(void)!recv(fd, &byte, 1, 0);
	if (fd >= 0)
		close(fd);
}

struct connection {
	int fd;
	size_t used;
	uint64_t body_left;
	char head[HEAD_MAX + 1];
};

static bool tell_costs(const struct connection *c)
{
	char body[256], text[512];
	int len =
		snprintf(body, sizeof(body),
			 "{\"zero\": [%llu, %llu], \"one\": [%llu, %llu], \"ten\": [%llu, %llu]}",
			 (unsigned long long)costs[ZERO].ns, (unsigned long long)costs[ZERO].count,
			 (unsigned long long)costs[ONE].ns, (unsigned long long)costs[ONE].count,
			 (unsigned long long)costs[TEN].ns, (unsigned long long)costs[TEN].count);

	len = snprintf(text, sizeof(text),
		       "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len,
		       body);
	(void)!send(c->fd, text, (size_t)len, MSG_NOSIGNAL);
	return false;
}

static bool answer(struct connection *c)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	static const char last[] =
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
	uint64_t units = strstr(c->head, " /ten ") ? 10 : strstr(c->head, " /one ") ? 1 : 0;

	if (options.backend)
		ask_backend();
	if (strstr(c->head, " /slow "))
		burn_slowly();
	burn(units);
	c->used = 0;
	if (options.close) {
		(void)!send(c->fd, last, sizeof(last) - 1, MSG_NOSIGNAL);
		return false;
	}
	return send(c->fd, text, sizeof(text) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(text) - 1;
}

static bool respond(struct connection *c)
{
	if (strstr(c->head, " /costs "))
		return tell_costs(c);
	struct cost *cost = &costs[strstr(c->head, " /ten ")   ? TEN
				   : strstr(c->head, " /one ") ? ONE
							       : ZERO];
	uint64_t begin_ns = thread_cpu_ns();
	bool goes_on = answer(c);

	cost->ns += thread_cpu_ns() - begin_ns;
	cost->count++;
	return goes_on;
}

/* What came behind the head belongs to the body. */
static bool take_head(struct connection *c)
{
	c->head[c->used] = '\0';
	char *end = strstr(c->head, "\r\n\r\n");

	if (!end)
		return c->used < HEAD_MAX;
	const char *field = strcasestr(c->head, "\r\ncontent-length:");
	uint64_t len = 0, have = c->used - (size_t)(end + 4 - c->head);

	if (field && field < end) {
		field += strlen("\r\ncontent-length:");
		field += strspn(field, " ");
		if (fg_num_u64(field, strcspn(field, "\r"), &len, NULL))
			return false;
	}
	c->body_left = len > have ? len - have : 0;
	return c->body_left || respond(c);
}

/* One receive and what follows from it; false: over. */
static bool serve_once(struct connection *c)
{
	static _Thread_local char body[65536];
	static _Thread_local volatile unsigned sum;
	char *room = c->body_left ? body : c->head + c->used;
	size_t size = c->body_left ? sizeof(body) : HEAD_MAX - c->used;

	if (options.split && !c->body_left && c->used == 0)
		size = SPLIT_BYTES;
	ssize_t got = recv(c->fd, room, size, 0);

	if (got < 0)
		return errno == EAGAIN;
	if (got == 0)
		return false;
	if (!c->body_left) {
		c->used += (size_t)got;
		return take_head(c);
	}
	for (ssize_t i = 0; i < got; i++)
		sum += (unsigned char)body[i];
	c->body_left -= (uint64_t)got < c->body_left ? (uint64_t)got : c->body_left;
	return c->body_left || respond(c);
}

static void *serve_connection(void *context)
{
	struct connection *c = context;

	while (serve_once(c))
		continue;
	close(c->fd);
	free(c);
	return NULL;
}

static struct connection *accept_one(int listener, int flags)
{
	const int on = 1;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | flags);
	struct connection *c = fd >= 0 ? calloc(1, sizeof(*c)) : NULL;

	if (!c) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->fd = fd;
	return c;
}

static void serve_threads(int listener)
{
	for (;;) {
		struct connection *c = accept_one(listener, 0);
		pthread_t thread;

		if (c && pthread_create(&thread, NULL, serve_connection, c) == 0)
			(void)pthread_detach(thread);
	}
}

static void serve_loop(int listener)
{
	int loop = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[EVENTS_MAX],
		first = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = NULL};

	if (loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, listener, &first))
		return;
	for (;;) {
		int count = epoll_wait(loop, events, EVENTS_MAX, -1);

		for (int i = 0; i < count; i++) {
			struct connection *c = events[i].data.ptr;
			struct epoll_event event = {.events = EPOLLIN};

			if (c && !serve_once(c)) {
				close(c->fd);
				free(c);
			}
			if (c)
				continue;
			c = accept_one(listener, SOCK_NONBLOCK);
			event.data.ptr = c;
			if (c && epoll_ctl(loop, EPOLL_CTL_ADD, c->fd, &event)) {
				close(c->fd);
				free(c);
			}
		}
	}
}

/* Not blocking: another process may have taken what epoll told of. */
static int listen_somewhere(int flags)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address = {0};
	socklen_t len = options.v6 ? sizeof(address.v6) : sizeof(address.v4);
	int fd = socket(options.v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	if (options.v6) {
		address.v6.sin6_family = AF_INET6;
		address.v6.sin6_addr = in6addr_loopback;
	} else {
		address.v4.sin_family = AF_INET;
		address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	}
	if (fd < 0 || bind(fd, &address.any, len) || listen(fd, 511) ||
	    getsockname(fd, &address.any, &len))
		return -1;
	printf("listening on %u\n", ntohs(options.v6 ? address.v6.sin6_port : address.v4.sin_port));
	(void)fflush(stdout);
	return fd;
}

static bool take_option(const char *text)
{
	const char *value = strchr(text, '=');

	if (strcmp(text, "split") == 0)
		options.split = true;
	else if (strcmp(text, "close") == 0)
		options.close = true;
	else if (strcmp(text, "v6") == 0)
		options.v6 = true;
	else if (value && strncmp(text, "rounds=", 7) == 0)
		return fg_num_u64(value + 1, strlen(value + 1), &options.rounds, NULL) == 0;
	else if (value && strncmp(text, "backend=", 8) == 0)
		return fg_num_u64(value + 1, strlen(value + 1), &options.backend, NULL) == 0;
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	for (int i = 2; i < argc; i++) {
		if (!take_option(argv[i]))
			return 2;
	}
	const bool threads = argc > 1 && strcmp(argv[1], "threads") == 0;
	int listener = argc > 1 ? listen_somewhere(threads ? 0 : SOCK_NONBLOCK) : -1;

	costs = mmap(NULL, CLASSES * sizeof(*costs), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (listener < 0 || costs == MAP_FAILED)
		return 2;
	if (threads)
		serve_threads(listener);
	for (int i = 1; strcmp(argv[1], "prefork") == 0 && i < WORKERS; i++) {
		if (fork() == 0)
			break;
	}
	serve_loop(listener);
	return 1;
}
