/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/target/runtime_flags.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gate/base/file.h"
#include "gate/base/str.h"

enum { FIRST_LINE_MAX = 256 };

static const struct {
	enum fg_flagged_runtime runtime;
	const char *variable;
	const char *options[4];
	const char *opposites[4]; /* what the user writes who does not want the option */
} flags[] = {
	{FG_FLAGGED_NODE,
	 "NODE_OPTIONS",
	 {"--perf-basic-prof", "--interpreted-frames-native-stack"},
	 {"--no-perf-basic-prof", "--no-interpreted-frames-native-stack"}},
	{FG_FLAGGED_JAVA,
	 "JAVA_TOOL_OPTIONS",
	 {"-XX:+PreserveFramePointer"},
	 {"-XX:-PreserveFramePointer"}},
};

static const struct {
	const char *name;
	unsigned runtimes;
} programs[] = {
	{"node", FG_FLAGGED_NODE},        {"nodejs", FG_FLAGGED_NODE},
	{"npm", FG_FLAGGED_NODE},         {"npx", FG_FLAGGED_NODE},
	{"yarn", FG_FLAGGED_NODE},        {"pnpm", FG_FLAGGED_NODE},
	{"tsx", FG_FLAGGED_NODE},         {"ts-node", FG_FLAGGED_NODE},
	{"nodemon", FG_FLAGGED_NODE},     {"pm2", FG_FLAGGED_NODE},
	{"pm2-runtime", FG_FLAGGED_NODE}, {"java", FG_FLAGGED_JAVA},
	{"mvn", FG_FLAGGED_JAVA},         {"mvnw", FG_FLAGGED_JAVA},
	{"gradle", FG_FLAGGED_JAVA},      {"gradlew", FG_FLAGGED_JAVA},
	{"sbt", FG_FLAGGED_JAVA},         {"catalina.sh", FG_FLAGGED_JAVA},
};

/* Programs that start another one, which their words name or not. */
static const char *const launchers[] = {
	"sh",    "bash", "dash",    "ash",       "zsh",     "busybox", "env",
	"make",  "just", "task",    "nice",      "ionice",  "taskset", "numactl",
	"chrt",  "time", "tini",    "stdbuf",    "timeout", "setsid",  "setarch",
	"nohup", "sudo", "unshare", "dumb-init",
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static unsigned runtimes_of_name(const char *name)
{
	for (size_t i = 0; i < FG_ARRAY_LEN(programs); i++) {
		if (strcmp(programs[i].name, name) == 0)
			return programs[i].runtimes;
	}
	return 0;
}

static bool is_launcher(const char *name)
{
	for (size_t i = 0; i < FG_ARRAY_LEN(launchers); i++) {
		if (strcmp(launchers[i], name) == 0)
			return true;
	}
	return false;
}

/* "exec /usr/bin/node server.js" names node. */
static unsigned runtimes_of_text(const char *text)
{
	unsigned found = 0;

	while (*text) {
		size_t len = strcspn(text, " \t\n;&|()<>'\"`$=");
		char word[FG_PATH_MAX];

		if (len && len < sizeof(word)) {
			memcpy(word, text, len);
			word[len] = '\0';
			found |= runtimes_of_name(base_name(word));
		}
		text += len + (text[len] != '\0');
	}
	return found;
}

/* What runs a script; "" for other files. */
static void read_first_line(const char *path, char line[FIRST_LINE_MAX])
{
	FG_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t got = fd < 0 ? -1 : read(fd, line, FIRST_LINE_MAX - 1);

	line[got > 0 ? got : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (!fg_str_starts_with(line, "#!"))
		line[0] = '\0';
}

static bool find_in_path(const char *name, const char *path, char ret[FG_PATH_MAX])
{
	for (const char *at = path ? path : ""; *at;) {
		size_t len = strcspn(at, ":");

		if (len && fg_file_path(ret, NULL, "%.*s/%s", (int)len, at, name) == 0 &&
		    access(ret, X_OK) == 0)
			return true;
		at += len + (at[len] == ':');
	}
	return false;
}

static unsigned runtimes_of_file(const char *program, const char *cwd, const char *path)
{
	char file[FG_PATH_MAX], line[FIRST_LINE_MAX];
	bool found = true;

	if (program[0] == '/' || !cwd)
		found = fg_file_path(file, NULL, "%s", program) == 0;
	else if (strchr(program, '/'))
		found = fg_file_path(file, NULL, "%s/%s", cwd, program) == 0;
	else
		found = find_in_path(program, path, file);
	if (!found)
		return 0;
	read_first_line(file, line);
	if (!line[0])
		return 0;
	unsigned runtimes = runtimes_of_text(line + 2);

	if (runtimes)
		return runtimes;
	/* a shell script says only when it runs what it starts */
	const char *interpreter = line + 2 + strspn(line + 2, " \t");
	char *end = line + 2 + strcspn(line + 2, "\n");

	for (char *c = line + (interpreter - line); c < end; c++) {
		if (*c == ' ' || *c == '\t')
			*c = '\0';
	}
	return is_launcher(base_name(interpreter)) && strcmp(base_name(interpreter), "env") != 0
		       ? FG_FLAGGED_ALL
		       : 0;
}

unsigned fg_runtime_flags_of_command(char *const *argv, const char *cwd, const char *path)
{
	if (!argv[0])
		return 0;
	unsigned found = runtimes_of_name(base_name(argv[0]));

	if (found)
		return found;
	if (!is_launcher(base_name(argv[0])))
		return runtimes_of_file(argv[0], cwd, path);
	for (size_t i = 1; argv[i]; i++)
		found |= runtimes_of_text(argv[i]);
	return found ? found : FG_FLAGGED_ALL;
}

const char *fg_runtime_flags_variable(enum fg_flagged_runtime runtime)
{
	return flags[runtime == FG_FLAGGED_JAVA].variable;
}

/* The option as a word of its own; node takes underscores for dashes. */
static bool has_option(const char *text, const char *option)
{
	size_t len = strlen(option);

	for (const char *at = text; *at; at++) {
		size_t i = 0;

		if (at > text && !strchr(" \t\n\"'", at[-1]))
			continue;
		while (i < len && at[i] &&
		       (at[i] == option[i] || (i > 1 && at[i] == '_' && option[i] == '-')))
			i++;
		if (i == len && (!at[i] || strchr(" \t\n\"'", at[i])))
			return true;
	}
	return false;
}

bool fg_runtime_flags_value(enum fg_flagged_runtime runtime, const char *old, struct fg_buf *out,
			    struct fg_buf *added)
{
	size_t row = runtime == FG_FLAGGED_JAVA;
	const char *was = old ? old : "";
	bool any = false;

	fg_buf_add_str(out, was);
	for (size_t i = 0; i < FG_ARRAY_LEN(flags[row].options) && flags[row].options[i]; i++) {
		const char *option = flags[row].options[i];

		if (has_option(was, option) || has_option(was, flags[row].opposites[i]))
			continue;
		fg_buf_addf(out, "%s%s", out->len ? " " : "", option);
		fg_buf_addf(added, "%s%s", any ? " " : "", option);
		any = true;
	}
	return any;
}
