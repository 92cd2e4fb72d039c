/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One libcurl easy handle per request. Credentials that stand in the URL (user:password@) are sent
 * but taken out of every message; redirects are not followed, because a POST that follows one
 * silently becomes a GET and credentials would travel along.
 */
#include "runner/http_client.h"

#include "gate/base/file.h"

#include <curl/curl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_RESPONSE_MAX = 16 << 20, HEADERS_MAX = 64, HEADER_BYTES_MAX = 8192 };

#define DEFAULT_TIMEOUT_NS (30 * FG_NS_PER_S)

struct sink { /* where the body goes */
	struct fg_buf *body;
	int fd;
	size_t written, max;
	bool too_long;
};

struct transfer {
	CURL *curl;
	struct sink sink;
	struct curl_slist *headers;
	char reason[CURL_ERROR_SIZE];
};

static void transfer_done(struct transfer *transfer)
{
	curl_slist_free_all(transfer->headers);
	curl_easy_cleanup(transfer->curl);
}

/* libcurl's own set-up is not thread-safe in old versions; ours happens once, on first use. */
int fg_http_set_up(struct fg_err *err)
{
	static bool is_set_up;

	if (!is_set_up && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return fg_err_set(err, FG_E_INTERNAL, "cannot set up libcurl");
	is_set_up = true;
	return 0;
}

void fg_http_url_masked(const char *url, char *buffer, size_t size_bytes)
{
	const char *scheme_end = strstr(url, "://");
	const char *host = scheme_end ? scheme_end + 3 : url;
	size_t authority_len = strcspn(host, "/?#");
	const char *at = NULL;

	for (size_t i = 0; i < authority_len; i++)
		if (host[i] == '@')
			at = host + i;
	if (at)
		(void)snprintf(buffer, size_bytes, "%.*s***@%s", (int)(host - url), url, at + 1);
	else
		(void)snprintf(buffer, size_bytes, "%s", url);
}

static size_t take_body(char *bytes, size_t size, size_t count, void *user)
{
	struct sink *sink = user;
	size_t len = size * count; /* libcurl: size is always 1 */

	if (sink->fd <= 0) {
		fg_buf_add(sink->body, bytes, len);
		sink->too_long = sink->body->failed;
		return sink->too_long ? 0 : len;
	}
	sink->too_long = len > sink->max - sink->written;
	if (sink->too_long || fg_file_write_fd(sink->fd, "the answer", bytes, len, NULL) != 0)
		return 0;
	sink->written += len;
	return len;
}

static int add_header(struct transfer *transfer, const char *text, struct fg_err *err)
{
	if (strpbrk(text, "\r\n"))
		return fg_err_set(err, FG_E_INVALID, "a request header contains a line break");
	struct curl_slist *longer = curl_slist_append(transfer->headers, text);

	if (!longer)
		return fg_err_nomem(err);
	transfer->headers = longer;
	return 0;
}

static int add_headers(struct transfer *transfer, const struct fg_http_request *request,
		       struct fg_err *err)
{
	if (request->header_count > HEADERS_MAX)
		return fg_err_set(err, FG_E_LIMIT, "more than %d request headers", HEADERS_MAX);
	for (size_t i = 0; i < request->header_count; i++) {
		int rc = add_header(transfer, request->headers[i], err);

		if (rc)
			return rc;
	}
	/* Without this libcurl waits up to a second for "100 Continue" on larger bodies. */
	int rc = add_header(transfer, "Expect:", err);

	if (rc || !request->bearer_token)
		return rc;
	char bearer[HEADER_BYTES_MAX];
	int len =
		snprintf(bearer, sizeof(bearer), "Authorization: Bearer %s", request->bearer_token);

	if (len < 0 || (size_t)len >= sizeof(bearer))
		return fg_err_set(err, FG_E_LIMIT, "the bearer token is longer than %d bytes",
				  HEADER_BYTES_MAX - 64);
	return add_header(transfer, bearer, err);
}

/* Collects the results of many setopt calls: any failure is out of memory or an old libcurl. */
static bool set_options(struct transfer *transfer, const struct fg_http_request *request)
{
	CURL *curl = transfer->curl;
	uint64_t timeout_ns = request->timeout_ns ? request->timeout_ns : DEFAULT_TIMEOUT_NS;
	uint64_t timeout_ms = FG_MAX(timeout_ns / FG_NS_PER_MS, 1);
	bool fine = true;

	fine &= curl_easy_setopt(curl, CURLOPT_URL, request->url) == CURLE_OK;
	fine &= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
	fine &= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
	fine &= curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
	fine &= curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)FG_MIN(timeout_ms, INT32_MAX)) ==
		CURLE_OK;
	fine &= curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->reason) == CURLE_OK;
	fine &= curl_easy_setopt(curl, CURLOPT_USERAGENT, "flamegate/" FG_VERSION) == CURLE_OK;
	fine &= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK;
	fine &= curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer->sink) == CURLE_OK;
	fine &= curl_easy_setopt(curl, CURLOPT_HTTPHEADER, transfer->headers) == CURLE_OK;
	if (request->insecure) {
		fine &= curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L) == CURLE_OK;
		fine &= curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L) == CURLE_OK;
	}
	if (request->direct)
		fine &= curl_easy_setopt(curl, CURLOPT_NOPROXY, "*") == CURLE_OK;
	if (request->body) {
		curl_off_t len = (curl_off_t)request->body_len;

		fine &= curl_easy_setopt(curl, CURLOPT_POST, 1L) == CURLE_OK;
		fine &= curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, len) == CURLE_OK;
		fine &= curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body) == CURLE_OK;
	}
	fine &= curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK;
	if (request->basic_user) {
		const char *password = request->basic_password ? request->basic_password : "";

		fine &= curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC) == CURLE_OK;
		fine &= curl_easy_setopt(curl, CURLOPT_USERNAME, request->basic_user) == CURLE_OK;
		fine &= curl_easy_setopt(curl, CURLOPT_PASSWORD, password) == CURLE_OK;
	}
	return fine;
}

