/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The little that the target room needs to know of URLs: scheme, host, port, and where the path
 * starts. libcurl parses the URLs of requests; it is caged elsewhere (layout rule 6).
 */
#include "runner/target/probe.h"

#include "gate/base/num.h"
#include "gate/base/str.h"
#include "runner/http_client.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

struct authority {
	const char *host;
	size_t host_len;
	const char *port; /* NULL: the scheme's */
	size_t port_len;
};

static int bad_url(const char *url, const char *why, struct fg_err *err)
{
	char shown[512];

	fg_http_url_masked(url, shown, sizeof(shown));
	return fg_err_set(err, FG_E_INVALID, "%s: %s", shown, why);
}

static bool has_scheme(const char *url, const char *scheme)
{
	return strncasecmp(url, scheme, strlen(scheme)) == 0;
}

/* `text` is what stands between "//" and the path. */
static bool split_authority(const char *text, size_t len, struct authority *ret)
{
	const char *at = memrchr(text, '@', len);
	const char *host = at ? at + 1 : text;
	const char *end = text + len;
	const char *after;

	if (host < end && *host == '[') {
		const char *close = memchr(host, ']', (size_t)(end - host));

		if (!close)
			return false;
		ret->host = host + 1;
		ret->host_len = (size_t)(close - ret->host);
		after = close + 1;
	} else {
		const char *colon = memchr(host, ':', (size_t)(end - host));

		after = colon ? colon : end;
		ret->host = host;
		ret->host_len = (size_t)(after - host);
	}
	ret->port = NULL;
	ret->port_len = 0;
	if (after == end)
		return ret->host_len > 0;
	if (*after != ':')
		return false;
	ret->port = after + 1;
	ret->port_len = (size_t)(end - ret->port);
	return ret->host_len > 0 && ret->port_len > 0;
}

static bool is_local_host(const char *host)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (strcasecmp(host, "localhost") == 0 || fg_str_ends_with(host, ".localhost"))
		return true;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127 || v4.s_addr == INADDR_ANY;
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_UNSPECIFIED(&v6);
	return false;
}

const char *fg_url_path(const char *url)
{
	const char *scheme_end = strstr(url, "://");
	const char *authority = scheme_end ? scheme_end + 3 : url;

	return authority + strcspn(authority, "/?#");
}

int fg_target_url_parts(const char *url, char host[256], uint16_t *ret_port, bool *ret_local,
			struct fg_err *err)
{
	bool is_tls = has_scheme(url, "https://");
	struct authority authority;
	uint64_t port = is_tls ? 443 : 80;

	if (!is_tls && !has_scheme(url, "http://"))
		return bad_url(url, "the URL must start with http:// or https://", err);
	const char *start = strstr(url, "://") + 3;

	if (!split_authority(start, (size_t)(fg_url_path(url) - start), &authority))
		return bad_url(url, "no host name where one must stand", err);
	if (authority.host_len >= 256 || memchr(authority.host, '%', authority.host_len))
		return bad_url(url, "this host name cannot be used", err);
	if (authority.port && (fg_num_u64(authority.port, authority.port_len, &port, NULL) != 0 ||
			       port == 0 || port > UINT16_MAX))
		return bad_url(url, "the port must be 1 to 65535", err);
	memcpy(host, authority.host, authority.host_len);
	host[authority.host_len] = '\0';
	*ret_port = (uint16_t)port;
	*ret_local = is_local_host(host);
	return 0;
}
