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

void fg_http_options_done(struct fg_http_options *http)
{
	free(http->ca_file);
	free(http->cert_file);
	free(http->key_file);
	fg_header_list_done(http->headers, http->header_count);
	*http = (struct fg_http_options){0};
}

static int copy_text(char *const *src, char **dst, struct fg_err *err)
{
	*dst = NULL;
	return *src ? fg_str_dup(*src, dst, err) : 0;
}

int fg_http_options_copy(struct fg_http_options *dst, const struct fg_http_options *src,
			 struct fg_err *err)
{
	struct fg_http_options copy = *src;

	copy.headers = NULL;
	copy.header_count = 0;
	copy.header_capacity = 0;
	copy.ca_file = NULL;
	copy.cert_file = NULL;
	copy.key_file = NULL;
	int rc = copy_text(&src->ca_file, &copy.ca_file, err);

	if (rc == 0)
		rc = copy_text(&src->cert_file, &copy.cert_file, err);
	if (rc == 0)
		rc = copy_text(&src->key_file, &copy.key_file, err);
	if (rc)
		fg_http_options_done(&copy);
	else
		*dst = copy;
	return rc;
}

void fg_step_done(struct fg_step *step)
{
	if (step->kind != FG_STEP_HTTP)
		return;
	struct fg_step_http *http = &step->http;

	free(http->method);
	fg_template_done(&http->url);
	free(http->name);
	free(http->group);
	fg_header_list_done(http->headers, http->header_count);
	fg_template_done(&http->body);
	fg_tags_done(&http->tags);
	for (size_t i = 0; i < http->check_count; i++)
		free(http->checks[i].name);
	free(http->checks);
	fg_http_options_done(&http->http);
}

void fg_scenario_done(struct fg_scenario *scenario)
{
	free(scenario->name);
	free(scenario->stages);
	fg_tags_done(&scenario->tags);
	for (size_t i = 0; i < scenario->steps.count; i++)
		fg_step_done(&scenario->steps.items[i]);
	free(scenario->steps.items);
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
}

static void free_lists(struct fg_scenario_file *file)
{
	for (size_t i = 0; i < file->scenario_count; i++)
		fg_scenario_done(&file->scenarios[i]);
	free(file->scenarios);
	for (size_t i = 0; i < file->threshold_count; i++)
		fg_threshold_done(&file->thresholds[i]);
	free(file->thresholds);
	for (size_t i = 0; i < file->publish_count; i++) {
		free(file->publish[i].url);
		fg_tags_done(&file->publish[i].labels);
	}
	free(file->publish);
	for (size_t i = 0; i < file->file_count; i++)
		free(file->files[i]);
	free(file->files);
}

void fg_scenario_file_free(struct fg_scenario_file *file)
{
	if (!file)
		return;
	free_lists(file);
	target_done(&file->target);
	fg_http_options_done(&file->http);
	fg_gate_done(&file->gate);
	fg_tags_done(&file->secrets);
	free(file->path);
	free(file->dir);
	free(file->name);
	free(file->loadgen_cpus);
	free(file->baseline_dir);
	free(file->report_markdown);
	free(file->report_junit);
	free(file->resolved_json);
	free(file);
}
