/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/report/points.h"

#include <stdio.h>
#include <string.h>

struct walk {
	const struct fg_registry *registry;
	const struct fg_slice *slice;
	const struct fg_slice *whole; /* knows the statuses that `slice` does not; may be NULL */
	fg_point_fn *fn;
	void *context;
};

const char *fg_contains_name(enum fg_contains contains)
{
	static const char *const names[] = {
		[FG_CONTAINS_DEFAULT] = "default",
		[FG_CONTAINS_TIME] = "time",
		[FG_CONTAINS_DATA] = "data",
	};

	return names[contains];
}

/* -- tags ---------------------------------------------------------------------------------------
 */

/* Keeps the order; a key that is there already stays: system tags are set before the user's. */
static void add_tag(struct fg_point *point, const char *key, const char *value)
{
	size_t at = 0;

	if (!value || !*value || !*key || point->tag_count == FG_POINT_TAGS_MAX)
		return;
	while (at < point->tag_count && strcmp(point->tags[at].key, key) < 0)
		at++;
	if (at < point->tag_count && strcmp(point->tags[at].key, key) == 0)
		return;
	memmove(&point->tags[at + 1], &point->tags[at],
		(point->tag_count - at) * sizeof(point->tags[0]));
	point->tags[at] = (struct fg_point_tag){key, value};
	point->tag_count++;
}

static void add_tags(struct fg_point *point, const struct fg_tags *tags)
{
	for (size_t i = 0; i < tags->count; i++)
		add_tag(point, tags->items[i].key, tags->items[i].value);
}

const char *fg_point_tag(const struct fg_point *point, const char *key)
{
	for (size_t i = 0; i < point->tag_count; i++)
		if (strcmp(point->tags[i].key, key) == 0)
			return point->tags[i].value;
	return NULL;
}

bool fg_point_matches(const struct fg_point *point, const struct fg_tags *tags)
{
	for (size_t i = 0; tags && i < tags->count; i++) {
		const char *value = fg_point_tag(point, tags->items[i].key);

		if (strcmp(value ? value : "", tags->items[i].value) != 0)
			return false;
	}
	return true;
}

/* -- points -------------------------------------------------------------------------------------
 */

static struct fg_point built_in(unsigned id)
{
	const struct fg_metric *metric = &fg_metrics[id];

	return (struct fg_point){.metric = metric->name,
				 .type = metric->type,
				 .contains = metric->is_time    ? FG_CONTAINS_TIME
					     : metric->is_bytes ? FG_CONTAINS_DATA
								: FG_CONTAINS_DEFAULT};
}

static const char *scenario_name(const struct walk *walk, uint32_t scenario)
{
	return walk->registry->scenarios[scenario].name;
}

static int emit_count(const struct walk *walk, const struct fg_point *shape, unsigned id,
		      double value, struct fg_err *err)
{
	struct fg_point point = *shape;
	const struct fg_point kind = built_in(id);

	point.metric = kind.metric;
	point.type = kind.type;
	point.contains = kind.contains;
	point.value = point.min = point.max = value;
	return walk->fn(walk->context, &point, err);
}

static int emit_rate(const struct walk *walk, const struct fg_point *shape, unsigned id,
		     uint64_t trues, uint64_t total, struct fg_err *err)
{
	struct fg_point point = *shape;

	point.metric = fg_metrics[id].name;
	point.type = FG_METRIC_RATE;
	point.contains = FG_CONTAINS_DEFAULT;
	point.trues = trues;
	point.total = total;
	return walk->fn(walk->context, &point, err);
}

static int emit_trend(const struct walk *walk, const struct fg_point *shape, unsigned id,
		      const struct fg_hist *hist, struct fg_err *err)
{
	struct fg_point point = *shape;

	if (hist->count == 0)
		return 0;
	point.metric = fg_metrics[id].name;
	point.type = FG_METRIC_TREND;
	point.contains = FG_CONTAINS_TIME;
	point.trend = fg_trend_values_of(hist);
	return walk->fn(walk->context, &point, err);
}

/* -- requests -----------------------------------------------------------------------------------
 */

struct status_text {
	char status[8], error_code[8];
};

/* As k6: every status is a tag, one from 400 on is also an error code. */
static void add_status(struct fg_point *point, unsigned status, struct status_text *text)
{
	(void)snprintf(text->status, sizeof(text->status), "%u", status % 1000);
	add_tag(point, "status", text->status);
	if (status < 400)
		return;
	(void)snprintf(text->error_code, sizeof(text->error_code), "%u", 1000 + status % 1000);
	add_tag(point, "error_code", text->error_code);
}

