/* SPDX-License-Identifier: Apache-2.0 */
/* Headers and bodies of recorded requests. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gate/base/str.h"
#include "runner/convert/har_internal.h"

/* What a client makes itself, per connection or from the body. */
static bool is_own_business(const char *name)
{
	static const char *const names[] = {
		"host",
		"connection",
		"content-length",
		"transfer-encoding",
		"keep-alive",
		"proxy-connection",
		"te",
		"upgrade",
		"cookie",
		"accept-encoding",
		"upgrade-insecure-requests",
		"if-none-match",
		"if-modified-since",
	};

	for (size_t i = 0; i < FG_ARRAY_LEN(names); i++)
		if (strcasecmp(names[i], name) == 0)
			return true;
	/* HTTP/2's pseudo headers, and what only a browser may claim */
	return name[0] == ':' || strncasecmp(name, "sec-", 4) == 0;
}

static bool is_credential(const char *name)
{
	static const char *const names[] = {"authorization", "proxy-authorization", "x-api-key",
					    "x-auth-token",  "x-csrf-token",        "x-xsrf-token"};

	for (size_t i = 0; i < FG_ARRAY_LEN(names); i++)
		if (strcasecmp(names[i], name) == 0)
			return true;
	return false;
}

/* "X-Api-Key" → secret x_api_key, from X_API_KEY. */
static int add_secret(struct fg_har_state *state, const char *name, const char *place,
		      struct fg_draft_step *step, struct fg_err *err)
{
	char secret[64], variable[64], value[128];
	size_t len = FG_MIN(strlen(name), sizeof(secret) - 1);

	for (size_t i = 0; i < len; i++) {
		const char c = name[i];
		const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		secret[i] = (char)(letter ? (c | 0x20) : '_');
		variable[i] = (char)(letter ? (c & ~0x20) : '_');
	}
	secret[len] = variable[len] = '\0';
	if (!fg_tags_get(&state->draft->secrets, secret))
		fg_draft_note(state->draft, place,
			      "%s was recorded with a credential; it is read from $%s instead",
			      name, variable);
	int rc = fg_tags_add(&state->draft->secrets, secret, variable, err);

	(void)snprintf(value, sizeof(value), "{{ secrets.%s }}", secret);
	return rc ? rc : fg_tags_add(&step->headers, name, value, err);
}

static int add_header(struct fg_har_state *state, const struct fg_har_entry *entry,
		      const char *name, const char *value, struct fg_draft_step *step,
		      struct fg_err *err)
{
	if (strcasecmp(name, "cookie") == 0)
		state->has_cookies = true;
	if (strcasecmp(name, "accept-encoding") == 0 && strstr(value, "gzip"))
		state->draft->compression = true;
	if (is_own_business(name))
		return 0;
	if (!fg_draft_is_token(name) || strpbrk(value, "\r\n")) {
		fg_draft_note(state->draft, entry->place, "header \"%.60s\" cannot be sent", name);
		return 0;
	}
	if (is_credential(name))
		return add_secret(state, name, entry->place, step, err);
	if (fg_tags_get(&step->headers, name)) {
		fg_draft_note(state->draft, entry->place,
			      "header %s was sent twice; the last value is kept", name);
	}
	int rc = fg_tags_add(&step->headers, name, value, err);

	if (rc != -(int)FG_E_LIMIT)
		return rc;
	fg_draft_note(state->draft, entry->place, "header %.60s left out: too many", name);
	fg_err_clear(err);
	return 0;
}

int fg_har_headers(struct fg_har_state *state, const struct fg_har_entry *entry,
		   struct fg_draft_step *step, struct fg_err *err)
{
	struct fg_json_at headers, header;
	int rc = 0;

	if (!fg_json_has(&entry->request, "headers"))
		return 0;
	if (fg_json_array(&entry->request, "headers", FG_HAR_HEADERS_MAX, &headers, err)) {
		fg_draft_note(state->draft, entry->place, "headers left out: %s", err->message);
		fg_err_clear(err);
		return 0;
	}
	for (size_t i = 0; rc == 0 && i < fg_json_count(&headers); i++) {
		const char *name, *value;

		if (fg_json_element(&headers, i, &header, err) ||
		    fg_json_string(&header, "name", &name, NULL, err) ||
		    fg_json_string(&header, "value", &value, NULL, err)) {
			fg_draft_note(state->draft, entry->place, "a header left out: %s",
				      err->message);
			fg_err_clear(err);
			continue;
		}
		rc = add_header(state, entry, name, value, step, err);
	}
	return rc;
}

/* -- bodies --------------------------------------------------------------------------------- */

static void drop_header(struct fg_tags *tags, const char *name)
{
	for (size_t i = 0; i < tags->count; i++) {
		if (strcasecmp(tags->items[i].key, name) != 0)
			continue;
		free(tags->items[i].key);
		free(tags->items[i].value);
		memmove(&tags->items[i], &tags->items[i + 1],
			(tags->count - i - 1) * sizeof(tags->items[0]));
		tags->count--;
		return;
	}
}

