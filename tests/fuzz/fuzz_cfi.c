/* SPDX-License-Identifier: Apache-2.0 */
/* Call-frame programs: the ranges that come out lie one behind the other and fill the function. */
#include <string.h>

#include "profiler/unwind/cfi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { END = 1000 };

static int take_state(void *context, uint64_t start, uint64_t end, const struct fg_cfi_rules *rules)
{
	uint64_t *covered = context;

	assert(start == *covered && start < end && end <= END);
	assert(!rules || !rules->cfa_expression.at ||
	       rules->cfa_expression.at <= rules->cfa_expression.end);
	*covered = end;
	return 0;
}

/* Four bytes for the CIE's factors and its length; its program, then the FDE's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t covered = 0;

	if (size < 4)
		return 0;
	size_t initial = FG_MIN((size_t)data[3], size - 4);
	const struct fg_cfi_common common = {
		.initial = {data + 4, data + 4 + initial},
		.code_factor = data[0],
		.data_factor = (int8_t)data[1],
		.return_register = data[2] & 31,
		.saved_register = 6,
	};
	const struct fg_cfi_cursor program = {data + 4 + initial, data + size};

	assert(fg_cfi_run(&common, program, 0, END, take_state, &covered) == 0);
	assert(covered == END);
	return 0;
}
