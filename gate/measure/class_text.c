/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gate/measure/registry.h"

static bool same_name(const struct fg_class *a, const struct fg_class *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->group, b->group) == 0;
}

void fg_registry_class_text(const struct fg_registry *registry, size_t index, struct fg_buf *out)
{
	const struct fg_class *class = &registry->classes[index];

	fg_buf_addf(out, "%s%s%s", class->group, class->group[0] ? "::" : "", class->name);
	for (size_t i = 0; i < registry->class_count; i++) {
		if (i == index || !same_name(class, &registry->classes[i]))
			continue;
		fg_buf_addf(out, " (%s)", registry->scenarios[class->scenario].name);
		return;
	}
}
