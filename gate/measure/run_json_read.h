/* SPDX-License-Identifier: Apache-2.0 */
/* Between the two files that read run.json. */
#ifndef FG_MEASURE_RUN_JSON_READ_H
#define FG_MEASURE_RUN_JSON_READ_H

#include "gate/measure/bundle_internal.h"

/* Getters in a row, until one fails. */
#define FG_JSON_TRY(rc, call)        \
	do {                         \
		if ((rc) == 0)       \
			(rc) = call; \
	} while (0)

/** Fills result->totals, whose shape must already be that of the document. */
int fg_run_json_totals(const struct fg_json_at *root, struct fg_result *result,
		       struct fg_err *err) FG_MUST_USE;

#endif
