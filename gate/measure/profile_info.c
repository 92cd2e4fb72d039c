/* SPDX-License-Identifier: Apache-2.0 */
/* How far a profile can be trusted, from its own counts. */
#include <math.h>
#include <stdio.h>

#include "gate/measure/result.h"
#include "gate/profile/profile.h"

static const double min_complete = 0.99;
static const double max_lost = 0.001;
static const double max_rate_error = 0.15;

const char *fg_loss_name(enum fg_loss loss)
{
	static const char *const names[] = {[FG_LOSS_RING] = "ring", [FG_LOSS_LIMIT] = "limit"};

	static_assert(FG_ARRAY_LEN(names) == FG_LOSS_COUNT, "a loss without a name");
	return (size_t)loss < FG_LOSS_COUNT ? names[loss] : "unknown";
}

uint64_t fg_profile_info_kernel_only(const struct fg_profile_info *info)
{
	return FG_MIN(info->incomplete_by[FG_STACK_KERNEL_ONLY], info->samples);
}

double fg_profile_info_complete_share(const struct fg_profile_info *info)
{
	uint64_t with_user = info->samples - fg_profile_info_kernel_only(info);

	/* more complete stacks than samples: a file that somebody made; no share is above 1 */
	return with_user ? (double)FG_MIN(info->complete, with_user) / (double)with_user : 0.0;
}

/* Aliasing with the load shows as far fewer (or more) samples per CPU second than Hz. */
static bool rate_is_wrong(const struct fg_profile_info *info)
{
	if (!(info->samples_per_cpu_s > 0) || info->frequency_hz == 0 || info->samples == 0)
		return false;
	return fabs(info->samples_per_cpu_s / (double)info->frequency_hz - 1.0) >
	       max_rate_error + 3.0 / sqrt((double)info->samples);
}

bool fg_profile_info_fault(const struct fg_profile_info *info, char *out, size_t size_bytes)
{
	double all = (double)info->samples + (double)info->lost;

	out[0] = '\0';
	if (fg_profile_info_complete_share(info) < min_complete)
		(void)snprintf(out, size_bytes, "has %.1f %% complete stacks, needs %.0f %%",
			       /* cut: 98.96 is not 99.0 */
			       floor(1000.0 * fg_profile_info_complete_share(info)) / 10.0,
			       100.0 * min_complete);
	else if ((double)info->lost > max_lost * all)
		(void)snprintf(out, size_bytes, "lost %.2f %% of its samples, at most %.1f %%",
			       100.0 * (double)info->lost / all, 100.0 * max_lost);
	else if (rate_is_wrong(info))
		(void)snprintf(out, size_bytes, "took %.0f samples per CPU second at %u Hz",
			       info->samples_per_cpu_s, info->frequency_hz);
	return out[0] != '\0';
}
