/* SPDX-License-Identifier: Apache-2.0 */
/* Faults that need no file of their own, hostile inputs, and every key of a later version. */
#include "tests/kit/kit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/base/file.h"
#include "gate/base/str.h"
#include "tests/unit/scenario/helper.h"

struct fault {
	const char *text;
	const char *message; /* must be in the answer */
};

static void check_faults(const struct fault *faults, size_t count)
{
	size_t failed = 0;

	for (size_t i = 0; i < count; i++) {
		char *text = helper_faults(faults[i].text, strlen(faults[i].text));

		if (!strstr(text, faults[i].message)) {
			print_error("%s\ngives\n%s\nwithout \"%s\"\n", faults[i].text, text,
				    faults[i].message);
			failed++;
		}
		free(text);
	}
	assert_int_equal(failed, 0);
}

#define ARRIVAL                                                                               \
	"scenarios:\n  a:\n    executor: constant-arrival-rate\n    rate: 10\n    duration: " \
	"5s\n    preAllocatedVUs: 2\n"
#define STEPS "    steps:\n      - get: /\n"

static void test_values(void **state)
{
	static const struct fault faults[] = {
		{HEAD "name:\n" MAIN GET, "t.yaml:3:6: name is empty; it wants a single value"},
		{HEAD "name: [a]\n" MAIN GET, "name wants a single value, not a list"},
		{HEAD "name: { a: b }\n" MAIN GET, "name wants a single value, not a map"},
		{HEAD "http: []\n" MAIN GET, "http wants a map, not a list"},
		{HEAD "http: { timeout: 0s }\n" MAIN GET, "timeout must be at least 1ns"},
		{HEAD "http: { timeout: 5 }\n" MAIN GET, "timeout needs a unit"},
		{HEAD "http: { maxRedirects: 101 }\n" MAIN GET, "maxRedirects must be at most 100"},
		{HEAD "http: { maxRedirects: 1.5 }\n" MAIN GET, "expected a whole number"},
		{HEAD "http: { maxRedirects: 99999999999999999999 }\n" MAIN GET, "too large"},
		{HEAD "http: { version: 3 }\n" MAIN GET, "unknown version \"3\""},
		{HEAD
		 "http: { keepAlive: true, connection: vu, headers: { \"a b\": c } }\n" MAIN GET,
		 "\"a b\" is not a header name"},
		{HEAD "http: { headers: { A: \"x\\ny\" } }\n" MAIN GET, "cannot hold a line break"},
		{HEAD MAIN "      - get: { url: /, keepAlive: true, connection: none }\n",
		 "exclude each other"},
		{HEAD "profile: { types: [] }\n" MAIN GET, "types is empty"},
		{HEAD "profile: { types: cpu }\n" MAIN GET, "types wants a list"},
		{HEAD "profile: { types: [cpu, ofcpu] }\n" MAIN GET, "did you mean \"offcpu\"?"},
		{HEAD "profile: { types: [faults] }\n" MAIN GET,
		 "it is one of cpu, offcpu, wall, pagefaults"},
		{HEAD "profile: { types: [[cpu]] }\n" MAIN GET, "wants a single value"},
		{HEAD "profile: { enabled: yes }\n" MAIN GET, "it is one of auto, required, off"},
		{HEAD "profile: { frequency: 0 }\n" MAIN GET, "frequency must be at least 1"},
		{HEAD "loadgen: { threads: 0 }\n" MAIN GET, "threads must be at least 1"},
		{HEAD "loadgen: { threads: many }\n" MAIN GET, "expected a whole number"},
		{HEAD "publish: [{ type: pyroscope }]\n" MAIN GET, "publish needs \"url\""},
		{HEAD "publish: [{ type: pyroscope, url: \"ftp://x\" }]\n" MAIN GET,
		 "is not an http:// or https:// URL"},
		{HEAD "publish: [{ type: pyrscope, url: \"http://x\" }]\n" MAIN GET,
		 "did you mean \"pyroscope\"?"},
		{HEAD "vars: { 1a: x }\n" MAIN GET, "the name of a variable"},
		{HEAD "vars: { a: \"{{ b }}\" }\n" MAIN GET, "vars are constants"},
		{HEAD "vars: { a: [1] }\n" MAIN GET, "a wants a single value, not a list"},
		{HEAD "secrets: { a: { env: NO_SUCH_VARIABLE } }\n" MAIN GET,
		 "the environment variable NO_SUCH_VARIABLE is not set"},
		{HEAD "secrets: { a: {} }\n" MAIN GET, "a secret needs \"env\""},
		{HEAD "<<: { a: b }\n" MAIN GET, "merge keys (<<) are not part of the language"},
		{HEAD "thresholds: { http_reqs: count }\n" MAIN GET,
		 "t.yaml:3:31: expected one of"},
		{HEAD "thresholds: { http_reqs: [[\"count>1\"]] }\n" MAIN GET,
		 "a threshold wants a single value, not a list"},
		{HEAD "thresholds: { http_reqs: [{ abortOnFail: true }] }\n" MAIN GET,
		 "a threshold needs \"threshold\""},
		{HEAD "gate: { rules: [{ function: \"\" , maxIncrease: 1% }] }\n" MAIN GET,
		 "the function pattern is empty"},
		{HEAD "gate: { rules: [{ function: \"re:a(b\", maxIncrease: 1% }] }\n" MAIN GET,
		 "t.yaml:3:36: bad regular expression"},
		{HEAD "gate: { rules: [{ metric: cpu_per_request, function: a, maxIncrease: 1% }] "
		      "}\n" MAIN GET,
		 "exclude each other"},
		{HEAD
		 "gate: { rules: [{ metric: http_reqs, stat: p(95), maxIncrease: 1% }] }\n" MAIN
			 GET,
		 "http_reqs"},
		{HEAD "gate: { rules: [{ metric: cpu_per_request, maxIncrease: -1% }] }\n" MAIN GET,
		 "maxIncrease cannot be negative"},
		{HEAD "gate: { onInvalid: maybe }\n" MAIN GET, "unknown onInvalid"},
	};

	(void)state;
	check_faults(faults, FG_ARRAY_LEN(faults));
}

