/* SPDX-License-Identifier: Apache-2.0 */
/* First line: the URL; every further one a Set-Cookie it answers. What is sent back must be a
 * header value. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runner/load/cookies.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_header(const struct fg_cookies *jar, const struct fg_url *url)
{
	struct fg_buf out;

	fg_buf_init(&out, FG_COOKIE_HEADER_MAX);
	fg_cookies_header(jar, url, 1000, &out);
	for (size_t i = 0; i < out.len; i++) {
		if (out.data[i] == '\r' || out.data[i] == '\n' || !out.data[i])
			abort();
	}
	fg_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *end = memchr(text, '\n', size);
	struct fg_cookies jar, copy;
	struct fg_url url;
	struct fg_err err;

	if (!end || fg_url_parse(text, (size_t)(end - text), &url, &err))
		return 0;
	fg_cookies_init(&jar);
	fg_cookies_init(&copy);
	while (end) {
		const char *line = end + 1;
		const size_t left = (size_t)(text + size - line);
		size_t len;

		end = memchr(line, '\n', left);
		len = end ? (size_t)(end - line) : left;
		if (fg_cookies_set(&jar, line, len, &url, 999, &err))
			abort();
	}
	if (jar.count > FG_COOKIES_MAX || fg_cookies_copy(&copy, &jar, &err) ||
	    copy.count != jar.count)
		abort();
	check_header(&jar, &url);
	check_header(&copy, &url);
	fg_cookies_done(&jar);
	fg_cookies_done(&copy);
	return 0;
}
