/* SPDX-License-Identifier: Apache-2.0 */
/* A result as run.json. The order is for people: who and how it ended first, bulk last. */
#include "gate/measure/run_json_read.h"

#include <stdio.h>
#include <string.h>

#include "gate/judge/threshold.h"

static void put_identity(struct fg_json_writer *w, const struct fg_result *r)
{
	fg_json_put_u64(w, "version", FG_BUNDLE_VERSION);
	fg_json_put_string(w, "flamegate", FG_VERSION);
	fg_json_put_string(w, "id", r->id);
	fg_json_put_string_or_null(w, "name", r->name);
	fg_json_put_string(w, "status", fg_run_status_name(r->status));
	fg_json_put_string_or_null(w, "outcome", r->outcome);
	fg_json_put_i64(w, "exitCode", r->exit_code);
	fg_json_put_string_or_null(w, "invalidReason", r->invalid_reason);
	if (fg_series_partial(r))
		fg_json_put_string(w, "seriesPartial", fg_series_partial(r));
	/* A string: JSON readers lose bits above 2^53. */
	char seed[24];

	(void)snprintf(seed, sizeof(seed), "%llu", (unsigned long long)r->seed);
	fg_json_put_string(w, "seed", seed);
	if (r->shard_count > 1) {
		fg_json_begin(w, "shard");
		fg_json_put_u64(w, "index", r->shard_index);
		fg_json_put_u64(w, "count", r->shard_count);
		fg_json_end(w);
	}
	fg_json_begin(w, "target");
	fg_json_put_string_or_null(w, "label", r->target_label);
	fg_json_put_u64(w, "pid", r->target_pid);
	fg_json_end(w);
	fg_json_begin(w, "time");
	fg_json_put_u64(w, "startedUnixNs", r->started_unix_ns);
	fg_json_put_u64(w, "startedMonotonicNs", r->started_ns);
	fg_json_put_u64(w, "durationNs", r->duration_ns);
	fg_json_put_u64(w, "measuredStartNs", r->measured_start_ns);
	fg_json_put_u64(w, "measuredNs", r->measured_ns);
	fg_json_put_u64(w, "lastSecond", r->totals->second);
	fg_json_end(w);
}

static void put_environment(struct fg_json_writer *w, const struct fg_environment *e)
{
	fg_json_begin(w, "environment");
	fg_json_put_string(w, "cpuModel", e->cpu_model);
	fg_json_put_u64(w, "cores", e->cores);
	fg_json_put_u64(w, "memoryBytes", e->memory_bytes);
	fg_json_put_string(w, "architecture", e->architecture);
	fg_json_put_string(w, "kernel", e->kernel);
	fg_json_put_string(w, "governor", e->governor);
	fg_json_put_string(w, "hostnameHash", e->hostname_hash);
	fg_json_put_string(w, "ci", e->ci);
	fg_json_put_string(w, "container", e->container);
	if (e->runtime_flags[0])
		fg_json_put_string(w, "runtimeFlags", e->runtime_flags);
	fg_json_end(w);
}

static void put_thresholds(struct fg_json_writer *w, const struct fg_result *r)
{
	fg_json_begin_array(w, "thresholds");
	for (size_t i = 0; i < r->threshold_count; i++) {
		const struct fg_threshold_result *t = &r->thresholds[i];

		fg_json_begin(w, NULL);
		fg_json_put_string_or_null(w, "metric", t->metric_text);
		fg_json_put_string_or_null(w, "text", t->text);
		fg_json_put_string(w, "level", fg_level_name(t->level));
		fg_json_put_bool(w, "passed", t->passed);
		fg_json_put_bool(w, "noData", t->no_data);
		fg_json_put_bool(w, "aborted", t->aborted);
		fg_json_put_double(w, "value", t->value);
		fg_json_put_u64(w, "samples", t->samples);
		fg_json_put_string(w, "valueText", t->value_text);
		fg_json_end(w);
	}
	fg_json_end(w);
}

static void put_cpu(struct fg_json_writer *w, const struct fg_result *r)
{
	fg_json_begin(w, "cpu");
	fg_json_put_u64(w, "generatorNs", r->generator_cpu_ns);
	fg_json_put_u64(w, "targetMeasuredNs", r->measured_target_cpu_ns);
	fg_json_begin_array(w, "targetPerSecondNs");
	for (size_t i = 0; i < r->target_cpu.count; i++)
		fg_json_put_u64(w, NULL, r->target_cpu.cpu_ns[i]);
	fg_json_end(w);
	fg_json_end(w);
}

