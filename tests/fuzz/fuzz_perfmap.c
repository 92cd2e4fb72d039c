/* SPDX-License-Identifier: Apache-2.0 */
/* perf maps: written by the target's runtime, found by its owner under a name that anyone may use.
 */
#include "profiler/symbol/perfmap.h"

#include <string.h>

#include "profiler/client_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a line means for people is cut out of it. */
static void parse_name(const char *raw)
{
	static struct fg_generated_name name;

	for (int i = 0; i < FG_RUNTIME_COUNT; i++) {
		fg_names_parse((enum fg_runtime)i, raw, &name);
		assert(strlen(name.name) < sizeof(name.name));
		assert(strlen(name.filename) <= strlen(raw));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fg_perfmap map;

	if (fg_perfmap_parse((const char *)data, size, &map, NULL))
		return 0;
	for (size_t i = 0; i < map.count; i++) {
		const struct fg_perfmap_entry *entry = &map.items[i];

		assert(entry->start < entry->end);
		assert(i == 0 || map.items[i - 1].end <= entry->start);
		assert(fg_perfmap_find(&map, entry->start) == entry);
		assert(fg_perfmap_find(&map, entry->end - 1) == entry);
		parse_name(entry->name);
	}
	fg_perfmap_done(&map);
	return 0;
}
