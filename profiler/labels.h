/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helper's side of request classes: offers the map to the client, counts what it costs, and
 * switches it off when that is too much. Knows no libbpf (session_label.h does).
 */
#ifndef FG_PROFILER_LABELS_H
#define FG_PROFILER_LABELS_H

#include "profiler/session_label.h"
#include "profiler/wire.h"

struct fg_labels {
	struct fg_session_label *kernel; /* NULL: none */
	struct fg_wire *wire;
	bool off; /* switched off since */
	/* At the start of the window that is judged. */
	uint64_t window_ns, window_cost_ns, window_target_ns;
};

enum { FG_LABELS_COST_PERCENT_MAX = 2 };

/** Answers START: LABELS with the map's descriptor, or with why there are none (no error). */
int fg_labels_begin(struct fg_labels *labels, struct fg_session *session, struct fg_wire *wire,
		    struct fg_err *err) FG_MUST_USE;
void fg_labels_done(struct fg_labels *labels);
/** What it cost so far; zeroes when there are none. */
int fg_labels_cost(struct fg_labels *labels, uint64_t *ret_receives, uint64_t *ret_cost_ns,
		   struct fg_err *err) FG_MUST_USE;
/** Judges a window of at least two seconds: detaches when the program took more than 2 % of the
 *  targets' CPU, and tells the client. */
int fg_labels_watch(struct fg_labels *labels, uint64_t now_ns, uint64_t cost_ns,
		    uint64_t target_cpu_ns, struct fg_err *err) FG_MUST_USE;
/** True if a window's cost is beyond the limit; windows of an idle target say nothing. */
bool fg_labels_too_dear(uint64_t cost_ns, uint64_t target_cpu_ns);

#endif
