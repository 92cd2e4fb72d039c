/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles with profiles of several types, scraped profiles and a memory series. */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gate/base/file.h"
#include "gate/measure/bundle_internal.h"
#include "tests/unit/measure/sample_run.h"

static const struct fg_sample_run small = {
	.classes = 1, .seconds = 2, .requests_per_second = 60, .workers = 1, .filled = true};

static char root_dir[64];

static int setup(void **state)
{
	(void)state;
	(void)snprintf(root_dir, sizeof(root_dir), "/tmp/fg-types-XXXXXX");
	return mkdtemp(root_dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return fg_file_remove_tree(root_dir, NULL);
}

static const char *at(const char *name)
{
	static char paths[4][FG_PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % FG_ARRAY_LEN(paths)];

	assert_int_equal(fg_file_path(path, NULL, "%s/%s", root_dir, name), 0);
	return path;
}

static struct fg_profile *make_profile(enum fg_profile_type type, uint32_t stacks, uint32_t seconds)
{
	struct fg_profile *profile = NULL;
	struct fg_err err = {0};
	uint64_t random = 7;

	assert_ok(fg_profile_new(&profile, &err), &err);
	profile->type = type;
	profile->period_ns = type == FG_PROFILE_FAULTS ? 1 : 1000;
	const struct fg_pmodule module = {
		.path = (uint32_t)fg_profile_string(profile, "/a", 2, &err)};
	int64_t module_index = fg_profile_module(profile, &module, &err);

	for (uint32_t i = 0; i < stacks; i++) {
		char name[64];
		int len = snprintf(name, sizeof(name), "f%llx",
				   (unsigned long long)fg_sample_random(&random));
		const struct fg_pfunction function = {
			.name = (uint32_t)fg_profile_string(profile, name, (size_t)len, &err),
			.module = (uint32_t)module_index,
		};
		const struct fg_pline line = {
			.function = (uint32_t)fg_profile_function(profile, &function, &err)};
		const struct fg_plocation location = {
			.module = (uint32_t)module_index, .address = i + 1, .line_count = 1};
		uint32_t place = (uint32_t)fg_profile_location(profile, &location, &line, &err);
		int64_t stack = fg_profile_stack(profile, &place, 1, FG_STACK_COMPLETE, &err);

		for (uint32_t second = 0; second < seconds; second++) {
			const struct fg_psample sample = {
				.stack = (uint32_t)stack,
				.phase = (uint32_t)fg_profile_string(profile, "measure", 7, &err),
				.second = second,
				.count = 1 + fg_sample_random(&random) % 100000,
			};

			assert_ok(fg_profile_sample(profile, &sample, &err), &err);
		}
	}
	return profile;
}

static void make_bundle(struct fg_bundle *bundle)
{
	bundle->result = fg_sample_result(&small);
	bundle->result->profile.present = true;
	bundle->profile = make_profile(FG_PROFILE_CPU, 5, 3);
	for (int i = FG_PROFILE_OFFCPU; i < FG_PROFILE_TYPE_COUNT; i++) {
		struct fg_profile_type_info *info = &bundle->result->profile.types[i];

		bundle->profiles[i] = make_profile((enum fg_profile_type)i, 5, 3);
		*info = (struct fg_profile_type_info){
			.present = true,
			.samples = 100u + (uint64_t)i,
			.complete = 99,
			.with_user = 100,
			.borrowed = 3,
			.value = 12345,
			.events = 1000,
			.skipped = 900,
			.nested = 1,
			.bpf_ns = 77,
		};
	}
	for (int i = 0; i < FG_WAIT_CLASS_COUNT; i++)
		bundle->result->profile.wait_us[i] = 10u * (uint64_t)i;
	bundle->result->target_rss.bytes = calloc(3, sizeof(uint64_t));
	assert_non_null(bundle->result->target_rss.bytes);
	bundle->result->target_rss.count = bundle->result->target_rss.capacity = 3;
	bundle->result->target_rss.bytes[0] = 4096;
	bundle->result->target_rss.bytes[2] = 8192;
}

static void add(struct fg_bundle *bundle, const char *name, const char *url, size_t len)
{
	char type[] = "memory", name_copy[64], url_copy[256];
	FG_AUTO_FREE char *bytes = calloc(1, len + 1);
	struct fg_err err = {0};

	(void)snprintf(name_copy, sizeof(name_copy), "%s", name);
	(void)snprintf(url_copy, sizeof(url_copy), "%s", url);
	assert_non_null(bytes);
	memset(bytes, 'x', len);
	const struct fg_scrape scrape = {.name = name_copy,
					 .type = type,
					 .url = url_copy,
					 .at_ns = 5,
					 .bytes = bytes,
					 .len = len};

	assert_ok(fg_bundle_add_scrape(bundle, &scrape, &err), &err);
}

static void test_everything_comes_back(void **state)
{
	struct fg_bundle bundle = {0}, back = {0};
	struct fg_err err = {0};

	(void)state;
	make_bundle(&bundle);
	add(&bundle, "heap", "http://127.0.0.1:1/debug/pprof/heap", 1000);
	add(&bundle, "empty", "http://x/", 0);
	assert_ok(fg_bundle_write_all(at("b"), &bundle, &err), &err);
	assert_true(fg_file_exists(at("b/profile.offcpu.pb.gz")));
	assert_true(fg_file_exists(at("b/scrape/1.pb.gz")));
	assert_ok(fg_bundle_read(at("b"), &back, &err), &err);
	for (int i = 0; i < FG_PROFILE_TYPE_COUNT; i++) {
		const struct fg_profile *before =
			fg_bundle_profile(&bundle, (enum fg_profile_type)i);
		const struct fg_profile *after = fg_bundle_profile(&back, (enum fg_profile_type)i);

		assert_non_null(after);
		assert_int_equal(after->type, i);
		assert_int_equal(fg_profile_total_count(after) * after->period_ns,
				 fg_profile_total_count(before) * before->period_ns);
	}
	assert_memory_equal(back.result->profile.types, bundle.result->profile.types,
			    sizeof(back.result->profile.types));
	assert_memory_equal(back.result->profile.wait_us, bundle.result->profile.wait_us,
			    sizeof(back.result->profile.wait_us));
	assert_int_equal(back.result->target_rss.count, 3);
	assert_int_equal(back.result->target_rss.bytes[1], 0);
	assert_int_equal(back.result->target_rss.bytes[2], 8192);
	assert_int_equal(back.scrape_count, 2);
	assert_string_equal(back.scrapes[0].name, "heap");
	assert_string_equal(back.scrapes[0].url, "http://127.0.0.1:1/debug/pprof/heap");
	assert_int_equal(back.scrapes[0].at_ns, 5);
	assert_int_equal(back.scrapes[0].len, 1000);
	assert_int_equal(back.scrapes[1].len, 0);
	fg_bundle_done(&back);
	fg_bundle_done(&bundle);
}

static void test_urls_keep_no_secrets(void **state)
{
	static const char *const urls[][2] = {
		{"http://user:word@host:1/p?token=s#f", "http://host:1/p"},
		{"https://host", "https://host"},
		{"http://a@b@host/x@y", "http://host/x@y"},
		{"http://host?key=s", "http://host"},
		{"user:word@host/p", "host/p"},
		{"", ""},
	};
	struct fg_bundle bundle = {0};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(urls); i++) {
		add(&bundle, "x", urls[i][0], 1);
		assert_string_equal(bundle.scrapes[i].url, urls[i][1]);
	}
	fg_bundle_done(&bundle);
}

