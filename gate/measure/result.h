/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run measured and under which circumstances: the in-memory form of a bundle.
 *
 * The coordinator adds slices while the run goes on; reports, thresholds and the bundle writer read
 * it. The per-second series is kept outside of memory (series.h). Slices of warm-up seconds (before
 * their scenario's warmup ended) are kept in the series with phase "warmup" and stay out of
 * `totals`.
 */
#ifndef FG_MEASURE_RESULT_H
#define FG_MEASURE_RESULT_H

#include "gate/measure/notices.h"
#include "gate/measure/slice.h"
#include "gate/profile/profile.h"
#include "gate/profile/wait.h"

enum { FG_RUN_ID_LEN = 32 };

enum {
	FG_CPU_SECONDS_MAX = 1 << 20, /* 12 days */
};

/* What differs between machines; a comparison across different ones is refused or widened. */
struct fg_environment {
	char cpu_model[128];
	char kernel[128];
	char architecture[32];
	char hostname_hash[20]; /* never the name itself */
	uint32_t cores;
	uint64_t memory_bytes;
	char governor[32];       /* "" if unknown */
	char ci[32];             /* "github-actions", "gitlab-ci" …, "" outside */
	char container[32];      /* "", "docker" … */
	char runtime_flags[256]; /* what profile.runtimeFlags: auto set for the target */
};

/* The target's exact CPU time, one entry per second of the run (the sum of the process tree). */
struct fg_cpu_series {
	uint64_t *cpu_ns; /* CPU used during second i */
	size_t count, capacity;
};

/* How well a language runtime's code could be followed and named. */
struct fg_runtime_info {
	char name[16];  /* "node" */
	char flags[96]; /* its options that decide about that; "": none */
	uint32_t processes;
	uint64_t samples, complete; /* with a user part; that reached a root */
	uint64_t frames, unnamed_frames;
	char advice[256]; /* what is missing and the fix, one line; "" nothing */
};
enum { FG_RUNTIMES_MAX = 8 };

/* The target's resident memory at the end of each second (the process tree; pages that processes
 * share with files or each other are counted once). 0: it was not read in that second. */
struct fg_rss_series {
	uint64_t *bytes;
	size_t count, capacity;
};
/* Of the measured phase. */
struct fg_rss_summary {
	uint64_t start_bytes, peak_bytes, end_bytes;
	double growth_per_1000_requests_bytes; /* may be negative */
};

/* The same of a profile of another type, in the measured phase. */
struct fg_profile_type_info {
	bool present;
	uint64_t samples;   /* records: waits, ticks or faults that were looked at */
	uint64_t complete;  /* of them: a known root was reached */
	uint64_t with_user; /* of them: have a user part, so a root to reach */
	uint64_t borrowed;  /* of them: with the stack of an earlier wait at the same site */
	uint64_t value;     /* microseconds, or faults: what the records stand for */
	uint64_t events;    /* switches of the target's threads, or samples */
	uint64_t lost;      /* records: ring full, or a table */
	uint64_t skipped; /* stacks not taken, for the sake of the budget; weights make up for it */
	uint64_t nested;  /* stacks not taken, because one was being taken on that CPU */
	uint64_t bpf_ns;
};

/* Requests that took longer than most of their class. */
enum { FG_SLOW_SECONDS_MAX = 32 };
struct fg_profile_slow {
	uint64_t requests; /* above `quantile` of their class; 0: none could be told */
	uint64_t above_ns; /* the quantile's value when there is one class only; else 0 */
	double quantile;   /* 95 */
	uint32_t seconds[FG_SLOW_SECONDS_MAX]; /* with far more than their part of them */
	size_t second_count;
};

/* Where samples got lost. */
enum fg_loss {
	FG_LOSS_RING,  /* the kernel's ring was full: the helper did not get the CPU */
	FG_LOSS_LIMIT, /* more than this program keeps */
	FG_LOSS_COUNT
};
const char *fg_loss_name(enum fg_loss loss);

/* How complete and how expensive the profile was; also the place where servers lose it. */
struct fg_profile_info {
	bool present;
	char why_absent[768]; /* reason and fix when not present or partial */
	bool partial;         /* helper died or was stopped early */
	uint32_t frequency_hz;
	uint32_t cpus;
	uint64_t samples;  /* of the target, in the measured phase */
	uint64_t lost;     /* for any reason */
	uint64_t complete; /* a known root was reached */
	uint64_t guessed_frames;
	uint64_t incomplete_by[16]; /* by enum fg_stack_result; see …complete_share() below */
	double unnamed_share;       /* of leaf samples without a symbol */
	double samples_per_cpu_s;
	uint64_t bpf_ns; /* time spent in our BPF program */
	uint64_t helper_cpu_ns;
	uint64_t target_cpu_ns;    /* measured phase, exact clock */
	struct fg_notices notices; /* of a profile that is there */
	struct fg_runtime_info runtimes[FG_RUNTIMES_MAX];
	size_t runtime_count;
	uint64_t lost_by[FG_LOSS_COUNT];
	char source[8];       /* "bpf", or "perf": stack copies, without privileges */
	uint64_t user_cpu_ns; /* > 0: only user mode was sampled, and this is its part of
				 target_cpu_ns */
	struct fg_profile_type_info types[FG_PROFILE_TYPE_COUNT]; /* [CPU] is unused */
	uint64_t wait_us[FG_WAIT_CLASS_COUNT];                    /* of the off-CPU profile */
	/* Request classes on samples. */
	bool labels;              /* samples carry them, at least for a part of the run */
	char labels_problem[200]; /* why not, or since when no more; "": nothing to say */
	uint64_t attributed;      /* of `samples`: a request's class is known */
	uint64_t label_receives;  /* receives that began or went on with a labelled request */
	struct fg_profile_slow slow;
	uint64_t label_ns; /* what finding them cost, estimated from one in 64 */
};

/** Share of complete stacks among the samples that have a user part. A kernel-only stack (a child
 *  that exits has given up its memory, a kernel thread never had one) has no user root to reach:
 *  it is neither complete nor incomplete, counts in the cost of the kernel, and is told apart. 0
 *  when no sample has a user part. */
double fg_profile_info_complete_share(const struct fg_profile_info *info);
/** Why numbers of this profile must not be judged (too many incomplete or lost, a rate that is not
 *  the clock's), written to `out`; false when they may be. */
bool fg_profile_info_fault(const struct fg_profile_info *info, char *out, size_t size_bytes);
/** Samples without a user part. */
uint64_t fg_profile_info_kernel_only(const struct fg_profile_info *info);

enum fg_run_status {
	FG_RUN_COMPLETED,
	FG_RUN_INTERRUPTED,
	FG_RUN_ABORTED,
	FG_RUN_TARGET_DIED,
	FG_RUN_STATUS_COUNT
};
const char *fg_run_status_name(enum fg_run_status status);

struct fg_series; /* series.h */
/* Active VUs as they were looked at once a second while the run went on; all 0: never. */
struct fg_vus_range {
	uint32_t last, min, max;
};

struct fg_threshold_result; /* gate/judge/threshold.h */
struct fg_threshold_watch;  /* gate/judge/threshold_watch.h */

struct fg_result {
	char id[FG_RUN_ID_LEN + 1]; /* 20261121T101500Z-7f3a */
	char *name;                 /* scenario file's name */
	char *scenario_json;        /* resolved scenario, secrets masked; may be NULL */
	char scenario_hash[33];     /* hex of the resolved scenario */
	char *target_label;         /* what the first output line calls the target */
	uint32_t target_pid;
	uint64_t seed;
	uint32_t shard_index, shard_count; /* part index (from 0) of count; 0 and 0 is 0 of 1 */
	uint64_t started_unix_ns;   /* wall clock at the run's start, for people and servers */
	uint64_t started_ns;        /* monotonic */
	uint64_t duration_ns;       /* run start → last request ended */
	uint64_t measured_start_ns; /* offset from the start: end of the longest warm-up */
	uint64_t measured_ns;       /* length of the measured phase */
	enum fg_run_status status;
	struct fg_environment environment;
	struct fg_registry registry;
	struct fg_slice *totals;         /* measured phase only */
	struct fg_series *series;        /* second by second: series.h */
	struct fg_cpu_series target_cpu; /* empty when the target's pid is not known */
	struct fg_rss_series target_rss;
	uint64_t measured_target_cpu_ns;
	struct fg_profile_info profile;
	uint64_t generator_cpu_ns;
	struct fg_vus_range vus;
	char *invalid_reason; /* NULL, or why the measurement itself is bad (exit 16) */
	struct fg_threshold_result *thresholds;
	size_t threshold_count;
	struct fg_threshold_watch *watch; /* of a run that goes on; NULL elsewhere */
	char *outcome;                    /* the exit word, once decided */
	int exit_code;
};

/** Makes an empty result over a copy of `registry`. */
int fg_result_new(const struct fg_registry *registry, struct fg_result **ret,
		  struct fg_err *err) FG_MUST_USE;
void fg_result_free(struct fg_result *result);
/** True for what `flamegate profile` made: a profile over a time, without load. */
bool fg_result_is_recording(const struct fg_result *result);
/** Adds one worker's second: to the series, and to totals per scenario unless
 *  fg_result_is_warmup(). Slices may come in any order and several per second. After a failure the
 *  result may hold a part of the slice. */
int fg_result_add_slice(struct fg_result *result, const struct fg_slice *slice,
			struct fg_err *err) FG_MUST_USE;
/** dst += src, of the scenarios whose warm-up is over in that second; without `mask` all, and src
 * is no second (an interval of the series). */
int fg_slice_add_measured(struct fg_slice *dst, const struct fg_registry *registry,
			  const struct fg_slice *src, bool mask, struct fg_err *err) FG_MUST_USE;
/** True if that second does not lie wholly after the scenario's start + warm-up; never true for a
 *  scenario without warm-up. */
bool fg_result_is_warmup(const struct fg_registry *registry, size_t scenario, uint32_t second);
/** Requests in the measured phase, all classes (both halves). */
uint64_t fg_result_requests(const struct fg_result *result);
uint64_t fg_result_failed(const struct fg_result *result);
/** Sums a trend over the classes that match all `tags` (k6 sub-metric semantics; the tags
 *  scenario, name, group, method, expected_response and user tags). `ret` is initialised by the
 *  caller. Returns the number of matching class halves, or a negative error code. */
int fg_result_trend(const struct fg_result *result, enum fg_trend trend, const struct fg_tags *tags,
		    struct fg_hist *ret, struct fg_err *err) FG_MUST_USE;
/** CPU-ns of the target per completed request (one that got a whole answer, whatever its status)
 *  over the measured phase; < 0 when unknown. */
double fg_result_cpu_per_request_ns(const struct fg_result *result);
/** False when it is not known. */
bool fg_result_rss(const struct fg_result *result, struct fg_rss_summary *ret);
/** The share of the target's CPU time that the profile's samples stand for: 1, or the part in user
 *  mode where only that was sampled. */
double fg_result_sampled_share(const struct fg_result *result);
/** Share of a scenario's due events that were not dropped, 0…1; < 0 for VU executors. */
double fg_result_achieved(const struct fg_result *result, size_t scenario);
/** True if the class half matches every tag (NULL: no tags). */
bool fg_result_class_matches(const struct fg_registry *registry, size_t class_index, bool expected,
			     const struct fg_tags *tags);

#endif
