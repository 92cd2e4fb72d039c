/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/kernel_names.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "gate/base/file.h"
#include "gate/base/num.h"

static const char path[] = "/proc/kallsyms";

/* "ffffffff81000000 T name": the address, and what follows it. */
static bool split(const char *line, size_t len, uint64_t *ret_address, const char **ret_rest)
{
	const char *space = memchr(line, ' ', len);

	if (!space || len - (size_t)(space - line) < 4 || space[2] != ' ' ||
	    fg_num_hex(line, (size_t)(space - line), ret_address, NULL) != 0)
		return false;
	*ret_rest = space;
	return true;
}

static bool is_code(char type)
{
	return type == 'T' || type == 't' || type == 'W' || type == 'w';
}

static bool find_text(const char *text, size_t len, uint64_t *ret)
{
	static const char name[] = " T _text";

	for (const char *line = text, *end = text + len; line < end;) {
		const char *stop = memchr(line, '\n', (size_t)(end - line)), *rest;

		stop = stop ? stop : end;
		if (split(line, (size_t)(stop - line), ret, &rest) &&
		    (size_t)(stop - rest) == sizeof(name) - 1 &&
		    memcmp(rest, name, sizeof(name) - 1) == 0)
			return *ret > FG_KERNEL_NAMES_BASE;
		line = stop + 1;
	}
	return false;
}

int fg_kernel_names_shift(const char *text, size_t len, struct fg_buf *ret, uint64_t *ret_shift,
			  struct fg_err *err)
{
	uint64_t start;

	fg_buf_init(ret, FG_KERNEL_NAMES_BYTES_MAX);
	if (!find_text(text, len, &start))
		return fg_err_set(err, FG_E_NO_DATA, "%s has no addresses", path);
	uint64_t shift = start - FG_KERNEL_NAMES_BASE;

	for (const char *line = text, *end = text + len; line < end;) {
		const char *stop = memchr(line, '\n', (size_t)(end - line)), *rest;
		uint64_t address;

		stop = stop ? stop : end;
		if (split(line, (size_t)(stop - line), &address, &rest) && is_code(rest[1]) &&
		    address)
			fg_buf_addf(ret, "%016llx%.*s\n", (unsigned long long)(address - shift),
				    (int)(stop - rest), rest);
		line = stop + 1;
	}
	*ret_shift = shift;
	return fg_buf_check(ret, err);
}

/* Nobody changes it on the way to a client that trusts it. */
static int write_sealed(const struct fg_buf *bytes, struct fg_err *err)
{
	int fd = memfd_create("kallsyms", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return fg_err_errno(err, errno, "memfd for the kernel's names");
	int rc = fg_file_write_fd(fd, "memfd", bytes->data, bytes->len, err);

	if (!rc && lseek(fd, 0, SEEK_SET) != 0)
		rc = fg_err_errno(err, errno, "memfd for the kernel's names");
	if (!rc)
		(void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	if (rc)
		close(fd);
	return rc ? rc : fd;
}

int fg_kernel_names_open(bool as_they_are, struct fg_kernel_names *ret, struct fg_err *err)
{
	FG_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	FG_AUTO_BUF struct fg_buf text = {0};
	FG_AUTO_BUF struct fg_buf shifted = {0};
	struct fg_kernel_names names = {.fd = -1, .hidden = !as_they_are};
	struct fg_err ignored;

	if (fd >= 0 && as_they_are) {
		names.fd = fd;
		fd = -1;
	} else if (fd >= 0) {
		fg_buf_init(&text, FG_KERNEL_NAMES_BYTES_MAX);
		int rc = fg_file_read_fd(fd, path, FG_KERNEL_NAMES_BYTES_MAX, &text, &ignored);

		if (!rc)
			rc = fg_kernel_names_shift(text.data, text.len, &shifted, &names.shift,
						   &ignored);
		if (!rc) {
			names.fd = write_sealed(&shifted, err);
			if (names.fd < 0)
				return names.fd;
			names.hidden = false;
		}
	}
	*ret = names;
	return 0;
}

uint64_t fg_kernel_names_address(const struct fg_kernel_names *names, uint64_t address)
{
	return names->hidden ? 0 : address - names->shift;
}
