/* SPDX-License-Identifier: Apache-2.0 */
/*
 * latency.jsonl: one line per second and class half. "scenario", "name" and "group" repeat what
 * run.json says under "class", so that jq and a decoder for HdrHistogram suffice to use the file.
 * "duration" is the service time, too; where they differ "serviceTime" is there alone. And the
 * reader of lines in pieces, which metrics.jsonl shares.
 */
#include "gate/measure/run_json_read.h"

#include <string.h>

#include "gate/format/hdrlog.h"
#include "gate/measure/series.h"

static const char phase_warmup[] = "warmup";
static const char phase_measure[] = "measure";

/* -- writing ------------------------------------------------------------------------------------
 */

struct writing {
	const struct fg_registry *registry;
	struct fg_buf line;
	fg_gzip_sink sink;
	void *context;
};

static int write_row(void *context, const struct fg_series_row *row, struct fg_err *err)
{
	struct writing *writing = context;
	const struct fg_class *class = &writing->registry->classes[row->class_index];
	struct fg_json_writer w;

	fg_buf_clear(&writing->line);
	fg_json_writer_init(&w, &writing->line, false);
	fg_json_begin(&w, NULL);
	fg_json_put_u64(&w, "second", row->second);
	fg_json_put_u64(&w, "class", row->class_index);
	fg_json_put_string(&w, "scenario", writing->registry->scenarios[class->scenario].name);
	fg_json_put_string(&w, "name", class->name);
	fg_json_put_string(&w, "group", class->group);
	fg_json_put_bool(&w, "expected", row->expected);
	fg_json_put_string(&w, "phase", row->warmup ? phase_warmup : phase_measure);
	fg_json_put_u64(&w, "requests", row->requests);
	fg_json_put_u64(&w, "failed", row->failed);
	fg_json_put_u64(&w, "sentBytes", row->sent_bytes);
	fg_json_put_u64(&w, "receivedBytes", row->received_bytes);
	if (row->response_hdr)
		fg_json_put_string(&w, "responseTime", row->response_hdr);
	if (row->duration_hdr)
		fg_json_put_string(&w, "duration", row->duration_hdr);
	if (row->service_hdr &&
	    (!row->duration_hdr || strcmp(row->service_hdr, row->duration_hdr) != 0))
		fg_json_put_string(&w, "serviceTime", row->service_hdr);
	fg_json_end(&w);
	fg_buf_add_char(&writing->line, '\n');
	if (w.failed)
		return fg_err_set(err, FG_E_INTERNAL, "a counter beyond 63 bits");
	int rc = fg_buf_check(&writing->line, err);

	return rc ? rc
		  : writing->sink(writing->context, writing->line.data, writing->line.len, err);
}

int fg_bundle_latency_write(const struct fg_result *result, fg_gzip_sink sink, void *context,
			    struct fg_err *err)
{
	struct writing writing = {.registry = &result->registry, .sink = sink, .context = context};

	fg_buf_init(&writing.line, FG_BUNDLE_LINE_MAX);
	int rc = fg_series_each(result, 0, UINT32_MAX, write_row, &writing, err);

	fg_buf_done(&writing.line);
	return rc ? fg_err_wrap(err, "%s", fg_bundle_latency_name) : 0;
}

static int write_index(const struct fg_result *result, const struct fg_series_index *index,
		       struct fg_buf *line, fg_gzip_sink sink, void *context, struct fg_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < index->count; i++) {
		fg_buf_clear(line);
		rc = fg_series_get(result->series, &index->items[i], line, err);
		if (rc == 0)
			rc = sink(context, line->data, line->len, err);
	}
	return rc;
}

int fg_bundle_metrics_write(const struct fg_result *result, fg_gzip_sink sink, void *context,
			    struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf line = {.max = FG_SERIES_RECORD_MAX};
	int rc = fg_series_flush(result, err);

	if (rc == 0)
		rc = write_index(result, &result->series->counts, &line, sink, context, err);
	if (rc == 0)
		rc = write_index(result, &result->series->intervals, &line, sink, context, err);
	return rc ? fg_err_wrap(err, "%s", fg_bundle_metrics_name) : 0;
}

static int into_buf(void *context, const void *bytes, size_t len, struct fg_err *err)
{
	fg_buf_add(context, bytes, len);
	return fg_buf_check(context, err);
}

int fg_bundle_latency_lines(const struct fg_result *result, struct fg_buf *out, struct fg_err *err)
{
	return fg_bundle_latency_write(result, into_buf, out, err);
}

