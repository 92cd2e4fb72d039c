/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes: refused with a message, or a profile that survives being written and read again. */
#include <stdlib.h>

#include "gate/profile/pprof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fg_pprof_options options = {.labels = true};
	struct fg_profile *profile = NULL;
	struct fg_profile *again = NULL;
	struct fg_err err = {0};
	struct fg_buf out;

	if (fg_pprof_decode(data, size, &profile, &err)) {
		if (!err.message[0])
			abort();
		return 0;
	}
	fg_buf_init(&out, FG_PROFILE_BYTES_MAX);
	if (fg_pprof_encode(profile, &options, &out, &err) == 0) {
		if (fg_pprof_decode(out.data, out.len, &again, &err))
			abort();
		if (fg_profile_total_count(again) != fg_profile_total_count(profile) ||
		    again->sample_count != profile->sample_count)
			abort();
		fg_profile_free(again);
	}
	fg_buf_done(&out);
	fg_profile_free(profile);
	return 0;
}
