/* SPDX-License-Identifier: Apache-2.0 */
/*
 * latency.jsonl: one line per second and class half. "scenario", "name" and "group" repeat what
 * run.json says under "class", so that jq and a decoder for HdrHistogram suffice to use the file.
 */
#include "gate/measure/bundle_internal.h"

#include <string.h>

#include "gate/format/hdrlog.h"

static const char phase_warmup[] = "warmup";
static const char phase_measure[] = "measure";

static void put_row(struct fg_buf *out, const struct fg_registry *registry,
		    const struct fg_series_row *row, bool *failed)
{
	const struct fg_class *class = &registry->classes[row->class_index];
	struct fg_json_writer w;

	fg_json_writer_init(&w, out, false);
	fg_json_begin(&w, NULL);
	fg_json_put_u64(&w, "second", row->second);
	fg_json_put_u64(&w, "class", row->class_index);
	fg_json_put_string(&w, "scenario", registry->scenarios[class->scenario].name);
	fg_json_put_string(&w, "name", class->name);
	fg_json_put_string(&w, "group", class->group);
	fg_json_put_bool(&w, "expected", row->expected);
	fg_json_put_string(&w, "phase", row->warmup ? phase_warmup : phase_measure);
	fg_json_put_u64(&w, "requests", row->requests);
	fg_json_put_u64(&w, "failed", row->failed);
	if (row->response_hdr)
		fg_json_put_string(&w, "responseTime", row->response_hdr);
	if (row->duration_hdr)
		fg_json_put_string(&w, "duration", row->duration_hdr);
	fg_json_end(&w);
	fg_buf_add_char(out, '\n');
	*failed = *failed || w.failed;
}

int fg_bundle_latency_lines(const struct fg_result *result, struct fg_buf *out, struct fg_err *err)
{
	bool failed = false;

	for (size_t i = 0; i < result->series.count; i++)
		put_row(out, &result->registry, &result->series.items[i], &failed);
	if (failed)
		return fg_err_set(err, FG_E_INTERNAL, "%s: a counter beyond 63 bits",
				  fg_bundle_latency_name);
	int rc = fg_buf_check(out, err);

	return rc ? fg_err_wrap(err, "%s", fg_bundle_latency_name) : 0;
}

static int get_hdr(const struct fg_json_at *at, const char *key, char **ret, struct fg_err *err)
{
	int rc = fg_json_dup_or_null(at, key, ret, err);

	if (rc == 0 && *ret && strlen(*ret) > FG_HDRLOG_TEXT_MAX)
		return fg_json_error(at, err, "%s is too long", key);
	return rc;
}

static int get_row(const struct fg_json_at *at, const struct fg_registry *registry,
		   struct fg_series_row *row, struct fg_err *err)
{
	static const char *const phases[] = {phase_measure, phase_warmup};
	size_t phase = 0;
	int rc = 0;

	if (registry->class_count == 0)
		return fg_err_set(err, FG_E_INVALID, "a row, but run.json has no request class");
	rc = fg_json_u32(at, "second", UINT32_MAX, &row->second, err);
	if (rc == 0)
		rc = fg_json_u32(at, "class", (uint32_t)registry->class_count - 1,
				 &row->class_index, err);
	if (rc == 0)
		rc = fg_json_bool(at, "expected", &row->expected, err);
	if (rc == 0)
		rc = fg_json_word(at, "phase", phases, FG_ARRAY_LEN(phases), &phase, err);
	if (rc == 0)
		rc = fg_json_u64(at, "requests", INT64_MAX, &row->requests, err);
	if (rc == 0)
		rc = fg_json_u64(at, "failed", row->requests, &row->failed, err);
	if (rc == 0)
		rc = get_hdr(at, "responseTime", &row->response_hdr, err);
	if (rc == 0)
		rc = get_hdr(at, "duration", &row->duration_hdr, err);
	row->warmup = phase == 1;
	return rc;
}

/* The row is in the series before it is filled, so that fg_series_done() frees it in any case. */
static int parse_line(const char *line, size_t len, const struct fg_registry *registry,
		      struct fg_series *series, struct fg_err *err)
{
	FG_AUTO_JSON json_t *tree = NULL;
	int rc = fg_json_parse(line, len, &tree, err);

	if (rc == 0)
		rc = fg_series_room(series, err);
	if (rc)
		return rc;
	const struct fg_json_at root = fg_json_root(tree);
	struct fg_series_row *row = &series->items[series->count++];

	*row = (struct fg_series_row){0};
	rc = get_row(&root, registry, row, err);
	if (rc == 0 && series->count > 1 && fg_series_compare(row - 1, row) >= 0)
		return fg_err_set(err, FG_E_INVALID, "rows are out of order");
	return rc;
}

int fg_bundle_parse_latency(const char *text, size_t len, struct fg_result *result,
			    struct fg_err *err)
{
	struct fg_series series = {0};
	unsigned line_number = 0;

	for (const char *at = text; len > 0;) {
		const char *end = memchr(at, '\n', len);
		size_t line_len = end ? (size_t)(end - at) : len;
		int rc = parse_line(at, line_len, &result->registry, &series, err);

		line_number++;
		if (rc) {
			fg_series_done(&series);
			fg_err_at(err, NULL, 0, 0); /* the line in front says it better */
			return fg_err_wrap(err, "%s line %u", fg_bundle_latency_name, line_number);
		}
		len -= end ? line_len + 1 : line_len;
		at = end ? end + 1 : at + line_len;
	}
	fg_series_done(&result->series);
	result->series = series;
	return 0;
}
