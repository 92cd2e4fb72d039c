/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/cookies.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gate/base/num.h"
#include "gate/base/vec.h"

/* A Set-Cookie taken apart; borrows. */
struct parsed {
	const char *name, *value, *domain, *path;
	size_t name_len, value_len, domain_len, path_len;
	uint64_t expires_unix_s;
	bool secure, has_max_age;
};

void fg_cookies_init(struct fg_cookies *jar)
{
	*jar = (struct fg_cookies){0};
}

void fg_cookies_done(struct fg_cookies *jar)
{
	for (size_t i = 0; i < jar->capacity; i++)
		fg_buf_done(&jar->items[i].text);
	free(jar->items);
	*jar = (struct fg_cookies){0};
}

void fg_cookies_clear(struct fg_cookies *jar)
{
	jar->count = 0;
}

static const char *name_of(const struct fg_cookie *cookie)
{
	return cookie->text.data;
}

static const char *value_of(const struct fg_cookie *cookie)
{
	return cookie->text.data + cookie->name_len + 1;
}

static const char *domain_of(const struct fg_cookie *cookie)
{
	return value_of(cookie) + cookie->value_len + 1;
}

static const char *path_of(const struct fg_cookie *cookie)
{
	return domain_of(cookie) + cookie->domain_len + 1;
}

/* -- reading Set-Cookie -------------------------------------------------------------------------
 */

static void trim(const char **text, size_t *len)
{
	while (*len && (**text == ' ' || **text == '\t')) {
		(*text)++;
		(*len)--;
	}
	while (*len && ((*text)[*len - 1] == ' ' || (*text)[*len - 1] == '\t'))
		(*len)--;
}

/* "name = value" up to the next ';'; without '=' everything is the name. Moves *text past it. */
static bool next_pair(const char **text, size_t *len, const char **name, size_t *name_len,
		      const char **value, size_t *value_len)
{
	const char *semicolon = memchr(*text, ';', *len);
	const size_t n = semicolon ? (size_t)(semicolon - *text) : *len;
	const char *equals = memchr(*text, '=', n);

	*name = *text;
	*name_len = equals ? (size_t)(equals - *text) : n;
	*value = equals ? equals + 1 : *text + n;
	*value_len = equals ? n - *name_len - 1 : 0;
	trim(name, name_len);
	trim(value, value_len);
	*text += semicolon ? n + 1 : n;
	*len -= semicolon ? n + 1 : n;
	return equals != NULL;
}

static bool clean(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)text[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f || c == ';')
			return false;
	}
	return true;
}

bool fg_cookie_split(const char *text, size_t len, const char **ret_name, size_t *ret_name_len,
		     const char **ret_value, size_t *ret_value_len)
{
	return next_pair(&text, &len, ret_name, ret_name_len, ret_value, ret_value_len) &&
	       *ret_name_len > 0 && *ret_name_len + *ret_value_len <= FG_COOKIE_BYTES_MAX &&
	       clean(*ret_name, *ret_name_len) && clean(*ret_value, *ret_value_len);
}

static bool is_word(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && !strncasecmp(text, word, len);
}

static void take_max_age(struct parsed *cookie, const char *value, size_t len, uint64_t now_unix_s)
{
	int64_t seconds;

	if (fg_num_i64(value, len, &seconds, NULL))
		return;
	cookie->has_max_age = true;
	if (seconds <= 0)
		cookie->expires_unix_s = 0;
	else if (__builtin_add_overflow(now_unix_s, (uint64_t)seconds, &cookie->expires_unix_s))
		cookie->expires_unix_s = UINT64_MAX - 1;
}

/* Max-Age wins over Expires; of the others the last one counts. */
static void take_attribute(struct parsed *cookie, const char *name, size_t name_len,
			   const char *value, size_t value_len, uint64_t now_unix_s)
{
	if (is_word(name, name_len, "secure")) {
		cookie->secure = true;
	} else if (is_word(name, name_len, "max-age")) {
		take_max_age(cookie, value, value_len, now_unix_s);
	} else if (is_word(name, name_len, "expires")) {
		uint64_t expires;

		if (!cookie->has_max_age && fg_cookie_date(value, value_len, &expires))
			cookie->expires_unix_s = expires;
	} else if (is_word(name, name_len, "domain")) {
		cookie->domain = value;
		cookie->domain_len = value_len;
	} else if (is_word(name, name_len, "path")) {
		cookie->path = value;
		cookie->path_len = value_len;
	}
}

/* -- whom a cookie fits ------------------------------------------------------------------------ */

