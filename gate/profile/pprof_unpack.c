/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/profile/pprof_unpack.h"

#include <stdlib.h>

#include "gate/profile/pprof_internal.h"

enum { BLOCK_BYTES = 64 << 10, ALIGN_BYTES = 16 };

static void *block_alloc(void *data, size_t size)
{
	struct fg_pprof_unpacker *unpacker = data;
	size_t rounded = (size + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;

	if (rounded < size || rounded > BLOCK_BYTES - unpacker->used)
		return malloc(size);
	void *got = unpacker->block + unpacker->used;

	unpacker->used += rounded;
	return got;
}

static void block_free(void *data, void *pointer)
{
	const struct fg_pprof_unpacker *unpacker = data;
	uintptr_t at = (uintptr_t)pointer;
	uintptr_t start = (uintptr_t)unpacker->block;

	if (at < start || at >= start + BLOCK_BYTES)
		free(pointer);
}

int fg_pprof_unpacker_init(struct fg_pprof_unpacker *unpacker, const uint8_t *start,
			   struct fg_err *err)
{
	*unpacker = (struct fg_pprof_unpacker){
		.allocator = {block_alloc, block_free, unpacker},
		.block = malloc(BLOCK_BYTES),
		.start = start,
	};
	return unpacker->block ? 0 : fg_err_nomem(err);
}

void fg_pprof_unpacker_done(struct fg_pprof_unpacker *unpacker)
{
	free(unpacker->block);
	unpacker->block = NULL;
}

void *fg_pprof_unpack(struct fg_pprof_unpacker *unpacker, const struct fg_pprof_wire_field *field,
		      const ProtobufCMessageDescriptor *type, const char *what, struct fg_err *err)
{
	if (field->wire != FG_WIRE_BYTES) {
		fg_err_set(err, FG_E_INVALID, "not a pprof profile: %s is not a message", what);
		return NULL;
	}
	if (field->len > FG_PPROF_PART_MAX_BYTES) {
		fg_err_set(err, FG_E_LIMIT, "profile: a %s of %zu bytes (at most %d)", what,
			   field->len, FG_PPROF_PART_MAX_BYTES);
		return NULL;
	}
	unpacker->used = 0;
	void *message =
		protobuf_c_message_unpack(type, &unpacker->allocator, field->len, field->bytes);

	if (!message)
		fg_err_set(err, FG_E_INVALID, "not a pprof profile: damaged %s at byte %zu", what,
			   (size_t)(field->bytes - unpacker->start));
	return message;
}

void fg_pprof_unpack_free(struct fg_pprof_unpacker *unpacker, void *message)
{
	protobuf_c_message_free_unpacked(message, &unpacker->allocator);
}
