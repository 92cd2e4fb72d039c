/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request to curl's options.
 *
 * An easy handle keeps its options, so only what differs from the slot's previous request is set:
 * nothing for a constant step, the HTTP options only when the step before had others. curl's own
 * inventions (Accept, Expect, a form's content type, redirects, cookies, decompression, proxies of
 * the environment) are switched off: what is sent is what the step says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gate/base/clock.h"
#include "runner/load/curl_slot.h"

enum {
	CURL_INITIAL_POST_MAX = 64 << 10, /* MAX_INITIAL_POST_SIZE of lib/http.h */
	HOST_MAX = 512,
	COOKIE_MAX = 256 << 10,
};

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

struct text_option {
	CURLoption option;
	const char *value; /* NULL: curl's default */
};

static CURLcode set_texts(CURL *easy, const struct text_option *options, size_t count)
{
	CURLcode code = CURLE_OK;

	for (size_t i = 0; i < count && !code; i++)
		code = curl_easy_setopt(easy, options[i].option, options[i].value);
	return code;
}

static CURLcode set_fixed(struct fg_curl_slot *slot)
{
	const struct long_option longs[] = {
		{CURLOPT_NOSIGNAL, 1},
		{CURLOPT_TCP_NODELAY, 1},
		{CURLOPT_DNS_CACHE_TIMEOUT, 300}, /* as k6 */
		{CURLOPT_HTTP09_ALLOWED, 0},
		{CURLOPT_PATH_AS_IS, 1},
		{CURLOPT_SUPPRESS_CONNECT_HEADERS, 1},
		{CURLOPT_EXPECT_100_TIMEOUT_MS, 1}, /* with SigV4 */
		/* As k6: a new connection is a whole handshake, on every engine. */
		{CURLOPT_SSL_SESSIONID_CACHE, 0},
	};
	const struct text_option texts[] = {
		{CURLOPT_USERAGENT, "flamegate/" FG_VERSION},
		{CURLOPT_PROTOCOLS_STR, "http,https"},
	};
	CURLcode code = set_longs(slot->easy, longs, FG_ARRAY_LEN(longs));

	if (code || (code = set_texts(slot->easy, texts, FG_ARRAY_LEN(texts))) ||
	    (code = curl_easy_setopt(slot->easy, CURLOPT_PRIVATE, slot)))
		return code;
	return fg_curl_response_watch(slot);
}

int fg_curl_slot_init(struct fg_curl_slot *slot, struct fg_err *err)
{
	slot->easy = curl_easy_init();
	if (!slot->easy)
		return fg_err_nomem(err);
	fg_buf_init(&slot->cookie, COOKIE_MAX);
	int rc = set_failed(set_fixed(slot), err);

	if (!rc && slot->vu->connections)
		rc = set_failed(curl_easy_setopt(slot->easy, CURLOPT_SHARE, slot->vu->connections),
				err);
	if (!rc)
		rc = fg_curl_uv_adopt(&slot->vu->engine->uv, slot->easy, err);
	if (rc)
		fg_curl_slot_done(slot);
	return rc;
}

void fg_curl_slot_done(struct fg_curl_slot *slot)
{
	if (slot->easy)
		curl_easy_cleanup(slot->easy);
	slot->easy = NULL;
	curl_slist_free_all(slot->headers);
	curl_slist_free_all(slot->connect_to);
	slot->headers = slot->connect_to = NULL;
	fg_buf_done(&slot->cookie);
	fg_buf_done(&slot->head);
	fg_buf_done(&slot->body);
}

/* -- what the step's http options say --------------------------------------------------------- */

