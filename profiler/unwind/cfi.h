/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executes call-frame programs (DWARF 5 §6.4.2), once from start to end.
 *
 * libdw evaluates them by address and starts again for each row, which costs seconds on large files
 * and hours on hostile ones. Here a program's time is its length. Only three things are followed:
 * the CFA and where two registers are saved; all others are stepped over. An expression is handed
 * on as it stands in the file.
 */
#ifndef FG_UNWIND_CFI_H
#define FG_UNWIND_CFI_H

#include "gate/base/err.h"

enum {
	FG_CFI_REMEMBER_MAX = 64,
	FG_CFI_INITIAL_BYTES_MAX = 256, /* of a CIE: it is executed again for each FDE */
};

struct fg_cfi_cursor {
	const uint8_t *at, *end;
};

enum fg_cfi_place {
	FG_CFI_SAME,      /* never mentioned, or said to be unchanged */
	FG_CFI_UNDEFINED, /* lost */
	FG_CFI_AT_CFA,    /* at CFA + offset */
	FG_CFI_OTHER,     /* in a register, by an expression */
};
struct fg_cfi_saved {
	enum fg_cfi_place place;
	int64_t offset;
};

struct fg_cfi_rules {
	bool has_cfa;
	uint64_t cfa_register; /* if there is no expression */
	int64_t cfa_offset;
	struct fg_cfi_cursor cfa_expression; /* at: NULL if there is none */
	struct fg_cfi_saved saved;           /* the register that the caller asked for */
	struct fg_cfi_saved return_address;
};

/* What a CIE says to the programs of its FDEs. */
struct fg_cfi_common {
	struct fg_cfi_cursor initial;
	uint64_t code_factor;
	int64_t data_factor;
	uint64_t return_register;
	uint64_t saved_register; /* which one to follow */
};

/* Rules hold in [start, end); an error code ends the run. */
typedef int fg_cfi_state_fn(void *context, uint64_t start, uint64_t end,
			    const struct fg_cfi_rules *rules);

/** Calls `state` for one range after the other until `end` is reached. What cannot be executed
 * gives one last range with NULL for rules. */
int fg_cfi_run(const struct fg_cfi_common *common, struct fg_cfi_cursor program, uint64_t start,
	       uint64_t end, fg_cfi_state_fn *state, void *context) FG_MUST_USE;

/** One LEB128 value; false at the end of input or beyond 63 bits. */
bool fg_cfi_uleb(struct fg_cfi_cursor *cursor, uint64_t *ret);
bool fg_cfi_sleb(struct fg_cfi_cursor *cursor, int64_t *ret);
/** Bytes that a DW_EH_PE_… encoded pointer takes; 0 when it is not of fixed size. */
size_t fg_cfi_pointer_size(uint8_t encoding);

#endif
