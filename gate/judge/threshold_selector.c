/* SPDX-License-Identifier: Apache-2.0 */
/* A metric with its selector: metric{tag:value,…}; and the cursor that thresholds are read with. */
#include "gate/judge/threshold_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"

enum { TEXT_MAX = 4096 };

int fg_threshold_at(const struct fg_threshold_cursor *in, size_t offset, struct fg_err *err, int rc)
{
	fg_err_at(err, NULL, in->where, (unsigned)offset + 1);
	return rc;
}

void fg_threshold_skip_spaces(struct fg_threshold_cursor *in)
{
	while (in->at < in->end && isspace((unsigned char)in->text[in->at]))
		in->at++;
}

int fg_threshold_cursor(struct fg_threshold_cursor *in, const char *text, unsigned where,
			struct fg_err *err)
{
	size_t len = strnlen(text, TEXT_MAX + 1);

	*in = (struct fg_threshold_cursor){.text = text, .end = len, .where = where};
	if (len > TEXT_MAX)
		return fg_threshold_at(
			in, 0, err, fg_err_set(err, FG_E_LIMIT, "longer than %d bytes", TEXT_MAX));
	while (in->end > 0 && isspace((unsigned char)text[in->end - 1]))
		in->end--;
	fg_threshold_skip_spaces(in);
	return 0;
}

/* -- the metric ---------------------------------------------------------------------------------
 */

static int unknown_metric(const struct fg_threshold_cursor *in, size_t start, const char *name,
			  struct fg_err *err)
{
	const char *nearest = fg_metric_nearest(name);
	int rc;

	if (nearest)
		rc = fg_err_set(err, FG_E_INVALID,
				"no metric is named \"%s\"; did you mean \"%s\"?", name, nearest);
	else
		rc = fg_err_set(err, FG_E_INVALID,
				"no metric is named \"%s\"; built-in ones are http_req_duration, "
				"http_req_response_time, http_req_failed, http_reqs, checks, "
				"iterations …",
				name);
	return fg_threshold_at(in, start, err, rc);
}

static int parse_metric_name(struct fg_threshold_cursor *in, struct fg_operand *operand,
			     struct fg_err *err)
{
	size_t start = in->at;
	size_t stop = start;
	char name[140]; /* one more than any name may have */

	while (stop < in->end && in->text[stop] != '{' && in->text[stop] != '/')
		stop++;
	size_t len = stop - start;

	while (len > 0 && isspace((unsigned char)in->text[start + len - 1]))
		len--;
	if (len == 0)
		return fg_threshold_at(in, start, err,
				       fg_err_set(err, FG_E_INVALID, "a metric name is missing"));
	(void)snprintf(name, sizeof(name), "%.*s", (int)FG_MIN(len, sizeof(name) - 1),
		       in->text + start);
	int id = fg_metric_find(name);

	in->at = stop;
	operand->metric = id < 0 ? FG_METRIC_COUNT : (enum fg_metric_id)id;
	if (id >= 0)
		return 0;
	if (!fg_metric_name_ok(name))
		return unknown_metric(in, start, name, err);
	return fg_str_dup(name, &operand->custom, err);
}

struct fg_threshold_slice fg_threshold_trimmed(const struct fg_threshold_cursor *in, size_t start,
					       size_t stop)
{
	while (start < stop && isspace((unsigned char)in->text[start]))
		start++;
	while (stop > start && isspace((unsigned char)in->text[stop - 1]))
		stop--;
	return (struct fg_threshold_slice){start, stop - start};
}

/* Reads one key or value up to `until` (or the end); quotes keep commas and colons together. */
static int read_word(struct fg_threshold_cursor *in, char until, struct fg_threshold_slice *ret,
		     struct fg_err *err)
{
	fg_threshold_skip_spaces(in);
	char quote = in->at < in->end ? in->text[in->at] : '\0';

	if (quote == '"' || quote == '\'') {
		size_t start = ++in->at;

		while (in->at < in->end && in->text[in->at] != quote)
			in->at++;
		if (in->at == in->end)
			return fg_threshold_at(in, start - 1, err,
					       fg_err_set(err, FG_E_INVALID,
							  "the quote is not closed"));
		*ret = (struct fg_threshold_slice){start, in->at - start};
		in->at++;
		fg_threshold_skip_spaces(in);
		if (in->at < in->end && in->text[in->at] != until)
			return fg_threshold_at(in, in->at, err,
					       fg_err_set(err, FG_E_INVALID, "expected \"%c\" here",
							  until));
		return 0;
	}
	size_t start = in->at;

	while (in->at < in->end && in->text[in->at] != until)
		in->at++;
	*ret = fg_threshold_trimmed(in, start, in->at);
	return 0;
}

