/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files that read and write run.json. */
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

void fg_run_json_put_runtimes(struct fg_json_writer *w, const struct fg_profile_info *info);
/** A document without them has none. */
int fg_run_json_runtimes(const struct fg_json_at *profile, struct fg_profile_info *info,
			 struct fg_err *err) FG_MUST_USE;
void fg_run_json_put_notices(struct fg_json_writer *w, const struct fg_notices *notices);
/** A document without them has none. */
int fg_run_json_notices(const struct fg_json_at *profile, struct fg_notices *notices,
			struct fg_err *err) FG_MUST_USE;

#endif
