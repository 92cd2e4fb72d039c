/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict number parsing and printing: whole text or error, overflow checked, units required.
 *
 * These are the only number parsers of the project (atoi, strtol and sscanf are banned).
 * All take text with an explicit length so that they work on slices.
 */
#ifndef FG_BASE_NUM_H
#define FG_BASE_NUM_H

#include "gate/base/err.h"

int fg_num_u64(const char *text, size_t len, uint64_t *ret, struct fg_err *err) FG_MUST_USE;
int fg_num_i64(const char *text, size_t len, int64_t *ret, struct fg_err *err) FG_MUST_USE;
/** Hexadecimal with or without 0x. */
int fg_num_hex(const char *text, size_t len, uint64_t *ret, struct fg_err *err) FG_MUST_USE;
/** A finite decimal number, locale independent: -1.5e3; no hex, inf or nan. */
int fg_num_double(const char *text, size_t len, double *ret, struct fg_err *err) FG_MUST_USE;
/** "1h30m10.5s", "250ms", "40us": units ns us µs ms s m h d, in ns. A bare number is an error,
 *  except "0". */
int fg_num_duration_ns(const char *text, size_t len, uint64_t *ret_ns,
		       struct fg_err *err) FG_MUST_USE;
/** "16KiB", "1MB", "12B": B KB MB GB KiB MiB GiB. A bare number is an error, except "0". */
int fg_num_size_bytes(const char *text, size_t len, uint64_t *ret_bytes,
		      struct fg_err *err) FG_MUST_USE;
/** "2%", "0.5%" -> 0.02, 0.005. */
int fg_num_percent(const char *text, size_t len, double *ret_fraction,
		   struct fg_err *err) FG_MUST_USE;

enum { FG_NUM_TEXT_MAX = 32 };

/** For people, three significant digits: "312 ms", "1.10 ms", "64 µs", "1:05" is not used.
 *  Returns `buffer`. */
const char *fg_num_format_ns(double ns, char buffer[FG_NUM_TEXT_MAX]);
/** For files and commands, exact and re-parsable: "1m30s", "250ms". */
const char *fg_num_format_duration(uint64_t ns, char buffer[FG_NUM_TEXT_MAX]);
/** "12 400": digits grouped by a thin group separator (plain space). */
const char *fg_num_format_count(uint64_t n, char buffer[FG_NUM_TEXT_MAX]);
/** "1.2 MB". */
const char *fg_num_format_bytes(uint64_t bytes, char buffer[FG_NUM_TEXT_MAX]);

#endif
