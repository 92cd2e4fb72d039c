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
	free(registry->scenarios);
	free(registry->classes);
	free(registry->checks);
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
	if (rc < 0) {
		fg_registry_done(&copy);
		return rc;
	}
	*dst = copy;
	return 0;
}
