/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/convert/har.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gate/base/num.h"
#include "gate/base/str.h"
#include "gate/format/json.h"
#include "runner/convert/har_internal.h"

/* The first "scheme://host[:port]" of a URL; 0: it has none. */
static size_t origin_len(const char *url)
{
	const char *host = strstr(url, "://");

	return host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#") : 0;
}

static bool has_origin(const char *url, const char *origin)
{
	const size_t len = origin_len(url);

	return len == strlen(origin) && strncasecmp(url, origin, len) == 0;
}

static bool is_http(const char *url)
{
	return strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0;
}

/* http(s), and a host that a target's URL can name. */
static bool is_target(const char *url)
{
	static const char rest[] = "-._~:[]@%";
	const size_t len = origin_len(url);
	const char *host = is_http(url) ? strstr(url, "://") + 3 : NULL;

	if (!host || host == url + len || *host == ':')
		return false;
	for (const char *c = host; c < url + len; c++)
		if (!isalnum((unsigned char)*c) && !strchr(rest, *c) && (unsigned char)*c < 0x80)
			return false;
	return true;
}

/* As a scenario writes it: the scheme in lower case. */
static int set_target(struct fg_draft *draft, const char *url, struct fg_err *err)
{
	const int rc = fg_str_ndup(url, origin_len(url), &draft->url, err);

	for (char *c = draft->url; rc == 0 && *c != ':'; c++)
		*c = (char)tolower((unsigned char)*c);
	return rc;
}

/* The recorded parts that decide whether an entry is sent at all. */
static bool is_static(const char *mime, const char *url)
{
	static const char *const kinds[] = {"image/",          "font/",
					    "text/css",        "video/",
					    "audio/",          "application/javascript",
					    "text/javascript", "application/x-javascript",
					    "application/font"};
	static const char *const ends[] = {".png", ".jpg",  ".jpeg", ".gif",  ".svg",
					   ".ico", ".css",  ".js",   ".woff", ".woff2",
					   ".ttf", ".webp", ".map"};
	const size_t path_len = strcspn(url, "?#");

	for (size_t i = 0; i < FG_ARRAY_LEN(kinds); i++)
		if (strncasecmp(mime, kinds[i], strlen(kinds[i])) == 0)
			return true;
	for (size_t i = 0; i < FG_ARRAY_LEN(ends); i++) {
		const size_t len = strlen(ends[i]);

		if (path_len > len && strncasecmp(url + path_len - len, ends[i], len) == 0)
			return true;
	}
	return false;
}

/* Why an entry cannot or should not be sent; NULL: it is. */
static const char *left_out(const struct fg_har_entry *entry, const struct fg_har_options *options,
			    const char *origin)
{
	if (entry->web_socket || strncasecmp(entry->url, "ws", 2) == 0)
		return "a WebSocket cannot be replayed";
	if (!is_http(entry->url))
		return "not an http(s) request";
	if (!has_origin(entry->url, origin))
		return "another origin (import it with --origin)";
	if (options->no_static && is_static(entry->mime, entry->url))
		return "a static file (--no-static)";
	if (strcasecmp(entry->method, "CONNECT") == 0)
		return "CONNECT is the proxy's business";
	return NULL;
}

/* A follow-up that our own redirect makes by itself. */
static bool is_followed(const struct fg_har_state *state, const struct fg_har_entry *entry)
{
	const char *expected = state->redirect;

	if (!expected || !expected[0])
		return false;
	if (strcmp(expected, entry->url) == 0)
		return true;
	const size_t len = origin_len(entry->url);

	return expected[0] == '/' && strcmp(expected, entry->url + len) == 0;
}

static uint64_t pause_before(struct fg_har_state *state, const struct fg_har_entry *entry)
{
	const uint64_t from_ms = state->last_end_ms;
	uint64_t pause_ms = 0;

	if (from_ms && entry->start_ms > from_ms)
		pause_ms = entry->start_ms - from_ms;
	state->last_end_ms = FG_MAX(from_ms, entry->start_ms + entry->duration_ms);
	/* Below that it is the browser at work, above it a coffee. */
	if (pause_ms < FG_HAR_PAUSE_MIN_MS || state->options->no_think)
		return 0;
	return FG_MIN(pause_ms, (uint64_t)FG_HAR_PAUSE_MAX_MS) / 100 * 100 * FG_NS_PER_MS;
}

static int fill_step(struct fg_har_state *state, const struct fg_har_entry *entry,
		     struct fg_draft_step *step, struct fg_err *err)
{
	const char *path = entry->url + origin_len(entry->url);
	const size_t path_len = strcspn(path, "#");
	char *at;
	int rc = fg_str_dup(entry->method, &step->method, err);

