/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/load/load_kit.h"

#include "tests/kit/kit.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gate/base/clock.h"

/* String literals stand where the parser would put heap copies; nobody writes to them. */
static char *literal(const char *text)
{
	union {
		const char *in;
		char *out;
	} cast = {.in = text};

	return cast.out;
}

void load_file_init(struct load_file *lf)
{
	memset(lf, 0, sizeof(*lf));
	lf->file.name = literal("test");
	lf->file.scenarios = lf->scenarios;
}

static struct fg_scenario *add_scenario(struct load_file *lf, enum fg_executor executor)
{
	const size_t index = lf->file.scenario_count++;
	struct fg_scenario *s = &lf->scenarios[index];

	assert_true(index < LOAD_SCENARIOS_MAX);
	snprintf(lf->names[index], sizeof(lf->names[index]), "s%zu", index);
	s->name = lf->names[index];
	s->executor = executor;
	s->graceful_stop_ns = s->graceful_ramp_down_ns = 30 * FG_NS_PER_S;
	s->time_unit_ns = FG_NS_PER_S;
	s->steps.items = lf->steps[index];
	return s;
}

struct fg_scenario *load_file_arrival(struct load_file *lf, uint64_t rate, uint64_t duration_ns,
				      uint64_t vus, uint64_t vus_max)
{
	struct fg_scenario *s = add_scenario(lf, FG_EXEC_CONSTANT_ARRIVAL_RATE);

	s->rate = rate;
	s->duration_ns = duration_ns;
	s->pre_allocated_vus = vus;
	s->max_vus = vus_max;
	return s;
}

struct fg_scenario *load_file_vus(struct load_file *lf, uint64_t vus, uint64_t duration_ns)
{
	struct fg_scenario *s = add_scenario(lf, FG_EXEC_CONSTANT_VUS);

	s->vus = vus;
	s->duration_ns = duration_ns;
	return s;
}

void load_template(struct load_file *lf, struct fg_template *out, const char *text)
{
	const char *mark = strchr(text, '#');

	assert_true(lf->part_count + 2 <= FG_ARRAY_LEN(lf->parts));
	out->source = literal(text);
	out->parts = &lf->parts[lf->part_count];
	out->part_count = mark ? 2 : 1;
	out->parts[0].text = literal(text);
	if (mark) {
		char *prefix = lf->prefixes[lf->part_count];

		snprintf(prefix, sizeof(lf->prefixes[0]), "%.*s", (int)(mark - text), text);
		out->parts[0].text = prefix;
	}
	lf->part_count += out->part_count;
	out->parts[0].len = strlen(out->parts[0].text);
	if (mark)
		out->parts[1].kind = !strcmp(mark, "#vu")          ? FG_PART_VU
				     : !strcmp(mark, "#iteration") ? FG_PART_ITERATION
								   : FG_PART_SCENARIO_ITERATION;
}

static struct fg_step *add_step(struct load_file *lf, enum fg_step_kind kind)
{
	struct fg_scenario *s = &lf->scenarios[lf->file.scenario_count - 1];
	struct fg_step *step = &s->steps.items[s->steps.count++];

	assert_true(s->steps.count <= LOAD_STEPS_MAX);
	step->kind = kind;
	return step;
}

struct fg_step_http *load_file_request(struct load_file *lf, const char *method, const char *url)
{
	struct fg_step_http *http = &add_step(lf, FG_STEP_HTTP)->http;

	http->method = literal(method);
	http->name = literal(url);
	load_template(lf, &http->url, url);
	http->http.timeout_ns = 10 * FG_NS_PER_S;
	http->http.connect_timeout_ns = 5 * FG_NS_PER_S;
	http->http.max_redirects = 10;
	return http;
}

struct fg_step_think *load_file_think(struct load_file *lf, uint64_t min_ns, uint64_t max_ns)
{
	struct fg_step_think *think = &add_step(lf, FG_STEP_THINK)->think;

	think->distribution = min_ns == max_ns ? FG_THINK_CONSTANT : FG_THINK_UNIFORM;
	think->min_ns = min_ns;
	think->max_ns = max_ns;
	return think;
}

/* -- server --------------------------------------------------------------------------------- */

enum { CLIENTS_MAX = 256 };

struct client {
	int fd;
	char text[4096];
	size_t len;
	uint64_t answer_at_ns; /* SERVER_DELAY */
};

