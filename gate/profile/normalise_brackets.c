/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of C++ and Rust: template arguments, parameters, return types, tags, lambdas. No parser of
 * either language: bracket matching that knows operators, and leaves alone what does not match.
 */
#include <string.h>

#include "gate/profile/normalise_internal.h"

/* At the word "operator": the length of word and symbol ("operator<<", "operator()"), otherwise 0.
 * Conversion operators and new/delete have no symbol: "operator" alone. */
static size_t operator_len(const struct fg_name *name, size_t at)
{
	static const char *const symbols[] = {
		"()", "[]", "<=>", "->*", "->", "<<=", ">>=", "<<", ">>", "<=", ">=", "<", ">",
	};
	static const size_t word = 8;

	if (name->text[at] != 'o' || !fg_name_starts(name, at, "operator") ||
	    (at && fg_name_is_word(name->text[at - 1])))
		return 0;
	size_t space = name->text[at + word] == ' ' ? 1 : 0;

	for (size_t i = 0; i < FG_ARRAY_LEN(symbols); i++) {
		if (fg_name_starts(name, at + word + space, symbols[i]))
			return word + space + strlen(symbols[i]);
	}
	return fg_name_is_word(name->text[at + word]) ? 0 : word;
}

static char closing(char open)
{
	return open == '(' ? ')' : open == '[' ? ']' : open == '{' ? '}' : '>';
}

/* The position of the bracket that closes the one at `open`, or 0; also when the steps are used up,
 * and the name will stay as it was. Inside of round ones, angles are
 * comparisons as often as brackets, so only round ones count there. */
static size_t match(struct fg_name *name, size_t open)
{
	char opening = name->text[open];
	char close = closing(opening);
	size_t depth = 0;

	for (size_t at = open; at < name->len && name->steps < FG_NAME_STEPS_MAX; at++) {
		char c = name->text[at];
		size_t symbol = operator_len(name, at);

		name->steps++;
		if (symbol) {
			at += symbol - 1;
		} else if (c == '-' && name->text[at + 1] == '>') {
			at++;
		} else if (opening == '<' && c == '(') {
			size_t end = match(name, at);

			at = end ? end : at;
		} else if (c == opening) {
			depth++;
		} else if (c == close && --depth == 0) {
			return at;
		}
	}
	return 0;
}

/* The angle at `at` begins a qualified type, not arguments: "<T as Trait>::f", "<impl T for U>". */
static bool is_qualified(const struct fg_name *name, size_t at)
{
	if (fg_name_starts(name, at, "<impl "))
		return true;
	return at == 0 ||
	       !(fg_name_is_word(name->text[at - 1]) || strchr(":]})'>$*<", name->text[at - 1]));
}

/* Returns where to go on. */
static size_t strip_angle(struct fg_name *name, size_t at)
{
	static const char dots[] = "<\xe2\x80\xa6>";

	if (is_qualified(name, at))
		return at + 1;
	size_t end = match(name, at);

	if (!end)
		return at + 1;
	if (end > at + 1)
		fg_name_replace(name, at, end - at + 1, dots);
	return at + (end > at + 1 ? strlen(dots) : 2);
}

/* ABI tags, Rust's crate hashes, Go's type arguments; other square brackets are kept. */
static size_t strip_square(struct fg_name *name, size_t at)
{
	enum { CRATE_HASH_MIN = 6, CRATE_HASH_MAX = 16 };
	size_t end = match(name, at);
	size_t hex = fg_name_hex(name, at + 1);

	if (!end || !at)
		return at + 1;
	bool hash = at + 1 + hex == end && hex >= CRATE_HASH_MIN && hex <= CRATE_HASH_MAX;

	if (!hash && !fg_name_starts(name, at, "[abi:") && !fg_name_starts(name, at, "[go.shape") &&
	    !fg_name_starts(name, at, "[...]"))
		return at + 1;
	fg_name_erase(name, at, end - at + 1);
	return at;
}

/* {lambda(int)#1} → {lambda}, {{closure}} → {closure}, {closure#2} → {closure}. */
static size_t strip_brace(struct fg_name *name, size_t at)
{
	size_t end = match(name, at);

	if (!end)
		return at + 1;
	if (name->text[at + 1] == '{' && name->text[end - 1] == '}' && end > at + 2) {
		fg_name_erase(name, end, 1);
		fg_name_erase(name, at, 1);
		return at;
	}
	size_t inner = at + 1 + strcspn(name->text + at + 1, "(#");

	if (name->source || inner >= end || inner == at + 1)
		return end + 1;
	fg_name_erase(name, inner, end - inner);
	return inner + 1;
}

