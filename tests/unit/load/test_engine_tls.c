/* SPDX-License-Identifier: Apache-2.0 */
/* The engine suite, TLS: who is trusted, under which name, from which version on. */
#include "tests/unit/load/engine_rig.h"

#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/clock.h"
#include "tests/unit/load/script_server.h"

#define OK_TEXT "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static struct tls_files files;

/* Paths known only at run time, named in the table. */
enum path {
	PATH_NONE,
	PATH_CA,
	PATH_OTHER_CA,
	PATH_GOOD,
	PATH_NAMED,
	PATH_EXPIRED,
	PATH_SELF,
	PATH_CLIENT,
	PATH_ABSENT
};

static char *path_of(enum path path)
{
	static char absent[] = "/no/such/file.pem";
	char *const paths[] = {
		[PATH_CA] = files.ca,           [PATH_OTHER_CA] = files.other_ca,
		[PATH_GOOD] = files.good,       [PATH_NAMED] = files.named,
		[PATH_EXPIRED] = files.expired, [PATH_SELF] = files.self_signed,
		[PATH_CLIENT] = files.client,   [PATH_ABSENT] = absent,
	};

	return path ? paths[path] : NULL;
}

/* Files that are not there are found before a run (precheck); an engine may refuse to start. */
#define ANY_ERROR FG_NET_ERROR_COUNT

struct row {
	const char *name;
	enum path server, client_ca; /* of the server */
	int server_max;
	enum path ca, cert; /* of the request */
	const char *server_name;
	bool insecure;
	enum fg_tls_version min;
	enum fg_net_error error;
	const char *host; /* of the URL; NULL: 127.0.0.1 */
};

static const struct row rows[] = {
	{"own CA", PATH_GOOD, 0, 0, PATH_CA, 0, NULL, false, FG_TLS_1_2, FG_NET_OK, NULL},
	{"own CA, by name", PATH_GOOD, 0, 0, PATH_CA, 0, NULL, false, FG_TLS_1_2, FG_NET_OK,
	 "localhost"},
	{"the system's CAs", PATH_GOOD, 0, 0, 0, 0, NULL, false, FG_TLS_1_2, FG_NET_TLS, NULL},
	{"another CA", PATH_GOOD, 0, 0, PATH_OTHER_CA, 0, NULL, false, FG_TLS_1_2, FG_NET_TLS,
	 NULL},
	{"a CA file that is not there", PATH_GOOD, 0, 0, PATH_ABSENT, 0, NULL, false, FG_TLS_1_2,
	 ANY_ERROR, NULL},
	{"no CA, insecure", PATH_GOOD, 0, 0, 0, 0, NULL, true, FG_TLS_1_2, FG_NET_OK, NULL},
	{"wrong host", PATH_NAMED, 0, 0, PATH_CA, 0, NULL, false, FG_TLS_1_2, FG_NET_TLS, NULL},
	{"wrong host, insecure", PATH_NAMED, 0, 0, PATH_CA, 0, NULL, true, FG_TLS_1_2, FG_NET_OK,
	 NULL},
	{"serverName", PATH_NAMED, 0, 0, PATH_CA, 0, "name.test", false, FG_TLS_1_2, FG_NET_OK,
	 NULL},
	{"wrong serverName", PATH_GOOD, 0, 0, PATH_CA, 0, "name.test", false, FG_TLS_1_2,
	 FG_NET_TLS, NULL},
	{"serverName, insecure", PATH_GOOD, 0, 0, 0, 0, "name.test", true, FG_TLS_1_2, FG_NET_OK,
	 NULL},
	{"expired", PATH_EXPIRED, 0, 0, PATH_CA, 0, NULL, false, FG_TLS_1_2, FG_NET_TLS, NULL},
	{"expired, insecure", PATH_EXPIRED, 0, 0, PATH_CA, 0, NULL, true, FG_TLS_1_2, FG_NET_OK,
	 NULL},
	{"self-signed", PATH_SELF, 0, 0, PATH_CA, 0, NULL, false, FG_TLS_1_2, FG_NET_TLS, NULL},
	{"self-signed, insecure", PATH_SELF, 0, 0, 0, 0, NULL, true, FG_TLS_1_2, FG_NET_OK, NULL},
	{"self-signed, trusted", PATH_SELF, 0, 0, PATH_SELF, 0, NULL, false, FG_TLS_1_2, FG_NET_OK,
	 NULL},
	{"client certificate", PATH_GOOD, PATH_CA, 0, PATH_CA, PATH_CLIENT, NULL, false, FG_TLS_1_2,
	 FG_NET_OK, NULL},
	{"no client certificate", PATH_GOOD, PATH_CA, 0, PATH_CA, 0, NULL, false, FG_TLS_1_2,
	 FG_NET_TLS, NULL},
	{"no client certificate, TLS 1.2", PATH_GOOD, PATH_CA, 12, PATH_CA, 0, NULL, false,
	 FG_TLS_1_2, FG_NET_TLS, NULL},
	{"a client certificate of somebody else", PATH_GOOD, PATH_CA, 0, PATH_CA, PATH_SELF, NULL,
	 false, FG_TLS_1_2, FG_NET_TLS, NULL},
	{"a client certificate that is not there", PATH_GOOD, PATH_CA, 0, PATH_CA, PATH_ABSENT,
	 NULL, false, FG_TLS_1_2, ANY_ERROR, NULL},
	{"TLS 1.2 is enough", PATH_GOOD, 0, 12, PATH_CA, 0, NULL, false, FG_TLS_1_2, FG_NET_OK,
	 NULL},
	{"TLS 1.2 is too old", PATH_GOOD, 0, 12, PATH_CA, 0, NULL, false, FG_TLS_1_3, FG_NET_TLS,
	 NULL},
	{"TLS 1.3", PATH_GOOD, 0, 0, PATH_CA, 0, NULL, false, FG_TLS_1_3, FG_NET_OK, NULL},
	{"older is allowed", PATH_GOOD, 0, 0, PATH_CA, 0, NULL, false, FG_TLS_1_0, FG_NET_OK, NULL},
};

