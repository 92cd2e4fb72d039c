/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One way to name a bundle everywhere: a path, latest, baseline:NAME, dir:PATH (git:, s3: and
 * https: come with a later issue and are refused by name).
 */
#ifndef FG_STORE_REFERENCE_H
#define FG_STORE_REFERENCE_H

#include "gate/base/file.h"

#define FG_BASELINE_DIR_DEFAULT ".flamegate/baselines"

struct fg_reference_options {
	const char *baseline_dir; /* NULL: FG_BASELINE_DIR_DEFAULT */
};

/** Finds the bundle's directory. NOT_FOUND says what was looked for and what to do. */
int fg_reference_resolve(const char *reference, const struct fg_reference_options *options,
			 char ret_path[FG_PATH_MAX], struct fg_err *err) FG_MUST_USE;

#endif
