/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one way to name a bundle, the same in every command:
 *
 *   PATH            a bundle, or a run directory that holds one
 *   latest          the last run (.flamegate/latest)
 *   baseline:NAME   the current baseline of that name
 *   dir:PATH        a path that might be taken for something else
 *   git: s3: https: come with a later issue
 */
#ifndef FG_STORE_REFERENCE_H
#define FG_STORE_REFERENCE_H

#include "gate/base/file.h"

struct fg_reference_options {
	const char *state_dir;    /* NULL: ".flamegate" */
	const char *baseline_dir; /* NULL: <state_dir>/baselines */
};

/** The bundle's directory (the one with run.json). USAGE for a reference that means nothing, LATER,
 *  NOT_FOUND, or INVALID when what is there is no bundle. */
int fg_reference_resolve(const char *text, const struct fg_reference_options *options,
			 char ret_path[FG_PATH_MAX], struct fg_err *err) FG_MUST_USE;
/** The baseline directory that the options mean. */
int fg_reference_baseline_dir(const struct fg_reference_options *options,
			      char ret_path[FG_PATH_MAX], struct fg_err *err) FG_MUST_USE;
/** `path` itself or its bundle/, whichever holds run.json. NOT_FOUND or INVALID otherwise. */
int fg_reference_bundle_at(const char *path, char ret_path[FG_PATH_MAX],
			   struct fg_err *err) FG_MUST_USE;

#endif
