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

int fg_engines_open(struct fg_engines *engines, const struct fg_engine_ops *ops, uv_loop_t *loop,
		    const struct fg_scenario_file *file, struct fg_engine **ret, struct fg_err *err)
{
	unsigned i = 0;
	int rc;

	while (i < engines->count && engines->ops[i] != ops)
		i++;
	if (i == engines->count) {
		if (i == FG_ENGINE_KINDS)
			return fg_err_set(err, FG_E_INTERNAL, "too many kinds of engines");
		rc = ops->engine_new(loop, file, &engines->engines[i], err);
		if (rc)
			return rc;
		if (engines->labels && ops->label)
			ops->label(engines->engines[i], engines->labels);
		engines->ops[i] = ops;
		engines->count++;
	}
	*ret = engines->engines[i];
	return 0;
}

void fg_engines_close(struct fg_engines *engines)
{
	for (unsigned i = 0; i < engines->count; i++)
		engines->ops[i]->engine_close(engines->engines[i]);
}

void fg_engines_free(struct fg_engines *engines)
{
	for (unsigned i = 0; i < engines->count; i++)
		engines->ops[i]->engine_free(engines->engines[i]);
	engines->count = 0;
}
