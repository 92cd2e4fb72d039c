/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of engine_curl share: a VU, and its slots with an easy handle each.
 *
 * Connections belong to the VU (through its CURLSH) and are used by all of its slots; one multi
 * handle per worker carries everything. curl_setup.c turns a request into curl's options,
 * curl_response.c turns what curl tells into a response, engine_curl.c runs them. Internal to
 * engine_curl.
 */
#ifndef FG_LOAD_CURL_SLOT_H
#define FG_LOAD_CURL_SLOT_H

#include "runner/load/curl_uv.h"
#include "runner/load/engine.h"

struct fg_curl_slot {
	struct fg_engine_vu *vu;
	CURL *easy; /* NULL: never used */
	/* What the easy handle is set up for; the options (a step's) outlive the VU. */
	const void *constant_key;
	const struct fg_http_options *http;
	bool has_auth, renamed; /* the URL names tls.serverName instead of its host */
	struct curl_slist *headers, *connect_to;
	struct fg_buf cookie;
	/* The running request. */
	bool running, want_body;
	bool long_body; /* larger than what goes out with the head */
	bool in_head;
	size_t upload_len;
	void (*on_done)(void *context, const struct fg_engine_response *response);
	void *context;
	uint64_t start_ns, send_ns, sent_ns, first_byte_ns; /* 0: not yet */
	uint64_t header_bytes, body_bytes;
	uint16_t label, labelled_port; /* 0: none */
	struct fg_buf head, body;
	struct fg_curl_slot *next_sending;
	bool is_sending; /* in the engine's list */
	char error_text[CURL_ERROR_SIZE];
};

struct fg_engine_vu {
	struct fg_engine *engine;
	CURLSH *connections; /* NULL: gone with the iteration, made by the next request */
	unsigned slot_count;
	struct fg_curl_slot slots[];
};

struct fg_engine {
	struct fg_curl_uv uv;
	/* Slots whose request curl began to write during the call into it that is running. */
	struct fg_curl_slot *sending;
	const struct fg_load_labels *labels; /* NULL: none */
};

/* -- curl_setup.c ----------------------------------------------------------------------------- */

/** Makes the easy handle with the options that never change. */
int fg_curl_slot_init(struct fg_curl_slot *slot, struct fg_err *err) FG_MUST_USE;
void fg_curl_slot_done(struct fg_curl_slot *slot);
int fg_curl_setup(struct fg_curl_slot *slot, const struct fg_engine_request *request,
		  struct fg_err *err) FG_MUST_USE;

/* -- curl_response.c -------------------------------------------------------------------------- */

/** Sets the callbacks that watch a response. */
CURLcode fg_curl_response_watch(struct fg_curl_slot *slot);
/** Forgets the last response; the request starts now. */
void fg_curl_response_begin(struct fg_curl_slot *slot, uint64_t now_ns);
/** Curl was called and has returned: what it began to write is written. */
void fg_curl_response_sent(struct fg_engine *engine);
/** Everything that is known at ret->end_ns; borrowed from the slot. */
void fg_curl_response_fill(struct fg_curl_slot *slot, CURLcode code,
			   struct fg_engine_response *ret);
/** Lets memory go that a rare large response needed. */
void fg_curl_response_shrink(struct fg_curl_slot *slot);

#endif
