/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A first scenario without questions: from an OpenAPI file that lies here, or from a server that
 * listens on this machine.
 */
#ifndef FG_CONVERT_INIT_H
#define FG_CONVERT_INIT_H

#include "runner/convert/draft.h"

struct fg_init_options {
	const char *openapi; /* a file; NULL: looked for in `dir` */
	const char *url;     /* NULL: the description's if it is local, else a local listener */
	const char *dir;     /* where to look; NULL: here */
};

/** `draft` is zeroed by the caller and done by it. NOT_FOUND: neither a description nor a server,
 *  with the next step. */
int fg_init_draft(const struct fg_init_options *options, struct fg_draft *draft,
		  struct fg_err *err) FG_MUST_USE;

/* -- listeners.c ----------------------------------------------------------------------------- */

enum { FG_LISTENERS_MAX = 256 };

/** Ports on which something of this machine accepts local connections, most likely web servers
 *  first. Returns how many. */
size_t fg_listeners_find(uint16_t ports[FG_LISTENERS_MAX]);
/** The same from the text of /proc/net/tcp or tcp6, in its order. */
size_t fg_listeners_parse(const char *text, size_t len, uint16_t ports[FG_LISTENERS_MAX]);

#endif
