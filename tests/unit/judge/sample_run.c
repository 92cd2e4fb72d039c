/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/judge/sample_run.h"

#include "tests/kit/kit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"

uint64_t sample_random(uint64_t *state)
{
	/* splitmix64 */
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

double sample_uniform(uint64_t *state)
{
	return ((double)(sample_random(state) >> 11) + 0.5) / 9007199254740992.0;
}

double sample_normal(uint64_t *state)
{
	double radius = sqrt(-2.0 * log(sample_uniform(state)));

	return radius * cos(2.0 * M_PI * sample_uniform(state));
}

static char *text(const char *source)
{
	char *copy;

	assert_int_equal(fg_str_dup(source, &copy, NULL), 0);
	return copy;
}

static void add_scenario(struct fg_registry *registry, const char *name, const char *executor,
			 double rate, const char *tier)
{
	struct fg_scenario_def def = {.name = text(name),
				      .executor = text(executor),
				      .description = text("as the example"),
				      .duration_ns = 60 * FG_NS_PER_S,
				      .target_rate_per_s = rate};

	if (tier)
		assert_int_equal(fg_tags_add(&def.tags, "tier", tier, NULL), 0);
	assert_true(fg_registry_add_scenario(registry, &def, NULL) >= 0);
	free(def.name);
	free(def.executor);
	free(def.description);
	fg_tags_done(&def.tags);
}

static void add_class(struct fg_registry *registry, uint32_t scenario, const char *name,
		      const char *method, const char *group)
{
	struct fg_class def = {.scenario = scenario,
			       .name = text(name),
			       .group = text(group),
			       .method = text(method),
			       .url = text("/"),
			       .engine = text("curl"),
			       .clock = text("kernel")};

	if (scenario == 0)
		assert_int_equal(fg_tags_add(&def.tags, "tier", "read", NULL), 0);
	assert_true(fg_registry_add_class(registry, &def, NULL) >= 0);
	free(def.name);
	free(def.group);
	free(def.method);
	free(def.url);
	free(def.engine);
	free(def.clock);
	fg_tags_done(&def.tags);
}

static void add_check(struct fg_registry *registry, uint32_t class_index, const char *name,
		      const char *group)
{
	struct fg_check def = {.scenario = registry->classes[class_index].scenario,
			       .class_index = class_index,
			       .name = text(name),
			       .group = text(group)};

	assert_true(fg_registry_add_check(registry, &def, NULL) >= 0);
	free(def.name);
	free(def.group);
}

struct fg_registry sample_registry(void)
{
	struct fg_registry registry;

	fg_registry_init(&registry);
	add_scenario(&registry, "browse", "constant-arrival-rate", 200, "read");
	add_scenario(&registry, "smoke", "constant-vus", 0, NULL);
	add_class(&registry, 0, "GET /items", "GET", "");
	add_class(&registry, 0, "POST /login", "POST", "::auth");
	add_class(&registry, 1, "GET /health", "GET", "");
	add_check(&registry, SAMPLE_ITEMS, "status is 200", "");
	add_check(&registry, SAMPLE_LOGIN, "logged in", "::auth");
	return registry;
}

static struct fg_slice *new_slice(const struct fg_registry *registry, uint32_t second)
{
	struct fg_slice *slice;

	assert_int_equal(fg_slice_new(registry, NULL, &slice, NULL), 0);
	slice->second = second;
	return slice;
}

void sample_requests(struct fg_slice *slice, uint32_t class_index, uint64_t response_ns, unsigned n)
{
	struct fg_request_record record = {.class_index = class_index,
					   .expected = true,
					   .status = 200,
					   .sent_bytes = 100,
					   .received_bytes = 1000};

	for (int i = 0; i < FG_TREND_COUNT; i++)
		record.trends_ns[i] = response_ns;
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(fg_slice_request(slice, &record), 0);
}

static void add_failures(struct fg_slice *slice)
{
	struct fg_request_record refused = {
		.class_index = SAMPLE_ITEMS, .error = FG_NET_REFUSED, .lower_bound = true};
	struct fg_request_record broken = {
		.class_index = SAMPLE_LOGIN, .error = FG_NET_HTTP_STATUS, .status = 503};

	for (int i = 0; i < FG_TREND_COUNT; i++)
		broken.trends_ns[i] = 20 * FG_NS_PER_MS;
	for (int i = 0; i < 12; i++)
		assert_int_equal(fg_slice_request(slice, &refused), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fg_slice_request(slice, &broken), 0);
	slice->checks[1].fails += 3;
}

static void set_common(struct fg_result *result, unsigned seconds)
{
	result->name = text("checkout-api");
	result->target_label = text("./build/server");
	result->target_pid = 4711;
	result->seed = 42;
	(void)snprintf(result->id, sizeof(result->id), "20261121T101500Z-7f3a");
	(void)snprintf(result->scenario_hash, sizeof(result->scenario_hash), "0123456789abcdef");
	(void)snprintf(result->environment.cpu_model, sizeof(result->environment.cpu_model),
		       "AMD EPYC 7763");
	(void)snprintf(result->environment.kernel, sizeof(result->environment.kernel),
		       "6.1.0-28-amd64");
	(void)snprintf(result->environment.architecture, sizeof(result->environment.architecture),
		       "x86_64");
	result->environment.cores = 2;
	result->duration_ns = result->measured_ns = seconds * FG_NS_PER_S;
}

struct fg_result *sample_result(void)
{
	struct fg_registry registry = sample_registry();
	struct fg_result *result;

	assert_int_equal(fg_result_new(&registry, &result, NULL), 0);
	for (uint32_t second = 0; second < 60; second++) {
		struct fg_slice *slice = new_slice(&registry, second);

		sample_requests(slice, SAMPLE_ITEMS, 1100000, 150);
		sample_requests(slice, SAMPLE_ITEMS, 3000000, 10);
		sample_requests(slice, SAMPLE_ITEMS, 8200000, 10);
		sample_requests(slice, SAMPLE_LOGIN, 4800000, 6);
		sample_requests(slice, SAMPLE_HEALTH, 312 * FG_NS_PER_US, 30);
		slice->checks[0].passes = 170;
		slice->checks[1].passes = 6;
		slice->scenarios[0].iterations = 176;
		slice->scenarios[0].scheduled = 176;
		slice->scenarios[0].vus = slice->scenarios[0].vus_max = 50;
		slice->scenarios[1].iterations = 30;
		slice->scenarios[1].vus = slice->scenarios[1].vus_max = 4;
		for (int i = 0; i < 176; i++)
			assert_int_equal(fg_hist_record(&slice->scenarios[0].lag, 64000), 0);
		if (second == 30)
			add_failures(slice);
		assert_int_equal(fg_result_add_slice(result, slice, NULL), 0);
		fg_slice_free(slice);
	}
	set_common(result, 60);
	fg_registry_done(&registry);
	return result;
}

/* Only what the verdict looks at: response time, and waiting for a rule on another trend. */
static void sample_request(struct fg_slice *slice, uint32_t class_index, double response_ns)
{
	struct fg_request_record record = {
		.class_index = class_index, .expected = true, .status = 200};

	record.trends_ns[FG_TREND_RESPONSE_TIME] = (uint64_t)response_ns;
	record.trends_ns[FG_TREND_WAITING] = (uint64_t)response_ns;
	assert_int_equal(fg_slice_request(slice, &record), 0);
}

struct fg_result *sample_server_run(const struct sample_server *server)
{
	struct fg_registry registry;
	struct fg_result *result;
	uint64_t state = server->seed;
	double cpu_sum = 0;
	double episode = 1;

	fg_registry_init(&registry);
	add_scenario(&registry, "browse", "constant-arrival-rate", server->rate_per_s, NULL);
	for (unsigned c = 0; c < server->classes; c++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "GET /%u", c);
		add_class(&registry, 0, name, "GET", "");
	}
	assert_int_equal(fg_result_new(&registry, &result, NULL), 0);
	result->target_cpu.cpu_ns = calloc(server->seconds, sizeof(uint64_t));
	assert_non_null(result->target_cpu.cpu_ns);
	result->target_cpu.count = result->target_cpu.capacity = server->seconds;
	for (uint32_t second = 0; second < server->seconds; second++) {
		struct fg_slice *slice = new_slice(&registry, second);
		double cpu = server->cpu_ns * exp(server->cpu_jitter * sample_normal(&state)) *
			     server->rate_per_s * server->classes;

		if (second % 5 == 0)
			episode = exp(server->latency_jitter * sample_normal(&state));
		for (unsigned c = 0; c < server->classes; c++) {
			for (unsigned i = 0; i < server->rate_per_s; i++)
				sample_request(
					slice, c,
					server->latency_ns * episode *
						exp(server->latency_sigma * sample_normal(&state)));
		}
		result->target_cpu.cpu_ns[second] = (uint64_t)cpu;
		cpu_sum += cpu;
		assert_int_equal(fg_result_add_slice(result, slice, NULL), 0);
		fg_slice_free(slice);
	}
	set_common(result, server->seconds);
	if (server->cpu_ns > 0)
		result->measured_target_cpu_ns = (uint64_t)cpu_sum;
	fg_registry_done(&registry);
	return result;
}

