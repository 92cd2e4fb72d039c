/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/target/sockets.h"

#include <string.h>

#include "gate/base/file.h"
#include "gate/base/num.h"

enum { TABLE_MAX = 64 << 20, STATE_LISTEN = 0x0a };

/* The next blank-separated word of a line; empty at its end. */
static const char *next_word(const char **at, const char *end, size_t *ret_len)
{
	while (*at < end && **at == ' ')
		(*at)++;
	const char *word = *at;

	while (*at < end && **at != ' ')
		(*at)++;
	*ret_len = (size_t)(*at - word);
	return word;
}

/* "  0: 0100007F:1F90 00000000:0000 0A … uid timeout inode …": fields 1, 3, 7 and 9. */
static bool parse_row(const char *line, const char *end, struct fg_socket_row *ret)
{
	struct fg_socket_row row = {0};
	uint64_t state = 0;
	const char *at = line;

	for (int field = 0; field <= 9; field++) {
		size_t len;
		const char *word = next_word(&at, end, &len);
		const char *colon = memchr(word, ':', len);
		int rc = 0;

		if (field == 1 && colon) {
			row.address = word;
			row.address_len = (size_t)(colon - word);
			rc = fg_num_hex(colon + 1, len - row.address_len - 1, &row.port, NULL);
		} else if (field == 3) {
			rc = fg_num_hex(word, len, &state, NULL);
		} else if (field == 7) {
			rc = fg_num_u64(word, len, &row.uid, NULL);
		} else if (field == 9) {
			rc = fg_num_u64(word, len, &row.inode, NULL);
		}
		if (rc)
			return false; /* the heading, or a layout that we do not know */
	}
	row.is_listening = state == STATE_LISTEN;
	*ret = row;
	return row.address != NULL;
}

void fg_sockets_parse(const char *text, size_t len,
		      void (*take)(void *context, const struct fg_socket_row *row), void *context)
{
	const char *end = text + len;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		struct fg_socket_row row;

		if (parse_row(text, newline ? newline : end, &row))
			take(context, &row);
		text = newline ? newline + 1 : end;
	}
}

int fg_sockets_each(void (*take)(void *context, const struct fg_socket_row *row), void *context,
		    struct fg_err *err)
{
	static const char *const tables[] = {"/proc/net/tcp", "/proc/net/tcp6"};

	for (size_t i = 0; i < FG_ARRAY_LEN(tables); i++) {
		FG_AUTO_BUF struct fg_buf text = {.data = NULL};

		if (!fg_file_exists(tables[i]))
			continue;
		fg_buf_init(&text, TABLE_MAX);
		int rc = fg_file_read(tables[i], TABLE_MAX, &text, err);

		if (rc)
			return rc;
		if (text.data)
			fg_sockets_parse(text.data, text.len, take, context);
	}
	return 0;
}
