/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of numbers, and default(). */
#include "runner/scenario/function.h"

#include <math.h>

#include "runner/scenario/jscan.h"

int fg_function_default(const struct fg_call *call, struct fg_value *ret)
{
	const struct fg_value *value = &call->arguments[0];
	bool empty =
		value->kind == FG_VALUE_NULL || (value->kind == FG_VALUE_TEXT && value->len == 0);

	*ret = call->arguments[empty ? 1 : 0];
	return 0;
}

static int map(const struct fg_call *call, double (*function)(double), struct fg_value *ret)
{
	double number;
	int rc = fg_call_number(call, 0, &number);

	return rc ? rc : fg_call_return_number(call, function ? function(number) : number, ret);
}

int fg_function_to_number(const struct fg_call *call, struct fg_value *ret)
{
	const struct fg_value *value = &call->arguments[0];

	if (value->kind == FG_VALUE_BOOL) {
		*ret = fg_value_of_number(value->boolean ? 1 : 0);
		return 0;
	}
	return map(call, NULL, ret);
}

int fg_function_to_int(const struct fg_call *call, struct fg_value *ret)
{
	return map(call, trunc, ret);
}

int fg_function_floor(const struct fg_call *call, struct fg_value *ret)
{
	return map(call, floor, ret);
}

int fg_function_ceil(const struct fg_call *call, struct fg_value *ret)
{
	return map(call, ceil, ret);
}

int fg_function_abs(const struct fg_call *call, struct fg_value *ret)
{
	return map(call, fabs, ret);
}

int fg_function_round(const struct fg_call *call, struct fg_value *ret)
{
	int64_t digits = 0;
	double number;
	int rc = fg_call_number(call, 0, &number);

	if (rc == 0 && call->count > 1)
		rc = fg_call_integer(call, 1, 0, 15, &digits);
	if (rc)
		return rc;
	double factor = pow(10, (double)digits);

	/* so large that it has no such digits */
	if (fabs(number) >= 0x1p53 / factor)
		return fg_call_return_number(call, number, ret);
	return fg_call_return_number(call, round(number * factor) / factor, ret);
}

/* The best so far; `sign` -1 looks for the least. */
struct best {
	double number, sign;
	size_t count;
};

static void compare(struct best *best, double number)
{
	if (best->count++ == 0 || number * best->sign > best->number * best->sign)
		best->number = number;
}

static int best_of_list(const struct fg_call *call, struct best *best)
{
	struct fg_jscan_walk walk;
	struct fg_value element;
	struct fg_view list;
	double number;
	int rc = fg_call_list(call, 0, &list);

	if (rc == 0)
		rc = fg_jscan_open(&walk, list.text, list.len, 0, call->err);
	while (rc > 0 && (rc = fg_jscan_next(&walk, call->err)) > 0) {
		int taken = fg_jscan_take(list.text, list.len, walk.value, call->env->arena,
					  &element, NULL, call->err);
		if (taken < 0)
			return taken;
		if (!fg_value_number(&element, &number))
			return fg_call_fault(call, "element %zu must be a number, got %s",
					     best->count, fg_value_kind_name(&element));
		compare(best, number);
	}
	if (rc == 0 && best->count == 0)
		return fg_call_fault(call, "the list is empty");
	return rc;
}

/* Of the arguments, or of the list that is the only one. */
static int extreme(const struct fg_call *call, double sign, struct fg_value *ret)
{
	struct best best = {.sign = sign};
	int rc = 0;

	if (call->count == 1 && call->arguments[0].kind == FG_VALUE_JSON)
		rc = best_of_list(call, &best);
	while (rc == 0 && best.count < call->count) {
		double number;

		rc = fg_call_number(call, (unsigned)best.count, &number);
		if (rc == 0)
			compare(&best, number);
	}
	return rc ? rc : fg_call_return_number(call, best.number, ret);
}

int fg_function_min(const struct fg_call *call, struct fg_value *ret)
{
	return extreme(call, -1, ret);
}

int fg_function_max(const struct fg_call *call, struct fg_value *ret)
{
	return extreme(call, 1, ret);
}
