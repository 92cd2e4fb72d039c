/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/profile/wait.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"

static const struct {
	const char *name, *root;
} classes[] = {
	[FG_WAIT_OTHER] = {"other", "[wait: other]"},
	[FG_WAIT_NETWORK] = {"network", "[wait: network]"},
	[FG_WAIT_DISK] = {"disk", "[wait: disk]"},
	[FG_WAIT_LOCK] = {"lock", "[wait: lock]"},
	[FG_WAIT_IDLE] = {"idle", "[wait: idle]"},
	[FG_WAIT_RUNQUEUE] = {"runqueue", "[wait: runqueue]"},
};
static_assert(FG_ARRAY_LEN(classes) == FG_WAIT_CLASS_COUNT, "a class without a name");

/* A name ending in '*' is a beginning. The frame nearest to the leaf that is listed decides. */
struct rule {
	const char *name;
	enum fg_wait_class wait;
};

/* Kernel functions from 5.8 to 6.18; leading underscores and compilers' suffixes are ignored. */
static const struct rule kernel_rules[] = {
	/* sleeping for work, or just sleeping */
	{"ep_poll", FG_WAIT_IDLE},
	{"do_epoll_*", FG_WAIT_IDLE},
	{"do_poll*", FG_WAIT_IDLE},
	{"poll_schedule_timeout", FG_WAIT_IDLE},
	{"do_sys_poll", FG_WAIT_IDLE},
	{"do_select", FG_WAIT_IDLE},
	{"core_sys_select", FG_WAIT_IDLE},
	{"io_cqring_wait", FG_WAIT_IDLE},
	{"do_nanosleep", FG_WAIT_IDLE},
	{"hrtimer_nanosleep", FG_WAIT_IDLE},
	{"common_nsleep*", FG_WAIT_IDLE},
	{"inet_csk_accept", FG_WAIT_IDLE},
	{"inet_csk_wait_for_connect", FG_WAIT_IDLE},
	{"unix_accept", FG_WAIT_IDLE},
	{"vsock_accept", FG_WAIT_IDLE},
	{"do_accept", FG_WAIT_IDLE},
	{"do_sigtimedwait", FG_WAIT_IDLE},
	{"sigsuspend", FG_WAIT_IDLE},
	{"do_sys_pause", FG_WAIT_IDLE},
	{"sys_pause", FG_WAIT_IDLE},
	{"x64_sys_pause", FG_WAIT_IDLE},
	{"do_wait", FG_WAIT_IDLE},
	{"kernel_wait4", FG_WAIT_IDLE},
	{"eventfd_read", FG_WAIT_IDLE},
	{"timerfd_read*", FG_WAIT_IDLE},
	{"signalfd_read*", FG_WAIT_IDLE},
	{"inotify_read", FG_WAIT_IDLE},
	{"mq_timedreceive", FG_WAIT_IDLE},
	{"do_mq_timedreceive", FG_WAIT_IDLE},
	/* sockets */
	{"sk_wait_data", FG_WAIT_NETWORK},
	{"sk_stream_wait_*", FG_WAIT_NETWORK},
	{"skb_wait_for_more_packets", FG_WAIT_NETWORK},
	{"skb_recv_*", FG_WAIT_NETWORK},
	{"unix_stream_data_wait", FG_WAIT_NETWORK},
	{"unix_stream_read_generic", FG_WAIT_NETWORK},
	{"unix_wait_for_peer", FG_WAIT_NETWORK},
	{"sock_alloc_send_pskb", FG_WAIT_NETWORK},
	{"sock_wait_for_wmem", FG_WAIT_NETWORK},
	{"inet_wait_for_connect", FG_WAIT_NETWORK},
	{"inet_stream_connect", FG_WAIT_NETWORK},
	{"tcp_recvmsg*", FG_WAIT_NETWORK},
	{"tcp_sendmsg*", FG_WAIT_NETWORK},
	{"udp_recvmsg", FG_WAIT_NETWORK},
	{"udpv6_recvmsg", FG_WAIT_NETWORK},
	{"rpc_wait_bit_killable", FG_WAIT_NETWORK},
	{"sock_recvmsg*", FG_WAIT_NETWORK},
	{"sock_sendmsg*", FG_WAIT_NETWORK},
	/* storage */
	{"io_schedule*", FG_WAIT_DISK},
	{"bit_wait_io*", FG_WAIT_DISK},
	{"wait_on_page_*", FG_WAIT_DISK},
	{"folio_wait_*", FG_WAIT_DISK},
	{"filemap_fdatawait*", FG_WAIT_DISK},
	{"filemap_fdatawrite*", FG_WAIT_DISK},
	{"wait_on_buffer", FG_WAIT_DISK},
	{"balance_dirty_pages*", FG_WAIT_DISK},
	{"submit_bio_wait", FG_WAIT_DISK},
	{"bio_await*", FG_WAIT_DISK},
	{"blkdev_issue_*", FG_WAIT_DISK},
	{"blk_mq_get_tag", FG_WAIT_DISK},
	{"rq_qos_wait", FG_WAIT_DISK},
	{"wbt_wait", FG_WAIT_DISK},
	{"jbd2_*", FG_WAIT_DISK},
	{"ext4_sync_*", FG_WAIT_DISK},
	{"xlog_*", FG_WAIT_DISK},
	{"xfs_log_*", FG_WAIT_DISK},
	{"btrfs_sync_*", FG_WAIT_DISK},
	{"btrfs_wait_*", FG_WAIT_DISK},
	{"vfs_fsync*", FG_WAIT_DISK},
	{"do_fsync", FG_WAIT_DISK},
	{"sync_filesystem", FG_WAIT_DISK},
	{"read_events", FG_WAIT_DISK}, /* io_getevents */
	/* locks of the kernel, and files' */
	{"rwsem_down_*", FG_WAIT_LOCK},
	{"rwbase_*", FG_WAIT_LOCK},
	{"mutex_lock*", FG_WAIT_LOCK},
	{"ww_mutex_lock*", FG_WAIT_LOCK},
	{"rt_mutex_*", FG_WAIT_LOCK},
	{"percpu_rwsem_wait", FG_WAIT_LOCK},
	{"percpu_down_*", FG_WAIT_LOCK},
	{"down_common", FG_WAIT_LOCK},
	{"down_read*", FG_WAIT_LOCK},
	{"down_write*", FG_WAIT_LOCK},
	{"locks_lock_inode_wait", FG_WAIT_LOCK},
	{"flock_lock_inode_wait", FG_WAIT_LOCK},
	{"fcntl_setlk*", FG_WAIT_LOCK},
	{"do_lock_file_wait", FG_WAIT_LOCK},
	{"do_semtimedop", FG_WAIT_LOCK},
	{"futex_*", FG_WAIT_LOCK},
	{"do_futex", FG_WAIT_LOCK},
};

