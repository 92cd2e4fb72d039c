/* SPDX-License-Identifier: Apache-2.0 */
/* Small bundles with profiles for the tests of top and flame. */
#ifndef FG_TESTS_REPORT_FLAME_SAMPLE_H
#define FG_TESTS_REPORT_FLAME_SAMPLE_H

#include "gate/measure/bundle.h"
#include "tests/unit/profile/sample.h"

/** A recording of 10 s with every kind of frame: 100 samples in "measure" (60 of them of class
 *  "GET /", 10 of "POST /"), 10 in "warmup". Free with fg_bundle_done(). */
struct fg_bundle fg_flame_sample(void);
/** The same program with other costs: leaf_function has 10 samples more, other_function 10 less. */
struct fg_bundle fg_flame_sample_changed(void);
/** Function names that want to be markup, terminal escapes, or the whole file. */
struct fg_bundle fg_flame_sample_hostile(void);
/** `stacks` stacks of `depth` frames that share little. */
struct fg_bundle fg_flame_sample_big(unsigned stacks, unsigned depth);
/** Adds samples to a profile: names leaf first, "k:" kernel, "j:" JIT, "s:" script, "u:" unnamed,
 *  "p:" placeholder, "i:" inlined into the next. */
void fg_flame_sample_add(struct fg_bundle *bundle, const char *const *names, const char *endpoint,
			 const char *phase, uint32_t second, uint64_t count);

#endif
