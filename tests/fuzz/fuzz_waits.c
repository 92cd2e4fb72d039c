/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks, ends and totals of waits in any order, as a broken or hostile helper may tell them. */
#include <math.h>
#include <string.h>

#include "profiler/client.h"
#include "profiler/waits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct record {
	uint8_t kind, tid;
	uint16_t site, how_high;
	uint16_t out_ms;
	uint64_t how;
	uint64_t end_ns;
};

static void take(struct fg_waits *waits, const struct record *record)
{
	const struct fg_raw_sample sample = {.time_ns = record->end_ns, .tid = record->tid};
	const uint64_t words[FG_WAIT_WORDS] = {record->out_ms, record->site,
					       record->how | (uint64_t)record->how_high << 32};
	struct fg_err err;

	if (record->kind % 3 == 0)
		(void)!fg_waits_stack(waits, record->tid, record->out_ms, record->site,
				      record->how_high, &err);
	else
		(void)!fg_waits_end(waits, &sample, record->how, words, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { RECORDS_MAX = 4096 };
	struct fg_waits waits = {0};
	static const struct fg_profiler_phase phases[] = {
		{"warmup", 0, 30000},
		{"measure", 30000, 3000000000},
	};
	struct record record;

	for (size_t i = 0; i < RECORDS_MAX && size >= sizeof(record); i++) {
		memcpy(&record, data, sizeof(record));
		take(&waits, &record);
		data += sizeof(record);
		size -= sizeof(record);
	}
	int rc = fg_waits_settle(&waits, phases, sizeof(phases) / sizeof(*phases), NULL);

	assert(rc == 0);
	for (size_t i = 0; i < waits.count; i++) {
		const struct fg_raw_wait *wait = &waits.items[i];

		assert(isfinite(wait->weight) && wait->weight >= 0);
		assert(wait->end_ns >= wait->out_ns);
		assert(!wait->has_own || wait->stack >= 0);
	}
	fg_waits_done(&waits);
	return 0;
}
