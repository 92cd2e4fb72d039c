/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to a histogram: percentiles, mean, spread. Reads only; never allocates. */
#include "gate/measure/hist.h"

#include <math.h>

/* The rank of HdrHistogram (Java): ⌈p·n⌉, where p is first moved one ulp down, because 99.9 % of
 * 1 000 must be rank 999 although 0.999 × 1000 is a little more than 999 in binary. */
uint64_t fg_hist_rank(double percentile, uint64_t count)
{
	double p = nextafter(FG_MIN(percentile, 100.0), -INFINITY);
	double rank = ceil(p * (double)count / 100.0);

	if (rank < 1.0)
		return 1;
	return rank >= (double)count ? count : (uint64_t)rank;
}

uint64_t fg_hist_percentile_ns(const struct fg_hist *hist, double percentile)
{
	if (hist->count == 0)
		return 0;
	if (!(percentile > 0.0)) /* also NaN */
		return hist->min_ns;
	return fg_hist_at_rank_ns(hist, fg_hist_rank(percentile, hist->count));
}

uint64_t fg_hist_at_rank_ns(const struct fg_hist *hist, uint64_t rank)
{
	uint64_t seen = 0;

	for (size_t i = 0; i < FG_HIST_BLOCKS; i++) {
		const uint64_t *block = hist->blocks[i];

		for (size_t k = 0; block && k < FG_HIST_BLOCK_COUNTERS; k++) {
			seen += block[k];
			if (seen >= rank) {
				uint64_t high = fg_hist_index_high_ns((i << 10) + k);

				return FG_MIN(high, hist->max_ns);
			}
		}
	}
	return hist->max_ns;
}

double fg_hist_mean_ns(const struct fg_hist *hist)
{
	return hist->count ? hist->sum_ns / (double)hist->count : 0.0;
}

double fg_hist_stddev_ns(const struct fg_hist *hist)
{
	double mean = fg_hist_mean_ns(hist);
	double squares = 0.0;

	if (hist->count == 0)
		return 0.0;
	for (size_t i = 0; i < FG_HIST_BLOCKS; i++) {
		const uint64_t *block = hist->blocks[i];

		for (size_t k = 0; block && k < FG_HIST_BLOCK_COUNTERS; k++) {
			size_t index = (i << 10) + k;
			double middle = ((double)fg_hist_index_low_ns(index) +
					 (double)fg_hist_index_high_ns(index)) /
					2.0;

			if (block[k])
				squares += (middle - mean) * (middle - mean) * (double)block[k];
		}
	}
	return sqrt(squares / (double)hist->count);
}

uint64_t fg_hist_count_at_or_below(const struct fg_hist *hist, uint64_t value_ns)
{
	size_t last = fg_hist_index(value_ns);
	uint64_t seen = 0;

	for (size_t i = 0; i <= last >> 10; i++) {
		const uint64_t *block = hist->blocks[i];
		size_t end = i == last >> 10 ? (last & 1023) + 1 : FG_HIST_BLOCK_COUNTERS;

		for (size_t k = 0; block && k < end; k++)
			seen += block[k];
	}
	return seen;
}
