/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an expression, with slots that hold any bytes too: a value that prints as JSON, or a
 * fault within the text. First line: the expression; the rest: a captured text. */
#include <stdlib.h>
#include <string.h>

#include "gate/base/random.h"
#include "runner/scenario/expr.h"
#include "runner/scenario/jscan.h"
#include "runner/scenario/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* t: the captured text, j: the same as JSON if it is, v: the VU, k: a constant. */
static size_t find(void *context, const char *path, size_t len, struct fg_name *ret,
		   struct fg_err *err)
{
	(void)context;
	size_t word = 0;

	while (word < len && path[word] != '.')
		word++;
	if (word == 1 && path[0] == 't')
		*ret = (struct fg_name){.kind = FG_NAME_SLOT, .index = 0};
	else if (word == 1 && path[0] == 'j')
		*ret = (struct fg_name){.kind = FG_NAME_SLOT, .index = 1};
	else if (word == 1 && path[0] == 'v')
		*ret = (struct fg_name){.kind = FG_NAME_VU};
	else if (word == 1 && path[0] == 'k')
		*ret = (struct fg_name){
			.kind = FG_NAME_CONSTANT,
			.constant = {.kind = FG_VALUE_JSON, .text = "[1,{\"a\":2}]", .len = 11}};
	else
		return (void)fg_err_set(err, FG_E_INVALID, "unknown"), 0;
	return word;
}

static const struct fg_expr_names names = {.find = find};

static void evaluate(const struct fg_expr *expr, const uint8_t *text, size_t len)
{
	static struct fg_regex_match *match;
	struct fg_slot slots[2];
	struct fg_random random;
	struct fg_arena arena;
	struct fg_value value;
	struct fg_err err;

	if (!match && fg_regex_match_new(&match, NULL))
		return;
	fg_random_init(&random, 1, 2, 3);
	fg_arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < 2; i++)
		fg_slot_init(&slots[i]);
	struct fg_value capture = {.kind = FG_VALUE_TEXT, .text = (const char *)text, .len = len};

	(void)!fg_slot_set(&slots[0], &capture, NULL);
	size_t start = fg_jscan_space(capture.text, len, 0);

	if (fg_jscan_check(capture.text, len, NULL) == 0 &&
	    (capture.text[start] == '{' || capture.text[start] == '[')) {
		capture.kind = FG_VALUE_JSON;
		capture.text += start;
		capture.len -= start;
		(void)!fg_slot_set(&slots[1], &capture, NULL);
	}
	struct fg_expr_env env = {.slots = slots,
				  .random = &random,
				  .unix_ns = 1795267019123456789,
				  .arena = &arena,
				  .regex_match = match};

	if (fg_expr_eval(expr, &env, &value, &err) == 0) {
		size_t json_len = fg_value_write_json(&value, NULL);
		char *json = malloc(json_len + 1);

		if (!json || fg_value_write_json(&value, json) != json_len ||
		    fg_jscan_check(json, json_len, &err))
			abort();
		free(json);
	}
	fg_arena_done(&arena);
	for (size_t i = 0; i < 2; i++)
		fg_slot_done(&slots[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t len = end ? (size_t)(end - data) : size;
	size_t rest = end ? len + 1 : size;
	struct fg_expr *expr = NULL;
	struct fg_err err = {0};
	/* without a byte behind it, so that a read beyond the end is seen */
	char *text = malloc(len ? len : 1);

	if (!text)
		return 0;
	if (len > 0)
		memcpy(text, data, len);
	int rc = fg_expr_compile(text, len, &names, &expr, &err);

	free(text);
	if (rc == 0)
		evaluate(expr, data + rest, size - rest);
	else if (err.column > len + 1 || err.code == FG_E_INTERNAL)
		abort();
	fg_expr_free(expr);
	return 0;
}
