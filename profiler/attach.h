/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HotSpot's attach protocol: asks a running Java VM to write its perf map (jcmd
 * Compiler.perfmap), without a JDK. Needs the VM's user or root, as jcmd does. Never blocks:
 * step() is called until it says done.
 *
 * A VM listens only after a SIGQUIT, which would kill a process that does not handle it. So it is
 * sent only to the very process that was announced, only while its SIGQUIT has a handler, and never
 * to one whose options keep attaching out.
 */
#ifndef FG_PROFILER_ATTACH_H
#define FG_PROFILER_ATTACH_H

#include "profiler/client_process.h"

enum { FG_ATTACH_REPLY_MAX = 4096 };

struct fg_attach {
	enum fg_attach_state {
		FG_ATTACH_IDLE,
		FG_ATTACH_LISTENING, /* waits for the VM's socket */
		FG_ATTACH_REPLYING,  /* the request is sent */
	} state;
	uint32_t tgid, ns_pid, uid;
	int tmp_fd, socket_fd; /* −1 */
	bool made_trigger;
	uint64_t deadline_ns;
	char reply[FG_ATTACH_REPLY_MAX];
	size_t reply_len;
};

void fg_attach_init(struct fg_attach *attach);
/** Gives up what is under way. */
void fg_attach_done(struct fg_attach *attach);
/** `root_fd` is the process's. On failure the state is IDLE again. */
int fg_attach_begin(struct fg_attach *attach, const struct fg_client_process *process, int root_fd,
		    uint64_t deadline_ns, struct fg_err *err) FG_MUST_USE;
/** 1: not yet; 0: the VM has written the file; negative: it will not (the state is IDLE). */
int fg_attach_step(struct fg_attach *attach, uint64_t now_ns, struct fg_err *err);
/** Readable when there is something to do; −1: only time tells. */
int fg_attach_fd(const struct fg_attach *attach);
/** What a VM answered, complete: 0, or REFUSED with its words. Pure. */
int fg_attach_reply(const char *reply, size_t len, struct fg_err *err) FG_MUST_USE;

#endif
