/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/profile/view.h"

#include <stdlib.h>

#include "gate/profile/cost.h"

int fg_profile_view(const struct fg_profile *profile, const char *phase, const char *endpoint,
		    struct fg_profile *ret, struct fg_err *err)
{
	const struct fg_cost_options options = {.phase = phase, .endpoint = endpoint};
	struct fg_psample *samples = calloc(profile->sample_count + 1, sizeof(*samples));
	size_t count = 0;

	if (!samples)
		return fg_err_nomem(err);
	for (size_t i = 0; i < profile->sample_count; i++)
		if (fg_cost_counts(profile, &options, &profile->samples[i]))
			samples[count++] = profile->samples[i];
	*ret = *profile;
	ret->samples = samples;
	ret->sample_count = ret->sample_capacity = count;
	ret->tables = NULL;
	return 0;
}

void fg_profile_view_done(struct fg_profile *view)
{
	free(view->samples);
	view->samples = NULL;
	view->sample_count = 0;
}
