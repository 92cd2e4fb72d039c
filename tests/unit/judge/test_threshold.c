/* SPDX-License-Identifier: Apache-2.0 */
/* Thresholds: grammar, selectors against a registry, evaluation; outcomes; rules. */
#include "tests/kit/kit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gate/judge/outcome.h"
#include "gate/judge/rule.h"
#include "tests/unit/judge/sample_run.h"

static void test_parse_good(void **state)
{
	static const struct {
		const char *metric, *text;
		enum fg_stat stat;
		double percentile;
		enum fg_compare compare;
		double limit;
		size_t tags;
	} good[] = {
		{"http_req_duration", "p(95)<250", FG_STAT_PERCENTILE, 95, FG_CMP_LT, 250e6, 0},
		{"http_req_duration", "p(99.9) <= 0.5", FG_STAT_PERCENTILE, 99.9, FG_CMP_LE, 5e5,
		 0},
		{"http_req_duration", " p( 0 )>=1ms ", FG_STAT_PERCENTILE, 0, FG_CMP_GE, 1e6, 0},
		{"http_req_duration", "p(100)<1m30s", FG_STAT_PERCENTILE, 100, FG_CMP_LT, 90e9, 0},
		{"http_req_response_time", "med<40us", FG_STAT_MED, 50, FG_CMP_LT, 40e3, 0},
		{"http_req_waiting", "avg<40µs", FG_STAT_AVG, 0, FG_CMP_LT, 40e3, 0},
		{"iteration_duration", "max!=5s", FG_STAT_MAX, 0, FG_CMP_NE, 5e9, 0},
		{"iteration_duration", "min>-1", FG_STAT_MIN, 0, FG_CMP_GT, -1e6, 0},
		{"http_req_failed", "rate<0.01", FG_STAT_RATE, 0, FG_CMP_LT, 0.01, 0},
		{"http_req_failed", "rate < 1%", FG_STAT_RATE, 0, FG_CMP_LT, 0.01, 0},
		{"http_req_failed", "count==0", FG_STAT_COUNT, 0, FG_CMP_EQ, 0, 0},
		{"checks", "rate===1", FG_STAT_RATE, 0, FG_CMP_EQ, 1, 0},
		{"http_reqs", "count>100", FG_STAT_COUNT, 0, FG_CMP_GT, 100, 0},
		{"http_reqs", "rate>=99.5/s", FG_STAT_RATE, 0, FG_CMP_GE, 99.5, 0},
		{"data_received", "count<10MB", FG_STAT_COUNT, 0, FG_CMP_LT, 1e7, 0},
		{"data_received", "rate<1MiB/s", FG_STAT_RATE, 0, FG_CMP_LT, 1048576, 0},
		{"vus", "value>1", FG_STAT_VALUE, 0, FG_CMP_GT, 1, 0},
		{"http_req_duration{scenario:browse}", "avg<1", FG_STAT_AVG, 0, FG_CMP_LT, 1e6, 1},
		{"http_req_duration { scenario : browse , name : GET /items/:id }", "avg<1",
		 FG_STAT_AVG, 0, FG_CMP_LT, 1e6, 2},
		{"http_req_duration{name:\"GET /a,b\",group:'::x::y'}", "avg<1", FG_STAT_AVG, 0,
		 FG_CMP_LT, 1e6, 2},
		{"http_reqs{status:404}", "count<1", FG_STAT_COUNT, 0, FG_CMP_LT, 1, 1},
		{"http_reqs{group:}", "count<1", FG_STAT_COUNT, 0, FG_CMP_LT, 1, 1},
	};
	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(good); i++) {
		struct fg_threshold threshold;
		struct fg_err err = {0};

		assert_ok(fg_threshold_parse(good[i].metric, good[i].text, &threshold, &err), &err);
		assert_int_equal(threshold.what.stat, good[i].stat);
		assert_float_equal(threshold.what.percentile, good[i].percentile, 1e-9);
		assert_int_equal(threshold.compare, good[i].compare);
		if (fabs(threshold.limit - good[i].limit) > fabs(good[i].limit) * 1e-12)
			fail_msg("%s: limit %g", good[i].text, threshold.limit);
		assert_int_equal(threshold.what.tags.count, good[i].tags);
		assert_string_equal(threshold.text, good[i].text);
		fg_threshold_done(&threshold);
	}
}

