/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/url.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "gate/base/num.h"

static bool begins(const char *text, size_t len, const char *prefix)
{
	const size_t n = strlen(prefix);

	return len >= n && !strncasecmp(text, prefix, n);
}

static size_t span_until(const char *text, size_t len, const char *ends)
{
	size_t i = 0;

	while (i < len && !(text[i] && strchr(ends, text[i])))
		i++;
	return i;
}

static bool has_control(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return true;
	}
	return false;
}

static int parse_port(const char *text, size_t len, struct fg_url *url, struct fg_err *err)
{
	uint64_t port;

	if (!len) /* "host:" means the default */
		return 0;
	if (fg_num_u64(text, len, &port, NULL) || port > UINT16_MAX || !port)
		return fg_err_set(err, FG_E_INVALID, "port \"%.*s\" is not one",
				  (int)FG_MIN(len, (size_t)20), text);
	url->port = (uint16_t)port;
	return 0;
}

static int parse_authority(struct fg_url *url, struct fg_err *err)
{
	const char *text = url->authority;
	size_t len = url->authority_len;
	const char *at = memrchr(text, '@', len);
	const char *colon;

	if (at) {
		len -= (size_t)(at + 1 - text);
		text = at + 1;
	}
	if (len && *text == '[') {
		const char *end = memchr(text, ']', len);

		if (!end)
			return fg_err_set(err, FG_E_INVALID, "URL: '[' without ']'");
		url->host = text + 1;
		url->host_len = (size_t)(end - text) - 1;
		colon = end + 1 < text + len ? end + 1 : NULL;
		if (colon && *colon != ':')
			return fg_err_set(err, FG_E_INVALID, "URL: no ':' after ']'");
	} else {
		colon = memchr(text, ':', len);
		url->host = text;
		url->host_len = colon ? (size_t)(colon - text) : len;
	}
	if (!url->host_len || url->host_len > 255)
		return fg_err_set(err, FG_E_INVALID, "URL without a host");
	return colon ? parse_port(colon + 1, (size_t)(text + len - colon) - 1, url, err) : 0;
}

int fg_url_parse(const char *text, size_t len, struct fg_url *ret, struct fg_err *err)
{
	struct fg_url url = {.port = 80};
	size_t n;
	int rc;

	if (len > FG_URL_MAX)
		return fg_err_set(err, FG_E_INVALID, "URL of %zu bytes", len);
	if (has_control(text, len))
		return fg_err_set(err, FG_E_INVALID, "URL with control characters");
	if (begins(text, len, "https://")) {
		url.https = true;
		url.port = 443;
	} else if (!begins(text, len, "http://")) {
		return fg_err_set(err, FG_E_INVALID, "URL is neither http:// nor https://");
	}
	n = url.https ? 8 : 7;
	text += n;
	len -= n;
	url.authority = text;
	url.authority_len = span_until(text, len, "/?#");
	url.path = text + url.authority_len;
	len -= url.authority_len;
	url.path_len = span_until(url.path, len, "?#");
	url.query = url.path + url.path_len;
	url.query_len = span_until(url.query, len - url.path_len, "#");
	rc = parse_authority(&url, err);
	if (!rc)
		*ret = url;
	return rc;
}

bool fg_url_same_host(const struct fg_url *a, const struct fg_url *b)
{
	return a->host_len == b->host_len && !strncasecmp(a->host, b->host, a->host_len);
}

bool fg_url_host_is_address(const char *host, size_t len)
{
	char text[INET6_ADDRSTRLEN + 1];
	unsigned char address[sizeof(struct in6_addr)];

	if (len >= sizeof(text))
		return false;
	memcpy(text, host, len);
	text[len] = '\0';
	return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

/* -- references -------------------------------------------------------------------------------- */

static void add_encoded(struct fg_buf *out, const char *text, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)text[i];

		if (c > 0x20 && c < 0x7f && c != '"' && c != '<' && c != '>') {
			fg_buf_add_char(out, text[i]);
		} else {
			const char escape[] = {'%', hex[c >> 4], hex[c & 15]};

			fg_buf_add(out, escape, sizeof(escape));
		}
	}
}

/* The last "/segment" of what was written since `start` goes. */
static void drop_segment(struct fg_buf *out, size_t start)
{
	while (out->len > start && out->data[out->len - 1] != '/')
		out->len--;
	if (out->len > start)
		out->len--;
	if (out->data)
		out->data[out->len] = '\0';
}

