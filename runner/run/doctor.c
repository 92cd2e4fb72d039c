/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/run/doctor.h"

#include <string.h>

#include "gate/base/str.h"
#include "gate/format/json.h"
#include "gate/report/table.h"

enum { NAME_COLUMNS = 24, WIDTH = 80, WIDTH_MIN = 60 };

static struct fg_doctor_part *add_part(struct fg_doctor *doctor, const char *name)
{
	struct fg_doctor_part *part = &doctor->parts[doctor->part_count++];

	part->name = name;
	return part;
}

void fg_doctor_examine(uint32_t pid, struct fg_doctor *ret)
{
	ret->part_count = 0;
	struct fg_doctor_part *part = add_part(ret, "machine");

	part->count = fg_doctor_machine(part->probes, FG_DOCTOR_PROBES_MAX);
	part = add_part(ret, "profiler");
	part->count = fg_profiler_probe(NULL, part->probes, FG_DOCTOR_PROBES_MAX);
	if (!pid)
		return;
	part = add_part(ret, "target");
	part->count = fg_profiler_probe_target(pid, part->probes, FG_DOCTOR_PROBES_MAX);
}

static size_t failed_of(const struct fg_doctor_part *part)
{
	size_t failed = 0;

	for (size_t i = 0; i < part->count; i++)
		failed += !part->probes[i].ok && part->probes[i].essential;
	return failed;
}

size_t fg_doctor_failed(const struct fg_doctor *doctor)
{
	size_t failed = 0;

	for (size_t i = 0; i < doctor->part_count; i++)
		failed += failed_of(&doctor->parts[i]);
	return failed;
}

enum fg_outcome fg_doctor_outcome(const struct fg_doctor *doctor)
{
	const struct fg_doctor_part *last = &doctor->parts[doctor->part_count - 1];

	if (strcmp(last->name, "target") == 0 && last->count && !last->probes[0].ok)
		return FG_OUTCOME_TARGET;
	return fg_doctor_failed(doctor) ? FG_OUTCOME_NO_PROFILER : FG_OUTCOME_PASSED;
}

/* A command is one line, however long: broken, it could not be pasted. */
static bool is_command(const char *fix)
{
	return fg_str_starts_with(fix, "sudo ") && !strchr(fix, '(');
}

/* One line (wrapped), and one per fix. */
static void add_probe(const struct fg_probe *probe, unsigned width, struct fg_buf *out)
{
	const char *mark = probe->ok ? "✓" : probe->essential ? "✗" : "!";

	if (probe->name[0]) {
		fg_buf_addf(out, "  %s %-*s ", mark, NAME_COLUMNS - 5, probe->name);
		/* a name that is too long for its column moves only its own line */
		size_t column = FG_MAX((size_t)NAME_COLUMNS, 5 + strlen(probe->name));

		fg_text_wrap(probe->detail, (unsigned)column, NAME_COLUMNS, width, out);
		fg_buf_add_char(out, '\n');
	}
	if (probe->ok || !probe->fix[0])
		return;
	fg_buf_addf(out, "%*sfix: ", NAME_COLUMNS, "");
	if (is_command(probe->fix))
		fg_buf_add_str(out, probe->fix);
	else
		fg_text_wrap(probe->fix, NAME_COLUMNS + 5, NAME_COLUMNS + 5, width, out);
	fg_buf_add_char(out, '\n');
}

/* Without BPF, but with a helper that may copy stacks of the user's own processes. */
static bool copies_stacks(const struct fg_doctor *doctor)
{
	bool copies = false;

	for (size_t i = 0; i < doctor->part_count; i++) {
		const struct fg_doctor_part *part = &doctor->parts[i];

		if (failed_of(part) && strcmp(part->name, "profiler") != 0)
			return false;
		for (size_t k = 0; k < part->count; k++) {
			const struct fg_probe *probe = &part->probes[k];

			if (!probe->ok && strcmp(probe->name, "profiler helper") == 0)
				return false;
			copies |= probe->ok && strcmp(probe->name, "stack copies") == 0;
		}
	}
	return copies;
}

void fg_doctor_text(const struct fg_doctor *doctor, unsigned width, struct fg_buf *out)
{
	size_t failed = fg_doctor_failed(doctor);
	bool no_target = fg_doctor_outcome(doctor) == FG_OUTCOME_TARGET;

	width = width ? FG_MAX(width, (unsigned)WIDTH_MIN) : WIDTH;
	for (size_t i = 0; i < doctor->part_count; i++) {
		const struct fg_doctor_part *part = &doctor->parts[i];

		fg_buf_addf(out, "%s\n", part->name);
		for (size_t k = 0; k < part->count; k++)
			add_probe(&part->probes[k], width, out);
	}
	if (no_target)
		fg_buf_add_str(out, "\nthere is no such process to profile\n");
	else if (failed && copies_stacks(doctor))
		fg_buf_addf(out,
			    "\n%zu thing%s missing for complete CPU profiles; until then stack "
			    "copies of\nyour own processes are taken, without request classes and "
			    "interpreters\n",
			    failed, failed == 1 ? " is" : "s are");
	else if (failed)
		fg_buf_addf(out,
			    "\n%zu thing%s missing for CPU profiles; latency is measured "
			    "without them\n",
			    failed, failed == 1 ? " is" : "s are");
	else
		fg_buf_add_str(out, "\nthis machine can measure latency and CPU profiles\n");
}

static void put_probe(struct fg_json_writer *w, const char *part, const struct fg_probe *probe)
{
	fg_json_begin(w, NULL);
	fg_json_put_string(w, "part", part);
	fg_json_put_string(w, "name", probe->name);
	fg_json_put_bool(w, "ok", probe->ok);
	fg_json_put_bool(w, "essential", probe->essential);
	fg_json_put_string(w, "detail", probe->detail);
	fg_json_put_string(w, "fix", probe->ok ? "" : probe->fix);
	fg_json_end(w);
}

int fg_doctor_json(const struct fg_doctor *doctor, struct fg_buf *out, struct fg_err *err)
{
	struct fg_json_writer w;

	fg_json_writer_init(&w, out, true);
	fg_json_begin(&w, NULL);
	fg_json_put_string(&w, "flamegate", FG_VERSION);
	fg_json_put_bool(&w, "ok", fg_doctor_outcome(doctor) == FG_OUTCOME_PASSED);
	fg_json_begin_array(&w, "probes");
	for (size_t i = 0; i < doctor->part_count; i++)
		for (size_t k = 0; k < doctor->parts[i].count; k++)
			put_probe(&w, doctor->parts[i].name, &doctor->parts[i].probes[k]);
	fg_json_end(&w);
	fg_json_end(&w);
	fg_buf_add_char(out, '\n');
	return fg_json_writer_check(&w, err);
}