static void test_parse_tags(void **state)
{
	struct fg_threshold threshold;
	struct fg_err err = {0};

	(void)state;
	assert_ok(fg_threshold_parse(
			  "http_req_duration{ name : GET /items/:id ,g:\"a, b\", group:::x}",
			  "avg<1", &threshold, &err),
		  &err);
	assert_string_equal(fg_tags_get(&threshold.what.tags, "name"), "GET /items/:id");
	assert_string_equal(fg_tags_get(&threshold.what.tags, "g"), "a, b");
	assert_string_equal(fg_tags_get(&threshold.what.tags, "group"), "::x");
	fg_threshold_done(&threshold);
}

static void test_parse_bad(void **state)
{
	static const struct {
		const char *metric, *text;
		unsigned line, column;
		const char *says;
	} bad[] = {
		{"http-req-duration", "p(95)<1", 1, 1, "did you mean \"http_req_duration\""},
		{"qqqq qqqqqqqq", "p(95)<1", 1, 1, "no metric is named"},
		{"http_reqs / ", "count<1", 1, 12, "metric name is missing"},
		{"http_reqs / iterations / vus", "count<1", 1, 24, "of two metrics"},
		{"http_reqs{name:a} b", "count<1", 1, 19, "expected the end"},
		{"http_reqs / http_req_duration{status:200}", "count<1", 1, 13,
		 "expected_response"},
		{"http_reqs / http_req_duration", "count<1", 0, 1, "has no count"},
		{"http_req_duration", "p(99)/q<1", 0, 7, "unknown statistic \"q\""},
		{"http_req_duration", "p(99)/<1", 0, 7, "expected a statistic"},
		{"http_req_duration", "p(95)<baseline*", 0, 16, "a number above 0"},
		{"http_req_duration", "p(95)<baseline*-1", 0, 16, "a number above 0"},
		{"http_req_duration", "p(95)<baseline+", 0, 16, "a term is missing"},
		{"http_req_duration", "p(95)<baseline+5xs", 0, 16, "duration such as"},
		{"http_req_duration", "p(95)<baseline 5ms", 0, 16, "expected + or -"},
		{"http_req_duration", "p(95)<x*baseline", 0, 7, "a number times baseline"},
		{"http_req_duration", "p(95)==baseline", 0, 8, "no two runs are equal"},
		{"http_req_duration", "p(95)<5ms-baseline", 0, 7, "does not grow"},
		{"", "p(95)<1", 1, 1, "metric name is missing"},
		{"{a:b}", "p(95)<1", 1, 1, "metric name is missing"},
		{"http_reqs{scenario:a", "count<1", 1, 10, "not closed"},
		{"http_reqs{}", "count<1", 1, 10, "selector is empty"},
		{"http_reqs{scenario}", "count<1", 1, 11, "expected tag:value"},
		{"http_reqs{a:b,}", "count<1", 1, 15, "expected tag:value"},
		{"http_reqs{a:b,a:c}", "count<1", 1, 15, "stands twice"},
		{"http_reqs{a:\"b}", "count<1", 1, 13, "quote is not closed"},
		{"http_reqs{a:\"b\"c}", "count<1", 1, 16, "expected \",\""},
		{"http_req_duration{status:200}", "avg<1", 1, 1, "expected_response"},
		{"http_reqs{status:200,error_code:1404}", "count<1", 1, 1, "cannot be combined"},
		{"http_req_duration", "", 0, 1, "expected a statistic"},
		{"http_req_duration", "<250", 0, 1, "expected a statistic"},
		{"http_req_duration", "p95<250", 0, 1, "did you mean \"p(95)\""},
		{"http_req_duration", "mean<250", 0, 1, "did you mean \"avg\""},
		{"http_req_duration", "avgg<250", 0, 1, "did you mean \"avg\""},
		{"http_req_duration", "zzz<250", 0, 1, "has avg, min, max, med, p(N)"},
		{"http_req_duration", "rate<250", 0, 1, "is a trend and has no rate"},
		{"http_req_duration", "count<250", 0, 1, "it has avg, min, max, med, p(N)"},
		{"http_reqs", "p(95)<250", 0, 1, "has no p(N)"},
		{"vus", "count<250", 0, 1, "it has value"},
		{"http_req_duration", "p(101)<250", 0, 3, "between 0 and 100"},
		{"http_req_duration", "p(-1)<250", 0, 3, "between 0 and 100"},
		{"http_req_duration", "p()<250", 0, 3, "between 0 and 100"},
		{"http_req_duration", "p(95<250", 0, 2, "not closed"},
		{"http_req_duration", "p(95)", 0, 6, "expected one of"},
		{"http_req_duration", "p(95)=250", 0, 6, "unknown operator \"=\""},
		{"http_req_duration", "p(95)=<250", 0, 6, "unknown operator \"=<\""},
		{"http_req_duration", "p(95)<", 0, 7, "limit is missing"},
		{"http_req_duration", "p(95)<abc", 0, 7, "expected a number (ms)"},
		{"http_req_duration", "p(95)<250 ms", 0, 7, "duration such as 250ms"},
		{"http_req_duration", "p(95)<250xs", 0, 7, "duration such as 250ms"},
		{"http_req_duration", "p(95)<nan", 0, 7, "expected a number"},
		{"http_req_duration", "p(95)<1 && avg<2", 0, 7, "one condition"},
		{"http_req_duration", "p(95)<0x10", 0, 7, "expected a number"},
		{"http_req_failed", "rate<5", 0, 6, "between 0 and 1"},
		{"http_req_failed", "rate<150%", 0, 6, "between 0 and 1"},
		{"http_req_failed", "rate<1ms", 0, 6, "between 0 and 1"},
		{"data_sent", "count<5ms", 0, 7, "16KiB"},
	};
	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(bad); i++) {
		struct fg_threshold threshold = {.limit = 7};
		struct fg_err err = {0};

		if (fg_threshold_parse(bad[i].metric, bad[i].text, &threshold, &err) !=
		    -FG_E_INVALID)
			fail_msg("%s: %s: accepted or another code", bad[i].metric, bad[i].text);
		if (!strstr(err.message, bad[i].says) || err.line != bad[i].line ||
		    err.column != bad[i].column)
			fail_msg("%s: %s: %u:%u: %s", bad[i].metric, bad[i].text, err.line,
				 err.column, err.message);
		assert_float_equal(threshold.limit, 7, 0);
	}
}

