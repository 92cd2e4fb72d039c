/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/script_layout.h"

#include <string.h>

enum {
	PYTHON_DEBUG = FG_SCRIPT_VERSION(3, 13), /* from here on _Py_DebugOffsets */
	STRUCT_MAX = 64 << 10, /* of an interpreter's structs: bounds for offsets */
	INTERPRETER_MAX = 1 << 20,
	OWNER_CSTACK = 3, /* FRAME_OWNED_BY_CSTACK, from 3.14 on …INTERPRETER and above */
};

/* From each version's headers, by offsetof. */
struct python {
	uint32_t version;
	uint16_t runtime_head, interp_threads, thread_id, thread_frame, cframe_frame,
		cframe_previous;
	uint16_t frame_code, frame_previous, frame_instr, frame_entry, frame_owner, frame_bytes;
	uint16_t code_line, code_file, code_name, code_qualname, code_table, code_instr;
	uint16_t ascii_size, wide_size;
	uint8_t shim_owner, lines;
};

static const struct python pythons[] = {
	{
		.version = FG_SCRIPT_VERSION(3, 8),
		.runtime_head = 32,
		.interp_threads = 8,
		.thread_id = 176,
		.thread_frame = 24,
		.cframe_frame = FG_SCRIPT_NO_OFFSET,
		.frame_code = 32,
		.frame_previous = 24,
		.frame_instr = 104,
		.frame_bytes = 108,
		.code_line = 40,
		.code_file = 104,
		.code_name = 112,
		.code_table = 120,
		.ascii_size = 48,
		.wide_size = 72,
		.lines = FG_LINES_NOTAB,
	},
	{
		.version = FG_SCRIPT_VERSION(3, 9),
		.runtime_head = 32,
		.interp_threads = 8,
		.thread_id = 176,
		.thread_frame = 24,
		.cframe_frame = FG_SCRIPT_NO_OFFSET,
		.frame_code = 32,
		.frame_previous = 24,
		.frame_instr = 104,
		.frame_bytes = 108,
		.code_line = 40,
		.code_file = 104,
		.code_name = 112,
		.code_table = 120,
		.ascii_size = 48,
		.wide_size = 72,
		.lines = FG_LINES_NOTAB,
	},
	{
		.version = FG_SCRIPT_VERSION(3, 10),
		.runtime_head = 32,
		.interp_threads = 8,
		.thread_id = 176,
		.thread_frame = 24,
		.cframe_frame = FG_SCRIPT_NO_OFFSET,
		.frame_code = 32,
		.frame_previous = 24,
		.frame_instr = 96,
		.frame_bytes = 100,
		.code_line = 40,
		.code_file = 104,
		.code_name = 112,
		.code_table = 120,
		.ascii_size = 48,
		.wide_size = 72,
		.lines = FG_LINES_RANGES,
	},
	{
		.version = FG_SCRIPT_VERSION(3, 11),
		.runtime_head = 40,
		.interp_threads = 16,
		.thread_id = 152,
		.thread_frame = 56,
		.cframe_frame = 8,
		.cframe_previous = 16,
		.frame_code = 32,
		.frame_previous = 48,
		.frame_instr = 56,
		.frame_entry = 68,
		.frame_owner = 69,
		.frame_bytes = 72,
		.code_line = 72,
		.code_file = 112,
		.code_name = 120,
		.code_qualname = 128,
		.code_table = 136,
		.code_instr = 184,
		.ascii_size = 48,
		.wide_size = 72,
		.lines = FG_LINES_LOCATIONS,
	},
	{
		.version = FG_SCRIPT_VERSION(3, 12),
		.runtime_head = 40,
		.interp_threads = 72,
		.thread_id = 136,
		.thread_frame = 56,
		.cframe_frame = 0,
		.cframe_previous = 8,
		.frame_code = 0,
		.frame_previous = 8,
		.frame_instr = 56,
		.frame_owner = 70,
		.frame_bytes = 72,
		.code_line = 68,
		.code_file = 112,
		.code_name = 120,
		.code_qualname = 128,
		.code_table = 136,
		.code_instr = 192,
		.ascii_size = 40,
		.wide_size = 56,
		.shim_owner = OWNER_CSTACK,
		.lines = FG_LINES_LOCATIONS,
	},
};

