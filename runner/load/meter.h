/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where one worker counts: the slice of the current second, changed at each second's end.
 *
 * Promises: what ended in second s is in slice s, unless it is entered after that slice was handed
 * over (then in the next); no allocation per request. Gets the time as an argument.
 */
#ifndef FG_LOAD_METER_H
#define FG_LOAD_METER_H

#include "gate/measure/slice.h"

struct fg_meter {
	struct fg_slice *slice;
	uint64_t start_ns;      /* of the run */
	uint64_t second_end_ns; /* of the current slice */
	uint64_t last_end_ns;   /* when the latest request or iteration ended */
	uint64_t lost;          /* values that found no memory */
	/** Takes the full slice and returns an empty one; NULL: keep on filling this one. */
	struct fg_slice *(*swap)(void *context, struct fg_slice *full);
	void *context;
};

void fg_meter_start(struct fg_meter *meter, uint64_t start_ns);
/** Hands the current slice over if its second is past. */
void fg_meter_turn(struct fg_meter *meter, uint64_t now_ns);
void fg_meter_request(struct fg_meter *meter, const struct fg_request_record *record,
		      uint64_t end_ns);
/** A request that waited and was never sent: no request, but lower bounds of its times. */
void fg_meter_unsent(struct fg_meter *meter, uint32_t class_index, uint64_t waited_ns,
		     uint64_t now_ns);
/** The counters of a scenario in the second of `now_ns`. */
struct fg_scenario_slice *fg_meter_scenario(struct fg_meter *meter, uint32_t scenario,
					    uint64_t now_ns);
/** Records into a histogram of the current slice. */
void fg_meter_time(struct fg_meter *meter, struct fg_hist *hist, uint64_t value_ns);
void fg_meter_check(struct fg_meter *meter, uint32_t check, bool passed);
void fg_meter_group(struct fg_meter *meter, uint32_t group, uint64_t duration_ns, uint64_t now_ns);
/** A sample of a custom metric. INVALID: not a finite number. */
int fg_meter_custom(struct fg_meter *meter, uint32_t custom, double value, uint64_t now_ns,
		    struct fg_err *err) FG_MUST_USE;

#endif
