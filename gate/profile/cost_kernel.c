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
	static const char *const inner[] = {"ksys_", "SyS_"};

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

bool fg_cost_kernel_group(const struct fg_profile *profile, const struct fg_pstack *stack,
			  struct fg_buf *out)
{
	const char *group = NULL;
	bool kernel = false;
	struct fg_buf name;

	fg_buf_init(&name, (size_t)2 * FG_NORMALISE_MAX);
	/* From the root: an interrupt inside of a system call belongs to that call. */
	for (size_t i = stack->frame_count; i-- > 0;) {
		const struct fg_plocation *location = frame(profile, stack, i);

		if (!(location->flags & FG_LOC_KERNEL))
			continue;
		kernel = true;
		for (size_t k = location->line_count; k-- > 0;) {
			const char *text = line_name(profile, location, k);

			fg_buf_clear(&name);
			if (add_syscall(text, &name)) {
				fg_buf_addf(out, "[kernel] %s", name.data);
				fg_buf_done(&name);
				return true;
			}
			if (!group)
				group = entry_group(text);
		}
	}
	fg_buf_done(&name);
	if (kernel)
		fg_buf_addf(out, group ? "[kernel] %s" : "[kernel]%s", group ? group : "");
	return kernel;
}
