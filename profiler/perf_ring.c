/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/perf_ring.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "profiler/unwind/dwfl.h"

/* sample_id of the other records: pid, tid, time, cpu and a pad. */
enum { TRAILER_BYTES = 24 };

void fg_perf_sample_attr(struct perf_event_attr *attr, uint32_t stack_bytes, bool callchain)
{
	attr->size = sizeof(*attr);
	attr->sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU |
			    PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
	if (callchain)
		attr->sample_type |= PERF_SAMPLE_CALLCHAIN;
	attr->exclude_callchain_user = 1;
	attr->sample_regs_user = FG_DWFL_PERF_MASK;
	attr->sample_stack_user = FG_MIN(stack_bytes, 0xfff8u);
	attr->sample_id_all = 1;
	attr->use_clockid = 1;
	attr->clockid = CLOCK_MONOTONIC;
}

struct cursor {
	const uint64_t *at;
	size_t left; /* words */
};

static bool take_words(struct cursor *cursor, size_t count, const uint64_t **ret)
{
	if (count > cursor->left)
		return false;
	*ret = cursor->at;
	cursor->at += count;
	cursor->left -= count;
	return true;
}

static bool decode_stack(struct cursor *cursor, struct fg_perf_record *ret)
{
	const uint64_t *size, *data, *dynamic;

	if (!take_words(cursor, 1, &size))
		return false;
	if (!*size)
		return true; /* then there is no dynamic size either */
	if (*size % sizeof(uint64_t) || !take_words(cursor, *size / sizeof(uint64_t), &data) ||
	    !take_words(cursor, 1, &dynamic))
		return false;
	ret->stack = (const uint8_t *)data;
	ret->stack_bytes = (size_t)FG_MIN(*dynamic, *size);
	return true;
}

static bool decode_sample(struct cursor cursor, bool callchain, struct fg_perf_record *ret)
{
	const uint64_t *head, *word;

	if (!take_words(&cursor, 3, &head)) /* tid, time, cpu */
		return false;
	ret->kind = FG_PERF_SAMPLE;
	ret->tgid = (uint32_t)head[0];
	ret->tid = (uint32_t)(head[0] >> 32);
	ret->time_ns = head[1];
	ret->cpu = (uint32_t)head[2];
	if (callchain) {
		if (!take_words(&cursor, 1, &word) || *word > cursor.left ||
		    !take_words(&cursor, (size_t)*word, &ret->kernel))
			return false;
		ret->kernel_count = (size_t)*word;
	}
	if (!take_words(&cursor, 1, &word))
		return false;
	ret->abi = *word;
	if (ret->abi != PERF_SAMPLE_REGS_ABI_NONE &&
	    !take_words(&cursor, FG_DWFL_PERF_REGS, &ret->regs))
		return false;
	return decode_stack(&cursor, ret);
}

/* All other kinds end in a trailer; the first words are what matters to us. */
static bool decode_other(struct cursor cursor, const struct perf_event_header *header,
			 struct fg_perf_record *ret)
{
	const uint64_t *head = cursor.at, *trailer;

	if (cursor.left < 2 + TRAILER_BYTES / sizeof(uint64_t))
		return header->type > PERF_RECORD_MMAP2; /* a kind that we do not know */
	trailer = cursor.at + cursor.left - TRAILER_BYTES / sizeof(uint64_t);
	ret->tgid = (uint32_t)trailer[0];
	ret->tid = (uint32_t)(trailer[0] >> 32);
	ret->time_ns = trailer[1];
	ret->cpu = (uint32_t)trailer[2];
	switch (header->type) {
	case PERF_RECORD_LOST:
		ret->kind = FG_PERF_LOST;
		ret->lost = head[1];
		break;
	case PERF_RECORD_COMM:
		ret->kind =
			header->misc & PERF_RECORD_MISC_COMM_EXEC ? FG_PERF_EXEC : FG_PERF_OTHER;
		break;
	case PERF_RECORD_FORK:
	case PERF_RECORD_EXIT: /* pid, ppid, tid, ptid */
		ret->kind = header->type == PERF_RECORD_FORK ? FG_PERF_FORK : FG_PERF_EXIT;
		ret->tgid = (uint32_t)head[0];
		ret->parent = (uint32_t)(head[0] >> 32);
		ret->tid = (uint32_t)head[1];
		break;
	case PERF_RECORD_MMAP:
	case PERF_RECORD_MMAP2:
		ret->kind = FG_PERF_MAP;
		break;
	case PERF_RECORD_THROTTLE:
		ret->kind = FG_PERF_THROTTLE;
		break;
	default:
		break;
	}
	return true;
}

