/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for runner/scenario until that room is merged. */
#include "runner/scenario/scenario.h"

void fg_template_render(const struct fg_template *template_, uint64_t vu, uint64_t iteration,
			uint64_t scenario_iteration, struct fg_buf *out)
{
	const uint64_t numbers[] = {0, vu, iteration, scenario_iteration};

	for (size_t i = 0; i < template_->part_count; i++) {
		if (template_->parts[i].kind == FG_PART_TEXT)
			fg_buf_add_str(out, template_->parts[i].text);
		else
			fg_buf_addf(out, "%llu",
				    (unsigned long long)numbers[template_->parts[i].kind]);
	}
}

int fg_scenario_register(const struct fg_scenario_file *file, const char *engine,
			 struct fg_registry *registry, struct fg_err *err)
{
	(void)engine;
	for (size_t i = 0; i < file->scenario_count; i++) {
		const struct fg_scenario *s = &file->scenarios[i];
		struct fg_scenario_def def = {.name = s->name,
					      .start_ns = s->start_time_ns,
					      .duration_ns = s->duration_ns,
					      .warmup_ns = s->warmup_ns};
		int rc = fg_registry_add_scenario(registry, &def, err);

		for (size_t j = 0; rc >= 0 && j < s->step_count; j++) {
			const struct fg_step_http *http = &s->steps[j].http;
			struct fg_class class = {
				.scenario = (uint32_t)i, .name = http->name, .group = http->group};
			int index;

			if (s->steps[j].kind != FG_STEP_HTTP)
				continue;
			rc = index = fg_registry_add_class(registry, &class, err);
			for (size_t c = 0; rc >= 0 && c < http->check_count; c++) {
				struct fg_check check = {.scenario = (uint32_t)i,
							 .class_index = (uint32_t)index,
							 .name = http->checks[c].name};

				rc = fg_registry_add_check(registry, &check, err);
			}
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}
