/* SPDX-License-Identifier: Apache-2.0 */
/* Weak doubles of what other rooms own, so that this room's tests stand alone. */
#include "runner/scenario/scenario.h"

#include <string.h>

__attribute__((weak)) int fg_target_expand(const char *text, uint16_t port, const char *side,
					   const char *dir, struct fg_buf *out, struct fg_err *err)
{
	static const char mark[] = "{{ target.port }}";
	const char *found;

	(void)side;
	(void)dir;
	while ((found = strstr(text, mark)) != NULL) {
		fg_buf_add(out, text, (size_t)(found - text));
		fg_buf_addf(out, "%u", port);
		text = found + sizeof(mark) - 1;
	}
	fg_buf_add_str(out, text);
	return fg_buf_check(out, err);
}

__attribute__((weak)) const char *fg_tags_get(const struct fg_tags *tags, const char *key)
{
	for (size_t i = 0; i < tags->count; i++)
		if (strcmp(tags->items[i].key, key) == 0)
			return tags->items[i].value;
	return NULL;
}
