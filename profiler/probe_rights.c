/* SPDX-License-Identifier: Apache-2.0 */
/* What this user, this kernel's settings and this container allow; read and tried, never changed.
 */
#include "profiler/probe_internal.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "gate/base/file.h"
#include "gate/base/num.h"

enum { STACK_COPY_BYTES = 8192, NAMES_MAX = 160 };

static const ino_t first_pid_namespace = 0xeffffffc; /* PROC_PID_INIT_INO of linux/proc_ns.h */

static const struct {
	unsigned number;
	const char *name;
} capabilities[] = {
	{38, "cap_perfmon"},        {39, "cap_bpf"},    {19, "cap_sys_ptrace"},
	{2, "cap_dac_read_search"}, {34, "cap_syslog"}, {40, "cap_checkpoint_restore"},
	{21, "cap_sys_admin"},
};

struct fg_probe *fg_probe_add(struct fg_probe_list *list, const char *name, bool essential)
{
	static struct fg_probe spare;
	struct fg_probe *probe = list->count < list->max ? &list->items[list->count++] : &spare;

	*probe = (struct fg_probe){.name = name, .essential = essential};
	return probe;
}

void fg_probe_detail(struct fg_probe *probe, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(probe->detail, sizeof(probe->detail), format, args);
	va_end(args);
}

void fg_probe_fix(struct fg_probe *probe, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(probe->fix, sizeof(probe->fix), format, args);
	va_end(args);
}

/* "cap_perfmon cap_bpf": those of ours that are in the set. */
static void name_capabilities(uint64_t set, char *text, size_t size_bytes)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < FG_ARRAY_LEN(capabilities) && used < size_bytes; i++)
		if (set >> capabilities[i].number & 1)
			used += (size_t)snprintf(text + used, size_bytes - used, "%s%s",
						 used ? " " : "", capabilities[i].name);
}

static bool own_capabilities(uint64_t *ret)
{
	FG_AUTO_BUF struct fg_buf text = {.max = 64 << 10};
	const char *line;

	if (fg_file_read("/proc/self/status", 32 << 10, &text, NULL) != 0 || !text.data)
		return false;
	line = strstr(text.data, "\nCapEff:\t");
	if (!line)
		return false;
	line += strlen("\nCapEff:\t");
	return fg_num_hex(line, strcspn(line, "\n"), ret, NULL) == 0;
}

/* Ours are only told: what counts is whether the helper's attempt works. */
void fg_probe_capabilities(struct fg_probe_list *list)
{
	struct fg_probe *probe = fg_probe_add(list, "rights", false);
	char names[NAMES_MAX] = "";
	uint64_t set = 0;

	probe->ok = own_capabilities(&set);
	name_capabilities(set, names, sizeof(names));
	fg_probe_detail(probe, "uid %u, %s", (unsigned)geteuid(),
			!probe->ok ? "capabilities are not readable"
			: names[0] ? names
				   : "no capabilities (the helper may have its own)");
	if (!probe->ok)
		fg_probe_fix(probe, "in a container mount /proc");
}

/* -- settings of the kernel ---------------------------------------------------------------------
 */

static bool read_word(const char *path, char *ret, size_t size_bytes)
{
	FG_AUTO_BUF struct fg_buf text = {.max = 128};

	if (fg_file_read(path, 64, &text, NULL) != 0 || !text.data)
		return false;
	(void)snprintf(ret, size_bytes, "%.*s", (int)strcspn(text.data, "\n"), text.data);
	return true;
}

static void probe_kptr(struct fg_probe_list *list)
{
	struct fg_probe *probe = fg_probe_add(list, "kptr_restrict", false);
	char value[32];

	probe->ok = read_word("/proc/sys/kernel/kptr_restrict", value, sizeof(value));
	if (!probe->ok) {
		fg_probe_detail(probe, "not readable");
		fg_probe_fix(probe, "in a container mount /proc");
		return;
	}
	fg_probe_detail(probe, "%s%s", value,
			value[0] == '2'   ? ", kernel functions have no names for anyone"
			: value[0] == '1' ? ", names for holders of cap_syslog"
					  : "");
	probe->ok = value[0] != '2';
	if (!probe->ok)
		fg_probe_fix(probe, "sudo sysctl kernel.kptr_restrict=1");
}

