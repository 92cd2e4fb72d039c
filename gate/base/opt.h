/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command-line options as data: one table per command gives parsing, help, manual and completion.
 *
 * Accepts --name value, --name=value, -n value, -nvalue, bundled flags (-qv), options after
 * arguments, and "--" to end options. Unknown names get "did you mean". Values are pointers into
 * argv; nothing is copied.
 */
#ifndef FG_BASE_OPT_H
#define FG_BASE_OPT_H

#include "gate/base/buf.h"

enum fg_opt_kind {
	FG_OPT_FLAG,     /* bool */
	FG_OPT_STRING,   /* const char * */
	FG_OPT_U64,      /* uint64_t; not 0, which is a field that was not given */
	FG_OPT_DURATION, /* uint64_t, ns; not 0 either */
	FG_OPT_LIST,     /* struct fg_opt_list: may be given several times */
};

struct fg_opt {
	const char *name; /* long name without dashes */
	char short_name;  /* or 0 */
	enum fg_opt_kind kind;
	size_t offset;    /* of the field in the command's options struct */
	const char *arg;  /* what the value is called in help: "URL"; NULL for flags */
	const char *help; /* one sentence, no final dot */
};

enum { FG_OPT_LIST_MAX = 64 };

struct fg_opt_list {
	const char *items[FG_OPT_LIST_MAX];
	size_t count;
};

/** Parses argv[0…argc) into the struct at `values` (zeroed and defaulted by the caller) and the
 *  positional arguments into `ret_args`. Errors: USAGE. */
int fg_opt_parse(const struct fg_opt *options, size_t count, int argc, char **argv, void *values,
		 struct fg_opt_list *ret_args, struct fg_err *err) FG_MUST_USE;
/** Aligned option lines, two columns, wrapped at 80 (appended). */
void fg_opt_help(const struct fg_opt *options, size_t count, struct fg_buf *out);

#endif
