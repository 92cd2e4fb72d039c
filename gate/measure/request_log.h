/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When each labelled request was under way, for finding the samples of the slow ones afterwards.
 *
 * One per worker, preallocated, no allocation per request. When it is full the fast ones make room:
 * per class a floor is set about where half of the entries lie below (from counts per duration,
 * exact to 5 %), entries below the floors are replaced as a hand goes round, and requests below
 * them are not taken any more. So every request at or above its class's floor is always there; only
 * the floor rises (a half, three quarters … of all requests below it), the same for the same input.
 */
#ifndef FG_MEASURE_REQUEST_LOG_H
#define FG_MEASURE_REQUEST_LOG_H

#include "gate/base/err.h"

enum {
	FG_REQUEST_LOG_CLASSES_MAX = 512, /* more: no log */
	FG_REQUEST_LOG_CAPACITY = 1 << 18,
};

struct fg_request_entry {
	uint64_t send_ns, end_ns; /* monotonic */
	uint16_t port;            /* of the generator's socket */
	uint16_t class_index;
};

struct fg_request_log;

int fg_request_log_new(size_t capacity, size_t classes, struct fg_request_log **ret,
		       struct fg_err *err) FG_MUST_USE;
void fg_request_log_free(struct fg_request_log *log);
void fg_request_log_add(struct fg_request_log *log, const struct fg_request_entry *entry);
/** Everything that is kept, in no order; valid until the next call on the log. */
size_t fg_request_log_entries(const struct fg_request_log *log,
			      const struct fg_request_entry **ret);
/** Requests of the class that lasted at least this long are all there; UINT64_MAX when even that
 *  cannot be said. */
uint64_t fg_request_log_floor_ns(const struct fg_request_log *log, size_t class_index);

/** The seconds since `start_ns` in which far more of the requests began than in the average one (at
 *  least ten, and three times as many), oldest first; when there are more than `max`, the fullest.
 *  Returns how many, or a negative error code. */
int fg_request_log_peaks(const struct fg_request_entry *entries, size_t count, uint64_t start_ns,
			 uint64_t seconds, uint32_t *out, size_t max,
			 struct fg_err *err) FG_MUST_USE;

/* Intervals of requests, to be asked for by port and time. */
struct fg_request_index;
int fg_request_index_new(const struct fg_request_entry *entries, size_t count,
			 struct fg_request_index **ret, struct fg_err *err) FG_MUST_USE;
void fg_request_index_free(struct fg_request_index *index);
/** Whether one of them was under way on this port then. */
bool fg_request_index_has(const struct fg_request_index *index, uint16_t port, uint64_t time_ns);

#endif
