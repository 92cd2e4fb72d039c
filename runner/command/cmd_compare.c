/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "gate/report/report.h"
#include "runner/command/command.h"
#include "runner/run/outputs.h"
#include "runner/scenario/scenario.h"

struct values {
	const char *scenario;
	const char *baseline_dir;
	struct fg_opt_list outs;
	bool no_color;
};

static const struct fg_opt options[] = {
	{"scenario", 0, FG_OPT_STRING, offsetof(struct values, scenario), "FILE",
	 "Take the gate: rules from this scenario (default: the built-in rules)"},
	{"baseline-dir", 0, FG_OPT_STRING, offsetof(struct values, baseline_dir), "DIR",
	 "Where baseline:NAME is looked up (default .flamegate/baselines)"},
	{"out", 'o', FG_OPT_LIST, offsetof(struct values, outs), "KIND=PATH",
	 "Also write verdict (JSON), markdown, json, csv …; \"-\" is standard output; repeatable"},
	{"no-color", 0, FG_OPT_FLAG, offsetof(struct values, no_color), NULL,
	 "Plain text also on a terminal"},
};

static int load_gate(const struct values *values, struct fg_scenario_file **ret_file,
		     struct fg_err *err)
{
	struct fg_diagnostics diagnostics = {0};
	struct fg_scenario_options load = {0};

	if (!values->scenario)
		return 0;
	int rc = fg_scenario_load(values->scenario, &load, ret_file, &diagnostics, err);

	if (rc && diagnostics.count) {
		FG_AUTO_BUF struct fg_buf text;

		fg_buf_init(&text, 4 << 20);
		fg_diagnostics_text(&diagnostics, &text);
		if (text.data)
			fg_console_note(text.data, text.len);
		rc = fg_err_set(err, FG_E_INVALID, "%s is not valid", values->scenario);
	}
	fg_diagnostics_done(&diagnostics);
	return rc;
}

static int write_outputs(const struct values *values, const struct fg_bundle *bundle,
			 const struct fg_verdict *verdict, struct fg_err *err)
{
	struct fg_run_io io = fg_console_io(values->no_color);
	const struct fg_report_style style = {.colour = io.colour, .stderr_is_tty = io.note_is_tty};
	const struct fg_outputs_options how = {
		.style = &style, .text = io.result, .context = io.context};

	return fg_outputs_write(&values->outs, bundle, verdict, &how, err);
}

static int print(const struct fg_verdict *verdict, const struct values *values, struct fg_err *err)
{
	struct fg_run_io io = fg_console_io(values->no_color);
	const struct fg_report_style style = {.colour = io.colour, .width = io.width};
	FG_AUTO_BUF struct fg_buf text;

	fg_buf_init(&text, 16 << 20);
	int rc = fg_report_verdict_text(verdict, &style, &text, err);

	if (text.data && fg_outputs_use_stdout(&values->outs))
		fg_console_note(text.data, text.len);
	else if (text.data)
		fg_console_out(text.data, text.len);
	return rc;
}

static int judge(const struct values *values, const struct fg_opt_list *arguments,
		 struct fg_bundle bundles[2], struct fg_verdict **ret, struct fg_err *err)
{
	struct fg_scenario_file *file = NULL;
	struct fg_gate defaults;

	fg_gate_init(&defaults);
	int rc =
		fg_command_load_bundle(arguments->items[0], values->baseline_dir, &bundles[0], err);

	if (rc == 0)
		rc = fg_command_load_bundle(arguments->items[1], values->baseline_dir, &bundles[1],
					    err);
	if (rc == 0)
		rc = load_gate(values, &file, err);
	if (rc == 0 && !file)
		rc = fg_gate_add_default_rules(&defaults, err);
	if (rc == 0)
		rc = fg_verdict_compare(&bundles[0], &bundles[1], file ? &file->gate : &defaults,
					ret, err);
	fg_gate_done(&defaults);
	fg_scenario_file_free(file);
	return rc;
}

static enum fg_outcome run(const void *raw, const struct fg_opt_list *arguments, struct fg_err *err)
{
	const struct values *values = raw;
	struct fg_bundle bundles[2] = {0};
	struct fg_verdict *verdict = NULL;
	int rc = fg_outputs_check(&values->outs, FG_OUTPUTS_BUNDLE, err);

	if (rc == 0)
		rc = judge(values, arguments, bundles, &verdict, err);
	if (rc == 0)
		rc = write_outputs(values, &bundles[1], verdict, err);
	if (rc == 0)
		rc = print(verdict, values, err);
	enum fg_outcome outcome = rc ? fg_command_outcome_of(err) : verdict->outcome;

	fg_verdict_free(verdict);
	fg_bundle_done(&bundles[0]);
	fg_bundle_done(&bundles[1]);
	return outcome;
}

const struct fg_command fg_command_compare = {
	.name = "compare",
	.arguments = "BASE HEAD",
	.summary = "Compare two bundles: latency, CPU per request and function",
	.text = "BASE and HEAD name bundles: a path, latest, baseline:NAME or dir:PATH. Two runs\n"
		"from different moments are weak evidence: only a gross change (25 % by default)\n"
		"can fail, what cannot be told is said to be inconclusive.\n\n"
		"  flamegate compare baseline:main latest\n"
		"  flamegate compare .flamegate/runs/A/bundle .flamegate/runs/B/bundle",
	.options = options,
	.option_count = FG_ARRAY_LEN(options),
	.values_size = sizeof(struct values),
	.min_arguments = 2,
	.max_arguments = 2,
	.run = run,
};
