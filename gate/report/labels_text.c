/* SPDX-License-Identifier: Apache-2.0 */
/* Request classes on samples, and what slow requests do differently, for the end-of-run text. */
#include "gate/report/report_internal.h"

#include <math.h>
#include <stdlib.h>

#include "gate/base/num.h"
#include "gate/report/table.h"

enum {
	SLOW_SAMPLES_MIN = 50,
	SLOW_FUNCTIONS = 3,
	FUNCTION_SAMPLES_MIN = 10, /* or a normal approximation means nothing */
	SURE_SIGMAS = 4,           /* some hundred functions are looked at */
};
#define DIFFERENCE_MIN 0.02

static void write_line(const struct fg_report_pen *pen, const struct fg_buf *text)
{
	fg_buf_add_str(pen->out, "      ");
	fg_text_wrap(text->data ? text->data : "", 6, 6, pen->width, pen->out);
	fg_buf_add_char(pen->out, '\n');
}

bool fg_report_tells_classes(const struct fg_profile_info *info, uint64_t attributed, uint64_t all)
{
	/* Of less than a half nobody knows whether the rest is like it; of a part of the run nobody
	 * knows how many requests belong to it. */
	return attributed > 0 && attributed >= all - attributed &&
	       !(info->labels && info->labels_problem[0]);
}

void fg_report_attribution(const struct fg_profile_info *info, struct fg_buf *out)
{
	char count[FG_NUM_TEXT_MAX];

	if (!info->labels) {
		if (info->labels_problem[0])
			fg_buf_addf(out, "no request classes: %s", info->labels_problem);
		return;
	}
	fg_buf_addf(out, "attribution %.1f %%",
		    100.0 * (double)info->attributed / (double)FG_MAX(info->samples, 1u));
	if (info->target_cpu_ns > 0)
		fg_buf_addf(out, "; finding the class took %.2f %% of the target's CPU",
			    100.0 * (double)info->label_ns / (double)info->target_cpu_ns);
	fg_buf_addf(out, " (%s receives)", fg_num_format_count(info->label_receives, count));
	if (info->labels_problem[0])
		fg_buf_addf(out,
			    "; request classes were %s; later samples have none, so cpu per class "
			    "is not told",
			    info->labels_problem);
	else if (!fg_report_tells_classes(info, info->attributed, info->samples))
		fg_buf_add_str(out, "; less than half: cpu per class is not told (is there "
				    "something between flamegate and the target?)");
}

/* -- what is different ----------------------------------------------------------------------------
 */

struct difference {
	const struct fg_cost_row *row;
	double share, share_of_all, sigmas;
};

static int by_share_difference(const void *a, const void *b)
{
	const struct difference *x = a, *y = b;
	double dx = fabs(x->share - x->share_of_all), dy = fabs(y->share - y->share_of_all);

	if (dx != dy)
		return dx > dy ? -1 : 1;
	return x->row < y->row ? -1 : x->row > y->row;
}

/* How sure it is that the part's share is not the whole's: the part is a draw from the whole. */
static struct difference compare(const struct fg_cost_row *row, const struct fg_cost *part,
				 const struct fg_cost *all)
{
	const struct fg_cost_row *same = fg_cost_find(all, row->key);
	double n = (double)part->samples;
	struct difference d = {
		.row = row,
		.share = (double)row->self / n,
		.share_of_all = same ? (double)same->self / (double)all->samples : 0,
	};
	double error = sqrt(d.share_of_all * (1 - d.share_of_all) / n);

	d.sigmas = error > 0 ? fabs(d.share - d.share_of_all) / error : 0;
	return d;
}

static bool is_worth_telling(const struct difference *d)
{
	return d->sigmas >= SURE_SIGMAS && d->row->self >= FUNCTION_SAMPLES_MIN &&
	       d->share - d->share_of_all >= DIFFERENCE_MIN;
}

