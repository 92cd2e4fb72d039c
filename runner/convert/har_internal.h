/* SPDX-License-Identifier: Apache-2.0 */
/* Private to har*.c: one recorded entry, and what is remembered from one to the next. */
#ifndef FG_CONVERT_HAR_INTERNAL_H
#define FG_CONVERT_HAR_INTERNAL_H

#include "gate/format/json.h"
#include "runner/convert/har.h"

enum {
	FG_HAR_PAUSE_MIN_MS = 500,
	FG_HAR_PAUSE_MAX_MS = 30000,
	FG_HAR_HEADERS_MAX = 200,
};

/* Borrowed from the JSON tree, except place. */
struct fg_har_entry {
	char place[64]; /* "log.entries[3]" */
	struct fg_json_at request;
	struct fg_json_at element; /* `request`'s parent; kept for its path */
	const char *method, *url, *mime, *redirect, *page;
	uint64_t start_ms, duration_ms;
	uint16_t status;
	bool web_socket;
};

struct fg_har_state {
	struct fg_draft *draft;
	const struct fg_har_options *options;
	const struct fg_json_at *log;
	const char *redirect; /* where the last request was sent on to; NULL: nowhere */
	uint64_t last_end_ms;
	bool has_cookies; /* some request sent cookies */
	bool keep;        /* the entry that is being converted */
};

/* har_entry.c */
int fg_har_entry_read(const struct fg_har_state *state, const struct fg_json_at *entries,
		      size_t index, struct fg_har_entry *ret, struct fg_err *err) FG_MUST_USE;
/* har_request.c */
int fg_har_headers(struct fg_har_state *state, const struct fg_har_entry *entry,
		   struct fg_draft_step *step, struct fg_err *err) FG_MUST_USE;
/** May set state->keep to false, with a note, when the body was not recorded. */
int fg_har_body(struct fg_har_state *state, const struct fg_har_entry *entry,
		struct fg_draft_step *step, struct fg_err *err) FG_MUST_USE;

#endif
