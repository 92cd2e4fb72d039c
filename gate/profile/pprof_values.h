/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From pprof's value columns to counts and one period; for pprof_*.c only.
 *
 * Columns are chosen when all sample types are known, values are collected while samples are read,
 * and the period is decided at the end, because only the values show whether a profile's period is
 * true (Pyroscope answers 1 s for every CPU profile).
 */
#ifndef FG_PROFILE_PPROF_VALUES_H
#define FG_PROFILE_PPROF_VALUES_H

#include "gate/profile/profile.h"

enum { FG_PPROF_TYPES_MAX = 64 };

struct fg_pprof_type {
	int64_t type, unit; /* string indexes of the file */
	const char *type_text, *unit_text;
};

struct fg_pprof_pending {
	struct fg_psample sample; /* count: of the count column */
	uint64_t weight;          /* of the weight column */
};

struct fg_pprof_values {
	struct fg_pprof_type types[FG_PPROF_TYPES_MAX];
	size_t type_count;
	struct fg_pprof_type period_type;
	int64_t period;
	int64_t default_type; /* string index of the file */
	const char *default_text;
	enum fg_profile_type type;
	/* chosen; -1: none */
	int count_column, weight_column;
	uint64_t weight_unit_ns; /* ns per unit of the weight column; 0: not a time */
	uint64_t period_ns;      /* as stated; 0: not of this type's time, or none */
	struct fg_pprof_pending *pending;
	size_t pending_count, pending_capacity;
};

void fg_pprof_values_done(struct fg_pprof_values *values);
int fg_pprof_values_add_type(struct fg_pprof_values *values, const struct fg_pprof_type *type,
			     bool period, struct fg_err *err) FG_MUST_USE;
/** Picks the columns once all texts are filled in. */
int fg_pprof_values_choose(struct fg_pprof_values *values, struct fg_err *err) FG_MUST_USE;
int fg_pprof_values_add(struct fg_pprof_values *values, const struct fg_psample *sample,
			const int64_t *row, size_t count, struct fg_err *err) FG_MUST_USE;
/** Decides the period and adds all samples to the profile. */
int fg_pprof_values_finish(struct fg_pprof_values *values, struct fg_profile *profile,
			   struct fg_err *err) FG_MUST_USE;

#endif
