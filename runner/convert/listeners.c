/* SPDX-License-Identifier: Apache-2.0 */
/* Local listeners that may be web servers. */
#include <stdlib.h>
#include <string.h>

#include "runner/convert/init.h"
#include "runner/target/sockets.h"

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

struct found {
	uint16_t *ports;
	size_t count;
};

static void take_row(void *context, const struct fg_socket_row *row)
{
	struct found *found = context;

	if (row->is_listening && found->count < FG_LISTENERS_MAX &&
	    is_local(row->address, row->address_len) &&
	    is_wanted(row->port, found->ports, found->count))
		found->ports[found->count++] = (uint16_t)row->port;
}

size_t fg_listeners_parse(const char *text, size_t len, uint16_t ports[FG_LISTENERS_MAX])
{
	struct found found = {.ports = ports};

	fg_sockets_parse(text, len, take_row, &found);
	return found.count;
}

size_t fg_listeners_find(uint16_t ports[FG_LISTENERS_MAX])
{
	struct found found = {.ports = ports};

	FG_IGNORE(fg_sockets_each(take_row, &found, NULL)); /* what was read counts */
	qsort(ports, found.count, sizeof(ports[0]), by_likelihood);
	return found.count;
}
