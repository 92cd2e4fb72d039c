/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer. First it plans: which samples go in, what they refer to, and the dense ids of that.
 * Then it writes one part after the other into a flat buffer, so that memory beside the output is a
 * few words per table row, however many samples there are.
 */
#include "gate/profile/pprof.h"

#include <stdlib.h>
#include <string.h>

#include "gate/format/gzip.h"
#include "gate/profile/pprof_internal.h"

#include <gate/profile/profile.pb-c.h>

/* Strings that we need ourselves come first and have fixed ids. */
enum {
	S_EMPTY,
	S_SAMPLES,
	S_COUNT,
	S_VALUE, /* "cpu", or what else the type's values are */
	S_NANOSECONDS,
	S_ENDPOINT,
	S_PHASE,
	S_SIDE,
	S_LATENCY,
	S_T_MS,
	S_MILLISECONDS,
	S_STACK,
	S_RESULTS, /* one per fg_stack_result */
	S_FIXED = S_RESULTS + FG_STACK_RESULT_COUNT
};

enum { LABELS_MAX = 6, MESSAGE_MAX_BYTES = 16 << 10 };

struct mapping_plan {
	uint32_t id; /* 0: not used */
	uint64_t start, limit;
	bool has_filenames, has_lines, has_inlines;
};

struct encoder {
	const struct fg_profile *profile;
	const struct fg_pprof_options *options;
	struct fg_buf raw;
	struct mapping_plan *mappings;
	uint32_t *function_ids, *location_ids, *string_ids; /* 0: not used */
	uint32_t *string_order;                             /* profile string per id − S_FIXED */
	uint32_t string_count;
	uint64_t *stack_counts; /* samples per stack that are written; 0: not used */
	struct fg_err *err;
};

static void encoder_done(struct encoder *enc)
{
	fg_buf_done(&enc->raw);
	free(enc->mappings);
	free(enc->function_ids);
	free(enc->location_ids);
	free(enc->string_ids);
	free(enc->string_order);
	free(enc->stack_counts);
}

static int encoder_init(struct encoder *enc)
{
	const struct fg_profile *profile = enc->profile;

	fg_buf_init(&enc->raw, FG_PROFILE_BYTES_MAX);
	enc->mappings = calloc(profile->module_count + 1, sizeof(*enc->mappings));
	enc->function_ids = calloc(profile->function_count + 1, sizeof(*enc->function_ids));
	enc->location_ids = calloc(profile->location_count + 1, sizeof(*enc->location_ids));
	enc->string_ids = calloc(profile->string_count + 1, sizeof(*enc->string_ids));
	enc->string_order = calloc(profile->string_count + 1, sizeof(*enc->string_order));
	enc->stack_counts = calloc(profile->stack_count + 1, sizeof(*enc->stack_counts));
	if (!enc->mappings || !enc->function_ids || !enc->location_ids || !enc->string_ids ||
	    !enc->string_order || !enc->stack_counts)
		return fg_err_nomem(enc->err);
	return 0;
}

static bool wanted(const struct encoder *enc, const struct fg_psample *sample)
{
	const struct fg_pprof_options *options = enc->options;

	if (!sample->count || sample->second < options->second_from)
		return false;
	if (options->second_to && sample->second >= options->second_to)
		return false;
	return !options->phase ||
	       strcmp(options->phase, fg_profile_text(enc->profile, sample->phase)) == 0;
}

/* Values are signed on the wire, and count × period must fit as well. */
static int check_value(const struct encoder *enc, uint64_t count)
{
	uint64_t ns;

	if (__builtin_mul_overflow(count, enc->profile->period_ns, &ns) || ns > INT64_MAX)
		return fg_err_set(enc->err, FG_E_LIMIT,
				  "profile: %llu samples of %llu ns do not fit in a pprof value",
				  (unsigned long long)count,
				  (unsigned long long)enc->profile->period_ns);
	return 0;
}

