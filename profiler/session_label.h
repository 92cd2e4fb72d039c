/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BPF object of request classes, beside the sampler's: session.h's rules hold (libbpf stays in
 * session_label.c). Its absence never keeps the sampler from working.
 */
#ifndef FG_PROFILER_SESSION_LABEL_H
#define FG_PROFILER_SESSION_LABEL_H

#include "profiler/session.h"

struct fg_session_label;

/** Loads and attaches. UNSUPPORTED: this kernel has no such tracepoint (before 6.3). `absent`: as
 *  if it had not, for tests. */
int fg_session_label_new(struct fg_session *session, bool absent, struct fg_session_label **ret,
			 struct fg_err *err) FG_MUST_USE;
void fg_session_label_free(struct fg_session_label *label);
/** Of the map that the generator writes to; stays the object's. */
int fg_session_label_map(const struct fg_session_label *label);
/** Sums over the CPUs. */
int fg_session_label_stats(struct fg_session_label *label, struct fg_bpf_label_stats *ret,
			   struct fg_err *err) FG_MUST_USE;
/** Detaches for good: samples carry no request from here on. */
void fg_session_label_detach(struct fg_session_label *label);
/** What the verifier made of it; false: the kernel does not tell. */
bool fg_session_label_program(const struct fg_session_label *label, struct fg_session_program *ret);

#endif
