/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/base/file.h"
#include "gate/base/num.h"
#include "gate/base/str.h"
#include "profiler/proc.h"
#include "profiler/runtime_options.h"

enum { WORDS_MAX = 256 << 10, STATUS_MAX = 8192 };

/* As much of the file as fits; 0 when it cannot be read. */
static size_t read_some(uint32_t pid, const char *file, char *buffer, size_t size_bytes)
{
	char path[64];
	size_t len = 0;

	(void)snprintf(path, sizeof(path), "/proc/%u/%s", pid, file);
	FG_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && len < size_bytes) {
		ssize_t got = read(fd, buffer + len, size_bytes - len);

		if (got <= 0)
			break;
		len += (size_t)got;
	}
	return len;
}

/* The text behind "Name:\t" up to the end of its line; NULL if there is none. */
static const char *field(const char *text, size_t len, const char *name, size_t *ret_len)
{
	size_t name_len = strlen(name);

	for (size_t at = 0; at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t line_len = end ? (size_t)(end - text) - at : len - at;
		const char *line = text + at;

		at += line_len + 1;
		if (line_len <= name_len || memcmp(line, name, name_len) != 0)
			continue;
		*ret_len = line_len - name_len;
		return line + name_len;
	}
	return NULL;
}

/* The n-th number of a list separated by tabs; the last one for n past the end. */
static bool number_of(const char *text, size_t len, size_t n, uint32_t *ret)
{
	bool found = false;

	for (size_t at = 0, i = 0; at < len && i <= n;) {
		size_t from = at;
		uint64_t value;

		while (at < len && text[at] != '\t' && text[at] != ' ')
			at++;
		if (at > from && fg_num_u64(text + from, at - from, &value, NULL) == 0 &&
		    value <= UINT32_MAX) {
			*ret = (uint32_t)value;
			found = true;
			i++;
		}
		at++;
	}
	return found;
}

void fg_process_status(const char *text, size_t len, struct fg_process_facts *facts)
{
	enum { EFFECTIVE = 1 };
	size_t field_len;
	const char *uids = field(text, len, "Uid:", &field_len);

	if (uids)
		(void)number_of(uids, field_len, EFFECTIVE, &facts->uid);
	const char *pids = field(text, len, "NSpid:", &field_len);

	if (pids)
		(void)number_of(pids, field_len, SIZE_MAX - 1, &facts->ns_pid);
}

void fg_process_read_status(uint32_t pid, struct fg_process_facts *facts)
{
	char status[STATUS_MAX];

	fg_process_status(status, read_some(pid, "status", status, sizeof(status)), facts);
}

bool fg_process_catches(const char *text, size_t len, int signal_number)
{
	size_t field_len;
	const char *mask_text = field(text, len, "SigCgt:", &field_len);
	uint64_t mask;

	while (mask_text && field_len && (*mask_text == '\t' || *mask_text == ' ')) {
		mask_text++;
		field_len--;
	}
	return mask_text && signal_number > 0 && signal_number <= 64 &&
	       fg_num_hex(mask_text, field_len, &mask, NULL) == 0 &&
	       (mask >> (signal_number - 1) & 1);
}

uint64_t fg_process_start_ns(uint32_t pid)
{
	struct fg_proc_stat stat;
	long per_s = sysconf(_SC_CLK_TCK);

	if (per_s <= 0 || fg_proc_stat(pid, &stat, NULL) != 0)
		return 0;
	return stat.start_ticks * (FG_NS_PER_S / (uint64_t)per_s);
}

void fg_process_name(uint32_t pid, char *name, size_t size_bytes)
{
	static const char deleted[] = " (deleted)";
	char link[64], path[FG_PATH_MAX];

	(void)snprintf(link, sizeof(link), "/proc/%u/exe", pid);
	ssize_t len = readlink(link, path, sizeof(path) - 1);

	path[len > 0 ? len : 0] = '\0';
	if (fg_str_ends_with(path, deleted))
		path[strlen(path) - strlen(deleted)] = '\0';
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;

	(void)snprintf(name, size_bytes, "%.*s", (int)FG_MIN(strlen(base), size_bytes - 1), base);
}

static void find_runtime(const struct fg_mappings *mappings, struct fg_process_facts *facts)
{
	facts->runtime = fg_runtime_of_program(facts->name);
	for (size_t i = 0; i < mappings->count; i++) {
		const struct fg_mapping *mapping = &mappings->items[i];

		if (mapping->kind == FG_MAPPING_ANON)
			facts->has_jit = true;
		/* What is mapped decides: a launcher has any name. But what only embeds a runtime
		 * beside its own (a Node addon with Python in it) stays what its program is. */
		if (mapping->kind == FG_MAPPING_FILE && facts->runtime == FG_RUNTIME_NATIVE)
			facts->runtime = fg_runtime_of_library(mapping->path);
	}
}

/* Only the options of runtimes are looked for; nothing else of it is kept. */
static void read_flags(uint32_t pid, struct fg_process_facts *facts)
{
	char *words = malloc((size_t)2 * WORDS_MAX);

	if (!words)
		return;
	size_t words_len = read_some(pid, "cmdline", words, WORDS_MAX);
	size_t len = read_some(pid, "environ", words + WORDS_MAX, WORDS_MAX);

	facts->flags =
		fg_runtime_flags_of(facts->runtime, words + WORDS_MAX, len, words, words_len);
	explicit_bzero(words, (size_t)2 * WORDS_MAX);
	free(words);
}

void fg_process_facts(uint32_t pid, const struct fg_mappings *mappings, bool is_go,
		      struct fg_process_facts *ret)
{
	struct fg_process_facts facts = {.ns_pid = pid};

	fg_process_read_status(pid, &facts);
	facts.start_ns = fg_process_start_ns(pid);
	fg_process_name(pid, facts.name, sizeof(facts.name));
	find_runtime(mappings, &facts);
	if (is_go && facts.runtime == FG_RUNTIME_NATIVE)
		facts.runtime = FG_RUNTIME_GO;
	if (facts.runtime == FG_RUNTIME_NODE || facts.runtime == FG_RUNTIME_JAVA)
		read_flags(pid, &facts);
	facts.frame_pointers =
		facts.runtime == FG_RUNTIME_NODE ||
		(facts.runtime == FG_RUNTIME_JAVA && (facts.flags & FG_RUNTIME_FRAME_POINTERS));
	*ret = facts;
}