static int plan_stacks(struct encoder *enc)
{
	for (size_t i = 0; i < enc->profile->sample_count; i++) {
		const struct fg_psample *sample = &enc->profile->samples[i];
		uint64_t *sum = &enc->stack_counts[sample->stack];

		if (!wanted(enc, sample))
			continue;
		if (__builtin_add_overflow(*sum, sample->count, sum))
			*sum = UINT64_MAX;
		int rc = check_value(enc, *sum);

		if (rc)
			return rc;
	}
	return 0;
}

static void plan_location(struct encoder *enc, const struct fg_plocation *location)
{
	const struct fg_profile *profile = enc->profile;
	struct mapping_plan *mapping = &enc->mappings[location->module];
	const struct fg_pmodule *module = &profile->modules[location->module];

	if (!mapping->id) {
		bool empty = module->start == module->limit;

		mapping->id = 1; /* numbered later */
		mapping->start = empty ? location->address : module->start;
		mapping->limit = module->limit;
	}
	mapping->start = FG_MIN(mapping->start, location->address);
	if (location->address >= mapping->limit)
		mapping->limit = location->address + (location->address < UINT64_MAX);
	mapping->has_inlines |= location->line_count > 1;
	for (size_t i = 0; i < location->line_count; i++) {
		const struct fg_pline *line = &profile->lines[location->line_start + i];

		enc->function_ids[line->function] = 1;
		mapping->has_lines |= line->line != 0;
		mapping->has_filenames |= profile->functions[line->function].filename != 0;
	}
}

static void plan_locations(struct encoder *enc)
{
	const struct fg_profile *profile = enc->profile;

	for (size_t i = 0; i < profile->stack_count; i++) {
		const struct fg_pstack *stack = &profile->stacks[i];

		for (size_t k = 0; enc->stack_counts[i] && k < stack->frame_count; k++)
			enc->location_ids[profile->frames[stack->frame_start + k]] = 1;
	}
	for (size_t i = 0; i < profile->location_count; i++) {
		if (enc->location_ids[i])
			plan_location(enc, &profile->locations[i]);
	}
}

static void number(uint32_t *ids, size_t count)
{
	uint32_t next = 0;

	for (size_t i = 0; i < count; i++) {
		if (ids[i])
			ids[i] = ++next;
	}
}

/* Readers take the first mapping for the program's own; [vdso] and the like are never it. */
static size_t main_module(const struct fg_profile *profile)
{
	for (size_t i = 0; i < profile->module_count; i++) {
		const char *path = fg_profile_text(profile, profile->modules[i].path);

		if (path[0] && path[0] != '[')
			return i;
	}
	return 0;
}

static void number_mappings(struct encoder *enc)
{
	const struct fg_profile *profile = enc->profile;
	size_t main = main_module(profile);
	uint32_t next = 0;

	/* The main binary is named even if it was never seen running. */
	if (main < profile->module_count) {
		if (!enc->mappings[main].id) {
			enc->mappings[main].start = profile->modules[main].start;
			enc->mappings[main].limit = profile->modules[main].limit;
		}
		enc->mappings[main].id = ++next;
	}
	for (size_t i = 0; i < profile->module_count; i++) {
		if (i != main && enc->mappings[i].id)
			enc->mappings[i].id = ++next;
	}
}

static int64_t string_id(struct encoder *enc, uint32_t string)
{
	if (!string)
		return S_EMPTY;
	if (!enc->string_ids[string]) {
		enc->string_order[enc->string_count] = string;
		enc->string_ids[string] = S_FIXED + enc->string_count++;
	}
	return enc->string_ids[string];
}

static void put_varint(struct fg_buf *out, uint64_t value)
{
	uint8_t bytes[10];
	size_t len = 0;

	do {
		bytes[len] = (uint8_t)(value & 0x7f);
		value >>= 7;
		bytes[len++] |= value ? 0x80 : 0;
	} while (value);
	fg_buf_add(out, bytes, len);
}

static void put_tag(struct fg_buf *out, enum fg_pprof_field field, enum fg_pprof_wire wire)
{
	put_varint(out, (uint64_t)field << 3 | wire);
}

