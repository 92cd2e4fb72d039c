/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of commands and options, their help texts and the manual page; run ids; pairs. */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/file.h"
#include "runner/command/command.h"
#include "runner/run/github.h"
#include "runner/run/outputs.h"
#include "runner/run/pairs.h"
#include "runner/run/place.h"
#include "runner/run/session.h"

static void test_tables_are_sound(void **state)
{
	(void)state;
	for (size_t c = 0; fg_commands[c]; c++) {
		const struct fg_command *command = fg_commands[c];

		assert_ptr_equal(fg_command_find(command->name), command);
		assert_non_null(command->run);
		assert_true(strlen(command->summary) <= 72);
		for (size_t i = 0; i < command->option_count; i++) {
			const struct fg_opt *a = &command->options[i];

			assert_true(strlen(a->help) > 3 && a->help[strlen(a->help) - 1] != '.');
			assert_true((a->kind == FG_OPT_FLAG) == (a->arg == NULL));
			assert_true(a->offset < command->values_size);
			for (size_t j = 0; j < i; j++) {
				const struct fg_opt *b = &command->options[j];

				assert_string_not_equal(a->name, b->name);
				assert_true(!a->short_name || a->short_name != b->short_name);
				assert_true(a->offset != b->offset);
			}
		}
	}
	assert_null(fg_command_find("nonsense"));
}

static void compare_golden(const char *name, const struct fg_buf *text)
{
	char path[FG_PATH_MAX];
	struct fg_buf golden;
	struct fg_err err = {0};

	assert_ok(fg_file_path(path, &err, "%s/%s", FG_GOLDEN_DIR, name), &err);
	if (getenv("FLAMEGATE_UPDATE_GOLDEN"))
		assert_ok(fg_file_write(path, text->data, text->len, &err), &err);
	fg_buf_init(&golden, 1 << 20);
	assert_ok(fg_file_read(path, 1 << 20, &golden, &err), &err);
	if (golden.len != text->len || memcmp(golden.data, text->data, text->len) != 0)
		fail_msg("%s differs; FLAMEGATE_UPDATE_GOLDEN=1 rewrites it. Now:\n%s", path,
			 text->data);
	fg_buf_done(&golden);
}

static void test_help_golden(void **state)
{
	struct fg_buf text;

	(void)state;
	fg_buf_init(&text, 1 << 20);
	fg_command_help_text(NULL, &text);
	for (size_t c = 0; fg_commands[c]; c++) {
		fg_buf_addf(&text, "\n==== flamegate help %s\n", fg_commands[c]->name);
		fg_command_help_text(fg_commands[c], &text);
	}
	compare_golden("help.txt", &text);
	fg_buf_done(&text);
}

static void test_manual_names_every_option(void **state)
{
	struct fg_buf text;

	(void)state;
	fg_buf_init(&text, 1 << 20);
	fg_command_manual(&text);
	assert_non_null(strstr(text.data, ".TH FLAMEGATE 1"));
	for (size_t c = 0; fg_commands[c]; c++) {
		char heading[64];

		(void)snprintf(heading, sizeof(heading), ".SS flamegate %s", fg_commands[c]->name);
		const char *section = strstr(text.data, heading);

		assert_non_null(section);
		for (size_t i = 0; i < fg_commands[c]->option_count; i++) {
			char option[64] = "\\-\\-";
			size_t len = strlen(option);

			/* Dashes inside a name are escaped too. */
			for (const char *at = fg_commands[c]->options[i].name; *at; at++) {
				if (*at == '-')
					option[len++] = '\\';
				option[len++] = *at;
			}
			option[len] = '\0';
			if (!strstr(section, option))
				fail_msg("%s lacks %s", heading, option);
		}
	}
	fg_buf_done(&text);
}

