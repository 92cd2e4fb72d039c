/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driving load: plan → workers → slices → result. The face of this room for the rest of runner/.
 *
 * fg_load_run() owns the main thread's loop while it runs: progress ticks, signals, abort,
 * descriptors that the caller wants watched. Workers are threads with a loop each; they share
 * nothing and hand over one slice per second.
 */
#ifndef FG_LOAD_LOAD_H
#define FG_LOAD_LOAD_H

#include <sched.h>

#include "gate/measure/request_log.h"
#include "gate/measure/result.h"
#include "runner/load/labels.h"
#include "runner/scenario/scenario.h"

enum { FG_LOAD_SHARDS_MAX = 64 };

enum fg_load_stop {
	FG_LOAD_STOP_NONE,
	FG_LOAD_STOP_DRAIN, /* first Ctrl-C, abortOnFail: no new iterations, finish running ones
			       (at most 30 s or gracefulStop) */
	FG_LOAD_STOP_NOW,   /* second Ctrl-C: cut everything */
};

struct fg_load; /* while running */

struct fg_load_watch {
	int fd; /* watched for readability on the main loop */
	void (*on_readable)(void *context, struct fg_load *load);
	void *context;
};

struct fg_load_options {
	const struct fg_scenario_file *file;
	const char *target_url; /* base for relative step URLs, no {{ }} left */
	const char *engine;     /* "auto" (default, NULL), "native", "curl" or "null" */
	/** Where the workers run unless the file's loadgen.cpus says; NULL: anywhere. Also bounds
	 * how many of them are started when nobody says. */
	const cpu_set_t *cpus;
	/** The target does not run on `cpus` (or on loadgen.cpus): `pacing: auto` may spin there.
	 */
	bool cpus_exclusive;
	/** This process does part shard_index (from 0) of shard_count; 0 and 0: all of it. All
	 *  shards need the same seed. */
	unsigned shard_index, shard_count;
	unsigned threads;      /* 0 = from file, then auto: 1 up to 2 cores, else half, at most 4 */
	const char *spool_dir; /* for the per-second series of long runs; NULL: $TMPDIR */
	uint64_t start_unix_ns; /* starts at this time of the wall clock; 0: when ready */
	uint64_t seed;
	const struct fg_load_watch *watches;
	size_t watch_count;
	/** After each wall second and once at the end; may call fg_load_request_stop(). `live` is
	 * the merged result so far. NULL: none. */
	void (*on_second)(void *context, struct fg_load *load, const struct fg_result *live,
			  uint64_t elapsed_ns);
	void *context;
	/** SIGINT, SIGTERM, SIGHUP → drain, then now. All are ignored when fg_load_run() returns,
	 * so that an impatient third one does not cost the bundle. */
	bool handle_signals;
	/** What setup captured, one slot per global of the file; NULL: none. Read by all workers.
	 */
	const struct fg_slot *globals;
	/** Texts known since the run began, FG_RUN_TEXT_COUNT of them; NULL: all "". */
	const char *const *run_texts;
	/** Where the profiler wants to know whose request is on its way; NULL: nobody does. */
	const struct fg_load_labels *labels;
	/** With labels, of each worker at the end: when its requests were under way; frees it.
	 * NULL: not wanted. */
	void (*take_requests)(void *context, struct fg_request_log *requests);
	/** What `log` steps say and why iterations ended early, a line each without line break, on
	 *  the coordinator's thread. NULL: nobody listens. */
	void (*on_line)(void *context, const char *text, size_t len);
};

/** Runs to the end. *ret holds everything measured, also when `err` reports a failure of the
 *  generator in mid-run (then rc < 0 and *ret may still be non-NULL). Status says how it ended. */
int fg_load_run(const struct fg_load_options *options, struct fg_result **ret,
		struct fg_err *err) FG_MUST_USE;
/** Stops watching a descriptor of options->watches (before it is closed or when it hit its end). */
void fg_load_unwatch(struct fg_load *load, int fd);
void fg_load_request_stop(struct fg_load *load, enum fg_load_stop how, enum fg_run_status status);
/** When the measured phase starts and ends, monotonic ns (for the profile's phases). */
uint64_t fg_load_started_ns(const struct fg_load *load);

/* Live state per scenario for the progress display; filled from published counters. */
struct fg_load_progress {
	const char *scenario;
	uint64_t elapsed_ns, total_ns;
	uint64_t iterations, iterations_planned; /* planned 0: open-ended */
	uint32_t vus, vus_max;
	double target_rate_per_s; /* now; 0 for VU executors */
	double rate_per_s;        /* iterations that ended in the last full second */
	double dropped_share;     /* of the events that became due so far, 0…1 */
	bool is_counted;          /* ends when iterations_planned are done */
	bool waiting, done;
};
size_t fg_load_progress(const struct fg_load *load, struct fg_load_progress *out, size_t max);

#endif
