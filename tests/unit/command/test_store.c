/* SPDX-License-Identifier: Apache-2.0 */
/* The directory store and bundle references, hostile names included. */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/measure/bundle.h"
#include "runner/store/dir.h"
#include "runner/store/reference.h"

static char root[] = "/tmp/fg-store-XXXXXX";
static char bundle_dir[FG_PATH_MAX];

static int make_bundle(const char *id, char *ret_dir)
{
	struct fg_registry registry;
	struct fg_result *result = NULL;
	struct fg_err err = {0};

	fg_registry_init(&registry);
	assert_ok(fg_result_new(&registry, &result, &err), &err);
	(void)snprintf(result->id, sizeof(result->id), "%s", id);
	(void)snprintf(ret_dir, FG_PATH_MAX, "%s/src-%s/bundle", root, id);
	assert_ok(fg_bundle_write(ret_dir, result, NULL, &err), &err);
	fg_result_free(result);
	fg_registry_done(&registry);
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(root));
	assert_int_equal(chdir(root), 0);
	return make_bundle("20261121T101500Z-0001", bundle_dir);
}

static int tear_down(void **state)
{
	struct fg_err err = {0};

	(void)state;
	assert_ok(fg_file_remove_tree(root, &err), &err);
	return 0;
}

static void test_put_and_get(void **state)
{
	struct fg_err err = {0};
	char path[FG_PATH_MAX];
	char second[FG_PATH_MAX];
	struct fg_bundle bundle = {0};
	const struct fg_reference_options options = {.baseline_dir = "store"};

	(void)state;
	assert_int_equal(fg_store_dir_get("store", "main", path, &err), -FG_E_NOT_FOUND);
	assert_non_null(strstr(err.message, "no baseline is called \"main\""));
	assert_ok(fg_store_dir_put("store", "main", bundle_dir, &err), &err);
	assert_ok(fg_store_dir_put("store", "main", bundle_dir, &err), &err);
	assert_ok(fg_reference_resolve("baseline:main", &options, path, &err), &err);
	assert_string_equal(path, "store/main/20261121T101500Z-0001");
	assert_ok(fg_bundle_read(path, &bundle, &err), &err);
	fg_bundle_done(&bundle);
	make_bundle("20261121T101500Z-0002", second);
	assert_ok(fg_store_dir_put("store", "main", second, &err), &err);
	assert_ok(fg_store_dir_get("store", "main", path, &err), &err);
	assert_string_equal(path, "store/main/20261121T101500Z-0002");
}

static void test_names_cannot_escape(void **state)
{
	static const struct {
		const char *name, *dir;
	} cases[] = {
		{"feature/x", "store/feature%2Fx"},
		{"../../etc", "store/%2E.%2F..%2Fetc"},
		{".hidden", "store/%2Ehidden"},
		{"a b", "store/a%20b"},
	};
	struct fg_err err = {0};
	char path[FG_PATH_MAX];
	char long_name[FG_STORE_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		assert_ok(fg_store_dir_put("store", cases[i].name, bundle_dir, &err), &err);
		assert_true(fg_file_is_dir(cases[i].dir));
		assert_ok(fg_store_dir_get("store", cases[i].name, path, &err), &err);
	}
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	assert_int_equal(fg_store_dir_put("store", long_name, bundle_dir, &err), -FG_E_INVALID);
	assert_int_equal(fg_store_dir_put("store", "", bundle_dir, &err), -FG_E_INVALID);
}

static void test_damaged_store(void **state)
{
	struct fg_err err = {0};
	char path[FG_PATH_MAX];

	(void)state;
	assert_ok(fg_store_dir_put("bad", "main", bundle_dir, &err), &err);
	assert_ok(fg_file_write("bad/main/current", "../../etc", 9, &err), &err);
	assert_int_equal(fg_store_dir_get("bad", "main", path, &err), -FG_E_INVALID);
	assert_ok(fg_file_write("bad/main/current", "", 0, &err), &err);
	assert_int_equal(fg_store_dir_get("bad", "main", path, &err), -FG_E_INVALID);
	assert_int_not_equal(fg_store_dir_put("bad", "x", "/nonexistent", &err), 0);
	assert_int_not_equal(fg_store_dir_put("/proc/nope", "x", bundle_dir, &err), 0);
	assert_false(fg_file_exists("bad/x"));
}

static void test_references(void **state)
{
	struct fg_err err = {0};
	char path[FG_PATH_MAX];
	char run[FG_PATH_MAX];

	(void)state;
	assert_int_equal(fg_reference_resolve("latest", NULL, path, &err), -FG_E_NOT_FOUND);
	assert_non_null(strstr(err.message, "flamegate run"));
	assert_int_equal(fg_reference_resolve("s3://b/x", NULL, path, &err), -FG_E_LATER);
	assert_int_equal(fg_reference_resolve("git:refs/x", NULL, path, &err), -FG_E_LATER);
	assert_int_equal(fg_reference_resolve("nope", NULL, path, &err), -FG_E_NOT_FOUND);
	assert_ok(fg_reference_resolve(bundle_dir, NULL, path, &err), &err);
	assert_string_equal(path, bundle_dir);
	assert_ok(fg_file_path(run, &err, "dir:%s/src-20261121T101500Z-0001", root), &err);
	assert_ok(fg_reference_resolve(run, NULL, path, &err), &err);
	assert_string_equal(path, bundle_dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_and_get),
		cmocka_unit_test(test_names_cannot_escape),
		cmocka_unit_test(test_damaged_store),
		cmocka_unit_test(test_references),
	};

	return cmocka_run_group_tests_name("store", tests, set_up, tear_down);
}
