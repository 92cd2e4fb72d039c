/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http and https URLs: taken apart, and references resolved against them (RFC 3986 §5.2).
 *
 * Works on text from servers (Location): every byte is checked, nothing is read past the length.
 */
#ifndef FG_LOAD_URL_H
#define FG_LOAD_URL_H

#include "gate/base/buf.h"

enum { FG_URL_MAX = 64 << 10 };

/* Borrows the text it was read from. */
struct fg_url {
	bool https;
	const char *authority; /* with user and port, as written */
	size_t authority_len;
	const char *host; /* without user, port and brackets */
	size_t host_len;
	uint16_t port;    /* the scheme's when none is written */
	const char *path; /* "" or begins with '/' */
	size_t path_len;
	const char *query; /* with its '?'; "" when there is none */
	size_t query_len;
};

/** An absolute URL; its fragment is left out. INVALID with what is wrong. */
int fg_url_parse(const char *text, size_t len, struct fg_url *ret, struct fg_err *err) FG_MUST_USE;
/** Appends what `reference` (of a Location header) means when it came from `base`, without
 *  fragment. Spaces and bytes beyond ASCII are percent-encoded, as browsers do; control characters
 *  and other schemes than http and https are INVALID. */
int fg_url_resolve(const struct fg_url *base, const char *reference, size_t len, struct fg_buf *out,
		   struct fg_err *err) FG_MUST_USE;
bool fg_url_same_host(const struct fg_url *a, const struct fg_url *b); /* names; case ignored */
/** True if the host is an address, not a name. */
bool fg_url_host_is_address(const char *host, size_t len);

#endif
