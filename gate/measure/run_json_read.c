/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.json from a stranger: what describes the run. Counters are in run_json_totals.c.
 * First the registry, because everything else is indexed by it; every index and sum is checked.
 */
#include "gate/measure/run_json_read.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/judge/threshold.h"

enum { THRESHOLDS_MAX = 4096 };

static int check_version(const struct fg_json_at *root, struct fg_err *err)
{
	uint64_t version = 0;

	if (!json_is_object(root->value))
		return fg_err_set(err, FG_E_INVALID, "not a JSON object");
	int rc = fg_json_u64(root, "version", INT64_MAX, &version, err);

	if (rc == 0 && version != FG_BUNDLE_VERSION)
		return fg_err_set(err, FG_E_UNSUPPORTED,
				  "bundle version %llu; this flamegate (%s) reads version %d",
				  (unsigned long long)version, FG_VERSION, FG_BUNDLE_VERSION);
	return rc;
}

static int get_tags(const struct fg_json_at *object, struct fg_tags *tags, struct fg_err *err)
{
	struct fg_json_at all;
	struct fg_json_at tag;
	void *iterator = NULL;
	int rc = fg_json_object(object, "tags", &all, err);

	while (rc == 0 && fg_json_next(&all, &iterator, &tag)) {
		const char *value = NULL;

		rc = fg_json_value_string(&tag, &value, err);
		FG_JSON_TRY(rc, fg_tags_add(tags, tag.key, value, err));
	}
	return rc;
}

/* The struct borrows `const char *` texts of the tree; the registry copies them. */
static int borrow(const struct fg_json_at *object, const char *key, char **ret, struct fg_err *err)
{
	union {
		const char *from;
		char *to;
	} text = {0};
	int rc = fg_json_string(object, key, &text.from, NULL, err);

	if (rc == 0)
		*ret = text.to;
	return rc;
}

static int get_scenario(const struct fg_json_at *at, struct fg_registry *registry,
			struct fg_err *err)
{
	struct fg_scenario_def def = {0};
	int rc = borrow(at, "name", &def.name, err);

	FG_JSON_TRY(rc, borrow(at, "executor", &def.executor, err));
	FG_JSON_TRY(rc, borrow(at, "description", &def.description, err));
	FG_JSON_TRY(rc, fg_json_u64(at, "startNs", INT64_MAX, &def.start_ns, err));
	FG_JSON_TRY(rc, fg_json_u64(at, "durationNs", INT64_MAX, &def.duration_ns, err));
	FG_JSON_TRY(rc, fg_json_u64(at, "warmupNs", INT64_MAX, &def.warmup_ns, err));
	FG_JSON_TRY(rc, fg_json_double(at, "targetRatePerS", 0, 1e12, &def.target_rate_per_s, err));
	FG_JSON_TRY(rc, get_tags(at, &def.tags, err));
	FG_JSON_TRY(rc, fg_registry_add_scenario(registry, &def, err));
	fg_tags_done(&def.tags);
	return FG_MIN(rc, 0);
}

static int get_class(const struct fg_json_at *at, struct fg_registry *registry, struct fg_err *err)
{
	struct fg_class def = {0};
	size_t before = registry->class_count;
	int rc = fg_json_u32(at, "scenario", UINT32_MAX, &def.scenario, err);

	FG_JSON_TRY(rc, borrow(at, "name", &def.name, err));
	FG_JSON_TRY(rc, borrow(at, "group", &def.group, err));
	FG_JSON_TRY(rc, borrow(at, "method", &def.method, err));
	FG_JSON_TRY(rc, borrow(at, "url", &def.url, err));
	FG_JSON_TRY(rc, borrow(at, "engine", &def.engine, err));
	FG_JSON_TRY(rc, borrow(at, "clock", &def.clock, err));
	FG_JSON_TRY(rc, get_tags(at, &def.tags, err));
	FG_JSON_TRY(rc, fg_registry_add_class(registry, &def, err));
	fg_tags_done(&def.tags);
	if (rc >= 0 && registry->class_count == before)
		return fg_json_error(at, err, "this request class is there twice");
	return FG_MIN(rc, 0);
}

