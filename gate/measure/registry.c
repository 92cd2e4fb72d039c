/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Definitions are copied field by field; a failed add leaves the registry as it was. NULL strings
 * become "" so that nobody below has to ask.
 */
#include "gate/measure/registry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"

static int copy_str(const char *text, char **ret, struct fg_err *err)
{
	return fg_str_dup(text ? text : "", ret, err);
}

void fg_tags_done(struct fg_tags *tags)
{
	if (!tags)
		return;
	for (size_t i = 0; i < tags->count; i++) {
		free(tags->items[i].key);
		free(tags->items[i].value);
	}
	free(tags->items);
	*tags = (struct fg_tags){0};
}

const char *fg_tags_get(const struct fg_tags *tags, const char *key)
{
	for (size_t i = 0; i < tags->count; i++)
		if (strcmp(tags->items[i].key, key) == 0)
			return tags->items[i].value;
	return NULL;
}

static struct fg_tag *find_tag(struct fg_tags *tags, const char *key)
{
	for (size_t i = 0; i < tags->count; i++)
		if (strcmp(tags->items[i].key, key) == 0)
			return &tags->items[i];
	return NULL;
}

int fg_tags_add(struct fg_tags *tags, const char *key, const char *value, struct fg_err *err)
{
	struct fg_tag *old = find_tag(tags, key);
	char *value_copy = NULL;
	char *key_copy = NULL;
	int rc = copy_str(value, &value_copy, err);

	if (rc)
		return rc;
	if (old) {
		free(old->value);
		old->value = value_copy;
		return 0;
	}
	rc = FG_VEC_ROOM(tags, items, count, capacity, FG_REGISTRY_TAGS_MAX, err);
	if (rc)
		(void)fg_err_wrap(err, "tag \"%s\"", key);
	else
		rc = fg_str_dup(key, &key_copy, err);
	if (rc) {
		free(value_copy);
		return rc;
	}
	tags->items[tags->count++] = (struct fg_tag){.key = key_copy, .value = value_copy};
	return 0;
}

int fg_tags_copy(struct fg_tags *dst, const struct fg_tags *src, struct fg_err *err)
{
	struct fg_tags copy = {0};

	for (size_t i = 0; i < src->count; i++) {
		int rc = fg_tags_add(&copy, src->items[i].key, src->items[i].value, err);

		if (rc) {
			fg_tags_done(&copy);
			return rc;
		}
	}
	*dst = copy;
	return 0;
}

static void class_done(struct fg_class *class)
{
	free(class->name);
	free(class->group);
	free(class->method);
	free(class->url);
	free(class->engine);
	free(class->clock);
	fg_tags_done(&class->tags);
}

static void check_done(struct fg_check *check)
{
	free(check->name);
	free(check->group);
}

static void custom_done(struct fg_custom *custom)
{
	free(custom->name);
	free(custom->group);
	fg_tags_done(&custom->tags);
}

static void group_done(struct fg_group *group)
{
	free(group->path);
	fg_tags_done(&group->tags);
}

static void scenario_done(struct fg_scenario_def *scenario)
{
	free(scenario->name);
	free(scenario->executor);
	free(scenario->description);
	fg_tags_done(&scenario->tags);
}

void fg_registry_init(struct fg_registry *registry)
{
	*registry = (struct fg_registry){0};
}

void fg_registry_done(struct fg_registry *registry)
{
	if (!registry)
		return;
	for (size_t i = 0; i < registry->scenario_count; i++)
		scenario_done(&registry->scenarios[i]);
	for (size_t i = 0; i < registry->class_count; i++)
		class_done(&registry->classes[i]);
	for (size_t i = 0; i < registry->check_count; i++)
		check_done(&registry->checks[i]);
	for (size_t i = 0; i < registry->custom_count; i++)
		custom_done(&registry->customs[i]);
	for (size_t i = 0; i < registry->group_count; i++)
		group_done(&registry->groups[i]);
	free(registry->scenarios);
	free(registry->classes);
	free(registry->checks);
	free(registry->customs);
	free(registry->groups);
	fg_registry_init(registry);
}

