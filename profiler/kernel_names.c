/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/kernel_names.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "gate/base/file.h"
#include "gate/base/num.h"
#include "profiler/wire.pb-c.h"

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

static int send_fd(int fd, struct fg_wire *wire, struct fg_err *err)
{
	Fg__Wire__Empty empty = FG__WIRE__EMPTY__INIT;

	if (fg_wire_can_pass_fd(wire))
		return fg_wire_send(wire, FG_WIRE_KALLSYMS, &empty.base, fd, err);
	close(fd);
	return 0;
}

static int send_shifted(int fd, struct fg_wire *wire, struct fg_kernel_names *ret,
			struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {0};
	FG_AUTO_BUF struct fg_buf shifted = {0};
	struct fg_err ignored;

	fg_buf_init(&text, FG_KERNEL_NAMES_BYTES_MAX);
	if (fg_file_read_fd(fd, path, FG_KERNEL_NAMES_BYTES_MAX, &text, &ignored) != 0 ||
	    fg_kernel_names_shift(text.data, text.len, &shifted, &ret->shift, &ignored) != 0)
		return 0;
	int sealed = write_sealed(&shifted, err);

	if (sealed < 0)
		return sealed;
	ret->hidden = false;
	return send_fd(sealed, wire, err);
}

int fg_kernel_names_send(bool as_they_are, struct fg_wire *wire, struct fg_kernel_names *ret,
			 struct fg_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	*ret = (struct fg_kernel_names){.hidden = !as_they_are};
	if (fd < 0)
		return 0;
	if (as_they_are)
		return send_fd(fd, wire, err);
	int rc = send_shifted(fd, wire, ret, err);

	close(fd);
	return rc;
}

uint64_t fg_kernel_names_address(const struct fg_kernel_names *names, uint64_t address)
{
	return names->hidden ? 0 : address - names->shift;
}
