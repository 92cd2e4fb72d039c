/* SPDX-License-Identifier: Apache-2.0 */
/* The engine suite, what only curl can: proxies, digest, SigV4, HTTP/2 that is not there. On every
 * other engine each of them is refused before the run. */
#include "tests/unit/load/engine_rig.h"

#include "tests/kit/kit.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gate/base/clock.h"
#include "gate/base/num.h"
#include "tests/unit/load/script_server.h"

#define OK_TEXT "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static void serve_ok(struct script_peer *peer)
{
	while (script_read(peer))
		script_text(peer, OK_TEXT);
}

/* -- proxies -------------------------------------------------------------------------------------
 */

static int dial(unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				      .sin_port = htons((uint16_t)port)};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool carry(int from, int to)
{
	char bytes[4096];
	const ssize_t n = recv(from, bytes, sizeof(bytes), 0);

	return n > 0 && send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n;
}

static void relay(struct script_peer *peer, int fd)
{
	struct pollfd fds[2] = {{peer->fd, POLLIN, 0}, {fd, POLLIN, 0}};

	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents && !carry(peer->fd, fd))
			break;
		if (fds[1].revents && !carry(fd, peer->fd))
			break;
	}
	close(fd);
}

/* Answers absolute requests itself; CONNECT opens a way. With a context: wants credentials. */
static void serve_http_proxy(struct script_peer *peer)
{
	while (script_read(peer)) {
		const char *colon = strchr(peer->text, ':');
		uint64_t port = 0;
		int fd;

		if (peer->server->context &&
		    !strstr(peer->text, "\r\nProxy-Authorization: Basic dTpw\r\n")) { /* u:p */
			script_text(peer, "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n");
			continue;
		}
		if (strncmp(peer->text, "CONNECT ", 8) != 0) {
			script_text(peer, strncmp(peer->text, "GET http://", 11)
						  ? "HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n"
						  : OK_TEXT);
			continue;
		}
		if (!colon || fg_num_u64(colon + 1, strcspn(colon + 1, " "), &port, NULL) ||
		    (fd = dial((unsigned)port)) < 0) {
			script_text(peer, "HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n");
			return;
		}
		script_text(peer, "HTTP/1.1 200 Here you are\r\nX-Proxy: yes\r\n\r\n");
		relay(peer, fd);
		return;
	}
}

static bool receive_all(struct script_peer *peer, char *bytes, size_t len)
{
	for (size_t have = 0; have < len;) {
		const long n = script_receive(peer, bytes + have, len - have);

		if (n <= 0)
			return false;
		have += (size_t)n;
	}
	return true;
}

static void serve_socks(struct script_peer *peer)
{
	static const char none[] = {5, 0}, done[] = {5, 0, 0, 1, 0, 0, 0, 0, 0, 0};
	char bytes[256];
	int fd;

	if (!receive_all(peer, bytes, 2) || bytes[0] != 5 ||
	    !receive_all(peer, bytes, (size_t)bytes[1]) || !script_say(peer, none, 2) ||
	    !receive_all(peer, bytes, 10) || bytes[1] != 1 || bytes[3] != 1)
		return; /* CONNECT to an IPv4 address, nothing else */
	fd = dial((unsigned)(unsigned char)bytes[8] << 8 | (unsigned char)bytes[9]);
	if (fd < 0)
		return;
	script_say(peer, done, sizeof(done));
	atomic_fetch_add(&peer->server->requests, 1);
	relay(peer, fd);
}

struct proxy_case {
	const char *name, *scheme;  /* of the proxy's URL, credentials included */
	bool socks, wants_password; /* the proxy */
	bool tls, dead;             /* the server behind it */
	enum fg_net_error error;
	uint16_t status;
	unsigned server_requests, proxy_requests; /* of two */
};

static const struct proxy_case proxy_cases[] = {
	{"http", "http://", false, false, false, false, FG_NET_OK, 200, 0, 2},
	{"https through CONNECT", "http://", false, false, true, false, FG_NET_OK, 200, 2, 1},
	{"socks5", "socks5://", true, false, false, false, FG_NET_OK, 200, 2, 1},
	{"https through socks5", "socks5://", true, false, true, false, FG_NET_OK, 200, 2, 1},
	{"password", "http://u:p@", false, true, false, false, FG_NET_OK, 200, 0, 2},
	{"CONNECT with a password", "http://u:p@", false, true, true, false, FG_NET_OK, 200, 2, 1},
	{"no password", "http://", false, true, false, false, FG_NET_OK, 407, 0, 2},
	{"CONNECT refused", "http://", false, true, true, false, FG_NET_DIAL, 0, 0, 2},
	{"nobody behind it", "http://", false, false, true, true, FG_NET_DIAL, 0, 0, 2},
	{"nobody behind socks5", "socks5://", true, false, false, true, FG_NET_DIAL, 0, 0, 0},
};