static void test_parse_bounds(void **state)
{
	struct fg_threshold threshold;
	struct fg_err err = {0};
	char *long_text = malloc(10001);

	(void)state;
	assert_non_null(long_text);
	memset(long_text, 'a', 10000);
	long_text[10000] = '\0';
	assert_int_equal(fg_threshold_parse("http_reqs", long_text, &threshold, &err), -FG_E_LIMIT);
	assert_int_equal(fg_threshold_parse(long_text, "count<1", &threshold, &err), -FG_E_LIMIT);
	free(long_text);
	struct fg_buf many;

	fg_buf_init(&many, 4000);
	fg_buf_add_str(&many, "http_reqs{");
	for (int i = 0; i < 33; i++)
		fg_buf_addf(&many, "%st%d:1", i ? "," : "", i);
	fg_buf_add_str(&many, "}");
	assert_int_equal(fg_threshold_parse(many.data, "count<1", &threshold, &err), -FG_E_LIMIT);
	fg_buf_done(&many);
}

static void test_check(void **state)
{
	static const struct {
		const char *metric;
		const char *says; /* NULL: fits */
		int code;
	} cases[] = {
		{"http_req_duration{scenario:browse}", NULL, 0},
		{"http_req_duration{scenario:brwse}", "did you mean \"browse\"", FG_E_INVALID},
		{"http_req_duration{scenarios:browse}", "did you mean \"scenario\"", FG_E_INVALID},
		{"http_req_duration{name:GET /items}", NULL, 0},
		{"http_req_duration{name:GET /item}", "did you mean \"GET /items\"", FG_E_INVALID},
		{"http_req_duration{name:zzzzzzzzz}", "and others", FG_E_INVALID},
		{"http_req_duration{tier:read}", NULL, 0},
		{"http_req_duration{tier:raed}", "did you mean \"read\"", FG_E_INVALID},
		{"http_req_duration{teir:read}", "did you mean \"tier\"", FG_E_INVALID},
		{"http_req_duration{group:::auth}", NULL, 0},
		{"http_req_duration{method:POST,name:GET /items}", "together", FG_E_INVALID},
		{"http_req_duration{expected_response:true}", NULL, 0},
		{"http_req_duration{expected_response:yes}", "true or false", FG_E_INVALID},
		{"http_req_duration{stage:2}", "is no tag; write { threshold:", FG_E_INVALID},
		{"http_req_durations", "did you mean \"http_req_duration\"", FG_E_INVALID},
		{"qqqqqqqqqqqq", "no metric is named", FG_E_INVALID},
		{"http_reqs{status:200}", NULL, 0},
		{"http_reqs{status:0}", NULL, 0},
		{"http_reqs{status:99}", "100 to 599", FG_E_INVALID},
		{"http_reqs{status:6oo}", "100 to 599", FG_E_INVALID},
		{"http_reqs{error_code:1212}", NULL, 0},
		{"http_reqs{error_code:12}", "k6's numbers", FG_E_INVALID},
		{"http_reqs{error:refused}", NULL, 0},
		{"http_reqs{error:refusd}", "did you mean \"refused\"", FG_E_INVALID},
		{"checks{check:logged in}", NULL, 0},
		{"checks{check:loged in}", "did you mean \"logged in\"", FG_E_INVALID},
		{"checks{group:::auth}", NULL, 0},
		{"checks{name:GET /items}", "carries the tag \"name\"", FG_E_INVALID},
		{"iterations{scenario:smoke}", NULL, 0},
		{"iterations{scenario:smok}", "did you mean \"smoke\"", FG_E_INVALID},
		{"iterations{name:GET /items}", "carries the tag \"name\"", FG_E_INVALID},
		{"vus{scenario:smoke}", NULL, 0},
	};
	struct fg_registry registry = sample_registry();

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		static const char *const texts[] = {"count<1", "rate<1", "avg<1", "value<1"};
		struct fg_threshold threshold = {0};
		struct fg_err err = {0};
		int parsed = -1;

		for (size_t k = 0; k < FG_ARRAY_LEN(texts) && parsed; k++)
			parsed = fg_threshold_parse(cases[i].metric, texts[k], &threshold, &err);
		assert_ok(parsed, &err);
		int rc = fg_threshold_check(&threshold, &registry, &err);

		if (rc != -cases[i].code || (cases[i].says && !strstr(err.message, cases[i].says)))
			fail_msg("%s: %d: %s", cases[i].metric, rc, err.message);
		fg_threshold_done(&threshold);
	}
	fg_registry_done(&registry);
}

