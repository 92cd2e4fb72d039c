/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be known about a profile beside its numbers: distinct sentences, a bounded list. */
#ifndef FG_MEASURE_NOTICES_H
#define FG_MEASURE_NOTICES_H

#include "gate/base/attr.h"

enum { FG_NOTICES_MAX = 16, FG_NOTICE_BYTES_MAX = 200 };

struct fg_notices { /* all zero: none */
	char texts[FG_NOTICES_MAX][FG_NOTICE_BYTES_MAX];
	size_t count;
};

/** Keeps the sentence, made valid UTF-8 and cut to its room, unless it is there. Of what comes when
 *  the list is full only the fact is kept, in its last place. */
void fg_notices_add(struct fg_notices *notices, const char *format, ...) FG_PRINTF(2, 3);

#endif
