/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recording and merging. The index of a value is HdrHistogram's for 3 digits: values below 2 048
 * are their own index; above, each octave has 1 024 counters. One octave is one block, so a
 * histogram of real latencies touches three to six of the 33 blocks.
 */
#include "gate/measure/hist.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/vec.h"

enum {
	BLOCK_BYTES = FG_HIST_BLOCK_COUNTERS * (int)sizeof(uint64_t),
	POOL_GROW_BLOCKS = 16,      /* 128 KiB: about 20 µs of page faults, once */
	POOL_BLOCKS_MAX = 16 << 20, /* 128 GiB: catches nonsense, not use */
};

static_assert(FG_HIST_MAX_NS < (1ull << (FG_HIST_BLOCKS + 9)), "the last block holds the maximum");
static_assert(FG_HIST_MAX_NS >= (1ull << (FG_HIST_BLOCKS + 8)), "and no block is useless");

struct fg_hist_pool {
	void **chunks; /* what to free */
	size_t chunk_count, chunk_capacity;
	uint64_t **spare; /* zeroed blocks nobody uses; room for all blocks of the pool */
	size_t spare_count, spare_capacity;
	size_t block_count;
	uint64_t grown;
};

static int pool_add(struct fg_hist_pool *pool, size_t blocks, struct fg_err *err)
{
	int rc =
		fg_vec_grow((void **)&pool->spare, &pool->spare_capacity,
			    pool->block_count + blocks, POOL_BLOCKS_MAX, sizeof(*pool->spare), err);

	if (rc == 0)
		rc = FG_VEC_ROOM(pool, chunks, chunk_count, chunk_capacity, POOL_BLOCKS_MAX, err);
	if (rc)
		return rc;
	/* Not calloc: its pages would be faulted in one by one while requests are recorded. */
	char *chunk = aligned_alloc(64, blocks * BLOCK_BYTES);

	if (!chunk)
		return fg_err_nomem(err);
	memset(chunk, 0, blocks * BLOCK_BYTES);
	pool->chunks[pool->chunk_count++] = chunk;
	pool->block_count += blocks;
	for (size_t i = 0; i < blocks; i++)
		pool->spare[pool->spare_count++] = (uint64_t *)(void *)(chunk + i * BLOCK_BYTES);
	return 0;
}

int fg_hist_pool_new(size_t blocks, struct fg_hist_pool **ret, struct fg_err *err)
{
	if (blocks > POOL_BLOCKS_MAX)
		return fg_err_set(err, FG_E_LIMIT, "a pool of %zu histogram blocks", blocks);
	struct fg_hist_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return fg_err_nomem(err);
	int rc = blocks ? pool_add(pool, blocks, err) : 0;

	if (rc) {
		fg_hist_pool_free(pool);
		return rc;
	}
	*ret = pool;
	return 0;
}

void fg_hist_pool_free(struct fg_hist_pool *pool)
{
	if (!pool)
		return;
	for (size_t i = 0; i < pool->chunk_count; i++)
		free(pool->chunks[i]);
	free(pool->chunks);
	free(pool->spare);
	free(pool);
}

uint64_t fg_hist_pool_grown(const struct fg_hist_pool *pool)
{
	return pool->grown;
}

static uint64_t *block_take(struct fg_hist_pool *pool)
{
	if (!pool)
		return calloc(1, BLOCK_BYTES);
	if (pool->spare_count == 0) {
		if (pool_add(pool, POOL_GROW_BLOCKS, NULL) != 0)
			return NULL;
		pool->grown++;
	}
	return pool->spare[--pool->spare_count];
}

static void block_give(struct fg_hist_pool *pool, uint64_t *block)
{
	if (!pool) {
		free(block);
		return;
	}
	memset(block, 0, BLOCK_BYTES);
	pool->spare[pool->spare_count++] = block;
}

void fg_hist_init(struct fg_hist *hist, struct fg_hist_pool *pool)
{
	*hist = (struct fg_hist){.pool = pool, .min_ns = UINT64_MAX};
}

void fg_hist_clear(struct fg_hist *hist)
{
	for (size_t i = 0; i < FG_HIST_BLOCKS; i++)
		if (hist->blocks[i])
			block_give(hist->pool, hist->blocks[i]);
	fg_hist_init(hist, hist->pool);
}

