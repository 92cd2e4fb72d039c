/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacking one part of a profile (a sample, a location …) with the generated code; for pprof_*.c
 * only. Bounds the part, and serves protobuf-c's many small allocations from one block.
 */
#ifndef FG_PROFILE_PPROF_UNPACK_H
#define FG_PROFILE_PPROF_UNPACK_H

#include <protobuf-c/protobuf-c.h>

#include "gate/profile/pprof_wire.h"

enum { FG_PPROF_PART_MAX_BYTES = 1 << 20 };

struct fg_pprof_unpacker {
	ProtobufCAllocator allocator;
	char *block;
	size_t used;
	const uint8_t *start; /* of the whole input, for messages */
};

int fg_pprof_unpacker_init(struct fg_pprof_unpacker *unpacker, const uint8_t *start,
			   struct fg_err *err) FG_MUST_USE;
void fg_pprof_unpacker_done(struct fg_pprof_unpacker *unpacker);
/** The message, or NULL with `err` set. At most one lives at a time. */
void *fg_pprof_unpack(struct fg_pprof_unpacker *unpacker, const struct fg_pprof_wire_field *field,
		      const ProtobufCMessageDescriptor *type, const char *what,
		      struct fg_err *err) FG_MUST_USE;
void fg_pprof_unpack_free(struct fg_pprof_unpacker *unpacker, void *message);

#endif
