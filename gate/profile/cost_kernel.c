/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/profile/cost_kernel.h"

#include <string.h>

#include "gate/base/str.h"
#include "gate/profile/normalise.h"

static const struct fg_plocation *frame(const struct fg_profile *profile,
					const struct fg_pstack *stack, size_t at)
{
	return &profile->locations[profile->frames[stack->frame_start + at]];
}

static const char *line_name(const struct fg_profile *profile, const struct fg_plocation *location,
			     size_t at)
{
	const struct fg_pline *line = &profile->lines[location->line_start + at];

	return fg_profile_text(profile, profile->functions[line->function].name);
}

/* Appends "sys_writev" for a function that implements a system call. */
static bool add_syscall(const char *name, struct fg_buf *out)
{
	static const char *const inner[] = {"ksys_", "SyS_", "__sys_"};

	for (size_t i = 0; i < FG_ARRAY_LEN(inner); i++) {
		if (fg_str_starts_with(name, inner[i])) {
			fg_buf_add_str(out, "sys_");
			name += strlen(inner[i]);
			break;
		}
	}
	size_t before = out->len;

	fg_normalise_name(name, out);
	if (out->failed)
		return false;
	if (before && out->data[before - 1] == '_')
		return true;
	return out->data && (fg_str_starts_with(out->data + before, "sys_") ||
			     fg_str_starts_with(out->data + before, "compat_sys_"));
}

/* A wrapper like __x64_sys_writev() that ends in a call of its worker jumps there and leaves no
 * frame: then the worker stands right below the entry. Where several system calls share one it is
 * the usual one's. Names that stand for nothing else, from Linux 5.8 to 6.18; what is not listed
 * stays "syscall". */
static const char *worker_syscall(const char *name)
{
	static const char *const workers[][2] = {
		{"common_nsleep", "sys_clock_nanosleep"},
		{"do_dup3", "sys_dup3"},
		{"do_epoll_create", "sys_epoll_create1"},
		{"do_epoll_ctl", "sys_epoll_ctl"},
		{"do_epoll_pwait", "sys_epoll_pwait"},
		{"do_epoll_wait", "sys_epoll_wait"},
		{"do_eventfd", "sys_eventfd2"},
		{"do_execveat_common", "sys_execve"},
		{"do_faccessat", "sys_faccessat"},
		{"do_fchmodat", "sys_fchmodat"},
		{"do_fchownat", "sys_fchownat"},
		{"do_fsync", "sys_fsync"},
		{"do_futex", "sys_futex"},
		{"do_group_exit", "sys_exit_group"},
		{"do_linkat", "sys_linkat"},
		{"do_madvise", "sys_madvise"},
		{"do_mkdirat", "sys_mkdirat"},
		{"do_mprotect_pkey", "sys_mprotect"},
		{"do_pipe2", "sys_pipe2"},
		{"do_preadv", "sys_preadv"},
		{"do_pselect", "sys_pselect6"},
		{"do_pwritev", "sys_pwritev"},
		{"do_readlinkat", "sys_readlinkat"},
		{"do_readv", "sys_readv"},
		{"do_recvmmsg", "sys_recvmmsg"},
		{"do_renameat2", "sys_renameat2"},
		{"do_sched_yield", "sys_sched_yield"},
		{"do_sendfile", "sys_sendfile64"},
		{"do_sys_ftruncate", "sys_ftruncate"},
		{"do_sys_open", "sys_openat"},
		{"do_sys_openat2", "sys_openat"},
		{"do_sys_poll", "sys_poll"},
		{"do_sys_truncate", "sys_truncate"},
		{"do_timerfd_settime", "sys_timerfd_settime"},
		{"do_unlinkat", "sys_unlinkat"},
		{"do_writev", "sys_writev"},
		{"hrtimer_nanosleep", "sys_nanosleep"},
		{"kern_select", "sys_select"},
		{"kernel_clone", "sys_clone"},
		{"kernel_wait4", "sys_wait4"},
		{"kernel_waitid", "sys_waitid"},
		{"__vm_munmap", "sys_munmap"},
	};

	for (size_t i = 0; i < FG_ARRAY_LEN(workers); i++) {
		if (strcmp(name, workers[i][0]) == 0)
			return workers[i][1];
	}
	return NULL;
}

