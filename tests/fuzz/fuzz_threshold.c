/* SPDX-License-Identifier: Apache-2.0 */
/* First line: the metric with its selector; the rest: the expression. Also as rule and function. */
#include <stdlib.h>
#include <string.h>

#include "gate/judge/rule.h"
#include "gate/judge/threshold.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fg_result *make_result(void)
{
	struct fg_registry registry;
	struct fg_result *result = NULL;
	char scenario[] = "s", class[] = "a", cart[] = "cart_value", path[] = "::shop";

	fg_registry_init(&registry);
	if (fg_registry_add_scenario(&registry, &(struct fg_scenario_def){.name = scenario},
				     NULL) ||
	    fg_registry_add_class(&registry, &(struct fg_class){.name = class}, NULL) ||
	    fg_registry_add_custom(
		    &registry, &(struct fg_custom){.name = cart, .type = FG_METRIC_TREND}, NULL) ||
	    fg_registry_add_group(&registry, &(struct fg_group){.path = path}, NULL) ||
	    fg_result_new(&registry, &result, NULL))
		abort();
	fg_registry_done(&registry);
	return result;
}

/* Nothing was measured: whatever it says, it must never be green by itself. */
static void check_parsed(struct fg_threshold *threshold, size_t size)
{
	struct fg_result *result = make_result();
	struct fg_threshold_result found;

	threshold->window_ns = size % 3 * FG_NS_PER_S;
	threshold->from_ns = size % 5 * FG_NS_PER_S;
	(void)!fg_threshold_check(threshold, &result->registry, NULL);
	for (int with = 0; with < 2; with++) {
		if (fg_threshold_evaluate(threshold, result, with ? result : NULL, &found, NULL))
			continue;
		if (found.passed)
			abort();
		fg_threshold_result_done(&found);
	}
	fg_result_free(result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fg_threshold threshold;
	struct fg_rule rule;
	struct fg_err err = {0};
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	char *expression = strchr(text, '\n');

	if (expression)
		*expression++ = '\0';
	else
		expression = text + strlen(text);
	if (fg_threshold_parse(text, expression, &threshold, &err) == 0) {
		check_parsed(&threshold, size);
		fg_threshold_done(&threshold);
	}
	fg_rule_init(&rule, FG_LEVEL_ERROR);
	(void)!fg_rule_set_metric(&rule, text, expression, &err);
	if (fg_rule_set_function(&rule, text, FG_MEASURE_SELF, &err) == 0)
		(void)fg_rule_matches_function(&rule, expression);
	fg_rule_done(&rule);
	free(text);
	return 0;
}