static int copy_scenario(struct fg_scenario_def *dst, const struct fg_scenario_def *src,
			 struct fg_err *err)
{
	*dst = (struct fg_scenario_def){
		.start_ns = src->start_ns,
		.duration_ns = src->duration_ns,
		.warmup_ns = src->warmup_ns,
		.target_rate_per_s = src->target_rate_per_s,
	};
	int rc = copy_str(src->name, &dst->name, err);

	if (rc == 0)
		rc = copy_str(src->executor, &dst->executor, err);
	if (rc == 0)
		rc = copy_str(src->description, &dst->description, err);
	if (rc == 0)
		rc = fg_tags_copy(&dst->tags, &src->tags, err);
	if (rc)
		scenario_done(dst);
	return rc;
}

int fg_registry_add_scenario(struct fg_registry *registry, const struct fg_scenario_def *def,
			     struct fg_err *err)
{
	uint64_t end;
	struct fg_scenario_def copy;

	if (!def->name || def->name[0] == '\0')
		return fg_err_set(err, FG_E_INVALID, "a scenario needs a name");
	for (size_t i = 0; i < registry->scenario_count; i++)
		if (strcmp(registry->scenarios[i].name, def->name) == 0)
			return fg_err_set(err, FG_E_INVALID, "scenario \"%s\" is there twice",
					  def->name);
	/* One check here saves overflow checks wherever the times are added up. */
	if (__builtin_add_overflow(def->start_ns, def->duration_ns, &end) ||
	    __builtin_add_overflow(end, def->warmup_ns, &end) ||
	    !isfinite(def->target_rate_per_s) || def->target_rate_per_s < 0)
		return fg_err_set(err, FG_E_INVALID, "scenario \"%s\": impossible times or rate",
				  def->name);
	int rc = FG_VEC_ROOM(registry, scenarios, scenario_count, scenario_capacity,
			     FG_REGISTRY_SCENARIOS_MAX, err);

	if (rc)
		return fg_err_wrap(err, "scenarios");
	rc = copy_scenario(&copy, def, err);
	if (rc)
		return rc;
	registry->scenarios[registry->scenario_count] = copy;
	return (int)registry->scenario_count++;
}

static int copy_class(struct fg_class *dst, const struct fg_class *src, struct fg_err *err)
{
	*dst = (struct fg_class){.scenario = src->scenario};
	int rc = copy_str(src->name, &dst->name, err);

	if (rc == 0)
		rc = copy_str(src->group, &dst->group, err);
	if (rc == 0)
		rc = copy_str(src->method, &dst->method, err);
	if (rc == 0)
		rc = copy_str(src->url, &dst->url, err);
	if (rc == 0)
		rc = copy_str(src->engine, &dst->engine, err);
	if (rc == 0)
		rc = copy_str(src->clock, &dst->clock, err);
	if (rc == 0)
		rc = fg_tags_copy(&dst->tags, &src->tags, err);
	if (rc)
		class_done(dst);
	return rc;
}

static bool same_class(const struct fg_class *a, const struct fg_class *b)
{
	return a->scenario == b->scenario && strcmp(a->name, b->name) == 0 &&
	       strcmp(a->group, b->group ? b->group : "") == 0;
}

int fg_registry_add_class(struct fg_registry *registry, const struct fg_class *def,
			  struct fg_err *err)
{
	struct fg_class copy;

	if (!def->name || def->name[0] == '\0')
		return fg_err_set(err, FG_E_INVALID, "a request class needs a name");
	if (def->scenario >= registry->scenario_count)
		return fg_err_set(err, FG_E_INVALID, "class \"%s\": there is no scenario %u",
				  def->name, def->scenario);
	for (size_t i = 0; i < registry->class_count; i++)
		if (same_class(&registry->classes[i], def))
			return (int)i;
	int rc = FG_VEC_ROOM(registry, classes, class_count, class_capacity,
			     FG_REGISTRY_CLASSES_MAX, err);

	if (rc)
		return fg_err_wrap(err, "request classes");
	rc = copy_class(&copy, def, err);
	if (rc)
		return rc;
	registry->classes[registry->class_count] = copy;
	return (int)registry->class_count++;
}

