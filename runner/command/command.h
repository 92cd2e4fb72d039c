/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: one table of commands, each with its table of options. Help, the manual's
 * option lists and "did you mean" come from these tables; this layer alone prints and wires.
 */
#ifndef FG_COMMAND_COMMAND_H
#define FG_COMMAND_COMMAND_H

#include "gate/base/opt.h"
#include "gate/judge/outcome.h"
#include "gate/measure/bundle.h"
#include "runner/run/run.h"

struct fg_command {
	const char *name;
	const char *arguments; /* "SCENARIO.yaml | URL" */
	const char *summary;   /* one line for the overview */
	const char *text;      /* what it does, for its own help; lines ≤ 80 columns */
	const struct fg_opt *options;
	size_t option_count;
	size_t values_size; /* of the struct the options are stored in */
	size_t min_arguments, max_arguments;
	/** `values` is zeroed and filled by the parser. Returns the outcome; fills `err` when there
	 * is something to print. */
	enum fg_outcome (*run)(const void *values, const struct fg_opt_list *arguments,
			       struct fg_err *err);
};

extern const struct fg_command fg_command_run, fg_command_compare, fg_command_publish,
	fg_command_ci, fg_command_profile, fg_command_top, fg_command_flame, fg_command_merge,
	fg_command_init, fg_command_import, fg_command_validate, fg_command_schema,
	fg_command_doctor, fg_command_version, fg_command_help;

/** NULL-terminated. */
extern const struct fg_command *const fg_commands[];
const struct fg_command *fg_command_find(const char *name); /* NULL: unknown */

/** Help of one command, or the overview for NULL (appended). */
void fg_command_help_text(const struct fg_command *command, struct fg_buf *out);
/** flamegate(1) in roff, from the same tables (appended). */
void fg_command_manual(struct fg_buf *out);
/** A completion script for bash, from the same tables (appended). */
void fg_command_completion(struct fg_buf *out);

/** Parses the command line, runs the command, prints its error once; returns the exit code. */
int fg_command_main(int argc, char **argv);

/* -- console.c: where text goes ------------------------------------------------------------- */

void fg_console_out(const char *text, size_t len);
/** Fails if standard output did not take all of it: a full disk. */
int fg_console_lost(struct fg_err *err) FG_MUST_USE;
void fg_console_note(const char *text, size_t len);
/** stdout/stderr with what terminals they are; `no_color` also honours NO_COLOR and TERM=dumb. */
struct fg_run_io fg_console_io(bool no_color);

/** Reads the bundle that a reference names (a path, latest, baseline:NAME, dir:PATH). */
int fg_command_load_bundle(const char *reference, const char *baseline_dir, struct fg_bundle *ret,
			   struct fg_err *err) FG_MUST_USE;
/** The exit reason of an error that no step has explained better. */
enum fg_outcome fg_command_outcome_of(const struct fg_err *err);

#endif
