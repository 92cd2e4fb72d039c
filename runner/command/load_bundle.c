/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/command/command.h"

#include "runner/store/reference.h"

int fg_command_load_bundle(const char *reference, const char *baseline_dir, struct fg_bundle *ret,
			   struct fg_err *err)
{
	const struct fg_reference_options where = {.baseline_dir = baseline_dir};
	char path[FG_PATH_MAX];
	int rc = fg_reference_resolve(reference, &where, path, err);

	return rc ? rc : fg_bundle_read(path, ret, err);
}
