/* SPDX-License-Identifier: Apache-2.0 */
/* Every kind of step on one VU: what is sent, what is counted, where it goes on, how it ends. */
#include "tests/kit/kit.h"

#include <stdio.h>
#include <string.h>

#include "gate/base/clock.h"
#include "tests/unit/load/tree_kit.h"

#define HEAD         "version: 1\nname: t\ntarget: { url: 'http://h/base' }\n"
#define SCENARIO     "scenarios:\n  s:\n    executor: per-vu-iterations\n"
#define STEPS(steps) HEAD SCENARIO "    steps:\n" steps

static void test_flow_arguments_and_captures(void **state)
{
	struct tree t;

	(void)state;
	tree_open(&t, HEAD
		  "flows:\n"
		  "  login:\n"
		  "    params: { user: demo, pass: p }\n"
		  "    steps:\n"
		  "      - post: { url: /login, json: { user: '{{ user }}', pass: '{{ pass }}' },\n"
		  "                capture: { token: { json: $.token }, n: { json: $.n } } "
		  "}\n" SCENARIO "    steps:\n"
		  "      - run: login\n"
		  "        with: { user: 'u\"{{ vu }}' }\n"
		  "      - get: { url: '/x?n={{ n + 1 }}', headers: { X-T: '{{ token }}' } }\n"
		  "      - run: login\n");
	tree_begin(&t);
	assert_string_equal(tree_slot(&t, 0)->method, "POST");
	assert_string_equal(tree_slot(&t, 0)->url, "http://h/base/login");
	assert_string_equal(tree_slot(&t, 0)->body, "{\"user\":\"u\\\"3\",\"pass\":\"p\"}");
	assert_true(tree_slot(&t, 0)->want_body);
	tree_answer(&t, 200, NULL, "{\"token\":\"abc\",\"n\":41}");
	assert_string_equal(tree_slot(&t, 0)->url, "http://h/base/x?n=42");
	assert_non_null(strstr(tree_slot(&t, 0)->headers, "X-T: abc|"));
	assert_false(tree_slot(&t, 0)->want_body);
	tree_answer(&t, 200, NULL, NULL);
	assert_string_equal(tree_slot(&t, 0)->body, "{\"user\":\"demo\",\"pass\":\"p\"}");
	tree_answer(&t, 200, NULL, "{\"token\":\"abc\",\"n\":41}");
	assert_int_equal(t.idle, 1);
	assert_int_equal(tree_counts(&t)->iterations, 1);
	assert_int_equal(tree_requests(&t, "POST /login", ""), 2);
	assert_false(t.vu->failed);
	tree_close(&t);
}

