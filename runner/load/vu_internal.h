/* SPDX-License-Identifier: Apache-2.0 */
/* Private to vu*.c: what the state machine, the instructions and the requests call of each other.
 */
#ifndef FG_LOAD_VU_INTERNAL_H
#define FG_LOAD_VU_INTERNAL_H

#include "runner/load/redirect.h"
#include "runner/load/vu.h"

struct fg_call {
	struct fg_vu *vu;
	const struct fg_program_request *request;
	struct fg_engine_request sent; /* of the hop under way */
	unsigned slot;
	unsigned hops;
	uint64_t due_ns;
	struct fg_program_scratch scratch;
	struct fg_buf cookie;
	struct fg_redirect *redirect; /* made when first needed */
};

/* vu.c */
void fg_vu_move(struct fg_vu *vu, enum fg_vu_event event);
/** Goes on until the VU has to wait or its iteration is over. */
void fg_vu_run(struct fg_vu *vu, uint64_t now_ns);
void fg_vu_think_until(struct fg_vu *vu, uint64_t due_ns);
/** All calls have ended: next step, or the end of an iteration that was cut. */
void fg_vu_calls_ended(struct fg_vu *vu);
/** The iteration ends early; `err` says why. */
void fg_vu_fail(struct fg_vu *vu, const struct fg_step *step, const struct fg_err *err);
struct fg_scenario_slice *fg_vu_counters(struct fg_vu *vu, uint64_t now_ns);
/** Clears the arena and describes the VU for expressions. */
void fg_vu_expr_env(struct fg_vu *vu, struct fg_expr_env *ret);
void fg_vu_close_frames(struct fg_vu *vu, uint64_t now_ns, bool count_groups);

/* vu_op.c: runs one instruction and moves pc. */
void fg_vu_step(struct fg_vu *vu, const struct fg_op *op, uint64_t now_ns);

/* vu_call.c */
int fg_vu_calls_init(struct fg_vu *vu, struct fg_err *err) FG_MUST_USE;
void fg_vu_calls_done(struct fg_vu *vu);
/** Sends the requests of an instruction; the state becomes WAITING, or stays RUNNING when none
 *  could be sent. */
void fg_vu_send(struct fg_vu *vu, const struct fg_op *op, uint64_t now_ns);

#endif
