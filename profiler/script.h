/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interpreted functions in the helper: which address space runs which interpreter, and names for
 * the words that BPF emits.
 *
 * Names come from BPF, which reads them when it first meets a code object, or from the target's
 * memory when samples are drained; once per code object and check. They are sent before the first
 * sample that uses them. What is gone by then leaves a placeholder. Where the client says an
 * interpreter lies is believed for what it is: addresses in processes that it may trace anyway.
 */
#ifndef FG_PROFILER_SCRIPT_H
#define FG_PROFILER_SCRIPT_H

#include <sys/types.h>

#include "profiler/script_text.h"
#include "profiler/wire.h"

enum {
	FG_SCRIPT_NAMES_MAX = 1 << 18,
	FG_SCRIPT_RUNTIMES_MAX = 256,
};

struct fg_scripts;

int fg_scripts_new(struct fg_scripts **ret, struct fg_err *err) FG_MUST_USE;
void fg_scripts_free(struct fg_scripts *scripts);
/** What the client found in module `module`: addresses of the runtime and of its type of code
 *  objects (or 0). UNSUPPORTED for an unknown version (worth a notice),
 *  LIMIT for too many. */
int fg_scripts_add_runtime(struct fg_scripts *scripts, uint32_t module, uint32_t kind,
			   uint32_t version, const uint64_t addresses[2],
			   struct fg_err *err) FG_MUST_USE;
/** Whether the module holds an interpreter. `scripts` may be NULL. */
bool fg_scripts_knows(const struct fg_scripts *scripts, uint32_t module);
/** Fills `how` for process `pid`, which has `module` mapped at `bias`, and gives its program a
 *  number in *image (kept if not 0). Nothing is filled when the memory does not look like it. */
void fg_scripts_describe(struct fg_scripts *scripts, uint32_t module, pid_t pid, uint64_t bias,
			 uint32_t *image, struct fg_bpf_script *how);
/** No process runs this image any more: its number is used again, as late as possible. */
void fg_scripts_release(struct fg_scripts *scripts, uint32_t image);
/** A name that the BPF side captured. */
void fg_scripts_captured(struct fg_scripts *scripts, const struct fg_bpf_script_name *captured);
/** What to call for captured names that may have come meanwhile. */
void fg_scripts_set_more(struct fg_scripts *scripts, void (*more)(void *context), void *context);
/** Script words of a sample → frames of FG_MODULE_SCRIPT at `out`, leaf first; at most half as
 *  many. Returns how many. */
size_t fg_scripts_resolve(struct fg_scripts *scripts, uint32_t tgid, const uint64_t *words,
			  size_t count, uint64_t *out);
/** Answers a RUNTIME: a SCRIPT without names. */
int fg_scripts_acknowledge(struct fg_scripts *scripts, struct fg_wire *wire,
			   struct fg_err *err) FG_MUST_USE;
/** Queues names that were not sent yet. Call before the samples that use them. */
int fg_scripts_send(struct fg_scripts *scripts, struct fg_wire *wire,
		    struct fg_err *err) FG_MUST_USE;

#endif
