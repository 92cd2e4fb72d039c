/* SPDX-License-Identifier: Apache-2.0 */
/*
 * While it runs, once a second: the progress text (redrawn on a terminal, a line every 10 s
 * elsewhere), thresholds so far, abortOnFail.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/clock.h"
#include "gate/base/num.h"
#include "runner/load/progress.h"
#include "runner/run/session.h"

enum {
	SCENARIOS_SHOWN_MAX = 32,
	THRESHOLD_EVERY_S = 2, /* as k6 */
	LINE_EVERY_S = 10,
	LINES_MAX = SCENARIOS_SHOWN_MAX + 2,
	BLOCK_MAX = 1 << 16,
};

struct fg_live {
	struct fg_session *s;
	unsigned drawn_lines; /* on the terminal now */
	unsigned drawn_columns[LINES_MAX];
	uint64_t last_line_s;
	uint64_t last_check_s;
	unsigned ok, failing;
	uint64_t last_elapsed_ns, last_cpu_ns, last_generator_ns;
	double target_share, generator_share; /* of one core; < 0 unknown */
};

int fg_live_new(struct fg_session *s, struct fg_live **ret, struct fg_err *err)
{
	struct fg_live *live = calloc(1, sizeof(*live));

	if (!live)
		return fg_err_nomem(err);
	live->s = s;
	live->ok = (unsigned)s->file->threshold_count;
	live->target_share = -1;
	live->generator_share = -1;
	live->last_cpu_ns = s->cpu_total_ns;
	live->last_generator_ns = fg_clock_process_cpu_ns();
	*ret = live;
	return 0;
}

void fg_live_free(struct fg_live *live)
{
	free(live);
}

/* k6's rule: only what fails now counts, and abortOnFail waits for delayAbortEval. A threshold that
 * saw no data yet neither passes nor fails while the run goes on. */
static void check_thresholds(struct fg_live *live, struct fg_load *load,
			     const struct fg_result *result, uint64_t elapsed_ns)
{
	struct fg_session *s = live->s;

	live->ok = 0;
	live->failing = 0;
	for (size_t i = 0; i < s->file->threshold_count; i++) {
		struct fg_threshold *threshold = &s->file->thresholds[i];
		struct fg_threshold_result one = {0};

		if (threshold->level == FG_LEVEL_OFF ||
		    fg_threshold_evaluate(threshold, result, s->baseline.result, &one, NULL))
			continue;
		bool failing = !one.passed && !one.no_data;

		live->ok += !failing;
		live->failing += failing;
		if (failing && threshold->abort_on_fail && !threshold->stopped_run &&
		    elapsed_ns >= threshold->delay_abort_eval_ns) {
			threshold->stopped_run = true;
			fg_live_clear(live);
			fg_session_note(s, "threshold %s %s failed (%s): stopping the run\n",
					threshold->metric_text, threshold->text, one.value_text);
			fg_load_request_stop(load, FG_LOAD_STOP_DRAIN, FG_RUN_ABORTED);
		}
		fg_threshold_result_done(&one);
	}
}

static void update_shares(struct fg_live *live, uint64_t elapsed_ns)
{
	uint64_t span_ns = elapsed_ns - live->last_elapsed_ns;
	uint64_t generator_ns = fg_clock_process_cpu_ns();

	if (elapsed_ns <= live->last_elapsed_ns)
		return;
	if (live->s->cputime)
		live->target_share =
			(double)(live->s->cpu_total_ns - live->last_cpu_ns) / (double)span_ns;
	live->generator_share = (double)(generator_ns - live->last_generator_ns) / (double)span_ns;
	live->last_cpu_ns = live->s->cpu_total_ns;
	live->last_generator_ns = generator_ns;
	live->last_elapsed_ns = elapsed_ns;
}

static void extra_text(const struct fg_live *live, struct fg_buf *out)
{
	const struct fg_profiler *profiler = live->s->profiler;
	char count[FG_NUM_TEXT_MAX];

	if (live->target_share >= 0)
		fg_buf_addf(out, "target %.0f %%", live->target_share * 100);
	if (!profiler)
		return;
	fg_buf_addf(out, "%ssamples %s", out->len ? " · " : "",
		    fg_num_format_count(fg_profiler_samples(profiler), count));
	double complete = fg_profiler_complete_share(profiler);

	if (isfinite(complete) && fg_profiler_samples(profiler))
		fg_buf_addf(out, ", %.2f %% complete", complete * 100);
}