int fg_bundle_metrics_lines(const struct fg_result *result, struct fg_buf *out, struct fg_err *err)
{
	return fg_bundle_metrics_write(result, into_buf, out, err);
}

/* -- a row of latency.jsonl ---------------------------------------------------------------------
 */

/* Borrowed from the tree. */
static int get_hdr(const struct fg_json_at *at, const char *key, const char **ret,
		   struct fg_err *err)
{
	size_t len = 0;
	int rc = fg_json_has(at, key) ? fg_json_string(at, key, ret, &len, err) : 0;

	if (rc == 0 && len > FG_HDRLOG_TEXT_MAX)
		return fg_json_error(at, err, "%s is too long", key);
	return rc;
}

static int get_bytes(const struct fg_json_at *at, const char *key, uint64_t *ret,
		     struct fg_err *err)
{
	return fg_json_has(at, key) ? fg_json_u64(at, key, INT64_MAX, ret, err) : 0;
}

static int get_row(const struct fg_json_at *at, const struct fg_registry *registry,
		   struct fg_series_row *row, struct fg_err *err)
{
	static const char *const phases[] = {phase_measure, phase_warmup};
	size_t phase = 0;
	int rc = 0;

	if (registry->class_count == 0)
		return fg_err_set(err, FG_E_INVALID, "a row, but run.json has no request class");
	rc = fg_json_u32(at, "second", UINT32_MAX - 1, &row->second, err);
	FG_JSON_TRY(rc, fg_json_u32(at, "class", (uint32_t)registry->class_count - 1,
				    &row->class_index, err));
	FG_JSON_TRY(rc, fg_json_bool(at, "expected", &row->expected, err));
	FG_JSON_TRY(rc, fg_json_word(at, "phase", phases, FG_ARRAY_LEN(phases), &phase, err));
	FG_JSON_TRY(rc, fg_json_u64(at, "requests", INT64_MAX, &row->requests, err));
	FG_JSON_TRY(rc, fg_json_u64(at, "failed", row->requests, &row->failed, err));
	FG_JSON_TRY(rc, get_bytes(at, "sentBytes", &row->sent_bytes, err));
	FG_JSON_TRY(rc, get_bytes(at, "receivedBytes", &row->received_bytes, err));
	FG_JSON_TRY(rc, get_hdr(at, "responseTime", &row->response_hdr, err));
	FG_JSON_TRY(rc, get_hdr(at, "duration", &row->duration_hdr, err));
	row->service_hdr = row->duration_hdr;
	FG_JSON_TRY(rc, get_hdr(at, "serviceTime", &row->service_hdr, err));
	row->warmup = phase == 1;
	return rc;
}

static int compare_rows(const struct fg_series_row *a, const struct fg_series_row *b)
{
	if (a->second != b->second)
		return a->second < b->second ? -1 : 1;
	if (a->class_index != b->class_index)
		return a->class_index < b->class_index ? -1 : 1;
	return (int)a->expected - (int)b->expected;
}

static int put_record(struct fg_lines_reader *reader, struct fg_err *err)
{
	int rc = fg_buf_check(&reader->record, err);

	if (rc == 0)
		rc = fg_series_put(reader->series, &reader->series->rows, reader->last.second,
				   reader->record.data, reader->record.len, err);
	fg_buf_clear(&reader->record);
	return rc;
}

static int latency_line(struct fg_lines_reader *reader, const char *line, size_t len,
			struct fg_err *err)
{
	FG_AUTO_JSON json_t *tree = NULL;
	struct fg_series_row row = {0};
	int rc = fg_json_parse(line, len, &tree, err);

	if (rc)
		return rc;
	const struct fg_json_at root = fg_json_root(tree);

	rc = get_row(&root, &reader->result->registry, &row, err);
	if (rc == 0 && reader->any && compare_rows(&reader->last, &row) >= 0)
		return fg_err_set(err, FG_E_INVALID, "rows are out of order");
	if (rc == 0 && reader->any && reader->last.second != row.second)
		rc = put_record(reader, err);
	if (rc)
		return rc;
	fg_series_row_put(&reader->record, &row);
	reader->last = row;
	reader->any = true;
	return 0;
}

void fg_bundle_latency_reader(struct fg_lines_reader *reader, const struct fg_result *result,
			      struct fg_series *series)
{
	*reader = (struct fg_lines_reader){.result = result,
					   .series = series,
					   .name = fg_bundle_latency_name,
					   .line = latency_line};
	/* no line is longer than the JSON reader takes */
	fg_buf_init(&reader->pending, FG_JSON_BYTES_MAX);
	fg_buf_init(&reader->record, FG_SERIES_RECORD_MAX);
}

