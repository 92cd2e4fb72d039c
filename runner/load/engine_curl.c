/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference engine: libcurl's multi interface on libuv.
 *
 * Each VU owns one easy handle and, through a CURLSH of its own, its connections: connections are
 * never shared between VUs, as in k6, while one multi handle per worker carries them all.
 * Times: the end and the first byte are stamped with our clock (ns), the phases before the send are
 * curl's (µs). curl 7.88 cannot tell when a request was completely written, so `sending` is 0 and
 * contained in `waiting`; a followed redirect is one request with the sum of its hops.
 * Response bodies are counted and thrown away.
 */
#include "runner/load/engine.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gate/base/clock.h"
#include "runner/load/curl_error.h"
#include "runner/load/curl_uv.h"

#define BODY_BYTES_MAX (1ull << 30)

/* HEADER_BYTES_MAX: all hops of one request together; curl's own limit of 300 KB would look like a
 * reset. */
enum {
	HEADER_BYTES_MAX = 256 << 10,
	CURL_INITIAL_POST_MAX = 64 << 10, /* MAX_INITIAL_POST_SIZE of lib/http.h */
};

struct fg_engine {
	struct fg_curl_uv uv;
};

struct fg_engine_vu {
	struct fg_engine *engine;
	CURL *easy;
	CURLSH *connections;
	struct curl_slist *headers;
	/* What the easy handle is set up for. */
	const void *constant_key;
	const struct fg_http_options *http;
	/* The running request. */
	bool running;
	bool got_cookie;
	bool custom_method; /* set by CURLOPT_CUSTOMREQUEST */
	bool long_body;
	void (*on_done)(void *context, const struct fg_engine_response *response);
	void *context;
	uint64_t start_ns, first_byte_ns;
	uint64_t header_bytes, body_bytes;
	char error_text[CURL_ERROR_SIZE];
};

/* A custom method would stay for the hops after it, where browsers and k6 go on with GET; it is set
 * again for the next request. */
static void forget_method(struct fg_engine_vu *vu, const char *line, size_t len)
{
	const char *space = memchr(line, ' ', len);

	if (len < 5 || memcmp(line, "HTTP/", 5) != 0 || !space || line + len - space < 4 ||
	    memcmp(space + 1, "30", 2) != 0 || space[3] < '1' || space[3] > '3')
		return;
	curl_easy_setopt(vu->easy, CURLOPT_CUSTOMREQUEST, NULL);
	vu->custom_method = false;
	vu->constant_key = NULL;
}

static size_t on_header(char *line, size_t one, size_t len, void *user)
{
	struct fg_engine_vu *vu = user;

	(void)one;
	if (!vu->first_byte_ns)
		vu->first_byte_ns = fg_clock_monotonic_ns();
	vu->header_bytes += len;
	if (vu->custom_method)
		forget_method(vu, line, len);
	if (len > 11 && (line[0] | 0x20) == 's' && !strncasecmp(line, "set-cookie:", 11))
		vu->got_cookie = true;
	return vu->header_bytes > HEADER_BYTES_MAX ? 0 : len;
}

static size_t on_body(char *bytes, size_t one, size_t len, void *user)
{
	struct fg_engine_vu *vu = user;

	(void)bytes;
	(void)one;
	vu->body_bytes += len;
	return vu->body_bytes > BODY_BYTES_MAX ? 0 : len;
}

static uint64_t info_ns(CURL *easy, CURLINFO what)
{
	curl_off_t us = 0;

	if (curl_easy_getinfo(easy, what, &us) || us < 0)
		return 0;
	return (uint64_t)us * FG_NS_PER_US;
}

static long info_long(CURL *easy, CURLINFO what)
{
	long value = 0;

	return curl_easy_getinfo(easy, what, &value) ? 0 : value;
}

/* The phases up to the send; returns how long after start the request was sent, 0: never. */
static uint64_t fill_connection(CURL *easy, struct fg_engine_response *response)
{
	const uint64_t sent_after_ns = info_ns(easy, CURLINFO_PRETRANSFER_TIME_T);
	uint64_t dns_ns, connected_ns, tls_ns;

	response->reused = info_long(easy, CURLINFO_NUM_CONNECTS) == 0;
	response->blocked_ns = sent_after_ns;
	if (response->reused)
		return sent_after_ns;
	dns_ns = info_ns(easy, CURLINFO_NAMELOOKUP_TIME_T);
	connected_ns = info_ns(easy, CURLINFO_CONNECT_TIME_T);
	tls_ns = info_ns(easy, CURLINFO_APPCONNECT_TIME_T);
	response->dns_ns = dns_ns;
	if (connected_ns > dns_ns)
		response->connecting_ns = connected_ns - dns_ns;
	if (tls_ns > connected_ns)
		response->tls_ns = tls_ns - connected_ns;
	return sent_after_ns;
}

