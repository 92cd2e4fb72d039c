/* SPDX-License-Identifier: Apache-2.0 */
/* What doctor finds out about one process: whose it is, where it lives, its runtime's options. */
#include "profiler/probe_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gate/base/file.h"
#include "profiler/proc.h"
#include "profiler/process.h"
#include "profiler/unwind/table.h"

static void tell_process(struct fg_probe_list *list, uint32_t pid, const char *name)
{
	struct fg_probe *probe = fg_probe_add(list, "process", true);
	char link[64], path[128];
	struct fg_pids tree = {0};

	(void)snprintf(link, sizeof(link), "/proc/%u/exe", pid);
	ssize_t len = readlink(link, path, sizeof(path) - 1);

	path[len > 0 ? len : 0] = '\0';
	FG_IGNORE(fg_proc_tree(pid, &tree, NULL));
	size_t children = tree.count ? tree.count - 1 : 0;

	fg_pids_done(&tree);
	probe->ok = true;
	fg_probe_detail(probe, "%s (pid %u), %s, %zu child process%s", name, pid,
			path[0] ? path : "its executable may not be read", children,
			children == 1 ? "" : "es");
}

/* An option of sudo: its user, or root where only root may trace it. */
static const char *as_whom(const struct fg_process_facts *facts, bool traceable, char user[32])
{
	if (!traceable || facts->uid == UINT32_MAX)
		return "--user=root";
	(void)snprintf(user, 32, "--user='#%u'", facts->uid);
	return user;
}

/* Only the kernel knows whether a process may be traced; its directory's owner tells. */
static void tell_owner(struct fg_probe_list *list, uint32_t pid)
{
	struct fg_probe *probe = fg_probe_add(list, "owner", true);
	struct fg_process_facts facts = {.uid = UINT32_MAX};
	char path[64];
	struct stat st = {0};

	fg_process_read_status(pid, &facts);
	(void)snprintf(path, sizeof(path), "/proc/%u", pid);
	FG_IGNORE(stat(path, &st));
	bool traceable = st.st_uid == facts.uid;
	char user[32];

	probe->ok = getuid() == 0 || (facts.uid == getuid() && traceable);
	fg_probe_detail(probe, "uid %u (we are %u)%s", facts.uid, (unsigned)getuid(),
			traceable ? "" : ", not dumpable: it changed user or has capabilities");
	if (!probe->ok)
		fg_probe_fix(probe, "sudo %s flamegate doctor --pid %u",
			     as_whom(&facts, traceable, user), pid);
}

static bool same_namespace(uint32_t pid, const char *kind, bool *ret)
{
	char ours[64], theirs[64];
	struct stat a = {0}, b = {0};

	(void)snprintf(ours, sizeof(ours), "/proc/self/ns/%s", kind);
	(void)snprintf(theirs, sizeof(theirs), "/proc/%u/ns/%s", pid, kind);
	if (stat(ours, &a) != 0 || stat(theirs, &b) != 0)
		return false;
	*ret = a.st_ino == b.st_ino && a.st_dev == b.st_dev;
	return true;
}

static void tell_namespaces(struct fg_probe_list *list, uint32_t pid)
{
	struct fg_probe *probe = fg_probe_add(list, "namespaces", false);
	bool pids = false, mounts = false, net = false;

	probe->ok = same_namespace(pid, "pid", &pids) && same_namespace(pid, "mnt", &mounts) &&
		    same_namespace(pid, "net", &net);
	if (!probe->ok) {
		fg_probe_detail(probe, "may not be read");
		fg_probe_fix(probe, "as for its owner");
		return;
	}
	fg_probe_detail(probe, "%s%s%s%s", pids && mounts && net ? "the same as ours" : "its own:",
			pids ? "" : " PIDs", mounts ? "" : " files", net ? "" : " network");
}

/* What the helper would find: the program comes first among the mappings. */
static bool is_go(uint32_t pid, const struct fg_mappings *mappings)
{
	struct fg_unwind_table table = {0};
	bool found = false;

	if (mappings->count == 0)
		return false;
	int fd = fg_mapping_open((pid_t)pid, &mappings->items[0], NULL);

	if (fd < 0)
		return false;
	if (fg_unwind_table_build(fd, mappings->items[0].path, &table, NULL) == 0)
		found = table.is_go;
	fg_unwind_table_done(&table);
	close(fd);
	return found;
}

static void tell_runtime(struct fg_probe_list *list, uint32_t pid)
{
	struct fg_probe *probe = fg_probe_add(list, "runtime", false);
	struct fg_mappings mappings = {0};
	struct fg_process_facts facts = {0};
	char flags[128];

	FG_IGNORE(fg_mappings_read((pid_t)pid, &mappings, NULL));
	fg_process_facts(pid, &mappings, is_go(pid, &mappings), &facts);
	fg_mappings_done(&mappings);
	fg_probe_detail(
		probe, "%s%s%s", fg_runtime_name(facts.runtime), facts.flags ? ", with " : "",
		facts.flags ? fg_runtime_flags_text(facts.flags, flags, sizeof(flags)) : "");
	probe->ok = true;
	if (facts.runtime == FG_RUNTIME_NODE && !(facts.flags & FG_RUNTIME_PERF_MAP)) {
		probe->ok = false;
		fg_probe_fix(probe, "start it with NODE_OPTIONS=\"--perf-basic-prof "
				    "--interpreted-frames-native-stack\": JavaScript functions "
				    "get names");
	} else if (facts.runtime == FG_RUNTIME_JAVA && !(facts.flags & FG_RUNTIME_FRAME_POINTERS)) {
		probe->ok = false;
		fg_probe_fix(probe, "start it with JAVA_TOOL_OPTIONS=-XX:+PreserveFramePointer: "
				    "stacks of compiled code become complete");
	}
}

size_t fg_profiler_probe_target(uint32_t pid, struct fg_probe *out, size_t max)
{
	struct fg_probe_list list = {.items = out, .max = max};
	char name[FG_PROFILER_NAME_MAX];
	struct fg_err err = {0};

	if (fg_profiler_check_pid(pid, name, &err) != 0) {
		struct fg_probe *probe = fg_probe_add(&list, "process", true);

		fg_probe_detail(probe, "%.250s", err.message);
		fg_probe_fix(probe, "name a process that runs: flamegate doctor --pid N");
		return list.count;
	}
	tell_process(&list, pid, name);
	tell_owner(&list, pid);
	tell_namespaces(&list, pid);
	tell_runtime(&list, pid);
	fg_probe_modules(&list, pid);
	return list.count;
}