/* What user code waits on a futex for. The first group is asked first: a lock that is made of a
 * condition (Python's global one) is a lock. */
static const struct rule lock_rules[] = {
	{"take_gil", FG_WAIT_LOCK},
	{"PyThread_acquire_lock*", FG_WAIT_LOCK},
	{"PyMutex_Lock*", FG_WAIT_LOCK},
	{"PySemaphore_*", FG_WAIT_LOCK},
	{"ObjectMonitor::enter*", FG_WAIT_LOCK},
	{"Monitor::lock*", FG_WAIT_LOCK},
	{"runtime.lock*", FG_WAIT_LOCK},
};
static const struct rule user_rules[] = {
	{"pthread_cond_*", FG_WAIT_IDLE},
	{"pthread_join*", FG_WAIT_IDLE},
	{"pthread_clockjoin*", FG_WAIT_IDLE},
	{"cnd_wait", FG_WAIT_IDLE},
	{"cnd_timedwait", FG_WAIT_IDLE},
	{"thrd_join", FG_WAIT_IDLE},
	{"uv_cond_*", FG_WAIT_IDLE},
	{"std::condition_variable*", FG_WAIT_IDLE},
	{"std::thread::park*", FG_WAIT_IDLE},
	{"std::sys::sync::condvar*", FG_WAIT_IDLE},
	{"std::sys::sync::thread_parking*", FG_WAIT_IDLE},
	{"runtime.notesleep", FG_WAIT_IDLE},
	{"runtime.notetsleep*", FG_WAIT_IDLE},
	{"runtime.stopm", FG_WAIT_IDLE},
	{"runtime.mPark", FG_WAIT_IDLE},
	{"runtime.usleep*", FG_WAIT_IDLE},
	{"Parker::park*", FG_WAIT_IDLE},
	{"ObjectMonitor::wait*", FG_WAIT_IDLE},
	{"Monitor::wait*", FG_WAIT_IDLE},
	{"pthread_mutex_*", FG_WAIT_LOCK},
	{"pthread_rwlock_*", FG_WAIT_LOCK},
	{"pthread_barrier_*", FG_WAIT_LOCK},
	{"lll_lock_wait*", FG_WAIT_LOCK},
	{"std::mutex*", FG_WAIT_LOCK},
};
enum { USER_DEPTH = 10 }; /* what called the wait lies near the leaf */

