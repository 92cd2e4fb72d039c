/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libdwfl keeps one "thread" of ours that changes registers and memory with each sample.
 *
 * Two things it does not tell are found out here, per address and remembered: whether a frame has
 * call-frame information at all (else libdwfl follows the frame pointer, a guess), and whether that
 * leaves the return address undefined (the outermost frame).
 */
#include "profiler/unwind/dwfl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <elfutils/libdwfl.h>

#include "profiler/unwind/elf_open.h"

enum { FACTS_SLOTS = 1 << 14, THREAD_ID = 1 };

enum fact { FACT_UNKNOWN, FACT_NO_MODULE, FACT_NO_RULE, FACT_RULE, FACT_SIGNAL, FACT_OUTERMOST };

struct facts {
	uint64_t address;
	enum fact fact;
};

struct fg_dwfl {
	Dwfl *dwfl;
	size_t modules;
	bool sealed;
	const struct fg_dwfl_input *input; /* of the stack being unwound */
	struct fg_dwfl_stack *stack;
	struct facts facts[FACTS_SLOTS];
};

#if defined(__x86_64__)
enum { RETURN_COLUMN = 16, PERF_SP = 7, PERF_IP = 8 };
static const uint8_t dwarf_from_perf[] = {0, 3, 2, 1, 4, 5, 6, 7, 16, 8, 9, 10, 11, 12, 13, 14, 15};
#elif defined(__aarch64__)
enum { RETURN_COLUMN = 30, PERF_SP = 31, PERF_IP = 32 };
#endif

/* No debug files: rules are in the module itself, and a look-up could go to the network. */
static int find_no_debuginfo(Dwfl_Module *module, void **userdata, const char *name,
			     Dwarf_Addr base, const char *file, const char *link, GElf_Word crc,
			     char **ret)
{
	(void)module, (void)userdata, (void)name, (void)base;
	(void)file, (void)link, (void)crc, (void)ret;
	return -1;
}

/* Every module is reported with its open file. */
static int find_no_elf(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
		       char **file_name, Elf **elf)
{
	(void)module, (void)userdata, (void)name, (void)base, (void)file_name, (void)elf;
	return -1;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = find_no_elf,
	.find_debuginfo = find_no_debuginfo,
};

int fg_dwfl_new(struct fg_dwfl **ret, struct fg_err *err)
{
	struct fg_dwfl *dwfl = calloc(1, sizeof(*dwfl));

	if (!dwfl)
		return fg_err_nomem(err);
	dwfl->dwfl = dwfl_begin(&callbacks);
	if (!dwfl->dwfl) {
		free(dwfl);
		return fg_err_nomem(err);
	}
	dwfl_report_begin(dwfl->dwfl);
	*ret = dwfl;
	return 0;
}

void fg_dwfl_free(struct fg_dwfl *dwfl)
{
	if (!dwfl)
		return;
	dwfl_end(dwfl->dwfl);
	free(dwfl);
}

int fg_dwfl_add(struct fg_dwfl *dwfl, const char *name, int fd, uint64_t bias, struct fg_err *err)
{
	if (!fg_elf_is_modest(fd))
		return fg_err_set(err, FG_E_LIMIT, "%s: claims too many sections or segments",
				  name);
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (own < 0)
		return fg_err_errno(err, errno, "%s", name);
	/* Takes the descriptor, when it succeeds. */
	if (!dwfl_report_elf(dwfl->dwfl, name, name, own, bias, true)) {
		close(own);
		return fg_err_set(err, FG_E_INVALID, "%s: %s", name, dwfl_errmsg(-1));
	}
	dwfl->modules++;
	return 0;
}

static pid_t next_thread(Dwfl *unused, void *context, void **thread)
{
	(void)unused;
	if (*thread)
		return 0;
	*thread = context;
	return THREAD_ID;
}

static bool get_thread(Dwfl *unused, pid_t tid, void *context, void **thread)
{
	(void)unused;
	*thread = context;
	return tid == THREAD_ID;
}

static bool read_memory(Dwfl *unused, Dwarf_Addr address, Dwarf_Word *ret, void *context)
{
	struct fg_dwfl *dwfl = context;
	const struct fg_dwfl_input *input = dwfl->input;
	uint64_t base = input->regs[PERF_SP];

	(void)unused;
	if (address >= base && address - base < input->stack_bytes &&
	    input->stack_bytes - (address - base) >= sizeof(*ret)) {
		memcpy(ret, input->stack + (address - base), sizeof(*ret));
		return true;
	}
	if (input->read && input->read(input->read_context, address, ret))
		return true;
	dwfl->stack->fault = address;
	return false;
}

static bool set_registers(Dwfl_Thread *thread, void *context)
{
	const struct fg_dwfl *dwfl = context;
#if defined(__x86_64__)
	Dwarf_Word regs[FG_DWFL_PERF_REGS];

	for (size_t i = 0; i < FG_DWFL_PERF_REGS; i++)
		regs[dwarf_from_perf[i]] = dwfl->input->regs[i];
	return dwfl_thread_state_registers(thread, 0, FG_DWFL_PERF_REGS, regs);
#else
	dwfl_thread_state_register_pc(thread, dwfl->input->regs[PERF_IP]);
	return dwfl_thread_state_registers(thread, 0, PERF_IP, dwfl->input->regs);
#endif
}

