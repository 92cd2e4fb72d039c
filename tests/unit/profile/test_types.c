/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles of other types: causes of waits, their pprof spelling, taking them apart. */
#include "tests/unit/profile/sample.h"

#include <stdlib.h>
#include <string.h>

#include "gate/profile/append.h"
#include "gate/profile/pprof.h"
#include "gate/profile/wait.h"

enum { NAMES_MAX = 12 };

static const struct wait_case {
	enum fg_wait_class expected;
	const char *kernel[NAMES_MAX], *user[NAMES_MAX];
	bool preempted;
} wait_cases[] = {
	/* sockets */
	{FG_WAIT_NETWORK,
	 {"schedule", "schedule_timeout", "wait_woken", "sk_wait_data", "tcp_recvmsg_locked",
	  "inet_recvmsg"},
	 {"__libc_recv"},
	 false},
	{FG_WAIT_NETWORK,
	 {"schedule", "schedule_timeout", "unix_stream_read_generic"},
	 {"read"},
	 false},
	{FG_WAIT_NETWORK,
	 {"schedule", "wait_woken", "sk_stream_wait_memory", "tcp_sendmsg"},
	 {"send"},
	 false},
	{FG_WAIT_NETWORK, {"schedule", "wait_woken", "__inet_stream_connect"}, {"connect"}, false},
	{FG_WAIT_NETWORK,
	 {"schedule", "__skb_wait_for_more_packets", "__skb_recv_udp"},
	 {"recv"},
	 false},
	/* storage */
	{FG_WAIT_DISK, {"schedule", "io_schedule", "folio_wait_bit_common"}, {"read"}, false},
	{FG_WAIT_DISK, {"schedule", "jbd2_log_wait_commit", "ext4_sync_file"}, {"fsync"}, false},
	{FG_WAIT_DISK, {"schedule", "schedule_timeout", "do_fsync"}, {"fsync"}, false},
	{FG_WAIT_DISK, {"schedule", "blk_mq_get_tag.constprop.0"}, {"write"}, false},
	/* for work */
	{FG_WAIT_IDLE, {"schedule", "schedule_hrtimeout_range", "ep_poll"}, {"epoll_wait"}, false},
	{FG_WAIT_IDLE, {"schedule", "schedule_hrtimeout_range", "do_epoll_wait"}, {"x"}, false},
	{FG_WAIT_IDLE,
	 {"schedule", "poll_schedule_timeout.constprop.0", "do_sys_poll"},
	 {"poll"},
	 false},
	{FG_WAIT_IDLE, {"schedule", "do_nanosleep", "hrtimer_nanosleep"}, {"nanosleep"}, false},
	{FG_WAIT_IDLE, {"schedule", "inet_csk_accept", "inet_accept"}, {"accept4"}, false},
	{FG_WAIT_IDLE, {"schedule", "do_wait", "kernel_wait4"}, {"wait4"}, false},
	{FG_WAIT_IDLE, {"schedule", "io_cqring_wait"}, {"io_uring_enter"}, false},
	/* a futex says nothing alone: the user's side does */
	{FG_WAIT_LOCK,
	 {"schedule", "futex_wait_queue", "futex_wait", "do_futex"},
	 {"__lll_lock_wait", "pthread_mutex_lock", "work"},
	 false},
	{FG_WAIT_LOCK, {"schedule", "futex_wait_queue_me", "futex_wait"}, {"unheard_of"}, false},
	{FG_WAIT_LOCK, {"schedule", "futex_do_wait", "__futex_wait"}, {NULL}, false},
	{FG_WAIT_IDLE,
	 {"schedule", "futex_wait_queue"},
	 {"__futex_abstimed_wait_common64", "__pthread_cond_wait", "pool_worker"},
	 false},
	{FG_WAIT_IDLE,
	 {"schedule", "futex_wait"},
	 {"runtime.futex.abi0", "runtime.futexsleep", "runtime.notesleep", "runtime.stopm"},
	 false},
	{FG_WAIT_IDLE, {"schedule", "futex_wait"}, {"x", "std::thread::park()"}, false},
	{FG_WAIT_IDLE,
	 {"schedule", "futex_wait"},
	 {"x", "std::condition_variable::wait(a)"},
	 false},
	/* a lock made of a condition */
	{FG_WAIT_LOCK,
	 {"schedule", "futex_wait_queue"},
	 {"__futex_abstimed_wait_common64", "pthread_cond_timedwait", "take_gil"},
	 false},
	{FG_WAIT_LOCK,
	 {"schedule", "futex_wait_queue"},
	 {"pthread_cond_timedwait", "x", "ObjectMonitor::enter(JavaThread*)"},
	 false},
	/* too far from the leaf to be the reason */
	{FG_WAIT_LOCK,
	 {"schedule", "futex_wait_queue"},
	 {"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "pthread_cond_wait"},
	 false},
	/* locks of the kernel are locks whatever the user does */
	{FG_WAIT_LOCK,
	 {"schedule", "rwsem_down_write_slowpath", "ext4_file_write_iter"},
	 {"pthread_cond_wait"},
	 false},
	{FG_WAIT_LOCK, {"schedule_preempt_disabled", "__mutex_lock.constprop.0"}, {"write"}, false},
	/* the nearest to the leaf decides */
	{FG_WAIT_LOCK, {"schedule", "__mutex_lock", "do_epoll_wait"}, {"x"}, false},
	{FG_WAIT_DISK, {"schedule", "io_schedule", "tcp_sendmsg"}, {"sendfile"}, false},
	/* put off the CPU: whatever it was about to wait for */
	{FG_WAIT_RUNQUEUE, {"schedule", "ep_poll"}, {"epoll_wait"}, true},
	{FG_WAIT_RUNQUEUE, {NULL}, {"spin"}, true},
	/* what cannot be told */
	{FG_WAIT_OTHER, {"schedule", "pipe_read"}, {"read"}, false},
	{FG_WAIT_OTHER, {"schedule"}, {"pthread_cond_wait"}, false},
	{FG_WAIT_OTHER, {NULL}, {NULL}, false},
	{FG_WAIT_OTHER, {"schedule", "ep_poll_not"}, {"x"}, false},
	{FG_WAIT_OTHER, {"schedule", "my_ep_poll"}, {"x"}, false},
	{FG_WAIT_OTHER, {"", "_", "__"}, {""}, false},
};

static size_t count_names(const char *const *names)
{
	size_t count = 0;

	while (count < NAMES_MAX && names[count])
		count++;
	return count;
}

static void test_causes(void **state)
{
	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(wait_cases); i++) {
		const struct wait_case *one = &wait_cases[i];
		const struct fg_wait_stack stack = {
			.kernel = one->kernel,
			.kernel_count = count_names(one->kernel),
			.user = one->user,
			.user_count = count_names(one->user),
			.preempted = one->preempted,
		};
		enum fg_wait_class got = fg_wait_classify(&stack);

		if (got != one->expected)
			fail_msg("case %zu (%s): %s, not %s", i,
				 one->kernel[0] ? one->kernel[stack.kernel_count - 1] : "no kernel",
				 fg_wait_class_name(got), fg_wait_class_name(one->expected));
	}
}