static void test_limits_of_scrapes(void **state)
{
	struct fg_bundle bundle = {0};
	struct fg_err err = {0};
	char text[] = "t", long_text[FG_SCRAPE_TEXT_MAX + 2];
	struct fg_scrape scrape = {
		.name = text, .type = text, .url = text, .bytes = text, .len = 1};

	(void)state;
	memset(long_text, 'a', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = '\0';
	scrape.name = long_text;
	assert_int_equal(fg_bundle_add_scrape(&bundle, &scrape, &err), -FG_E_LIMIT);
	scrape.name = text;
	scrape.url = long_text;
	assert_int_equal(fg_bundle_add_scrape(&bundle, &scrape, &err), -FG_E_LIMIT);
	scrape.url = text;
	scrape.len = FG_SCRAPE_BYTES_MAX + 1u;
	assert_int_equal(fg_bundle_add_scrape(&bundle, &scrape, &err), -FG_E_LIMIT);
	scrape.len = 1;
	for (int i = 0; i < FG_SCRAPES_MAX; i++)
		assert_ok(fg_bundle_add_scrape(&bundle, &scrape, &err), &err);
	assert_int_equal(fg_bundle_add_scrape(&bundle, &scrape, &err), -FG_E_LIMIT);
	assert_int_equal(bundle.scrape_count, FG_SCRAPES_MAX);
	fg_bundle_done(&bundle);
}

/* run.json and the profiles must say the same. */
static void test_promises(void **state)
{
	struct fg_bundle bundle = {0};
	struct fg_err err = {0};

	(void)state;
	make_bundle(&bundle);
	bundle.result->profile.types[FG_PROFILE_WALL].present = false;
	assert_int_equal(fg_bundle_write_all(at("b"), &bundle, &err), -FG_E_INTERNAL);
	assert_non_null(strstr(err.message, "wall"));
	bundle.result->profile.types[FG_PROFILE_WALL].present = true;
	fg_profile_free(bundle.profiles[FG_PROFILE_FAULTS]);
	bundle.profiles[FG_PROFILE_FAULTS] = NULL;
	assert_int_equal(fg_bundle_write_all(at("b"), &bundle, &err), -FG_E_INTERNAL);
	assert_non_null(strstr(err.message, "faults"));
	assert_false(fg_file_exists(at("b")));
	fg_bundle_done(&bundle);
}

static void overwrite(const char *name, const char *text)
{
	struct fg_err err = {0};

	assert_ok(fg_file_write(at(name), text, strlen(text), &err), &err);
}

static void test_damaged(void **state)
{
	static const struct {
		const char *file, *text;
		int expected;
	} cases[] = {
		{"b/scrape/index.json", "{", -FG_E_INVALID},
		{"b/scrape/index.json", "{\"version\":2,\"profiles\":[]}", -FG_E_UNSUPPORTED},
		{"b/scrape/index.json", "{\"version\":1}", -FG_E_INVALID},
		{"b/scrape/index.json", "{\"version\":1,\"profiles\":[1]}", -FG_E_INVALID},
		{"b/scrape/index.json",
		 "{\"version\":1,\"profiles\":[{\"name\":\"a\",\"type\":\"b\",\"url\":\"c\","
		 "\"atNs\":1,"
		 "\"bytes\":7}]}",
		 -FG_E_INVALID},
		{"b/scrape/index.json",
		 "{\"version\":1,\"profiles\":[{\"name\":\"a\",\"type\":\"b\",\"url\":\"c\","
		 "\"atNs\":1,"
		 "\"bytes\":99999999999}]}",
		 -FG_E_INVALID},
		{"b/profile.wall.pb.gz", "no pprof", -FG_E_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_bundle bundle = {0}, back = {0};
		struct fg_err err = {0};

		make_bundle(&bundle);
		add(&bundle, "heap", "http://x/", 10);
		assert_ok(fg_bundle_write_all(at("b"), &bundle, &err), &err);
		overwrite(cases[i].file, cases[i].text);
		int rc = fg_bundle_read(at("b"), &back, &err);

		if (rc != cases[i].expected && rc != -FG_E_LIMIT)
			fail_msg("case %zu: %d, %s", i, rc, err.message);
		assert_ok(fg_file_remove_tree(at("b"), &err), &err);
		fg_bundle_done(&bundle);
	}
}

static void test_exchanged(void **state)
{
	struct fg_bundle bundle = {0}, back = {0};
	struct fg_err err = {0};

	(void)state;
	make_bundle(&bundle);
	assert_ok(fg_bundle_write_all(at("b"), &bundle, &err), &err);
	assert_int_equal(rename(at("b/profile.wall.pb.gz"), at("b/profile.offcpu.pb.gz")), 0);
	assert_int_equal(fg_bundle_read(at("b"), &back, &err), -FG_E_INVALID);
	assert_non_null(strstr(err.message, "holds a profile of type wall"));
	fg_bundle_done(&bundle);
}

/* Seconds are put together until the file is small; of CPU time they stay. */
static void test_stays_small(void **state)
{
	(void)state;
	for (int type = FG_PROFILE_CPU; type <= FG_PROFILE_OFFCPU; type++) {
		struct fg_profile *profile = make_profile((enum fg_profile_type)type, 3000, 60);
		struct fg_err err = {0};
		struct fg_buf bytes;

		fg_buf_init(&bytes, FG_PROFILE_BYTES_MAX);
		assert_ok(fg_bundle_encode_profile(profile, &bytes, &err), &err);
		if (type == FG_PROFILE_CPU)
			assert_true(bytes.len > FG_BUNDLE_TYPE_BYTES); /* or this tests nothing */
		else
			assert_true(bytes.len <= FG_BUNDLE_TYPE_BYTES);
		fg_buf_done(&bytes);
		fg_profile_free(profile);
	}
}

static void test_memory_summary(void **state)
{
	struct fg_result *result = fg_sample_result(&small);
	struct fg_rss_summary rss;
	uint64_t bytes[] = {0, 1000, 5000, 0, 3000};

	(void)state;
	assert_false(fg_result_rss(result, &rss));
	result->measured_start_ns = 0;
	result->target_rss =
		(struct fg_rss_series){bytes, FG_ARRAY_LEN(bytes), FG_ARRAY_LEN(bytes)};
	assert_true(fg_result_rss(result, &rss));
	assert_int_equal(rss.start_bytes, 1000);
	assert_int_equal(rss.peak_bytes, 5000);
	assert_int_equal(rss.end_bytes, 3000);
	double expected = 2000.0 * 1000 / (double)fg_result_requests(result);

	assert_true(rss.growth_per_1000_requests_bytes > 0.99 * expected &&
		    rss.growth_per_1000_requests_bytes < 1.01 * expected);
	result->measured_start_ns = 3 * FG_NS_PER_S; /* the warm-up's growth is not counted */
	assert_true(fg_result_rss(result, &rss));
	assert_int_equal(rss.start_bytes, 5000);
	assert_true(rss.growth_per_1000_requests_bytes < 0);
	result->target_rss = (struct fg_rss_series){0};
	fg_result_free(result);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_everything_comes_back, setup, teardown),
		cmocka_unit_test(test_urls_keep_no_secrets),
		cmocka_unit_test(test_limits_of_scrapes),
		cmocka_unit_test_setup_teardown(test_promises, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exchanged, setup, teardown),
		cmocka_unit_test(test_stays_small),
		cmocka_unit_test(test_memory_summary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
