/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/native_clock.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "gate/base/clock.h"

#define CHECK_EVERY_NS (100 * FG_NS_PER_MS)
#define STEP_NS        (10 * FG_NS_PER_US) /* less is the noise of measuring */

enum { TRIES = 5, GOOD_NS = 500, PROBE_TRIES = 100 };

/* Between two readings of our clock; the narrowest of a few. Its error is at most half of that. */
static uint64_t measure(const struct fg_native_clock *clock)
{
	uint64_t best_ns = UINT64_MAX, offset_ns = 0;

	for (int i = 0; i < TRIES && best_ns > GOOD_NS; i++) {
		const uint64_t before_ns = clock->monotonic();
		const uint64_t real_ns = clock->realtime();
		const uint64_t width_ns = clock->monotonic() - before_ns;

		if (width_ns < best_ns) {
			best_ns = width_ns;
			offset_ns = real_ns - (before_ns + width_ns / 2);
		}
	}
	return offset_ns;
}

void fg_native_clock_init(struct fg_native_clock *clock)
{
	*clock = (struct fg_native_clock){.monotonic = fg_clock_monotonic_ns,
					  .realtime = fg_clock_realtime_ns};
}

bool fg_native_clock_watch(int fd)
{
	const int on = 1;

	return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) == 0;
}

uint64_t fg_native_clock_stamp(struct msghdr *message)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part;
	     part = CMSG_NXTHDR(message, part)) {
		struct timespec at;

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS ||
		    part->cmsg_len < CMSG_LEN(sizeof(at)))
			continue;
		memcpy(&at, CMSG_DATA(part), sizeof(at));
		return (uint64_t)at.tv_sec * FG_NS_PER_S + (uint64_t)at.tv_nsec;
	}
	return 0;
}

static void check(struct fg_native_clock *clock, uint64_t now_ns)
{
	const uint64_t offset_ns = measure(clock);
	const uint64_t moved_ns = offset_ns - clock->offset_ns;

	if (clock->check_ns && moved_ns > STEP_NS && -moved_ns > STEP_NS)
		clock->steps++;
	clock->offset_ns = offset_ns;
	clock->check_ns = now_ns + CHECK_EVERY_NS;
}

static bool is_within(uint64_t at_ns, uint64_t send_ns, uint64_t now_ns)
{
	return at_ns >= send_ns && at_ns <= now_ns;
}

uint64_t fg_native_clock_translate(struct fg_native_clock *clock, uint64_t stamp_ns,
				   uint64_t send_ns, uint64_t now_ns)
{
	uint64_t at_ns;

	if (!stamp_ns)
		return 0;
	if (now_ns >= clock->check_ns)
		check(clock, now_ns);
	at_ns = stamp_ns - clock->offset_ns;
	if (is_within(at_ns, send_ns, now_ns))
		return at_ns;
	/* Perhaps the wall clock was stepped since the last look: the next ones shall be right. */
	check(clock, now_ns);
	clock->refused++;
	return 0;
}

/* -- does this machine give stamps? ------------------------------------------------------------ */

struct probe {
	int server, client, accepted;
};

static bool connect_probe(struct probe *probe)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr *any = (struct sockaddr *)&address;
	socklen_t len = sizeof(address);

	probe->server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	probe->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (probe->server < 0 || probe->client < 0 || bind(probe->server, any, len) ||
	    listen(probe->server, 1) || getsockname(probe->server, any, &len) ||
	    !fg_native_clock_watch(probe->client) || connect(probe->client, any, len))
		return false;
	probe->accepted = accept4(probe->server, NULL, NULL, SOCK_CLOEXEC);
	return probe->accepted >= 0;
}

static bool one_stamp(const struct probe *probe, struct fg_native_clock *clock)
{
	_Alignas(struct cmsghdr) char control[FG_NATIVE_STAMP_ROOM];
	char byte = 0;
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	const uint64_t send_ns = fg_clock_monotonic_ns();
	struct pollfd ready = {.fd = probe->client, .events = POLLIN};

	if (send(probe->accepted, &byte, 1, MSG_NOSIGNAL) != 1 || poll(&ready, 1, 1000) != 1 ||
	    recvmsg(probe->client, &message, MSG_DONTWAIT) != 1)
		return false;
	return fg_native_clock_translate(clock, fg_native_clock_stamp(&message), send_ns,
					 fg_clock_monotonic_ns()) != 0;
}

static bool has_kernel_clock;

/* The first socket that asks switches the kernel's stamping on, a moment later and for all; the
 * last one that goes switches it off. So one stays for the life of the process, and the probe waits
 * until it works. */
static void probe_once(void)
{
	const int keeper_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct probe probe = {-1, -1, -1};
	struct fg_native_clock clock;
	const struct timespec pause = {.tv_nsec = 1000 * 1000};

	fg_native_clock_init(&clock);
	if (keeper_fd >= 0 && fg_native_clock_watch(keeper_fd) && connect_probe(&probe)) {
		for (int i = 0; i < PROBE_TRIES && !has_kernel_clock; i++) {
			has_kernel_clock = one_stamp(&probe, &clock);
			if (!has_kernel_clock)
				nanosleep(&pause, NULL);
		}
	}
	if (probe.accepted >= 0)
		close(probe.accepted);
	if (probe.client >= 0)
		close(probe.client);
	if (probe.server >= 0)
		close(probe.server);
	if (keeper_fd >= 0 && !has_kernel_clock)
		close(keeper_fd);
}

bool fg_engine_native_has_kernel_clock(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, probe_once);
	return has_kernel_clock;
}
