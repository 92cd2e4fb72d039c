/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles as directories: whole or not at all, small, and read without trust. */
#include "tests/kit/kit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gate/base/file.h"
#include "gate/format/gzip.h"
#include "gate/measure/bundle_internal.h"
#include "tests/unit/measure/sample_run.h"

static const struct fg_sample_run small = {
	.classes = 1, .seconds = 2, .requests_per_second = 60, .workers = 1, .filled = true};

static char root_dir[64]; /* a fresh directory per test */

static int setup(void **state)
{
	(void)state;
	(void)snprintf(root_dir, sizeof(root_dir), "/tmp/fg-bundle-XXXXXX");
	return mkdtemp(root_dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return fg_file_remove_tree(root_dir, NULL);
}

static const char *at(const char *name)
{
	static char paths[8][FG_PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % FG_ARRAY_LEN(paths)];

	assert_int_equal(fg_file_path(path, NULL, "%s/%s", root_dir, name), 0);
	return path;
}

static size_t entries(const char *dir)
{
	DIR *open = opendir(dir);
	size_t count = 0;

	assert_non_null(open);
	for (struct dirent *entry; (entry = readdir(open)) != NULL;)
		count += entry->d_name[0] != '.';
	(void)closedir(open);
	return count;
}

static int64_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

static uint32_t string(struct fg_profile *profile, const char *text)
{
	int64_t index = fg_profile_string(profile, text, strlen(text), NULL);

	assert_true(index >= 0);
	return (uint32_t)index;
}

/* `functions` functions; every sample is one of `stacks` random stacks of 20 frames. */
static struct fg_profile *make_profile(unsigned functions, unsigned stacks, unsigned samples,
				       unsigned seconds)
{
	struct fg_profile *profile = NULL;
	struct fg_err err = {0};
	uint64_t random = 3;
	uint32_t *locations = calloc(functions, sizeof(*locations));
	uint32_t *stack_ids = calloc(stacks, sizeof(*stack_ids));

	assert_non_null(locations);
	assert_non_null(stack_ids);
	assert_ok(fg_profile_new(&profile, &err), &err);
	profile->period_ns = FG_NS_PER_S / 499;
	const struct fg_pmodule module = {.path = string(profile, "/usr/bin/server"),
					  .build_id = string(profile, "0123456789abcdef"),
					  .start = 0x1000,
					  .limit = 0x1000000};
	int64_t module_id = fg_profile_module(profile, &module, &err);

	for (unsigned i = 0; i < functions; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "handler_%u_%llx", i,
			       (unsigned long long)fg_sample_random(&random));
		const struct fg_pfunction function = {.name = string(profile, name),
						      .system_name = string(profile, name),
						      .filename =
							      string(profile, "server/handler.c"),
						      .start_line = i,
						      .module = (uint32_t)module_id};
		const struct fg_pline line = {
			.function = (uint32_t)fg_profile_function(profile, &function, &err),
			.line = i + 3};
		const struct fg_plocation location = {
			.module = (uint32_t)module_id, .address = 0x1000 + 64 * i, .line_count = 1};

		locations[i] = (uint32_t)fg_profile_location(profile, &location, &line, &err);
	}
	for (unsigned i = 0; i < stacks; i++) {
		uint32_t frames[20];

		for (size_t f = 0; f < FG_ARRAY_LEN(frames); f++)
			frames[f] = locations[fg_sample_random(&random) % functions];
		stack_ids[i] = (uint32_t)fg_profile_stack(profile, frames, FG_ARRAY_LEN(frames),
							  FG_STACK_COMPLETE, &err);
	}
	for (unsigned i = 0; i < samples; i++) {
		const struct fg_psample sample = {
			.stack = stack_ids[fg_sample_random(&random) % stacks],
			.endpoint = string(profile, i % 2 ? "GET /items/0" : "GET /items/1"),
			.phase = string(profile, "measure"),
			.second = i * seconds / samples,
			.count = 1};

		assert_ok(fg_profile_sample(profile, &sample, &err), &err);
	}
	free(locations);
	free(stack_ids);
	return profile;
}

