/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `flamegate doctor` finds: this machine, the profiler, and if asked one target. Findings are
 * tried, not guessed from versions; each that failed has one line that helps.
 */
#ifndef FG_RUN_DOCTOR_H
#define FG_RUN_DOCTOR_H

#include "gate/base/buf.h"
#include "gate/judge/outcome.h"
#include "profiler/client.h"

enum { FG_DOCTOR_PROBES_MAX = 48 };

struct fg_doctor_part {
	const char *name; /* "machine", "profiler", "target" */
	struct fg_probe probes[FG_DOCTOR_PROBES_MAX];
	size_t count;
};

struct fg_doctor {
	struct fg_doctor_part parts[3];
	size_t part_count;
};

/** Tries everything (a second or so). `pid` 0: no target. */
void fg_doctor_examine(uint32_t pid, struct fg_doctor *ret);
/** What this machine lets a load generator do; for fg_doctor_examine() and tests. */
size_t fg_doctor_machine(struct fg_probe *out, size_t max);
/** Essential findings that failed; those of the target alone if `target`. */
size_t fg_doctor_failed(const struct fg_doctor *doctor);
/** PASSED, NO_PROFILER, or TARGET when there is no such process. */
enum fg_outcome fg_doctor_outcome(const struct fg_doctor *doctor);
/** For people, `width` columns. */
void fg_doctor_text(const struct fg_doctor *doctor, unsigned width, struct fg_buf *out);
/** {"ok", "probes": [{"part", "name", "ok", "essential", "detail", "fix"}]} */
int fg_doctor_json(const struct fg_doctor *doctor, struct fg_buf *out,
		   struct fg_err *err) FG_MUST_USE;

#endif
