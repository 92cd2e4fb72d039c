/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What k6 gives handleSummary(): root_group, options, state, metrics with their thresholds' {ok}.
 *
 * Not the older --summary-export, whose thresholds say true for failed; who reads that needs
 * values one level up and the thresholds negated.
 */
#include "gate/report/k6_summary.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/format/json.h"
#include "gate/format/md5.h"
#include "gate/judge/threshold.h"
#include "gate/report/raw.h"

enum { PATH_MAX_BYTES = 8192, GROUP_DEPTH_MAX = 24 };

struct writer {
	const struct fg_result *result;
	const struct fg_report_style *style;
	struct fg_trend_stats stats;
	struct fg_json_writer json;
};

/* -- groups -------------------------------------------------------------------------------------
 */

static void put_id(struct fg_json_writer *w, const char *path)
{
	char hex[FG_MD5_HEX_SIZE];

	fg_json_put_string(w, "path", path);
	fg_json_put_string(w, "id", fg_md5_hex(path, strlen(path), hex));
}

/* The same check in several scenarios is one, as in k6's tree. */
static bool check_is_first(const struct fg_registry *registry, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(registry->checks[i].group, registry->checks[index].group) == 0 &&
		    strcmp(registry->checks[i].name, registry->checks[index].name) == 0)
			return false;
	return true;
}

static int put_check(struct writer *w, size_t index, struct fg_err *err)
{
	const struct fg_registry *registry = &w->result->registry;
	const struct fg_check *check = &registry->checks[index];
	FG_AUTO_BUF struct fg_buf path = {.max = PATH_MAX_BYTES};
	uint64_t passes = 0, fails = 0;

	for (size_t i = index; i < registry->check_count; i++) {
		if (strcmp(registry->checks[i].group, check->group) != 0 ||
		    strcmp(registry->checks[i].name, check->name) != 0)
			continue;
		passes += w->result->totals->checks[i].passes;
		fails += w->result->totals->checks[i].fails;
	}
	fg_buf_addf(&path, "%s::%s", check->group, check->name);
	int rc = fg_buf_check(&path, err);

	if (rc)
		return rc;
	fg_json_begin(&w->json, NULL);
	fg_json_put_string(&w->json, "name", check->name);
	put_id(&w->json, path.data);
	fg_json_put_u64(&w->json, "passes", passes);
	fg_json_put_u64(&w->json, "fails", fails);
	fg_json_end(&w->json);
	return 0;
}

/* Every group path of the run: of groups, classes and checks; NULL after the last. */
static const char *group_path(const struct fg_registry *registry, size_t index)
{
	if (index < registry->group_count)
		return registry->groups[index].path;
	index -= registry->group_count;
	if (index < registry->class_count)
		return registry->classes[index].group;
	index -= registry->class_count;
	return index < registry->check_count ? registry->checks[index].group : NULL;
}

/* The length of the child of `parent` on the way to `path`; 0 if it does not lead there. */
static size_t child_len(const char *path, const char *parent)
{
	size_t len = strlen(parent);

	if (strncmp(path, parent, len) != 0 || strncmp(path + len, "::", 2) != 0)
		return 0;
	const char *next = strstr(path + len + 2, "::");

	return next ? (size_t)(next - path) : strlen(path);
}

static bool child_is_first(const struct fg_registry *registry, size_t index, const char *parent)
{
	const char *path = group_path(registry, index);
	size_t len = child_len(path, parent);

	for (size_t i = 0; i < index; i++) {
		const char *earlier = group_path(registry, i);

		if (child_len(earlier, parent) == len && memcmp(earlier, path, len) == 0)
			return false;
	}
	return true;
}

/* Recursion is bounded by the depth of the scenario's groups and GROUP_DEPTH_MAX. */
static int put_group(struct writer *w, const char *key, const char *path, unsigned depth,
		     struct fg_err *err)
{
	const struct fg_registry *registry = &w->result->registry;
	const char *name = strrchr(path, ':');
	int rc = 0;

