/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scenario's tree of steps made ready to run: a flat list of instructions with flows in their
 * places, class, check, group and metric indices looked up, URLs made absolute, everything that
 * does not change rendered once.
 *
 * Built by each worker for itself and read-only while running. Knows no clock; carries the engine
 * that its requests go through only because that is chosen per scenario.
 */
#ifndef FG_LOAD_PROGRAM_H
#define FG_LOAD_PROGRAM_H

#include "runner/load/engine.h"
#include "runner/load/url.h"
#include "runner/scenario/scenario.h"

enum {
	FG_PROGRAM_URL_MAX = 64 << 10,
	FG_PROGRAM_HEADERS_MAX = 256 << 10, /* bytes of one request's header lines */
	FG_PROGRAM_BODY_MAX = 64 << 20,
	FG_PROGRAM_CODE_MAX = 200000,
};

#define FG_INDEX_NONE UINT32_MAX /* of a class, group, check …: not counted */

/* Memory for a rendered request: of a constant one in the program, else of a VU's slot. */
struct fg_program_scratch {
	struct fg_buf url, body, header_text, auth_text;
	const char **headers;
	struct fg_engine_auth auth;
};

struct fg_program_request {
	const struct fg_step_http *http;
	const struct fg_step *step;
	uint32_t class_index;
	uint32_t *check_indices; /* one per check of the step; NULL when nothing is counted */
	bool constant;           /* the rendered request never changes */
	bool want_body;
	bool status_only;    /* no check, expectation or capture looks at more than the status */
	bool own_cookie;     /* the step has a Cookie header: the jar is not asked */
	bool maybe_absolute; /* the URL begins with an expression: what it is shows when rendered */
	bool add_encoding;   /* Accept-Encoding, because of `compression` */
	char *url_prefix;    /* target URL without trailing slash (and "/" if the path has none) */
	size_t header_count; /* lines to send */
	struct fg_program_scratch fixed; /* rendered once if constant */
};

enum fg_op_kind {
	FG_DO_REQUEST,     /* index: of the first request, count: of them, all at once */
	FG_DO_THINK,       /* step */
	FG_DO_JUMP,        /* to */
	FG_DO_UNLESS,      /* step (if): to, when it is false */
	FG_DO_CHOOSE,      /* step (choose): to one of targets[index …] */
	FG_DO_LOOP_BEGIN,  /* step (loop): opens a frame */
	FG_DO_LOOP_NEXT,   /* step (loop): closes the frame and goes to `to` after the last turn */
	FG_DO_GROUP_BEGIN, /* index: of the group */
	FG_DO_GROUP_END,
	FG_DO_ASSIGN, /* step (run): the flow's arguments */
	FG_DO_LOG,    /* step */
	FG_DO_FAIL,   /* step */
	FG_DO_METRIC, /* step, index: of the custom metric */
	FG_DO_END,
	FG_DO_COUNT
};

struct fg_op {
	enum fg_op_kind kind;
	uint32_t index, count, to;
	const struct fg_step *step;
};

struct fg_program {
	/* Which engine its requests go through; set by who owns the engine, before VUs are made. */
	const struct fg_engine_ops *ops;
	struct fg_engine *engine;
	const struct fg_scenario_file *file;
	const struct fg_scenario *scenario; /* NULL: a block (setup, teardown) */
	uint32_t scenario_index;
	struct fg_op *code; /* the iteration starts at 0 */
	size_t code_count, code_capacity;
	uint32_t init_start; /* where a VU's init starts; code_count: there is none */
	struct fg_program_request *requests;
	size_t request_count, request_capacity;
	uint32_t *targets; /* of choose */
	size_t target_count, target_capacity;
	unsigned width;      /* of the widest parallel, ≥ 1: slots of an engine VU */
	unsigned depth;      /* of loops and groups: frames of a VU */
	size_t headers_max;  /* most header lines of any request */
	uint64_t data_sets;  /* bit i: an expression looks at data set i */
	uint64_t data_alone; /* bit i: and no other scenario does */
	uint64_t first_vu;   /* VUs of the run before this scenario's */
	/* Of data set i: the VUs of all scenarios that look at it, and those of them before ours.
	 * fg_program_share_data()'s; 0 VUs: nobody said. */
	uint64_t data_vus[FG_DATA_SETS_MAX], data_first[FG_DATA_SETS_MAX];
	uint32_t first_class; /* class of the first request: where dropped iterations are entered */
	bool has_request;
	enum fg_connection connection; /* of the first request; what a VU does after an iteration */
};

int fg_program_new(const struct fg_scenario_file *file, size_t scenario_index,
		   const struct fg_registry *registry, const char *target_url,
		   struct fg_program **ret, struct fg_err *err) FG_MUST_USE;
/** Of setup or teardown: nothing in it is counted. */
int fg_program_new_block(const struct fg_scenario_file *file, const struct fg_steps *steps,
			 const char *target_url, struct fg_program **ret,
			 struct fg_err *err) FG_MUST_USE;
void fg_program_free(struct fg_program *program);
/** Counts, for the programs of a file's scenarios, who takes rows of which data set: VUs that never
 *  look at a set must not have rows of it set aside. */
void fg_program_share_data(struct fg_program *const *programs, size_t count);

int fg_program_scratch_init(struct fg_program_scratch *scratch, const struct fg_program *program,
			    struct fg_err *err) FG_MUST_USE;
void fg_program_scratch_done(struct fg_program_scratch *scratch);

/** Fills *ret (due_ns and cookie excepted); it points into request, scratch and the env's arena. */
int fg_program_render(const struct fg_program_request *request, const struct fg_expr_env *env,
		      struct fg_program_scratch *scratch, struct fg_engine_request *ret,
		      struct fg_err *err) FG_MUST_USE;

#endif
