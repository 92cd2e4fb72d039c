/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/convert/openapi.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gate/base/str.h"
#include "runner/scenario/yaml.h"

enum { REFS_MAX = 16, PARAMETERS_MAX = 100 };

struct state {
	const struct fg_node *root;
	struct fg_draft *draft;
	const char *path;   /* of the API that is being converted */
	const char *method; /* as written */
	char place[256];
};

static const char *text_of(const struct fg_node *map, const char *key)
{
	const struct fg_node *value =
		map && map->kind == FG_NODE_MAP ? fg_node_get(map, key, NULL) : NULL;

	return value && value->kind == FG_NODE_SCALAR ? value->text : NULL;
}

static const struct fg_node *member(const struct fg_node *map, const char *key)
{
	return map && map->kind == FG_NODE_MAP ? fg_node_get(map, key, NULL) : NULL;
}

/* One step of "#/components/parameters/Id": ~1 and ~0 are / and ~ (RFC 6901). */
static const struct fg_node *step_into(const struct fg_node *node, const char **at)
{
	char name[256];
	size_t len = 0;

	for (; **at && **at != '/'; (*at)++) {
		if (len == sizeof(name) - 1)
			return NULL;
		if (**at == '~' && ((*at)[1] == '1' || (*at)[1] == '0'))
			name[len++] = *++*at == '1' ? '/' : '~';
		else
			name[len++] = **at;
	}
	name[len] = '\0';
	if (**at == '/')
		(*at)++;
	return member(node, name);
}

/* Follows $ref, a bounded number of times; NULL: it leads nowhere. */
static const struct fg_node *resolve(const struct state *state, const struct fg_node *node)
{
	for (int hops = 0; node && hops < REFS_MAX; hops++) {
		const char *ref = text_of(node, "$ref");

		if (!ref)
			return node;
		if (!fg_str_starts_with(ref, "#/"))
			return NULL;
		node = state->root;
		for (const char *at = ref + 2; node && *at;)
			node = step_into(node, &at);
	}
	return NULL;
}

/* A scalar that may stand for the parameter: its example, default, or first enum value. */
static const char *sample_in(const struct fg_node *node)
{
	static const char *const keys[] = {"example", "default", "const", "x-example"};

	for (size_t i = 0; i < FG_ARRAY_LEN(keys); i++)
		if (text_of(node, keys[i]))
			return text_of(node, keys[i]);
	for (int i = 0; i < 2; i++) {
		const struct fg_node *list = member(node, i ? "examples" : "enum");

		if (list && list->kind == FG_NODE_LIST && list->count &&
		    list->items[0]->kind == FG_NODE_SCALAR)
			return list->items[0]->text;
	}
	return NULL;
}

static const char *sample_of(const struct state *state, const struct fg_node *parameter)
{
	const struct fg_node *examples = member(parameter, "examples");
	const char *sample = sample_in(parameter);

	/* OpenAPI 3: examples: { name: { value: … } } */
	if (!sample && examples && examples->kind == FG_NODE_MAP && examples->count >= 2)
		sample = text_of(resolve(state, examples->items[1]), "value");
	return sample ? sample : sample_in(resolve(state, member(parameter, "schema")));
}

static void percent_encode(const char *text, struct fg_buf *out)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
		    (*c >= '0' && *c <= '9') || strchr("-._~", *c))
			fg_buf_add_char(out, (char)*c);
		else
			fg_buf_addf(out, "%%%02X", *c);
	}
}

/* What stands for {name} in the path; NULL: no sample. */
static const char *find_sample(const struct state *state, const struct fg_node *const *lists,
			       const char *where, const char *name, size_t name_len)
{
	for (int l = 1; l >= 0; l--) { /* the operation's own come before the path's */
		const struct fg_node *list = lists[l];

		for (size_t i = 0; list && list->kind == FG_NODE_LIST && i < list->count; i++) {
			const struct fg_node *parameter = resolve(state, list->items[i]);
			const char *in = text_of(parameter, "in");
			const char *its_name = text_of(parameter, "name");

			if (in && its_name && strcmp(in, where) == 0 &&
			    strlen(its_name) == name_len && strncmp(its_name, name, name_len) == 0)
				return sample_of(state, parameter);
		}
	}
	return NULL;
}

/* What the description writes as it is; what no URL may hold is encoded. */
static void put_literal(const char *text, size_t len, struct fg_buf *out)
{
	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)text[i];

		if (c <= ' ' || c == 0x7f || strchr("\"<>", c))
			fg_buf_addf(out, "%%%02X", c);
		else
			fg_buf_add_char(out, text[i]);
	}
}

