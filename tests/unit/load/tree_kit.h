/* SPDX-License-Identifier: Apache-2.0 */
/* One VU of a scenario written in YAML, on an engine that answers only when told. */
#ifndef FG_TESTS_TREE_KIT_H
#define FG_TESTS_TREE_KIT_H

#include "runner/load/vu.h"

enum { TREE_SLOTS_MAX = 8 };

struct tree_request { /* what an engine slot was asked */
	bool running;
	uint64_t due_ns;
	char method[16], url[256], headers[1024], body[512], cookie[256];
	bool has_cookie, want_body, constant;
	void (*on_done)(void *context, const struct fg_engine_response *response);
	void *context;
};

struct fg_engine_vu {
	struct tree_request slots[TREE_SLOTS_MAX];
	unsigned width, starts, resets;
	bool refuse;
};

struct tree {
	struct fg_scenario_file *file;
	uv_loop_t loop;
	struct fg_pacer pacer;
	struct fg_meter meter;
	struct fg_registry registry;
	struct fg_vu_env env;
	struct fg_program *program;
	struct fg_vu *vu;
	struct fg_engine_vu engine;
	unsigned idle;    /* how often the VU became idle */
	char lines[4096]; /* of log and reasons, each ended by '|' */
	uint64_t now_ns;
};

/** `text`: a whole scenario file; its first scenario is what runs. */
void tree_open(struct tree *tree, const char *text);
void tree_close(struct tree *tree);
/** Begins an iteration and turns the loop until a request runs or the VU is idle. */
void tree_begin(struct tree *tree);
/** Turns the loop until a request runs or the VU is idle. */
void tree_settle(struct tree *tree);
struct tree_request *tree_slot(struct tree *tree, unsigned slot);
/** Answers slot 0 with 200 (or so), head lines ("A: b\r\n…") and a body, then settles. */
void tree_answer(struct tree *tree, uint16_t status, const char *head, const char *body);
void tree_respond(struct tree *tree, unsigned slot, const struct fg_engine_response *response);
/** Answers every request with 200 and `body` until the VU is idle; returns how many. */
unsigned tree_answer_all(struct tree *tree, const char *body);
const struct fg_scenario_slice *tree_counts(const struct tree *tree);
/** Requests of a class (both halves) by name; fails the test if there is none. */
uint64_t tree_requests(struct tree *tree, const char *name, const char *group);
struct fg_check_slice tree_check(const struct tree *tree, const char *name);
/** What was logged since the last call. */
const char *tree_lines(struct tree *tree);

#endif
