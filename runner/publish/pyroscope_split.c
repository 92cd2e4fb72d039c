/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One profile → uploads that the server takes. First it is divided by endpoint (request class),
 * which becomes a label of the series; their number is bounded. Then each is cut by time: every
 * piece is a whole profile of its own stretch, so that a piece that gets lost leaves a gap in time
 * and never a missing function. A piece is stamped with the beginning of its stretch.
 *
 * The pprof encoder reads a profile through its tables; a piece is therefore a shallow copy whose
 * `samples` point into the sorted list.
 */
#include "runner/publish/pyroscope_internal.h"

#include "gate/base/num.h"
#include "gate/base/vec.h"
#include "gate/profile/pprof.h"

#include <stdlib.h>
#include <string.h>

struct splitter {
	const struct fg_profile *profile;
	const struct fg_pyroscope_split_options *options;
	struct fg_psample *samples; /* of the measured phase, by endpoint, then second */
	size_t sample_count;
	size_t group_start; /* the first piece of the endpoint at hand */
	size_t endpoint_bytes;
	uint32_t *seen; /* per stack: the last round in which it was counted */
	uint32_t round;
	uint32_t first_second, last_second;
	uint64_t base_unix_ns; /* stamp of second 0 */
	uint64_t floor_unix_ns;
	struct fg_pyroscope_pieces pieces;
};

void fg_pyroscope_pieces_done(struct fg_pyroscope_pieces *pieces)
{
	for (size_t i = 0; i < pieces->count; i++)
		fg_buf_done(&pieces->items[i].pprof);
	free(pieces->items);
	*pieces = (struct fg_pyroscope_pieces){.items = NULL};
}

static int by_endpoint(const void *a, const void *b)
{
	const struct fg_psample *left = a, *right = b;

	if (left->endpoint != right->endpoint)
		return left->endpoint < right->endpoint ? -1 : 1;
	if (left->second != right->second)
		return left->second < right->second ? -1 : 1;
	if (left->stack != right->stack)
		return left->stack < right->stack ? -1 : 1;
	return 0;
}

/* Copies the samples that are to be published: measured, counted, with a stack (the server keeps
 * the value of an empty stack where no query finds it). */
static int collect(struct splitter *splitter, struct fg_err *err)
{
	const struct fg_profile *profile = splitter->profile;

	splitter->samples = calloc(profile->sample_count + 1, sizeof(*splitter->samples));
	splitter->seen = calloc(profile->stack_count + 1, sizeof(*splitter->seen));
	if (!splitter->samples || !splitter->seen)
		return fg_err_nomem(err);
	for (size_t i = 0; i < profile->sample_count; i++) {
		const struct fg_psample *sample = &profile->samples[i];

		if (sample->count > 0 && profile->stacks[sample->stack].frame_count > 0 &&
		    strcmp(fg_profile_text(profile, sample->phase), "measure") == 0)
			splitter->samples[splitter->sample_count++] = *sample;
	}
	if (splitter->sample_count == 0 || profile->period_ns == 0)
		return fg_err_set(err, FG_E_NO_DATA,
				  "the profile has no samples of the measured phase: there is "
				  "nothing to publish");
	splitter->first_second = UINT32_MAX;
	for (size_t i = 0; i < splitter->sample_count; i++) {
		uint32_t second = splitter->samples[i].second;

		splitter->first_second = FG_MIN(splitter->first_second, second);
		splitter->last_second = FG_MAX(splitter->last_second, second);
	}
	return 0;
}

/* -- endpoints ------------------------------------------------------------------------------ */

/* Stands for the string of all endpoints that share a series. */
#define SHARED UINT32_MAX
static const char shared_name[] = "(other)";

struct endpoint {
	uint32_t text;
	uint64_t count;
};

static int by_count(const void *a, const void *b)
{
	const struct endpoint *left = a, *right = b;

	if (left->count != right->count)
		return left->count > right->count ? -1 : 1;
	return left->text < right->text ? -1 : left->text > right->text;
}

static const char *endpoint_text(const struct splitter *splitter, uint32_t endpoint)
{
	return endpoint == SHARED ? shared_name : fg_profile_text(splitter->profile, endpoint);
}

static size_t end_of_endpoint(const struct splitter *splitter, size_t from)
{
	size_t to = from + 1;

	while (to < splitter->sample_count &&
	       splitter->samples[to].endpoint == splitter->samples[from].endpoint)
		to++;
	return to;
}

static bool has_own_series(const struct endpoint *endpoints, size_t count, uint32_t text)
{
	if (text == 0)
		return true;
	for (size_t i = 0; i < count && i < FG_PYROSCOPE_ENDPOINTS_MAX; i++)
		if (endpoints[i].text == text)
			return true;
	return false;
}

