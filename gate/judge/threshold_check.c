/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Can a threshold's selector match anything that the scenario defines? Found before the run,
 * because a misspelt step name would otherwise be a threshold without data at its end.
 */
#include "gate/judge/threshold_internal.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"
#include "gate/base/vec.h"

enum { CANDIDATES_MAX = 3 * FG_REGISTRY_CLASSES_MAX, ERROR_CODE_END = 2000 };

/* The known values of one tag, or the known tags; borrowed pointers. */
struct candidates {
	const char **items;
	size_t count, capacity;
};

static int candidate_add(struct candidates *list, const char *text, struct fg_err *err)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->items[i], text) == 0)
			return 0;
	}
	int rc = FG_VEC_ROOM(list, items, count, capacity, CANDIDATES_MAX, err);

	if (rc == 0)
		list->items[list->count++] = text;
	return rc;
}

static int add_tags(struct candidates *list, const struct fg_tags *tags, const char *key,
		    struct fg_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < tags->count && rc == 0; i++) {
		if (!key)
			rc = candidate_add(list, tags->items[i].key, err);
		else if (strcmp(tags->items[i].key, key) == 0)
			rc = candidate_add(list, tags->items[i].value, err);
	}
	return rc;
}

/* The tags that things of a scope carry, beside the user's own. */
static const char *const scope_tags[][8] = {
	[FG_SCOPE_CLASS] = {"scenario", "name", "group", "method", "expected_response", "status",
			    "error_code", "error"},
	[FG_SCOPE_SCENARIO] = {"scenario"},
	[FG_SCOPE_CHECK] = {"check", "scenario", "group"},
	[FG_SCOPE_RUN] = {"scenario"},
	[FG_SCOPE_GROUP] = {"group", "scenario"},
	[FG_SCOPE_CUSTOM] = {"scenario", "group"},
};

static const char *class_value(const struct fg_registry *registry, const struct fg_class *item,
			       const char *key)
{
	if (strcmp(key, "scenario") == 0)
		return registry->scenarios[item->scenario].name;
	if (strcmp(key, "name") == 0)
		return item->name;
	if (strcmp(key, "group") == 0)
		return item->group;
	if (strcmp(key, "method") == 0)
		return item->method;
	return NULL;
}

static int class_values(const struct fg_registry *registry, const char *key,
			struct candidates *list, struct fg_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < registry->class_count && rc == 0; i++) {
		const char *value = key ? class_value(registry, &registry->classes[i], key) : NULL;

		if (value)
			rc = candidate_add(list, value, err);
		else
			rc = add_tags(list, &registry->classes[i].tags, key, err);
	}
	return rc;
}

static int check_values(const struct fg_registry *registry, const char *key,
			struct candidates *list, struct fg_err *err)
{
	int rc = 0;

	for (size_t i = 0; key && i < registry->check_count && rc == 0; i++) {
		const struct fg_check *check = &registry->checks[i];

		if (strcmp(key, "check") == 0)
			rc = candidate_add(list, check->name, err);
		else if (strcmp(key, "group") == 0)
			rc = candidate_add(list, check->group ? check->group : "", err);
	}
	return rc;
}

static int scenario_values(const struct fg_registry *registry, const char *key,
			   struct candidates *list, struct fg_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < registry->scenario_count && rc == 0; i++) {
		if (key && strcmp(key, "scenario") == 0)
			rc = candidate_add(list, registry->scenarios[i].name, err);
		else
			rc = add_tags(list, &registry->scenarios[i].tags, key, err);
	}
	return rc;
}

static int group_values(const struct fg_registry *registry, const char *key,
			struct candidates *list, struct fg_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < registry->group_count && rc == 0; i++) {
		if (key && strcmp(key, "group") == 0)
			rc = candidate_add(list, registry->groups[i].path, err);
		else
			rc = add_tags(list, &registry->groups[i].tags, key, err);
	}
	return rc;
}

/* Of the places of one custom metric. */
static int custom_values(const struct fg_registry *registry, const char *name, const char *key,
			 struct candidates *list, struct fg_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < registry->custom_count && rc == 0; i++) {
		const struct fg_custom *custom = &registry->customs[i];

		if (strcmp(custom->name, name) != 0)
			continue;
		if (key && strcmp(key, "group") == 0)
			rc = candidate_add(list, custom->group, err);
		else if (key && strcmp(key, "scenario") == 0)
			rc = candidate_add(list, registry->scenarios[custom->scenario].name, err);
		else
			rc = add_tags(list, &custom->tags, key, err);
	}
	return rc;
}

