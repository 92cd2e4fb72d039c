/* SPDX-License-Identifier: Apache-2.0 */
/* run.json: profiles of other types than CPU, waits by cause, and the target's resident memory. */
#include <stdlib.h>

#include "gate/measure/bundle_internal.h"
#include "gate/measure/run_json_read.h"

static const struct {
	const char *key;
	size_t offset;
} counts[] = {
	{"samples", offsetof(struct fg_profile_type_info, samples)},
	{"complete", offsetof(struct fg_profile_type_info, complete)},
	{"withUser", offsetof(struct fg_profile_type_info, with_user)},
	{"borrowed", offsetof(struct fg_profile_type_info, borrowed)},
	{"value", offsetof(struct fg_profile_type_info, value)},
	{"events", offsetof(struct fg_profile_type_info, events)},
	{"lost", offsetof(struct fg_profile_type_info, lost)},
	{"skipped", offsetof(struct fg_profile_type_info, skipped)},
	{"nested", offsetof(struct fg_profile_type_info, nested)},
	{"bpfNs", offsetof(struct fg_profile_type_info, bpf_ns)},
};

void fg_bundle_put_types(struct fg_json_writer *w, const struct fg_profile_info *info)
{
	bool has_waits = false, has_types = false;

	for (int i = 0; i < FG_PROFILE_TYPE_COUNT; i++)
		has_types |= info->types[i].present;
	if (!has_types)
		return;
	fg_json_begin(w, "types");
	for (int i = 0; i < FG_PROFILE_TYPE_COUNT; i++) {
		const struct fg_profile_type_info *type = &info->types[i];

		if (!type->present)
			continue;
		has_waits |= i == FG_PROFILE_OFFCPU || i == FG_PROFILE_WALL;
		fg_json_begin(w, fg_profile_type_name((enum fg_profile_type)i));
		for (size_t k = 0; k < FG_ARRAY_LEN(counts); k++) {
			const char *at = (const char *)type + counts[k].offset;

			fg_json_put_u64(w, counts[k].key, *(const uint64_t *)(const void *)at);
		}
		fg_json_end(w);
	}
	fg_json_end(w);
	if (!has_waits)
		return;
	fg_json_begin(w, "waitsUs");
	for (int i = 0; i < FG_WAIT_CLASS_COUNT; i++)
		fg_json_put_u64(w, fg_wait_class_name((enum fg_wait_class)i), info->wait_us[i]);
	fg_json_end(w);
}

static int get_type(const struct fg_json_at *types, const char *name,
		    struct fg_profile_type_info *type, struct fg_err *err)
{
	struct fg_json_at at;
	int rc = fg_json_object(types, name, &at, err);

	for (size_t k = 0; rc == 0 && k < FG_ARRAY_LEN(counts); k++) {
		char *place = (char *)type + counts[k].offset;

		rc = fg_json_u64(&at, counts[k].key, INT64_MAX, (uint64_t *)(void *)place, err);
	}
	type->present = rc == 0;
	return rc;
}

int fg_bundle_get_types(const struct fg_json_at *profile, struct fg_profile_info *info,
			struct fg_err *err)
{
	struct fg_json_at at;
	int rc = 0;

	if (fg_json_has(profile, "types"))
		rc = fg_json_object(profile, "types", &at, err);
	else
		return 0; /* an older bundle */
	for (int i = FG_PROFILE_CPU + 1; rc == 0 && i < FG_PROFILE_TYPE_COUNT; i++) {
		const char *name = fg_profile_type_name((enum fg_profile_type)i);

		if (fg_json_has(&at, name))
			rc = get_type(&at, name, &info->types[i], err);
	}
	if (rc || !fg_json_has(profile, "waitsUs"))
		return rc;
	rc = fg_json_object(profile, "waitsUs", &at, err);
	for (int i = 0; rc == 0 && i < FG_WAIT_CLASS_COUNT; i++) {
		const char *name = fg_wait_class_name((enum fg_wait_class)i);

		if (fg_json_has(&at, name)) /* classes may be added */
			rc = fg_json_u64(&at, name, INT64_MAX, &info->wait_us[i], err);
	}
	return rc;
}

void fg_bundle_put_memory(struct fg_json_writer *w, const struct fg_result *result)
{
	if (result->target_rss.count == 0)
		return;
	fg_json_begin(w, "memory");
	fg_json_begin_array(w, "targetRssBytes");
	for (size_t i = 0; i < result->target_rss.count; i++)
		fg_json_put_u64(w, NULL, result->target_rss.bytes[i]);
	fg_json_end(w);
	fg_json_end(w);
}

int fg_bundle_get_memory(const struct fg_json_at *root, struct fg_result *result,
			 struct fg_err *err)
{
	struct fg_rss_series *series = &result->target_rss;
	struct fg_json_at at, list;

	if (!fg_json_has(root, "memory"))
		return 0;
	int rc = fg_json_object(root, "memory", &at, err);

	FG_JSON_TRY(rc, fg_json_array(&at, "targetRssBytes", FG_CPU_SECONDS_MAX, &list, err));
	if (rc || fg_json_count(&list) == 0)
		return rc;
	series->bytes = calloc(fg_json_count(&list), sizeof(*series->bytes));
	if (!series->bytes)
		return fg_err_nomem(err);
	series->capacity = series->count = fg_json_count(&list);
	for (size_t i = 0; rc == 0 && i < series->count; i++)
		rc = fg_json_element_u64(&list, i, INT64_MAX, &series->bytes[i], err);
	return rc;
}