static int parse_tag(struct fg_threshold_cursor *in, struct fg_tags *tags, struct fg_err *err)
{
	FG_AUTO_FREE char *key = NULL;
	FG_AUTO_FREE char *value = NULL;
	struct fg_threshold_slice k, v;
	size_t start = in->at;
	int rc = read_word(in, ':', &k, err);

	if (rc)
		return rc;
	if (in->at == in->end || k.len == 0)
		return fg_threshold_at(
			in, start, err,
			fg_err_set(err, FG_E_INVALID,
				   "expected tag:value, for example {scenario:browse}"));
	in->at++;
	rc = read_word(in, ',', &v, err);
	if (rc)
		return rc;
	rc = fg_str_ndup(in->text + k.start, k.len, &key, err);
	if (rc == 0)
		rc = fg_str_ndup(in->text + v.start, v.len, &value, err);
	if (rc)
		return rc;
	if (fg_tags_get(tags, key))
		return fg_threshold_at(in, k.start, err,
				       fg_err_set(err, FG_E_INVALID, "the tag \"%s\" stands twice",
						  key));
	if (tags->count >= FG_REGISTRY_TAGS_MAX)
		return fg_threshold_at(in, k.start, err,
				       fg_err_set(err, FG_E_LIMIT, "more than %d tags",
						  FG_REGISTRY_TAGS_MAX));
	return fg_tags_add(tags, key, value, err);
}

/* The brace that closes the one at in->at; in->end: none. Names may hold pairs of braces. */
static size_t find_close(const struct fg_threshold_cursor *in)
{
	unsigned depth = 0;
	char quote = '\0';

	for (size_t at = in->at; at < in->end; at++) {
		char c = in->text[at];

		if (quote) {
			quote = c == quote ? '\0' : quote;
			continue;
		}
		/* a quote inside a word is a letter: it's */
		if ((c == '"' || c == '\'') && at > 0 && strchr(":,{ ", in->text[at - 1]))
			quote = c;
		depth += c == '{';
		if (c == '}' && --depth == 0)
			return at;
	}
	return in->end;
}

static int parse_tags(struct fg_threshold_cursor *in, size_t open, struct fg_tags *tags,
		      struct fg_err *err)
{
	fg_threshold_skip_spaces(in);
	if (in->at >= in->end)
		return fg_threshold_at(in, open, err,
				       fg_err_set(err, FG_E_INVALID,
						  "the selector is empty; leave the braces away"));
	for (;;) {
		int rc = parse_tag(in, tags, err);

		if (rc)
			return rc;
		if (in->at == in->end)
			return 0;
		in->at++; /* the comma; a trailing one leaves an empty tag, an error */
	}
}

static int parse_selector(struct fg_threshold_cursor *in, struct fg_tags *tags, struct fg_err *err)
{
	struct fg_threshold_cursor inner = *in;
	size_t open = in->at;

	if (in->at == in->end || in->text[in->at] != '{')
		return 0;
	inner.end = find_close(in);
	if (inner.end == in->end && in->text[in->end - 1] == '}' && in->end - 1 > open)
		inner.end = in->end - 1; /* of a quote that is not closed: let the tag say so */
	if (inner.end == in->end)
		return fg_threshold_at(in, open, err,
				       fg_err_set(err, FG_E_INVALID,
						  "the \"{\" is not closed by a \"}\""));
	in->at = inner.end + 1;
	inner.at = open + 1;
	return parse_tags(&inner, open, tags, err);
}

void fg_operand_done(struct fg_operand *operand)
{
	free(operand->custom);
	fg_tags_done(&operand->tags);
	*operand = (struct fg_operand){0};
}

int fg_operand_parse(struct fg_threshold_cursor *in, struct fg_operand *ret, struct fg_err *err)
{
	struct fg_operand operand = {0};
	int rc = parse_metric_name(in, &operand, err);

	if (rc == 0)
		rc = parse_selector(in, &operand.tags, err);
	if (rc) {
		fg_operand_done(&operand);
		return rc;
	}
	fg_threshold_skip_spaces(in);
	*ret = operand;
	return 0;
}

int fg_threshold_parse_metric(const char *metric_text, enum fg_metric_id *ret_metric,
			      struct fg_tags *ret_tags, struct fg_err *err)
{
	struct fg_threshold_cursor in;
	struct fg_operand operand = {0};
	int rc = fg_threshold_cursor(&in, metric_text, FG_THRESHOLD_IN_METRIC, err);
	size_t start = in.at;

	if (rc == 0)
		rc = fg_operand_parse(&in, &operand, err);
	if (rc)
		return rc;
	if (operand.custom)
		rc = unknown_metric(&in, start, operand.custom, err);
	else if (in.at < in.end)
		rc = fg_threshold_at(&in, in.at, err,
				     fg_err_set(err, FG_E_INVALID,
						"one metric, nothing behind it"));
	if (rc) {
		fg_operand_done(&operand);
		return rc;
	}
	*ret_metric = operand.metric;
	*ret_tags = operand.tags;
	return 0;
}
