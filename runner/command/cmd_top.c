/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gate/report/sink.h"
#include "gate/report/top.h"
#include "runner/command/command.h"
#include "runner/run/outputs.h"

struct values {
	const char *search, *class, *phase, *sort, *callers, *callees, *type, *baseline_dir;
	uint64_t rows;
	struct fg_opt_list outs;
	bool no_color;
};

#define AT(field) offsetof(struct values, field)

static const struct fg_opt options[] = {
	{"search", 0, FG_OPT_STRING, AT(search), "TEXT",
	 "Only functions whose name, module or file holds TEXT, in any case; /…/ is a regular "
	 "expression"},
	{"class", 0, FG_OPT_STRING, AT(class), "NAME", "Only samples of this request class"},
	{"phase", 0, FG_OPT_STRING, AT(phase), "NAME",
	 "Only samples of this phase: measure (default), warmup, or all"},
	{"type", 0, FG_OPT_STRING, AT(type), "NAME",
	 "Which profile: cpu (default), offcpu, wall or faults"},
	{"sort", 0, FG_OPT_STRING, AT(sort), "BY",
	 "self (default) or total: with what the function calls"},
	{"rows", 'n', FG_OPT_U64, AT(rows), "N", "How many rows (default 30)"},
	{"callers", 0, FG_OPT_STRING, AT(callers), "FUNC", "Who calls this function, by samples"},
	{"callees", 0, FG_OPT_STRING, AT(callees), "FUNC", "What this function calls, by samples"},
	{"out", 'o', FG_OPT_LIST, AT(outs), "KIND=PATH",
	 "Write json or csv instead of text (\"-\" is standard output); repeatable"},
	{"baseline-dir", 0, FG_OPT_STRING, AT(baseline_dir), "DIR",
	 "Where baseline:NAME is looked up (default .flamegate/baselines)"},
	{"no-color", 0, FG_OPT_FLAG, AT(no_color), NULL, "Plain text also on a terminal"},
};

static int read_options(const struct values *values, struct fg_top_options *ret, struct fg_err *err)
{
	if (values->callers && values->callees)
		return fg_err_set(err, FG_E_USAGE, "either --callers or --callees");
	if (values->rows > FG_TOP_ROWS_MAX)
		return fg_err_set(err, FG_E_USAGE, "--rows goes up to %d", FG_TOP_ROWS_MAX);
	if (values->sort && strcmp(values->sort, "self") != 0 && strcmp(values->sort, "total") != 0)
		return fg_err_set(err, FG_E_USAGE, "--sort knows self and total, got \"%.40s\"",
				  values->sort);
	*ret = (struct fg_top_options){
		.phase = values->phase,
		.endpoint = values->class,
		.search = values->search,
		.relative = values->callers ? values->callers : values->callees,
		.callers = values->callers != NULL,
		.sort = values->sort && strcmp(values->sort, "total") == 0 ? FG_TOP_TOTAL
									   : FG_TOP_SELF,
		.rows = (size_t)values->rows,
	};
	return 0;
}

static int write_json(const void *context, struct fg_sink *sink, struct fg_err *err)
{
	return fg_top_json(context, &sink->buf, err);
}

static int write_csv(const void *context, struct fg_sink *sink, struct fg_err *err)
{
	return fg_top_csv(context, &sink->buf, err);
}

static const struct fg_output_writer writers[] = {{"json", write_json, false},
						  {"csv", write_csv, false}};

static int print(const struct fg_top *top, const struct values *values, struct fg_err *err)
{
	struct fg_run_io io = fg_console_io(values->no_color);
	const struct fg_report_style style = {.colour = io.colour, .width = io.width};
	FG_AUTO_BUF struct fg_buf text;

	fg_buf_init(&text, 64 << 20);
	int rc = fg_top_text(top, &style, &text, err);

	if (rc == 0 && text.data)
		fg_console_out(text.data, text.len);
	return rc;
}

static int show(const struct fg_bundle *bundle, const struct fg_top_options *how,
		const struct values *values, struct fg_err *err)
{
	struct fg_run_io io = fg_console_io(values->no_color);
	struct fg_top *top = NULL;
	int rc = fg_top_new(bundle->result, bundle->profile, how, &top, err);

	if (rc == 0 && values->outs.count)
		rc = fg_outputs_write_with(&values->outs, writers, FG_ARRAY_LEN(writers), top,
					   io.result, io.context, err);
	else if (rc == 0)
		rc = print(top, values, err);
	fg_top_free(top);
	return rc;
}

static enum fg_outcome run(const void *raw, const struct fg_opt_list *arguments, struct fg_err *err)
{
	const struct values *values = raw;
	struct fg_top_options how = {0};
	struct fg_bundle bundle = {0};
	int rc = fg_outputs_check_with(&values->outs, writers, FG_ARRAY_LEN(writers), err);

	if (rc == 0)
		rc = read_options(values, &how, err);
	if (rc == 0)
		rc = fg_command_load_bundle(arguments->items[0], values->baseline_dir, &bundle,
					    err);
	if (rc == 0)
		rc = fg_command_use_type(&bundle, values->type, err);
	if (rc == 0)
		rc = show(&bundle, &how, values, err);
	fg_bundle_done(&bundle);
	return rc ? fg_command_outcome_of(err) : FG_OUTCOME_PASSED;
}

const struct fg_command fg_command_top = {
	.name = "top",
	.arguments = "BUNDLE",
	.summary = "List the functions of a bundle's profile by their CPU time",
	.text = "BUNDLE is a path, latest, baseline:NAME or dir:PATH. Each row: the function's\n"
		"own share, its share with what it calls, its own CPU per request (of a\n"
		"recording: per second), name and place. Kernel time stands under the system\n"
		"call that it works for.\n\n"
		"  flamegate top latest\n"
		"  flamegate top latest --search json --sort total\n"
		"  flamegate top latest --class \"GET /items\" --callers malloc",
	.options = options,
	.option_count = FG_ARRAY_LEN(options),
	.values_size = sizeof(struct values),
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run,
};
