/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/symbol/names.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "gate/base/buf.h"
#include "gate/profile/normalise.h"
#include "profiler/symbol/demangle.h"
#include "profiler/symbol/symbolizer.h"

void fg_names_done(struct fg_names *names)
{
	if (!names)
		return;
	for (size_t i = 0; i < names->slot_count; i++) {
		if (names->slots[i])
			free(names->slots[i]->demangled);
		free(names->slots[i]);
	}
	free(names->slots);
	*names = (struct fg_names){.style = names->style};
}

static struct fg_name **find_slot(struct fg_name **slots, size_t slot_count, uint64_t hash,
				  const char *text, size_t len)
{
	size_t at = hash & (slot_count - 1);

	while (slots[at] && (slots[at]->hash != hash || slots[at]->len != len ||
			     memcmp(slots[at]->raw, text, len) != 0))
		at = (at + 1) & (slot_count - 1);
	return &slots[at];
}

static int grow(struct fg_names *names, struct fg_err *err)
{
	if (names->count >= FG_NAMES_MAX)
		return fg_err_set(err, FG_E_LIMIT, "more than %d symbol names", FG_NAMES_MAX);
	if (names->count + names->count / 2 < names->slot_count)
		return 0;
	size_t wanted = names->slot_count ? names->slot_count * 2 : 1024;
	struct fg_name **slots = calloc(wanted, sizeof(struct fg_name *));

	if (!slots)
		return fg_err_nomem(err);
	for (size_t i = 0; i < names->slot_count; i++) {
		struct fg_name *name = names->slots[i];

		if (name)
			*find_slot(slots, wanted, name->hash, name->raw, name->len) = name;
	}
	free(names->slots);
	names->slots = slots;
	names->slot_count = wanted;
	return 0;
}

struct fg_name *fg_names_keep(struct fg_names *names, const char *text, size_t len,
			      struct fg_err *err)
{
	if (len >= FG_SYMBOL_NAME_MAX)
		len = FG_SYMBOL_NAME_MAX - 1;
	if (grow(names, err))
		return NULL;
	uint64_t hash = XXH3_64bits(text, len);
	struct fg_name **slot = find_slot(names->slots, names->slot_count, hash, text, len);

	if (*slot)
		return *slot;
	struct fg_name *name = malloc(sizeof(*name) + len + 1);

	if (!name) {
		fg_err_nomem(err);
		return NULL;
	}
	name->demangled = NULL;
	name->hash = hash;
	name->len = len;
	memcpy(name->raw, text, len);
	name->raw[len] = '\0';
	*slot = name;
	names->count++;
	return name;
}

struct fg_name *fg_names_keepf(struct fg_names *names, struct fg_err *err, const char *format, ...)
{
	char text[FG_SYMBOL_NAME_MAX];
	va_list args;

	va_start(args, format);
	int len = vsnprintf(text, sizeof(text), format, args);

	va_end(args);
	return fg_names_keep(names, text, strnlen(text, len < 0 ? 0 : sizeof(text)), err);
}

/* "std::map<…>::find" of any of the two; the name itself when memory is short. */
static void shorten(struct fg_name *name)
{
	FG_AUTO_BUF struct fg_buf text;

	fg_buf_init(&text, FG_NORMALISE_MAX * 2);
	fg_normalise_templates(name->demangled ? name->demangled : name->raw, &text);
	if (text.failed || !text.len)
		return;
	char *shorter = strndup(text.data, text.len);

	if (!shorter)
		return;
	free(name->demangled);
	name->demangled = shorter;
}

const char *fg_names_display(const struct fg_names *names, struct fg_name *name)
{
	if (names->style == FG_NAME_RAW)
		return name->raw;
	if (!name->demangled) {
		name->demangled = fg_demangle(name->raw);
		if (names->style == FG_NAME_SHORT)
			shorten(name);
	}
	return name->demangled ? name->demangled : name->raw;
}

const char *fg_names_display_plain(const struct fg_names *names, struct fg_name *name)
{
	if (names->style == FG_NAME_SHORT && !name->demangled)
		shorten(name);
	return name->demangled ? name->demangled : name->raw;
}