/* A missing capture ends the iteration, which still counts; the reason is told once. */
static void test_missing_captures(void **state)
{
	static const struct {
		const char *capture, *head, *body, *expected; /* of the next URL; NULL: it ends */
		enum fg_net_error error;
		uint16_t status;
	} cases[] = {
		{"{ json: $.x }", "", "{\"x\":7}", "7", FG_NET_OK, 200},
		{"{ json: $.x }", "", "{\"x\":false}", "false", FG_NET_OK, 500},
		{"{ json: $.x }", "", "{\"y\":7}", NULL, FG_NET_OK, 200},
		{"{ json: $.x }", "", "{\"x\":", NULL, FG_NET_OK, 200},
		{"{ json: $.x }", "", "", NULL, FG_NET_OK, 200},
		{"{ json: $.x }", "", "{\"x\":7}", NULL, FG_NET_RESET, 200},
		{"{ json: $.x, default: d }", "", "{}", "d", FG_NET_OK, 200},
		{"{ json: $.x, default: '{{ vu }}' }", "", "no JSON", "3", FG_NET_OK, 200},
		{"{ json: $.x, default: d }", "", "{}", "d", FG_NET_TIMEOUT, 0},
		{"{ json: $.x, optional: true }", "", "{}", "", FG_NET_OK, 200},
		{"{ json: '$.l[*].id' }", "", "{\"l\":[{\"id\":1},{\"id\":2}]}", "%5B1%2C2%5D",
		 FG_NET_OK, 200},
		{"{ json: '$.l[*]' }", "", "{\"l\":[]}", NULL, FG_NET_OK, 200},
		{"{ regex: 'id=(\\d+)', group: 1 }", "", "a id=42;", "42", FG_NET_OK, 200},
		{"{ regex: 'id=(\\d+)' }", "", "none", NULL, FG_NET_OK, 200},
		{"{ header: X-Id }", "A: b\r\nx-id:  7 \r\n", "", "7", FG_NET_OK, 200},
		{"{ header: X-Id }", "X-Idx: 7\r\n", "", NULL, FG_NET_OK, 200},
		{"{ cookie: sid }", "Set-Cookie: sid=s1; Path=/\r\n", "", "s1", FG_NET_OK, 200},
		{"{ cookie: sid }", "Set-Cookie: side=s1\r\n", "", NULL, FG_NET_OK, 200},
		{"{ status: true }", "", "", "201", FG_NET_OK, 201},
		{"{ body: true }", "", "text", "text", FG_NET_OK, 200},
		{"{ body: true }", "", "", NULL, FG_NET_OK, 200},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_engine_response response = {.error = cases[i].error,
						      .status = cases[i].status,
						      .head = cases[i].head,
						      .head_len = strlen(cases[i].head)};
		char text[1024], url[128];
		struct tree t;

		print_message("%s on %s\n", cases[i].capture, cases[i].body);
		snprintf(text, sizeof(text),
			 STEPS("      - get: { url: /a, capture: { v: %s } }\n"
			       "      - get: { url: '/b', query: { v: '{{ v }}' } }\n"),
			 cases[i].capture);
		tree_open(&t, text);
		tree_begin(&t);
		response.end_ns = fg_clock_monotonic_ns();
		response.body = cases[i].body;
		response.body_len = strlen(cases[i].body);
		tree_respond(&t, 0, &response);
		assert_int_equal(tree_slot(&t, 0)->running, cases[i].expected != NULL);
		if (cases[i].expected) {
			snprintf(url, sizeof(url), "http://h/base/b?v=%s", cases[i].expected);
			assert_string_equal(tree_slot(&t, 0)->url, url);
			tree_answer(&t, 200, NULL, NULL);
		} else {
			assert_true(t.vu->failed);
			assert_non_null(
				strstr(tree_lines(&t), "s: iteration ended early: t.yaml:"));
			assert_non_null(strstr(t.lines, "capture v"));
		}
		assert_int_equal(tree_counts(&t)->iterations, 1);
		assert_int_equal(tree_counts(&t)->interrupted, 0);
		tree_close(&t);
	}
}

static void test_reasons_are_told_once(void **state)
{
	struct tree t;

	(void)state;
	tree_open(&t, STEPS("      - get: { url: /a, expect: { status: 200 } }\n"
			    "      - get: /b\n"));
	for (int i = 0; i < 5; i++) {
		tree_begin(&t);
		tree_answer(&t, 503, NULL, NULL);
		assert_true(t.vu->failed);
	}
	assert_int_equal(tree_counts(&t)->iterations, 5);
	assert_int_equal(tree_requests(&t, "GET /b", ""), 0);
	assert_string_equal(tree_lines(&t), "s: iteration ended early: t.yaml:8:14: GET /a: "
					    "expected status is 200, got status 503|");
	tree_begin(&t);
	tree_answer(&t, 200, NULL, NULL);
	tree_answer(&t, 200, NULL, NULL);
	assert_false(t.vu->failed);
	tree_close(&t);
}

