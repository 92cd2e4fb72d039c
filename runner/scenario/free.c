/* SPDX-License-Identifier: Apache-2.0 */
/* Releasing and copying the parts of a scenario file. */
#include "runner/scenario/reader.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"

enum { HEADERS_MAX = 256 };

void fg_header_list_done(struct fg_header *headers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(headers[i].name);
		fg_template_done(&headers[i].value);
	}
	free(headers);
}

int fg_header_set(struct fg_header **headers, size_t *count, size_t *capacity, const char *name,
		  struct fg_template *value, struct fg_err *err)
{
	struct fg_header header = {.value = *value};

	*value = (struct fg_template){0};
	int rc = fg_str_dup(name, &header.name, err);

	for (size_t i = 0; i < *count && rc == 0; i++) {
		if (strcasecmp((*headers)[i].name, name) != 0)
			continue;
		free((*headers)[i].name);
		fg_template_done(&(*headers)[i].value);
		(*headers)[i] = header;
		return 0;
	}
	if (rc == 0)
		rc = fg_vec_grow((void **)headers, capacity, *count + 1, HEADERS_MAX,
				 sizeof(header), err);
	if (rc) {
		free(header.name);
		fg_template_done(&header.value);
		return rc;
	}
	(*headers)[(*count)++] = header;
	return 0;
}

void fg_header_remove(struct fg_header *headers, size_t *count, const char *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < *count; i++) {
		if (strcasecmp(headers[i].name, name) != 0) {
			headers[kept++] = headers[i];
			continue;
		}
		free(headers[i].name);
		fg_template_done(&headers[i].value);
	}
	*count = kept;
}

void fg_http_options_done(struct fg_http_options *http)
{
	free(http->ca_file);
	free(http->cert_file);
	free(http->key_file);
	free(http->server_name);
	free(http->proxy);
	free(http->unix_socket);
	fg_tags_done(&http->resolve);
	fg_auth_done(&http->auth);
	fg_header_list_done(http->headers, http->header_count);
	*http = (struct fg_http_options){0};
}

static int copy_text(char *const *src, char **dst, struct fg_err *err)
{
	*dst = NULL;
	return *src ? fg_str_dup(*src, dst, err) : 0;
}

static int copy_auth(const struct fg_auth *src, struct fg_auth *dst, struct fg_err *err)
{
	int rc = fg_template_copy(&dst->user, &src->user, err);

	dst->kind = src->kind;
	if (rc == 0)
		rc = fg_template_copy(&dst->password, &src->password, err);
	if (rc == 0)
		rc = fg_template_copy(&dst->session_token, &src->session_token, err);
	if (rc == 0)
		rc = copy_text(&src->sigv4_region, &dst->sigv4_region, err);
	if (rc == 0)
		rc = copy_text(&src->sigv4_service, &dst->sigv4_service, err);
	return rc;
}

int fg_http_options_copy(struct fg_http_options *dst, const struct fg_http_options *src,
			 struct fg_err *err)
{
	struct fg_http_options copy = *src;
	int rc = 0;
	const struct {
		char *const *src;
		char **dst;
	} texts[] = {
		{&src->ca_file, &copy.ca_file},   {&src->cert_file, &copy.cert_file},
		{&src->key_file, &copy.key_file}, {&src->server_name, &copy.server_name},
		{&src->proxy, &copy.proxy},       {&src->unix_socket, &copy.unix_socket},
	};

	copy.headers = NULL;
	copy.header_count = 0;
	copy.header_capacity = 0;
	copy.resolve = (struct fg_tags){0};
	copy.auth = (struct fg_auth){0};
	for (size_t i = 0; i < FG_ARRAY_LEN(texts); i++)
		*texts[i].dst = NULL;
	for (size_t i = 0; i < FG_ARRAY_LEN(texts) && rc == 0; i++)
		rc = copy_text(texts[i].src, texts[i].dst, err);
	if (rc == 0)
		rc = fg_tags_copy(&copy.resolve, &src->resolve, err);
	if (rc == 0)
		rc = copy_auth(&src->auth, &copy.auth, err);
	if (rc)
		fg_http_options_done(&copy);
	else
		*dst = copy;
	return rc;
}

void fg_condition_done(struct fg_condition *condition)
{
	free(condition->key);
	free(condition->text);
	fg_jsonpath_free(condition->path);
	fg_regex_free(condition->regex);
	fg_regex_free(condition->pattern);
	fg_template_done(&condition->operand);
	*condition = (struct fg_condition){0};
}

void fg_capture_done(struct fg_capture *capture)
{
	free(capture->name);
	free(capture->key);
	fg_jsonpath_free(capture->path);
	fg_regex_free(capture->regex);
	fg_template_done(&capture->standard);
	*capture = (struct fg_capture){0};
}

static void http_done(struct fg_step_http *http)
{
	free(http->method);
	fg_template_done(&http->url);
	free(http->name);
	fg_header_list_done(http->headers, http->header_count);
	fg_template_done(&http->body);
	fg_tags_done(&http->tags);
	for (size_t i = 0; i < http->check_count; i++) {
		free(http->checks[i].name);
		fg_condition_done(&http->checks[i].condition);
	}
	free(http->checks);
	for (size_t i = 0; i < http->expect_count; i++)
		fg_condition_done(&http->expects[i]);
	free(http->expects);
	for (size_t i = 0; i < http->capture_count; i++)
		fg_capture_done(&http->captures[i]);
	free(http->captures);
	fg_http_options_done(&http->http);
}