/* What is the same in all of them. */
enum {
	INTERP_NEXT = 0,
	THREAD_NEXT = 8,
	OBJECT_TYPE = 8,
	STRING_LENGTH = 16, /* the hash follows */
	STRING_STATE = 32,
	BYTES_SIZE = 16,
	BYTES_DATA = 32,
};

/* The part of a code object that is read, around the words that tell it from another. */
static int set_code(struct fg_script_layout *layout, const uint32_t words[5], struct fg_err *err)
{
	struct fg_bpf_script *bpf = &layout->bpf;
	uint32_t low = words[0], high = words[0];

	for (int i = 1; i < 5; i++) {
		low = FG_MIN(low, words[i]);
		high = FG_MAX(high, words[i]);
	}
	low &= ~7u;
	if (high - low + 8 >= FG_SCRIPT_CODE_BYTES || high >= STRUCT_MAX)
		return fg_err_set(err, FG_E_INVALID, "a code object of more than %d bytes",
				  FG_SCRIPT_CODE_BYTES);
	bpf->code_start = (uint16_t)low;
	bpf->code_bytes = (uint16_t)(high + 8 - low);
	bpf->code_name = (uint16_t)(words[0] - low);
	bpf->code_file = (uint16_t)(words[1] - low);
	bpf->code_scope = (uint16_t)(words[2] - low);
	bpf->code_line = (uint16_t)(words[3] - low);
	bpf->code_is = (uint16_t)(words[4] - low);
	return 0;
}

static int make_python(const struct python *from, uint64_t address, struct fg_script_layout *layout,
		       struct fg_err *err)
{
	/* Before 3.11 there is no qualified name; and each frame is a call of the native loop. */
	bool qualified = from->code_qualname != 0;
	const uint32_t words[] = {
		from->code_name, from->code_file, qualified ? from->code_qualname : from->code_name,
		from->code_line, OBJECT_TYPE,
	};

	layout->bpf = (struct fg_bpf_script){
		.head = address + from->runtime_head,
		.entry_mask = from->frame_entry ? 0xff : 0,
		.interp_next = INTERP_NEXT,
		.interp_threads = from->interp_threads,
		.thread_next = THREAD_NEXT,
		.thread_id = from->thread_id,
		.thread_frame = from->thread_frame,
		.cframe_frame = from->cframe_frame,
		.cframe_previous = from->cframe_previous,
		.frame_bytes = from->frame_bytes,
		.frame_code = from->frame_code,
		.frame_previous = from->frame_previous,
		.frame_instr = from->frame_instr,
		.frame_entry = from->frame_entry,
		.frame_owner = from->frame_owner,
		.code_instr = from->code_instr,
		.string_same = STRING_LENGTH,
		.kind = FG_SCRIPT_PYTHON,
		.place = qualified ? FG_PLACE_POINTER : FG_PLACE_INDEX,
		.shim_owner = from->shim_owner,
	};
	layout->bpf.string_data = from->ascii_size;
	layout->bpf.string_state = STRING_STATE;
	layout->string_length = STRING_LENGTH;
	layout->string_state = STRING_STATE;
	layout->ascii_data = from->ascii_size;
	layout->wide_data = from->wide_size;
	layout->line_table = from->code_table;
	layout->bytes_size = BYTES_SIZE;
	layout->bytes_data = BYTES_DATA;
	layout->lines = from->lines;
	return set_code(layout, words, err);
}