static void put_number(struct encoder *enc, enum fg_pprof_field field, uint64_t value)
{
	if (!value)
		return;
	put_tag(&enc->raw, field, FG_WIRE_VARINT);
	put_varint(&enc->raw, value);
}

static void put_text(struct encoder *enc, const char *text)
{
	size_t len = strlen(text);

	put_tag(&enc->raw, FG_PPROF_STRING, FG_WIRE_BYTES);
	put_varint(&enc->raw, len);
	fg_buf_add(&enc->raw, text, len);
}

static void put_message(struct encoder *enc, enum fg_pprof_field field,
			const ProtobufCMessage *message)
{
	size_t len = protobuf_c_message_get_packed_size(message);

	put_tag(&enc->raw, field, FG_WIRE_BYTES);
	put_varint(&enc->raw, len);
	char *room = fg_buf_reserve(&enc->raw, len);

	if (room)
		fg_buf_commit(&enc->raw, protobuf_c_message_pack(message, (uint8_t *)room));
}

static void put_type(struct encoder *enc, enum fg_pprof_field field, int64_t type, int64_t unit)
{
	Fg__Pprof__ValueType message = FG__PPROF__VALUE_TYPE__INIT;

	message.type = type;
	message.unit = unit;
	put_message(enc, field, &message.base);
}

static size_t add_label(Fg__Pprof__Label *label, int64_t key, int64_t str)
{
	if (str == S_EMPTY)
		return 0;
	fg__pprof__label__init(label);
	label->key = key;
	label->str = str;
	return 1;
}

static size_t make_labels(struct encoder *enc, const struct fg_psample *sample,
			  Fg__Pprof__Label labels[LABELS_MAX])
{
	uint32_t result = enc->profile->stacks[sample->stack].result;
	int64_t result_text = result == FG_STACK_COMPLETE ? S_EMPTY : S_RESULTS + (int64_t)result;
	size_t n = 0;

	n += add_label(&labels[n], S_ENDPOINT, string_id(enc, sample->endpoint));
	n += add_label(&labels[n], S_PHASE, string_id(enc, sample->phase));
	n += add_label(&labels[n], S_SIDE, string_id(enc, sample->side));
	n += add_label(&labels[n], S_LATENCY, string_id(enc, sample->latency));
	n += add_label(&labels[n], S_STACK, result_text);
	fg__pprof__label__init(&labels[n]);
	labels[n].key = S_T_MS;
	labels[n].num = (int64_t)sample->second * 1000;
	labels[n].num_unit = S_MILLISECONDS;
	return n + 1;
}

static void put_sample(struct encoder *enc, const struct fg_psample *sample, bool with_labels)
{
	const struct fg_profile *profile = enc->profile;
	const struct fg_pstack *stack = &profile->stacks[sample->stack];
	Fg__Pprof__Sample message = FG__PPROF__SAMPLE__INIT;
	uint64_t ids[FG_PROFILE_STACK_MAX];
	int64_t values[] = {(int64_t)sample->count, (int64_t)(sample->count * profile->period_ns)};
	bool is_cpu = profile->type == FG_PROFILE_CPU;
	Fg__Pprof__Label labels[LABELS_MAX];
	Fg__Pprof__Label *label_pointers[LABELS_MAX];

	for (size_t i = 0; i < stack->frame_count; i++)
		ids[i] = enc->location_ids[profile->frames[stack->frame_start + i]];
	message.n_location_id = stack->frame_count;
	message.location_id = ids;
	message.n_value = is_cpu ? 2 : 1;
	message.value = is_cpu ? values : values + 1;
	message.n_label = with_labels ? make_labels(enc, sample, labels) : 0;
	for (size_t i = 0; i < message.n_label; i++)
		label_pointers[i] = &labels[i];
	message.label = label_pointers;
	put_message(enc, FG_PPROF_SAMPLE, &message.base);
}

static void put_samples(struct encoder *enc)
{
	const struct fg_profile *profile = enc->profile;

	for (size_t i = 0; enc->options->labels && i < profile->sample_count; i++) {
		if (wanted(enc, &profile->samples[i]))
			put_sample(enc, &profile->samples[i], true);
	}
	for (size_t i = 0; !enc->options->labels && i < profile->stack_count; i++) {
		struct fg_psample sum = {.stack = (uint32_t)i, .count = enc->stack_counts[i]};

		if (sum.count)
			put_sample(enc, &sum, false);
	}
}

