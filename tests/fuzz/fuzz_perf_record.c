/* SPDX-License-Identifier: Apache-2.0 */
/* Records of a perf ring, by their headers' word for their size. */
#include <stdlib.h>
#include <string.h>

#include "profiler/perf_ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool lies_within(const void *part, size_t len, const void *whole, size_t size)
{
	const uint8_t *from = part, *start = whole;

	return !len || (from >= start && from + len <= start + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fg_perf_record record;
	void *copy = malloc(size ? size : 1); /* aligned, and nothing behind it */

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	for (int callchain = 0; callchain < 2; callchain++) {
		if (!fg_perf_decode(copy, size, callchain, &record))
			continue;
		assert(lies_within(record.kernel, record.kernel_count * 8, copy, size));
		assert(lies_within(record.stack, record.stack_bytes, copy, size));
	}
	free(copy);
	return 0;
}
