/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/command/command.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/base/str.h"

const struct fg_command *const fg_commands[] = {
	&fg_command_run,     &fg_command_compare, &fg_command_publish,  &fg_command_ci,
	&fg_command_profile, &fg_command_top,     &fg_command_flame,    &fg_command_merge,
	&fg_command_init,    &fg_command_import,  &fg_command_validate, &fg_command_schema,
	&fg_command_doctor,  &fg_command_version, &fg_command_help,     NULL,
};

enum { HELP_MAX = 1 << 16 };

const struct fg_command *fg_command_find(const char *name)
{
	for (size_t i = 0; fg_commands[i]; i++)
		if (strcmp(fg_commands[i]->name, name) == 0)
			return fg_commands[i];
	return NULL;
}

static void overview(struct fg_buf *out)
{
	fg_buf_add_str(out,
		       "flamegate " FG_VERSION ": load, CPU profile and verdict in one command\n\n"
		       "usage: flamegate COMMAND [options] [arguments]\n\ncommands:\n");
	for (size_t i = 0; fg_commands[i]; i++)
		fg_buf_addf(out, "  %-10s %s\n", fg_commands[i]->name, fg_commands[i]->summary);
	fg_buf_add_str(out, "\nexit codes:\n");
	for (size_t i = 0; i < FG_OUTCOME_COUNT; i++)
		fg_buf_addf(out, "  %3d  %s\n", fg_outcomes[i].exit_code, fg_outcomes[i].meaning);
	fg_buf_add_str(out, "\n`flamegate help COMMAND` tells the options of one command.\n"
			    "Start here: flamegate run -u 10 -d 10s http://127.0.0.1:8080/\n");
}

void fg_command_help_text(const struct fg_command *command, struct fg_buf *out)
{
	if (!command) {
		overview(out);
		return;
	}
	fg_buf_addf(out, "usage: flamegate %s%s%s%s\n\n%s\n", command->name,
		    command->option_count ? " [options]" : "", command->arguments[0] ? " " : "",
		    command->arguments, command->text);
	if (command->option_count) {
		fg_buf_add_str(out, "\noptions:\n");
		fg_opt_help(command->options, command->option_count, out);
	}
}

static void print_help(const struct fg_command *command)
{
	FG_AUTO_BUF struct fg_buf text;

	fg_buf_init(&text, HELP_MAX);
	fg_command_help_text(command, &text);
	if (text.data)
		fg_console_out(text.data, text.len);
}

static void print_error(const struct fg_err *err)
{
	char text[FG_ERR_MESSAGE_MAX + FG_ERR_FILE_MAX + 64];
	char line[sizeof(text) + 32];

	if (err->code == FG_E_NONE)
		return;
	(void)fg_err_text(err, text, sizeof(text));
	/* A path or a server's words may hold escapes that a terminal would obey. */
	for (char *c = text; *c; c++)
		if (((unsigned char)*c < 0x20 && *c != '\n' && *c != '\t') || *c == 0x7f)
			*c = '?';
	int len = snprintf(line, sizeof(line), "flamegate: %s\n", text);

	if (len > 0)
		fg_console_note(line, FG_MIN((size_t)len, sizeof(line) - 1));
}

enum fg_outcome fg_command_outcome_of(const struct fg_err *err)
{
	switch (err->code) {
	case FG_E_NONE:
		return FG_OUTCOME_PASSED;
	case FG_E_USAGE:
	case FG_E_LATER:
		return FG_OUTCOME_USAGE;
	case FG_E_TARGET:
		return FG_OUTCOME_TARGET;
	default:
		return FG_OUTCOME_INTERNAL;
	}
}

static bool wants_help(int argc, char **argv)
{
	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

static int check_arguments(const struct fg_command *command, const struct fg_opt_list *arguments,
			   struct fg_err *err)
{
	if (arguments->count < command->min_arguments)
		return fg_err_set(err, FG_E_USAGE, "%s needs an argument: flamegate %s %s",
				  command->name, command->name, command->arguments);
	if (arguments->count > command->max_arguments)
		return fg_err_set(err, FG_E_USAGE, "%s: unexpected argument \"%s\"", command->name,
				  arguments->items[command->max_arguments]);
	return 0;
}

static enum fg_outcome run_command(const struct fg_command *command, int argc, char **argv,
				   struct fg_err *err)
{
	struct fg_opt_list arguments;
	FG_AUTO_FREE void *values = calloc(1, command->values_size ? command->values_size : 1);

	if (!values) {
		(void)fg_err_nomem(err);
		return FG_OUTCOME_INTERNAL;
	}
	int rc = fg_opt_parse(command->options, command->option_count, argc, argv, values,
			      &arguments, err);

	if (rc == 0)
		rc = check_arguments(command, &arguments, err);
	if (rc) {
		size_t used = strlen(err->message);

		(void)snprintf(err->message + used, sizeof(err->message) - used,
			       "; see flamegate help %s", command->name);
		return FG_OUTCOME_USAGE;
	}
	return command->run(values, &arguments, err);
}

static enum fg_outcome unknown_command(const char *name, struct fg_err *err)
{
	const char *names[32];
	size_t count = 0;

	for (; fg_commands[count] && count < FG_ARRAY_LEN(names); count++)
		names[count] = fg_commands[count]->name;
	const char *nearest = fg_str_nearest(name, names, count);

	(void)fg_err_set(err, FG_E_USAGE, "unknown command \"%.60s\"%s%s%s; see flamegate help",
			 name, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
			 nearest ? "\"?" : "");
	return FG_OUTCOME_USAGE;
}

/* Started with >&- or <&-, the next file or socket that is opened would become our standard output,
 * and text would be written into it. */
static bool fill_standard_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	return fd < 0 || close(fd) == 0;
}

/* Results that nobody can read are no success; a worse outcome stays what it is. */
static int finish(enum fg_outcome outcome)
{
	struct fg_err err = {0};

	if (fg_console_lost(&err)) {
		print_error(&err);
		if (outcome == FG_OUTCOME_PASSED)
			outcome = FG_OUTCOME_INTERNAL;
	}
	return fg_outcomes[outcome].exit_code;
}

int fg_command_main(int argc, char **argv)
{
	struct fg_err err = {0};
	enum fg_outcome outcome;

	if (!fill_standard_descriptors())
		return fg_outcomes[FG_OUTCOME_INTERNAL].exit_code;
	/* A reader that goes away (| head) must not cost the run: writes fail instead. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		FG_AUTO_BUF struct fg_buf text;

		fg_buf_init(&text, HELP_MAX);
		fg_command_help_text(NULL, &text);
		if (text.data)
			fg_console_note(text.data, text.len);
		return fg_outcomes[FG_OUTCOME_USAGE].exit_code;
	}
	const char *name = argv[1];

	if (strcmp(name, "--version") == 0)
		name = "version";
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	const struct fg_command *command = fg_command_find(name);

	if (!command) {
		outcome = unknown_command(name, &err);
	} else if (wants_help(argc - 2, argv + 2)) {
		print_help(command);
		outcome = FG_OUTCOME_PASSED;
	} else {
		outcome = run_command(command, argc - 2, argv + 2, &err);
	}
	print_error(&err);
	return finish(outcome);
}