static int perform(struct transfer *transfer, const struct fg_http_request *request,
		   struct fg_http_response *response, struct fg_err *err)
{
	char shown[1024];

	fg_http_url_masked(request->url, shown, sizeof(shown));
	transfer->sink =
		(struct sink){&response->body, request->body_fd, 0, response->body.max, false};
	if (!set_options(transfer, request))
		return fg_err_set(err, FG_E_INTERNAL, "cannot prepare a request to %s", shown);
	CURLcode code = curl_easy_perform(transfer->curl);

	if (transfer->sink.too_long)
		return fg_err_set(err, FG_E_LIMIT, "the answer of %s is larger than %zu bytes",
				  shown, response->body.max);
	long connects = 0;

	(void)curl_easy_getinfo(transfer->curl, CURLINFO_NUM_CONNECTS, &connects);
	/* "unsupported protocol" is also what a server that does not speak HTTP gets */
	if (connects == 0 && (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL))
		return fg_err_set(err, FG_E_INVALID, "%s is not a usable http(s) URL", shown);
	if (code != CURLE_OK)
		return fg_err_set(err, FG_E_NETWORK, "%s %s: %s", request->method, shown,
				  transfer->reason[0] ? transfer->reason
						      : curl_easy_strerror(code));
	const char *type = NULL;

	(void)curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &response->status);
	(void)curl_easy_getinfo(transfer->curl, CURLINFO_CONTENT_TYPE, &type);
	(void)snprintf(response->content_type, sizeof(response->content_type), "%s",
		       type ? type : "");
	return 0;
}

int fg_http_fetch(const struct fg_http_request *request, struct fg_http_response *ret,
		  struct fg_err *err)
{
	struct fg_http_response response = {.status = 0};
	struct transfer transfer = {.curl = NULL};
	size_t max =
		request->max_response_bytes ? request->max_response_bytes : DEFAULT_RESPONSE_MAX;
	int rc = fg_http_set_up(err);

	if (rc)
		return rc;
	fg_buf_init(&response.body, max);
	transfer.curl = curl_easy_init();
	rc = transfer.curl ? add_headers(&transfer, request, err) : fg_err_nomem(err);
	if (rc == 0)
		rc = perform(&transfer, request, &response, err);
	transfer_done(&transfer);
	if (rc) {
		fg_http_response_done(&response);
		return rc;
	}
	*ret = response;
	return 0;
}

void fg_http_response_done(struct fg_http_response *response)
{
	if (response)
		fg_buf_done(&response->body);
}
