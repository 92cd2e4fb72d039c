/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/measure/sample_run.h"

#include "tests/kit/kit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"
#include "gate/judge/threshold.h"
#include "gate/profile/profile.h"

uint64_t fg_sample_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static double uniform(uint64_t *state)
{
	return ((double)(fg_sample_random(state) >> 11) + 0.5) / 9007199254740992.0;
}

uint64_t fg_sample_latency_ns(uint64_t *state, double median_ns, double sigma)
{
	double normal = sqrt(-2 * log(uniform(state))) * cos(2 * M_PI * uniform(state));

	return (uint64_t)(median_ns * exp(sigma * normal));
}

static char *copy(const char *text)
{
	char *ret = NULL;

	assert_int_equal(fg_str_dup(text, &ret, NULL), 0);
	return ret;
}

static void add_class(struct fg_registry *registry, uint32_t scenario, const char *name,
		      const char *group)
{
	struct fg_class class = {
		.scenario = scenario,
		.name = copy(name),
		.group = copy(group),
		.method = copy("GET"),
		.url = copy("http://127.0.0.1/\"x\"?é={{ id }}"),
		.engine = copy("curl"),
		.clock = copy("user"),
	};
	struct fg_err err = {0};

	assert_ok(fg_tags_add(&class.tags, "team", scenario ? "late" : "shop", &err), &err);
	int index = fg_registry_add_class(registry, &class, &err);

	assert_true(index >= 0);
	struct fg_check check = {.scenario = scenario,
				 .class_index = (uint32_t)index,
				 .name = copy("status is 200"),
				 .group = copy(group)};

	assert_true(fg_registry_add_check(registry, &check, &err) >= 0);
	free(class.name);
	free(class.group);
	free(class.method);
	free(class.url);
	free(class.engine);
	free(class.clock);
	free(check.name);
	free(check.group);
	fg_tags_done(&class.tags);
}

static void add_scenario(struct fg_registry *registry, const char *name, uint64_t start_ns,
			 uint64_t warmup_ns)
{
	struct fg_scenario_def def = {
		.name = copy(name),
		.executor = copy("constant-arrival-rate"),
		.description = copy("200/s for 1m, 50–200 VUs"),
		.start_ns = start_ns,
		.duration_ns = 60 * FG_NS_PER_S,
		.warmup_ns = warmup_ns,
		.target_rate_per_s = 200.1,
	};
	struct fg_err err = {0};

	assert_ok(fg_tags_add(&def.tags, "tier", "a", &err), &err);
	assert_true(fg_registry_add_scenario(registry, &def, &err) >= 0);
	free(def.name);
	free(def.executor);
	free(def.description);
	fg_tags_done(&def.tags);
}

static void add_custom(struct fg_registry *registry, uint32_t scenario, const char *name,
		       enum fg_metric_type type, const char *group)
{
	struct fg_custom custom = {
		.scenario = scenario, .name = copy(name), .type = type, .group = copy(group)};
	struct fg_err err = {0};

	assert_true(fg_registry_add_custom(registry, &custom, &err) >= 0);
	free(custom.name);
	free(custom.group);
}

static void add_group(struct fg_registry *registry, uint32_t scenario, const char *path)
{
	struct fg_group group = {.scenario = scenario, .path = copy(path)};
	struct fg_err err = {0};

	assert_true(fg_registry_add_group(registry, &group, &err) >= 0);
	free(group.path);
}

void fg_sample_registry(struct fg_registry *registry, const struct fg_sample_run *run)
{
	fg_registry_init(registry);
	add_scenario(registry, "browse", 0, run->warmup_seconds * FG_NS_PER_S);
	add_scenario(registry, "late", FG_NS_PER_S, 0);
	for (uint32_t i = 0; i < run->classes; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "GET /items/%u", i);
		add_class(registry, 0, name, i % 2 ? "::shop::list" : "");
	}
	add_class(registry, 1, "GET /late", "");
	add_custom(registry, 0, "cart_value", FG_METRIC_TREND, "::shop");
	add_custom(registry, 0, "logins", FG_METRIC_COUNTER, "");
	add_custom(registry, 0, "stock", FG_METRIC_GAUGE, "");
	add_custom(registry, 0, "found", FG_METRIC_RATE, "::shop::list");
	add_custom(registry, 1, "cart_value", FG_METRIC_TREND, "");
	add_group(registry, 0, "::shop");
	add_group(registry, 0, "::shop::list");
}

