/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/profile/pprof_internal.h"

#include <string.h>

#include "gate/base/str.h"

static const struct fg_pprof_type_words type_words[] = {
	[FG_PROFILE_CPU] = {.type = "cpu", .has_period_type = true},
	[FG_PROFILE_OFFCPU] = {.type = "offcpu"},
	[FG_PROFILE_WALL] = {.type = "wall", .has_period_type = true},
	[FG_PROFILE_FAULTS] = {.type = "page_faults", .counts = true},
};
static_assert(FG_ARRAY_LEN(type_words) == FG_PROFILE_TYPE_COUNT, "a type without words");

const struct fg_pprof_type_words *fg_pprof_type_words(enum fg_profile_type type)
{
	assert((unsigned)type < FG_PROFILE_TYPE_COUNT);
	return &type_words[type];
}

int fg_pprof_type_of(const char *name)
{
	for (int i = 0; i < FG_PROFILE_TYPE_COUNT; i++)
		if (strcmp(name, type_words[i].type) == 0)
			return i;
	return strcmp(name, "off_cpu") == 0 ? FG_PROFILE_OFFCPU : -1;
}

/* "MODULE+0xHEX" or "MODULE!0xHEX" */
static bool is_unnamed(const char *module_name, const char *function_name)
{
	size_t len = strlen(module_name);

	if (strncmp(function_name, module_name, len) != 0)
		return false;
	const char *rest = function_name + len;

	if ((rest[0] != '+' && rest[0] != '!') || rest[1] != '0' || rest[2] != 'x')
		return false;
	size_t digits = strspn(rest + 3, "0123456789abcdef");

	return digits > 0 && rest[3 + digits] == '\0';
}

uint32_t fg_pprof_implied_flags(const char *module_path, const char *module_name,
				const char *function_name)
{
	uint32_t flags = 0;

	if (fg_str_starts_with(module_path, "[kernel"))
		flags |= FG_LOC_KERNEL;
	if (is_unnamed(module_name, function_name))
		flags |= FG_LOC_UNNAMED;
	if (strcmp(function_name, FG_PPROF_NAME_UNKNOWN) == 0 ||
	    strcmp(function_name, FG_PPROF_NAME_TRUNCATED) == 0)
		flags |= FG_LOC_PLACEHOLDER;
	return flags;
}

int fg_pprof_append(const void *bytes, size_t len, struct fg_buf *out, struct fg_err *err)
{
	if (len > out->max - out->len)
		return fg_err_set(err, FG_E_LIMIT, "profile: %zu bytes encoded (at most %zu)", len,
				  out->max - out->len);
	fg_buf_add(out, bytes, len);
	return fg_buf_check(out, err);
}
