/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/command/command.h"

#include <stdlib.h>
#include <string.h>

#include "gate/profile/wait.h"
#include "runner/store/reference.h"

int fg_command_load_bundle(const char *reference, const char *baseline_dir, struct fg_bundle *ret,
			   struct fg_err *err)
{
	const struct fg_reference_options where = {.baseline_dir = baseline_dir};
	char path[FG_PATH_MAX];
	int rc = fg_reference_resolve(reference, &where, path, err);

	return rc ? rc : fg_bundle_read(path, ret, err);
}

int fg_command_use_type(struct fg_bundle *bundle, const char *name, struct fg_err *err)
{
	int type = name ? fg_profile_type_find(name, strlen(name)) : FG_PROFILE_CPU;
	struct fg_profile *profile, without_idle;

	if (type < 0)
		return fg_err_set(err, FG_E_USAGE,
				  "--type knows cpu, offcpu, wall and faults, got \"%.40s\"", name);
	if (type == FG_PROFILE_CPU)
		return 0;
	profile = bundle->profiles[type];
	if (!profile)
		return fg_err_set(
			err, FG_E_NO_DATA,
			"the bundle has no %s profile; profile.types of the scenario asks "
			"for one",
			name);
	int rc = fg_wait_drop_idle(profile, &without_idle, err);

	if (rc)
		return rc;
	free(profile->samples);
	profile->samples = without_idle.samples;
	profile->sample_count = profile->sample_capacity = without_idle.sample_count;
	bundle->profiles[type] = bundle->profile;
	bundle->profile = profile;
	return 0;
}
