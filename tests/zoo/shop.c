/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The demo's target: a small HTTP/1.1 keep-alive server, one thread, epoll.
 *
 * GET /healthz, GET /items (renders 200 items), GET /items/ID, POST /login (hashes for about a
 * millisecond), 404 otherwise. It does real work in a few functions with telling names, so that a
 * profile of it is worth looking at. `--port 0` lets the kernel choose; SIGTERM ends it.
 * ZOO_SHOP_BURN=N (1 to 1000) makes json_escape do its work N times over: a regression of a known
 * size with one known cause, for tests of the verdict.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gate/base/buf.h"
#include "gate/base/num.h"

#define NOINLINE __attribute__((noinline))

enum {
	REQUEST_MAX = 65536,
	RESPONSE_MAX = 1 << 20,
	EVENTS_MAX = 64,
	ITEM_COUNT = 200,
	LOGIN_ROUNDS = 300000,
};

struct connection {
	int fd;
	bool wants_close;
	size_t used; /* of request */
	char request[REQUEST_MAX + 1];
	struct fg_buf response;
	size_t sent; /* of response */
};

/* -- the work ------------------------------------------------------------------------------- */

static uint64_t escape_rounds = 1;

static NOINLINE void json_escape(struct fg_buf *out, const char *text)
{
	static const char hex[] = "0123456789abcdef";
	char escaped[1024];
	size_t len = 0;

	for (uint64_t round = 0; round < escape_rounds; round++) {
		len = 0;
		escaped[len++] = '"';
		for (const char *at = text; *at && len < sizeof(escaped) - 8; at++) {
			unsigned char c = (unsigned char)*at;

			if (c < 0x20) {
				memcpy(escaped + len, "\\u00", 4);
				escaped[len + 4] = hex[c >> 4];
				escaped[len + 5] = hex[c & 15];
				len += 6;
				continue;
			}
			if (c == '"' || c == '\\')
				escaped[len++] = '\\';
			escaped[len++] = (char)c;
		}
		escaped[len++] = '"';
		__asm__ volatile("" : : "r"(escaped) : "memory"); /* each round counts */
	}
	fg_buf_add(out, escaped, len);
}

static NOINLINE void render_item(struct fg_buf *out, unsigned id)
{
	char name[64];
	char description[128];

	(void)snprintf(name, sizeof(name), "Item \"%u\"", id);
	(void)snprintf(description, sizeof(description),
		       "A thing of kind %u,\twith a \\ and a price that ends in %u", id % 7,
		       id % 10);
	fg_buf_addf(out, "{\"id\":%u,\"price\":%u.%02u,\"name\":", id, 5 + id % 90, id % 100);
	json_escape(out, name);
	fg_buf_add_str(out, ",\"description\":");
	json_escape(out, description);
	fg_buf_add_char(out, '}');
}

static NOINLINE void render_items(struct fg_buf *out)
{
	fg_buf_add_char(out, '[');
	for (unsigned id = 1; id <= ITEM_COUNT; id++) {
		if (id > 1)
			fg_buf_add_char(out, ',');
		render_item(out, id);
	}
	fg_buf_add_char(out, ']');
}

static NOINLINE uint64_t mix(uint64_t state, uint64_t word)
{
	state ^= word;
	state *= 0x9e3779b97f4a7c15u;
	return state ^ state >> 29;
}

/* Slow on purpose, as hashing a password is. */
static NOINLINE uint64_t hash_password(const char *text, size_t len)
{
	uint64_t state = 0x243f6a8885a308d3u;

	for (unsigned round = 0; round < LOGIN_ROUNDS; round++)
		state = mix(state, len ? (unsigned char)text[round % len] + round : round);
	return state;
}

/* -- requests ------------------------------------------------------------------------------- */

static void respond(struct connection *c, const char *status, const char *type, const char *body,
		    size_t len)
{
	fg_buf_addf(&c->response,
		    "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s\r\n", status,
		    type, len, c->wants_close ? "Connection: close\r\n" : "");
	fg_buf_add(&c->response, body, len);
}