/* Values of `key`, or with key NULL the user's own tag names. */
static int values_of(const struct fg_registry *registry, const struct fg_operand_info *info,
		     const char *key, struct candidates *list, struct fg_err *err)
{
	const enum fg_metric_scope scope = info->scope;

	if (scope == FG_SCOPE_CLASS)
		return class_values(registry, key, list, err);
	if (scope == FG_SCOPE_CUSTOM)
		return custom_values(registry, info->name, key, list, err);
	int rc = scenario_values(registry, key, list, err);

	if (rc == 0 && scope == FG_SCOPE_GROUP)
		rc = group_values(registry, key, list, err);

	if (rc == 0 && scope == FG_SCOPE_CHECK)
		rc = check_values(registry, key, list, err);
	return rc;
}

static bool is_scope_tag(enum fg_metric_scope scope, const char *key)
{
	for (size_t i = 0; i < FG_ARRAY_LEN(scope_tags[scope]); i++) {
		if (scope_tags[scope][i] && strcmp(scope_tags[scope][i], key) == 0)
			return true;
	}
	return false;
}

static int unknown_tag(const struct fg_operand_info *info, const char *key,
		       struct candidates *known, struct fg_err *err)
{
	const enum fg_metric_scope scope = info->scope;
	int rc = 0;

	for (size_t i = 0; i < FG_ARRAY_LEN(scope_tags[scope]) && rc == 0; i++) {
		if (scope_tags[scope][i])
			rc = candidate_add(known, scope_tags[scope][i], err);
	}
	if (rc)
		return rc;
	const char *near = fg_str_nearest(key, known->items, known->count);

	/* not a tag: a stage is a part of the run */
	if (strcmp(key, "stage") == 0 || strcmp(key, "window") == 0)
		return fg_err_set(err, FG_E_INVALID,
				  "%s is no tag; write { threshold: \"…\", %s: … } on the right",
				  key, key);
	return fg_err_set(err, FG_E_INVALID, "nothing measured by %s carries the tag \"%s\"%s%s%s",
			  info->name, key, near ? "; did you mean \"" : "", near ? near : "",
			  near ? "\"?" : "");
}

static int unknown_value(const struct fg_tag *tag, const struct candidates *known,
			 struct fg_err *err)
{
	const char *near = fg_str_nearest(tag->value, known->items, known->count);

	if (near)
		return fg_err_set(err, FG_E_INVALID, "no %s is named \"%s\"; did you mean \"%s\"?",
				  tag->key, tag->value, near);
	if (known->count == 0)
		return fg_err_set(err, FG_E_INVALID, "no %s is named \"%s\"; there are none",
				  tag->key, tag->value);
	return fg_err_set(err, FG_E_INVALID, "no %s is named \"%s\"; there %s \"%s\"%s", tag->key,
			  tag->value, known->count == 1 ? "is only" : "are", known->items[0],
			  known->count == 1 ? "" : " and others");
}

static int check_error_name(const struct fg_tag *tag, struct fg_err *err)
{
	const char *names[FG_NET_ERROR_COUNT];

	for (int i = 0; i < FG_NET_ERROR_COUNT; i++) {
		names[i] = fg_net_error_name((enum fg_net_error)i);
		if (strcmp(names[i], tag->value) == 0)
			return 0;
	}
	const struct candidates known = {.items = names, .count = FG_NET_ERROR_COUNT};

	return unknown_value(tag, &known, err);
}

