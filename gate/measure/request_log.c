/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/measure/request_log.h"

#include <stdlib.h>

enum {
	STEPS = 16, /* of an octave */
	OCTAVES = 64,
	BUCKETS = STEPS * OCTAVES,
	THIN_MIN = 64, /* a class with fewer entries keeps them all */
};

struct fg_request_log {
	struct fg_request_entry *entries;
	size_t count, capacity;
	size_t hand;    /* the next entry that may have to go */
	size_t visited; /* entries the hand has passed since the floors were set */
	size_t rest;    /* requests to let pass before the hand tries again */
	size_t classes;
	uint64_t *floors_ns; /* per class */
	bool *gaps;          /* per class: some at or above the floor found no room */
	uint32_t *held;      /* class × BUCKETS: entries of that duration */
};

static uint64_t duration_of(const struct fg_request_entry *entry)
{
	return entry->end_ns > entry->send_ns ? entry->end_ns - entry->send_ns : 0;
}

static unsigned bucket_of(uint64_t ns)
{
	if (ns < STEPS)
		return (unsigned)ns;
	unsigned octave = 63u - (unsigned)__builtin_clzll(ns);

	return (octave - 3) * STEPS + (unsigned)(ns >> (octave - 4) & (STEPS - 1));
}

static uint64_t bucket_start(unsigned bucket)
{
	if (bucket < STEPS)
		return bucket;
	unsigned octave = bucket / STEPS + 3;

	return (uint64_t)(STEPS + bucket % STEPS) << (octave - 4);
}

int fg_request_log_new(size_t capacity, size_t classes, struct fg_request_log **ret,
		       struct fg_err *err)
{
	if (!capacity || !classes || classes > FG_REQUEST_LOG_CLASSES_MAX)
		return fg_err_set(err, FG_E_LIMIT, "a request log of 1 to %d classes, not %zu",
				  FG_REQUEST_LOG_CLASSES_MAX, classes);
	struct fg_request_log *log = calloc(1, sizeof(*log));

	if (!log)
		return fg_err_nomem(err);
	log->capacity = capacity;
	log->classes = classes;
	log->entries = calloc(capacity, sizeof(*log->entries));
	log->floors_ns = calloc(classes, sizeof(*log->floors_ns));
	log->gaps = calloc(classes, sizeof(*log->gaps));
	log->held = calloc(classes * BUCKETS, sizeof(*log->held));
	if (!log->entries || !log->floors_ns || !log->gaps || !log->held) {
		fg_request_log_free(log);
		return fg_err_nomem(err);
	}
	/* Faults now, not while requests run. */
	for (size_t i = 0; i < capacity; i++)
		log->entries[i].class_index = UINT16_MAX;
	*ret = log;
	return 0;
}

void fg_request_log_free(struct fg_request_log *log)
{
	if (!log)
		return;
	free(log->entries);
	free(log->floors_ns);
	free(log->gaps);
	free(log->held);
	free(log);
}

static uint32_t *held_at(struct fg_request_log *log, const struct fg_request_entry *entry)
{
	return &log->held[(size_t)entry->class_index * BUCKETS + bucket_of(duration_of(entry))];
}

/* Where about half of what is held lies below; within the bucket as if they lay evenly. */
static uint64_t middle_ns(const uint32_t *held, uint64_t total)
{
	uint64_t below = 0;
	unsigned b = 0;

	while (b + 1 < BUCKETS && (below + held[b]) * 2 <= total)
		below += held[b++];
	uint64_t start = bucket_start(b);
	uint64_t width = b + 1 < BUCKETS ? bucket_start(b + 1) - start : start;
	double share = held[b] ? ((double)total / 2 - (double)below) / (double)held[b] : 1;

	return start + (uint64_t)((double)width * share) + 1;
}

static void raise_floors(struct fg_request_log *log)
{
	for (size_t c = 0; c < log->classes; c++) {
		const uint32_t *held = &log->held[c * BUCKETS];
		uint64_t total = 0;

		for (unsigned b = 0; b < BUCKETS; b++)
			total += held[b];
		if (total >= THIN_MIN)
			log->floors_ns[c] = FG_MAX(log->floors_ns[c], middle_ns(held, total));
	}
	log->visited = 0;
}

static bool is_below(const struct fg_request_log *log, const struct fg_request_entry *entry)
{
	return duration_of(entry) < log->floors_ns[entry->class_index];
}

/* An entry that may go, or NULL after a whole round without one. Amortised one step per request:
 * the hand passes each entry once per setting of the floors, which frees about half of them. */
static struct fg_request_entry *find_victim(struct fg_request_log *log)
{
	for (int round = 0; round < 2; round++) {
		while (log->visited < log->capacity) {
			struct fg_request_entry *entry = &log->entries[log->hand];

			log->hand = (log->hand + 1) % log->capacity;
			log->visited++;
			if (is_below(log, entry))
				return entry;
		}
		raise_floors(log);
	}
	return NULL;
}

