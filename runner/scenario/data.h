/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data files: csv, tsv, json (a list of objects) and jsonl as tables of rows, and who gets which
 * row when.
 *
 * Read once, at load; immutable and shared by all threads afterwards. Dealing rows shares nothing
 * while running: which row a VU gets is a pure function of its place (worker, VU, how many it took
 * before) and, for the shared sequence, the global event or a stride of its own, so that two VUs
 * never get the same row of a `unique` set, also across shards.
 */
#ifndef FG_SCENARIO_DATA_H
#define FG_SCENARIO_DATA_H

#include "runner/scenario/value.h"

enum {
	FG_DATA_BYTES_MAX = 256 << 20,
	FG_DATA_ROWS_MAX = 10000000,
	FG_DATA_COLUMNS_MAX = 1024,
	FG_DATA_CELLS_MAX = 20000000, /* rows × columns; each takes 40 bytes of memory */
	FG_DATA_SETS_MAX = 64,
};

enum fg_data_order { FG_DATA_SEQUENCE, FG_DATA_RANDOM, FG_DATA_SHUFFLE, FG_DATA_UNIQUE };
enum fg_data_scope { FG_DATA_SCOPE_VU, FG_DATA_SCOPE_SHARED };
enum fg_data_end { FG_DATA_RECYCLE, FG_DATA_STOP, FG_DATA_FAIL };

/* Values of one row, by column; a missing one is FG_VALUE_NULL. csv and tsv give texts, JSON its
 * types. */
struct fg_data_row {
	const struct fg_value *values;
};

struct fg_data {
	char *name, *path;
	enum fg_data_order order;
	enum fg_data_scope scope;
	enum fg_data_end on_end;
	char **columns;
	size_t column_count;
	struct fg_data_row *rows;
	size_t row_count;
	void *storage;
};

/** Reads a file; its kind follows from the name's end: .csv (RFC 4180), .tsv (the same with tabs),
 *  .json (a list of objects), .jsonl or .ndjson (an object per line). Faults name file:line (err's
 *  place). An empty file, no header, no row, a row of the wrong width, a duplicate column, what is
 *  not UTF-8: INVALID. Lines without anything on them are passed over. Sets *ret whole: name is
 *  NULL, order, scope and on_end are the first of their kinds; the caller sets them. */
int fg_data_load(const char *path, struct fg_data *ret, struct fg_err *err) FG_MUST_USE;
/** The same from text, for tests and fuzzers; `path` names it. */
int fg_data_parse(const char *text, size_t len, const char *path, struct fg_data *ret,
		  struct fg_err *err) FG_MUST_USE;
void fg_data_done(struct fg_data *data);
/** Column index, or -1. */
int fg_data_column(const struct fg_data *data, const char *name, size_t len);

/* Where a VU is in one data set. A new row is taken when an iteration begins (once per VU for the
 * rows that init steps see: they belong to the first iteration). */
struct fg_data_cursor {
	uint64_t taken; /* rows this VU has taken */
};
/* The VU's place among those that use the set: `vu` from 0 of `vus` (the most there will ever be,
 * over all scenarios, workers and shards), `shared_index`: the iteration's global number in its
 * scenario (arrivals, shared iterations), or UINT64_MAX when there is none (then vu + taken × vus).
 */
struct fg_data_place {
	uint64_t seed, vu, vus, shared_index;
};
/** The next row; NULL when the rows are used up and onEnd is not recycle. `vu`-scoped sequence:
 * every VU starts with row 0. `unique`: row vu + taken × vus, never twice; recycled, a VU begins
 * again with its own rows, and one that has none gets NULL. `random`: with replacement, never used
 * up. `shuffle`: a permutation that depends on the seed (and on the VU with scope vu), another one
 * each time it is recycled. Random orders also depend on the set's name, so that two sets of the
 * same length do not go hand in hand. */
const struct fg_data_row *fg_data_next(const struct fg_data *data, struct fg_data_cursor *cursor,
				       const struct fg_data_place *place);

#endif
