/* SPDX-License-Identifier: Apache-2.0 */
/* The client of a build without a profiler: every call says so, nothing else in flamegate changes.
 */
#include "profiler/client.h"

#include <stdio.h>

#define WHY "this flamegate was built without the profiler (FLAMEGATE_PROFILER=OFF)"

int fg_profiler_start(const struct fg_profiler_options *options FG_UNUSED,
		      struct fg_profiler **ret FG_UNUSED, struct fg_err *err)
{
	return fg_err_set(err, FG_E_UNSUPPORTED, WHY);
}

enum fg_profiler_source fg_profiler_source(const struct fg_profiler *profiler FG_UNUSED)
{
	return FG_PROFILER_AUTO;
}

const char *fg_profiler_source_note(const struct fg_profiler *profiler FG_UNUSED)
{
	return "";
}

int fg_profiler_fd(const struct fg_profiler *profiler FG_UNUSED)
{
	return -1;
}

int fg_profiler_read(struct fg_profiler *profiler FG_UNUSED, struct fg_err *err)
{
	return fg_err_set(err, FG_E_UNSUPPORTED, WHY);
}

int fg_profiler_enable(struct fg_profiler *profiler FG_UNUSED, bool on FG_UNUSED,
		       struct fg_err *err)
{
	return fg_err_set(err, FG_E_UNSUPPORTED, WHY);
}

size_t fg_profiler_programs(const struct fg_profiler *profiler FG_UNUSED,
			    struct fg_profiler_program *out FG_UNUSED, size_t max FG_UNUSED)
{
	return 0;
}

size_t fg_profiler_slices(const struct fg_profiler *profiler FG_UNUSED,
			  const struct fg_profiler_slice **ret)
{
	*ret = NULL;
	return 0;
}

struct fg_profiler_kernel_walks
fg_profiler_kernel_walks(const struct fg_profiler *profiler FG_UNUSED)
{
	return (struct fg_profiler_kernel_walks){0};
}

uint64_t fg_profiler_samples(const struct fg_profiler *profiler FG_UNUSED)
{
	return 0;
}

double fg_profiler_complete_share(const struct fg_profiler *profiler FG_UNUSED)
{
	return 0;
}

uint32_t *fg_profiler_labels(const struct fg_profiler *profiler FG_UNUSED)
{
	return NULL;
}

const char *fg_profiler_labels_problem(const struct fg_profiler *profiler FG_UNUSED)
{
	return WHY;
}

int fg_profiler_stop(struct fg_profiler *profiler FG_UNUSED, struct fg_err *err FG_UNUSED)
{
	return 0;
}

void fg_profiler_free(struct fg_profiler *profiler FG_UNUSED)
{
}

int fg_profiler_profile(struct fg_profiler *profiler FG_UNUSED,
			const struct fg_profiler_profile_options *options FG_UNUSED,
			struct fg_profile *ret[FG_PROFILE_TYPE_COUNT] FG_UNUSED,
			struct fg_profile_info *info FG_UNUSED, struct fg_err *err)
{
	return fg_err_set(err, FG_E_UNSUPPORTED, WHY);
}

size_t fg_profiler_probe(const char *helper_path FG_UNUSED, struct fg_probe *out, size_t max)
{
	if (!max)
		return 0;
	out[0] = (struct fg_probe){.name = "profiler", .essential = true};
	(void)snprintf(out[0].detail, sizeof(out[0].detail), "%s", WHY);
	(void)snprintf(out[0].fix, sizeof(out[0].fix), "build with -DFLAMEGATE_PROFILER=ON");
	return 1;
}

int fg_runtime_of_pid(uint32_t pid FG_UNUSED, struct fg_runtime_facts *ret FG_UNUSED,
		      struct fg_err *err)
{
	return fg_err_set(err, FG_E_UNSUPPORTED, WHY);
}

size_t fg_profiler_probe_target(uint32_t pid FG_UNUSED, struct fg_probe *out FG_UNUSED,
				size_t max FG_UNUSED)
{
	return 0;
}
