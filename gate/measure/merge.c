/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/measure/merge.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"
#include "gate/measure/series.h"

/* Shards that start together differ by their machines' clocks; more is worth a word. */
#define APART_NS (250 * FG_NS_PER_MS)

static uint32_t shard_count(const struct fg_result *result)
{
	return FG_MAX(result->shard_count, 1u);
}

/* -- do they belong together? ------------------------------------------------------------------ */

static bool same_names(const struct fg_registry *a, const struct fg_registry *b)
{
	for (size_t i = 0; i < a->scenario_count; i++)
		if (strcmp(a->scenarios[i].name, b->scenarios[i].name) != 0)
			return false;
	for (size_t i = 0; i < a->class_count; i++)
		if (strcmp(a->classes[i].name, b->classes[i].name) != 0 ||
		    strcmp(a->classes[i].group, b->classes[i].group) != 0 ||
		    a->classes[i].scenario != b->classes[i].scenario)
			return false;
	for (size_t i = 0; i < a->check_count; i++)
		if (strcmp(a->checks[i].name, b->checks[i].name) != 0)
			return false;
	for (size_t i = 0; i < a->custom_count; i++)
		if (strcmp(a->customs[i].name, b->customs[i].name) != 0 ||
		    a->customs[i].type != b->customs[i].type)
			return false;
	return true;
}

/* Times stamped by different clocks are different measures; adding them up would hide it. */
static const struct fg_class *other_clock(const struct fg_registry *a, const struct fg_registry *b)
{
	for (size_t i = 0; i < a->class_count; i++)
		if (strcmp(a->classes[i].clock, b->classes[i].clock) != 0)
			return &a->classes[i];
	return NULL;
}

static int check_pair(const struct fg_result *a, const struct fg_result *b, struct fg_err *err)
{
	const struct fg_class *clock;

	if (strcmp(a->scenario_hash, b->scenario_hash) != 0)
		return fg_err_set(err, FG_E_INVALID,
				  "%s and %s ran different scenarios (hash %.8s… and %.8s…)", a->id,
				  b->id, a->scenario_hash, b->scenario_hash);
	if (a->seed != b->seed)
		return fg_err_set(err, FG_E_INVALID,
				  "%s and %s drew different schedules (seed %llu and %llu)", a->id,
				  b->id, (unsigned long long)a->seed, (unsigned long long)b->seed);
	if (shard_count(a) != shard_count(b))
		return fg_err_set(err, FG_E_INVALID, "%s is one of %u shards, %s one of %u", a->id,
				  shard_count(a), b->id, shard_count(b));
	if (a->shard_index == b->shard_index)
		return fg_err_set(err, FG_E_INVALID, "%s and %s are both shard %u/%u", a->id, b->id,
				  a->shard_index + 1, shard_count(a));
	if (!fg_slice_same_shape(a->totals, b->totals) || !same_names(&a->registry, &b->registry))
		return fg_err_set(err, FG_E_INVALID,
				  "%s and %s measured different requests; they come from different "
				  "versions of flamegate",
				  a->id, b->id);
	clock = other_clock(&a->registry, &b->registry);
	if (clock)
		return fg_err_set(err, FG_E_INVALID,
				  "%s and %s took the times of %s by different clocks", a->id,
				  b->id, clock->name);
	return 0;
}

static int check_all(const struct fg_result *const *shards, size_t count, struct fg_err *err)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < i; j++) {
			int rc = check_pair(shards[j], shards[i], err);

			if (rc)
				return rc;
		}
	}
	return 0;
}

static bool has_shard(const struct fg_result *const *shards, size_t count, uint32_t index)
{
	for (size_t i = 0; i < count; i++)
		if (shards[i]->shard_index == index)
			return true;
	return false;
}

static void warn(const struct fg_result *const *shards, size_t count, struct fg_buf *out)
{
	const uint32_t all = shard_count(shards[0]);
	uint64_t first_ns = UINT64_MAX, last_ns = 0;

	for (size_t i = 0; i < count; i++) {
		first_ns = FG_MIN(first_ns, shards[i]->started_unix_ns);
		last_ns = FG_MAX(last_ns, shards[i]->started_unix_ns);
	}
	for (uint32_t index = 0; index < all && count < all; index++)
		if (!has_shard(shards, count, index))
			fg_buf_addf(out,
				    "shard %u/%u is missing: the numbers are those of a part of "
				    "the load\n",
				    index + 1, all);
	if (last_ns - first_ns > APART_NS)
		fg_buf_addf(out,
			    "the shards began %.1f s apart, so the target never saw the whole "
			    "rate; begin them together with --start-at\n",
			    (double)(last_ns - first_ns) / 1e9);
}

/* -- adding ------------------------------------------------------------------------------------ */

/* Gauges of machines that ended in different seconds are summed all the same. */
static int add_totals(struct fg_slice *dst, const struct fg_slice *src, struct fg_err *err)
{
	const uint32_t second = FG_MAX(dst->second, src->second);
	const uint32_t own = dst->second;
	int rc;

	dst->second = src->second;
	rc = fg_slice_add(dst, src, err);
	dst->second = rc ? own : second;
	return rc;
}