static void test_scenarios(void **state)
{
	static const struct fault faults[] = {
		{HEAD
		 "scenarios: { \"a b\": { executor: constant-vus, duration: 1s, steps: [{ get: "
		 "/ }] } }\n",
		 "the name of a scenario has letters"},
		{HEAD "scenarios: { a: { steps: [{ get: / }] } }\n",
		 "a scenario needs \"executor\""},
		{HEAD "scenarios: { a: }\n", "a scenario is empty; it wants a map"},
		{HEAD "scenarios: { a: { executor: constant-vus, duration: 1s } }\n",
		 "a scenario needs \"steps\""},
		{HEAD MAIN "      - think: 1s\n", "no step sends a request"},
		{HEAD ARRIVAL "    vus: 3\n" STEPS, "did you mean preAllocatedVUs?"},
		{HEAD ARRIVAL "    startVUs: 3\n" STEPS, "did you mean preAllocatedVUs?"},
		{HEAD ARRIVAL "    stages: []\n" STEPS,
		 "stages is not a field of constant-arrival-rate"},
		{HEAD ARRIVAL "    startRate: 3\n" STEPS, "did you mean rate?"},
		{HEAD ARRIVAL "    maxDuration: 3s\n" STEPS, "did you mean duration?"},
		{HEAD ARRIVAL "    gracefulRampDown: 3s\n" STEPS, "did you mean gracefulStop?"},
		{HEAD ARRIVAL "    warmup: 5s\n" STEPS, "warmup must be shorter"},
		{HEAD ARRIVAL "    maxVUs: 1\n" STEPS, "maxVUs is below preAllocatedVUs"},
		{HEAD ARRIVAL "    timeUnit: 0s\n" STEPS, "timeUnit must be at least 1ns"},
		{HEAD ARRIVAL "    timeUnit: 1ns\n" STEPS,
		 "more than 10000000 iterations per second"},
		{HEAD ARRIVAL "    startTime: -1s\n" STEPS, "startTime cannot be negative"},
		{HEAD ARRIVAL "    noVU: queue\n" STEPS, "unknown noVU \"queue\""},
		{HEAD ARRIVAL "    exec: main\n" STEPS, "unknown key \"exec\""},
		{HEAD "scenarios:\n  a:\n    executor: constant-arrival-rate\n    rate: 0\n    "
		      "duration: 1s\n    preAllocatedVUs: 0\n" STEPS,
		 "rate must be at least 1"},
		{HEAD "scenarios:\n  a:\n    executor: constant-arrival-rate\n    rate: 1\n    "
		      "duration: 1s\n    preAllocatedVUs: 0\n" STEPS,
		 "with no VU at all nothing can run"},
		{HEAD "scenarios:\n  a:\n    executor: constant-vus\n    vus: 0\n    duration: "
		      "1s\n" STEPS,
		 "vus must be at least 1"},
		{HEAD
		 "scenarios:\n  a:\n    executor: constant-vus\n    vus: 1000001\n    duration: "
		 "1s\n" STEPS,
		 "vus must be at most 1000000"},
		{HEAD "scenarios:\n  a:\n    executor: constant-vus\n    duration: 999999h\n" STEPS,
		 "duration must be at most 720h"},
		{HEAD "scenarios:\n  a:\n    executor: ramping-vus\n" STEPS,
		 "ramping-vus needs \"stages\""},
		{HEAD "scenarios:\n  a:\n    executor: ramping-vus\n    stages: []\n" STEPS,
		 "stages is empty"},
		{HEAD "scenarios:\n  a:\n    executor: ramping-vus\n    stages: [{ duration: 1s, "
		      "target: 2000000 }]\n" STEPS,
		 "target must be at most 1000000 VUs"},
		{HEAD "scenarios:\n  a:\n    executor: ramping-vus\n    vus: 1\n    stages: [{ "
		      "duration: 1s, target: 2 }]\n" STEPS,
		 "did you mean startVUs?"},
		{HEAD "scenarios:\n  a:\n    executor: ramping-arrival-rate\n    rate: 1\n    "
		      "preAllocatedVUs: 1\n    stages: [{ duration: 1s, target: 2 }]\n" STEPS,
		 "did you mean startRate?"},
		{HEAD "scenarios:\n  a:\n    executor: per-vu-iterations\n    duration: 1s\n" STEPS,
		 "did you mean maxDuration?"},
		{HEAD
		 "scenarios:\n  a:\n    executor: shared-iterations\n    iterations: 0\n" STEPS,
		 "iterations must be at least 1"},
		{HEAD "scenarios:\n  a:\n    executor: shared-iterations\n    maxDuration: "
		      "1ms\n" STEPS,
		 "maxDuration must be at least 1s"},
	};

	(void)state;
	check_faults(faults, FG_ARRAY_LEN(faults));
}

