/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON from strangers (over jansson) and JSON for others (a streaming writer).
 *
 * Reading is bounded in size, depth and number of values; duplicate keys are refused; every getter
 * names the full path of what it did not like ("classes[3].expected.requests: …"). Unknown keys are
 * never looked at, so they are ignored. Writing keeps all 64 bits of an integer, replaces invalid
 * UTF-8, and reports only once, at fg_json_writer_check().
 */
#ifndef FG_FORMAT_JSON_H
#define FG_FORMAT_JSON_H

#include <jansson.h>

#include "gate/base/buf.h"

enum {
	FG_JSON_BYTES_MAX = 64 << 20,
	FG_JSON_DEPTH_MAX = 64,
	FG_JSON_VALUES_MAX = 4000000, /* each costs about 50 bytes of memory when parsed */
};

/** Parses one whole JSON text. Invalid text sets line and column of `err`. The caller owns *ret
 *  (json_decref). */
int fg_json_parse(const char *text, size_t len, json_t **ret, struct fg_err *err) FG_MUST_USE;

/** json_dumps() that never gives a part of the value; free() it; NULL without memory. */
char *fg_json_dump(const json_t *value, size_t flags);

#define FG_AUTO_JSON FG_CLEANUP(fg_json_auto_decref)
void fg_json_auto_decref(json_t **value);

/* A value and how it was reached; lives on the stack of who walks the tree. */
struct fg_json_at {
	const struct fg_json_at *parent; /* NULL: root */
	const char *key;                 /* NULL: `index` counts, or root */
	size_t index;
	json_t *value; /* borrowed; NULL: not there */
};

struct fg_json_at fg_json_root(json_t *value);
/** INVALID with the path in front; for rules that the getters do not know. */
int fg_json_error(const struct fg_json_at *at, struct fg_err *err, const char *format, ...)
	FG_PRINTF(3, 4);

/* Each takes an object and a key. A missing key, null or another type is INVALID. */
int fg_json_object(const struct fg_json_at *object, const char *key, struct fg_json_at *ret,
		   struct fg_err *err) FG_MUST_USE;
int fg_json_array(const struct fg_json_at *object, const char *key, size_t max_count,
		  struct fg_json_at *ret, struct fg_err *err) FG_MUST_USE;
int fg_json_u64(const struct fg_json_at *object, const char *key, uint64_t max, uint64_t *ret,
		struct fg_err *err) FG_MUST_USE;
int fg_json_u32(const struct fg_json_at *object, const char *key, uint32_t max, uint32_t *ret,
		struct fg_err *err) FG_MUST_USE;
/** Finite, from `min` to `max`; integers are numbers too. */
int fg_json_double(const struct fg_json_at *object, const char *key, double min, double max,
		   double *ret, struct fg_err *err) FG_MUST_USE;
int fg_json_bool(const struct fg_json_at *object, const char *key, bool *ret,
		 struct fg_err *err) FG_MUST_USE;
/** Borrowed; valid as long as the tree. *ret_len may be NULL. */
int fg_json_string(const struct fg_json_at *object, const char *key, const char **ret,
		   size_t *ret_len, struct fg_err *err) FG_MUST_USE;
/** Copied; the caller frees. fg_json_dup_or_null also accepts null and a missing key. */
int fg_json_dup(const struct fg_json_at *object, const char *key, char **ret,
		struct fg_err *err) FG_MUST_USE;
int fg_json_dup_or_null(const struct fg_json_at *object, const char *key, char **ret,
			struct fg_err *err) FG_MUST_USE;
/** Copied into a buffer; LIMIT when it does not fit. */
int fg_json_text(const struct fg_json_at *object, const char *key, char *buffer, size_t size_bytes,
		 struct fg_err *err) FG_MUST_USE;
/** One of `words` (NULLs are passed over): its index. */
int fg_json_word(const struct fg_json_at *object, const char *key, const char *const *words,
		 size_t count, size_t *ret, struct fg_err *err) FG_MUST_USE;

/** True if the key is there and not null. */
bool fg_json_has(const struct fg_json_at *object, const char *key);
size_t fg_json_count(const struct fg_json_at *array);
/** Element i as an object. */
int fg_json_element(const struct fg_json_at *array, size_t i, struct fg_json_at *ret,
		    struct fg_err *err) FG_MUST_USE;
/** Element i as a text, copied into a buffer; LIMIT when it does not fit. */
int fg_json_element_text(const struct fg_json_at *array, size_t i, char *buffer, size_t size_bytes,
			 struct fg_err *err) FG_MUST_USE;
/** Element i as an integer. */
int fg_json_element_u64(const struct fg_json_at *array, size_t i, uint64_t max, uint64_t *ret,
			struct fg_err *err) FG_MUST_USE;

/** Walks an object's members: start with *iterator NULL; false after the last one. */
bool fg_json_next(const struct fg_json_at *object, void **iterator, struct fg_json_at *ret);
/** The string of a member found by fg_json_next(). */
int fg_json_value_string(const struct fg_json_at *at, const char **ret,
			 struct fg_err *err) FG_MUST_USE;

/* Writes into a buffer: begin/end nest, every other call adds one member (key) or element (NULL
 * key). With indent, objects and arrays of objects are broken into lines. */
struct fg_json_writer {
	struct fg_buf *out;
	unsigned depth;
	bool indent;
	bool comma;  /* the next value follows another one */
	bool failed; /* a value that JSON cannot hold, or wrong nesting */
	char closing[FG_JSON_DEPTH_MAX];
};

void fg_json_writer_init(struct fg_json_writer *writer, struct fg_buf *out, bool indent);
void fg_json_begin(struct fg_json_writer *writer, const char *key);       /* { */
void fg_json_begin_array(struct fg_json_writer *writer, const char *key); /* [ */
void fg_json_end(struct fg_json_writer *writer);
void fg_json_put_u64(struct fg_json_writer *writer, const char *key, uint64_t value);
void fg_json_put_i64(struct fg_json_writer *writer, const char *key, int64_t value);
/** 17 significant digits at most, so that reading gives the same double; NaN and ∞ become null. */
void fg_json_put_double(struct fg_json_writer *writer, const char *key, double value);
void fg_json_put_bool(struct fg_json_writer *writer, const char *key, bool value);
void fg_json_put_string(struct fg_json_writer *writer, const char *key, const char *text);
void fg_json_put_string_or_null(struct fg_json_writer *writer, const char *key, const char *text);
void fg_json_put_null(struct fg_json_writer *writer, const char *key);
/** A parsed value as it is. */
void fg_json_put_value(struct fg_json_writer *writer, const char *key, json_t *value);
/** 0 if everything was written and closed. */
int fg_json_writer_check(const struct fg_json_writer *writer, struct fg_err *err) FG_MUST_USE;

#endif
