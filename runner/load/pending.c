/* SPDX-License-Identifier: Apache-2.0 */
/* Until the branches expr and lang are merged: what the step machine calls of them, as far as
 * templates without expressions need it. Weak, and gone with the merge. */
#include <stdlib.h>
#include <string.h>

#include "gate/base/arena.h"
#include "runner/scenario/regex.h"
#include "runner/scenario/scenario.h"

#define WEAK __attribute__((weak))

WEAK void fg_arena_init(struct fg_arena *arena, size_t max_bytes)
{
	*arena = (struct fg_arena){.max = max_bytes};
}

WEAK void fg_arena_done(struct fg_arena *arena)
{
	(void)arena;
}

WEAK void fg_arena_clear(struct fg_arena *arena)
{
	(void)arena;
}

WEAK void *fg_arena_alloc(struct fg_arena *arena, size_t len)
{
	(void)arena;
	(void)len;
	return NULL;
}

WEAK char *fg_arena_copy(struct fg_arena *arena, const char *text, size_t len)
{
	(void)arena;
	(void)text;
	(void)len;
	return NULL;
}

WEAK int fg_regex_match_new(struct fg_regex_match **ret, struct fg_err *err)
{
	(void)err;
	*ret = NULL;
	return 0;
}

WEAK void fg_regex_match_free(struct fg_regex_match *match)
{
	(void)match;
}

WEAK int fg_regex_find(const struct fg_regex *regex, struct fg_regex_match *match, const char *text,
		       size_t len, unsigned group, const char **ret_text, size_t *ret_len,
		       struct fg_err *err)
{
	(void)regex, (void)match, (void)text, (void)len, (void)group, (void)ret_text;
	(void)ret_len;
	return fg_err_set(err, FG_E_LATER, "regex");
}

WEAK int fg_jsonpath_find(const struct fg_jsonpath *path, const char *json, size_t len,
			  struct fg_arena *arena, struct fg_value *ret, struct fg_err *err)
{
	(void)path, (void)json, (void)len, (void)arena, (void)ret;
	return fg_err_set(err, FG_E_LATER, "JSONPath");
}

WEAK int fg_jsonpath_all(const struct fg_jsonpath *path, const char *json, size_t len,
			 struct fg_arena *arena, struct fg_value *ret, struct fg_err *err)
{
	(void)path, (void)json, (void)len, (void)arena, (void)ret;
	return fg_err_set(err, FG_E_LATER, "JSONPath");
}

WEAK int fg_json_text_next(const char *json, size_t len, size_t *offset, struct fg_arena *arena,
			   struct fg_value *ret, struct fg_err *err)
{
	(void)json, (void)len, (void)offset, (void)arena, (void)ret;
	return fg_err_set(err, FG_E_LATER, "JSON");
}

WEAK void fg_value_print(const struct fg_value *value, struct fg_buf *out)
{
	fg_buf_add(out, value->text, value->len);
}

WEAK void fg_value_print_json(const struct fg_value *value, struct fg_buf *out)
{
	fg_buf_add(out, value->text, value->len);
}

WEAK bool fg_value_truth(const struct fg_value *value)
{
	return value->len > 0;
}

WEAK bool fg_value_number(const struct fg_value *value, double *ret)
{
	*ret = value->number;
	return value->kind == FG_VALUE_NUMBER;
}

WEAK bool fg_value_equal(const struct fg_value *a, const struct fg_value *b)
{
	return a->len == b->len;
}

WEAK void fg_slot_init(struct fg_slot *slot)
{
	*slot = (struct fg_slot){0};
}

WEAK void fg_slot_done(struct fg_slot *slot)
{
	(void)slot;
}

WEAK void fg_slot_clear(struct fg_slot *slot)
{
	slot->set = false;
}

WEAK int fg_slot_set(struct fg_slot *slot, const struct fg_value *value, struct fg_err *err)
{
	(void)slot, (void)value;
	return fg_err_set(err, FG_E_LATER, "variables");
}

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

WEAK uint64_t fg_expr_data_sets(const struct fg_expr *expr)
{
	(void)expr;
	return UINT64_MAX;
}
