/* SPDX-License-Identifier: Apache-2.0 */
/* Short ways to build profiles in tests; every step asserts. */
#ifndef FG_TESTS_PROFILE_SAMPLE_H
#define FG_TESTS_PROFILE_SAMPLE_H

#include "tests/kit/kit.h"

#include "gate/profile/profile.h"

struct fg_profile *fg_sample_new(void);
uint32_t fg_sample_string(struct fg_profile *profile, const char *text);
uint32_t fg_sample_module(struct fg_profile *profile, const char *path);
/** A location with one line; `name` also is the system name. */
uint32_t fg_sample_location(struct fg_profile *profile, const char *path, const char *name,
			    uint64_t address, uint32_t flags);
/** `names`: function names leaf first, NULL-terminated, all in /bin/app except those that start
 *  with "k:", which are kernel functions. Addresses follow from the names. */
uint32_t fg_sample_stack(struct fg_profile *profile, enum fg_stack_result result,
			 const char *const *names);
void fg_sample_add(struct fg_profile *profile, uint32_t stack, const char *endpoint,
		   const char *phase, uint32_t second, uint64_t count);
/** Text of everything that samples say, sorted: for comparing two profiles. free() it. */
char *fg_sample_dump(const struct fg_profile *profile);

#endif
