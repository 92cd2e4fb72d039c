/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/check.h"

#include <string.h>
#include <strings.h>

/* -- headers ----------------------------------------------------------------------------------- */

bool fg_answer_header_next(const char *head, size_t head_len, const char *name, size_t *offset,
			   const char **ret, size_t *ret_len)
{
	const size_t name_len = strlen(name);

	while (*offset < head_len) {
		const char *line = head + *offset;
		const char *end = memchr(line, '\n', head_len - *offset);
		size_t len = end ? (size_t)(end - line) : head_len - *offset;

		*offset += len + (end ? 1 : 0);
		/* The first letter sorts out nearly all of them. */
		if (len <= name_len || (line[0] | 0x20) != (name[0] | 0x20) ||
		    line[name_len] != ':' || strncasecmp(line, name, name_len) != 0)
			continue;
		line += name_len + 1;
		len -= name_len + 1;
		while (len && (*line == ' ' || *line == '\t')) {
			line++;
			len--;
		}
		while (len &&
		       (line[len - 1] == '\r' || line[len - 1] == ' ' || line[len - 1] == '\t'))
			len--;
		*ret = line;
		*ret_len = len;
		return true;
	}
	return false;
}

bool fg_answer_header(const char *head, size_t head_len, const char *name, const char **ret,
		      size_t *ret_len)
{
	size_t offset = 0;

	return fg_answer_header_next(head, head_len, name, &offset, ret, ret_len);
}

/* -- finding ----------------------------------------------------------------------------------- */

static int found_text(struct fg_value *ret, const char *text, size_t len)
{
	*ret = (struct fg_value){.kind = FG_VALUE_TEXT, .text = text, .len = len};
	return 1;
}

static int found_number(struct fg_value *ret, double number)
{
	*ret = (struct fg_value){.kind = FG_VALUE_NUMBER, .number = number};
	return 1;
}

static int find_header(const struct fg_answer *answer, const char *name, struct fg_value *ret)
{
	const struct fg_engine_response *response = answer->response;
	const char *text;
	size_t len;

	return fg_answer_header(response->head, response->head_len, name, &text, &len)
		       ? found_text(ret, text, len)
		       : 0;
}

static int find_cookie(const struct fg_answer *answer, const char *name, struct fg_value *ret)
{
	const struct fg_engine_response *response = answer->response;
	const char *line, *cookie, *value;
	size_t offset = 0, len, cookie_len, value_len;
	int found = 0;

	/* Set twice: the later one stays. */
	while (fg_answer_header_next(response->head, response->head_len, "Set-Cookie", &offset,
				     &line, &len)) {
		if (fg_cookie_split(line, len, &cookie, &cookie_len, &value, &value_len) &&
		    cookie_len == strlen(name) && !memcmp(cookie, name, cookie_len))
			found = found_text(ret, value, value_len);
	}
	if (!found && answer->url &&
	    fg_cookies_get(answer->cookies, answer->url, answer->now_unix_s, name, &value,
			   &value_len))
		found = found_text(ret, value, value_len);
	return found;
}

static int find_json(const struct fg_answer *answer, const struct fg_look *look,
		     struct fg_value *ret, struct fg_err *err)
{
	return look->all ? fg_jsonpath_all(look->path, answer->body, answer->body_len,
					   answer->arena, ret, err)
			 : fg_jsonpath_find(look->path, answer->body, answer->body_len,
					    answer->arena, ret, err);
}

static int find_regex(const struct fg_answer *answer, const struct fg_look *look,
		      struct fg_value *ret, struct fg_err *err)
{
	const char *text;
	size_t len;
	int rc = fg_regex_find(look->regex, answer->match, answer->body, answer->body_len,
			       look->group, &text, &len, err);

	return rc > 0 ? found_text(ret, text, len) : rc;
}

int fg_answer_find(const struct fg_answer *answer, const struct fg_look *look, struct fg_value *ret,
		   struct fg_err *err)
{
	if (answer->response->error != FG_NET_OK)
		return 0;
	switch (look->from) {
	case FG_FROM_STATUS:
		return found_number(ret, answer->response->status);
	case FG_FROM_HEADER:
		return find_header(answer, look->key, ret);
	case FG_FROM_COOKIE:
		return find_cookie(answer, look->key, ret);
	case FG_FROM_DURATION: /* ms, as k6's timings */
		return found_number(ret, (double)answer->duration_ns / (double)FG_NS_PER_MS);
	case FG_FROM_SIZE:
		return found_number(ret, (double)answer->body_len);
	case FG_FROM_BODY:
		return answer->body && answer->body_len
			       ? found_text(ret, answer->body, answer->body_len)
			       : 0;
	case FG_FROM_JSON:
		return answer->body && answer->body_len ? find_json(answer, look, ret, err) : 0;
	case FG_FROM_REGEX:
		return answer->body ? find_regex(answer, look, ret, err) : 0;
	}
	return 0;
}

