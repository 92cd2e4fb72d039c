/* SPDX-License-Identifier: Apache-2.0 */
/* Two served profiles, the first one's length in front: refused, or a delta that can be read. */
#include <stdlib.h>

#include "gate/profile/scraped.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fg_scraped_summary summary;
	struct fg_err err = {0};
	struct fg_buf out;

	if (size < 2)
		return 0;
	size_t first = ((size_t)data[0] << 8 | data[1]) % (size - 1);
	const uint8_t *from = data + 2;

	first = FG_MIN(first, size - 2);
	fg_buf_init(&out, FG_SCRAPED_INFLATED_MAX);
	int rc = fg_scraped_delta(from, first, from + first, size - 2 - first, &out, &err);

	if (rc && !err.message[0])
		abort();
	if (rc == 0 && fg_scraped_summarise(out.data, out.len, &summary, &err))
		abort();
	/* nothing is left of a profile that nothing was added to, but what it is now */
	out.len = 0;
	if (fg_scraped_delta(from, size - 2, from, size - 2, &out, &err) == 0) {
		if (fg_scraped_summarise(out.data, out.len, &summary, &err))
			abort();
		for (size_t i = 0; i < summary.column_count; i++) {
			if (summary.columns[i].cumulative && summary.columns[i].total > 0)
				abort();
		}
	}
	fg_buf_done(&out);
	return 0;
}
