/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flame graphs of a profile: our own SVG, and speedscope's JSON.
 *
 * The SVG is one file that needs nothing else: zoom by click or key, search, light and dark; a
 * browser that runs no script still shows the picture. Colours follow from kind and module, so two
 * pictures of one program look alike. Names are foreign: they are escaped, and both the number of
 * frames and the size of the file are bounded; what is left out is said.
 */
#ifndef FG_REPORT_FLAME_H
#define FG_REPORT_FLAME_H

#include "gate/measure/bundle.h"

enum { FG_FLAME_WIDTH = 1200, FG_FLAME_WIDTH_MIN = 400, FG_FLAME_WIDTH_MAX = 10000 };

struct fg_flame_options {
	const char *phase;    /* NULL: "measure"; "all" */
	const char *endpoint; /* a request class; NULL: all together */
	const char *search;   /* highlighted from the start; see name_pattern.h */
	bool inverted;        /* roots on top (an icicle) */
	unsigned width;       /* pixels; 0: FG_FLAME_WIDTH */
	/* Another bundle: width is ours, colour is the difference per request (of recordings, per
	 * second): red costs more here than in the base, blue less. */
	const struct fg_bundle *base;
};

/** NO_DATA without a profile or without samples of that phase; USAGE for an unknown phase, class or
 *  bad pattern. */
int fg_flame_svg(const struct fg_bundle *bundle, const struct fg_flame_options *options,
		 struct fg_buf *out, struct fg_err *err) FG_MUST_USE;
/** A "sampled" profile in the order of seconds (speedscope.app/file-format-schema.json). */
int fg_flame_speedscope(const struct fg_bundle *bundle, const struct fg_flame_options *options,
			struct fg_buf *out, struct fg_err *err) FG_MUST_USE;
int fg_flame_folded(const struct fg_bundle *bundle, const struct fg_flame_options *options,
		    struct fg_buf *out, struct fg_err *err) FG_MUST_USE;
int fg_flame_pprof(const struct fg_bundle *bundle, const struct fg_flame_options *options,
		   struct fg_buf *out, struct fg_err *err) FG_MUST_USE;

#endif
