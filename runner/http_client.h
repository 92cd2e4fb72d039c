/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One blocking HTTP request for store/ and publish/: the second of the two places that see libcurl
 * (the other is the load engine). Bodies are bounded; secrets in headers are never logged.
 */
#ifndef FG_HTTP_CLIENT_H
#define FG_HTTP_CLIENT_H

#include "gate/base/buf.h"

struct fg_http_request {
	const char *method; /* "GET", "POST", "PUT" */
	const char *url;
	const char *const *headers; /* "Name: value" */
	size_t header_count;
	const void *body;
	size_t body_len;
	const char *basic_user, *basic_password; /* NULL: none */
	const char *bearer_token;
	uint64_t timeout_ns;       /* 0 = 30 s */
	size_t max_response_bytes; /* 0 = 16 MiB */
	int body_fd;               /* > 0: the body is written there and not kept */
	bool direct;               /* not through the proxy that the environment names */
	bool insecure;             /* take any certificate */
};

struct fg_http_response {
	long status;
	char content_type[128];
	struct fg_buf body;
};

/** Sets libcurl up, which is not for two threads at once: call it before a thread that fetches. */
int fg_http_set_up(struct fg_err *err) FG_MUST_USE;
/** NETWORK (could not talk, with the reason) or 0 with whatever status the server gave. Redirects
 *  are not followed. Messages never show credentials. Not for two
 *  threads at once on first use, see fg_http_set_up(). */
int fg_http_fetch(const struct fg_http_request *request, struct fg_http_response *ret,
		  struct fg_err *err) FG_MUST_USE;
/** The URL with `user:password@` shown as `***@`, for messages; cut to the buffer. */
void fg_http_url_masked(const char *url, char *buffer, size_t size_bytes);
void fg_http_response_done(struct fg_http_response *response);

#endif
