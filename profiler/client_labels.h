/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's side of request classes: the mapped words that the generator writes, and what became
 * of them. For the client alone.
 */
#ifndef FG_PROFILER_CLIENT_LABELS_H
#define FG_PROFILER_CLIENT_LABELS_H

#include "gate/measure/result.h"
#include "profiler/client.h"
#include "profiler/wire.h"

struct fg_client_labels {
	bool asked;
	bool answered;
	uint32_t *words; /* mapped; outlives the helper */
	uint64_t off_ns; /* > 0: switched off then */
	char problem[200];
};

/** START asks for them. */
void fg_client_labels_ask(struct fg_client_labels *labels, bool asked);
int fg_client_labels_take(struct fg_client_labels *labels, const struct fg_wire_message *message,
			  struct fg_wire *wire, struct fg_err *err) FG_MUST_USE;
void fg_client_labels_done(struct fg_client_labels *labels);
/** What the report says about them; `run_start_ns` monotonic. */
void fg_client_labels_describe(const struct fg_client_labels *labels, uint64_t run_start_ns,
			       struct fg_profile_info *info);

#endif
