/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader. The top level is walked once per part (strings and header, mappings and functions,
 * locations, samples), because writers may order the parts as they like; each part is unpacked by
 * the generated code and thrown away again, so memory stays bounded by our own tables.
 */
#include "gate/profile/pprof.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/vec.h"
#include "gate/format/gzip.h"
#include "gate/profile/pprof_ids.h"
#include "gate/profile/pprof_internal.h"
#include "gate/profile/pprof_unpack.h"
#include "gate/profile/pprof_values.h"
#include "gate/profile/pprof_wire.h"

#include <gate/profile/profile.pb-c.h>

/* pprof's functions have no module, ours do: it is known when a location names the function. */
struct raw_function {
	uint32_t name, system_name, filename, start_line;
};

struct decoder {
	struct fg_profile *profile;
	struct fg_err *err;
	const uint8_t *bytes;
	size_t len;
	struct fg_pprof_unpacker unpacker;
	uint32_t *strings; /* ours per string of theirs */
	size_t string_count, string_capacity;
	struct fg_pprof_ids mapping_ids, function_ids, location_ids;
	struct raw_function *functions;
	size_t function_count, function_capacity;
	struct fg_pprof_values values;
	int64_t unknown_module; /* for locations without mapping; -1: not made yet */
};

static void *unpack(struct decoder *dec, const struct fg_pprof_wire_field *field,
		    const ProtobufCMessageDescriptor *type, const char *what)
{
	return fg_pprof_unpack(&dec->unpacker, field, type, what, dec->err);
}

static void release(struct decoder *dec, void *message)
{
	fg_pprof_unpack_free(&dec->unpacker, message);
}

static int error_code(const struct decoder *dec)
{
	return dec->err->code ? -(int)dec->err->code : -FG_E_INVALID;
}

static int64_t string_at(struct decoder *dec, int64_t index)
{
	if (index >= 0 && (uint64_t)index < dec->string_count)
		return dec->strings[index];
	return fg_err_set(dec->err, FG_E_INVALID,
			  "profile: string %" PRId64 " does not exist (there are %zu)", index,
			  dec->string_count);
}

static const char *text_at(struct decoder *dec, int64_t index)
{
	int64_t string = string_at(dec, index);

	return string < 0 ? NULL : fg_profile_text(dec->profile, (uint32_t)string);
}

static int take_string(struct decoder *dec, const struct fg_pprof_wire_field *field)
{
	if (field->wire != FG_WIRE_BYTES)
		return fg_err_set(dec->err, FG_E_INVALID,
				  "not a pprof profile: a string is a number");
	if (!dec->string_count && field->len)
		return fg_err_set(dec->err, FG_E_INVALID, "profile: string 0 is not empty");
	int rc = FG_VEC_ROOM(dec, strings, string_count, string_capacity, FG_PROFILE_ITEMS_MAX,
			     dec->err);

	if (rc)
		return rc;
	int64_t string =
		fg_profile_string(dec->profile, (const char *)field->bytes, field->len, dec->err);

	if (string < 0)
		return (int)string;
	dec->strings[dec->string_count++] = (uint32_t)string;
	return 0;
}

static int take_type(struct decoder *dec, const struct fg_pprof_wire_field *field, bool period)
{
	Fg__Pprof__ValueType *type =
		unpack(dec, field, &fg__pprof__value_type__descriptor, "sample type");

	if (!type)
		return error_code(dec);
	struct fg_pprof_type got = {.type = type->type, .unit = type->unit};

	release(dec, type);
	return fg_pprof_values_add_type(&dec->values, &got, period, dec->err);
}

