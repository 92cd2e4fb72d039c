/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "gate/base/file.h"
#include "runner/command/command.h"

/* The first thing that standard output refused, but for a reader that went away (| head). */
static struct fg_err lost;

/* Straight to the descriptor: progress and results interleave in the order they were said, and a
 * closed pipe loses text but never a run. */
void fg_console_out(const char *text, size_t len)
{
	struct fg_err err = {0};

	if (fg_file_write_fd(STDOUT_FILENO, "standard output", text, len, &err) && errno != EPIPE &&
	    !lost.code)
		lost = err;
}

int fg_console_lost(struct fg_err *err)
{
	if (lost.code)
		*err = lost;
	return lost.code ? -(int)lost.code : 0;
}

void fg_console_note(const char *text, size_t len)
{
	FG_IGNORE(fg_file_write_fd(STDERR_FILENO, "standard error", text, len, NULL));
}

static void to_out(void *context, const char *text, size_t len)
{
	(void)context;
	fg_console_out(text, len);
}

static void to_note(void *context, const char *text, size_t len)
{
	(void)context;
	fg_console_note(text, len);
}

/* As narrow as it is: a redrawn line that wraps would leave its first half behind. */
static unsigned note_width(void *context)
{
	struct winsize size;

	(void)context;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return 80;
	return FG_MIN(size.ws_col, 160u);
}

static bool obeys_escapes(int fd)
{
	const char *term = getenv("TERM");

	return isatty(fd) == 1 && term && *term && strcmp(term, "dumb") != 0;
}

static bool colour_wanted(bool no_color)
{
	const char *no_color_env = getenv("NO_COLOR");

	return !no_color && !(no_color_env && *no_color_env);
}

static unsigned columns(int fd)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return FG_MAX(FG_MIN(size.ws_col, 160u), 60u);
	return 80;
}

struct fg_run_io fg_console_io(bool no_color)
{
	return (struct fg_run_io){
		.result = to_out,
		.note = to_note,
		.note_is_tty = obeys_escapes(STDERR_FILENO),
		.note_width = note_width,
		.colour = obeys_escapes(STDOUT_FILENO) && colour_wanted(no_color),
		.width = columns(isatty(STDOUT_FILENO) == 1 ? STDOUT_FILENO : STDERR_FILENO),
	};
}