static bool domain_fits(const char *domain, size_t domain_len, const struct fg_url *url)
{
	const char *tail;

	if (url->host_len == domain_len)
		return !strncasecmp(domain, url->host, domain_len);
	if (url->host_len < domain_len + 2 || fg_url_host_is_address(url->host, url->host_len))
		return false;
	tail = url->host + url->host_len - domain_len;
	return tail[-1] == '.' && !strncasecmp(domain, tail, domain_len);
}

static bool path_fits(const char *path, size_t path_len, const struct fg_url *url)
{
	const char *asked = url->path_len ? url->path : "/";
	const size_t asked_len = url->path_len ? url->path_len : 1;

	if (asked_len < path_len || memcmp(asked, path, path_len) != 0)
		return false;
	return asked_len == path_len || (path_len && path[path_len - 1] == '/') ||
	       asked[path_len] == '/';
}

static bool fits(const struct fg_cookie *cookie, const struct fg_url *url, uint64_t now_unix_s)
{
	const char *domain = domain_of(cookie);

	if (cookie->expires_unix_s <= now_unix_s || (cookie->secure && !url->https))
		return false;
	if (cookie->host_only && url->host_len != cookie->domain_len)
		return false;
	return domain_fits(domain, cookie->domain_len, url) &&
	       path_fits(path_of(cookie), cookie->path_len, url);
}

/* The host itself when no domain is given; a domain must be the host or above it, and more than a
 * top-level name: there is no list of public suffixes here. */
static bool settle_domain(struct parsed *cookie, const struct fg_url *url, bool *ret_host_only)
{
	if (cookie->domain_len && *cookie->domain == '.') {
		cookie->domain++;
		cookie->domain_len--;
	}
	*ret_host_only =
		!cookie->domain_len || (cookie->domain_len == url->host_len &&
					(fg_url_host_is_address(url->host, url->host_len) ||
					 !memchr(cookie->domain, '.', cookie->domain_len)));
	if (cookie->domain_len && !domain_fits(cookie->domain, cookie->domain_len, url))
		return false;
	if (!*ret_host_only)
		return memchr(cookie->domain, '.', cookie->domain_len) != NULL;
	cookie->domain = url->host;
	cookie->domain_len = url->host_len;
	return true;
}

/* RFC 6265 §5.1.4: the directory of what was asked. */
static void settle_path(struct parsed *cookie, const struct fg_url *url)
{
	const char *slash;

	if (cookie->path_len && *cookie->path == '/')
		return;
	slash = url->path_len ? memrchr(url->path, '/', url->path_len) : NULL;
	cookie->path = slash && slash > url->path ? url->path : "/";
	cookie->path_len = slash && slash > url->path ? (size_t)(slash - url->path) : 1;
}

/* -- the jar ------------------------------------------------------------------------------------
 */

/* What is taken out becomes spare memory behind the last one. */
static void take_out(struct fg_cookies *jar, size_t index)
{
	const struct fg_cookie spare = jar->items[index];

	memmove(&jar->items[index], &jar->items[index + 1],
		(jar->count - index - 1) * sizeof(*jar->items));
	jar->items[--jar->count] = spare;
}

static bool is_same(const struct fg_cookie *cookie, const struct parsed *other)
{
	return cookie->name_len == other->name_len && cookie->path_len == other->path_len &&
	       cookie->domain_len == other->domain_len &&
	       !memcmp(name_of(cookie), other->name, other->name_len) &&
	       !memcmp(path_of(cookie), other->path, other->path_len) &&
	       !strncasecmp(domain_of(cookie), other->domain, other->domain_len);
}

static void drop_oldest(struct fg_cookies *jar)
{
	size_t oldest = 0;

	for (size_t i = 1; i < jar->count; i++) {
		if (jar->items[i].number < jar->items[oldest].number)
			oldest = i;
	}
	take_out(jar, oldest);
}

static int make_room(struct fg_cookies *jar, struct fg_err *err)
{
	size_t old = jar->capacity;
	int rc;

	if (jar->count == FG_COOKIES_MAX)
		drop_oldest(jar);
	rc = FG_VEC_ROOM(jar, items, count, capacity, FG_COOKIES_MAX, err);
	for (; !rc && old < jar->capacity; old++)
		fg_buf_init(&jar->items[old].text,
			    FG_COOKIE_BYTES_MAX + 2 * FG_COOKIE_ATTRIBUTE_MAX + 300);
	return rc;
}

static void add_part(struct fg_buf *text, const char *part, size_t len)
{
	fg_buf_add(text, part, len);
	fg_buf_add_char(text, '\0');
}

static int fill(struct fg_cookie *cookie, const struct parsed *from, struct fg_err *err)
{
	fg_buf_clear(&cookie->text);
	add_part(&cookie->text, from->name, from->name_len);
	add_part(&cookie->text, from->value, from->value_len);
	add_part(&cookie->text, from->domain, from->domain_len);
	add_part(&cookie->text, from->path, from->path_len);
	cookie->name_len = from->name_len;
	cookie->value_len = from->value_len;
	cookie->domain_len = from->domain_len;
	cookie->path_len = from->path_len;
	cookie->expires_unix_s = from->expires_unix_s;
	cookie->secure = from->secure;
	return fg_buf_check(&cookie->text, err);
}

