/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kit/kit.h"

#include "tests/unit/load/native_kit.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/base/clock.h"

static void wait_request(struct connection *c)
{
	size_t len = 0;

	memset(c->request, 0, sizeof(c->request));
	while (len < sizeof(c->request) - 1 && !strstr(c->request, "\r\n\r\n")) {
		const ssize_t got = recv(c->fd, c->request + len, sizeof(c->request) - 1 - len, 0);

		if (got <= 0)
			return;
		len += (size_t)got;
	}
}

static void hold(int fd)
{
	struct pollfd gone = {.fd = fd, .events = POLLRDHUP};

	(void)poll(&gone, 1, 20000);
}

static void *serve(void *context)
{
	struct connection *c = context;
	const struct linger now = {.l_onoff = 1};
	size_t text = 0;

	for (const char *a = c->script->actions; *a; a++) {
		const char *say = text < TEXTS_MAX ? c->script->texts[text] : NULL;

		if (*a == 'w')
			wait_request(c);
		else if (*a == 's' && say && ++text)
			(void)!send(c->fd, say, strlen(say), MSG_NOSIGNAL);
		else if (*a == 'r')
			setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		else if (*a == 'h')
			hold(c->fd);
		while (*a == 'g' && !atomic_load(&c->peer->go))
			sched_yield();
	}
	close(c->fd);
	atomic_fetch_add(&c->peer->ended, 1);
	return NULL;
}

static void *accept_all(void *context)
{
	struct peer *peer = context;
	int fd;

	while ((fd = accept(peer->fd, NULL, NULL)) >= 0) {
		const int i = atomic_fetch_add(&peer->accepted, 1);
		struct connection *c = &peer->connections[i];

		if (i >= CONNECTIONS_MAX || !peer->scripts[i].actions)
			abort(); /* one connection too many */
		c->peer = peer;
		c->script = &peer->scripts[i];
		c->fd = fd;
		if (pthread_create(&c->thread, NULL, serve, c))
			abort();
	}
	return NULL;
}

void peer_listen(struct peer *peer, const struct script *scripts, struct sockaddr *address,
		 socklen_t len)
{
	memset(peer, 0, sizeof(*peer));
	peer->scripts = scripts;
	peer->fd = socket(address->sa_family, SOCK_STREAM, 0);
	assert_true(peer->fd >= 0);
	assert_int_equal(bind(peer->fd, address, len), 0);
	assert_int_equal(listen(peer->fd, 16), 0);
	assert_int_equal(getsockname(peer->fd, address, &len), 0);
	assert_int_equal(pthread_create(&peer->thread, NULL, accept_all, peer), 0);
}

void peer_start(struct peer *peer, const struct script *scripts)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	peer_listen(peer, scripts, (struct sockaddr *)&address, sizeof(address));
	peer->port = ntohs(address.sin_port);
}

int peer_stop(struct peer *peer)
{
	const int accepted = atomic_load(&peer->accepted);

	shutdown(peer->fd, SHUT_RDWR);
	pthread_join(peer->thread, NULL);
	close(peer->fd);
	for (int i = 0; i < accepted; i++)
		pthread_join(peer->connections[i].thread, NULL);
	return accepted;
}

void client_start(struct client *client, uint16_t port)
{
	struct fg_err err;

	memset(client, 0, sizeof(*client));
	assert_int_equal(uv_loop_init(&client->loop), 0);
	assert_ok(fg_engine_native.engine_new(&client->loop, NULL, &client->engine, &err), &err);
	assert_ok(fg_engine_native.vu_new(client->engine, SLOTS, &client->vu, &err), &err);
	client->http.timeout_ns = 20 * FG_NS_PER_S;
	client->http.connect_timeout_ns = 10 * FG_NS_PER_S;
	snprintf(client->url, sizeof(client->url), "http://127.0.0.1:%u/a?b=c", port);
}

void client_stop(struct client *client)
{
	fg_engine_native.vu_free(client->vu);
	fg_engine_native.engine_close(client->engine);
	uv_run(&client->loop, UV_RUN_DEFAULT);
	fg_engine_native.engine_free(client->engine);
	assert_int_equal(uv_loop_close(&client->loop), 0);
}

static void on_done(void *context, const struct fg_engine_response *response)
{
	struct reply *reply = context;

	assert_false(reply->client->inside);
	assert_false(reply->done);
	reply->done = true;
	reply->response = *response;
	reply->head[0] = reply->body[0] = '\0';
	if (response->head) {
		assert_int_equal(strlen(response->head), response->head_len);
		snprintf(reply->head, sizeof(reply->head), "%s", response->head);
	}
	if (response->body)
		snprintf(reply->body, sizeof(reply->body), "%.*s", (int)response->body_len,
			 response->body);
}

struct fg_engine_request request_of(struct client *client, const char *method)
{
	return (struct fg_engine_request){
		.method = method, .url = client->url, .http = &client->http, .want_body = true};
}

int start(struct client *client, unsigned slot, const struct fg_engine_request *request)
{
	struct fg_err err;
	int rc;

	client->replies[slot].client = client;
	client->replies[slot].done = false;
	client->inside = true;
	rc = fg_engine_native.start(client->vu, slot, request, on_done, &client->replies[slot],
				    &err);
	client->inside = false;
	return rc;
}

const struct fg_engine_response *finish(struct client *client, unsigned slot)
{
	while (!client->replies[slot].done)
		assert_true(uv_run(&client->loop, UV_RUN_ONCE) || client->replies[slot].done);
	return &client->replies[slot].response;
}

const struct fg_engine_response *get(struct client *client, const char *method)
{
	const struct fg_engine_request request = request_of(client, method);

	assert_int_equal(start(client, 0, &request), 0);
	return finish(client, 0);
}
