/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a har file: refused, or a draft whose scenario text is written. */
#include <string.h>

#include "runner/convert/har.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fg_draft draft = {0};
	struct fg_err err;
	struct fg_buf out;
	const struct fg_har_options options = {.name = "fuzz"};

	if (fg_har_convert((const char *)data, size, &options, &draft, &err) == 0) {
		fg_buf_init(&out, FG_DRAFT_TEXT_MAX);
		if (fg_draft_write(&draft, &out, &err) == 0 && strlen(out.data) != out.len)
			__builtin_trap();
		fg_buf_done(&out);
	}
	fg_draft_done(&draft);
	return 0;
}