static void serve_ok(struct script_peer *peer)
{
	while (script_read(peer))
		script_text(peer, OK_TEXT);
}

static void configure(struct rig *rig, const struct row *row, char *server_name)
{
	rig->what = row->name;
	rig->http.version = FG_HTTP_1_1; /* what every engine can over TLS */
	rig->http.ca_file = path_of(row->ca);
	rig->http.cert_file = rig->http.key_file = path_of(row->cert);
	rig->http.insecure_skip_verify = row->insecure;
	rig->http.tls_min = row->min;
	rig->http.server_name = row->server_name ? server_name : NULL;
}

static void run_row(const struct fg_engine_ops *ops, const struct row *row)
{
	void *context =
		tls_server_context(path_of(row->server), path_of(row->client_ca), row->server_max);
	struct script_server server = {.serve = serve_ok, .tls_context = context};
	char url[96], host[64], server_name[64];
	struct rig_reply reply;
	struct rig rig;

	script_start(&server);
	rig_open(&rig, ops, 1);
	snprintf(server_name, sizeof(server_name), "%s", row->server_name ? row->server_name : "");
	configure(&rig, row, server_name);
	snprintf(url, sizeof(url), "https://%s:%u/x", row->host ? row->host : "127.0.0.1",
		 server.port);
	snprintf(host, sizeof(host), "\r\nHost: %s:%u\r\n", row->host ? row->host : "127.0.0.1",
		 server.port);
	for (unsigned i = 0; i < 2; i++) {
		rig_get(&rig, url, &reply);
		if (row->error == ANY_ERROR ? !reply.response.error
					    : reply.response.error != row->error)
			fail_msg("%s, \"%s\": %s (%s)", ops->name, row->name,
				 fg_net_error_name(reply.response.error),
				 reply.response.error_text);
		if (!row->error) {
			assert_string_equal(reply.response.body, "hello");
			assert_int_equal(reply.response.reused, i == 1);
			assert_int_equal(reply.response.tls_ns > 0, i == 0);
		}
		rig_forget(&reply);
	}
	rig_close(&rig);
	script_stop(&server);
	tls_context_free(context);
	if (row->error)
		return;
	assert_int_equal(atomic_load(&server.connections), 1);
	assert_non_null(strstr(server.first_request, host));
	assert_non_null(strstr(server.first_request, "GET /x HTTP/1.1\r\n"));
	/* An address is no name: no SNI. */
	assert_string_equal(server.server_name, row->server_name ? row->server_name
						: row->host      ? row->host
								 : "");
}

