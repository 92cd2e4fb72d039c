/* SPDX-License-Identifier: Apache-2.0 */
/* Names and an environment for tests of expressions. */
#ifndef FG_TESTS_EXPR_KIT_H
#define FG_TESTS_EXPR_KIT_H

#include "gate/base/random.h"
#include "runner/scenario/expr.h"

enum { EXPR_KIT_SLOTS = 4 };

struct expr_kit {
	struct fg_slot slots[EXPR_KIT_SLOTS]; /* token, count, list, user */
	struct fg_slot globals[1];            /* setup.cart */
	struct fg_value cells[2];             /* data.users.name, data.users.first-name */
	struct fg_data_row row;
	const struct fg_data_row *rows[1];
	const char *run_texts[FG_RUN_TEXT_COUNT];
	struct fg_random random;
	struct fg_arena arena;
	struct fg_expr_env env;
};

extern const struct fg_expr_names expr_kit_names;

void expr_kit_init(struct expr_kit *kit);
void expr_kit_done(struct expr_kit *kit);
/** Compiles and evaluates; returns what print_json says, valid until the next call. Fails the test
 *  on an error. */
const char *expr_kit_json(struct expr_kit *kit, const char *text);
/** The code (positive) and message of the fault of compiling or, if *ret_column is 0, evaluating.
 */
enum fg_err_code expr_kit_fault(struct expr_kit *kit, const char *text, struct fg_err *err);

#endif
