/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples of one profile into another: merging, and taking one type out of a mixed one.
 */
#ifndef FG_PROFILE_APPEND_H
#define FG_PROFILE_APPEND_H

#include "gate/profile/profile.h"

struct fg_profile_append_options {
	/* Counts are turned from `src`'s period into `dst`'s; what a division leaves is carried on
	 * to the next sample, so that the sum is right. Both 0: counts stay as they are. */
	uint64_t src_period_ns, dst_period_ns;
	const char *only_side; /* NULL: all; else only samples of that side … */
	bool drop_side;        /* … which lose it */
};

/** Tables grow by what the copied samples refer to. Both may not be the same. On failure `dst`
 *  holds a part. */
int fg_profile_append(struct fg_profile *dst, const struct fg_profile *src,
		      const struct fg_profile_append_options *options,
		      struct fg_err *err) FG_MUST_USE;

#endif
