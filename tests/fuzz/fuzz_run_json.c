/* SPDX-License-Identifier: Apache-2.0 */
/* run.json: what is accepted must be written and accepted again, and be the same text. */
#include <stdlib.h>
#include <string.h>

#include "gate/measure/bundle_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct fg_result *result, struct fg_buf *text)
{
	struct fg_err err = {0};

	fg_buf_init(text, FG_JSON_BYTES_MAX);
	if (fg_bundle_run_json(result, text, &err) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fg_result *result = NULL;
	struct fg_result *again = NULL;
	struct fg_buf first;
	struct fg_buf second;
	struct fg_err err = {0};

	if (fg_bundle_parse_run_json((const char *)data, size, &result, &err) != 0) {
		if (result || err.message[0] == '\0')
			abort();
		return 0;
	}
	write_again(result, &first);
	if (fg_bundle_parse_run_json(first.data, first.len, &again, &err) != 0)
		abort();
	write_again(again, &second);
	if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
		abort();
	fg_buf_done(&first);
	fg_buf_done(&second);
	fg_result_free(result);
	fg_result_free(again);
	return 0;
}