static void test_what_cannot_be_sent(void **state)
{
	static const struct fault faults[] = {
		{HEAD "vars: { v: \"a\\r\\nB: c\" }\n" MAIN "      - get: \"/{{ vu }}/{{ v }}\"\n",
		 "cannot hold spaces or line breaks"},
		{HEAD MAIN "      - get: \"{{ vu }}/a b\"\n", "cannot hold spaces or line breaks"},
		{HEAD MAIN "      - head: { url: /, body: x }\n",
		 "HEAD request cannot have a body"},
		{HEAD MAIN "      - request: { method: head, url: /, json: 1 }\n",
		 "HEAD request cannot have a body"},
	};

	(void)state;
	check_faults(faults, FG_ARRAY_LEN(faults));
}

static void test_steps(void **state)
{
	static const struct fault faults[] = {
		{HEAD MAIN "      - {}\n", "a step is empty"},
		{HEAD MAIN "      - get:\n", "get is empty"},
		{HEAD MAIN "      - get: [a]\n", "get wants a URL or a map with \"url\""},
		{HEAD MAIN "      - get: { name: a }\n", "a request needs \"url\""},
		{HEAD MAIN "      - get: { url: /, timout: 1s }\n", "did you mean \"timeout\"?"},
		{HEAD MAIN "      - request: { method: \"A B\", url: / }\n",
		 "is not an HTTP method"},
		{HEAD MAIN "      - post: { url: /, bodyFile: no/such/file }\n",
		 "bodyFile: no/such/file"},
		{HEAD MAIN "      - post: { url: /, body: { a: b } }\n", "belongs under \"json\""},
		{HEAD MAIN "      - post: { url: /, form: { a: [b] } }\n",
		 "a wants a single value, not a list"},
		{HEAD MAIN "      - get: { url: /, query: [a] }\n", "query wants a map"},
		{HEAD MAIN "      - get: { url: /, name: \"\" }\n", "name is empty"},
		{HEAD "vars: { v: \"a\\r\\nB: c\" }\n" MAIN
		      "      - get: { url: /, headers: { A: \"{{ v }}\" } }\n",
		 "cannot hold a line break"},
		{HEAD MAIN "      - get: { url: /, expect: { status: 20 } }\n",
		 "\"20\" is not a status"},
		{HEAD MAIN "      - get: { url: /, expect: { status: 300-200 } }\n",
		 "is not a status"},
		{HEAD MAIN "      - get: { url: /, name: \"x {{ vu }}\" }\n",
		 "\"vu\" changes per iteration, but this text is fixed at load"},
		{HEAD "name: \"{{ target.port }}\"\n" MAIN GET,
		 "is known in target: and in steps only"},
		{"version: 1\ntarget: { url: \"http://a:{{ target.port + 1 }}\" }\n" MAIN GET,
		 "stand alone"},
		{HEAD MAIN "      - get: \"/{{ }}\"\n", "{{ }} is empty"},
		{HEAD MAIN "      - get: \"/{{ vu\"\n", "{{ has no }}"},
		{HEAD MAIN "      - get: \"/{{ env.HOME }}\"\n",
		 "the environment variable HOME is not set"},
		{HEAD MAIN "      - get: \"/{{ secrets.tokn }}\"\n",
		 "unknown name \"secrets.tokn\""},
		{HEAD MAIN "      - group: { name: a }\n", "a group needs \"steps\""},
		{HEAD MAIN "      - group: { name: \"a::b\", steps: [{ get: / }] }\n",
		 "hold \"::\""},
		{HEAD MAIN "      - group: { name: a, steps: [{ gte: / }] }\n",
		 "unknown step \"gte\""},
		{HEAD MAIN "      - think: { min: 1s }\n", "think needs \"max\""},
		{HEAD MAIN "      - think: -1s\n", "think cannot be negative"},
		{HEAD MAIN "      - think: { min: 1s, max: 2s, distribution: constant }\n",
		 "has min equal to max"},
		{"version: 1\n" MAIN GET, "a path needs target.url"},
		{"version: 1\ntarget: { url: 127.0.0.1:80 }\n" MAIN GET, "is not a URL"},
		{"version: 1\ntarget: { url: \"http://\" }\n" MAIN GET, "names no host"},
		{"version: 1\ntarget: { start: { command: [] } }\n" MAIN GET,
		 "command is a list of words"},
		{"version: 1\ntarget: { start: { command: [\"\"] } }\n" MAIN GET,
		 "command is empty"},
		{"version: 1\ntarget: { start: { command: \" \" } }\n" MAIN GET,
		 "command is empty"},
		{"version: 1\ntarget: { start: { cwd: . } }\n" MAIN GET,
		 "target.start needs \"command\""},
		{HEAD "x: y\n" MAIN GET,
		 "unknown key \"x\" in the file; known: version, vars, secrets,"},
		{"\xef\xbb\xbf" HEAD "x: y\n" MAIN GET, "unknown key \"x\" in the file"},
		{"version: 1\ntarget: { start: { command: a, stop: { signal: SIGTRM } } }\n" MAIN
			 GET,
		 "did you mean \"SIGTERM\"?"},
		{"version: 1\ntarget: { url: \"http://a\", start: { command: a, ready: {} } "
		 "}\n" MAIN GET,
		 "ready needs one of"},
		{"version: 1\ntarget: { url: \"http://a\", start: { command: a, ready: { tcp: "
		 "true, "
		 "status: 200 } } }\n" MAIN GET,
		 "status goes with url"},
		{"version: 1\ntarget: { url: \"http://a\", process: {} }\n" MAIN GET,
		 "process needs one of pid, port, pidFile"},
		{"version: 1\ntarget: { url: \"http://a\", process: { port: 65536 } }\n" MAIN GET,
		 "port must be at most 65535"},
	};

	(void)state;
	check_faults(faults, FG_ARRAY_LEN(faults));
}

