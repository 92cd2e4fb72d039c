/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/program.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"

static bool template_is_constant(const struct fg_template *text)
{
	for (size_t i = 0; i < text->part_count; i++) {
		if (text->parts[i].kind != FG_PART_TEXT)
			return false;
	}
	return true;
}

static bool step_is_constant(const struct fg_step_http *http)
{
	bool constant = template_is_constant(&http->url);

	for (size_t i = 0; i < http->header_count; i++)
		constant = constant && template_is_constant(&http->headers[i].value);
	return constant && (!http->has_body || template_is_constant(&http->body));
}

/* A line break in a header would start a header of its own, or the body. */
static int check_headers(const struct fg_step_http *http, struct fg_err *err)
{
	for (size_t i = 0; i < http->header_count; i++) {
		const struct fg_header *header = &http->headers[i];
		bool bad = !header->name || !*header->name || strpbrk(header->name, "\r\n: ");

		for (size_t p = 0; !bad && p < header->value.part_count; p++) {
			const struct fg_template_part *part = &header->value.parts[p];

			bad = part->kind == FG_PART_TEXT && (memchr(part->text, '\r', part->len) ||
							     memchr(part->text, '\n', part->len) ||
							     memchr(part->text, '\0', part->len));
		}
		if (bad)
			return fg_err_set(err, FG_E_INVALID,
					  "header \"%s\": name or value cannot be sent",
					  header->name ? header->name : "");
	}
	return 0;
}

static bool is_absolute(const char *url)
{
	return fg_str_starts_with(url, "http://") || fg_str_starts_with(url, "https://");
}

/* Relative step URLs are appended to the target's URL, so that a path in it is kept. */
static int make_prefix(const struct fg_step_http *http, const char *target_url, char **ret,
		       struct fg_err *err)
{
	const char *first = http->url.part_count && http->url.parts[0].kind == FG_PART_TEXT
				    ? http->url.parts[0].text
				    : "";
	const bool slash = first[0] == '/' || first[0] == '?';
	size_t len;
	char *prefix;

	if (is_absolute(first))
		return fg_str_dup("", ret, err);
	if (!target_url || !is_absolute(target_url))
		return fg_err_set(err, FG_E_INVALID,
				  "step \"%s\": its URL is relative and the target has none; "
				  "set target.url to an http:// or https:// address",
				  http->name ? http->name : first);
	len = strlen(target_url);
	while (len > 8 && target_url[len - 1] == '/')
		len--;
	prefix = malloc(len + 2);
	if (!prefix)
		return fg_err_nomem(err);
	memcpy(prefix, target_url, len);
	memcpy(prefix + len, slash ? "" : "/", slash ? 1 : 2);
	*ret = prefix;
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

static int find_class(const struct fg_registry *registry, size_t scenario,
		      const struct fg_step_http *http, uint32_t *ret, struct fg_err *err)
{
	for (size_t i = 0; i < registry->class_count; i++) {
		const struct fg_class *class = &registry->classes[i];

		if (class->scenario == scenario && same_text(class->name, http->name) &&
		    same_text(class->group, http->group)) {
			*ret = (uint32_t)i;
			return 0;
		}
	}
	return fg_err_set(err, FG_E_INTERNAL, "step \"%s\" is not registered", http->name);
}

static int find_check(const struct fg_registry *registry, uint32_t class_index, const char *name,
		      uint32_t *ret, struct fg_err *err)
{
	for (size_t i = 0; i < registry->check_count; i++) {
		if (registry->checks[i].class_index == class_index &&
		    same_text(registry->checks[i].name, name)) {
			*ret = (uint32_t)i;
			return 0;
		}
	}
	return fg_err_set(err, FG_E_INTERNAL, "check \"%s\" is not registered", name);
}

static int render(const struct fg_program_step *step, const struct fg_program_ids *ids,
		  struct fg_buf *url, struct fg_buf *body, struct fg_buf *header_text,
		  const char **headers, struct fg_err *err)
{
	const struct fg_step_http *http = &step->step->http;
	size_t offset = 0;

	fg_buf_clear(url);
	fg_buf_clear(body);
	fg_buf_clear(header_text);
	fg_buf_add_str(url, step->url_prefix);
	fg_template_render(&http->url, ids->vu, ids->iteration, ids->scenario_iteration, url);
	if (http->has_body) {
		fg_buf_add_str(body, "");
		fg_template_render(&http->body, ids->vu, ids->iteration, ids->scenario_iteration,
				   body);
	}
	for (size_t i = 0; i < http->header_count; i++) {
		fg_buf_add_str(header_text, http->headers[i].name);
		/* curl's spelling for a header without a value */
		fg_buf_add_str(header_text, http->headers[i].value.part_count ? ": " : ";");
		fg_template_render(&http->headers[i].value, ids->vu, ids->iteration,
				   ids->scenario_iteration, header_text);
		fg_buf_add_char(header_text, '\0');
	}
	if (fg_buf_check(url, err) || fg_buf_check(body, err) || fg_buf_check(header_text, err))
		return fg_err_wrap(err, "step \"%s\"", http->name);
	for (size_t i = 0; i < http->header_count; i++) {
		headers[i] = header_text->data + offset;
		offset += strlen(headers[i]) + 1;
	}
	return 0;
}

static void init_buffers(struct fg_buf *url, struct fg_buf *body, struct fg_buf *header_text)
{
	fg_buf_init(url, FG_PROGRAM_URL_MAX);
	fg_buf_init(body, FG_PROGRAM_BODY_MAX);
	fg_buf_init(header_text, FG_PROGRAM_HEADERS_MAX);
}

static int step_init(struct fg_program_step *step, const struct fg_program *program,
		     const struct fg_registry *registry, const char *target_url, struct fg_err *err)
{
	const struct fg_program_ids no_ids = {0};
	const struct fg_step_http *http = &step->step->http;
	int rc;

	init_buffers(&step->url, &step->body, &step->header_text);
	if (http->http.version == FG_HTTP_H2C)
		return fg_err_set(err, FG_E_LATER, "version: h2c comes with a later issue");
	if ((rc = check_headers(http, err)) ||
	    (rc = make_prefix(http, target_url, &step->url_prefix, err)) ||
	    (rc = find_class(registry, program->scenario_index, http, &step->class_index, err)))
		return rc;
	step->check_indices = calloc(http->check_count + 1, sizeof(*step->check_indices));
	step->headers = calloc(http->header_count + 1, sizeof(*step->headers));
	if (!step->check_indices || !step->headers)
		return fg_err_nomem(err);
	for (size_t i = 0; i < http->check_count; i++) {
		rc = find_check(registry, step->class_index, http->checks[i].name,
				&step->check_indices[i], err);
		if (rc)
			return rc;
	}
	step->constant = step_is_constant(http);
	if (!step->constant)
		return 0;
	return render(step, &no_ids, &step->url, &step->body, &step->header_text, step->headers,
		      err);
}

static int add_steps(struct fg_program *program, const struct fg_registry *registry,
		     const char *target_url, struct fg_err *err)
{
	for (size_t i = 0; i < program->scenario->steps.count; i++) {
		struct fg_program_step *step = &program->steps[i];
		int rc;

		step->step = &program->scenario->steps.items[i];
		program->step_count = i + 1;
		if (step->step->kind != FG_STEP_HTTP)
			continue;
		rc = step_init(step, program, registry, target_url, err);
		if (rc)
			return rc;
		program->headers_max = FG_MAX(program->headers_max, step->step->http.header_count);
		if (!program->has_request) {
			program->has_request = true;
			program->first_class = step->class_index;
			program->connection = step->step->http.http.connection;
		}
	}
	return 0;
}

int fg_program_new(const struct fg_scenario_file *file, size_t scenario_index,
		   const struct fg_registry *registry, const char *target_url,
		   struct fg_program **ret, struct fg_err *err)
{
	const struct fg_scenario *scenario = &file->scenarios[scenario_index];
	struct fg_program *program = calloc(1, sizeof(*program));
	int rc;

