/* SPDX-License-Identifier: Apache-2.0 */
/* Registers and a stack of anybody's making over the rules of this very program. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "profiler/unwind/dwfl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fg_dwfl *of_self(void)
{
	static struct fg_dwfl *dwfl;
	int fd = dwfl ? -1 : open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (dwfl || fd < 0)
		return dwfl;
	if (fg_dwfl_new(&dwfl, NULL) != 0 || fg_dwfl_add(dwfl, "self", fd, 0x10000, NULL) != 0 ||
	    fg_dwfl_seal(dwfl, NULL) != 0)
		__builtin_trap();
	close(fd);
	return dwfl;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fg_dwfl_stack stack;
	uint64_t regs[FG_DWFL_PERF_REGS] = {0};
	size_t head = size < sizeof(regs) ? size : sizeof(regs);

	memcpy(regs, data, head);
	const struct fg_dwfl_input input = {
		.regs = regs,
		.stack = data + head,
		.stack_bytes = size - head,
	};

	fg_dwfl_unwind(of_self(), &input, &stack);
	assert(stack.count >= 1 && stack.count <= FG_STACK_FRAMES_MAX);
	assert(stack.guessed < stack.count && stack.result < FG_BPF_RESULT_COUNT);
	return 0;
}
