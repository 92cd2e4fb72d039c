/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pprof in and out (gzip'd profile.proto), lossless for what samples of our model refer to.
 *
 * Writing keeps to what all readers share (reference/pyroscope.md §6): string 0 empty, dense ids
 * from 1, leaf first, the main binary as first mapping (the first module whose name is not in
 * brackets), sample types samples/count then cpu/nanoseconds with cpu as the default, period type
 * cpu/nanoseconds, string labels endpoint, phase, side, latency (only when not empty) and stack
 * (the result's name, only when not "complete"), and the numeric label t_ms (unit milliseconds).
 * Items that no written sample refers to are left out, samples of count 0 too. A mapping is widened
 * to hold its locations' addresses. That is a CPU profile; the other types have one value and are
 *
 *   offcpu  offcpu/nanoseconds   period 1000, no period type (Grafana Alloy's spelling)
 *   wall    wall/nanoseconds     period 1000 of wall/nanoseconds
 *   faults  page_faults/count    period 1, no period type
 *
 * pprof has no place for a location's flags. Most are implied by names that other tools pass on:
 * KERNEL by a mapping named "[kernel…", UNNAMED by a physical function named MODULE+0xHEX or
 * MODULE!0xHEX (MODULE = base name of the mapping's file), PLACEHOLDER by "[truncated]" or
 * "[unknown]". Where a location's flags are not exactly those, they travel in field 1000 of
 * Location, which other readers skip and other writers drop: then the implied ones hold.
 *
 * Reading accepts any valid pprof with a cpu sample type, or else takes the default or last one; a
 * profile without cpu is of the type whose sample type it has, or else taken for CPU.
 * Counts come from samples/count where cpu = count × a constant; otherwise the largest fitting unit
 * of the cpu values is the period, so that count × period is exact. Deeper stacks than the model
 * holds keep their leaf part and become FG_STACK_DEPTH; locations and functions without a name get
 * the names above. Negative values (diffs), dangling ids and wrong value counts are errors.
 */
#ifndef FG_PROFILE_PPROF_H
#define FG_PROFILE_PPROF_H

#include "gate/base/buf.h"
#include "gate/profile/profile.h"

struct fg_pprof_options {
	bool gzip;
	bool labels;           /* false: one sample per stack and no labels at all */
	const char *phase;     /* NULL: all; else only samples of that phase */
	uint32_t second_from;  /* inclusive */
	uint32_t second_to;    /* exclusive; 0 = no limit */
	uint64_t time_unix_ns; /* 0: the profile's own */
};

/** Appends to `out`; on failure its content is as before. */
int fg_pprof_encode(const struct fg_profile *profile, const struct fg_pprof_options *options,
		    struct fg_buf *out, struct fg_err *err) FG_MUST_USE;
/** `bytes` may be gzip'd or plain. The caller frees *ret with fg_profile_free(). */
int fg_pprof_decode(const void *bytes, size_t len, struct fg_profile **ret,
		    struct fg_err *err) FG_MUST_USE;

#endif