static void test_names(void **state)
{
	(void)state;
	for (int i = 0; i < FG_WAIT_CLASS_COUNT; i++) {
		const char *root = fg_wait_class_root((enum fg_wait_class)i);

		assert_int_equal(fg_wait_class_of_root(root), i);
		assert_non_null(strstr(root, fg_wait_class_name((enum fg_wait_class)i)));
	}
	assert_int_equal(fg_wait_class_of_root("[wait: lock"), -1);
	assert_int_equal(fg_wait_class_of_root(""), -1);
	assert_string_equal(fg_wait_class_name(FG_WAIT_CLASS_COUNT), "unknown");
	for (int i = 0; i < FG_PROFILE_TYPE_COUNT; i++) {
		const char *name = fg_profile_type_name((enum fg_profile_type)i);

		assert_int_equal(fg_profile_type_find(name, strlen(name)), i);
		assert_int_equal(fg_profile_type_find(name, strlen(name) - 1), -1);
	}
	assert_int_equal(fg_profile_type_find("", 0), -1);
	assert_string_equal(fg_profile_type_name(FG_PROFILE_TYPE_COUNT), "unknown");
}

/* -- pprof --------------------------------------------------------------------------------------
 */

static struct fg_profile *make(enum fg_profile_type type, uint64_t period_ns)
{
	static const char *const lock[] = {"k:schedule", "pthread_mutex_lock", "work", NULL};
	static const char *const grow[] = {"grow", "work", NULL};
	struct fg_profile *profile = fg_sample_new();

	profile->type = type;
	profile->period_ns = period_ns;
	fg_sample_add(profile, fg_sample_stack(profile, FG_STACK_COMPLETE, lock), "GET /",
		      "measure", 3, 70001);
	fg_sample_add(profile, fg_sample_stack(profile, FG_STACK_BAD, grow), "", "measure", 4, 6);
	fg_sample_add(profile, fg_sample_stack(profile, FG_STACK_COMPLETE, grow), "", "warmup", 0,
		      1000);
	return profile;
}

