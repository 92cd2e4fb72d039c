/* SPDX-License-Identifier: Apache-2.0 */
/* Folded stacks ("root;…;leaf count"), as flamegraph.pl, inferno and speedscope read them. */
#ifndef FG_PROFILE_FOLDED_H
#define FG_PROFILE_FOLDED_H

#include "gate/base/buf.h"
#include "gate/profile/profile.h"

/** Kernel frames get the suffix _[k]; inlined ones _[i]. Lines are sorted; `phase` NULL = all. */
int fg_folded_encode(const struct fg_profile *profile, const char *phase, struct fg_buf *out,
		     struct fg_err *err) FG_MUST_USE;

#endif
