/* SPDX-License-Identifier: Apache-2.0 */
#include <curl/curlver.h>
#include <jansson.h>
#include <uv.h>

#include "runner/command/command.h"

struct values {
	bool build;
};

static const struct fg_opt options[] = {
	{"build", 0, FG_OPT_FLAG, offsetof(struct values, build), NULL,
	 "Also tell compiler, libraries and features"},
};

static enum fg_outcome run(const void *raw, const struct fg_opt_list *arguments, struct fg_err *err)
{
	const struct values *values = raw;
	FG_AUTO_BUF struct fg_buf text;

	(void)arguments;
	(void)err;
	fg_buf_init(&text, 4096);
	fg_buf_add_str(&text, "flamegate " FG_VERSION "\n");
	if (values->build) {
		fg_buf_addf(&text, "compiler  %s\n", __VERSION__);
		fg_buf_addf(&text, "libraries libuv %s, libcurl %s, jansson %s\n",
			    uv_version_string(), LIBCURL_VERSION, JANSSON_VERSION);
		fg_buf_addf(&text, "profiler  %s\n", FG_WITH_PROFILER ? "eBPF" : "not built");
		fg_buf_addf(&text, "formats   bundle %d\n", FG_BUNDLE_VERSION);
	}
	if (text.data)
		fg_console_out(text.data, text.len);
	return FG_OUTCOME_PASSED;
}

const struct fg_command fg_command_version = {
	.name = "version",
	.arguments = "",
	.summary = "Print the version",
	.text = "Prints the version.",
	.options = options,
	.option_count = FG_ARRAY_LEN(options),
	.values_size = sizeof(struct values),
	.run = run,
};