/* Tags whose values do not come from the scenario file. */
static int check_fixed_value(const struct fg_tag *tag, bool *ret_handled, struct fg_err *err)
{
	uint64_t number;

	*ret_handled = true;
	if (strcmp(tag->key, "expected_response") == 0) {
		if (strcmp(tag->value, "true") != 0 && strcmp(tag->value, "false") != 0)
			return fg_err_set(err, FG_E_INVALID,
					  "expected_response is true or false, not \"%s\"",
					  tag->value);
		return 0;
	}
	if (strcmp(tag->key, "status") == 0) {
		if (fg_num_u64(tag->value, strlen(tag->value), &number, NULL) ||
		    number >= FG_STATUS_MAX || (number > 0 && number < 100))
			return fg_err_set(err, FG_E_INVALID,
					  "status is 100 to 599, or 0 for no answer, not \"%s\"",
					  tag->value);
		return 0;
	}
	if (strcmp(tag->key, "error_code") == 0) {
		if (fg_num_u64(tag->value, strlen(tag->value), &number, NULL) || number < 1000 ||
		    number >= ERROR_CODE_END)
			return fg_err_set(err, FG_E_INVALID,
					  "error_code is one of k6's numbers from 1000, such as "
					  "1050 or 1212, not \"%s\"",
					  tag->value);
		return 0;
	}
	if (strcmp(tag->key, "error") == 0)
		return check_error_name(tag, err);
	*ret_handled = false;
	return 0;
}

static int check_tag(const struct fg_operand_info *info, const struct fg_registry *registry,
		     const struct fg_tag *tag, struct candidates *list, struct fg_err *err)
{
	bool handled = false;
	int rc = 0;

	if (info->scope == FG_SCOPE_CLASS)
		rc = check_fixed_value(tag, &handled, err);
	if (rc || handled)
		return rc;
	rc = values_of(registry, info, tag->key, list, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->items[i], tag->value) == 0)
			return 0;
	}
	if (list->count > 0 || is_scope_tag(info->scope, tag->key))
		return unknown_value(tag, list, err);
	rc = values_of(registry, info, NULL, list, err);
	return rc ? rc : unknown_tag(info, tag->key, list, err);
}

/* Every tag alone is known; is there one class that has them all? */
static bool some_class_matches(const struct fg_operand *operand, const struct fg_registry *registry)
{
	struct fg_tag kept[FG_REGISTRY_TAGS_MAX];
	struct fg_tags tags = {.items = kept};

	for (size_t i = 0; i < operand->tags.count && tags.count < FG_REGISTRY_TAGS_MAX; i++) {
		const char *key = operand->tags.items[i].key;

		if (strcmp(key, "status") != 0 && strcmp(key, "error_code") != 0 &&
		    strcmp(key, "error") != 0)
			kept[tags.count++] = operand->tags.items[i];
	}
	for (size_t i = 0; i < registry->class_count; i++) {
		if (fg_result_class_matches(registry, i, true, &tags) ||
		    fg_result_class_matches(registry, i, false, &tags))
			return true;
	}
	return false;
}

static int unknown_metric(const char *name, const struct fg_registry *registry, struct fg_err *err)
{
	struct candidates list = {0};
	int rc = 0;

	for (size_t i = 0; i < FG_METRIC_COUNT && rc == 0; i++)
		rc = candidate_add(&list, fg_metrics[i].name, err);
	for (size_t i = 0; i < registry->custom_count && rc == 0; i++)
		rc = candidate_add(&list, registry->customs[i].name, err);
	const char *near = rc ? NULL : fg_str_nearest(name, list.items, list.count);

	if (rc == 0 && near)
		rc = fg_err_set(err, FG_E_INVALID,
				"no metric is named \"%s\"; did you mean \"%s\"?", name, near);
	else if (rc == 0)
		rc = fg_err_set(
			err, FG_E_INVALID,
			"no metric is named \"%s\": no step of kind metric makes it, and "
			"it is not built in (http_req_duration, http_req_failed, http_reqs, "
			"checks, iterations …)",
			name);
	free(list.items);
	return rc;
}

static int check_operand(const struct fg_operand *operand, const struct fg_registry *registry,
			 struct fg_operand_info *ret, struct fg_err *err)
{
	int rc = 0;

	if (!fg_operand_describe(operand, registry, ret))
		return unknown_metric(operand->custom, registry, err);
	for (size_t i = 0; i < operand->tags.count && rc == 0; i++) {
		struct candidates list = {0};

		rc = check_tag(ret, registry, &operand->tags.items[i], &list, err);
		free(list.items);
	}
	if (rc == 0 && ret->scope == FG_SCOPE_CLASS && operand->tags.count > 1 &&
	    !some_class_matches(operand, registry))
		rc = fg_err_set(err, FG_E_INVALID, "no request has all of these tags together");
	return rc;
}

