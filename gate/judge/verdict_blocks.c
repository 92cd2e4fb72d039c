/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much a quantity scatters inside one run: blocks of five seconds over the measured phase.
 *
 * Blocks, not seconds, because seconds of one run resemble their neighbours (lag-1 0.73 measured).
 * Everything comes from the per-second series of the bundle; a run without it has count 0.
 */
#include "gate/judge/verdict_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gate/format/hdrlog.h"
#include "gate/measure/series.h"

enum { WANTED_BLOCKS = 8, MAX_BLOCKS = 240 };

struct block_plan {
	uint64_t first_second;
	uint64_t seconds; /* whole measured seconds */
	uint64_t block_seconds;
	uint64_t blocks;
};

/* Short runs get shorter blocks: few blocks make their own standard error unsure. */
static struct block_plan plan_blocks(const struct fg_result *result)
{
	uint64_t end_ns = result->measured_start_ns + result->measured_ns;
	struct block_plan plan = {
		.first_second = (result->measured_start_ns + FG_NS_PER_S - 1) / FG_NS_PER_S,
		.block_seconds = FG_VERDICT_BLOCK_SECONDS,
	};

	if (end_ns / FG_NS_PER_S > plan.first_second)
		plan.seconds = end_ns / FG_NS_PER_S - plan.first_second;
	plan.block_seconds = FG_MIN(plan.block_seconds, plan.seconds / WANTED_BLOCKS);
	plan.block_seconds = FG_MAX(plan.block_seconds, (uint64_t)1);
	/* long runs: longer blocks, so that memory stays bounded */
	plan.block_seconds =
		FG_MAX(plan.block_seconds, (plan.seconds + MAX_BLOCKS - 1) / MAX_BLOCKS);
	plan.blocks = plan.seconds / plan.block_seconds;
	return plan;
}

/* The block of a second, or -1 outside. */
static int64_t block_of(const struct block_plan *plan, uint64_t second)
{
	if (second < plan->first_second)
		return -1;
	uint64_t block = (second - plan->first_second) / plan->block_seconds;

	return block < plan->blocks ? (int64_t)block : -1;
}

struct block_sums {
	const struct block_plan *plan;
	uint64_t *requests;
};

static int add_requests(void *context, const struct fg_series_row *row, struct fg_err *err)
{
	const struct block_sums *sums = context;
	int64_t block = block_of(sums->plan, row->second);

	(void)err;
	if (block >= 0)
		sums->requests[block] += row->requests;
	return 0;
}

/* Requests and CPU time of each block. */
static int add_up_blocks(const struct fg_result *result, const struct block_plan *plan,
			 uint64_t *requests, uint64_t *cpu_ns, struct fg_err *err)
{
	struct block_sums sums = {.plan = plan, .requests = requests};
	int rc = fg_series_each(result, 0, UINT32_MAX, add_requests, &sums, err);

	for (size_t i = 0; i < result->target_cpu.count; i++) {
		int64_t block = block_of(plan, i);

		if (block >= 0)
			cpu_ns[block] += result->target_cpu.cpu_ns[i];
	}
	return rc;
}

int fg_verdict_cpu_spread(const struct fg_result *result, struct fg_stats_location *ret,
			  struct fg_err *err)
{
	enum { MIN_REQUESTS_PER_BLOCK = 10 };
	struct block_plan plan = plan_blocks(result);

	*ret = (struct fg_stats_location){.mean = NAN};
	if (plan.blocks == 0)
		return 0;
	double *logs = calloc(plan.blocks, sizeof(*logs));
	uint64_t *requests = calloc(plan.blocks, sizeof(*requests));
	uint64_t *cpu_ns = calloc(plan.blocks, sizeof(*cpu_ns));
	size_t count = 0;
	int rc = logs && requests && cpu_ns ? 0 : fg_err_nomem(err);

	if (rc == 0)
		rc = add_up_blocks(result, &plan, requests, cpu_ns, err);
	for (size_t i = 0; rc == 0 && i < plan.blocks; i++) {
		if (requests[i] >= MIN_REQUESTS_PER_BLOCK && cpu_ns[i] > 0)
			logs[count++] = log((double)cpu_ns[i] / (double)requests[i]);
	}
	if (rc == 0)
		rc = fg_stats_trimmed(logs, count, ret, err);
	free(logs);
	free(requests);
	free(cpu_ns);
	return rc;
}

struct block_hists {
	const struct block_plan *plan;
	size_t class_index;
	enum fg_trend trend;
	struct fg_hist *blocks;
};

static const char *text_of(const struct fg_series_row *row, enum fg_trend trend)
{
	/* durations differ from it by our own wake-up, if at all: they scatter alike */
	return trend == FG_TREND_RESPONSE_TIME ? row->response_hdr : row->service_hdr;
}

static int add_row(void *context, const struct fg_series_row *row, struct fg_err *err)
{
	const struct block_hists *to = context;
	int64_t block = block_of(to->plan, row->second);
	const char *text = text_of(row, to->trend);

	if (row->class_index != to->class_index || row->warmup || block < 0 || !text)
		return 0;
	return fg_hdrlog_decode(text, strlen(text), &to->blocks[block], err);
}

/* All rows of one class and one block, added up. */
static int add_rows(const struct fg_result *result, const struct block_plan *plan,
		    size_t class_index, enum fg_trend trend, struct fg_hist *blocks,
		    struct fg_err *err)
{
	struct block_hists to = {
		.plan = plan, .class_index = class_index, .trend = trend, .blocks = blocks};

	return fg_series_each(result, 0, UINT32_MAX, add_row, &to, err);
}

/* The spread over the blocks of one percentile's logarithm. */
static int percentile_spread(const struct fg_hist *blocks, size_t count, double percentile,
			     double *logs, struct fg_stats_location *ret, struct fg_err *err)
{
	enum { MIN_VALUES_PER_BLOCK = 20 };
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t value = fg_hist_percentile_ns(&blocks[i], percentile);

		if (blocks[i].count >= MIN_VALUES_PER_BLOCK && value > 0)
			logs[used++] = log((double)value);
	}
	return fg_stats_trimmed(logs, used, ret, err);
}

int fg_verdict_quantile_spread(const struct fg_result *result, size_t class_index,
			       enum fg_trend trend, const double *percentiles, size_t count,
			       struct fg_stats_location *ret, struct fg_err *err)
{
	struct block_plan plan = plan_blocks(result);

	memset(ret, 0, count * sizeof(*ret));
	if (plan.blocks == 0 || (trend != FG_TREND_DURATION && trend != FG_TREND_RESPONSE_TIME &&
				 trend != FG_TREND_SERVICE_TIME))
		return 0;
	struct fg_hist *blocks = calloc(plan.blocks, sizeof(*blocks));
	double *logs = calloc(plan.blocks, sizeof(*logs));
	int rc = blocks && logs ? 0 : fg_err_nomem(err);

	for (size_t i = 0; rc == 0 && i < plan.blocks; i++)
		fg_hist_init(&blocks[i], NULL);
	if (rc == 0)
		rc = add_rows(result, &plan, class_index, trend, blocks, err);
	for (size_t p = 0; rc == 0 && p < count; p++)
		rc = percentile_spread(blocks, plan.blocks, percentiles[p], logs, &ret[p], err);
	for (size_t i = 0; blocks && i < plan.blocks; i++)
		fg_hist_done(&blocks[i]);
	free(blocks);
	free(logs);
	return rc;
}
