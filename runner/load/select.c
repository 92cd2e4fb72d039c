/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/select.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"

int fg_engine_check_name(const char *name, struct fg_err *err)
{
	if (!name || !strcmp(name, "auto") || fg_engine_find(name))
		return 0;
	return fg_err_set(err, FG_E_USAGE,
			  "unknown engine \"%s\"; there are auto, native, curl and null", name);
}

struct question {
	const struct fg_engine_ops *ops;
	const char *target_url;
};

static bool is_absolute(const char *url)
{
	return fg_str_starts_with(url, "http://") || fg_str_starts_with(url, "https://");
}

/* As far as it is known before the run. */
static const char *known_url(const struct fg_template *url, const char *target_url)
{
	const char *first;

	if (!url->part_count || url->parts[0].kind != FG_PART_TEXT)
		return NULL;
	first = url->parts[0].text;
	return is_absolute(first) ? first : target_url;
}

static int ask(void *context, const struct fg_visit *visit, struct fg_err *err)
{
	const struct question *question = context;
	const struct fg_step *step = visit->step;
	const struct fg_step_http *http = &step->http;
	const char *reason;
	int rc;

	if (step->kind != FG_STEP_HTTP || !question->ops->refuses)
		return 0;
	reason = question->ops->refuses(&http->http, known_url(&http->url, question->target_url));
	if (!reason)
		return 0;
	rc = fg_err_set(err, FG_E_UNSUPPORTED, "the %s engine cannot run \"%s\": %s",
			question->ops->name, http->name ? http->name : http->method, reason);
	if (step->place.line)
		fg_err_at(err, step->place.file, step->place.line, step->place.column);
	return rc;
}

static int can_run(const struct fg_engine_ops *ops, const struct fg_scenario_file *file,
		   const struct fg_steps *const *lists, size_t count, const char *target_url,
		   struct fg_err *err)
{
	struct question question = {ops, target_url};
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++)
		rc = fg_steps_walk(file, lists[i], ask, &question, err);
	return rc;
}

static int choose(const struct fg_scenario_file *file, const struct fg_steps *const *lists,
		  size_t count, const char *name, const char *target_url,
		  const struct fg_engine_ops **ret, struct fg_err *err)
{
	const bool automatic = !name || !strcmp(name, "auto");
	const struct fg_engine_ops *ops;
	int rc = fg_engine_check_name(name, err);

	if (rc)
		return rc;
	ops = fg_engine_find(automatic ? "native" : name);
	rc = can_run(ops, file, lists, count, target_url, err);
	if (automatic && rc == -FG_E_UNSUPPORTED) {
		ops = &fg_engine_curl;
		rc = can_run(ops, file, lists, count, target_url, err);
	}
	if (!rc)
		*ret = ops;
	return rc;
}

int fg_engine_select(const struct fg_scenario_file *file, const struct fg_steps *steps,
		     const char *name, const char *target_url, const struct fg_engine_ops **ret,
		     struct fg_err *err)
{
	return choose(file, &steps, 1, name, target_url, ret, err);
}

int fg_engine_select_all(const struct fg_scenario_file *file, const char *name,
			 const char *target_url, const struct fg_engine_ops **ret_ops,
			 struct fg_err *err)
{
	for (size_t i = 0; i < file->scenario_count; i++) {
		const struct fg_scenario *scenario = &file->scenarios[i];
		const struct fg_steps *const lists[] = {&scenario->init, &scenario->steps};
		const int rc = choose(file, lists, FG_ARRAY_LEN(lists), name, target_url,
				      &ret_ops[i], err);

		if (rc)
			return fg_err_wrap(err, "scenario %s", scenario->name);
	}
	return 0;
}

static int replace(char **text, const char *with, struct fg_err *err)
{
	char *copy = NULL;
	const int rc = fg_str_dup(with, &copy, err);

	if (rc)
		return rc;
	free(*text);
	*text = copy;
	return 0;
}

int fg_engine_note(const struct fg_engine_ops *const *ops, struct fg_registry *registry,
		   struct fg_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < registry->class_count && !rc; i++) {
		struct fg_class *class = &registry->classes[i];
		const struct fg_engine_ops *engine = ops[class->scenario];

		rc = replace(&class->engine, engine->name, err);
		if (!rc)
			rc = replace(&class->clock, engine->clock ? engine->clock() : "user", err);
	}
	return rc;
}
