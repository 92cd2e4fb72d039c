/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishes a made-up run, so that test_pyroscope.py can ask for any size, age and label.
 * Prints the report as one line of JSON; on failure the error on stderr, exit status = its code.
 */
#include "gate/base/clock.h"
#include "gate/base/num.h"
#include "gate/base/str.h"
#include "gate/format/json.h"
#include "runner/publish/pyroscope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settings {
	struct fg_pyroscope_options options;
	struct fg_tags labels;
	const char *run_id, *name;
	uint64_t stacks;     /* distinct ones, each seen `count` times */
	uint64_t seconds;    /* over which they are spread */
	uint64_t age_s;      /* since the run's end */
	uint64_t name_bytes; /* length of function names */
	uint64_t count;
	uint64_t verify_ms, tries, endpoints;
	uint64_t warmup; /* stacks of another phase, which must stay here */
	bool no_profile;
};

struct option {
	const char *name;
	const char **text;
	uint64_t *number;
	bool *flag;
};

static int set_option(const struct option *option, const char *value, struct fg_err *err)
{
	if (option->text)
		*option->text = value;
	else if (option->number)
		return fg_num_u64(value, strlen(value), option->number, err);
	return 0;
}

static int add_label(struct settings *settings, const char *text, struct fg_err *err)
{
	const char *equals = strchr(text, '=');
	char key[2048];

	if (!equals || (size_t)(equals - text) >= sizeof(key))
		return fg_err_set(err, FG_E_USAGE, "--label NAME=VALUE");
	(void)snprintf(key, sizeof(key), "%.*s", (int)(equals - text), text);
	return fg_tags_add(&settings->labels, key, equals + 1, err);
}

static int parse(int argc, char **argv, struct settings *set, struct fg_err *err)
{
	const struct option options[] = {
		{"--url", .text = &set->options.url},
		{"--user", .text = &set->options.basic_user},
		{"--password", .text = &set->options.basic_password},
		{"--bearer", .text = &set->options.bearer_token},
		{"--tenant", .text = &set->options.tenant},
		{"--service", .text = &set->options.service_name},
		{"--run-id", .text = &set->run_id},
		{"--name", .text = &set->name},
		{"--stacks", .number = &set->stacks},
		{"--seconds", .number = &set->seconds},
		{"--age", .number = &set->age_s},
		{"--name-bytes", .number = &set->name_bytes},
		{"--count", .number = &set->count},
		{"--verify-ms", .number = &set->verify_ms},
		{"--endpoints", .number = &set->endpoints},
		{"--tries", .number = &set->tries},
		{"--warmup", .number = &set->warmup},
		{"--restamp", .flag = &set->options.restamp_now},
		{"--verify", .flag = &set->options.verify},
		{"--no-profile", .flag = &set->no_profile},
	};

	for (int i = 1; i < argc; i++) {
		bool known = false;
		int rc = 0;

		for (size_t k = 0; k < FG_ARRAY_LEN(options) && !known; k++) {
			known = strcmp(argv[i], options[k].name) == 0;
			if (known && options[k].flag)
				*options[k].flag = true;
			else if (known && i + 1 < argc)
				rc = set_option(&options[k], argv[++i], err);
		}
		if (!known && strcmp(argv[i], "--label") == 0 && i + 1 < argc)
			rc = add_label(set, argv[++i], err);
		else if (!known)
			rc = fg_err_set(err, FG_E_USAGE, "unknown argument %s", argv[i]);
		if (rc)
			return rc;
	}
	return 0;
}

static int64_t make_location(struct fg_profile *profile, uint32_t module, uint64_t n,
			     uint64_t name_bytes, struct fg_err *err)
{
	char name[FG_PROFILE_STRING_MAX + 1];
	int used =
		snprintf(name, sizeof(name), "shop::checkout::step_%llu_", (unsigned long long)n);
	size_t len = (size_t)used;

	for (; len < name_bytes && len < sizeof(name) - 1; len++)
		name[len] = (char)('a' + (n + len) % 26);
	int64_t text = fg_profile_string(profile, name, len, err);

	if (text < 0)
		return text;
	struct fg_pfunction function = {
		.name = (uint32_t)text,
		.system_name = (uint32_t)text,
		.module = module,
	};
	int64_t index = fg_profile_function(profile, &function, err);

	if (index < 0)
		return index;
	struct fg_pline line = {.function = (uint32_t)index, .line = 7};
	struct fg_plocation location = {.module = module, .address = 16 * n, .line_count = 1};

	return fg_profile_location(profile, &location, &line, err);
}

