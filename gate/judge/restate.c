/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/judge/restate.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/format/json.h"

static enum fg_level level_named(const char *text)
{
	for (int level = FG_LEVEL_ERROR; text && level <= FG_LEVEL_OFF; level++)
		if (strcmp(text, fg_level_name((enum fg_level)level)) == 0)
			return (enum fg_level)level;
	return FG_LEVEL_ERROR;
}

/* The stored scenario, or NULL: a run without a file, or one that kept none. */
static json_t *read_scenario(const struct fg_result *result)
{
	json_t *root = NULL;

	if (!result->scenario_json ||
	    fg_json_parse(result->scenario_json, strlen(result->scenario_json), &root, NULL))
		return NULL;
	return root;
}

static const char *text_of(const json_t *item)
{
	return json_is_string(item) ? json_string_value(item)
				    : json_string_value(json_object_get(item, "threshold"));
}

/* The n-th element of `thresholds.METRIC` with this text: the same may be asked of several windows.
 * NULL when the scenario does not have it. */
static const json_t *find_details(const json_t *scenario, const struct fg_threshold_result *wanted,
				  size_t n)
{
	const json_t *list =
		json_object_get(json_object_get(scenario, "thresholds"), wanted->metric_text);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);
		const char *text = text_of(item);

		if (text && strcmp(text, wanted->text) == 0 && n-- == 0)
			return item;
	}
	return NULL;
}

static uint64_t number_in(const json_t *object, const char *key)
{
	const json_int_t number = json_integer_value(json_object_get(object, key));

	return number > 0 ? (uint64_t)number : 0;
}

/* "10s"; nothing there is 0. */
static uint64_t duration_in(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	uint64_t ns = 0;

	return text && fg_num_duration_ns(text, strlen(text), &ns, NULL) == 0 ? ns : 0;
}

/* The scenario that the selector names, or the only one. */
static const json_t *scenario_of(const json_t *file, const struct fg_threshold *threshold)
{
	json_t *all = json_object_get(file, "scenarios");
	const char *name = fg_tags_get(&threshold->what.tags, "scenario");

	if (name)
		return json_object_get(all, name);
	return json_object_size(all) == 1 ? json_object_iter_value(json_object_iter(all)) : NULL;
}

/* A stage in whole seconds, as when the scenario was read; it was found valid then. */
static int set_stage(const json_t *file, uint64_t stage, struct fg_threshold *threshold,
		     struct fg_err *err)
{
	const json_t *scenario = scenario_of(file, threshold);
	const json_t *stages = json_object_get(scenario, "stages");
	uint64_t start_ns = duration_in(scenario, "startTime");
	uint64_t end_ns;

	if (stage > json_array_size(stages))
		return fg_err_set(err, FG_E_INVALID, "the stored scenario has no stage %llu",
				  (unsigned long long)stage);
	for (size_t i = 0; i + 1 < stage; i++)
		start_ns += duration_in(json_array_get(stages, i), "duration");
	end_ns = start_ns + duration_in(json_array_get(stages, stage - 1), "duration");
	threshold->from_ns = (start_ns + FG_NS_PER_S - 1) / FG_NS_PER_S * FG_NS_PER_S;
	threshold->to_ns = end_ns / FG_NS_PER_S * FG_NS_PER_S;
	return 0;
}

static int restate(const json_t *scenario, const struct fg_threshold_result *stored, size_t n,
		   struct fg_threshold *ret, struct fg_err *err)
{
	const json_t *details = find_details(scenario, stored, n);
	const uint64_t stage = number_in(details, "stage");
	int rc = fg_threshold_parse(stored->metric_text, stored->text, ret, err);

	if (rc)
		return fg_err_wrap(err, "threshold %s %s", stored->metric_text, stored->text);
	ret->level = stored->level;
	ret->min_samples = number_in(details, "minSamples");
	ret->allow_no_data = json_is_true(json_object_get(details, "allowNoData"));
	ret->window_ns = duration_in(details, "window");
	ret->from_ns = duration_in(details, "from");
	ret->to_ns = duration_in(details, "to");
	rc = stage ? set_stage(scenario, stage, ret, err) : 0;
	if (rc)
		fg_threshold_done(ret);
	return rc;
}

/* How many before it say the same. */
static size_t occurrence(const struct fg_threshold_result *list, size_t index)
{
	size_t n = 0;

	for (size_t i = 0; i < index; i++)
		n += strcmp(list[i].metric_text, list[index].metric_text) == 0 &&
		     strcmp(list[i].text, list[index].text) == 0;
	return n;
}

int fg_restate_thresholds(const struct fg_result *result, struct fg_threshold **ret,
			  size_t *ret_count, struct fg_err *err)
{
	const size_t count = result->threshold_count;
	FG_AUTO_JSON json_t *scenario = NULL;
	struct fg_threshold *list;

	if (count > FG_RESTATE_MAX)
		return fg_err_set(err, FG_E_LIMIT, "more than %d thresholds", FG_RESTATE_MAX);
	list = calloc(count + 1, sizeof(*list));
	if (!list)
		return fg_err_nomem(err);
	scenario = read_scenario(result);
	for (size_t i = 0; i < count; i++) {
		int rc = restate(scenario, &result->thresholds[i],
				 occurrence(result->thresholds, i), &list[i], err);

		if (rc) {
			while (i-- > 0)
				fg_threshold_done(&list[i]);
			free(list);
			return rc;
		}
	}
	*ret = list;
	*ret_count = count;
	return 0;
}

enum fg_level fg_restate_on_invalid(const struct fg_result *result)
{
	FG_AUTO_JSON json_t *scenario = read_scenario(result);

	return level_named(
		json_string_value(json_object_get(json_object_get(scenario, "gate"), "onInvalid")));
}
