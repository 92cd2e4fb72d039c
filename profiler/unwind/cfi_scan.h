/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look at a call-frame program before libdw executes it.
 *
 * libdw 0.188 sizes its register array by the largest register number it meets (up to 2 GiB) and
 * starts each row again from the first instruction, so a hostile file could cost us memory and
 * hours. This scan knows instruction lengths only, no meaning, and states the bounds.
 */
#ifndef FG_UNWIND_CFI_SCAN_H
#define FG_UNWIND_CFI_SCAN_H

#include "gate/base/attr.h"

enum {
	FG_CFI_REGISTER_MAX = 255,
	FG_CFI_REMEMBER_MAX = 64,
	FG_CFI_EXPRESSION_MAX = 256,
};

struct fg_cfi_cursor {
	const uint8_t *at, *end;
};

struct fg_cfi_shape {
	size_t advances; /* rows that the program may give, less one */
};

/** False when the program is cut, has an unknown instruction or leaves the bounds above. */
bool fg_cfi_scan(const uint8_t *start, const uint8_t *end, uint8_t pointer_encoding,
		 struct fg_cfi_shape *ret);
/** One LEB128 value (the sign is not needed for sizes); false at the end of input. */
bool fg_cfi_uleb(struct fg_cfi_cursor *cursor, uint64_t *ret);
/** Bytes that a DW_EH_PE_… encoded pointer takes; 0 when it is not of fixed size. */
size_t fg_cfi_pointer_size(uint8_t encoding);

#endif