static void fill_times(struct fg_engine_vu *vu, struct fg_engine_response *response)
{
	const uint64_t sent_after_ns = fill_connection(vu->easy, response);
	const uint64_t took_ns = response->end_ns - vu->start_ns;
	uint64_t first_byte_ns = vu->first_byte_ns;

	if (!sent_after_ns || sent_after_ns >= took_ns) {
		/* Never sent: all of it was waiting for a connection. */
		response->send_ns = response->end_ns;
		response->blocked_ns = took_ns;
		return;
	}
	response->send_ns = vu->start_ns + sent_after_ns;
	if (!first_byte_ns || first_byte_ns > response->end_ns)
		first_byte_ns = response->end_ns; /* as k6: without an answer, until the end */
	if (first_byte_ns < response->send_ns) /* redirects: the first hop answered before that */
		first_byte_ns = response->send_ns;
	response->waiting_ns = first_byte_ns - response->send_ns;
	response->receiving_ns = response->end_ns - first_byte_ns;
}

/* As on the wire, without what frames chunks. */
static void fill_bytes(struct fg_engine_vu *vu, struct fg_engine_response *response)
{
	curl_off_t uploaded = 0, downloaded = 0;

	response->sent_bytes = (uint64_t)info_long(vu->easy, CURLINFO_REQUEST_SIZE);
	response->received_bytes = vu->header_bytes + vu->body_bytes;
	/* A body up to this size is sent with the headers and counted there. */
	if (vu->long_body && !curl_easy_getinfo(vu->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded))
		response->sent_bytes += (uint64_t)uploaded;
	/* What on_body() sees is decompressed. */
	if (vu->http->compression &&
	    !curl_easy_getinfo(vu->easy, CURLINFO_SIZE_DOWNLOAD_T, &downloaded))
		response->received_bytes = vu->header_bytes + (uint64_t)downloaded;
}

static void fill_error(struct fg_engine_vu *vu, CURLcode code, struct fg_engine_response *response)
{
	const bool connected = info_ns(vu->easy, CURLINFO_PRETRANSFER_TIME_T) > 0;

	response->error = fg_curl_error(code, connected, info_long(vu->easy, CURLINFO_OS_ERRNO));
	/* curl has no code of its own for garbage between chunks. */
	if (code == CURLE_RECV_ERROR && strstr(vu->error_text, "chunk"))
		response->error = FG_NET_BAD_RESPONSE;
	snprintf(response->error_text, sizeof(response->error_text), "%.159s",
		 vu->error_text[0] ? vu->error_text : curl_easy_strerror(code));
}

static void finish(struct fg_engine_vu *vu, const struct fg_engine_response *response)
{
	vu->running = false;
	vu->on_done(vu->context, response);
}

static void on_transfer_done(void *context, CURL *easy, CURLcode code)
{
	struct fg_engine_response response = {.end_ns = fg_clock_monotonic_ns()};
	char *private = NULL;
	struct fg_engine_vu *vu;
	long status;

	(void)context;
	if (curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private) || !private)
		return;
	vu = (struct fg_engine_vu *)(void *)private;
	status = info_long(easy, CURLINFO_RESPONSE_CODE);
	response.status = status > 0 && status <= UINT16_MAX ? (uint16_t)status : 0;
	fill_bytes(vu, &response);
	fill_times(vu, &response);
	if (code)
		fill_error(vu, code, &response);
	finish(vu, &response);
}

/* -- set-up --------------------------------------------------------------------------------- */

static int set_failed(CURLcode code, struct fg_err *err)
{
	return code ? fg_err_set(err, code == CURLE_OUT_OF_MEMORY ? FG_E_NOMEM : FG_E_UNSUPPORTED,
				 "curl: %s", curl_easy_strerror(code))
		    : 0;
}

/* Options of the same type in one table row each; the first failure counts. */
struct long_option {
	CURLoption option;
	long value;
};

