/* SPDX-License-Identifier: Apache-2.0 */
/* What a converter wrote must be a scenario that flamegate runs. */
#ifndef FG_TESTS_FUZZ_DRAFT_H
#define FG_TESTS_FUZZ_DRAFT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/convert/draft.h"
#include "runner/scenario/scenario.h"

/* Every secret and every base URL of a draft is a variable that its user sets. */
static inline const char *fg_fuzz_getenv(const char *name)
{
	(void)name;
	return "value";
}

static inline void fg_fuzz_draft(const struct fg_draft *draft)
{
	const struct fg_scenario_options options = {.getenv_fn = fg_fuzz_getenv};
	struct fg_scenario_file *file = NULL;
	struct fg_diagnostics diagnostics = {0};
	struct fg_err err;
	struct fg_buf out, told;

	fg_buf_init(&out, FG_DRAFT_TEXT_MAX);
	fg_buf_init(&told, 1 << 20);
	if (fg_draft_write(draft, &out, &err) == 0) {
		if (strlen(out.data) != out.len)
			abort();
		if (fg_scenario_parse(out.data, out.len, "draft.yaml", &options, &file,
				      &diagnostics, &err)) {
			fg_diagnostics_text(&diagnostics, &told);
			fprintf(stderr, "%s\nis refused: %s\n%s", out.data, err.message,
				told.len ? told.data : "");
			abort();
		}
	}
	fg_buf_done(&told);
	fg_buf_done(&out);
	fg_diagnostics_done(&diagnostics);
	fg_scenario_file_free(file);
}

#endif