static long clamp_ms(uint64_t ns)
{
	const uint64_t ms = (ns + FG_NS_PER_MS - 1) / FG_NS_PER_MS;

	return ms > INT32_MAX ? INT32_MAX : (long)ms;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_tls(const struct fg_http_options *a, const struct fg_http_options *b)
{
	return a->insecure_skip_verify == b->insecure_skip_verify && a->tls_min == b->tls_min &&
	       same_text(a->ca_file, b->ca_file) && same_text(a->cert_file, b->cert_file) &&
	       same_text(a->key_file, b->key_file) && same_text(a->server_name, b->server_name);
}

static bool same_way(const struct fg_http_options *a, const struct fg_http_options *b)
{
	if (!same_text(a->proxy, b->proxy) || !same_text(a->unix_socket, b->unix_socket) ||
	    a->resolve.count != b->resolve.count)
		return false;
	for (size_t i = 0; i < a->resolve.count; i++) {
		if (strcmp(a->resolve.items[i].key, b->resolve.items[i].key) != 0 ||
		    strcmp(a->resolve.items[i].value, b->resolve.items[i].value) != 0)
			return false;
	}
	return true;
}

/* Every step has its own copy; setting two dozen options per request costs more than comparing.
 * `compression` is not here: it is a header line of the step machine's. */
static bool same_http(const struct fg_http_options *a, const struct fg_http_options *b)
{
	return a == b || (a && a->version == b->version && a->timeout_ns == b->timeout_ns &&
			  a->connect_timeout_ns == b->connect_timeout_ns &&
			  a->connection == b->connection && same_tls(a, b) && same_way(a, b));
}

static const char *default_path(CURL *easy, CURLINFO what)
{
	const char *path = NULL;

	return curl_easy_getinfo(easy, what, &path) ? NULL : path;
}

static CURLcode set_tls(CURL *easy, const struct fg_http_options *http)
{
	static const long versions[] = {
		[FG_TLS_1_0] = CURL_SSLVERSION_TLSv1_0,
		[FG_TLS_1_1] = CURL_SSLVERSION_TLSv1_1,
		[FG_TLS_1_2] = CURL_SSLVERSION_TLSv1_2,
		[FG_TLS_1_3] = CURL_SSLVERSION_TLSv1_3,
	};
	const bool old = http->tls_min == FG_TLS_1_0 || http->tls_min == FG_TLS_1_1;
	const struct long_option longs[] = {
		{CURLOPT_SSLVERSION, versions[http->tls_min]},
		{CURLOPT_SSL_VERIFYPEER, !http->insecure_skip_verify},
		{CURLOPT_SSL_VERIFYHOST, http->insecure_skip_verify ? 0 : 2},
	};
	const char *ca = http->ca_file;
	/* A given CA is the only one. */
	const struct text_option texts[] = {
		{CURLOPT_CAINFO, ca ? ca : default_path(easy, CURLINFO_CAINFO)},
		{CURLOPT_CAPATH, ca ? NULL : default_path(easy, CURLINFO_CAPATH)},
		{CURLOPT_SSLCERT, http->cert_file},
		{CURLOPT_SSLKEY, http->key_file},
		/* OpenSSL 3 speaks TLS 1.0 and 1.1 only at this level, since they need SHA-1. */
		{CURLOPT_SSL_CIPHER_LIST, old ? "DEFAULT@SECLEVEL=0" : NULL},
	};
	const CURLcode code = set_longs(easy, longs, FG_ARRAY_LEN(longs));

	return code ? code : set_texts(easy, texts, FG_ARRAY_LEN(texts));
}

static bool append(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer)
		*list = longer;
	return longer != NULL;
}

static bool append_pair(struct curl_slist **list, const char *a, const char *b, const char *c)
{
	char line[2 * HOST_MAX];
	const int len = snprintf(line, sizeof(line), "%s%s%s", a, b, c);

	return len >= 0 && (size_t)len < sizeof(line) && append(list, line);
}

static CURLcode set_connect_to(struct fg_curl_slot *slot, struct curl_slist *list, bool complete)
{
	const CURLcode code = complete ? curl_easy_setopt(slot->easy, CURLOPT_CONNECT_TO, list)
				       : CURLE_OUT_OF_MEMORY;

	if (code) {
		curl_slist_free_all(list);
		return code;
	}
	curl_slist_free_all(slot->connect_to);
	slot->connect_to = list;
	return CURLE_OK;
}