/* -- comparing --------------------------------------------------------------------------------- */

static bool compare(enum fg_test test, double a, double b)
{
	switch (test) {
	case FG_TEST_LT:
		return a < b;
	case FG_TEST_LE:
		return a <= b;
	case FG_TEST_GT:
		return a > b;
	case FG_TEST_GE:
		return a >= b;
	case FG_TEST_EQUALS:
		return a == b;
	case FG_TEST_NE:
		return a != b;
	default:
		return false;
	}
}

static bool list_contains(const struct fg_value *list, const struct fg_value *wanted,
			  struct fg_arena *arena, struct fg_err *err)
{
	struct fg_value element;
	size_t offset = 0;

	while (fg_json_text_next(list->text, list->len, &offset, arena, &element, err) > 0) {
		if (fg_value_equal(&element, wanted))
			return true;
	}
	return false;
}

/* In a text: a part of it; in a list: an element. */
static bool contains(const struct fg_value *value, const struct fg_value *wanted,
		     struct fg_arena *arena, struct fg_err *err)
{
	char buffer[FG_VALUE_NUMBER_MAX], part_buffer[FG_VALUE_NUMBER_MAX];
	const char *text, *part;
	size_t len, part_len;

	if (value->kind == FG_VALUE_JSON && value->len && value->text[0] == '[')
		return list_contains(value, wanted, arena, err);
	text = fg_value_view(value, buffer, &len);
	part = fg_value_view(wanted, part_buffer, &part_len);
	return !part_len || memmem(text, len, part, part_len);
}

static bool matches(const struct fg_condition *condition, const struct fg_value *value,
		    const struct fg_answer *answer, struct fg_err *err)
{
	char buffer[FG_VALUE_NUMBER_MAX];
	const char *match;
	size_t len, match_len;
	const char *text = fg_value_view(value, buffer, &len);

	return fg_regex_find(condition->pattern, answer->match, text, len, 0, &match, &match_len,
			     err) > 0;
}

static bool holds_operand(const struct fg_condition *condition, const struct fg_value *value,
			  const struct fg_answer *answer, const struct fg_expr_env *env,
			  struct fg_err *err)
{
	struct fg_value operand;
	double a, b;

	if (fg_template_value(&condition->operand, env, &operand, err))
		return false;
	switch (condition->test) {
	case FG_TEST_EQUALS:
		return fg_value_equal(value, &operand);
	case FG_TEST_NE:
		return !fg_value_equal(value, &operand);
	case FG_TEST_CONTAINS:
		return contains(value, &operand, answer->arena, err);
	default:
		return fg_value_number(value, &a) && fg_value_number(&operand, &b) &&
		       compare(condition->test, a, b);
	}
}

static void say_found(const struct fg_value *value, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {0};

	if (!err || err->code != FG_E_NONE)
		return;
	fg_buf_init(&text, FG_SLOT_TEXT_MAX);
	fg_value_print_json(value, &text);
	FG_IGNORE(fg_err_set(err, FG_E_INVALID, "got %.200s", text.data ? text.data : "nothing"));
}

static bool holds_found(const struct fg_condition *condition, const struct fg_value *value,
			const struct fg_answer *answer, const struct fg_expr_env *env,
			struct fg_err *err)
{
	if (condition->test == FG_TEST_MATCHES)
		return matches(condition, value, answer, err);
	if (condition->from == FG_FROM_DURATION)
		return compare(condition->test, (double)answer->duration_ns,
			       (double)condition->limit);
	if (condition->from == FG_FROM_SIZE)
		return compare(condition->test, (double)answer->body_len, (double)condition->limit);
	return holds_operand(condition, value, answer, env, err);
}

bool fg_condition_holds(const struct fg_condition *condition, const struct fg_answer *answer,
			const struct fg_expr_env *env, struct fg_err *err)
{
	const struct fg_look look = {
		.from = condition->from,
		.key = condition->key,
		.path = condition->path,
		.regex = condition->regex,
		.group = condition->group,
	};
	const uint16_t status = answer->response->error == FG_NET_OK ? answer->response->status : 0;
	struct fg_value value;
	int found;
	bool holds;

	if (condition->test == FG_TEST_STATUS)
		return status >= condition->status_low && status <= condition->status_high;
	found = fg_answer_find(answer, &look, &value, err);
	if (condition->test == FG_TEST_EXISTS)
		return found >= 0 && answer->response->error == FG_NET_OK &&
		       (found > 0) == condition->expected_exists;
	if (found <= 0) {
		if (!found && err)
			FG_IGNORE(fg_err_set(err, FG_E_NOT_FOUND, "found nothing"));
		return false;
	}
	holds = holds_found(condition, &value, answer, env, err);
	if (!holds)
		say_found(&value, err);
	return holds;
}
