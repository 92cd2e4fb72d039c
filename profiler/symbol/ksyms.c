/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/symbol/ksyms.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/file.h"
#include "gate/base/num.h"
#include "gate/base/vec.h"
#include "profiler/symbol/elfsym.h"

/* kallsyms has no sizes: the last function of a region must not own all that follows. */
enum { SPAN_BYTES_MAX = 1 << 20 };

/* "ffffffff81000000 T name\t[module]", NUL-terminated; the tab becomes a space. */
static bool parse_line(char *line, size_t len, struct fg_ksym *ret, char *ret_type)
{
	char *space = memchr(line, ' ', len);

	if (!space || len - (size_t)(space - line) < 4 || space[2] != ' ' ||
	    fg_num_hex(line, (size_t)(space - line), &ret->address, NULL))
		return false;
	*ret_type = space[1];
	ret->name = space + 3;
	char *tab = strchr(space + 3, '\t');

	if (tab)
		*tab = ' ';
	return space[3] != '\0' && space[3] != ' ';
}

/* Code only: text and weak symbols, upper case when global. */
static bool is_code(char type, uint8_t *ret_binding)
{
	*ret_binding = type == 'T' ? 0 : type == 'W' || type == 'w' ? 1 : 2;
	return strchr("TtWw", type) != NULL && type != '\0';
}

static int parse_all(char *text, size_t len, struct fg_ksyms *ksyms, bool *ret_hidden,
		     struct fg_err *err)
{
	*ret_hidden = false;
	for (char *line = text, *end = text + len; line < end;) {
		struct fg_ksym symbol;
		char type;
		char *stop = memchr(line, '\n', (size_t)(end - line));

		if (!stop)
			stop = end;
		*stop = '\0';
		if (!parse_line(line, (size_t)(stop - line), &symbol, &type))
			return fg_err_set(err, FG_E_INVALID, "malformed line \"%.80s\"", line);
		line = stop + 1;
		if (!is_code(type, &symbol.binding))
			continue;
		if (symbol.address == 0) {
			*ret_hidden = true;
			continue;
		}
		int rc = FG_VEC_ROOM(ksyms, items, count, capacity, FG_KSYMS_MAX, err);

		if (rc)
			return rc;
		ksyms->items[ksyms->count++] = symbol;
	}
	return 0;
}

static int compare(const void *left, const void *right)
{
	const struct fg_ksym *a = left, *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return fg_elfsym_compare_names(a->name, a->binding, b->name, b->binding);
}

static void drop_aliases(struct fg_ksyms *ksyms)
{
	size_t kept = 0;

	qsort(ksyms->items, ksyms->count, sizeof(*ksyms->items), compare);
	for (size_t i = 0; i < ksyms->count; i++)
		if (!kept || ksyms->items[kept - 1].address != ksyms->items[i].address)
			ksyms->items[kept++] = ksyms->items[i];
	ksyms->count = kept;
}

int fg_ksyms_parse(char *text, size_t len, struct fg_ksyms *ret, struct fg_err *err)
{
	struct fg_ksyms ksyms = {.text = text};
	bool hidden;
	int rc = parse_all(text, len, &ksyms, &hidden, err);

	if (!rc && ksyms.count == 0)
		rc = hidden ? fg_err_set(err, FG_E_PERMISSION,
					 "the kernel hides its addresses: set "
					 "kernel.kptr_restrict=0 or grant CAP_SYSLOG")
			    : fg_err_set(err, FG_E_NO_DATA, "no code symbols");
	if (rc) {
		fg_ksyms_done(&ksyms);
		return rc;
	}
	drop_aliases(&ksyms);
	*ret = ksyms;
	return 0;
}

int fg_ksyms_read(const char *path, struct fg_ksyms *ret, struct fg_err *err)
{
	FG_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	FG_AUTO_BUF struct fg_buf text = {0};
	size_t len;

	if (fd < 0)
		return fg_err_errno(err, errno, "%s", path);
	fg_buf_init(&text, FG_KSYMS_TEXT_MAX);
	int rc = fg_file_read_fd(fd, path, FG_KSYMS_TEXT_MAX, &text, err);

	if (rc)
		return rc;
	char *taken = fg_buf_take(&text, &len);

	if (!taken)
		return fg_err_nomem(err);
	rc = fg_ksyms_parse(taken, len, ret, err);
	return rc ? fg_err_wrap(err, "%s", path) : 0;
}

const struct fg_ksym *fg_ksyms_find(const struct fg_ksyms *ksyms, uint64_t address)
{
	size_t low = 0, high = ksyms->count; /* the first behind address */

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ksyms->items[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || address - ksyms->items[low - 1].address >= SPAN_BYTES_MAX)
		return NULL;
	return &ksyms->items[low - 1];
}

void fg_ksyms_done(struct fg_ksyms *ksyms)
{
	if (!ksyms)
		return;
	free(ksyms->items);
	free(ksyms->text);
	*ksyms = (struct fg_ksyms){0};
}