static void test_write_and_read(void **state)
{
	struct fg_result *result = fg_sample_result(&small);
	struct fg_profile *profile = make_profile(10, 20, 100, 2);
	struct fg_bundle bundle = {0};
	struct fg_err err = {0};

	(void)state;
	result->profile.present = true;
	assert_ok(fg_bundle_write(at("runs/1/bundle/"), result, profile, &err), &err);
	assert_int_equal(entries(at("runs/1")), 1);
	assert_int_equal(entries(at("runs/1/bundle")), 4);
	for (int parent = 0; parent < 2; parent++) {
		assert_ok(fg_bundle_read(at(parent ? "runs/1" : "runs/1/bundle"), &bundle, &err),
			  &err);
		assert_string_equal(bundle.result->id, result->id);
		assert_int_equal(fg_series_seconds(bundle.result), fg_series_seconds(result));
		assert_int_equal(fg_profile_total_count(bundle.profile), 100);
		fg_bundle_done(&bundle);
	}
	/* Never overwritten. */
	assert_int_equal(fg_bundle_write(at("runs/1/bundle"), result, profile, &err), -FG_E_IO);
	assert_non_null(strstr(err.message, "exists already"));
	assert_int_equal(entries(at("runs/1")), 1);
	fg_bundle_done(NULL);
	fg_profile_free(profile);
	fg_result_free(result);
}

static void test_without_profile_and_with_relative_names(void **state)
{
	struct fg_result *result = fg_sample_result(&small);
	struct fg_bundle bundle = {0};
	struct fg_err err = {0};
	char *old = getcwd(NULL, 0);

	(void)state;
	assert_non_null(old);
	assert_int_equal(chdir(root_dir), 0);
	assert_ok(fg_bundle_write("one", result, NULL, &err), &err);
	assert_ok(fg_bundle_write("a/b", result, NULL, &err), &err);
	assert_ok(fg_bundle_read("one", &bundle, &err), &err);
	assert_null(bundle.profile);
	assert_int_equal(entries("one"), 3);
	fg_bundle_done(&bundle);
	assert_int_equal(chdir(old), 0);
	free(old);
	fg_result_free(result);
}

static void expect_nothing(const struct fg_result *result, const char *dir, const char *message)
{
	struct fg_err err = {0};

	assert_int_not_equal(fg_bundle_write(dir, result, NULL, &err), 0);
	if (!strstr(err.message, message))
		fail_msg("%s: %s", dir, err.message);
}

