/* SPDX-License-Identifier: Apache-2.0 */
/* JUnit XML, as GitLab, Jenkins and test-report actions read it. */
#include "gate/report/report.h"

#include <string.h>

#include "gate/base/num.h"
#include "gate/report/table.h"

struct suite {
	struct fg_buf cases;
	size_t tests, failures, skipped;
	double seconds;
	const char *name;
};

/* XML 1.0 forbids most control characters even escaped; broken UTF-8 becomes "?" in fg_text_cut. */
static void escape(const char *text, struct fg_buf *out)
{
	FG_AUTO_BUF struct fg_buf clean = {.max = 64 << 10};

	fg_text_cut(text, 4000, false, &clean);
	for (const char *c = clean.data ? clean.data : ""; *c; c++) {
		switch (*c) {
		case '<':
			fg_buf_add_str(out, "&lt;");
			break;
		case '>':
			fg_buf_add_str(out, "&gt;");
			break;
		case '&':
			fg_buf_add_str(out, "&amp;");
			break;
		case '"':
			fg_buf_add_str(out, "&quot;");
			break;
		default:
			fg_buf_add_char(out, *c);
		}
	}
}

static void suite_begin(struct suite *suite, const char *name, const struct fg_result *result)
{
	*suite = (struct suite){.name = name,
				.seconds = (double)result->measured_ns / (double)FG_NS_PER_S};
	fg_buf_init(&suite->cases, 8 << 20);
}

static void suite_end(struct suite *suite, struct fg_buf *out)
{
	if (suite->tests > 0) {
		fg_buf_add_str(out, "  <testsuite name=\"");
		escape(suite->name, out);
		fg_buf_addf(out,
			    "\" tests=\"%zu\" failures=\"%zu\" skipped=\"%zu\" time=\"%.3f\">\n",
			    suite->tests, suite->failures, suite->skipped, suite->seconds);
		fg_buf_add(out, suite->cases.data, suite->cases.len);
		fg_buf_add_str(out, "  </testsuite>\n");
	}
	out->failed = out->failed || suite->cases.failed;
	fg_buf_done(&suite->cases);
}

enum case_state { CASE_PASSED, CASE_FAILED, CASE_SKIPPED };

static void add_case(struct suite *suite, const char *class_name, const char *name,
		     enum case_state state, const char *type, const char *message)
{
	struct fg_buf *out = &suite->cases;

	suite->tests++;
	fg_buf_add_str(out, "    <testcase classname=\"");
	escape(class_name, out);
	fg_buf_add_str(out, "\" name=\"");
	escape(name, out);
	fg_buf_addf(out, "\" time=\"%.3f\"", suite->seconds);
	if (state == CASE_PASSED) {
		fg_buf_add_str(out, "/>\n");
		return;
	}
	suite->failures += state == CASE_FAILED;
	suite->skipped += state == CASE_SKIPPED;
	fg_buf_addf(out, ">\n      <%s message=\"", state == CASE_FAILED ? "failure" : "skipped");
	escape(message, out);
	if (state == CASE_FAILED)
		fg_buf_addf(out, "\" type=\"%s", type);
	fg_buf_add_str(out, "\"/>\n    </testcase>\n");
}

/* Outcomes that other test cases stand for. */
static bool has_own_cases(enum fg_outcome outcome)
{
	return outcome == FG_OUTCOME_PASSED || outcome == FG_OUTCOME_THRESHOLDS ||
	       outcome == FG_OUTCOME_REGRESSED || outcome == FG_OUTCOME_INCONCLUSIVE ||
	       outcome == FG_OUTCOME_NO_BASELINE;
}

/* Whether there is anything to trust; a report without this case would be green without data. */
static void add_run(struct suite *suite, const struct fg_result *result)
{
	int outcome = result->outcome ? fg_outcome_find(result->outcome) : -1;
	const char *reason = result->invalid_reason;
	enum case_state state = CASE_PASSED;
	FG_AUTO_BUF struct fg_buf message = {.max = 16384};

	if (outcome >= 0 && !has_own_cases((enum fg_outcome)outcome)) {
		state = CASE_FAILED;
		reason = reason ? reason : fg_outcomes[outcome].meaning;
	} else {
		if (!reason && fg_result_requests(result) == 0)
			reason = "no request ended in the measured phase";
		state = reason ? CASE_SKIPPED : CASE_PASSED;
	}
	fg_buf_addf(&message, "%s%s", state == CASE_SKIPPED ? "warning: " : "",
		    reason ? reason : "");
	add_case(suite, "run", "measurement", state, outcome >= 0 ? result->outcome : "unknown",
		 message.data ? message.data : "");
}

/* The scenario that a threshold selects, or "" for the run. */
static void scenario_of(const struct fg_threshold_result *threshold, struct fg_buf *out)
{
	enum fg_metric_id metric;
	struct fg_tags tags = {0};

	if (fg_threshold_parse_metric(threshold->metric_text, &metric, &tags, NULL) == 0) {
		const char *name = fg_tags_get(&tags, "scenario");

		fg_buf_add_str(out, name ? name : "");
	}
	fg_tags_done(&tags);
}

