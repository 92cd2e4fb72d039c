/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "gate/base/file.h"
#include "profiler/jit_file.h"
#include "profiler/process.h"

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void fg_attach_init(struct fg_attach *attach)
{
	*attach = (struct fg_attach){.tmp_fd = -1, .socket_fd = -1};
}

static void trigger_name(const struct fg_attach *attach, char name[40])
{
	(void)snprintf(name, 40, ".attach_pid%u", attach->ns_pid);
}

static void socket_name(const struct fg_attach *attach, char name[40])
{
	(void)snprintf(name, 40, ".java_pid%u", attach->ns_pid);
}

void fg_attach_done(struct fg_attach *attach)
{
	char name[40];

	trigger_name(attach, name);
	if (attach->made_trigger && attach->tmp_fd >= 0)
		(void)unlinkat(attach->tmp_fd, name, 0);
	close_fd(&attach->tmp_fd);
	close_fd(&attach->socket_fd);
	attach->made_trigger = false;
	attach->state = FG_ATTACH_IDLE;
}

static bool is_listening(const struct fg_attach *attach)
{
	char name[40];
	struct stat status;

	socket_name(attach, name);
	return fstatat(attach->tmp_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISSOCK(status.st_mode) && (status.st_uid == attach->uid || status.st_uid == 0);
}

/* The pid may be another process's by now, or one whose handler is not there (yet). */
static int check_process(const struct fg_client_process *process, struct fg_err *err)
{
	char path[64], name[sizeof(process->name)];
	FG_AUTO_BUF struct fg_buf status = {.max = 64 << 10};
	struct fg_process_facts facts = {0};

	fg_process_name(process->tgid, name, sizeof(name));
	(void)snprintf(path, sizeof(path), "/proc/%u/status", process->tgid);
	FG_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return fg_err_errno(err, errno, "java (pid %u)", process->tgid);
	int rc = fg_file_read_fd(fd, path, 64 << 10, &status, err);

	if (rc)
		return rc;
	fg_process_status(status.data, status.len, &facts);
	bool same_start =
		!process->start_ns || fg_process_start_ns(process->tgid) == process->start_ns;

	if (strcmp(name, process->name) != 0 || facts.ns_pid != process->ns_pid ||
	    facts.uid != process->uid || !same_start)
		return fg_err_set(err, FG_E_NOT_FOUND, "java (pid %u) is another process now",
				  process->tgid);
	if ((process->flags & FG_RUNTIME_NO_SIGQUIT) ||
	    !fg_process_catches(status.data, status.len, SIGQUIT))
		return fg_err_set(err, FG_E_UNSUPPORTED,
				  "java does not handle SIGQUIT (-Xrs?) and does not listen, so it "
				  "cannot be asked");
	return 0;
}

/* The VM starts to listen only if it finds this file, of its own user, after the signal. */
static int make_trigger(struct fg_attach *attach, struct fg_err *err)
{
	char name[40];

	trigger_name(attach, name);
	int fd = openat(attach->tmp_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0600);

	if (fd < 0 && errno == EEXIST) /* somebody else is attaching, or was killed while at it */
		return 0;
	if (fd < 0)
		return fg_err_errno(err, errno, "/tmp/%s", name);
	attach->made_trigger = true;
	if (geteuid() == 0 && attach->uid != 0 && fchown(fd, attach->uid, (gid_t)-1) != 0) {
		int fault = errno;

		close(fd);
		return fg_err_errno(err, fault, "/tmp/%s", name);
	}
	close(fd);
	return 0;
}

static int wake(const struct fg_client_process *process, struct fg_err *err)
{
	FG_AUTO_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, (pid_t)process->tgid, 0);

	if (pidfd < 0)
		return fg_err_errno(err, errno, "java (pid %u)", process->tgid);
	/* Looked at while the descriptor keeps the pid from being another's. */
	int rc = check_process(process, err);

	if (!rc && syscall(SYS_pidfd_send_signal, pidfd, SIGQUIT, NULL, 0) != 0)
		rc = fg_err_errno(err, errno, "attaching to java (pid %u)", process->tgid);
	return rc;
}

int fg_attach_begin(struct fg_attach *attach, const struct fg_client_process *process, int root_fd,
		    uint64_t deadline_ns, struct fg_err *err)
{
	fg_attach_init(attach);
	attach->tgid = process->tgid;
	attach->ns_pid = process->ns_pid;
	attach->uid = process->uid;
	attach->deadline_ns = deadline_ns;
	if (process->flags & FG_RUNTIME_NO_ATTACH)
		return fg_err_set(err, FG_E_UNSUPPORTED,
				  "-XX:+DisableAttachMechanism keeps us from asking for them");
	int tmp = fg_jit_tmp_open(root_fd, err);

	if (tmp < 0)
		return tmp;
	attach->tmp_fd = tmp;
	int rc = 0;

	if (!is_listening(attach)) {
		rc = check_process(process, err);
		if (!rc)
			rc = make_trigger(attach, err);
		if (!rc)
			rc = wake(process, err);
	}
	if (rc)
		fg_attach_done(attach);
	else
		attach->state = FG_ATTACH_LISTENING;
	return rc;
}

