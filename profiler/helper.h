/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helper's conversation with one client, from HELLO to DONE.
 */
#ifndef FG_PROFILER_HELPER_H
#define FG_PROFILER_HELPER_H

#include "gate/base/err.h"

enum { FG_HELPER_FREQUENCY_MAX = 9973 };

/** The largest prime at or below `frequency_hz` (at least 2, at most FG_HELPER_FREQUENCY_MAX):
 *  a rate without a common rhythm with timers. */
uint32_t fg_helper_prime(uint32_t frequency_hz);
/** Whether slice number `slice` samples: each pair 2k, 2k+1 has one that does, in random order that
 *  is the same in every run. */
bool fg_helper_slice_on(uint64_t slice);
/** Serves the stream `fd` (taken) until the client stops or is gone. An error was also sent to the
 *  client where that was still possible. */
int fg_helper_serve(int fd, struct fg_err *err) FG_MUST_USE;

#endif