/* CONNECT_TO, not RESOLVE: that would fill the worker's DNS cache for all steps and VUs, and knows
 * no other port. SNI, the certificate's name and the Host header stay the URL's. */
static CURLcode set_pins(struct fg_curl_slot *slot, const struct fg_http_options *http)
{
	struct curl_slist *list = NULL;
	bool ok = true;

	if (!http->resolve.count && !slot->connect_to)
		return CURLE_OK;
	for (size_t i = 0; i < http->resolve.count && ok; i++)
		ok = append_pair(&list, http->resolve.items[i].key, ":",
				 http->resolve.items[i].value);
	return set_connect_to(slot, list, ok);
}

static bool given(const char *text)
{
	return text && *text;
}

/* libcurl 7.88 starts HTTP/2 anew on a connection with prior knowledge that already speaks it, and
 * the second request fails ("Error in the HTTP2 framing layer"; its command line does too). So each
 * request has a connection of its own there, as its connecting time shows. */
static bool is_h2c_for_once(const struct fg_http_options *http)
{
	return http->version == FG_HTTP_H2C &&
	       curl_version_info(CURLVERSION_NOW)->version_num < 0x080000;
}

static CURLcode set_http(struct fg_curl_slot *slot, const struct fg_http_options *http)
{
	static const long versions[] = {
		[FG_HTTP_AUTO] = CURL_HTTP_VERSION_2TLS, /* HTTP/1.1 on cleartext */
		[FG_HTTP_1_1] = CURL_HTTP_VERSION_1_1,
		[FG_HTTP_2] = CURL_HTTP_VERSION_2TLS,
		[FG_HTTP_H2C] = CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE,
	};
	const bool none = http->connection == FG_CONNECTION_NONE || is_h2c_for_once(http);
	const bool multiplex = http->version == FG_HTTP_2 || http->version == FG_HTTP_H2C;
	const struct long_option longs[] = {
		{CURLOPT_HTTP_VERSION, versions[http->version]},
		/* parallel requests wait for the one connection that they will share */
		{CURLOPT_PIPEWAIT, multiplex && !none},
		{CURLOPT_TIMEOUT_MS, clamp_ms(http->timeout_ns)},
		{CURLOPT_CONNECTTIMEOUT_MS, clamp_ms(http->connect_timeout_ns)},
		{CURLOPT_FORBID_REUSE, none},
		{CURLOPT_FRESH_CONNECT, none},
	};
	const struct text_option texts[] = {
		{CURLOPT_PROXY, given(http->proxy) ? http->proxy : ""},
		{CURLOPT_NOPROXY, given(http->proxy) ? "" : "*"}, /* not the environment's */
		{CURLOPT_UNIX_SOCKET_PATH, given(http->unix_socket) ? http->unix_socket : NULL},
	};
	CURLcode code = set_longs(slot->easy, longs, FG_ARRAY_LEN(longs));

	if (code || (code = set_texts(slot->easy, texts, FG_ARRAY_LEN(texts))) ||
	    (code = set_tls(slot->easy, http)))
		return code;
	return set_pins(slot, http);
}

/* -- where to ---------------------------------------------------------------------------------- */

struct url_parts {
	char *host, *port, *renamed; /* curl's memory */
};

static void parts_done(struct url_parts *parts)
{
	curl_free(parts->host);
	curl_free(parts->port);
	curl_free(parts->renamed);
}

