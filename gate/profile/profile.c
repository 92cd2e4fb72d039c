/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/profile/profile.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "gate/base/vec.h"
#include "gate/base/utf8.h"

enum table_kind { STRINGS, MODULES, FUNCTIONS, LOCATIONS, STACKS, SAMPLES, TABLE_COUNT };

/* Open addressing, linear probing. The hash is kept so that growing and most misses never touch
 * the items themselves. */
struct slot {
	uint32_t hash;
	uint32_t item; /* index + 1; 0 = free */
};

struct table {
	struct slot *slots;
	size_t capacity; /* a power of two, or 0 */
	size_t used;
};

struct fg_profile_tables {
	struct table of[TABLE_COUNT];
};

/* Says whether item `index` equals what `key` describes. */
struct probe {
	enum table_kind kind;
	uint32_t hash;
	const void *key;
	bool (*same)(const struct fg_profile *profile, size_t index, const void *key);
};

const char *fg_stack_result_name(enum fg_stack_result result)
{
	static const char *const names[] = {
		[FG_STACK_COMPLETE] = "complete",
		[FG_STACK_NO_MAPPING] = "no-mapping",
		[FG_STACK_GAP] = "gap",
		[FG_STACK_UNSUPPORTED] = "unsupported",
		[FG_STACK_READ_FAULT] = "read-fault",
		[FG_STACK_DEPTH] = "depth",
		[FG_STACK_BAD] = "bad",
		[FG_STACK_KERNEL_ONLY] = "kernel-only",
		[FG_STACK_GUESSED] = "guessed",
		[FG_STACK_SCRIPT] = "interpreter",
	};
	static_assert(FG_ARRAY_LEN(names) == FG_STACK_RESULT_COUNT, "a result without a name");

	return (unsigned)result < FG_STACK_RESULT_COUNT ? names[result] : "unknown";
}

static const char *const type_names[] = {
	[FG_PROFILE_CPU] = "cpu",
	[FG_PROFILE_OFFCPU] = "offcpu",
	[FG_PROFILE_WALL] = "wall",
	[FG_PROFILE_FAULTS] = "faults",
};
static_assert(FG_ARRAY_LEN(type_names) == FG_PROFILE_TYPE_COUNT, "a type without a name");

const char *fg_profile_type_name(enum fg_profile_type type)
{
	return (unsigned)type < FG_PROFILE_TYPE_COUNT ? type_names[type] : "unknown";
}

int fg_profile_type_find(const char *name, size_t len)
{
	for (int i = 0; i < FG_PROFILE_TYPE_COUNT; i++)
		if (strlen(type_names[i]) == len && memcmp(type_names[i], name, len) == 0)
			return i;
	return -1;
}

static int64_t table_find(const struct fg_profile *profile, const struct probe *probe)
{
	const struct table *table = &profile->tables->of[probe->kind];

	if (!table->capacity)
		return -1;
	for (size_t at = probe->hash;; at++) {
		const struct slot *slot = &table->slots[at & (table->capacity - 1)];

		if (!slot->item)
			return -1;
		if (slot->hash == probe->hash && probe->same(profile, slot->item - 1, probe->key))
			return slot->item - 1;
	}
}

static void table_put(struct table *table, uint32_t hash, uint32_t item)
{
	size_t at = hash & (table->capacity - 1);

	while (table->slots[at].item)
		at = (at + 1) & (table->capacity - 1);
	table->slots[at] = (struct slot){.hash = hash, .item = item};
	table->used++;
}

/* Makes sure that one more item fits, so that nothing fails after an item was appended. */
static int table_reserve(struct table *table, struct fg_err *err)
{
	if (table->used + 1 <= table->capacity / 4 * 3)
		return 0;
	struct table grown = {.capacity = table->capacity ? table->capacity * 2 : 64};

	grown.slots = calloc(grown.capacity, sizeof(*grown.slots));
	if (!grown.slots)
		return fg_err_nomem(err);
	for (size_t i = 0; i < table->capacity; i++) {
		if (table->slots[i].item)
			table_put(&grown, table->slots[i].hash, table->slots[i].item);
	}
	free(table->slots);
	*table = grown;
	return 0;
}

static void table_add(struct fg_profile *profile, const struct probe *probe, size_t index)
{
	table_put(&profile->tables->of[probe->kind], probe->hash, (uint32_t)index + 1);
}

static uint32_t hash_of(const void *bytes, size_t len)
{
	return (uint32_t)XXH3_64bits(bytes, len);
}

static uint32_t hash_chain(const void *bytes, size_t len, uint32_t seed)
{
	return (uint32_t)XXH3_64bits_withSeed(bytes, len, seed);
}

