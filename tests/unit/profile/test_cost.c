/* SPDX-License-Identifier: Apache-2.0 */
/* Self and total per function, blocks, kernel groups, what is never gated; folded stacks. */
#include "tests/unit/profile/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/clock.h"
#include "gate/profile/cost.h"
#include "gate/profile/folded.h"

static const struct fg_cost_options everything;

static struct fg_cost *cost_of(const struct fg_profile *profile,
			       const struct fg_cost_options *options)
{
	struct fg_cost *cost = NULL;
	struct fg_err err = {0};

	assert_ok(fg_cost_new(profile, options, &cost, &err), &err);
	return cost;
}

static void assert_row(const struct fg_cost *cost, const char *key, uint64_t self, uint64_t total,
		       bool gated)
{
	const struct fg_cost_row *row = fg_cost_find(cost, key);

	if (!row)
		fail_msg("no row \"%s\"", key);
	else if (row->self != self || row->total != total || row->gated != gated)
		fail_msg("%s: self %llu total %llu gated %d", key, (unsigned long long)row->self,
			 (unsigned long long)row->total, row->gated);
}

static void add(struct fg_profile *profile, enum fg_stack_result result, uint64_t count,
		const char *const *names)
{
	fg_sample_add(profile, fg_sample_stack(profile, result, names), "GET /", "measure", 5,
		      count);
}

static void test_self_total_and_recursion(void **state)
{
	static const char *const deep[] = {"leaf", "walk", "walk", "walk", "main", NULL};
	static const char *const flat[] = {"walk", "main", NULL};
	struct fg_profile *profile = fg_sample_new();

	(void)state;
	add(profile, FG_STACK_COMPLETE, 10, deep);
	add(profile, FG_STACK_COMPLETE, 3, flat);
	struct fg_cost *cost = cost_of(profile, &everything);

	assert_int_equal(cost->count, 3);
	assert_int_equal(cost->samples, 13);
	assert_row(cost, "app leaf", 10, 10, true);
	assert_row(cost, "app walk", 3, 13, true);
	assert_row(cost, "app main", 0, 13, true);
	assert_string_equal(cost->rows[0].key, "app leaf");
	assert_string_equal(cost->rows[0].name, "leaf");
	assert_string_equal(cost->rows[0].module, "app");
	assert_null(fg_cost_find(cost, "app nothing"));
	assert_null(fg_cost_find(cost, ""));
	fg_cost_free(cost);
	fg_profile_free(profile);
	fg_cost_free(NULL);
}

static void test_selection_and_blocks(void **state)
{
	static const char *const names[] = {"f", "main", NULL};
	struct fg_profile *profile = fg_sample_new();
	uint32_t stack = fg_sample_stack(profile, FG_STACK_COMPLETE, names);

	(void)state;
	for (uint32_t second = 0; second < 12; second++)
		fg_sample_add(profile, stack, second % 2 ? "GET /a" : "GET /b",
			      second < 2 ? "warmup" : "measure", second, second + 1);
	struct fg_cost_options options = {
		.phase = "measure", .second_from = 2, .block_seconds = 3, .block_count = 3};
	struct fg_cost *cost = cost_of(profile, &options);
	const struct fg_cost_row *row = fg_cost_find(cost, "app f");

	/* seconds 2…10; 11 lies behind the last block */
	assert_int_equal(cost->block_count, 3);
	assert_int_equal(cost->samples, 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 + 11);
	assert_non_null(row);
	assert_int_equal(row->self_by_block[0], 12);
	assert_int_equal(row->self_by_block[1], 21);
	assert_int_equal(row->self_by_block[2], 30);
	assert_int_equal(fg_cost_find(cost, "app main")->total_by_block[2], 30);
	assert_int_equal(fg_cost_find(cost, "app main")->self_by_block[2], 0);
	assert_int_equal(cost->samples_by_block[1], 21);
	fg_cost_free(cost);
	options.endpoint = "GET /a";
	cost = cost_of(profile, &options);
	assert_int_equal(cost->samples, 4 + 6 + 8 + 10);
	fg_cost_free(cost);
	cost = cost_of(profile, &(struct fg_cost_options){.phase = "other"});
	assert_int_equal(cost->samples + cost->count, 0);
	fg_cost_free(cost);
	fg_profile_free(profile);
}

