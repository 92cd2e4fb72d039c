/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/unwind/slow_file.h"

#include <stdio.h>
#include <string.h>

#include "gate/base/clock.h"
#include "gate/base/file.h"
#include "gate/base/str.h"

enum { MOUNTINFO_MAX = 4 << 20 };

#define REMEMBERED_NS (100 * FG_NS_PER_MS)

/* "36 35 0:42 /root /mnt rw,noatime shared:1 - fuse.sshfs server:/ rw,user_id=1000". Blanks inside
 * of a name are written as \040. */
static bool is_slow_line(const char *line, const char *device)
{
	const char *third = line;

	for (int i = 0; i < 2; i++) {
		third = strchr(third, ' ');
		if (!third)
			return false;
		third++;
	}
	if (!fg_str_starts_with(third, device))
		return false;
	const char *type = strstr(third, " - ");

	return type && fg_str_starts_with(type + strlen(" - "), "fuse");
}

bool fg_mountinfo_is_slow(const char *text, size_t len, uint32_t dev_major, uint32_t dev_minor)
{
	char device[32], line[4096];

	(void)snprintf(device, sizeof(device), "%u:%u ", dev_major, dev_minor);
	for (const char *at = text, *end = text + len; at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t line_len = (size_t)((stop ? stop : end) - at);

		/* A cut line lacks at most its type's options. */
		(void)snprintf(line, sizeof(line), "%.*s", (int)FG_MIN(line_len, sizeof(line) - 1),
			       at);
		if (is_slow_line(line, device))
			return true;
		at += line_len + 1;
	}
	return false;
}

bool fg_slow_device(pid_t pid, uint32_t dev_major, uint32_t dev_minor)
{
	static struct {
		pid_t pid;
		uint32_t dev_major, dev_minor;
		uint64_t time_ns;
		bool slow;
	} last;
	uint64_t now_ns = fg_clock_monotonic_ns();
	FG_AUTO_BUF struct fg_buf text = {.max = MOUNTINFO_MAX + 1};
	char path[64];

	/* FUSE has a device of its own making; fuseblk, which has not, needs root to be mounted. */
	if (dev_major != 0)
		return false;
	if (last.pid == pid && last.dev_major == dev_major && last.dev_minor == dev_minor &&
	    now_ns - last.time_ns < REMEMBERED_NS)
		return last.slow;
	(void)snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	bool known = fg_file_read(path, MOUNTINFO_MAX, &text, NULL) == 0 && text.data;

	last.pid = pid;
	last.dev_major = dev_major;
	last.dev_minor = dev_minor;
	last.time_ns = now_ns;
	/* One that is not known for sure is better copied than waited for. */
	last.slow = !known || fg_mountinfo_is_slow(text.data, text.len, dev_major, dev_minor);
	return last.slow;
}
