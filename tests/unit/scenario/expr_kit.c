/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/scenario/expr_kit.h"

#include "tests/kit/kit.h"

#include <string.h>

#define TEXT(s)                                                          \
	{                                                                \
		.kind = FG_VALUE_TEXT, .text = (s), .len = sizeof(s) - 1 \
	}

static const struct {
	const char *name;
	struct fg_name means;
} names[] = {
	{"token", {.kind = FG_NAME_SLOT, .index = 0}},
	{"count", {.kind = FG_NAME_SLOT, .index = 1}},
	{"list", {.kind = FG_NAME_SLOT, .index = 2}},
	{"user", {.kind = FG_NAME_SLOT, .index = 3}},
	{"setup.cart", {.kind = FG_NAME_GLOBAL, .index = 0}},
	{"data.users.name", {.kind = FG_NAME_DATA, .index = 0, .column = 0}},
	{"data.users.first-name", {.kind = FG_NAME_DATA, .index = 0, .column = 1}},
	{"vu", {.kind = FG_NAME_VU}},
	{"iteration", {.kind = FG_NAME_ITERATION}},
	{"scenario.iteration", {.kind = FG_NAME_SCENARIO_ITERATION}},
	{"target.port", {.kind = FG_NAME_RUN, .index = FG_RUN_TEXT_TARGET_PORT}},
	{"run.id", {.kind = FG_NAME_RUN, .index = FG_RUN_TEXT_RUN_ID}},
	{"currency", {.kind = FG_NAME_CONSTANT, .constant = TEXT("EUR")}},
	{"api-key", {.kind = FG_NAME_CONSTANT, .constant = TEXT("k")}},
	{"limit", {.kind = FG_NAME_CONSTANT, .constant = {.kind = FG_VALUE_NUMBER, .number = 5}}},
	{"on", {.kind = FG_NAME_CONSTANT, .constant = {.kind = FG_VALUE_BOOL, .boolean = true}}},
};

static size_t find(void *context, const char *path, size_t len, struct fg_name *ret,
		   struct fg_err *err)
{
	(void)context;
	for (size_t i = 0; i < FG_ARRAY_LEN(names); i++) {
		size_t n = strlen(names[i].name);

		if (n <= len && memcmp(names[i].name, path, n) == 0 &&
		    (n == len || path[n] == '.')) {
			*ret = names[i].means;
			return n;
		}
	}
	(void)fg_err_set(err, FG_E_INVALID, "unknown name \"%.*s\"", (int)len, path);
	return 0;
}

const struct fg_expr_names expr_kit_names = {.find = find};

static void set(struct fg_slot *slot, enum fg_value_kind kind, const char *text)
{
	struct fg_value value = {.kind = kind, .text = text, .len = strlen(text)};
	struct fg_err err;

	assert_ok(fg_slot_set(slot, &value, &err), &err);
}

void expr_kit_init(struct expr_kit *kit)
{
	*kit = (struct expr_kit){.cells = {TEXT("ann"), TEXT("Ann B.")}};
	for (size_t i = 0; i < EXPR_KIT_SLOTS; i++)
		fg_slot_init(&kit->slots[i]);
	fg_slot_init(&kit->globals[0]);
	set(&kit->slots[0], FG_VALUE_TEXT, "ey.J");
	set(&kit->slots[2], FG_VALUE_JSON, "[ {\"id\": 7}, \"two\", 3.50, [4], null ]");
	set(&kit->slots[3], FG_VALUE_JSON,
	    "{\"id\":12345678901234567890,\"name\":\"J\\u00f6rg\",\"a "
	    "b\":{\"c\":[1,2]},\"x\":true}");
	set(&kit->globals[0], FG_VALUE_TEXT, "c1");
	kit->row.values = kit->cells;
	kit->rows[0] = &kit->row;
	kit->run_texts[FG_RUN_TEXT_TARGET_PORT] = "8080";
	fg_random_init(&kit->random, 1, 2, 3);
	fg_arena_init(&kit->arena, 1 << 20);
	kit->env = (struct fg_expr_env){.slots = kit->slots,
					.globals = kit->globals,
					.rows = kit->rows,
					.run_texts = kit->run_texts,
					.vu = 3,
					.iteration = 4,
					.scenario_iteration = 5,
					.random = &kit->random,
					.unix_ns = 1795267019123456789,
					.arena = &kit->arena};
}

void expr_kit_done(struct expr_kit *kit)
{
	for (size_t i = 0; i < EXPR_KIT_SLOTS; i++)
		fg_slot_done(&kit->slots[i]);
	fg_slot_done(&kit->globals[0]);
	fg_arena_done(&kit->arena);
}

const char *expr_kit_json(struct expr_kit *kit, const char *text)
{
	struct fg_expr *expr = NULL;
	struct fg_value value;
	struct fg_err err = {0};

	fg_arena_clear(&kit->arena);
	if (fg_expr_compile(text, strlen(text), &expr_kit_names, &expr, &err))
		fail_msg("%s: column %u: %s", text, err.column, err.message);
	if (fg_expr_eval(expr, &kit->env, &value, &err))
		fail_msg("%s: %s", text, err.message);
	size_t len = fg_value_write_json(&value, NULL);
	char *out = fg_arena_alloc(&kit->arena, len + 1);

	assert_non_null(out);
	assert_int_equal(fg_value_write_json(&value, out), len);
	out[len] = '\0';
	fg_expr_free(expr);
	return out;
}

enum fg_err_code expr_kit_fault(struct expr_kit *kit, const char *text, struct fg_err *err)
{
	struct fg_expr *expr = NULL;
	struct fg_value value = {0};

	fg_arena_clear(&kit->arena);
	fg_err_clear(err);
	int rc = fg_expr_compile(text, strlen(text), &expr_kit_names, &expr, err);

	if (rc == 0) {
		rc = fg_expr_eval(expr, &kit->env, &value, err);
		fg_expr_free(expr);
	}
	assert_int_equal(-rc, err->code);
	return err->code;
}