/* "/pets/{id}" with samples in place; false after a note. */
static bool fill_path(struct state *state, const struct fg_node *const *lists, struct fg_buf *url)
{
	for (const char *at = state->path; *at;) {
		const char *open = strchr(at, '{');
		const char *close = open ? strchr(open, '}') : NULL;

		if (!close) {
			put_literal(at, strlen(at), url);
			return true;
		}
		const size_t len = (size_t)(close - open - 1);
		const char *sample = find_sample(state, lists, "path", open + 1, len);

		if (!sample) {
			fg_draft_note(state->draft, state->place,
				      "left out: path parameter \"%.*s\" has no example",
				      (int)FG_MIN(len, (size_t)60), open + 1);
			return false;
		}
		put_literal(at, (size_t)(open - at), url);
		percent_encode(sample, url);
		at = close + 1;
	}
	return true;
}

/* Required ones only; false after a note. */
static bool take_parameter(struct state *state, const struct fg_node *parameter,
			   struct fg_draft_step *step, struct fg_buf *url, struct fg_err *err)
{
	const char *in = text_of(parameter, "in");
	const char *name = text_of(parameter, "name");
	const char *required = text_of(parameter, "required");
	const char *sample;

	if (!in || !name || !required || strcmp(required, "true") != 0 || strcmp(in, "path") == 0)
		return true;
	sample = sample_of(state, parameter);
	if (!sample) {
		fg_draft_note(state->draft, state->place,
			      "left out: required %s parameter \"%.60s\" has no example", in, name);
		return false;
	}
	if (strcmp(in, "header") == 0 && fg_draft_is_token(name) && !strpbrk(sample, "\r\n"))
		return fg_tags_add(&step->headers, name, sample, err) == 0;
	if (strcmp(in, "query") != 0) {
		fg_draft_note(state->draft, state->place, "left out: needs %s parameter \"%.60s\"",
			      in, name);
		return false;
	}
	fg_buf_add_char(url, url->data && strchr(url->data, '?') ? '&' : '?');
	percent_encode(name, url);
	fg_buf_add_char(url, '=');
	percent_encode(sample, url);
	return true;
}

/* The lowest 2xx that the description names. */
static uint16_t expected_status(const struct fg_node *operation)
{
	const struct fg_node *responses = member(operation, "responses");
	uint16_t lowest = 0;

	for (size_t i = 0; responses && responses->kind == FG_NODE_MAP && i < responses->count;
	     i += 2) {
		const char *code = responses->items[i]->text;

		if (strlen(code) == 3 && code[0] == '2' && code[1] >= '0' && code[1] <= '9' &&
		    code[2] >= '0' && code[2] <= '9') {
			const uint16_t status =
				(uint16_t)(200 + (code[1] - '0') * 10 + (code[2] - '0'));

			lowest = lowest ? FG_MIN(lowest, status) : status;
		}
	}
	return lowest;
}

/* "GET /items/:id": "/items/{id}" as it is written everywhere here. */
static void name_step(const struct state *state, struct fg_buf *name)
{
	fg_buf_addf(name, "%s ", strcasecmp(state->method, "head") == 0 ? "HEAD" : "GET");
	for (const char *c = state->path; *c; c++)
		if (*c != '}')
			fg_buf_add_char(name, (char)(*c == '{' ? ':' : *c));
}

static bool take_parameters(struct state *state, const struct fg_node *list,
			    struct fg_draft_step *step, struct fg_buf *url, struct fg_err *err)
{
	bool keep = true;

	if (!list || list->kind != FG_NODE_LIST)
		return true;
	for (size_t i = 0; keep && i < FG_MIN(list->count, (size_t)PARAMETERS_MAX); i++)
		keep = take_parameter(state, resolve(state, list->items[i]), step, url, err);
	return keep;
}

static int fill_step(const struct state *state, struct fg_buf *url, struct fg_draft_step *step,
		     struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf name = {0};

	fg_buf_init(&name, 8192);
	name_step(state, &name);
	int rc = fg_buf_check(url, err);

	if (rc == 0)
		rc = fg_buf_check(&name, err);
	if (rc == 0)
		rc = fg_str_dup(state->method, &step->method, err);
	if (rc == 0)
		rc = fg_str_dup(url->data ? url->data : "/", &step->url, err);
	return rc ? rc : fg_str_dup(name.data, &step->name, err);
}

static int add_step(struct state *state, const struct fg_node *operation,
		    const struct fg_node *const *lists, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf url = {0};
	struct fg_draft_step step = {.status = expected_status(operation)};
	int rc = 0;

	fg_buf_init(&url, 8192);
	const bool keep = fill_path(state, lists, &url) &&
			  take_parameters(state, lists[0], &step, &url, err) &&
			  take_parameters(state, lists[1], &step, &url, err);

	if (keep)
		rc = fill_step(state, &url, &step, err);
	if (keep && rc == 0)
		return fg_draft_add(state->draft, &step, err);
	fg_draft_step_done(&step);
	return rc;
}

