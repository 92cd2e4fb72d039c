/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a target has mapped: can its stacks be walked (unwind rows), can its functions be named
 * (symbols, debug files), and what would help where not. Files are opened as the kernel maps them.
 */
#include "profiler/probe_internal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gate/base/num.h"
#include "gate/base/str.h"
#include "profiler/symbol/facts.h"
#include "profiler/unwind/mappings.h"
#include "profiler/unwind/table.h"

enum { MODULES_MAX = 256, LISTED_MAX = 3, FIXES_MAX = 3 };

/* A module of which fewer functions have names is worth a debug file; a launcher is not. */
static const double named_share_min = 0.8;
enum { FUNCTIONS_MIN = 64 };

struct tally {
	size_t modules, rows, unreadable, without_rows, unnamed, functions, named, debug_files;
	bool over_limit;
	char rowless[160], nameless[160]; /* "libfoo.so, libbar.so" */
	char fixes[FIXES_MAX][256];
	size_t fix_count;
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static void list_name(char *list, size_t size_bytes, size_t before, const char *path)
{
	size_t used = strlen(list);

	if (before < LISTED_MAX)
		(void)snprintf(list + used, size_bytes - used, "%s%.60s", used ? ", " : "",
			       base_name(path));
	else if (before == LISTED_MAX)
		(void)snprintf(list + used, size_bytes - used, " …");
}

/* libc6 is the one library of Debian whose debug files are in a package of the usual archive. */
static void add_fix(struct tally *tally, const char *path)
{
	char package[128];

	if (tally->fix_count == FIXES_MAX)
		return;
	char *fix = tally->fixes[tally->fix_count++];

	if (!fg_probe_package(path, package, sizeof(package)))
		(void)snprintf(fix, sizeof(tally->fixes[0]),
			       "%.100s: build it without -s, or put its debug file where "
			       ".gnu_debuglink or its build id says (/usr/lib/debug)",
			       base_name(path));
	else if (strcmp(package, "libc6") == 0)
		(void)snprintf(fix, sizeof(tally->fixes[0]), "sudo apt install libc6-dbg");
	else
		(void)snprintf(fix, sizeof(tally->fixes[0]),
			       "sudo apt install %.100s-dbgsym (from Debian's debug archive: "
			       "deb http://deb.debian.org/debian-debug CODENAME-debug main)",
			       package);
}

static void look_at_rows(struct tally *tally, int fd, const char *path)
{
	struct fg_unwind_table table = {0};
	size_t rows = 0;

	if (fg_unwind_table_build(fd, path, &table, NULL) == 0)
		rows = table.row_count;
	fg_unwind_table_done(&table);
	tally->rows += rows;
	if (rows)
		return;
	list_name(tally->rowless, sizeof(tally->rowless), tally->without_rows++, path);
}

/* Takes fd. */
static void look_at_names(struct tally *tally, int fd, const char *path)
{
	struct fg_symbol_facts facts = {0};

	if (fg_symbol_facts(fd, path, &facts, NULL) != 0)
		return;
	tally->functions += facts.functions;
	tally->named += facts.named;
	tally->debug_files += facts.has_debug_file;
	if (facts.functions < FUNCTIONS_MIN ||
	    (double)facts.named >= named_share_min * (double)facts.functions)
		return;
	list_name(tally->nameless, sizeof(tally->nameless), tally->unnamed++, path);
	add_fix(tally, path);
}

static bool is_first_of_file(const struct fg_mappings *mappings, size_t at)
{
	const struct fg_mapping *one = &mappings->items[at];

	for (size_t i = 0; i < at; i++)
		if (mappings->items[i].kind == FG_MAPPING_FILE &&
		    mappings->items[i].inode == one->inode &&
		    mappings->items[i].dev_major == one->dev_major &&
		    mappings->items[i].dev_minor == one->dev_minor)
			return false;
	return true;
}

static void look(struct tally *tally, uint32_t pid, const struct fg_mappings *mappings)
{
	for (size_t i = 0; i < mappings->count; i++) {
		const struct fg_mapping *mapping = &mappings->items[i];

		if (mapping->kind != FG_MAPPING_FILE || !is_first_of_file(mappings, i))
			continue;
		if (tally->modules == MODULES_MAX) {
			tally->over_limit = true;
			return;
		}
		tally->modules++;
		int fd = fg_mapping_open((pid_t)pid, mapping, NULL);

		if (fd < 0) {
			tally->unreadable++;
			continue;
		}
		look_at_rows(tally, fd, mapping->path);
		look_at_names(tally, fd, mapping->path);
	}
}

static void tell_rows(struct fg_probe_list *list, const struct tally *tally)
{
	struct fg_probe *probe = fg_probe_add(list, "unwind tables", false);
	char rows[FG_NUM_TEXT_MAX];

	probe->ok = tally->without_rows == 0 && tally->unreadable == 0;
	fg_probe_detail(probe, "%s rows in %zu module%s%s%s%s%s",
			fg_num_format_count(tally->rows, rows), tally->modules,
			tally->modules == 1 ? "" : "s", tally->over_limit ? " (and more)" : "",
			tally->without_rows ? "; none in " : "", tally->rowless,
			tally->unreadable ? "; some files may not be read" : "");
	if (tally->without_rows)
		fg_probe_fix(probe, "compile it with -fasynchronous-unwind-tables, and do not "
				    "strip .eh_frame");
	else if (tally->unreadable)
		fg_probe_fix(probe, "as for its owner");
}

static void tell_names(struct fg_probe_list *list, const struct tally *tally)
{
	struct fg_probe *probe = fg_probe_add(list, "function names", false);
	double all = (double)FG_MAX(tally->functions, (size_t)1);

	probe->ok = tally->unnamed == 0;
	fg_probe_detail(probe, "%.1f %% of functions, %zu debug file%s found%s%s",
			100.0 * (double)tally->named / all, tally->debug_files,
			tally->debug_files == 1 ? "" : "s", tally->unnamed ? "; few of " : "",
			tally->nameless);
	if (tally->fix_count)
		fg_probe_fix(probe, "%s", tally->fixes[0]);
	for (size_t i = 1; i < tally->fix_count; i++) {
		struct fg_probe *more = fg_probe_add(list, "", false);

		fg_probe_fix(more, "%s", tally->fixes[i]);
	}
}

void fg_probe_modules(struct fg_probe_list *list, uint32_t pid)
{
	struct fg_mappings mappings = {0};
	struct tally tally = {0};
	struct fg_err err = {0};

	if (fg_mappings_read((pid_t)pid, &mappings, &err) != 0) {
		struct fg_probe *probe = fg_probe_add(list, "mapped files", false);

		fg_probe_detail(probe, "%.200s", err.message);
		fg_probe_fix(probe, "as for its owner");
		return;
	}
	look(&tally, pid, &mappings);
	fg_mappings_done(&mappings);
	tell_rows(list, &tally);
	tell_names(list, &tally);
}
