/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "runner/command/command.h"
#include "runner/run/doctor.h"
#include "runner/target/target.h"

struct values {
	const char *pid;
	bool json;
};

static const struct fg_opt options[] = {
	{"pid", 0, FG_OPT_STRING, offsetof(struct values, pid), "PID",
	 "Also look at this process: owner, runtime options, unwind tables, debug files"},
	{"json", 0, FG_OPT_FLAG, offsetof(struct values, json), NULL, "Print JSON for programs"},
};

/* The process behind --pid or a URL; 0: none was asked for. */
static int find_target(const struct values *values, const struct fg_opt_list *arguments,
		       uint32_t *ret, struct fg_err *err)
{
	struct fg_listener listener = {0};
	char host[256];
	uint16_t port = 0;
	bool local = false;
	uint64_t pid = 0;

	if (values->pid && (fg_num_u64(values->pid, strlen(values->pid), &pid, NULL) != 0 ||
			    pid == 0 || pid > INT32_MAX))
		return fg_err_set(err, FG_E_USAGE, "--pid \"%s\" is no process id", values->pid);
	*ret = (uint32_t)pid;
	if (!arguments->count)
		return 0;
	if (values->pid)
		return fg_err_set(err, FG_E_USAGE, "either --pid or a URL");
	int rc = fg_target_url_parts(arguments->items[0], host, &port, &local, err);

	if (rc) {
		err->code = FG_E_USAGE;
		return -FG_E_USAGE;
	}
	if (!local)
		return fg_err_set(err, FG_E_USAGE,
				  "%s is not on this machine; run flamegate doctor there", host);
	if (fg_target_find_port(port, &listener, err)) {
		err->code = FG_E_TARGET;
		return -FG_E_TARGET;
	}
	*ret = listener.pid;
	return 0;
}

static int print(const struct fg_doctor *doctor, bool json, struct fg_err *err)
{
	struct fg_run_io io = fg_console_io(true);
	FG_AUTO_BUF struct fg_buf text;
	int rc = 0;

	fg_buf_init(&text, 1 << 20);
	if (json)
		rc = fg_doctor_json(doctor, &text, err);
	else
		fg_doctor_text(doctor, io.width, &text);
	if (rc == 0 && text.data)
		fg_console_out(text.data, text.len);
	return rc;
}

static enum fg_outcome run(const void *raw, const struct fg_opt_list *arguments, struct fg_err *err)
{
	const struct values *values = raw;
	FG_AUTO_FREE struct fg_doctor *doctor = calloc(1, sizeof(*doctor));
	uint32_t pid = 0;
	int rc = doctor ? find_target(values, arguments, &pid, err) : fg_err_nomem(err);

	if (rc)
		return fg_command_outcome_of(err);
	fg_doctor_examine(pid, doctor);
	rc = print(doctor, values->json, err);
	return rc ? fg_command_outcome_of(err) : fg_doctor_outcome(doctor);
}

const struct fg_command fg_command_doctor = {
	.name = "doctor",
	.arguments = "[URL]",
	.summary = "Tell what this machine can measure, with one fix per failed line",
	.text = "Tries what load and profiles need (it does not look at versions) and prints a\n"
		"line for each: ✓ works, ! could be better, ✗ no complete CPU profile without\n"
		"it. With --pid or the URL of a local server it looks at that process too.\n"
		"Exits 0 when complete profiles are possible, 14 when not (stack copies may\n"
		"be), 13 when there is no such process.\n\n"
		"  flamegate doctor\n"
		"  flamegate doctor http://127.0.0.1:8080/",
	.options = options,
	.option_count = FG_ARRAY_LEN(options),
	.values_size = sizeof(struct values),
	.max_arguments = 1,
	.run = run,
};
