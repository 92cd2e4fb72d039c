/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a protocol engine is to the step machine: five functions on one worker's loop.
 *
 * An engine performs one request at a time per slot of a VU (a VU has as many slots as
 * its widest `parallel`; connections are shared between them)  and reports it by callback with
 * every phase measured on the monotonic clock. It knows no scenario, no metrics, no VU logic.
 * It follows no redirect, keeps no cookie, undoes no compression: those are the step machine's, the
 * same for every engine. engine_curl is the reference; engine_native is our own HTTP/1.1 on the hot
 * path; engine_null completes at once.
 */
#ifndef FG_LOAD_ENGINE_H
#define FG_LOAD_ENGINE_H

#include <uv.h>

#include "gate/measure/slice.h"
#include "runner/load/labels.h"
#include "runner/scenario/scenario.h"

struct fg_engine;
struct fg_engine_vu; /* a VU's connections, cookies … inside the engine */

/* Credentials that need the protocol's help (digest, SigV4); rendered. */
struct fg_engine_auth {
	enum fg_auth_kind kind;
	const char *user, *password, *session_token;
	const char *sigv4_region, *sigv4_service;
};

enum { FG_ENGINE_BODY_MAX = 16 << 20 }; /* of a wanted body; more is FG_NET_BAD_RESPONSE */

/* What to send; all memory stays the caller's until on_done. */
struct fg_engine_request {
	/* Non-NULL: names this request for as long as the engine lives: with an equal key, of any
	 * VU, everything below but cookie, want_body and due_ns is the same, so the engine may skip
	 * its set-up and render it once. NULL: nothing is known. */
	const void *constant_key;
	const char *method;
	const char *url;            /* absolute */
	const char *const *headers; /* "Name: value" lines, header_count of them */
	size_t header_count;
	const char *body; /* NULL: none */
	size_t body_len;
	const struct fg_http_options *http; /* must live as long as the engine */
	const char *cookie; /* value of the Cookie header, NULL: none; not part of what
			       constant_key vouches for */
	const struct fg_engine_auth *auth; /* NULL: none */
	bool want_body;  /* keep the body for on_done; otherwise it is counted and dropped */
	uint64_t due_ns; /* from when response time counts */
	uint16_t label;  /* for fg_load_label(); 0: none */
};

struct fg_engine_response {
	enum fg_net_error error;
	uint16_t status;
	uint64_t send_ns;       /* when it was actually given to the network */
	uint64_t end_ns;        /* last byte, or failure: when our thread had it */
	uint64_t kernel_end_ns; /* when the last byte reached the kernel, on the monotonic clock; 0:
				   the kernel gave no stamp, or the response failed */
	uint64_t blocked_ns, dns_ns, connecting_ns, tls_ns, sending_ns, waiting_ns, receiving_ns;
	uint64_t sent_bytes, received_bytes;
	bool reused;
	uint16_t labelled_port; /* the own port whose label stood for this request alone; 0: none */
	uint16_t http_version;  /* 11, 20 …; 0: none */
	/* Borrowed until on_done returns. */
	const char *head; /* header lines "Name: value\r\n" of the final response, without the
			     status line and trailers; any blanks around the value */
	size_t head_len;
	const char *body; /* as sent, still compressed; NULL unless wanted */
	size_t body_len;
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
	/** `slots` ≥ 1: how many requests may run at once. */
	int (*vu_new)(struct fg_engine *engine, unsigned slots, struct fg_engine_vu **ret,
		      struct fg_err *err);
	void (*vu_free)(struct fg_engine_vu *vu); /* nothing may be running */
	/** End of an iteration: close connections if `connection: iteration`. */
	void (*vu_reset)(struct fg_engine_vu *vu, enum fg_connection connection);
	/** Starts in a free slot; exactly one on_done follows, never from inside this call. */
	int (*start)(struct fg_engine_vu *vu, unsigned slot,
		     const struct fg_engine_request *request,
		     void (*on_done)(void *context, const struct fg_engine_response *response),
		     void *context, struct fg_err *err);
	/** Cuts what runs in any slot: on_done follows for each with FG_NET_UNFINISHED, now or
	 * later. No-op when nothing runs. */
	void (*cancel)(struct fg_engine_vu *vu);
	/** NULL when this engine can send every request of this step, else why not ("HTTP/2 needs
	 *  curl"). `url`: how its URL begins, absolute, as far as that is known before the run;
	 *  NULL: not at all. */
	const char *(*refuses)(const struct fg_http_options *http, const char *url);
	/** Which clock ends a response on this machine: "kernel" when kernel_end_ns is filled, else
	 *  "user". No function: "user". */
	const char *(*clock)(void);
	/** Where to label requests, before the first VU is made; must outlive the engine. No
	 *  function: it never sends. */
	void (*label)(struct fg_engine *engine, const struct fg_load_labels *labels);
};

extern const struct fg_engine_ops fg_engine_curl, fg_engine_native, fg_engine_null;
const struct fg_engine_ops *fg_engine_find(const char *name); /* NULL: unknown */

/* The engines of one loop, each kind that is used once. Zeroed: none. */
enum { FG_ENGINE_KINDS = 4 };
struct fg_engines {
	const struct fg_engine_ops *ops[FG_ENGINE_KINDS];
	struct fg_engine *engines[FG_ENGINE_KINDS];
	unsigned count;
	const struct fg_load_labels *labels; /* set before the first is opened; NULL: none */
};
/** The engine of this kind, made if it is not there yet. */
int fg_engines_open(struct fg_engines *engines, const struct fg_engine_ops *ops, uv_loop_t *loop,
		    const struct fg_scenario_file *file, struct fg_engine **ret,
		    struct fg_err *err) FG_MUST_USE;
/** Starts closing all; the loop must run until their handles are gone, then free them. */
void fg_engines_close(struct fg_engines *engines);
void fg_engines_free(struct fg_engines *engines);

#endif