static NOINLINE void handle_login(struct connection *c, const char *body, size_t len)
{
	char text[64];
	int used = snprintf(text, sizeof(text), "{\"token\":\"%016llx\"}",
			    (unsigned long long)hash_password(body, len));

	respond(c, "200 OK", "application/json", text, (size_t)used);
}

static NOINLINE void handle_items(struct connection *c, const char *path)
{
	struct fg_buf body;
	uint64_t id = 0;

	fg_buf_init(&body, RESPONSE_MAX);
	if (strcmp(path, "/items") == 0)
		render_items(&body);
	else if (fg_num_u64(path + 7, strlen(path + 7), &id, NULL) == 0 && id >= 1 &&
		 id <= ITEM_COUNT)
		render_item(&body, (unsigned)id);
	if (body.len)
		respond(c, "200 OK", "application/json", body.data, body.len);
	else
		respond(c, "404 Not Found", "text/plain", "no such item\n", 13);
	fg_buf_done(&body);
}

static NOINLINE void handle(struct connection *c, const char *method, char *path, const char *body,
			    size_t len)
{
	path[strcspn(path, "?")] = '\0';
	if (strcmp(path, "/healthz") == 0)
		respond(c, "200 OK", "text/plain", "ok\n", 3);
	else if (strcmp(method, "GET") == 0 &&
		 (strcmp(path, "/items") == 0 || strncmp(path, "/items/", 7) == 0))
		handle_items(c, path);
	else if (strcmp(method, "POST") == 0 && strcmp(path, "/login") == 0)
		handle_login(c, body, len);
	else
		respond(c, "404 Not Found", "text/plain", "not found\n", 10);
}

/* A header's value inside [headers, end), or NULL. */
static char *find_header(char *headers, const char *end, const char *name)
{
	size_t len = strlen(name);

	for (char *line = strstr(headers, "\r\n"); line && line + 2 < end;
	     line = strstr(line + 2, "\r\n")) {
		if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':')
			return line + 3 + len + strspn(line + 3 + len, " ");
	}
	return NULL;
}

/* Bytes that the first request takes once it is complete; 0: not yet; SIZE_MAX: not HTTP. */
static NOINLINE size_t parse_request(struct connection *c)
{
	char *end = strstr(c->request, "\r\n\r\n");
	uint64_t body_len = 0;

	if (!end)
		return c->used >= REQUEST_MAX ? SIZE_MAX : 0;
	end += 4;
	char *length = find_header(c->request, end, "Content-Length");
	char *connection = find_header(c->request, end, "Connection");

	if (length && fg_num_u64(length, strcspn(length, " \r"), &body_len, NULL))
		return SIZE_MAX;
	size_t head_len = (size_t)(end - c->request);

	if (body_len > REQUEST_MAX - head_len)
		return SIZE_MAX;
	if (c->used < head_len + body_len)
		return 0;
	c->wants_close = connection && strncasecmp(connection, "close", 5) == 0;
	char *path = strchr(c->request, ' ');
	char *version = path ? strchr(path + 1, ' ') : NULL;

	if (!version || version > end)
		return SIZE_MAX;
	*path = '\0';
	*version = '\0';
	handle(c, c->request, path + 1, end, body_len);
	return head_len + body_len;
}

/* -- connections ---------------------------------------------------------------------------- */

static void close_connection(struct connection *c)
{
	(void)close(c->fd);
	fg_buf_done(&c->response);
	free(c);
}