static unsigned columns_of(const char *text, size_t len)
{
	unsigned columns = 0;

	for (size_t i = 0; i < len; i++)
		columns += ((unsigned char)text[i] & 0xc0) != 0x80;
	return columns;
}

/* How many rows the block takes on a terminal that has `columns` now: a narrower one than when it
 * was drawn has wrapped its lines. */
static unsigned drawn_rows(const struct fg_live *live, unsigned columns)
{
	unsigned rows = 0;

	for (unsigned i = 0; i < live->drawn_lines; i++)
		rows += FG_MAX((live->drawn_columns[i] + columns - 1) / columns, 1u);
	return rows;
}

static unsigned terminal_columns(const struct fg_live *live)
{
	const struct fg_run_io *io = live->s->io;

	return FG_MAX(io->note_width ? io->note_width(io->context) : io->width, 2u);
}

/* One write per redraw, over the old text and not after erasing it: nothing flickers. */
static void redraw(struct fg_live *live, const struct fg_progress_view *view, struct fg_buf *out)
{
	FG_AUTO_BUF struct fg_buf block;

	fg_buf_init(&block, BLOCK_MAX);
	fg_progress_block(view, &block);
	if (!block.data)
		return;
	if (live->drawn_lines)
		fg_buf_addf(out, "\x1b[%uA", drawn_rows(live, (unsigned)view->width + 1));
	live->drawn_lines = 0;
	for (const char *line = block.data; *line && live->drawn_lines < LINES_MAX;) {
		int len = (int)strcspn(line, "\n");

		fg_buf_addf(out, "\r%.*s\x1b[K\n", len, line);
		live->drawn_columns[live->drawn_lines++] = columns_of(line, (size_t)len);
		line += len + (line[len] == '\n');
	}
	fg_buf_add_str(out, "\x1b[J");
}

static void draw(struct fg_live *live, const struct fg_progress_view *view, uint64_t elapsed_ns)
{
	const struct fg_run_io *io = live->s->io;
	FG_AUTO_BUF struct fg_buf text;

	fg_buf_init(&text, (size_t)2 * BLOCK_MAX);
	if (io->note_is_tty) {
		redraw(live, view, &text);
	} else if (elapsed_ns / FG_NS_PER_S >= live->last_line_s + LINE_EVERY_S) {
		live->last_line_s = elapsed_ns / FG_NS_PER_S;
		fg_progress_line(view, &text);
	}
	if (text.len)
		io->note(io->context, text.data, text.len);
}

void fg_live_second(struct fg_live *live, struct fg_load *load, const struct fg_result *result,
		    uint64_t elapsed_ns)
{
	uint64_t second = elapsed_ns / FG_NS_PER_S;
	struct fg_load_progress scenarios[SCENARIOS_SHOWN_MAX];
	FG_AUTO_BUF struct fg_buf extra;

	fg_buf_init(&extra, 512);
	update_shares(live, elapsed_ns);
	if (live->s->file->threshold_count && second >= live->last_check_s + THRESHOLD_EVERY_S) {
		live->last_check_s = second;
		check_thresholds(live, load, result, elapsed_ns);
	}
	if (live->s->options->quiet)
		return;
	extra_text(live, &extra);
	struct fg_progress_view view = {
		.scenarios = scenarios,
		.scenario_count = fg_load_progress(load, scenarios, SCENARIOS_SHOWN_MAX),
		.live = result,
		/* The last column stays free: some terminals wrap when it is filled. */
		.width = terminal_columns(live) - 1,
		.generator_share = live->generator_share,
		.extra = extra.len ? extra.data : NULL,
		.thresholds_ok = live->ok,
		.thresholds_failing = live->failing,
	};

	draw(live, &view, elapsed_ns);
}

void fg_live_clear(struct fg_live *live)
{
	if (!live || !live->drawn_lines)
		return;
	/* Up to the block's first line, then erase to the end of the screen. */
	fg_session_note(live->s, "\r\x1b[%uA\x1b[J", drawn_rows(live, terminal_columns(live)));
	live->drawn_lines = 0;
}
