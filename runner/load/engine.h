/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a protocol engine is to the step machine: five functions on one worker's loop.
 *
 * An engine performs one request at a time per VU connection slot and reports it by callback with
 * every phase measured on the monotonic clock. It knows no scenario, no metrics, no VU logic.
 * engine_curl is the reference; engine_null completes at once; engine_native comes with issue B.
 */
#ifndef FG_LOAD_ENGINE_H
#define FG_LOAD_ENGINE_H

#include <uv.h>

#include "gate/measure/slice.h"
#include "runner/scenario/scenario.h"

struct fg_engine;
struct fg_engine_vu; /* a VU's connections, cookies … inside the engine */

/* What to send; all memory stays the caller's until on_done. */
struct fg_engine_request {
	/* Non-NULL and equal to this VU's previous request's: everything below but due_ns is the
	 * same as then, so the engine may skip its set-up. NULL: nothing is known. */
	const void *constant_key;
	const char *method;
	const char *url;            /* absolute */
	const char *const *headers; /* "Name: value" lines, header_count of them */
	size_t header_count;
	const char *body; /* NULL: none */
	size_t body_len;
	const struct fg_http_options *http;
	uint64_t due_ns; /* from when response time counts */
};

struct fg_engine_response {
	enum fg_net_error error;
	uint16_t status;
	uint64_t send_ns; /* when it was actually given to the network */
	uint64_t end_ns;  /* last byte, or failure */
	uint64_t blocked_ns, dns_ns, connecting_ns, tls_ns, sending_ns, waiting_ns, receiving_ns;
	uint64_t sent_bytes, received_bytes;
	bool reused;
	char error_text[160];
};

struct fg_engine_ops {
	const char *name; /* "curl" */
	int (*engine_new)(uv_loop_t *loop, const struct fg_scenario_file *file,
			  struct fg_engine **ret, struct fg_err *err);
	/** Starts closing its handles, after every vu_free; the loop must run until they are gone.
	 */
	void (*engine_close)(struct fg_engine *engine);
	/** After the loop has no more of its handles. */
	void (*engine_free)(struct fg_engine *engine);
	int (*vu_new)(struct fg_engine *engine, struct fg_engine_vu **ret, struct fg_err *err);
	void (*vu_free)(struct fg_engine_vu *vu); /* nothing may be running */
	/** End of an iteration: forget cookies, close connections if `connection: iteration`. */
	void (*vu_reset)(struct fg_engine_vu *vu, enum fg_connection connection);
	/** Starts; exactly one on_done follows, never from inside this call. */
	int (*start)(struct fg_engine_vu *vu, const struct fg_engine_request *request,
		     void (*on_done)(void *context, const struct fg_engine_response *response),
		     void *context, struct fg_err *err);
	/** Cuts a running request: on_done follows with FG_NET_UNFINISHED, now or later. No-op when
	 *  nothing runs. */
	void (*cancel)(struct fg_engine_vu *vu);
};

extern const struct fg_engine_ops fg_engine_curl, fg_engine_null;
const struct fg_engine_ops *fg_engine_find(const char *name); /* NULL: unknown */

#endif
