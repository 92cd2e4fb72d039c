/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/scenario/helper.h"

#include "tests/kit/kit.h"

#include <stdlib.h>
#include <string.h>

const char *helper_getenv(const char *name)
{
	static const char *const values[][2] = {
		{"HOST", "example.org"}, {"PORT", "8080"}, {"EMPTY", ""}, {"TOKEN", "s3cret"}};

	for (size_t i = 0; i < FG_ARRAY_LEN(values); i++)
		if (strcmp(values[i][0], name) == 0)
			return values[i][1];
	return NULL;
}

static struct fg_scenario_file *parse(const char *text, const char *path, const struct fg_tags *env,
				      const char *environment)
{
	struct fg_scenario_options options = {
		.env = env, .environment = environment, .getenv_fn = helper_getenv};
	struct fg_scenario_file *file = NULL;
	struct fg_diagnostics diagnostics = {0};
	struct fg_err err = {0};
	struct fg_buf out;
	int rc = fg_scenario_parse(text, strlen(text), path, &options, &file, &diagnostics, &err);

	if (rc) {
		fg_buf_init(&out, 1 << 20);
		fg_diagnostics_text(&diagnostics, &out);
		print_message("%s\n%s\n", text, out.data);
		fail_msg("%s", err.message);
	}
	assert_int_equal(diagnostics.count, 0);
	fg_diagnostics_done(&diagnostics);
	return file;
}

struct fg_scenario_file *helper_parse_with(const char *text, const struct fg_tags *env,
					   const char *environment)
{
	return parse(text, "dir/t.yaml", env, environment);
}

struct fg_scenario_file *helper_parse_at(const char *text, const char *path)
{
	return parse(text, path, NULL, NULL);
}

struct fg_scenario_file *helper_parse(const char *text)
{
	return helper_parse_with(text, NULL, NULL);
}

char *helper_faults(const char *text, size_t len)
{
	struct fg_scenario_options options = {.getenv_fn = helper_getenv};
	struct fg_scenario_file *file = NULL;
	struct fg_diagnostics diagnostics = {0};
	struct fg_err err = {0};
	struct fg_buf out;
	int rc = fg_scenario_parse(text, len, "t.yaml", &options, &file, &diagnostics, &err);

	if (rc != -FG_E_INVALID)
		fail_msg("rc is %d, not invalid: %.2000s", rc, text);
	assert_null(file);
	assert_true(diagnostics.count > 0);
	fg_buf_init(&out, 1 << 20);
	fg_diagnostics_text(&diagnostics, &out);
	assert_false(out.failed);
	fg_diagnostics_done(&diagnostics);
	return fg_buf_take(&out, NULL);
}

char *helper_render(const struct fg_template *text)
{
	static const char *const run_texts[FG_RUN_TEXT_COUNT] = {"8080", "http://t", "run1"};
	struct fg_arena arena;
	const struct fg_expr_env env = {.run_texts = run_texts,
					.vu = 3,
					.iteration = 4,
					.scenario_iteration = 5,
					.arena = &arena};
	struct fg_err err = {0};
	struct fg_buf out;

	fg_buf_init(&out, 1 << 20);
	fg_arena_init(&arena, 1 << 20);
	assert_ok(fg_template_expand(text, &env, &out, &err), &err);
	fg_arena_done(&arena);
	return fg_buf_take(&out, NULL);
}
