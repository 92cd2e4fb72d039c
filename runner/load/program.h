/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scenario's steps made ready to run: class and check indices looked up, URLs made absolute,
 * everything that does not change rendered once.
 *
 * Read-only while running; each worker has its own copy only because it builds it itself. Knows no
 * engine and no clock.
 */
#ifndef FG_LOAD_PROGRAM_H
#define FG_LOAD_PROGRAM_H

#include "runner/load/engine.h"
#include "runner/scenario/scenario.h"

enum {
	FG_PROGRAM_URL_MAX = 64 << 10,
	FG_PROGRAM_HEADERS_MAX = 256 << 10, /* bytes of one request's header lines */
	FG_PROGRAM_BODY_MAX = 64 << 20,
};

struct fg_program_step {
	const struct fg_step *step;
	uint32_t class_index;
	uint32_t *check_indices; /* one per check of the step */
	bool constant;           /* the rendered request never changes */
	char *url_prefix; /* target URL without trailing slash (and "/" if the path has none) */
	/* Rendered once if constant. */
	struct fg_buf url, body, header_text;
	const char **headers;
};

struct fg_program {
	const struct fg_scenario *scenario;
	uint32_t scenario_index;
	struct fg_program_step *steps;
	size_t step_count;
	size_t headers_max;   /* most header lines of any step */
	uint32_t first_class; /* class of the first request: where dropped iterations are entered */
	bool has_request;
	enum fg_connection connection; /* of the first request; what a VU does after an iteration */
};

/* A VU's memory for requests that change. */
struct fg_program_scratch {
	struct fg_buf url, body, header_text;
	const char **headers;
};

/* What templates may refer to. */
struct fg_program_ids {
	uint64_t vu, iteration, scenario_iteration;
};

int fg_program_new(const struct fg_scenario_file *file, size_t scenario_index,
		   const struct fg_registry *registry, const char *target_url,
		   struct fg_program **ret, struct fg_err *err) FG_MUST_USE;
void fg_program_free(struct fg_program *program);

int fg_program_scratch_init(struct fg_program_scratch *scratch, const struct fg_program *program,
			    struct fg_err *err) FG_MUST_USE;
void fg_program_scratch_done(struct fg_program_scratch *scratch);

/** Fills *ret (due_ns excepted) for an HTTP step; it points into program and scratch. */
int fg_program_request(const struct fg_program *program, size_t step,
		       const struct fg_program_ids *ids, struct fg_program_scratch *scratch,
		       struct fg_engine_request *ret, struct fg_err *err) FG_MUST_USE;

#endif
