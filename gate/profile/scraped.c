/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/profile/scraped.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "gate/format/gzip.h"
#include <gate/profile/profile.pb-c.h>

typedef Fg__Pprof__Profile pb_profile;

/* protobuf-c makes an object of some 70 bytes of a message of two: what it may take is bounded. */
struct budget {
	size_t left;
};

static void *budget_alloc(void *data, size_t size)
{
	struct budget *budget = data;

	if (size > budget->left)
		return NULL;
	budget->left -= size;
	return malloc(size);
}

static void budget_free(void *data FG_UNUSED, void *pointer)
{
	free(pointer);
}

struct scraped {
	pb_profile *profile;
	struct budget budget;
	ProtobufCAllocator allocator;
	/* id → index + 1, for ids below the limit; ids are dense in every writer that we know */
	uint32_t *location_of, *function_of;
	size_t location_limit, function_limit;
	XXH128_hash_t *location_hashes; /* [index] */
};

static void scraped_done(struct scraped *scraped)
{
	if (scraped->profile)
		protobuf_c_message_free_unpacked(&scraped->profile->base, &scraped->allocator);
	free(scraped->location_of);
	free(scraped->function_of);
	free(scraped->location_hashes);
	*scraped = (struct scraped){0};
}

static int invalid(const char *what, struct fg_err *err)
{
	return fg_err_set(err, FG_E_INVALID, "not a pprof profile: %s", what);
}

/* Every sample has as many values as there are columns, or nothing can be said of it. */
static int check(const pb_profile *profile, struct fg_err *err)
{
	if (profile->n_sample_type == 0)
		return invalid("it has no sample types", err);
	if (profile->n_sample_type > FG_SCRAPED_COLUMNS_MAX)
		return fg_err_set(err, FG_E_LIMIT, "more than %d sample types",
				  FG_SCRAPED_COLUMNS_MAX);
	for (size_t i = 0; i < profile->n_sample; i++) {
		if (profile->sample[i]->n_value != profile->n_sample_type)
			return invalid("a sample has another number of values than types", err);
	}
	return 0;
}

static int scraped_load(const void *bytes, size_t len, struct scraped *ret, struct fg_err *err)
{
	struct scraped scraped = {.budget = {FG_SCRAPED_MEMORY_MAX}};
	struct fg_buf plain;

	fg_buf_init(&plain, FG_SCRAPED_INFLATED_MAX);
	int rc = 0;

	if (fg_gzip_is(bytes, len)) {
		rc = fg_gzip_inflate(FG_DEFLATE_GZIP, bytes, len, FG_SCRAPED_INFLATED_MAX, &plain,
				     err);
		bytes = plain.data;
		len = plain.len;
	} else if (len > FG_SCRAPED_INFLATED_MAX) {
		rc = fg_err_set(err, FG_E_LIMIT, "a profile of more than %d MiB",
				FG_SCRAPED_INFLATED_MAX >> 20);
	}
	*ret = scraped;
	ret->allocator = (ProtobufCAllocator){budget_alloc, budget_free, &ret->budget};
	if (rc == 0)
		ret->profile = fg__pprof__profile__unpack(&ret->allocator, len, bytes);
	fg_buf_done(&plain);
	if (rc == 0 && !ret->profile)
		rc = invalid("damaged, or it needs too much memory", err);
	if (rc == 0)
		rc = check(ret->profile, err);
	if (rc)
		scraped_done(ret);
	return rc;
}

/* -- texts ---------------------------------------------------------------------------------------
 */

static ProtobufCBinaryData text_of(const pb_profile *profile, int64_t index)
{
	static const ProtobufCBinaryData none = {0};

	if (index < 0 || (uint64_t)index >= profile->n_string_table)
		return none;
	return profile->string_table[index];
}

static void copy_text(const pb_profile *profile, int64_t index, char *out, size_t size)
{
	ProtobufCBinaryData text = text_of(profile, index);
	size_t used = 0;

	for (size_t i = 0; i < text.len && used + 1 < size; i++) {
		unsigned char c = text.data[i];

		out[used++] = c >= 0x20 && c < 0x7f ? (char)c : '?';
	}
	out[used] = '\0';
}

static bool is_cumulative(const char *type)
{
	static const char *const growing[] = {"alloc_objects", "alloc_space", "contentions",
					      "delay",         "samples",     "cpu",
					      "allocations"};

	for (size_t i = 0; i < FG_ARRAY_LEN(growing); i++) {
		if (strcmp(type, growing[i]) == 0)
			return true;
	}
	return false;
}