void fg_request_log_add(struct fg_request_log *log, const struct fg_request_entry *entry)
{
	struct fg_request_entry *place;

	if (entry->class_index >= log->classes || is_below(log, entry))
		return;
	if (log->count < log->capacity) {
		place = &log->entries[log->count++];
		log->visited = log->capacity; /* once full: floors first */
	} else {
		/* All as long as each other: nothing to choose by. Not a whole round per request.
		 */
		place = log->rest ? NULL : find_victim(log);
		log->rest = place ? 0 : (log->rest ? log->rest - 1 : log->capacity);
		if (!place) {
			log->gaps[entry->class_index] = true;
			return;
		}
		if (is_below(log, entry)) /* the floors have just risen */
			return;
		--*held_at(log, place);
	}
	*place = *entry;
	++*held_at(log, place);
}

size_t fg_request_log_entries(const struct fg_request_log *log, const struct fg_request_entry **ret)
{
	*ret = log->entries;
	return log->count;
}

uint64_t fg_request_log_floor_ns(const struct fg_request_log *log, size_t class_index)
{
	if (class_index >= log->classes || log->gaps[class_index])
		return UINT64_MAX;
	return log->floors_ns[class_index];
}

/* -- peaks --------------------------------------------------------------------------------------
 */

enum { PEAK_MIN = 10, PEAK_TIMES = 3, SECONDS_MAX = 1 << 20 };

static int larger_first(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x > y ? -1 : x < y;
}

static int earlier_first(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int fg_request_log_peaks(const struct fg_request_entry *entries, size_t count, uint64_t start_ns,
			 uint64_t seconds, uint32_t *out, size_t max, struct fg_err *err)
{
	seconds = FG_MIN(seconds, (uint64_t)SECONDS_MAX);
	/* How many << 32 | the second from the end: sorts by number, then earlier first. */
	FG_AUTO_FREE uint64_t *counts = calloc((size_t)seconds + 1, sizeof(*counts));
	size_t found = 0;

	if (!counts)
		return fg_err_nomem(err);
	for (size_t i = 0; i < count; i++) {
		uint64_t second = entries[i].send_ns < start_ns
					  ? seconds
					  : (entries[i].send_ns - start_ns) / FG_NS_PER_S;

		if (second < seconds)
			counts[second]++;
	}
	for (uint64_t second = 0; second < seconds; second++) {
		uint64_t n = counts[second];

		counts[second] = 0;
		if (n >= PEAK_MIN && n * seconds >= PEAK_TIMES * (uint64_t)count)
			counts[found++] = n << 32 | (SECONDS_MAX - second);
	}
	qsort(counts, found, sizeof(*counts), larger_first);
	found = FG_MIN(found, max);
	for (size_t i = 0; i < found; i++)
		out[i] = (uint32_t)(SECONDS_MAX - (counts[i] & UINT32_MAX));
	qsort(out, found, sizeof(*out), earlier_first);
	return (int)found;
}

/* -- the index ----------------------------------------------------------------------------------
 */

struct interval {
	uint64_t start_ns;
	uint64_t reach_ns; /* the latest end on this port of those that began until then */
	uint16_t port;
};

struct fg_request_index {
	struct interval *items;
	size_t count;
};

static int by_port_and_start(const void *a, const void *b)
{
	const struct interval *x = a, *y = b;

	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	return x->start_ns < y->start_ns ? -1 : x->start_ns > y->start_ns;
}

int fg_request_index_new(const struct fg_request_entry *entries, size_t count,
			 struct fg_request_index **ret, struct fg_err *err)
{
	struct fg_request_index *index = calloc(1, sizeof(*index));

	if (index)
		index->items = calloc(count ? count : 1, sizeof(*index->items));
	if (!index || !index->items) {
		fg_request_index_free(index);
		return fg_err_nomem(err);
	}
	index->count = count;
	for (size_t i = 0; i < count; i++)
		index->items[i] = (struct interval){
			entries[i].send_ns,
			entries[i].end_ns,
			entries[i].port,
		};
	qsort(index->items, count, sizeof(*index->items), by_port_and_start);
	for (size_t i = 1; i < count; i++) {
		if (index->items[i].port == index->items[i - 1].port)
			index->items[i].reach_ns =
				FG_MAX(index->items[i].reach_ns, index->items[i - 1].reach_ns);
	}
	*ret = index;
	return 0;
}

void fg_request_index_free(struct fg_request_index *index)
{
	if (!index)
		return;
	free(index->items);
	free(index);
}

bool fg_request_index_has(const struct fg_request_index *index, uint16_t port, uint64_t time_ns)
{
	size_t low = 0, high = index->count;

	while (low < high) { /* the first that begins after it */
		size_t middle = low + (high - low) / 2;
		const struct interval *item = &index->items[middle];

		if (item->port < port || (item->port == port && item->start_ns <= time_ns))
			low = middle + 1;
		else
			high = middle;
	}
	return low && index->items[low - 1].port == port &&
	       index->items[low - 1].reach_ns >= time_ns;
}