/* Whoever made a socket of that name first must not be taken for the VM. */
static int check_peer(const struct fg_attach *attach, struct fg_err *err)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(attach->socket_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return fg_err_errno(err, errno, "java's socket");
	if ((uint32_t)peer.pid != attach->tgid)
		return fg_err_set(err, FG_E_PERMISSION,
				  "java's attach socket belongs to process %d, not to %u",
				  (int)peer.pid, attach->tgid);
	return 0;
}

static int send_request(const struct fg_attach *attach, struct fg_err *err)
{
	/* version, command, three arguments */
	static const char request[] = "1\0jcmd\0Compiler.perfmap\0\0";
	ssize_t sent = send(attach->socket_fd, request, sizeof(request), MSG_NOSIGNAL);

	if (sent == (ssize_t)sizeof(request))
		return 0;
	return fg_err_errno(err, sent < 0 ? errno : EIO, "attaching to java (pid %u)",
			    attach->tgid);
}

static int connect_and_ask(struct fg_attach *attach, struct fg_err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char name[40];

	socket_name(attach, name);
	/* a path of ours: the target's may be longer than an address, or lie in another namespace
	 */
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s",
		       attach->tmp_fd, name);
	attach->socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (attach->socket_fd < 0)
		return fg_err_errno(err, errno, "socket");
	if (connect(attach->socket_fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		return errno == ECONNREFUSED
			       ? fg_err_set(err, FG_E_NOT_FOUND, "java (pid %u) has ended",
					    attach->tgid)
			       : fg_err_errno(err, errno, "attaching to java (pid %u)",
					      attach->tgid);
	int rc = check_peer(attach, err);

	return rc ? rc : send_request(attach, err);
}

int fg_attach_reply(const char *reply, size_t len, struct fg_err *err)
{
	size_t line = len ? strcspn(reply, "\n") : 0;
	char text[160];
	size_t used = 0;

	if (line == 1 && reply[0] == '0')
		return 0;
	/* the number, then what happened, written by the target */
	for (size_t i = line + 1; i < len && used + 1 < sizeof(text) && reply[i] != '\n'; i++)
		text[used++] = (char)(reply[i] < ' ' || reply[i] == 0x7f ? '?' : reply[i]);
	text[used] = '\0';
	if (strstr(text, "Unknown diagnostic command"))
		return fg_err_set(err, FG_E_REFUSED,
				  "this Java cannot write a perf map on demand; use Java 17 or "
				  "newer");
	return fg_err_set(err, FG_E_REFUSED, "java refused to write its perf map%s%s",
			  used ? ": " : "", text);
}

/* 1 until the VM closes the stream. */
static int take_reply(struct fg_attach *attach, struct fg_err *err)
{
	for (;;) {
		char chunk[512];
		ssize_t got = recv(attach->socket_fd, chunk, sizeof(chunk), 0);

		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return 1;
		if (got < 0)
			return fg_err_errno(err, errno, "java's answer");
		if (got == 0)
			break;
		size_t room = sizeof(attach->reply) - 1 - attach->reply_len;
		size_t kept = FG_MIN((size_t)got, room);

		memcpy(attach->reply + attach->reply_len, chunk, kept);
		attach->reply_len += kept;
	}
	attach->reply[attach->reply_len] = '\0';
	return fg_attach_reply(attach->reply, attach->reply_len, err);
}

static int advance(struct fg_attach *attach, struct fg_err *err)
{
	if (attach->state == FG_ATTACH_LISTENING) {
		if (!is_listening(attach))
			return 1;
		int rc = connect_and_ask(attach, err);

		if (rc)
			return rc;
		attach->state = FG_ATTACH_REPLYING;
	}
	return take_reply(attach, err);
}

int fg_attach_step(struct fg_attach *attach, uint64_t now_ns, struct fg_err *err)
{
	if (attach->state == FG_ATTACH_IDLE)
		return fg_err_set(err, FG_E_INTERNAL, "nothing is being attached to");
	int rc = advance(attach, err);

	if (rc > 0 && now_ns >= attach->deadline_ns)
		rc = fg_err_set(err, FG_E_TIMEOUT, "java (pid %u) did not answer in time",
				attach->tgid);
	if (rc <= 0)
		fg_attach_done(attach);
	return rc;
}

int fg_attach_fd(const struct fg_attach *attach)
{
	return attach->state == FG_ATTACH_REPLYING ? attach->socket_fd : -1;
}
