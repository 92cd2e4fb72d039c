/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be refused before anything starts: impossible plans, more virtual users than the process
 * may have open files, files of TLS that cannot be read, socket paths that no address can hold.
 * Knows nothing of engines and workers.
 */
#ifndef FG_LOAD_PRECHECK_H
#define FG_LOAD_PRECHECK_H

#include "runner/load/load.h"

/** 0 if (this shard of) the scenarios can run here; raises the soft limit of open files where that
 * suffices. */
int fg_load_precheck(const struct fg_load_options *options, struct fg_err *err) FG_MUST_USE;

/** Where a TCP connection to a URL would go, as a URL: its pin's address, or itself. False: nowhere
 *  that can be tried before the run (a unix socket, or a proxy is asked instead). */
bool fg_load_probe_url(const struct fg_http_options *http, const char *url, struct fg_buf *out);

#endif