static void put_mapping(struct encoder *enc, size_t index)
{
	const struct fg_pmodule *module = &enc->profile->modules[index];
	const struct mapping_plan *plan = &enc->mappings[index];
	Fg__Pprof__Mapping message = FG__PPROF__MAPPING__INIT;

	message.id = plan->id;
	message.memory_start = plan->start;
	message.memory_limit = plan->limit;
	message.file_offset = module->file_offset;
	message.filename = string_id(enc, module->path);
	message.build_id = string_id(enc, module->build_id);
	/* Every location has a name, if need be a synthetic one; without this mark other tools
	 * would try to symbolise again and Pyroscope would drop frames. */
	message.has_functions = 1;
	message.has_filenames = plan->has_filenames;
	message.has_line_numbers = plan->has_lines;
	message.has_inline_frames = plan->has_inlines;
	put_message(enc, FG_PPROF_MAPPING, &message.base);
}

static void put_mappings(struct encoder *enc)
{
	size_t count = enc->profile->module_count;
	size_t main = main_module(enc->profile);

	for (size_t i = 0; i < count; i++) {
		/* the main one first, the others in order */
		size_t index = i == 0 ? main : i <= main ? i - 1 : i;

		if (enc->mappings[index].id)
			put_mapping(enc, index);
	}
}

static uint32_t extra_flags(const struct fg_profile *profile, const struct fg_plocation *location)
{
	const struct fg_pline *physical =
		&profile->lines[location->line_start + location->line_count - 1];
	uint32_t name = profile->functions[physical->function].name;
	uint32_t implied = fg_pprof_implied_flags(
		fg_profile_text(profile, profile->modules[location->module].path),
		fg_profile_module_name(profile, location->module), fg_profile_text(profile, name));

	return implied == location->flags ? 0 : location->flags + 1;
}

static void put_location(struct encoder *enc, size_t index)
{
	const struct fg_profile *profile = enc->profile;
	const struct fg_plocation *location = &profile->locations[index];
	Fg__Pprof__Location message = FG__PPROF__LOCATION__INIT;
	Fg__Pprof__Line lines[FG_PROFILE_INLINE_MAX];
	Fg__Pprof__Line *line_pointers[FG_PROFILE_INLINE_MAX];

	for (size_t i = 0; i < location->line_count; i++) {
		const struct fg_pline *line = &profile->lines[location->line_start + i];

		fg__pprof__line__init(&lines[i]);
		lines[i].function_id = enc->function_ids[line->function];
		lines[i].line = line->line;
		line_pointers[i] = &lines[i];
	}
	message.id = enc->location_ids[index];
	message.mapping_id = enc->mappings[location->module].id;
	message.address = location->address;
	message.n_line = location->line_count;
	message.line = line_pointers;
	message.fg_flags_plus_1 = extra_flags(profile, location);
	put_message(enc, FG_PPROF_LOCATION, &message.base);
}

static void put_function(struct encoder *enc, size_t index)
{
	const struct fg_pfunction *function = &enc->profile->functions[index];
	Fg__Pprof__Function message = FG__PPROF__FUNCTION__INIT;

	message.id = enc->function_ids[index];
	message.name = string_id(enc, function->name);
	message.system_name = string_id(enc, function->system_name);
	message.filename = string_id(enc, function->filename);
	message.start_line = function->start_line;
	put_message(enc, FG_PPROF_FUNCTION, &message.base);
}

static void put_tables(struct encoder *enc)
{
	put_mappings(enc);
	for (size_t i = 0; i < enc->profile->location_count; i++) {
		if (enc->location_ids[i])
			put_location(enc, i);
	}
	for (size_t i = 0; i < enc->profile->function_count; i++) {
		if (enc->function_ids[i])
			put_function(enc, i);
	}
}