/* Sorts the samples by endpoint; those beyond the most frequent ones become SHARED. */
static int group_by_endpoint(struct splitter *splitter, struct fg_err *err)
{
	struct endpoint *endpoints = calloc(splitter->sample_count, sizeof(*endpoints));
	size_t count = 0;

	if (!endpoints)
		return fg_err_nomem(err);
	qsort(splitter->samples, splitter->sample_count, sizeof(*splitter->samples), by_endpoint);
	for (size_t from = 0, to; from < splitter->sample_count; from = to) {
		to = end_of_endpoint(splitter, from);
		const char *text = endpoint_text(splitter, splitter->samples[from].endpoint);

		/* one that is called like the shared series would collide with its stamps */
		if (!*text || strcmp(text, shared_name) == 0)
			continue;
		endpoints[count].text = splitter->samples[from].endpoint;
		for (size_t i = from; i < to; i++)
			if (__builtin_add_overflow(endpoints[count].count,
						   splitter->samples[i].count,
						   &endpoints[count].count))
				endpoints[count].count = UINT64_MAX;
		count++;
	}
	qsort(endpoints, count, sizeof(*endpoints), by_count);
	for (size_t i = 0; i < splitter->sample_count; i++) {
		struct fg_psample *sample = &splitter->samples[i];

		if (!has_own_series(endpoints, count, sample->endpoint))
			sample->endpoint = SHARED;
	}
	free(endpoints);
	qsort(splitter->samples, splitter->sample_count, sizeof(*splitter->samples), by_endpoint);
	return 0;
}

/* -- stamps --------------------------------------------------------------------------------- */

static int too_old(uint64_t age_ns, struct fg_err *err)
{
	char age[FG_NUM_TEXT_MAX];

	return fg_err_set(err, FG_E_INVALID,
			  "the run began %s ago, and Pyroscope refuses profiles older than 1h: "
			  "publish right after a run, or use --restamp now (the profile is then "
			  "filed under the present time)",
			  fg_num_format_duration(age_ns / FG_NS_PER_S * FG_NS_PER_S, age));
}

static int choose_stamps(struct splitter *splitter, struct fg_err *err)
{
	uint64_t now = splitter->options->now_unix_ns;
	uint64_t first_s = splitter->first_second;
	uint64_t end_s = splitter->last_second + 1ull;

	splitter->base_unix_ns = splitter->profile->time_unix_ns;
	if (splitter->options->restamp_now) {
		/* Unsigned wrap-around is harmless: only base + second is ever used. A run longer
		 * than the window is pressed into it. */
		splitter->base_unix_ns = now - end_s * FG_NS_PER_S;
		splitter->floor_unix_ns = now - FG_PYROSCOPE_OLDEST_NS;
		return 0;
	}
	uint64_t first = splitter->base_unix_ns + first_s * FG_NS_PER_S;
	uint64_t last = splitter->base_unix_ns + end_s * FG_NS_PER_S;

	if (first + FG_PYROSCOPE_OLDEST_NS < now)
		return too_old(now - first, err);
	if (last > now + FG_PYROSCOPE_NEWEST_NS)
		return fg_err_set(err, FG_E_INVALID,
				  "the run lies in the future of this machine's clock; Pyroscope "
				  "refuses that (use --restamp now if the clock is right now)");
	return 0;
}

/* Monotone and unique: equal stamps of one series are merged away by the server's compaction. */
static uint64_t next_stamp(const struct splitter *splitter, uint32_t second)
{
	const struct fg_pyroscope_pieces *pieces = &splitter->pieces;
	uint64_t stamp = splitter->base_unix_ns + second * FG_NS_PER_S;

	if (splitter->options->restamp_now)
		stamp = FG_MAX(stamp, splitter->floor_unix_ns);
	if (pieces->count > splitter->group_start)
		stamp = FG_MAX(stamp, pieces->items[pieces->count - 1].time_unix_ns + 1);
	return stamp;
}

/* -- pieces --------------------------------------------------------------------------------- */

/* How many pprof samples the range becomes: one per distinct stack. */
static size_t distinct_stacks(struct splitter *splitter, size_t from, size_t to)
{
	size_t distinct = 0;

	splitter->round++;
	for (size_t i = from; i < to; i++) {
		uint32_t *seen = &splitter->seen[splitter->samples[i].stack];

		distinct += *seen != splitter->round;
		*seen = splitter->round;
	}
	return distinct;
}

static int encode(const struct splitter *splitter, size_t from, size_t to, bool gzip,
		  uint64_t stamp, struct fg_buf *out, struct fg_err *err)
{
	struct fg_profile part = *splitter->profile;
	uint64_t seconds = splitter->samples[to - 1].second - splitter->samples[from].second + 1ull;
	struct fg_pprof_options options = {.gzip = gzip};

	part.samples = splitter->samples + from;
	part.sample_count = to - from;
	part.time_unix_ns = stamp;
	part.duration_ns = seconds * FG_NS_PER_S;
	return fg_pprof_encode(&part, &options, out, err);
}