static void run_proxy(const struct fg_engine_ops *ops, const struct proxy_case *c,
		      const struct tls_files *files)
{
	void *context = c->tls ? tls_server_context(files->good, NULL, 0) : NULL;
	struct script_server server = {.serve = serve_ok, .tls_context = context};
	struct script_server proxy = {.serve = c->socks ? serve_socks : serve_http_proxy,
				      .context = c->wants_password ? &proxy : NULL};
	char url[64], way[64], ca[96];
	struct rig_reply reply;
	struct rig rig;

	script_start(&server);
	script_start(&proxy);
	rig_open(&rig, ops, 1);
	rig.what = c->name;
	snprintf(way, sizeof(way), "%s127.0.0.1:%u", c->scheme, proxy.port);
	snprintf(url, sizeof(url), "%s://127.0.0.1:%u/", c->tls ? "https" : "http",
		 c->dead ? 1 : server.port);
	snprintf(ca, sizeof(ca), "%s", files->ca);
	rig.http.proxy = way;
	rig.http.ca_file = ca;
	rig.http.version = FG_HTTP_1_1;
	if (!rig_refused(ops, &rig.http, url)) {
		for (unsigned i = 0; i < 2; i++) {
			rig_get(&rig, url, &reply);
			if (reply.response.error != c->error || reply.response.status != c->status)
				fail_msg("%s: %s (%s), status %u", c->name,
					 fg_net_error_name(reply.response.error),
					 reply.response.error_text, reply.response.status);
			assert_null(strstr(reply.response.head, "X-Proxy"));
			rig_forget(&reply);
		}
		assert_int_equal(atomic_load(&server.requests), c->server_requests);
		assert_int_equal(atomic_load(&proxy.requests), c->proxy_requests);
	}
	rig_close(&rig);
	script_stop(&proxy);
	script_stop(&server);
	tls_context_free(context);
}

static void test_proxies(void **state)
{
	struct tls_files files;

	(void)state;
	tls_files_make(&files);
	setenv("http_proxy", "http://127.0.0.1:1", 1); /* the environment's are not used */
	setenv("no_proxy", "127.0.0.1", 1);
	for (size_t e = 0; e < engine_rig_count; e++) {
		for (size_t i = 0; i < FG_ARRAY_LEN(proxy_cases); i++)
			run_proxy(engine_rig_all[e], &proxy_cases[i], &files);
	}
	unsetenv("no_proxy");
	for (size_t e = 0; e < engine_rig_count; e++) {
		struct script_server server = {.serve = serve_ok};
		struct rig_reply reply;
		struct rig rig;
		char url[64];

		script_start(&server);
		rig_open(&rig, engine_rig_all[e], 1);
		snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
		rig_get(&rig, url, &reply);
		assert_int_equal(reply.response.error, FG_NET_OK);
		rig_forget(&reply);
		rig_close(&rig);
		script_stop(&server);
	}
	unsetenv("http_proxy");
	tls_files_remove(&files);
}

/* -- credentials
 * ----------------------------------------------------------------------------------- */

/* The value of name="…" or name=… within a header. */
static void field(const char *text, const char *name, char *out, size_t max)
{
	char key[32];
	const char *at;

	snprintf(key, sizeof(key), "%s=", name);
	out[0] = '\0';
	for (at = strstr(text, key); at && at[-1] != ' ' && at[-1] != ','; at = strstr(at + 1, key))
		;
	if (!at)
		return;
	at += strlen(key);
	if (*at == '"')
		snprintf(out, max, "%.*s", (int)strcspn(at + 1, "\""), at + 1);
	else
		snprintf(out, max, "%.*s", (int)strcspn(at, ",\r"), at);
}

static void md5(const char *text, char *out)
{
	tls_digest("MD5", text, strlen(text), out);
}

