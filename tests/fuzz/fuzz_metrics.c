/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.jsonl against a small registry; what is accepted must survive a round trip. */
#include <stdlib.h>
#include <string.h>

#include "gate/measure/bundle_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fg_result *make_result(void)
{
	struct fg_registry registry;
	struct fg_result *result = NULL;
	char name[] = "s", class[] = "a", cart[] = "cart", rate[] = "rate", path[] = "::g";

	fg_registry_init(&registry);
	if (fg_registry_add_scenario(&registry, &(struct fg_scenario_def){.name = name}, NULL) ||
	    fg_registry_add_class(&registry, &(struct fg_class){.name = class}, NULL) ||
	    fg_registry_add_check(&registry, &(struct fg_check){.name = name}, NULL) ||
	    fg_registry_add_custom(
		    &registry, &(struct fg_custom){.name = cart, .type = FG_METRIC_TREND}, NULL) ||
	    fg_registry_add_custom(&registry,
				   &(struct fg_custom){.name = rate, .type = FG_METRIC_RATE},
				   NULL) != 1 ||
	    fg_registry_add_group(&registry, &(struct fg_group){.path = path}, NULL) ||
	    fg_result_new(&registry, &result, NULL))
		abort();
	fg_registry_done(&registry);
	return result;
}

static int take(void *context, const struct fg_slice *slice, uint32_t seconds, struct fg_err *err)
{
	uint32_t *last = context;

	(void)err;
	if (slice->second < *last || (seconds != 1 && seconds != FG_SERIES_INTERVAL_S))
		abort();
	*last = slice->second;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fg_result *result = make_result();
	struct fg_err err = {0};
	uint32_t last = 0;

	if (fg_bundle_parse_metrics((const char *)data, size, result, &err) == 0) {
		int rc = fg_series_slices(result, 0, UINT32_MAX, take, &last, &err);

		/* counters may overflow when parts of a second are added, nothing else */
		if (rc && rc != -FG_E_LIMIT && rc != -FG_E_NOMEM)
			abort();
	} else if (err.message[0] == '\0') {
		abort();
	}
	fg_result_free(result);
	return 0;
}