static int get_check(const struct fg_json_at *at, struct fg_registry *registry, struct fg_err *err)
{
	struct fg_check def = {0};
	int rc = fg_json_u32(at, "scenario", UINT32_MAX, &def.scenario, err);

	FG_JSON_TRY(rc, fg_json_u32(at, "class", UINT32_MAX, &def.class_index, err));
	FG_JSON_TRY(rc, borrow(at, "name", &def.name, err));
	FG_JSON_TRY(rc, borrow(at, "group", &def.group, err));
	FG_JSON_TRY(rc, fg_registry_add_check(registry, &def, err));
	return FG_MIN(rc, 0);
}

static int get_custom(const struct fg_json_at *at, struct fg_registry *registry, struct fg_err *err)
{
	const char *types[FG_METRIC_TREND + 1];
	struct fg_custom def = {0};
	size_t before = registry->custom_count;
	size_t type = 0;
	int rc = fg_json_u32(at, "scenario", UINT32_MAX, &def.scenario, err);

	for (size_t i = 0; i < FG_ARRAY_LEN(types); i++)
		types[i] = fg_metric_type_name((enum fg_metric_type)i);
	FG_JSON_TRY(rc, borrow(at, "name", &def.name, err));
	FG_JSON_TRY(rc, fg_json_word(at, "type", types, FG_ARRAY_LEN(types), &type, err));
	FG_JSON_TRY(rc, fg_json_bool(at, "isTime", &def.is_time, err));
	FG_JSON_TRY(rc, borrow(at, "group", &def.group, err));
	FG_JSON_TRY(rc, get_tags(at, &def.tags, err));
	def.type = (enum fg_metric_type)type;
	FG_JSON_TRY(rc, fg_registry_add_custom(registry, &def, err));
	fg_tags_done(&def.tags);
	if (rc >= 0 && registry->custom_count == before)
		return fg_json_error(at, err, "this metric is there twice");
	return FG_MIN(rc, 0);
}

static int get_group(const struct fg_json_at *at, struct fg_registry *registry, struct fg_err *err)
{
	struct fg_group def = {0};
	size_t before = registry->group_count;
	int rc = fg_json_u32(at, "scenario", UINT32_MAX, &def.scenario, err);

	FG_JSON_TRY(rc, borrow(at, "path", &def.path, err));
	FG_JSON_TRY(rc, get_tags(at, &def.tags, err));
	FG_JSON_TRY(rc, fg_registry_add_group(registry, &def, err));
	fg_tags_done(&def.tags);
	if (rc >= 0 && registry->group_count == before)
		return fg_json_error(at, err, "this group is there twice");
	return FG_MIN(rc, 0);
}

static int get_list(const struct fg_json_at *root, const char *key, size_t max,
		    int (*get)(const struct fg_json_at *, struct fg_registry *, struct fg_err *),
		    struct fg_registry *registry, struct fg_err *err)
{
	struct fg_json_at list;
	int rc = fg_json_array(root, key, max, &list, err);

	for (size_t i = 0; rc == 0 && i < fg_json_count(&list); i++) {
		struct fg_json_at element;

		rc = fg_json_element(&list, i, &element, err);
		FG_JSON_TRY(rc, get(&element, registry, err));
	}
	return rc;
}

static int get_registry(const struct fg_json_at *root, struct fg_registry *registry,
			struct fg_err *err)
{
	int rc =
		get_list(root, "scenarios", FG_REGISTRY_SCENARIOS_MAX, get_scenario, registry, err);

	FG_JSON_TRY(rc,
		    get_list(root, "classes", FG_REGISTRY_CLASSES_MAX, get_class, registry, err));
	FG_JSON_TRY(rc, get_list(root, "checks", FG_REGISTRY_CHECKS_MAX, get_check, registry, err));
	/* not in bundles of old versions */
	if (fg_json_has(root, "customs"))
		FG_JSON_TRY(rc, get_list(root, "customs", FG_REGISTRY_CUSTOMS_MAX, get_custom,
					 registry, err));
	if (fg_json_has(root, "groups"))
		FG_JSON_TRY(rc, get_list(root, "groups", FG_REGISTRY_GROUPS_MAX, get_group,
					 registry, err));
	return rc;
}