/* False: not an https URL (or none at all, which curl then says itself). */
static bool take_apart(const char *url, const char *server_name, struct url_parts *parts)
{
	CURLU *handle = curl_url();
	bool ok = handle && !curl_url_set(handle, CURLUPART_URL, url, CURLU_PATH_AS_IS) &&
		  !curl_url_get(handle, CURLUPART_HOST, &parts->host, 0) &&
		  !curl_url_get(handle, CURLUPART_PORT, &parts->port, CURLU_DEFAULT_PORT) &&
		  !curl_url_set(handle, CURLUPART_HOST, server_name, 0) &&
		  !curl_url_get(handle, CURLUPART_URL, &parts->renamed, 0);

	curl_url_cleanup(handle);
	return ok && !strncasecmp(url, "https:", 6);
}

/* curl takes SNI and the name that a certificate must have from the URL: so the URL gets
 * tls.serverName, the connection is directed to where the URL pointed (or its pin), and the Host
 * header tells the old name. */
static CURLcode rename_host(struct fg_curl_slot *slot, const struct fg_engine_request *request,
			    const struct url_parts *parts, struct fg_buf *host)
{
	const struct fg_tags *pins = &request->http->resolve;
	struct curl_slist *list = NULL;
	struct fg_buf place;
	const char *to;
	bool ok;
	CURLcode code;

	fg_buf_init(&place, HOST_MAX);
	fg_buf_addf(&place, "%s:%s", parts->host, parts->port);
	to = place.data;
	for (size_t i = 0; to && i < pins->count; i++) {
		if (!strcasecmp(pins->items[i].key, place.data))
			to = pins->items[i].value;
	}
	fg_buf_addf(host, "Host: %s", strcmp(parts->port, "443") ? place.data : parts->host);
	ok = !place.failed && !host->failed && append_pair(&list, "::", to, "");
	code = set_connect_to(slot, list, ok);
	fg_buf_done(&place);
	return code ? code : curl_easy_setopt(slot->easy, CURLOPT_URL, parts->renamed);
}

static CURLcode set_url(struct fg_curl_slot *slot, const struct fg_engine_request *request,
			struct fg_buf *host)
{
	struct url_parts parts = {0};
	CURLcode code;

	if (given(request->http->server_name) &&
	    take_apart(request->url, request->http->server_name, &parts)) {
		slot->renamed = true;
		code = rename_host(slot, request, &parts, host);
	} else {
		code = slot->renamed ? set_pins(slot, request->http) : CURLE_OK;
		slot->renamed = false;
		if (!code)
			code = curl_easy_setopt(slot->easy, CURLOPT_URL, request->url);
	}
	parts_done(&parts);
	return code;
}

/* -- what ---------------------------------------------------------------------------------------
 */

/* Methods that say "no body" by a Content-Length of 0, as Go and so k6 do. */
static bool expects_body(const char *method)
{
	return !strcmp(method, "POST") || !strcmp(method, "PUT") || !strcmp(method, "PATCH");
}

static CURLcode set_body(struct fg_curl_slot *slot, const struct fg_engine_request *request)
{
	CURL *easy = slot->easy;
	CURLcode code;

	if ((code = curl_easy_setopt(easy, CURLOPT_POST, 1L)) ||
	    (code = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
				     (curl_off_t)slot->upload_len)))
		return code;
	return curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body ? request->body : "");
}

static CURLcode set_method(struct fg_curl_slot *slot, const struct fg_engine_request *request)
{
	const bool body = request->body || expects_body(request->method);
	const bool head = !strcmp(request->method, "HEAD");
	const bool usual = head || !strcmp(request->method, body ? "POST" : "GET");
	CURLcode code;

	slot->upload_len = request->body ? request->body_len : 0;
	slot->long_body = slot->upload_len >= CURL_INITIAL_POST_MAX;
	code = curl_easy_setopt(slot->easy, CURLOPT_NOPROGRESS, slot->long_body ? 0L : 1L);
	if (!code && body)
		code = set_body(slot, request);
	else if (!code && !(code = curl_easy_setopt(slot->easy, CURLOPT_HTTPGET, 1L)))
		code = curl_easy_setopt(slot->easy, CURLOPT_NOBODY, head ? 1L : 0L);
	if (code)
		return code;
	return curl_easy_setopt(slot->easy, CURLOPT_CUSTOMREQUEST, usual ? NULL : request->method);
}