static void record(struct fg_slice *slice, uint32_t class, uint64_t *random)
{
	unsigned dice = (unsigned)(fg_sample_random(random) % 1000);
	struct fg_request_record one = {
		.class_index = class,
		.expected = dice >= 3,
		.lower_bound = dice == 0,
		.error = dice == 0  ? FG_NET_TIMEOUT
			 : dice < 3 ? FG_NET_HTTP_STATUS
				    : FG_NET_OK,
		.status = dice == 0  ? 0
			  : dice < 3 ? 503
				     : 200,
		.sent_bytes = 120,
		.received_bytes = 900,
	};
	uint64_t waiting = fg_sample_latency_ns(random, 1.2e6 * (1 + class), 0.4);

	one.trends_ns[FG_TREND_WAITING] = waiting;
	one.trends_ns[FG_TREND_SENDING] = 8000 + dice;
	one.trends_ns[FG_TREND_RECEIVING] = fg_sample_latency_ns(random, 40000, 0.3);
	one.trends_ns[FG_TREND_DURATION] =
		one.trends_ns[FG_TREND_SENDING] + waiting + one.trends_ns[FG_TREND_RECEIVING];
	one.trends_ns[FG_TREND_WAKEUP] = class % 2 ? 5000 + dice : 0; /* a kernel clock */
	one.trends_ns[FG_TREND_SERVICE_TIME] =
		one.trends_ns[FG_TREND_DURATION] - one.trends_ns[FG_TREND_WAKEUP];
	one.trends_ns[FG_TREND_RESPONSE_TIME] =
		one.trends_ns[FG_TREND_DURATION] + fg_sample_latency_ns(random, 60000, 0.5);
	one.trends_ns[FG_TREND_BLOCKED] = 1000 + dice;
	assert_int_equal(fg_slice_request(slice, &one), 0);
}

static void fill_slice(struct fg_slice *slice, const struct fg_sample_run *run, uint64_t *random)
{
	for (uint32_t c = 0; c < slice->class_count; c++)
		for (uint32_t i = 0; i < run->requests_per_second / run->workers; i++)
			record(slice, c, random);
	for (size_t s = 0; s < slice->scenario_count; s++) {
		struct fg_scenario_slice *scenario = &slice->scenarios[s];

		scenario->iterations = run->requests_per_second;
		scenario->scheduled = run->requests_per_second + 1;
		scenario->late = 1;
		scenario->dropped = s;
		scenario->vus = 10;
		scenario->vus_max = 20;
		assert_int_equal(fg_hist_record(&scenario->lag, 64000 + slice->second), 0);
		assert_int_equal(fg_hist_record(&scenario->iteration_duration, 5000000), 0);
	}
	for (size_t c = 0; c < slice->check_count; c++)
		slice->checks[c] = (struct fg_check_slice){.passes = 7, .fails = c};
}

/* Quarters and whole numbers: sums of doubles are then exact in any order. */
static void fill_customs(struct fg_slice *slice, uint64_t *random)
{
	for (uint32_t i = 0; i < slice->custom_count; i++)
		for (int k = 0; k < 5; k++) {
			double value = (double)(fg_sample_random(random) % 4000) / 4 - 50;

			if (i == 4)
				value *= 1e9;
			assert_int_equal(fg_slice_custom(slice, i, i == 3 ? k > 0 : value), 0);
		}
	for (size_t i = 0; i < slice->group_count; i++)
		assert_int_equal(fg_hist_record(&slice->groups[i], 3000000 + 1000 * i), 0);
}

static void fill_thresholds(struct fg_result *result)
{
	result->thresholds = calloc(2, sizeof(*result->thresholds));
	assert_non_null(result->thresholds);
	result->threshold_count = 2;
	result->thresholds[0] = (struct fg_threshold_result){
		.metric_text = copy("http_req_duration{scenario:browse}"),
		.text = copy("p(95)<250"),
		.aborted = true,
		.value = 312.1e6,
		.samples = 1200,
		.value_text = "312 ms",
	};
	result->thresholds[1] = (struct fg_threshold_result){
		.metric_text = copy("checks"),
		.text = copy("rate>0.9"),
		.level = FG_LEVEL_WARN,
		.passed = true,
		.no_data = true,
		.value = NAN,
	};
}