int fg_profile_new(struct fg_profile **ret, struct fg_err *err)
{
	struct fg_profile *profile = calloc(1, sizeof(*profile));

	if (!profile)
		return fg_err_nomem(err);
	profile->tables = calloc(1, sizeof(*profile->tables));
	int64_t empty =
		profile->tables ? fg_profile_string(profile, "", 0, err) : fg_err_nomem(err);

	if (empty < 0) {
		fg_profile_free(profile);
		return (int)empty;
	}
	*ret = profile;
	return 0;
}

void fg_profile_free(struct fg_profile *profile)
{
	if (!profile)
		return;
	for (size_t i = 0; i < profile->string_count; i++)
		free(profile->strings[i]);
	for (size_t i = 0; profile->tables && i < TABLE_COUNT; i++)
		free(profile->tables->of[i].slots);
	free(profile->tables);
	free(profile->strings);
	free(profile->modules);
	free(profile->functions);
	free(profile->lines);
	free(profile->locations);
	free(profile->frames);
	free(profile->stacks);
	free(profile->samples);
	free(profile);
}

struct text_key {
	const char *text;
	size_t len;
};

static bool same_string(const struct fg_profile *profile, size_t index, const void *key)
{
	const struct text_key *wanted = key;
	const char *text = profile->strings[index];

	return strncmp(text, wanted->text, wanted->len) == 0 && text[wanted->len] == '\0';
}

static int64_t intern_clean(struct fg_profile *profile, const char *text, size_t len,
			    struct fg_err *err)
{
	struct text_key key = {.text = text, .len = len};
	struct probe probe = {STRINGS, hash_of(text, len), &key, same_string};
	int64_t found = table_find(profile, &probe);

	if (found >= 0)
		return found;
	int rc = table_reserve(&profile->tables->of[STRINGS], err);

	if (!rc)
		rc = FG_VEC_ROOM(profile, strings, string_count, string_capacity,
				 FG_PROFILE_ITEMS_MAX, err);
	if (rc)
		return rc;
	char *copy = malloc(len + 1);

	if (!copy)
		return fg_err_nomem(err);
	memcpy(copy, text, len);
	copy[len] = '\0';
	profile->strings[profile->string_count] = copy;
	table_add(profile, &probe, profile->string_count);
	return (int64_t)profile->string_count++;
}

int64_t fg_profile_string(struct fg_profile *profile, const char *text, size_t len,
			  struct fg_err *err)
{
	if (len <= FG_PROFILE_STRING_MAX && fg_utf8_valid(text, len))
		return intern_clean(profile, text, len, err);
	char clean[FG_PROFILE_STRING_MAX + 1];

	len = fg_utf8_clean(text, len, clean, sizeof(clean));
	return intern_clean(profile, clean, len, err);
}

/* References into the profile come from files and from the helper's wire as well as from our own
 * code, so a dangling one is an error, not an assertion. */
static int dangling(struct fg_err *err, const char *what, uint32_t index)
{
	return fg_err_set(err, FG_E_INVALID, "profile: %s %u does not exist", what, index);
}

static bool same_module(const struct fg_profile *profile, size_t index, const void *key)
{
	const struct fg_pmodule *a = &profile->modules[index];
	const struct fg_pmodule *b = key;

	return a->path == b->path && a->build_id == b->build_id && a->start == b->start &&
	       a->limit == b->limit && a->file_offset == b->file_offset;
}

int64_t fg_profile_module(struct fg_profile *profile, const struct fg_pmodule *module,
			  struct fg_err *err)
{
	uint64_t words[] = {module->path, module->build_id, module->start, module->limit,
			    module->file_offset};
	struct probe probe = {MODULES, hash_of(words, sizeof(words)), module, same_module};

	if (module->path >= profile->string_count)
		return dangling(err, "string", module->path);
	if (module->build_id >= profile->string_count)
		return dangling(err, "string", module->build_id);
	int64_t found = table_find(profile, &probe);

	if (found >= 0)
		return found;
	int rc = table_reserve(&profile->tables->of[MODULES], err);

	if (!rc)
		rc = FG_VEC_ROOM(profile, modules, module_count, module_capacity,
				 FG_PROFILE_ITEMS_MAX, err);
	if (rc)
		return rc;
	profile->modules[profile->module_count] = *module;
	table_add(profile, &probe, profile->module_count);
	return (int64_t)profile->module_count++;
}

static bool same_function(const struct fg_profile *profile, size_t index, const void *key)
{
	const struct fg_pfunction *a = &profile->functions[index];
	const struct fg_pfunction *b = key;

	return a->name == b->name && a->system_name == b->system_name &&
	       a->filename == b->filename && a->start_line == b->start_line &&
	       a->module == b->module;
}

