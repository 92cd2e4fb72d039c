/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking the fields of one protobuf message, so that a profile of any size is unpacked one part at
 * a time. Knows nothing of what the fields mean; for pprof_*.c only.
 */
#ifndef FG_PROFILE_PPROF_WIRE_H
#define FG_PROFILE_PPROF_WIRE_H

#include "gate/base/err.h"

struct fg_pprof_wire_field {
	uint64_t number;
	unsigned wire;        /* enum fg_pprof_wire */
	uint64_t value;       /* of a varint or fixed field */
	const uint8_t *bytes; /* of a length-delimited field; inside the input */
	size_t len;
};

struct fg_wire {
	const uint8_t *bytes;
	size_t len;
	size_t at;
};

/** 1 with the next field in *ret, 0 at the end, or a negative error code. */
int fg_pprof_wire_next(struct fg_wire *wire, struct fg_pprof_wire_field *ret,
		       struct fg_err *err) FG_MUST_USE;

#endif