static void choose_done(struct fg_step_choose *choose)
{
	for (size_t i = 0; i < choose->count; i++)
		fg_steps_done(&choose->items[i].steps);
	free(choose->items);
}

static void run_done(struct fg_step_run *run)
{
	for (size_t i = 0; i < run->argument_count; i++)
		fg_template_done(&run->arguments[i].value);
	free(run->arguments);
}

static void container_done(struct fg_step *step)
{
	switch (step->kind) {
	case FG_STEP_GROUP:
		free(step->group.name);
		fg_steps_done(&step->group.steps);
		break;
	case FG_STEP_LOOP:
		fg_template_done(&step->loop.operand);
		fg_steps_done(&step->loop.steps);
		break;
	case FG_STEP_IF:
		fg_template_done(&step->condition.when);
		fg_steps_done(&step->condition.then);
		fg_steps_done(&step->condition.otherwise);
		break;
	case FG_STEP_CHOOSE:
		choose_done(&step->choose);
		break;
	case FG_STEP_PARALLEL:
		fg_steps_done(&step->parallel.steps);
		break;
	default:
		break;
	}
}

void fg_step_done(struct fg_step *step)
{
	switch (step->kind) {
	case FG_STEP_HTTP:
		http_done(&step->http);
		break;
	case FG_STEP_RUN:
		run_done(&step->run);
		break;
	case FG_STEP_LOG:
	case FG_STEP_FAIL:
		fg_template_done(&step->text.text);
		break;
	case FG_STEP_METRIC:
		free(step->metric.name);
		fg_template_done(&step->metric.value);
		break;
	default:
		container_done(step);
	}
}

void fg_steps_done(struct fg_steps *steps)
{
	for (size_t i = 0; i < steps->count; i++)
		fg_step_done(&steps->items[i]);
	free(steps->items);
	*steps = (struct fg_steps){0};
}

void fg_scenario_done(struct fg_scenario *scenario)
{
	free(scenario->name);
	free(scenario->stages);
	fg_tags_done(&scenario->tags);
	fg_tags_done(&scenario->env);
	fg_steps_done(&scenario->init);
	fg_steps_done(&scenario->steps);
}

static void target_done(struct fg_target *target)
{
	free(target->url);
	for (size_t i = 0; target->command && target->command[i]; i++)
		free(target->command[i]);
	free(target->command);
	fg_tags_done(&target->env);
	free(target->cwd);
	free(target->cpus);
	free(target->ready_url);
	free(target->ready_log);
	free(target->process_pid_file);
	free(target->process_name);
	free(target->process_cgroup);
	free(target->process_container);
	free(target->process_unit);
}

static void prometheus_done(struct fg_publish_prometheus *prometheus)
{
	free(prometheus->url);
	for (size_t i = 0; i < prometheus->trend_stat_count; i++)
		free(prometheus->trend_stats[i]);
	free(prometheus->trend_stats);
	fg_template_done(&prometheus->testid);
	fg_tags_done(&prometheus->labels);
	fg_header_list_done(prometheus->headers, prometheus->header_count);
	free(prometheus->username);
	free(prometheus->password);
	free(prometheus->bearer_token);
	*prometheus = (struct fg_publish_prometheus){0};
}

static void free_names(struct fg_scenario_file *file)
{
	for (size_t i = 0; i < file->slot_count; i++)
		free(file->slot_names[i]);
	free(file->slot_names);
	for (size_t i = 0; i < file->global_count; i++)
		free(file->globals[i].name);
	free(file->globals);
}

static void free_steps(struct fg_scenario_file *file)
{
	for (size_t i = 0; i < file->flow_count; i++) {
		free(file->flows[i].name);
		fg_steps_done(&file->flows[i].steps);
	}
	free(file->flows);
	fg_steps_done(&file->setup.steps);
	fg_steps_done(&file->teardown.steps);
	for (size_t i = 0; i < file->data_count; i++)
		fg_data_done(&file->data[i]);
	free(file->data);
}

static void free_lists(struct fg_scenario_file *file)
{
	for (size_t i = 0; i < file->scenario_count; i++)
		fg_scenario_done(&file->scenarios[i]);
	free(file->scenarios);
	for (size_t i = 0; i < file->threshold_count; i++)
		fg_threshold_done(&file->thresholds[i]);
	free(file->thresholds);
	for (size_t i = 0; i < file->scrape_count; i++)
		fg_scrape_setting_done(&file->scrapes[i]);
	for (size_t i = 0; i < file->publish_count; i++) {
		free(file->publish[i].url);
		fg_tags_done(&file->publish[i].labels);
	}
	free(file->publish);
	for (size_t i = 0; i < file->prometheus_count; i++)
		prometheus_done(&file->prometheus[i]);
	free(file->prometheus);
	for (size_t i = 0; i < file->file_count; i++)
		free(file->files[i]);
	free(file->files);
}

void fg_scenario_file_free(struct fg_scenario_file *file)
{
	if (!file)
		return;
	free_lists(file);
	free_steps(file);
	free_names(file);
	target_done(&file->target);
	fg_http_options_done(&file->http);
	fg_gate_done(&file->gate);
	fg_tags_done(&file->secrets);
	free(file->path);
	free(file->dir);
	free(file->name);
	free(file->loadgen_cpus);
	free(file->profile_debuginfod);
	free(file->baseline_dir);
	free(file->report_markdown);
	free(file->report_junit);
	free(file->resolved_json);
	free(file);
}