static bool digest_is_right(const struct script_peer *peer, const char *header)
{
	char nonce[64], cnonce[128], nc[16], uri[64], response[64], a1[33], a2[33], mine[33];
	char text[512], method[16];

	field(header, "nonce", nonce, sizeof(nonce));
	field(header, "cnonce", cnonce, sizeof(cnonce));
	field(header, "nc", nc, sizeof(nc));
	field(header, "uri", uri, sizeof(uri));
	field(header, "response", response, sizeof(response));
	snprintf(method, sizeof(method), "%.*s", (int)strcspn(peer->text, " "), peer->text);
	md5("user:realm:secret", a1);
	snprintf(text, sizeof(text), "%s:%s", method, uri);
	md5(text, a2);
	snprintf(text, sizeof(text), "%s:%s:%s:%s:auth:%s", a1, nonce, nc, cnonce, a2);
	md5(text, mine);
	return !strcmp(mine, response) && !strcmp(nonce, "abc");
}

static void serve_digest(struct script_peer *peer)
{
	while (script_read(peer)) {
		const char *header = strstr(peer->text, "\r\nAuthorization: Digest ");
		char uri[64];

		if (!header || !digest_is_right(peer, header)) {
			script_text(peer, "HTTP/1.1 401 No\r\nWWW-Authenticate: Digest "
					  "realm=\"realm\", nonce=\"abc\", qop=\"auth\"\r\n"
					  "X-First: yes\r\nContent-Length: 2\r\n\r\nno");
			continue;
		}
		field(header, "uri", uri, sizeof(uri));
		script_text(peer, strstr(peer->text, uri) && (strncmp(peer->text, "POST", 4) ||
							      !strcmp(peer->body, "body"))
					  ? OK_TEXT
					  : "HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n");
	}
}

/* The nonce is asked for once; afterwards one request is one request. */
static void test_digest(void **state)
{
	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		struct script_server server = {.serve = serve_digest};
		struct fg_engine_auth auth = {FG_AUTH_DIGEST, "user", "secret", NULL, NULL, NULL};
		struct fg_engine_request request;
		struct rig_reply reply;
		struct rig rig;
		char url[64];

		script_start(&server);
		rig_open(&rig, engine_rig_all[e], 1);
		rig.http.auth.kind = FG_AUTH_DIGEST;
		snprintf(url, sizeof(url), "http://127.0.0.1:%u/x?y=1", server.port);
		for (unsigned i = 0; !rig_refused(rig.ops, &rig.http, url) && i < 4; i++) {
			request = rig_request(&rig, i % 2 ? "GET" : "POST", url);
			request.auth = &auth;
			request.body = i % 2 ? NULL : "body";
			request.body_len = i % 2 ? 0 : 4;
			auth.password = i < 3 ? "secret" : "wrong";
			rig_run(&rig, &request, &reply);
			assert_int_equal(reply.response.error, FG_NET_OK);
			assert_int_equal(reply.response.status, i < 3 ? 200 : 401);
			if (i < 3) {
				assert_string_equal(reply.response.body, "hello");
				assert_null(strstr(reply.response.head, "X-First"));
			}
			rig_forget(&reply);
			if (i == 2)
				assert_int_equal(atomic_load(&server.requests), 4);
		}
		if (rig.ops == &fg_engine_curl) { /* nothing is left for who has no credentials */
			rig_get(&rig, url, &reply);
			assert_int_equal(reply.response.status, 401);
			assert_string_equal(reply.response.body, "no");
			rig_forget(&reply);
		}
		rig_close(&rig);
		script_stop(&server);
	}
}