static void summarise(const pb_profile *profile, struct fg_scraped_summary *ret)
{
	*ret = (struct fg_scraped_summary){.column_count = profile->n_sample_type,
					   .samples = profile->n_sample};
	for (size_t k = 0; k < ret->column_count; k++) {
		struct fg_scraped_column *column = &ret->columns[k];
		const Fg__Pprof__ValueType *type = profile->sample_type[k];

		copy_text(profile, type->type, column->type, sizeof(column->type));
		copy_text(profile, type->unit, column->unit, sizeof(column->unit));
		column->cumulative = is_cumulative(column->type);
		ret->has_cumulative |= column->cumulative;
		for (size_t i = 0; i < profile->n_sample; i++) {
			int64_t value = profile->sample[i]->value[k];

			if (__builtin_add_overflow(column->total, value, &column->total))
				column->total = value < 0 ? INT64_MIN : INT64_MAX;
		}
	}
}

int fg_scraped_summarise(const void *bytes, size_t len, struct fg_scraped_summary *ret,
			 struct fg_err *err)
{
	struct scraped scraped;
	int rc = scraped_load(bytes, len, &scraped, err);

	if (rc)
		return rc;
	summarise(scraped.profile, ret);
	scraped_done(&scraped);
	return 0;
}

/* -- which sample is which ------------------------------------------------------------------------
 * Ids and string numbers differ from one profile to the next; texts and addresses do not, within
 * one process.
 */

static void hash_text(XXH3_state_t *state, const pb_profile *profile, int64_t index)
{
	ProtobufCBinaryData text = text_of(profile, index);
	uint64_t len = text.len;

	(void)XXH3_128bits_update(state, &len, sizeof(len));
	if (text.len)
		(void)XXH3_128bits_update(state, text.data, text.len);
}

static void hash_number(XXH3_state_t *state, uint64_t number)
{
	(void)XXH3_128bits_update(state, &number, sizeof(number));
}

static const Fg__Pprof__Function *function_of(const struct scraped *scraped, uint64_t id)
{
	if (id >= scraped->function_limit || !scraped->function_of[id])
		return NULL;
	return scraped->profile->function[scraped->function_of[id] - 1];
}

static XXH128_hash_t hash_location(XXH3_state_t *state, const struct scraped *scraped,
				   const Fg__Pprof__Location *location)
{
	const pb_profile *profile = scraped->profile;

	(void)XXH3_128bits_reset(state);
	hash_number(state, location->address);
	for (size_t i = 0; i < location->n_line; i++) {
		const Fg__Pprof__Function *function =
			function_of(scraped, location->line[i]->function_id);

		hash_number(state, (uint64_t)location->line[i]->line);
		if (!function)
			continue;
		hash_text(state, profile, function->name);
		hash_text(state, profile, function->filename);
	}
	return XXH3_128bits_digest(state);
}

static size_t id_limit(size_t count)
{
	return count * 2 + 1024;
}

static int index_locations(struct scraped *scraped, XXH3_state_t *state, struct fg_err *err)
{
	const pb_profile *profile = scraped->profile;

	scraped->location_limit = id_limit(profile->n_location);
	scraped->function_limit = id_limit(profile->n_function);
	scraped->location_of = calloc(scraped->location_limit, sizeof(*scraped->location_of));
	scraped->function_of = calloc(scraped->function_limit, sizeof(*scraped->function_of));
	scraped->location_hashes =
		calloc(profile->n_location + 1, sizeof(*scraped->location_hashes));
	if (!scraped->location_of || !scraped->function_of || !scraped->location_hashes)
		return fg_err_nomem(err);
	for (size_t i = 0; i < profile->n_function; i++) {
		if (profile->function[i]->id < scraped->function_limit)
			scraped->function_of[profile->function[i]->id] = (uint32_t)i + 1;
	}
	for (size_t i = 0; i < profile->n_location; i++) {
		const Fg__Pprof__Location *location = profile->location[i];

		scraped->location_hashes[i] = hash_location(state, scraped, location);
		if (location->id < scraped->location_limit)
			scraped->location_of[location->id] = (uint32_t)i + 1;
	}
	return 0;
}

