/* SPDX-License-Identifier: Apache-2.0 */
/* k6's CSV: its default system tags as columns, every other tag in extra_tags (RFC 4180 quoting).
 */
#include <string.h>

#include "gate/report/raw.h"

/* k6's default set, sorted; what we never know stays empty, so that the columns are k6's. */
static const char *const columns[] = {
	"check",       "error", "error_code", "expected_response", "group",  "method",
	"name",        "proto", "scenario",   "service",           "status", "subproto",
	"tls_version", "url",
};

static void put_field(struct fg_buf *out, const char *text)
{
	if (!strpbrk(text, ",\"\r\n")) {
		fg_buf_add_str(out, text);
		return;
	}
	fg_buf_add_char(out, '"');
	for (; *text; text++) {
		if (*text == '"')
			fg_buf_add_char(out, '"');
		fg_buf_add_char(out, *text);
	}
	fg_buf_add_char(out, '"');
}

static bool is_column(const char *key)
{
	for (size_t i = 0; i < FG_ARRAY_LEN(columns); i++)
		if (strcmp(columns[i], key) == 0)
			return true;
	return false;
}

static void add_pair(void *context, const char *key, const char *value)
{
	struct fg_buf *pairs = context;

	fg_buf_addf(pairs, "%s%s=%s", pairs->len ? "&" : "", key, value);
}

static int put_row(void *context, const struct fg_point *point, uint64_t time_unix_ns,
		   struct fg_err *err)
{
	struct fg_sink *sink = context;
	struct fg_buf *out = &sink->buf;
	FG_AUTO_BUF struct fg_buf extra = {.max = 1 << 20};
	FG_AUTO_BUF struct fg_buf metadata = {.max = 4096};

	put_field(out, point->metric);
	fg_buf_addf(out, ",%llu,%f", (unsigned long long)(time_unix_ns / FG_NS_PER_S),
		    fg_raw_value(point));
	for (size_t i = 0; i < FG_ARRAY_LEN(columns); i++) {
		const char *value = fg_point_tag(point, columns[i]);

		fg_buf_add_char(out, ',');
		put_field(out, value ? value : "");
	}
	for (size_t i = 0; i < point->tag_count; i++)
		if (!is_column(point->tags[i].key))
			add_pair(&extra, point->tags[i].key, point->tags[i].value);
	fg_raw_metadata(point, add_pair, &metadata);
	fg_buf_add_char(out, ',');
	put_field(out, extra.data ? extra.data : "");
	fg_buf_add_char(out, ',');
	put_field(out, metadata.data ? metadata.data : "");
	fg_buf_add_char(out, '\n');
	if (extra.failed || metadata.failed)
		return fg_err_nomem(err);
	return fg_sink_flush(sink, err);
}

int fg_report_csv(const struct fg_result *result, struct fg_sink *sink, struct fg_err *err)
{
	fg_buf_add_str(&sink->buf, "metric_name,timestamp,metric_value");
	for (size_t i = 0; i < FG_ARRAY_LEN(columns); i++)
		fg_buf_addf(&sink->buf, ",%s", columns[i]);
	fg_buf_add_str(&sink->buf, ",extra_tags,metadata\n");
	int rc = fg_raw_walk(result, put_row, sink, err);

	return rc ? rc : fg_sink_finish(sink, err);
}
