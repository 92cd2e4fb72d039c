/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/rights.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "gate/base/file.h"
#include "gate/base/num.h"

/* libcap 2.66 knows them all; the kernel may not, which only makes the set smaller. */
static const cap_value_t kept[] = {
	CAP_BPF,             /* a map for each new shard and address space */
	CAP_SYS_PTRACE,      /* /proc/PID/maps, mem */
	CAP_DAC_READ_SEARCH, /* binaries that only their owner may read; for root's client only */
	CAP_CHECKPOINT_RESTORE, /* /proc/PID/map_files */
};

/* Root started us: its files may be read, and any process profiled, also when we are nobody. */
static bool for_root;

const char *fg_rights_fix(char text[FG_RIGHTS_TEXT_MAX])
{
	char path[512];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	struct fg_buf paranoid;

	path[len > 0 ? len : 0] = '\0';
	fg_buf_init(&paranoid, 64);
	if (fg_file_read("/proc/sys/kernel/perf_event_paranoid", 16, &paranoid, NULL) != 0)
		fg_buf_clear(&paranoid);
	if (paranoid.data)
		paranoid.data[strcspn(paranoid.data, "\n")] = '\0';
	(void)snprintf(text, FG_RIGHTS_TEXT_MAX,
		       "it needs CAP_BPF and CAP_PERFMON (perf_event_paranoid is %s); fix: sudo "
		       "setcap %s %s, or run as root (in a container: --cap-add BPF --cap-add "
		       "PERFMON --cap-add SYS_PTRACE)",
		       paranoid.len ? paranoid.data : "unknown", FG_RIGHTS_CAPABILITIES,
		       path[0] ? path : "flamegate-profiler");
	fg_buf_done(&paranoid);
	return text;
}

/* A helper that is broken into should not own root's files. The kernel forgets the parent-death
 * signal at a change of identity. A container may have taken the right to change it: then only the
 * capabilities go. */