static int hash_sample(const struct scraped *scraped, const Fg__Pprof__Sample *sample,
		       XXH3_state_t *state, XXH128_hash_t *ret, struct fg_err *err)
{
	(void)XXH3_128bits_reset(state);
	for (size_t i = 0; i < sample->n_location_id; i++) {
		uint64_t id = sample->location_id[i];

		if (id >= scraped->location_limit || !scraped->location_of[id])
			return invalid("a sample names a location that is not there", err);
		const XXH128_hash_t *hash = &scraped->location_hashes[scraped->location_of[id] - 1];

		(void)XXH3_128bits_update(state, hash, sizeof(*hash));
	}
	for (size_t i = 0; i < sample->n_label; i++) {
		const Fg__Pprof__Label *label = sample->label[i];

		hash_text(state, scraped->profile, label->key);
		hash_text(state, scraped->profile, label->str);
		hash_text(state, scraped->profile, label->num_unit);
		hash_number(state, (uint64_t)label->num);
	}
	*ret = XXH3_128bits_digest(state);
	return 0;
}

/* -- the difference -------------------------------------------------------------------------------
 */

struct entry {
	XXH128_hash_t key;
	const Fg__Pprof__Sample *sample; /* of `from` */
};
struct table {
	struct entry *slots;
	size_t mask;
};

static struct entry *table_find(const struct table *table, XXH128_hash_t key)
{
	for (size_t i = (size_t)key.low64 & table->mask;; i = (i + 1) & table->mask) {
		struct entry *entry = &table->slots[i];

		if (!entry->sample || XXH128_isEqual(entry->key, key))
			return entry;
	}
}

/* Equal stacks are added up in the first one of them. */
static int table_fill(struct table *table, struct scraped *from, XXH3_state_t *state,
		      struct fg_err *err)
{
	size_t slots = 1024;

	while (slots < from->profile->n_sample * 2)
		slots *= 2;
	table->slots = calloc(slots, sizeof(*table->slots));
	table->mask = slots - 1;
	if (!table->slots)
		return fg_err_nomem(err);
	for (size_t i = 0; i < from->profile->n_sample; i++) {
		Fg__Pprof__Sample *sample = from->profile->sample[i];
		XXH128_hash_t key;
		int rc = hash_sample(from, sample, state, &key, err);

		if (rc)
			return rc;
		struct entry *entry = table_find(table, key);

		if (!entry->sample) {
			*entry = (struct entry){key, sample};
			continue;
		}
		for (size_t k = 0; k < sample->n_value; k++)
			(void)__builtin_add_overflow(entry->sample->value[k], sample->value[k],
						     &entry->sample->value[k]);
	}
	return 0;
}

/* What `from` had is taken off once, from the first such sample; what does not fit into it is taken
 * off the next equal ones. */
static void take_off(struct entry *entry, Fg__Pprof__Sample *sample,
		     const struct fg_scraped_summary *summary)
{
	for (size_t k = 0; k < sample->n_value; k++) {
		int64_t *before = &entry->sample->value[k];

		if (!summary->columns[k].cumulative || *before <= 0 || sample->value[k] <= 0)
			continue;
		int64_t taken = FG_MIN(*before, sample->value[k]);

		sample->value[k] -= taken;
		*before -= taken;
	}
}

static bool is_empty(const Fg__Pprof__Sample *sample)
{
	for (size_t k = 0; k < sample->n_value; k++) {
		if (sample->value[k])
			return false;
	}
	return true;
}

static int subtract(struct scraped *to, const struct table *table,
		    const struct fg_scraped_summary *summary, XXH3_state_t *state,
		    struct fg_err *err)
{
	pb_profile *profile = to->profile;
	size_t kept = 0, i = 0;
	int rc = 0;

	for (; i < profile->n_sample && rc == 0; i++) {
		Fg__Pprof__Sample *sample = profile->sample[i];
		XXH128_hash_t key;

		rc = hash_sample(to, sample, state, &key, err);
		struct entry *entry = rc ? NULL : table_find(table, key);

		if (entry && entry->sample)
			take_off(entry, sample, summary);
		if (rc == 0 && is_empty(sample))
			protobuf_c_message_free_unpacked(&sample->base, &to->allocator);
		else
			profile->sample[kept++] = sample;
	}
	while (i < profile->n_sample)
		profile->sample[kept++] = profile->sample[i++];
	profile->n_sample = kept;
	return rc;
}

