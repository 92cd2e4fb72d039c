/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwinding a copy of a stack with elfutils' libdwfl: the fallback without BPF, and the oracle that
 * tests compare the BPF unwinder with.
 *
 * One of these stands for one address space. It shares no rule, table or search with the rows of
 * table.h. libdwfl reports success for stacks that were cut, so it is not asked: a stack is
 * complete when the call-frame information of its last frame says that there is no caller.
 */
#ifndef FG_UNWIND_DWFL_H
#define FG_UNWIND_DWFL_H

#include "gate/base/err.h"
#include "profiler/bpf/shared.h"

struct fg_dwfl;

/* User registers in the order of perf's numbers (asm/perf_regs.h), as the kernel writes them. */
#if defined(__x86_64__)
enum { FG_DWFL_PERF_REGS = 17 };
#define FG_DWFL_PERF_MASK 0xff01ffull /* AX BX CX DX SI DI BP SP IP, R8 … R15 */
#elif defined(__aarch64__)
enum { FG_DWFL_PERF_REGS = 33 };
#define FG_DWFL_PERF_MASK 0x1ffffffffull /* X0 … X29, LR, SP, PC */
#endif

/* Reads a word of the process's file-backed read-only memory; false: not possible. */
typedef bool fg_dwfl_read_fn(void *context, uint64_t address, uint64_t *ret);

struct fg_dwfl_input {
	const uint64_t *regs; /* FG_DWFL_PERF_REGS */
	const uint8_t *stack; /* from the stack pointer up */
	size_t stack_bytes;
	fg_dwfl_read_fn *read; /* NULL: nothing else can be read */
	void *read_context;
};

struct fg_dwfl_frame {
	uint64_t address; /* to look up: a return address less one */
	bool guessed;     /* the frame below it had no rule: by the frame pointer */
};

struct fg_dwfl_stack {
	struct fg_dwfl_frame frames[FG_STACK_FRAMES_MAX]; /* leaf first */
	size_t count;
	size_t guessed;
	enum fg_bpf_result result;
	uint64_t fault; /* the address whose reading failed last; 0: none did */
};

int fg_dwfl_new(struct fg_dwfl **ret, struct fg_err *err) FG_MUST_USE;
void fg_dwfl_free(struct fg_dwfl *dwfl);
/** Adds a file whose p_vaddr + `bias` are its addresses. `fd` is not taken. A file that libdwfl
 *  does not like is an error, and the rest stays usable. */
int fg_dwfl_add(struct fg_dwfl *dwfl, const char *name, int fd, uint64_t bias,
		struct fg_err *err) FG_MUST_USE;
/** After the last add. NO_DATA when there is no module at all. */
int fg_dwfl_seal(struct fg_dwfl *dwfl, struct fg_err *err) FG_MUST_USE;
/** Never fails: a stack that cannot be unwound has a result that says why. */
void fg_dwfl_unwind(struct fg_dwfl *dwfl, const struct fg_dwfl_input *input,
		    struct fg_dwfl_stack *ret);
/** The interrupted address. */
uint64_t fg_dwfl_leaf(const struct fg_dwfl_input *input);

#endif
