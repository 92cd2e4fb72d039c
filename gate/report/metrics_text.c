/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics of the end summary in k6's sections, and in full mode per scenario and group. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"
#include "gate/judge/threshold.h"
#include "gate/report/summary_rows.h"
#include "gate/report/table.h"

enum section { SECTION_CUSTOM, SECTION_HTTP, SECTION_EXECUTION, SECTION_NETWORK, SECTION_NONE };

static const char *const titles[] = {
	[SECTION_CUSTOM] = "custom",
	[SECTION_HTTP] = "http",
	[SECTION_EXECUTION] = "execution",
	[SECTION_NETWORK] = "network",
};

static enum section section_of(const char *metric)
{
	int id = fg_metric_find(metric);

	if (id < 0)
		return SECTION_CUSTOM;
	if (fg_str_starts_with(metric, "http_req"))
		return SECTION_HTTP;
	if (id == FG_METRIC_DATA_SENT || id == FG_METRIC_DATA_RECEIVED)
		return SECTION_NETWORK;
	return id == FG_METRIC_CHECKS || id == FG_METRIC_GROUP_DURATION ? SECTION_NONE
									: SECTION_EXECUTION;
}

/* What a compact summary leaves out, as k6 does: the phases of a request. */
static bool is_detail(const struct fg_point_sum *sum)
{
	int id = fg_metric_find(sum->metric);

	if (id == FG_METRIC_DROPPED_ITERATIONS)
		return sum->value == 0;
	return id == FG_METRIC_SCHEDULE_LAG ||
	       (id >= 0 && id < FG_TREND_COUNT && id != FG_TREND_DURATION &&
		id != FG_TREND_RESPONSE_TIME);
}

struct part {
	const struct fg_report_pen *pen;
	const struct fg_result *result;
	const struct fg_tags *filter; /* NULL: the whole run */
	const struct fg_point_sums *sums;
	unsigned indent;
	double seconds;
};

/* -- sub-metrics --------------------------------------------------------------------------------
 */

static bool seen_before(const struct fg_result *result, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(result->thresholds[i].metric_text,
			   result->thresholds[index].metric_text) == 0)
			return true;
	return false;
}

static int add_sub(const struct part *part, const char *text, struct fg_summary_rows *rows,
		   struct fg_err *err)
{
	FG_AUTO_FREE char *metric = NULL;
	struct fg_tags tags = {.items = NULL};
	struct fg_point_sums sums = {.items = NULL};
	FG_AUTO_BUF struct fg_buf name = {.max = 1 << 16};
	int rc = fg_point_selector(text, &metric, &tags, err);

	if (rc == 0)
		rc = fg_point_sums_collect(part->result, &tags, &sums, err);
	if (rc == 0) {
		const struct fg_point_sum *sum = fg_point_sums_find(&sums, metric);
		const char *open = strchr(text, '{');

		fg_buf_addf(&name, "{ %.*s }", (int)(strlen(open) - 2), open + 1);
		if (sum)
			rc = fg_summary_rows_add(rows, part->pen, name.data ? name.data : "", true,
						 sum, part->seconds, err);
	}
	fg_point_sums_done(&sums);
	fg_tags_done(&tags);
	return rc;
}

static const char expected[] = "http_req_duration{expected_response:true}";

/* k6 shows http_req_duration of the expected responses always; we where there are others. */
static int add_subs(const struct part *part, const char *metric, struct fg_summary_rows *rows,
		    struct fg_err *err)
{
	const struct fg_result *result = part->result;
	size_t len = strlen(metric);
	int rc = 0;

	if (part->filter)
		return 0;
	if (strcmp(metric, "http_req_duration") == 0 && fg_result_failed(result) > 0)
		rc = add_sub(part, expected, rows, err);
	for (size_t i = 0; i < result->threshold_count && rc == 0; i++) {
		const char *text = result->thresholds[i].metric_text;

		if (strncmp(text, metric, len) != 0 || text[len] != '{' ||
		    !fg_point_is_submetric(text) || seen_before(result, i) ||
		    strcmp(text, expected) == 0)
			continue;
		rc = add_sub(part, text, rows, err);
	}
	return rc;
}

/* -- sections -----------------------------------------------------------------------------------
 */

static int compare_names(const void *a, const void *b)
{
	const struct fg_point_sum *const *left = a, *const *right = b;

	return strcmp((*left)->metric, (*right)->metric);
}

static int write_section(const struct part *part, enum section section, struct fg_err *err)
{
	const struct fg_point_sum **sorted = calloc(part->sums->count + 1, sizeof(const void *));
	struct fg_summary_rows rows = {.items = NULL};
	size_t count = 0;
	int rc = sorted ? 0 : fg_err_nomem(err);

	for (size_t i = 0; rc == 0 && i < part->sums->count; i++) {
		const struct fg_point_sum *sum = &part->sums->items[i];

		if (section_of(sum->metric) == section &&
		    (part->pen->mode == FG_SUMMARY_FULL || !is_detail(sum)))
			sorted[count++] = sum;
	}
	if (count > 0)
		qsort(sorted, count, sizeof(sorted[0]), compare_names);
	for (size_t i = 0; i < count && rc == 0; i++) {
		rc = fg_summary_rows_add(&rows, part->pen, sorted[i]->metric, false, sorted[i],
					 part->seconds, err);
		if (rc == 0)
			rc = add_subs(part, sorted[i]->metric, &rows, err);
	}
	if (rc == 0)
		fg_summary_rows_write(&rows, part->pen, titles[section], part->indent);
	fg_summary_rows_done(&rows);
	free(sorted);
	return rc;
}

