/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/engine.h"

#include <string.h>

const struct fg_engine_ops *fg_engine_find(const char *name)
{
	static const struct fg_engine_ops *const engines[] = {&fg_engine_curl, &fg_engine_native,
							      &fg_engine_null};

	for (size_t i = 0; i < FG_ARRAY_LEN(engines); i++) {
		if (!strcmp(engines[i]->name, name))
			return engines[i];
	}
	return NULL;
}
