/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether both sides' language runtimes were started alike. Other options make other code and other
 * stacks: functions then differ although nobody changed them.
 */
#include <stdio.h>
#include <string.h>

#include "gate/judge/verdict_internal.h"

static const struct fg_runtime_info *find(const struct fg_profile_info *info, const char *name)
{
	for (size_t i = 0; i < info->runtime_count && i < FG_ARRAY_LEN(info->runtimes); i++) {
		if (strcmp(info->runtimes[i].name, name) == 0)
			return &info->runtimes[i];
	}
	return NULL;
}

static const char *words(const char *flags)
{
	return flags[0] ? flags : "no flags";
}

bool fg_verdict_runtimes_differ(const struct fg_profile_info *base,
				const struct fg_profile_info *head, char *why, size_t size_bytes)
{
	for (size_t i = 0; i < base->runtime_count && i < FG_ARRAY_LEN(base->runtimes); i++) {
		const struct fg_runtime_info *was = &base->runtimes[i];
		const struct fg_runtime_info *is = find(head, was->name);

		if (!is || strcmp(was->flags, is->flags) == 0)
			continue;
		(void)snprintf(why, size_bytes, "base ran %s with %s, head with %s", was->name,
			       words(was->flags), words(is->flags));
		return true;
	}
	return false;
}
