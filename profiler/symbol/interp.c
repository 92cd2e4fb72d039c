/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/symbol/interp.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "profiler/unwind/elf_open.h"
#include "profiler/unwind/fde.h"

/* libelf reads a section as a whole, and a sparse file's may be of any size. */
enum { SYMBOLS_MAX = 4 << 20, LOOP_BYTES_MAX = 4 << 20, RODATA_MAX = 64 << 20 };
enum { SECTION_BYTES_MAX = 256 << 20 };

enum wanted { PY_RUNTIME, PY_LOOP, PY_VERSION, PY_CODE, PHP_GLOBALS, PHP_LOOP, WANTED_COUNT };
static const char *const wanted_names[WANTED_COUNT] = {
	[PY_RUNTIME] = "_PyRuntime",        [PY_LOOP] = "_PyEval_EvalFrameDefault",
	[PY_VERSION] = "Py_Version",        [PY_CODE] = "PyCode_Type",
	[PHP_GLOBALS] = "executor_globals", [PHP_LOOP] = "execute_ex",
};

struct found {
	GElf_Sym symbols[WANTED_COUNT];
	bool has[WANTED_COUNT];
};

static void look_at(struct found *found, const char *name, const GElf_Sym *symbol)
{
	/* Most names fail on their first letter. */
	if (!name || (name[0] != '_' && name[0] != 'P' && name[0] != 'e'))
		return;
	for (int i = 0; i < WANTED_COUNT; i++) {
		if (!found->has[i] && strcmp(name, wanted_names[i]) == 0) {
			found->symbols[i] = *symbol;
			found->has[i] = true;
		}
	}
}

static void look_in(struct found *found, Elf *elf, Elf_Scn *scn, const GElf_Shdr *shdr)
{
	Elf_Data *data = shdr->sh_size <= SECTION_BYTES_MAX ? elf_getdata(scn, NULL) : NULL;
	size_t count = shdr->sh_entsize ? (size_t)(shdr->sh_size / shdr->sh_entsize) : 0;

	count = FG_MIN(count, (size_t)SYMBOLS_MAX);
	for (size_t i = 1; data && i < count; i++) {
		GElf_Sym symbol;

		if (!gelf_getsym(data, (int)i, &symbol))
			break;
		if (symbol.st_shndx != SHN_UNDEF && symbol.st_value)
			look_at(found, elf_strptr(elf, shdr->sh_link, symbol.st_name), &symbol);
	}
}

static void look_for_symbols(struct found *found, Elf *elf, unsigned type)
{
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;

		if (gelf_getshdr(scn, &shdr) && shdr.sh_type == type)
			look_in(found, elf, scn, &shdr);
	}
}

/* `len` bytes at `vaddr` as the file has them; NULL if it has none there. */
static const uint8_t *bytes_at(Elf *elf, uint64_t vaddr, size_t len)
{
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;

		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type == SHT_NOBITS ||
		    !(shdr.sh_flags & SHF_ALLOC) || vaddr < shdr.sh_addr ||
		    vaddr - shdr.sh_addr >= shdr.sh_size || shdr.sh_size > SECTION_BYTES_MAX)
			continue;
		Elf_Data *data = elf_rawdata(scn, NULL);
		uint64_t at = vaddr - shdr.sh_addr;

		if (data && data->d_buf && at <= data->d_size && len <= data->d_size - at)
			return (const uint8_t *)data->d_buf + at;
	}
	return NULL;
}

/* "3.11" from "libpython3.11.so.1.0", "8.2" from "8.2.36"; 0 if it is none. */
static uint32_t parse_version(const char *text)
{
	uint32_t parts[2] = {0};

	for (int i = 0; i < 2; i++) {
		size_t digits = strspn(text, "0123456789");

		if (!digits || digits > 2)
			return 0;
		for (size_t k = 0; k < digits; k++)
			parts[i] = parts[i] * 10 + (uint32_t)(text[k] - '0');
		text += digits;
		if (i == 0 && *text++ != '.')
			return 0;
	}
	return parts[0] << 8 | parts[1];
}