/* False once the connection is gone. */
static bool flush_response(int epoll_fd, struct connection *c)
{
	while (c->sent < c->response.len) {
		ssize_t n = send(c->fd, c->response.data + c->sent, c->response.len - c->sent,
				 MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return false;
		if (n < 0)
			break;
		c->sent += (size_t)n;
	}
	bool is_done = c->sent == c->response.len;
	struct epoll_event event = {.events = is_done ? EPOLLIN : EPOLLOUT, .data.ptr = c};

	if (is_done) {
		fg_buf_clear(&c->response);
		c->sent = 0;
	}
	if (is_done && c->wants_close)
		return false;
	return epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &event) == 0;
}

static bool serve_requests(struct connection *c)
{
	while (c->used && !c->wants_close) {
		c->request[c->used] = '\0';
		size_t taken = parse_request(c);

		if (taken == SIZE_MAX) {
			c->wants_close = true;
			respond(c, "400 Bad Request", "text/plain", "bad request\n", 12);
			return true;
		}
		if (taken == 0)
			return true;
		memmove(c->request, c->request + taken, c->used - taken);
		c->used -= taken;
	}
	return !c->response.failed;
}

static bool on_connection(int epoll_fd, struct connection *c, uint32_t events)
{
	if (events & EPOLLOUT)
		return flush_response(epoll_fd, c);
	ssize_t n = read(c->fd, c->request + c->used, REQUEST_MAX - c->used);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	c->used += (size_t)n;
	if (!serve_requests(c))
		return false;
	return c->response.len == 0 || flush_response(epoll_fd, c);
}

static void accept_all(int epoll_fd, int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		int on = 1;

		if (fd < 0)
			return;
		struct connection *c = calloc(1, sizeof(*c));
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (!c || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
			(void)close(fd);
			free(c);
			continue;
		}
		c->fd = fd;
		fg_buf_init(&c->response, RESPONSE_MAX * 2);
	}
}

/* -- start ---------------------------------------------------------------------------------- */

static int open_listener(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 511) ||
	    getsockname(fd, (struct sockaddr *)&address, &len)) {
		perror("zoo_shop: cannot listen");
		return -1;
	}
	(void)printf("listening on 127.0.0.1:%u\n", ntohs(address.sin_port));
	(void)fflush(stdout);
	return fd;
}

static int watch_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Runs until a signal; what a pointer in an event is, its address tells. */
static NOINLINE int serve(int epoll_fd, int listener)
{
	static char signal_mark;
	static char listener_mark;
	int signal_fd = watch_signals();
	struct epoll_event on_signal = {.events = EPOLLIN, .data.ptr = &signal_mark};
	struct epoll_event on_listener = {.events = EPOLLIN, .data.ptr = &listener_mark};

	if (signal_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, signal_fd, &on_signal) ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &on_listener))
		return 1;
	for (;;) {
		struct epoll_event events[EVENTS_MAX];
		int count = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);

		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr == &signal_mark)
				return 0;
			if (events[i].data.ptr == &listener_mark)
				accept_all(epoll_fd, listener);
			else if (!on_connection(epoll_fd, events[i].data.ptr, events[i].events))
				close_connection(events[i].data.ptr);
		}
		if (count < 0 && errno != EINTR)
			return 1;
	}
}

int main(int argc, char **argv)
{
	const char *burn = getenv("ZOO_SHOP_BURN");
	uint64_t port = 0;

	if (burn && (fg_num_u64(burn, strlen(burn), &escape_rounds, NULL) || escape_rounds < 1 ||
		     escape_rounds > 1000))
		argc = 0;
	if (argc == 3 && strcmp(argv[1], "--port") == 0) {
		if (fg_num_u64(argv[2], strlen(argv[2]), &port, NULL) || port > UINT16_MAX)
			argc = 0;
	} else if (argc != 1) {
		argc = 0;
	}
	if (argc == 0) {
		(void)fprintf(stderr, "usage: [ZOO_SHOP_BURN=1..1000] zoo_shop [--port N]\n");
		return 2;
	}
	int listener = open_listener((uint16_t)port);
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);

	if (listener < 0 || epoll_fd < 0)
		return 1;
	return serve(epoll_fd, listener);
}
