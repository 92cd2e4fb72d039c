/* SPDX-License-Identifier: Apache-2.0 */
/* A bundle's profiles: which file holds which type, and how each is kept small. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/file.h"
#include "gate/measure/bundle_internal.h"
#include "gate/profile/pprof.h"

const struct fg_profile *fg_bundle_profile(const struct fg_bundle *bundle,
					   enum fg_profile_type type)
{
	return type == FG_PROFILE_CPU ? bundle->profile : bundle->profiles[type];
}

void fg_bundle_take_profiles(struct fg_bundle *bundle,
			     struct fg_profile *profiles[FG_PROFILE_TYPE_COUNT])
{
	memcpy(bundle->profiles, profiles, sizeof(bundle->profiles));
	bundle->profile = bundle->profiles[FG_PROFILE_CPU];
	bundle->profiles[FG_PROFILE_CPU] = NULL;
}

void fg_bundle_profile_file(enum fg_profile_type type, char name[FG_BUNDLE_NAME_MAX])
{
	if (type == FG_PROFILE_CPU)
		(void)snprintf(name, FG_BUNDLE_NAME_MAX, "%s", fg_bundle_profile_name);
	else
		(void)snprintf(name, FG_BUNDLE_NAME_MAX, "profile.%s.pb.gz",
			       fg_profile_type_name(type));
}

static bool is_promised(const struct fg_profile_info *info, int type)
{
	return type == FG_PROFILE_CPU ? info->present : info->present && info->types[type].present;
}

int fg_bundle_check_profiles(const struct fg_bundle *bundle, struct fg_err *err)
{
	for (int i = 0; i < FG_PROFILE_TYPE_COUNT; i++) {
		bool is_there = fg_bundle_profile(bundle, (enum fg_profile_type)i) != NULL;

		if (is_there != is_promised(&bundle->result->profile, i))
			return fg_err_set(
				err, FG_E_INTERNAL, "%s (%s)",
				is_there ? "a profile that run.json would call absent"
					 : "run.json would promise a profile that is not there",
				fg_profile_type_name((enum fg_profile_type)i));
	}
	return 0;
}

/* -- writing ------------------------------------------------------------------------------------
 */

static int compare_u32(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_samples(const void *left, const void *right)
{
	const struct fg_psample *a = left;
	const struct fg_psample *b = right;
	int order = compare_u32(a->stack, b->stack);

	order = order ? order : compare_u32(a->endpoint, b->endpoint);
	order = order ? order : compare_u32(a->phase, b->phase);
	order = order ? order : compare_u32(a->side, b->side);
	order = order ? order : compare_u32(a->latency, b->latency);
	return order ? order : compare_u32(a->second, b->second);
}

/* Sorted ones that say the same become one. */
static size_t join_equal(struct fg_psample *samples, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		struct fg_psample *last = kept ? &samples[kept - 1] : NULL;

		if (last && compare_samples(last, &samples[i]) == 0) {
			if (__builtin_add_overflow(last->count, samples[i].count, &last->count))
				last->count = UINT64_MAX;
		} else {
			samples[kept++] = samples[i];
		}
	}
	return kept;
}

/* Samples of one stack side by side make the file several times smaller: gzip then sees each list
 * of locations again while it is in its window. `seconds` > 1 puts so many into one. */
static int encode_in_steps(const struct fg_profile *profile, uint32_t seconds, struct fg_buf *out,
			   struct fg_err *err)
{
	const struct fg_pprof_options options = {.gzip = true, .labels = true};
	struct fg_profile sorted = *profile; /* borrows everything but the samples */
	size_t bytes = profile->sample_count * sizeof(*profile->samples);

	sorted.samples = malloc(bytes ? bytes : 1);
	if (!sorted.samples)
		return fg_err_nomem(err);
	if (bytes)
		memcpy(sorted.samples, profile->samples, bytes);
	for (size_t i = 0; seconds > 1 && i < sorted.sample_count; i++)
		sorted.samples[i].second -= sorted.samples[i].second % seconds;
	qsort(sorted.samples, sorted.sample_count, sizeof(*sorted.samples), compare_samples);
	sorted.sample_count = join_equal(sorted.samples, sorted.sample_count);
	int rc = fg_pprof_encode(&sorted, &options, out, err);

	free(sorted.samples);
	return rc;
}

int fg_bundle_encode_profile(const struct fg_profile *profile, struct fg_buf *out,
			     struct fg_err *err)
{
	static const uint32_t steps[] = {1, 5, 30, 300, UINT32_MAX};
	size_t before = out->len;
	int rc = 0;

	for (size_t i = 0; i < FG_ARRAY_LEN(steps); i++) {
		out->len = before;
		rc = encode_in_steps(profile, steps[i], out, err);
		/* Of CPU time the seconds stay: blocks of time are what a verdict rests on. */
		if (rc || profile->type == FG_PROFILE_CPU ||
		    out->len - before <= FG_BUNDLE_TYPE_BYTES)
			break;
	}
	return rc;
}

int fg_bundle_write_profiles(const char *dir, const struct fg_bundle *bundle, struct fg_err *err)
{
	int rc = 0;

	for (int i = 0; rc == 0 && i < FG_PROFILE_TYPE_COUNT; i++) {
		enum fg_profile_type type = (enum fg_profile_type)i;
		const struct fg_profile *profile = fg_bundle_profile(bundle, type);
		FG_AUTO_BUF struct fg_buf bytes;
		char name[FG_BUNDLE_NAME_MAX], path[FG_PATH_MAX];

		fg_buf_init(&bytes, FG_PROFILE_BYTES_MAX);
		if (!profile)
			continue;
		fg_bundle_profile_file(type, name);
		rc = fg_bundle_encode_profile(profile, &bytes, err);
		if (rc == 0)
			rc = fg_file_path(path, err, "%s/%s", dir, name);
		if (rc == 0)
			rc = fg_file_write_new(path, bytes.data, bytes.len, err);
	}
	return rc;
}

/* -- reading ------------------------------------------------------------------------------------
 */

static int read_one(const char *dir, enum fg_profile_type type, struct fg_profile **ret,
		    struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf bytes;
	char name[FG_BUNDLE_NAME_MAX], path[FG_PATH_MAX];
	struct fg_profile *profile = NULL;

	fg_buf_init(&bytes, FG_PROFILE_BYTES_MAX);
	fg_bundle_profile_file(type, name);
	int rc = fg_file_path(path, err, "%s/%s", dir, name);

	if (rc == 0)
		rc = fg_file_read(path, FG_PROFILE_BYTES_MAX, &bytes, err);
	if (rc)
		return rc;
	rc = fg_pprof_decode(bytes.data ? bytes.data : "", bytes.len, &profile, err);
	if (rc)
		return fg_err_wrap(err, "%s", name);
	/* CPU is also what a profile of unknown type is taken for. */
	if (profile->type != type) {
		enum fg_profile_type found = profile->type;

		fg_profile_free(profile);
		return fg_err_set(err, FG_E_INVALID, "%s holds a profile of type %s", name,
				  fg_profile_type_name(found));
	}
	*ret = profile;
	return 0;
}

int fg_bundle_read_profiles(const char *dir, struct fg_bundle *bundle, struct fg_err *err)
{
	int rc = 0;

	for (int i = 0; rc == 0 && i < FG_PROFILE_TYPE_COUNT; i++) {
		struct fg_profile **place =
			i == FG_PROFILE_CPU ? &bundle->profile : &bundle->profiles[i];

		if (is_promised(&bundle->result->profile, i))
			rc = read_one(dir, (enum fg_profile_type)i, place, err);
	}
	return rc;
}
