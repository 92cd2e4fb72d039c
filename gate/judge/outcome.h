/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exit codes and verdict words: one table (design §5, §8); run.json, verdict.json, help, manual and
 * messages derive from it.
 */
#ifndef FG_JUDGE_OUTCOME_H
#define FG_JUDGE_OUTCOME_H

#include "gate/base/attr.h"

enum fg_outcome {
	FG_OUTCOME_PASSED,
	FG_OUTCOME_INTERNAL,
	FG_OUTCOME_USAGE,
	FG_OUTCOME_REGRESSED,
	FG_OUTCOME_INCONCLUSIVE, /* also incomparable; only when told to fail */
	FG_OUTCOME_NO_BASELINE,  /* only when told to fail */
	FG_OUTCOME_TARGET,       /* not started, not ready, died */
	FG_OUTCOME_NO_PROFILER,
	FG_OUTCOME_PUBLISH,
	FG_OUTCOME_INVALID_MEASUREMENT,
	FG_OUTCOME_THRESHOLDS,
	FG_OUTCOME_SETUP,
	FG_OUTCOME_TEARDOWN,
	FG_OUTCOME_INVALID_SCENARIO,
	FG_OUTCOME_INTERRUPTED,
	FG_OUTCOME_COUNT
};

struct fg_outcome_info {
	int exit_code;
	const char *word; /* "thresholds" */
	const char *meaning;
	int precedence; /* lower wins where several hold */
};

extern const struct fg_outcome_info fg_outcomes[FG_OUTCOME_COUNT];

/** The one that wins; PASSED loses to everything. */
enum fg_outcome fg_outcome_worst(enum fg_outcome a, enum fg_outcome b);
/** The outcome of a word as it stands in run.json, or -1. */
int fg_outcome_find(const char *word);

#endif