	if (depth == GROUP_DEPTH_MAX)
		return fg_err_set(err, FG_E_LIMIT, "groups are nested more than %d deep",
				  GROUP_DEPTH_MAX);
	fg_json_begin(&w->json, key);
	fg_json_put_string(&w->json, "name", name ? name + 1 : path);
	put_id(&w->json, path);
	fg_json_begin_array(&w->json, "groups");
	for (size_t i = 0; rc == 0 && group_path(registry, i); i++) {
		size_t len = child_len(group_path(registry, i), path);
		FG_AUTO_FREE char *child = NULL;

		if (len == 0 || !child_is_first(registry, i, path))
			continue;
		rc = fg_str_ndup(group_path(registry, i), len, &child, err);
		if (rc == 0)
			rc = put_group(w, NULL, child, depth + 1, err);
	}
	fg_json_end(&w->json);
	fg_json_begin_array(&w->json, "checks");
	for (size_t i = 0; i < registry->check_count && rc == 0; i++)
		if (strcmp(registry->checks[i].group, path) == 0 && check_is_first(registry, i))
			rc = put_check(w, i, err);
	fg_json_end(&w->json);
	fg_json_end(&w->json);
	return rc;
}

/* -- metrics ------------------------------------------------------------------------------------
 */

static void put_trend(struct writer *w, const struct fg_point_sum *sum)
{
	struct fg_trend_values values = fg_point_sum_trend(sum);

	for (size_t i = 0; i < w->stats.count; i++)
		fg_report_json_number(&w->json, w->stats.items[i].text,
				      fg_trend_stat_value(&w->stats.items[i], &values));
}

static void put_values(struct writer *w, const struct fg_point_sum *sum)
{
	double seconds = (double)w->result->measured_ns / (double)FG_NS_PER_S;

	fg_json_begin(&w->json, "values");
	switch (sum->type) {
	case FG_METRIC_COUNTER:
		fg_report_json_number(&w->json, "count", sum->value);
		fg_report_json_number(&w->json, "rate", seconds > 0 ? sum->value / seconds : 0);
		break;
	case FG_METRIC_GAUGE:
		fg_report_json_number(&w->json, "value", sum->value);
		fg_report_json_number(&w->json, "min", sum->min);
		fg_report_json_number(&w->json, "max", sum->max);
		break;
	case FG_METRIC_RATE:
		fg_report_json_number(&w->json, "rate",
				      sum->total ? (double)sum->trues / (double)sum->total : 0);
		fg_json_put_u64(&w->json, "passes", sum->trues);
		fg_json_put_u64(&w->json, "fails", sum->total - sum->trues);
		break;
	case FG_METRIC_TREND:
		put_trend(w, sum);
		break;
	}
	fg_json_end(&w->json);
}

static bool has_thresholds(const struct fg_result *result, const char *name)
{
	for (size_t i = 0; i < result->threshold_count; i++)
		if (strcmp(result->thresholds[i].metric_text, name) == 0)
			return true;
	return false;
}

static void put_metric(struct writer *w, const char *name, const struct fg_point_sum *sum)
{
	fg_json_begin(&w->json, name);
	fg_json_put_string(&w->json, "type", fg_metric_type_name(sum->type));
	fg_json_put_string(&w->json, "contains", fg_contains_name(sum->contains));
	put_values(w, sum);
	if (has_thresholds(w->result, name)) {
		fg_json_begin(&w->json, "thresholds");
		for (size_t i = 0; i < w->result->threshold_count; i++) {
			const struct fg_threshold_result *one = &w->result->thresholds[i];

			if (strcmp(one->metric_text, name) != 0)
				continue;
			fg_json_begin(&w->json, one->text);
			fg_json_put_bool(&w->json, "ok", one->passed);
			fg_json_end(&w->json);
		}
		fg_json_end(&w->json);
	}
	fg_json_end(&w->json);
}

/* A metric with nothing to add up still is in k6's data when a threshold asks for it. */
static struct fg_point_sum nothing(const struct fg_point_sums *all, const char *metric)
{
	const struct fg_point_sum *parent = fg_point_sums_find(all, metric);
	int id = fg_metric_find(metric);

	if (parent)
		return (struct fg_point_sum){.type = parent->type, .contains = parent->contains};
	if (id < 0)
		return (struct fg_point_sum){.type = FG_METRIC_COUNTER};
	return (struct fg_point_sum){.type = fg_metrics[id].type,
				     .contains = fg_metrics[id].is_time    ? FG_CONTAINS_TIME
						 : fg_metrics[id].is_bytes ? FG_CONTAINS_DATA
									   : FG_CONTAINS_DEFAULT};
}

