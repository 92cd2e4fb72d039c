/* SPDX-License-Identifier: Apache-2.0 */
/* An ELF image out of a process's memory, and what unwinding makes of it. */
#include <stdlib.h>
#include <string.h>

#include "profiler/unwind/memory_elf.h"
#include "profiler/unwind/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
	const uint8_t *data;
	size_t size;
};

static bool read_memory(void *context, uint64_t address, void *to, size_t len)
{
	const struct memory *memory = context;

	if (address > memory->size || len > memory->size - address)
		return false;
	memcpy(to, memory->data + address, len);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory memory = {data, size};
	struct fg_unwind_table table;
	uint8_t *image;
	size_t len;

	if (fg_memory_elf_build(read_memory, &memory, 0, &image, &len, NULL) != 0)
		return 0;
	if (fg_unwind_table_build_memory(image, len, "fuzz", &table, NULL) == 0)
		fg_unwind_table_done(&table);
	free(image);
	return 0;
}