static CURLcode set_sigv4(CURL *easy, const struct fg_engine_auth *auth)
{
	char provider[HOST_MAX];
	const int len = snprintf(provider, sizeof(provider), "aws:amz:%s:%s",
				 auth->sigv4_region ? auth->sigv4_region : "",
				 auth->sigv4_service ? auth->sigv4_service : "");

	if (len < 0 || (size_t)len >= sizeof(provider))
		return CURLE_BAD_FUNCTION_ARGUMENT;
	return curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, provider);
}

static CURLcode set_auth(struct fg_curl_slot *slot, const struct fg_engine_auth *auth)
{
	const enum fg_auth_kind kind = auth ? auth->kind : FG_AUTH_NONE;
	const bool had_auth = slot->has_auth;
	CURLcode code;

	slot->has_auth = kind != FG_AUTH_NONE;
	if (!slot->has_auth && !had_auth)
		return CURLE_OK;
	const struct text_option texts[] = {
		{CURLOPT_USERNAME, slot->has_auth ? auth->user : NULL},
		{CURLOPT_PASSWORD, slot->has_auth ? auth->password : NULL},
		{CURLOPT_AWS_SIGV4, NULL}, /* before HTTPAUTH, which it changes */
	};

	code = set_texts(slot->easy, texts, FG_ARRAY_LEN(texts));
	if (!code)
		code = curl_easy_setopt(slot->easy, CURLOPT_HTTPAUTH,
					kind == FG_AUTH_DIGEST ? CURLAUTH_DIGEST : CURLAUTH_BASIC);
	return code || kind != FG_AUTH_SIGV4 ? code : set_sigv4(slot->easy, auth);
}

static bool header_is(const char *line, const char *name)
{
	const size_t len = strlen(name);

	return !strncasecmp(line, name, len) && (line[len] == ':' || line[len] == ';');
}

static bool has_header(const struct fg_engine_request *request, const char *name)
{
	for (size_t i = 0; i < request->header_count; i++) {
		if (header_is(request->headers[i], name))
			return true;
	}
	return false;
}

/* "Name:" would take a header away from curl; "Name;" sends it without a value. */
static bool append_header(struct curl_slist **list, const char *line)
{
	const char *colon = strchr(line, ':');
	char *empty;
	bool ok;

	if (!colon || colon[1 + strspn(colon + 1, " \t")] != '\0')
		return append(list, line);
	empty = strndup(line, (size_t)(colon - line) + 1);
	if (!empty)
		return false;
	empty[colon - line] = ';';
	ok = append(list, empty);
	free(empty);
	return ok;
}

/* Lines that keep curl from adding its own, and what the options ask for; the step's come first.
 * SigV4 of curl 7.88 signs every line of the list, also those that only take a header away: curl
 * may then add an Accept, and a body without a type gets a neutral one. */
static bool append_options(struct curl_slist **list, const struct fg_engine_request *request,
			   const char *host)
{
	const bool sigv4 = request->auth && request->auth->kind == FG_AUTH_SIGV4;
	const bool body = request->body || expects_body(request->method);
	const struct {
		bool wanted;
		const char *name, *line;
	} lines[] = {
		{host != NULL, "host", host},
		{!sigv4, "accept", "Accept:"},
		{body && !sigv4, "content-type", "Content-Type:"},
		{body && sigv4, "content-type", "Content-Type: application/octet-stream"},
		{request->body && !sigv4, "expect", "Expect:"}, /* no round trip for "100" */
		{request->http->connection == FG_CONNECTION_NONE, "connection",
		 "Connection: close"},
	};
	bool ok = true;

	for (size_t i = 0; i < FG_ARRAY_LEN(lines) && ok; i++) {
		if (lines[i].wanted && !has_header(request, lines[i].name))
			ok = append(list, lines[i].line);
	}
	return ok;
}

