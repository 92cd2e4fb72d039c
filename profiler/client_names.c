/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/client_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"
#include "profiler/client_jit.h"

enum { UNPARSED = -1, UNUSABLE = -2 };

/* -- what names mean ------------------------------------------------------------------------ */

static void copy(char to[FG_SYMBOL_NAME_MAX], const char *from, size_t len)
{
	len = FG_MIN(len, (size_t)FG_SYMBOL_NAME_MAX - 1);
	memcpy(to, from, len);
	to[len] = '\0';
}

/* "name /app/server.js:10:5": where the file's name starts, or NULL. */
static const char *file_of(const char *raw)
{
	static const char *const starts[] = {" file://", " node:", " /"};

	for (size_t i = 0; i < FG_ARRAY_LEN(starts); i++) {
		const char *found = strstr(raw, starts[i]);

		if (found)
			return found + 1;
	}
	const char *space = strrchr(raw, ' ');

	return space ? space + 1 : NULL;
}

/* The last ":N" before `end`; returns where it starts, or `end`. */
static const char *cut_number(const char *text, const char *end, uint32_t *ret)
{
	const char *at = end;
	uint64_t value;

	while (at > text && at[-1] >= '0' && at[-1] <= '9')
		at--;
	if (at == end || at == text || at[-1] != ':' ||
	    fg_num_u64(at, (size_t)(end - at), &value, NULL) != 0 || value > UINT32_MAX)
		return end;
	*ret = (uint32_t)value;
	return at - 1;
}

/* V8 says how a function was compiled, which changes while it runs: "JS:~f", "LazyCompile:*f". */
static void parse_node(const char *raw, struct fg_generated_name *ret)
{
	static const char *const prefixes[] = {"JS:", "LazyCompile:", "Function:"};
	const char *builtin = "Builtin:";

	if (fg_str_starts_with(raw, builtin)) {
		/* as the symbols of a node that has them */
		(void)snprintf(ret->name, sizeof(ret->name), "Builtins_%s", raw + strlen(builtin));
		return;
	}
	const char *rest = NULL;

	for (size_t i = 0; i < FG_ARRAY_LEN(prefixes) && !rest; i++) {
		if (fg_str_starts_with(raw, prefixes[i]))
			rest = raw + strlen(prefixes[i]);
	}
	copy(ret->name, raw, strlen(raw));
	if (!rest)
		return;
	rest += *rest && strchr("~*^+", *rest) ? 1 : 0;
	(void)snprintf(ret->name, sizeof(ret->name), "JS:%s", rest);
	const char *file = file_of(rest - 1 > raw ? rest - 1 : rest);

	if (!file)
		return;
	uint32_t column;
	const char *end = file + strlen(file);
	const char *line_end = cut_number(file, end, &column);
	const char *file_end = cut_number(file, line_end, &ret->line);

	copy(ret->filename, file, (size_t)(file_end - file));
}

/* "int Zoo.burn(int)" → "Zoo.burn", as C++ is shown; stubs ("StubRoutines (1)") stay. */
static void parse_java(const char *raw, struct fg_generated_name *ret)
{
	const char *open = strchr(raw, '(');
	size_t len = strlen(raw);

	copy(ret->name, raw, len);
	if (!open || open == raw || open[-1] == ' ' || raw[len - 1] != ')')
		return;
	const char *start = open;

	while (start > raw && start[-1] != ' ')
		start--;
	if (memchr(start, '.', (size_t)(open - start)))
		copy(ret->name, start, (size_t)(open - start));
}

void fg_names_parse(enum fg_runtime runtime, const char *raw, struct fg_generated_name *ret)
{
	ret->filename[0] = '\0';
	ret->line = 0;
	if (runtime == FG_RUNTIME_NODE)
		parse_node(raw, ret);
	else if (runtime == FG_RUNTIME_JAVA)
		parse_java(raw, ret);
	else
		copy(ret->name, raw, strlen(raw));
}

/* -- looking up ----------------------------------------------------------------------------- */

int fg_names_begin(struct fg_builder *builder, struct fg_err *err)
{
	const struct fg_client_processes *processes = &builder->profiler->processes;

	for (size_t i = 0; i < FG_ARRAY_LEN(builder->jit_modules); i++)
		builder->jit_modules[i] = FG_NO_INDEX;
	builder->code_processes =
		calloc(builder->profiler->module_count + 1, sizeof(*builder->code_processes));
	if (!builder->code_processes)
		return fg_err_nomem(err);
	for (size_t i = 0; i < processes->jit_count; i++) {
		const struct fg_client_process *process = &processes->items[processes->jits[i]];
		size_t module = (size_t)process->code_module - FG_MODULE_FIRST;

		for (size_t g = 0; g < process->jit->count; g++)
			process->jit->generations[g].handle = UNPARSED;
		if (process->code_module >= FG_MODULE_FIRST &&
		    module < builder->profiler->module_count && process->jit->count)
			builder->code_processes[module] = processes->jits[i] + 1;
	}
	return 0;
}

