/* SPDX-License-Identifier: Apache-2.0 */
/* `stage: 2` of a threshold → the seconds of that stage. */
#include <string.h>

#include "runner/scenario/scenario.h"

/* The scenario that the selector names, or the only one. */
static const struct fg_scenario *scenario_of(const struct fg_scenario_file *file,
					     const struct fg_threshold *threshold)
{
	const char *name = fg_tags_get(&threshold->what.tags, "scenario");

	for (size_t i = 0; i < file->scenario_count; i++)
		if (name ? strcmp(file->scenarios[i].name, name) == 0 : file->scenario_count == 1)
			return &file->scenarios[i];
	return NULL;
}

/* In whole seconds, because everything is counted per second: none that is only partly in it. */
static int set_part(struct fg_threshold *threshold, uint64_t start_ns, uint64_t end_ns,
		    struct fg_err *err)
{
	uint64_t from_s = (start_ns + FG_NS_PER_S - 1) / FG_NS_PER_S;
	uint64_t to_s = end_ns / FG_NS_PER_S;

	if (to_s <= from_s)
		return fg_err_set(err, FG_E_INVALID,
				  "stage %llu is too short: no whole second lies in it",
				  (unsigned long long)threshold->stage);
	threshold->from_ns = from_s * FG_NS_PER_S;
	threshold->to_ns = to_s * FG_NS_PER_S;
	threshold->stage = 0;
	return 0;
}

static int find_stage(const struct fg_scenario_file *file, struct fg_threshold *threshold,
		      struct fg_err *err)
{
	const struct fg_scenario *scenario = scenario_of(file, threshold);

	if (threshold->stage == 0)
		return 0;
	if (threshold->from_ns || threshold->to_ns)
		return fg_err_set(err, FG_E_INVALID,
				  "\"stage\" stands instead of \"from\" and \"to\"");
	if (!scenario)
		return fg_err_set(err, FG_E_INVALID,
				  "a stage of which scenario? Select one: {scenario:NAME}");
	if (threshold->stage > scenario->stage_count)
		return fg_err_set(err, FG_E_INVALID, "scenario \"%s\" has %zu stage%s, not %llu",
				  scenario->name, scenario->stage_count,
				  scenario->stage_count == 1 ? "" : "s",
				  (unsigned long long)threshold->stage);
	uint64_t start_ns = scenario->start_time_ns;

	for (size_t i = 0; i + 1 < threshold->stage; i++)
		start_ns += scenario->stages[i].duration_ns;
	return set_part(threshold, start_ns,
			start_ns + scenario->stages[threshold->stage - 1].duration_ns, err);
}

int fg_scenario_threshold_stage(const struct fg_scenario_file *file, struct fg_threshold *threshold,
				struct fg_err *err)
{
	int rc = find_stage(file, threshold, err);

	if (rc)
		fg_err_at(err, NULL, FG_THRESHOLD_IN_STAGE, 1);
	return rc;
}