void fg_hist_done(struct fg_hist *hist)
{
	if (hist)
		fg_hist_clear(hist);
}

/* bucket: how far the value is shifted; the |2047 puts all small values into bucket 0. */
static inline size_t index_of(uint64_t value_ns)
{
	unsigned bucket = 53u - (unsigned)__builtin_clzll(value_ns | 2047);

	return ((size_t)bucket << 10) + (size_t)(value_ns >> bucket);
}

size_t fg_hist_index(uint64_t value_ns)
{
	return index_of(FG_MIN(value_ns, FG_HIST_MAX_NS));
}

uint64_t fg_hist_index_low_ns(size_t index)
{
	if (index < 2048)
		return index;
	return ((index & 1023) + 1024ull) << ((index >> 10) - 1);
}

uint64_t fg_hist_index_high_ns(size_t index)
{
	if (index < 2048)
		return index;
	return fg_hist_index_low_ns(index) + (1ull << ((index >> 10) - 1)) - 1;
}

uint64_t fg_hist_counter(const struct fg_hist *hist, size_t index)
{
	const uint64_t *block = hist->blocks[index >> 10];

	return block ? block[index & 1023] : 0;
}

static inline uint64_t *counter_at(struct fg_hist *hist, size_t index)
{
	uint64_t **block = &hist->blocks[index >> 10];

	if (__builtin_expect(!*block, 0)) {
		*block = block_take(hist->pool);
		if (!*block)
			return NULL;
	}
	return &(*block)[index & 1023];
}

int fg_hist_record(struct fg_hist *hist, uint64_t value_ns)
{
	value_ns = FG_MIN(value_ns, FG_HIST_MAX_NS);
	uint64_t *counter = counter_at(hist, index_of(value_ns));

	if (__builtin_expect(!counter, 0))
		return -FG_E_NOMEM;
	++*counter;
	hist->count++;
	hist->sum_ns += (double)value_ns;
	if (value_ns < hist->min_ns)
		hist->min_ns = value_ns;
	if (value_ns > hist->max_ns)
		hist->max_ns = value_ns;
	return 0;
}

int fg_hist_record_n(struct fg_hist *hist, uint64_t value_ns, uint64_t n)
{
	uint64_t count;

	if (n == 0)
		return 0;
	value_ns = FG_MIN(value_ns, FG_HIST_MAX_NS);
	/* No single counter can exceed the sum, so this one check covers both. */
	if (__builtin_add_overflow(hist->count, n, &count))
		return -FG_E_LIMIT;
	uint64_t *counter = counter_at(hist, index_of(value_ns));

	if (!counter)
		return -FG_E_NOMEM;
	*counter += n;
	hist->count = count;
	hist->sum_ns += (double)value_ns * (double)n;
	hist->min_ns = FG_MIN(hist->min_ns, value_ns);
	hist->max_ns = FG_MAX(hist->max_ns, value_ns);
	return 0;
}

int fg_hist_record_lower_bound(struct fg_hist *hist, uint64_t value_ns)
{
	int rc = fg_hist_record(hist, value_ns);

	if (rc == 0)
		hist->lower_bounds++;
	return rc;
}

int fg_hist_add(struct fg_hist *dst, const struct fg_hist *src)
{
	uint64_t count;

	if (__builtin_add_overflow(dst->count, src->count, &count))
		return -FG_E_LIMIT;
	/* All blocks first: a failure then leaves dst's numbers as they were. */
	for (size_t i = 0; i < FG_HIST_BLOCKS; i++)
		if (src->blocks[i] && !counter_at(dst, i << 10))
			return -FG_E_NOMEM;
	for (size_t i = 0; i < FG_HIST_BLOCKS; i++) {
		const uint64_t *from = src->blocks[i];
		uint64_t *to = dst->blocks[i];

		for (size_t k = 0; from && k < FG_HIST_BLOCK_COUNTERS; k++)
			to[k] += from[k];
	}
	dst->count = count;
	dst->sum_ns += src->sum_ns;
	dst->min_ns = FG_MIN(dst->min_ns, src->min_ns);
	dst->max_ns = FG_MAX(dst->max_ns, src->max_ns);
	dst->lower_bounds += src->lower_bounds;
	return 0;
}
