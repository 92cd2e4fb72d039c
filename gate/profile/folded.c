/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/profile/folded.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct line {
	char *text; /* without the count */
	uint64_t count;
};

/* ';' separates frames, and line breaks lines; both occur in names of JIT compilers. */
static void add_name(struct fg_buf *out, const char *name)
{
	for (const char *c = name; *c; c++)
		fg_buf_add_char(out, *c == ';' ? ':' : *c == '\n' || *c == '\r' ? ' ' : *c);
}

static void add_frame(const struct fg_profile *profile, const struct fg_plocation *location,
		      struct fg_buf *out)
{
	/* Root first, so the physical function, then what was inlined into it. */
	for (size_t i = location->line_count; i-- > 0;) {
		uint32_t function = profile->lines[location->line_start + i].function;

		if (out->len)
			fg_buf_add_char(out, ';');
		add_name(out, fg_profile_text(profile, profile->functions[function].name));
		if (location->flags & FG_LOC_KERNEL)
			fg_buf_add_str(out, "_[k]");
		else if (i + 1 < location->line_count)
			fg_buf_add_str(out, "_[i]");
	}
}

static int stack_text(const struct fg_profile *profile, const struct fg_pstack *stack, char **ret,
		      struct fg_err *err)
{
	struct fg_buf text;

	fg_buf_init(&text, FG_PROFILE_BYTES_MAX);
	for (size_t i = stack->frame_count; i-- > 0;)
		add_frame(profile, &profile->locations[profile->frames[stack->frame_start + i]],
			  &text);
	int rc = fg_buf_check(&text, err);

	if (!rc)
		*ret = fg_buf_take(&text, NULL);
	fg_buf_done(&text);
	return rc || *ret ? rc : fg_err_nomem(err);
}

static int by_text(const void *left, const void *right)
{
	const struct line *a = left;
	const struct line *b = right;

	return strcmp(a->text, b->text);
}

/* Samples per stack; the stacks' texts follow for those that have any. */
static int collect(const struct fg_profile *profile, const char *phase, struct line *lines,
		   size_t *ret_count, struct fg_err *err)
{
	size_t used = 0;

	for (size_t i = 0; i < profile->sample_count; i++) {
		const struct fg_psample *sample = &profile->samples[i];
		uint64_t *count = &lines[sample->stack].count;

		if (phase && strcmp(phase, fg_profile_text(profile, sample->phase)) != 0)
			continue;
		if (__builtin_add_overflow(*count, sample->count, count))
			*count = UINT64_MAX;
	}
	for (size_t i = 0; i < profile->stack_count; i++) {
		if (!lines[i].count)
			continue;
		struct line line = {.count = lines[i].count};
		int rc = stack_text(profile, &profile->stacks[i], &line.text, err);

		if (rc)
			return rc;
		lines[i].count = 0;
		lines[used++] = line;
	}
	*ret_count = used;
	return 0;
}

/* Stacks that differ in addresses only have one text, and so one line. */
static void write_lines(const struct line *lines, size_t count, struct fg_buf *out)
{
	for (size_t i = 0; i < count;) {
		uint64_t sum = 0;
		size_t next = i;

		for (; next < count && strcmp(lines[next].text, lines[i].text) == 0; next++) {
			if (__builtin_add_overflow(sum, lines[next].count, &sum))
				sum = UINT64_MAX;
		}
		fg_buf_add_str(out, lines[i].text);
		fg_buf_addf(out, " %" PRIu64 "\n", sum);
		i = next;
	}
}

int fg_folded_encode(const struct fg_profile *profile, const char *phase, struct fg_buf *out,
		     struct fg_err *err)
{
	struct line *lines = calloc(profile->stack_count + 1, sizeof(*lines));
	size_t count = 0;

	if (!lines)
		return fg_err_nomem(err);
	int rc = collect(profile, phase, lines, &count, err);

	if (!rc) {
		qsort(lines, count, sizeof(*lines), by_text);
		write_lines(lines, count, out);
		rc = fg_buf_check(out, err);
	}
	for (size_t i = 0; i < profile->stack_count; i++)
		free(lines[i].text);
	free(lines);
	return rc;
}