int64_t fg_profile_function(struct fg_profile *profile, const struct fg_pfunction *function,
			    struct fg_err *err)
{
	uint32_t words[] = {function->name, function->system_name, function->filename,
			    function->start_line, function->module};
	struct probe probe = {FUNCTIONS, hash_of(words, sizeof(words)), function, same_function};

	for (size_t i = 0; i < 3; i++) {
		if (words[i] >= profile->string_count)
			return dangling(err, "string", words[i]);
	}
	if (function->module >= profile->module_count)
		return dangling(err, "module", function->module);
	int64_t found = table_find(profile, &probe);

	if (found >= 0)
		return found;
	int rc = table_reserve(&profile->tables->of[FUNCTIONS], err);

	if (!rc)
		rc = FG_VEC_ROOM(profile, functions, function_count, function_capacity,
				 FG_PROFILE_ITEMS_MAX, err);
	if (rc)
		return rc;
	profile->functions[profile->function_count] = *function;
	table_add(profile, &probe, profile->function_count);
	return (int64_t)profile->function_count++;
}

struct location_key {
	const struct fg_plocation *location;
	const struct fg_pline *lines;
};

static bool same_location(const struct fg_profile *profile, size_t index, const void *key)
{
	const struct location_key *wanted = key;
	const struct fg_plocation *a = &profile->locations[index];
	const struct fg_plocation *b = wanted->location;

	return a->module == b->module && a->flags == b->flags && a->address == b->address &&
	       a->line_count == b->line_count &&
	       memcmp(&profile->lines[a->line_start], wanted->lines,
		      a->line_count * sizeof(*wanted->lines)) == 0;
}

static int check_location(const struct fg_profile *profile, const struct fg_plocation *location,
			  const struct fg_pline *lines, struct fg_err *err)
{
	if (location->module >= profile->module_count)
		return dangling(err, "module", location->module);
	if (!location->line_count || location->line_count > FG_PROFILE_INLINE_MAX)
		return fg_err_set(err, FG_E_LIMIT, "profile: a location with %u lines (1 to %d)",
				  location->line_count, FG_PROFILE_INLINE_MAX);
	for (size_t i = 0; i < location->line_count; i++) {
		if (lines[i].function >= profile->function_count)
			return dangling(err, "function", lines[i].function);
	}
	return 0;
}

int64_t fg_profile_location(struct fg_profile *profile, const struct fg_plocation *location,
			    const struct fg_pline *lines, struct fg_err *err)
{
	static_assert(sizeof(*lines) == 8, "lines are hashed and compared as bytes");
	uint64_t words[] = {location->module, location->flags, location->address};
	struct location_key key = {location, lines};
	int rc = check_location(profile, location, lines, err);

	if (rc)
		return rc;
	uint32_t hash = hash_chain(lines, location->line_count * sizeof(*lines),
				   hash_of(words, sizeof(words)));
	struct probe probe = {LOCATIONS, hash, &key, same_location};
	int64_t found = table_find(profile, &probe);

	if (found >= 0)
		return found;
	rc = table_reserve(&profile->tables->of[LOCATIONS], err);
	if (!rc)
		rc = FG_VEC_ROOM(profile, locations, location_count, location_capacity,
				 FG_PROFILE_ITEMS_MAX, err);
	if (!rc)
		rc = fg_vec_grow((void **)&profile->lines, &profile->line_capacity,
				 profile->line_count + location->line_count, FG_PROFILE_LINES_MAX,
				 sizeof(*lines), err);
	if (rc)
		return rc;
	struct fg_plocation *added = &profile->locations[profile->location_count];

	*added = *location;
	added->line_start = (uint32_t)profile->line_count;
	memcpy(&profile->lines[profile->line_count], lines, location->line_count * sizeof(*lines));
	profile->line_count += location->line_count;
	table_add(profile, &probe, profile->location_count);
	return (int64_t)profile->location_count++;
}

struct stack_key {
	const uint32_t *frames;
	size_t count;
	enum fg_stack_result result;
};

static bool same_stack(const struct fg_profile *profile, size_t index, const void *key)
{
	const struct stack_key *wanted = key;
	const struct fg_pstack *a = &profile->stacks[index];

	return a->frame_count == wanted->count && a->result == wanted->result &&
	       memcmp(&profile->frames[a->frame_start], wanted->frames,
		      wanted->count * sizeof(*wanted->frames)) == 0;
}