int fg_registry_add_check(struct fg_registry *registry, const struct fg_check *def,
			  struct fg_err *err)
{
	struct fg_check copy = {.scenario = def->scenario, .class_index = def->class_index};

	if (!def->name || def->name[0] == '\0')
		return fg_err_set(err, FG_E_INVALID, "a check needs a name");
	if (def->scenario >= registry->scenario_count || def->class_index >= registry->class_count)
		return fg_err_set(err, FG_E_INVALID, "check \"%s\": no such scenario or class",
				  def->name);
	int rc = FG_VEC_ROOM(registry, checks, check_count, check_capacity, FG_REGISTRY_CHECKS_MAX,
			     err);

	if (rc)
		return fg_err_wrap(err, "checks");
	rc = copy_str(def->name, &copy.name, err);
	if (rc == 0)
		rc = copy_str(def->group, &copy.group, err);
	if (rc) {
		check_done(&copy);
		return rc;
	}
	registry->checks[registry->check_count] = copy;
	return (int)registry->check_count++;
}

int fg_registry_find_custom(const struct fg_registry *registry, const char *name)
{
	for (size_t i = 0; i < registry->custom_count; i++)
		if (strcmp(registry->customs[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* What a custom metric must be, given those that exist. */
static int check_custom(const struct fg_registry *registry, const struct fg_custom *def,
			struct fg_err *err)
{
	if (!def->name || !fg_metric_name_ok(def->name))
		return fg_err_set(err, FG_E_INVALID,
				  "\"%s\" is no metric name: letters, digits and _, not a digit "
				  "first, at most 128",
				  def->name ? def->name : "");
	if (fg_metric_find(def->name) >= 0)
		return fg_err_set(err, FG_E_INVALID, "\"%s\" is the name of a built-in metric",
				  def->name);
	if (def->scenario >= registry->scenario_count || (unsigned)def->type > FG_METRIC_TREND)
		return fg_err_set(err, FG_E_INVALID, "metric \"%s\": no such scenario or type",
				  def->name);
	int same = fg_registry_find_custom(registry, def->name);

	if (same >= 0 && registry->customs[same].type != def->type)
		return fg_err_set(err, FG_E_INVALID, "metric \"%s\" is a %s elsewhere, not a %s",
				  def->name, fg_metric_type_name(registry->customs[same].type),
				  fg_metric_type_name(def->type));
	if (same >= 0 && registry->customs[same].is_time != def->is_time)
		return fg_err_set(err, FG_E_INVALID,
				  "metric \"%s\" is a time in one place and not in another",
				  def->name);
	return 0;
}

static const struct fg_tags *tags_or_scenario(const struct fg_registry *registry, uint32_t scenario,
					      const struct fg_tags *tags)
{
	return tags->count ? tags : &registry->scenarios[scenario].tags;
}

static bool same_custom(const struct fg_custom *a, const struct fg_custom *b)
{
	return a->scenario == b->scenario && strcmp(a->name, b->name) == 0 &&
	       strcmp(a->group, b->group ? b->group : "") == 0;
}

int fg_registry_add_custom(struct fg_registry *registry, const struct fg_custom *def,
			   struct fg_err *err)
{
	struct fg_custom copy = {
		.scenario = def->scenario, .type = def->type, .is_time = def->is_time};
	int rc = check_custom(registry, def, err);

	if (rc)
		return rc;
	for (size_t i = 0; i < registry->custom_count; i++)
		if (same_custom(&registry->customs[i], def))
			return (int)i;
	rc = FG_VEC_ROOM(registry, customs, custom_count, custom_capacity, FG_REGISTRY_CUSTOMS_MAX,
			 err);
	if (rc)
		return fg_err_wrap(err, "custom metrics");
	rc = copy_str(def->name, &copy.name, err);
	if (rc == 0)
		rc = copy_str(def->group, &copy.group, err);
	if (rc == 0)
		rc = fg_tags_copy(&copy.tags, tags_or_scenario(registry, def->scenario, &def->tags),
				  err);
	if (rc) {
		custom_done(&copy);
		return rc;
	}
	registry->customs[registry->custom_count] = copy;
	return (int)registry->custom_count++;
}

int fg_registry_add_group(struct fg_registry *registry, const struct fg_group *def,
			  struct fg_err *err)
{
	struct fg_group copy = {.scenario = def->scenario};

	if (!def->path || def->path[0] == '\0')
		return fg_err_set(err, FG_E_INVALID, "a group needs a path");
	if (def->scenario >= registry->scenario_count)
		return fg_err_set(err, FG_E_INVALID, "group \"%s\": there is no scenario %u",
				  def->path, def->scenario);
	for (size_t i = 0; i < registry->group_count; i++)
		if (registry->groups[i].scenario == def->scenario &&
		    strcmp(registry->groups[i].path, def->path) == 0)
			return (int)i;
	int rc = FG_VEC_ROOM(registry, groups, group_count, group_capacity, FG_REGISTRY_GROUPS_MAX,
			     err);

	if (rc)
		return fg_err_wrap(err, "groups");
	rc = copy_str(def->path, &copy.path, err);
	if (rc == 0)
		rc = fg_tags_copy(&copy.tags, tags_or_scenario(registry, def->scenario, &def->tags),
				  err);
	if (rc) {
		group_done(&copy);
		return rc;
	}
	registry->groups[registry->group_count] = copy;
	return (int)registry->group_count++;
}

static bool same_scenarios(const struct fg_registry *a, const struct fg_registry *b)
{
	if (a->scenario_count != b->scenario_count)
		return false;
	for (size_t i = 0; i < a->scenario_count; i++)
		if (strcmp(a->scenarios[i].name, b->scenarios[i].name) != 0)
			return false;
	return true;
}

static bool same_measured(const struct fg_registry *a, const struct fg_registry *b)
{
	if (a->custom_count != b->custom_count || a->group_count != b->group_count)
		return false;
	for (size_t i = 0; i < a->custom_count; i++)
		if (!same_custom(&a->customs[i], &b->customs[i]) ||
		    a->customs[i].type != b->customs[i].type)
			return false;
	for (size_t i = 0; i < a->group_count; i++)
		if (a->groups[i].scenario != b->groups[i].scenario ||
		    strcmp(a->groups[i].path, b->groups[i].path) != 0)
			return false;
	return true;
}

bool fg_registry_equal(const struct fg_registry *a, const struct fg_registry *b)
{
	if (!same_scenarios(a, b) || a->class_count != b->class_count ||
	    a->check_count != b->check_count)
		return false;
	for (size_t i = 0; i < a->class_count; i++)
		if (!same_class(&a->classes[i], &b->classes[i]))
			return false;
	for (size_t i = 0; i < a->check_count; i++)
		if (a->checks[i].scenario != b->checks[i].scenario ||
		    a->checks[i].class_index != b->checks[i].class_index ||
		    strcmp(a->checks[i].name, b->checks[i].name) != 0)
			return false;
	return same_measured(a, b);
}

int fg_registry_copy(struct fg_registry *dst, const struct fg_registry *src, struct fg_err *err)
{
	struct fg_registry copy;
	int rc = 0;

	fg_registry_init(&copy);
	for (size_t i = 0; rc >= 0 && i < src->scenario_count; i++)
		rc = fg_registry_add_scenario(&copy, &src->scenarios[i], err);
	for (size_t i = 0; rc >= 0 && i < src->class_count; i++)
		rc = fg_registry_add_class(&copy, &src->classes[i], err);
	for (size_t i = 0; rc >= 0 && i < src->check_count; i++)
		rc = fg_registry_add_check(&copy, &src->checks[i], err);
	for (size_t i = 0; rc >= 0 && i < src->custom_count; i++)
		rc = fg_registry_add_custom(&copy, &src->customs[i], err);
	for (size_t i = 0; rc >= 0 && i < src->group_count; i++)
		rc = fg_registry_add_group(&copy, &src->groups[i], err);
	if (rc < 0) {
		fg_registry_done(&copy);
		return rc;
	}
	*dst = copy;
	return 0;
}
