/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making any bytes into text that every reader of a profile accepts.
 *
 * Pyroscope refuses a whole profile for one invalid byte in one string, so names that come from
 * ELF files, /proc and perf maps pass through here once, when they are interned.
 */
#ifndef FG_PROFILE_UTF8_H
#define FG_PROFILE_UTF8_H

#include "gate/base/attr.h"

/** True if the bytes are valid UTF-8 without NUL. */
bool fg_utf8_valid(const char *text, size_t len);
/** Copies into `out` (size_bytes ≥ 1) with U+FFFD for each byte that is not valid UTF-8 and for
 *  NUL; cuts between characters and terminates. Returns the length written. */
size_t fg_utf8_clean(const char *text, size_t len, char *out, size_t size_bytes);

#endif