static void test_conditions(void **state)
{
	static const char body[] =
		"{\"price\":12.5,\"name\":\"x y\",\"id\":\"9\",\"tags\":[\"a\",2],"
		"\"none\":null,\"off\":false}";
	static const struct {
		const char *check;
		bool passes;
	} cases[] = {
		{"{ name: c, status: 200 }", true},
		{"{ name: c, status: 201 }", false},
		{"{ name: c, status: 2xx }", true},
		{"{ name: c, json: $.price, exists: true }", true},
		{"{ name: c, json: $.price, exists: false }", false},
		{"{ name: c, json: $.cost, exists: true }", false},
		{"{ name: c, json: $.cost, exists: false }", true},
		{"{ name: c, json: $.price, equals: 12.5 }", true},
		{"{ name: c, json: $.price, equals: 12 }", false},
		{"{ name: c, json: $.id, equals: 9 }", true},
		{"{ name: c, json: $.name, equals: 'x {{ \"y\" }}' }", true},
		{"{ name: c, json: $.off, equals: false }", true},
		{"{ name: c, json: $.cost, equals: 1 }", false},
		{"{ name: c, json: $.name, contains: ' ' }", true},
		{"{ name: c, json: $.name, contains: z }", false},
		{"{ name: c, json: $.tags, contains: a }", true},
		{"{ name: c, json: $.tags, contains: 2 }", true},
		{"{ name: c, json: $.tags, contains: b }", false},
		{"{ name: c, json: $.name, matches: '^x' }", true},
		{"{ name: c, json: $.price, matches: '^12\\.5$' }", true},
		{"{ name: c, json: $.name, matches: '^y' }", false},
		{"{ name: c, json: $.price, gt: 12 }", true},
		{"{ name: c, json: $.price, lt: 12 }", false},
		{"{ name: c, json: $.name, gt: 12 }", false},
		{"{ name: c, header: X-A, equals: b }", true},
		{"{ name: c, header: X-B, exists: true }", false},
		{"{ name: c, cookie: sid, equals: s1 }", true},
		{"{ name: c, body: true, contains: price }", true},
		{"{ name: c, regex: 'price\":(\\d+)', exists: true }", true},
		{"{ name: c, regex: 'cost', exists: true }", false},
		{"{ name: c, duration: '<3ms' }", true},
		{"{ name: c, duration: '<2ms' }", false},
		{"{ name: c, duration: '<=2ms' }", true},
		{"{ name: c, size: '>10B' }", true},
		{"{ name: c, size: '<10B' }", false},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_check_slice counted;
		char text[1024];
		struct tree t;

		print_message("%s\n", cases[i].check);
		snprintf(text, sizeof(text), STEPS("      - get: { url: /a, checks: [ %s ] }\n"),
			 cases[i].check);
		tree_open(&t, text);
		tree_begin(&t);
		tree_answer(&t, 200, "X-A: b\r\nSet-Cookie: sid=s1\r\n", body);
		counted = tree_check(&t, "c");
		assert_int_equal(counted.passes, cases[i].passes);
		assert_int_equal(counted.fails, !cases[i].passes);
		assert_false(t.vu->failed); /* checks only count */
		/* Nothing is true of a request that failed. */
		tree_begin(&t);
		tree_respond(&t, 0,
			     &(struct fg_engine_response){.error = FG_NET_TIMEOUT,
							  .end_ns = fg_clock_monotonic_ns()});
		counted = tree_check(&t, "c");
		assert_int_equal(counted.fails, !cases[i].passes + 1);
		tree_close(&t);
	}
}

static void test_expectations(void **state)
{
	struct tree t;

	(void)state;
	tree_open(&t, STEPS("      - get: { url: /a, expect: { status: 200, "
			    "json: { $.t: { matches: '^e' } } } }\n"
			    "      - get: /b\n"));
	tree_begin(&t);
	tree_answer(&t, 200, NULL, "{\"t\":\"ey\"}");
	assert_true(tree_slot(&t, 0)->running);
	tree_answer(&t, 404, NULL, NULL); /* without expectations the iteration goes on */
	assert_false(t.vu->failed);
	tree_begin(&t);
	tree_answer(&t, 200, NULL, "{\"t\":\"no\"}");
	assert_true(t.vu->failed);
	assert_non_null(strstr(tree_lines(&t), "got \"no\""));
	assert_int_equal(tree_requests(&t, "GET /b", ""), 1);
	tree_close(&t);
}

