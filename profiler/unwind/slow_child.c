/* SPDX-License-Identifier: Apache-2.0 */
/* The child that may have to wait for ever, and us, who do not. */
#include "profiler/unwind/slow_file.h"

#include "gate/base/clock.h"
#include "gate/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHUNK_BYTES = 64 << 10 };

static int64_t copied_bytes; /* by all copies so far */
static int timeouts;
static uint64_t spent_ns; /* waiting, also for those that came back */

int fg_slow_put(int memory, const void *bytes, size_t len)
{
	static int64_t sum_bytes; /* of this child */

	if (len > (size_t)(FG_SLOW_FILE_BYTES_MAX - sum_bytes) ||
	    (int64_t)len > FG_SLOW_FILES_BYTES_MAX - copied_bytes - sum_bytes)
		return FG_SLOW_TOO_LARGE;
	sum_bytes += (int64_t)len;
	for (size_t put = 0; put < len;) {
		ssize_t done = write(memory, (const char *)bytes + put, len - put);

		if (done <= 0)
			return FG_SLOW_UNREADABLE;
		put += (size_t)done;
	}
	return FG_SLOW_DONE;
}

int fg_slow_put_file(int memory, int fd)
{
	static char chunk[CHUNK_BYTES];
	int end = FG_SLOW_DONE;

	while (end == FG_SLOW_DONE) {
		ssize_t got = read(fd, chunk, sizeof(chunk));

		if (got < 0)
			return FG_SLOW_UNREADABLE;
		if (got == 0)
			break;
		end = fg_slow_put(memory, chunk, (size_t)got);
	}
	return end;
}

/* Nothing of ours may stay open in a child that nobody can end: not the stream, whose end is how
 * the client learns that the helper is gone, and not the output, whose end is how a pipeline or a
 * CI job learns that all is over. */
static int only_fd(int fd)
{
	enum { KEPT = 3 };
	int null = open("/dev/null", O_RDWR);

	for (int i = 0; i < KEPT; i++) {
		if (null < 0 || dup2(null, i) < 0)
			(void)close(i);
	}
	if (fd != KEPT && dup2(fd, KEPT) < 0) /* what may have been there is not needed now */
		return -1;
	if (syscall(SYS_close_range, KEPT + 1, ~0u, 0) != 0) {
		for (int i = KEPT + 1; i < 4096; i++) /* before Linux 5.9 */
			(void)close(i);
	}
	return KEPT;
}

static void FG_NORETURN run_child(fg_slow_fn *function, const void *context, int memory)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	memory = only_fd(memory);
	_exit(memory < 0 ? FG_SLOW_UNREADABLE : function(context, memory));
}

/* The child's end, or that there is none in time. */
static int await(pid_t child, int limit_ms, int *ret_status, struct fg_err *err)
{
	int fd = (int)syscall(SYS_pidfd_open, child, 0u);
	struct pollfd end = {.fd = fd, .events = POLLIN};
	bool ended = fd >= 0 && poll(&end, 1, limit_ms) == 1;

	if (fd >= 0)
		close(fd);
	if (!ended)
		(void)kill(child, SIGKILL);
	/* One that waits for its server does not even take that: it is left to the end of us. */
	if (waitpid(child, ret_status, ended ? 0 : WNOHANG) == child && ended)
		return 0;
	timeouts++;
	return fg_err_set(err, FG_E_LIMIT, "its FUSE file system did not answer within %d ms",
			  limit_ms);
}

static int judge(int status, int memory, struct fg_err *err)
{
	off_t len = lseek(memory, 0, SEEK_END);

	if (WIFEXITED(status) && WEXITSTATUS(status) == FG_SLOW_TOO_LARGE)
		return fg_err_set(err, FG_E_LIMIT, "too large to be copied from FUSE (%d MiB)",
				  FG_SLOW_FILE_BYTES_MAX >> 20);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || len < 0)
		return fg_err_set(err, FG_E_IO, "cannot be read from FUSE");
	copied_bytes += len;
	(void)lseek(memory, 0, SEEK_SET);
	(void)fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	return 0;
}

int fg_slow_run(fg_slow_fn *function, const void *context, int limit_ms, struct fg_err *err)
{
	if (timeouts >= FG_SLOW_TIMEOUTS_MAX || spent_ns >= FG_SLOW_SPENT_MS * FG_NS_PER_MS)
		return fg_err_set(err, FG_E_LIMIT,
				  "on FUSE, which took %.1f s already and failed to answer %d "
				  "times: not tried again",
				  (double)spent_ns / (double)FG_NS_PER_S, timeouts);
	FG_AUTO_CLOSE int memory = memfd_create("flamegate-copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int status = 0;

	if (memory < 0)
		return fg_err_errno(err, errno, "memory for a copy");
	pid_t child = fork();

	if (child < 0)
		return fg_err_errno(err, errno, "a child to read from FUSE");
	if (child == 0)
		run_child(function, context, memory);
	uint64_t begin_ns = fg_clock_monotonic_ns();
	int rc = await(child, limit_ms, &status, err);

	spent_ns += fg_clock_monotonic_ns() - begin_ns;
	if (rc == 0)
		rc = judge(status, memory, err);
	if (rc)
		return rc;
	int fd = memory;

	memory = -1;
	return fd;
}
