/* SPDX-License-Identifier: Apache-2.0 */
/* A draft as a scenario file. Scalars are quoted unless they cannot be mistaken for anything. */
#include <inttypes.h>
#include <string.h>

#include "gate/base/num.h"
#include "runner/convert/draft.h"

static bool is_plain_char(unsigned char c, bool first)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '/' || c == '_')
		return true;
	return !first && ((c >= '0' && c <= '9') || (c && strchr("-.=&+;,()*?", c) != NULL));
}

/* Words that YAML or our language would read as something else. */
static bool is_word_with_meaning(const char *text, size_t len)
{
	static const char *const words[] = {"true", "false", "null", "yes", "no", "on", "off"};

	for (size_t i = 0; i < FG_ARRAY_LEN(words); i++)
		if (strlen(words[i]) == len && strncmp(words[i], text, len) == 0)
			return true;
	return false;
}

static bool is_plain(const char *text, size_t len)
{
	if (len == 0 || len > 60 || is_word_with_meaning(text, len) || strpbrk(text, ",{}"))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_plain_char((unsigned char)text[i], i == 0))
			return false;
	return true;
}

/* A character that YAML refuses or takes for the end of a line, although JSON and UTF-8 have it:
 * DEL, C1 controls, U+2028, U+2029, U+FFFE, U+FFFF. Written as both languages escape it; its bytes,
 * or 0. */
static size_t put_unprintable(const char *text, size_t left, struct fg_buf *out)
{
	static const struct {
		char bytes[4];
		const char *escape;
	} wide[] = {
		{"\xe2\x80\xa8", "\\u2028"},
		{"\xe2\x80\xa9", "\\u2029"},
		{"\xef\xbf\xbe", "\\ufffe"},
		{"\xef\xbf\xbf", "\\uffff"},
	};
	const unsigned char *c = (const unsigned char *)text;

	if (c[0] == 0x7f) {
		fg_buf_add_str(out, "\\u007f");
		return 1;
	}
	if (left > 1 && c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) {
		fg_buf_addf(out, "\\u%04x", c[1]);
		return 2;
	}
	for (size_t i = 0; i < FG_ARRAY_LEN(wide); i++) {
		if (left >= 3 && memcmp(text, wide[i].bytes, 3) == 0) {
			fg_buf_add_str(out, wide[i].escape);
			return 3;
		}
	}
	return 0;
}

/* One character of a double-quoted scalar; YAML's escapes, and ours for ${ and {{. */
static size_t put_char(const char *text, size_t left, struct fg_buf *out)
{
	const unsigned char c = (unsigned char)text[0];
	const size_t unprintable = put_unprintable(text, left, out);

	if (unprintable)
		return unprintable;
	if (left > 1 && text[0] == '{' && text[1] == '{') {
		fg_buf_add_str(out, "{{ '{{' }}");
		return 2;
	}
	if (c == '$' && left > 1 && (text[1] == '{' || text[1] == '$'))
		fg_buf_add_str(out, "$$");
	else if (c == '"' || c == '\\')
		fg_buf_addf(out, "\\%c", c);
	else if (c == '\n')
		fg_buf_add_str(out, "\\n");
	else if (c == '\r')
		fg_buf_add_str(out, "\\r");
	else if (c == '\t')
		fg_buf_add_str(out, "\\t");
	else if (c < 0x20)
		fg_buf_addf(out, "\\x%02x", c);
	else
		fg_buf_add(out, text, 1);
	return 1;
}

static void put_scalar(const char *text, struct fg_buf *out)
{
	const size_t len = strlen(text);

	if (is_plain(text, len)) {
		fg_buf_add(out, text, len);
		return;
	}
	fg_buf_add_char(out, '"');
	for (size_t i = 0; i < len;)
		i += put_char(text + i, len - i, out);
	fg_buf_add_char(out, '"');
}

/* A text that may hold our own {{ }}: quoted, but not escaped in our language. */
static void put_template(const char *text, struct fg_buf *out)
{
	fg_buf_add_char(out, '"');
	for (const char *c = text; *c; c++) {
		if (*c == '"' || *c == '\\')
			fg_buf_add_char(out, '\\');
		fg_buf_add_char(out, *c);
	}
	fg_buf_add_char(out, '"');
}

static void indent(unsigned columns, struct fg_buf *out)
{
	for (unsigned i = 0; i < columns; i++)
		fg_buf_add_char(out, ' ');
}

static void put_map(const char *key, const struct fg_tags *tags, const struct fg_tags *secrets,
		    unsigned columns, struct fg_buf *out)
{
	if (!tags->count)
		return;
	indent(columns, out);
	fg_buf_addf(out, "%s:\n", key);
	for (size_t i = 0; i < tags->count; i++) {
		indent(columns + 2, out);
		put_scalar(tags->items[i].key, out);
		fg_buf_add_str(out, ": ");
		/* Values that name a secret are ours, everything else is theirs. */
		if (secrets && strncmp(tags->items[i].value, "{{ secrets.", 11) == 0)
			put_template(tags->items[i].value, out);
		else
			put_scalar(tags->items[i].value, out);
		fg_buf_add_char(out, '\n');
	}
}

/* JSON is YAML but for a few characters; our two marks need care too, and both stand inside of its
 * strings alone. */
static void put_json(const char *json, struct fg_buf *out)
{
	const char *end = json + strlen(json);

	for (const char *c = json; c < end; c++) {
		size_t unprintable = put_unprintable(c, (size_t)(end - c), out);

		if (unprintable) {
			c += unprintable - 1;
		} else if (c[0] == '$' && (c[1] == '{' || c[1] == '$')) {
			fg_buf_add_str(out, "$$");
		} else if (c[0] == '{' && c[1] == '{') {
			fg_buf_add_str(out, "{{ '{{' }}");
			c++;
		} else {
			fg_buf_add_char(out, *c);
		}
	}
}

