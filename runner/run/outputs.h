/* SPDX-License-Identifier: Apache-2.0 */
/* -o/--out KIND=PATH, the same in every command. */
#ifndef FG_RUN_OUTPUTS_H
#define FG_RUN_OUTPUTS_H

#include "gate/base/opt.h"
#include "gate/judge/verdict.h"
#include "gate/report/report.h"
#include "gate/report/sink.h"

struct fg_outputs_options {
	const struct fg_report_style *style; /* whose statistics k6-summary and openmetrics show */
	void (*text)(void *context, const char *text, size_t len); /* for the path "-" */
	void *context;
};

/* Of what is written; it decides which kinds there are. */
enum fg_outputs_of {
	FG_OUTPUTS_RUN,       /* one that follows: also what is sent meanwhile (prometheus=URL) */
	FG_OUTPUTS_BUNDLE,    /* one that is over */
	FG_OUTPUTS_RECORDING, /* a profile without load */
};

/** Checks every KIND=PATH before a run, so that a typo does not cost one. */
int fg_outputs_check(const struct fg_opt_list *outs, enum fg_outputs_of of,
		     struct fg_err *err) FG_MUST_USE;
/** True if one of them goes to "-": then that alone must be on standard output. */
bool fg_outputs_use_stdout(const struct fg_opt_list *outs);
/** The i-th URL of kind `prometheus`, or NULL. */
const char *fg_outputs_prometheus(const struct fg_opt_list *outs, size_t index);
/** Writes each file, atomically; one that fails does not keep the others from being written, and
 *  the first error is returned. `verdict` may be NULL. */
int fg_outputs_write(const struct fg_opt_list *outs, const struct fg_bundle *bundle,
		     const struct fg_verdict *verdict, const struct fg_outputs_options *options,
		     struct fg_err *err) FG_MUST_USE;

/* Commands with kinds of their own: what they write, by name. */
struct fg_output_writer {
	const char *name;
	int (*write)(const void *context, struct fg_sink *sink, struct fg_err *err);
	bool packed; /* compressed already, whatever the file's name ends in */
};

/** As fg_outputs_check() and fg_outputs_write(), of these kinds alone. */
int fg_outputs_check_with(const struct fg_opt_list *outs, const struct fg_output_writer *writers,
			  size_t count, struct fg_err *err) FG_MUST_USE;
int fg_outputs_write_with(const struct fg_opt_list *outs, const struct fg_output_writer *writers,
			  size_t count, const void *context,
			  void (*text)(void *context, const char *text, size_t len),
			  void *text_context, struct fg_err *err) FG_MUST_USE;

#endif