static int get_seed(const struct fg_json_at *root, uint64_t *ret, struct fg_err *err)
{
	const char *text = NULL;
	size_t len = 0;
	int rc = fg_json_string(root, "seed", &text, &len, err);

	if (rc)
		return rc;
	rc = fg_num_u64(text, len, ret, err);
	return rc ? fg_err_wrap(err, "seed") : 0;
}

/* Only of a run that was one of several. */
static int get_shard(const struct fg_json_at *root, struct fg_result *r, struct fg_err *err)
{
	struct fg_json_at shard;
	int rc;

	r->shard_count = 1;
	if (!fg_json_has(root, "shard"))
		return 0;
	rc = fg_json_object(root, "shard", &shard, err);
	FG_JSON_TRY(rc, fg_json_u32(&shard, "count", UINT32_MAX, &r->shard_count, err));
	FG_JSON_TRY(rc, fg_json_u32(&shard, "index", UINT32_MAX, &r->shard_index, err));
	if (rc == 0 && r->shard_index >= r->shard_count)
		return fg_err_set(err, FG_E_INVALID, "shard: there is no index %u of %u",
				  r->shard_index, r->shard_count);
	return rc;
}

static int get_identity(const struct fg_json_at *root, struct fg_result *r, struct fg_err *err)
{
	const char *statuses[FG_RUN_STATUS_COUNT];
	struct fg_json_at target;
	size_t status = 0;
	double exit_code = 0;
	int rc = fg_json_text(root, "id", r->id, sizeof(r->id), err);

	for (size_t i = 0; i < FG_RUN_STATUS_COUNT; i++)
		statuses[i] = fg_run_status_name((enum fg_run_status)i);
	FG_JSON_TRY(rc, fg_json_dup_or_null(root, "name", &r->name, err));
	FG_JSON_TRY(rc, fg_json_word(root, "status", statuses, FG_RUN_STATUS_COUNT, &status, err));
	FG_JSON_TRY(rc, fg_json_dup_or_null(root, "outcome", &r->outcome, err));
	FG_JSON_TRY(rc, fg_json_double(root, "exitCode", -1, 255, &exit_code, err));
	FG_JSON_TRY(rc, fg_json_dup_or_null(root, "invalidReason", &r->invalid_reason, err));
	if (rc == 0 && fg_json_has(root, "seriesPartial"))
		rc = fg_json_text(root, "seriesPartial", r->series->partial,
				  sizeof(r->series->partial), err);
	FG_JSON_TRY(rc, get_seed(root, &r->seed, err));
	FG_JSON_TRY(rc, get_shard(root, r, err));
	FG_JSON_TRY(rc, fg_json_text(root, "scenarioHash", r->scenario_hash,
				     sizeof(r->scenario_hash), err));
	FG_JSON_TRY(rc, fg_json_object(root, "target", &target, err));
	FG_JSON_TRY(rc, fg_json_dup_or_null(&target, "label", &r->target_label, err));
	FG_JSON_TRY(rc, fg_json_u32(&target, "pid", UINT32_MAX, &r->target_pid, err));
	if (rc == 0 && exit_code != floor(exit_code))
		return fg_err_set(err, FG_E_INVALID, "exitCode is not an integer");
	r->status = (enum fg_run_status)status;
	r->exit_code = (int)exit_code;
	return rc;
}

static int get_time(const struct fg_json_at *root, struct fg_result *r, struct fg_err *err)
{
	struct fg_json_at time;
	int rc = fg_json_object(root, "time", &time, err);

	FG_JSON_TRY(rc, fg_json_u64(&time, "startedUnixNs", INT64_MAX, &r->started_unix_ns, err));
	FG_JSON_TRY(rc, fg_json_u64(&time, "startedMonotonicNs", INT64_MAX, &r->started_ns, err));
	FG_JSON_TRY(rc, fg_json_u64(&time, "durationNs", INT64_MAX, &r->duration_ns, err));
	FG_JSON_TRY(rc,
		    fg_json_u64(&time, "measuredStartNs", INT64_MAX, &r->measured_start_ns, err));
	FG_JSON_TRY(rc, fg_json_u64(&time, "measuredNs", INT64_MAX, &r->measured_ns, err));
	FG_JSON_TRY(rc, fg_json_u32(&time, "lastSecond", UINT32_MAX, &r->totals->second, err));
	return rc;
}

