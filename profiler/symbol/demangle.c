/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libiberty does the work through its allocation-free callbacks. A mangled name may expand without
 * bound (each substitution can double the output), and a callback cannot refuse: so it jumps out.
 */
#include "profiler/symbol/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/symbol/symbolizer.h"

struct output {
	size_t len;
	jmp_buf too_long;
	char text[FG_SYMBOL_NAME_MAX];
};

static void collect(const char *piece, size_t len, void *opaque)
{
	struct output *output = opaque;

	if (len >= sizeof(output->text) - output->len)
		longjmp(output->too_long, 1);
	memcpy(output->text + output->len, piece, len);
	output->len += len;
}

typedef int demangler(const char *, int, demangle_callbackref, void *);

static char *run(demangler *demangle, const char *raw)
{
	struct output output;

	output.len = 0;
	if (setjmp(output.too_long) || !demangle(raw, 0, collect, &output) || output.len == 0)
		return NULL;
	return strndup(output.text, output.len);
}

/* memcpy@@GLIBC_2.14 → memcpy; but foo@plt is a name of ours. */
static size_t unversioned_len(const char *raw)
{
	const char *at = strchr(raw, '@');

	return at && at != raw && strcmp(at, "@plt") != 0 ? (size_t)(at - raw) : strlen(raw);
}

static char *with_plt(char *name, const char *raw)
{
	size_t raw_len = strlen(raw), len = name ? strlen(name) : 0;
	char *longer;

	if (!name || raw_len < 4 || strcmp(raw + raw_len - 4, "@plt") != 0)
		return name;
	longer = realloc(name, len + sizeof("@plt"));
	if (!longer)
		return name;
	memcpy(longer + len, "@plt", sizeof("@plt"));
	return longer;
}

char *fg_demangle(const char *raw)
{
	char bare[FG_SYMBOL_NAME_MAX];
	size_t raw_len = strnlen(raw, FG_SYMBOL_NAME_MAX), len;
	char *name = NULL;

	if (raw_len >= FG_SYMBOL_NAME_MAX)
		return NULL;
	len = unversioned_len(raw);
	if (len == raw_len && len > 4 && strcmp(raw + len - 4, "@plt") == 0)
		len -= 4;
	memcpy(bare, raw, len);
	bare[len] = '\0';
	if (strncmp(bare, "_R", 2) == 0 || strncmp(bare, "_ZN", 3) == 0)
		name = run(rust_demangle_callback, bare);
	if (!name && strncmp(bare, "_Z", 2) == 0)
		name = run(cplus_demangle_v3_callback, bare);
	if (name)
		return with_plt(name, raw);
	return unversioned_len(raw) < raw_len ? strndup(bare, len) : NULL;
}