static void test_symbol_keys(void **state)
{
	static const struct fault faults[] = {
		{HEAD "profile: { symbols: { debuginfod: on } }\n" MAIN GET,
		 "debuginfod is off, env (for DEBUGINFOD_URLS) or the URL of a server"},
		{HEAD "profile: { symbols: { debuginfod: \"http://a ftp://b\" } }\n" MAIN GET,
		 "debuginfod is off, env (for DEBUGINFOD_URLS) or the URL of a server"},
		{HEAD "profile: { symbols: { debuginfod: [] } }\n" MAIN GET,
		 "debuginfod wants a single value, not a list"},
		{HEAD "profile: { symbols: { demangle: none } }\n" MAIN GET,
		 "unknown demangle \"none\""},
	};

	(void)state;
	check_faults(faults, FG_ARRAY_LEN(faults));
}

static void test_runtime_flags(void **state)
{
	static const struct fault faults[] = {
		{HEAD "profile: { runtimeFlags: auto }\n" MAIN GET,
		 "runtimeFlags: auto needs target.start"},
		{HEAD "profile: { runtimeFlags: maybe }\n" MAIN GET, "unknown runtimeFlags"},
	};
	struct fg_scenario_file *file =
		helper_parse("version: 1\ntarget: { url: \"http://a\", start: { command: node } }\n"
			     "profile: { runtimeFlags: auto }\n" MAIN GET);

	(void)state;
	check_faults(faults, FG_ARRAY_LEN(faults));
	assert_int_equal(file->runtime_flags, FG_FLAGS_AUTO);
	fg_scenario_file_free(file);
}

