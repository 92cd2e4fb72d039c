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

struct line {
	const char *at, *rest; /* the address; what follows it */
	int rest_len;
	uint64_t address;
	bool loaded; /* "name\t[module]" */
};

/* The next line that names code; false at the end. */
static bool next_code(const char **text, const char *end, struct line *ret)
{
	while (*text < end) {
		const char *at = *text, *rest;
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		stop = stop ? stop : end;
		*text = stop + (stop < end);
		if (!split(at, (size_t)(stop - at), &ret->address, &rest) || !is_code(rest[1]) ||
		    !ret->address)
			continue;
		ret->at = at;
		ret->rest = rest;
		ret->rest_len = (int)(stop - rest);
		ret->loaded = memchr(rest, '\t', (size_t)(stop - rest)) != NULL;
		return true;
	}
	return false;
}

/* Where the image and what was loaded lie; false without `_text`. */
static bool measure(const char *text, const char *end, struct fg_kernel_names *ret)
{
	static const char first[] = " T _text";
	uint64_t last = 0, loaded = UINT64_MAX;
	struct line line;

	while (next_code(&text, end, &line)) {
		if (line.loaded)
			loaded = FG_MIN(loaded, line.address);
		else
			last = FG_MAX(last, line.address);
		if ((size_t)line.rest_len == sizeof(first) - 1 &&
		    memcmp(line.rest, first, sizeof(first) - 1) == 0)
			ret->image_start = line.address;
	}
	if (ret->image_start <= FG_KERNEL_NAMES_BASE)
		return false;
	ret->shift = ret->image_start - FG_KERNEL_NAMES_BASE;
	ret->image_end = last + FG_MIN((uint64_t)FG_KERNEL_NAMES_TAIL, UINT64_MAX - last);
	/* what follows the image closely is not its tail */
	if (loaded > last)
		ret->image_end = FG_MIN(ret->image_end, loaded);
	ret->loaded_shift = loaded != UINT64_MAX ? loaded - FG_KERNEL_NAMES_LOADED : 0;
	return true;
}

int fg_kernel_names_shift(const char *text, size_t len, struct fg_buf *ret,
			  struct fg_kernel_names *ret_names, struct fg_err *err)
{
	struct fg_kernel_names names = {0};
	const char *end = text + len;
	struct line line;

	fg_buf_init(ret, FG_KERNEL_NAMES_BYTES_MAX);
	if (!measure(text, end, &names))
		return fg_err_set(err, FG_E_NO_DATA, "%s has no addresses", path);
	while (next_code(&text, end, &line)) {
		uint64_t address = fg_kernel_names_address(&names, line.address);

		if (address)
			fg_buf_addf(ret, "%016llx%.*s\n", (unsigned long long)address,
				    line.rest_len, line.rest);
	}
	*ret_names = names;
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
	struct fg_kernel_names names;

	if (fg_file_read_fd(fd, path, FG_KERNEL_NAMES_BYTES_MAX, &text, &ignored) != 0 ||
	    fg_kernel_names_shift(text.data, text.len, &shifted, &names, &ignored) != 0)
		return 0;
	int sealed = write_sealed(&shifted, err);

	if (sealed < 0)
		return sealed;
	*ret = names;
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
	if (names->hidden)
		return 0;
	if (names->image_start >= names->image_end ||
	    (address >= names->image_start && address < names->image_end))
		return address - names->shift;
	return names->loaded_shift ? address - names->loaded_shift : 0;
}
