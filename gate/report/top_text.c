/* SPDX-License-Identifier: Apache-2.0 */
/* `flamegate top` as text, JSON and CSV. */
#include "gate/report/top.h"

#include <inttypes.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/format/json.h"
#include "gate/report/report_internal.h"
#include "gate/report/table.h"

enum { MODULE_COLUMNS = 20 };

static const char *suffix_of(const struct fg_top *top)
{
	return strcmp(top->unit, "second") == 0 ? "/s" : "";
}

int fg_top_rows_text(const struct fg_top *top, const struct fg_report_pen *pen, struct fg_err *err)
{
	const struct fg_report_functions functions = {
		.rows = top->rows,
		.count = top->count,
		.more = top->count < top->found,
		.samples = FG_MAX(top->cost->samples, 1u),
		.sample_ns = top->sample_ns,
		.suffix = suffix_of(top),
		.is_count = true,
	};

	return fg_report_functions_text(pen, &functions, err);
}

/* -- the head -----------------------------------------------------------------------------------
 */

static int write_head(const struct fg_top *top, const struct fg_report_pen *pen, struct fg_err *err)
{
	const struct fg_result *result = top->result;
	FG_AUTO_BUF struct fg_buf line = {.max = 4096};
	char cpu[FG_NUM_TEXT_MAX];
	double all = top->sample_ns * (double)top->cost->samples;
	uint64_t with_user = top->cost->samples - top->cost->kernel_only;

	fg_text_cut(result->name ? result->name : "run", pen->width / 2, false, &line);
	fg_buf_add_str(&line, ": ");
	fg_report_amount(top->profile, top->cost->samples, &line);
	if (top->options.endpoint)
		fg_buf_addf(&line, " of \"%s\"", top->options.endpoint);
	if (top->options.phase)
		fg_buf_addf(&line, ", phase %s", top->options.phase);
	if (top->sample_ns >= 0)
		fg_buf_addf(&line, ", %s of %s per %s", fg_num_format_ns(all, cpu),
			    fg_report_type_of(top->profile)->noun, top->unit);
	if (top->cost->samples)
		fg_buf_addf(&line, ", %.2f %% complete, %.1f %% unnamed",
			    fg_report_percent(with_user - top->cost->incomplete, with_user),
			    100.0 * (double)top->cost->unnamed_self / (double)top->cost->samples);
	fg_report_wrapped(pen, 0, 2, &line);
	return fg_buf_check(&line, err);
}

/* -- request classes ----------------------------------------------------------------------------
 */

static int add_endpoint(struct fg_table *table, const struct fg_top *top, const char *name,
			uint64_t samples, uint64_t all, struct fg_err *err)
{
	const char *unit = "";
	double ns =
		name ? fg_report_sample_ns(top->result, top->profile, "measure", name, &unit) : -1;
	char count[FG_NUM_TEXT_MAX], text[FG_NUM_TEXT_MAX];
	struct fg_table_row *row = fg_table_add(table, err);
	int rc = row ? 0 : -FG_E_NOMEM;

	if (rc == 0)
		rc = fg_table_cell(row, 0, err, "%.1f %%", 100.0 * (double)samples / (double)all);
	if (rc == 0)
		rc = fg_table_cell(row, 1, err, "%s", fg_num_format_count(samples, count));
	if (rc == 0)
		rc = fg_table_cell(row, 2, err, "%s",
				   ns >= 0 ? fg_num_format_ns(ns * (double)samples, text) : "–");
	if (rc == 0)
		rc = fg_table_cell(row, 3, err, "%s", name ? name : "(of no request class)");
	return rc;
}

static uint64_t samples_with(const struct fg_profile *profile, const char *endpoint)
{
	const struct fg_cost_options options = {.phase = "measure", .endpoint = endpoint};
	uint64_t sum = 0;

	for (size_t i = 0; i < profile->sample_count; i++)
		if (fg_cost_counts(profile, &options, &profile->samples[i]))
			sum += profile->samples[i].count;
	return sum;
}

/* Only where samples carry classes, and all of the measured phase is looked at. */
static int write_endpoints(const struct fg_top *top, const struct fg_report_pen *pen,
			   struct fg_err *err)
{
	const struct fg_registry *registry = &top->result->registry;
	uint64_t all = samples_with(top->profile, NULL), none = samples_with(top->profile, "");
	struct fg_table table;
	int rc = 0;

