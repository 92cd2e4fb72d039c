/* SPDX-License-Identifier: Apache-2.0 */
/* Private to runner/run: the state that travels through one run, and its steps in order. */
#ifndef FG_RUN_SESSION_H
#define FG_RUN_SESSION_H

#include "gate/report/report.h"
#include "profiler/client.h"
#include "runner/load/load.h"
#include "runner/run/place.h"
#include "runner/run/run.h"
#include "runner/scenario/scenario.h"
#include "runner/target/target.h"

struct fg_live;    /* live.c: what is drawn while it runs */
struct fg_push;    /* push.c: what is sent while it runs */
struct fg_scrapes; /* scrape.h: what is fetched while it runs */

enum { FG_SESSION_REQUEST_LOGS_MAX = 64 };

struct fg_session {
	const struct fg_run_options *options;
	const struct fg_run_io *io;
	struct fg_run *run;
	struct fg_report_style style; /* of the end text, from the options */
	bool text_to_note;            /* standard output belongs to an --out KIND=- */
	/* prepare.c */
	struct fg_scenario_file *file;
	char run_id[FG_RUN_ID_LEN + 1];
	struct fg_place_dirs dirs;
	struct fg_target_process *target; /* started by us, or NULL */
	char *target_url;
	char *target_label;
	uint32_t target_pid;     /* 0: unknown */
	char runtime_flags[256]; /* added to the target's environment */
	char target_end[128];    /* "killed by SIGSEGV", once it ended by itself */
	/* blocks.c */
	uint64_t seed;
	struct fg_slot *globals; /* what setup captured */
	const char *run_texts[FG_RUN_TEXT_COUNT];
	char target_port[8];
	/* observe.c */
	struct fg_profiler *profiler; /* or NULL */
	char profile_absent[768];     /* why there is none */
	struct fg_cputime *cputime;   /* or NULL */
	struct fg_cpu_series cpu;
	struct fg_rss_series rss;
	uint64_t cpu_total_ns; /* last reading */
	/* labels.c */
	struct fg_load_labels labels;
	struct fg_request_log *request_logs[FG_SESSION_REQUEST_LOGS_MAX]; /* of the workers */
	size_t request_log_count;
	/* scrape_session.c */
	struct fg_scrapes *scrapes; /* or NULL */
	/* push.c */
	struct fg_push *push; /* or NULL */
	/* live.c */
	struct fg_live *live;
	/* baseline.c */
	struct fg_bundle baseline;                 /* result NULL: none, or not looked for yet */
	char baseline_missing[FG_ERR_MESSAGE_MAX]; /* why there is none */
	uint64_t thresholds_checked_ns;
	/* --shard and --start-at, read */
	unsigned shard_index, shard_count;
	uint64_t start_unix_ns; /* 0: when ready */
	struct fg_vus_range vus;
};

/* Everything before load: each returns 0 or sets run->outcome and err. */
int fg_session_load_scenario(struct fg_session *s, struct fg_err *err) FG_MUST_USE;
int fg_session_prepare_target(struct fg_session *s, struct fg_err *err) FG_MUST_USE;
int fg_session_observe_start(struct fg_session *s, struct fg_err *err) FG_MUST_USE;
/** The scenario's setup, if it has one; sets the outcome when it fails or is interrupted. */
int fg_session_setup(struct fg_session *s, struct fg_err *err) FG_MUST_USE;
/** Its teardown; what goes wrong is noted and becomes the outcome. */
void fg_session_teardown(struct fg_session *s);
/* While it runs. */
void fg_session_on_line(void *context, const char *text, size_t len);
/** Which second of the run what was used since the last call belongs to: calls come at full seconds
 *  and once at the end, which may miss one by some milliseconds. */