static void add_threshold(struct suite *suite, const struct fg_threshold_result *one)
{
	FG_AUTO_BUF struct fg_buf name = {.max = 16384};
	FG_AUTO_BUF struct fg_buf message = {.max = 16384};
	enum case_state state = one->passed                    ? CASE_PASSED
				: one->level == FG_LEVEL_ERROR ? CASE_FAILED
							       : CASE_SKIPPED;

	fg_buf_addf(&name, "%s: %s", one->metric_text, one->text);
	fg_buf_addf(&message, "%s%s, limit %s", state == CASE_SKIPPED ? "warning: " : "",
		    one->value_text, one->text);
	add_case(suite, "threshold", name.data, state, one->no_data ? "no-data" : "threshold",
		 message.data);
}

static void add_thresholds(struct suite *suite, const struct fg_result *result,
			   const char *scenario)
{
	for (size_t i = 0; i < result->threshold_count; i++) {
		FG_AUTO_BUF struct fg_buf own = {.max = 16384};

		if (result->thresholds[i].level == FG_LEVEL_OFF)
			continue;
		scenario_of(&result->thresholds[i], &own);
		if (strcmp(own.data ? own.data : "", scenario) == 0)
			add_threshold(suite, &result->thresholds[i]);
	}
}

static void add_checks(struct suite *suite, const struct fg_result *result, uint32_t scenario)
{
	for (size_t i = 0; i < result->totals->check_count; i++) {
		const struct fg_check *check = &result->registry.checks[i];
		const struct fg_check_slice *counts = &result->totals->checks[i];
		FG_AUTO_BUF struct fg_buf message = {.max = 16384};
		char fails[FG_NUM_TEXT_MAX], all[FG_NUM_TEXT_MAX];

		if (check->scenario != scenario)
			continue;
		if (counts->passes + counts->fails == 0)
			fg_buf_add_str(&message, "never ran");
		else
			fg_buf_addf(&message, "%s of %s failed",
				    fg_num_format_count(counts->fails, fails),
				    fg_num_format_count(counts->passes + counts->fails, all));
		add_case(suite, result->registry.classes[check->class_index].name, check->name,
			 counts->fails > 0    ? CASE_FAILED
			 : counts->passes > 0 ? CASE_PASSED
					      : CASE_SKIPPED,
			 "check", message.data);
	}
}

static void add_findings(struct suite *suite, const struct fg_finding *findings, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct fg_finding *one = &findings[i];
		FG_AUTO_BUF struct fg_buf message = {.max = 16384};
		char effect[FG_FINDING_TEXT_MAX], limit[FG_FINDING_TEXT_MAX];
		enum case_state state = CASE_PASSED;

		if (!one->ruled)
			continue;
		if (one->state == FG_VERDICT_REGRESSED)
			state = one->level == FG_LEVEL_ERROR ? CASE_FAILED : CASE_SKIPPED;
		else if (one->state == FG_VERDICT_INCONCLUSIVE)
			state = CASE_SKIPPED;
		fg_buf_addf(&message, "%s%s%s, tolerated %s", one->note ? one->note : "",
			    one->note ? ": " : "", fg_finding_effect_text(one, effect),
			    fg_finding_limit_text(one, limit));
		add_case(suite, one->where[0] ? one->where : "gate", one->what, state, "regression",
			 message.data);
	}
}

static void add_verdict(struct suite *suite, const struct fg_verdict *verdict)
{
	enum case_state state = CASE_PASSED;

	if (verdict->state == FG_VERDICT_REGRESSED ||
	    (verdict->outcome != FG_OUTCOME_PASSED && fg_outcomes[verdict->outcome].exit_code))
		state = CASE_FAILED;
	else if (verdict->state != FG_VERDICT_PASSED && verdict->state != FG_VERDICT_IMPROVED)
		state = CASE_SKIPPED;
	add_case(suite, "gate", "verdict", state, fg_verdict_state_name(verdict->state),
		 verdict->headline);
	add_findings(suite, verdict->totals, verdict->total_count);
	add_findings(suite, verdict->latency, verdict->latency_count);
	add_findings(suite, verdict->functions, verdict->function_count);
}

int fg_report_junit(const struct fg_result *result, const struct fg_verdict *verdict,
		    struct fg_buf *out, struct fg_err *err)
{
	struct suite suite;

	fg_buf_add_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"");
	escape(result->name ? result->name : "run", out);
	fg_buf_add_str(out, "\">\n");
	suite_begin(&suite, "run", result);
	add_run(&suite, result);
	add_thresholds(&suite, result, "");
	suite_end(&suite, out);
	for (uint32_t s = 0; s < result->registry.scenario_count; s++) {
		suite_begin(&suite, result->registry.scenarios[s].name, result);
		add_thresholds(&suite, result, result->registry.scenarios[s].name);
		add_checks(&suite, result, s);
		suite_end(&suite, out);
	}
	if (verdict) {
		suite_begin(&suite, "gate", result);
		add_verdict(&suite, verdict);
		suite_end(&suite, out);
	}
	fg_buf_add_str(out, "</testsuites>\n");
	return fg_buf_check(out, err);
}