	if (top->profile->type != FG_PROFILE_CPU || top->options.endpoint || top->options.phase ||
	    top->options.search || top->options.relative || all == none)
		return 0;
	fg_report_heading(pen, "by request class (share, samples, cpu per request)");
	fg_table_init(&table, 4, pen->width, 6);
	table.flexible = 3;
	table.align[3] = FG_ALIGN_LEFT;
	for (size_t i = 0; i < registry->class_count && rc == 0; i++) {
		FG_AUTO_BUF struct fg_buf name = {.max = 8192};

		fg_registry_class_text(registry, i, &name);
		rc = fg_buf_check(&name, err);
		if (rc == 0)
			rc = add_endpoint(&table, top, name.data,
					  samples_with(top->profile, name.data), all, err);
	}
	if (rc == 0)
		rc = add_endpoint(&table, top, NULL, none, all, err);
	if (rc == 0)
		fg_table_write(&table, pen->out);
	fg_table_done(&table);
	return rc;
}

/* -- neighbours ---------------------------------------------------------------------------------
 */

static const char *end_text(const struct fg_top *top)
{
	return top->options.callers ? "(nobody: a root)" : "(itself)";
}

static int add_relation(struct fg_table *table, const struct fg_top *top,
			const struct fg_relation *relation, struct fg_err *err)
{
	double share = (double)relation->count / (double)FG_MAX(top->relations.samples, 1u);
	char text[FG_NUM_TEXT_MAX];
	FG_AUTO_BUF struct fg_buf module = {.max = 8192};
	struct fg_table_row *row = fg_table_add(table, err);
	int rc = row ? 0 : -FG_E_NOMEM;

	if (relation->row)
		fg_text_cut(relation->row->module, MODULE_COLUMNS, false, &module);
	if (rc == 0)
		rc = fg_buf_check(&module, err);
	if (rc == 0)
		rc = fg_table_cell(row, 0, err, "%.1f %%", 100.0 * share);
	if (rc == 0 && top->sample_ns >= 0)
		rc = fg_table_cell(row, 1, err, "%s%s",
				   fg_num_format_ns((double)relation->count * top->sample_ns, text),
				   suffix_of(top));
	if (rc == 0)
		rc = fg_table_cell(row, 2, err, "%s",
				   relation->row ? relation->row->name : end_text(top));
	if (rc == 0)
		rc = fg_table_cell(row, 3, err, "%s", module.data ? module.data : "");
	return rc;
}

static int write_relations(const struct fg_top *top, const struct fg_report_pen *pen,
			   struct fg_err *err)
{
	const struct fg_relations *relations = &top->relations;
	size_t most = top->options.rows ? top->options.rows : FG_TOP_ROWS;
	FG_AUTO_BUF struct fg_buf line = {.max = 8192};
	struct fg_table table;
	int rc = 0;

	fg_buf_addf(&line, "%s of %s (%s), which is in %.1f %% of the samples",
		    top->options.callers ? "callers" : "callees", top->relative->name,
		    top->relative->module,
		    100.0 * (double)relations->samples / (double)FG_MAX(top->cost->samples, 1u));
	fg_report_wrapped(pen, 2, 4, &line);
	rc = fg_buf_check(&line, err);
	if (rc)
		return rc;
	fg_table_init(&table, 4, pen->width, 6);
	table.flexible = 2;
	table.align[2] = table.align[3] = FG_ALIGN_LEFT;
	for (size_t i = 0; i < relations->count && i < most && rc == 0; i++)
		rc = add_relation(&table, top, &relations->items[i], err);
	if (rc == 0)
		fg_table_write(&table, pen->out);
	if (rc == 0 && relations->count > most)
		fg_buf_add_str(pen->out, "       …\n");
	fg_table_done(&table);
	return rc;
}

static int write_functions(const struct fg_top *top, const struct fg_report_pen *pen,
			   struct fg_err *err)
{
	const char *by = top->options.sort == FG_TOP_TOTAL ? "total" : "self";
	FG_AUTO_BUF struct fg_buf line = {.max = 4096};
	char count[FG_NUM_TEXT_MAX];

	fg_buf_addf(&line, "%s by function (self, total, %s%s), by %s",
		    top->profile->type == FG_PROFILE_CPU ? "cpu"
							 : fg_report_type_of(top->profile)->noun,
		    top->sample_ns >= 0 ? "self per " : "self as a count",
		    top->sample_ns >= 0 ? top->unit : "", by);
	fg_report_heading(pen, line.data ? line.data : "");
	if (top->options.search) {
		fg_buf_clear(&line);
		fg_buf_addf(&line, "%s function%s with \"%s\": %.1f %% of the samples by %s",
			    fg_num_format_count(top->found, count), top->found == 1 ? "" : "s",
			    top->options.search,
			    100.0 * (double)top->found_self /
				    (double)FG_MAX(top->cost->samples, 1u),
			    top->found == 1 ? "itself" : "themselves");
		fg_report_wrapped(pen, 6, 6, &line);
	}
	int rc = fg_buf_check(&line, err);

	return rc ? rc : fg_top_rows_text(top, pen, err);
}

int fg_top_text(const struct fg_top *top, const struct fg_report_style *style, struct fg_buf *out,
		struct fg_err *err)
{
	struct fg_report_pen pen = fg_report_pen_of(style, out);

