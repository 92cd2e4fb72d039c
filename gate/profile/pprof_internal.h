/* SPDX-License-Identifier: Apache-2.0 */
/* What the pprof writer and reader must agree on; for pprof_*.c only. */
#ifndef FG_PROFILE_PPROF_INTERNAL_H
#define FG_PROFILE_PPROF_INTERNAL_H

#include "gate/profile/pprof.h"

/* Field numbers of the top-level message, which both sides walk themselves. */
enum fg_pprof_field {
	FG_PPROF_SAMPLE_TYPE = 1,
	FG_PPROF_SAMPLE = 2,
	FG_PPROF_MAPPING = 3,
	FG_PPROF_LOCATION = 4,
	FG_PPROF_FUNCTION = 5,
	FG_PPROF_STRING = 6,
	FG_PPROF_TIME_NANOS = 9,
	FG_PPROF_DURATION_NANOS = 10,
	FG_PPROF_PERIOD_TYPE = 11,
	FG_PPROF_PERIOD = 12,
	FG_PPROF_DEFAULT_SAMPLE_TYPE = 14,
};

enum fg_pprof_wire { FG_WIRE_VARINT = 0, FG_WIRE_64 = 1, FG_WIRE_BYTES = 2, FG_WIRE_32 = 5 };

#define FG_PPROF_LABEL_ENDPOINT "endpoint"
#define FG_PPROF_LABEL_PHASE    "phase"
#define FG_PPROF_LABEL_SIDE     "side"
#define FG_PPROF_LABEL_LATENCY  "latency"
#define FG_PPROF_LABEL_STACK    "stack"
#define FG_PPROF_LABEL_T_MS     "t_ms"

#define FG_PPROF_NAME_UNKNOWN   "[unknown]"
#define FG_PPROF_NAME_TRUNCATED "[truncated]"

/* How a type is spelled. */
struct fg_pprof_type_words {
	const char *type; /* of the value, and default */
	bool counts;      /* unit count; else nanoseconds */
	bool has_period_type;
};
const struct fg_pprof_type_words *fg_pprof_type_words(enum fg_profile_type type);
/** The type that a sample type's name stands for, or -1. */
int fg_pprof_type_of(const char *name);

/** The flags (enum fg_location_flags) that a location has by its mapping's file and the name of
 *  its physical function; see pprof.h. */
uint32_t fg_pprof_implied_flags(const char *module_path, const char *module_name,
				const char *function_name);

/** Appends what fits completely, or nothing. */
int fg_pprof_append(const void *bytes, size_t len, struct fg_buf *out,
		    struct fg_err *err) FG_MUST_USE;

#endif
