/* SPDX-License-Identifier: Apache-2.0 */
/* The programs of make_variants.sh, and an independent look into their symbol tables. */
#ifndef FG_TESTS_VARIANTS_H
#define FG_TESTS_VARIANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Opens FG_VARIANTS/name (or an absolute path); -1 when it was not built. */
int variant_open(const char *name);
const char *variant_path(const char *name);
/** The value of a .symtab or .dynsym symbol by linear search; 0 if there is none. */
uint64_t variant_address(const char *name, const char *symbol);
/** The whole file (free it). */
unsigned char *variant_bytes(const char *name, size_t *ret_len);

#endif
