/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a openapi file: refused, or a draft that is a valid scenario. */
#include "gate/base/str.h"
#include "runner/convert/openapi.h"
#include "tests/fuzz/fuzz_draft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fg_draft draft = {0};
	struct fg_err err;

	if (fg_openapi_convert((const char *)data, size, "fuzz", &draft, &err) == 0) {
		/* As `flamegate init` does: the first server is rarely a test's target. */
		if (fg_str_replace("http://127.0.0.1:8080", &draft.url, &err))
			abort();
		fg_fuzz_draft(&draft);
	}
	fg_draft_done(&draft);
	return 0;
}
