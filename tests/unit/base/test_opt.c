/* SPDX-License-Identifier: Apache-2.0 */
/* The option parser: forms, errors, help. */
#include "tests/kit/kit.h"

#include <string.h>

#include "gate/base/opt.h"

struct values {
	bool quiet, verbose;
	const char *url;
	uint64_t vus;
	uint64_t duration_ns;
	struct fg_opt_list outs;
};

static const struct fg_opt options[] = {
	{"quiet", 'q', FG_OPT_FLAG, offsetof(struct values, quiet), NULL, "Say less"},
	{"verbose", 'v', FG_OPT_FLAG, offsetof(struct values, verbose), NULL, "Say more"},
	{"url", 0, FG_OPT_STRING, offsetof(struct values, url), "URL", "Where"},
	{"vus", 'u', FG_OPT_U64, offsetof(struct values, vus), "N", "How many"},
	{"duration", 'd', FG_OPT_DURATION, offsetof(struct values, duration_ns), "TIME",
	 "How long it takes, in words that need more than one line of eighty columns to be said"},
	{"out", 'o', FG_OPT_LIST, offsetof(struct values, outs), "KIND=PATH", "Write"},
};

static int parse(const char *line, struct values *values, struct fg_opt_list *args,
		 struct fg_err *err)
{
	static char copy[512];
	char *argv[32];
	int argc = 0;
	char *save = NULL;

	memset(values, 0, sizeof(*values));
	strncpy(copy, line, sizeof(copy) - 1);
	for (char *word = strtok_r(copy, " ", &save); word && argc < 32;
	     word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	return fg_opt_parse(options, FG_ARRAY_LEN(options), argc, argv, values, args, err);
}

static void test_forms(void **state)
{
	struct values v;
	struct fg_opt_list args;
	struct fg_err err = {0};

	(void)state;
	assert_ok(parse("a.yaml -qv --url=http://x -u5 --duration 10s -o json=a --out csv=b b", &v,
			&args, &err),
		  &err);
	assert_true(v.quiet && v.verbose);
	assert_string_equal(v.url, "http://x");
	assert_int_equal(v.vus, 5);
	assert_int_equal(v.duration_ns, 10 * FG_NS_PER_S);
	assert_int_equal(v.outs.count, 2);
	assert_string_equal(v.outs.items[1], "csv=b");
	assert_int_equal(args.count, 2);
	assert_string_equal(args.items[1], "b");
	assert_ok(parse("-- -q --url", &v, &args, &err), &err);
	assert_int_equal(args.count, 2);
	assert_false(v.quiet);
	assert_ok(parse("-", &v, &args, &err), &err);
	assert_string_equal(args.items[0], "-");
}

static void test_errors(void **state)
{
	static const struct {
		const char *line;
		const char *message;
	} cases[] = {
		{"--ur x", "unknown option --ur; did you mean --url?"},
		{"--banana", "unknown option --banana"},
		{"-x", "unknown option -x"},
		{"--url", "--url needs a value: --url URL"},
		{"--quiet=1", "--quiet takes no value"},
		{"-u ten", "--vus: expected a whole number, got \"ten\""},
		{"-d 10", "--duration: duration needs a unit: 5s, 500ms, 2m"},
		{"-u 0", "--vus must be more than 0; leave it out for its default"},
		{"-d 0s", "--duration must be more than 0; leave it out for its default"},
		{"-u -5", "--vus: expected a whole number, got \"-5\""},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct values v;
		struct fg_opt_list args;
		struct fg_err err = {0};

		assert_int_equal(parse(cases[i].line, &v, &args, &err), -FG_E_USAGE);
		assert_string_equal(err.message, cases[i].message);
		assert_int_equal(err.code, FG_E_USAGE);
	}
}

static void test_help_fits_80_columns(void **state)
{
	struct fg_buf out;

	(void)state;
	fg_buf_init(&out, 10000);
	fg_opt_help(options, FG_ARRAY_LEN(options), &out);
	assert_non_null(strstr(out.data, "  -u, --vus N               How many\n"));
	for (const char *line = out.data; *line;) {
		size_t len = strcspn(line, "\n");

		assert_true(len <= 80);
		line += len + (line[len] == '\n');
	}
	fg_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_help_fits_80_columns),
	};

	return cmocka_run_group_tests_name("opt", tests, NULL, NULL);
}