/* On one line, which is also YAML. */
static int json_body(const char *text, size_t len, struct fg_draft_step *step, struct fg_err *err)
{
	FG_AUTO_JSON json_t *value = NULL;
	int rc = fg_json_parse(text, len, &value, err);

	if (rc)
		return rc;
	step->text = fg_json_dump(value, JSON_ENCODE_ANY | JSON_PRESERVE_ORDER);
	if (!step->text)
		return fg_err_nomem(err);
	step->body = FG_DRAFT_JSON;
	drop_header(&step->headers, "content-type"); /* json: implies it */
	return 0;
}

/* A field that occurs twice does not fit a map. */
static int form_body(const struct fg_json_at *params, struct fg_draft_step *step,
		     struct fg_err *err)
{
	for (size_t i = 0; i < fg_json_count(params); i++) {
		struct fg_json_at param;
		const char *name, *value;
		int rc = fg_json_element(params, i, &param, err);

		if (rc == 0)
			rc = fg_json_string(&param, "name", &name, NULL, err);
		if (rc == 0)
			rc = fg_json_string(&param, "value", &value, NULL, err);
		if (rc == 0 && fg_tags_get(&step->form, name))
			rc = fg_err_set(err, FG_E_INVALID, "field \"%s\" occurs twice", name);
		if (rc == 0)
			rc = fg_tags_add(&step->form, name, value, err);
		if (rc)
			return rc;
	}
	step->body = FG_DRAFT_FORM;
	drop_header(&step->headers, "content-type");
	return 0;
}

static int leave_out(struct fg_har_state *state, const struct fg_har_entry *entry, const char *why)
{
	fg_draft_note(state->draft, entry->place, "%s %.200s left out: %s", entry->method,
		      entry->url, why);
	state->keep = false;
	return 0;
}

static bool is_form(const char *mime)
{
	return strncasecmp(mime, "application/x-www-form-urlencoded", 33) == 0;
}

static bool is_json(const char *mime)
{
	return strncasecmp(mime, "application/json", 16) == 0;
}

static int text_body(struct fg_har_state *state, const struct fg_har_entry *entry, const char *mime,
		     const char *text, size_t len, struct fg_draft_step *step, struct fg_err *err)
{
	int rc;

	if (memchr(text, '\0', len))
		return leave_out(state, entry, "its body holds bytes that YAML cannot");
	if (is_json(mime)) {
		rc = json_body(text, len, step, err);
		if (rc == 0)
			return 0;
		fg_draft_note(state->draft, entry->place, "its JSON body is sent as text: %s",
			      err->message);
		fg_err_clear(err);
	}
	rc = fg_str_ndup(text, len, &step->text, err);
	if (rc)
		return rc;
	step->body = FG_DRAFT_TEXT;
	if (mime[0] && !fg_tags_get(&step->headers, "Content-Type") &&
	    !fg_tags_get(&step->headers, "content-type"))
		return fg_tags_add(&step->headers, "Content-Type", mime, err);
	return 0;
}

int fg_har_body(struct fg_har_state *state, const struct fg_har_entry *entry,
		struct fg_draft_step *step, struct fg_err *err)
{
	const char *mime = "", *text = "", *encoding = "";
	struct fg_json_at data, params;
	size_t len = 0;

	if (!fg_json_has(&entry->request, "postData"))
		return 0;
	if (fg_json_object(&entry->request, "postData", &data, NULL))
		return leave_out(state, entry, "its postData is not an object");
	if (fg_json_has(&data, "mimeType"))
		(void)!fg_json_string(&data, "mimeType", &mime, NULL, NULL);
	if (fg_json_has(&data, "encoding"))
		(void)!fg_json_string(&data, "encoding", &encoding, NULL, NULL);
	if (encoding[0])
		return leave_out(state, entry, "its body was recorded as bytes (encoding)");
	if (is_form(mime) && fg_json_has(&data, "params") &&
	    fg_json_array(&data, "params", FG_HAR_HEADERS_MAX, &params, NULL) == 0 &&
	    fg_json_count(&params)) {
		if (form_body(&params, step, err) == 0)
			return 0;
		fg_err_clear(err);
		fg_tags_done(&step->form); /* as text then */
	}
	if (!fg_json_has(&data, "text") || fg_json_string(&data, "text", &text, &len, NULL))
		return leave_out(state, entry, "its body was not recorded");
	if (strncasecmp(mime, "multipart/", 10) == 0)
		fg_draft_note(state->draft, entry->place,
			      "its multipart body is sent as recorded; `multipart:` would name its "
			      "parts");
	return text_body(state, entry, mime, text, len, step, err);
}
