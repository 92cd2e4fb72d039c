/* SPDX-License-Identifier: Apache-2.0 */
/* The machine as a place to measure on: cores, clock, steal, limits, disk. Nothing here is
 * essential: a poor place gives poor numbers, which a run says itself. */
#include "runner/run/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "gate/base/file.h"
#include "gate/base/num.h"

enum { FILES_MIN = 4096, PORTS_MIN = 10000, STEAL_PERCENT_MAX = 5, WORDS_MAX = 10 };

static const uint64_t disk_bytes_min = 256 << 20;

struct list {
	struct fg_probe *items;
	size_t count, max;
};

static struct fg_probe *add(struct list *list, const char *name)
{
	static struct fg_probe spare;
	struct fg_probe *probe = list->count < list->max ? &list->items[list->count++] : &spare;

	*probe = (struct fg_probe){.name = name};
	return probe;
}

static void FG_PRINTF(3, 4) say(char *text, size_t size_bytes, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, size_bytes, format, args);
	va_end(args);
}

/* The first line of a small file; false where there is none. */
static bool read_line(const char *path, char *ret, size_t size_bytes)
{
	FG_AUTO_BUF struct fg_buf text = {.max = 4096};

	if (fg_file_read(path, 4096, &text, NULL) != 0 || !text.data)
		return false;
	say(ret, size_bytes, "%.*s", (int)strcspn(text.data, "\n"), text.data);
	return true;
}

/* Numbers of a line, after its first word if that is none. */
static size_t read_numbers(const char *text, uint64_t ret[WORDS_MAX])
{
	size_t count = 0;

	while (*text && count < WORDS_MAX) {
		size_t len = strcspn(text, " \t");

		if (len && fg_num_u64(text, len, &ret[count], NULL) == 0)
			count++;
		text += len;
		text += strspn(text, " \t");
	}
	return count;
}

static void probe_cpus(struct list *list)
{
	struct fg_probe *probe = add(list, "CPUs");
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	char load[64] = "unknown";

	FG_IGNORE(read_line("/proc/loadavg", load, sizeof(load)));
	probe->ok = cpus >= 2;
	say(probe->detail, sizeof(probe->detail), "%ld online, load %.*s", cpus,
	    (int)strcspn(load, " "), load);
	if (!probe->ok)
		say(probe->fix, sizeof(probe->fix),
		    "give it a second CPU: generator and target disturb each other on one");
}

static void probe_clock(struct list *list)
{
	struct fg_probe *probe = add(list, "clock source");
	char name[64];

	probe->ok = read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource",
			      name, sizeof(name));
	say(probe->detail, sizeof(probe->detail), "%s", probe->ok ? name : "not visible");
	probe->ok = !probe->ok || strcmp(name, "hpet") != 0;
	if (strcmp(name, "hpet") == 0 || strcmp(name, "acpi_pm") == 0) {
		probe->ok = false;
		say(probe->fix, sizeof(probe->fix),
		    "echo tsc | sudo tee "
		    "/sys/devices/system/clocksource/clocksource0/current_clocksource");
	}
}

/* What changes the speed of a core while it is measured; invisible in most virtual machines. */
static void probe_speed(struct list *list)
{
	struct fg_probe *probe = add(list, "CPU frequency");
	char governor[64] = "", boost[16] = "", no_turbo[16] = "";
	bool seen = read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", governor,
			      sizeof(governor));
	bool turbo = (read_line("/sys/devices/system/cpu/cpufreq/boost", boost, sizeof(boost)) &&
		      boost[0] == '1') ||
		     (read_line("/sys/devices/system/cpu/intel_pstate/no_turbo", no_turbo,
				sizeof(no_turbo)) &&
		      no_turbo[0] == '0');

	probe->ok = !seen || strcmp(governor, "performance") == 0;
	say(probe->detail, sizeof(probe->detail), "governor %s%s",
	    seen ? governor : "not visible (a virtual machine?)", turbo ? ", turbo on" : "");
	if (!probe->ok)
		say(probe->fix, sizeof(probe->fix), "sudo cpupower frequency-set -g performance");
}

