/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/target/cpus.h"

#include "gate/base/num.h"

#include <string.h>

static int parse_range(const char *text, size_t len, cpu_set_t *set, struct fg_err *err)
{
	const char *dash = memchr(text, '-', len);
	size_t first_len = dash ? (size_t)(dash - text) : len;
	uint64_t first = 0, last = 0;
	int rc = fg_num_u64(text, first_len, &first, err);

	last = first;
	if (rc == 0 && dash)
		rc = fg_num_u64(dash + 1, len - first_len - 1, &last, err);
	if (rc)
		return rc;
	if (first > last || last >= CPU_SETSIZE)
		return fg_err_set(err, FG_E_INVALID, "%.*s is no range of CPUs (at most %d)",
				  (int)len, text, CPU_SETSIZE - 1);
	for (uint64_t cpu = first; cpu <= last; cpu++)
		CPU_SET((size_t)cpu, set);
	return 0;
}

static int parse_list(const char *spec, cpu_set_t *set, struct fg_err *err)
{
	for (const char *at = spec;; at++) {
		size_t len = strcspn(at, ",");
		int rc = parse_range(at, len, set, err);

		if (rc)
			return fg_err_wrap(err, "cpus: %s", spec);
		at += len;
		if (!*at)
			return 0;
	}
}

/* Hyper-thread siblings are not looked at: on a virtual CI machine their numbering is not told. */
static bool split(enum fg_cpus_side side, const cpu_set_t *allowed, cpu_set_t *set)
{
	int count = CPU_COUNT(allowed);
	int generator = FG_MAX(count / 4, 1), seen = 0;

	if (count < 2)
		return false;
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, allowed))
			continue;
		if ((seen++ < generator) == (side == FG_CPUS_GENERATOR))
			CPU_SET(cpu, set);
	}
	return true;
}

int fg_cpus_choose(const char *spec, enum fg_cpus_side side, const cpu_set_t *allowed,
		   cpu_set_t *ret, bool *ret_any, struct fg_err *err)
{
	cpu_set_t set;
	bool any = false;

	CPU_ZERO(&set);
	if (!spec || strcmp(spec, "auto") == 0) {
		any = split(side, allowed, &set);
	} else if (*spec) {
		int rc = parse_list(spec, &set, err);

		if (rc)
			return rc;
		any = true;
	}
	*ret = set;
	*ret_any = any;
	return 0;
}
