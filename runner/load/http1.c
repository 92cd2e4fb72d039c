/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/http1.h"

#include <string.h>
#include <strings.h>

#include "gate/base/num.h"

/* tchar of RFC 9110. */
/* clang-format off */
static const bool is_token[256] = {
	['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1,
	['-'] = 1, ['.'] = 1, ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1,
	['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1,
	['E'] = 1, ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1,
	['M'] = 1, ['N'] = 1, ['O'] = 1, ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1,
	['U'] = 1, ['V'] = 1, ['W'] = 1, ['X'] = 1, ['Y'] = 1, ['Z'] = 1, ['^'] = 1, ['_'] = 1,
	['`'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1, ['g'] = 1,
	['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1,
	['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1, ['v'] = 1, ['w'] = 1,
	['x'] = 1, ['y'] = 1, ['z'] = 1, ['|'] = 1, ['~'] = 1,
};
/* clang-format on */

static enum fg_http1_event bad(struct fg_http1 *parser, const char *fault)
{
	parser->state = FG_HTTP1_FAULTY;
	parser->fault = fault;
	return FG_HTTP1_BAD;
}

void fg_http1_init(struct fg_http1 *parser, bool head_request)
{
	*parser = (struct fg_http1){.head_request = head_request};
}

/* -- head ----------------------------------------------------------------------------------- */

struct slice {
	const char *text;
	size_t len;
};

static struct slice trim(const char *text, size_t len)
{
	while (len && (*text == ' ' || *text == '\t')) {
		text++;
		len--;
	}
	while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	return (struct slice){text, len};
}

static bool same_word(struct slice slice, const char *word)
{
	return slice.len == strlen(word) && !strncasecmp(slice.text, word, slice.len);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool status_line(struct fg_http1 *parser, const char *line, size_t len)
{
	const char *digits = line + 9;

	if (len < 12 || memcmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') ||
	    line[8] != ' ' || !is_digit(digits[0]) || !is_digit(digits[1]) ||
	    !is_digit(digits[2]) || digits[0] == '0' || (len > 12 && line[12] != ' ')) {
		bad(parser, "the answer does not start with an HTTP/1.x status line");
		return false;
	}
	parser->minor = (uint8_t)(line[7] - '0');
	parser->status =
		(uint16_t)((digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0'));
	parser->state = FG_HTTP1_FIELDS;
	parser->head_start = parser->line_start;
	return true;
}

static void connection_field(struct fg_http1 *parser, struct slice value)
{
	const char *end = value.text + value.len;

	for (const char *word = value.text; word <= end;) {
		const char *comma = memchr(word, ',', (size_t)(end - word));
		const char *stop = comma ? comma : end;
		const struct slice token = trim(word, (size_t)(stop - word));

		if (same_word(token, "close"))
			parser->says_close = true;
		else if (same_word(token, "keep-alive"))
			parser->says_keep_alive = true;
		word = stop + 1;
	}
}

static bool length_field(struct fg_http1 *parser, struct slice value)
{
	uint64_t length;

	if (parser->has_length)
		bad(parser, "Content-Length is there twice");
	else if (fg_num_u64(value.text, value.len, &length, NULL))
		bad(parser, "Content-Length is not a number");
	else
		parser->left = length;
	parser->has_length = true;
	return parser->state != FG_HTTP1_FAULTY;
}

static bool encoding_field(struct fg_http1 *parser, struct slice value)
{
	if (parser->chunked)
		bad(parser, "Transfer-Encoding is there twice");
	else if (!same_word(value, "chunked"))
		bad(parser, "a Transfer-Encoding other than chunked");
	parser->chunked = true;
	return parser->state != FG_HTTP1_FAULTY;
}

static bool field_line(struct fg_http1 *parser, const char *line, size_t len)
{
	struct slice name = {line, 0}, value;

	while (name.len < len && is_token[(unsigned char)line[name.len]])
		name.len++;
	if (name.len == 0 || name.len == len || line[name.len] != ':') {
		bad(parser, line[0] == ' ' || line[0] == '\t'
				    ? "a folded header line"
				    : "a header line without a valid name and colon");
		return false;
	}
	if (++parser->fields > FG_HTTP1_FIELDS_MAX) {
		bad(parser, "more than 1024 header lines");
		return false;
	}
	if (name.len != 10 && name.len != 14 && name.len != 17)
		return true;
	value = trim(line + name.len + 1, len - name.len - 1);
	if (same_word(name, "content-length"))
		return length_field(parser, value);
	if (same_word(name, "transfer-encoding"))
		return encoding_field(parser, value);
	if (same_word(name, "connection"))
		connection_field(parser, value);
	return true;
}

static bool has_no_body(const struct fg_http1 *parser)
{
	return parser->head_request || parser->status < 200 || parser->status == 204 ||
	       parser->status == 304;
}

static void next_response(struct fg_http1 *parser)
{
	const struct fg_http1 old = *parser;

	fg_http1_init(parser, old.head_request);
	parser->line_start = old.line_start;
	parser->interim = (uint8_t)(old.interim + 1);
	if (parser->interim > FG_HTTP1_INTERIM_MAX)
		bad(parser, "more than 32 interim responses");
}

/* The blank line: how long is the body? */
static bool end_of_head(struct fg_http1 *parser, size_t head_end)
{
	if (parser->chunked && (parser->has_length || parser->minor == 0)) {
		bad(parser, parser->has_length ? "Transfer-Encoding beside Content-Length"
					       : "Transfer-Encoding in HTTP/1.0");
		return false;
	}
	if (parser->status < 200 && parser->status != 101) {
		next_response(parser);
		return parser->state != FG_HTTP1_FAULTY;
	}
	parser->head_len = (uint32_t)(head_end - parser->head_start);
	if (has_no_body(parser)) {
		parser->state = FG_HTTP1_DONE;
	} else if (parser->chunked) {
		parser->state = FG_HTTP1_CHUNK_SIZE;
		parser->left = 0;
	} else if (!parser->has_length) {
		parser->state = FG_HTTP1_UNTIL_CLOSE;
	} else if (parser->left > FG_HTTP1_BODY_MAX) {
		bad(parser, "a body of more than 1 GiB");
		return false;
	} else {
		parser->state = parser->left ? FG_HTTP1_LENGTH : FG_HTTP1_DONE;
	}
	return true;
}

/* What cannot become right any more is refused before the line is complete, or a server that speaks
 * another protocol and waits would be a time-out. */
static enum fg_http1_event partial_line(struct fg_http1 *parser, const char *line, size_t len)
{
	static const char start[] = "HTTP/1.";

	if (parser->state == FG_HTTP1_STATUS_LINE &&
	    memcmp(line, start, FG_MIN(len, sizeof(start) - 1)) != 0)
		return bad(parser, "the answer does not start with an HTTP/1.x status line");
	if (len > FG_HTTP1_LINE_MAX)
		return bad(parser, "a header line of more than 64 KiB");
	if (parser->line_start + len > FG_HTTP1_HEAD_MAX)
		return bad(parser, "headers of more than 256 KiB");
	return FG_HTTP1_MORE;
}

/* One complete line with its LF at line[len]; false: faulty. */
static bool take_line(struct fg_http1 *parser, const char *line, size_t len)
{
	const size_t start = parser->line_start;
	const char *cr = memchr(line, '\r', len);

	if (len > FG_HTTP1_LINE_MAX || start + len >= FG_HTTP1_HEAD_MAX) {
		bad(parser, len > FG_HTTP1_LINE_MAX ? "a header line of more than 64 KiB"
						    : "headers of more than 256 KiB");
		return false;
	}
	parser->line_start = (uint32_t)(start + len + 1);
	if (cr)
		len--;
	else
		parser->bare_lf = true;
	if ((cr && cr != line + len) || memchr(line, '\0', len)) {
		bad(parser, cr && cr != line + len ? "a bare CR in a header" : "a NUL in a header");
		return false;
	}
	if (parser->state == FG_HTTP1_STATUS_LINE)
		return status_line(parser, line, len);
	return len ? field_line(parser, line, len) : end_of_head(parser, start);
}

enum fg_http1_event fg_http1_head(struct fg_http1 *parser, const char *bytes, size_t len)
{
	while (parser->state <= FG_HTTP1_FIELDS) {
		const char *line = bytes + parser->line_start;
		const size_t rest = len - parser->line_start;
		const char *lf = rest ? memchr(line, '\n', rest) : NULL;

		if (!lf)
			return partial_line(parser, line, rest);
		if (!take_line(parser, line, (size_t)(lf - line)))
			return FG_HTTP1_BAD;
	}
	return parser->state == FG_HTTP1_FAULTY ? FG_HTTP1_BAD : FG_HTTP1_HEAD;
}

/* -- body ----------------------------------------------------------------------------------- */

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void start_chunk_size(struct fg_http1 *parser)
{
	parser->state = FG_HTTP1_CHUNK_SIZE;
	parser->left = 0;
	parser->digits = 0;
}

static void chunk_size_byte(struct fg_http1 *parser, char c)
{
	const int digit = hex_value(c);

	if (digit >= 0) {
		if (++parser->digits > FG_HTTP1_CHUNK_DIGITS_MAX)
			bad(parser, "a chunk size of more than 16 digits");
		parser->left = parser->left << 4 | (unsigned)digit;
	} else if (!parser->digits) {
		bad(parser, "a chunk that does not start with its size");
	} else if (c == '\r') {
		parser->state = FG_HTTP1_CHUNK_SIZE_LF;
	} else if (c == ';' || c == ' ' || c == '\t') {
		parser->state = FG_HTTP1_CHUNK_EXTENSION;
	} else {
		bad(parser, "a chunk size that is no number");
	}
}

static void chunk_size_end(struct fg_http1 *parser, char c)
{
	if (c != '\n')
		bad(parser, "a bare CR after a chunk size");
	else if (parser->left > FG_HTTP1_BODY_MAX - parser->body_bytes)
		bad(parser, "a body of more than 1 GiB");
	else
		parser->state = parser->left ? FG_HTTP1_CHUNK_DATA : FG_HTTP1_TRAILER_START;
}

static void count_extra(struct fg_http1 *parser, char c)
{
	if (c == '\n' || c == '\0')
		bad(parser, c ? "a bare LF between chunks" : "a NUL between chunks");
	else if (++parser->extra > FG_HTTP1_EXTRA_MAX)
		bad(parser, "chunk extensions and trailers of more than 64 KiB");
}

static void trailer_byte(struct fg_http1 *parser, char c)
{
	const bool token = is_token[(unsigned char)c];

	if (parser->state == FG_HTTP1_TRAILER_START && c == '\r') {
		parser->state = FG_HTTP1_TRAILERS_END_LF;
		return;
	}
	count_extra(parser, c);
	if (parser->state == FG_HTTP1_FAULTY)
		return;
	if (parser->state == FG_HTTP1_TRAILER_VALUE) {
		if (c == '\r')
			parser->state = FG_HTTP1_TRAILER_LF;
	} else if (token) {
		parser->state = FG_HTTP1_TRAILER_NAME;
	} else if (parser->state == FG_HTTP1_TRAILER_NAME && c == ':') {
		parser->state = FG_HTTP1_TRAILER_VALUE;
	} else {
		bad(parser, "a trailer line without a valid name and colon");
	}
}

/* After these only one byte is right. */
static void expect_byte(struct fg_http1 *parser, char c)
{
	static const struct {
		char want;
		enum fg_http1_state next;
		const char *fault;
	} rules[] = {
		[FG_HTTP1_CHUNK_END_CR] = {'\r', FG_HTTP1_CHUNK_END_LF,
					   "a chunk that is longer than its size"},
		[FG_HTTP1_CHUNK_END_LF] = {'\n', FG_HTTP1_CHUNK_SIZE, "a bare CR after a chunk"},
		[FG_HTTP1_TRAILER_LF] = {'\n', FG_HTTP1_TRAILER_START, "a bare CR in a trailer"},
		[FG_HTTP1_TRAILERS_END_LF] = {'\n', FG_HTTP1_DONE, "a bare CR after the trailers"},
	};
	const enum fg_http1_state state = parser->state;

	if (c != rules[state].want)
		bad(parser, rules[state].fault);
	else if (rules[state].next == FG_HTTP1_CHUNK_SIZE)
		start_chunk_size(parser);
	else
		parser->state = rules[state].next;
}

static void framing_byte(struct fg_http1 *parser, char c)
{
	switch (parser->state) {
	case FG_HTTP1_CHUNK_SIZE:
		chunk_size_byte(parser, c);
		break;
	case FG_HTTP1_CHUNK_EXTENSION:
		if (c == '\r')
			parser->state = FG_HTTP1_CHUNK_SIZE_LF;
		else
			count_extra(parser, c);
		break;
	case FG_HTTP1_CHUNK_SIZE_LF:
		chunk_size_end(parser, c);
		break;
	case FG_HTTP1_TRAILER_START:
	case FG_HTTP1_TRAILER_NAME:
	case FG_HTTP1_TRAILER_VALUE:
		trailer_byte(parser, c);
		break;
	default:
		expect_byte(parser, c);
		break;
	}
}

static bool is_framing(enum fg_http1_state state)
{
	return state >= FG_HTTP1_CHUNK_SIZE && state < FG_HTTP1_DONE &&
	       state != FG_HTTP1_CHUNK_DATA;
}

/* A piece of the body out of `len` > 0 bytes. */
static enum fg_http1_event take_piece(struct fg_http1 *parser, size_t len, size_t *ret_piece)
{
	const bool endless = parser->state == FG_HTTP1_UNTIL_CLOSE;
	const uint64_t room = endless ? FG_HTTP1_BODY_MAX - parser->body_bytes : parser->left;
	const size_t piece = (size_t)FG_MIN((uint64_t)len, room);

	if (endless && !piece)
		return bad(parser, "a body of more than 1 GiB");
	parser->body_bytes += piece;
	*ret_piece = piece;
	if (endless)
		return FG_HTTP1_BODY;
	parser->left -= piece;
	if (!parser->left)
		parser->state =
			parser->state == FG_HTTP1_LENGTH ? FG_HTTP1_DONE : FG_HTTP1_CHUNK_END_CR;
	return FG_HTTP1_BODY;
}

enum fg_http1_event fg_http1_body(struct fg_http1 *parser, const char *bytes, size_t len,
				  size_t *ret_used, size_t *ret_piece)
{
	size_t used = 0;
	enum fg_http1_event event = FG_HTTP1_MORE;

	*ret_piece = 0;
	while (used < len && is_framing(parser->state))
		framing_byte(parser, bytes[used++]);
	if (parser->state == FG_HTTP1_DONE)
		event = FG_HTTP1_END;
	else if (parser->state == FG_HTTP1_FAULTY)
		event = FG_HTTP1_BAD;
	else if (used < len)
		event = take_piece(parser, len - used, ret_piece);
	*ret_used = used + *ret_piece;
	return event;
}

bool fg_http1_eof(struct fg_http1 *parser)
{
	if (parser->state != FG_HTTP1_UNTIL_CLOSE)
		return parser->state == FG_HTTP1_DONE;
	parser->says_close = true;
	parser->state = FG_HTTP1_DONE;
	return true;
}

bool fg_http1_reusable(const struct fg_http1 *parser)
{
	return parser->state == FG_HTTP1_DONE && parser->status >= 200 && !parser->says_close &&
	       (parser->minor == 1 || parser->says_keep_alive);
}
