/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scenario that is being written from somebody else's description (HAR, OpenAPI, a server).
 *
 * Owns what a converter found: steps in order, common headers, and notes on everything that was
 * left out or changed, each with its place. Writing it as YAML escapes what means something in our
 * language, so that a recorded "${x}" or "{{ y }}" stays text.
 */
#ifndef FG_CONVERT_DRAFT_H
#define FG_CONVERT_DRAFT_H

#include "gate/base/buf.h"
#include "gate/measure/registry.h"

enum {
	FG_DRAFT_STEPS_MAX = 2000,
	FG_DRAFT_NOTES_MAX = 5000,
	FG_DRAFT_TEXT_MAX = 16 << 20, /* of the written scenario */
};

enum fg_draft_body { FG_DRAFT_NO_BODY, FG_DRAFT_JSON, FG_DRAFT_FORM, FG_DRAFT_TEXT };

struct fg_draft_step {
	char *method; /* as in the language: "get" … or anything for `request` */
	char *url;    /* relative to the draft's url, or absolute */
	char *name;   /* request class; NULL: the default */
	char *group;  /* NULL or "": none; neighbours with an equal group share one */
	struct fg_tags headers;
	enum fg_draft_body body;
	char *text;          /* JSON: one line of it; TEXT: as it is */
	struct fg_tags form; /* FORM */
	uint16_t status;     /* to check; 0: none */
	uint64_t think_ns;   /* before it */
};

struct fg_draft {
	char *name, *url;
	char *origin; /* "imported from x.har": the first comment line */
	bool compression;
	struct fg_tags headers; /* of every step */
	struct fg_tags secrets; /* name → environment variable */
	struct fg_draft_step *steps;
	size_t step_count, step_capacity;
	char **notes;
	size_t note_count, note_capacity;
	size_t notes_lost; /* beyond FG_DRAFT_NOTES_MAX */
	uint64_t rate;     /* iterations per second for an arrival executor; 0: one VU in a loop */
};

void fg_draft_done(struct fg_draft *draft);
void fg_draft_step_done(struct fg_draft_step *step);
/** True for a method that is a step key of its own ("get"). */
bool fg_draft_is_verb(const char *method);
/** What HTTP allows as a method and as the name of a header. */
bool fg_draft_is_token(const char *text);
/** Takes the step's memory, also on failure. */
int fg_draft_add(struct fg_draft *draft, struct fg_draft_step *step,
		 struct fg_err *err) FG_MUST_USE;
/** "PLACE: message". Never fails: what finds no memory is counted in notes_lost. */
void fg_draft_note(struct fg_draft *draft, const char *place, const char *format, ...)
	FG_PRINTF(3, 4);
/** A header that all steps send with one value is sent by http.headers. */
int fg_draft_share_headers(struct fg_draft *draft, struct fg_err *err) FG_MUST_USE;
/** The scenario file (appended). */
int fg_draft_write(const struct fg_draft *draft, struct fg_buf *out,
		   struct fg_err *err) FG_MUST_USE;
/** The notes, one per line (appended); nothing when there are none. */
void fg_draft_notes(const struct fg_draft *draft, struct fg_buf *out);

#endif
