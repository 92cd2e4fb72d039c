/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a scenario file: faults or a file that registers and renders, never a crash. */
#include <stdlib.h>
#include <string.h>

#include "runner/scenario/scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *fuzz_getenv(const char *name)
{
	return strcmp(name, "BASE_URL") == 0 ? "http://127.0.0.1:1" : NULL;
}

static void render(const struct fg_scenario *scenario)
{
	for (size_t i = 0; i < scenario->steps.count; i++) {
		struct fg_buf out;

		if (scenario->steps.items[i].kind != FG_STEP_HTTP)
			continue;
		fg_buf_init(&out, 1 << 20);
		fg_template_render(&scenario->steps.items[i].http.url, 1, 2, 3, &out);
		fg_template_render(&scenario->steps.items[i].http.body, 1, 2, 3, &out);
		fg_buf_done(&out);
	}
}

/* A file that was accepted holds what its readers rely on. */
static void check(const struct fg_scenario_file *file)
{
	struct fg_registry registry;
	struct fg_err err;

	if (!file->resolved_json || strlen(file->hash) != 32 || file->scenario_count == 0)
		abort();
	fg_registry_init(&registry);
	if (fg_scenario_register(file, "null", &registry, &err) == 0 &&
	    registry.scenario_count != file->scenario_count)
		abort();
	fg_registry_done(&registry);
	for (size_t i = 0; i < file->scenario_count; i++)
		render(&file->scenarios[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fg_scenario_options options = {.getenv_fn = fuzz_getenv};
	struct fg_scenario_file *file = NULL;
	struct fg_diagnostics diagnostics = {0};
	struct fg_err err;
	struct fg_buf out;
	int rc = fg_scenario_parse((const char *)data, size, "fuzz.yaml", &options, &file,
				   &diagnostics, &err);

	if (rc == 0)
		check(file);
	else if (rc == -FG_E_INVALID && diagnostics.count == 0)
		abort();
	fg_buf_init(&out, 1 << 20);
	fg_diagnostics_text(&diagnostics, &out);
	fg_buf_done(&out);
	fg_diagnostics_done(&diagnostics);
	fg_scenario_file_free(file);
	return 0;
}