static void test_evaluate(void **state)
{
	static const struct {
		const char *metric, *text;
		bool passed, no_data;
		const char *value;
	} cases[] = {
		{"http_req_duration{name:GET /items}", "med<1.2", true, false, "1.10 ms"},
		{"http_req_duration{name:GET /items}", "p(99)<8", false, false, "8.20 ms"},
		{"http_req_duration{name:GET /items}", "p(99)<9ms", true, false, "8.20 ms"},
		{"http_req_duration{scenario:smoke}", "max<313us", true, false, "312 µs"},
		{"http_req_duration{expected_response:false,name:POST /login}", "min>19", true,
		 false, "20.0 ms"},
		{"http_req_duration{tier:write}", "max<1", false, true, "no data"},
		{"http_req_failed", "rate<0.01", true, false, "0.0012"},
		{"http_req_failed", "count<=15", true, false, "15"},
		{"http_req_failed", "count<15", false, false, "15"},
		{"http_req_failed{name:POST /login}", "rate<0.001", false, false, "0.0083"},
		{"http_reqs", "count==12375", true, false, "12 375"},
		{"http_reqs", "rate>206", true, false, "206.2/s"},
		{"http_reqs{status:503}", "count===3", true, false, "3"},
		{"http_reqs{status:500}", "count==0", true, false, "0"},
		{"http_reqs{error_code:1212}", "count!=12", false, false, "12"},
		{"http_reqs{error_code:1503}", "count>2", true, false, "3"},
		{"http_reqs{error:refused,name:POST /login}", "count<1", true, false, "0"},
		{"http_reqs{error:refused,name:nobody}", "count<1", false, true, "no data"},
		{"checks", "rate>0.99", true, false, "0.9997"},
		{"checks{check:logged in}", "rate>0.999", false, false, "0.9917"},
		{"checks{check:logged in}", "count>=360", true, false, "360"},
		{"iterations{scenario:browse}", "count>=10560", true, false, "10 560"},
		{"iterations", "rate>=206", true, false, "206.0/s"},
		{"dropped_iterations", "count<1", true, false, "0"},
		{"schedule_lag", "p(99)<1ms", true, false, "64.0 µs"},
		{"schedule_lag{scenario:smoke}", "p(99)<1ms", false, true, "no data"},
		{"iteration_duration", "p(99)<1ms", false, true, "no data"},
		{"data_received", "count>1MB", true, false, "12.4 MB"},
		{"vus_max", "value>=54", true, false, "54"},
	};
	struct fg_result *result = sample_result();

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_threshold threshold;
		struct fg_threshold_result found;
		struct fg_err err = {0};

		assert_ok(fg_threshold_parse(cases[i].metric, cases[i].text, &threshold, &err),
			  &err);
		assert_ok(fg_threshold_evaluate(&threshold, result, NULL, &found, &err), &err);
		if (found.passed != cases[i].passed || found.no_data != cases[i].no_data ||
		    strcmp(found.value_text, cases[i].value) != 0)
			fail_msg("%s %s: passed %d no_data %d value %s (%g)", cases[i].metric,
				 cases[i].text, found.passed, found.no_data, found.value_text,
				 found.value);
		assert_true(found.no_data == isnan(found.value));
		fg_threshold_result_done(&found);
		fg_threshold_done(&threshold);
	}
	fg_result_free(result);
}