static void put_vus(struct fg_json_writer *w, const struct fg_vus_range *vus)
{
	fg_json_begin(w, "vus");
	fg_json_put_u64(w, "last", vus->last);
	fg_json_put_u64(w, "min", vus->min);
	fg_json_put_u64(w, "max", vus->max);
	fg_json_end(w);
}

static void put_profile(struct fg_json_writer *w, const struct fg_profile_info *p)
{
	fg_json_begin(w, "profile");
	fg_json_put_bool(w, "present", p->present);
	fg_json_put_string(w, "whyAbsent", p->why_absent);
	fg_json_put_bool(w, "partial", p->partial);
	fg_json_put_u64(w, "frequencyHz", p->frequency_hz);
	fg_json_put_u64(w, "cpus", p->cpus);
	fg_json_put_u64(w, "samples", p->samples);
	fg_json_put_u64(w, "lost", p->lost);
	fg_json_put_u64(w, "complete", p->complete);
	fg_json_put_u64(w, "guessedFrames", p->guessed_frames);
	fg_json_begin(w, "incompleteBy");
	for (int i = 0; i < FG_STACK_RESULT_COUNT; i++)
		if (p->incomplete_by[i])
			fg_json_put_u64(w, fg_stack_result_name((enum fg_stack_result)i),
					p->incomplete_by[i]);
	fg_json_end(w);
	fg_json_put_double(w, "unnamedShare", p->unnamed_share);
	fg_json_put_double(w, "samplesPerCpuS", p->samples_per_cpu_s);
	fg_json_put_u64(w, "bpfNs", p->bpf_ns);
	fg_json_put_u64(w, "helperCpuNs", p->helper_cpu_ns);
	fg_json_put_u64(w, "targetCpuNs", p->target_cpu_ns);
	fg_run_json_put_notices(w, &p->notices);
	fg_run_json_put_runtimes(w, p);
	fg_bundle_put_types(w, p);
	fg_json_begin(w, "lostBy");
	for (int i = 0; i < FG_LOSS_COUNT; i++)
		fg_json_put_u64(w, fg_loss_name((enum fg_loss)i), p->lost_by[i]);
	fg_json_end(w);
	if (p->source[0])
		fg_json_put_string(w, "source", p->source);
	if (p->user_cpu_ns)
		fg_json_put_u64(w, "userCpuNs", p->user_cpu_ns);
	fg_bundle_put_labels(w, p);
	fg_json_end(w);
}

static_assert(FG_STACK_RESULT_COUNT <= FG_ARRAY_LEN(((struct fg_profile_info *)0)->incomplete_by),
	      "room for every stack result");

static void put_tags(struct fg_json_writer *w, const struct fg_tags *tags)
{
	fg_json_begin(w, "tags");
	for (size_t i = 0; i < tags->count; i++)
		fg_json_put_string(w, tags->items[i].key, tags->items[i].value);
	fg_json_end(w);
}

static int put_scenario_counts(struct fg_json_writer *w, const struct fg_scenario_slice *s,
			       struct fg_err *err)
{
	fg_json_put_u64(w, "iterations", s->iterations);
	fg_json_put_u64(w, "interrupted", s->interrupted);
	fg_json_put_u64(w, "dropped", s->dropped);
	fg_json_put_u64(w, "scheduled", s->scheduled);
	fg_json_put_u64(w, "late", s->late);
	fg_json_put_u64(w, "vus", s->vus);
	fg_json_put_u64(w, "vusMax", s->vus_max);
	int rc = fg_bundle_put_hist(w, "iterationDuration", &s->iteration_duration, err);

	if (rc == 0)
		rc = fg_bundle_put_hist(w, "lag", &s->lag, err);
	if (rc == 0)
		rc = fg_bundle_put_hist(w, "queue", &s->queue, err);
	return rc;
}