static int write_sections(const struct part *part, struct fg_err *err)
{
	int rc = 0;

	for (enum section s = SECTION_CUSTOM; s < SECTION_NONE && rc == 0; s++)
		rc = write_section(part, s, err);
	return rc;
}

/* -- groups -------------------------------------------------------------------------------------
 */

static int add_group(const struct part *part, size_t index, struct fg_summary_rows *rows,
		     struct fg_err *err)
{
	const struct fg_group *group = &part->result->registry.groups[index];
	const struct fg_hist *hist = &part->result->totals->groups[index];
	const struct fg_point_sum sum = {
		.type = FG_METRIC_TREND,
		.contains = FG_CONTAINS_TIME,
		.hist = *hist, /* borrowed for the call */
	};

	if (hist->count == 0)
		return 0;
	return fg_summary_rows_add(rows, part->pen, group->path, false, &sum, part->seconds, err);
}

static int write_groups(const struct part *part, struct fg_err *err)
{
	struct fg_summary_rows rows = {.items = NULL};
	int rc = 0;

	for (size_t i = 0; i < part->result->totals->group_count && rc == 0; i++)
		rc = add_group(part, i, &rows, err);
	if (rc == 0)
		fg_summary_rows_write(&rows, part->pen, "group_duration", part->indent);
	fg_summary_rows_done(&rows);
	return rc;
}

/* -- blocks of the full summary -----------------------------------------------------------------
 */

static void write_title(const struct part *part, const char *title)
{
	fg_buf_addf(part->pen->out, "\n%*s%s", (int)part->indent - 2, "",
		    part->pen->colour ? FG_COLOUR_HEAD : "");
	fg_text_cut(title, part->pen->width - part->indent, false, part->pen->out);
	fg_buf_addf(part->pen->out, "%s\n", part->pen->colour ? FG_COLOUR_END : "");
}

/* Nothing at all for a group in which nothing happened. */
static int write_block(const struct part *whole, const char *title, const char *scenario,
		       const char *group, struct fg_err *err)
{
	struct fg_tags filter = {.items = NULL};
	struct fg_point_sums sums = {.items = NULL};
	struct part part = *whole;
	int rc = fg_tags_add(&filter, "scenario", scenario, err);

	part.filter = &filter;
	part.sums = &sums;
	part.indent = whole->indent + (group ? 4 : 2);
	if (rc == 0 && group)
		rc = fg_tags_add(&filter, "group", group, err);
	if (rc == 0)
		rc = fg_point_sums_collect(part.result, &filter, &sums, err);
	if (rc == 0 && sums.count > 0) {
		write_title(&part, title);
		rc = fg_report_checks(part.pen, part.result, &filter, part.indent, err);
		if (rc == 0)
			rc = write_sections(&part, err);
	}
	fg_point_sums_done(&sums);
	fg_tags_done(&filter);
	return rc;
}

/* The groups of a scenario are those of its classes: what k6 shows of a group are its requests. */
static bool is_first_of_group(const struct fg_registry *registry, size_t index)
{
	const struct fg_class *class = &registry->classes[index];

	for (size_t i = 0; i < index; i++)
		if (registry->classes[i].scenario == class->scenario &&
		    strcmp(registry->classes[i].group, class->group) == 0)
			return false;
	return class->group[0] != '\0';
}

static int write_scenario(const struct part *whole, size_t index, struct fg_err *err)
{
	const struct fg_registry *registry = &whole->result->registry;
	const char *name = registry->scenarios[index].name;
	FG_AUTO_BUF struct fg_buf title = {.max = 1 << 16};

	fg_buf_addf(&title, "scenario: %s", name);
	int rc = write_block(whole, title.data ? title.data : name, name, NULL, err);

	for (size_t i = 0; i < registry->class_count && rc == 0; i++) {
		if (registry->classes[i].scenario != index || !is_first_of_group(registry, i))
			continue;
		fg_buf_clear(&title);
		fg_buf_addf(&title, "↳ group: %s", registry->classes[i].group);
		rc = write_block(whole, title.data ? title.data : name, name,
				 registry->classes[i].group, err);
	}
	return rc;
}

int fg_report_metrics(const struct fg_report_pen *pen, const struct fg_result *result,
		      struct fg_err *err)
{
	struct part part = {.pen = pen,
			    .result = result,
			    .indent = 2,
			    .seconds = (double)result->measured_ns / (double)FG_NS_PER_S};
	struct fg_point_sums sums = {.items = NULL};
	int rc = fg_point_sums_collect(result, NULL, &sums, err);

	part.sums = &sums;
	if (rc == 0)
		rc = write_sections(&part, err);
	fg_point_sums_done(&sums);
	if (rc == 0)
		rc = write_groups(&part, err);
	for (size_t i = 0;
	     pen->mode == FG_SUMMARY_FULL && i < result->registry.scenario_count && !rc; i++)
		rc = write_scenario(&part, i, err);
	if (rc == 0 && pen->mode == FG_SUMMARY_FULL)
		fg_buf_add_char(pen->out, '\n');
	return rc;
}