static void test_loops(void **state)
{
	static const char *const expected[] = {"/c?p=0", "/c?p=1", "/c?p=2", "/o?p=a",
					       "/o?p=7", "/w?p=1", "/w?p=2", "/end"};
	struct tree t;

	(void)state;
	tree_open(&t,
		  STEPS("      - loop: { count: 3, as: i, steps: [ { get: '/c?p={{ i }}' } ] }\n"
			"      - loop: { count: 0, steps: [ { get: /never } ] }\n"
			"      - loop: { over: ['a', 7], as: e, steps: "
			"[ { get: '/o?p={{ e }}' } ] }\n"
			"      - get: { url: /n, capture: { n: { json: $.n } } }\n"
			"      - loop: { while: '{{ n < 3 }}', steps: [ { get: { "
			"url: '/w?p={{ n }}', capture: { n: { json: $.n } } } } ] }\n"
			"      - get: /end\n"));
	for (int turn = 0; turn < 2; turn++) {
		size_t at = 0;
		unsigned n = 0;

		tree_begin(&t);
		while (t.vu->state != FG_VU_IDLE) {
			const char *path = tree_slot(&t, 0)->url + strlen("http://h/base");
			char body[32];

			if (strcmp(path, "/n") != 0)
				assert_string_equal(path, expected[at++]);
			if (tree_slot(&t, 0)->want_body)
				n++;
			snprintf(body, sizeof(body), "{\"n\":%u}", n);
			tree_answer(&t, 200, NULL, body);
		}
		assert_int_equal(at, FG_ARRAY_LEN(expected));
		assert_false(t.vu->failed);
	}
	assert_int_equal(tree_counts(&t)->iterations, 2);
	tree_close(&t);
}