static int put_scenarios(struct fg_json_writer *w, const struct fg_result *r, struct fg_err *err)
{
	int rc = 0;

	fg_json_begin_array(w, "scenarios");
	for (size_t i = 0; rc == 0 && i < r->registry.scenario_count; i++) {
		const struct fg_scenario_def *def = &r->registry.scenarios[i];

		fg_json_begin(w, NULL);
		fg_json_put_string(w, "name", def->name);
		fg_json_put_string(w, "executor", def->executor);
		fg_json_put_string(w, "description", def->description);
		fg_json_put_u64(w, "startNs", def->start_ns);
		fg_json_put_u64(w, "durationNs", def->duration_ns);
		fg_json_put_u64(w, "warmupNs", def->warmup_ns);
		fg_json_put_double(w, "targetRatePerS", def->target_rate_per_s);
		put_tags(w, &def->tags);
		rc = put_scenario_counts(w, &r->totals->scenarios[i], err);
		fg_json_end(w);
	}
	fg_json_end(w);
	return rc;
}

void fg_bundle_put_errors(struct fg_json_writer *w, const struct fg_class_slice *half)
{
	const uint32_t *statuses = half->statuses;

	fg_json_begin(w, "errors");
	for (int e = 0; e < FG_NET_ERROR_COUNT; e++)
		if (half->errors[e])
			fg_json_put_u64(w, fg_net_error_name((enum fg_net_error)e),
					half->errors[e]);
	fg_json_end(w);
	fg_json_begin(w, "statuses");
	for (unsigned i = 0; statuses && i < FG_STATUS_MAX; i++) {
		char key[12];

		(void)snprintf(key, sizeof(key), "%u", i);
		if (statuses[i])
			fg_json_put_u64(w, key, statuses[i]);
	}
	fg_json_end(w);
}

/* Without kernel stamps the service time is the duration, and not there twice. */
static bool is_duration(const struct fg_class_slice *half)
{
	const struct fg_hist *a = &half->trends[FG_TREND_SERVICE_TIME];
	const struct fg_hist *b = &half->trends[FG_TREND_DURATION];

	return a->min_ns == b->min_ns && a->max_ns == b->max_ns &&
	       !(a->sum_ns < b->sum_ns || a->sum_ns > b->sum_ns) &&
	       a->lower_bounds == b->lower_bounds && fg_series_has_duration(half);
}

static int put_half(struct fg_json_writer *w, const char *key, const struct fg_class_slice *half,
		    struct fg_err *err)
{
	int rc = 0;

	fg_json_begin(w, key);
	fg_json_put_u64(w, "requests", half->requests);
	fg_json_put_u64(w, "failed", half->failed);
	fg_json_put_u64(w, "sentBytes", half->sent_bytes);
	fg_json_put_u64(w, "receivedBytes", half->received_bytes);
	fg_bundle_put_errors(w, half);
	if (half->trends[FG_TREND_DURATION].count && !half->trends[FG_TREND_SERVICE_TIME].count)
		fg_json_put_bool(w, "noServiceTime", true);
	fg_json_begin(w, "trends");
	for (size_t t = 0; rc == 0 && t < FG_TREND_COUNT; t++)
		if (t != FG_TREND_SERVICE_TIME || !is_duration(half))
			rc = fg_bundle_put_hist(w, fg_metrics[t].name, &half->trends[t], err);
	fg_json_end(w);
	fg_json_end(w);
	return rc;
}

static int put_classes(struct fg_json_writer *w, const struct fg_result *r, struct fg_err *err)
{
	int rc = 0;

	fg_json_begin_array(w, "classes");
	for (size_t i = 0; rc == 0 && i < r->registry.class_count; i++) {
		const struct fg_class *class = &r->registry.classes[i];

		fg_json_begin(w, NULL);
		fg_json_put_u64(w, "scenario", class->scenario);
		fg_json_put_string(w, "name", class->name);
		fg_json_put_string(w, "group", class->group);
		fg_json_put_string(w, "method", class->method);
		fg_json_put_string(w, "url", class->url);
		fg_json_put_string(w, "engine", class->engine);
		fg_json_put_string(w, "clock", class->clock);
		put_tags(w, &class->tags);
		rc = put_half(w, "expected", fg_slice_class(r->totals, i, true), err);
		if (rc == 0)
			rc = put_half(w, "unexpected", fg_slice_class(r->totals, i, false), err);
		fg_json_end(w);
	}
	fg_json_end(w);
	return rc;
}