/* Before 5.11 maps counted against it; later ones account to the control group. */
static void probe_memlock(struct fg_probe_list *list)
{
	const rlim_t needed = 64 << 20;
	struct fg_probe *probe = fg_probe_add(list, "locked memory", false);
	struct rlimit limit = {0};
	char text[FG_NUM_TEXT_MAX];

	probe->ok = getrlimit(RLIMIT_MEMLOCK, &limit) == 0;
	if (limit.rlim_cur == RLIM_INFINITY)
		fg_probe_detail(probe, "unlimited");
	else
		fg_probe_detail(probe, "limit %s%s", fg_num_format_bytes(limit.rlim_cur, text),
				limit.rlim_cur < needed ? " (counts on kernels before 5.11 only)"
							: "");
	if (!probe->ok)
		fg_probe_fix(probe, "ulimit -l unlimited");
}

void fg_probe_sysctls(struct fg_probe_list *list)
{
	probe_kptr(list);
	probe_memlock(list);
}

/* -- where we are -------------------------------------------------------------------------------
 */

static const char *container_of(void)
{
	FG_AUTO_BUF struct fg_buf text = {.max = 64 << 10};

	if (fg_file_exists("/.dockerenv"))
		return "docker";
	if (fg_file_exists("/run/.containerenv"))
		return "podman";
	if (fg_file_read("/proc/self/cgroup", 32 << 10, &text, NULL) == 0 && text.data &&
	    strstr(text.data, "kubepods"))
		return "kubernetes";
	return "";
}

void fg_probe_place(struct fg_probe_list *list)
{
	struct fg_probe *probe = fg_probe_add(list, "PID namespace", false);
	const char *container = container_of();
	struct stat st = {0};

	bool first = stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == first_pid_namespace;
	char self[32] = "", own[32];

	(void)!readlink("/proc/self", self, sizeof(self) - 1);
	(void)snprintf(own, sizeof(own), "%d", (int)getpid());
	probe->ok = strcmp(self, own) == 0; /* else numbers in /proc are not ours */
	fg_probe_detail(probe, "%s%s%s%s", first ? "the machine's own" : "a container's own",
			container[0] ? ", in " : "", container,
			probe->ok ? "" : "; /proc is another one's");
	if (!probe->ok)
		fg_probe_fix(probe, "mount -t proc proc /proc in the namespace");
}

/* -- the helper ---------------------------------------------------------------------------------
 */

static uint64_t file_capabilities(const char *path)
{
	struct vfs_ns_cap_data data = {0};
	ssize_t len = getxattr(path, "security.capability", &data, sizeof(data));

	if (len < (ssize_t)sizeof(data.magic_etc) + (ssize_t)sizeof(data.data[0]))
		return 0;
	return (uint64_t)data.data[1].permitted << 32 | data.data[0].permitted;
}

void fg_probe_helper_rights(const char *path, char *text, size_t size_bytes)
{
	char names[NAMES_MAX] = "";
	struct stat st = {0};
	size_t used;

	if (stat(path, &st) != 0) {
		(void)snprintf(text, size_bytes, "%s", strerror(errno));
		return;
	}
	name_capabilities(file_capabilities(path), names, sizeof(names));
	(void)snprintf(text, size_bytes, "mode %04o, owner %u:%u", (unsigned)st.st_mode & 07777,
		       (unsigned)st.st_uid, (unsigned)st.st_gid);
	used = strlen(text);
	(void)snprintf(text + used, size_bytes - used, ", %s",
		       names[0] ? names : "no file capabilities");
}

/* -- the way without rights ---------------------------------------------------------------------
 */

/* An event of our own process that copies its stack: what works with no privilege at all. */
void fg_probe_stack_copies(struct fg_probe_list *list)
{
	struct fg_probe *probe = fg_probe_add(list, "stack copies", false);
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = 10000000,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
			       PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER,
		.sample_regs_user = 1,
		.sample_stack_user = STACK_COPY_BYTES,
	};

	attr.disabled = 1;
	attr.exclude_kernel = 1;
	attr.exclude_hv = 1;
	int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

	probe->ok = fd >= 0;
	fg_probe_detail(probe, "perf events of own processes, without rights: %s",
			probe->ok ? "allowed" : strerror(errno));
	if (fd >= 0)
		close(fd);
	else
		fg_probe_fix(probe, "sudo sysctl kernel.perf_event_paranoid=2 (in a container: a "
				    "seccomp profile that allows perf_event_open)");
}
