/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a scenario in file order, flows in their places. */
#include "runner/scenario/scenario.h"

#include <string.h>

struct walk {
	const struct fg_scenario_file *file;
	int (*visit)(void *context, const struct fg_visit *visit, struct fg_err *err);
	void *context;
	struct fg_buf group; /* path of the groups around */
	struct fg_err *err;
};

static int walk_steps(struct walk *walk, const struct fg_steps *steps, unsigned depth,
		      unsigned parallel_max);

static int walk_group(struct walk *walk, const struct fg_step_group *group, unsigned depth)
{
	const size_t outer = walk->group.len;
	int rc;

	fg_buf_addf(&walk->group, "::%s", group->name);
	rc = fg_buf_check(&walk->group, walk->err);
	if (rc == 0)
		rc = walk_steps(walk, &group->steps, depth + 1, 1);
	walk->group.len = outer;
	if (walk->group.data)
		walk->group.data[outer] = '\0';
	return rc;
}

static int walk_choices(struct walk *walk, const struct fg_step_choose *choose, unsigned depth)
{
	int rc = 0;

	for (size_t i = 0; i < choose->count && rc == 0; i++)
		rc = walk_steps(walk, &choose->items[i].steps, depth + 1, 1);
	return rc;
}

static int walk_inside(struct walk *walk, const struct fg_step *step, unsigned depth)
{
	int rc;

	switch (step->kind) {
	case FG_STEP_GROUP:
		return walk_group(walk, &step->group, depth);
	case FG_STEP_LOOP:
		return walk_steps(walk, &step->loop.steps, depth + 1, 1);
	case FG_STEP_IF:
		rc = walk_steps(walk, &step->condition.then, depth + 1, 1);
		return rc ? rc : walk_steps(walk, &step->condition.otherwise, depth + 1, 1);
	case FG_STEP_CHOOSE:
		return walk_choices(walk, &step->choose, depth);
	case FG_STEP_PARALLEL:
		return walk_steps(walk, &step->parallel.steps, depth + 1,
				  (unsigned)step->parallel.steps.count);
	case FG_STEP_RUN:
		return walk_steps(walk, &walk->file->flows[step->run.flow].steps, depth + 1, 1);
	default:
		return 0;
	}
}

static int walk_steps(struct walk *walk, const struct fg_steps *steps, unsigned depth,
		      unsigned parallel_max)
{
	/* The parser refuses deeper files; a bound here costs nothing. */
	if (depth > 2 * FG_SCENARIO_NESTING_MAX)
		return fg_err_set(walk->err, FG_E_LIMIT, "steps are nested too deep");
	for (size_t i = 0; i < steps->count; i++) {
		const struct fg_step *step = &steps->items[i];
		const struct fg_visit visit = {
			.step = step,
			.group = walk->group.data ? walk->group.data : "",
			.depth = depth,
			.parallel_max = parallel_max,
		};
		int rc = step->kind == FG_STEP_RUN ? 0
						   : walk->visit(walk->context, &visit, walk->err);

		if (rc == 0)
			rc = walk_inside(walk, step, depth);
		if (rc)
			return rc;
	}
	return 0;
}

int fg_steps_walk(const struct fg_scenario_file *file, const struct fg_steps *steps,
		  int (*visit)(void *context, const struct fg_visit *visit, struct fg_err *err),
		  void *context, struct fg_err *err)
{
	struct walk walk = {.file = file, .visit = visit, .context = context, .err = err};

	fg_buf_init(&walk.group, 64 << 10);
	int rc = walk_steps(&walk, steps, 0, 1);

	fg_buf_done(&walk.group);
	return rc;
}
