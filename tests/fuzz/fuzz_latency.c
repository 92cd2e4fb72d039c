/* SPDX-License-Identifier: Apache-2.0 */
/* latency.jsonl against a registry of two classes; what is accepted must survive a round trip. */
#include <stdlib.h>
#include <string.h>

#include "gate/measure/bundle_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fg_result *make_result(void)
{
	struct fg_registry registry;
	struct fg_result *result = NULL;
	char scenario[] = "s";
	char names[2][2] = {"a", "b"};

	fg_registry_init(&registry);
	if (fg_registry_add_scenario(&registry, &(struct fg_scenario_def){.name = scenario}, NULL))
		abort();
	for (size_t i = 0; i < 2; i++)
		if (fg_registry_add_class(&registry, &(struct fg_class){.name = names[i]}, NULL) <
		    0)
			abort();
	if (fg_result_new(&registry, &result, NULL) != 0)
		abort();
	fg_registry_done(&registry);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fg_result *result = make_result();
	struct fg_err err = {0};

	if (fg_bundle_parse_latency((const char *)data, size, result, &err) == 0) {
		struct fg_buf first;
		struct fg_buf second;

		fg_buf_init(&first, FG_BUNDLE_LATENCY_MAX);
		fg_buf_init(&second, FG_BUNDLE_LATENCY_MAX);
		if (fg_bundle_latency_lines(result, &first, &err) != 0)
			abort();
		if (fg_bundle_parse_latency(first.data ? first.data : "", first.len, result,
					    &err) != 0)
			abort();
		if (fg_bundle_latency_lines(result, &second, &err) != 0 || first.len != second.len)
			abort();
		if (first.len && memcmp(first.data, second.data, first.len) != 0)
			abort();
		fg_buf_done(&first);
		fg_buf_done(&second);
	} else if (fg_series_seconds(result) != 0 || err.message[0] == '\0') {
		abort();
	}
	fg_result_free(result);
	return 0;
}
