/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking into a response: values for captures, truth for checks and expectations.
 *
 * Nothing is found in a request that failed. Values borrow from the response, the arena or the
 * scenario.
 */
#ifndef FG_LOAD_CHECK_H
#define FG_LOAD_CHECK_H

#include "runner/load/cookies.h"
#include "runner/load/engine.h"
#include "runner/scenario/regex.h"

/* The last response of a step. */
struct fg_answer {
	const struct fg_engine_response *response;
	const char *body; /* plain; NULL: none kept */
	size_t body_len;
	uint64_t duration_ns;
	const struct fg_cookies *cookies;
	const struct fg_url *url; /* that was asked */
	uint64_t now_unix_s;
	struct fg_arena *arena;
	struct fg_regex_match *match;
};

/* What of it: the same four members of conditions and captures. */
struct fg_look {
	enum fg_from from;
	const char *key;
	const struct fg_jsonpath *path;
	const struct fg_regex *regex;
	unsigned group;
	bool all;
};

/** 1: *ret, 0: nothing there, < 0: it could not be looked for ("not JSON"), which callers treat as
 *  nothing there with a reason. */
int fg_answer_find(const struct fg_answer *answer, const struct fg_look *look, struct fg_value *ret,
		   struct fg_err *err) FG_MUST_USE;
/** A header's value; several of one name: the first. False: there is none. */
bool fg_answer_header(const char *head, size_t head_len, const char *name, const char **ret,
		      size_t *ret_len);
/** Walks the values of all headers of a name; *offset starts at 0. */
bool fg_answer_header_next(const char *head, size_t head_len, const char *name, size_t *offset,
			   const char **ret, size_t *ret_len);

/** `env` is what the operand may look at. When it does not hold, `err` may say why (its code then
 *  is not FG_E_NONE). */
bool fg_condition_holds(const struct fg_condition *condition, const struct fg_answer *answer,
			const struct fg_expr_env *env, struct fg_err *err);
/** Fills the slot; < 0: nothing found and neither optional nor default, or no memory. */
int fg_capture_take(const struct fg_capture *capture, const struct fg_answer *answer,
		    const struct fg_expr_env *env, struct fg_slot *slot,
		    struct fg_err *err) FG_MUST_USE;

#endif
