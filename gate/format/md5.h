/* SPDX-License-Identifier: Apache-2.0 */
/* MD5 (RFC 1321), because k6 names groups and checks by it in its summary. Not for security. */
#ifndef FG_FORMAT_MD5_H
#define FG_FORMAT_MD5_H

#include "gate/base/attr.h"

enum { FG_MD5_HEX_SIZE = 33 };

/** The digest in lower-case hexadecimal; returns `hex`. */
const char *fg_md5_hex(const void *bytes, size_t len, char hex[FG_MD5_HEX_SIZE]);

#endif
