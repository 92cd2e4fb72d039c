/* SPDX-License-Identifier: Apache-2.0 */
/* After warm-up an iteration with captures, cookies, redirects, coded bodies, loops and parallel
 * requests allocates nothing; and what a long iteration costs the others. */
#include "tests/kit/kit.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "gate/base/clock.h"
#include "tests/unit/load/tree_kit.h"

/* The linker sends our code's calls here (-Wl,--wrap=malloc,…). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static unsigned long allocations;

void *__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	allocations++;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	allocations++;
	return __real_realloc(old, size);
}

static const char scenario[] =
	"version: 1\n"
	"name: t\n"
	"target: { url: 'http://h' }\n"
	"flows:\n"
	"  login:\n"
	"    params: { user: demo, pass: secret }\n"
	"    steps:\n"
	"      - post: { url: /login, json: { user: '{{ user }}', pass: '{{ pass }}' }, "
	"compression: true,\n"
	"                capture: { token: { json: $.token }, list: { json: '$.list[*]' }, "
	"n: { regex: 'n\":(\\d+)', group: 1 }, sid: { cookie: sid }, h: { header: X-H }, "
	"st: { status: true }, b: { body: true } },\n"
	"                checks: [ { name: c1, json: $.token, matches: '^t' }, { name: c2, "
	"duration: '<1s' }, { name: c3, json: $.n, gt: 3 }, { name: c4, body: true, contains: "
	"list } ], expect: { status: 200 } }\n"
	"scenarios:\n"
	"  s:\n"
	"    executor: per-vu-iterations\n"
	"    steps:\n"
	"      - run: login\n"
	"        with: { user: 'u{{ iteration }}', pass: '{{ scenario.iteration + 1 }}' }\n"
	"      - get: { url: '/a?t={{ token }}&n={{ n }}', headers: { X-S: '{{ sid }}' } }\n"
	"      - group: { name: g, steps: [ { loop: { over: '{{ list }}', as: e, steps: [ "
	"{ get: '/e?e={{ e }}' } ] } } ] }\n"
	"      - loop: { count: 3, as: i, steps: [ { metric: { name: count_it, type: trend, "
	"value: '{{ i }}' } } ] }\n"
	"      - if: { when: '{{ st == 200 }}', then: [ { get: /constant } ] }\n"
	"      - choose: [ { weight: 1, steps: [ { get: '/c1?{{ vu }}' } ] }, { weight: 1, steps: "
	"[ { get: '/c2?{{ vu }}' } ] } ]\n"
	"      - parallel: [ { get: '/p1?{{ b.n }}' }, { get: /p2 } ]\n";

static unsigned char packed[256];
static size_t packed_len;

static void pack(void)
{
	unsigned char plain[] = "{\"token\":\"t\\u0041bc\",\"list\":[\"x\",\"y\",3],\"n\":42}";
	z_stream stream = {.next_in = plain, .avail_in = sizeof(plain) - 1};

	assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	stream.next_out = packed;
	stream.avail_out = sizeof(packed);
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	packed_len = stream.total_out;
	deflateEnd(&stream);
}

/* The login is redirected once; everything else is answered plainly. */
static void respond(struct tree *t, unsigned slot)
{
	static const char moved[] = "Location: /login2?x y\r\nSet-Cookie: hop=1; Path=/\r\n";
	static const char head[] = "Content-Encoding: gzip\r\nX-H: v\r\nSet-Cookie: sid=abc; "
				   "Expires=Tue, 01 Jan 2099 00:00:00 GMT\r\n";
	union {
		const unsigned char *bytes;
		const char *text;
	} body = {.bytes = packed};
	const struct tree_request *request = tree_slot(t, slot);
	struct fg_engine_response response = {.status = 200,
					      .waiting_ns = 2 * FG_NS_PER_MS,
					      .head = "",
					      .end_ns = request->due_ns + 2 * FG_NS_PER_MS};

	if (strstr(request->url, "login2")) {
		response.head = head;
		response.head_len = sizeof(head) - 1;
		response.body = body.text;
		response.body_len = packed_len;
	} else if (strstr(request->url, "login")) {
		response.status = 307;
		response.head = moved;
		response.head_len = sizeof(moved) - 1;
	}
	tree_respond(t, slot, &response);
}

static void iterate(struct tree *t)
{
	tree_begin(t);
	while (t->vu->state != FG_VU_IDLE) {
		for (unsigned i = 0; i < t->engine.width; i++) {
			if (tree_slot(t, i)->running)
				respond(t, i);
		}
	}
	assert_false(t->vu->failed);
	t->vu->ids.iteration++;
}

static void test_no_allocation_per_iteration(void **state)
{
	enum { WARM_UP = 50, TIMES = 1000 };
	unsigned long before;
	struct tree t;

	(void)state;
	pack();
	tree_open(&t, scenario);
	for (int i = 0; i < WARM_UP; i++)
		iterate(&t);
	before = allocations;
	for (int i = 0; i < TIMES; i++)
		iterate(&t);
	print_message("%lu allocations in %d iterations\n", allocations - before, TIMES);
	/* A histogram may meet a duration of an octave that it has not seen. */
	assert_true(before > 0 && allocations - before < 20);
	assert_int_equal(tree_counts(&t)->iterations, WARM_UP + TIMES);
	assert_int_equal(tree_requests(&t, "POST /login", ""), 2 * (WARM_UP + TIMES));
	assert_int_equal(tree_check(&t, "c3").passes, WARM_UP + TIMES);
	tree_close(&t);
}

/* The promise to who runs 10 000 of them: what a VU costs before it has sent anything. */
static void test_an_idle_vu_is_small(void **state)
{
	struct tree t;

	(void)state;
	tree_open(&t, "version: 1\nname: t\ntarget: { url: 'http://h' }\n"
		      "scenarios: { s: { executor: per-vu-iterations, steps: [ { get: / } ] } }\n");
	print_message("struct fg_vu: %zu bytes\n", sizeof(struct fg_vu));
	assert_true(sizeof(struct fg_vu) <= 1024);
	tree_close(&t);
}

/* A long iteration that sends nothing leaves the loop its turns. */
static void test_breathes(void **state)
{
	struct tree t;
	unsigned turns = 0;
	const uint64_t now_ns = fg_clock_monotonic_ns();

	(void)state;
	tree_open(&t, "version: 1\nname: t\ntarget: { url: 'http://h' }\nscenarios:\n  s:\n    "
		      "executor: per-vu-iterations\n    steps:\n"
		      "      - loop: { count: 20000, steps: [ { metric: { name: cc, "
		      "type: counter, value: 1 } } ] }\n"
		      "      - if: { when: '{{ vu == 0 }}', then: [ { get: /a } ] }\n");
	fg_vu_begin(t.vu, now_ns, 0, now_ns);
	while (t.vu->state != FG_VU_IDLE) {
		turns++;
		uv_run(&t.loop, UV_RUN_ONCE);
	}
	assert_true(turns >= 20);
	assert_true(t.meter.slice->customs[0].sum == 20000);
	assert_int_equal(tree_counts(&t)->lag.count, 0); /* no think, no lag */
	tree_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_allocation_per_iteration),
		cmocka_unit_test(test_an_idle_vu_is_small),
		cmocka_unit_test(test_breathes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