static const char *entry_group(const char *name)
{
	static const struct {
		const char *prefix, *group;
	} entries[] = {
		{"asm_exc_page_fault", "page_fault"},
		{"exc_page_fault", "page_fault"},
		{"do_user_addr_fault", "page_fault"},
		{"do_page_fault", "page_fault"},
		{"do_mem_abort", "page_fault"},
		{"el0_da", "page_fault"},
		{"el0_ia", "page_fault"},
		{"asm_sysvec_", "interrupt"},
		{"sysvec_", "interrupt"},
		{"asm_common_interrupt", "interrupt"},
		{"common_interrupt", "interrupt"},
		{"irqentry_", "interrupt"},
		{"irq_exit", "interrupt"},
		{"__irq_", "interrupt"},
		{"do_IRQ", "interrupt"},
		{"el0_irq", "interrupt"},
		{"el0_interrupt", "interrupt"},
		{"el0t_64_irq", "interrupt"},
		{"gic_handle_irq", "interrupt"},
		{"do_interrupt_handler", "interrupt"},
		{"entry_SYSCALL_64", "syscall"},
		{"entry_SYSENTER", "syscall"},
		{"entry_INT80", "syscall"},
		{"do_syscall_64", "syscall"},
		{"do_int80", "syscall"},
		{"do_fast_syscall", "syscall"},
		{"x64_sys_call", "syscall"},
		{"syscall_", "syscall"},
		{"el0_svc", "syscall"},
		{"do_el0_svc", "syscall"},
		{"invoke_syscall", "syscall"},
	};

	for (size_t i = 0; i < FG_ARRAY_LEN(entries); i++) {
		if (fg_str_starts_with(name, entries[i].prefix))
			return entries[i].group;
	}
	return NULL;
}

struct walk {
	const char *group;  /* the entry's, "interrupt" */
	bool is_past_entry; /* a function that is none of the entry's was met */
};

/* One frame on the way from the root; true if `name` holds the system call. */
static bool take_frame(struct walk *walk, const char *text, struct fg_buf *name)
{
	fg_buf_clear(name);
	if (add_syscall(text, name))
		return true;
	const char *entry = entry_group(text), *call = NULL;

	if (!entry && !walk->is_past_entry && name->data && walk->group &&
	    strcmp(walk->group, "syscall") == 0)
		call = worker_syscall(name->data);
	walk->is_past_entry |= !entry;
	if (!walk->group)
		walk->group = entry;
	if (!call)
		return false;
	fg_buf_clear(name);
	fg_buf_add_str(name, call);
	return !name->failed;
}

bool fg_cost_kernel_group(const struct fg_profile *profile, const struct fg_pstack *stack,
			  struct fg_buf *out)
{
	FG_AUTO_BUF struct fg_buf name = {.max = (size_t)2 * FG_NORMALISE_MAX};
	struct walk walk = {0};
	bool kernel = false;

	/* From the root: an interrupt inside of a system call belongs to that call. */
	for (size_t i = stack->frame_count; i-- > 0;) {
		const struct fg_plocation *location = frame(profile, stack, i);

		if (!(location->flags & FG_LOC_KERNEL))
			continue;
		kernel = true;
		for (size_t k = location->line_count; k-- > 0;) {
			if (take_frame(&walk, line_name(profile, location, k), &name)) {
				fg_buf_addf(out, "[kernel] %s", name.data);
				return true;
			}
		}
	}
	if (kernel)
		fg_buf_addf(out, walk.group ? "[kernel] %s" : "[kernel]%s",
			    walk.group ? walk.group : "");
	return kernel;
}
