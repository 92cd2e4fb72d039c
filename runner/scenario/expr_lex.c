/* SPDX-License-Identifier: Apache-2.0 */
/* Text to tokens. */
#include "runner/scenario/expr_internal.h"

#include <string.h>

#include "gate/base/num.h"
#include "runner/scenario/jscan.h"

/* Longer ones first. */
static const char *const symbols[] = {"==", "!=", "<=", ">=", "&&", "||", "??", "?",
				      ":",  "<",  ">",  "+",  "-",  "*",  "/",  "%",
				      "!",  "(",  ")",  "[",  "]",  ",",  "."};

/* What people try, and what to write instead. */
static const struct {
	const char *text, *instead;
} mistakes[] = {
	{"===", "=="},
	{"!==", "!="},
	{"=", "=="},
	{"&", "&&"},
	{"|", "||"},
	{"`", "'…' and +"},
	{"${", "the name alone"},
	{"{", "json: in the step"},
};

int fg_lexer_fault(const struct fg_lexer *lexer, size_t at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int rc = fg_err_setv(lexer->err, FG_E_INVALID, format, args);
	va_end(args);
	if (lexer->err)
		lexer->err->column = (unsigned)at + 1;
	return rc;
}

bool fg_lexer_is(const struct fg_lexer *lexer, const char *symbol)
{
	const struct fg_token *token = &lexer->token;

	return token->kind == FG_TOKEN_SYMBOL && token->len == strlen(symbol) &&
	       memcmp(lexer->text + token->at, symbol, token->len) == 0;
}

