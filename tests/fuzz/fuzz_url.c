/* SPDX-License-Identifier: Apache-2.0 */
/* First line: the base; the rest a Location. What is resolved must be a URL again, without a byte
 * that could end a request line, and resolving it once more must not change it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runner/load/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct fg_buf *first)
{
	struct fg_buf again;
	struct fg_url url;
	struct fg_err err;

	if (fg_url_parse(first->data, first->len, &url, &err))
		abort();
	fg_buf_init(&again, FG_URL_MAX);
	if (!fg_url_resolve(&url, first->data, first->len, &again, &err) &&
	    (again.len != first->len || memcmp(again.data, first->data, first->len) != 0))
		abort();
	fg_buf_done(&again);
	for (size_t i = (size_t)(url.path - first->data); i < first->len; i++) {
		if ((unsigned char)first->data[i] <= 0x20 || (unsigned char)first->data[i] >= 0x7f)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *end = memchr(text, '\n', size);
	struct fg_buf out;
	struct fg_url base;
	struct fg_err err;

	if (!end || fg_url_parse(text, (size_t)(end - text), &base, &err))
		return 0;
	fg_buf_init(&out, FG_URL_MAX);
	if (!fg_url_resolve(&base, end + 1, (size_t)(text + size - end) - 1, &out, &err))
		check(&out);
	fg_buf_done(&out);
	return 0;
}
