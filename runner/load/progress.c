/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/progress.h"

#include <string.h>

#include "gate/base/num.h"

enum {
	NAME_COLUMNS_MAX = 24,
	BAR_COLUMNS = 28,
	BAR_COLUMNS_SMALL = 8,
	LINE_MAX_BYTES = 1024,
	WIDTH_DEFAULT = 80,
};

/* How much of a scenario's line is shown; the first that fits the terminal is taken. */
struct detail {
	int bar;
	bool p50, p95, p99;
};

static const struct detail details[] = {
	{BAR_COLUMNS, true, true, true},
	{BAR_COLUMNS_SMALL, true, true, true},
	{BAR_COLUMNS_SMALL, false, true, true},
	{BAR_COLUMNS_SMALL, false, true, false},
	{0, false, true, false},
	{0, false, false, false},
};

struct numbers {
	uint64_t p50_ns, p95_ns, p99_ns;
	uint64_t requests, errors;
};

size_t fg_progress_columns(const char *text)
{
	size_t columns = 0;

	for (; *text; text++)
		columns += ((unsigned char)*text & 0xc0) != 0x80;
	return columns;
}

static void gather(const struct fg_result *live, size_t scenario, struct numbers *ret)
{
	struct fg_hist all;

	*ret = (struct numbers){0};
	if (!live || !live->totals)
		return;
	fg_hist_init(&all, NULL);
	for (size_t i = 0; i < 2 * live->totals->class_count; i++) {
		const struct fg_class_slice *class = &live->totals->classes[i];

		if (live->registry.classes[i / 2].scenario != scenario)
			continue;
		ret->requests += class->requests;
		ret->errors += class->failed;
		/* Without memory the percentiles of this tick are those of fewer classes. */
		FG_IGNORE(fg_hist_add(&all, &class->trends[FG_TREND_RESPONSE_TIME]));
	}
	ret->p50_ns = fg_hist_percentile_ns(&all, 50);
	ret->p95_ns = fg_hist_percentile_ns(&all, 95);
	ret->p99_ns = fg_hist_percentile_ns(&all, 99);
	fg_hist_done(&all);
}

