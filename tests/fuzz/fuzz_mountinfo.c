/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/mountinfo text: names of mounts in it are the target's choice. */
#include "profiler/unwind/slow_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	/* A longer text has at least the lines of a shorter one that ends with a line. */
	for (uint32_t minor = 40; minor < 50; minor++) {
		const bool slow = fg_mountinfo_is_slow(text, size, 0, minor);

		for (size_t i = 0; i < size && !slow; i++)
			assert(text[i] != '\n' || !fg_mountinfo_is_slow(text, i, 0, minor));
		size = size > 4096 ? 4096 : size;
	}
	return 0;
}