/* Places of the fields in _Py_DebugOffsets, in words: each version has more of some. */
enum field {
	RUNTIME_HEAD,
	INTERP_NEXT_FIELD,
	INTERP_THREADS,
	THREAD_NEXT_FIELD,
	THREAD_FRAME,
	THREAD_ID,
	FRAME_PREVIOUS,
	FRAME_CODE,
	FRAME_INSTR,
	FRAME_OWNER,
	CODE_FILE,
	CODE_NAME,
	CODE_QUALNAME,
	CODE_TABLE,
	CODE_LINE,
	CODE_INSTR,
	BYTES_SIZE_FIELD,
	BYTES_DATA_FIELD,
	STRING_STATE_FIELD,
	STRING_LENGTH_FIELD,
	ASCII_SIZE,
	OBJECT_TYPE_FIELD,
	FIELD_COUNT
};
enum { WORD_COOKIE = 0, WORD_VERSION = 1, WORD_FREE_THREADED = 2 };
static const uint8_t places_3_13[FIELD_COUNT] = {
	[RUNTIME_HEAD] = 5,        [INTERP_NEXT_FIELD] = 8,    [INTERP_THREADS] = 9,
	[THREAD_NEXT_FIELD] = 21,  [THREAD_FRAME] = 23,        [THREAD_ID] = 24,
	[FRAME_PREVIOUS] = 29,     [FRAME_CODE] = 30,          [FRAME_INSTR] = 31,
	[FRAME_OWNER] = 33,        [CODE_FILE] = 35,           [CODE_NAME] = 36,
	[CODE_QUALNAME] = 37,      [CODE_TABLE] = 38,          [CODE_LINE] = 39,
	[CODE_INSTR] = 43,         [BYTES_SIZE_FIELD] = 65,    [BYTES_DATA_FIELD] = 66,
	[STRING_STATE_FIELD] = 68, [STRING_LENGTH_FIELD] = 69, [ASCII_SIZE] = 70,
	[OBJECT_TYPE_FIELD] = 45,
};
static const uint8_t places_3_14[FIELD_COUNT] = {
	[RUNTIME_HEAD] = 5,        [INTERP_NEXT_FIELD] = 8,    [INTERP_THREADS] = 9,
	[THREAD_NEXT_FIELD] = 24,  [THREAD_FRAME] = 26,        [THREAD_ID] = 27,
	[FRAME_PREVIOUS] = 32,     [FRAME_CODE] = 33,          [FRAME_INSTR] = 34,
	[FRAME_OWNER] = 36,        [CODE_FILE] = 40,           [CODE_NAME] = 41,
	[CODE_QUALNAME] = 42,      [CODE_TABLE] = 43,          [CODE_LINE] = 44,
	[CODE_INSTR] = 48,         [BYTES_SIZE_FIELD] = 75,    [BYTES_DATA_FIELD] = 76,
	[STRING_STATE_FIELD] = 78, [STRING_LENGTH_FIELD] = 79, [ASCII_SIZE] = 80,
	[OBJECT_TYPE_FIELD] = 51,
};
static const uint8_t places_3_15[FIELD_COUNT] = {
	[RUNTIME_HEAD] = 5,        [INTERP_NEXT_FIELD] = 8,    [INTERP_THREADS] = 9,
	[THREAD_NEXT_FIELD] = 24,  [THREAD_FRAME] = 26,        [THREAD_ID] = 30,
	[FRAME_PREVIOUS] = 40,     [FRAME_CODE] = 41,          [FRAME_INSTR] = 42,
	[FRAME_OWNER] = 44,        [CODE_FILE] = 48,           [CODE_NAME] = 49,
	[CODE_QUALNAME] = 50,      [CODE_TABLE] = 51,          [CODE_LINE] = 52,
	[CODE_INSTR] = 56,         [BYTES_SIZE_FIELD] = 87,    [BYTES_DATA_FIELD] = 88,
	[STRING_STATE_FIELD] = 90, [STRING_LENGTH_FIELD] = 91, [ASCII_SIZE] = 92,
	[OBJECT_TYPE_FIELD] = 59,
};
static const struct {
	uint32_t version;
	const uint8_t *places;
} debug_pythons[] = {
	{PYTHON_DEBUG, places_3_13},
	{FG_SCRIPT_VERSION(3, 14), places_3_14},
	{FG_SCRIPT_VERSION(3, 15), places_3_15},
};

static const uint8_t *find_places(uint32_t version)
{
	for (size_t i = 0; i < FG_ARRAY_LEN(debug_pythons); i++) {
		if (debug_pythons[i].version == version)
			return debug_pythons[i].places;
	}
	return NULL;
}

static int check_debug(uint32_t version, const uint64_t *debug, struct fg_err *err)
{
	if (!debug || memcmp(debug, "xdebugpy", 8) != 0)
		return fg_err_set(err, FG_E_INVALID, "_PyRuntime has no table of offsets");
	/* PY_VERSION_HEX: major and minor in the upper half. */
	if (debug[WORD_VERSION] >> 16 != version)
		return fg_err_set(err, FG_E_INVALID, "_PyRuntime is of another version");
	return 0;
}