/* How many different statuses a half saw, and the last of them. */
static unsigned count_statuses(const struct fg_class_slice *half, unsigned *ret_status)
{
	unsigned found = 0;

	for (unsigned status = 0; half->statuses && status < FG_STATUS_MAX; status++) {
		if (half->statuses[status] == 0)
			continue;
		*ret_status = status;
		found++;
	}
	return found;
}

static int emit_requests(const struct walk *walk, const struct fg_point *shape,
			 const struct fg_class_slice *half, struct fg_err *err)
{
	for (unsigned status = 0; status < FG_STATUS_MAX; status++) {
		struct fg_point point = *shape;
		struct status_text text;

		if (half->statuses[status] == 0)
			continue;
		add_status(&point, status, &text);
		int rc = emit_count(walk, &point, FG_METRIC_HTTP_REQS, half->statuses[status], err);

		if (rc)
			return rc;
	}
	return 0;
}

static int emit_half(const struct walk *walk, const struct fg_point *class_point, size_t index,
		     struct fg_err *err)
{
	const struct fg_class_slice *half = &walk->slice->classes[index];
	struct fg_point point = *class_point;
	struct status_text text;
	unsigned status = 0;
	unsigned statuses = count_statuses(half, &status);
	int rc = 0;

	if (statuses == 0 && walk->whole)
		statuses = count_statuses(&walk->whole->classes[index], &status) == 1;
	if (statuses == 1)
		add_status(&point, status, &text);
	if (half->requests > 0 && statuses > 1)
		rc = emit_requests(walk, class_point, half, err);
	else if (half->requests > 0)
		rc = emit_count(walk, &point, FG_METRIC_HTTP_REQS, (double)half->requests, err);
	if (rc == 0 && half->requests > 0)
		rc = emit_rate(walk, &point, FG_METRIC_HTTP_REQ_FAILED, half->failed,
			       half->requests, err);
	for (unsigned t = 0; t < FG_TREND_COUNT && rc == 0; t++)
		rc = emit_trend(walk, &point, t, &half->trends[t], err);
	return rc;
}

static int walk_class(const struct walk *walk, size_t index, struct fg_err *err)
{
	const struct fg_class *class = &walk->registry->classes[index];

	for (int half = 0; half < 2; half++) {
		struct fg_point point = {.metric = NULL};

		add_tag(&point, "expected_response", half ? "true" : "false");
		add_tag(&point, "group", class->group);
		add_tag(&point, "method", class->method);
		add_tag(&point, "name", class->name);
		add_tag(&point, "scenario", scenario_name(walk, class->scenario));
		add_tag(&point, "url", class->url);
		add_tags(&point, &class->tags);
		int rc = emit_half(walk, &point, 2 * index + (size_t)half, err);

		if (rc)
			return rc;
	}
	return 0;
}

/* -- scenarios, checks, groups, customs ---------------------------------------------------------
 */

static int walk_data(const struct walk *walk, uint32_t scenario, const struct fg_point *point,
		     struct fg_err *err)
{
	uint64_t sent = 0, received = 0;

	for (size_t i = 0; i < walk->slice->class_count; i++) {
		if (walk->registry->classes[i].scenario != scenario)
			continue;
		for (size_t half = 0; half < 2; half++) {
			sent += walk->slice->classes[2 * i + half].sent_bytes;
			received += walk->slice->classes[2 * i + half].received_bytes;
		}
	}
	if (sent == 0 && received == 0)
		return 0;
	int rc = emit_count(walk, point, FG_METRIC_DATA_SENT, (double)sent, err);

	return rc ? rc : emit_count(walk, point, FG_METRIC_DATA_RECEIVED, (double)received, err);
}