static CURLcode set_longs(CURL *easy, const struct long_option *options, size_t count)
{
	CURLcode code = CURLE_OK;

	for (size_t i = 0; i < count && !code; i++)
		code = curl_easy_setopt(easy, options[i].option, options[i].value);
	return code;
}

static CURLcode set_fixed(struct fg_engine_vu *vu)
{
	CURL *easy = vu->easy;
	const struct long_option longs[] = {
		{CURLOPT_NOSIGNAL, 1},
		{CURLOPT_TCP_NODELAY, 1},
		{CURLOPT_DNS_CACHE_TIMEOUT, 300}, /* as k6 */
		{CURLOPT_HTTP09_ALLOWED, 0},
	};
	CURLcode code = set_longs(easy, longs, FG_ARRAY_LEN(longs));

	if (code || (code = curl_easy_setopt(easy, CURLOPT_PRIVATE, vu)) ||
	    (code = curl_easy_setopt(easy, CURLOPT_PROXY, "")) ||
	    (code = curl_easy_setopt(easy, CURLOPT_NOPROXY, "*")) ||
	    (code = curl_easy_setopt(easy, CURLOPT_USERAGENT, "flamegate/" FG_VERSION)) ||
	    (code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https")) ||
	    (code = curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https")) ||
	    (code = curl_easy_setopt(easy, CURLOPT_COOKIEFILE, "")) || /* a jar in memory */
	    (code = curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, vu->error_text)) ||
	    (code = curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header)) ||
	    (code = curl_easy_setopt(easy, CURLOPT_HEADERDATA, vu)) ||
	    (code = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body)) ||
	    (code = curl_easy_setopt(easy, CURLOPT_WRITEDATA, vu)))
		return code;
	return curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)BODY_BYTES_MAX);
}

static long clamp_ms(uint64_t ns)
{
	const uint64_t ms = (ns + FG_NS_PER_MS - 1) / FG_NS_PER_MS;

	return ms > INT32_MAX ? INT32_MAX : (long)ms;
}

static bool same_path(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* Every step has its own copy; setting a dozen options per request costs more than comparing them.
 */
static bool same_http(const struct fg_http_options *a, const struct fg_http_options *b)
{
	return a == b ||
	       (a && a->version == b->version && a->timeout_ns == b->timeout_ns &&
		a->connect_timeout_ns == b->connect_timeout_ns && a->connection == b->connection &&
		a->max_redirects == b->max_redirects && a->compression == b->compression &&
		a->insecure_skip_verify == b->insecure_skip_verify &&
		same_path(a->ca_file, b->ca_file) && same_path(a->cert_file, b->cert_file) &&
		same_path(a->key_file, b->key_file));
}

static const char *default_ca(CURL *easy)
{
	const char *path = NULL;

	return curl_easy_getinfo(easy, CURLINFO_CAINFO, &path) ? NULL : path;
}

static CURLcode set_http(CURL *easy, const struct fg_http_options *http)
{
	static const long versions[] = {
		[FG_HTTP_AUTO] = CURL_HTTP_VERSION_2TLS, /* HTTP/1.1 on cleartext */
		[FG_HTTP_1_1] = CURL_HTTP_VERSION_1_1,
		[FG_HTTP_2] = CURL_HTTP_VERSION_2TLS,
		[FG_HTTP_H2C] = CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE,
	};
	const struct long_option longs[] = {
		{CURLOPT_HTTP_VERSION, versions[http->version]},
		{CURLOPT_TIMEOUT_MS, clamp_ms(http->timeout_ns)},
		{CURLOPT_CONNECTTIMEOUT_MS, clamp_ms(http->connect_timeout_ns)},
		{CURLOPT_FOLLOWLOCATION, http->max_redirects > 0},
		{CURLOPT_MAXREDIRS, (long)FG_MIN(http->max_redirects, 1000u)},
		{CURLOPT_FORBID_REUSE, http->connection == FG_CONNECTION_NONE},
		{CURLOPT_SSL_VERIFYPEER, !http->insecure_skip_verify},
		{CURLOPT_SSL_VERIFYHOST, http->insecure_skip_verify ? 0 : 2},
	};
	CURLcode code = set_longs(easy, longs, FG_ARRAY_LEN(longs));

	if (code ||
	    (code = curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING,
				     http->compression ? "" : NULL)) ||
	    (code = curl_easy_setopt(easy, CURLOPT_CAINFO,
				     http->ca_file ? http->ca_file : default_ca(easy))) ||
	    (code = curl_easy_setopt(easy, CURLOPT_SSLCERT, http->cert_file)))
		return code;
	return curl_easy_setopt(easy, CURLOPT_SSLKEY, http->key_file);
}

