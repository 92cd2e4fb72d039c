/* SPDX-License-Identifier: Apache-2.0 */
/* An interpreter's memory: names, lines and _Py_DebugOffsets are all the target's to write. */
#include <string.h>

#include "profiler/script_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BASE = 0x10000, HEAD = 24, IMAGE = 3 };

struct memory {
	const uint8_t *data;
	size_t size;
};

/* The input repeats below 2^20, so that most pointers lead somewhere. */
static bool read_memory(void *context, uint64_t address, void *out, size_t len)
{
	const struct memory *memory = context;

	if (address < BASE || address >= 1 << 20 || !memory->size)
		return false;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = memory->data[(address - BASE + i) % memory->size];
	return true;
}

/* The check that the BPF side would have sent for what stands there. */
static uint64_t check_of(const struct fg_script_layout *layout, uint64_t word,
			 const struct fg_script_memory *reader)
{
	const struct fg_bpf_script *how = &layout->bpf;
	uint64_t address = (word & FG_SCRIPT_WORD_ADDRESS) + how->code_start, hash = IMAGE;
	uint64_t name = 0, file = 0, scope = 0, same[2] = {0};
	uint32_t line = 0;
	bool native = word & FG_SCRIPT_WORD_NATIVE;

	(void)reader->read(reader->context, address + how->code_name, &name, sizeof(name));
	(void)reader->read(reader->context, address + how->code_scope, &scope, sizeof(scope));
	if (!native) {
		(void)reader->read(reader->context, address + how->code_file, &file, sizeof(file));
		(void)reader->read(reader->context, address + how->code_line, &line, sizeof(line));
	}
	(void)reader->read(reader->context, (name ? name : file) + how->string_same, same,
			   sizeof(same));
	const uint64_t words[] = {name, scope, file, line, same[0], same[1]};

	for (size_t i = 0; i < FG_ARRAY_LEN(words); i++)
		hash = fg_script_mix(hash, words[i]);
	return fg_script_check(hash);
}

static void check_text(const struct fg_script_text *text, bool utf8)
{
	assert(memchr(text->name, 0, sizeof(text->name)) && text->name[0]);
	assert(memchr(text->file, 0, sizeof(text->file)));
	assert(text->first_line <= FG_SCRIPT_LINE_MASK);
	for (const unsigned char *c = (const unsigned char *)text->name; *c; c++)
		assert(*c >= 0x20 && *c != 0x7f && (!utf8 || *c < 0xf8));
}

static void try_captured(const struct fg_script_layout *layout, const struct memory *memory)
{
	struct fg_bpf_script_name captured = {0};
	struct fg_script_text text;

	memcpy(&captured, memory->data, FG_MIN(memory->size, sizeof(captured)));
	if (fg_script_text_captured(layout, &captured, &text))
		check_text(&text, false);
}

static void try_layout(const struct fg_script_layout *layout, uint64_t word,
		       const struct memory *memory)
{
	const struct fg_script_memory reader = {.read = read_memory, .context = (void *)memory};
	uint64_t check = check_of(layout, word, &reader);
	struct fg_script_text text;

	if (fg_script_text_read(layout, IMAGE, word, check, &reader, &text))
		check_text(&text, layout->bpf.kind == FG_SCRIPT_PYTHON);
	for (uint32_t place = 0; place < 64; place += 7)
		assert(fg_script_line_read(layout, IMAGE, word, check, place, &reader) <=
		       FG_SCRIPT_LINE_MASK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t versions[] = {
		FG_SCRIPT_VERSION(3, 8),  FG_SCRIPT_VERSION(3, 9),  FG_SCRIPT_VERSION(3, 10),
		FG_SCRIPT_VERSION(3, 11), FG_SCRIPT_VERSION(3, 12), FG_SCRIPT_VERSION(3, 13),
		FG_SCRIPT_VERSION(3, 14), FG_SCRIPT_VERSION(8, 2),  FG_SCRIPT_VERSION(8, 4),
		FG_SCRIPT_VERSION(3, 15),
	};
	uint64_t debug[FG_SCRIPT_DEBUG_WORDS] = {0};
	struct fg_script_layout layout;
	struct memory memory;
	uint64_t word;
	uint32_t offset;

	if (size < HEAD)
		return 0;
	uint32_t version = versions[data[0] % FG_ARRAY_LEN(versions)];

	memcpy(&offset, data + 4, sizeof(offset));
	memory = (struct memory){.data = data + HEAD, .size = size - HEAD};
	memcpy(debug, memory.data, FG_MIN(memory.size, sizeof(debug)));
	/* Past cookie and version, which no mutation would find. */
	if (data[1] & 1) {
		memcpy(debug, "xdebugpy", 8);
		debug[1] = (uint64_t)version << 16;
	}
	if (fg_script_layout_make(version >> 8 == 3 ? FG_RUNTIME_PYTHON : FG_RUNTIME_PHP, version,
				  BASE, debug, &layout, NULL) != 0)
		return 0;
	assert(layout.bpf.code_bytes < FG_SCRIPT_CODE_BYTES);
	assert(layout.bpf.frame_bytes < FG_SCRIPT_FRAME_BYTES);
	try_captured(&layout, &memory);
	word = BASE + offset % 4096;
	try_layout(&layout, word, &memory);
	if (layout.bpf.native_type)
		try_layout(&layout, word | FG_SCRIPT_WORD_NATIVE, &memory);
	return 0;
}
