/* SPDX-License-Identifier: Apache-2.0 */
/* verdict.json: every finding with its interval and limits, so that scripts need not parse text. */
#include "gate/judge/verdict.h"

#include <string.h>

#include "gate/base/attr.h"
#include "gate/format/json.h"

enum { VERDICT_JSON_VERSION = 1 };

static const char *const evidence_names[] = {
	[FG_EVIDENCE_COUNTERS] = "work-counters",
	[FG_EVIDENCE_AB] = "interleaved",
	[FG_EVIDENCE_ARTEFACT] = "stored-artefact",
	[FG_EVIDENCE_NUMBERS] = "stored-numbers",
};

static void put_finding(struct fg_json_writer *json, const struct fg_finding *finding)
{
	fg_json_begin(json, NULL);
	fg_json_put_string(json, "what", finding->what);
	fg_json_put_string(json, "where", finding->where);
	fg_json_put_string(json, "state", fg_verdict_state_name(finding->state));
	fg_json_put_bool(json, "ruled", finding->ruled);
	fg_json_put_string(json, "level", fg_level_name(finding->level));
	fg_json_put_string(json, "unit", finding->unit);
	fg_json_put_double(json, "base", finding->base);
	fg_json_put_double(json, "head", finding->head);
	fg_json_put_double(json, "effect", finding->effect);
	fg_json_put_double(json, "low", finding->low);
	fg_json_put_double(json, "high", finding->high);
	fg_json_put_double(json, "ruleLimit", finding->rule_limit);
	fg_json_put_double(json, "limit", finding->limit);
	fg_json_put_double(json, "detectable", finding->detectable);
	fg_json_put_u64(json, "baseSamples", finding->base_samples);
	fg_json_put_u64(json, "headSamples", finding->head_samples);
	fg_json_put_string_or_null(json, "note", finding->note);
	fg_json_end(json);
}

static void put_findings(struct fg_json_writer *json, const char *key,
			 const struct fg_finding *findings, size_t count)
{
	fg_json_begin_array(json, key);
	for (size_t i = 0; i < count; i++)
		put_finding(json, &findings[i]);
	fg_json_end(json);
}

int fg_verdict_json(const struct fg_verdict *verdict, struct fg_buf *out, struct fg_err *err)
{
	const struct fg_outcome_info *outcome = &fg_outcomes[verdict->outcome];
	struct fg_json_writer json;

	fg_json_writer_init(&json, out, true);
	fg_json_begin(&json, NULL);
	fg_json_put_u64(&json, "version", VERDICT_JSON_VERSION);
	fg_json_put_string(&json, "state", fg_verdict_state_name(verdict->state));
	fg_json_put_string(&json, "headline", verdict->headline);
	fg_json_put_string_or_null(&json, "reason", verdict->reason);
	fg_json_put_string(&json, "outcome", outcome->word);
	fg_json_put_i64(&json, "exitCode", outcome->exit_code);
	fg_json_begin(&json, "evidence");
	fg_json_put_u64(&json, "kind", (uint64_t)verdict->evidence);
	fg_json_put_string(&json, "name", evidence_names[verdict->evidence]);
	fg_json_end(&json);
	fg_json_put_string_or_null(&json, "root", verdict->root ? verdict->root->what : NULL);
	fg_json_put_string_or_null(&json, "couldSee", verdict->could_see);
	fg_json_begin_array(&json, "notes");
	for (size_t i = 0; i < verdict->note_count; i++)
		fg_json_put_string(&json, NULL, verdict->notes[i]);
	fg_json_end(&json);
	put_findings(&json, "totals", verdict->totals, verdict->total_count);
	put_findings(&json, "latency", verdict->latency, verdict->latency_count);
	put_findings(&json, "functions", verdict->functions, verdict->function_count);
	fg_json_end(&json);
	int rc = fg_json_writer_check(&json, err);

	return rc ? rc : fg_buf_check(out, err);
}