/* The target wrote this: every offset stays inside a struct of plausible size. */
static int read_debug(const uint8_t *places, const uint64_t *debug, uint64_t out[FIELD_COUNT],
		      struct fg_err *err)
{
	for (int i = 0; i < FIELD_COUNT; i++) {
		bool wide = i == RUNTIME_HEAD || i == INTERP_NEXT_FIELD || i == INTERP_THREADS;
		bool frame = i >= FRAME_PREVIOUS && i <= FRAME_OWNER;
		uint64_t limit = wide    ? INTERPRETER_MAX
				 : frame ? FG_SCRIPT_FRAME_BYTES - 8
					 : STRUCT_MAX - 8;

		out[i] = debug[places[i]];
		if (out[i] >= limit)
			return fg_err_set(err, FG_E_INVALID, "offset %d of _PyRuntime is %llu", i,
					  (unsigned long long)out[i]);
	}
	static const struct {
		uint8_t field, bytes;
	} aligned[] = {
		{FRAME_PREVIOUS, 8}, {FRAME_CODE, 8},    {FRAME_INSTR, 8},       {CODE_NAME, 8},
		{CODE_FILE, 8},      {CODE_QUALNAME, 8}, {OBJECT_TYPE_FIELD, 8}, {CODE_LINE, 4},
	};

	for (size_t i = 0; i < FG_ARRAY_LEN(aligned); i++) {
		if (out[aligned[i].field] % aligned[i].bytes)
			return fg_err_set(err, FG_E_INVALID, "offset %u of _PyRuntime is odd",
					  aligned[i].field);
	}
	return 0;
}

static int make_debug_python(uint32_t version, uint64_t address, const uint64_t *debug,
			     struct fg_script_layout *layout, struct fg_err *err)
{
	uint64_t at[FIELD_COUNT];
	int rc = check_debug(version, debug, err);

	if (!rc)
		rc = read_debug(find_places(version), debug, at, err);
	if (rc)
		return rc;
	uint64_t frame_end = at[FRAME_OWNER] + 1;

	frame_end = FG_MAX(frame_end, at[FRAME_PREVIOUS] + 8);
	frame_end = FG_MAX(frame_end, at[FRAME_CODE] + 8);
	frame_end = FG_MAX(frame_end, at[FRAME_INSTR] + 8);
	layout->bpf = (struct fg_bpf_script){
		.head = address + at[RUNTIME_HEAD],
		.interp_next = (uint32_t)at[INTERP_NEXT_FIELD],
		.interp_threads = (uint32_t)at[INTERP_THREADS],
		.thread_next = (uint16_t)at[THREAD_NEXT_FIELD],
		.thread_id = (uint16_t)at[THREAD_ID],
		.thread_frame = (uint16_t)at[THREAD_FRAME],
		.cframe_frame = FG_SCRIPT_NO_OFFSET,
		.frame_bytes = (uint16_t)frame_end,
		.frame_code = (uint16_t)at[FRAME_CODE],
		.frame_previous = (uint16_t)at[FRAME_PREVIOUS],
		.frame_instr = (uint16_t)at[FRAME_INSTR],
		.frame_owner = (uint16_t)at[FRAME_OWNER],
		.code_instr = (uint16_t)at[CODE_INSTR],
		.string_same = (uint16_t)at[STRING_LENGTH_FIELD],
		.kind = FG_SCRIPT_PYTHON,
		.place = FG_PLACE_POINTER,
		.shim_owner = OWNER_CSTACK,
	};
	const uint32_t words[] = {(uint32_t)at[CODE_NAME], (uint32_t)at[CODE_FILE],
				  (uint32_t)at[CODE_QUALNAME], (uint32_t)at[CODE_LINE],
				  (uint32_t)at[OBJECT_TYPE_FIELD]};