/* -- metrics.jsonl ------------------------------------------------------------------------------
 */

/* Counts come first, then intervals; a second may have several lines (a late worker's). */
static int metrics_line(struct fg_lines_reader *reader, const char *line, size_t len,
			struct fg_err *err)
{
	struct fg_series_index *index = &reader->series->counts;
	uint32_t seconds = 0;
	int rc = 0;

	if (!reader->slice)
		rc = fg_slice_new(&reader->result->registry, NULL, &reader->slice, err);
	if (rc)
		return rc;
	fg_slice_clear(reader->slice);
	rc = fg_series_get_line(line, len, reader->slice, &seconds, err);
	if (rc)
		return rc;
	if (seconds != 1)
		index = &reader->series->intervals;
	if (index->count && index->items[index->count - 1].second > reader->slice->second)
		return fg_err_set(err, FG_E_INVALID, "lines are out of order");
	fg_buf_clear(&reader->record);
	fg_buf_add(&reader->record, line, len);
	fg_buf_add_char(&reader->record, '\n');
	rc = fg_buf_check(&reader->record, err);
	if (rc == 0)
		rc = fg_series_put(reader->series, index, reader->slice->second,
				   reader->record.data, reader->record.len, err);
	fg_buf_clear(&reader->record);
	return rc;
}

void fg_bundle_metrics_reader(struct fg_lines_reader *reader, const struct fg_result *result,
			      struct fg_series *series)
{
	fg_bundle_latency_reader(reader, result, series);
	reader->name = fg_bundle_metrics_name;
	reader->line = metrics_line;
}

/* -- lines in pieces ----------------------------------------------------------------------------
 */

static int take_line(struct fg_lines_reader *reader, const char *line, size_t len,
		     struct fg_err *err)
{
	reader->line_number++;
	int rc = reader->line(reader, line, len, err);

	if (rc == 0)
		return 0;
	fg_err_at(err, NULL, 0, 0); /* the line in front says it better */
	return fg_err_wrap(err, "%s line %u", reader->name, reader->line_number);
}

int fg_bundle_lines_feed(void *context, const void *bytes, size_t len, struct fg_err *err)
{
	struct fg_lines_reader *reader = context;
	const char *at = bytes;
	int rc = 0;

	while (rc == 0 && len > 0) {
		const char *end = memchr(at, '\n', len);
		size_t part = end ? (size_t)(end - at) : len;

		if (end && reader->pending.len == 0) {
			rc = take_line(reader, at, part, err);
		} else {
			fg_buf_add(&reader->pending, at, part);
			rc = fg_buf_check(&reader->pending, err);
			if (rc == 0 && end)
				rc = take_line(reader, reader->pending.data, reader->pending.len,
					       err);
			if (end)
				fg_buf_clear(&reader->pending);
		}
		part += end ? 1 : 0;
		at += part;
		len -= part;
	}
	return rc;
}

int fg_bundle_lines_end(struct fg_lines_reader *reader, struct fg_err *err)
{
	int rc = 0;

	if (reader->pending.len)
		rc = take_line(reader, reader->pending.data, reader->pending.len, err);
	return rc ? rc : put_record(reader, err);
}

void fg_bundle_lines_done(struct fg_lines_reader *reader)
{
	fg_buf_done(&reader->pending);
	fg_buf_done(&reader->record);
	fg_slice_free(reader->slice);
}

/* -- whole texts --------------------------------------------------------------------------------
 */

static int parse_text(struct fg_lines_reader *reader, const char *text, size_t len,
		      struct fg_err *err)
{
	int rc = fg_bundle_lines_feed(reader, text, len, err);

	if (rc == 0)
		rc = fg_bundle_lines_end(reader, err);
	fg_bundle_lines_done(reader);
	return rc;
}

int fg_bundle_parse_latency(const char *text, size_t len, struct fg_result *result,
			    struct fg_err *err)
{
	struct fg_lines_reader reader;
	struct fg_series *series = NULL;
	int rc = fg_series_new(&series, err);

	if (rc)
		return rc;
	fg_bundle_latency_reader(&reader, result, series);
	rc = parse_text(&reader, text, len, err);
	if (rc) {
		fg_series_free(series);
		return rc;
	}
	fg_series_free(result->series);
	result->series = series;
	return 0;
}

int fg_bundle_parse_metrics(const char *text, size_t len, struct fg_result *result,
			    struct fg_err *err)
{
	struct fg_lines_reader reader;

	fg_bundle_metrics_reader(&reader, result, result->series);
	return parse_text(&reader, text, len, err);
}
