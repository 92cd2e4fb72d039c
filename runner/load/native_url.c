/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/native_url.h"

#include <string.h>
#include <strings.h>

#include "gate/base/num.h"

static int bad(struct fg_err *err, const char *text, const char *why)
{
	return fg_err_set(err, FG_E_INVALID, "URL \"%.200s\": %s", text, why);
}

static bool is_host_char(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' ||
	       c == '.' || c == '_';
}

static bool is_address_char(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') || c == ':' ||
	       c == '.';
}

static bool valid_host(const char *host, size_t len, bool brackets)
{
	if (len == 0 || len > FG_NATIVE_HOST_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!(brackets ? is_address_char(host[i]) : is_host_char(host[i])))
			return false;
	}
	return true;
}

static bool valid_port(const char *text, size_t len, uint16_t *ret)
{
	uint64_t port;

	if (len > 5 || fg_num_u64(text, len, &port, NULL) || port == 0 || port > UINT16_MAX)
		return false;
	*ret = (uint16_t)port;
	return true;
}

/* "host", "host:port", "[v6]", "[v6]:port"; what follows the host is left in *ret_port. */
static bool split_host(const char *text, size_t len, struct fg_native_url *url,
		       const char **ret_port, size_t *ret_port_len)
{
	const bool brackets = len && text[0] == '[';
	const char *end = memchr(text, brackets ? ']' : ':', len);

	if (brackets && !end)
		return false;
	url->host = brackets ? text + 1 : text;
	url->host_len = (size_t)((end ? end : text + len) - url->host);
	if (!valid_host(url->host, url->host_len, brackets))
		return false;
	end = brackets ? end + 1 : end;
	*ret_port = NULL;
	if (!end || end == text + len)
		return true;
	if (*end != ':')
		return false;
	*ret_port = end + 1;
	*ret_port_len = (size_t)(text + len - end - 1);
	return true;
}

static int parse_authority(const char *whole, const char *text, size_t len,
			   struct fg_native_url *url, struct fg_err *err)
{
	const char *at = memrchr(text, '@', len);
	const uint16_t usual = url->tls ? 443 : 80;
	const char *port;
	size_t port_len = 0;

	if (at) {
		url->user_info = text;
		url->user_info_len = (size_t)(at - text);
		len -= url->user_info_len + 1;
		text = at + 1;
	}
	if (!split_host(text, len, url, &port, &port_len))
		return bad(err, whole, "the host cannot be used");
	url->port = usual;
	if (port && port_len && !valid_port(port, port_len, &url->port))
		return bad(err, whole, "the port is not between 1 and 65535");
	url->default_port = url->port == usual;
	url->authority = text;
	url->authority_len = url->default_port && port ? (size_t)(port - 1 - text) : len;
	return 0;
}

int fg_native_url_parse(const char *text, struct fg_native_url *ret, struct fg_err *err)
{
	struct fg_native_url url = {0};
	const char *rest = text + 7;
	size_t authority_len;
	int rc;

	url.tls = !strncasecmp(text, "https://", 8);
	if (!url.tls && strncasecmp(text, "http://", 7) != 0)
		return bad(err, text, "it does not start with http:// or https://");
	if (url.tls)
		rest++;
	authority_len = strcspn(rest, "/?#");
	rc = parse_authority(text, rest, authority_len, &url, err);
	if (rc)
		return rc;
	url.target = rest + authority_len;
	url.target_len = strcspn(url.target, "#");
	url.slash = url.target_len == 0 || url.target[0] != '/';
	for (size_t i = 0; i < url.target_len; i++) {
		if ((unsigned char)url.target[i] <= ' ' || url.target[i] == 0x7f)
			return bad(err, text, "a blank or control character, write %20");
	}
	*ret = url;
	return 0;
}

int fg_native_url_address(const char *text, char ret_host[FG_NATIVE_HOST_MAX + 1],
			  uint16_t *ret_port, struct fg_err *err)
{
	struct fg_native_url url = {0};
	const char *port;
	size_t port_len = 0;
	uint16_t number;

	if (!split_host(text, strlen(text), &url, &port, &port_len) || !port ||
	    !valid_port(port, port_len, &number))
		return fg_err_set(err, FG_E_INVALID,
				  "resolve: \"%.200s\" is not of the form address:port", text);
	memcpy(ret_host, url.host, url.host_len);
	ret_host[url.host_len] = '\0';
	*ret_port = number;
	return 0;
}