static CURLcode set_custom_method(struct fg_engine_vu *vu, const char *method)
{
	vu->custom_method = method != NULL;
	return curl_easy_setopt(vu->easy, CURLOPT_CUSTOMREQUEST, method);
}

static CURLcode set_method(struct fg_engine_vu *vu, const struct fg_engine_request *request)
{
	const bool get = !strcmp(request->method, "GET");
	const bool head = !strcmp(request->method, "HEAD");
	const bool post = !strcmp(request->method, "POST");
	CURL *easy = vu->easy;
	CURLcode code;

	vu->long_body = request->body && request->body_len > CURL_INITIAL_POST_MAX;
	if (post || request->body) {
		const char *body = request->body ? request->body : "";

		if ((code = curl_easy_setopt(easy, CURLOPT_POST, 1L)) ||
		    (code = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
					     (curl_off_t)request->body_len)) ||
		    (code = curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body)))
			return code;
		return set_custom_method(vu, post ? NULL : request->method);
	}
	if ((code = curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L)) ||
	    (code = curl_easy_setopt(easy, CURLOPT_NOBODY, head ? 1L : 0L)))
		return code;
	return set_custom_method(vu, get || head ? NULL : request->method);
}

static bool header_is(const char *line, const char *name)
{
	const size_t len = strlen(name);

	return !strncasecmp(line, name, len) && line[len] == ':';
}

static bool append_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer)
		*list = longer;
	return longer != NULL;
}

/* The step's headers, and lines that keep curl from adding its own: no invented content type, no
 * "Expect: 100-continue" round trip. */
static CURLcode set_headers(struct fg_engine_vu *vu, const struct fg_engine_request *request)
{
	struct curl_slist *list = NULL;
	bool typed = false, expects = false, ok = true;
	CURLcode code;

	for (size_t i = 0; i < request->header_count && ok; i++) {
		const char *line = request->headers[i];

		typed |= header_is(line, "content-type");
		expects |= header_is(line, "expect");
		ok = append_header(&list, line);
	}
	if (ok && (request->body || !strcmp(request->method, "POST")))
		ok = (typed || append_header(&list, "Content-Type:")) &&
		     (expects || append_header(&list, "Expect:"));
	if (ok && request->http->connection == FG_CONNECTION_NONE)
		ok = append_header(&list, "Connection: close");
	code = ok ? curl_easy_setopt(vu->easy, CURLOPT_HTTPHEADER, list) : CURLE_OUT_OF_MEMORY;
	if (code) {
		curl_slist_free_all(list);
		return code;
	}
	curl_slist_free_all(vu->headers);
	vu->headers = list;
	return CURLE_OK;
}

static CURLcode set_request(struct fg_engine_vu *vu, const struct fg_engine_request *request)
{
	CURLcode code;

	if (request->constant_key && request->constant_key == vu->constant_key)
		return CURLE_OK;
	vu->constant_key = NULL;
	if (!same_http(vu->http, request->http)) {
		vu->http = NULL;
		if ((code = set_http(vu->easy, request->http)))
			return code;
	}
	if ((code = curl_easy_setopt(vu->easy, CURLOPT_URL, request->url)) ||
	    (code = set_method(vu, request)) || (code = set_headers(vu, request)))
		return code;
	vu->http = request->http;
	vu->constant_key = request->constant_key;
	return CURLE_OK;
}

/* -- the five functions ---------------------------------------------------------------------- */

static CURLcode global_code;