/* Each is known to the language, refused with its issue, and nothing else is said about it. */
static void test_later(void **state)
{
	static const char *const keys[] = {
		HEAD "ab: { epochs: 3 }\n" MAIN GET,
		HEAD
		"gate: { rules: [{ function: a, profile: offcpu, maxIncrease: 1% }] }\n" MAIN GET,
		HEAD "profile: { source: pyroscope }\n" MAIN GET,
		HEAD "gate: { rules: [{ newFunctions: { minShare: 3% } }] }\n" MAIN GET,
		HEAD "gate: { rules: [{ counter: syscalls, maxIncrease: 0 }] }\n" MAIN GET,
		HEAD "gate: { rules: [{ memory: peak, maxIncrease: 1% }] }\n" MAIN GET,
		HEAD "gate: { accept: other.yaml }\n" MAIN GET,
		HEAD "gate: { ratchet: { enabled: true } }\n" MAIN GET,
		HEAD "baseline: { store: { type: s3 } }\n" MAIN GET,
		HEAD "baseline: { keep: { days: 1 } }\n" MAIN GET,
		HEAD "report: { html: a.html }\n" MAIN GET,
		HEAD "publish: [{ type: otlp, url: \"http://x\" }]\n" MAIN GET,
		HEAD "publish: [{ type: pyroscope, url: \"http://x\", labels: { b: \"{{ git.branch "
		     "}}\" } }]\n" MAIN GET,
		"version: 1\ntarget: { url: \"http://a\", build: { command: make } }\n" MAIN GET,
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(keys); i++) {
		char *text = helper_faults(keys[i], strlen(keys[i]));

		if (!strstr(text, "is valid but comes with a later version of flamegate (issue ") ||
		    !strstr(text, "1 error (exit 104)"))
			fail_msg("%s\ngives\n%s", keys[i], text);
		free(text);
	}
}

/* A later key that says what holds anyway is accepted. */
static void test_later_defaults(void **state)
{
	struct fg_scenario_file *file = helper_parse(
		HEAD
		"http: { proxy: \"\", unixSocket: \"\" }\nflows: {}\n"
		"profile: { labels: auto, runtimeFlags: advise, symbols: { debuginfod: off } }\n"
		"gate: { accept: .flamegate/accept.yaml, ratchet: { enabled: false } }\n" MAIN GET);

	(void)state;
	fg_scenario_file_free(file);
}