static void put_strings(struct encoder *enc)
{
	const char *const fixed[S_RESULTS] = {
		[S_EMPTY] = "",
		[S_SAMPLES] = "samples",
		[S_COUNT] = "count",
		[S_VALUE] = fg_pprof_type_words(enc->profile->type)->type,
		[S_NANOSECONDS] = "nanoseconds",
		[S_ENDPOINT] = FG_PPROF_LABEL_ENDPOINT,
		[S_PHASE] = FG_PPROF_LABEL_PHASE,
		[S_SIDE] = FG_PPROF_LABEL_SIDE,
		[S_LATENCY] = FG_PPROF_LABEL_LATENCY,
		[S_T_MS] = FG_PPROF_LABEL_T_MS,
		[S_MILLISECONDS] = "milliseconds",
		[S_STACK] = FG_PPROF_LABEL_STACK,
	};

	for (size_t i = 0; i < S_RESULTS; i++)
		put_text(enc, fixed[i]);
	for (int i = 0; i < FG_STACK_RESULT_COUNT; i++)
		put_text(enc, fg_stack_result_name((enum fg_stack_result)i));
	for (size_t i = 0; i < enc->string_count; i++)
		put_text(enc, enc->profile->strings[enc->string_order[i]]);
}

/* Order and wording of a CPU profile are what every reader defaults to. */
static void put_types(struct encoder *enc)
{
	const struct fg_pprof_type_words *words = fg_pprof_type_words(enc->profile->type);

	if (enc->profile->type == FG_PROFILE_CPU)
		put_type(enc, FG_PPROF_SAMPLE_TYPE, S_SAMPLES, S_COUNT);
	put_type(enc, FG_PPROF_SAMPLE_TYPE, S_VALUE, words->counts ? S_COUNT : S_NANOSECONDS);
}

static void put_period(struct encoder *enc)
{
	if (fg_pprof_type_words(enc->profile->type)->has_period_type)
		put_type(enc, FG_PPROF_PERIOD_TYPE, S_VALUE, S_NANOSECONDS);
	put_number(enc, FG_PPROF_PERIOD, enc->profile->period_ns);
	put_number(enc, FG_PPROF_DEFAULT_SAMPLE_TYPE, S_VALUE);
}

static int write_all(struct encoder *enc)
{
	const struct fg_profile *profile = enc->profile;
	uint64_t time_ns =
		enc->options->time_unix_ns ? enc->options->time_unix_ns : profile->time_unix_ns;

	if (!profile->period_ns || profile->period_ns > INT64_MAX || time_ns > INT64_MAX ||
	    profile->duration_ns > INT64_MAX)
		return fg_err_set(enc->err, FG_E_INVALID,
				  "profile: no sampling period, or a time out of range");
	int rc = plan_stacks(enc);

	if (rc)
		return rc;
	plan_locations(enc);
	number(enc->location_ids, profile->location_count);
	number(enc->function_ids, profile->function_count);
	number_mappings(enc);
	put_types(enc);
	put_samples(enc);
	put_tables(enc);
	put_strings(enc);
	put_number(enc, FG_PPROF_TIME_NANOS, time_ns);
	put_number(enc, FG_PPROF_DURATION_NANOS, profile->duration_ns);
	put_period(enc);
	if (enc->raw.failed)
		return fg_err_set(enc->err, FG_E_LIMIT,
				  "profile: more than %d bytes encoded, or out of memory",
				  FG_PROFILE_BYTES_MAX);
	return 0;
}

int fg_pprof_encode(const struct fg_profile *profile, const struct fg_pprof_options *options,
		    struct fg_buf *out, struct fg_err *err)
{
	struct encoder enc = {.profile = profile, .options = options, .err = err};
	int rc = encoder_init(&enc);

	if (!rc)
		rc = write_all(&enc);
	if (!rc)
		rc = options->gzip
			     ? fg_gzip_deflate(FG_DEFLATE_GZIP, enc.raw.data, enc.raw.len, out, err)
			     : fg_pprof_append(enc.raw.data, enc.raw.len, out, err);
	encoder_done(&enc);
	return rc;
}
