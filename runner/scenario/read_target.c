/* SPDX-License-Identifier: Apache-2.0 */
/* target: URL, start, ready, stop, process. */
#include "runner/scenario/reader.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"

enum { COMMAND_WORDS_MAX = 1000 };

static const struct {
	const char *name;
	int number;
} signals[] = {
	{"SIGTERM", SIGTERM}, {"SIGINT", SIGINT},   {"SIGQUIT", SIGQUIT}, {"SIGHUP", SIGHUP},
	{"SIGKILL", SIGKILL}, {"SIGUSR1", SIGUSR1}, {"SIGUSR2", SIGUSR2},
};

void fg_read_signal(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		    void *owner)
{
	const char *names[FG_ARRAY_LEN(signals)];

	if (!fg_reader_expect(reader, node, FG_NODE_SCALAR, key->name))
		return;
	for (size_t i = 0; i < FG_ARRAY_LEN(signals); i++) {
		names[i] = signals[i].name;
		if (strcmp(signals[i].name, node->text) != 0 &&
		    strcmp(signals[i].name + 3, node->text) != 0)
			continue;
		if (owner)
			((struct fg_target *)owner)->stop_signal = signals[i].number;
		return;
	}
	const char *near = fg_str_nearest(node->text, names, FG_ARRAY_LEN(names));

	fg_reader_fault(reader, node, "unknown signal \"%.40s\"%s%s%s", node->text,
			near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

/* -- command -------------------------------------------------------------------------------- */

static void free_words(char **words)
{
	for (size_t i = 0; words && words[i]; i++)
		free(words[i]);
	free(words);
}

/* A single text is a shell line: sh splits words and quotes as its writer expects. */
static bool shell_words(struct fg_reader *reader, const struct fg_node *node, char **words)
{
	struct fg_err err = {0};

	if (fg_reader_failed(reader, fg_str_dup("/bin/sh", &words[0], &err), &err) ||
	    fg_reader_failed(reader, fg_str_dup("-c", &words[1], &err), &err))
		return false;
	words[2] = fg_template_text(reader, node, FG_TEXT_TARGET, NULL);
	if (words[2] && !words[2][strspn(words[2], " \t\n")])
		fg_reader_fault(reader, node, "command is empty");
	return words[2] != NULL;
}

static bool list_words(struct fg_reader *reader, const struct fg_node *node, char **words)
{
	for (size_t i = 0; i < node->count; i++) {
		if (node->items[i]->kind != FG_NODE_SCALAR) {
			(void)fg_reader_expect(reader, node->items[i], FG_NODE_SCALAR,
					       "a word of command");
			return false;
		}
		words[i] = fg_template_text(reader, node->items[i], FG_TEXT_TARGET, NULL);
		if (!words[i])
			return false;
	}
	if (!words[0][0]) {
		fg_reader_fault(reader, node->items[0], "command is empty");
		return false;
	}
	return true;
}

void fg_read_command(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		     void *owner)
{
	struct fg_target *target = owner;
	struct fg_err err = {0};
	bool is_list = node->kind == FG_NODE_LIST;

	if (node->kind == FG_NODE_MAP || fg_node_is_nothing(node) || (is_list && !node->count)) {
		fg_reader_fault(reader, node, "%s is a list of words, or one text for /bin/sh",
				key->name);
		return;
	}
	if (is_list && node->count > COMMAND_WORDS_MAX) {
		fg_reader_fault(reader, node, "command has more than %d words", COMMAND_WORDS_MAX);
		return;
	}
	char **words = calloc((is_list ? node->count : 3) + 1, sizeof(*words));

	if (!words) {
		(void)fg_reader_failed(reader, fg_err_nomem(&err), &err);
		return;
	}
	bool ok = is_list ? list_words(reader, node, words) : shell_words(reader, node, words);

	if (ok && target && !target->command)
		target->command = words;
	else
		free_words(words);
}

void fg_read_target_env(struct fg_reader *reader, const struct fg_key *key,
			const struct fg_node *node, void *owner)
{
	struct fg_target *target = owner;

	if (!fg_reader_expect(reader, node, FG_NODE_MAP, key->name))
		return;
	if (node->count / 2 > FG_REGISTRY_TAGS_MAX) {
		fg_reader_fault(reader, node, "more than %d variables", FG_REGISTRY_TAGS_MAX);
		return;
	}
	for (size_t i = 0; i + 1 < node->count; i += 2) {
		const struct fg_node *name = node->items[i];
		struct fg_err err = {0};

		if (!name->text[0] || strchr(name->text, '=')) {
			fg_reader_fault(reader, name, "\"%.60s\" is not a variable's name",
					name->text);
			continue;
		}
		if (node->items[i + 1]->kind != FG_NODE_SCALAR) {
			(void)fg_reader_expect(reader, node->items[i + 1], FG_NODE_SCALAR,
					       name->text);
			continue;
		}
		FG_AUTO_FREE char *value =
			fg_template_text(reader, node->items[i + 1], FG_TEXT_TARGET, NULL);

		if (value && target &&
		    fg_reader_failed(reader, fg_tags_add(&target->env, name->text, value, &err),
				     &err))
			return;
	}
}

/* -- ready, process ------------------------------------------------------------------------- */

void fg_read_ready(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		   void *owner)
{
	static const char *const names[] = {"url", "log", "tcp", "delay"};
	static const enum fg_ready_kind kinds[] = {FG_READY_URL, FG_READY_LOG, FG_READY_TCP,
						   FG_READY_DELAY};
	struct fg_target *target = owner;
	const struct fg_node *tcp = fg_node_get(node, "tcp", NULL);
	struct fg_node *status = NULL;
	const char *found = NULL;

	fg_reader_object(reader, node, key->table, owner);
	if (node->kind != FG_NODE_MAP ||
	    !fg_reader_one_of(reader, node, names, FG_ARRAY_LEN(names), &found))
		return;
	if (!found)
		fg_reader_fault(reader, node, "ready needs one of url, log, tcp and delay");
	if (tcp && tcp->kind == FG_NODE_SCALAR && strcmp(tcp->text, "false") == 0)
		fg_reader_fault(reader, tcp, "tcp: false says nothing; leave ready out");
	(void)fg_node_get(node, "status", &status);
	if (status && found && strcmp(found, "url") != 0)
		fg_reader_fault(reader, status, "status goes with url");
	for (size_t i = 0; found && target && i < FG_ARRAY_LEN(names); i++)
		if (strcmp(found, names[i]) == 0)
			target->ready = kinds[i];
}

static bool is_container_id(const char *text)
{
	size_t len = strlen(text);

	return len >= 6 && len <= 64 && strspn(text, "0123456789abcdef") == len;
}

void fg_read_process(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		     void *owner)
{
	static const char *const names[] = {"pid",    "port",      "pidFile", "name",
					    "cgroup", "container", "unit"};
	const struct fg_node *container = fg_node_get(node, "container", NULL);
	const char *found = NULL;

	fg_reader_object(reader, node, key->table, owner);
	if (node->kind == FG_NODE_MAP &&
	    fg_reader_one_of(reader, node, names, FG_ARRAY_LEN(names), &found) && !found)
		fg_reader_fault(reader, node,
				"process needs one of pid, port, pidFile, name, cgroup, container "
				"and unit");
	if (container && container->kind == FG_NODE_SCALAR && !container->broken &&
	    !strstr(container->text, "{{") && !is_container_id(container->text))
		fg_reader_fault(reader, container,
				"container wants the id of a container, or 6 or more of its first "
				"digits");
}

/* -- the whole ------------------------------------------------------------------------------ */

static bool names_port(const char *text)
{
	return text && strstr(text, "{{ target.port }}");
}

static bool wants_port(const struct fg_target *target)
{
	if (names_port(target->url) || names_port(target->ready_url) || names_port(target->cwd))
		return true;
	for (size_t i = 0; target->command && target->command[i]; i++)
		if (names_port(target->command[i]))
			return true;
	for (size_t i = 0; i < target->env.count; i++)
		if (names_port(target->env.items[i].value))
			return true;
	return false;
}

/* Spaces stand inside {{ }} only. */
static bool has_strange_bytes(const char *url)
{
	const char *open = strstr(url, "{{");
	const char *space = strchr(url, ' ');

	return strpbrk(url, "\t\r\n\"<>") || (space && (!open || space < open));
}

static void check_url(struct fg_reader *reader, const struct fg_node *node, const char *url)
{
	if (!url || node->kind != FG_NODE_SCALAR)
		return;
	if (!fg_str_starts_with(url, "http://") && !fg_str_starts_with(url, "https://"))
		fg_reader_fault(reader, node,
				"\"%.80s\" is not a URL; it starts with http:// or "
				"https://",
				url);
	else if (!strstr(url, "://")[3] || strchr("/?#:", strstr(url, "://")[3]))
		fg_reader_fault(reader, node, "the URL names no host");
	else if (has_strange_bytes(url))
		fg_reader_fault(reader, node, "the URL holds characters that no URL has");
}

/* What holds between keys; `start` and `url` may be NULL. */
static void check_start(struct fg_reader *reader, const struct fg_node *node,
			const struct fg_node *start, const struct fg_node *url,
			const struct fg_target *target)
{
	bool needs_url =
		target->ready == FG_READY_TCP || (target->ready_url && target->ready_url[0] == '/');

	if (target->wants_port && !start)
		fg_reader_fault(reader, url ? url : node,
				"{{ target.port }} needs target.start: flamegate chooses a port "
				"only for what it starts");
	if (start && needs_url && !url)
		fg_reader_fault(reader, start, "ready needs target.url to know where to ask");
}

void fg_read_target(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		    void *owner)
{
	struct fg_target *target = owner ? &((struct fg_scenario_file *)owner)->target : NULL;
	const struct fg_node *url = fg_node_get(node, "url", NULL);
	const struct fg_node *start = fg_node_get(node, "start", NULL);
	struct fg_node *process = NULL;

	fg_reader_object(reader, node, key->table, target);
	reader->has_url = url != NULL;
	if (!target || node->kind != FG_NODE_MAP)
		return;
	(void)fg_node_get(node, "process", &process);
	if (start && process)
		fg_reader_fault(reader, process,
				"\"start\" and \"process\" exclude each other; keep one");
	if (url)
		check_url(reader, url, target->url);
	target->wants_port = wants_port(target);
	check_start(reader, node, start, url, target);
	if (start && target->ready == FG_READY_NONE && target->url)
		target->ready = FG_READY_TCP;
}