static void test_kernel_is_grouped_by_system_call(void **state)
{
	static const struct {
		const char *names[9];
		const char *group;
	} cases[] = {
		{{"k:copy_from_iter", "k:tcp_sendmsg", "k:__x64_sys_writev", "k:do_syscall_64",
		  "k:entry_SYSCALL_64_after_hwframe", "write", "main"},
		 "[kernel] sys_writev"},
		{{"k:vfs_read", "k:ksys_read", "k:do_syscall_64", "read", "main"},
		 "[kernel] sys_read"},
		{{"k:vfs_read", "k:__arm64_sys_read", "k:invoke_syscall", "k:el0_svc", "main"},
		 "[kernel] sys_read"},
		{{"k:tick", "k:sysvec_apic_timer_interrupt", "k:asm_sysvec_apic_timer_interrupt",
		  "k:copy", "k:__se_sys_sendto", "k:__x64_sys_sendto", "k:do_syscall_64", "main"},
		 "[kernel] sys_sendto"},
		{{"k:tick", "k:sysvec_apic_timer_interrupt", "k:asm_sysvec_apic_timer_interrupt",
		  "main"},
		 "[kernel] interrupt"},
		{{"k:clear_page", "k:exc_page_fault", "k:asm_exc_page_fault", "main"},
		 "[kernel] page_fault"},
		{{"k:syscall_exit_to_user_mode", "k:do_syscall_64", "main"}, "[kernel] syscall"},
		/* nginx's writev on 6.18: the wrapper's last call is a jump */
		{{"k:tcp_sendmsg", "k:do_iter_readv_writev", "k:vfs_writev", "k:do_writev",
		  "k:do_syscall_64", "k:entry_SYSCALL_64_after_hwframe", "writev", "main"},
		 "[kernel] sys_writev"},
		{{"k:ep_send_events", "k:do_epoll_wait.isra.0", "k:x64_sys_call", "k:do_syscall_64",
		  "main"},
		 "[kernel] sys_epoll_wait"},
		{{"k:tcp_recvmsg", "k:__sys_recvfrom", "k:do_syscall_64", "main"},
		 "[kernel] sys_recvfrom"},
		{{"k:vfs_writev", "k:do_writev", "k:invoke_syscall", "k:el0_svc", "main"},
		 "[kernel] sys_writev"},
		/* not right below the entry: somebody else's work */
		{{"k:do_writev", "k:task_work_run", "k:exit_to_user_mode_loop", "k:do_syscall_64",
		  "main"},
		 "[kernel] syscall"},
		{{"k:do_writev", "k:io_wq_worker", "k:ret_from_fork"}, "[kernel]"},
		/* below an interrupt or a fault there is no system call's worker */
		{{"k:do_futex", "k:asm_exc_page_fault", "main"}, "[kernel] page_fault"},
		{{"k:schedule", "k:kthread", "k:ret_from_fork"}, "[kernel]"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_profile *profile = fg_sample_new();
		char single[64];

		add(profile, FG_STACK_COMPLETE, 7, cases[i].names);
		struct fg_cost *cost = cost_of(profile, &everything);

		assert_row(cost, cases[i].group, 7, 7, true);
		assert_true(fg_cost_find(cost, cases[i].group)->group);
		assert_string_equal(fg_cost_find(cost, cases[i].group)->name, cases[i].group);
		(void)snprintf(single, sizeof(single), "[kernel.kallsyms] %s",
			       cases[i].names[0] + 2);
		assert_row(cost, single, 7, 7, false);
		assert_true(fg_cost_find(cost, single)->kernel);
		fg_cost_free(cost);
		fg_profile_free(profile);
	}
}

/* The profiler's kernel module is "[kernel]", so a function could have the key of its group. */
static void test_group_is_not_the_function(void **state)
{
	struct fg_profile *profile = fg_sample_new();
	uint32_t frames[] = {
		fg_sample_location(profile, "[kernel]", "__x64_sys_writev", 0x9000, FG_LOC_KERNEL),
		fg_sample_location(profile, "/bin/app", "main", 0x9200, 0),
	};
	int64_t stack = fg_profile_stack(profile, frames, 2, FG_STACK_COMPLETE, NULL);

	(void)state;
	fg_sample_add(profile, (uint32_t)stack, "GET /", "measure", 1, 7);
	struct fg_cost *cost = cost_of(profile, &everything);

	assert_row(cost, "[kernel] sys_writev", 7, 7, true);
	assert_row(cost, "[kernel] __x64_sys_writev", 7, 7, false);
	fg_cost_free(cost);
	fg_profile_free(profile);
}

static void test_truncated_and_guessed_stacks(void **state)
{
	static const char *const whole[] = {"leaf", "middle", "main", NULL};
	static const char *const cut[] = {"leaf", "[truncated]", NULL};
	struct fg_profile *profile = fg_sample_new();

	(void)state;
	add(profile, FG_STACK_COMPLETE, 10, whole);
	add(profile, FG_STACK_GAP, 5, cut);
	uint32_t frames[] = {
		fg_sample_location(profile, "/bin/app", "leaf", 0x9000, 0),
		fg_sample_location(profile, "/bin/app", "middle", 0x9100, FG_LOC_GUESSED),
		fg_sample_location(profile, "/bin/app", "main", 0x9200, 0),
	};
	int64_t stack = fg_profile_stack(profile, frames, 3, FG_STACK_GUESSED, NULL);

	fg_sample_add(profile, (uint32_t)stack, "GET /", "measure", 1, 2);
	/* A stack without a user part has no root to miss. */
	stack = fg_profile_stack(profile, frames, 1, FG_STACK_KERNEL_ONLY, NULL);
	fg_sample_add(profile, (uint32_t)stack, "GET /", "measure", 1, 3);
	struct fg_cost *cost = cost_of(profile, &everything);

	assert_int_equal(cost->incomplete, 7);
	assert_int_equal(cost->kernel_only, 3);
	assert_row(cost, "app leaf", 20, 20, true);
	assert_row(cost, "app middle", 0, 10, true);
	assert_row(cost, "app main", 0, 12, true);
	fg_cost_free(cost);
	fg_profile_free(profile);
}

static void test_what_is_never_gated(void **state)
{
	struct fg_profile *profile = fg_sample_new();
	static const struct {
		const char *name;
		uint32_t flags;
	} leaves[] = {
		{"app+0x1000", FG_LOC_UNNAMED},
		{"app+0x2000", FG_LOC_UNNAMED},
		{"[unknown]", FG_LOC_PLACEHOLDER},
		{"f(int)", 0},
		{"f(long)", 0},
		{"g", 0},
		{"g.cold", 0},
		{"V<int>::h(int)", 0},
		{"V<int>::h(int) [clone .part.0]", 0},
		{"p<int>", 0},
		{"p<long>", 0},
		{"m::{closure#0}", 0},
		{"m::{closure#1}", 0},
	};

	(void)state;
	for (uint32_t i = 0; i < FG_ARRAY_LEN(leaves); i++) {
		uint32_t location = fg_sample_location(profile, "/bin/app", leaves[i].name,
						       0x1000 + i, leaves[i].flags);
		int64_t stack = fg_profile_stack(profile, &location, 1, FG_STACK_COMPLETE, NULL);

		fg_sample_add(profile, (uint32_t)stack, "", "measure", 1, i + 1);
	}
	struct fg_cost *cost = cost_of(profile, &everything);

	assert_row(cost, "app app+0x1000", 1, 1, false);
	assert_row(cost, "app app+0x2000", 2, 2, false);
	assert_row(cost, "app [unknown]", 3, 3, false);
	assert_int_equal(cost->unnamed_self, 6);
	assert_row(cost, "app f", 9, 9, false);
	assert_true(fg_cost_find(cost, "app f")->ambiguous);
	assert_string_equal(fg_cost_find(cost, "app f")->name, "f(long)");
	assert_row(cost, "app g", 13, 13, true);
	assert_string_equal(fg_cost_find(cost, "app g")->name, "g.cold");
	assert_row(cost, "app V<\xe2\x80\xa6>::h", 17, 17, true);
	assert_row(cost, "app p<\xe2\x80\xa6>", 21, 21, true);
	assert_row(cost, "app m::{closure}", 25, 25, false);
	assert_string_equal(cost->rows[0].key, "app m::{closure}");
	fg_cost_free(cost);
	fg_profile_free(profile);
}

/* Two static functions of one name in two files. */
static void test_same_name_in_two_files(void **state)
{
	struct fg_profile *profile = fg_sample_new();
	static const char *const files[] = {"", "a.c", "b.c"};

	(void)state;
	for (uint32_t i = 0; i < FG_ARRAY_LEN(files); i++) {
		struct fg_pfunction function = {
			.name = fg_sample_string(profile, "parse"),
			.filename = fg_sample_string(profile, files[i]),
			.module = fg_sample_module(profile, "/bin/app"),
		};
		struct fg_pline line = {
			.function = (uint32_t)fg_profile_function(profile, &function, NULL)};
		struct fg_plocation location = {
			.module = function.module, .address = i, .line_count = 1};
		uint32_t frame = (uint32_t)fg_profile_location(profile, &location, &line, NULL);
		int64_t stack = fg_profile_stack(profile, &frame, 1, FG_STACK_COMPLETE, NULL);

		fg_sample_add(profile, (uint32_t)stack, "", "measure", 1, 1);
		struct fg_cost *cost = cost_of(profile, &everything);

		assert_row(cost, "app parse", i + 1, i + 1, i < 2);
		fg_cost_free(cost);
	}
	fg_profile_free(profile);
}

static void test_bad_blocks(void **state)
{
	struct fg_profile *profile = fg_sample_new();
	struct fg_cost *cost = NULL;
	struct fg_err err = {0};

	(void)state;
	assert_int_equal(fg_cost_new(profile, &(struct fg_cost_options){.block_seconds = 1}, &cost,
				     &err),
			 -FG_E_INVALID);
	assert_int_equal(fg_cost_new(profile,
				     &(struct fg_cost_options){.block_seconds = 1,
							       .block_count = UINT32_MAX},
				     &cost, &err),
			 -FG_E_INVALID);
	assert_null(cost);
	fg_profile_free(profile);
}

/* One location with a function inlined into another. */
static uint32_t inlined(struct fg_profile *profile)
{
	static const char *const names[] = {"inner", "outer"};
	struct fg_pline lines[2] = {0};
	struct fg_plocation location = {
		.module = fg_sample_module(profile, "/bin/app"), .address = 0x77, .line_count = 2};

	for (size_t i = 0; i < 2; i++) {
		struct fg_pfunction function = {.name = fg_sample_string(profile, names[i]),
						.module = location.module};

		lines[i].function = (uint32_t)fg_profile_function(profile, &function, NULL);
	}
	return (uint32_t)fg_profile_location(profile, &location, lines, NULL);
}

static void test_inlined_functions_count_for_themselves(void **state)
{
	struct fg_profile *profile = fg_sample_new();
	uint32_t frames[] = {inlined(profile),
			     fg_sample_location(profile, "/bin/app", "main", 0x1, 0)};
	int64_t stack = fg_profile_stack(profile, frames, 2, FG_STACK_COMPLETE, NULL);

	(void)state;
	fg_sample_add(profile, (uint32_t)stack, "", "measure", 1, 4);
	struct fg_cost *cost = cost_of(profile, &everything);

	assert_row(cost, "app inner", 4, 4, true);
	assert_row(cost, "app outer", 0, 4, true);
	fg_cost_free(cost);
	struct fg_buf out;

	fg_buf_init(&out, 4096);
	assert_int_equal(fg_folded_encode(profile, NULL, &out, NULL), 0);
	assert_string_equal(out.data, "main;outer;inner_[i] 4\n");
	fg_buf_done(&out);
	fg_profile_free(profile);
}

static void test_folded_stacks(void **state)
{
	static const char *const kernel[] = {"k:copy", "k:__x64_sys_read", "read", "main", NULL};
	static const char *const user[] = {"odd;name\nhere", "main", NULL};
	struct fg_profile *profile = fg_sample_new();
	struct fg_err err = {0};
	struct fg_buf out;

	(void)state;
	add(profile, FG_STACK_COMPLETE, 3, kernel);
	add(profile, FG_STACK_COMPLETE, 4, user);
	add(profile, FG_STACK_GAP, 5, user); /* the same text: one line */
	fg_sample_add(profile, 0, "GET /", "warmup", 1, 100);
	fg_buf_init(&out, 4096);
	assert_ok(fg_folded_encode(profile, "measure", &out, &err), &err);
	assert_string_equal(out.data,
			    "main;odd:name here 9\nmain;read;__x64_sys_read_[k];copy_[k] 3\n");
	fg_buf_clear(&out);
	assert_ok(fg_folded_encode(profile, NULL, &out, &err), &err);
	assert_non_null(strstr(out.data, "copy_[k] 103\n"));
	fg_buf_clear(&out);
	assert_ok(fg_folded_encode(profile, "none", &out, &err), &err);
	assert_int_equal(out.len, 0);
	fg_buf_done(&out);
	fg_buf_init(&out, 8);
	assert_true(fg_folded_encode(profile, NULL, &out, &err) < 0);
	fg_buf_done(&out);
	fg_profile_free(profile);
}

/* Prints its time; asserts the sums. */
static void test_many_samples(void **state)
{
	enum { STACKS = 20000, SAMPLES = 500000, DEPTH = 24, FUNCTIONS = 4096 };
	struct fg_profile *profile = fg_sample_new();
	uint32_t locations[FUNCTIONS];
	uint64_t random = 7;

	(void)state;
	for (uint32_t i = 0; i < FUNCTIONS; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "ns::C<int>::function_%u(int, char)", i);
		locations[i] = fg_sample_location(profile, "/bin/app", name, 0x1000 + i * 64, 0);
	}
	for (uint32_t i = 0; i < STACKS; i++) {
		uint32_t frames[DEPTH];

		for (size_t k = 0; k < DEPTH; k++) {
			random = random * 6364136223846793005ull + 1442695040888963407ull;
			frames[k] = locations[random >> 52];
		}
		assert_true(fg_profile_stack(profile, frames, DEPTH, FG_STACK_COMPLETE, NULL) >= 0);
	}
	for (uint32_t i = 0; i < SAMPLES; i++) {
		struct fg_psample sample = {.stack = i % (uint32_t)profile->stack_count,
					    .second = i / STACKS,
					    .count = 1};

		assert_int_equal(fg_profile_sample(profile, &sample, NULL), 0);
	}
	uint64_t start_ns = fg_clock_monotonic_ns();
	struct fg_cost *cost =
		cost_of(profile, &(struct fg_cost_options){.block_seconds = 1, .block_count = 60});
	uint64_t end_ns = fg_clock_monotonic_ns();
	uint64_t self = 0;

	for (size_t i = 0; i < cost->count; i++)
		self += cost->rows[i].self;
	print_message("cost of %d samples x %d frames: %.0f ms\n", SAMPLES, DEPTH,
		      (double)(end_ns - start_ns) / 1e6);
	assert_int_equal(cost->samples, SAMPLES);
	assert_int_equal(self, SAMPLES);
	fg_cost_free(cost);
	fg_profile_free(profile);
}