static void test_pprof_keeps_types(void **state)
{
	static const uint64_t periods_ns[FG_PROFILE_TYPE_COUNT] = {2004008, 1000, 1000, 1};
	const struct fg_pprof_options options = {.gzip = true, .labels = true};

	(void)state;
	for (int i = 0; i < FG_PROFILE_TYPE_COUNT; i++) {
		struct fg_profile *profile = make((enum fg_profile_type)i, periods_ns[i]);
		struct fg_profile *back = NULL;
		struct fg_err err = {0};
		struct fg_buf bytes;

		fg_buf_init(&bytes, 1 << 20);
		assert_ok(fg_pprof_encode(profile, &options, &bytes, &err), &err);
		assert_ok(fg_pprof_decode(bytes.data, bytes.len, &back, &err), &err);
		assert_int_equal(back->type, i);
		assert_int_equal(back->period_ns, periods_ns[i]);
		char *before = fg_sample_dump(profile), *after = fg_sample_dump(back);

		assert_string_equal(before, after);
		free(before);
		free(after);
		fg_buf_done(&bytes);
		fg_profile_free(profile);
		fg_profile_free(back);
	}
}

/* -- taking apart, putting together -------------------------------------------------------------
 */

static void test_append(void **state)
{
	static const char *const names[] = {"a", "b", NULL};
	struct fg_profile *from = make(FG_PROFILE_CPU, 2500);
	struct fg_profile *to = fg_sample_new();
	struct fg_err err = {0};
	const struct fg_profile_append_options as_is = {0};
	const struct fg_profile_append_options scaled = {.src_period_ns = 2500,
							 .dst_period_ns = 1000};
	const struct fg_profile_append_options none = {.only_side = "head"};

	(void)state;
	fg_sample_add(to, fg_sample_stack(to, FG_STACK_COMPLETE, names), "x", "measure", 1, 5);
	assert_ok(fg_profile_append(to, from, &none, &err), &err);
	assert_int_equal(fg_profile_total_count(to), 5);
	assert_ok(fg_profile_append(to, from, &as_is, &err), &err);
	assert_int_equal(fg_profile_total_count(to), 5 + 71007);
	size_t stacks = to->stack_count, samples = to->sample_count;

	/* again: nothing new but the counts */
	assert_ok(fg_profile_append(to, from, &as_is, &err), &err);
	assert_int_equal(to->stack_count, stacks);
	assert_int_equal(to->sample_count, samples);
	assert_int_equal(fg_profile_total_count(to), 5 + 2 * 71007);
	fg_profile_free(to);
	/* 71007 × 2.5, rests carried: the sum is cut once, not three times */
	to = fg_sample_new();
	assert_ok(fg_profile_append(to, from, &scaled, &err), &err);
	assert_int_equal(fg_profile_total_count(to), 177517);
	fg_profile_free(to);
	fg_profile_free(from);
}

static void test_append_by_side(void **state)
{
	struct fg_profile *from = make(FG_PROFILE_CPU, 1000);
	struct fg_profile *to = fg_sample_new();
	struct fg_err err = {0};
	const struct fg_profile_append_options base = {.only_side = "base", .drop_side = true};

	(void)state;
	from->samples[1].side = fg_sample_string(from, "base");
	assert_ok(fg_profile_append(to, from, &base, &err), &err);
	assert_int_equal(to->sample_count, 1);
	assert_int_equal(to->samples[0].count, 6);
	assert_int_equal(to->samples[0].side, 0);
	assert_int_equal(to->stacks[to->samples[0].stack].result, FG_STACK_BAD);
	assert_string_equal(fg_profile_text(to, to->samples[0].phase), "measure");
	fg_profile_free(to);
	fg_profile_free(from);
}

static void test_drop_idle(void **state)
{
	static const char *const idle[] = {"k:schedule", "epoll_wait", "[wait: idle]", NULL};
	static const char *const named_so[] = {"[wait: idle]", "main", NULL};
	struct fg_profile *profile = make(FG_PROFILE_OFFCPU, 1000);
	struct fg_profile view;
	struct fg_err err = {0};

	(void)state;
	fg_sample_add(profile, fg_sample_stack(profile, FG_STACK_COMPLETE, idle), "", "measure", 1,
		      1u << 30);
	/* only at the root does it mean a cause */
	fg_sample_add(profile, fg_sample_stack(profile, FG_STACK_COMPLETE, named_so), "", "measure",
		      1, 7);
	assert_ok(fg_wait_drop_idle(profile, &view, &err), &err);
	assert_int_equal(view.sample_count, 4);
	assert_int_equal(fg_profile_total_count(&view), 71014);
	free(view.samples);
	profile->sample_count = 0;
	assert_ok(fg_wait_drop_idle(profile, &view, &err), &err);
	assert_int_equal(view.sample_count, 0);
	free(view.samples);
	fg_profile_free(profile);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_causes),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_pprof_keeps_types),
		cmocka_unit_test(test_append),
		cmocka_unit_test(test_append_by_side),
		cmocka_unit_test(test_drop_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
