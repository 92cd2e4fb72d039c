/* SPDX-License-Identifier: Apache-2.0 */
/* What the files behind `flamegate doctor` share. Each finding is one probe; a fix is one line. */
#ifndef FG_PROFILER_PROBE_INTERNAL_H
#define FG_PROFILER_PROBE_INTERNAL_H

#include "profiler/client.h"

struct fg_probe_list {
	struct fg_probe *items;
	size_t count, max;
};

/** A new probe, not ok yet; what does not fit is written somewhere harmless. */
struct fg_probe *fg_probe_add(struct fg_probe_list *list, const char *name, bool essential);
void fg_probe_detail(struct fg_probe *probe, const char *format, ...) FG_PRINTF(2, 3);
void fg_probe_fix(struct fg_probe *probe, const char *format, ...) FG_PRINTF(2, 3);

/* probe_rights.c */
void fg_probe_capabilities(struct fg_probe_list *list);
void fg_probe_sysctls(struct fg_probe_list *list);
void fg_probe_place(struct fg_probe_list *list); /* PID namespace, container */
void fg_probe_stack_copies(struct fg_probe_list *list);
/** Owner, mode and capabilities of the helper, as text. */
void fg_probe_helper_rights(const char *path, char *text, size_t size_bytes);

/* probe_interrupt.c */
void fg_probe_interrupt(struct fg_probe_list *list); /* takes 0.2 s */

/* probe_modules.c */
void fg_probe_modules(struct fg_probe_list *list, uint32_t pid);
/* probe_package.c */
/** The Debian package that a file belongs to; false: unknown, or no such system. */
bool fg_probe_package(const char *path, char *name, size_t size_bytes);

#endif