static void say(int fd, const char *text)
{
	(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void drop(struct client *client, bool reset)
{
	const struct linger now = {.l_onoff = 1};

	if (reset)
		setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(client->fd);
	client->fd = -1;
}

static void say_endless_headers(struct client *client)
{
	char line[1024];

	say(client->fd, "HTTP/1.1 200 OK\r\n");
	memset(line, 'x', sizeof(line));
	memcpy(line, "a: ", 3);
	memcpy(line + sizeof(line) - 3, "\r\n", 3);
	for (int i = 0; i < 4096; i++) {
		if (send(client->fd, line, sizeof(line) - 1, MSG_NOSIGNAL) < 0)
			break;
	}
	drop(client, false);
}

static void answer(struct server *server, struct client *client)
{
	const bool target = !strncmp(client->text, "GET /target", 11);

	switch (server->mode) {
	case SERVER_STATUS_500:
		say(client->fd, "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
		return;
	case SERVER_GARBAGE:
		say(client->fd, "\x01\x02 this is not a server you want\n\n");
		drop(client, false);
		return;
	case SERVER_HANG:
		return;
	case SERVER_RESET:
	case SERVER_EMPTY:
		drop(client, server->mode == SERVER_RESET);
		return;
	case SERVER_PARTIAL:
		say(client->fd, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello");
		drop(client, false);
		return;
	case SERVER_REDIRECT:
	case SERVER_LOOP:
		say(client->fd, target && server->mode == SERVER_REDIRECT
					? OK_ANSWER
					: "HTTP/1.1 302 Found\r\nLocation: /target\r\n"
					  "Content-Length: 0\r\n\r\n");
		return;
	case SERVER_CLOSE:
		say(client->fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
		drop(client, false);
		return;
	case SERVER_IDLE_CLOSE:
		say(client->fd, OK_ANSWER);
		drop(client, false);
		return;
	case SERVER_HEADERS:
		say_endless_headers(client);
		return;
	case SERVER_CHUNKS:
		say(client->fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
		return;
	case SERVER_ECHO:
		say(client->fd, strstr(client->text, server->expect)
					? OK_ANSWER
					: "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n");
		return;
	case SERVER_COOKIE:
		say(client->fd,
		    !strncmp(client->text, "GET /first", 10) == !strstr(client->text, "Cookie: a=b")
			    ? "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
			    : "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
		return;
	case SERVER_OK:
	case SERVER_DELAY:
		break;
	}
	say(client->fd, OK_ANSWER);
}

static void on_request(struct server *server, struct client *client)
{
	if (!server->requests++)
		memcpy(server->first_request, client->text, client->len + 1);
	client->len = 0;
	if (server->mode == SERVER_DELAY)
		client->answer_at_ns = fg_clock_monotonic_ns() + server->delay_ms * FG_NS_PER_MS;
	else
		answer(server, client);
}

static void read_client(struct server *server, struct client *client)
{
	const ssize_t n = recv(client->fd, client->text + client->len,
			       sizeof(client->text) - 1 - client->len, MSG_DONTWAIT);
	const char *end, *length;
	size_t body = 0;

	if (n <= 0) {
		drop(client, false);
		return;
	}
	client->len += (size_t)n;
	client->text[client->len] = '\0';
	if (server->mode == SERVER_GARBAGE) { /* also to a TLS hello */
		on_request(server, client);
		return;
	}
	end = strstr(client->text, "\r\n\r\n");
	length = strstr(client->text, "Content-Length: ");
	if (length && length < end)
		body = (size_t)(length[16] - '0') * 10 + (size_t)(length[17] - '0');
	if (end && client->len >= (size_t)(end + 4 - client->text) + body)
		on_request(server, client);
}

static int delayed(struct server *server, struct client *clients)
{
	const uint64_t now_ns = fg_clock_monotonic_ns();
	int timeout_ms = -1;

	for (int i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &clients[i];

		if (client->fd < 0 || !client->answer_at_ns)
			continue;
		if (client->answer_at_ns <= now_ns) {
			client->answer_at_ns = 0;
			answer(server, client);
		} else {
			timeout_ms = 1;
		}
	}
	return timeout_ms;
}

static void accept_client(struct server *server, struct client *clients)
{
	const int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
	const int one = 1;

	for (int i = 0; i < CLIENTS_MAX && fd >= 0; i++) {
		if (clients[i].fd >= 0)
			continue;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		clients[i] = (struct client){.fd = fd};
		server->connections++;
		return;
	}
	if (fd >= 0)
		close(fd);
}

static void *serve(void *context)
{
	struct server *server = context;
	struct client *clients = calloc(CLIENTS_MAX, sizeof(*clients));
	struct pollfd fds[CLIENTS_MAX + 2] = {{server->fd, POLLIN, 0},
					      {server->stop_fd, POLLIN, 0}};

	if (!clients)
		return NULL;
	for (int i = 0; i < CLIENTS_MAX; i++)
		clients[i].fd = -1;
	for (;;) {
		for (int i = 0; i < CLIENTS_MAX; i++)
			fds[i + 2] = (struct pollfd){clients[i].fd, POLLIN, 0};
		if (poll(fds, CLIENTS_MAX + 2, delayed(server, clients)) < 0 || fds[1].revents)
			break;
		for (int i = 0; i < CLIENTS_MAX; i++) {
			if (fds[i + 2].revents && clients[i].fd >= 0)
				read_client(server, &clients[i]);
		}
		if (fds[0].revents)
			accept_client(server, clients);
	}
	for (int i = 0; i < CLIENTS_MAX; i++) {
		if (clients[i].fd >= 0)
			close(clients[i].fd);
	}
	free(clients);
	return NULL;
}

void server_start(struct server *server, enum server_mode mode)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	server->mode = mode;
	server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	server->stop_fd = eventfd(0, EFD_CLOEXEC);
	assert_true(server->fd >= 0 && server->stop_fd >= 0);
	assert_int_equal(bind(server->fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(server->fd, 512), 0);
	assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &len), 0);
	server->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

void server_stop(struct server *server)
{
	assert_int_equal(eventfd_write(server->stop_fd, 1), 0);
	pthread_join(server->thread, NULL);
	close(server->fd);
	close(server->stop_fd);
}
