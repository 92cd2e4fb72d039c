/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 with the standard alphabet and padding (RFC 4648 §4), strict when reading. */
#ifndef FG_FORMAT_BASE64_H
#define FG_FORMAT_BASE64_H

#include "gate/base/buf.h"

/** Appends the text, no line breaks; check the buffer. */
void fg_base64_encode(const void *bytes, size_t len, struct fg_buf *out);
/** Appends the bytes. Anything but a whole, padded text is INVALID; `out` is then unchanged. */
int fg_base64_decode(const char *text, size_t len, struct fg_buf *out,
		     struct fg_err *err) FG_MUST_USE;

#endif
