/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Baselines in a directory: ROOT/NAME/ID/bundle, and ROOT/NAME/current → ID.
 *
 * Promises: a bundle appears complete or not at all, is never changed afterwards, and two writers
 * at once lose nothing; the last put is the current one. Knows a bundle only as a flat directory of
 * regular files with a run.json in it.
 */
#ifndef FG_STORE_DIR_H
#define FG_STORE_DIR_H

#include "gate/base/file.h"

enum {
	FG_STORE_FILES_MAX = 64, /* of one bundle */
	FG_STORE_FILE_BYTES_MAX = 256 << 20,
	FG_STORE_NAME_MAX = 200, /* a branch's name may hold slashes; they are escaped */
};

/** Copies the bundle under NAME with the run's id and makes it current. Putting an id that is
 *  already there changes only what is current. `ret_path` gets the stored bundle's directory. */
int fg_store_dir_put(const char *root, const char *name, const char *id, const char *bundle_dir,
		     char ret_path[FG_PATH_MAX], struct fg_err *err) FG_MUST_USE;
/** The current bundle of NAME. NOT_FOUND names the baselines that exist. */
int fg_store_dir_get(const char *root, const char *name, char ret_path[FG_PATH_MAX],
		     struct fg_err *err) FG_MUST_USE;

#endif