static int get_environment(const struct fg_json_at *root, struct fg_environment *e,
			   struct fg_err *err)
{
	struct fg_json_at at;
	int rc = fg_json_object(root, "environment", &at, err);

	FG_JSON_TRY(rc, fg_json_text(&at, "cpuModel", e->cpu_model, sizeof(e->cpu_model), err));
	FG_JSON_TRY(rc, fg_json_u32(&at, "cores", UINT32_MAX, &e->cores, err));
	FG_JSON_TRY(rc, fg_json_u64(&at, "memoryBytes", INT64_MAX, &e->memory_bytes, err));
	FG_JSON_TRY(rc, fg_json_text(&at, "architecture", e->architecture, sizeof(e->architecture),
				     err));
	FG_JSON_TRY(rc, fg_json_text(&at, "kernel", e->kernel, sizeof(e->kernel), err));
	FG_JSON_TRY(rc, fg_json_text(&at, "governor", e->governor, sizeof(e->governor), err));
	FG_JSON_TRY(rc, fg_json_text(&at, "hostnameHash", e->hostname_hash,
				     sizeof(e->hostname_hash), err));
	FG_JSON_TRY(rc, fg_json_text(&at, "ci", e->ci, sizeof(e->ci), err));
	FG_JSON_TRY(rc, fg_json_text(&at, "container", e->container, sizeof(e->container), err));
	if (fg_json_has(&at, "runtimeFlags"))
		FG_JSON_TRY(rc, fg_json_text(&at, "runtimeFlags", e->runtime_flags,
					     sizeof(e->runtime_flags), err));
	return rc;
}

static int get_threshold(const struct fg_json_at *at, struct fg_threshold_result *t,
			 struct fg_err *err)
{
	const char *levels[] = {fg_level_name(FG_LEVEL_ERROR), fg_level_name(FG_LEVEL_WARN),
				fg_level_name(FG_LEVEL_OFF)};
	size_t level = 0;
	int rc = fg_json_dup_or_null(at, "metric", &t->metric_text, err);

	FG_JSON_TRY(rc, fg_json_dup_or_null(at, "text", &t->text, err));
	FG_JSON_TRY(rc, fg_json_word(at, "level", levels, FG_ARRAY_LEN(levels), &level, err));
	FG_JSON_TRY(rc, fg_json_bool(at, "passed", &t->passed, err));
	FG_JSON_TRY(rc, fg_json_bool(at, "noData", &t->no_data, err));
	FG_JSON_TRY(rc, fg_json_bool(at, "aborted", &t->aborted, err));
	FG_JSON_TRY(rc, fg_json_u64(at, "samples", INT64_MAX, &t->samples, err));
	FG_JSON_TRY(rc, fg_json_text(at, "valueText", t->value_text, sizeof(t->value_text), err));
	t->level = (enum fg_level)level;
	t->value = NAN;
	if (rc == 0 && fg_json_has(at, "value"))
		rc = fg_json_double(at, "value", -INFINITY, INFINITY, &t->value, err);
	return rc;
}

static int get_thresholds(const struct fg_json_at *root, struct fg_result *r, struct fg_err *err)
{
	struct fg_json_at list;
	int rc = fg_json_array(root, "thresholds", THRESHOLDS_MAX, &list, err);
	size_t count = rc == 0 ? fg_json_count(&list) : 0;

	if (rc || count == 0)
		return rc;
	r->thresholds = calloc(count, sizeof(*r->thresholds));
	if (!r->thresholds)
		return fg_err_nomem(err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct fg_json_at element;

		r->threshold_count = i + 1;
		rc = fg_json_element(&list, i, &element, err);
		FG_JSON_TRY(rc, get_threshold(&element, &r->thresholds[i], err));
	}
	return rc;
}

