/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where connections go: scheme, host and port together with everything of a step's options that
 * decides who is at the other end (resolve, unixSocket, TLS). Two requests may share a connection
 * exactly when they have the same origin. One set per engine, interned, never freed before it.
 */
#ifndef FG_LOAD_NATIVE_ORIGIN_H
#define FG_LOAD_NATIVE_ORIGIN_H

#include <sys/un.h>

#include "runner/load/native_names.h"
#include "runner/load/native_tls.h"
#include "runner/load/native_url.h"
#include "runner/scenario/scenario.h"

enum { FG_NATIVE_ORIGINS_MAX = 1 << 16, FG_NATIVE_ALIAS_BUCKETS = 1 << 10 };

enum fg_native_reach { FG_NATIVE_BY_ADDRESS, FG_NATIVE_BY_NAME, FG_NATIVE_BY_PATH };

struct fg_native_origin {
	struct fg_native_origin *next;
	char *key; /* all of it as a text */
	enum fg_native_reach reach;
	union fg_native_address address;       /* BY_ADDRESS */
	struct fg_native_name *name;           /* BY_NAME */
	struct sockaddr_un path;               /* BY_PATH */
	uint16_t port;                         /* BY_NAME */
	struct fg_native_tls_context *context; /* NULL: cleartext */
	char *server_name;                     /* of TLS: SNI and what the certificate must name */
};

struct fg_native_alias; /* (options, scheme, authority) → origin, so that keys are built once */

struct fg_native_origins {
	struct fg_native_names names;
	struct fg_native_tls_store tls;
	struct fg_native_origin *origins;
	struct fg_native_alias *aliases[FG_NATIVE_ALIAS_BUCKETS];
	size_t alias_count;
};

void fg_native_origins_init(struct fg_native_origins *all, uv_loop_t *loop);
void fg_native_origins_close(struct fg_native_origins *all);
void fg_native_origins_done(struct fg_native_origins *all);
/** `http` must live as long as the set and not change. */
int fg_native_origin_find(struct fg_native_origins *all, const struct fg_native_url *url,
			  const struct fg_http_options *http, struct fg_native_origin **ret,
			  struct fg_err *err) FG_MUST_USE;

#endif