static void test_completion_names_every_option(void **state)
{
	struct fg_buf text;

	(void)state;
	fg_buf_init(&text, 1 << 20);
	fg_command_completion(&text);
	for (size_t c = 0; fg_commands[c]; c++) {
		char line_start[64], option[64];

		(void)snprintf(line_start, sizeof(line_start), "\t%s) options=\"",
			       fg_commands[c]->name);
		const char *line = strstr(text.data, line_start);

		assert_non_null(line);
		const char *end = strchr(line, '\n');

		for (size_t i = 0; i < fg_commands[c]->option_count; i++) {
			(void)snprintf(option, sizeof(option), " --%s",
				       fg_commands[c]->options[i].name);
			const char *found = strstr(line, option);

			if (!found || found > end)
				fail_msg("%s lacks%s", line_start, option);
		}
	}
	fg_buf_done(&text);
}

static void test_run_id(void **state)
{
	char id[FG_RUN_ID_LEN + 1];

	(void)state;
	fg_place_run_id(1795255200ull * FG_NS_PER_S, 0x7f3a, id);
	assert_string_equal(id, "20261121T100000Z-7f3a");
}

static void test_pairs(void **state)
{
	static const char *const bad[] = {"novalue", "=x", ""};
	struct fg_tags tags = {0};
	struct fg_err err = {0};
	struct fg_opt_list list = {.items = {"a=1", "b=x=y", "c="}, .count = 3};

	(void)state;
	assert_ok(fg_pairs_parse(&list, "-e", &tags, &err), &err);
	assert_string_equal(fg_tags_get(&tags, "b"), "x=y");
	assert_string_equal(fg_tags_get(&tags, "c"), "");
	for (size_t i = 0; i < FG_ARRAY_LEN(bad); i++) {
		struct fg_opt_list one = {.items = {bad[i]}, .count = 1};

		assert_int_equal(fg_pairs_parse(&one, "-e", &tags, &err), -FG_E_USAGE);
		assert_non_null(strstr(err.message, "-e wants NAME=VALUE"));
	}
	fg_tags_done(&tags);
}

static void test_output_kinds(void **state)
{
	static const struct {
		const char *word;
		const char *message; /* NULL: fine */
	} cases[] = {
		{"json=a.json", NULL},
		{"verdict=v", NULL},
		{"folded=/dev/stdout", NULL},
		{"csv=-", NULL},
		{"svg=flame.svg", NULL},
		{"speedscope=-", NULL},
		{"svgs=x", "did you mean \"svg\"?"},
		{"ndjson=a.json.gz", NULL},
		{"k6-summary=/no/such/dir/x", "there is no directory"},
		{"openmetrics=/tmp", "is a directory"},
		{"prometheus=http://127.0.0.1:9090/api/v1/write", NULL},
		{"prometheus=file.txt", "remote write"},
		{"json", "KIND=PATH"},
		{"=x", "KIND=PATH"},
		{"json=", "KIND=PATH"},
		{"jsno=x", "did you mean \"json\"?"},
		{"html=x", "later version"},
		{"banana=x", "unknown kind \"banana\""},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_opt_list outs = {.items = {cases[i].word}, .count = 1};
		struct fg_err err = {0};
		int rc = fg_outputs_check(&outs, FG_OUTPUTS_RUN, &err);

		if (!cases[i].message) {
			assert_ok(rc, &err);
			continue;
		}
		assert_int_equal(rc, -FG_E_USAGE);
		if (!strstr(err.message, cases[i].message))
			fail_msg("%s: %s", cases[i].word, err.message);
	}
}