	if (!program)
		return fg_err_nomem(err);
	program->scenario = scenario;
	program->scenario_index = (uint32_t)scenario_index;
	program->steps = calloc(scenario->steps.count + 1, sizeof(*program->steps));
	rc = program->steps ? add_steps(program, registry, target_url, err) : fg_err_nomem(err);
	if (rc) {
		fg_program_free(program);
		return fg_err_wrap(err, "scenario %s", scenario->name);
	}
	*ret = program;
	return 0;
}

void fg_program_free(struct fg_program *program)
{
	if (!program)
		return;
	for (size_t i = 0; i < program->step_count; i++) {
		struct fg_program_step *step = &program->steps[i];

		free(step->check_indices);
		free(step->url_prefix);
		free(step->headers);
		fg_buf_done(&step->url);
		fg_buf_done(&step->body);
		fg_buf_done(&step->header_text);
	}
	free(program->steps);
	free(program);
}

int fg_program_scratch_init(struct fg_program_scratch *scratch, const struct fg_program *program,
			    struct fg_err *err)
{
	init_buffers(&scratch->url, &scratch->body, &scratch->header_text);
	scratch->headers = calloc(program->headers_max + 1, sizeof(*scratch->headers));
	return scratch->headers ? 0 : fg_err_nomem(err);
}

void fg_program_scratch_done(struct fg_program_scratch *scratch)
{
	fg_buf_done(&scratch->url);
	fg_buf_done(&scratch->body);
	fg_buf_done(&scratch->header_text);
	free(scratch->headers);
	scratch->headers = NULL;
}

int fg_program_request(const struct fg_program *program, size_t index,
		       const struct fg_program_ids *ids, struct fg_program_scratch *scratch,
		       struct fg_engine_request *ret, struct fg_err *err)
{
	const struct fg_program_step *step = &program->steps[index];
	const struct fg_step_http *http = &step->step->http;
	const struct fg_buf *url = &step->url, *body = &step->body;
	int rc;

	ret->headers = step->headers;
	if (!step->constant) {
		rc = render(step, ids, &scratch->url, &scratch->body, &scratch->header_text,
			    scratch->headers, err);
		if (rc)
			return rc;
		url = &scratch->url;
		body = &scratch->body;
		ret->headers = scratch->headers;
	}
	ret->constant_key = step->constant ? step : NULL;
	ret->method = http->method;
	ret->url = url->data;
	ret->header_count = http->header_count;
	ret->body = http->has_body ? (body->data ? body->data : "") : NULL;
	ret->body_len = http->has_body ? body->len : 0;
	ret->http = &http->http;
	return 0;
}