static void test_failed_writes_leave_nothing(void **state)
{
	struct fg_result *result = fg_sample_result(&small);
	struct fg_err err = {0};
	char deep[FG_PATH_MAX + 10];

	(void)state;
	assert_ok(fg_file_write(at("file"), "x", 1, &err), &err);
	assert_int_equal(mkdir(at("taken"), 0777), 0);
	assert_int_equal(symlink("nowhere", at("dangling")), 0);
	expect_nothing(result, at("file/bundle"), "is not a directory");
	expect_nothing(result, at("file/a/b/bundle"), "cannot create directory");
	expect_nothing(result, at("file"), "exists already");
	expect_nothing(result, at("taken"), "exists already");
	expect_nothing(result, at("dangling"), "exists already");
	expect_nothing(result, "", "needs a directory name");
	expect_nothing(result, "/proc/nope/bundle", "cannot create directory");
	memset(deep, 'x', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	expect_nothing(result, deep, "path is longer");
	deep[300] = '\0';
	expect_nothing(result, at(deep), "File name too long");
	assert_int_equal(entries(root_dir), 3);
	fg_result_free(result);
}

/* The kernel ends writes as on a full disk: after some bytes, with an error. */
static void test_full_disk_leaves_nothing(void **state)
{
	static const rlim_t limits[] = {0, 1, 1000, 4096};
	struct fg_result *result = fg_sample_result(&small);
	struct rlimit old;
	struct fg_err err = {0};

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	for (size_t i = 0; i < FG_ARRAY_LEN(limits); i++) {
		const struct rlimit limit = {.rlim_cur = limits[i], .rlim_max = old.rlim_max};

		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		int rc = fg_bundle_write(at("new/1/2/bundle"), result, NULL, &err);

		assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
		assert_int_equal(rc, -FG_E_IO);
		assert_non_null(strstr(err.message, "File too large"));
		assert_int_equal(entries(root_dir), 0);
	}
	fg_result_free(result);
}

static void test_inconsistent_results_leave_nothing(void **state)
{
	struct fg_result *result = fg_sample_result(&small);
	struct fg_profile *profile = make_profile(2, 2, 2, 1);
	struct fg_err err = {0};

	(void)state;
	assert_int_equal(fg_bundle_write(at("b"), result, profile, &err), -FG_E_INTERNAL);
	result->profile.present = true;
	assert_int_equal(fg_bundle_write(at("b"), result, NULL, &err), -FG_E_INTERNAL);
	result->profile.present = false;
	result->scenario_json[0] = 'x';
	assert_int_equal(fg_bundle_write(at("b"), result, NULL, &err), -FG_E_INVALID);
	assert_int_equal(entries(root_dir), 0);
	fg_profile_free(profile);
	fg_result_free(result);
}

/* root may write anywhere, so another user tries. */
static void test_read_only_directory(void **state)
{
	struct fg_result *result = fg_sample_result(&small);
	int status = -1;

	(void)state;
	assert_int_equal(chmod(root_dir, 0555), 0);
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		struct fg_err err = {0};

		if (geteuid() == 0 && setuid(65534) != 0)
			_exit(3);
		int rc = fg_bundle_write(at("runs/bundle"), result, NULL, &err);

		fg_result_free(result); /* valgrind looks at the child, too */
		_exit(rc == -FG_E_PERMISSION && strstr(err.message, "cannot create") ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(entries(root_dir), 0);
	assert_int_equal(chmod(root_dir, 0755), 0);
	fg_result_free(result);
}

/* Killed at random moments: a bundle is there whole or not at all. */
static void test_kill_leaves_no_half_bundle(void **state)
{
	struct fg_result *result = fg_sample_result(&small);
	uint64_t random = 9;
	unsigned seen = 0;

	(void)state;
	for (int round = 0; round < 20; round++) {
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0) {
			for (unsigned i = 0; i < 10000; i++) {
				char name[32];

				(void)snprintf(name, sizeof(name), "%d-%u", round, i);
				if (fg_bundle_write(at(name), result, NULL, NULL) != 0)
					_exit(1);
			}
			_exit(2);
		}
		const struct timespec pause = {
			.tv_nsec = (long)(1000000 + fg_sample_random(&random) % 20000000)};

		(void)nanosleep(&pause, NULL);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, NULL, 0), child);
	}
	DIR *dir = opendir(root_dir);

	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		struct fg_bundle bundle = {0};
		struct fg_err err = {0};

		if (entry->d_name[0] == '.' || strstr(entry->d_name, ".tmp"))
			continue;
		assert_ok(fg_bundle_read(at(entry->d_name), &bundle, &err), &err);
		fg_bundle_done(&bundle);
		seen++;
	}
	(void)closedir(dir);
	print_message("%u whole bundles of killed writers\n", seen);
	fg_result_free(result);
}

static void replace_file(const char *name, const void *bytes, size_t len)
{
	struct fg_err err = {0};

	assert_ok(fg_file_write(at(name), bytes, len, &err), &err);
}

static void expect_unreadable(const char *dir, enum fg_err_code code, const char *message)
{
	struct fg_bundle bundle = {0};
	struct fg_err err = {0};

	assert_int_equal(fg_bundle_read(at(dir), &bundle, &err), -(int)code);
	if (!strstr(err.message, message))
		fail_msg("%s", err.message);
	assert_null(bundle.result);
}

