/* SPDX-License-Identifier: Apache-2.0 */
/* A scenario file's scenarios, classes, checks, groups and metrics as registry definitions, in file
 * order. */
#include "runner/scenario/reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"

static void describe_ramp(const struct fg_scenario *scenario, const char *what, struct fg_buf *out)
{
	char text[FG_NUM_TEXT_MAX];
	uint64_t most = 0;

	for (size_t i = 0; i < scenario->stage_count; i++)
		most = FG_MAX(most, scenario->stages[i].target);
	fg_buf_addf(out, "up to %" PRIu64 "%s in %zu %s, %s", most, what, scenario->stage_count,
		    scenario->stage_count == 1 ? "stage" : "stages",
		    fg_num_format_duration(scenario->duration_ns, text));
}

static void describe_vus(const struct fg_scenario *scenario, struct fg_buf *out)
{
	if (scenario->max_vus > scenario->pre_allocated_vus)
		fg_buf_addf(out, ", %" PRIu64 "–%" PRIu64 " VUs", scenario->pre_allocated_vus,
			    scenario->max_vus);
	else
		fg_buf_addf(out, ", %" PRIu64 " VU%s", scenario->pre_allocated_vus,
			    scenario->pre_allocated_vus == 1 ? "" : "s");
}

/* "200/s for 1m, 50–200 VUs" */
static void describe(const struct fg_scenario *scenario, struct fg_buf *out)
{
	char text[FG_NUM_TEXT_MAX];
	char unit[FG_NUM_TEXT_MAX + 2];

	(void)fg_num_format_duration(scenario->time_unit_ns, text);
	(void)snprintf(unit, sizeof(unit), "/%s", strcmp(text, "1s") == 0 ? "s" : text);
	switch (scenario->executor) {
	case FG_EXEC_CONSTANT_ARRIVAL_RATE:
		fg_buf_addf(out, "%" PRIu64 "%s for %s", scenario->rate, unit,
			    fg_num_format_duration(scenario->duration_ns, text));
		describe_vus(scenario, out);
		break;
	case FG_EXEC_RAMPING_ARRIVAL_RATE:
		describe_ramp(scenario, unit, out);
		describe_vus(scenario, out);
		break;
	case FG_EXEC_RAMPING_VUS:
		describe_ramp(scenario, " VUs", out);
		break;
	case FG_EXEC_CONSTANT_VUS:
		fg_buf_addf(out, "%" PRIu64 " VU%s for %s", scenario->vus,
			    scenario->vus == 1 ? "" : "s",
			    fg_num_format_duration(scenario->duration_ns, text));
		break;
	default:
		fg_buf_addf(out, "%" PRIu64 " %s %" PRIu64 " VUs, at most %s", scenario->iterations,
			    scenario->executor == FG_EXEC_SHARED_ITERATIONS ? "by" : "each by",
			    scenario->vus, fg_num_format_duration(scenario->max_duration_ns, text));
	}
}

static double highest_rate_per_s(const struct fg_scenario *scenario)
{
	uint64_t rate = FG_MAX(scenario->rate, scenario->start_rate);

	if (scenario->executor != FG_EXEC_CONSTANT_ARRIVAL_RATE &&
	    scenario->executor != FG_EXEC_RAMPING_ARRIVAL_RATE)
		return 0;
	for (size_t i = 0; i < scenario->stage_count; i++)
		rate = FG_MAX(rate, scenario->stages[i].target);
	return (double)rate * (double)FG_NS_PER_S / (double)scenario->time_unit_ns;
}

static int add_scenario(const struct fg_scenario *scenario, struct fg_registry *registry,
			struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {0};
	FG_AUTO_FREE char *executor = strdup(fg_executor_names[scenario->executor]);

	fg_buf_init(&text, 4096);
	describe(scenario, &text);
	int rc = executor ? fg_buf_check(&text, err) : fg_err_nomem(err);

	if (rc)            /* clang 14's analyser does not know the cleanup attribute */
		return rc; // NOLINT(clang-analyzer-unix.Malloc)
	struct fg_scenario_def def = {
		.name = scenario->name,
		.executor = executor,
		.description = text.data,
		.start_ns = scenario->start_time_ns,
		.duration_ns = scenario->duration_ns,
		.warmup_ns = scenario->warmup_ns,
		.target_rate_per_s = highest_rate_per_s(scenario),
		.tags = scenario->tags,
	};
	return fg_registry_add_scenario(registry, &def, err);
}

