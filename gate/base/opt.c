/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/base/opt.h"

#include <stdio.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"

enum { NAMES_MAX = 64, HELP_COLUMN = 28, HELP_WIDTH = 80 };

struct parser {
	const struct fg_opt *options;
	size_t count;
	int argc;
	char **argv;
	int next; /* index of the next word */
	void *values;
};

static const struct fg_opt *find_long(const struct parser *p, const char *name, size_t len)
{
	for (size_t i = 0; i < p->count; i++)
		if (strlen(p->options[i].name) == len && memcmp(p->options[i].name, name, len) == 0)
			return &p->options[i];
	return NULL;
}

static const struct fg_opt *find_short(const struct parser *p, char name)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->options[i].short_name == name && name != '\0')
			return &p->options[i];
	return NULL;
}

static int unknown_option(const struct parser *p, const char *name, size_t len, struct fg_err *err)
{
	const char *names[NAMES_MAX];
	size_t count = FG_MIN(p->count, (size_t)NAMES_MAX);
	char word[64];

	for (size_t i = 0; i < count; i++)
		names[i] = p->options[i].name;
	(void)snprintf(word, sizeof(word), "%.*s", (int)FG_MIN(len, sizeof(word) - 1), name);
	const char *nearest = fg_str_nearest(word, names, count);

	if (nearest)
		return fg_err_set(err, FG_E_USAGE, "unknown option --%s; did you mean --%s?", word,
				  nearest);
	return fg_err_set(err, FG_E_USAGE, "unknown option --%s", word);
}

/* A field of 0 is an option that was not given: 0 on the command line would silently be the
 * default.
 */
static int store_number(const struct fg_opt *option, const char *text, uint64_t *field,
			struct fg_err *err)
{
	uint64_t value = 0;
	int rc = option->kind == FG_OPT_DURATION
			 ? fg_num_duration_ns(text, strlen(text), &value, err)
			 : fg_num_u64(text, strlen(text), &value, err);

	if (rc)
		return fg_err_wrap(err, "--%s", option->name);
	if (!value)
		return fg_err_set(err, FG_E_USAGE,
				  "--%s must be more than 0; leave it out for its default",
				  option->name);
	*field = value;
	return 0;
}

static int store(const struct fg_opt *option, const char *text, void *values, struct fg_err *err)
{
	char *field = (char *)values + option->offset;
	int rc = 0;

	switch (option->kind) {
	case FG_OPT_FLAG:
		*(bool *)(void *)field = true;
		return 0;
	case FG_OPT_STRING:
		*(const char **)(void *)field = text;
		return 0;
	case FG_OPT_U64:
	case FG_OPT_DURATION:
		rc = store_number(option, text, (uint64_t *)(void *)field, err);
		break;
	case FG_OPT_LIST: {
		struct fg_opt_list *list = (struct fg_opt_list *)(void *)field;

		if (list->count == FG_OPT_LIST_MAX)
			return fg_err_set(err, FG_E_USAGE, "--%s is given more than %d times",
					  option->name, FG_OPT_LIST_MAX);
		list->items[list->count++] = text;
		return 0;
	}
	}
	if (rc)
		err->code = FG_E_USAGE;
	return rc ? -FG_E_USAGE : 0;
}

static int take_value(struct parser *p, const struct fg_opt *option, const char *attached,
		      struct fg_err *err)
{
	if (option->kind == FG_OPT_FLAG) {
		if (attached)
			return fg_err_set(err, FG_E_USAGE, "--%s takes no value", option->name);
		return store(option, NULL, p->values, err);
	}
	if (!attached) {
		if (p->next >= p->argc)
			return fg_err_set(err, FG_E_USAGE, "--%s needs a value: --%s %s",
					  option->name, option->name, option->arg);
		attached = p->argv[p->next++];
	}
	return store(option, attached, p->values, err);
}

static int parse_long(struct parser *p, const char *word, struct fg_err *err)
{
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const struct fg_opt *option = find_long(p, word, len);

	if (!option)
		return unknown_option(p, word, len, err);
	return take_value(p, option, equals ? equals + 1 : NULL, err);
}

static int parse_short(struct parser *p, const char *word, struct fg_err *err)
{
	for (size_t i = 0; word[i]; i++) {
		const struct fg_opt *option = find_short(p, word[i]);

		if (!option)
			return fg_err_set(err, FG_E_USAGE, "unknown option -%c", word[i]);
		if (option->kind != FG_OPT_FLAG)
			return take_value(p, option, word[i + 1] ? word + i + 1 : NULL, err);
		int rc = store(option, NULL, p->values, err);

		if (rc)
			return rc;
	}
	return 0;
}

int fg_opt_parse(const struct fg_opt *options, size_t count, int argc, char **argv, void *values,
		 struct fg_opt_list *ret_args, struct fg_err *err)
{
	struct parser p = {
		.options = options, .count = count, .argc = argc, .argv = argv, .values = values};
	bool options_ended = false;

	ret_args->count = 0;
	while (p.next < argc) {
		const char *word = argv[p.next++];
		int rc = 0;

		if (!options_ended && strcmp(word, "--") == 0) {
			options_ended = true;
		} else if (!options_ended && strncmp(word, "--", 2) == 0) {
			rc = parse_long(&p, word + 2, err);
		} else if (!options_ended && word[0] == '-' && word[1] != '\0') {
			rc = parse_short(&p, word + 1, err);
		} else if (ret_args->count == FG_OPT_LIST_MAX) {
			rc = fg_err_set(err, FG_E_USAGE, "more than %d arguments", FG_OPT_LIST_MAX);
		} else {
			ret_args->items[ret_args->count++] = word;
		}
		if (rc)
			return rc;
	}
	return 0;
}

/* Words of `text` from column `column` on, wrapped and indented. */
static void add_wrapped(struct fg_buf *out, const char *text, size_t column)
{
	while (*text) {
		size_t len = strcspn(text, " ");

		if (column > HELP_COLUMN && column + 1 + len > HELP_WIDTH) {
			fg_buf_addf(out, "\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
		}
		if (column > HELP_COLUMN) {
			fg_buf_add_char(out, ' ');
			column++;
		}
		fg_buf_add(out, text, len);
		column += len;
		text += len;
		text += strspn(text, " ");
	}
	fg_buf_add_char(out, '\n');
}

void fg_opt_help(const struct fg_opt *options, size_t count, struct fg_buf *out)
{
	for (size_t i = 0; i < count; i++) {
		const struct fg_opt *option = &options[i];
		char left[64];
		int len;

		if (option->short_name)
			len = snprintf(left, sizeof(left), "  -%c, --%s%s%s", option->short_name,
				       option->name, option->arg ? " " : "",
				       option->arg ? option->arg : "");
		else
			len = snprintf(left, sizeof(left), "      --%s%s%s", option->name,
				       option->arg ? " " : "", option->arg ? option->arg : "");
		fg_buf_add_str(out, left);
		if (len + 2 > HELP_COLUMN)
			fg_buf_addf(out, "\n%*s", HELP_COLUMN, "");
		else
			fg_buf_addf(out, "%*s", HELP_COLUMN - len, "");
		add_wrapped(out, option->help, HELP_COLUMN);
	}
}
