/* SPDX-License-Identifier: Apache-2.0 */
/* A made-up run for the tests of results and bundles; deterministic. */
#ifndef FG_TESTS_SAMPLE_RUN_H
#define FG_TESTS_SAMPLE_RUN_H

#include "gate/measure/result.h"
#include "gate/measure/series.h"

struct fg_sample_run {
	uint32_t classes; /* in scenario 0; scenario 1 ("late", startTime 1 s) has one */
	uint32_t seconds;
	uint32_t requests_per_second; /* per class */
	uint32_t workers;
	uint32_t warmup_seconds; /* of scenario 0 */
	bool no_customs;
	bool filled; /* also everything that is not counted by workers */
};

uint64_t fg_sample_random(uint64_t *state);
/** Log-normal around `median_ns`. */
uint64_t fg_sample_latency_ns(uint64_t *state, double median_ns, double sigma);
void fg_sample_registry(struct fg_registry *registry, const struct fg_sample_run *run);
/** Fails the test on any error; free with fg_result_free(). */
struct fg_result *fg_sample_result(const struct fg_sample_run *run);

/* The series in memory; texts are copies. */
struct fg_sample_rows {
	struct fg_series_row *items;
	size_t count, capacity;
};
void fg_sample_rows_load(struct fg_sample_rows *rows, const struct fg_result *result);
void fg_sample_rows_done(struct fg_sample_rows *rows);
const struct fg_series_row *fg_sample_rows_find(const struct fg_sample_rows *rows, uint32_t second,
						uint32_t class_index, bool expected);

/** Fails unless every field is the same. */
void fg_sample_same_profile_info(const struct fg_profile_info *a, const struct fg_profile_info *b);

#endif
