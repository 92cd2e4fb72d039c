/* SPDX-License-Identifier: Apache-2.0 */
/* Two synthetic runs and the verdict on them, for the tests of the verdict. */
#ifndef FG_TESTS_VERDICT_KIT_H
#define FG_TESTS_VERDICT_KIT_H

#include "tests/kit/kit.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/judge/verdict.h"
#include "tests/unit/judge/sample_run.h"

static const struct sample_server quiet = {
	.cpu_ns = 237000,
	.cpu_jitter = 0.02,
	.latency_ns = 1100000,
	.latency_sigma = 0.4,
	.seconds = 30,
	.rate_per_s = 40,
	.classes = 2,
	.seed = 1,
};

static inline struct fg_bundle run_of(const struct sample_server *server)
{
	return (struct fg_bundle){.result = sample_server_run(server)};
}

static inline void bundle_free(struct fg_bundle *bundle)
{
	fg_result_free(bundle->result);
	fg_profile_free(bundle->profile);
}

static inline struct fg_verdict *compare(struct fg_bundle *base, struct fg_bundle *head,
					 const struct fg_gate *gate)
{
	struct fg_gate defaults;
	struct fg_verdict *verdict = NULL;
	struct fg_err err = {0};

	fg_gate_init(&defaults);
	assert_ok(fg_verdict_compare(base, head, gate ? gate : &defaults, &verdict, &err), &err);
	return verdict;
}

/* Compares two runs, expects a state, and frees everything. */
static inline void expect_state(struct fg_bundle base, struct fg_bundle head,
				const struct fg_gate *gate, enum fg_verdict_state state,
				const char *headline)
{
	struct fg_verdict *verdict = compare(&base, &head, gate);

	if (verdict->state != state || (headline && !strstr(verdict->headline, headline)))
		fail_msg("%s: %s", fg_verdict_state_name(verdict->state), verdict->headline);
	fg_verdict_free(verdict);
	bundle_free(&base);
	bundle_free(&head);
}

static inline struct sample_server changed(double cpu_factor, double latency_factor, uint64_t seed)
{
	struct sample_server server = quiet;

	server.cpu_ns *= cpu_factor;
	server.latency_ns *= latency_factor;
	server.seed = seed;
	return server;
}

static inline struct fg_bundle head_of(double cpu_factor, double latency_factor)
{
	struct sample_server server = changed(cpu_factor, latency_factor, 77);

	return run_of(&server);
}

static inline void add_rule(struct fg_gate *gate, const char *metric, const char *stat,
			    double increase, double decrease, enum fg_level level)
{
	struct fg_rule rule;
	struct fg_err err = {0};

	fg_rule_init(&rule, level);
	assert_ok(fg_rule_set_metric(&rule, metric, stat, &err), &err);
	rule.max_increase = increase;
	rule.max_decrease = decrease;
	assert_ok(fg_gate_add_rule(gate, &rule, &err), &err);
}

#endif