/* Since boot; what others take of a virtual machine's CPUs. */
static void probe_steal(struct list *list)
{
	struct fg_probe *probe = add(list, "steal");
	uint64_t ticks[WORDS_MAX] = {0}, sum = 0;
	char line[256];

	probe->ok = true;
	if (!read_line("/proc/stat", line, sizeof(line)) || read_numbers(line, ticks) < 8) {
		say(probe->detail, sizeof(probe->detail), "not visible");
		return;
	}
	for (size_t i = 0; i < 8; i++)
		sum += ticks[i];
	double percent = sum ? 100.0 * (double)ticks[7] / (double)sum : 0;

	say(probe->detail, sizeof(probe->detail), "%.1f %% of CPU time since boot", percent);
	probe->ok = percent <= STEAL_PERCENT_MAX;
	if (!probe->ok)
		say(probe->fix, sizeof(probe->fix),
		    "a machine with CPUs of its own; here, compare interleaved runs only");
}

static void probe_files(struct list *list)
{
	struct fg_probe *probe = add(list, "open files");
	struct rlimit limit = {0};

	probe->ok = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= FILES_MIN;
	say(probe->detail, sizeof(probe->detail), "limit %llu (one per connection)",
	    (unsigned long long)limit.rlim_cur);
	if (!probe->ok)
		say(probe->fix, sizeof(probe->fix), "ulimit -n %llu",
		    (unsigned long long)FG_MAX((rlim_t)FILES_MIN,
					       FG_MIN(limit.rlim_max, (rlim_t)65536)));
}

static void probe_ports(struct list *list)
{
	struct fg_probe *probe = add(list, "client ports");
	uint64_t range[WORDS_MAX] = {0};
	char line[64];

	probe->ok = true;
	if (!read_line("/proc/sys/net/ipv4/ip_local_port_range", line, sizeof(line)) ||
	    read_numbers(line, range) < 2 || range[1] < range[0]) {
		say(probe->detail, sizeof(probe->detail), "not visible");
		return;
	}
	say(probe->detail, sizeof(probe->detail), "%llu to %llu", (unsigned long long)range[0],
	    (unsigned long long)range[1]);
	probe->ok = range[1] - range[0] >= PORTS_MIN;
	if (!probe->ok)
		say(probe->fix, sizeof(probe->fix),
		    "sudo sysctl net.ipv4.ip_local_port_range=\"15000 60999\"");
}

static void probe_disk(struct list *list)
{
	struct fg_probe *probe = add(list, "disk");
	const char *place = fg_file_is_dir(".flamegate") ? ".flamegate" : ".";
	struct statvfs fs = {0};
	char text[FG_NUM_TEXT_MAX];

	if (statvfs(place, &fs) != 0) {
		say(probe->detail, sizeof(probe->detail), "%s cannot be looked at", place);
		say(probe->fix, sizeof(probe->fix), "run flamegate in a directory that exists");
		return;
	}
	uint64_t free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	bool writable = access(place, W_OK) == 0;

	probe->ok = writable && free_bytes >= disk_bytes_min;
	say(probe->detail, sizeof(probe->detail), "%s free for bundles in %s%s",
	    fg_num_format_bytes(free_bytes, text), place, writable ? "" : ", not writable");
	if (!writable)
		say(probe->fix, sizeof(probe->fix),
		    "run flamegate where it may write, or give --bundle DIR");
	else if (!probe->ok)
		say(probe->fix, sizeof(probe->fix), "rm -r .flamegate/runs/<old runs>");
}

size_t fg_doctor_machine(struct fg_probe *out, size_t max)
{
	struct list list = {.items = out, .max = max};

	probe_cpus(&list);
	probe_speed(&list);
	probe_clock(&list);
	probe_steal(&list);
	probe_files(&list);
	probe_ports(&list);
	probe_disk(&list);
	return list.count;
}