static void test_trust(void **state)
{
	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		for (size_t i = 0; i < FG_ARRAY_LEN(rows); i++)
			run_row(engine_rig_all[e], &rows[i]);
	}
}

/* A pin and another name at once; and the next request without either. */
static void test_server_name_with_a_pin(void **state)
{
	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		void *context = tls_server_context(files.named, NULL, 0);
		struct script_server server = {.serve = serve_ok, .tls_context = context};
		struct fg_http_options plain;
		struct rig_reply reply;
		struct rig rig;
		struct fg_tags tags = {0};
		struct fg_err err;
		char name[] = "name.test", to[32], url[64];

		script_start(&server);
		rig_open(&rig, engine_rig_all[e], 1);
		rig.http.version = FG_HTTP_1_1;
		rig.http.ca_file = files.ca;
		plain = rig.http;
		plain.insecure_skip_verify = true;
		snprintf(to, sizeof(to), "127.0.0.1:%u", server.port);
		assert_true(fg_tags_add(&tags, "api.test:443", to, &err) >= 0);
		rig.http.resolve = tags;
		rig.http.server_name = name;
		snprintf(url, sizeof(url), "https://127.0.0.1:%u/", server.port);
		for (unsigned i = 0; i < 2; i++) {
			struct fg_engine_request request = rig_request(&rig, "GET", url);

			rig_get(&rig, "https://api.test/", &reply);
			if (reply.response.error)
				fail_msg("%s: %s", rig.ops->name, reply.response.error_text);
			rig_forget(&reply);
			request.http = &plain;
			rig_run(&rig, &request, &reply);
			assert_int_equal(reply.response.error, FG_NET_OK);
			rig_forget(&reply);
		}
		rig_close(&rig);
		script_stop(&server);
		assert_int_equal(atomic_load(&server.connections), 2);
		assert_non_null(strstr(server.first_request, "\r\nHost: api.test\r\n"));
		fg_tags_done(&tags);
		tls_context_free(context);
	}
}

/* -- bodies and ends ------------------------------------------------------------------------------
 */

static void serve_large(struct script_peer *peer)
{
	char *block = calloc(1, 1 << 20);

	assert_non_null(block);
	while (script_read(peer)) {
		script_text(peer, "HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n");
		for (int i = 0; i < 8; i++)
			script_say(peer, block, 1 << 20);
	}
	free(block);
}

static void test_large_bodies_both_ways(void **state)
{
	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		void *context = tls_server_context(files.good, NULL, 0);
		struct script_server server = {.serve = serve_large, .tls_context = context};
		char *body = calloc(1, 4 << 20), url[64];
		struct fg_engine_request request;
		struct rig_reply reply;
		struct rig rig;

		assert_non_null(body);
		script_start(&server);
		rig_open(&rig, engine_rig_all[e], 1);
		rig.http.version = FG_HTTP_1_1;
		rig.http.ca_file = files.ca;
		snprintf(url, sizeof(url), "https://127.0.0.1:%u/", server.port);
		request = rig_request(&rig, "POST", url);
		request.body = body;
		request.body_len = 4 << 20;
		for (unsigned i = 0; i < 2; i++) {
			rig_run(&rig, &request, &reply);
			assert_int_equal(reply.response.error, FG_NET_OK);
			assert_int_equal(reply.response.body_len, 8 << 20);
			assert_true(reply.response.sent_bytes > 4 << 20);
			rig_forget(&reply);
		}
		rig_close(&rig);
		script_stop(&server);
		assert_int_equal(atomic_load(&server.connections), 1);
		tls_context_free(context);
		free(body);
	}
}