/* Not there in bundles of old versions. */
static int get_vus(const struct fg_json_at *root, struct fg_vus_range *ret, struct fg_err *err)
{
	struct fg_json_at at;
	int rc;

	if (!fg_json_has(root, "vus"))
		return 0;
	rc = fg_json_object(root, "vus", &at, err);
	FG_JSON_TRY(rc, fg_json_u32(&at, "last", UINT32_MAX, &ret->last, err));
	FG_JSON_TRY(rc, fg_json_u32(&at, "min", UINT32_MAX, &ret->min, err));
	FG_JSON_TRY(rc, fg_json_u32(&at, "max", UINT32_MAX, &ret->max, err));
	return rc;
}

static int get_cpu(const struct fg_json_at *root, struct fg_result *r, struct fg_err *err)
{
	struct fg_cpu_series *series = &r->target_cpu;
	struct fg_json_at at;
	struct fg_json_at list;
	int rc = fg_json_object(root, "cpu", &at, err);

	FG_JSON_TRY(rc, fg_json_u64(&at, "generatorNs", INT64_MAX, &r->generator_cpu_ns, err));
	FG_JSON_TRY(rc, fg_json_u64(&at, "targetMeasuredNs", INT64_MAX, &r->measured_target_cpu_ns,
				    err));
	FG_JSON_TRY(rc, fg_json_array(&at, "targetPerSecondNs", FG_CPU_SECONDS_MAX, &list, err));
	if (rc || fg_json_count(&list) == 0)
		return rc;
	series->cpu_ns = calloc(fg_json_count(&list), sizeof(*series->cpu_ns));
	if (!series->cpu_ns)
		return fg_err_nomem(err);
	series->capacity = series->count = fg_json_count(&list);
	for (size_t i = 0; rc == 0 && i < series->count; i++)
		rc = fg_json_element_u64(&list, i, INT64_MAX, &series->cpu_ns[i], err);
	return rc;
}

static int get_incomplete(const struct fg_json_at *profile, struct fg_profile_info *p,
			  struct fg_err *err)
{
	struct fg_json_at at;
	int rc = fg_json_object(profile, "incompleteBy", &at, err);

	for (int i = 0; rc == 0 && i < FG_STACK_RESULT_COUNT; i++) {
		const char *name = fg_stack_result_name((enum fg_stack_result)i);

		if (fg_json_has(&at, name))
			rc = fg_json_u64(&at, name, INT64_MAX, &p->incomplete_by[i], err);
	}
	return rc;
}

/* Older files do not have it. */
static int get_lost(const struct fg_json_at *profile, struct fg_profile_info *p, struct fg_err *err)
{
	struct fg_json_at at;

	if (!fg_json_has(profile, "lostBy"))
		return 0;
	int rc = fg_json_object(profile, "lostBy", &at, err);

	for (int i = 0; rc == 0 && i < FG_LOSS_COUNT; i++) {
		const char *name = fg_loss_name((enum fg_loss)i);

		if (fg_json_has(&at, name))
			rc = fg_json_u64(&at, name, INT64_MAX, &p->lost_by[i], err);
	}
	return rc;
}

