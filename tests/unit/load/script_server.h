/* SPDX-License-Identifier: Apache-2.0 */
/* A server whose every connection runs a function of the test, blocking, in a thread of its own. */
#ifndef FG_TESTS_SCRIPT_SERVER_H
#define FG_TESTS_SCRIPT_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCRIPT_PEERS_MAX = 1024, SCRIPT_TEXT_MAX = 64 << 10 };

struct script_server;

/* One connection. */
struct script_peer {
	struct script_server *server;
	int fd;
	unsigned number; /* of the connection, from 0 */
	void *tls;       /* SSL *, or NULL */
	unsigned long thread;
	char text[SCRIPT_TEXT_MAX]; /* the newest request's head, NUL-terminated */
	char *body;                 /* and its body, malloced */
	size_t body_len;
	/* What was read beyond the request. */
	char ahead[SCRIPT_TEXT_MAX];
	size_t ahead_len;
};

struct script_server {
	void (*serve)(struct script_peer *peer); /* returns: the connection is closed */
	void *context;                           /* the test's */
	void *tls_context;                       /* SSL_CTX *, or NULL: no TLS */
	const char *unix_path;                   /* NULL: TCP on 127.0.0.1 */
	uint16_t port;
	atomic_uint connections, requests;
	char first_request[SCRIPT_TEXT_MAX]; /* complete after the first answer */
	char server_name[256];               /* SNI of the last handshake */
	/* -- */
	atomic_bool stopping;
	int fd;
	unsigned long thread;
	struct script_peer *peers[SCRIPT_PEERS_MAX];
};

void script_start(struct script_server *server);
void script_stop(struct script_server *server);

/* For serve functions. */
/** Reads a request with its body (Content-Length); false: the client is gone. */
bool script_read(struct script_peer *peer);
bool script_say(struct script_peer *peer, const char *bytes, size_t len);
bool script_text(struct script_peer *peer, const char *text);
/** Waits until the client or the test ends it. */
void script_hang(struct script_peer *peer);
void script_pause_ms(unsigned ms);
/** The next close is a reset. */
void script_reset(struct script_peer *peer);
/** Bytes as they come, for what is not HTTP; ≤ 0: gone. */
long script_receive(struct script_peer *peer, char *bytes, size_t max);

/* tls_kit.c: certificates in a directory, made once per test program. */
struct tls_files {
	char dir[64];
	char ca[96], other_ca[96];
	/* Certificate and key in one file. */
	char good[96] /* localhost, 127.0.0.1 */, named[96] /* name.test */, expired[96];
	char self_signed[96], client[96];
};

void tls_files_make(struct tls_files *files);
void tls_files_remove(struct tls_files *files);
/** SSL_CTX for script_server.tls_context; `client_ca`: who must have signed a client certificate;
 *  `max_version`: 0, or 12. */
void *tls_server_context(const char *pem, const char *client_ca, int max_version);
void tls_context_free(void *context);
/** Hex digest ("MD5", "SHA256") of a text; `out` has room for 65 bytes. */
void tls_digest(const char *algorithm, const void *bytes, size_t len, char *out);
/** HMAC-SHA256, 32 bytes. */
void tls_hmac(const void *key, size_t key_len, const char *text, unsigned char *out);
/* For script_server.c. */
bool tls_accept(struct script_peer *peer, void *context);
long tls_read(struct script_peer *peer, char *bytes, size_t max);
long tls_write(struct script_peer *peer, const char *bytes, size_t len);
void tls_end(struct script_peer *peer);

#endif
