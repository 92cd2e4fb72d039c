/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/runtime_options.h"

#include <string.h>

#include "gate/base/str.h"

struct word {
	const char *at;
	size_t len;
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "libpython3.11.so.1.0" for "libpython", but not "libpythonic.so". */
static bool is_named(const char *name, const char *stem)
{
	size_t len = strlen(stem);

	if (strncmp(name, stem, len) != 0)
		return false;
	const char *rest = name + len;

	rest += strspn(rest, "0123456789.-");
	return *rest == '\0' || strncmp(rest, "so", 2) == 0 || strcmp(rest, "d") == 0;
}

enum fg_runtime fg_runtime_of_library(const char *path)
{
	static const struct {
		const char *stem;
		enum fg_runtime runtime;
	} libraries[] = {
		{"libjvm.", FG_RUNTIME_JAVA},     {"libnode.", FG_RUNTIME_NODE},
		{"libpython", FG_RUNTIME_PYTHON}, {"libphp", FG_RUNTIME_PHP},
		{"libruby", FG_RUNTIME_RUBY},     {"libcoreclr.", FG_RUNTIME_DOTNET},
	};
	const char *name = base_name(path);

	for (size_t i = 0; i < FG_ARRAY_LEN(libraries); i++) {
		if (is_named(name, libraries[i].stem) && strstr(name, ".so"))
			return libraries[i].runtime;
	}
	return FG_RUNTIME_NATIVE;
}

enum fg_runtime fg_runtime_of_program(const char *path)
{
	static const struct {
		const char *stem;
		enum fg_runtime runtime;
	} programs[] = {
		{"nodejs", FG_RUNTIME_NODE},   {"node", FG_RUNTIME_NODE},
		{"java", FG_RUNTIME_JAVA},     {"python", FG_RUNTIME_PYTHON},
		{"php-fpm", FG_RUNTIME_PHP},   {"php-cgi", FG_RUNTIME_PHP},
		{"php", FG_RUNTIME_PHP},       {"ruby", FG_RUNTIME_RUBY},
		{"dotnet", FG_RUNTIME_DOTNET},
	};
	const char *name = base_name(path);

	for (size_t i = 0; i < FG_ARRAY_LEN(programs); i++) {
		if (is_named(name, programs[i].stem))
			return programs[i].runtime;
	}
	return FG_RUNTIME_NATIVE;
}

static bool is_word(struct word word, const char *text)
{
	return word.len == strlen(text) && memcmp(word.at, text, word.len) == 0;
}

static bool is_any(struct word word, const char *const *texts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (is_word(word, texts[i]))
			return true;
	}
	return false;
}

/* V8 takes dashes for underscores; "--no-x" switches off. */
static bool is_v8_option(struct word word, const char *option, bool *ret_on)
{
	size_t at = 2, len = strlen(option);

	if (word.len < at || memcmp(word.at, "--", at) != 0)
		return false;
	bool off = word.len > at + 2 && memcmp(word.at + at, "no", 2) == 0;

	if (off)
		at += word.at[at + 2] == '-' || word.at[at + 2] == '_' ? 3 : 2;
	if (word.len - at != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = word.at[at + i] == '_' ? '-' : word.at[at + i];

		if (c != option[i])
			return false;
	}
	*ret_on = !off;
	return true;
}

static uint32_t set(uint32_t flags, uint32_t flag, bool on)
{
	return on ? flags | flag : flags & ~flag;
}

static uint32_t node_option(struct word word, uint32_t flags)
{
	bool on;

	if (is_v8_option(word, "perf-basic-prof", &on) ||
	    is_v8_option(word, "perf-basic-prof-only-functions", &on))
		return set(flags, FG_RUNTIME_PERF_MAP, on);
	if (is_v8_option(word, "interpreted-frames-native-stack", &on))
		return set(flags, FG_RUNTIME_INTERPRETED_FRAMES, on);
	return flags;
}

static uint32_t java_option(struct word word, uint32_t flags)
{
	if (is_word(word, "-XX:+PreserveFramePointer"))
		return flags | FG_RUNTIME_FRAME_POINTERS;
	if (is_word(word, "-XX:-PreserveFramePointer"))
		return set(flags, FG_RUNTIME_FRAME_POINTERS, false);
	if (is_word(word, "-XX:+DisableAttachMechanism"))
		return flags | FG_RUNTIME_NO_ATTACH;
	if (is_word(word, "-XX:-DisableAttachMechanism"))
		return set(flags, FG_RUNTIME_NO_ATTACH, false);
	if (is_word(word, "-Xrs") || is_word(word, "-XX:+ReduceSignalUsage"))
		return flags | FG_RUNTIME_NO_SIGQUIT;
	if (is_word(word, "-XX:-ReduceSignalUsage"))
		return set(flags, FG_RUNTIME_NO_SIGQUIT, false);
	return flags;
}

