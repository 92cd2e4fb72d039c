/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/redirect.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runner/load/check.h"

int fg_redirect_new(struct fg_redirect **ret, struct fg_err *err)
{
	struct fg_redirect *redirect = calloc(1, sizeof(*redirect));

	if (!redirect)
		return fg_err_nomem(err);
	fg_buf_init(&redirect->url, FG_URL_MAX);
	fg_buf_init(&redirect->next, FG_URL_MAX);
	*ret = redirect;
	return 0;
}

void fg_redirect_free(struct fg_redirect *redirect)
{
	if (!redirect)
		return;
	fg_buf_done(&redirect->url);
	fg_buf_done(&redirect->next);
	free(redirect);
}

bool fg_redirect_wanted(const struct fg_engine_response *response, const char **ret_location,
			size_t *ret_len)
{
	switch (response->status) {
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		return fg_answer_header(response->head, response->head_len, "Location",
					ret_location, ret_len) &&
		       *ret_len > 0;
	default:
		return false;
	}
}

static bool is_header(const char *line, const char *const *names, size_t count)
{
	const char *colon = strpbrk(line, ":;");
	const size_t len = colon ? (size_t)(colon - line) : strlen(line);

	for (size_t i = 0; i < count; i++) {
		if (strlen(names[i]) == len && !strncasecmp(line, names[i], len))
			return true;
	}
	return false;
}

static bool is_secret(const char *line)
{
	static const char *const names[] = {"Authorization", "Cookie", "Cookie2",
					    "Proxy-Authorization", "WWW-Authenticate"};

	return is_header(line, names, FG_ARRAY_LEN(names));
}

static bool is_about_body(const char *line)
{
	static const char *const names[] = {"Content-Type",     "Content-Length",
					    "Content-Encoding", "Content-Language",
					    "Content-Location", "Transfer-Encoding"};

	return is_header(line, names, FG_ARRAY_LEN(names));
}

static bool is_host(const char *line)
{
	static const char *const names[] = {"Host"};

	return is_header(line, names, FG_ARRAY_LEN(names));
}

/* Credentials may go on to the host itself and to what is below it, but not from TLS to plain text.
 */
static bool keeps_secrets(const struct fg_url *from, const struct fg_url *to)
{
	if (from->https && !to->https)
		return false;
	if (fg_url_same_host(from, to))
		return true;
	return to->host_len > from->host_len + 1 &&
	       !fg_url_host_is_address(to->host, to->host_len) &&
	       to->host[to->host_len - from->host_len - 1] == '.' &&
	       !strncasecmp(to->host + to->host_len - from->host_len, from->host, from->host_len);
}

/* May shrink the list in place: `redirect->headers` may be the list that is read. */
static void filter_headers(struct fg_redirect *redirect, struct fg_engine_request *request,
			   bool body_dropped, bool new_host)
{
	size_t kept = 0;

	for (size_t i = 0; i < request->header_count; i++) {
		const char *line = request->headers[i];

		if ((redirect->stripped && is_secret(line)) ||
		    (body_dropped && is_about_body(line)) || (new_host && is_host(line)))
			continue;
		redirect->headers[kept++] = line;
	}
	request->headers = redirect->headers;
	request->header_count = kept;
}

/* GET without body, except that HEAD stays and 307 and 308 change nothing. */
static bool drop_body(uint16_t status, struct fg_engine_request *request)
{
	if (status == 307 || status == 308)
		return false;
	if (strcmp(request->method, "HEAD") != 0)
		request->method = "GET";
	request->body = NULL;
	request->body_len = 0;
	return true;
}

static void swap(struct fg_redirect *redirect)
{
	const struct fg_buf url = redirect->url;

	redirect->url = redirect->next;
	redirect->next = url;
}

int fg_redirect_apply(struct fg_redirect *redirect, const char *location, size_t len,
		      uint16_t status, struct fg_engine_request *request, struct fg_err *err)
{
	struct fg_url from, to;
	int rc;

	if (request->header_count > FG_REDIRECT_HEADERS_MAX)
		return fg_err_set(err, FG_E_LIMIT, "more than %d headers to redirect",
				  FG_REDIRECT_HEADERS_MAX);
	fg_buf_clear(&redirect->next);
	if ((rc = fg_url_parse(request->url, strlen(request->url), &from, err)) ||
	    (rc = fg_url_resolve(&from, location, len, &redirect->next, err)) ||
	    (rc = fg_url_parse(redirect->next.data, redirect->next.len, &to, err)))
		return rc;
	if (!keeps_secrets(&from, &to))
		redirect->stripped = true;
	if (redirect->stripped)
		request->auth = NULL;
	filter_headers(redirect, request, drop_body(status, request),
		       from.port != to.port || !fg_url_same_host(&from, &to));
	swap(redirect);
	request->url = redirect->url.data;
	request->constant_key = NULL;
	return 0;
}
