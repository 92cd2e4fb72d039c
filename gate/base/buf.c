/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fg_buf_init(struct fg_buf *buf, size_t max_bytes)
{
	*buf = (struct fg_buf){.max = max_bytes};
}

void fg_buf_done(struct fg_buf *buf)
{
	if (!buf)
		return;
	free(buf->data);
	*buf = (struct fg_buf){.max = buf->max};
}

void fg_buf_clear(struct fg_buf *buf)
{
	buf->len = 0;
	buf->failed = false;
	if (buf->data)
		buf->data[0] = '\0';
}

static bool grow(struct fg_buf *buf, size_t extra)
{
	if (buf->failed)
		return false;
	if (extra > buf->max || buf->len > buf->max - extra) {
		buf->failed = true;
		return false;
	}
	size_t need = buf->len + extra + 1;

	if (need <= buf->capacity)
		return true;
	size_t capacity = buf->capacity ? buf->capacity : 64;

	while (capacity < need)
		capacity += capacity / 2 + 64;
	if (capacity > buf->max + 1)
		capacity = buf->max + 1;
	char *data = realloc(buf->data, capacity);

	if (!data) {
		buf->failed = true;
		return false;
	}
	buf->data = data;
	buf->capacity = capacity;
	return true;
}

char *fg_buf_reserve(struct fg_buf *buf, size_t len)
{
	return grow(buf, len) ? buf->data + buf->len : NULL;
}

void fg_buf_commit(struct fg_buf *buf, size_t len)
{
	assert(buf->data && buf->len + len < buf->capacity);
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void fg_buf_add(struct fg_buf *buf, const void *bytes, size_t len)
{
	if (!grow(buf, len))
		return;
	assert(buf->data);
	if (len)
		memcpy(buf->data + buf->len, bytes, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void fg_buf_add_str(struct fg_buf *buf, const char *text)
{
	fg_buf_add(buf, text, strlen(text));
}

void fg_buf_add_char(struct fg_buf *buf, char c)
{
	fg_buf_add(buf, &c, 1);
}

void fg_buf_addv(struct fg_buf *buf, const char *format, va_list args)
{
	va_list again;

	va_copy(again, args);
	int len = vsnprintf(NULL, 0, format, args);

	if (len < 0) {
		buf->failed = true;
	} else if (grow(buf, (size_t)len)) {
		(void)vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
		buf->len += (size_t)len;
	}
	va_end(again);
}

void fg_buf_addf(struct fg_buf *buf, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fg_buf_addv(buf, format, args);
	va_end(args);
}

int fg_buf_check(const struct fg_buf *buf, struct fg_err *err)
{
	if (!buf->failed)
		return 0;
	if (buf->len + 1 >= buf->max)
		return fg_err_set(err, FG_E_LIMIT, "text exceeds its limit of %zu bytes", buf->max);
	return fg_err_set(err, FG_E_NOMEM, "out of memory or over the limit of %zu bytes",
			  buf->max);
}

char *fg_buf_take(struct fg_buf *buf, size_t *ret_len)
{
	if (!buf->data)
		fg_buf_add(buf, "", 0);
	char *data = buf->data;

	if (ret_len)
		*ret_len = buf->len;
	*buf = (struct fg_buf){.max = buf->max};
	return data;
}