static uint32_t option(enum fg_runtime runtime, struct word word, uint32_t flags)
{
	if (runtime == FG_RUNTIME_NODE)
		return node_option(word, flags);
	return runtime == FG_RUNTIME_JAVA ? java_option(word, flags) : flags;
}

/* Options whose value is the next word; what else does not start with a dash ends the options. */
static bool takes_value(enum fg_runtime runtime, struct word word)
{
	static const char *const node[] = {"-r",           "--require",
					   "--import",     "--loader",
					   "-C",           "-e",
					   "--conditions", "--experimental-loader"};
	static const char *const java[] = {"-cp",
					   "-classpath",
					   "--class-path",
					   "-p",
					   "--module-path",
					   "--upgrade-module-path",
					   "--add-modules",
					   "--limit-modules",
					   "--add-exports",
					   "--add-opens",
					   "--add-reads",
					   "--patch-module",
					   "--enable-native-access",
					   "--source"};

	if (runtime == FG_RUNTIME_NODE)
		return is_any(word, node, FG_ARRAY_LEN(node));
	return runtime == FG_RUNTIME_JAVA && is_any(word, java, FG_ARRAY_LEN(java));
}

static bool ends_options(enum fg_runtime runtime, struct word word)
{
	if (runtime == FG_RUNTIME_JAVA &&
	    (is_word(word, "-jar") || is_word(word, "-m") || is_word(word, "--module")))
		return true;
	/* of an @file we do not know what stands in it */
	return is_word(word, "--") || word.len == 0 || (*word.at != '-' && *word.at != '@');
}

uint32_t fg_runtime_arguments(enum fg_runtime runtime, const char *words, size_t len,
			      uint32_t flags)
{
	bool is_program = true, is_value = false;

	for (size_t at = 0; at < len;) {
		struct word word = {words + at, strnlen(words + at, len - at)};

		at += word.len + 1;
		if (is_program || is_value) {
			is_program = is_value = false;
			continue;
		}
		if (ends_options(runtime, word))
			break;
		flags = option(runtime, word, flags);
		is_value = takes_value(runtime, word);
	}
	return flags;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

uint32_t fg_runtime_options(enum fg_runtime runtime, const char *text, size_t len, uint32_t flags)
{
	for (size_t at = 0; at < len;) {
		if (is_space(text[at]) || text[at] == '"' || text[at] == '\'') {
			at++;
			continue;
		}
		struct word word = {text + at, 0};

		while (at < len && !is_space(text[at]) && text[at] != '"' && text[at] != '\'')
			at++;
		word.len = (size_t)(text + at - word.at);
		flags = option(runtime, word, flags);
	}
	return flags;
}

/* The value of the variable; NULL when it is not set. */
static const char *variable(const char *environment, size_t len, const char *name, size_t *ret_len)
{
	size_t name_len = strlen(name);

	for (size_t at = 0; at < len;) {
		size_t entry_len = strnlen(environment + at, len - at);
		const char *entry = environment + at;

		at += entry_len + 1;
		if (entry_len <= name_len || memcmp(entry, name, name_len) != 0 ||
		    entry[name_len] != '=')
			continue;
		*ret_len = entry_len - name_len - 1;
		return entry + name_len + 1;
	}
	return NULL;
}

static uint32_t add_variable(enum fg_runtime runtime, const char *environment, size_t len,
			     const char *name, uint32_t flags)
{
	size_t value_len;
	const char *value = variable(environment, len, name, &value_len);

	return value ? fg_runtime_options(runtime, value, value_len, flags) : flags;
}

uint32_t fg_runtime_flags_of(enum fg_runtime runtime, const char *environment,
			     size_t environment_len, const char *words, size_t words_len)
{
	static const struct {
		enum fg_runtime runtime;
		const char *name;
		bool later; /* than the arguments */
	} variables[] = {
		{FG_RUNTIME_NODE, "NODE_OPTIONS", false},
		{FG_RUNTIME_JAVA, "JAVA_TOOL_OPTIONS", false},
		{FG_RUNTIME_JAVA, "JDK_JAVA_OPTIONS", false},
		{FG_RUNTIME_JAVA, "_JAVA_OPTIONS", true},
	};
	uint32_t flags = 0;

	for (size_t i = 0; i < FG_ARRAY_LEN(variables); i++) {
		if (variables[i].runtime == runtime && !variables[i].later)
			flags = add_variable(runtime, environment, environment_len,
					     variables[i].name, flags);
	}
	flags = fg_runtime_arguments(runtime, words, words_len, flags);
	for (size_t i = 0; i < FG_ARRAY_LEN(variables); i++) {
		if (variables[i].runtime == runtime && variables[i].later)
			flags = add_variable(runtime, environment, environment_len,
					     variables[i].name, flags);
	}
	return flags;
}
