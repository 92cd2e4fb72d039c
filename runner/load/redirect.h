/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows from a redirect: method, URL, headers and body of the next hop, as k6 (Go's client)
 * does it.
 *
 * 301, 302, 303: GET without body (HEAD stays HEAD); 307, 308: the same again. Authorization and
 * Cookie headers are left out once a hop leaves the host (sub-domains are inside it) or TLS.
 */
#ifndef FG_LOAD_REDIRECT_H
#define FG_LOAD_REDIRECT_H

#include "runner/load/engine.h"
#include "runner/load/url.h"

enum { FG_REDIRECT_HEADERS_MAX = 128 };

/* The memory of a chain of hops. */
struct fg_redirect {
	struct fg_buf url, next; /* of the hop under way, and being made */
	const char *headers[FG_REDIRECT_HEADERS_MAX];
	bool stripped; /* credentials have been left behind */
};

int fg_redirect_new(struct fg_redirect **ret, struct fg_err *err) FG_MUST_USE;
void fg_redirect_free(struct fg_redirect *redirect);
/** True for a response that asks to go elsewhere. *ret_location: the header's value. */
bool fg_redirect_wanted(const struct fg_engine_response *response, const char **ret_location,
			size_t *ret_len);
/** Changes `request` into the next hop; it then points into `redirect`. INVALID: the Location is
 *  none that can be asked; `request` is unchanged then. */
int fg_redirect_apply(struct fg_redirect *redirect, const char *location, size_t len,
		      uint16_t status, struct fg_engine_request *request,
		      struct fg_err *err) FG_MUST_USE;

#endif
