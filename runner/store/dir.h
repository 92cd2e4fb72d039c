/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory store of baselines: ROOT/NAME/ID/ is a bundle, ROOT/NAME/current names the newest.
 *
 * Bundles are immutable and copied in atomically (temporary sibling, sync, rename); two writers of
 * one name both succeed and the last one is current. Names such as feature/x become one directory.
 */
#ifndef FG_STORE_DIR_H
#define FG_STORE_DIR_H

#include "gate/base/file.h"

enum { FG_STORE_NAME_MAX = 200 };

/** Copies the bundle at `bundle_dir` in as the newest of `name`. `root` NULL: the default. */
int fg_store_dir_put(const char *root, const char *name, const char *bundle_dir,
		     struct fg_err *err) FG_MUST_USE;
/** Path of the newest bundle of `name`; NOT_FOUND if there is none. */
int fg_store_dir_get(const char *root, const char *name, char ret_path[FG_PATH_MAX],
		     struct fg_err *err) FG_MUST_USE;

#endif
