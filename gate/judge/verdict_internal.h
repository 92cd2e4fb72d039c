/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the verdict share; nobody else includes this. */
#ifndef FG_JUDGE_VERDICT_INTERNAL_H
#define FG_JUDGE_VERDICT_INTERNAL_H

#include "gate/judge/stats.h"
#include "gate/judge/verdict.h"

enum {
	FG_VERDICT_MIN_REQUESTS = 100,
	FG_VERDICT_MIN_SAMPLES = 300,
	FG_VERDICT_BLOCK_SECONDS = 5,
	FG_VERDICT_MIN_BLOCKS = 4,
	FG_VERDICT_FINDINGS_MAX = 100000,
	FG_VERDICT_NOTES_MAX = 1000,
};

/* Family-wise error of each kind of endpoint. */
#define FG_VERDICT_ALPHA 0.01

/* One comparison under way. */
struct fg_comparison {
	const struct fg_result *base, *head;
	const struct fg_profile *base_profile, *head_profile;
	const struct fg_gate *gate;
	struct fg_verdict *verdict;
	double cpu_base_ns, cpu_head_ns; /* per request; < 0 unknown */
	double cpu_se;                   /* within both runs, of log(head/base) */
	bool functions_unjudged;         /* the profile of a side is missing or not good enough */
	double function_detectable;      /* for a function of 5 % share; NaN unknown */
};

/* Everything that decides one finding. */
struct fg_effect_test {
	const struct fg_rule *rule; /* NULL: shown, not judged */
	double base, head;
	bool points;        /* the effect is head − base (rates 0…1), not a ratio */
	double within_se;   /* standard error from inside the runs, both together */
	double between_sd;  /* what the moment adds to log(head/base), or to the difference */
	double critical;    /* of the two-sided interval */
	double usual_sd;    /* > 0: too noisy to clear; suspicious only beyond this (below) */
	const char *cannot; /* not NULL: why it cannot be judged */
	bool decisive;
};

/** Fills state, effect, interval, limits and detectable of `finding`; its texts are the caller's.
 */
int fg_verdict_judge(const struct fg_effect_test *test, struct fg_finding *finding,
		     struct fg_err *err) FG_MUST_USE;
/** How much the moment of the run moves log(head/base) of a percentile. */
double fg_verdict_quantile_sd(double percentile);

int fg_verdict_note(struct fg_verdict *verdict, struct fg_err *err, const char *format, ...)
	FG_PRINTF(3, 4) FG_MUST_USE;
/** Formats into a new string. */
int fg_verdict_text(char **ret, struct fg_err *err, const char *format, ...)
	FG_PRINTF(3, 4) FG_MUST_USE;
void fg_verdict_finding_done(struct fg_finding *finding);

/** The spread of log CPU per request over blocks of one run. */
int fg_verdict_cpu_spread(const struct fg_result *result, struct fg_stats_location *ret,
			  struct fg_err *err) FG_MUST_USE;
/** The spread of a log percentile of the response time (or service time) of one class over blocks,
 *  one entry per percentile; count 0 where there is no series. */
int fg_verdict_quantile_spread(const struct fg_result *result, size_t class_index,
			       enum fg_trend trend, const double *percentiles, size_t count,
			       struct fg_stats_location *ret, struct fg_err *err) FG_MUST_USE;

int fg_verdict_totals(struct fg_comparison *comparison, struct fg_err *err) FG_MUST_USE;
int fg_verdict_latency(struct fg_comparison *comparison, struct fg_err *err) FG_MUST_USE;
int fg_verdict_functions(struct fg_comparison *comparison, struct fg_err *err) FG_MUST_USE;
/** Sets state and reason, and returns true in `*ret`, if the two must not be compared. */
int fg_verdict_refuse(struct fg_comparison *comparison, bool *ret, struct fg_err *err) FG_MUST_USE;

/* verdict_runtimes.c: how the options of the sides' language runtimes differ. */
bool fg_verdict_runtimes_differ(const struct fg_profile_info *base,
				const struct fg_profile_info *head, char *why, size_t size_bytes);

#endif