static int put_submetric(struct writer *w, const struct fg_point_sums *all, const char *name,
			 struct fg_err *err)
{
	FG_AUTO_FREE char *metric = NULL;
	struct fg_tags tags = {.items = NULL};
	struct fg_point_sums sums = {.items = NULL};

	/* k6 has no ratios; ours stand there with their thresholds and nothing counted. */
	if (!fg_point_is_submetric(name)) {
		const struct fg_point_sum ratio = nothing(all, name);

		put_metric(w, name, &ratio);
		return 0;
	}
	int rc = fg_point_selector(name, &metric, &tags, err);

	if (rc == 0)
		rc = fg_point_sums_collect(w->result, &tags, &sums, err);
	if (rc == 0) {
		const struct fg_point_sum *sum = fg_point_sums_find(&sums, metric);
		struct fg_point_sum empty = nothing(all, metric);

		put_metric(w, name, sum ? sum : &empty);
	}
	fg_point_sums_done(&sums);
	fg_tags_done(&tags);
	return rc;
}

static bool named_before(const struct fg_result *result, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(result->thresholds[i].metric_text,
			   result->thresholds[index].metric_text) == 0)
			return true;
	return false;
}

/* k6 knows no http_req_duration{expected_response:true} when no response was: not one of 0 ms. */
static bool has_expected(const struct fg_result *result)
{
	for (size_t i = 0; i < result->registry.class_count; i++)
		if (fg_slice_class(result->totals, i, true)->requests)
			return true;
	return false;
}

static int put_metrics(struct writer *w, struct fg_err *err)
{
	static const char always[] = "http_req_duration{expected_response:true}";
	const struct fg_result *result = w->result;
	struct fg_point_sums all = {.items = NULL};
	int rc = fg_point_sums_collect(result, NULL, &all, err);

	fg_json_begin(&w->json, "metrics");
	for (size_t i = 0; i < all.count && rc == 0; i++)
		put_metric(w, all.items[i].metric, &all.items[i]);
	if (rc == 0 && (has_expected(result) || has_thresholds(result, always)))
		rc = put_submetric(w, &all, always, err);
	for (size_t i = 0; i < result->threshold_count && rc == 0; i++) {
		const char *text = result->thresholds[i].metric_text;

		if (!named_before(result, i) && !fg_point_sums_find(&all, text) &&
		    strcmp(text, always) != 0)
			rc = put_submetric(w, &all, text, err);
	}
	fg_json_end(&w->json);
	fg_point_sums_done(&all);
	return rc;
}

/* -- the document -------------------------------------------------------------------------------
 */

static void put_options(struct writer *w)
{
	static const char *const units[] = {"", "s", "ms", "us"};

	fg_json_begin(&w->json, "options");
	fg_json_begin_array(&w->json, "summaryTrendStats");
	for (size_t i = 0; i < w->stats.count; i++)
		fg_json_put_string(&w->json, NULL, w->stats.items[i].text);
	fg_json_end(&w->json);
	fg_json_put_string(&w->json, "summaryTimeUnit", units[w->style->time_unit]);
	fg_json_put_bool(&w->json, "noColor", !w->style->colour);
	fg_json_end(&w->json);
	fg_json_begin(&w->json, "state");
	fg_json_put_bool(&w->json, "isStdOutTTY", w->style->colour);
	fg_json_put_bool(&w->json, "isStdErrTTY", w->style->stderr_is_tty);
	fg_json_put_double(&w->json, "testRunDurationMs",
			   (double)w->result->duration_ns / (double)FG_NS_PER_MS);
	fg_json_end(&w->json);
}

int fg_report_k6_summary(const struct fg_result *result, const struct fg_report_style *style,
			 struct fg_buf *out, struct fg_err *err)
{
	struct writer w = {.result = result, .style = style};

	w.stats = style->trend_stats.count ? style->trend_stats : fg_trend_stats_default();
	fg_json_writer_init(&w.json, out, true);
	fg_json_begin(&w.json, NULL);
	int rc = put_group(&w, "root_group", "", 0, err);

	put_options(&w);
	if (rc == 0)
		rc = put_metrics(&w, err);
	fg_json_end(&w.json);
	fg_buf_add_char(out, '\n');
	return rc ? rc : fg_json_writer_check(&w.json, err);
}