bool fg_perf_decode(const void *data, size_t len, bool callchain, struct fg_perf_record *ret)
{
	struct perf_event_header header;

	memset(ret, 0, sizeof(*ret));
	if (len < sizeof(header) || len % sizeof(uint64_t))
		return false;
	memcpy(&header, data, sizeof(header));
	if (header.size != len)
		return false;
	static_assert(sizeof(header) == sizeof(uint64_t), "the body is made of words");
	const struct cursor cursor = {(const uint64_t *)data + 1, len / sizeof(uint64_t) - 1};

	return header.type == PERF_RECORD_SAMPLE ? decode_sample(cursor, callchain, ret)
						 : decode_other(cursor, &header, ret);
}

int fg_perf_ring_map(struct fg_perf_ring *ring, int fd, size_t pages, struct fg_err *err)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = (pages + 1) * page_bytes;
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return fg_err_errno(err, errno == EPERM ? EACCES : errno,
				    "locking %zu KiB for a perf ring", bytes >> 10);
	ring->map = map;
	ring->map_bytes = bytes;
	ring->data_bytes = pages * page_bytes;
	ring->next_bytes = 0;
	return 0;
}

void fg_perf_ring_done(struct fg_perf_ring *ring)
{
	if (ring->map)
		(void)munmap(ring->map, ring->map_bytes);
	ring->map = NULL;
}

/* `len` bytes from position `at` of the endless stream; copied when they wrap around. */
static const void *bytes_at(struct fg_perf_ring *ring, uint64_t at, size_t len)
{
	const uint8_t *data = (const uint8_t *)ring->map + (ring->map_bytes - ring->data_bytes);
	size_t offset = (size_t)(at % ring->data_bytes), first = ring->data_bytes - offset;

	if (len <= first)
		return data + offset;
	memcpy(ring->scratch, data + offset, first);
	memcpy((uint8_t *)ring->scratch + first, data, len - first);
	return ring->scratch;
}

const struct fg_perf_record *fg_perf_ring_peek(struct fg_perf_ring *ring, bool callchain)
{
	struct perf_event_mmap_page *page = ring->map;
	struct perf_event_header header;

	if (ring->next_bytes)
		return &ring->record;
	/* Pairs with the kernel's barrier between writing a record and moving data_head. */
	uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = page->data_tail;

	if (head - tail < sizeof(header) || head - tail > ring->data_bytes)
		return NULL;
	memcpy(&header, bytes_at(ring, tail, sizeof(header)), sizeof(header));
	if (header.size < sizeof(header) || header.size > head - tail) {
		/* Nothing behind it can be trusted. */
		__atomic_store_n(&page->data_tail, head, __ATOMIC_RELEASE);
		return NULL;
	}
	if (!fg_perf_decode(bytes_at(ring, tail, header.size), header.size, callchain,
			    &ring->record))
		ring->record = (struct fg_perf_record){.kind = FG_PERF_LOST, .lost = 1};
	ring->next_bytes = header.size;
	return &ring->record;
}

void fg_perf_ring_drop(struct fg_perf_ring *ring)
{
	struct perf_event_mmap_page *page = ring->map;

	/* Pairs with the kernel's reading of data_tail: all our reads are done. */
	__atomic_store_n(&page->data_tail, page->data_tail + ring->next_bytes, __ATOMIC_RELEASE);
	ring->next_bytes = 0;
}
