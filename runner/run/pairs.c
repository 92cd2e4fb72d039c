/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/run/pairs.h"

#include <string.h>

#include "gate/base/str.h"

int fg_pairs_parse(const struct fg_opt_list *list, const char *option, struct fg_tags *ret,
		   struct fg_err *err)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *word = list->items[i];
		const char *equals = strchr(word, '=');

		if (!equals || equals == word)
			return fg_err_set(err, FG_E_USAGE, "%s wants NAME=VALUE, got \"%s\"",
					  option, word);
		FG_AUTO_FREE char *key = NULL;
		int rc = fg_str_ndup(word, (size_t)(equals - word), &key, err);

		if (rc == 0)
			rc = fg_tags_add(ret, key, equals + 1, err);
		if (rc)
			return rc;
	}
	return 0;
}
