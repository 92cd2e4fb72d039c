/* SPDX-License-Identifier: Apache-2.0 */
/* Naming a bundle, and baselines in a directory. */
#include "tests/kit/kit.h"

#include "runner/store/dir.h"
#include "runner/store/reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[64];

static int set_up(void **state)
{
	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/fg_store_XXXXXX");
	assert_non_null(mkdtemp(root));
	assert_int_equal(chdir(root), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(chdir("/"), 0);
	return fg_file_remove_tree(root, NULL);
}

/* A directory with run.json holding `text`. */
static void make_bundle(const char *dir, const char *text)
{
	char path[FG_PATH_MAX];
	struct fg_err err;

	assert_ok(fg_file_mkdirs(dir, &err), &err);
	assert_ok(fg_file_path(path, &err, "%s/run.json", dir), &err);
	assert_ok(fg_file_write(path, text, strlen(text), &err), &err);
	assert_ok(fg_file_path(path, &err, "%s/profile.pb.gz", dir), &err);
	assert_ok(fg_file_write(path, "\0\1", 2, &err), &err);
}

static void assert_content(const char *dir, const char *expected)
{
	char path[FG_PATH_MAX];
	struct fg_buf text;
	struct fg_err err;

	fg_buf_init(&text, 4096);
	assert_ok(fg_file_path(path, &err, "%s/run.json", dir), &err);
	assert_ok(fg_file_read(path, 4096, &text, &err), &err);
	assert_string_equal(text.data, expected);
	fg_buf_done(&text);
}

static void test_put_and_get(void **state)
{
	char path[FG_PATH_MAX], again[FG_PATH_MAX];
	struct fg_err err;

	(void)state;
	make_bundle("one", "1");
	make_bundle("two", "2");
	assert_int_equal(fg_store_dir_get("store", "main", path, &err), -FG_E_NOT_FOUND);
	assert_ok(fg_store_dir_put("store", "main", "20261121T1-b", "one", path, &err), &err);
	assert_string_equal(path, "store/main/20261121T1-b/bundle");
	assert_content(path, "1");
	/* the last put counts, not the greatest id */
	assert_ok(fg_store_dir_put("store", "main", "20261120T1-a", "two", path, &err), &err);
	assert_ok(fg_store_dir_get("store", "main", again, &err), &err);
	assert_string_equal(again, path);
	assert_content(again, "2");
	/* an id that is there is not written again, but becomes current */
	make_bundle("one", "changed");
	assert_ok(fg_store_dir_put("store", "main", "20261121T1-b", "one", path, &err), &err);
	assert_ok(fg_store_dir_get("store", "main", again, &err), &err);
	assert_content(again, "1");
	/* nothing but the two runs and the link is left behind */
	assert_int_equal(fg_store_dir_get("store", "other", path, &err), -FG_E_NOT_FOUND);
	assert_non_null(strstr(err.message, "there are: main"));
}

static void test_a_lost_link(void **state)
{
	static const char *const links[] = {NULL, "20261121T9-gone", "../../one", "", "/"};
	char path[FG_PATH_MAX];
	struct fg_err err;

	(void)state;
	make_bundle("one", "1");
	assert_ok(fg_store_dir_put("store", "main", "20261121T1-b", "one", path, &err), &err);
	assert_ok(fg_store_dir_put("store", "main", "20261120T1-a", "one", path, &err), &err);
	assert_ok(fg_file_mkdirs("store/main/20261129T1-half/bundle", &err), &err);
	for (size_t i = 0; i < FG_ARRAY_LEN(links); i++) {
		(void)unlink("store/main/current");
		if (links[i] && *links[i])
			assert_int_equal(symlink(links[i], "store/main/current"), 0);
		assert_ok(fg_store_dir_get("store", "main", path, &err), &err);
		assert_string_equal(path, "store/main/20261121T1-b/bundle");
	}
}

static void test_names_stay_inside(void **state)
{
	static const char *const names[][2] = {
		{"feature/x", "store/feature%2Fx/1/bundle"},
		{"..", "store/%2E./1/bundle"},
		{".", "store/%2E/1/bundle"},
		{"../../etc", "store/%2E.%2F..%2Fetc/1/bundle"},
		{"a b%", "store/a%20b%25/1/bundle"},
		{"ü", "store/%C3%BC/1/bundle"},
	};
	char path[FG_PATH_MAX], name[FG_STORE_NAME_MAX + 2];
	struct fg_err err;

	(void)state;
	make_bundle("one", "1");
	for (size_t i = 0; i < FG_ARRAY_LEN(names); i++) {
		assert_ok(fg_store_dir_put("store", names[i][0], "1", "one", path, &err), &err);
		assert_string_equal(path, names[i][1]);
		assert_ok(fg_store_dir_get("store", names[i][0], path, &err), &err);
	}
	assert_int_equal(fg_store_dir_put("store", "", "1", "one", path, &err), -FG_E_USAGE);
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(fg_store_dir_put("store", name, "1", "one", path, &err), -FG_E_USAGE);
}

static void test_put_refuses(void **state)
{
	static const char *const bad_ids[] = {"", "..", "a/b", ".x", "current", "a b"};
	char path[FG_PATH_MAX] = "untouched";
	struct fg_err err;

	(void)state;
	make_bundle("one", "1");
	for (size_t i = 0; i < FG_ARRAY_LEN(bad_ids); i++)
		assert_int_equal(fg_store_dir_put("store", "main", bad_ids[i], "one", path, &err),
				 -FG_E_INVALID);
	assert_ok(fg_file_mkdirs("empty", &err), &err);
	assert_int_equal(fg_store_dir_put("store", "main", "1", "empty", path, &err),
			 -FG_E_INVALID);
	assert_int_equal(fg_store_dir_put("store", "main", "1", "missing", path, &err),
			 -FG_E_INVALID);
	/* a FIFO or a directory among the files: no bundle, and nothing is left behind */
	assert_int_equal(mkfifo("one/pipe", 0600), 0);
	assert_int_equal(fg_store_dir_put("store", "main", "1", "one", path, &err), -FG_E_INVALID);
	assert_false(fg_file_exists("store/main/1"));
	assert_int_equal(rmdir("store/main"), 0);
	/* the store's place is taken by a file */
	assert_ok(fg_file_write("file", "x", 1, &err), &err);
	assert_int_equal(unlink("one/pipe"), 0);
	assert_true(fg_store_dir_put("file", "main", "1", "one", path, &err) < 0);
	assert_string_equal(path, "untouched");
}

/* Several processes put at once, the same and different ids: all are there, one is current. */
static void test_concurrent_writers(void **state)
{
	enum { WRITERS = 8 };
	char path[FG_PATH_MAX], id[16];
	struct fg_err err;
	pid_t writers[WRITERS];

	(void)state;
	make_bundle("one", "1");
	for (int i = 0; i < WRITERS; i++) {
		writers[i] = fork();
		assert_true(writers[i] >= 0);
		if (writers[i] == 0) {
			(void)snprintf(id, sizeof(id), "id%d", i / 2);
			_exit(fg_store_dir_put("store", "main", id, "one", path, NULL) ? 1 : 0);
		}
	}
	for (int i = 0; i < WRITERS; i++) {
		int status = -1;

		assert_int_equal(waitpid(writers[i], &status, 0), writers[i]);
		assert_int_equal(status, 0);
	}
	for (int i = 0; i < WRITERS / 2; i++) {
		(void)snprintf(path, sizeof(path), "store/main/id%d/bundle", i);
		assert_content(path, "1");
	}
	assert_ok(fg_store_dir_get("store", "main", path, &err), &err);
}

static void test_references(void **state)
{
	static const struct {
		const char *text;
		int rc;
		const char *result; /* path, or part of the message */
	} cases[] = {
		{"runs/r1", 0, "runs/r1/bundle"},
		{"runs/r1/bundle", 0, "runs/r1/bundle"},
		{"plain", 0, "plain"},
		{"./latest", 0, "./latest"},
		{"dir:plain", 0, "plain"},
		{"dir:latest", 0, "latest"},
		{"dir:a:b", 0, "a:b"},
		{"a:b", 0, "a:b"},
		{"latest", 0, ".flamegate/latest/bundle"},
		{"baseline:main", 0, ".flamegate/baselines/main/1/bundle"},
		{"baseline:feature/x", -FG_E_NOT_FOUND, "no baseline \"feature/x\""},
		{"baseline:", -FG_E_USAGE, "a baseline's name"},
		{"", -FG_E_USAGE, "empty"},
		{"nowhere", -FG_E_NOT_FOUND, "no such directory"},
		{"empty", -FG_E_INVALID, "no run.json"},
		{"file", -FG_E_INVALID, "no run.json"},
		{"dir:", -FG_E_USAGE, "empty path"},
		{"git:main", -FG_E_LATER, "git: references come with a later issue"},
		{"s3://bucket/x", -FG_E_LATER, "s3:"},
		{"https://x/y", -FG_E_LATER, "https:"},
		{"http://x/y", -FG_E_LATER, "http:"},
		{"basline:main", -FG_E_USAGE, "did you mean baseline:?"},
		{"zzzzzz:main", -FG_E_USAGE, "names no bundle"},
	};

	(void)state;
	make_bundle("runs/r1/bundle", "1");
	make_bundle("plain", "1");
	make_bundle("latest", "1");
	make_bundle("a:b", "1");
	make_bundle(".flamegate/runs/r2/bundle", "1");
	make_bundle(".flamegate/baselines/main/1/bundle", "1");
	assert_int_equal(symlink("runs/r2", ".flamegate/latest"), 0);
	assert_int_equal(mkdir("empty", 0777), 0);
	assert_int_equal(fg_file_write("file", "x", 1, NULL), 0);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		char path[FG_PATH_MAX] = "";
		struct fg_err err;
		int rc = fg_reference_resolve(cases[i].text, NULL, path, &err);

		if (rc != cases[i].rc)
			fail_msg("\"%s\": %d %s", cases[i].text, rc, rc ? err.message : path);
		if (rc == 0)
			assert_string_equal(path, cases[i].result);
		else if (!strstr(err.message, cases[i].result))
			fail_msg("\"%s\": %s", cases[i].text, err.message);
	}
}

static void test_other_places(void **state)
{
	struct fg_reference_options options = {.state_dir = "state", .baseline_dir = "base"};
	char path[FG_PATH_MAX];
	struct fg_err err;

	(void)state;
	assert_int_equal(fg_reference_resolve("latest", &options, path, &err), -FG_E_NOT_FOUND);
	assert_non_null(strstr(err.message, "state/latest does not exist"));
	make_bundle("one", "1");
	assert_ok(fg_store_dir_put("base", "main", "1", "one", path, &err), &err);
	assert_ok(fg_reference_resolve("baseline:main", &options, path, &err), &err);
	assert_string_equal(path, "base/main/1/bundle");
	options.baseline_dir = NULL;
	assert_ok(fg_reference_baseline_dir(&options, path, &err), &err);
	assert_string_equal(path, "state/baselines");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_put_and_get, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_lost_link, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_names_stay_inside, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_put_refuses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_concurrent_writers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_references, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_other_places, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