/* The version behind the words in read-only data. */
static uint32_t php_version(Elf *elf)
{
	static const char mark[] = "X-Powered-By: PHP/";
	enum { NUMBER = 6 };
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;
		Elf_Data *data;

		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type != SHT_PROGBITS ||
		    (shdr.sh_flags & (SHF_ALLOC | SHF_WRITE | SHF_EXECINSTR)) != SHF_ALLOC ||
		    shdr.sh_size > RODATA_MAX)
			continue;
		data = elf_rawdata(scn, NULL);
		if (!data || !data->d_buf || data->d_size < sizeof(mark) + NUMBER)
			continue;
		const char *hit =
			memmem(data->d_buf, data->d_size - NUMBER, mark, sizeof(mark) - 1);

		if (hit) {
			char number[NUMBER + 1] = {0};

			memcpy(number, hit + sizeof(mark) - 1, NUMBER);
			return parse_version(number);
		}
	}
	return 0;
}

/* From 3.11 on a constant; before, the file's name alone says it. */
static uint32_t python_version(Elf *elf, const struct found *found, const char *path)
{
	if (found->has[PY_VERSION]) {
		const uint8_t *bytes = bytes_at(elf, found->symbols[PY_VERSION].st_value, 4);

		/* PY_VERSION_HEX */
		if (bytes)
			return (uint32_t)bytes[3] << 8 | bytes[2];
	}
	const char *base = strrchr(path, '/');
	const char *name = strstr(base ? base : path, "python");
	uint32_t version = name ? parse_version(name + strlen("python")) : 0;

	return version >> 8 == 3 ? version : 0;
}

static void add_loop(struct fg_interp *interp, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < interp->loop_count; i++) {
		if (interp->loops[i].start == start)
			return;
	}
	if (interp->loop_count < FG_INTERP_LOOPS_MAX && start < end)
		interp->loops[interp->loop_count++] =
			(struct fg_interp_loop){.start = start, .end = end};
}

enum { CANDIDATES = 64, VOTES_MIN = 3, JUMP_BYTES = 6 };
struct candidates {
	struct {
		const struct fg_fde *fde;
		unsigned votes;
	} items[CANDIDATES];
	size_t count;
};

static void vote(struct candidates *candidates, const struct fg_fde *fde, uint64_t target)
{
	size_t k = 0;

	while (k < candidates->count && candidates->items[k].fde != fde)
		k++;
	if (k == CANDIDATES)
		return;
	candidates->items[k].fde = fde;
	candidates->items[k].votes += target != fde->start;
	candidates->count = FG_MAX(candidates->count, k + 1);
}

/* Where a jcc or jmp with 32 bits at code[i] leads; false if there is none. */
static bool read_jump(const uint8_t *code, size_t i, uint64_t start, uint64_t *ret)
{
	bool jcc = code[i] == 0x0f && (code[i + 1] & 0xf0) == 0x80;
	size_t at = jcc ? i + 2 : i + 1;
	int32_t distance;

	if (!jcc && code[i] != 0xe9)
		return false;
	memcpy(&distance, code + at, sizeof(distance));
	*ret = start + at + sizeof(distance) + (uint64_t)(int64_t)distance;
	return true;
}

/* Every byte is tried as the start of a jump: most are none, and what they seem to reach is
 * anywhere. Only a function that is reached behind its first instruction, and more than once or
 * twice, is a part that was moved away; calls and tail calls reach starts. */
void fg_interp_add_cold(const uint8_t *code, size_t len, uint64_t start, const struct fg_fdes *fdes,
			struct fg_interp *ret)
{
	struct candidates candidates = {0};

