/* SPDX-License-Identifier: Apache-2.0 */
/* Samples on their way to the client: columns of one SAMPLES message. */
#ifndef FG_PROFILER_BATCH_H
#define FG_PROFILER_BATCH_H

#include "profiler/bpf/shared.h"
#include "profiler/kernel_names.h"
#include "profiler/wire.h"

enum {
	FG_BATCH_SAMPLES = 4096,
	FG_BATCH_FRAMES = 64 * 1024,          /* 512 KiB per message */
	FG_BATCH_PENDING_BYTES_MAX = 4 << 20, /* queued for a slow client before we stop reading */
};

struct fg_batch;

int fg_batch_new(struct fg_batch **ret, struct fg_err *err) FG_MUST_USE;
void fg_batch_free(struct fg_batch *batch);
/** How the client may see kernel addresses; as they are until then. */
void fg_batch_set_kernel(struct fg_batch *batch, const struct fg_kernel_names *names);
/** Adds a sample whose counts were checked, with `script_count` (at most the sample's) resolved
 *  frames of an interpreter; true when the batch is full and must be sent. */
bool fg_batch_add(struct fg_batch *batch, const struct fg_bpf_sample *sample,
		  const uint64_t *script, size_t script_count);
/** Sends what there is and empties it. */
int fg_batch_send(struct fg_batch *batch, struct fg_wire *wire, struct fg_err *err) FG_MUST_USE;

#endif
