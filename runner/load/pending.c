/* SPDX-License-Identifier: Apache-2.0 */
/* Until the branches expr and lang are merged: what the step machine calls of them, as far as
 * templates without expressions need it. Weak, and gone with the merge. */
#include <stdlib.h>
#include <string.h>

#include "gate/base/arena.h"
#include "runner/scenario/regex.h"
#include "runner/scenario/scenario.h"

#define WEAK __attribute__((weak))

WEAK bool fg_template_is_constant(const struct fg_template *text)
{
	for (size_t i = 0; i < text->part_count; i++) {
		if (text->parts[i].kind != FG_PART_TEXT)
			return false;
	}
	return true;
}

WEAK int fg_template_expand(const struct fg_template *text, const struct fg_expr_env *env,
			    struct fg_buf *out, struct fg_err *err)
{
	(void)err;
	fg_template_render(text, env->vu, env->iteration, env->scenario_iteration, out);
	return 0;
}

WEAK int fg_template_value(const struct fg_template *text, const struct fg_expr_env *env,
			   struct fg_value *ret, struct fg_err *err)
{
	(void)text, (void)env, (void)ret;
	return fg_err_set(err, FG_E_LATER, "values");
}

WEAK const struct fg_data_row *fg_data_next(const struct fg_data *data,
					    struct fg_data_cursor *cursor,
					    const struct fg_data_place *place)
{
	(void)data, (void)cursor, (void)place;
	return NULL;
}