static void fill_profile_info(struct fg_profile_info *info)
{
	*info = (struct fg_profile_info){
		.partial = true,
		.why_absent = "the helper ended early; run flamegate doctor",
		.frequency_hz = 499,
		.cpus = 2,
		.samples = 30100,
		.lost = 3,
		.lost_by = {[FG_LOSS_RING] = 1, [FG_LOSS_LIMIT] = 2},
		.complete = 30000,
		.guessed_frames = 5,
		.incomplete_by = {[FG_STACK_GAP] = 60, [FG_STACK_DEPTH] = 40},
		.unnamed_share = 0.004,
		.samples_per_cpu_s = 498.7,
		.bpf_ns = 123456789,
		.helper_cpu_ns = 987654321,
		.target_cpu_ns = 60000000001,
		.runtimes = {{.name = "node",
			      .flags = "--perf-basic-prof",
			      .processes = 3,
			      .samples = 30000,
			      .complete = 29990,
			      .frames = 600000,
			      .unnamed_frames = 17,
			      .advice = "node: 48 % of its frames have no name; \"x\""},
			     {.name = "native", .processes = 1}},
		.runtime_count = 2,
		.labels = true,
		.labels_problem =
			"switched off 12.3 s into the run: it took 2.4 % of the target's CPU",
		.attributed = 29709,
		.label_receives = 10600,
		.label_ns = 1234567,
		.slow = {.requests = 530,
			 .above_ns = 31000000,
			 .quantile = 95,
			 .seconds = {3, 41},
			 .second_count = 2},
	};
}

static void fill(struct fg_result *result, const struct fg_sample_run *run)
{
	result->name = copy("checkout-api");
	result->scenario_json = copy("{\"version\":1,\"a\":[1,2.5,\"é\"],\"n\":null}");
	result->target_label = copy("./build/server");
	result->invalid_reason = copy("the generator was late (lag p99 14 ms)");
	result->outcome = copy("thresholds");
	result->exit_code = 99;
	(void)snprintf(result->id, sizeof(result->id), "20261121T101500Z-7f3a");
	(void)snprintf(result->scenario_hash, sizeof(result->scenario_hash),
		       "0123456789abcdef0123456789abcdef");
	result->target_pid = 4711;
	result->seed = UINT64_MAX;
	result->started_unix_ns = 1795256100000000001;
	result->started_ns = 123456789012345;
	result->duration_ns = 60123456789;
	result->measured_start_ns = run->warmup_seconds * FG_NS_PER_S;
	result->measured_ns = 60123456789 - result->measured_start_ns;
	result->status = FG_RUN_INTERRUPTED;
	result->measured_target_cpu_ns = 60000000000;
	result->generator_cpu_ns = 5400000001;
	result->environment = (struct fg_environment){
		.cpu_model = "AMD EPYC 7763 64-Core Processor",
		.kernel = "6.1.0-28-amd64",
		.architecture = "x86_64",
		.hostname_hash = "a1b2c3d4e5f60718",
		.cores = 4,
		.memory_bytes = 16ull << 30,
		.governor = "performance",
		.ci = "github-actions",
		.runtime_flags = "NODE_OPTIONS=--perf-basic-prof",
	};
	result->target_cpu.cpu_ns = calloc(run->seconds + 1, sizeof(uint64_t));
	assert_non_null(result->target_cpu.cpu_ns);
	result->target_cpu.capacity = run->seconds + 1;
	for (; result->target_cpu.count < run->seconds; result->target_cpu.count++)
		result->target_cpu.cpu_ns[result->target_cpu.count] =
			980000000 + 1000 * result->target_cpu.count;
	fill_profile_info(&result->profile);
	fill_thresholds(result);
}

struct fg_result *fg_sample_result(const struct fg_sample_run *run)
{
	struct fg_registry registry;
	struct fg_result *result = NULL;
	struct fg_slice *slice = NULL;
	struct fg_err err = {0};
	uint64_t random = 42;

