/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/cpus.h"

#include <errno.h>
#include <string.h>

#include "gate/base/num.h"

static int parse_range(const char *text, size_t len, cpu_set_t *set, struct fg_err *err)
{
	const char *dash = memchr(text, '-', len);
	const size_t first_len = dash ? (size_t)(dash - text) : len;
	uint64_t first, last;
	int rc = fg_num_u64(text, first_len, &first, err);

	if (rc)
		return rc;
	last = first;
	if (dash)
		rc = fg_num_u64(dash + 1, len - first_len - 1, &last, err);
	if (rc)
		return rc;
	if (last < first || last >= CPU_SETSIZE)
		return fg_err_set(err, FG_E_INVALID, "no such range of CPUs");
	for (uint64_t cpu = first; cpu <= last; cpu++)
		CPU_SET((size_t)cpu, set);
	return 0;
}

int fg_cpus_parse(const char *text, cpu_set_t *ret, struct fg_err *err)
{
	const char *part = text;
	cpu_set_t set;

	CPU_ZERO(&set);
	for (;;) {
		const char *end = strchrnul(part, ',');
		int rc = parse_range(part, (size_t)(end - part), &set, err);

		if (rc)
			return fg_err_wrap(err, "cpus \"%s\"", text);
		if (!*end)
			break;
		part = end + 1;
	}
	*ret = set;
	return 0;
}

int fg_cpus_pin(const char *text, const cpu_set_t *automatic, struct fg_err *err)
{
	cpu_set_t set;
	int rc;

	if (!text || !strcmp(text, "auto")) {
		/* A wish: where a container's rules changed meanwhile, unpinned is as good. */
		if (automatic)
			(void)sched_setaffinity(0, sizeof(*automatic), automatic);
		return 0;
	}
	if (!*text)
		return 0;
	rc = fg_cpus_parse(text, &set, err);
	if (rc)
		return rc;
	if (sched_setaffinity(0, sizeof(set), &set))
		return fg_err_errno(err, errno, "loadgen.cpus: \"%s\"", text);
	return 0;
}
