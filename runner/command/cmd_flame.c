/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/report/flame.h"
#include "runner/command/command.h"
#include "runner/run/outputs.h"

struct values {
	struct fg_opt_list outs;
	const char *class, *phase, *search, *base, *type, *baseline_dir;
	bool inverted;
	uint64_t width;
};

#define AT(field) offsetof(struct values, field)

static const struct fg_opt options[] = {
	{"out", 'o', FG_OPT_LIST, AT(outs), "KIND=PATH",
	 "svg (an interactive flame graph), folded, speedscope or pprof; \"-\" is standard output; "
	 "repeatable"},
	{"class", 0, FG_OPT_STRING, AT(class), "NAME", "Only samples of this request class"},
	{"phase", 0, FG_OPT_STRING, AT(phase), "NAME",
	 "Only samples of this phase: measure (default), warmup, or all"},
	{"type", 0, FG_OPT_STRING, AT(type), "NAME",
	 "Which profile: cpu (default), offcpu, wall or faults"},
	{"search", 0, FG_OPT_STRING, AT(search), "TEXT",
	 "svg: highlight functions with TEXT in their name; /…/ is a regular expression"},
	{"base", 0, FG_OPT_STRING, AT(base), "BUNDLE",
	 "svg: colour by the difference to this bundle, red for more CPU per request, blue for "
	 "less"},
	{"inverted", 0, FG_OPT_FLAG, AT(inverted), NULL, "svg: roots on top"},
	{"width", 0, FG_OPT_U64, AT(width), "PIXELS", "svg: width (400 to 10000, default 1200)"},
	{"baseline-dir", 0, FG_OPT_STRING, AT(baseline_dir), "DIR",
	 "Where baseline:NAME is looked up (default .flamegate/baselines)"},
};

struct subject {
	struct fg_bundle bundle, base;
	struct fg_flame_options how;
};

static int write_svg(const void *context, struct fg_sink *sink, struct fg_err *err)
{
	const struct subject *subject = context;

	return fg_flame_svg(&subject->bundle, &subject->how, &sink->buf, err);
}

static int write_folded(const void *context, struct fg_sink *sink, struct fg_err *err)
{
	const struct subject *subject = context;

	return fg_flame_folded(&subject->bundle, &subject->how, &sink->buf, err);
}

static int write_speedscope(const void *context, struct fg_sink *sink, struct fg_err *err)
{
	const struct subject *subject = context;

	return fg_flame_speedscope(&subject->bundle, &subject->how, &sink->buf, err);
}

static int write_pprof(const void *context, struct fg_sink *sink, struct fg_err *err)
{
	const struct subject *subject = context;

	return fg_flame_pprof(&subject->bundle, &subject->how, &sink->buf, err);
}

static const struct fg_output_writer writers[] = {
	{"svg", write_svg, false},
	{"folded", write_folded, false},
	{"speedscope", write_speedscope, false},
	{"pprof", write_pprof, true},
};

static int check(const struct values *values, struct fg_err *err)
{
	if (!values->outs.count)
		return fg_err_set(err, FG_E_USAGE,
				  "flame needs -o KIND=PATH, for example -o svg=flame.svg");
	if (values->width &&
	    (values->width < FG_FLAME_WIDTH_MIN || values->width > FG_FLAME_WIDTH_MAX))
		return fg_err_set(err, FG_E_USAGE, "--width goes from %d to %d", FG_FLAME_WIDTH_MIN,
				  FG_FLAME_WIDTH_MAX);
	return fg_outputs_check_with(&values->outs, writers, FG_ARRAY_LEN(writers), err);
}

static int load(const struct values *values, const char *reference, struct subject *subject,
		struct fg_err *err)
{
	int rc = fg_command_load_bundle(reference, values->baseline_dir, &subject->bundle, err);

	subject->how = (struct fg_flame_options){.phase = values->phase,
						 .endpoint = values->class,
						 .search = values->search,
						 .inverted = values->inverted,
						 .width = (unsigned)values->width};
	if (rc == 0)
		rc = fg_command_use_type(&subject->bundle, values->type, err);
	if (rc || !values->base)
		return rc;
	subject->how.base = &subject->base;
	rc = fg_command_load_bundle(values->base, values->baseline_dir, &subject->base, err);
	if (rc == 0)
		rc = fg_command_use_type(&subject->base, values->type, err);
	return rc ? fg_err_wrap(err, "--base") : 0;
}

static enum fg_outcome run(const void *raw, const struct fg_opt_list *arguments, struct fg_err *err)
{
	const struct values *values = raw;
	struct fg_run_io io = fg_console_io(true);
	struct subject subject = {0};
	int rc = check(values, err);

	if (rc == 0)
		rc = load(values, arguments->items[0], &subject, err);
	if (rc == 0)
		rc = fg_outputs_write_with(&values->outs, writers, FG_ARRAY_LEN(writers), &subject,
					   io.result, io.context, err);
	fg_bundle_done(&subject.bundle);
	fg_bundle_done(&subject.base);
	return rc ? fg_command_outcome_of(err) : FG_OUTCOME_PASSED;
}

const struct fg_command fg_command_flame = {
	.name = "flame",
	.arguments = "BUNDLE",
	.summary = "Write a bundle's profile as a flame graph or for another viewer",
	.text = "BUNDLE is a path, latest, baseline:NAME or dir:PATH. The svg is one file that\n"
		"needs nothing else: open it in a browser, click to zoom, search with Ctrl-F,\n"
		"walk with the arrow keys. folded is for flamegraph.pl and inferno, speedscope\n"
		"for speedscope.app, pprof for go tool pprof and Pyroscope.\n\n"
		"  flamegate flame latest -o svg=flame.svg\n"
		"  flamegate flame latest --base baseline:main -o svg=difference.svg\n"
		"  flamegate flame latest --class \"GET /items\" -o folded=- | sort",
	.options = options,
	.option_count = FG_ARRAY_LEN(options),
	.values_size = sizeof(struct values),
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run,
};
