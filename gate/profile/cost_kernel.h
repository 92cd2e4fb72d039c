/* SPDX-License-Identifier: Apache-2.0 */
/* Which system call the kernel part of a stack works for; for cost.c only. */
#ifndef FG_PROFILE_COST_KERNEL_H
#define FG_PROFILE_COST_KERNEL_H

#include "gate/base/buf.h"
#include "gate/profile/profile.h"

/** Appends "[kernel] sys_writev" or one of the other groups of cost.h. Returns false, and appends
 *  nothing, if the stack has no kernel frame. */
bool fg_cost_kernel_group(const struct fg_profile *profile, const struct fg_pstack *stack,
			  struct fg_buf *out);

#endif