static int fits(struct splitter *splitter, size_t from, size_t to, bool *ret, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf plain = {.data = NULL};

	*ret = false;
	if (distinct_stacks(splitter, from, to) > splitter->options->max_samples)
		return 0;
	fg_buf_init(&plain, FG_PROFILE_BYTES_MAX);
	/* The largest stamp there is: its encoding is never shorter than the real one's. */
	int rc = encode(splitter, from, to, false, INT64_MAX, &plain, err);

	if (rc == 0)
		*ret = plain.len + splitter->options->labels_bytes + splitter->endpoint_bytes <=
		       splitter->options->max_bytes;
	return rc;
}

static int add_piece(struct splitter *splitter, size_t from, size_t to, struct fg_err *err)
{
	struct fg_pyroscope_pieces *pieces = &splitter->pieces;
	struct fg_pyroscope_piece piece = {
		.endpoint = endpoint_text(splitter, splitter->samples[from].endpoint),
	};
	int rc = FG_VEC_ROOM(pieces, items, count, capacity, FG_PYROSCOPE_PIECES_MAX, err);

	if (rc)
		return fg_err_wrap(err, "the profile needs too many uploads");
	for (size_t i = from; i < to; i++)
		if (__builtin_add_overflow(piece.samples, splitter->samples[i].count,
					   &piece.samples))
			return fg_err_set(err, FG_E_LIMIT, "the profile's counts overflow");
	if (__builtin_mul_overflow(piece.samples, splitter->profile->period_ns, &piece.cpu_ns) ||
	    piece.cpu_ns > INT64_MAX)
		return fg_err_set(err, FG_E_LIMIT, "the profile's CPU time overflows");
	piece.time_unix_ns = next_stamp(splitter, splitter->samples[from].second);
	fg_buf_init(&piece.pprof, FG_PROFILE_BYTES_MAX);
	rc = encode(splitter, from, to, true, piece.time_unix_ns, &piece.pprof, err);
	if (rc) {
		fg_buf_done(&piece.pprof);
		return rc;
	}
	pieces->items[pieces->count++] = piece;
	return 0;
}

/* Where to cut a range in two: in the middle of its time, so that both halves are whole seconds;
 * inside one second in the middle of its samples. */
static size_t cut(const struct splitter *splitter, size_t from, size_t to)
{
	uint32_t first = splitter->samples[from].second;
	uint32_t last = splitter->samples[to - 1].second;
	uint32_t middle = first + (last - first) / 2 + 1;
	size_t at = from;

	if (first == last)
		return from + (to - from) / 2;
	while (splitter->samples[at].second < middle)
		at++;
	return at;
}

/* Halves until it fits; each cut halves the time or the samples, so the depth is at most 64. */
static int split_range(struct splitter *splitter, size_t from, size_t to, struct fg_err *err)
{
	bool fine = false;
	int rc = fits(splitter, from, to, &fine, err);

	if (rc)
		return rc;
	if (fine)
		return add_piece(splitter, from, to, err);
	if (to - from == 1)
		return fg_err_set(err, FG_E_LIMIT,
				  "a single stack of the profile is larger than the server's "
				  "limit of %zu bytes",
				  splitter->options->max_bytes);
	size_t middle = cut(splitter, from, to);

	rc = split_range(splitter, from, middle, err);
	return rc ? rc : split_range(splitter, middle, to, err);
}

static int split_endpoint(struct splitter *splitter, size_t from, size_t to, struct fg_err *err)
{
	const char *text = endpoint_text(splitter, splitter->samples[from].endpoint);
	size_t len = strlen(text);

	if (len > FG_PYROSCOPE_VALUE_MAX)
		return fg_err_set(err, FG_E_LIMIT,
				  "the name of request class %.60s… has %zu bytes; Pyroscope's "
				  "limit for a label is %d",
				  text, len, FG_PYROSCOPE_VALUE_MAX);
	splitter->group_start = splitter->pieces.count;
	splitter->endpoint_bytes = len ? len + strlen("endpoint") : 0;
	return split_range(splitter, from, to, err);
}

int fg_pyroscope_split(const struct fg_profile *profile,
		       const struct fg_pyroscope_split_options *options,
		       struct fg_pyroscope_pieces *ret, struct fg_err *err)
{
	struct splitter splitter = {.profile = profile, .options = options};
	int rc = collect(&splitter, err);

	if (rc == 0)
		rc = choose_stamps(&splitter, err);
	if (rc == 0)
		rc = group_by_endpoint(&splitter, err);
	for (size_t from = 0, to; rc == 0 && from < splitter.sample_count; from = to) {
		to = end_of_endpoint(&splitter, from);
		rc = split_endpoint(&splitter, from, to, err);
	}
	free(splitter.samples);
	free(splitter.seen);
	if (rc) {
		fg_pyroscope_pieces_done(&splitter.pieces);
		return rc;
	}
	*ret = splitter.pieces;
	return 0;
}