/* What AWS would compute from the request that came. */
static void sign(const struct script_peer *peer, const char *header, char *out)
{
	char credential[128], names[128], date[32] = "", canonical[2048], text[2048], hash[65];
	char left[128], *name, *rest;
	const char *line = strstr(peer->text, "X-Amz-Date: ");
	unsigned char key[32];
	size_t len;

	field(header, "Credential", credential, sizeof(credential));
	field(header, "SignedHeaders", names, sizeof(names));
	if (line)
		snprintf(date, sizeof(date), "%.16s", line + 12);
	len = (size_t)snprintf(canonical, sizeof(canonical), "%.*s\n/x\ny=1\n",
			       (int)strcspn(peer->text, " "), peer->text);
	snprintf(left, sizeof(left), "%s", names);
	for (name = strtok_r(left, ";", &rest); name; name = strtok_r(NULL, ";", &rest)) {
		char key_text[64];
		const char *value;

		snprintf(key_text, sizeof(key_text), "\r\n%s: ", name);
		value = strcasestr(peer->text, key_text);
		if (value)
			len += (size_t)snprintf(canonical + len, sizeof(canonical) - len,
						"%s:%.*s\n", name,
						(int)strcspn(value + strlen(key_text), "\r"),
						value + strlen(key_text));
	}
	tls_digest("SHA256", peer->body, peer->body_len, hash);
	snprintf(canonical + len, sizeof(canonical) - len, "\n%s\n%s", names, hash);
	tls_digest("SHA256", canonical, strlen(canonical), hash);
	snprintf(text, sizeof(text), "AWS4-HMAC-SHA256\n%s\n%.8s/here/things/aws4_request\n%s",
		 date, date, hash);
	snprintf(canonical, sizeof(canonical), "%.8s", date);
	tls_hmac("AWS4secret", 10, canonical, key);
	tls_hmac(key, sizeof(key), "here", key);
	tls_hmac(key, sizeof(key), "things", key);
	tls_hmac(key, sizeof(key), "aws4_request", key);
	tls_hmac(key, sizeof(key), text, key);
	for (size_t i = 0; i < sizeof(key); i++)
		snprintf(out + 2 * i, 3, "%02x", key[i]);
}

static void serve_sigv4(struct script_peer *peer)
{
	while (script_read(peer)) {
		const char *header = strstr(peer->text, "\r\nAuthorization: AWS4-HMAC-SHA256 ");
		char signature[65] = "", mine[65] = "-", names[128] = "";
		bool ok;

		if (header) {
			field(header, "Signature", signature, sizeof(signature));
			field(header, "SignedHeaders", names, sizeof(names));
			sign(peer, header, mine);
		}
		ok = header && strstr(header, "Credential=access/") && !strcmp(signature, mine) &&
		     (!peer->server->context || strstr(names, "x-amz-security-token"));
		script_text(peer, ok ? OK_TEXT : "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
	}
}

static void test_sigv4(void **state)
{
	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		for (int token = 0; token < 2; token++) {
			struct script_server server = {.serve = serve_sigv4,
						       .context = token ? &server : NULL};
			const struct fg_engine_auth auth = {FG_AUTH_SIGV4, "access",
							    "secret",      token ? "tok" : NULL,
							    "here",        "things"};
			static const char *const methods[] = {"GET", "POST", "PUT"};
			struct rig_reply reply;
			struct rig rig;
			char url[64];

			script_start(&server);
			rig_open(&rig, engine_rig_all[e], 1);
			rig.http.auth.kind = FG_AUTH_SIGV4;
			snprintf(url, sizeof(url), "http://127.0.0.1:%u/x?y=1", server.port);
			for (unsigned i = 0; !rig_refused(rig.ops, &rig.http, url) && i < 3; i++) {
				struct fg_engine_request request =
					rig_request(&rig, methods[i], url);

				request.auth = &auth;
				request.body = i ? "{\"a\":1}" : NULL;
				request.body_len = i ? 7 : 0;
				rig_run(&rig, &request, &reply);
				if (reply.response.status != 200)
					fail_msg("%s: %u: %s", methods[i], reply.response.status,
						 server.first_request);
				rig_forget(&reply);
			}
			rig_close(&rig);
			script_stop(&server);
		}
	}
}

/* -- HTTP/2 (the real one: tests/e2e/test_http.py with nginx)
 * -------------------------------------- */

static void test_http2_is_not_http1(void **state)
{
	static const enum fg_http_version versions[] = {FG_HTTP_2, FG_HTTP_H2C};

	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		for (size_t i = 0; i < FG_ARRAY_LEN(versions); i++) {
			struct script_server server = {.serve = serve_ok};
			struct rig_reply reply;
			struct rig rig;
			char url[64];

			script_start(&server);
			rig_open(&rig, engine_rig_all[e], 1);
			rig.http.version = versions[i];
			snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
			if (!rig_refused(rig.ops, &rig.http, url)) {
				rig_get(&rig, url, &reply);
				/* with h2c libcurl says no more than that nothing came */
				if (reply.response.error !=
				    (i ? FG_NET_RESET : FG_NET_BAD_RESPONSE))
					fail_msg("version %d: %s (%s)", versions[i],
						 fg_net_error_name(reply.response.error),
						 reply.response.error_text);
				rig_forget(&reply);
			}
			rig_close(&rig);
			script_stop(&server);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_proxies),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_sigv4),
		cmocka_unit_test(test_http2_is_not_http1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
