/* SPDX-License-Identifier: Apache-2.0 */
/* Local listeners, from /proc/net/tcp and tcp6: "sl local rem st …", addresses in hex. */
#include <stdlib.h>
#include <string.h>

#include "gate/base/file.h"
#include "gate/base/num.h"
#include "runner/convert/init.h"

enum { TABLE_MAX = 16 << 20 };

/* Databases and brokers take a GET for an attack, and log it. */
static const uint16_t never_http[] = {22,   25,   53,    110,   111,   143,   389,  465,
				      587,  636,  993,   995,   1433,  1521,  2049, 2181,
				      3306, 4369, 5432,  5671,  5672,  6379,  6380, 6432,
				      9042, 9092, 11211, 25672, 26379, 27017, 33060};
static const uint16_t likely[] = {8080, 8000, 3000, 5000, 4000, 8888, 9000, 8081, 80, 8443, 443};

static size_t rank_of(uint16_t port)
{
	size_t i = 0;

	while (i < FG_ARRAY_LEN(likely) && likely[i] != port)
		i++;
	return i;
}

static int by_likelihood(const void *a, const void *b)
{
	const uint16_t x = *(const uint16_t *)a;
	const uint16_t y = *(const uint16_t *)b;
	const size_t rx = rank_of(x);
	const size_t ry = rank_of(y);

	if (rx != ry)
		return rx < ry ? -1 : 1;
	return (x > y) - (x < y);
}

static bool is_wanted(uint64_t port, const uint16_t *ports, size_t count)
{
	for (size_t i = 0; i < FG_ARRAY_LEN(never_http); i++)
		if (never_http[i] == port)
			return false;
	for (size_t i = 0; i < count; i++)
		if (ports[i] == port)
			return false;
	return port > 0 && port <= UINT16_MAX;
}

/* Loopback, or any address. */
static bool is_local(const char *address, size_t len)
{
	static const char v4_mapped[] = "0000000000000000FFFF0000";

	if (len == 8)
		return memcmp(address + 6, "7F", 2) == 0 || memcmp(address, "00000000", 8) == 0;
	if (len != 32)
		return false;
	return strspn(address, "0") >= 32 || memcmp(address + 24, "01000000", 8) == 0 ||
	       (memcmp(address, v4_mapped, 24) == 0 && memcmp(address + 30, "7F", 2) == 0);
}

/* The port of a listening local socket, or 0. */
static uint64_t port_of_line(const char *line, const char *end)
{
	const char *word[4];
	size_t len[4];
	uint64_t port = 0;

	for (size_t i = 0; i < 4; i++) {
		while (line < end && *line == ' ')
			line++;
		word[i] = line;
		while (line < end && *line != ' ')
			line++;
		len[i] = (size_t)(line - word[i]);
	}
	const char *colon = memchr(word[1], ':', len[1]);

	if (len[3] != 2 || memcmp(word[3], "0A", 2) != 0 || !colon ||
	    !is_local(word[1], (size_t)(colon - word[1])))
		return 0;
	const size_t digits = len[1] - (size_t)(colon + 1 - word[1]);

	return fg_num_hex(colon + 1, digits, &port, NULL) ? 0 : port;
}

size_t fg_listeners_parse(const char *text, size_t len, uint16_t ports[FG_LISTENERS_MAX],
			  size_t count)
{
	const char *end = text + len;

	while (text < end && count < FG_LISTENERS_MAX) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const uint64_t port = port_of_line(text, newline ? newline : end);

		if (is_wanted(port, ports, count))
			ports[count++] = (uint16_t)port;
		text = newline ? newline + 1 : end;
	}
	return count;
}

size_t fg_listeners_find(uint16_t ports[FG_LISTENERS_MAX])
{
	static const char *const tables[] = {"/proc/net/tcp", "/proc/net/tcp6"};
	size_t count = 0;

	for (size_t i = 0; i < FG_ARRAY_LEN(tables); i++) {
		FG_AUTO_BUF struct fg_buf text = {0};

		fg_buf_init(&text, TABLE_MAX);
		if (fg_file_read(tables[i], TABLE_MAX, &text, NULL) == 0 && text.data)
			count = fg_listeners_parse(text.data, text.len, ports, count);
	}
	qsort(ports, count, sizeof(ports[0]), by_likelihood);
	return count;
}
