/* SPDX-License-Identifier: Apache-2.0 */
/* Every file of scenarios/invalid/ gives exactly the text of its .expected; every other example is
 * valid. */
#include "tests/kit/kit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/base/file.h"
#include "gate/base/str.h"
#include "tests/unit/scenario/helper.h"

enum { INVALID_MIN = 40, EXAMPLES_MIN = 3 };

static void read_text(const char *dir, const char *name, struct fg_buf *out)
{
	char path[FG_PATH_MAX];
	struct fg_err err = {0};

	fg_buf_init(out, 1 << 20);
	assert_ok(fg_file_path(path, &err, "%s/%s", dir, name), &err);
	assert_ok(fg_file_read(path, 1 << 20, out, &err), &err);
}

static void check_invalid(const char *name)
{
	char expected_name[256];
	struct fg_buf text;
	struct fg_buf expected;
	struct fg_scenario_options options = {.getenv_fn = helper_getenv};
	struct fg_scenario_file *file = NULL;
	struct fg_diagnostics diagnostics = {0};
	struct fg_err err = {0};
	struct fg_buf out;

	(void)snprintf(expected_name, sizeof(expected_name), "%.*s.expected",
		       (int)(strlen(name) - 5), name);
	read_text(FG_TEST_SCENARIOS "/invalid", name, &text);
	read_text(FG_TEST_SCENARIOS "/invalid", expected_name, &expected);
	assert_int_equal(fg_scenario_parse(text.data, text.len, name, &options, &file, &diagnostics,
					   &err),
			 -FG_E_INVALID);
	fg_buf_init(&out, 1 << 20);
	fg_diagnostics_text(&diagnostics, &out);
	if (strcmp(out.data, expected.data) != 0)
		fail_msg("%s gives\n%s\nnot\n%s", name, out.data, expected.data);
	fg_diagnostics_done(&diagnostics);
	fg_buf_done(&out);
	fg_buf_done(&text);
	fg_buf_done(&expected);
}

static void test_invalid(void **state)
{
	DIR *dir = opendir(FG_TEST_SCENARIOS "/invalid");
	size_t files = 0;
	size_t expectations = 0;

	(void)state;
	assert_non_null(dir);
	/* What they include and read is beside them. */
	assert_int_equal(chdir(FG_TEST_SCENARIOS "/invalid"), 0);
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
		if (fg_str_ends_with(entry->d_name, ".expected"))
			expectations++;
		if (!fg_str_ends_with(entry->d_name, ".yaml"))
			continue;
		check_invalid(entry->d_name);
		files++;
	}
	(void)closedir(dir);
	assert_true(files >= INVALID_MIN);
	assert_int_equal(files, expectations);
}

static void test_examples(void **state)
{
	DIR *dir = opendir(FG_TEST_SCENARIOS);
	size_t files = 0;

	(void)state;
	assert_non_null(dir);
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
		if (!fg_str_ends_with(entry->d_name, ".yaml"))
			continue;
		struct fg_scenario_options options = {.getenv_fn = helper_getenv};
		struct fg_scenario_file *file = NULL;
		struct fg_diagnostics diagnostics = {0};
		struct fg_err err = {0};
		char path[FG_PATH_MAX];

		assert_ok(fg_file_path(path, &err, "%s/%s", FG_TEST_SCENARIOS, entry->d_name),
			  &err);
		if (fg_scenario_load(path, &options, &file, &diagnostics, &err))
			fail_msg("%s: %s", path,
				 diagnostics.count ? diagnostics.items[0].err.message
						   : err.message);
		assert_true(file->scenario_count > 0);
		assert_true(file->threshold_count > 0);
		fg_scenario_file_free(file);
		files++;
	}
	(void)closedir(dir);
	assert_true(files >= EXAMPLES_MIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_invalid),
		cmocka_unit_test(test_examples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