/* The functions that the part uses more than the whole does. */
static int add_differences(const struct fg_cost *part, const struct fg_cost *all,
			   struct fg_buf *out, struct fg_err *err)
{
	FG_AUTO_FREE struct difference *found = calloc(part->count + 1, sizeof(*found));
	size_t count = 0;

	if (!found)
		return fg_err_nomem(err);
	for (size_t i = 0; i < part->count; i++) {
		if (!fg_report_shows(&part->rows[i]))
			continue;
		found[count] = compare(&part->rows[i], part, all);
		count += is_worth_telling(&found[count]);
	}
	qsort(found, count, sizeof(*found), by_share_difference);
	if (!count)
		fg_buf_add_str(out, "their CPU goes where that of all goes");
	for (size_t i = 0; i < FG_MIN(count, (size_t)SLOW_FUNCTIONS); i++)
		fg_buf_addf(out, "%s%.0f %% %sin %s (%.0f %% of all)", i ? ", " : "",
			    100 * found[i].share, i ? "" : "of their CPU ", found[i].row->name,
			    100 * found[i].share_of_all);
	return 0;
}

static int write_part(const struct fg_report_pen *pen, struct fg_buf *head,
		      const struct fg_profile *profile, const struct fg_cost *all,
		      const struct fg_cost_options *options, struct fg_err *err)
{
	struct fg_cost *part = NULL;
	char count[FG_NUM_TEXT_MAX];
	int rc = fg_cost_new(profile, options, &part, err);

	if (rc)
		return rc;
	fg_buf_add_str(head, ": ");
	if (part->samples < SLOW_SAMPLES_MIN)
		fg_buf_addf(head, "%s samples are too few to tell where their CPU goes",
			    fg_num_format_count(part->samples, count));
	else
		rc = add_differences(part, all, head, err);
	if (!rc && part->samples >= SLOW_SAMPLES_MIN)
		fg_buf_addf(head, "; %s samples", fg_num_format_count(part->samples, count));
	if (!rc)
		write_line(pen, head);
	fg_cost_free(part);
	return rc;
}

static int write_slow_seconds(const struct fg_report_pen *pen, const struct fg_profile_info *info,
			      const struct fg_profile *profile, const struct fg_cost *all,
			      struct fg_err *err)
{
	const struct fg_cost_options options = {
		.phase = "measure",
		.seconds = info->slow.seconds,
		.second_count = info->slow.second_count,
	};
	FG_AUTO_BUF struct fg_buf text = {.max = 4096};

	if (!info->slow.second_count)
		return 0;
	fg_buf_addf(&text, "slow seconds (%zu with most of those)", info->slow.second_count);
	return write_part(pen, &text, profile, all, &options, err);
}

int fg_report_slow(const struct fg_report_pen *pen, const struct fg_profile_info *info,
		   const struct fg_profile *profile, const struct fg_cost *all, struct fg_err *err)
{
	const struct fg_cost_options options = {.phase = "measure", .latency = "slow"};
	FG_AUTO_BUF struct fg_buf text = {.max = 4096};
	char above[FG_NUM_TEXT_MAX];

	if (!info->slow.requests || !fg_report_tells_classes(info, info->attributed, info->samples))
		return 0;
	if (info->slow.above_ns)
		fg_buf_addf(&text, "slow requests (above p%g = %s)", info->slow.quantile,
			    fg_num_format_ns((double)info->slow.above_ns, above));
	else
		fg_buf_addf(&text, "slow requests (above the p%g of their class)",
			    info->slow.quantile);
	int rc = write_part(pen, &text, profile, all, &options, err);

	return rc ? rc : write_slow_seconds(pen, info, profile, all, err);
}

void fg_report_labels(const struct fg_report_pen *pen, const struct fg_profile_info *info)
{
	FG_AUTO_BUF struct fg_buf text = {.max = 2048};

	fg_report_attribution(info, &text);
	if (text.len)
		write_line(pen, &text);
}
