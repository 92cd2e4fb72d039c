/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses → names, unprivileged, after the run: own sorted index per module, kernel symbols,
 * demangling, separate debug files, inline frames.
 *
 * Works on file descriptors that were opened while the target lived, so exited, deleted and
 * containerised binaries keep their names. Rules: reference/ebpf.md §2 (deterministic choice among
 * aliases; addr < st_value + st_size; unnamed code becomes module+0xFDEstart).
 */
#ifndef FG_SYMBOL_SYMBOLIZER_H
#define FG_SYMBOL_SYMBOLIZER_H

#include "profiler/symbol/debugfile.h"
#include "profiler/symbol/names.h"

enum {
	FG_SYMBOL_INLINE_MAX = 32,
	FG_SYMBOL_NAME_MAX = 4096,
	FG_SYMBOL_MODULES_MAX = 1 << 16,
	FG_SYMBOL_IMAGE_MAX = 64 << 20,
};

struct fg_symbolizer;

struct fg_symbol_line {
	const char *name;        /* demangled, owned by the symbolizer */
	const char *system_name; /* raw */
	const char *filename;    /* source, or "" */
	uint32_t line;           /* of the address inside that function; 0 unknown */
	uint32_t start_line;
};
struct fg_symbol {
	bool named; /* false: name is module+0xstart (function start by FDE) or module+0xaddress */
	size_t line_count; /* ≥ 1; innermost inlined first, physical function last */
	struct fg_symbol_line lines[FG_SYMBOL_INLINE_MAX];
};

struct fg_symbolizer_options {
	bool inlines;              /* DWARF inline frames and lines where debug info is present */
	const char *kallsyms_path; /* NULL: /proc/kallsyms */
	const char *debug_root;    /* NULL: /usr/lib/debug */
	uint64_t inline_budget_ns; /* for DWARF, over all addresses; 0: 20 s */
	enum fg_name_style style;
	struct fg_debug_fetch fetch; /* for modules without symbols here; .open NULL: nothing */
};

int fg_symbolizer_new(const struct fg_symbolizer_options *options, struct fg_symbolizer **ret,
		      struct fg_err *err) FG_MUST_USE;
void fg_symbolizer_free(struct fg_symbolizer *symbolizer);
/** Adds a module; `fd` is taken (closed on free), -1 = file unavailable (addresses stay unnamed).
 *  `path` is where the target saw it. Returns its handle ≥ 0. */
int fg_symbolizer_add_module(struct fg_symbolizer *symbolizer, int fd, const char *path,
			     struct fg_err *err) FG_MUST_USE;
/** The same for an ELF image in memory (vDSO); copied. */
int fg_symbolizer_add_image(struct fg_symbolizer *symbolizer, const void *image, size_t len,
			    const char *path, struct fg_err *err) FG_MUST_USE;
/** `vaddr` is in the module's p_vaddr space, already −1 for return addresses. Ask once per distinct
 *  address: with inlines each call costs some microseconds. */
int fg_symbolizer_resolve(struct fg_symbolizer *symbolizer, int module, uint64_t vaddr,
			  struct fg_symbol *ret, struct fg_err *err) FG_MUST_USE;
int fg_symbolizer_resolve_kernel(struct fg_symbolizer *symbolizer, uint64_t address,
				 struct fg_symbol *ret, struct fg_err *err) FG_MUST_USE;
/** Perf map text (/tmp/perf-PID.map of a JIT) as a module of its own, whose addresses are absolute;
 *  later lines override earlier ones. `text` is copied. Returns its handle ≥ 0. */
int fg_symbolizer_add_perf_map(struct fg_symbolizer *symbolizer, const char *text, size_t len,
			       const char *path, struct fg_err *err) FG_MUST_USE;
/** Why kernel addresses have no names ("" while they have): for the report. */
const char *fg_symbolizer_kernel_problem(const struct fg_symbolizer *symbolizer);
/** Addresses that got no inline frames because the time for DWARF was used up. */
size_t fg_symbolizer_inlines_skipped(const struct fg_symbolizer *symbolizer);
/** Hex build id of a module, or "". */
const char *fg_symbolizer_build_id(const struct fg_symbolizer *symbolizer, int module);

#endif
