/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of exit codes. Its order of precedence is design §5; a wrong call and a bug of ours
 * come before everything, because then nothing else that was found can be trusted.
 */
#include "gate/judge/outcome.h"

#include <string.h>

const struct fg_outcome_info fg_outcomes[FG_OUTCOME_COUNT] = {
	[FG_OUTCOME_PASSED] = {0, "passed", "nothing failed", 99},
	[FG_OUTCOME_INTERNAL] = {1, "internal",
				 "flamegate failed: a file could not be read or written, or a bug",
				 1},
	[FG_OUTCOME_USAGE] = {2, "usage", "wrong option or argument", 0},
	[FG_OUTCOME_REGRESSED] = {10, "regressed", "a gate rule was broken", 10},
	[FG_OUTCOME_INCONCLUSIVE] = {11, "inconclusive",
				     "the comparison could not tell (only when told to fail)", 11},
	[FG_OUTCOME_NO_BASELINE] = {12, "no-baseline",
				    "nothing to compare with (only when told to fail)", 12},
	[FG_OUTCOME_TARGET] = {13, "target", "the target did not start, become ready, or died", 4},
	[FG_OUTCOME_NO_PROFILER] = {14, "no-profiler", "a profile was required and not available",
				    7},
	[FG_OUTCOME_PUBLISH] = {15, "publish", "publishing was required and failed", 13},
	[FG_OUTCOME_INVALID_MEASUREMENT] = {16, "invalid", "the measurement itself is bad", 8},
	[FG_OUTCOME_THRESHOLDS] = {99, "thresholds", "at least one threshold failed", 9},
	[FG_OUTCOME_SETUP] = {100, "setup", "setup failed or timed out", 5},
	[FG_OUTCOME_TEARDOWN] = {101, "teardown", "teardown failed or timed out", 6},
	[FG_OUTCOME_INVALID_SCENARIO] = {104, "invalid-scenario", "the scenario file has faults",
					 2},
	[FG_OUTCOME_INTERRUPTED] = {105, "interrupted", "stopped by a signal", 3},
};

enum fg_outcome fg_outcome_worst(enum fg_outcome a, enum fg_outcome b)
{
	return fg_outcomes[a].precedence <= fg_outcomes[b].precedence ? a : b;
}

int fg_outcome_find(const char *word)
{
	for (int i = 0; i < FG_OUTCOME_COUNT; i++) {
		if (strcmp(fg_outcomes[i].word, word) == 0)
			return i;
	}
	return -1;
}