const char *fg_wait_class_name(enum fg_wait_class wait)
{
	return (unsigned)wait < FG_WAIT_CLASS_COUNT ? classes[wait].name : "unknown";
}

const char *fg_wait_class_root(enum fg_wait_class wait)
{
	return (unsigned)wait < FG_WAIT_CLASS_COUNT ? classes[wait].root : "[wait: unknown]";
}

int fg_wait_class_of_root(const char *name)
{
	for (int i = 0; i < FG_WAIT_CLASS_COUNT; i++)
		if (strcmp(name, classes[i].root) == 0)
			return i;
	return -1;
}

static bool matches(const char *pattern, const char *name)
{
	size_t len = strlen(pattern);

	if (pattern[len - 1] == '*')
		return strncmp(name, pattern, len - 1) == 0;
	/* "do_nanosleep.constprop.0", "std::thread::park()" */
	return strncmp(name, pattern, len) == 0 &&
	       (name[len] == '\0' || name[len] == '.' || name[len] == '(' || name[len] == '@');
}

static bool find(const struct rule *rules, size_t rule_count, const char *const *names,
		 size_t count, enum fg_wait_class *ret)
{
	for (size_t i = 0; i < count; i++) {
		const char *name = names[i] + strspn(names[i], "_");

		for (size_t r = 0; r < rule_count; r++) {
			if (matches(rules[r].name, name)) {
				*ret = rules[r].wait;
				return true;
			}
		}
	}
	return false;
}

static bool is_futex(const struct fg_wait_stack *stack)
{
	for (size_t i = 0; i < stack->kernel_count; i++)
		if (strstr(stack->kernel[i], "futex"))
			return true;
	return false;
}

enum fg_wait_class fg_wait_classify(const struct fg_wait_stack *stack)
{
	size_t user_count = FG_MIN(stack->user_count, (size_t)USER_DEPTH);
	enum fg_wait_class wait = FG_WAIT_OTHER;

	if (stack->preempted)
		return FG_WAIT_RUNQUEUE;
	if (!find(kernel_rules, FG_ARRAY_LEN(kernel_rules), stack->kernel, stack->kernel_count,
		  &wait))
		return FG_WAIT_OTHER;
	if (wait == FG_WAIT_LOCK && is_futex(stack) &&
	    !find(lock_rules, FG_ARRAY_LEN(lock_rules), stack->user, user_count, &wait))
		(void)find(user_rules, FG_ARRAY_LEN(user_rules), stack->user, user_count, &wait);
	return wait;
}

static bool is_idle(const struct fg_profile *profile, const struct fg_pstack *stack)
{
	const struct fg_plocation *root =
		&profile->locations[profile->frames[stack->frame_start + stack->frame_count - 1]];
	const struct fg_pline *line = &profile->lines[root->line_start];

	return fg_wait_class_of_root(fg_profile_text(
		       profile, profile->functions[line->function].name)) == FG_WAIT_IDLE;
}

int fg_wait_drop_idle(const struct fg_profile *profile, struct fg_profile *ret, struct fg_err *err)
{
	FG_AUTO_FREE bool *idle = calloc(profile->stack_count + 1, sizeof(*idle));
	struct fg_profile view = *profile;

	view.samples = calloc(profile->sample_count + 1, sizeof(*view.samples));
	view.sample_count = 0;
	if (!idle || !view.samples) {
		free(view.samples);
		return fg_err_nomem(err);
	}
	for (size_t i = 0; i < profile->stack_count; i++)
		idle[i] = is_idle(profile, &profile->stacks[i]);
	for (size_t i = 0; i < profile->sample_count; i++)
		if (!idle[profile->samples[i].stack])
			view.samples[view.sample_count++] = profile->samples[i];
	*ret = view;
	return 0;
}
