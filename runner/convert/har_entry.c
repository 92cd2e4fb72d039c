/* SPDX-License-Identifier: Apache-2.0 */
/* Reading one entry of a recording. */
#include <stdio.h>
#include <string.h>

#include "gate/base/num.h"
#include "runner/convert/har_internal.h"

static const char *text_of(const struct fg_json_at *object, const char *key)
{
	const char *text = "";

	return fg_json_has(object, key) && fg_json_string(object, key, &text, NULL, NULL) == 0
		       ? text
		       : "";
}

static uint64_t digits(const char *text, size_t len)
{
	uint64_t value = 0;

	return fg_num_u64(text, len, &value, NULL) ? 0 : value;
}

/* Days since 1970-01-01 of a Gregorian date; H. Hinnant's days_from_civil. */
static int64_t days_from_civil(int64_t y, int64_t m, int64_t d)
{
	y -= m <= 2;
	const int64_t era = (y >= 0 ? y : y - 399) / 400;
	const int64_t year = y - era * 400;
	const int64_t day = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;

	return era * 146097 + year * 365 + year / 4 - year / 100 + day - 719468;
}

/* "2026-11-21T10:15:00.123Z" in ms; only differences are used, so that an offset that all share
 * does no harm. 0: not understood. */
static uint64_t parse_time_ms(const char *text)
{
	if (strlen(text) < 19 || text[4] != '-' || text[10] != 'T' || text[13] != ':')
		return 0;
	const int64_t days = days_from_civil((int64_t)digits(text, 4), (int64_t)digits(text + 5, 2),
					     (int64_t)digits(text + 8, 2));
	const uint64_t seconds =
		digits(text + 11, 2) * 3600 + digits(text + 14, 2) * 60 + digits(text + 17, 2);
	uint64_t ms = 0;

	if (text[19] == '.') {
		const size_t len = FG_MIN(strspn(text + 20, "0123456789"), (size_t)3);

		ms = digits(text + 20, len) * (len == 1 ? 100 : len == 2 ? 10 : 1);
	}
	return days < 0 ? 0 : ((uint64_t)days * 86400 + seconds) * 1000 + ms;
}

/* Titles of pages make group names: "::" separates groups, and some titles are URLs. */
static const char *page_title(const struct fg_har_state *state, const struct fg_json_at *element)
{
	const char *reference = text_of(element, "pageref");
	struct fg_json_at pages, page;

	if (!reference[0] || fg_json_array(state->log, "pages", FG_HAR_ENTRIES_MAX, &pages, NULL))
		return "";
	for (size_t i = 0; i < fg_json_count(&pages); i++) {
		if (fg_json_element(&pages, i, &page, NULL) ||
		    strcmp(text_of(&page, "id"), reference) != 0)
			continue;
		const char *title = text_of(&page, "title");

		return title[0] && !strstr(title, "::") ? title : reference;
	}
	return strstr(reference, "::") ? "" : reference;
}

int fg_har_entry_read(const struct fg_har_state *state, const struct fg_json_at *entries,
		      size_t index, struct fg_har_entry *ret, struct fg_err *err)
{
	struct fg_json_at response;
	uint64_t status = 0;
	double duration_ms = 0;
	int rc;

	*ret = (struct fg_har_entry){.mime = "", .redirect = "", .page = ""};
	(void)snprintf(ret->place, sizeof(ret->place), "log.entries[%zu]", index);
	rc = fg_json_element(entries, index, &ret->element, err);
	if (rc == 0)
		rc = fg_json_object(&ret->element, "request", &ret->request, err);
	if (rc == 0)
		rc = fg_json_string(&ret->request, "method", &ret->method, NULL, err);
	if (rc == 0)
		rc = fg_json_string(&ret->request, "url", &ret->url, NULL, err);
	if (rc)
		return rc;
	if (!fg_draft_is_token(ret->method) || strpbrk(ret->url, " \r\n\t"))
		return fg_err_set(err, FG_E_INVALID, "method or URL cannot be sent");
	ret->web_socket = fg_json_has(&ret->element, "_webSocketMessages");
	ret->start_ms = parse_time_ms(text_of(&ret->element, "startedDateTime"));
	if (fg_json_has(&ret->element, "time") &&
	    fg_json_double(&ret->element, "time", 0, 1e9, &duration_ms, NULL) == 0)
		ret->duration_ms = (uint64_t)duration_ms;
	ret->page = page_title(state, &ret->element);
	if (fg_json_object(&ret->element, "response", &response, NULL) == 0) {
		struct fg_json_at content;

		ret->redirect = text_of(&response, "redirectURL");
		if (fg_json_u64(&response, "status", 599, &status, NULL) == 0 && status >= 100)
			ret->status = (uint16_t)status;
		if (fg_json_object(&response, "content", &content, NULL) == 0)
			ret->mime = text_of(&content, "mimeType");
	}
	return 0;
}