static int comparable(const struct fg_scraped_summary *from, const struct fg_scraped_summary *to,
		      struct fg_err *err)
{
	if (from->column_count != to->column_count)
		return fg_err_set(err, FG_E_INVALID, "the two profiles have different types");
	for (size_t k = 0; k < to->column_count; k++) {
		const struct fg_scraped_column *a = &from->columns[k], *b = &to->columns[k];

		if (strcmp(a->type, b->type) != 0 || strcmp(a->unit, b->unit) != 0)
			return fg_err_set(err, FG_E_INVALID, "the type %s became %s", a->type,
					  b->type);
		if (b->cumulative && b->total < a->total)
			return fg_err_set(err, FG_E_INVALID,
					  "%s fell from %lld to %lld: the target has restarted",
					  b->type, (long long)a->total, (long long)b->total);
	}
	return 0;
}

/* Fields that nobody knows are passed on, and some that a reader takes from the target (number 0,
 * in a longer spelling) no reader takes from us. */
static int check_readable(const uint8_t *bytes, size_t len, struct fg_err *err)
{
	struct budget budget = {FG_SCRAPED_MEMORY_MAX};
	ProtobufCAllocator allocator = {budget_alloc, budget_free, &budget};
	pb_profile *again = fg__pprof__profile__unpack(&allocator, len, bytes);

	if (!again)
		return invalid("damaged, or it needs too much memory", err);
	protobuf_c_message_free_unpacked(&again->base, &allocator);
	return 0;
}

static int pack(const pb_profile *profile, struct fg_buf *out, struct fg_err *err)
{
	size_t len = fg__pprof__profile__get_packed_size(profile);
	uint8_t *bytes = len <= FG_SCRAPED_INFLATED_MAX ? malloc(len + 1) : NULL;

	if (!bytes)
		return fg_err_nomem(err);
	(void)fg__pprof__profile__pack(profile, bytes);
	int rc = check_readable(bytes, len, err);

	if (rc == 0)
		rc = fg_gzip_deflate(FG_DEFLATE_GZIP, bytes, len, out, err);

	free(bytes);
	return rc;
}

static int difference(struct scraped *from, struct scraped *to, struct fg_buf *out,
		      struct fg_err *err)
{
	struct fg_scraped_summary before, after;
	struct table table = {0};
	XXH3_state_t *state = XXH3_createState();

	if (!state)
		return fg_err_nomem(err);
	summarise(from->profile, &before);
	summarise(to->profile, &after);
	int rc = comparable(&before, &after, err);

	if (rc == 0)
		rc = index_locations(from, state, err);
	if (rc == 0)
		rc = index_locations(to, state, err);
	if (rc == 0)
		rc = table_fill(&table, from, state, err);
	if (rc == 0)
		rc = subtract(to, &table, &after, state, err);
	if (rc == 0) {
		int64_t from_ns = from->profile->time_nanos, to_ns = to->profile->time_nanos;

		if (from_ns > 0 && to_ns > from_ns) {
			to->profile->duration_nanos = to_ns - from_ns;
			to->profile->time_nanos = from_ns;
		}
		rc = pack(to->profile, out, err);
	}
	free(table.slots);
	(void)XXH3_freeState(state);
	return rc;
}

int fg_scraped_delta(const void *from, size_t from_len, const void *to, size_t to_len,
		     struct fg_buf *out, struct fg_err *err)
{
	struct scraped first, second;
	int rc = scraped_load(from, from_len, &first, err);

	if (rc)
		return fg_err_wrap(err, "at the start");
	rc = scraped_load(to, to_len, &second, err);
	if (rc) {
		scraped_done(&first);
		return fg_err_wrap(err, "at the end");
	}
	rc = difference(&first, &second, out, err);
	scraped_done(&first);
	scraped_done(&second);
	return rc;
}

int fg_scraped_stamp(const void *bytes, size_t len, uint64_t time_unix_ns, uint64_t duration_ns,
		     struct fg_buf *out, size_t *ret_plain_bytes, struct fg_err *err)
{
	struct scraped scraped;
	int rc = scraped_load(bytes, len, &scraped, err);

	if (rc)
		return rc;
	scraped.profile->time_nanos = (int64_t)FG_MIN(time_unix_ns, (uint64_t)INT64_MAX);
	scraped.profile->duration_nanos = (int64_t)FG_MIN(duration_ns, (uint64_t)INT64_MAX);
	size_t plain_bytes = fg__pprof__profile__get_packed_size(scraped.profile);

	rc = pack(scraped.profile, out, err);
	if (rc == 0)
		*ret_plain_bytes = plain_bytes;
	scraped_done(&scraped);
	return rc;
}
