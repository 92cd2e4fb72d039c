/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/batch.h"

#include <stdlib.h>
#include <string.h>

#include "profiler/wire.pb-c.h"

struct fg_batch {
	size_t count, frame_count;
	uint64_t time_ns[FG_BATCH_SAMPLES], value[FG_BATCH_SAMPLES];
	uint32_t tgid[FG_BATCH_SAMPLES], tid[FG_BATCH_SAMPLES], result[FG_BATCH_SAMPLES];
	uint32_t guessed[FG_BATCH_SAMPLES], type[FG_BATCH_SAMPLES], request[FG_BATCH_SAMPLES];
	uint32_t kernel_count[FG_BATCH_SAMPLES], user_count[FG_BATCH_SAMPLES];
	uint32_t script_count[FG_BATCH_SAMPLES];
	uint64_t frames[FG_BATCH_FRAMES];
	struct fg_kernel_names kernel;
};

int fg_batch_new(struct fg_batch **ret, struct fg_err *err)
{
	struct fg_batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		return fg_err_nomem(err);
	*ret = batch;
	return 0;
}

void fg_batch_free(struct fg_batch *batch)
{
	free(batch);
}

void fg_batch_set_kernel(struct fg_batch *batch, const struct fg_kernel_names *names)
{
	batch->kernel = *names;
}

bool fg_batch_add(struct fg_batch *batch, const struct fg_bpf_sample *sample,
		  const uint64_t *script, size_t script_count)
{
	size_t i = batch->count++;
	size_t frames = (size_t)sample->kernel_count + sample->user_count;

	batch->time_ns[i] = sample->time_ns;
	batch->value[i] = sample->value;
	batch->tgid[i] = sample->tgid;
	batch->tid[i] = sample->tid;
	batch->result[i] = sample->result;
	batch->guessed[i] = sample->guessed;
	batch->type[i] = sample->type;
	batch->request[i] = sample->request;
	batch->kernel_count[i] = sample->kernel_count;
	batch->user_count[i] = sample->user_count;
	batch->script_count[i] = (uint32_t)script_count;
	memcpy(batch->frames + batch->frame_count, sample->frames, frames * sizeof(uint64_t));
	for (size_t k = 0; k < sample->kernel_count; k++) {
		uint64_t *frame = &batch->frames[batch->frame_count + k];

		*frame = fg_kernel_names_address(&batch->kernel, *frame);
	}
	batch->frame_count += frames;
	if (script_count)
		memcpy(batch->frames + batch->frame_count, script, script_count * sizeof(*script));
	batch->frame_count += script_count;
	return batch->count == FG_BATCH_SAMPLES ||
	       batch->frame_count + FG_SAMPLE_FRAMES > FG_BATCH_FRAMES;
}

int fg_batch_send(struct fg_batch *batch, struct fg_wire *wire, struct fg_err *err)
{
	Fg__Wire__Samples message;

	if (!batch->count)
		return 0;
	fg__wire__samples__init(&message);
	message.n_time_ns = batch->count;
	message.time_ns = batch->time_ns;
	message.n_value = batch->count;
	message.value = batch->value;
	message.n_tgid = batch->count;
	message.tgid = batch->tgid;
	message.n_tid = batch->count;
	message.tid = batch->tid;
	message.n_result = batch->count;
	message.result = batch->result;
	message.n_guessed = batch->count;
	message.guessed = batch->guessed;
	message.n_type = batch->count;
	message.type = batch->type;
	message.n_request = batch->count;
	message.request = batch->request;
	message.n_kernel_count = batch->count;
	message.kernel_count = batch->kernel_count;
	message.n_user_count = batch->count;
	message.user_count = batch->user_count;
	message.n_script_count = batch->count;
	message.script_count = batch->script_count;
	message.n_frames = batch->frame_count;
	message.frames = batch->frames;
	batch->count = 0;
	batch->frame_count = 0;
	return fg_wire_send(wire, FG_WIRE_SAMPLES, &message.base, -1, err);
}
