/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pprof in and out (gzip'd profile.proto), lossless for our model where pprof can hold it.
 *
 * Writing follows `pprof.md`'s rules as all readers share them: string 0 empty, dense ids from 1,
 * leaf first, sample types samples/count then cpu/nanoseconds, period type cpu/nanoseconds, string
 * labels endpoint, phase, side, and the numeric label t_ms (unit milliseconds). Flags of a location
 * and the stack result travel as string labels "stack" (result name) and function name markers are
 * not used. Reading accepts any valid pprof with a cpu (or the last) sample type.
 */
#ifndef FG_PROFILE_PPROF_H
#define FG_PROFILE_PPROF_H

#include "gate/base/buf.h"
#include "gate/profile/profile.h"

struct fg_pprof_options {
	bool gzip;
	bool labels;           /* false: aggregate over endpoint, phase, side and second */
	const char *phase;     /* NULL: all; else only samples of that phase */
	uint32_t second_from;  /* inclusive */
	uint32_t second_to;    /* exclusive; 0 = no limit */
	uint64_t time_unix_ns; /* 0: the profile's own */
};

int fg_pprof_encode(const struct fg_profile *profile, const struct fg_pprof_options *options,
		    struct fg_buf *out, struct fg_err *err) FG_MUST_USE;
int fg_pprof_decode(const void *bytes, size_t len, struct fg_profile **ret,
		    struct fg_err *err) FG_MUST_USE;

#endif