static int add_sample(struct fg_profile *profile, const struct settings *set, uint32_t module,
		      uint32_t root, uint64_t n, const char *phase, struct fg_err *err)
{
	int64_t leaf = make_location(profile, module, n + 1, set->name_bytes, err);
	int64_t phase_text = fg_profile_string(profile, phase, strlen(phase), err);

	if (leaf < 0 || phase_text < 0)
		return -FG_E_INTERNAL;
	uint32_t frames[] = {(uint32_t)leaf, root};
	int64_t stack = fg_profile_stack(profile, frames, 2, FG_STACK_COMPLETE, err);

	if (stack < 0)
		return -FG_E_INTERNAL;
	char endpoint[64] = "";

	if (set->endpoints)
		(void)snprintf(endpoint, sizeof(endpoint), "GET /items/%llu",
			       (unsigned long long)(n % set->endpoints));
	int64_t endpoint_text = fg_profile_string(profile, endpoint, strlen(endpoint), err);

	if (endpoint_text < 0)
		return -FG_E_INTERNAL;
	struct fg_psample sample = {
		.stack = (uint32_t)stack,
		.endpoint = (uint32_t)endpoint_text,
		.phase = (uint32_t)phase_text,
		.second = (uint32_t)(n % set->seconds),
		.count = set->count,
	};
	return fg_profile_sample(profile, &sample, err);
}

static int fill(struct fg_profile *profile, const struct settings *set, struct fg_err *err)
{
	static const char path[] = "/usr/bin/shop";
	int64_t text = fg_profile_string(profile, path, strlen(path), err);

	if (text < 0)
		return -FG_E_INTERNAL;
	struct fg_pmodule module = {.path = (uint32_t)text, .start = 0, .limit = 1u << 30};
	int64_t module_index = fg_profile_module(profile, &module, err);

	if (module_index < 0)
		return -FG_E_INTERNAL;
	int64_t root = make_location(profile, (uint32_t)module_index, 0, 0, err);
	int rc = root < 0 ? -FG_E_INTERNAL : 0;

	for (uint64_t n = 0; rc == 0 && n < set->stacks; n++)
		rc = add_sample(profile, set, (uint32_t)module_index, (uint32_t)root, n, "measure",
				err);
	for (uint64_t n = 0; rc == 0 && n < set->warmup; n++)
		rc = add_sample(profile, set, (uint32_t)module_index, (uint32_t)root, n, "warmup",
				err);
	profile->period_ns = 2004008; /* 499 Hz */
	profile->time_unix_ns =
		set->options.now_unix_ns - (set->age_s + set->seconds) * FG_NS_PER_S;
	profile->duration_ns = set->seconds * FG_NS_PER_S;
	return rc;
}

static int print_report(const struct fg_pyroscope_report *report, struct fg_err *err)
{
	struct fg_json_writer writer;
	struct fg_buf out;

	fg_buf_init(&out, 64 << 10);
	fg_json_writer_init(&writer, &out, false);
	fg_json_begin(&writer, NULL);
	fg_json_put_u64(&writer, "profiles", report->profiles);
	fg_json_put_u64(&writer, "samplesSent", report->samples_sent);
	fg_json_put_u64(&writer, "cpuNsSent", report->cpu_ns_sent);
	fg_json_put_u64(&writer, "bytesSent", report->bytes_sent);
	fg_json_put_u64(&writer, "retries", report->retries);
	fg_json_put_bool(&writer, "verified", report->verified);
	fg_json_put_u64(&writer, "samplesRead", report->samples_read);
	fg_json_put_u64(&writer, "cpuNsRead", report->cpu_ns_read);
	fg_json_put_string(&writer, "query", report->query);
	fg_json_end(&writer);
	int rc = fg_json_writer_check(&writer, err);

	if (rc == 0)
		rc = printf("%s\n", out.data) < 0 ? -FG_E_IO : 0;
	fg_buf_done(&out);
	return rc;
}

static int run(struct settings *set, struct fg_err *err)
{
	struct fg_pyroscope_report report = {.profiles = 0};
	struct fg_bundle bundle = {.result = calloc(1, sizeof(struct fg_result))};
	int rc = bundle.result ? fg_profile_new(&bundle.profile, err) : fg_err_nomem(err);

	if (rc == 0) {
		(void)snprintf(bundle.result->id, sizeof(bundle.result->id), "%s", set->run_id);
		rc = fg_str_dup(set->name, &bundle.result->name, err);
	}
	set->options.now_unix_ns = fg_clock_realtime_ns();
	if (rc == 0)
		rc = fill(bundle.profile, set, err);
	struct fg_bundle sent = {.result = bundle.result,
				 .profile = set->no_profile ? NULL : bundle.profile};

	set->options.labels = &set->labels;
	set->options.verify_timeout_ns = set->verify_ms * FG_NS_PER_MS;
	set->options.max_tries = (unsigned)set->tries;
	if (rc == 0)
		rc = fg_pyroscope_publish(&sent, &set->options, &report, err);
	if (rc == 0)
		rc = print_report(&report, err);
	fg_profile_free(bundle.profile);
	if (bundle.result)
		free(bundle.result->name);
	free(bundle.result);
	return rc;
}

int main(int argc, char **argv)
{
	struct settings set = {
		.run_id = "run-1", .name = "synthetic", .stacks = 50, .seconds = 10, .count = 3};
	struct fg_err err = {.code = FG_E_NONE};
	int rc = parse(argc, argv, &set, &err);

	if (rc == 0)
		rc = run(&set, &err);
	fg_tags_done(&set.labels);
	if (rc)
		(void)fprintf(stderr, "%s\n", err.message);
	return -rc;
}