static void put_body(const struct fg_draft_step *step, unsigned columns, struct fg_buf *out)
{
	if (step->body == FG_DRAFT_FORM) {
		put_map("form", &step->form, NULL, columns, out);
		return;
	}
	if (step->body == FG_DRAFT_NO_BODY)
		return;
	indent(columns, out);
	fg_buf_add_str(out, step->body == FG_DRAFT_JSON ? "json: " : "body: ");
	if (step->body == FG_DRAFT_JSON)
		put_json(step->text, out);
	else
		put_scalar(step->text, out);
	fg_buf_add_char(out, '\n');
}

bool fg_draft_is_verb(const char *method)
{
	static const char *const verbs[] = {"get",    "post", "put",    "patch",
					    "delete", "head", "options"};

	for (size_t i = 0; i < FG_ARRAY_LEN(verbs); i++)
		if (strcmp(verbs[i], method) == 0)
			return true;
	return false;
}

static void put_step(const struct fg_draft_step *step, const struct fg_tags *secrets,
		     unsigned columns, struct fg_buf *out)
{
	char text[FG_NUM_TEXT_MAX];

	if (step->think_ns) {
		indent(columns, out);
		fg_buf_addf(out, "- think: %s\n", fg_num_format_duration(step->think_ns, text));
	}
	indent(columns, out);
	fg_buf_addf(out, "- %s:\n", fg_draft_is_verb(step->method) ? step->method : "request");
	columns += 4;
	if (!fg_draft_is_verb(step->method)) {
		indent(columns, out);
		fg_buf_add_str(out, "method: ");
		put_scalar(step->method, out);
		fg_buf_add_char(out, '\n');
	}
	indent(columns, out);
	fg_buf_add_str(out, "url: ");
	put_scalar(step->url, out);
	fg_buf_add_char(out, '\n');
	if (step->name) {
		indent(columns, out);
		fg_buf_add_str(out, "name: ");
		put_scalar(step->name, out);
		fg_buf_add_char(out, '\n');
	}
	put_map("headers", &step->headers, secrets, columns, out);
	put_body(step, columns, out);
	if (step->status) {
		indent(columns, out);
		fg_buf_addf(out, "checks: [{ status: %u }]\n", step->status);
	}
}

static void put_steps(const struct fg_draft *draft, struct fg_buf *out)
{
	const char *open = "";

	for (size_t i = 0; i < draft->step_count; i++) {
		const struct fg_draft_step *step = &draft->steps[i];
		const char *group = step->group ? step->group : "";

		if (strcmp(group, open) != 0 && group[0]) {
			indent(6, out);
			fg_buf_add_str(out, "- group:\n");
			indent(10, out);
			fg_buf_add_str(out, "name: ");
			put_scalar(group, out);
			fg_buf_add_char(out, '\n');
			indent(10, out);
			fg_buf_add_str(out, "steps:\n");
		}
		open = group;
		put_step(step, &draft->secrets, group[0] ? 12 : 6, out);
	}
}

static void put_secrets(const struct fg_draft *draft, struct fg_buf *out)
{
	if (!draft->secrets.count)
		return;
	fg_buf_add_str(out, "secrets:\n");
	for (size_t i = 0; i < draft->secrets.count; i++)
		fg_buf_addf(out, "  %s: { env: %s }\n", draft->secrets.items[i].key,
			    draft->secrets.items[i].value);
	fg_buf_add_char(out, '\n');
}

static void put_comment(const struct fg_draft *draft, struct fg_buf *out)
{
	fg_buf_addf(out, "# %s\n", draft->origin ? draft->origin : "Made by flamegate.");
	if (draft->note_count || draft->notes_lost)
		fg_buf_add_str(out, "# Left out or changed:\n");
	for (size_t i = 0; i < draft->note_count; i++)
		fg_buf_addf(out, "#   %s\n", draft->notes[i]);
	if (draft->notes_lost)
		fg_buf_addf(out, "#   and %zu more\n", draft->notes_lost);
}

int fg_draft_write(const struct fg_draft *draft, struct fg_buf *out, struct fg_err *err)
{
	put_comment(draft, out);
	fg_buf_add_str(out, "version: 1\nname: ");
	put_scalar(draft->name ? draft->name : "scenario", out);
	fg_buf_add_str(out, "\n\ntarget:\n  url: ");
	put_scalar(draft->url ? draft->url : "", out);
	fg_buf_add_str(out, "\n\n");
	put_secrets(draft, out);
	if (draft->compression || draft->headers.count) {
		fg_buf_add_str(out, "http:\n");
		if (draft->compression)
			fg_buf_add_str(out, "  compression: true\n");
		put_map("headers", &draft->headers, &draft->secrets, 2, out);
		fg_buf_add_char(out, '\n');
	}
	fg_buf_add_str(out, "scenarios:\n  main:\n");
	if (draft->rate)
		fg_buf_addf(out,
			    "    executor: constant-arrival-rate\n    rate: %" PRIu64
			    "\n    duration: 10s\n    preAllocatedVUs: 10\n    maxVUs: 50\n",
			    draft->rate);
	else
		fg_buf_add_str(out, "    executor: constant-vus\n    vus: 1\n    duration: 10s\n");
	fg_buf_add_str(out, "    steps:\n");
	put_steps(draft, out);
	fg_buf_add_str(out, "\nthresholds:\n  http_req_failed: [\"rate<0.01\"]\n");
	for (size_t i = 0; i < draft->step_count; i++) {
		if (draft->steps[i].status) {
			fg_buf_add_str(out, "  checks: [\"rate>0.99\"]\n");
			break;
		}
	}
	return fg_buf_check(out, err);
}
