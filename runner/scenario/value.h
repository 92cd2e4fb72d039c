/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an expression yields and a variable holds: JSON's types.
 *
 * A value borrows its text: from an arena, a response, a slot or the scenario. Lists and objects
 * are JSON text (compact or not), so that handing one on costs nothing; who looks inside walks the
 * text. A slot owns a value and reuses its memory.
 */
#ifndef FG_SCENARIO_VALUE_H
#define FG_SCENARIO_VALUE_H

#include "gate/base/arena.h"
#include "gate/base/buf.h"

enum fg_value_kind {
	FG_VALUE_NULL,
	FG_VALUE_BOOL,
	FG_VALUE_NUMBER,
	FG_VALUE_TEXT,
	FG_VALUE_JSON, /* text of an object or a list */
};

struct fg_value {
	enum fg_value_kind kind;
	bool boolean;
	double number;
	/* TEXT, JSON: not NUL-terminated. NUMBER: NULL, or the digits of an integer as they were
	 * written where a double may not hold them (ids of 64 bits): printed instead of `number`.
	 */
	const char *text;
	size_t len;
};

enum { FG_VALUE_NUMBER_MAX = 32 };

/** What fg_value_print() prints, without copying: in the value, in `buffer`, or a constant. */
const char *fg_value_view(const struct fg_value *value, char buffer[FG_VALUE_NUMBER_MAX],
			  size_t *ret_len);
/** The value as a JSON text into `out` (not terminated), or only measured if that is NULL. Bytes
 *  that are not UTF-8 become U+FFFD. Returns the length. */
size_t fg_value_write_json(const struct fg_value *value, char *out);
/** Shortest text that reads back as the same double, as JavaScript prints it; terminated. */
size_t fg_value_number_text(double number, char buffer[FG_VALUE_NUMBER_MAX]);
/** "null", "bool", "number", "text", "list" or "object": for messages. */
const char *fg_value_kind_name(const struct fg_value *value);

/** "", "true", "12" (shortest that reads back the same; integers without a point), text as it is,
 *  JSON as it is; appended. */
void fg_value_print(const struct fg_value *value, struct fg_buf *out);
/** As a JSON text: strings quoted and escaped; appended. */
void fg_value_print_json(const struct fg_value *value, struct fg_buf *out);
/** false, 0, "", null are false; everything else is true. */
bool fg_value_truth(const struct fg_value *value);
/** Numbers, and texts that are wholly a number ("12", "-0.5", "1e3"; no spaces); false: it is
 *  none. */
bool fg_value_number(const struct fg_value *value, double *ret);
/** JSON types must be equal, except that a number equals a text that is wholly that number (what
 *  was captured from a header compares with 3). */
bool fg_value_equal(const struct fg_value *a, const struct fg_value *b);

/* A variable of a VU. */
struct fg_slot {
	bool set;
	struct fg_value value; /* its text points into `text` */
	struct fg_buf text;
};
enum { FG_SLOT_TEXT_MAX = 16 << 20 };

void fg_slot_init(struct fg_slot *slot);
void fg_slot_done(struct fg_slot *slot);
void fg_slot_clear(struct fg_slot *slot); /* unset; keeps memory */
/** Copies the value; it may borrow from this very slot. LIMIT: longer than FG_SLOT_TEXT_MAX. */
int fg_slot_set(struct fg_slot *slot, const struct fg_value *value, struct fg_err *err) FG_MUST_USE;

#endif