/* -- profiles -----------------------------------------------------------------------------------
 */

static uint32_t string_of(struct fg_profile *profile, const char *value)
{
	int64_t id = fg_profile_string(profile, value, strlen(value), NULL);

	assert_true(id >= 0);
	return (uint32_t)id;
}

static uint32_t location_of(struct fg_profile *profile, uint32_t module, const char *name,
			    uint64_t address)
{
	struct fg_pfunction function = {.name = string_of(profile, name),
					.system_name = string_of(profile, name),
					.filename = string_of(profile, "server/json.c"),
					.start_line = 88,
					.module = module};
	int64_t id = fg_profile_function(profile, &function, NULL);
	struct fg_pline line = {.function = (uint32_t)id, .line = 90};
	struct fg_plocation location = {.module = module, .address = address, .line_count = 1};

	assert_true(id >= 0);
	id = fg_profile_location(profile, &location, &line, NULL);
	assert_true(id >= 0);
	return (uint32_t)id;
}

struct fg_profile *sample_profile(const struct sample_function *functions, size_t count,
				  unsigned samples, unsigned seconds, uint64_t seed)
{
	enum { MAX = 64 };
	struct fg_profile *profile;
	uint32_t stacks[MAX + 1];
	uint64_t state = seed;

	assert_true(count < MAX);
	assert_int_equal(fg_profile_new(&profile, NULL), 0);
	struct fg_pmodule module = {.path = string_of(profile, "/srv/server"),
				    .build_id = string_of(profile, "ab12"),
				    .start = 0x1000,
				    .limit = 0x9000};
	int64_t module_id = fg_profile_module(profile, &module, NULL);

	assert_true(module_id >= 0);
	uint32_t main_location = location_of(profile, (uint32_t)module_id, "main", 0x1000);

	for (size_t i = 0; i <= count; i++) {
		uint32_t frames[2] = {location_of(profile, (uint32_t)module_id,
						  i < count ? functions[i].name : "other",
						  0x2000 + 16 * i),
				      main_location};
		int64_t id = fg_profile_stack(profile, frames, 2, FG_STACK_COMPLETE, NULL);

		assert_true(id >= 0);
		stacks[i] = (uint32_t)id;
	}
	for (unsigned n = 0; n < samples; n++) {
		double draw = sample_uniform(&state);
		size_t i = 0;

		while (i < count && draw >= functions[i].share)
			draw -= functions[i++].share;
		struct fg_psample sample = {.stack = stacks[i],
					    .phase = string_of(profile, "measure"),
					    .second = (uint32_t)((uint64_t)n * seconds / samples),
					    .count = 1};

		assert_int_equal(fg_profile_sample(profile, &sample, NULL), 0);
	}
	profile->period_ns = 2004008;
	return profile;
}

void sample_profile_info(struct fg_result *result, unsigned samples)
{
	result->profile = (struct fg_profile_info){
		.present = true,
		.frequency_hz = 499,
		.cpus = 2,
		.samples = samples,
		.complete = samples,
		.samples_per_cpu_s = 499,
	};
}