static int get_profile(const struct fg_json_at *root, struct fg_profile_info *p, struct fg_err *err)
{
	struct fg_json_at at;
	int rc = fg_json_object(root, "profile", &at, err);

	FG_JSON_TRY(rc, fg_json_bool(&at, "present", &p->present, err));
	FG_JSON_TRY(rc, fg_json_text(&at, "whyAbsent", p->why_absent, sizeof(p->why_absent), err));
	FG_JSON_TRY(rc, fg_json_bool(&at, "partial", &p->partial, err));
	FG_JSON_TRY(rc, fg_json_u32(&at, "frequencyHz", UINT32_MAX, &p->frequency_hz, err));
	FG_JSON_TRY(rc, fg_json_u32(&at, "cpus", UINT32_MAX, &p->cpus, err));
	FG_JSON_TRY(rc, fg_json_u64(&at, "samples", INT64_MAX, &p->samples, err));
	FG_JSON_TRY(rc, fg_json_u64(&at, "lost", INT64_MAX, &p->lost, err));
	FG_JSON_TRY(rc, fg_json_u64(&at, "complete", INT64_MAX, &p->complete, err));
	FG_JSON_TRY(rc, fg_json_u64(&at, "guessedFrames", INT64_MAX, &p->guessed_frames, err));
	FG_JSON_TRY(rc, get_incomplete(&at, p, err));
	FG_JSON_TRY(rc, fg_json_double(&at, "unnamedShare", 0, 1, &p->unnamed_share, err));
	FG_JSON_TRY(rc, fg_json_double(&at, "samplesPerCpuS", 0, 1e12, &p->samples_per_cpu_s, err));
	FG_JSON_TRY(rc, fg_json_u64(&at, "bpfNs", INT64_MAX, &p->bpf_ns, err));
	FG_JSON_TRY(rc, fg_json_u64(&at, "helperCpuNs", INT64_MAX, &p->helper_cpu_ns, err));
	FG_JSON_TRY(rc, fg_json_u64(&at, "targetCpuNs", INT64_MAX, &p->target_cpu_ns, err));
	FG_JSON_TRY(rc, fg_run_json_notices(&at, &p->notices, err));
	FG_JSON_TRY(rc, fg_run_json_runtimes(&at, p, err));
	FG_JSON_TRY(rc, fg_bundle_get_types(&at, p, err));
	FG_JSON_TRY(rc, get_lost(&at, p, err));
	if (!rc && fg_json_has(&at, "source"))
		rc = fg_json_text(&at, "source", p->source, sizeof(p->source), err);
	if (!rc && fg_json_has(&at, "userCpuNs"))
		rc = fg_json_u64(&at, "userCpuNs", INT64_MAX, &p->user_cpu_ns, err);
	FG_JSON_TRY(rc, fg_bundle_get_labels(&at, p, err));
	return rc;
}

static int get_scenario_file(const struct fg_json_at *root, struct fg_result *r, struct fg_err *err)
{
	struct fg_json_writer writer;

	if (!fg_json_has(root, "scenario"))
		return 0;
	FG_AUTO_BUF struct fg_buf text = {.max = 2 * (size_t)FG_JSON_BYTES_MAX};

	fg_json_writer_init(&writer, &text, false);
	fg_json_put_value(&writer, NULL, json_object_get(root->value, "scenario"));
	int rc = fg_json_writer_check(&writer, err);

	if (rc)
		return fg_err_wrap(err, "scenario");
	r->scenario_json = fg_buf_take(&text, NULL);
	return r->scenario_json ? 0 : fg_err_nomem(err);
}

static int get_result(const struct fg_json_at *root, struct fg_result *r, struct fg_err *err)
{
	int rc = get_identity(root, r, err);

	FG_JSON_TRY(rc, get_time(root, r, err));
	FG_JSON_TRY(rc, get_environment(root, &r->environment, err));
	FG_JSON_TRY(rc, get_thresholds(root, r, err));
	FG_JSON_TRY(rc, get_cpu(root, r, err));
	FG_JSON_TRY(rc, fg_bundle_get_memory(root, r, err));
	FG_JSON_TRY(rc, get_vus(root, &r->vus, err));
	FG_JSON_TRY(rc, get_profile(root, &r->profile, err));
	FG_JSON_TRY(rc, get_scenario_file(root, r, err));
	FG_JSON_TRY(rc, fg_run_json_totals(root, r, err));
	return rc;
}

static int read_tree(json_t *tree, struct fg_result **ret, struct fg_err *err)
{
	const struct fg_json_at root = fg_json_root(tree);
	struct fg_registry registry;
	struct fg_result *result = NULL;
	int rc = check_version(&root, err);

	if (rc)
		return rc;
	fg_registry_init(&registry);
	rc = get_registry(&root, &registry, err);
	FG_JSON_TRY(rc, fg_result_new(&registry, &result, err));
	fg_registry_done(&registry);
	FG_JSON_TRY(rc, get_result(&root, result, err));
	if (rc)
		fg_result_free(result);
	else
		*ret = result;
	return rc;
}

int fg_bundle_parse_run_json(const char *text, size_t len, struct fg_result **ret,
			     struct fg_err *err)
{
	FG_AUTO_JSON json_t *tree = NULL;
	int rc = fg_json_parse(text, len, &tree, err);

	FG_JSON_TRY(rc, read_tree(tree, ret, err));
	return rc ? fg_err_wrap(err, "%s", fg_bundle_run_name) : 0;
}
