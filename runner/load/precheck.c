/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/precheck.h"

#include <sys/resource.h>

#include "runner/load/plan.h"

/* A socket per VU; the soft limit is often 1024 while the hard one is generous. */
static int raise_descriptors(uint64_t vus, struct fg_err *err)
{
	const rlim_t need = vus + 256;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= need)
		return 0;
	if (limit.rlim_max < need)
		return fg_err_set(err, FG_E_LIMIT,
				  "%llu virtual users need %llu open files, the limit is %llu; "
				  "raise it with ulimit -n",
				  (unsigned long long)vus, (unsigned long long)need,
				  (unsigned long long)limit.rlim_max);
	limit.rlim_cur = need;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		return fg_err_set(err, FG_E_LIMIT, "cannot raise the limit of open files");
	return 0;
}

int fg_load_precheck(const struct fg_load_options *options, struct fg_err *err)
{
	const struct fg_scenario_file *file = options->file;
	const struct fg_plan_part part = {
		.shard = options->shard_index,
		.shards = FG_MAX(options->shard_count, 1u),
		.workers = 1,
	};
	uint64_t vus = 0;

	if (!file->scenario_count)
		return fg_err_set(err, FG_E_INVALID, "no scenario to run");
	if (part.shard >= part.shards || part.shards > FG_LOAD_SHARDS_MAX)
		return fg_err_set(err, FG_E_USAGE, "there is no shard %u of %u (at most %d)",
				  part.shard + 1, part.shards, FG_LOAD_SHARDS_MAX);
	for (size_t i = 0; i < file->scenario_count; i++) {
		int rc = fg_plan_check(&file->scenarios[i], err);

		if (!rc)
			rc = fg_plan_check_shards(&file->scenarios[i], part.shards, err);
		if (rc)
			return rc;
		vus += fg_plan_vus_of_part(fg_plan_max_vus(&file->scenarios[i]), &part);
	}
	return raise_descriptors(vus, err);
}