/* Strings and everything that is a plain number. */
static int take_header(struct decoder *dec, const struct fg_pprof_wire_field *field)
{
	switch (field->number) {
	case FG_PPROF_STRING:
		return take_string(dec, field);
	case FG_PPROF_SAMPLE_TYPE:
		return take_type(dec, field, false);
	case FG_PPROF_PERIOD_TYPE:
		return take_type(dec, field, true);
	case FG_PPROF_PERIOD:
		dec->values.period = (int64_t)field->value;
		return 0;
	case FG_PPROF_DEFAULT_SAMPLE_TYPE:
		dec->values.default_type = (int64_t)field->value;
		return 0;
	case FG_PPROF_TIME_NANOS:
		dec->profile->time_unix_ns = field->value > INT64_MAX ? 0 : field->value;
		return 0;
	case FG_PPROF_DURATION_NANOS:
		dec->profile->duration_ns = field->value > INT64_MAX ? 0 : field->value;
		return 0;
	default:
		return 0;
	}
}

static int take_mapping(struct decoder *dec, const struct fg_pprof_wire_field *field)
{
	Fg__Pprof__Mapping *mapping =
		unpack(dec, field, &fg__pprof__mapping__descriptor, "mapping");

	if (!mapping)
		return error_code(dec);
	int64_t path = string_at(dec, mapping->filename);
	int64_t build_id = path < 0 ? path : string_at(dec, mapping->build_id);
	struct fg_pmodule module = {
		.path = (uint32_t)path,
		.build_id = (uint32_t)build_id,
		.start = mapping->memory_start,
		.limit = mapping->memory_limit,
		.file_offset = mapping->file_offset,
	};
	uint64_t id = mapping->id;

	release(dec, mapping);
	if (build_id < 0)
		return (int)build_id;
	int64_t index = fg_profile_module(dec->profile, &module, dec->err);

	if (index < 0)
		return (int)index;
	return fg_pprof_ids_add(&dec->mapping_ids, id, (uint32_t)index, dec->err);
}

static uint32_t line_number(int64_t line)
{
	return line > 0 && line <= UINT32_MAX ? (uint32_t)line : 0;
}

static int take_function(struct decoder *dec, const struct fg_pprof_wire_field *field)
{
	Fg__Pprof__Function *message =
		unpack(dec, field, &fg__pprof__function__descriptor, "function");

	if (!message)
		return error_code(dec);
	int64_t indexes[] = {message->name, message->system_name, message->filename};
	int64_t strings[FG_ARRAY_LEN(indexes)];
	uint32_t start_line = line_number(message->start_line);
	uint64_t id = message->id;

	release(dec, message);
	for (size_t i = 0; i < FG_ARRAY_LEN(indexes); i++) {
		strings[i] = string_at(dec, indexes[i]);
		if (strings[i] < 0)
			return (int)strings[i];
	}
	if (!strings[0])
		strings[0] = strings[1];
	int rc = FG_VEC_ROOM(dec, functions, function_count, function_capacity,
			     FG_PROFILE_ITEMS_MAX, dec->err);

	if (rc)
		return rc;
	dec->functions[dec->function_count] = (struct raw_function){
		.name = (uint32_t)strings[0],
		.system_name = (uint32_t)strings[1],
		.filename = (uint32_t)strings[2],
		.start_line = start_line,
	};
	return fg_pprof_ids_add(&dec->function_ids, id, (uint32_t)dec->function_count++, dec->err);
}

static int take_tables(struct decoder *dec, const struct fg_pprof_wire_field *field)
{
	if (field->number == FG_PPROF_MAPPING)
		return take_mapping(dec, field);
	if (field->number == FG_PPROF_FUNCTION)
		return take_function(dec, field);
	return 0;
}

static int64_t module_of(struct decoder *dec, uint64_t mapping_id)
{
	if (mapping_id)
		return fg_pprof_ids_find(&dec->mapping_ids, mapping_id, dec->err);
	if (dec->unknown_module < 0) {
		struct fg_pmodule unknown = {0};

		dec->unknown_module = fg_profile_module(dec->profile, &unknown, dec->err);
	}
	return dec->unknown_module;
}

