/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A histogram inside run.json: the exact numbers that HdrHistogram's format drops, a few
 * percentiles for readers without a decoder (never read back), and the counters.
 */
#include "gate/measure/bundle_internal.h"

#include <math.h>

#include "gate/format/hdrlog.h"

static void put_percentiles(struct fg_json_writer *writer, const struct fg_hist *hist)
{
	static const struct {
		const char *key;
		double percentile;
	} rows[] = {{"p50Ns", 50}, {"p90Ns", 90}, {"p95Ns", 95}, {"p99Ns", 99}};

	for (size_t i = 0; i < FG_ARRAY_LEN(rows); i++)
		fg_json_put_u64(writer, rows[i].key,
				fg_hist_percentile_ns(hist, rows[i].percentile));
}

int fg_bundle_put_hist(struct fg_json_writer *writer, const char *key, const struct fg_hist *hist,
		       struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {.max = FG_HDRLOG_TEXT_MAX};

	if (hist->count == 0)
		return 0;
	int rc = fg_hdrlog_encode(hist, &text, err);

	if (rc)
		return fg_err_wrap(err, "%s", key);
	fg_json_begin(writer, key);
	fg_json_put_u64(writer, "count", hist->count);
	fg_json_put_u64(writer, "minNs", hist->min_ns);
	fg_json_put_u64(writer, "maxNs", hist->max_ns);
	fg_json_put_double(writer, "sumNs", hist->sum_ns);
	fg_json_put_u64(writer, "lowerBounds", hist->lower_bounds);
	put_percentiles(writer, hist);
	fg_json_put_string(writer, "hdr", text.data);
	fg_json_end(writer);
	return 0;
}

static size_t count_blocks(const struct fg_hist *hist)
{
	size_t count = 0;

	for (size_t i = 0; i < FG_HIST_BLOCKS; i++)
		count += hist->blocks[i] ? 1 : 0;
	return count;
}

/* The exact numbers must be possible with these counters; then nothing downstream can be fooled. */
static int get_exact(const struct fg_json_at *at, struct fg_hist *hist, struct fg_err *err)
{
	uint64_t count = 0;
	uint64_t min = 0;
	uint64_t max = 0;
	double sum = 0;
	uint64_t lower_bounds = 0;
	int rc = fg_json_u64(at, "count", INT64_MAX, &count, err);

	if (rc == 0)
		rc = fg_json_u64(at, "minNs", FG_HIST_MAX_NS, &min, err);
	if (rc == 0)
		rc = fg_json_u64(at, "maxNs", FG_HIST_MAX_NS, &max, err);
	if (rc == 0)
		rc = fg_json_double(at, "sumNs", 0, 1e32, &sum, err);
	if (rc == 0)
		rc = fg_json_u64(at, "lowerBounds", INT64_MAX, &lower_bounds, err);
	if (rc)
		return rc;
	if (count != hist->count || count == 0)
		return fg_json_error(at, err, "count is %llu, but the histogram has %llu values",
				     (unsigned long long)count, (unsigned long long)hist->count);
	if (fg_hist_index(min) != fg_hist_index(hist->min_ns) ||
	    fg_hist_index(max) != fg_hist_index(hist->max_ns) || min > max)
		return fg_json_error(at, err, "minNs or maxNs does not fit the histogram");
	/* hist->sum_ns is that of bucket midpoints: at most 0.05 % off. */
	if (fabs(sum - hist->sum_ns) > 0.001 * hist->sum_ns + 1 || lower_bounds > count)
		return fg_json_error(at, err, "sumNs or lowerBounds does not fit the histogram");
	hist->min_ns = min;
	hist->max_ns = max;
	hist->sum_ns = sum;
	hist->lower_bounds = lower_bounds;
	return 0;
}

int fg_bundle_get_hist(const struct fg_json_at *object, const char *key, struct fg_hist *hist,
		       size_t *blocks, struct fg_err *err)
{
	struct fg_json_at at;
	const char *text = NULL;
	size_t len = 0;

	if (!fg_json_has(object, key))
		return 0;
	int rc = fg_json_object(object, key, &at, err);

	if (rc == 0)
		rc = fg_json_string(&at, "hdr", &text, &len, err);
	if (rc)
		return rc;
	rc = fg_hdrlog_decode(text, len, hist, err);
	if (rc)
		return fg_err_wrap(err, "histogram %s", key);
	size_t used = count_blocks(hist);

	if (used > *blocks)
		return fg_err_set(err, FG_E_LIMIT, "histograms of more than %zu MiB in memory",
				  (size_t)FG_BUNDLE_BLOCKS_MAX * FG_HIST_BLOCK_COUNTERS * 8 >> 20);
	*blocks -= used;
	return get_exact(&at, hist, err);
}