static void test_refuses_damaged_bundles(void **state)
{
	struct fg_result *result = fg_sample_result(&small);
	struct fg_profile *profile = make_profile(3, 3, 3, 1);
	struct fg_buf bomb;
	struct fg_err err = {0};
	char *zeros = calloc(1, 1 << 20);

	(void)state;
	assert_non_null(zeros);
	result->profile.present = true;
	assert_ok(fg_bundle_write(at("b"), result, profile, &err), &err);
	expect_unreadable("nope", FG_E_NOT_FOUND, "there is no bundle");
	expect_unreadable(".", FG_E_NOT_FOUND, "is not a bundle: it has no run.json");
	replace_file("b/profile.pb.gz", "junk", 4);
	expect_unreadable("b", FG_E_INVALID, "profile.pb.gz");
	assert_int_equal(unlink(at("b/profile.pb.gz")), 0);
	expect_unreadable("b", FG_E_NOT_FOUND, "profile.pb.gz");
	replace_file("b/latency.jsonl.gz", "junk", 4);
	expect_unreadable("b", FG_E_INVALID, "latency.jsonl.gz");
	replace_file("b/latency.jsonl.gz", "", 0);
	expect_unreadable("b", FG_E_INVALID, "latency.jsonl.gz: compressed data is cut off");
	fg_buf_init(&bomb, 64 << 20);
	for (int i = 0; i <= FG_BUNDLE_LATENCY_MAX >> 20; i++)
		assert_ok(fg_gzip_deflate(FG_DEFLATE_GZIP, zeros, 1 << 20, &bomb, &err), &err);
	replace_file("b/latency.jsonl.gz", bomb.data, bomb.len);
	expect_unreadable("b", FG_E_LIMIT, "latency.jsonl.gz: text exceeds its limit");
	assert_int_equal(unlink(at("b/latency.jsonl.gz")), 0);
	expect_unreadable("b", FG_E_NOT_FOUND, "latency.jsonl.gz");
	assert_int_equal(truncate(at("b/run.json"), FG_JSON_BYTES_MAX + 1), 0);
	expect_unreadable("b", FG_E_LIMIT, "run.json has 67108865 bytes");
	assert_int_equal(unlink(at("b/run.json")), 0);
	assert_int_equal(mkfifo(at("b/run.json"), 0600), 0);
	expect_unreadable("b", FG_E_INVALID, "not a regular file");
	fg_buf_done(&bomb);
	free(zeros);
	fg_profile_free(profile);
	fg_result_free(result);
}

/* design §3: at most 1 MB for 60 s with 5 classes. */
static void test_size(void **state)
{
	static const uint32_t rates[] = {40, 200, 1000, 2000};
	struct fg_profile *profile = make_profile(600, 3000, 30000, 60);
	struct fg_err err = {0};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(rates); i++) {
		struct fg_result *result =
			fg_sample_result(&(struct fg_sample_run){.classes = 4,
								 .seconds = 60,
								 .requests_per_second = rates[i],
								 .workers = 1,
								 .no_customs = true,
								 .filled = true});
		int64_t run, latency, metrics, pprof;

		result->profile.present = true;
		assert_ok(fg_bundle_write(at("b"), result, profile, &err), &err);
		run = size_of(at("b/run.json"));
		latency = size_of(at("b/latency.jsonl.gz"));
		metrics = size_of(at("b/metrics.jsonl.gz"));
		pprof = size_of(at("b/profile.pb.gz"));
		print_message("60 s, 5 classes, %u/s each: run.json %lld kB, latency %lld kB, "
			      "metrics %lld kB, profile %lld kB\n",
			      rates[i], (long long)run / 1000, (long long)latency / 1000,
			      (long long)metrics / 1000, (long long)pprof / 1000);
		assert_true(run + latency + metrics + pprof < 1000000);
		assert_ok(fg_file_remove_tree(at("b"), &err), &err);
		fg_result_free(result);
	}
	fg_profile_free(profile);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_write_and_read),
		TEST(test_without_profile_and_with_relative_names),
		TEST(test_failed_writes_leave_nothing),
		TEST(test_full_disk_leaves_nothing),
		TEST(test_inconsistent_results_leave_nothing),
		TEST(test_read_only_directory),
		TEST(test_kill_leaves_no_half_bundle),
		TEST(test_refuses_damaged_bundles),
		TEST(test_size),
	};

	return cmocka_run_group_tests_name("bundle", tests, NULL, NULL);
}
