/* SPDX-License-Identifier: Apache-2.0 */
/* First line: the metric with its selector; the rest: the expression. Also as rule and function. */
#include <stdlib.h>
#include <string.h>

#include "gate/judge/rule.h"
#include "gate/judge/threshold.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_parsed(const struct fg_threshold *threshold)
{
	struct fg_registry empty;
	struct fg_result *result;
	struct fg_threshold_result found;

	fg_registry_init(&empty);
	(void)!fg_threshold_check(threshold, &empty, NULL);
	if (fg_result_new(&empty, &result, NULL) == 0) {
		if (fg_threshold_evaluate(threshold, result, &found, NULL) == 0) {
			/* nothing was measured: it must never be green by itself */
			if (found.passed)
				abort();
			fg_threshold_result_done(&found);
		}
		fg_result_free(result);
	}
	fg_registry_done(&empty);
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
		check_parsed(&threshold);
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
