/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's receive stamps on our clock.
 *
 * The kernel stamps arriving segments with CLOCK_REALTIME (SO_TIMESTAMPNS). Both clocks are slewed
 * together, so their distance changes only when somebody steps the wall clock; it is measured again
 * every 100 ms, and a stamp is believed only when it lies between the send and now. One per engine.
 */
#ifndef FG_LOAD_NATIVE_CLOCK_H
#define FG_LOAD_NATIVE_CLOCK_H

#include <sys/socket.h>
#include <time.h>

#include "gate/base/attr.h"

struct fg_native_clock {
	uint64_t offset_ns;          /* CLOCK_REALTIME − CLOCK_MONOTONIC, modulo 2^64 */
	uint64_t check_ns;           /* when to measure it again */
	uint64_t refused;            /* stamps that cannot be true */
	uint64_t steps;              /* times the wall clock was moved */
	uint64_t (*monotonic)(void); /* tests pretend */
	uint64_t (*realtime)(void);
};

enum { FG_NATIVE_STAMP_ROOM = CMSG_SPACE(sizeof(struct timespec)) };

void fg_native_clock_init(struct fg_native_clock *clock);
/** Asks for stamps; false: this socket gives none. */
bool fg_native_clock_watch(int fd);
/** The stamp in a received message, CLOCK_REALTIME ns; 0: none. */
uint64_t fg_native_clock_stamp(struct msghdr *message);
/** The stamp on CLOCK_MONOTONIC; 0 (and counted) if it is not within [send_ns, now_ns]. */
uint64_t fg_native_clock_translate(struct fg_native_clock *clock, uint64_t stamp_ns,
				   uint64_t send_ns, uint64_t now_ns);

/** Whether TCP sockets of this machine give stamps: tried once on loopback. */
bool fg_engine_native_has_kernel_clock(void);

#endif
