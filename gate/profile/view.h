/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A part of a profile that writers take for a whole one: its tables are the original's, its samples
 * those of one phase or request class. Read only; lives no longer than the original.
 */
#ifndef FG_PROFILE_VIEW_H
#define FG_PROFILE_VIEW_H

#include "gate/profile/profile.h"

/** NULL: all phases, all classes. Free with fg_profile_view_done() alone. */
int fg_profile_view(const struct fg_profile *profile, const char *phase, const char *endpoint,
		    struct fg_profile *ret, struct fg_err *err) FG_MUST_USE;
void fg_profile_view_done(struct fg_profile *view);

#endif