static char byte_at(const struct fg_lexer *lexer, size_t at)
{
	return at < lexer->len ? lexer->text[at] : '\0';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t word_end(const struct fg_lexer *lexer, size_t at)
{
	while (is_letter(byte_at(lexer, at)) || is_digit(byte_at(lexer, at)))
		at++;
	return at;
}

size_t fg_lexer_chain(const struct fg_lexer *lexer, size_t at, bool hyphens)
{
	for (;;) {
		at = word_end(lexer, at);
		char c = byte_at(lexer, at);

		if (!(c == '.' || (hyphens && c == '-')) || !is_letter(byte_at(lexer, at + 1)))
			return at;
		at++;
	}
}

static size_t skip_digits(const struct fg_lexer *lexer, size_t at)
{
	while (is_digit(byte_at(lexer, at)))
		at++;
	return at;
}

static int read_number(struct fg_lexer *lexer)
{
	size_t start = lexer->at;
	size_t at = skip_digits(lexer, start);

	if (byte_at(lexer, at) == '.' && is_digit(byte_at(lexer, at + 1)))
		at = skip_digits(lexer, at + 1);
	if (byte_at(lexer, at) == 'e' || byte_at(lexer, at) == 'E') {
		size_t digits = at + 1;

		if (byte_at(lexer, digits) == '+' || byte_at(lexer, digits) == '-')
			digits++;
		if (is_digit(byte_at(lexer, digits)))
			at = skip_digits(lexer, digits);
	}
	if (is_letter(byte_at(lexer, at)))
		return fg_lexer_fault(lexer, start, "\"%.*s\" is not a number",
				      (int)FG_MIN(word_end(lexer, at) - start, (size_t)40),
				      lexer->text + start);
	struct fg_err why = {0};

	if (fg_num_double(lexer->text + start, at - start, &lexer->token.number, &why))
		return fg_lexer_fault(lexer, start, "%s", why.message);
	lexer->token.kind = FG_TOKEN_NUMBER;
	lexer->at = at;
	return 0;
}

/* Behind a backslash: the escapes of JSON, and the two quotes. */
static int check_escape(const struct fg_lexer *lexer, size_t at)
{
	char c = byte_at(lexer, at);

	if (c == 'u') {
		for (size_t i = 1; i <= 4; i++) {
			char digit = byte_at(lexer, at + i);

			if (!digit || !strchr("0123456789abcdefABCDEF", digit))
				return fg_lexer_fault(lexer, at - 1,
						      "\\u needs four hexadecimal digits");
		}
		return 0;
	}
	if (c && strchr("\"'\\/bfnrt", c))
		return 0;
	return fg_lexer_fault(lexer, at - 1, "unknown escape \\%.*s; a backslash is written \\\\",
			      (int)FG_MIN(lexer->len - at, (size_t)1), lexer->text + at);
}

/* JSON's escapes, except that \' is also one: it is undone first. */
static int unescape(struct fg_lexer *lexer, size_t start, size_t end)
{
	char *copy = fg_arena_copy(lexer->arena, lexer->text + start, end - start);
	size_t len = 0;

	if (!copy)
		return fg_err_nomem(lexer->err);
	for (size_t at = start; at < end; at++) {
		char c = lexer->text[at];

		if (c == '\\' && lexer->text[at + 1] == '\'') {
			copy[len++] = '\'';
			at++;
		} else if (c == '\\') {
			copy[len++] = c;
			copy[len++] = lexer->text[++at];
		} else {
			copy[len++] = c;
		}
	}
	lexer->token.text = copy;
	lexer->token.text_len = fg_jscan_unescape(copy, len, copy);
	return 0;
}

static int read_text(struct fg_lexer *lexer)
{
	size_t start = lexer->at + 1;
	char quote = lexer->text[lexer->at];
	size_t at = start;

	while (at < lexer->len && lexer->text[at] != quote) {
		if (lexer->text[at] == '\\') {
			int rc = check_escape(lexer, ++at);

			if (rc)
				return rc;
		}
		at++;
	}
	if (at >= lexer->len)
		return fg_lexer_fault(lexer, lexer->at, "the text has no closing %c", quote);
	lexer->token.kind = FG_TOKEN_TEXT;
	lexer->at = at + 1;
	return unescape(lexer, start, at);
}

static bool starts_with(const struct fg_lexer *lexer, const char *text)
{
	size_t len = strlen(text);

	return lexer->len - lexer->at >= len && memcmp(lexer->text + lexer->at, text, len) == 0;
}

static int read_symbol(struct fg_lexer *lexer)
{
	bool known = false;
	size_t len = 0;

	for (size_t i = 0; i < FG_ARRAY_LEN(symbols) && !known; i++) {
		known = starts_with(lexer, symbols[i]);
		len = strlen(symbols[i]);
	}
	for (size_t i = 0; i < FG_ARRAY_LEN(mistakes); i++) {
		/* "=" begins no symbol, but "===" begins with one */
		if (starts_with(lexer, mistakes[i].text) &&
		    (!known || strlen(mistakes[i].text) > len))
			return fg_lexer_fault(lexer, lexer->at, "%s is not an operator; write %s",
					      mistakes[i].text, mistakes[i].instead);
	}
	if (!known)
		return fg_lexer_fault(lexer, lexer->at, "unexpected character \"%.1s\"",
				      lexer->text + lexer->at);
	lexer->token.kind = FG_TOKEN_SYMBOL;
	lexer->at += len;
	return 0;
}

int fg_lexer_next(struct fg_lexer *lexer)
{
	int rc = 0;

	lexer->at = fg_jscan_space(lexer->text, lexer->len, lexer->at);
	lexer->token = (struct fg_token){.kind = FG_TOKEN_END, .at = lexer->at};
	if (lexer->at == lexer->len)
		return 0;
	char c = lexer->text[lexer->at];

	if (is_digit(c)) {
		rc = read_number(lexer);
	} else if (is_letter(c)) {
		lexer->token.kind = FG_TOKEN_NAME;
		lexer->at = word_end(lexer, lexer->at);
	} else if (c == '\'' || c == '"') {
		rc = read_text(lexer);
	} else {
		rc = read_symbol(lexer);
	}
	lexer->token.len = lexer->at - lexer->token.at;
	return rc;
}
