/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's tables of TCP sockets, /proc/net/tcp and tcp6, row by row. Sees this network
 * namespace only.
 */
#ifndef FG_TARGET_SOCKETS_H
#define FG_TARGET_SOCKETS_H

#include "gate/base/err.h"

struct fg_socket_row {
	const char *address; /* local, in hex as it stands there: 8 digits, or 32 */
	size_t address_len;
	uint64_t port, uid, inode;
	bool is_listening;
};

/** Calls `take` for every row of a table's text; headings and lines that are no rows are passed
 *  over. */
void fg_sockets_parse(const char *text, size_t len,
		      void (*take)(void *context, const struct fg_socket_row *row), void *context);
/** Both tables of this machine; one that is not there (no IPv6) is no error. */
int fg_sockets_each(void (*take)(void *context, const struct fg_socket_row *row), void *context,
		    struct fg_err *err) FG_MUST_USE;

#endif
