/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles that a target serves itself (Go's /debug/pprof/…): any pprof, kept as it came, whatever
 * its sample types. Here is what must be known of them: what they hold in sum, and how much of it
 * belongs to a window.
 *
 * Columns that only ever grow (alloc_objects, alloc_space, contentions, delay, samples and cpu of a
 * profile since the start) are told from those that say how it is now (inuse_*, goroutine) by
 * name: pprof has no field for it.
 */
#ifndef FG_PROFILE_SCRAPED_H
#define FG_PROFILE_SCRAPED_H

#include "gate/base/buf.h"

enum {
	FG_SCRAPED_BYTES_MAX = 16 << 20,    /* as served */
	FG_SCRAPED_INFLATED_MAX = 64 << 20, /* without gzip */
	FG_SCRAPED_MEMORY_MAX = 256 << 20,  /* of one profile while it is looked at */
	FG_SCRAPED_COLUMNS_MAX = 16
};

struct fg_scraped_column {
	char type[32], unit[32];
	bool cumulative;
	int64_t total;
};
struct fg_scraped_summary {
	struct fg_scraped_column columns[FG_SCRAPED_COLUMNS_MAX];
	size_t column_count;
	uint64_t samples;
	bool has_cumulative;
};

/** INVALID or LIMIT for what is no pprof profile; `bytes` may be gzip'd or plain. */
int fg_scraped_summarise(const void *bytes, size_t len, struct fg_scraped_summary *ret,
			 struct fg_err *err) FG_MUST_USE;
/** Appends (gzip'd) the profile `to` with what `from` had already counted taken off its cumulative
 *  columns, stack by stack and label by label; samples in which nothing is left go. INVALID when
 *  they do not have the same columns, or when a cumulative total fell: the target has restarted. */
int fg_scraped_delta(const void *from, size_t from_len, const void *to, size_t to_len,
		     struct fg_buf *out, struct fg_err *err) FG_MUST_USE;
/** Appends the same profile (gzip'd) with another time and duration; `ret_plain_bytes` is what it
 * has without gzip, by which servers count. */
int fg_scraped_stamp(const void *bytes, size_t len, uint64_t time_unix_ns, uint64_t duration_ns,
		     struct fg_buf *out, size_t *ret_plain_bytes, struct fg_err *err) FG_MUST_USE;

#endif