	for (size_t i = 0; i + JUMP_BYTES <= len; i++) {
		uint64_t target;

		if (!read_jump(code, i, start, &target) ||
		    (target >= start && target < start + len))
			continue;
		const struct fg_fde *fde = fg_fdes_find(fdes, target);

		if (fde && fde->start != start)
			vote(&candidates, fde, target);
	}
	for (size_t k = 0; k < candidates.count; k++) {
		if (candidates.items[k].votes >= VOTES_MIN)
			add_loop(ret, candidates.items[k].fde->start, candidates.items[k].fde->end);
	}
}

static void set_loops(Elf *elf, const GElf_Sym *loop, struct fg_interp *interp)
{
	struct fg_fdes fdes = {0};
	struct fg_err ignored;
	uint64_t start = loop->st_value, end;

	if (__builtin_add_overflow(start, loop->st_size, &end))
		end = start;
	if (fg_fdes_read(elf, &fdes, &ignored) == 0) {
		const struct fg_fde *fde = fg_fdes_find(&fdes, start);

		if (fde && fde->start == start)
			end = FG_MAX(end, fde->end);
	}
	size_t len = (size_t)FG_MIN(end - start, (uint64_t)LOOP_BYTES_MAX);
	const uint8_t *code = len ? bytes_at(elf, start, len) : NULL;

	add_loop(interp, start, end);
	if (code)
		fg_interp_add_cold(code, len, start, &fdes, interp);
	fg_fdes_done(&fdes);
}

/* Interpreters whose frames nobody reads yet: to say so. */
static enum fg_runtime native_only(const char *path)
{
	static const struct {
		const char *prefix;
		enum fg_runtime runtime;
	} names[] = {
		{"libruby", FG_RUNTIME_RUBY},
		{"ruby", FG_RUNTIME_RUBY},
		{"libcoreclr.so", FG_RUNTIME_DOTNET},
	};
	const char *base = strrchr(path, '/');

	base = base ? base + 1 : path;
	for (size_t i = 0; i < FG_ARRAY_LEN(names); i++) {
		if (fg_str_starts_with(base, names[i].prefix))
			return names[i].runtime;
	}
	return FG_RUNTIME_NATIVE;
}

static void detect(Elf *elf, const char *path, struct fg_interp *ret)
{
	struct found found = {0};
	const char *base = strrchr(path, '/');

	look_for_symbols(&found, elf, SHT_DYNSYM);
	base = base ? base : path;
	if (!found.has[PY_RUNTIME] && !found.has[PHP_GLOBALS] &&
	    (strstr(base, "python") || strstr(base, "php")))
		look_for_symbols(&found, elf, SHT_SYMTAB);
	if (found.has[PY_RUNTIME] && found.has[PY_LOOP]) {
		ret->runtime = FG_RUNTIME_PYTHON;
		ret->version = python_version(elf, &found, path);
		ret->address = found.symbols[PY_RUNTIME].st_value;
		if (found.has[PY_CODE])
			ret->code_type = found.symbols[PY_CODE].st_value;
		set_loops(elf, &found.symbols[PY_LOOP], ret);
	} else if (found.has[PHP_LOOP]) {
		ret->runtime = FG_RUNTIME_PHP;
		ret->version = php_version(elf);
		/* Thread-safe builds keep it per thread, where we do not look. */
		if (found.has[PHP_GLOBALS])
			ret->address = found.symbols[PHP_GLOBALS].st_value;
		set_loops(elf, &found.symbols[PHP_LOOP], ret);
	}
}

bool fg_interp_detect(int fd, const char *path, struct fg_interp *ret)
{
	struct fg_interp interp = {.runtime = native_only(path)};

	Elf *elf = fd >= 0 ? fg_elf_open(fd) : NULL;

	if (elf && elf_kind(elf) == ELF_K_ELF && gelf_getclass(elf) == ELFCLASS64)
		detect(elf, path, &interp);
	if (elf)
		elf_end(elf);
	if (interp.runtime == FG_RUNTIME_NATIVE)
		return false;
	*ret = interp;
	return true;
}