static void global_init(void)
{
	global_code = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int curl_new(uv_loop_t *loop, const struct fg_scenario_file *file, struct fg_engine **ret,
		    struct fg_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct fg_engine *engine;
	int rc;

	(void)file;
	pthread_once(&once, global_init);
	if (global_code)
		return set_failed(global_code, err);
	engine = calloc(1, sizeof(*engine));
	if (!engine)
		return fg_err_nomem(err);
	rc = fg_curl_uv_init(&engine->uv, loop, on_transfer_done, engine, err);
	if (rc) {
		free(engine);
		return rc;
	}
	*ret = engine;
	return 0;
}

static void curl_close(struct fg_engine *engine)
{
	fg_curl_uv_close(&engine->uv);
}

static void curl_free_engine(struct fg_engine *engine)
{
	if (engine)
		fg_curl_uv_done(&engine->uv);
	free(engine);
}

static CURLcode own_connections(struct fg_engine_vu *vu)
{
	vu->connections = curl_share_init();
	if (!vu->connections ||
	    curl_share_setopt(vu->connections, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT))
		return CURLE_OUT_OF_MEMORY;
	return curl_easy_setopt(vu->easy, CURLOPT_SHARE, vu->connections);
}

static void drop_connections(struct fg_engine_vu *vu)
{
	if (vu->easy)
		curl_easy_setopt(vu->easy, CURLOPT_SHARE, NULL);
	if (vu->connections)
		curl_share_cleanup(vu->connections);
	vu->connections = NULL;
}

static void curl_cancel(struct fg_engine_vu *vu)
{
	struct fg_engine_response response = {.error = FG_NET_UNFINISHED};

	if (!vu->running)
		return;
	response.end_ns = fg_clock_monotonic_ns();
	fill_times(vu, &response);
	fill_bytes(vu, &response);
	snprintf(response.error_text, sizeof(response.error_text), "cut");
	fg_curl_uv_remove(&vu->engine->uv, vu->easy);
	finish(vu, &response);
}

static void curl_vu_free(struct fg_engine_vu *vu)
{
	if (!vu)
		return;
	if (vu->running)
		fg_curl_uv_remove(&vu->engine->uv, vu->easy);
	drop_connections(vu);
	curl_easy_cleanup(vu->easy);
	curl_slist_free_all(vu->headers);
	free(vu);
}

static int curl_vu_new(struct fg_engine *engine, unsigned slots, struct fg_engine_vu **ret,
		       struct fg_err *err)
{
	struct fg_engine_vu *vu = calloc(1, sizeof(*vu));
	CURLcode code = CURLE_OUT_OF_MEMORY;
	int rc;

	(void)slots;
	if (!vu)
		return fg_err_nomem(err);
	vu->engine = engine;
	vu->easy = curl_easy_init();
	if (vu->easy && !(code = own_connections(vu)))
		code = set_fixed(vu);
	rc = set_failed(code, err);
	if (!rc)
		rc = fg_curl_uv_adopt(&engine->uv, vu->easy, err);
	if (rc) {
		curl_vu_free(vu);
		return rc;
	}
	*ret = vu;
	return 0;
}

static void curl_vu_reset(struct fg_engine_vu *vu, enum fg_connection connection)
{
	if (vu->got_cookie)
		curl_easy_setopt(vu->easy, CURLOPT_COOKIELIST, "ALL");
	vu->got_cookie = false;
	if (connection != FG_CONNECTION_ITERATION)
		return;
	drop_connections(vu);
	(void)own_connections(vu); /* if it fails, the worker's common connections are used */
}

static int curl_start(struct fg_engine_vu *vu, unsigned slot,
		      const struct fg_engine_request *request,
		      void (*on_done)(void *context, const struct fg_engine_response *response),
		      void *context, struct fg_err *err)
{
	int rc;

	(void)slot;
	if (vu->running)
		return fg_err_set(err, FG_E_INTERNAL, "curl engine: VU already has a request");
	rc = set_failed(set_request(vu, request), err);
	if (rc)
		return rc;
	vu->on_done = on_done;
	vu->context = context;
	vu->first_byte_ns = 0;
	vu->header_bytes = vu->body_bytes = 0;
	vu->error_text[0] = '\0';
	vu->running = true;
	vu->start_ns = fg_clock_monotonic_ns();
	rc = fg_curl_uv_add(&vu->engine->uv, vu->easy, err);
	if (rc)
		vu->running = false;
	return rc;
}

const struct fg_engine_ops fg_engine_curl = {
	.name = "curl",
	.engine_new = curl_new,
	.engine_free = curl_free_engine,
	.engine_close = curl_close,
	.vu_new = curl_vu_new,
	.vu_free = curl_vu_free,
	.vu_reset = curl_vu_reset,
	.start = curl_start,
	.cancel = curl_cancel,
};
