/* SPDX-License-Identifier: Apache-2.0 */
/* A server that follows a script, connection by connection, and a client that drives engine_native
 * without a step machine. */
#ifndef FG_TESTS_NATIVE_KIT_H
#define FG_TESTS_NATIVE_KIT_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "runner/load/native_clock.h"
#include "runner/load/native_internal.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

/* -- the server --------------------------------------------------------------------------------
 */

enum { CONNECTIONS_MAX = 8, TEXTS_MAX = 3, REQUEST_MAX = 64 << 10 };

/* w: wait for a request head; s: say the next text; c: close; r: reset; h: hold until the client
 * closes; g: wait for go. */
struct script {
	const char *actions;
	const char *texts[TEXTS_MAX];
};

struct connection {
	struct peer *peer;
	const struct script *script;
	int fd;
	pthread_t thread;
	char request[REQUEST_MAX]; /* the latest */
};

struct peer {
	const struct script *scripts;
	int fd;
	uint16_t port;
	pthread_t thread;
	atomic_int accepted, ended, go; /* partners: the test's thread */
	struct connection connections[CONNECTIONS_MAX];
};

void peer_listen(struct peer *peer, const struct script *scripts, struct sockaddr *address,
		 socklen_t len);
/** On a port of its own on 127.0.0.1. */
void peer_start(struct peer *peer, const struct script *scripts);
/** How many connections there were. */
int peer_stop(struct peer *peer);

enum { SLOTS = 3 };

struct client {
	uv_loop_t loop;
	struct fg_engine *engine;
	struct fg_engine_vu *vu;
	struct fg_http_options http;
	char url[128];
	bool inside; /* of start */
	struct reply {
		struct client *client;
		bool done;
		struct fg_engine_response response;
		char head[1024], body[1024];
	} replies[SLOTS];
};

void client_start(struct client *client, uint16_t port);
void client_stop(struct client *client);
struct fg_engine_request request_of(struct client *client, const char *method);
int start(struct client *client, unsigned slot, const struct fg_engine_request *request);
/** Runs the loop until the slot's response is there. */
const struct fg_engine_response *finish(struct client *client, unsigned slot);
/** Both, in slot 0, with the client's URL and options. */
const struct fg_engine_response *get(struct client *client, const char *method);

#endif