struct registering {
	const struct fg_scenario_file *file;
	const struct fg_scenario *scenario;
	uint32_t index; /* of the scenario */
	const char *engine;
	struct fg_registry *registry;
};

static int add_checks(const struct registering *r, const struct fg_visit *visit,
		      uint32_t class_index, struct fg_err *err)
{
	const struct fg_step_http *http = &visit->step->http;
	FG_AUTO_FREE char *group = strdup(visit->group);
	int rc = group ? 0 : fg_err_nomem(err);

	for (size_t i = 0; i < http->check_count && rc >= 0; i++) {
		struct fg_check def = {.scenario = r->index,
				       .class_index = class_index,
				       .name = http->checks[i].name,
				       .group = group};

		rc = fg_registry_add_check(r->registry, &def, err);
	}
	return rc < 0 ? rc : 0;
}

static int add_request(const struct registering *r, const struct fg_visit *visit,
		       struct fg_err *err)
{
	const struct fg_step_http *http = &visit->step->http;
	struct fg_tags tags = {0};
	FG_AUTO_FREE char *url = fg_secrets_mask(&r->file->secrets, http->url.source, err);
	FG_AUTO_FREE char *engine_name = strdup(r->engine);
	FG_AUTO_FREE char *group = strdup(visit->group);
	char clock[] = "user";
	int rc = !url                   ? -(int)FG_E_NOMEM
		 : engine_name && group ? fg_tags_copy(&tags, &r->scenario->tags, err)
					: fg_err_nomem(err);

	for (size_t i = 0; i < http->tags.count && rc == 0; i++)
		rc = fg_tags_add(&tags, http->tags.items[i].key, http->tags.items[i].value, err);
	if (rc == 0) {
		struct fg_class def = {.scenario = r->index,
				       .name = http->name,
				       .group = group,
				       .method = http->method,
				       .url = url,
				       .tags = tags,
				       .engine = engine_name,
				       .clock = clock};

		rc = fg_registry_add_class(r->registry, &def, err);
	}
	/* clang 14's analyser does not know the cleanup attribute */
	fg_tags_done(&tags); // NOLINT(clang-analyzer-unix.Malloc)
	return rc < 0 ? rc : add_checks(r, visit, (uint32_t)rc, err);
}

static int add_custom(const struct registering *r, const struct fg_visit *visit, struct fg_err *err)
{
	const struct fg_step_metric *metric = &visit->step->metric;
	FG_AUTO_FREE char *group = strdup(visit->group);
	struct fg_custom def = {
		.scenario = r->index,
		.name = metric->name,
		.type = metric->type,
		.is_time = metric->is_time,
		.group = group,
		.tags = r->scenario->tags,
	};

	return group ? fg_registry_add_custom(r->registry, &def, err) : fg_err_nomem(err);
}

static int add_group(const struct registering *r, const struct fg_visit *visit, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf path = {0};

	fg_buf_init(&path, 64 << 10);
	fg_buf_addf(&path, "%s::%s", visit->group, visit->step->group.name);
	int rc = fg_buf_check(&path, err);

	if (rc == 0) {
		struct fg_group def = {
			.scenario = r->index, .path = path.data, .tags = r->scenario->tags};

		rc = fg_registry_add_group(r->registry, &def, err);
	}
	return rc;
}

static int visit_step(void *context, const struct fg_visit *visit, struct fg_err *err)
{
	const struct registering *r = context;
	const struct fg_place *place = &visit->step->place;
	int rc = 0;

	if (visit->step->kind == FG_STEP_HTTP)
		rc = add_request(r, visit, err);
	else if (visit->step->kind == FG_STEP_METRIC)
		rc = add_custom(r, visit, err);
	else if (visit->step->kind == FG_STEP_GROUP)
		rc = add_group(r, visit, err);
	if (rc < 0 && err)
		fg_err_at(err, place->file, place->line, place->column);
	return rc < 0 ? rc : 0;
}

int fg_scenario_register(const struct fg_scenario_file *file, const char *engine,
			 struct fg_registry *registry, struct fg_err *err)
{
	for (size_t i = 0; i < file->scenario_count; i++) {
		struct registering r = {.file = file,
					.scenario = &file->scenarios[i],
					.engine = engine,
					.registry = registry};
		int rc = add_scenario(r.scenario, registry, err);

		if (rc < 0)
			return rc;
		r.index = (uint32_t)rc;
		/* init counts nothing, so only the steps of iterations are registered. */
		rc = fg_steps_walk(file, &r.scenario->steps, visit_step, &r, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}
