/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/unwind/memory_elf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/base/file.h"
#include "profiler/unwind/slow_file.h"

#if defined(__x86_64__)
enum { OWN_MACHINE = EM_X86_64 };
#else
enum { OWN_MACHINE = EM_AARCH64 };
#endif

struct headers {
	Elf64_Ehdr elf;
	Elf64_Phdr segments[FG_MEMORY_ELF_SEGMENTS_MAX];
	uint64_t bias;
	size_t len; /* of the image */
};

static bool header_is_sound(const Elf64_Ehdr *header)
{
	return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
	       header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_ident[EI_DATA] == ELFDATA2LSB &&
	       header->e_machine == OWN_MACHINE && header->e_phentsize == sizeof(Elf64_Phdr) &&
	       header->e_phnum > 0 && header->e_phnum <= FG_MEMORY_ELF_SEGMENTS_MAX &&
	       header->e_phoff >= sizeof(*header) && header->e_phoff <= 4096;
}

/* Data that the program writes to is neither needed nor what the file held. */
static bool is_wanted(const Elf64_Phdr *segment)
{
	return segment->p_type == PT_LOAD && !(segment->p_flags & PF_W) && segment->p_filesz;
}

static int measure(struct headers *headers, uint64_t base, struct fg_err *err)
{
	const Elf64_Phdr *first = NULL;
	uint64_t len = headers->elf.e_phoff + headers->elf.e_phnum * sizeof(Elf64_Phdr);

	for (size_t i = 0; i < headers->elf.e_phnum; i++) {
		const Elf64_Phdr *segment = &headers->segments[i];
		uint64_t end;

		if (segment->p_type == PT_LOAD && !first)
			first = segment;
		if (!is_wanted(segment))
			continue;
		if (__builtin_add_overflow(segment->p_offset, segment->p_filesz, &end) ||
		    end > FG_MEMORY_ELF_MAX)
			return fg_err_set(err, FG_E_LIMIT, "more than %d MiB in memory",
					  FG_MEMORY_ELF_MAX >> 20);
		len = FG_MAX(len, end);
	}
	/* The header is a part of the first segment. */
	if (!first || first->p_offset)
		return fg_err_set(err, FG_E_INVALID, "no segment holds the ELF header");
	headers->bias = base - first->p_vaddr;
	headers->len = (size_t)len;
	return 0;
}

static int read_headers(fg_memory_read_fn *read, void *context, uint64_t base,
			struct headers *headers, struct fg_err *err)
{
	if (!read(context, base, &headers->elf, sizeof(headers->elf)) ||
	    !header_is_sound(&headers->elf) ||
	    !read(context, base + headers->elf.e_phoff, headers->segments,
		  headers->elf.e_phnum * sizeof(Elf64_Phdr)))
		return fg_err_set(err, FG_E_INVALID, "no ELF header at 0x%llx",
				  (unsigned long long)base);
	return measure(headers, base, err);
}

int fg_memory_elf_build(fg_memory_read_fn *read, void *context, uint64_t base, uint8_t **ret_image,
			size_t *ret_len, struct fg_err *err)
{
	struct headers headers;
	FG_AUTO_FREE uint8_t *image = NULL;
	int rc = read_headers(read, context, base, &headers, err);

	if (rc)
		return rc;
	image = calloc(1, headers.len);
	if (!image)
		return fg_err_nomem(err);
	for (size_t i = 0; i < headers.elf.e_phnum; i++) {
		const Elf64_Phdr *segment = &headers.segments[i];

		if (is_wanted(segment) &&
		    !read(context, headers.bias + segment->p_vaddr, image + segment->p_offset,
			  (size_t)segment->p_filesz))
			return fg_err_set(err, FG_E_IO, "a segment is not readable in memory");
	}
	/* After the segments: the first one brought the file's own header along. */
	headers.elf.e_shoff = 0;
	headers.elf.e_shnum = 0;
	headers.elf.e_shstrndx = 0;
	memcpy(image, &headers.elf, sizeof(headers.elf));
	memcpy(image + headers.elf.e_phoff, headers.segments,
	       headers.elf.e_phnum * sizeof(Elf64_Phdr));
	*ret_image = image;
	*ret_len = headers.len;
	image = NULL;
	return 0;
}

static bool read_memory(void *context, uint64_t address, void *to, size_t len)
{
	const int *memory = context;

	for (size_t done = 0; done < len;) {
		ssize_t got =
			pread(*memory, (uint8_t *)to + done, len - done, (off_t)(address + done));

		if (got <= 0)
			return false;
		done += (size_t)got;
	}
	return true;
}

static int read_here(pid_t pid, const struct fg_mapping *mapping, uint8_t **ret_image,
		     size_t *ret_len, struct fg_err *err)
{
	enum { STEPS = 64, STEP_BYTES = 4096 };
	char path[64];
	uint64_t base = mapping->start - mapping->offset;
	FG_AUTO_CLOSE int memory = -1;

	if (mapping->offset > mapping->start)
		return fg_err_set(err, FG_E_INVALID, "no ELF header below the mapping");
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	memory = open(path, O_RDONLY | O_CLOEXEC);
	if (memory < 0)
		return fg_err_errno(err, errno, "%s", path);
	int rc = fg_memory_elf_build(read_memory, &memory, base, ret_image, ret_len, err);

	/* lld moves each segment a page further up than its offset. */
	for (unsigned i = 1; rc == -FG_E_INVALID && i < STEPS && base > STEP_BYTES; i++) {
		base -= STEP_BYTES;
		rc = fg_memory_elf_build(read_memory, &memory, base, ret_image, ret_len, err);
	}
	return rc;
}

struct slow_memory {
	pid_t pid;
	const struct fg_mapping *mapping;
};

static int put_slow(const void *context, int memory)
{
	const struct slow_memory *slow = context;
	uint8_t *image = NULL;
	size_t len = 0;

	if (read_here(slow->pid, slow->mapping, &image, &len, NULL) != 0)
		return FG_SLOW_UNREADABLE;
	return fg_slow_put(memory, image, len); /* and then the child ends */
}

static int read_all(int fd, uint8_t **ret_image, size_t *ret_len, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf bytes = {.max = FG_MEMORY_ELF_MAX + 1};
	int rc = fg_file_read_fd(fd, "the copy", FG_MEMORY_ELF_MAX, &bytes, err);

	if (rc)
		return rc;
	*ret_len = bytes.len;
	*ret_image = (uint8_t *)fg_buf_take(&bytes, NULL);
	return *ret_image ? 0 : fg_err_nomem(err);
}

int fg_memory_elf_read(pid_t pid, const struct fg_mapping *mapping, uint8_t **ret_image,
		       size_t *ret_len, struct fg_err *err)
{
	const struct slow_memory slow = {pid, mapping};

	if (!fg_mapping_is_slow(pid, mapping))
		return read_here(pid, mapping, ret_image, ret_len, err);
	/* A page that is not there yet comes from the file system, which may not answer. */
	FG_AUTO_CLOSE int fd = fg_slow_run(put_slow, &slow, FG_SLOW_FILE_MS, err);

	return fd < 0 ? fd : read_all(fd, ret_image, ret_len, err);
}