/* Longer paths first, then the older first (§5.4): the place among the sorted ones. */
static void sort_last(struct fg_cookies *jar)
{
	const struct fg_cookie last = jar->items[jar->count - 1];
	size_t at = jar->count - 1;

	while (at && (jar->items[at - 1].path_len < last.path_len ||
		      (jar->items[at - 1].path_len == last.path_len &&
		       jar->items[at - 1].number > last.number))) {
		jar->items[at] = jar->items[at - 1];
		at--;
	}
	jar->items[at] = last;
}

static int put(struct fg_cookies *jar, const struct parsed *from, bool host_only,
	       uint64_t now_unix_s, struct fg_err *err)
{
	uint64_t number = jar->created;
	struct fg_cookie *cookie;
	int rc;

	for (size_t i = 0; i < jar->count; i++) {
		if (!is_same(&jar->items[i], from))
			continue;
		number = jar->items[i].number; /* a new value keeps its place */
		take_out(jar, i);
		break;
	}
	if (from->expires_unix_s <= now_unix_s)
		return 0;
	rc = make_room(jar, err);
	if (rc)
		return rc;
	cookie = &jar->items[jar->count];
	rc = fill(cookie, from, err);
	if (rc)
		return rc;
	cookie->number = number;
	cookie->host_only = host_only;
	jar->created++;
	jar->count++;
	sort_last(jar);
	return 0;
}

int fg_cookies_set(struct fg_cookies *jar, const char *text, size_t len, const struct fg_url *url,
		   uint64_t now_unix_s, struct fg_err *err)
{
	struct parsed cookie = {.expires_unix_s = UINT64_MAX};
	const char *name, *value;
	size_t name_len, value_len;
	bool host_only;

	if (!fg_cookie_split(text, len, &cookie.name, &cookie.name_len, &cookie.value,
			     &cookie.value_len))
		return 0;
	next_pair(&text, &len, &name, &name_len, &value, &value_len);
	while (len) {
		next_pair(&text, &len, &name, &name_len, &value, &value_len);
		if (value_len <= FG_COOKIE_ATTRIBUTE_MAX && clean(value, value_len))
			take_attribute(&cookie, name, name_len, value, value_len, now_unix_s);
	}
	if (!settle_domain(&cookie, url, &host_only))
		return 0;
	settle_path(&cookie, url);
	if (cookie.path_len > FG_COOKIE_ATTRIBUTE_MAX)
		return 0;
	return put(jar, &cookie, host_only, now_unix_s, err);
}

int fg_cookies_copy(struct fg_cookies *dst, const struct fg_cookies *src, struct fg_err *err)
{
	dst->count = 0;
	dst->created = src->created;
	for (size_t i = 0; i < src->count; i++) {
		const struct fg_cookie *from = &src->items[i];
		struct fg_cookie *to;
		struct fg_buf text;
		int rc = make_room(dst, err);

		if (rc)
			return rc;
		to = &dst->items[dst->count];
		text = to->text;
		*to = *from;
		to->text = text;
		fg_buf_clear(&to->text);
		fg_buf_add(&to->text, from->text.data, from->text.len);
		rc = fg_buf_check(&to->text, err);
		if (rc)
			return rc;
		dst->count++;
	}
	return 0;
}

void fg_cookies_header(const struct fg_cookies *jar, const struct fg_url *url, uint64_t now_unix_s,
		       struct fg_buf *out)
{
	const char *between = "";

	for (size_t i = 0; i < jar->count; i++) {
		const struct fg_cookie *cookie = &jar->items[i];

		if (!fits(cookie, url, now_unix_s))
			continue;
		fg_buf_add_str(out, between);
		fg_buf_add(out, name_of(cookie), cookie->name_len);
		fg_buf_add_char(out, '=');
		fg_buf_add(out, value_of(cookie), cookie->value_len);
		between = "; ";
	}
}

bool fg_cookies_get(const struct fg_cookies *jar, const struct fg_url *url, uint64_t now_unix_s,
		    const char *name, const char **ret_value, size_t *ret_len)
{
	for (size_t i = 0; i < jar->count; i++) {
		const struct fg_cookie *cookie = &jar->items[i];

		if (strcmp(name_of(cookie), name) != 0 || !fits(cookie, url, now_unix_s))
			continue;
		*ret_value = value_of(cookie);
		*ret_len = cookie->value_len;
		return true;
	}
	return false;
}