/* A bundle cannot be sent while it runs; two files of one name would overwrite each other. */
static void test_outputs_of_a_bundle(void **state)
{
	struct fg_opt_list live = {.items = {"prometheus=http://x/api/v1/write"}, .count = 1};
	struct fg_opt_list twice = {.items = {"csv=-", "json=-"}, .count = 2};
	struct fg_opt_list files = {.items = {"csv=a", "json=b"}, .count = 2};
	struct fg_err err = {0};

	(void)state;
	assert_int_equal(fg_outputs_check(&live, FG_OUTPUTS_BUNDLE, &err), -FG_E_USAGE);
	assert_non_null(strstr(err.message, "flamegate publish --prometheus"));
	assert_int_equal(fg_outputs_check(&twice, FG_OUTPUTS_BUNDLE, &err), -FG_E_USAGE);
	assert_ok(fg_outputs_check(&files, FG_OUTPUTS_BUNDLE, &err), &err);
	assert_true(fg_outputs_use_stdout(&twice));
	assert_false(fg_outputs_use_stdout(&files));
	assert_string_equal(fg_outputs_prometheus(&live, 0), "http://x/api/v1/write");
	assert_null(fg_outputs_prometheus(&live, 1));
	assert_null(fg_outputs_prometheus(&files, 0));
}

/* A recording's message names only what `profile` writes. */
static void test_outputs_of_a_recording(void **state)
{
	static const char there_are[] =
		"json, markdown, pprof, folded, speedscope, svg; of other profiles pprof.offcpu, "
		".wall, .faults …";
	static const struct {
		const char *word, *message; /* NULL: accepted */
	} cases[] = {
		{"svg=-", NULL},
		{"pprof.offcpu=a", NULL},
		{"json=a", NULL},
		{"foo", "got \"foo\""},
		{"foo=x", "unknown kind \"foo\""},
		{"csv=x", "is about requests"},
		{"junit=x", "is about requests"},
		{"verdict=x", "is about requests"},
		{"prometheus=http://x/", "is about requests"},
		{"html=x", "later version"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_opt_list outs = {.items = {cases[i].word}, .count = 1};
		struct fg_err err = {0};
		int rc = fg_outputs_check(&outs, FG_OUTPUTS_RECORDING, &err);

		if (!cases[i].message) {
			assert_ok(rc, &err);
			continue;
		}
		assert_int_equal(rc, -FG_E_USAGE);
		if (!strstr(err.message, cases[i].message) || !strstr(err.message, there_are))
			fail_msg("%s: %s", cases[i].word, err.message);
	}
}

static void test_github_branch(void **state)
{
	(void)state;
	unsetenv("GITHUB_BASE_REF");
	unsetenv("GITHUB_REF_NAME");
	unsetenv("GITHUB_EVENT_NAME");
	assert_string_equal(fg_github_branch(), "main");
	assert_false(fg_github_is_pull_request());
	setenv("GITHUB_REF_NAME", "release/1", 1);
	assert_string_equal(fg_github_branch(), "release/1");
	setenv("GITHUB_BASE_REF", "trunk", 1);
	setenv("GITHUB_EVENT_NAME", "pull_request_target", 1);
	assert_string_equal(fg_github_branch(), "trunk");
	assert_true(fg_github_is_pull_request());
	setenv("GITHUB_BASE_REF", "", 1);
	assert_string_equal(fg_github_branch(), "release/1");
}

static void test_second_of_the_run(void **state)
{
	static const struct {
		uint64_t elapsed_ms;
		uint32_t second;
	} rows[] = {{0, 0},        {50, 0},   {1000, 0},
		    {2000, 1},     {8000, 7}, {7997, 7} /* ended just before */,
		    {8000 + 1, 7}, {8300, 8}};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(rows); i++)
		assert_int_equal(fg_session_second(rows[i].elapsed_ms * FG_NS_PER_MS),
				 rows[i].second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_second_of_the_run),
		cmocka_unit_test(test_tables_are_sound),
		cmocka_unit_test(test_help_golden),
		cmocka_unit_test(test_manual_names_every_option),
		cmocka_unit_test(test_completion_names_every_option),
		cmocka_unit_test(test_run_id),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_output_kinds),
		cmocka_unit_test(test_outputs_of_a_bundle),
		cmocka_unit_test(test_outputs_of_a_recording),
		cmocka_unit_test(test_github_branch),
	};

	return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
