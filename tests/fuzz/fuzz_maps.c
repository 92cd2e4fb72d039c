/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/maps text: paths in it are the target's choice. */
#include "profiler/unwind/mappings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fg_mappings mappings;

	if (fg_mappings_parse((const char *)data, size, &mappings, NULL))
		return 0;
	for (size_t i = 0; i < mappings.count; i++) {
		assert(mappings.items[i].start < mappings.items[i].end);
		assert(i == 0 || mappings.items[i - 1].end <= mappings.items[i].start);
	}
	fg_mappings_done(&mappings);
	return 0;
}
