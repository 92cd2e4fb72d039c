/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zoo_registers MODE: hand-written x86-64 assembly that keeps the caller's stack pointer in a
 * register which nobody saves, as libcrypto's does. Says "ready" and never ends.
 *
 *   own      loops in that function itself
 *   bare     loops in a subroutine of it that pushes nothing
 *   pushed   loops in a subroutine that pushes a word: nobody knows where the register is by now
 *   indexed  the caller's stack pointer lies above a number whose length is in a register
 */
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
void zoo_own(void);
void zoo_bare(void);
void zoo_pushed(void);
void zoo_indexed(void);

#define FUNCTION(name, code)                                               \
	__asm__(".text\n.globl " name "\n.type " name ", @function\n" name \
		":\n.cfi_startproc\n" code ".cfi_endproc\n.size " name ", .-" name "\n")
#define LOOP "1: inc %rcx\n jmp 1b\n"
#define REALIGNED                                                                         \
	"mov %rsp, %r9\n .cfi_def_cfa_register %r9\n push %rbp\n .cfi_offset %rbp, -16\n" \
	"sub $328, %rsp\n and $-64, %rsp\n xor %ebp, %ebp\n"
/* DW_CFA_def_cfa_expression: breg7 16; breg9 0; lit8; mul; plus; deref; plus_uconst 8 */
#define ABOVE_NUMBER ".cfi_escape 0x0f, 10, 0x77, 16, 0x79, 0, 0x38, 0x1e, 0x22, 0x06, 0x23, 8\n"

FUNCTION("zoo_loop", LOOP);
FUNCTION("zoo_loop_pushed", "push %r9\n .cfi_adjust_cfa_offset 8\n xor %r9d, %r9d\n" LOOP);
FUNCTION("zoo_own", REALIGNED LOOP);
FUNCTION("zoo_bare", REALIGNED "call zoo_loop\n");
FUNCTION("zoo_pushed", REALIGNED "call zoo_loop_pushed\n");
FUNCTION("zoo_indexed", "mov %rsp, %rax\n mov $5, %r9\n sub $320, %rsp\n and $-64, %rsp\n"
			"mov %rax, 56(%rsp)\n" ABOVE_NUMBER "xor %eax, %eax\n" LOOP);
#endif

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	printf("ready\n");
	(void)fflush(stdout);
#if defined(__x86_64__)
	if (strcmp(mode, "own") == 0)
		zoo_own();
	if (strcmp(mode, "bare") == 0)
		zoo_bare();
	if (strcmp(mode, "pushed") == 0)
		zoo_pushed();
	if (strcmp(mode, "indexed") == 0)
		zoo_indexed();
#endif
	(void)fprintf(stderr, "zoo_registers: no mode \"%s\" on this machine\n", mode);
	return 2;
}
