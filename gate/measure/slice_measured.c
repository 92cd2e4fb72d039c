/* SPDX-License-Identifier: Apache-2.0 */
/* Adding up only what belongs to the measured phase: each scenario has a warm-up of its own. */
#include "gate/measure/result.h"

struct masked {
	struct fg_slice *dst;
	const struct fg_registry *registry;
	const struct fg_slice *src;
	bool mask;
};

static bool counts(const struct masked *m, size_t scenario)
{
	return !m->mask || !fg_result_is_warmup(m->registry, scenario, m->src->second);
}

static int add_classes(const struct masked *m, struct fg_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < 2 * m->src->class_count; i++)
		if (counts(m, m->registry->classes[i / 2].scenario))
			rc = fg_slice_add_class(&m->dst->classes[i], &m->src->classes[i], err);
	return rc;
}

static int add_scenarios(const struct masked *m, struct fg_err *err)
{
	const int order = fg_slice_order(m->dst, m->src);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < m->src->scenario_count; i++)
		if (counts(m, i))
			rc = fg_slice_add_scenario(&m->dst->scenarios[i], &m->src->scenarios[i],
						   order, err);
	return rc;
}

static void add_checks(const struct masked *m)
{
	for (size_t i = 0; i < m->src->check_count; i++) {
		if (!counts(m, m->registry->checks[i].scenario))
			continue;
		m->dst->checks[i].passes += m->src->checks[i].passes;
		m->dst->checks[i].fails += m->src->checks[i].fails;
	}
}

static int add_customs(const struct masked *m, struct fg_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < m->src->custom_count; i++)
		if (counts(m, m->registry->customs[i].scenario))
			rc = fg_slice_add_custom(&m->dst->customs[i], &m->src->customs[i], err);
	for (size_t i = 0; rc == 0 && i < m->src->group_count; i++)
		if (counts(m, m->registry->groups[i].scenario) &&
		    fg_hist_add(&m->dst->groups[i], &m->src->groups[i]))
			rc = fg_err_nomem(err);
	return rc;
}

int fg_slice_add_measured(struct fg_slice *dst, const struct fg_registry *registry,
			  const struct fg_slice *src, bool mask, struct fg_err *err)
{
	const struct masked m = {.dst = dst, .registry = registry, .src = src, .mask = mask};
	int rc = add_classes(&m, err);

	if (rc == 0)
		rc = add_scenarios(&m, err);
	add_checks(&m);
	if (rc == 0)
		rc = add_customs(&m, err);
	if (mask)
		dst->second = FG_MAX(dst->second, src->second);
	return rc;
}