static bool is_method(const char *key)
{
	static const char *const methods[] = {"get",     "put",  "post",  "delete",
					      "options", "head", "patch", "trace"};

	for (size_t i = 0; i < FG_ARRAY_LEN(methods); i++)
		if (strcmp(methods[i], key) == 0)
			return true;
	return false;
}

static int convert_path(struct state *state, const struct fg_node *item, struct fg_err *err)
{
	for (size_t i = 0; i + 1 < item->count; i += 2) {
		const struct fg_node *operation = item->items[i + 1];

		state->method = item->items[i]->text;
		if (!is_method(state->method) || operation->kind != FG_NODE_MAP)
			continue;
		(void)snprintf(state->place, sizeof(state->place), "line %u: %s %.200s",
			       item->items[i]->mark.line, state->method, state->path);
		if (strcmp(state->method, "get") != 0 && strcmp(state->method, "head") != 0) {
			fg_draft_note(state->draft, state->place,
				      "left out: it may change something; add it by hand");
			continue;
		}
		if (state->draft->step_count == FG_DRAFT_STEPS_MAX) {
			fg_draft_note(state->draft, state->place, "left out: too many steps");
			continue;
		}
		const struct fg_node *const lists[2] = {member(item, "parameters"),
							member(operation, "parameters")};
		int rc = add_step(state, operation, lists, err);

		if (rc)
			return rc;
		if (member(operation, "security") || member(state->root, "security"))
			fg_draft_note(state->draft, state->place,
				      "asks for credentials: add auth: or a header");
	}
	return 0;
}

/* servers: [{ url }], or Swagger 2's scheme, host and basePath. */
static int find_server(struct state *state, struct fg_err *err)
{
	const struct fg_node *servers = member(state->root, "servers");
	const char *host = text_of(state->root, "host");
	const char *base = text_of(state->root, "basePath");
	const struct fg_node *schemes = member(state->root, "schemes");
	const char *scheme = schemes && schemes->kind == FG_NODE_LIST && schemes->count &&
					     schemes->items[0]->kind == FG_NODE_SCALAR
				     ? schemes->items[0]->text
				     : "http";
	const char *url = servers && servers->kind == FG_NODE_LIST && servers->count
				  ? text_of(servers->items[0], "url")
				  : NULL;
	char text[1024];

	if (!url && host) {
		(void)snprintf(text, sizeof(text), "%.10s://%.500s%.400s", scheme, host,
			       base ? base : "");
		url = text;
	}
	if (!url || strchr(url, '{') ||
	    (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0))
		return 0;
	return fg_str_dup(url, &state->draft->url, err);
}

static int convert(struct state *state, const char *name, struct fg_err *err)
{
	const struct fg_node *paths = member(state->root, "paths");
	char origin[512];
	int rc;

	if ((!text_of(state->root, "openapi") && !text_of(state->root, "swagger")) || !paths ||
	    paths->kind != FG_NODE_MAP)
		return fg_err_set(err, FG_E_INVALID,
				  "%s is no OpenAPI description: it needs \"openapi\" or "
				  "\"swagger\", and \"paths\"",
				  name);
	(void)snprintf(origin, sizeof(origin), "Made by flamegate init from %.400s.", name);
	rc = fg_str_dup(origin, &state->draft->origin, err);
	if (rc == 0)
		rc = find_server(state, err);
	for (size_t i = 0; rc == 0 && i + 1 < paths->count; i += 2) {
		const struct fg_node *item = resolve(state, paths->items[i + 1]);

		state->path = paths->items[i]->text;
		if (state->path[0] == '/' && item && item->kind == FG_NODE_MAP)
			rc = convert_path(state, item, err);
	}
	if (rc == 0 && !state->draft->step_count)
		return fg_err_set(err, FG_E_NO_DATA,
				  "%s describes nothing that can be called without knowing more: "
				  "give parameters an example",
				  name);
	return rc;
}

int fg_openapi_convert(const char *text, size_t len, const char *name, struct fg_draft *draft,
		       struct fg_err *err)
{
	const struct fg_source source = {.name = name, .text = text, .len = len};
	struct fg_diagnostics diagnostics = {0};
	struct fg_yaml *yaml = NULL;
	int rc = fg_yaml_parse(&source, &yaml, &diagnostics, err);

	if (rc == -(int)FG_E_INVALID && diagnostics.count)
		*err = diagnostics.items[0].err;
	if (rc == 0) {
		struct state state = {.root = yaml->root, .draft = draft};

		rc = convert(&state, name, err);
	}
	fg_yaml_free(yaml);
	fg_diagnostics_done(&diagnostics);
	return rc;
}