static void become_nobody(void)
{
	const id_t nobody = 65534;

	if (geteuid() != 0 || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
		return;
	if (setgroups(0, NULL) == 0 && setresgid(nobody, nobody, nobody) == 0 &&
	    setresuid(nobody, nobody, nobody) == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static int drop(bool keep, struct fg_err *err)
{
	for_root = getuid() == 0;
	become_nobody();
	cap_t old = cap_get_proc();
	cap_t reduced = cap_init();
	int rc = 0;

	if (!old || !reduced) {
		rc = fg_err_errno(err, errno, "reading capabilities");
		goto out;
	}
	for (size_t i = 0; keep && i < FG_ARRAY_LEN(kept); i++) {
		cap_flag_value_t has = CAP_CLEAR;

		/* What we open goes to the client. Its own targets' files it may read itself; more
		 * would make a target with a well-chosen name for its mapping a way to any file. */
		if (kept[i] == CAP_DAC_READ_SEARCH && !for_root)
			continue;
		if (cap_get_flag(old, kept[i], CAP_PERMITTED, &has) != 0 || has != CAP_SET)
			continue;
		(void)cap_set_flag(reduced, CAP_PERMITTED, 1, &kept[i], CAP_SET);
		(void)cap_set_flag(reduced, CAP_EFFECTIVE, 1, &kept[i], CAP_SET);
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || cap_set_proc(reduced) != 0)
		rc = fg_err_errno(err, errno, "giving up capabilities");
out:
	if (old)
		(void)cap_free(old);
	if (reduced)
		(void)cap_free(reduced);
	return rc;
}

int fg_rights_drop(struct fg_err *err)
{
	return drop(true, err);
}

int fg_rights_drop_to_client(struct fg_err *err)
{
	return drop(getuid() == 0, err);
}

int fg_rights_check_self(struct fg_err *err)
{
	if (getuid() == geteuid() && getgid() == getegid())
		return 0;
	/* Its files would be opened as another user, and giving up capabilities changes nothing. */
	return fg_err_set(err, FG_E_PERMISSION,
			  "flamegate-profiler is installed set-uid or set-gid, which it refuses; "
			  "fix: remove that (sudo chmod ug-s) and grant capabilities: sudo setcap "
			  "%s",
			  FG_RIGHTS_CAPABILITIES);
}

/* A number that a file of /proc/sys begins with; `otherwise` if it cannot be read. */
static int64_t setting(const char *path, int64_t otherwise)
{
	FG_AUTO_BUF struct fg_buf text = {0};
	int64_t value;

	fg_buf_init(&text, 64);
	if (fg_file_read(path, 32, &text, NULL) != 0 || !text.data ||
	    fg_num_i64(text.data, strcspn(text.data, "\n"), &value, NULL) != 0)
		return otherwise;
	return value;
}

bool fg_rights_client_sees_kernel(void)
{
	/* As kallsyms_show_value() decides for those without CAP_SYSLOG. */
	return for_root || getuid() == 0 ||
	       (setting("/proc/sys/kernel/kptr_restrict", 2) == 0 &&
		setting("/proc/sys/kernel/perf_event_paranoid", 2) <= 1);
}

int fg_rights_pid_namespace(uint32_t *ret_inum, struct fg_err *err)
{
	const ino_t first_pid_namespace = 0xeffffffc; /* PROC_PID_INIT_INO of linux/proc_ns.h */
	char self[32] = "";
	struct stat st;
	uint64_t pid = 0;
	ssize_t len = readlink("/proc/self", self, sizeof(self) - 1);

	if (len <= 0 || fg_num_u64(self, (size_t)len, &pid, NULL) != 0 || pid != (uint64_t)getpid())
		return fg_err_set(err, FG_E_UNSUPPORTED,
				  "/proc belongs to another PID namespace; fix: mount it anew in "
				  "this one (mount -t proc proc /proc)");
	if (stat("/proc/self/ns/pid", &st) != 0)
		return fg_err_errno(err, errno, "/proc/self/ns/pid");
	*ret_inum = st.st_ino == first_pid_namespace ? 0 : (uint32_t)st.st_ino;
	return 0;
}

/* The real uid from "Uid:\treal\teffective…" of /proc/PID/status. */
static int read_real_uid(uint32_t pid, uint64_t *ret, struct fg_err *err)
{
	char path[64];
	struct fg_buf buf;

	(void)snprintf(path, sizeof(path), "/proc/%u/status", pid);
	fg_buf_init(&buf, 64 << 10);
	int rc = fg_file_read(path, 32 << 10, &buf, err);
	const char *line = rc || !buf.data ? NULL : strstr(buf.data, "\nUid:\t");

	if (!rc && !line)
		rc = fg_err_set(err, FG_E_IO, "%s: no Uid line", path);
	if (!rc) {
		line += strlen("\nUid:\t");
		rc = fg_num_u64(line, strcspn(line, "\t\n"), ret, err);
	}
	fg_buf_done(&buf);
	return rc;
}

int fg_rights_check_target(uint32_t pid, struct fg_err *err)
{
	char path[64];
	struct stat st;
	uint64_t uid;

	(void)snprintf(path, sizeof(path), "/proc/%u", pid);
	if (stat(path, &st) != 0)
		return errno == ENOENT ? fg_err_set(err, FG_E_NOT_FOUND, "no process %u", pid)
				       : fg_err_errno(err, errno, "process %u", pid);
	if (for_root || getuid() == 0)
		return 0;
	int rc = read_real_uid(pid, &uid, err);

	if (rc)
		return rc;
	/* The directory belongs to root when the process may not be traced by its owner. */
	if (uid != getuid() || st.st_uid != getuid())
		return fg_err_set(err, FG_E_PERMISSION,
				  "process %u belongs to another user (uid %llu, we are %u); fix: "
				  "run flamegate as that user or as root",
				  pid, (unsigned long long)uid, (unsigned)getuid());
	return 0;
}