static CURLcode set_headers(struct fg_curl_slot *slot, const struct fg_engine_request *request,
			    const char *host)
{
	const struct fg_engine_auth *auth = request->auth;
	struct curl_slist *list = NULL;
	bool ok = true;
	CURLcode code;

	for (size_t i = 0; i < request->header_count && ok; i++)
		ok = append_header(&list, request->headers[i]);
	ok = ok && append_options(&list, request, host);
	if (ok && auth && auth->kind == FG_AUTH_SIGV4 && given(auth->session_token)) {
		struct fg_buf line;

		fg_buf_init(&line, COOKIE_MAX);
		fg_buf_addf(&line, "X-Amz-Security-Token: %s", auth->session_token);
		ok = !line.failed && append(&list, line.data);
		fg_buf_done(&line);
	}
	code = ok ? curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, list) : CURLE_OUT_OF_MEMORY;
	if (code) {
		curl_slist_free_all(list);
		return code;
	}
	curl_slist_free_all(slot->headers);
	slot->headers = list;
	return CURLE_OK;
}

/* Not vouched for by constant_key; mostly the same as last time. */
static CURLcode set_cookie(struct fg_curl_slot *slot, const char *cookie)
{
	struct fg_buf *last = &slot->cookie;

	if (!strcmp(cookie ? cookie : "", last->data ? last->data : ""))
		return CURLE_OK;
	fg_buf_clear(last);
	fg_buf_add_str(last, cookie ? cookie : "");
	if (last->failed)
		return CURLE_OUT_OF_MEMORY;
	return curl_easy_setopt(slot->easy, CURLOPT_COOKIE, given(cookie) ? cookie : NULL);
}

static CURLcode set_request(struct fg_curl_slot *slot, const struct fg_engine_request *request)
{
	struct fg_buf host;
	CURLcode code;

	if (!same_http(slot->http, request->http)) {
		slot->http = NULL;
		if ((code = set_http(slot, request->http)))
			return code;
		slot->renamed = false;
	}
	slot->http = request->http;
	fg_buf_init(&host, HOST_MAX);
	if (!(code = set_url(slot, request, &host)) && !(code = set_method(slot, request)) &&
	    !(code = set_auth(slot, request->auth)))
		code = set_headers(slot, request, host.data);
	fg_buf_done(&host);
	return code;
}

/* A line break would start a header of its own, or the body. */
static int check(const struct fg_engine_request *request, struct fg_err *err)
{
	if (strpbrk(request->method, "\r\n\t ") || !*request->method)
		return fg_err_set(err, FG_E_INVALID, "method \"%.40s\" cannot be sent",
				  request->method);
	for (size_t i = 0; i < request->header_count; i++) {
		if (strpbrk(request->headers[i], "\r\n"))
			return fg_err_set(err, FG_E_INVALID, "a line break in header \"%.60s\"",
					  request->headers[i]);
	}
	if (request->body && !strcmp(request->method, "HEAD"))
		return fg_err_set(err, FG_E_INVALID, "HEAD with a body cannot be sent");
	return 0;
}

int fg_curl_setup(struct fg_curl_slot *slot, const struct fg_engine_request *request,
		  struct fg_err *err)
{
	CURLcode code = CURLE_OK;
	int rc;

	if (request->cookie && strpbrk(request->cookie, "\r\n"))
		return fg_err_set(err, FG_E_INVALID, "a line break in a cookie");
	if (!request->constant_key || request->constant_key != slot->constant_key) {
		slot->constant_key = NULL;
		rc = check(request, err);
		if (rc)
			return rc;
		code = set_request(slot, request);
		if (!code)
			slot->constant_key = request->constant_key;
	}
	slot->want_body = request->want_body;
	slot->label = request->label;
	if (!code)
		code = set_cookie(slot, request->cookie);
	return set_failed(code, err);
}