static void test_loop_faults(void **state)
{
	static const struct {
		const char *step, *reason;
	} cases[] = {
		{"loop: { count: '{{ x }}', steps: [ { get: /n } ] }", "not a number"},
		{"loop: { count: '{{ iteration - 1 }}', steps: [ { get: /n } ] }", "not a number"},
		{"loop: { count: '{{ iteration + 1000001 }}', steps: [ { get: /n } ] }",
		 "1000000 turns"},
		{"loop: { over: '{{ x }}', steps: [ { get: /n } ] }", "not a list"},
		{"loop: { while: '{{ vu == 3 }}', steps: [ { metric: { name: mm, type: counter, "
		 "value: 1 } } ] }",
		 "1000000 turns"},
		{"get: '/a?x={{ x - 1 }}'", "- needs"},
		{"get: { url: /a, headers: { A: '{{ bad }}' } }", "header A"},
		{"metric: { name: mm, type: trend, value: '{{ x }}' }", "metric mm"},
		{"if: { when: '{{ x * 2 }}', then: [ { get: /n } ] }", "if"},
		{"log: '{{ x * 2 }}'", "log"},
		{"fail: 'stop {{ x }}'", "fail: stop no"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		char text[1024];
		struct tree t;

		print_message("%s\n", cases[i].step);
		snprintf(text, sizeof(text),
			 STEPS("      - get: { url: /x, capture: { x: { json: $.x }, "
			       "bad: { json: $.bad } } }\n"
			       "      - %s\n"
			       "      - get: /after\n"),
			 cases[i].step);
		tree_open(&t, text);
		tree_begin(&t);
		tree_answer(&t, 200, NULL, "{\"x\":\"no\",\"bad\":\"a\\r\\nb: c\"}");
		assert_int_equal(t.vu->state, FG_VU_IDLE);
		assert_true(t.vu->failed);
		assert_int_equal(tree_counts(&t)->iterations, 1); /* as k6 counts an exception */
		if (!strstr(tree_lines(&t), cases[i].reason))
			fail_msg("\"%s\" does not tell \"%s\"", t.lines, cases[i].reason);
		tree_close(&t);
	}
}

static void test_if(void **state)
{
	struct tree t;

	(void)state;
	tree_open(&t,
		  STEPS("      - if: { when: '{{ iteration == 0 }}', then: [ { get: /t1 }, "
			"{ get: /t2 } ], else: [ { get: /e } ] }\n"
			"      - if: { when: '{{ iteration > 0 }}', then: [ { get: /only } ] }\n"
			"      - get: /end\n"));
	tree_begin(&t);
	assert_int_equal(tree_answer_all(&t, NULL), 3);
	t.vu->ids.iteration++;
	tree_begin(&t);
	assert_int_equal(tree_answer_all(&t, NULL), 3);
	assert_int_equal(tree_requests(&t, "GET /t1", ""), 1);
	assert_int_equal(tree_requests(&t, "GET /t2", ""), 1);
	assert_int_equal(tree_requests(&t, "GET /e", ""), 1);
	assert_int_equal(tree_requests(&t, "GET /only", ""), 1);
	assert_int_equal(tree_requests(&t, "GET /end", ""), 2);
	tree_close(&t);
}

static void test_choose(void **state)
{
	enum { TIMES = 4000 };
	uint64_t popular;
	struct tree t;

	(void)state;
	tree_open(&t,
		  STEPS("      - choose:\n"
			"          - { weight: 7, steps: [ { get: /popular } ] }\n"
			"          - { weight: 3, steps: [ { get: /rare }, { get: /rare2 } ] }\n"));
	for (int i = 0; i < TIMES; i++) {
		tree_begin(&t);
		tree_answer_all(&t, NULL);
	}
	popular = tree_requests(&t, "GET /popular", "");
	assert_int_equal(popular + tree_requests(&t, "GET /rare", ""), TIMES);
	assert_int_equal(tree_requests(&t, "GET /rare", ""), tree_requests(&t, "GET /rare2", ""));
	/* 4 standard deviations of a binomial distribution; the seed is fixed anyway. */
	assert_in_range(popular, TIMES * 7 / 10 - 116, TIMES * 7 / 10 + 116);
	tree_close(&t);
}

static void test_groups_and_metrics(void **state)
{
	struct tree t;
	const struct fg_slice *slice;

	(void)state;
	tree_open(&t,
		  STEPS("      - group:\n"
			"          name: outer\n"
			"          steps:\n"
			"            - get: { url: /a, capture: { v: { json: $.v } } }\n"
			"            - group: { name: inner, steps: [ { get: { url: /a, "
			"expect: { status: 200 } } } ] }\n"
			"            - metric: { name: trend_ms, type: trend, value: '{{ v }}' }\n"
			"            - metric: { name: how_many, type: counter, value: 2 }\n"
			"            - metric: { name: good, type: rate, value: '{{ v > 5 }}' }\n"
			"      - metric: { name: level, type: gauge, value: '{{ v }}' }\n"));
	for (int i = 0; i < 3; i++) {
		tree_begin(&t);
		tree_answer(&t, 200, NULL, i == 1 ? "{\"v\":9.5}" : "{\"v\":\"1\"}");
		tree_answer(&t, i == 2 ? 500 : 200, NULL, NULL);
	}
	slice = t.meter.slice;
	assert_int_equal(tree_requests(&t, "GET /a", "::outer"), 3);
	assert_int_equal(tree_requests(&t, "GET /a", "::outer::inner"), 3);
	assert_int_equal(t.registry.group_count, 2);
	/* also of the iteration that ended early inside */
	assert_int_equal(slice->groups[0].count, 3);
	assert_int_equal(slice->groups[1].count, 3);
	for (size_t i = 0; i < t.registry.custom_count; i++) {
		const struct fg_custom_slice *custom = &slice->customs[i];
		const char *name = t.registry.customs[i].name;

		assert_int_equal(custom->count, 2);
		if (!strcmp(name, "trend_ms"))
			assert_true(custom->min == 1 && custom->max == 9.5 && custom->sum == 10.5);
		if (!strcmp(name, "how_many"))
			assert_true(custom->sum == 4);
		if (!strcmp(name, "good"))
			assert_int_equal(custom->trues, 1);
		if (!strcmp(name, "level"))
			assert_true(custom->last == 9.5);
	}
	assert_int_equal(t.registry.custom_count, 4);
	tree_close(&t);
}

static void test_parallel(void **state)
{
	struct fg_engine_response response = {.status = 200};
	uint64_t due_ns, latest_ns;
	struct tree t;

	(void)state;
	tree_open(&t, STEPS("      - parallel: [ { get: /a }, { get: { url: '/b{{ vu }}', "
			    "expect: { status: 200 } } }, { get: /c } ]\n"
			    "      - get: /after\n"));
	assert_int_equal(t.engine.width, 3);
	tree_begin(&t);
	due_ns = tree_slot(&t, 0)->due_ns;
	for (unsigned i = 0; i < 3; i++) {
		assert_true(tree_slot(&t, i)->running);
		assert_int_equal(tree_slot(&t, i)->due_ns, due_ns);
	}
	assert_string_equal(tree_slot(&t, 1)->url, "http://h/base/b3");
	response.end_ns = due_ns + 50;
	tree_respond(&t, 1, &response);
	response.end_ns = latest_ns = due_ns + 90;
	tree_respond(&t, 2, &response);
	assert_int_equal(t.vu->state, FG_VU_WAITING);
	response.end_ns = due_ns + 70;
	tree_respond(&t, 0, &response);
	assert_string_equal(tree_slot(&t, 0)->url, "http://h/base/after");
	assert_int_equal(tree_slot(&t, 0)->due_ns, latest_ns);
	tree_answer(&t, 200, NULL, NULL);
	assert_int_equal(tree_requests(&t, "GET /c", ""), 1);

	/* One fails its expectation: the others end first, then the iteration. */
	tree_begin(&t);
	response.status = 500;
	response.end_ns = fg_clock_monotonic_ns();
	tree_respond(&t, 1, &response);
	response.status = 200;
	tree_respond(&t, 0, &response);
	assert_int_equal(t.idle, 1);
	tree_respond(&t, 2, &response);
	assert_int_equal(t.idle, 2);
	assert_true(t.vu->failed);

	/* None can be sent. */
	t.engine.refuse = true;
	tree_begin(&t);
	assert_int_equal(t.idle, 3);
	t.engine.refuse = false;

	/* Cut with one answered. */
	tree_begin(&t);
	response.end_ns = fg_clock_monotonic_ns();
	tree_respond(&t, 0, &response);
	fg_vu_cut(t.vu, response.end_ns);
	assert_int_equal(t.idle, 4);
	assert_int_equal(tree_counts(&t)->interrupted, 1);
	assert_int_equal(tree_counts(&t)->iterations, 3);
	assert_int_equal(tree_requests(&t, "GET /a", ""), 4);
	tree_close(&t);
}

static void test_log(void **state)
{
	struct tree t;

	(void)state;
	tree_open(&t, STEPS("      - log: 'hello {{ vu }} of {{ iteration }}'\n"
			    "      - log: '{{ vu == 3 }}'\n"
			    "      - get: /a\n"));
	tree_begin(&t);
	tree_answer(&t, 200, NULL, NULL);
	assert_string_equal(tree_lines(&t), "hello 3 of 0|true|");
	tree_close(&t);
}

static void test_init(void **state)
{
	struct tree t;

	(void)state;
	tree_open(&t, HEAD SCENARIO
		  "    init:\n"
		  "      - get: { url: '/login{{ vu }}', capture: { token: { json: $.t } }, "
		  "checks: [ { name: c, status: 200 } ] }\n"
		  "      - think: 1ms\n"
		  "    steps:\n"
		  "      - get: { url: '/a?t={{ token }}', capture: { own: { json: $.t, "
		  "optional: true } } }\n");
	assert_true(fg_vu_needs_init(t.vu));
	fg_vu_begin_init(t.vu, fg_clock_monotonic_ns());
	assert_string_equal(tree_slot(&t, 0)->url, "http://h/base/login3");
	fg_vu_cut(t.vu, fg_clock_monotonic_ns()); /* interrupted: still to be done */
	assert_int_equal(t.idle, 1);
	assert_true(fg_vu_needs_init(t.vu));
	assert_int_equal(tree_counts(&t)->interrupted, 0);
	fg_vu_begin_init(t.vu, fg_clock_monotonic_ns());
	tree_answer(&t, 200, "Set-Cookie: sid=1\r\n", "{\"t\":\"abc\"}");
	tree_settle(&t);
	while (t.vu->state != FG_VU_IDLE)
		uv_run(&t.loop, UV_RUN_ONCE);
	assert_false(fg_vu_needs_init(t.vu));
	assert_false(t.vu->init_failed);
	assert_int_equal(tree_counts(&t)->iterations, 0);
	assert_int_equal(t.meter.slice->classes[0].requests + t.meter.slice->classes[1].requests,
			 0);
	for (int i = 0; i < 2; i++) { /* what init found is there in every iteration */
		tree_begin(&t);
		assert_string_equal(tree_slot(&t, 0)->url, "http://h/base/a?t=abc");
		assert_string_equal(tree_slot(&t, 0)->cookie, "sid=1");
		tree_answer(&t, 200, "Set-Cookie: sid=2\r\n", "{\"t\":\"other\"}");
	}
	assert_int_equal(tree_counts(&t)->iterations, 2);
	tree_close(&t);

	tree_open(&t, HEAD SCENARIO "    init: [ { get: { url: /l, expect: { status: 200 } } } ]\n"
				    "    steps: [ { get: /a } ]\n");
	fg_vu_begin_init(t.vu, fg_clock_monotonic_ns());
	tree_answer(&t, 401, NULL, NULL);
	assert_true(t.vu->init_failed);
	assert_false(fg_vu_needs_init(t.vu));
	assert_int_equal(tree_counts(&t)->iterations, 0);
	tree_close(&t);
}

/* Captures of one iteration are not there in the next. */
static void test_iterations_forget(void **state)
{
	struct tree t;

	(void)state;
	tree_open(&t, STEPS("      - if: { when: '{{ iteration == 0 }}', then: [ { get: { url: /a, "
			    "capture: { v: { body: true } } } } ] }\n"
			    "      - get: { url: '/b?v={{ v ?? \"none\" }}' }\n"));
	tree_begin(&t);
	tree_answer(&t, 200, "Set-Cookie: s=1\r\n", "x");
	assert_string_equal(tree_slot(&t, 0)->url, "http://h/base/b?v=x");
	assert_string_equal(tree_slot(&t, 0)->cookie, "s=1");
	tree_answer(&t, 200, NULL, NULL);
	t.vu->ids.iteration++;
	tree_begin(&t);
	assert_string_equal(tree_slot(&t, 0)->url, "http://h/base/b?v=none");
	assert_false(tree_slot(&t, 0)->has_cookie); /* k6 empties the jar */
	tree_answer(&t, 200, NULL, NULL);
	tree_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flow_arguments_and_captures),
		cmocka_unit_test(test_missing_captures),
		cmocka_unit_test(test_reasons_are_told_once),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_expectations),
		cmocka_unit_test(test_loops),
		cmocka_unit_test(test_loop_faults),
		cmocka_unit_test(test_if),
		cmocka_unit_test(test_choose),
		cmocka_unit_test(test_groups_and_metrics),
		cmocka_unit_test(test_parallel),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_iterations_forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