/* 'lambda'(int) and 'lambda0' (LLVM's demangler), $_0 (clang's own name). */
static size_t strip_clang_lambda(struct fg_name *name, size_t at)
{
	static const char quoted[] = "'lambda";
	size_t len = 0;

	if (fg_name_starts(name, at, quoted)) {
		len = strlen(quoted) + fg_name_digits(name, at + strlen(quoted));
		len = name->text[at + len] == '\'' ? len + 1 : 0;
	} else if (fg_name_starts(name, at, "$_") && !(at && fg_name_is_word(name->text[at - 1]))) {
		len = fg_name_digits(name, at + 2) ? 2 + fg_name_digits(name, at + 2) : 0;
	}
	if (!len || name->source)
		return at + 1;
	fg_name_replace(name, at, len, "{lambda}");
	return at + strlen("{lambda}");
}

/* What may follow a parameter list at the end or before "::". */
static size_t qualifiers(const struct fg_name *name, size_t at)
{
	static const char *const words[] = {" const", " volatile", " &&",
					    " &",     " noexcept", " restrict"};
	size_t len = 0;

	for (size_t i = 0; i < FG_ARRAY_LEN(words); i++) {
		size_t end = at + len + strlen(words[i]);

		if (!fg_name_starts(name, at + len, words[i]) || fg_name_is_word(name->text[end]))
			continue;
		len += strlen(words[i]);
		i = SIZE_MAX; /* again from the first word */
	}
	return len;
}

/* A parameter list follows a name directly; (anonymous namespace), Go's (*T) and what stands
 * behind a blank do not. Sets *ret_seen when it removed one. */
static size_t strip_round(struct fg_name *name, size_t at, bool after_operator, bool *ret_seen)
{
	size_t end = match(name, at);

	if (!end || !at || fg_name_starts(name, at, "(anonymous namespace)"))
		return at + 1;
	char before = name->text[at - 1];

	if (!after_operator && !fg_name_is_word(before) && !strchr(">)]}'", before))
		return at + 1;
	*ret_seen = true;
	if (name->source)
		return end + 1;
	size_t len = end - at + 1;

	fg_name_erase(name, at, len + qualifiers(name, at + len));
	return at;
}

/* What follows an operator's symbol: " <int>", which would else read as more symbol, and "(int)".
 */
static size_t strip_operator(struct fg_name *name, size_t at, bool *ret_parameters)
{
	/* The other symbols: + - = == ! and so on, "new" and conversions have blanks. */
	at += strspn(name->text + at, "+-*/%^&|~!=,");
	size_t angle = at + (name->text[at] == ' ' ? 1 : 0);
	size_t end = name->text[angle] == '<' ? match(name, angle) : 0;

	if (end)
		fg_name_erase(name, at, end - at + 1);
	return name->text[at] == '(' ? strip_round(name, at, true, ret_parameters) : at;
}

static size_t strip_at(struct fg_name *name, size_t at, bool *ret_parameters)
{
	size_t symbol = operator_len(name, at);

	if (symbol)
		return strip_operator(name, at + symbol, ret_parameters);
	switch (name->text[at]) {
	case '<':
		return strip_angle(name, at);
	case '[':
		return strip_square(name, at);
	case '{':
		return strip_brace(name, at);
	case '(':
		return strip_round(name, at, false, ret_parameters);
	case '\'':
	case '$':
		return strip_clang_lambda(name, at);
	case '-':
		return at + (name->text[at + 1] == '>' ? 2 : 1);
	default:
		return at + 1;
	}
}

/* Where the function's own name begins: behind the last blank outside of brackets, but an operator
 * ("operator new", "operator unsigned long") and a "… thunk to …" keep theirs. */
static size_t own_name(struct fg_name *name)
{
	size_t start = 0;

	if (strstr(name->text, " thunk to ") || strstr(name->text, " for "))
		return 0;
	for (size_t at = 0; at < name->len;) {
		size_t symbol = operator_len(name, at);
		size_t end = 0;

		if (symbol == strlen("operator"))
			break; /* what follows is its type */
		if (!symbol && strchr("(<[{", name->text[at]))
			end = match(name, at);
		if (name->text[at] == ' ' && name->text[at + 1])
			start = at + 1;
		at = end ? end + 1 : at + FG_MAX(symbol, (size_t)1);
	}
	while (name->text[start] == '*' || name->text[start] == '&')
		start++;
	return start < name->len ? start : 0;
}

void fg_name_strip_brackets(struct fg_name *name)
{
	bool parameters = false;

	for (size_t at = 0; at < name->len;)
		at = strip_at(name, at, &parameters);
	/* Demanglers print return types only together with parameters. */
	if (parameters && !name->source)
		fg_name_erase(name, 0, own_name(name));
}

void fg_name_strip_templates(struct fg_name *name)
{
	for (size_t at = 0; at < name->len;) {
		size_t symbol = operator_len(name, at);

		if (symbol)
			at += symbol;
		else if (name->text[at] == '<')
			at = strip_angle(name, at);
		else if (fg_name_starts(name, at, "[go.shape"))
			at = strip_square(name, at);
		else
			at += name->text[at] == '-' && name->text[at + 1] == '>' ? 2 : 1;
	}
}
