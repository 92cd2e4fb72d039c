/* SPDX-License-Identifier: Apache-2.0 */
/* What record.c (the sequence), record_target.c (whom) and record_loop.c (while it runs) share. */
#ifndef FG_RUN_RECORD_INTERNAL_H
#define FG_RUN_RECORD_INTERNAL_H

#include "profiler/client.h"
#include "runner/run/place.h"
#include "runner/run/record.h"
#include "runner/run/record_child.h"

enum { FG_RECORD_PIDS_MAX = 64 };

enum fg_record_end {
	FG_RECORD_TIME,        /* the time was over */
	FG_RECORD_TARGETS,     /* every target ended */
	FG_RECORD_INTERRUPTED, /* a signal */
	FG_RECORD_HELPER,      /* the profiler's helper is gone: `problem` tells */
};

struct fg_record {
	const struct fg_record_options *options;
	const struct fg_run_io *io;
	struct fg_run *run;
	uint32_t types; /* bits 1 << enum fg_profile_type */
	uint32_t pids[FG_RECORD_PIDS_MAX];
	int pid_fds[FG_RECORD_PIDS_MAX]; /* −1: ended, or not watched */
	size_t pid_count;
	struct fg_record_child child;
	char name[64];   /* of the result: "redis-server", "python3 and 2 more" */
	char label[256]; /* "redis-server (pid 4711)" */
	struct fg_profiler *profiler;
	struct fg_cputime *cputime;
	struct fg_cpu_series cpu;
	uint64_t cpu_total_ns; /* last reading */
	int signal_fd;
	uint64_t start_ns, end_ns; /* monotonic */
	uint64_t start_unix_ns;
	enum fg_record_end end;
	struct fg_err problem;
	bool is_drawn; /* a progress line is on the terminal */
	char run_id[FG_RUN_ID_LEN + 1];
	struct fg_place_dirs dirs;
};

/* record_target.c */
/** Reads --pid, --name, --port or starts the command (held); fills pids, name and label. USAGE;
 *  TARGET or NOT_FOUND when there is no such process to profile. */
int fg_record_find(struct fg_record *record, struct fg_err *err) FG_MUST_USE;
/** Opens what tells the targets' ends. One that has ended by now is no error. */
void fg_record_watch(struct fg_record *record);
void fg_record_unwatch(struct fg_record *record);
/** How many still live. */
size_t fg_record_alive(const struct fg_record *record);

/* record_loop.c */
/** SIGINT, SIGTERM and SIGHUP become readable instead of deadly. */
int fg_record_signals_take(struct fg_record *record, struct fg_err *err) FG_MUST_USE;
/** As before: the next one ends flamegate. */
void fg_record_signals_leave(struct fg_record *record);
/** From the start to one of the ends. */
void fg_record_loop(struct fg_record *record);

void fg_record_note(const struct fg_record *record, const char *format, ...) FG_PRINTF(2, 3);

#endif
