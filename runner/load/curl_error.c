/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/curl_error.h"

#include <errno.h>

static const struct {
	CURLcode code;
	enum fg_net_error error;
} errors[] = {
	{CURLE_OK, FG_NET_OK},
	/* "Received HTTP/0.9 when not allowed": what came back does not start with HTTP/. */
	{CURLE_UNSUPPORTED_PROTOCOL, FG_NET_BAD_RESPONSE},
	{CURLE_WEIRD_SERVER_REPLY, FG_NET_BAD_RESPONSE},
	{CURLE_BAD_CONTENT_ENCODING, FG_NET_BAD_RESPONSE},
	{CURLE_WRITE_ERROR, FG_NET_BAD_RESPONSE}, /* our own limits on headers and body */
	{CURLE_FILESIZE_EXCEEDED, FG_NET_BAD_RESPONSE},
	{CURLE_OUT_OF_MEMORY, FG_NET_GENERIC},
	{CURLE_HTTP2, FG_NET_BAD_RESPONSE},
	{CURLE_HTTP2_STREAM, FG_NET_BAD_RESPONSE},
	{CURLE_URL_MALFORMAT, FG_NET_BAD_URL},
	{CURLE_COULDNT_RESOLVE_HOST, FG_NET_DNS},
	{CURLE_GOT_NOTHING, FG_NET_RESET},
	{CURLE_PARTIAL_FILE, FG_NET_RESET},
	{CURLE_SEND_ERROR, FG_NET_RESET},
	{CURLE_RECV_ERROR, FG_NET_RESET},
	{CURLE_TOO_MANY_REDIRECTS, FG_NET_TOO_MANY_REDIRECTS},
	{CURLE_ABORTED_BY_CALLBACK, FG_NET_UNFINISHED},
	{CURLE_SSL_CONNECT_ERROR, FG_NET_TLS},
	{CURLE_PEER_FAILED_VERIFICATION, FG_NET_TLS},
	{CURLE_SSL_ENGINE_NOTFOUND, FG_NET_TLS},
	{CURLE_SSL_ENGINE_SETFAILED, FG_NET_TLS},
	{CURLE_SSL_ENGINE_INITFAILED, FG_NET_TLS},
	{CURLE_SSL_CERTPROBLEM, FG_NET_TLS},
	{CURLE_SSL_CIPHER, FG_NET_TLS},
	{CURLE_SSL_CACERT_BADFILE, FG_NET_TLS},
	{CURLE_SSL_SHUTDOWN_FAILED, FG_NET_TLS},
	{CURLE_SSL_CRL_BADFILE, FG_NET_TLS},
	{CURLE_SSL_ISSUER_ERROR, FG_NET_TLS},
	{CURLE_SSL_PINNEDPUBKEYNOTMATCH, FG_NET_TLS},
	{CURLE_SSL_INVALIDCERTSTATUS, FG_NET_TLS},
	{CURLE_SSL_CLIENTCERT, FG_NET_TLS},
};

static enum fg_net_error connect_error(long os_errno)
{
	switch (os_errno) {
	case ECONNREFUSED:
		return FG_NET_REFUSED;
	case ETIMEDOUT:
		return FG_NET_DIAL_TIMEOUT;
	case ECONNRESET:
		return FG_NET_RESET;
	default:
		return FG_NET_DIAL;
	}
}

enum fg_net_error fg_curl_error(CURLcode code, bool connected, long os_errno)
{
	if (code == CURLE_COULDNT_CONNECT)
		return connect_error(os_errno);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return connected ? FG_NET_TIMEOUT : FG_NET_DIAL_TIMEOUT;
	if (code == CURLE_UNSUPPORTED_PROTOCOL && !connected)
		return FG_NET_BAD_URL; /* ftp://… */
	for (size_t i = 0; i < FG_ARRAY_LEN(errors); i++) {
		if (errors[i].code == code)
			return errors[i].error;
	}
	return FG_NET_GENERIC;
}
