/* SPDX-License-Identifier: Apache-2.0 */
/* Reading threshold text; shared by the files of the threshold parser only. */
#ifndef FG_JUDGE_THRESHOLD_INTERNAL_H
#define FG_JUDGE_THRESHOLD_INTERNAL_H

#include "gate/judge/threshold.h"

struct fg_threshold_cursor {
	const char *text;
	size_t at, end;
	unsigned where; /* FG_THRESHOLD_IN_… */
};

struct fg_threshold_slice {
	size_t start, len;
};

/** Starts behind leading spaces and ends before trailing ones; LIMIT for absurdly long texts. */
int fg_threshold_cursor(struct fg_threshold_cursor *in, const char *text, unsigned where,
			struct fg_err *err) FG_MUST_USE;
void fg_threshold_skip_spaces(struct fg_threshold_cursor *in);
/** Puts the place of `offset` into `err` and returns `rc`. */
int fg_threshold_at(const struct fg_threshold_cursor *in, size_t offset, struct fg_err *err,
		    int rc);
struct fg_threshold_slice fg_threshold_trimmed(const struct fg_threshold_cursor *in, size_t start,
					       size_t stop);

#endif
