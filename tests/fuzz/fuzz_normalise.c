/* SPDX-License-Identifier: Apache-2.0 */
/* Any name: the key is bounded, idempotent, and never empty unless the name is. */
#include <stdlib.h>
#include <string.h>

#include "gate/profile/normalise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *name = malloc(size + 1);
	struct fg_buf first, second;

	if (!name)
		return 0;
	if (size)
		memcpy(name, data, size);
	name[size] = '\0';
	fg_buf_init(&first, 2 * FG_NORMALISE_MAX);
	fg_buf_init(&second, 2 * FG_NORMALISE_MAX);
	fg_normalise_name(name, &first);
	if (first.len > FG_NORMALISE_MAX || (name[0] && !first.len))
		abort();
	fg_normalise_name(first.data ? first.data : "", &second);
	if (first.len != second.len || (first.len && memcmp(first.data, second.data, first.len)))
		abort();
	fg_buf_clear(&second);
	fg_normalise_source(name, &second);
	fg_buf_done(&first);
	fg_buf_done(&second);
	free(name);
	return 0;
}