/* What the parser could not know of a custom metric: its statistics and units. */
static int check_custom(const struct fg_threshold *threshold, const struct fg_operand *operand,
			const struct fg_operand_info *info, struct fg_err *err)
{
	char fits[128];
	char stat[FG_NUM_TEXT_MAX];
	const bool is_share = info->type == FG_METRIC_RATE && operand->stat == FG_STAT_RATE;

	if (!operand->custom)
		return 0;
	if (fg_stat_misfit(operand->stat, info->type, fits))
		return fg_err_set(err, FG_E_INVALID, "%s is a %s and has no %s; it has %s",
				  info->name, fg_metric_type_name(info->type),
				  fg_stat_text(operand->stat, operand->percentile, stat), fits);
	if (threshold->is_ratio)
		return 0;
	if (threshold->unit == FG_UNIT_TIME && !info->is_time)
		return fg_err_set(err, FG_E_INVALID,
				  "%s is not a time: compare it with a plain number", info->name);
	if (threshold->unit == FG_UNIT_BYTES && info->is_time)
		return fg_err_set(err, FG_E_INVALID, "%s is a time, not a size", info->name);
	if (threshold->unit == FG_UNIT_PERCENT && !is_share)
		return fg_err_set(err, FG_E_INVALID, "%s is not a share: no percentage fits it",
				  info->name);
	if (is_share && !threshold->has_baseline && (threshold->limit < 0 || threshold->limit > 1))
		return fg_err_set(err, FG_E_INVALID,
				  "a rate lies between 0 and 1, %g would always or never hold",
				  threshold->limit);
	return 0;
}

static int check_scope(const struct fg_threshold *threshold, unsigned *ret_where,
		       struct fg_err *err)
{
	const struct {
		uint64_t ns;
		unsigned where;
	} times[] = {
		{threshold->window_ns, FG_THRESHOLD_IN_WINDOW},
		{threshold->from_ns, FG_THRESHOLD_IN_FROM},
		{threshold->to_ns, FG_THRESHOLD_IN_TO},
	};

	for (size_t i = 0; i < FG_ARRAY_LEN(times); i++) {
		*ret_where = times[i].where;
		if (times[i].ns % FG_NS_PER_S || times[i].ns / FG_NS_PER_S >= UINT32_MAX)
			return fg_err_set(err, FG_E_INVALID,
					  "window, from and to are whole seconds: everything is "
					  "counted per second");
	}
	*ret_where = FG_THRESHOLD_IN_STAGE;
	if (threshold->stage && (threshold->from_ns || threshold->to_ns))
		return fg_err_set(err, FG_E_INVALID, "\"stage\" is instead of \"from\" and \"to\"");
	*ret_where = FG_THRESHOLD_IN_TO;
	if (threshold->to_ns && threshold->to_ns <= threshold->from_ns)
		return fg_err_set(err, FG_E_INVALID, "\"to\" is not after \"from\"");
	*ret_where = FG_THRESHOLD_IN_WINDOW;
	if (threshold->to_ns && threshold->window_ns > threshold->to_ns - threshold->from_ns)
		return fg_err_set(err, FG_E_INVALID,
				  "the window is longer than the part of the run it moves over");
	return 0;
}

int fg_threshold_check(const struct fg_threshold *threshold, const struct fg_registry *registry,
		       struct fg_err *err)
{
	struct fg_operand_info info;
	unsigned where = FG_THRESHOLD_IN_METRIC;
	int rc = check_operand(&threshold->what, registry, &info, err);

	if (rc == 0) {
		rc = check_custom(threshold, &threshold->what, &info, err);
		where = FG_THRESHOLD_IN_EXPRESSION;
	}
	if (rc == 0 && threshold->is_ratio) {
		rc = check_operand(&threshold->per, registry, &info, err);
		where = FG_THRESHOLD_IN_METRIC;
		if (rc == 0) {
			rc = check_custom(threshold, &threshold->per, &info, err);
			where = FG_THRESHOLD_IN_EXPRESSION;
		}
	}
	if (rc == 0)
		rc = check_scope(threshold, &where, err);
	if (rc)
		fg_err_at(err, NULL, where, 1);
	return rc;
}
