/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An absolute http(s) URL cut into what a connection and a request line need. Pure.
 *
 * The path is sent as it is written (as k6: no dot segments removed, nothing re-encoded); what
 * would break the request line (blanks, control characters) is refused, a fragment is left away.
 */
#ifndef FG_LOAD_NATIVE_URL_H
#define FG_LOAD_NATIVE_URL_H

#include "gate/base/err.h"

enum { FG_NATIVE_HOST_MAX = 255 };

struct fg_native_url { /* points into the text */
	bool tls;
	const char *user_info; /* before the "@"; NULL: none */
	size_t user_info_len;
	const char *authority; /* "host:port" or "host", as the Host header has it */
	size_t authority_len;
	const char *host; /* without brackets */
	size_t host_len;
	uint16_t port;
	bool default_port;  /* the port is the scheme's and need not be in the Host header */
	bool slash;         /* the target needs a "/" in front of it */
	const char *target; /* path and query; may be empty */
	size_t target_len;
};

int fg_native_url_parse(const char *text, struct fg_native_url *ret,
			struct fg_err *err) FG_MUST_USE;
/** "address:port" or "[address]:port"; both required. */
int fg_native_url_address(const char *text, char ret_host[FG_NATIVE_HOST_MAX + 1],
			  uint16_t *ret_port, struct fg_err *err) FG_MUST_USE;

#endif
