/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profile model: symbolised stacks with weights, in pprof's terms, without pprof's encoding.
 *
 * Tables are dense and interned: strings, modules (mappings), functions, locations, stacks; samples
 * refer to them by index. A sample is one stack × request class × phase × side × latency × second.
 * Stacks are leaf first. Nothing here knows how samples were taken.
 */
#ifndef FG_PROFILE_PROFILE_H
#define FG_PROFILE_PROFILE_H

#include "gate/base/err.h"

enum {
	FG_PROFILE_STACK_MAX = 512,      /* frames of one stack */
	FG_PROFILE_INLINE_MAX = 64,      /* lines of one location */
	FG_PROFILE_ITEMS_MAX = 4000000,  /* elements of any one table */
	FG_PROFILE_FRAMES_MAX = 1 << 27, /* frames of all stacks together */
	FG_PROFILE_LINES_MAX = 1 << 25,  /* lines of all locations together */
	FG_PROFILE_STRING_MAX = 4096,    /* bytes of one string; longer ones are cut */
	FG_PROFILE_BYTES_MAX = 256 << 20 /* an encoded or inflated profile */
};

/* How a stack ended; COMPLETE only when a known root was reached. */
enum fg_stack_result {
	FG_STACK_COMPLETE,
	FG_STACK_NO_MAPPING,  /* an address in no known mapping */
	FG_STACK_GAP,         /* in a mapping, but no unwind row covers it */
	FG_STACK_UNSUPPORTED, /* a rule the rows cannot hold */
	FG_STACK_READ_FAULT,
	FG_STACK_DEPTH,       /* more frames than the limit */
	FG_STACK_BAD,         /* the frame did not move up: corrupt */
	FG_STACK_KERNEL_ONLY, /* no user part: kernel thread, or exiting; not incomplete */
	FG_STACK_GUESSED,     /* reached a root, but by at least one guessed frame */
	FG_STACK_SCRIPT,      /* native frames are complete, those of an interpreter are not */
	FG_STACK_RESULT_COUNT
};
const char *fg_stack_result_name(enum fg_stack_result result);

/* What a profile counts. Each is a profile of its own: stacks of different types are never mixed.
 */
enum fg_profile_type {
	FG_PROFILE_CPU,    /* cpu nanoseconds */
	FG_PROFILE_OFFCPU, /* offcpu nanoseconds: waiting, idle waits apart */
	FG_PROFILE_WALL,   /* wall nanoseconds: both of the above */
	FG_PROFILE_FAULTS, /* page_faults count: where resident memory grows */
	FG_PROFILE_TYPE_COUNT
};
/** "cpu", "offcpu", "wall", "faults": in options, file names and run.json. */
const char *fg_profile_type_name(enum fg_profile_type type);
/** -1: no such type. */
int fg_profile_type_find(const char *name, size_t len);

enum fg_location_flags {
	FG_LOC_KERNEL = 1,      /* kernel code */
	FG_LOC_UNNAMED = 2,     /* no symbol: the function is module+0xstart and is never gated */
	FG_LOC_GUESSED = 4,     /* found by a guess (RBP chain without unwind row) */
	FG_LOC_PLACEHOLDER = 8, /* [truncated], [unknown]: stands for missing frames */
	FG_LOC_JIT = 16,
	FG_LOC_SCRIPT = 32, /* a function of an interpreted language */
};

struct fg_pmodule {
	uint32_t path;     /* string */
	uint32_t build_id; /* string, hex; 0 = "" */
	uint64_t start, limit, file_offset;
};

struct fg_pfunction {
	uint32_t name;        /* string: demangled, for people */
	uint32_t system_name; /* string: raw linkage name */
	uint32_t filename;    /* string, may be "" */
	uint32_t start_line;
	uint32_t module; /* index into modules */
};

struct fg_pline {
	uint32_t function;
	uint32_t line;
};

struct fg_plocation {
	uint32_t module;
	uint32_t flags;      /* enum fg_location_flags */
	uint64_t address;    /* module-relative where a module is known */
	uint32_t line_start; /* into lines[]: innermost inlined first, physical function last */
	uint32_t line_count; /* ≥ 1 */
};

struct fg_pstack {
	uint32_t frame_start; /* into frames[]: location indices, leaf first */
	uint32_t frame_count; /* ≥ 1 */
	uint32_t result;      /* enum fg_stack_result */
};

struct fg_psample {
	uint32_t stack;
	uint32_t endpoint; /* string: request class name, 0 = "" = unattributed */
	uint32_t phase;    /* string: "measure", "warmup" … */
	uint32_t side;     /* string: "", "base", "head" */
	uint32_t latency;  /* string: "slow": of a request above the latency quantile; or "" */
	uint32_t second;   /* since the run's start; label t_ms = second × 1000 */
	uint64_t count;    /* samples; value = count × period_ns in the type's unit */
};

struct fg_profile_tables; /* interning hashes, private */

struct fg_profile {
	char **strings; /* [0] is "" */
	size_t string_count, string_capacity;
	struct fg_pmodule *modules;
	size_t module_count, module_capacity;
	struct fg_pfunction *functions;
	size_t function_count, function_capacity;
	struct fg_pline *lines;
	size_t line_count, line_capacity;
	struct fg_plocation *locations;
	size_t location_count, location_capacity;
	uint32_t *frames;
	size_t frame_count, frame_capacity;
	struct fg_pstack *stacks;
	size_t stack_count, stack_capacity;
	struct fg_psample *samples;
	size_t sample_count, sample_capacity;
	enum fg_profile_type type;
	uint64_t
		period_ns; /* one sample stands for this much (CPU; of other types in their unit) */
	uint64_t time_unix_ns; /* start of the run */
	uint64_t duration_ns;
	struct fg_profile_tables *tables;
};

int fg_profile_new(struct fg_profile **ret, struct fg_err *err) FG_MUST_USE;
void fg_profile_free(struct fg_profile *profile);

/* Each interns: equal content gives the same index (≥ 0); negative error code otherwise.
 * Invalid UTF-8 in strings is replaced. */
int64_t fg_profile_string(struct fg_profile *profile, const char *text, size_t len,
			  struct fg_err *err) FG_MUST_USE;
int64_t fg_profile_module(struct fg_profile *profile, const struct fg_pmodule *module,
			  struct fg_err *err) FG_MUST_USE;
int64_t fg_profile_function(struct fg_profile *profile, const struct fg_pfunction *function,
			    struct fg_err *err) FG_MUST_USE;
/** `lines` are copied; line_start is ignored. */
int64_t fg_profile_location(struct fg_profile *profile, const struct fg_plocation *location,
			    const struct fg_pline *lines, struct fg_err *err) FG_MUST_USE;
int64_t fg_profile_stack(struct fg_profile *profile, const uint32_t *locations_leaf_first,
			 size_t count, enum fg_stack_result result, struct fg_err *err) FG_MUST_USE;
/** Adds `sample->count` to the equal sample or appends it. */
int fg_profile_sample(struct fg_profile *profile, const struct fg_psample *sample,
		      struct fg_err *err) FG_MUST_USE;

/** The text of a string index; "" when out of range. */
const char *fg_profile_text(const struct fg_profile *profile, uint32_t string);
/** The base name of a module's path; "unknown" when it has none or does not exist. */
const char *fg_profile_module_name(const struct fg_profile *profile, uint32_t module);
/** Saturates at UINT64_MAX. */
uint64_t fg_profile_total_count(const struct fg_profile *profile);

#endif
