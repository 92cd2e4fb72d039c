/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics by their definitions. Quantiles are inverted by bisection: they are needed a few times
 * per verdict, and a table of coefficients cannot be reviewed.
 */
#include "gate/judge/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double trim = 0.2;
/* E[winsorised sd] of a standard normal at 20 % trimming, so that sd is comparable with 1.0. */
static const double winsorised_normal_sd = 0.6429;
/* Shrinks the dispersion of few blocks towards 1 (regression-stats.md §2.4). */
static const double dispersion_prior = 20.0;

static double normal_cdf(double x, unsigned unused FG_UNUSED)
{
	return 0.5 * erfc(-x / M_SQRT2);
}

/* Abramowitz & Stegun 26.7.3 and 26.7.4: exact finite sums for whole degrees of freedom. */
static double t_cdf(double x, unsigned df)
{
	double theta = atan(x / sqrt((double)df));
	double cosine = cos(theta);
	double square = cosine * cosine;
	double term = 1.0;
	double sum = 0.0;

	if (df % 2 == 1) {
		term = cosine;
		for (unsigned k = 1; k < df; k += 2) {
			sum += term;
			term *= square * (double)(k + 1) / (double)(k + 2);
		}
		return 0.5 + (theta + sin(theta) * sum) / M_PI;
	}
	for (unsigned k = 0; k < df; k += 2) {
		sum += term;
		term *= square * (double)(k + 1) / (double)(k + 2);
	}
	return 0.5 + 0.5 * sin(theta) * sum;
}

static double invert(double (*cdf)(double, unsigned), unsigned df, double p)
{
	double low = -1e5;
	double high = 1e5;

	/* the upper tail of 1 − p is where doubles run out; use symmetry */
	if (p > 0.5)
		return -invert(cdf, df, 1.0 - p);
	for (int i = 0; i < 200; i++) {
		double middle = 0.5 * (low + high);

		if (cdf(middle, df) < p)
			low = middle;
		else
			high = middle;
	}
	return 0.5 * (low + high);
}

double fg_stats_normal_quantile(double p)
{
	return invert(normal_cdf, 0, p);
}

double fg_stats_t_quantile(double p, unsigned df)
{
	/* beyond this the normal differs in the third digit only, and the sums get long */
	if (df > 200)
		return fg_stats_normal_quantile(p);
	return invert(t_cdf, df, p);
}

double fg_stats_critical(double alpha, size_t tests)
{
	return -fg_stats_normal_quantile(alpha / 2.0 / (double)FG_MAX(tests, (size_t)1));
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

int fg_stats_trimmed(const double *values, size_t count, struct fg_stats_location *ret,
		     struct fg_err *err)
{
	struct fg_stats_location out = {.count = count};
	size_t cut = (size_t)floor(trim * (double)count);
	double sum = 0.0, winsorised_sum = 0.0, squares = 0.0;

	if (count == 0) {
		out.mean = NAN;
		*ret = out;
		return 0;
	}
	double *sorted = malloc(count * sizeof(*sorted));

	if (!sorted)
		return fg_err_nomem(err);
	memcpy(sorted, values, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), compare_doubles);
	for (size_t i = cut; i < count - cut; i++)
		sum += sorted[i];
	out.mean = sum / (double)(count - 2 * cut);
	for (size_t i = 0; i < count; i++)
		winsorised_sum += sorted[FG_MIN(FG_MAX(i, cut), count - cut - 1)];
	for (size_t i = 0; i < count && count > 1; i++) {
		double d = sorted[FG_MIN(FG_MAX(i, cut), count - cut - 1)] -
			   winsorised_sum / (double)count;

		squares += d * d / (double)(count - 1);
	}
	free(sorted);
	out.sd = sqrt(squares) / (cut > 0 ? winsorised_normal_sd : 1.0);
	if (count >= 4) {
		out.df = (unsigned)(count - 2 * cut - 1);
		out.se = sqrt(squares) /
			 ((1.0 - 2.0 * (double)cut / (double)count) * sqrt((double)count));
	}
	*ret = out;
	return 0;
}

double fg_stats_dispersion(const uint32_t *hits, const uint64_t *trials, size_t count)
{
	double all_hits = 0.0, all_trials = 0.0, chi = 0.0;
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		all_hits += (double)hits[i];
		all_trials += (double)trials[i];
	}
	if (!(all_hits > 0.0) || !(all_hits < all_trials))
		return 1.0;
	double p = all_hits / all_trials;

	for (size_t i = 0; i < count; i++) {
		double expected = p * (double)trials[i];

		if (trials[i] == 0)
			continue;
		chi += ((double)hits[i] - expected) * ((double)hits[i] - expected) /
		       (expected * (1.0 - p));
		used++;
	}
	double phi = (dispersion_prior + chi) / (dispersion_prior + (double)used);

	return FG_MAX(1.0, phi);
}