	fg_sample_registry(&registry, run);
	assert_ok(fg_result_new(&registry, &result, &err), &err);
	assert_ok(fg_slice_new(&registry, NULL, &slice, &err), &err);
	for (uint32_t second = 0; second < run->seconds; second++) {
		for (uint32_t worker = 0; worker < run->workers; worker++) {
			slice->second = second;
			slice->worker = worker;
			fill_slice(slice, run, &random);
			if (!run->no_customs)
				fill_customs(slice, &random);
			assert_ok(fg_result_add_slice(result, slice, &err), &err);
			fg_slice_clear(slice);
		}
	}
	if (run->filled)
		fill(result, run);
	fg_slice_free(slice);
	fg_registry_done(&registry);
	return result;
}

static int keep_row(void *context, const struct fg_series_row *row, struct fg_err *err)
{
	struct fg_sample_rows *rows = context;

	assert_ok(FG_VEC_ROOM(rows, items, count, capacity, 1 << 20, err), err);
	struct fg_series_row *copied = &rows->items[rows->count++];

	*copied = *row;
	copied->response_hdr = row->response_hdr ? copy(row->response_hdr) : NULL;
	copied->service_hdr = row->service_hdr ? copy(row->service_hdr) : NULL;
	copied->duration_hdr = row->duration_hdr ? copy(row->duration_hdr) : NULL;
	return 0;
}

void fg_sample_rows_load(struct fg_sample_rows *rows, const struct fg_result *result)
{
	struct fg_err err = {0};

	*rows = (struct fg_sample_rows){0};
	assert_ok(fg_series_each(result, 0, UINT32_MAX, keep_row, rows, &err), &err);
}

static void free_text(const char *text)
{
	union {
		const char *from;
		char *to;
	} cast = {.from = text};

	free(cast.to);
}

void fg_sample_rows_done(struct fg_sample_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		free_text(rows->items[i].response_hdr);
		free_text(rows->items[i].service_hdr);
		free_text(rows->items[i].duration_hdr);
	}
	free(rows->items);
}

const struct fg_series_row *fg_sample_rows_find(const struct fg_sample_rows *rows, uint32_t second,
						uint32_t class_index, bool expected)
{
	for (size_t i = 0; i < rows->count; i++) {
		const struct fg_series_row *row = &rows->items[i];

		if (row->second == second && row->class_index == class_index &&
		    row->expected == expected)
			return row;
	}
	return NULL;
}

void fg_sample_same_profile_info(const struct fg_profile_info *a, const struct fg_profile_info *b)
{
	assert_true(a->present == b->present && a->partial == b->partial);
	assert_string_equal(a->why_absent, b->why_absent);
	assert_int_equal(a->notices.count, b->notices.count);
	for (size_t i = 0; i < a->notices.count; i++)
		assert_string_equal(a->notices.texts[i], b->notices.texts[i]);
	assert_true(a->frequency_hz == b->frequency_hz && a->cpus == b->cpus);
	assert_true(a->samples == b->samples && a->lost == b->lost && a->complete == b->complete);
	assert_memory_equal(a->lost_by, b->lost_by, sizeof(a->lost_by));
	assert_true(a->guessed_frames == b->guessed_frames);
	assert_memory_equal(a->incomplete_by, b->incomplete_by, sizeof(a->incomplete_by));
	assert_true(a->unnamed_share == b->unnamed_share);
	assert_true(a->samples_per_cpu_s == b->samples_per_cpu_s);
	assert_true(a->bpf_ns == b->bpf_ns && a->helper_cpu_ns == b->helper_cpu_ns);
	assert_true(a->target_cpu_ns == b->target_cpu_ns);
	assert_int_equal(a->runtime_count, b->runtime_count);
	assert_memory_equal(a->runtimes, b->runtimes, sizeof(a->runtimes));
	assert_true(a->labels == b->labels && a->attributed == b->attributed);
	assert_string_equal(a->labels_problem, b->labels_problem);
	assert_true(a->label_receives == b->label_receives && a->label_ns == b->label_ns);
	assert_true(a->slow.requests == b->slow.requests && a->slow.above_ns == b->slow.above_ns);
	assert_true(a->slow.quantile == b->slow.quantile);
	assert_int_equal(a->slow.second_count, b->slow.second_count);
	assert_memory_equal(a->slow.seconds, b->slow.seconds, sizeof(a->slow.seconds));
}