/* Slow requests, and chosen seconds. */
static void test_latency_and_seconds(void **state)
{
	static const uint32_t some[] = {7, 3}, none[] = {99};
	static const struct {
		struct fg_cost_options options;
		uint64_t samples;
	} cases[] = {
		{{.latency = "slow"}, 5},
		{{.latency = ""}, 60},
		{{.latency = "fast"}, 0},
		{{.seconds = some, .second_count = 2}, 45},
		{{.seconds = some, .second_count = 1}, 5},
		{{.seconds = none, .second_count = 1}, 0},
		{{.seconds = none, .second_count = 0}, 0},
		{{.latency = "slow", .seconds = some, .second_count = 2}, 5},
	};
	struct fg_profile *profile = NULL;

	assert_int_equal(fg_profile_new(&profile, NULL), 0);
	const uint32_t stack =
		fg_sample_stack(profile, FG_STACK_COMPLETE, (const char *const[]){"f", NULL});
	struct fg_psample slow = {.stack = stack, .second = 7, .count = 5};

	(void)state;
	fg_sample_add(profile, stack, "", "measure", 3, 40);
	fg_sample_add(profile, stack, "", "measure", 4, 20);
	slow.latency = fg_sample_string(profile, "slow");
	assert_int_equal(fg_profile_sample(profile, &slow, NULL), 0);
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_cost *cost = cost_of(profile, &cases[i].options);

		assert_int_equal(cost->samples, cases[i].samples);
		fg_cost_free(cost);
	}
	fg_profile_free(profile);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_self_total_and_recursion),
		cmocka_unit_test(test_selection_and_blocks),
		cmocka_unit_test(test_latency_and_seconds),
		cmocka_unit_test(test_kernel_is_grouped_by_system_call),
		cmocka_unit_test(test_truncated_and_guessed_stacks),
		cmocka_unit_test(test_group_is_not_the_function),
		cmocka_unit_test(test_what_is_never_gated),
		cmocka_unit_test(test_same_name_in_two_files),
		cmocka_unit_test(test_bad_blocks),
		cmocka_unit_test(test_inlined_functions_count_for_themselves),
		cmocka_unit_test(test_folded_stacks),
		cmocka_unit_test(test_many_samples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