/* RFC 3986 §5.2.4 on a path that begins with '/': "." goes, ".." takes its predecessor along. */
static void add_without_dots(struct fg_buf *out, const char *path, size_t len)
{
	const size_t start = out->len;

	while (len) {
		const size_t n = 1 + span_until(path + 1, len - 1, "/");
		const bool last = n == len;
		const bool dot = n == 2 && path[1] == '.';
		const bool dots = n == 3 && path[1] == '.' && path[2] == '.';

		if (dots && !out->failed)
			drop_segment(out, start);
		if (!dot && !dots)
			add_encoded(out, path, n);
		else if (last)
			fg_buf_add_char(out, '/');
		path += n;
		len -= n;
	}
	if (out->len == start)
		fg_buf_add_char(out, '/');
}

/* The base's path up to its last '/', then the reference's. */
static int add_merged(struct fg_buf *out, const struct fg_url *base, const char *path, size_t len,
		      struct fg_err *err)
{
	const char *slash = base->path_len ? memrchr(base->path, '/', base->path_len) : NULL;
	FG_AUTO_BUF struct fg_buf merged = {0};
	int rc;

	fg_buf_init(&merged, FG_URL_MAX);
	if (slash)
		fg_buf_add(&merged, base->path, (size_t)(slash - base->path) + 1);
	else
		fg_buf_add_char(&merged, '/');
	fg_buf_add(&merged, path, len);
	rc = fg_buf_check(&merged, err);
	if (!rc)
		add_without_dots(out, merged.data, merged.len);
	return rc;
}

static bool has_scheme(const char *text, size_t len)
{
	const size_t n = span_until(text, len, ":/?#");

	return n < len && text[n] == ':' && n > 0;
}

static void add_absolute(struct fg_buf *out, const struct fg_url *url)
{
	fg_buf_add_str(out, url->https ? "https://" : "http://");
	fg_buf_add(out, url->authority, url->authority_len);
	add_without_dots(out, url->path, url->path_len);
	add_encoded(out, url->query, url->query_len);
}

static int resolve_absolute(const char *reference, size_t len, struct fg_buf *out,
			    struct fg_err *err)
{
	struct fg_url url;
	int rc = fg_url_parse(reference, len, &url, err);

	if (!rc)
		add_absolute(out, &url);
	return rc;
}

static int resolve_scheme_relative(const struct fg_url *base, const char *reference, size_t len,
				   struct fg_buf *out, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf whole = {0};
	int rc;

	fg_buf_init(&whole, FG_URL_MAX);
	fg_buf_add_str(&whole, base->https ? "https:" : "http:");
	fg_buf_add(&whole, reference, len);
	rc = fg_buf_check(&whole, err);
	return rc ? rc : resolve_absolute(whole.data, whole.len, out, err);
}

int fg_url_resolve(const struct fg_url *base, const char *reference, size_t len, struct fg_buf *out,
		   struct fg_err *err)
{
	size_t path_len, query_len;
	int rc = 0;

	if (len > FG_URL_MAX || has_control(reference, len))
		return fg_err_set(err, FG_E_INVALID,
				  "Location is too long or has control characters");
	if (has_scheme(reference, len))
		rc = resolve_absolute(reference, len, out, err);
	else if (begins(reference, len, "//"))
		rc = resolve_scheme_relative(base, reference, len, out, err);
	if (rc || has_scheme(reference, len) || begins(reference, len, "//"))
		return rc ? rc : fg_buf_check(out, err);
	fg_buf_add_str(out, base->https ? "https://" : "http://");
	fg_buf_add(out, base->authority, base->authority_len);
	path_len = span_until(reference, len, "?#");
	query_len = span_until(reference + path_len, len - path_len, "#");
	if (!path_len)
		add_without_dots(out, base->path, base->path_len);
	else if (*reference == '/')
		add_without_dots(out, reference, path_len);
	else
		rc = add_merged(out, base, reference, path_len, err);
	if (query_len)
		add_encoded(out, reference + path_len, query_len);
	else if (!path_len)
		add_encoded(out, base->query, base->query_len);
	return rc ? rc : fg_buf_check(out, err);
}
