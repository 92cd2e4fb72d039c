/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a har file: refused, or a draft that is a valid scenario. */
#include "runner/convert/har.h"
#include "tests/fuzz/fuzz_draft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fg_draft draft = {0};
	struct fg_err err;
	const struct fg_har_options options = {.name = "fuzz"};

	if (fg_har_convert((const char *)data, size, &options, &draft, &err) == 0)
		fg_fuzz_draft(&draft);
	fg_draft_done(&draft);
	return 0;
}