/* "libz.so!0x1a40": relative to the file, so that it does not depend on where it was loaded. */
static int64_t synthetic_name(struct decoder *dec, uint32_t module, uint64_t address)
{
	const struct fg_pmodule *in = &dec->profile->modules[module];
	char name[FG_PROFILE_STRING_MAX + 32];

	if (!address)
		return fg_profile_string(dec->profile, FG_PPROF_NAME_UNKNOWN,
					 strlen(FG_PPROF_NAME_UNKNOWN), dec->err);
	if (address >= in->start && address < in->limit)
		address = address - in->start + in->file_offset;
	int len = snprintf(name, sizeof(name), "%.*s!0x%" PRIx64, FG_PROFILE_STRING_MAX - 24,
			   fg_profile_module_name(dec->profile, module), address);

	return fg_profile_string(dec->profile, name, (size_t)len, dec->err);
}

static int add_line(struct decoder *dec, uint32_t module, uint64_t address,
		    const struct raw_function *raw, struct fg_pline *line)
{
	struct fg_pfunction function = {
		.name = raw->name,
		.system_name = raw->system_name,
		.filename = raw->filename,
		.start_line = raw->start_line,
		.module = module,
	};

	if (!function.name) {
		int64_t name = synthetic_name(dec, module, address);

		if (name < 0)
			return (int)name;
		function.name = (uint32_t)name;
	}
	int64_t index = fg_profile_function(dec->profile, &function, dec->err);

	if (index < 0)
		return (int)index;
	line->function = (uint32_t)index;
	return 0;
}

static int add_lines(struct decoder *dec, const Fg__Pprof__Location *message, uint32_t module,
		     struct fg_pline lines[FG_PROFILE_INLINE_MAX])
{
	static const struct raw_function nameless;

	if (message->n_line > FG_PROFILE_INLINE_MAX)
		return fg_err_set(dec->err, FG_E_LIMIT,
				  "profile: location %" PRIu64 " has %zu lines (at most %d)",
				  message->id, message->n_line, FG_PROFILE_INLINE_MAX);
	if (!message->n_line)
		return add_line(dec, module, message->address, &nameless, &lines[0]);
	for (size_t i = 0; i < message->n_line; i++) {
		const Fg__Pprof__Line *line = message->line[i];
		int64_t raw = fg_pprof_ids_find(&dec->function_ids, line->function_id, dec->err);

		if (raw < 0)
			return (int)raw;
		lines[i].line = line_number(line->line);
		int rc = add_line(dec, module, message->address, &dec->functions[raw], &lines[i]);

		if (rc)
			return rc;
	}
	return 0;
}

static int add_location(struct decoder *dec, const Fg__Pprof__Location *message)
{
	struct fg_pline lines[FG_PROFILE_INLINE_MAX] = {0};
	int64_t module = module_of(dec, message->mapping_id);

	if (module < 0)
		return (int)module;
	struct fg_plocation location = {
		.module = (uint32_t)module,
		.address = message->address,
		.line_count = (uint32_t)FG_MAX(message->n_line, (size_t)1),
	};
	int rc = add_lines(dec, message, location.module, lines);

	if (rc)
		return rc;
	const struct fg_profile *profile = dec->profile;
	uint32_t name = profile->functions[lines[location.line_count - 1].function].name;

	location.flags = message->fg_flags_plus_1 - 1;
	if (!message->fg_flags_plus_1)
		location.flags = fg_pprof_implied_flags(
			fg_profile_text(profile, profile->modules[module].path),
			fg_profile_module_name(profile, location.module),
			fg_profile_text(profile, name));
	int64_t index = fg_profile_location(dec->profile, &location, lines, dec->err);

	if (index < 0)
		return (int)index;
	return fg_pprof_ids_add(&dec->location_ids, message->id, (uint32_t)index, dec->err);
}

static int take_location(struct decoder *dec, const struct fg_pprof_wire_field *field)
{
	if (field->number != FG_PPROF_LOCATION)
		return 0;
	Fg__Pprof__Location *message =
		unpack(dec, field, &fg__pprof__location__descriptor, "location");

	if (!message)
		return error_code(dec);
	int rc = add_location(dec, message);

	release(dec, message);
	return rc;
}

static enum fg_stack_result result_of(const char *name)
{
	for (int i = 0; i < FG_STACK_RESULT_COUNT; i++) {
		if (strcmp(name, fg_stack_result_name((enum fg_stack_result)i)) == 0)
			return (enum fg_stack_result)i;
	}
	return FG_STACK_COMPLETE; /* someone else's label of that name */
}