/* -- the language file ---------------------------------------------------------------------- */

static const char *language_getenv(const char *name)
{
	return strstr(name, "URL") ? "http://127.0.0.1:9" : helper_getenv(name);
}

/* Every key of the language by example is read: the only faults are what comes later (profile, ab,
 * gate, baseline, report, publish), that the example shows start and process, which exclude each
 * other, and two variables that nobody captures. */
static void test_language(void **state)
{
	struct fg_scenario_options options = {.getenv_fn = language_getenv};
	struct fg_scenario_file *file = NULL;
	struct fg_diagnostics diagnostics = {0};
	struct fg_err err = {0};
	size_t later = 0;

	(void)state;
	assert_int_equal(fg_scenario_load(FG_TEST_DATA "/language.yaml", &options, &file,
					  &diagnostics, &err),
			 -FG_E_INVALID);
	for (size_t i = 0; i < diagnostics.count; i++) {
		const struct fg_err *fault = &diagnostics.items[i].err;

		if (fault->code == FG_E_LATER) {
			assert_true(fault->line == 16 || fault->line > 97);
			later++;
		} else if (!strstr(fault->message, "\"start\" and \"process\" exclude") &&
			   !strstr(fault->message, "unknown name \"total\"") &&
			   !strstr(fault->message, "unknown name \"setup.cartId\""))
			fail_msg("%u:%u: %s", fault->line, fault->column, fault->message);
	}
	assert_in_range(later, 10, 25);
	assert_int_equal(diagnostics.count, later + 3);
	fg_diagnostics_done(&diagnostics);
}

/* -- hostile inputs ------------------------------------------------------------------------- */

static char *repeat(const char *unit, size_t times, const char *after)
{
	struct fg_buf out;

	fg_buf_init(&out, 4 << 20);
	for (size_t i = 0; i < times; i++)
		fg_buf_add_str(&out, unit);
	fg_buf_add_str(&out, after);
	assert_false(out.failed);
	return fg_buf_take(&out, NULL);
}

