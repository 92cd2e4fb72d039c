/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/base/str.h"
#include "runner/command/command.h"

struct values {
	bool man, completion;
};

static const struct fg_opt options[] = {
	{"man", 0, FG_OPT_FLAG, offsetof(struct values, man), NULL,
	 "Print the manual page in roff"},
	{"completion", 0, FG_OPT_FLAG, offsetof(struct values, completion), NULL,
	 "Print the completion script for bash: source <(flamegate help --completion)"},
};

static enum fg_outcome run(const void *raw, const struct fg_opt_list *arguments, struct fg_err *err)
{
	const struct values *values = raw;
	const struct fg_command *command = NULL;
	FG_AUTO_BUF struct fg_buf text;

	fg_buf_init(&text, 1 << 16);
	if (arguments->count) {
		command = fg_command_find(arguments->items[0]);
		if (!command) {
			(void)fg_err_set(err, FG_E_USAGE,
					 "no command is called \"%.60s\"; see "
					 "flamegate help",
					 arguments->items[0]);
			return FG_OUTCOME_USAGE;
		}
	}
	if (values->man)
		fg_command_manual(&text);
	else if (values->completion)
		fg_command_completion(&text);
	else
		fg_command_help_text(command, &text);
	if (text.data)
		fg_console_out(text.data, text.len);
	return FG_OUTCOME_PASSED;
}

const struct fg_command fg_command_help = {
	.name = "help",
	.arguments = "[COMMAND]",
	.summary = "Tell the commands, or the options of one",
	.text = "Prints the overview, or the help of one command.",
	.options = options,
	.option_count = FG_ARRAY_LEN(options),
	.values_size = sizeof(struct values),
	.max_arguments = 1,
	.run = run,
};