static int take_label(struct decoder *dec, const Fg__Pprof__Label *label, struct fg_psample *sample,
		      enum fg_stack_result *result)
{
	const char *key = text_at(dec, label->key);
	int64_t text = string_at(dec, label->str);

	if (!key || text < 0)
		return error_code(dec);
	if (strcmp(key, FG_PPROF_LABEL_T_MS) == 0) {
		if (label->num < 0 || label->num / 1000 > UINT32_MAX)
			return fg_err_set(dec->err, FG_E_INVALID,
					  "profile: label t_ms of %" PRId64 " is out of range",
					  label->num);
		sample->second = (uint32_t)(label->num / 1000);
	} else if (strcmp(key, FG_PPROF_LABEL_ENDPOINT) == 0) {
		sample->endpoint = (uint32_t)text;
	} else if (strcmp(key, FG_PPROF_LABEL_PHASE) == 0) {
		sample->phase = (uint32_t)text;
	} else if (strcmp(key, FG_PPROF_LABEL_SIDE) == 0) {
		sample->side = (uint32_t)text;
	} else if (strcmp(key, FG_PPROF_LABEL_LATENCY) == 0) {
		sample->latency = (uint32_t)text;
	} else if (strcmp(key, FG_PPROF_LABEL_STACK) == 0) {
		*result = result_of(fg_profile_text(dec->profile, (uint32_t)text));
	}
	return 0;
}

/* A sample without stack still is CPU time: it gets one [unknown] frame. */
static int64_t unknown_location(struct decoder *dec)
{
	static const struct raw_function nameless;
	struct fg_pline line = {0};
	int64_t module = module_of(dec, 0);

	if (module < 0)
		return module;
	int rc = add_line(dec, (uint32_t)module, 0, &nameless, &line);

	if (rc)
		return rc;
	struct fg_plocation location = {
		.module = (uint32_t)module,
		.flags = FG_LOC_PLACEHOLDER,
		.line_count = 1,
	};

	return fg_profile_location(dec->profile, &location, &line, dec->err);
}

static int64_t add_stack(struct decoder *dec, const Fg__Pprof__Sample *message,
			 enum fg_stack_result result)
{
	uint32_t frames[FG_PROFILE_STACK_MAX];
	size_t count = FG_MIN(message->n_location_id, (size_t)FG_PROFILE_STACK_MAX);

	for (size_t i = 0; i < message->n_location_id; i++) {
		int64_t location =
			fg_pprof_ids_find(&dec->location_ids, message->location_id[i], dec->err);

		if (location < 0)
			return location;
		if (i < count)
			frames[i] = (uint32_t)location;
	}
	if (!count) {
		int64_t location = unknown_location(dec);

		if (location < 0)
			return location;
		frames[count++] = (uint32_t)location;
	}
	if (message->n_location_id > count && result == FG_STACK_COMPLETE)
		result = FG_STACK_DEPTH;
	return fg_profile_stack(dec->profile, frames, count, result, dec->err);
}

static int add_sample(struct decoder *dec, const Fg__Pprof__Sample *message)
{
	struct fg_psample sample = {0};
	enum fg_stack_result result = FG_STACK_COMPLETE;

	for (size_t i = 0; i < message->n_label; i++) {
		int rc = take_label(dec, message->label[i], &sample, &result);

		if (rc)
			return rc;
	}
	int64_t stack = add_stack(dec, message, result);

	if (stack < 0)
		return (int)stack;
	sample.stack = (uint32_t)stack;
	return fg_pprof_values_add(&dec->values, &sample, message->value, message->n_value,
				   dec->err);
}

static int take_sample(struct decoder *dec, const struct fg_pprof_wire_field *field)
{
	if (field->number != FG_PPROF_SAMPLE)
		return 0;
	Fg__Pprof__Sample *message = unpack(dec, field, &fg__pprof__sample__descriptor, "sample");

	if (!message)
		return error_code(dec);
	int rc = add_sample(dec, message);

	release(dec, message);
	return rc;
}