	int rc = write_head(top, &pen, err);

	if (rc == 0)
		rc = write_endpoints(top, &pen, err);
	if (rc == 0)
		rc = top->relative ? write_relations(top, &pen, err)
				   : write_functions(top, &pen, err);
	return rc ? rc : fg_buf_check(out, err);
}

/* -- for programs -------------------------------------------------------------------------------
 */

static void put_worth(struct fg_json_writer *w, const struct fg_top *top, const char *key,
		      uint64_t samples)
{
	if (top->sample_ns >= 0)
		fg_json_put_double(w, key, (double)samples * top->sample_ns);
	else
		fg_json_put_null(w, key);
}

static void put_function(struct fg_json_writer *w, const struct fg_top *top,
			 const struct fg_cost_row *row)
{
	fg_json_begin(w, NULL);
	fg_json_put_string(w, "name", row->name);
	fg_json_put_string(w, "module", row->module);
	fg_json_put_string(w, "file", row->filename);
	fg_json_put_u64(w, "line", row->line);
	fg_json_put_string(w, "key", row->key);
	fg_json_put_bool(w, "kernel", row->kernel);
	fg_json_put_u64(w, "self", row->self);
	fg_json_put_u64(w, "total", row->total);
	put_worth(w, top, "selfNs", row->self);
	put_worth(w, top, "totalNs", row->total);
	fg_json_end(w);
}

static void put_relations(struct fg_json_writer *w, const struct fg_top *top)
{
	fg_json_begin(w, top->options.callers ? "callers" : "callees");
	fg_json_put_string(w, "of", top->relative->key);
	fg_json_put_u64(w, "samples", top->relations.samples);
	fg_json_begin_array(w, "functions");
	for (size_t i = 0; i < top->relations.count; i++) {
		const struct fg_relation *one = &top->relations.items[i];

		fg_json_begin(w, NULL);
		fg_json_put_string_or_null(w, "name", one->row ? one->row->name : NULL);
		fg_json_put_string_or_null(w, "module", one->row ? one->row->module : NULL);
		fg_json_put_u64(w, "samples", one->count);
		put_worth(w, top, "ns", one->count);
		fg_json_end(w);
	}
	fg_json_end(w);
	fg_json_end(w);
}

int fg_top_json(const struct fg_top *top, struct fg_buf *out, struct fg_err *err)
{
	struct fg_json_writer w;

	fg_json_writer_init(&w, out, true);
	fg_json_begin(&w, NULL);
	fg_json_put_string(&w, "name", top->result->name ? top->result->name : "");
	fg_json_put_string(&w, "run", top->result->id);
	fg_json_put_string_or_null(&w, "class", top->options.endpoint);
	fg_json_put_u64(&w, "samples", top->cost->samples);
	fg_json_put_u64(&w, "incomplete", top->cost->incomplete);
	fg_json_put_string_or_null(&w, "per", top->sample_ns >= 0 ? top->unit : NULL);
	fg_json_begin_array(&w, "functions");
	for (size_t i = 0; i < top->count; i++)
		put_function(&w, top, top->rows[i]);
	fg_json_end(&w);
	if (top->relative)
		put_relations(&w, top);
	fg_json_end(&w);
	fg_buf_add_char(out, '\n');
	return fg_json_writer_check(&w, err);
}

/* RFC 4180; a name that a spreadsheet would take for a formula stays a name. */
static void add_field(struct fg_buf *out, const char *text)
{
	fg_buf_add_char(out, '"');
	if (*text && strchr("=+-@", *text))
		fg_buf_add_char(out, '\'');
	for (; *text; text++) {
		if (*text == '"')
			fg_buf_add_char(out, '"');
		fg_buf_add_char(out, *text);
	}
	fg_buf_add_char(out, '"');
}

int fg_top_csv(const struct fg_top *top, struct fg_buf *out, struct fg_err *err)
{
	fg_buf_add_str(out, "name,module,file,line,self,total,self_share,total_share,self_ns\n");
	for (size_t i = 0; i < top->count; i++) {
		const struct fg_cost_row *row = top->rows[i];
		double all = (double)FG_MAX(top->cost->samples, 1u);

		add_field(out, row->name);
		fg_buf_add_char(out, ',');
		add_field(out, row->module);
		fg_buf_add_char(out, ',');
		add_field(out, row->filename);
		fg_buf_addf(out, ",%u,%" PRIu64 ",%" PRIu64 ",%.6f,%.6f,", row->line, row->self,
			    row->total, (double)row->self / all, (double)row->total / all);
		if (top->sample_ns >= 0)
			fg_buf_addf(out, "%.1f", (double)row->self * top->sample_ns);
		fg_buf_add_char(out, '\n');
	}
	return fg_buf_check(out, err);
}
