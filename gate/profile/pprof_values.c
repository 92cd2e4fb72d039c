/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/profile/pprof_values.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/vec.h"
#include "gate/profile/pprof_internal.h"

void fg_pprof_values_done(struct fg_pprof_values *values)
{
	free(values->pending);
	values->pending = NULL;
}

int fg_pprof_values_add_type(struct fg_pprof_values *values, const struct fg_pprof_type *type,
			     bool period, struct fg_err *err)
{
	if (period) {
		values->period_type = *type;
		return 0;
	}
	if (values->type_count == FG_PPROF_TYPES_MAX)
		return fg_err_set(err, FG_E_LIMIT, "profile: more than %d sample types",
				  FG_PPROF_TYPES_MAX);
	values->types[values->type_count++] = *type;
	return 0;
}

static uint64_t unit_ns(const char *unit)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{"nanoseconds", 1},
		{"microseconds", FG_NS_PER_US},
		{"milliseconds", FG_NS_PER_MS},
		{"seconds", FG_NS_PER_S},
	};

	for (size_t i = 0; i < FG_ARRAY_LEN(units); i++) {
		if (strcmp(unit, units[i].name) == 0)
			return units[i].ns;
	}
	return 0;
}

static int find_type(const struct fg_pprof_values *values, const char *name)
{
	for (size_t i = 0; i < values->type_count; i++) {
		if (strcmp(values->types[i].type_text, name) == 0)
			return (int)i;
	}
	return -1;
}

/* The type of the weights, and what the file states as its period. */
static void choose_type(struct fg_pprof_values *values)
{
	const struct fg_pprof_type *period = &values->period_type;
	int column = values->weight_column < 0 ? values->count_column : values->weight_column;
	int type = fg_pprof_type_of(values->types[column].type_text);
	uint64_t unit = unit_ns(period->unit_text);

	values->type = type < 0 ? FG_PROFILE_CPU : (enum fg_profile_type)type;
	const struct fg_pprof_type_words *words = fg_pprof_type_words(values->type);
	bool stated = strcmp(period->type_text, words->has_period_type ? words->type : "") == 0;

	/* Without a period type it is in the values' own unit. */
	if (!words->has_period_type)
		unit = values->weight_unit_ns;
	if (!stated || values->period <= 0 ||
	    __builtin_mul_overflow((uint64_t)values->period, unit, &values->period_ns))
		values->period_ns = 0;
}

int fg_pprof_values_choose(struct fg_pprof_values *values, struct fg_err *err)
{
	if (!values->type_count)
		return fg_err_set(err, FG_E_INVALID, "profile: no sample types");
	values->count_column = find_type(values, "samples");
	values->weight_column = find_type(values, "cpu");
	if (values->weight_column < 0)
		values->weight_column = find_type(values, values->default_text);
	if (values->weight_column < 0)
		values->weight_column = (int)values->type_count - 1;
	values->weight_unit_ns = unit_ns(values->types[values->weight_column].unit_text);
	if (values->weight_column == values->count_column || !values->weight_unit_ns) {
		/* No time at all: what the column counts is the sample. */
		values->count_column = values->weight_column;
		values->weight_column = -1;
	}
	choose_type(values);
	return 0;
}

static int column(const struct fg_pprof_values *values, int index, const int64_t *row,
		  uint64_t *ret, struct fg_err *err)
{
	*ret = 0;
	if (index < 0)
		return 0;
	if (row[index] < 0)
		return fg_err_set(err, FG_E_INVALID,
				  "profile: negative value %" PRId64
				  " (a difference of profiles cannot be judged)",
				  row[index]);
	*ret = (uint64_t)row[index];
	if (index == values->weight_column &&
	    __builtin_mul_overflow(*ret, values->weight_unit_ns, ret))
		return fg_err_set(err, FG_E_LIMIT, "profile: a value overflows");
	return 0;
}

int fg_pprof_values_add(struct fg_pprof_values *values, const struct fg_psample *sample,
			const int64_t *row, size_t count, struct fg_err *err)
{
	if (count != values->type_count)
		return fg_err_set(
			err, FG_E_INVALID,
			"profile: a sample has %zu values, but there are %zu sample types", count,
			values->type_count);
	struct fg_pprof_pending got = {.sample = *sample};
	int rc = column(values, values->count_column, row, &got.sample.count, err);

	if (!rc)
		rc = column(values, values->weight_column, row, &got.weight, err);
	if (rc || (!got.sample.count && !got.weight))
		return rc;
	rc = FG_VEC_ROOM(values, pending, pending_count, pending_capacity, FG_PROFILE_ITEMS_MAX,
			 err);
	if (rc)
		return rc;
	values->pending[values->pending_count++] = got;
	return 0;
}

/* The constant by which weights exceed counts in every sample; 0 if there is none. */
static uint64_t constant_ratio(const struct fg_pprof_values *values)
{
	uint64_t ratio = 0;

	for (size_t i = 0; i < values->pending_count; i++) {
		const struct fg_pprof_pending *p = &values->pending[i];
		uint64_t expected;

		if (!ratio && p->sample.count)
			ratio = p->weight / p->sample.count;
		if (__builtin_mul_overflow(ratio, p->sample.count, &expected) ||
		    expected != p->weight || !ratio)
			return 0;
	}
	return ratio;
}

/* The largest unit that divides every weight; the stated period where that does, too. */
static uint64_t common_unit(const struct fg_pprof_values *values)
{
	uint64_t unit = 0;

	for (size_t i = 0; i < values->pending_count; i++) {
		uint64_t a = values->pending[i].weight;

		while (a) {
			uint64_t rest = unit % a;

			unit = a;
			a = rest;
		}
	}
	if (values->period_ns && unit % values->period_ns == 0)
		return values->period_ns;
	return unit ? unit : 1;
}

int fg_pprof_values_finish(struct fg_pprof_values *values, struct fg_profile *profile,
			   struct fg_err *err)
{
	bool counted = values->weight_column < 0;
	uint64_t period_ns = counted ? values->period_ns : 0;

	if (!counted && values->count_column >= 0 && values->pending_count) {
		period_ns = constant_ratio(values);
		counted = period_ns != 0;
	}
	if (!counted)
		period_ns = common_unit(values);
	for (size_t i = 0; i < values->pending_count; i++) {
		struct fg_psample *sample = &values->pending[i].sample;

		if (!counted)
			sample->count = values->pending[i].weight / period_ns;
		int rc = sample->count ? fg_profile_sample(profile, sample, err) : 0;

		if (rc)
			return rc;
	}
	profile->type = values->type;
	profile->period_ns = period_ns ? period_ns : 1;
	return 0;
}