static int walk(struct decoder *dec,
		int (*take)(struct decoder *, const struct fg_pprof_wire_field *))
{
	struct fg_wire wire = {.bytes = dec->bytes, .len = dec->len};
	struct fg_pprof_wire_field field;
	int rc;

	while ((rc = fg_pprof_wire_next(&wire, &field, dec->err)) > 0) {
		rc = take(dec, &field);
		if (rc)
			return rc;
	}
	return rc;
}

/* The names of the sample types are known once all strings are. */
static int choose_values(struct decoder *dec)
{
	for (size_t i = 0; i <= dec->values.type_count; i++) {
		struct fg_pprof_type *type = i < dec->values.type_count ? &dec->values.types[i]
									: &dec->values.period_type;

		type->type_text = text_at(dec, type->type);
		type->unit_text = type->type_text ? text_at(dec, type->unit) : NULL;
		if (!type->unit_text)
			return error_code(dec);
	}
	dec->values.default_text = text_at(dec, dec->values.default_type);
	if (!dec->values.default_text)
		return error_code(dec);
	return fg_pprof_values_choose(&dec->values, dec->err);
}

static int decode(struct decoder *dec)
{
	int rc = walk(dec, take_header);

	if (!rc && !dec->string_count)
		rc = fg_err_set(dec->err, FG_E_INVALID, "not a pprof profile: no string table");
	if (!rc)
		rc = choose_values(dec);
	if (!rc)
		rc = walk(dec, take_tables);
	if (!rc)
		rc = fg_pprof_ids_seal(&dec->mapping_ids, dec->err);
	if (!rc)
		rc = fg_pprof_ids_seal(&dec->function_ids, dec->err);
	if (!rc)
		rc = walk(dec, take_location);
	if (!rc)
		rc = fg_pprof_ids_seal(&dec->location_ids, dec->err);
	if (!rc)
		rc = walk(dec, take_sample);
	return rc ? rc : fg_pprof_values_finish(&dec->values, dec->profile, dec->err);
}

static int decode_plain(const void *bytes, size_t len, struct fg_profile **ret, struct fg_err *err)
{
	struct decoder dec = {
		.err = err,
		.bytes = bytes,
		.len = len,
		.mapping_ids = {.what = "mapping"},
		.function_ids = {.what = "function"},
		.location_ids = {.what = "location"},
		.unknown_module = -1,
	};
	int rc = fg_pprof_unpacker_init(&dec.unpacker, bytes, err);

	if (!rc)
		rc = fg_profile_new(&dec.profile, err);
	if (!rc)
		rc = decode(&dec);
	if (rc)
		fg_profile_free(dec.profile);
	else
		*ret = dec.profile;
	fg_pprof_values_done(&dec.values);
	fg_pprof_ids_done(&dec.mapping_ids);
	fg_pprof_ids_done(&dec.function_ids);
	fg_pprof_ids_done(&dec.location_ids);
	fg_pprof_unpacker_done(&dec.unpacker);
	free(dec.functions);
	free(dec.strings);
	return rc;
}

int fg_pprof_decode(const void *bytes, size_t len, struct fg_profile **ret, struct fg_err *err)
{
	struct fg_err local = {0};
	struct fg_buf raw;

	if (!err)
		err = &local;
	fg_err_clear(err);
	if (len > FG_PROFILE_BYTES_MAX)
		return fg_err_set(err, FG_E_LIMIT, "profile: %zu bytes (at most %d)", len,
				  FG_PROFILE_BYTES_MAX);
	if (!fg_gzip_is(bytes, len))
		return decode_plain(bytes, len, ret, err);
	fg_buf_init(&raw, FG_PROFILE_BYTES_MAX);
	int rc = fg_gzip_inflate(FG_DEFLATE_GZIP, bytes, len, FG_PROFILE_BYTES_MAX, &raw, err);

	if (rc)
		rc = fg_err_wrap(err, "profile");
	else
		rc = decode_plain(raw.data, raw.len, ret, err);
	fg_buf_done(&raw);
	return rc;
}