	if (rc == 0 && path_len == 0)
		rc = fg_str_dup("/", &step->url, err);
	else if (rc == 0)
		rc = fg_str_ndup(path, path_len, &step->url, err);
	if (rc == 0 && entry->page[0])
		rc = fg_str_dup(entry->page, &step->group, err);
	if (rc)
		return rc;
	for (at = step->method; *at; at++)
		*at = (char)(*at >= 'A' && *at <= 'Z' ? *at + 32 : *at);
	if (!fg_draft_is_verb(step->method)) /* `method:` keeps its spelling */
		rc = fg_str_replace(entry->method, &step->method, err);
	step->think_ns = pause_before(state, entry);
	step->status = entry->status;
	if (rc == 0)
		rc = fg_har_headers(state, entry, step, err);
	return rc ? rc : fg_har_body(state, entry, step, err);
}

static int convert_entry(struct fg_har_state *state, const struct fg_har_entry *entry,
			 struct fg_err *err)
{
	struct fg_draft_step step = {0};
	const char *why = left_out(entry, state->options, state->draft->url);
	int rc;

	if (why) {
		fg_draft_note(state->draft, entry->place, "%s %.200s left out: %s", entry->method,
			      entry->url, why);
		return 0;
	}
	if (is_followed(state, entry)) {
		/* The step before it follows by itself and ends with this one's status. */
		struct fg_draft_step *before = &state->draft->steps[state->draft->step_count - 1];

		before->status = entry->status;
		state->redirect = entry->redirect;
		return 0;
	}
	state->redirect = NULL;
	rc = fill_step(state, entry, &step, err);
	if (rc || !state->keep) {
		fg_draft_step_done(&step);
		return rc;
	}
	if (state->draft->step_count == FG_DRAFT_STEPS_MAX) {
		fg_draft_step_done(&step);
		fg_draft_note(state->draft, entry->place, "%s %.200s left out: more than %d steps",
			      entry->method, entry->url, FG_DRAFT_STEPS_MAX);
		return 0;
	}
	rc = fg_draft_add(state->draft, &step, err);
	if (rc == 0 && entry->status >= 300 && entry->status < 400)
		state->redirect = entry->redirect;
	return rc;
}

static int choose_origin(struct fg_har_state *state, const struct fg_json_at *entries,
			 struct fg_err *err)
{
	const char *wanted = state->options->origin;

	if (wanted) {
		if (!is_target(wanted))
			return fg_err_set(
				err, FG_E_USAGE,
				"--origin wants a scheme and a host: https://shop.example");
		return set_target(state->draft, wanted, err);
	}
	for (size_t i = 0; i < fg_json_count(entries); i++) {
		struct fg_har_entry entry;

		if (fg_har_entry_read(state, entries, i, &entry, err) == 0 && is_target(entry.url))
			return set_target(state->draft, entry.url, err);
	}
	return fg_err_set(err, FG_E_NO_DATA, "no http(s) request in %s", state->options->name);
}

static int convert_all(struct fg_har_state *state, const struct fg_json_at *entries,
		       struct fg_err *err)
{
	int rc = choose_origin(state, entries, err);

	for (size_t i = 0; rc == 0 && i < fg_json_count(entries); i++) {
		struct fg_har_entry entry;

		state->keep = true;
		if (fg_har_entry_read(state, entries, i, &entry, err)) {
			fg_draft_note(state->draft, entry.place, "left out: %s", err->message);
			fg_err_clear(err);
			continue;
		}
		rc = convert_entry(state, &entry, err);
	}
	if (rc)
		return rc;
	if (state->has_cookies)
		fg_draft_note(
			state->draft, "log.entries",
			"recorded cookies are not sent; each VU keeps those that it is given");
	if (!state->draft->step_count)
		return fg_err_set(err, FG_E_NO_DATA, "%s: nothing in it can be sent to %s",
				  state->options->name, state->draft->url);
	return fg_draft_share_headers(state->draft, err);
}

int fg_har_convert(const char *text, size_t len, const struct fg_har_options *options,
		   struct fg_draft *draft, struct fg_err *err)
{
	FG_AUTO_JSON json_t *root = NULL;
	struct fg_har_state state = {.draft = draft, .options = options, .keep = true};
	struct fg_json_at at, log, entries;
	char origin[512];
	int rc = fg_json_parse(text, len, &root, err);

	if (rc)
		return rc;
	at = fg_json_root(root);
	rc = fg_json_object(&at, "log", &log, err);
	if (rc == 0)
		rc = fg_json_array(&log, "entries", FG_HAR_ENTRIES_MAX, &entries, err);
	if (rc)
		return fg_err_wrap(err, "not a HAR file");
	state.log = &log;
	(void)snprintf(origin, sizeof(origin), "Made by flamegate import har from %.400s.",
		       options->name);
	rc = fg_str_dup(origin, &draft->origin, err);
	if (rc == 0)
		rc = fg_str_dup("imported", &draft->name, err);
	return rc ? rc : convert_all(&state, &entries, err);
}