static void test_evaluate_options(void **state)
{
	struct fg_result *result = sample_result();
	struct fg_threshold threshold;
	struct fg_threshold_result found;
	struct fg_err err = {0};

	(void)state;
	assert_ok(fg_threshold_parse("http_req_duration{name:POST /login}", "p(99)<1s", &threshold,
				     &err),
		  &err);
	threshold.min_samples = 364;
	assert_ok(fg_threshold_evaluate(&threshold, result, NULL, &found, &err), &err);
	assert_false(found.passed);
	assert_true(found.no_data);
	assert_string_equal(found.value_text, "only 363 of 364 samples");
	fg_threshold_result_done(&found);
	threshold.allow_no_data = true;
	assert_ok(fg_threshold_evaluate(&threshold, result, NULL, &found, &err), &err);
	assert_true(found.passed && found.no_data);
	fg_threshold_result_done(&found);
	threshold.min_samples = 363;
	assert_ok(fg_threshold_evaluate(&threshold, result, NULL, &found, &err), &err);
	assert_true(found.passed && !found.no_data);
	fg_threshold_result_done(&found);
	/* a rate without a measured phase is no data, not infinity */
	fg_threshold_done(&threshold);
	assert_ok(fg_threshold_parse("http_reqs", "rate>0", &threshold, &err), &err);
	result->measured_ns = 0;
	result->duration_ns = 0;
	assert_ok(fg_threshold_evaluate(&threshold, result, NULL, &found, &err), &err);
	assert_true(found.no_data && !found.passed);
	fg_threshold_result_done(&found);
	fg_threshold_done(&threshold);
	fg_result_free(result);
}

static void test_outcomes(void **state)
{
	static const enum fg_outcome order[] = {
		FG_OUTCOME_USAGE,       FG_OUTCOME_INTERNAL,    FG_OUTCOME_INVALID_SCENARIO,
		FG_OUTCOME_INTERRUPTED, FG_OUTCOME_TARGET,      FG_OUTCOME_SETUP,
		FG_OUTCOME_TEARDOWN,    FG_OUTCOME_NO_PROFILER, FG_OUTCOME_INVALID_MEASUREMENT,
		FG_OUTCOME_THRESHOLDS,  FG_OUTCOME_REGRESSED,   FG_OUTCOME_INCONCLUSIVE,
		FG_OUTCOME_NO_BASELINE, FG_OUTCOME_PUBLISH,     FG_OUTCOME_PASSED,
	};
	static const int codes[] = {2, 1, 104, 105, 13, 100, 101, 14, 16, 99, 10, 11, 12, 15, 0};

	(void)state;
	assert_int_equal(FG_ARRAY_LEN(order), FG_OUTCOME_COUNT);
	for (size_t i = 0; i < FG_ARRAY_LEN(order); i++) {
		assert_int_equal(fg_outcomes[order[i]].exit_code, codes[i]);
		assert_int_equal(fg_outcome_find(fg_outcomes[order[i]].word), (int)order[i]);
		for (size_t j = i; j < FG_ARRAY_LEN(order); j++) {
			assert_int_equal(fg_outcome_worst(order[i], order[j]), order[i]);
			assert_int_equal(fg_outcome_worst(order[j], order[i]), order[i]);
		}
	}
	assert_int_equal(fg_outcome_find("nonsense"), -1);
}

