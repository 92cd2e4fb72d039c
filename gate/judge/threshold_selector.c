/* SPDX-License-Identifier: Apache-2.0 */
/* The left half of a threshold: metric{tag:value,…}; and the cursor that both halves read with. */
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

	if (strchr(name, '/') || strchr(name, '*'))
		rc = fg_err_set(err, FG_E_LATER,
				"ratios between metrics are not in this version yet: \"%s\"", name);
	else if (nearest)
		rc = fg_err_set(err, FG_E_INVALID,
				"no metric is named \"%s\"; did you mean \"%s\"?", name, nearest);
	else
		rc = fg_err_set(err, FG_E_INVALID,
				"no metric is named \"%s\"; built-in ones are http_req_duration, "
				"http_req_response_time, http_req_failed, http_reqs, checks, "
				"iterations … (custom metrics come with a later version)",
				name);
	return fg_threshold_at(in, start, err, rc);
}

static int parse_metric_name(struct fg_threshold_cursor *in, enum fg_metric_id *ret,
			     struct fg_err *err)
{
	size_t start = in->at;
	size_t stop = start;
	char name[128];

	while (stop < in->end && in->text[stop] != '{')
		stop++;
	size_t len = stop - start;

	while (len > 0 && isspace((unsigned char)in->text[start + len - 1]))
		len--;
	if (len == 0)
		return fg_threshold_at(in, start, err,
				       fg_err_set(err, FG_E_INVALID, "a metric name is missing"));
	(void)snprintf(name, sizeof(name), "%.*s", (int)FG_MIN(len, sizeof(name) - 1),
		       in->text + start);
	int id = len < sizeof(name) ? fg_metric_find(name) : -1;

	if (id < 0)
		return unknown_metric(in, start, name, err);
	if (id == FG_METRIC_GROUP_DURATION)
		return fg_threshold_at(
			in, start, err,
			fg_err_set(err, FG_E_LATER,
				   "group_duration is not measured in this version yet"));
	in->at = stop;
	*ret = (enum fg_metric_id)id;
	return 0;
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

static int parse_selector(struct fg_threshold_cursor *in, struct fg_tags *tags, struct fg_err *err)
{
	size_t open = in->at;

	if (in->at == in->end)
		return 0;
	if (in->text[in->end - 1] != '}')
		return fg_threshold_at(in, open, err,
				       fg_err_set(err, FG_E_INVALID,
						  "the \"{\" is not closed by a \"}\""));
	in->at++;
	in->end--;
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

int fg_threshold_parse_metric(const char *metric_text, enum fg_metric_id *ret_metric,
			      struct fg_tags *ret_tags, struct fg_err *err)
{
	struct fg_threshold_cursor in;
	struct fg_tags tags = {0};
	enum fg_metric_id metric = FG_METRIC_HTTP_REQS;
	int rc = fg_threshold_cursor(&in, metric_text, FG_THRESHOLD_IN_METRIC, err);

	if (rc == 0)
		rc = parse_metric_name(&in, &metric, err);
	if (rc)
		return rc;
	rc = parse_selector(&in, &tags, err);
	if (rc) {
		fg_tags_done(&tags);
		return rc;
	}
	*ret_metric = metric;
	*ret_tags = tags;
	return 0;
}
