/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which bytes are text, and making text that every reader accepts of any bytes.
 *
 * Pyroscope refuses a whole profile for one invalid byte in one string, and JSON readers refuse the
 * whole file. Knows nothing of where the bytes come from.
 */
#ifndef FG_BASE_UTF8_H
#define FG_BASE_UTF8_H

#include "gate/base/attr.h"

/** U+FFFD, which stands for what is not valid. */
#define FG_UTF8_REPLACEMENT "\xef\xbf\xbd"

/** Length in bytes (1 to 4) of the character at `text`, 0 at its end or if it is not valid:
 *  overlong forms, surrogates and what is above U+10FFFF are not. Never reads past the NUL. */
size_t fg_utf8_len(const char *text);
/** True if the bytes are valid UTF-8 without NUL. */
bool fg_utf8_valid(const char *text, size_t len);
/** Copies into `out` (size_bytes ≥ 1) with U+FFFD for each byte that is not valid UTF-8 and for
 *  NUL; cuts between characters and terminates. Returns the length written. */
size_t fg_utf8_clean(const char *text, size_t len, char *out, size_t size_bytes);

#endif