/* Several shards may watch the same process (one machine): then its CPU time counts once. */
static bool same_target(const struct fg_result *a, const struct fg_result *b)
{
	return a->target_pid && a->target_pid == b->target_pid &&
	       strcmp(a->environment.hostname_hash, b->environment.hostname_hash) == 0;
}

static bool target_is_counted(const struct fg_result *const *shards, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (same_target(shards[i], shards[index]))
			return true;
	return false;
}

static int add_rss(struct fg_result *dst, const struct fg_result *src, struct fg_err *err)
{
	const struct fg_rss_series *from = &src->target_rss;
	struct fg_rss_series *to = &dst->target_rss;
	int rc = fg_vec_grow((void **)&to->bytes, &to->capacity, from->count + 1,
			     FG_CPU_SECONDS_MAX + 1, sizeof(*to->bytes), err);

	for (size_t i = to->count; rc == 0 && i < from->count; i++)
		to->bytes[i] = 0;
	for (size_t i = 0; rc == 0 && i < from->count; i++)
		to->bytes[i] += from->bytes[i];
	if (rc == 0)
		to->count = FG_MAX(to->count, from->count);
	return rc;
}

static int add_cpu(struct fg_result *dst, const struct fg_result *src, struct fg_err *err)
{
	const struct fg_cpu_series *from = &src->target_cpu;
	struct fg_cpu_series *to = &dst->target_cpu;

	if (from->count > to->count) {
		uint64_t *longer = realloc(to->cpu_ns, from->count * sizeof(*longer));

		if (!longer)
			return fg_err_nomem(err);
		memset(longer + to->count, 0, (from->count - to->count) * sizeof(*longer));
		to->cpu_ns = longer;
		to->count = to->capacity = from->count;
	}
	for (size_t i = 0; i < from->count; i++)
		to->cpu_ns[i] += from->cpu_ns[i];
	dst->measured_target_cpu_ns += src->measured_target_cpu_ns;
	return add_rss(dst, src, err);
}

static int add_reason(struct fg_result *dst, const struct fg_result *src, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {.max = 4096};

	if (!src->invalid_reason || dst->invalid_reason)
		return 0;
	fg_buf_addf(&text, "shard %u/%u: %s", src->shard_index + 1, shard_count(src),
		    src->invalid_reason);
	int rc = fg_buf_check(&text, err);

	return rc ? rc : fg_str_dup(text.data, &dst->invalid_reason, err);
}

/* The first shard that did not end by itself says how the whole ended. */
static void add_end(struct fg_result *dst, const struct fg_result *src)
{
	if (dst->status == FG_RUN_COMPLETED)
		dst->status = src->status;
	dst->started_unix_ns = FG_MIN(dst->started_unix_ns, src->started_unix_ns);
	dst->duration_ns = FG_MAX(dst->duration_ns, src->duration_ns);
	dst->measured_start_ns = FG_MAX(dst->measured_start_ns, src->measured_start_ns);
	dst->measured_ns = FG_MAX(dst->measured_ns, src->measured_ns);
	dst->generator_cpu_ns += src->generator_cpu_ns;
	dst->vus.last += src->vus.last; /* they ran side by side */
	dst->vus.min += src->vus.min;
	dst->vus.max += src->vus.max;
}

static int add_shard(struct fg_result *dst, const struct fg_result *const *shards, size_t index,
		     struct fg_err *err)
{
	const struct fg_result *src = shards[index];
	int rc = add_totals(dst->totals, src->totals, err);

	if (rc == 0)
		rc = fg_series_merge(dst, src, err);
	if (rc == 0 && !target_is_counted(shards, index))
		rc = add_cpu(dst, src, err);
	if (rc == 0)
		rc = add_reason(dst, src, err);
	add_end(dst, src);
	return rc ? fg_err_wrap(err, "adding %s", src->id) : 0;
}

static int copy_text(const char *from, char **to, struct fg_err *err)
{
	return from ? fg_str_dup(from, to, err) : 0;
}

static int copy_identity(struct fg_result *dst, const struct fg_result *src, struct fg_err *err)
{
	int rc = copy_text(src->name, &dst->name, err);

	if (rc == 0)
		rc = copy_text(src->scenario_json, &dst->scenario_json, err);
	if (rc == 0)
		rc = copy_text(src->target_label, &dst->target_label, err);
	memcpy(dst->scenario_hash, src->scenario_hash, sizeof(dst->scenario_hash));
	dst->target_pid = src->target_pid;
	dst->seed = src->seed;
	dst->shard_count = 1;
	dst->started_ns = src->started_ns;
	dst->started_unix_ns = src->started_unix_ns;
	dst->environment = src->environment;
	return rc;
}

int fg_merge_results(const struct fg_result *const *shards, size_t count, struct fg_result **ret,
		     struct fg_buf *warnings, struct fg_err *err)
{
	struct fg_result *merged = NULL;
	int rc;

	if (count == 0)
		return fg_err_set(err, FG_E_INVALID, "nothing to merge");
	rc = check_all(shards, count, err);
	if (rc)
		return rc;
	rc = fg_result_new(&shards[0]->registry, &merged, err);
	if (rc == 0)
		rc = copy_identity(merged, shards[0], err);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = add_shard(merged, shards, i, err);
	if (rc) {
		fg_result_free(merged);
		return rc;
	}
	warn(shards, count, warnings);
	*ret = merged;
	return 0;
}
