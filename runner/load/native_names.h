/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names to addresses, once per engine and five minutes (as k6), through libuv's threads.
 *
 * IPv4 comes first (k6's default policy); new connections go round the addresses of the first
 * family, the others are for when those fail. A failure is told to all who wait and not remembered.
 */
#ifndef FG_LOAD_NATIVE_NAMES_H
#define FG_LOAD_NATIVE_NAMES_H

#include <netinet/in.h>
#include <uv.h>

#include "gate/base/err.h"

enum { FG_NATIVE_ADDRESSES_MAX = 16, FG_NATIVE_NAMES_MAX = 1 << 16 };

union fg_native_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct fg_native_name {
	struct fg_native_name *next;
	char *host;
	union fg_native_address addresses[FG_NATIVE_ADDRESSES_MAX];
	unsigned count, preferred_count, turn; /* the first preferred_count are of one family */
	uint64_t expires_ns;
	bool pending;
	uv_getaddrinfo_t request;
	struct fg_native_waiter *waiters;
	struct fg_native_waiter *told; /* have an answer, and are told one after the other */
};

struct fg_native_waiter { /* in its owner; zeroed does not wait */
	struct fg_native_waiter *next;
	struct fg_native_name *name;
	/** `failure`: libuv's error, 0: the name has addresses. */
	void (*on_name)(struct fg_native_waiter *waiter, int failure);
};

struct fg_native_names {
	uv_loop_t *loop;
	struct fg_native_name *names;
	size_t count;
};

void fg_native_names_init(struct fg_native_names *names, uv_loop_t *loop);
void fg_native_names_close(struct fg_native_names *names);
void fg_native_names_done(struct fg_native_names *names);
/** The entry of a host, made if new; looks nothing up. */
int fg_native_names_entry(struct fg_native_names *names, const char *host,
			  struct fg_native_name **ret, struct fg_err *err) FG_MUST_USE;
bool fg_native_name_is_fresh(const struct fg_native_name *name, uint64_t now_ns);
/** Waits for the look-up, starting it if need be; on_name follows, never from inside this call. */
int fg_native_name_wait(struct fg_native_names *names, struct fg_native_name *name,
			struct fg_native_waiter *waiter, struct fg_err *err) FG_MUST_USE;
void fg_native_name_forget(struct fg_native_waiter *waiter); /* no-op when it does not wait */
/** Where this connection starts in the addresses. */
unsigned fg_native_name_turn(struct fg_native_name *name);
/** The try-th address from `turn` on, with the port set; NULL: all were tried. */
const union fg_native_address *fg_native_name_address(struct fg_native_name *name, unsigned turn,
						      unsigned try, uint16_t port);
/** "127.0.0.1" or "::1" without asking anybody. */
bool fg_native_address_literal(const char *host, uint16_t port, union fg_native_address *ret);
socklen_t fg_native_address_len(const union fg_native_address *address);

#endif