static int check_stack(const struct fg_profile *profile, const struct stack_key *key,
		       struct fg_err *err)
{
	if (!key->count || key->count > FG_PROFILE_STACK_MAX)
		return fg_err_set(err, FG_E_LIMIT, "profile: a stack with %zu frames (1 to %d)",
				  key->count, FG_PROFILE_STACK_MAX);
	if ((unsigned)key->result >= FG_STACK_RESULT_COUNT)
		return dangling(err, "stack result", (unsigned)key->result);
	for (size_t i = 0; i < key->count; i++) {
		if (key->frames[i] >= profile->location_count)
			return dangling(err, "location", key->frames[i]);
	}
	return 0;
}

int64_t fg_profile_stack(struct fg_profile *profile, const uint32_t *locations_leaf_first,
			 size_t count, enum fg_stack_result result, struct fg_err *err)
{
	struct stack_key key = {locations_leaf_first, count, result};
	int rc = check_stack(profile, &key, err);

	if (rc)
		return rc;
	struct probe probe = {STACKS,
			      hash_chain(key.frames, count * sizeof(*key.frames), (uint32_t)result),
			      &key, same_stack};
	int64_t found = table_find(profile, &probe);

	if (found >= 0)
		return found;
	rc = table_reserve(&profile->tables->of[STACKS], err);
	if (!rc)
		rc = FG_VEC_ROOM(profile, stacks, stack_count, stack_capacity, FG_PROFILE_ITEMS_MAX,
				 err);
	if (!rc)
		rc = fg_vec_grow((void **)&profile->frames, &profile->frame_capacity,
				 profile->frame_count + count, FG_PROFILE_FRAMES_MAX,
				 sizeof(*key.frames), err);
	if (rc)
		return rc;
	profile->stacks[profile->stack_count] = (struct fg_pstack){
		.frame_start = (uint32_t)profile->frame_count,
		.frame_count = (uint32_t)count,
		.result = (uint32_t)result,
	};
	memcpy(&profile->frames[profile->frame_count], key.frames, count * sizeof(*key.frames));
	profile->frame_count += count;
	table_add(profile, &probe, profile->stack_count);
	return (int64_t)profile->stack_count++;
}

static bool same_sample(const struct fg_profile *profile, size_t index, const void *key)
{
	const struct fg_psample *a = &profile->samples[index];
	const struct fg_psample *b = key;

	return a->stack == b->stack && a->second == b->second && a->endpoint == b->endpoint &&
	       a->phase == b->phase && a->side == b->side && a->latency == b->latency;
}

int fg_profile_sample(struct fg_profile *profile, const struct fg_psample *sample,
		      struct fg_err *err)
{
	uint32_t words[] = {sample->endpoint, sample->phase, sample->side,
			    sample->latency,  sample->stack, sample->second};
	struct probe probe = {SAMPLES, hash_of(words, sizeof(words)), sample, same_sample};

	if (sample->stack >= profile->stack_count)
		return dangling(err, "stack", sample->stack);
	for (size_t i = 0; i < 4; i++) {
		if (words[i] >= profile->string_count)
			return dangling(err, "string", words[i]);
	}
	int64_t found = table_find(profile, &probe);

	if (found >= 0) {
		uint64_t *count = &profile->samples[found].count;

		if (__builtin_add_overflow(*count, sample->count, count)) {
			*count -= sample->count;
			return fg_err_set(err, FG_E_LIMIT, "profile: a sample count overflows");
		}
		return 0;
	}
	int rc = table_reserve(&profile->tables->of[SAMPLES], err);

	if (!rc)
		rc = FG_VEC_ROOM(profile, samples, sample_count, sample_capacity,
				 FG_PROFILE_ITEMS_MAX, err);
	if (rc)
		return rc;
	profile->samples[profile->sample_count] = *sample;
	table_add(profile, &probe, profile->sample_count++);
	return 0;
}

const char *fg_profile_text(const struct fg_profile *profile, uint32_t string)
{
	return string < profile->string_count ? profile->strings[string] : "";
}

const char *fg_profile_module_name(const struct fg_profile *profile, uint32_t module)
{
	if (module >= profile->module_count)
		return "unknown";
	const char *path = fg_profile_text(profile, profile->modules[module].path);
	const char *slash = strrchr(path, '/');
	const char *name = slash && slash[1] ? slash + 1 : path;

	return name[0] ? name : "unknown";
}

uint64_t fg_profile_total_count(const struct fg_profile *profile)
{
	uint64_t total = 0;

	for (size_t i = 0; i < profile->sample_count; i++) {
		if (__builtin_add_overflow(total, profile->samples[i].count, &total))
			return UINT64_MAX;
	}
	return total;
}