static void test_hostile(void **state)
{
	static const struct {
		const char *unit;
		size_t times;
		const char *after;
		const char *message;
	} inputs[] = {
		{"[", 100000, "", "nested deeper than 64 levels"},
		{"{a: ", 50000, "", "nested deeper than 64 levels"},
		{"- ", 50000, "x", "nested deeper than 64 levels"},
		{"- x\n", 200000, "", "more than 100000 values"},
		{"x", (1 << 20) + 1, "", "larger than 1 MiB"},
		{"? ", 1000, "", "a key must be a text"},
		{"&a ", 5, "x", "not valid YAML"},
		{"\xff\xfe", 3, "", "not UTF-8"},
		{"\x01", 1, "", "control characters are not allowed"},
		{"a: \"\\0\"", 1, "", "a text cannot hold a NUL byte"},
		{"%YAML 9.9\n---\n", 1, "a: b", "not valid YAML"},
		{"? [a]\n: b", 1, "", "a key must be a text"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(inputs); i++) {
		char *text = repeat(inputs[i].unit, inputs[i].times, inputs[i].after);
		char *faults = helper_faults(text, strlen(text));

		if (!strstr(faults, inputs[i].message))
			fail_msg("%s… gives %s, not %s", inputs[i].unit, faults, inputs[i].message);
		free(faults);
		free(text);
	}
}

/* One key 300 times: the list of faults is cut, the count is not. */
static void test_many_faults(void **state)
{
	char *text = repeat("bad: 1\n", 301, "");
	char *faults = helper_faults(text, strlen(text));

	(void)state;
	assert_non_null(strstr(faults, "… and "));
	/* 300 duplicates, 301 unknown keys, version and scenarios missing */
	assert_non_null(strstr(faults, "\n603 errors (exit 104)\n"));
	free(faults);
	free(text);
}

/* Bounds of what is read: a fault of the file (104), never a crash or a cut. */
static void test_bounds(void **state)
{
	static const struct {
		const char *before;
		const char *unit; /* %d: a number */
		int times;
		const char *after;
		const char *message;
	} cases[] = {
		{HEAD MAIN, "      - get: /%d\n", 4097, "",
		 "t.yaml:4104:14: request classes: more"},
		{HEAD MAIN, "      - think: %ds\n", 20001, GET,
		 "t.yaml:20008:9: more than 20000 steps"},
		{HEAD MAIN GET "flows:\n", "  f%d: { steps: [{ log: a }] }\n", 1025, "",
		 "more than 1024 flows"},
		{HEAD MAIN "      - get:\n          url: /\n          capture:\n",
		 "            c%d: { body: true }\n", 1025, "", "more than 1024 variables"},
		{HEAD MAIN "      - parallel:\n", "        - get: /%d\n", 65, "",
		 "t.yaml:9:9: more than 64 parallel requests"},
		{HEAD MAIN "      - get: \"/", "{{ vu }}%d", 10001, "\"\n", "more than 10000"},
		{HEAD "scenarios:\n",
		 "  s%d: { executor: constant-vus, duration: 1s, steps: [{ get: / }] }\n", 257, "",
		 "t.yaml:4:3: more than 256 scenarios"},
		{HEAD "secrets:\n", "  s%d: { env: TOKEN }\n", 33, MAIN GET,
		 "more than 32 secrets"},
		{"version: 1\ntarget:\n  start:\n    command: a\n    env:\n", "      V%d: x\n", 33,
		 MAIN GET, "t.yaml:6:7: more than 32 variables"},
		{HEAD MAIN "      - get:\n          url: /\n          tags:\n",
		 "            t%d: x\n", 33, "", "more than 32 tags"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_buf text;

		fg_buf_init(&text, 1 << 20);
		fg_buf_add_str(&text, cases[i].before);
		for (int j = 0; j < cases[i].times; j++) {
			const char *number = strstr(cases[i].unit, "%d");

			fg_buf_add(&text, cases[i].unit, (size_t)(number - cases[i].unit));
			fg_buf_addf(&text, "%d%s", j, number + 2);
		}
		fg_buf_add_str(&text, cases[i].after);
		char *faults = helper_faults(text.data, text.len);

		if (!strstr(faults, cases[i].message))
			fail_msg("%s… gives %s", cases[i].unit, faults);
		free(faults);
		fg_buf_done(&text);
	}
}

static void test_control_bytes_never_reach_the_terminal(void **state)
{
	static const char text[] = HEAD "name: x\n\"\\e[31mred\": 1\n" MAIN GET;
	char *faults = helper_faults(text, strlen(text));

	(void)state;
	assert_null(strchr(faults, '\x1b'));
	free(faults);
}

static void test_files(void **state)
{
	char path[] = "/tmp/fg-scenario-XXXXXX";
	int fd = mkstemp(path);
	struct fg_scenario_file *file = NULL;
	struct fg_diagnostics diagnostics = {0};
	struct fg_err err = {0};

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 100 << 20), 0);
	assert_int_equal(fg_scenario_load(path, NULL, &file, &diagnostics, &err), -FG_E_INVALID);
	assert_int_equal(diagnostics.count, 1);
	assert_non_null(strstr(diagnostics.items[0].err.message, "larger than 1 MiB"));
	fg_diagnostics_done(&diagnostics);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(fg_scenario_load(path, NULL, &file, &diagnostics, &err), -FG_E_INVALID);
	assert_non_null(strstr(diagnostics.items[0].err.message, "the file is empty"));
	fg_diagnostics_done(&diagnostics);
	(void)close(fd);
	(void)unlink(path);
	assert_int_equal(fg_scenario_load(path, NULL, &file, &diagnostics, &err), -FG_E_NOT_FOUND);
	assert_int_equal(fg_scenario_load("/tmp", NULL, &file, &diagnostics, NULL) < 0, 1);
	assert_int_equal(diagnostics.count, 0);
	assert_null(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_scenarios),
		cmocka_unit_test(test_what_cannot_be_sent),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_runtime_flags),
		cmocka_unit_test(test_symbol_keys),
		cmocka_unit_test(test_later),
		cmocka_unit_test(test_later_defaults),
		cmocka_unit_test(test_language),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_many_faults),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_control_bytes_never_reach_the_terminal),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
