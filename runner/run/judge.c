/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After the load: thresholds and how the run ended → outcome. The decisions are gate/judge's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/judge/threshold_watch.h"
#include "gate/measure/series.h"
#include "runner/run/session.h"

static int evaluate_thresholds(struct fg_session *s, struct fg_err *err)
{
	struct fg_result *result = s->run->bundle.result;
	size_t count = s->file->threshold_count;

	if (fg_series_partial(result))
		fg_session_note(s, "%s\n", fg_series_partial(result));
	if (count == 0)
		return 0;
	int ended = fg_threshold_watch_end(result, err);

	if (ended)
		return ended;
	result->thresholds = calloc(count, sizeof(*result->thresholds));
	if (!result->thresholds)
		return fg_err_nomem(err);
	for (size_t i = 0; i < count; i++) {
		struct fg_threshold_result *one = &result->thresholds[i];
		int rc = fg_threshold_evaluate(&s->file->thresholds[i], result, s->baseline.result,
					       one, err);

		if (rc)
			return rc;
		result->threshold_count++;
		if (!one->passed && one->level == FG_LEVEL_ERROR)
			fg_session_outcome(s, FG_OUTCOME_THRESHOLDS);
	}
	return 0;
}

/* Loss of samples makes the profile part of a verdict inconclusive, not the run invalid; only what
 * the generator itself could not deliver does that (design §5, exit 16). */
static void judge_status(struct fg_session *s)
{
	const struct fg_result *result = s->run->bundle.result;

	switch (result->status) {
	case FG_RUN_COMPLETED:
	case FG_RUN_ABORTED:
	case FG_RUN_STATUS_COUNT:
		break;
	case FG_RUN_INTERRUPTED:
		fg_session_outcome(s, FG_OUTCOME_INTERRUPTED);
		break;
	case FG_RUN_TARGET_DIED:
		fg_session_outcome(s, FG_OUTCOME_TARGET);
		break;
	}
	if (result->invalid_reason && s->file->gate.on_invalid == FG_LEVEL_ERROR)
		fg_session_outcome(s, FG_OUTCOME_INVALID_MEASUREMENT);
}

/* A limit of latencies or counts says nothing about failures: a target that refuses every
 * connection is the fastest. */
static bool speaks_of_failures(const struct fg_result *result)
{
	static const char *const words[] = {"http_req_failed", "checks",
					    "expected_response:", "status:", "error"};

	for (size_t i = 0; i < result->threshold_count; i++)
		for (size_t word = 0; word < FG_ARRAY_LEN(words); word++)
			if (strstr(result->thresholds[i].metric_text, words[word]))
				return true;
	return false;
}

/* Otherwise nobody would notice a target that answers nothing but errors, and `ci` would keep it as
 * the baseline: never silently green without data. */
static int judge_success(struct fg_session *s, struct fg_err *err)
{
	struct fg_result *result = s->run->bundle.result;
	uint64_t requests = 0, failed = 0;

	for (size_t i = 0; result->totals && i < 2 * result->totals->class_count; i++) {
		requests += result->totals->classes[i].requests;
		failed += result->totals->classes[i].failed;
	}
	if (speaks_of_failures(result) || result->invalid_reason || failed < requests ||
	    !requests || result->status != FG_RUN_COMPLETED)
		return 0;
	return fg_str_dup("every request failed, and no threshold says that this is expected",
			  &result->invalid_reason, err);
}

/* A run that measured nothing is no pass, whatever its thresholds allow. */
static int judge_emptiness(struct fg_session *s, struct fg_err *err)
{
	struct fg_result *result = s->run->bundle.result;

	if (result->invalid_reason || result->status != FG_RUN_COMPLETED ||
	    fg_result_requests(result) > 0)
		return 0;
	return fg_str_dup("no request ended in the measured phase; make the run longer than its "
			  "warm-up and slowest request",
			  &result->invalid_reason, err);
}

int fg_session_set_outcome(struct fg_session *s, struct fg_err *err)
{
	struct fg_result *result = s->run->bundle.result;

	result->exit_code = fg_outcomes[s->run->outcome].exit_code;
	return fg_str_replace(fg_outcomes[s->run->outcome].word, &result->outcome, err);
}

int fg_session_judge(struct fg_session *s, struct fg_err *err)
{
	int rc = evaluate_thresholds(s, err);

	if (rc)
		return rc;
	rc = judge_success(s, err);
	if (rc)
		return rc;
	rc = judge_emptiness(s, err);
	if (rc)
		return rc;
	judge_status(s);
	return fg_session_set_outcome(s, err);
}
