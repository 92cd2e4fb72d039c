/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One virtual user of one engine on a loop, for the engine suite.
 *
 * Every test of the suite runs on every engine of engine_rig_all. A test of what only some engines
 * can asks rig_refused() first, which fails unless that engine refuses exactly this: nothing is
 * skipped.
 */
#ifndef FG_TESTS_ENGINE_RIG_H
#define FG_TESTS_ENGINE_RIG_H

#include <stdatomic.h>

#include "runner/load/engine.h"

enum { RIG_SLOTS_MAX = 16 };

extern const struct fg_engine_ops *const engine_rig_all[];
extern const size_t engine_rig_count;

struct rig {
	uv_loop_t loop;
	const struct fg_engine_ops *ops;
	struct fg_engine *engine;
	struct fg_engine_vu *vu;
	struct fg_http_options http; /* defaults; change before a request */
	const char *what;            /* for messages; NULL: nothing */
};

/* A copy of a response; free with rig_forget(). */
struct rig_reply {
	struct rig *rig;
	unsigned done; /* how often on_done came */
	bool failed_to_start;
	struct fg_engine_response response; /* its head and body are ours */
	uint64_t start_ns;
};

void rig_open(struct rig *rig, const struct fg_engine_ops *ops, unsigned slots);
void rig_open_labelled(struct rig *rig, const struct fg_engine_ops *ops, unsigned slots,
		       const struct fg_load_labels *labels);
void rig_close(struct rig *rig);
/** A request of `http`: method and URL, nothing else. */
struct fg_engine_request rig_request(struct rig *rig, const char *method, const char *url);
void rig_start(struct rig *rig, unsigned slot, const struct fg_engine_request *request,
	       struct rig_reply *reply);
/** Runs the loop until the reply is there; fails the test after 20 s. */
void rig_wait(struct rig *rig, struct rig_reply *reply);
/** Runs the loop until *flag is at least `value`. */
void rig_until(struct rig *rig, const atomic_uint *flag, unsigned value);
/** Start and wait. */
void rig_run(struct rig *rig, const struct fg_engine_request *request, struct rig_reply *reply);
void rig_get(struct rig *rig, const char *url, struct rig_reply *reply);
void rig_forget(struct rig_reply *reply);
/** What must hold of every response: phases add up, a failure has a text … */
void rig_check(const struct rig_reply *reply);
/** For what only curl can: true on an engine that refuses it, as it must; false on curl, which must
 *  not. */
bool rig_refused(const struct fg_engine_ops *ops, const struct fg_http_options *http,
		 const char *url);

#endif
