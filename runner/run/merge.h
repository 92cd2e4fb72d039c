/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several bundles of one run → one bundle, one verdict: what is behind `flamegate merge`.
 */
#ifndef FG_RUN_MERGE_H
#define FG_RUN_MERGE_H

#include "runner/run/run.h"

struct fg_merge_options {
	const char *scenario; /* take thresholds and gate from this file; NULL: from the bundles */
	const char *bundle;   /* where the merged one goes; NULL: .flamegate/runs/<id>/bundle */
	const char *baseline; /* compare with it afterwards */
	const char *baseline_dir;
	struct fg_opt_list outs;
	bool no_color;
};

/** As fg_run_scenario(): always fills `ret`. */
int fg_run_merge(const struct fg_merge_options *options, const struct fg_opt_list *bundles,
		 const struct fg_run_io *io, struct fg_run *ret, struct fg_err *err) FG_MUST_USE;

#endif