static void put_checks(struct fg_json_writer *w, const struct fg_result *r)
{
	fg_json_begin_array(w, "checks");
	for (size_t i = 0; i < r->registry.check_count; i++) {
		const struct fg_check *check = &r->registry.checks[i];

		fg_json_begin(w, NULL);
		fg_json_put_u64(w, "scenario", check->scenario);
		fg_json_put_u64(w, "class", check->class_index);
		fg_json_put_string(w, "name", check->name);
		fg_json_put_string(w, "group", check->group);
		fg_json_put_u64(w, "passes", r->totals->checks[i].passes);
		fg_json_put_u64(w, "fails", r->totals->checks[i].fails);
		fg_json_end(w);
	}
	fg_json_end(w);
}

static int put_customs(struct fg_json_writer *w, const struct fg_result *r, struct fg_err *err)
{
	int rc = 0;

	fg_json_begin_array(w, "customs");
	for (size_t i = 0; rc == 0 && i < r->registry.custom_count; i++) {
		const struct fg_custom *custom = &r->registry.customs[i];

		fg_json_begin(w, NULL);
		fg_json_put_u64(w, "scenario", custom->scenario);
		fg_json_put_string(w, "name", custom->name);
		fg_json_put_string(w, "type", fg_metric_type_name(custom->type));
		fg_json_put_bool(w, "isTime", custom->is_time);
		fg_json_put_string(w, "group", custom->group);
		put_tags(w, &custom->tags);
		fg_bundle_put_custom(w, &r->totals->customs[i]);
		rc = fg_bundle_put_custom_hists(w, &r->totals->customs[i], err);
		fg_json_end(w);
	}
	fg_json_end(w);
	return rc;
}

static int put_groups(struct fg_json_writer *w, const struct fg_result *r, struct fg_err *err)
{
	int rc = 0;

	fg_json_begin_array(w, "groups");
	for (size_t i = 0; rc == 0 && i < r->registry.group_count; i++) {
		const struct fg_group *group = &r->registry.groups[i];

		fg_json_begin(w, NULL);
		fg_json_put_u64(w, "scenario", group->scenario);
		fg_json_put_string(w, "path", group->path);
		put_tags(w, &group->tags);
		rc = fg_bundle_put_hist(w, "duration", &r->totals->groups[i], err);
		fg_json_end(w);
	}
	fg_json_end(w);
	return rc;
}

static int put_scenario_file(struct fg_json_writer *w, const struct fg_result *r,
			     struct fg_err *err)
{
	FG_AUTO_JSON json_t *resolved = NULL;
	int rc = 0;

	fg_json_put_string(w, "scenarioHash", r->scenario_hash);
	if (r->scenario_json)
		rc = fg_json_parse(r->scenario_json, strlen(r->scenario_json), &resolved, err);
	if (rc)
		return fg_err_wrap(err, "resolved scenario");
	if (resolved)
		fg_json_put_value(w, "scenario", resolved);
	else
		fg_json_put_null(w, "scenario");
	return 0;
}

int fg_bundle_run_json(const struct fg_result *result, struct fg_buf *out, struct fg_err *err)
{
	struct fg_json_writer writer;

	fg_json_writer_init(&writer, out, true);
	fg_json_begin(&writer, NULL);
	put_identity(&writer, result);
	put_environment(&writer, &result->environment);
	put_thresholds(&writer, result);
	put_cpu(&writer, result);
	fg_bundle_put_memory(&writer, result);
	put_vus(&writer, &result->vus);
	put_profile(&writer, &result->profile);
	put_checks(&writer, result);
	int rc = put_scenarios(&writer, result, err);

	if (rc == 0)
		rc = put_customs(&writer, result, err);
	if (rc == 0)
		rc = put_groups(&writer, result, err);
	if (rc == 0)
		rc = put_classes(&writer, result, err);
	if (rc == 0)
		rc = put_scenario_file(&writer, result, err);
	if (rc)
		return fg_err_wrap(err, "%s", fg_bundle_run_name);
	fg_json_end(&writer);
	fg_buf_add_char(out, '\n');
	rc = fg_json_writer_check(&writer, err);
	return rc ? fg_err_wrap(err, "%s", fg_bundle_run_name) : 0;
}