static int walk_scenario(const struct walk *walk, size_t index, struct fg_err *err)
{
	const struct fg_scenario_def *def = &walk->registry->scenarios[index];
	const struct fg_scenario_slice *slice = &walk->slice->scenarios[index];
	struct fg_point point = {.metric = NULL};
	int rc;

	add_tag(&point, "scenario", def->name);
	add_tags(&point, &def->tags);
	rc = emit_count(walk, &point, FG_METRIC_ITERATIONS, (double)slice->iterations, err);
	if (rc == 0)
		rc = emit_trend(walk, &point, FG_METRIC_ITERATION_DURATION,
				&slice->iteration_duration, err);
	if (rc == 0)
		rc = emit_count(walk, &point, FG_METRIC_DROPPED_ITERATIONS, (double)slice->dropped,
				err);
	if (rc == 0)
		rc = emit_trend(walk, &point, FG_METRIC_SCHEDULE_LAG, &slice->lag, err);
	return rc ? rc : walk_data(walk, (uint32_t)index, &point, err);
}

static int walk_check(const struct walk *walk, size_t index, struct fg_err *err)
{
	const struct fg_check *check = &walk->registry->checks[index];
	const struct fg_check_slice *slice = &walk->slice->checks[index];
	struct fg_point point = {.metric = NULL};

	if (slice->passes + slice->fails == 0)
		return 0;
	add_tag(&point, "check", check->name);
	add_tag(&point, "group", check->group);
	add_tag(&point, "scenario", scenario_name(walk, check->scenario));
	add_tags(&point, &walk->registry->scenarios[check->scenario].tags);
	return emit_rate(walk, &point, FG_METRIC_CHECKS, slice->passes,
			 slice->passes + slice->fails, err);
}

static int walk_group(const struct walk *walk, size_t index, struct fg_err *err)
{
	const struct fg_group *group = &walk->registry->groups[index];
	struct fg_point point = {.metric = NULL};

	add_tag(&point, "group", group->path);
	add_tag(&point, "scenario", scenario_name(walk, group->scenario));
	add_tags(&point, &group->tags);
	return emit_trend(walk, &point, FG_METRIC_GROUP_DURATION, &walk->slice->groups[index], err);
}

static int walk_custom(const struct walk *walk, size_t index, struct fg_err *err)
{
	const struct fg_custom *custom = &walk->registry->customs[index];
	const struct fg_custom_slice *slice = &walk->slice->customs[index];
	struct fg_point point = {
		.metric = custom->name,
		.type = custom->type,
		.contains = custom->is_time ? FG_CONTAINS_TIME : FG_CONTAINS_DEFAULT,
		.value = custom->type == FG_METRIC_COUNTER ? slice->sum : slice->last,
		.min = slice->min,
		.max = slice->max,
		.trues = slice->trues,
		.total = slice->count,
		.trend = {.custom = slice},
	};

	if (slice->count == 0)
		return 0;
	add_tag(&point, "group", custom->group);
	add_tag(&point, "scenario", scenario_name(walk, custom->scenario));
	add_tags(&point, &custom->tags);
	return walk->fn(walk->context, &point, err);
}

/* k6 gives these no scenario. */
static int walk_run(const struct walk *walk, struct fg_err *err)
{
	const struct fg_point point = {.metric = NULL};
	uint64_t vus = 0, vus_max = 0;

	for (size_t i = 0; i < walk->slice->scenario_count; i++) {
		vus += walk->slice->scenarios[i].vus;
		vus_max += walk->slice->scenarios[i].vus_max;
	}
	int rc = emit_count(walk, &point, FG_METRIC_VUS, (double)vus, err);

	return rc ? rc : emit_count(walk, &point, FG_METRIC_VUS_MAX, (double)vus_max, err);
}

int fg_points_walk(const struct fg_registry *registry, const struct fg_slice *slice,
		   fg_point_fn *fn, void *context, struct fg_err *err)
{
	return fg_points_walk_part(registry, slice, NULL, fn, context, err);
}

int fg_points_walk_part(const struct fg_registry *registry, const struct fg_slice *part,
			const struct fg_slice *whole, fg_point_fn *fn, void *context,
			struct fg_err *err)
{
	const struct walk walk = {registry, part, whole, fn, context};
	const struct {
		size_t count;
		int (*walk)(const struct walk *walk, size_t index, struct fg_err *err);
	} parts[] = {
		{part->class_count, walk_class},   {part->scenario_count, walk_scenario},
		{part->check_count, walk_check},   {part->group_count, walk_group},
		{part->custom_count, walk_custom},
	};

	for (size_t p = 0; p < FG_ARRAY_LEN(parts); p++) {
		for (size_t i = 0; i < parts[p].count; i++) {
			int rc = parts[p].walk(&walk, i, err);

			if (rc)
				return rc;
		}
	}
	return walk_run(&walk, err);
}
