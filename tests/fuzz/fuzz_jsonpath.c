/* SPDX-License-Identifier: Apache-2.0 */
/* First line: a path; the rest: the text that it searches. */
#include <stdlib.h>
#include <string.h>

#include "runner/scenario/jscan.h"
#include "runner/scenario/jsonpath.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_json(const struct fg_value *value)
{
	size_t len = fg_value_write_json(value, NULL);
	char *json = malloc(len + 1);

	if (!json || fg_value_write_json(value, json) != len || fg_jscan_check(json, len, NULL))
		abort();
	free(json);
}

/* Elements of a list: as many as were counted. */
static void walk_list(const struct fg_value *list, struct fg_arena *arena)
{
	struct fg_value element;
	size_t offset = 0, count, walked = 0;
	int rc;

	if (fg_jscan_count(list->text, list->len, 0, &count, NULL))
		abort();
	while ((rc = fg_json_text_next(list->text, list->len, &offset, arena, &element, NULL)) > 0)
		walked++;
	if (rc == 0 && walked != count)
		abort();
}

static void find(const struct fg_jsonpath *path, const char *text, size_t len)
{
	struct fg_arena arena;
	struct fg_value first, all;
	size_t offset = 0;

	fg_arena_init(&arena, 1 << 20);
	int rc = fg_jsonpath_find(path, text, len, &arena, &first, NULL);
	int rc_all = fg_jsonpath_all(path, text, len, &arena, &all, NULL);

	if (rc > 0)
		must_be_json(&first);
	if (rc_all >= 0) {
		if (rc >= 0 && rc != rc_all)
			abort();
		must_be_json(&all);
		walk_list(&all, &arena);
	}
	while (fg_json_text_next(text, len, &offset, &arena, &first, NULL) > 0)
		must_be_json(&first);
	fg_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t len = end ? (size_t)(end - data) : size;
	size_t rest = end ? len + 1 : size;
	struct fg_jsonpath *path = NULL;
	struct fg_err err = {0};
	/* without a byte behind them, so that a read beyond the end is seen */
	char *text = malloc(len ? len : 1), *json = malloc(size - rest ? size - rest : 1);

	if (!text || !json)
		abort();
	if (len > 0)
		memcpy(text, data, len);
	if (size > rest)
		memcpy(json, data + rest, size - rest);
	int rc = fg_jsonpath_compile(text, len, &path, &err);

	free(text);
	if (rc == 0)
		find(path, json, size - rest);
	else if (err.column > len + 1)
		abort();
	free(json);
	fg_jsonpath_free(path);
	return 0;
}