static int handle_of(struct fg_builder *builder, struct fg_jit *jit, size_t generation)
{
	struct fg_jit_generation *g = &jit->generations[generation];
	const char *text = g->text ? g->text : jit->text;
	size_t len = g->text ? g->len : FG_MIN(g->len, jit->text_len);

	if (g->handle == UNPARSED && text) {
		/* one that is malformed throughout names nothing */
		int handle = fg_symbolizer_add_perf_map(builder->symbolizer, text, len, "perf map",
							NULL);

		g->handle = handle < 0 ? UNUSABLE : handle;
	} else if (g->handle == UNPARSED) {
		g->handle = UNUSABLE;
	}
	return g->handle;
}

/* The i-th generation to ask: the first one after the sample, the later ones, the earlier ones. */
static size_t order(size_t count, size_t first, size_t i)
{
	return first + i < count ? first + i : count - 1 - i;
}

static int find(struct fg_builder *builder, const struct fg_client_process *process,
		uint32_t generation, uint64_t address, struct fg_symbol *ret, struct fg_err *err)
{
	struct fg_jit *jit = process->jit;
	size_t count = jit ? jit->count : 0, first = FG_MIN((size_t)generation, count);

	ret->named = false;
	for (size_t i = 0; i < count; i++) {
		int handle = handle_of(builder, jit, order(count, first, i));

		if (handle < 0)
			continue;
		int rc = fg_symbolizer_resolve(builder->symbolizer, handle, address, ret, err);

		if (rc || ret->named)
			return rc;
	}
	return 0;
}

static void set_names(enum fg_runtime runtime, struct fg_symbol *symbol,
		      struct fg_generated_name *name)
{
	fg_names_parse(runtime, symbol->lines[0].system_name, name);
	symbol->lines[0].name = name->name;
	symbol->lines[0].filename = name->filename;
	symbol->lines[0].start_line = name->line;
}

/* Stable between runs: neither addresses nor process numbers in it. */
static int64_t module_of(struct fg_builder *builder, enum fg_runtime runtime, struct fg_err *err)
{
	uint32_t *kept = &builder->jit_modules[runtime];
	struct fg_pmodule module = {0};

	if (*kept != FG_NO_INDEX)
		return *kept;
	const char *name = runtime == FG_RUNTIME_NATIVE ? "[jit]" : fg_runtime_name(runtime);
	int64_t path = fg_builder_text(builder, name, err);

	if (path < 0)
		return path;
	module.path = (uint32_t)path;
	int64_t index = fg_profile_module(builder->profile, &module, err);

	if (index >= 0)
		*kept = (uint32_t)index;
	return index;
}

int64_t fg_names_location(struct fg_builder *builder, uint32_t context, uint64_t address,
			  uint32_t flags, bool *ret_unnamed, struct fg_err *err)
{
	const struct fg_client_process *process =
		fg_client_process_of(&builder->profiler->processes, context);
	enum fg_runtime runtime = process ? process->runtime : FG_RUNTIME_NATIVE;
	uint32_t generation = context & ((1u << FG_CONTEXT_SHIFT) - 1);
	struct fg_symbol symbol = {.named = false};
	struct fg_generated_name name;
	int rc = process ? find(builder, process, generation, address, &symbol, err) : 0;
	int64_t module = rc ? rc : module_of(builder, runtime, err);

	if (module < 0)
		return module;
	struct fg_plocation location = {.module = (uint32_t)module, .flags = flags | FG_LOC_JIT};

	*ret_unnamed = !symbol.named;
	if (symbol.named) {
		set_names(runtime, &symbol, &name);
	} else {
		location.flags |= FG_LOC_UNNAMED;
		symbol.line_count = 1;
		symbol.lines[0] = (struct fg_symbol_line){
			.name = "[jit]", .system_name = "[jit]", .filename = ""};
	}
	return fg_builder_symbol(builder, &location, &symbol, err);
}

int fg_names_builtin(struct fg_builder *builder, size_t module, uint64_t address,
		     struct fg_symbol *symbol, struct fg_generated_name *name, struct fg_err *err)
{
	uint32_t entry = builder->code_processes[module];
	struct fg_symbol found;

	if (!entry || symbol->named)
		return 0;
	const struct fg_client_process *process = &builder->profiler->processes.items[entry - 1];
	int rc = find(builder, process, FG_JIT_GENERATIONS_MAX, address + process->code_bias,
		      &found, err);

	if (rc || !found.named)
		return rc;
	*symbol = found;
	set_names(process->runtime, symbol, name);
	return 0;
}