static void test_rules(void **state)
{
	struct fg_rule rule;
	struct fg_err err = {0};

	(void)state;
	fg_rule_init(&rule, FG_LEVEL_WARN);
	assert_ok(fg_rule_set_function(&rule, "json_*", FG_MEASURE_SELF, &err), &err);
	assert_true(fg_rule_matches_function(&rule, "json_escape"));
	assert_false(fg_rule_matches_function(&rule, "render"));
	assert_ok(fg_rule_set_function(&rule, "re:^std::.*<", FG_MEASURE_TOTAL, &err), &err);
	assert_true(fg_rule_matches_function(&rule, "std::map<int>"));
	assert_false(fg_rule_matches_function(&rule, "xstd::map<int>"));
	assert_int_equal(fg_rule_set_function(&rule, "re:(", FG_MEASURE_SELF, &err), -FG_E_INVALID);
	assert_int_equal(fg_rule_set_function(&rule, "", FG_MEASURE_SELF, &err), -FG_E_INVALID);
	assert_string_equal(rule.text, "function re:^std::.*< total");
	/* a pattern that backtracks without end is cut off, not waited for */
	assert_ok(fg_rule_set_function(&rule, "re:(a+)+$", FG_MEASURE_SELF, &err), &err);
	assert_false(fg_rule_matches_function(&rule, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"));
	fg_rule_done(&rule);

	fg_rule_init(&rule, FG_LEVEL_ERROR);
	assert_ok(fg_rule_set_metric(&rule, "cpu_per_request", NULL, &err), &err);
	assert_int_equal(rule.kind, FG_RULE_CPU_PER_REQUEST);
	assert_ok(fg_rule_set_metric(&rule, "http_req_duration{name:GET /a}", "p(95)", &err), &err);
	assert_string_equal(rule.text, "http_req_duration{name:GET /a} p(95)");
	assert_ok(fg_rule_set_metric(&rule, "http_reqs", NULL, &err), &err);
	assert_int_equal(rule.stat, FG_STAT_RATE);
	assert_int_equal(fg_rule_set_metric(&rule, "http_req_duration", NULL, &err), -FG_E_INVALID);
	assert_int_equal(fg_rule_set_metric(&rule, "http_req_duration", "p(95", &err),
			 -FG_E_INVALID);
	assert_int_equal(fg_rule_set_metric(&rule, "cpu_per_requests", NULL, &err), -FG_E_INVALID);
	assert_int_equal(fg_rule_set_metric(&rule, "cpu_per_request{name:x}", NULL, &err),
			 -FG_E_LATER);
	assert_string_equal(rule.text, "http_reqs rate");
	fg_rule_done(&rule);

	struct fg_gate gate;

	fg_gate_init(&gate);
	assert_ok(fg_gate_add_default_rules(&gate, &err), &err);
	assert_int_equal(gate.rule_count, 8);
	assert_float_equal(gate.rules[0].max_increase, 0.02, 1e-12);
	fg_gate_done(&gate);
	fg_gate_init(&gate);
	gate.strict = true;
	assert_ok(fg_gate_add_default_rules(&gate, &err), &err);
	assert_float_equal(gate.rules[0].max_increase, 0.003, 1e-12);
	fg_gate_done(&gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_good),
		cmocka_unit_test(test_parse_tags),
		cmocka_unit_test(test_parse_bad),
		cmocka_unit_test(test_parse_bounds),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_evaluate),
		cmocka_unit_test(test_evaluate_options),
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
