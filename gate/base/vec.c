/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/base/vec.h"

#include <stdlib.h>
#include <string.h>

int fg_vec_grow(void **items, size_t *capacity, size_t need, size_t max, size_t size_bytes,
		struct fg_err *err)
{
	if (need <= *capacity)
		return 0;
	if (need > max)
		return fg_err_set(err, FG_E_LIMIT, "more than %zu elements", max);
	size_t wanted = *capacity < 8 ? 8 : *capacity + *capacity / 2;

	if (wanted < need)
		wanted = need;
	if (wanted > max)
		wanted = max;
	size_t bytes;

	if (__builtin_mul_overflow(wanted, size_bytes, &bytes))
		return fg_err_nomem(err);
	char *grown = realloc(*items, bytes);

	if (!grown)
		return fg_err_nomem(err);
	memset(grown + *capacity * size_bytes, 0, bytes - *capacity * size_bytes);
	*items = grown;
	*capacity = wanted;
	return 0;
}