	layout->bpf.string_data = (uint16_t)at[ASCII_SIZE];
	layout->bpf.string_state = (uint16_t)at[STRING_STATE_FIELD];
	layout->string_length = (uint16_t)at[STRING_LENGTH_FIELD];
	layout->string_state = (uint16_t)at[STRING_STATE_FIELD];
	layout->ascii_data = (uint16_t)at[ASCII_SIZE];
	layout->wide_data = (uint16_t)(at[ASCII_SIZE] + 16); /* utf8_length, utf8 */
	layout->line_table = (uint16_t)at[CODE_TABLE];
	layout->bytes_size = (uint16_t)at[BYTES_SIZE_FIELD];
	layout->bytes_data = (uint16_t)at[BYTES_DATA_FIELD];
	/* Free-threaded builds run copies of the code that lie elsewhere: no line is known. */
	bool copies = debug[WORD_FREE_THREADED] && version != PYTHON_DEBUG;

	layout->lines = copies ? FG_LINES_NONE : FG_LINES_LOCATIONS;
	return set_code(layout, words, err);
}

static int make_php(uint32_t version, uint64_t address, struct fg_script_layout *layout,
		    struct fg_err *err)
{
	enum { NAME = 8, SCOPE = 16, CURRENT = 488, TOP_CALL = 1 << 17, NATIVE_BYTES = 24 };
	static const struct {
		uint32_t version;
		uint16_t file;
	} files[] = {
		{FG_SCRIPT_VERSION(8, 0), 144}, {FG_SCRIPT_VERSION(8, 1), 144},
		{FG_SCRIPT_VERSION(8, 2), 152}, {FG_SCRIPT_VERSION(8, 3), 144},
		{FG_SCRIPT_VERSION(8, 4), 168},
	};
	uint16_t file = 0;

	for (size_t i = 0; i < FG_ARRAY_LEN(files); i++)
		file = files[i].version == version ? files[i].file : file;
	if (!file)
		return fg_err_set(err, FG_E_UNSUPPORTED,
				  "PHP %u.%u is not known: native frames only", version >> 8,
				  version & 0xff);
	/* The first line is behind the file's name. */
	const uint32_t words[] = {NAME, file, SCOPE, file + 8u, NAME};

	layout->bpf = (struct fg_bpf_script){
		.head = address + CURRENT,
		.entry_mask = TOP_CALL,
		.frame_bytes = 56,
		.frame_code = 24,
		.frame_previous = 48,
		.frame_instr = 0,
		.frame_entry = 40,
		.string_same = 8, /* hash and length */
		.kind = FG_SCRIPT_PHP,
		.place = FG_PLACE_LINE,
		.native_type = 1, /* ZEND_INTERNAL_FUNCTION */
		.line_instr = 24,
		.scope_name = 8,
		.string_data = 24,
	};
	layout->string_length = 16;
	layout->ascii_data = 24;
	int rc = set_code(layout, words, err);

	/* Of functions written in C only name and scope are read. */
	layout->bpf.native_bytes = NATIVE_BYTES - NAME;
	return rc;
}

bool fg_script_layout_needs_debug(uint32_t kind, uint32_t version)
{
	return kind == FG_RUNTIME_PYTHON && version >= PYTHON_DEBUG;
}

int fg_script_layout_make(uint32_t kind, uint32_t version, uint64_t address, const uint64_t *debug,
			  struct fg_script_layout *ret, struct fg_err *err)
{
	struct fg_script_layout layout = {.runtime = FG_SCRIPT_RUNTIME(kind, version)};
	int rc = -1;

	if (kind == FG_RUNTIME_PHP) {
		rc = make_php(version, address, &layout, err);
	} else if (kind == FG_RUNTIME_PYTHON && find_places(version)) {
		rc = make_debug_python(version, address, debug, &layout, err);
	} else {
		const struct python *known = NULL;

		for (size_t i = 0; i < FG_ARRAY_LEN(pythons); i++) {
			if (kind == FG_RUNTIME_PYTHON && pythons[i].version == version)
				known = &pythons[i];
		}
		rc = known ? make_python(known, address, &layout, err)
			   : fg_err_set(err, FG_E_UNSUPPORTED,
					"%s %u.%u is not known: native frames only",
					kind == FG_RUNTIME_PYTHON ? "Python" : "interpreter",
					version >> 8, version & 0xff);
	}
	if (!rc)
		*ret = layout;
	return rc;
}
