/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/convert/draft.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/vec.h"

void fg_draft_step_done(struct fg_draft_step *step)
{
	free(step->method);
	free(step->url);
	free(step->name);
	free(step->group);
	free(step->text);
	fg_tags_done(&step->headers);
	fg_tags_done(&step->form);
	*step = (struct fg_draft_step){0};
}

void fg_draft_done(struct fg_draft *draft)
{
	free(draft->name);
	free(draft->url);
	free(draft->origin);
	fg_tags_done(&draft->headers);
	fg_tags_done(&draft->secrets);
	for (size_t i = 0; i < draft->step_count; i++)
		fg_draft_step_done(&draft->steps[i]);
	free(draft->steps);
	for (size_t i = 0; i < draft->note_count; i++)
		free(draft->notes[i]);
	free(draft->notes);
	*draft = (struct fg_draft){0};
}

int fg_draft_add(struct fg_draft *draft, struct fg_draft_step *step, struct fg_err *err)
{
	int rc = FG_VEC_ROOM(draft, steps, step_count, step_capacity, FG_DRAFT_STEPS_MAX, err);

	if (rc)
		fg_draft_step_done(step);
	else
		draft->steps[draft->step_count++] = *step;
	*step = (struct fg_draft_step){0};
	return rc;
}

void fg_draft_note(struct fg_draft *draft, const char *place, const char *format, ...)
{
	struct fg_buf text;
	va_list args;

	fg_buf_init(&text, 1024);
	fg_buf_addf(&text, "%s: ", place);
	va_start(args, format);
	fg_buf_addv(&text, format, args);
	va_end(args);
	if (text.failed ||
	    FG_VEC_ROOM(draft, notes, note_count, note_capacity, FG_DRAFT_NOTES_MAX, NULL)) {
		draft->notes_lost++;
		fg_buf_done(&text);
		return;
	}
	/* One line each, and nothing that a terminal would obey. */
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f)
			text.data[i] = ' ';
	draft->notes[draft->note_count++] = fg_buf_take(&text, NULL);
}

void fg_draft_notes(const struct fg_draft *draft, struct fg_buf *out)
{
	for (size_t i = 0; i < draft->note_count; i++)
		fg_buf_addf(out, "%s\n", draft->notes[i]);
	if (draft->notes_lost)
		fg_buf_addf(out, "and %zu more\n", draft->notes_lost);
}

bool fg_draft_is_token(const char *text)
{
	if (!text[0])
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("!#$%&'*+-.^_`|~", *text))
			return false;
	return true;
}

static bool all_send(const struct fg_draft *draft, const char *key, const char *value)
{
	for (size_t i = 0; i < draft->step_count; i++) {
		const char *sent = fg_tags_get(&draft->steps[i].headers, key);

		if (!sent || strcmp(sent, value) != 0)
			return false;
	}
	return true;
}

static void remove_tag(struct fg_tags *tags, const char *key)
{
	size_t kept = 0;

	for (size_t i = 0; i < tags->count; i++) {
		if (strcmp(tags->items[i].key, key) == 0) {
			free(tags->items[i].key);
			free(tags->items[i].value);
		} else {
			tags->items[kept++] = tags->items[i];
		}
	}
	tags->count = kept;
}

int fg_draft_share_headers(struct fg_draft *draft, struct fg_err *err)
{
	if (draft->step_count < 2)
		return 0;
	struct fg_tags *first = &draft->steps[0].headers;

	for (size_t i = 0; i < first->count;) {
		const struct fg_tag *tag = &first->items[i];

		if (!all_send(draft, tag->key, tag->value)) {
			i++;
			continue;
		}
		int rc = fg_tags_add(&draft->headers, tag->key, tag->value, err);

		if (rc)
			return rc;
		const char *key = draft->headers.items[draft->headers.count - 1].key;

		for (size_t s = 0; s < draft->step_count; s++)
			remove_tag(&draft->steps[s].headers, key);
	}
	return 0;
}