static void add_clock(struct fg_buf *out, uint64_t ns)
{
	const unsigned long long s = ns / FG_NS_PER_S;

	if (s >= 3600)
		fg_buf_addf(out, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
	else
		fg_buf_addf(out, "%llu:%02llu", s / 60, s % 60);
}

static void add_count(struct fg_buf *out, uint64_t n)
{
	char text[FG_NUM_TEXT_MAX];

	fg_buf_add_str(out, fg_num_format_count(n, text));
}

static void add_number(struct fg_buf *out, double value)
{
	if (value >= 100)
		add_count(out, (uint64_t)(value + 0.5));
	else
		fg_buf_addf(out, "%.3g", value);
}

static void add_planned(struct fg_buf *out, const struct fg_load_progress *progress)
{
	add_count(out, progress->iterations);
	if (progress->iterations_planned) {
		fg_buf_add_char(out, '/');
		add_count(out, progress->iterations_planned);
	}
}

static void add_rate(struct fg_buf *out, const struct fg_load_progress *progress)
{
	if (progress->target_rate_per_s <= 0)
		fg_buf_addf(out, "%u VU%s ", progress->vus, progress->vus == 1 ? "" : "s");
	if (progress->is_counted) {
		add_planned(out, progress);
		fg_buf_add_str(out, " at ");
	}
	add_number(out, progress->rate_per_s);
	if (progress->target_rate_per_s > 0) {
		fg_buf_add_char(out, '/');
		add_number(out, progress->target_rate_per_s);
	}
	fg_buf_add_str(out, " per s");
	if (progress->dropped_share >= 0.005)
		fg_buf_addf(out, " %.0f %% dropped", 100 * progress->dropped_share);
}

static void add_time(struct fg_buf *out, const char *before, const char *label, uint64_t ns)
{
	char text[FG_NUM_TEXT_MAX];

	fg_buf_addf(out, "%s%s %s", before, label, fg_num_format_ns((double)ns, text));
}

static void add_errors(struct fg_buf *out, const struct numbers *numbers)
{
	add_count(out, numbers->errors);
	fg_buf_add_str(out, numbers->errors == 1 ? " error" : " errors");
}

/* maxDuration is only the latest that iterations which are counted out may take. */
static double share_done(const struct fg_load_progress *progress)
{
	if (progress->done)
		return 1;
	if (progress->is_counted && progress->iterations_planned)
		return (double)progress->iterations / (double)progress->iterations_planned;
	if (!progress->total_ns)
		return 1;
	return (double)progress->elapsed_ns / (double)progress->total_ns;
}

static void add_bar(struct fg_buf *out, const struct fg_load_progress *progress, int columns)
{
	const int full = (int)(FG_MIN(share_done(progress), 1.0) * columns);

	fg_buf_add_char(out, '[');
	for (int i = 0; i < columns; i++)
		fg_buf_add_char(out, i < full ? '=' : i == full ? '>' : ' ');
	fg_buf_add_str(out, "] ");
}

static void add_name(struct fg_buf *out, const char *name, size_t columns)
{
	size_t used = 0;

	for (const char *c = name; *c; c++) {
		const bool starts = ((unsigned char)*c & 0xc0) != 0x80;

		if (starts && used == columns)
			break;
		used += starts;
		fg_buf_add_char(out, *c);
	}
	while (used++ < columns)
		fg_buf_add_char(out, ' ');
}

static void add_done(struct fg_buf *out, const struct fg_load_progress *progress)
{
	add_planned(out, progress);
	fg_buf_add_str(out, " done in ");
	add_clock(out, progress->elapsed_ns);
}

static void add_scenario(struct fg_buf *out, const struct fg_load_progress *progress,
			 const struct numbers *numbers, size_t name_columns,
			 const struct detail *detail)
{
	fg_buf_add_str(out, "  ");
	add_name(out, progress->scenario, name_columns);
	fg_buf_add_str(out, "  ");
	if (progress->waiting) {
		fg_buf_add_str(out, "waits for its start time");
		return;
	}
	if (detail->bar)
		add_bar(out, progress, detail->bar);
	if (progress->done) {
		add_done(out, progress);
	} else {
		add_clock(out, progress->elapsed_ns);
		fg_buf_add_char(out, '/');
		add_clock(out, progress->total_ns);
		fg_buf_add_str(out, "   ");
		add_rate(out, progress);
	}
	if (numbers->requests && detail->p50)
		add_time(out, "   ", "p50", numbers->p50_ns);
	if (numbers->requests && detail->p95)
		add_time(out, detail->p50 ? "  " : "   ", "p95", numbers->p95_ns);
	if (numbers->requests && detail->p99)
		add_time(out, "  ", "p99", numbers->p99_ns);
	fg_buf_add_str(out, "   ");
	add_errors(out, numbers);
}

/* Cuts at `width` columns, on a code point's border. */
static void add_cut(struct fg_buf *out, const char *text, size_t width)
{
	size_t columns = 0;

	for (; *text; text++) {
		const bool starts = ((unsigned char)*text & 0xc0) != 0x80;

		if (starts && columns == width)
			break;
		columns += starts;
		fg_buf_add_char(out, *text);
	}
	fg_buf_add_char(out, '\n');
}

static void add_fitting(struct fg_buf *out, const struct fg_load_progress *progress,
			const struct numbers *numbers, size_t name_columns, size_t width)
{
	struct fg_buf line;

	fg_buf_init(&line, LINE_MAX_BYTES);
	for (size_t i = 0; i < FG_ARRAY_LEN(details); i++) {
		fg_buf_clear(&line);
		add_scenario(&line, progress, numbers, name_columns, &details[i]);
		if (line.data && fg_progress_columns(line.data) <= width)
			break;
	}
	if (line.data)
		add_cut(out, line.data, width);
	fg_buf_done(&line);
}

static uint64_t lag_p99_ns(const struct fg_result *live)
{
	uint64_t worst_ns = 0;

	for (size_t i = 0; live && live->totals && i < live->totals->scenario_count; i++) {
		const struct fg_hist *lag = &live->totals->scenarios[i].lag;

		worst_ns = FG_MAX(worst_ns, fg_hist_percentile_ns(lag, 99));
	}
	return worst_ns;
}

static void add_thresholds(struct fg_buf *out, const char *before,
			   const struct fg_progress_view *view)
{
	if (!view->thresholds_ok && !view->thresholds_failing)
		return;
	fg_buf_addf(out, "%sthresholds %u ok", before, view->thresholds_ok);
	if (view->thresholds_failing)
		fg_buf_addf(out, " %u failing", view->thresholds_failing);
}

static void add_rest(const struct fg_progress_view *view, size_t width, struct fg_buf *out)
{
	struct fg_buf line;

	fg_buf_init(&line, LINE_MAX_BYTES);
	/* What decides comes first: a narrow terminal cuts the end. */
	add_thresholds(&line, "  ", view);
	add_time(&line, line.len ? " · " : "  ", "lag p99", lag_p99_ns(view->live));
	if (view->generator_share >= 0)
		fg_buf_addf(&line, " · generator %.0f %% of a core", 100 * view->generator_share);
	if (view->extra && *view->extra)
		fg_buf_addf(&line, " · %s", view->extra);
	if (line.data)
		add_cut(out, line.data, width);
	fg_buf_done(&line);
}

void fg_progress_block(const struct fg_progress_view *view, struct fg_buf *out)
{
	const size_t width = view->width ? view->width : WIDTH_DEFAULT;
	size_t name_columns = 0;

	for (size_t i = 0; i < view->scenario_count; i++)
		name_columns =
			FG_MAX(name_columns, fg_progress_columns(view->scenarios[i].scenario));
	name_columns = FG_MIN(name_columns, (size_t)NAME_COLUMNS_MAX);
	for (size_t i = 0; i < view->scenario_count; i++) {
		struct numbers numbers;

		gather(view->live, i, &numbers);
		add_fitting(out, &view->scenarios[i], &numbers, name_columns, width);
	}
	add_rest(view, width, out);
}

void fg_progress_line(const struct fg_progress_view *view, struct fg_buf *out)
{
	bool first = true;

	for (size_t i = 0; i < view->scenario_count; i++) {
		const struct fg_load_progress *progress = &view->scenarios[i];
		struct numbers numbers;

		if (progress->waiting)
			continue;
		gather(view->live, i, &numbers);
		if (!first)
			fg_buf_add_str(out, " · ");
		first = false;
		add_clock(out, progress->elapsed_ns);
		fg_buf_add_char(out, '/');
		add_clock(out, progress->total_ns);
		fg_buf_addf(out, " %s ", progress->scenario);
		if (progress->done)
			fg_buf_add_str(out, "done");
		else
			add_rate(out, progress);
		if (numbers.requests)
			add_time(out, " ", "p95", numbers.p95_ns);
		fg_buf_add_char(out, ' ');
		add_errors(out, &numbers);
	}
	if (first)
		fg_buf_add_str(out, "waiting for the first scenario");
	add_thresholds(out, " · ", view);
	fg_buf_add_char(out, '\n');
}