uint32_t fg_session_second(uint64_t elapsed_ns);
void fg_session_observe_second(struct fg_session *s, uint32_t second);
void fg_session_on_profiler(void *context, struct fg_load *load);
void fg_session_on_target(void *context, struct fg_load *load);
int fg_live_new(struct fg_session *s, struct fg_live **ret, struct fg_err *err) FG_MUST_USE;
void fg_live_second(struct fg_live *live, struct fg_load *load, const struct fg_result *result,
		    uint64_t elapsed_ns);
void fg_live_clear(struct fg_live *live); /* removes the drawn block before results are printed */
void fg_live_free(struct fg_live *live);
int fg_session_scrape_start(struct fg_session *s, struct fg_err *err) FG_MUST_USE;
void fg_session_scrape_second(struct fg_session *s, const struct fg_result *live,
			      uint64_t elapsed_ns);
/** While the target still lives: fetches what is due at the end. */
void fg_session_scrape_end(struct fg_session *s);
/** Into the bundle. */
int fg_session_scrape_keep(struct fg_session *s, struct fg_err *err) FG_MUST_USE;
int fg_session_push_start(struct fg_session *s, struct fg_err *err) FG_MUST_USE;
void fg_session_push_second(struct fg_session *s, const struct fg_result *live,
			    uint64_t elapsed_ns);
/** Sends the final values and tells what became of it. */
void fg_session_push_finish(struct fg_session *s);
void fg_session_push_free(struct fg_push *push);
/** The end text's style from options and terminal; USAGE. */
int fg_session_read_style(struct fg_session *s, struct fg_err *err) FG_MUST_USE;
/* Afterwards. */
void fg_session_observe_stop(struct fg_session *s);
int fg_session_profile(struct fg_session *s, struct fg_err *err) FG_MUST_USE;
int fg_session_judge(struct fg_session *s, struct fg_err *err) FG_MUST_USE;
/** Puts run->outcome into the result, as word and exit code. */
int fg_session_set_outcome(struct fg_session *s, struct fg_err *err) FG_MUST_USE;
int fg_session_deliver(struct fg_session *s, struct fg_err *err) FG_MUST_USE;

/* labels.c: request classes on samples. */
/** `profile.labels: on` where there are none: a note, or an error where a profile is required. */
int fg_session_labels_check(struct fg_session *s, struct fg_err *err) FG_MUST_USE;
/** For the generator; NULL: none. Lives as long as the session. */
const struct fg_load_labels *fg_session_labels(struct fg_session *s);
void fg_session_take_requests(void *context, struct fg_request_log *requests);
void fg_session_labels_done(struct fg_session *s);
struct fg_endpoints { /* [label − 1]: the class's text */
	char **texts;
	size_t count;
};
int fg_session_endpoints(const struct fg_result *result, struct fg_endpoints *ret,
			 struct fg_err *err) FG_MUST_USE;
void fg_session_endpoints_done(struct fg_endpoints *endpoints);
/** The slow ones among the measured requests, and what is said of them; NULL: nobody logged. */
int fg_session_slow_requests(const struct fg_session *s, const struct fg_result *result,
			     struct fg_profile_slow *info, struct fg_request_index **ret,
			     struct fg_err *err) FG_MUST_USE;

/** Reads --baseline once. That there is none is no error. */
int fg_session_baseline(struct fg_session *s, struct fg_err *err) FG_MUST_USE;
/** The same before the run, when a threshold speaks of it; without --baseline nothing. */
int fg_session_threshold_baseline(struct fg_session *s, struct fg_err *err) FG_MUST_USE;
/** Where baseline:NAME is looked up: --baseline-dir, the scenario's, or NULL for the default. */
const char *fg_session_baseline_dir(const struct fg_session *s);

/* Text helpers over the io. */
void fg_session_note(const struct fg_session *s, const char *format, ...) FG_PRINTF(2, 3);
void fg_session_result(const struct fg_session *s, const struct fg_buf *text);
/** Raises run->outcome by precedence. */
void fg_session_outcome(struct fg_session *s, enum fg_outcome outcome);

#endif
