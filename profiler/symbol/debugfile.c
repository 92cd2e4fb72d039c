/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/symbol/debugfile.h"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <gelf.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "gate/base/file.h"
#include "profiler/unwind/elf_open.h"

enum { LZMA_MEMORY_MAX = 64 << 20 };

void fg_debugfile_build_id(struct Elf *elf, char ret[41])
{
	static const char digits[] = "0123456789abcdef";
	const void *bytes;
	ssize_t len = dwelf_elf_gnu_build_id(elf, &bytes);
	const uint8_t *byte = bytes;

	ret[0] = '\0';
	if (len <= 0 || len > 20)
		return;
	for (ssize_t i = 0; i < len; i++) {
		ret[2 * i] = digits[byte[i] >> 4];
		ret[2 * i + 1] = digits[byte[i] & 15];
	}
	ret[2 * len] = '\0';
}

static int open_regular(const char *path)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd >= 0 && (fstat(fd, &status) || !S_ISREG(status.st_mode))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool has_build_id(int fd, const char *wanted)
{
	char found[41];
	Elf *elf = fg_elf_open(fd);

	if (!elf)
		return false;
	fg_debugfile_build_id(elf, found);
	elf_end(elf);
	return strcmp(found, wanted) == 0;
}

static int open_by_build_id(const char *build_id, const char *debug_root)
{
	char path[FG_PATH_MAX];

	if (strlen(build_id) < 4 || fg_file_path(path, NULL, "%s/.build-id/%.2s/%s.debug",
						 debug_root, build_id, build_id + 2))
		return -1;
	int fd = open_regular(path);

	if (fd >= 0 && !has_build_id(fd, build_id)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool has_crc(int fd, uint32_t wanted)
{
	enum { CHUNK_BYTES = 64 << 10 };
	FG_AUTO_FREE uint8_t *chunk = malloc(CHUNK_BYTES);
	uLong crc = crc32(0, NULL, 0);
	off_t at = 0;
	ssize_t got;

	if (!chunk)
		return false;
	while ((got = pread(fd, chunk, CHUNK_BYTES, at)) > 0) {
		crc = crc32(crc, chunk, (uInt)got);
		at += got;
	}
	return got == 0 && crc == wanted;
}

static int open_checked(const char *path, const char *build_id, uint32_t crc)
{
	int fd = open_regular(path);

	if (fd >= 0 && !(build_id[0] && has_build_id(fd, build_id)) && !has_crc(fd, crc)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* The three places where GDB looks. */
static int open_by_link(struct Elf *elf, const char *build_id, const char *path,
			const char *debug_root)
{
	GElf_Word crc;
	const char *name = dwelf_elf_gnu_debuglink(elf, &crc);
	const char *slash = strrchr(path, '/');
	int dir_len = slash ? (int)FG_MIN(slash - path, FG_PATH_MAX) : 0;
	char candidates[3][FG_PATH_MAX];

	if (!name || !name[0] || strchr(name, '/') || !slash)
		return -1;
	if (fg_file_path(candidates[0], NULL, "%.*s/%s", dir_len, path, name) ||
	    fg_file_path(candidates[1], NULL, "%.*s/.debug/%s", dir_len, path, name) ||
	    fg_file_path(candidates[2], NULL, "%s%.*s/%s", debug_root, dir_len, path, name))
		return -1;
	for (size_t i = 0; i < FG_ARRAY_LEN(candidates); i++) {
		int fd = open_checked(candidates[i], build_id, crc);

		if (fd >= 0)
			return fd;
	}
	return -1;
}

int fg_debugfile_open(struct Elf *elf, const char *path, const char *debug_root)
{
	char build_id[41];

	fg_debugfile_build_id(elf, build_id);
	int fd = open_by_build_id(build_id, debug_root);

	return fd >= 0 ? fd : open_by_link(elf, build_id, path, debug_root);
}

int fg_debugfile_fetch(struct Elf *elf, const struct fg_debug_fetch *fetch)
{
	char build_id[41];

	fg_debugfile_build_id(elf, build_id);
	int fd = fetch->open && build_id[0] ? fetch->open(fetch->context, build_id) : -1;

	if (fd >= 0 && !has_build_id(fd, build_id)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

bool fg_debugfile_has_symbols(struct Elf *elf)
{
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;

		if (gelf_getshdr(scn, &shdr) && shdr.sh_type == SHT_SYMTAB)
			return true;
	}
	return false;
}

static Elf_Data *find_section(struct Elf *elf, const char *wanted)
{
	size_t names;
	Elf_Scn *scn = NULL;

	if (elf_getshdrstrndx(elf, &names))
		return NULL;
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;

		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type != SHT_PROGBITS)
			continue;
		const char *name = elf_strptr(elf, names, shdr.sh_name);

		if (name && strcmp(name, wanted) == 0)
			return elf_rawdata(scn, NULL);
	}
	return NULL;
}

/* Decodes into a buffer that doubles up to the maximum. */
static bool unpack(lzma_stream *stream, uint8_t **out, size_t *ret_len)
{
	size_t capacity = 0;
	lzma_ret state = LZMA_OK;

	while (state == LZMA_OK) {
		size_t used = (size_t)stream->total_out;

		if (stream->avail_out == 0) {
			capacity = capacity ? capacity * 2 : 256 << 10;
			uint8_t *grown =
				capacity <= FG_MINIDEBUG_BYTES_MAX ? realloc(*out, capacity) : NULL;

			if (!grown)
				return false;
			*out = grown;
			stream->next_out = grown + used;
			stream->avail_out = capacity - used;
		}
		state = lzma_code(stream, LZMA_FINISH);
	}
	*ret_len = (size_t)stream->total_out;
	return state == LZMA_STREAM_END;
}

void *fg_debugfile_unpack(struct Elf *elf, size_t *ret_len)
{
	Elf_Data *data = find_section(elf, ".gnu_debugdata");
	lzma_stream stream = LZMA_STREAM_INIT;
	uint8_t *out = NULL;

	if (!data || !data->d_buf || lzma_stream_decoder(&stream, LZMA_MEMORY_MAX, 0) != LZMA_OK)
		return NULL;
	stream.next_in = data->d_buf;
	stream.avail_in = data->d_size;
	bool good = unpack(&stream, &out, ret_len);

	lzma_end(&stream);
	if (good)
		return out;
	free(out);
	return NULL;
}
