/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person types to find functions: a piece of a name, in any case, or a regular expression
 * between slashes ("/^ngx_.*_handler$/"). Names are foreign, so matching is bounded.
 */
#ifndef FG_PROFILE_NAME_PATTERN_H
#define FG_PROFILE_NAME_PATTERN_H

#include "gate/base/err.h"

struct fg_name_pattern;

/** USAGE with the place of a fault in the expression. */
int fg_name_pattern_new(const char *text, struct fg_name_pattern **ret,
			struct fg_err *err) FG_MUST_USE;
void fg_name_pattern_free(struct fg_name_pattern *pattern);
/** NULL matches nothing. */
bool fg_name_pattern_matches(const struct fg_name_pattern *pattern, const char *name);

#endif