int fg_dwfl_seal(struct fg_dwfl *dwfl, struct fg_err *err)
{
	static const Dwfl_Thread_Callbacks threads = {
		.next_thread = next_thread,
		.get_thread = get_thread,
		.memory_read = read_memory,
		.set_initial_registers = set_registers,
	};

	if (dwfl_report_end(dwfl->dwfl, NULL, NULL) != 0)
		return fg_err_set(err, FG_E_INVALID, "libdwfl: %s", dwfl_errmsg(-1));
	if (!dwfl->modules)
		return fg_err_set(err, FG_E_NO_DATA, "no module that libdwfl can read");
	if (!dwfl_attach_state(dwfl->dwfl, NULL, THREAD_ID, &threads, dwfl))
		return fg_err_set(err, FG_E_INVALID, "libdwfl: %s", dwfl_errmsg(-1));
	dwfl->sealed = true;
	return 0;
}

/* What one table of a module says about an address. */
static enum fact ask_rules(Dwarf_CFI *cfi, uint64_t address)
{
	Dwarf_Frame *frame = NULL;
	Dwarf_Op memory[3];
	Dwarf_Op *ops;
	size_t count;
	enum fact fact = FACT_RULE;
	bool is_signal = false;

	if (!cfi || dwarf_cfi_addrframe(cfi, address, &frame) != 0)
		return FACT_NO_RULE;
	/* Undefined is no operation at `memory`; "same value" is no operation at NULL. */
	if (dwarf_frame_register(frame, RETURN_COLUMN, memory, &ops, &count) == 0 && count == 0 &&
	    ops == memory)
		fact = FACT_OUTERMOST;
	else if (dwarf_frame_info(frame, NULL, NULL, &is_signal) >= 0 && is_signal)
		fact = FACT_SIGNAL;
	free(frame);
	return fact;
}

static enum fact find_fact(struct fg_dwfl *dwfl, uint64_t address)
{
	Dwfl_Module *module = dwfl_addrmodule(dwfl->dwfl, address);
	Dwarf_Addr bias;

	if (!module)
		return FACT_NO_MODULE;
	Dwarf_CFI *cfi = dwfl_module_eh_cfi(module, &bias);
	enum fact fact = cfi ? ask_rules(cfi, address - bias) : FACT_NO_RULE;

	if (fact != FACT_NO_RULE)
		return fact;
	cfi = dwfl_module_dwarf_cfi(module, &bias);
	return cfi ? ask_rules(cfi, address - bias) : FACT_NO_RULE;
}

static enum fact fact_of(struct fg_dwfl *dwfl, uint64_t address)
{
	struct facts *slot = &dwfl->facts[(address * 0x9e3779b97f4a7c15 >> 40) % FACTS_SLOTS];

	if (slot->fact == FACT_UNKNOWN || slot->address != address)
		*slot = (struct facts){address, find_fact(dwfl, address)};
	return slot->fact;
}

static int take_frame(Dwfl_Frame *state, void *context)
{
	struct fg_dwfl *dwfl = context;
	struct fg_dwfl_stack *stack = dwfl->stack;
	Dwarf_Addr pc;

	if (!dwfl_frame_pc(state, &pc, NULL))
		return DWARF_CB_ABORT;
	if (stack->count == FG_STACK_FRAMES_MAX) {
		stack->result = FG_BPF_DEPTH;
		return DWARF_CB_ABORT;
	}
	struct fg_dwfl_frame *frame = &stack->frames[stack->count];
	enum fact below = stack->count ? fact_of(dwfl, frame[-1].address) : FACT_SIGNAL;
	bool guessed = below != FACT_RULE && below != FACT_SIGNAL;

	/* Interrupted where it stands, or a return address. libdwfl takes each last frame for the
	 * former, so it is not asked. */
	*frame = (struct fg_dwfl_frame){.address = pc - (below != FACT_SIGNAL), .guessed = guessed};
	stack->guessed += guessed;
	stack->count++;
	return DWARF_CB_OK;
}

/* Why there is no frame above the last one. */
static enum fg_bpf_result judge_end(struct fg_dwfl *dwfl, const struct fg_dwfl_stack *stack)
{
	if (!stack->count)
		return FG_BPF_BAD;
	switch (fact_of(dwfl, stack->frames[stack->count - 1].address)) {
	case FACT_OUTERMOST:
		return FG_BPF_COMPLETE;
	case FACT_NO_MODULE:
		return FG_BPF_NO_MAPPING;
	case FACT_NO_RULE:
		return FG_BPF_GAP;
	default:
		return stack->fault ? FG_BPF_READ_FAULT : FG_BPF_BAD;
	}
}

uint64_t fg_dwfl_leaf(const struct fg_dwfl_input *input)
{
	return input->regs[PERF_IP];
}

void fg_dwfl_unwind(struct fg_dwfl *dwfl, const struct fg_dwfl_input *input,
		    struct fg_dwfl_stack *ret)
{
	ret->count = 0;
	ret->guessed = 0;
	ret->fault = 0;
	ret->result = FG_BPF_COMPLETE;
	dwfl->input = input;
	dwfl->stack = ret;
	if (dwfl->sealed)
		/* Its result says nothing: see the head of dwfl.h. */
		FG_IGNORE(dwfl_getthread_frames(dwfl->dwfl, THREAD_ID, take_frame, dwfl));
	if (!ret->count) { /* no state at all: the interrupted address is known all the same */
		ret->frames[0] = (struct fg_dwfl_frame){.address = fg_dwfl_leaf(input)};
		ret->count = 1;
	}
	if (ret->result != FG_BPF_DEPTH)
		ret->result = judge_end(dwfl, ret);
	dwfl->input = NULL;
	dwfl->stack = NULL;
}
