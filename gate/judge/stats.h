/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few statistics that the verdict needs: quantiles of the normal and of Student's t, the
 * trimmed mean with Yuen's standard error, and dispersion of counts.
 *
 * Pure functions over doubles; the formulas are those of reference/regression-stats.md §2.2–2.4.
 */
#ifndef FG_JUDGE_STATS_H
#define FG_JUDGE_STATS_H

#include "gate/base/err.h"

/** x with P(N(0,1) ≤ x) = p, for 0 < p < 1. */
double fg_stats_normal_quantile(double p);
/** x with P(t_df ≤ x) = p, for 0 < p < 1 and df ≥ 1. */
double fg_stats_t_quantile(double p, unsigned df);
/** Two-sided critical value that keeps the family-wise error of `tests` tests at alpha
 *  (Bonferroni); tests 0 counts as 1. */
double fg_stats_critical(double alpha, size_t tests);

struct fg_stats_location {
	double mean; /* 20 % trimmed */
	double se;   /* Yuen's; 0 when it cannot be known (fewer than 4 values) */
	double sd;   /* of one value: winsorised sd, made consistent for the normal */
	size_t count;
	unsigned df; /* of se */
};

/** Location and spread of `count` values; order does not matter. Fails only for want of memory. */
int fg_stats_trimmed(const double *values, size_t count, struct fg_stats_location *ret,
		     struct fg_err *err) FG_MUST_USE;

/** How much wider than binomial counts hits[i] of trials[i] scatter around one common share:
 *  max(1, (ν0 + Σ d²/v) / (ν0 + R)) with ν0 = 20. */
double fg_stats_dispersion(const uint32_t *hits, const uint64_t *trials, size_t count);

#endif
