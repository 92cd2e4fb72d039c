/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/judge/restate.h"

#include <stdlib.h>
#include <string.h>

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

/* The element of `thresholds.METRIC` with this text; NULL when it is a text alone. */
static const json_t *find_details(const json_t *scenario, const struct fg_threshold_result *wanted)
{
	const json_t *list =
		json_object_get(json_object_get(scenario, "thresholds"), wanted->metric_text);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		const char *text = json_string_value(json_object_get(one, "threshold"));

		if (text && strcmp(text, wanted->text) == 0)
			return one;
	}
	return NULL;
}

static int restate(const json_t *scenario, const struct fg_threshold_result *stored,
		   struct fg_threshold *ret, struct fg_err *err)
{
	const json_t *details = find_details(scenario, stored);
	int rc = fg_threshold_parse(stored->metric_text, stored->text, ret, err);

	if (rc)
		return fg_err_wrap(err, "threshold %s %s", stored->metric_text, stored->text);
	const json_int_t samples = json_integer_value(json_object_get(details, "minSamples"));

	ret->level = stored->level;
	ret->min_samples = samples > 0 ? (uint64_t)samples : 0;
	ret->allow_no_data = json_is_true(json_object_get(details, "allowNoData"));
	return 0;
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
		int rc = restate(scenario, &result->thresholds[i], &list[i], err);

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
