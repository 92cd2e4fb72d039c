/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cookie jar (RFC 6265), one per VU, for every engine.
 *
 * Set-Cookie with Domain, Path, Expires, Max-Age, Secure; a domain must match the host that sets it
 * and is not a single label. Bounded in number and size; what is beyond is dropped (the oldest
 * first). Memory of dropped cookies is reused, so a jar that is filled and cleared every iteration
 * does not allocate.
 */
#ifndef FG_LOAD_COOKIES_H
#define FG_LOAD_COOKIES_H

#include "runner/load/url.h"

enum {
	FG_COOKIES_MAX = 180,       /* of a jar */
	FG_COOKIE_BYTES_MAX = 4096, /* name and value */
	FG_COOKIE_ATTRIBUTE_MAX = 1024,
	FG_COOKIE_HEADER_MAX = 64 << 10,
};

struct fg_cookie {
	struct fg_buf text; /* name, value, domain, path; each NUL-terminated */
	size_t name_len, value_len, domain_len, path_len;
	uint64_t expires_unix_s; /* UINT64_MAX: with the session */
	uint64_t number;         /* of creation */
	bool secure, host_only;
};

struct fg_cookies {
	struct fg_cookie *items; /* sorted as they are sent; all beyond count are spare memory */
	size_t count, capacity;
	uint64_t created;
};

void fg_cookies_init(struct fg_cookies *jar);
void fg_cookies_done(struct fg_cookies *jar);
void fg_cookies_clear(struct fg_cookies *jar); /* keeps memory */
int fg_cookies_copy(struct fg_cookies *dst, const struct fg_cookies *src,
		    struct fg_err *err) FG_MUST_USE;
/** Takes one Set-Cookie value that `url` answered. A cookie that may not be set is ignored; only
 *  NOMEM is an error. */
int fg_cookies_set(struct fg_cookies *jar, const char *text, size_t len, const struct fg_url *url,
		   uint64_t now_unix_s, struct fg_err *err) FG_MUST_USE;
/** Appends "a=1; b=2" for a request to `url`; nothing when none fits. */
void fg_cookies_header(const struct fg_cookies *jar, const struct fg_url *url, uint64_t now_unix_s,
		       struct fg_buf *out);
/** The value of the first cookie of that name that `url` would get. */
bool fg_cookies_get(const struct fg_cookies *jar, const struct fg_url *url, uint64_t now_unix_s,
		    const char *name, const char **ret_value, size_t *ret_len);
/** Name and value of a Set-Cookie line; false: it is none. */
bool fg_cookie_split(const char *text, size_t len, const char **ret_name, size_t *ret_name_len,
		     const char **ret_value, size_t *ret_value_len);
/** RFC 6265 §5.1.1; false: not a date. */
bool fg_cookie_date(const char *text, size_t len, uint64_t *ret_unix_s);

#endif