static void serve_once(struct script_peer *peer)
{
	if (!script_read(peer))
		return;
	if (strstr(peer->text, "GET /cut"))
		script_text(peer, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello");
	else if (strstr(peer->text, "GET /close"))
		script_text(peer, "HTTP/1.1 200 OK\r\n\r\nhello");
	else if (!strstr(peer->text, "GET /empty"))
		script_text(peer, OK_TEXT);
}

static void test_ends(void **state)
{
	static const struct {
		const char *path;
		enum fg_net_error error;
	} cases[] = {
		{"/", FG_NET_OK},         {"/cut", FG_NET_RESET}, {"/close", FG_NET_OK},
		{"/empty", FG_NET_RESET}, {"/", FG_NET_OK},
	};

	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		void *context = tls_server_context(files.good, NULL, 0);
		struct script_server server = {.serve = serve_once, .tls_context = context};
		struct rig rig;

		script_start(&server);
		rig_open(&rig, engine_rig_all[e], 1);
		rig.http.version = FG_HTTP_1_1;
		rig.http.ca_file = files.ca;
		for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
			struct rig_reply reply;
			char url[64];

			snprintf(url, sizeof(url), "https://127.0.0.1:%u%s", server.port,
				 cases[i].path);
			rig_get(&rig, url, &reply);
			if (reply.response.error != cases[i].error)
				fail_msg("%s, %s: %s (%s)", rig.ops->name, cases[i].path,
					 fg_net_error_name(reply.response.error),
					 reply.response.error_text);
			rig_forget(&reply);
			script_pause_ms(5); /* its close_notify has come */
		}
		rig_close(&rig);
		script_stop(&server);
		tls_context_free(context);
	}
}

static void serve_no_tls(struct script_peer *peer)
{
	char bytes[512];

	(void)script_receive(peer, bytes, sizeof(bytes));
	if (peer->server->context)
		script_text(peer, "this is no TLS\r\n\r\n");
	else
		script_hang(peer);
}

static void test_no_tls_there(void **state)
{
	(void)state;
	for (size_t e = 0; e < engine_rig_count; e++) {
		for (int silent = 0; silent < 2; silent++) {
			struct script_server server = {.serve = serve_no_tls,
						       .context = silent ? NULL : &server};
			struct fg_http_options patient;
			struct fg_engine_request request;
			struct rig_reply reply;
			struct rig rig;
			char url[64];

			script_start(&server);
			rig_open(&rig, engine_rig_all[e], 1);
			rig.http.version = FG_HTTP_1_1;
			snprintf(url, sizeof(url), "https://127.0.0.1:%u/", server.port);
			if (!silent) {
				rig_get(&rig, url, &reply);
				assert_int_equal(reply.response.error, FG_NET_TLS);
				rig_forget(&reply);
			} else { /* the handshake belongs to connecting */
				rig.http.connect_timeout_ns = 50 * FG_NS_PER_MS;
				rig_get(&rig, url, &reply);
				assert_int_equal(reply.response.error, FG_NET_DIAL_TIMEOUT);
				rig_forget(&reply);
				patient = rig.http;
				patient.connect_timeout_ns = 10 * FG_NS_PER_S;
				request = rig_request(&rig, "GET", url);
				request.http = &patient;
				rig_start(&rig, 0, &request, &reply);
				rig_until(&rig, &server.connections, 2);
				rig.ops->cancel(rig.vu);
				rig_wait(&rig, &reply);
				assert_int_equal(reply.response.error, FG_NET_UNFINISHED);
				rig_forget(&reply);
			}
			rig_close(&rig);
			script_stop(&server);
		}
	}
}

static int set_up(void **state)
{
	(void)state;
	tls_files_make(&files);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tls_files_remove(&files);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trust),
		cmocka_unit_test(test_server_name_with_a_pin),
		cmocka_unit_test(test_large_bodies_both_ways),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_no_tls_there),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
