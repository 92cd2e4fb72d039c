/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "gate/base/clock.h"
#include "gate/base/vec.h"
#include "profiler/announce.h"
#include "profiler/proc.h"
#include "profiler/rights.h"
#include "profiler/script_target.h"
#include "profiler/target_memory.h"
#include "profiler/wire.pb-c.h"

void fg_targets_init(struct fg_targets *targets, struct fg_session *session,
		     struct fg_modules *modules)
{
	memset(targets, 0, sizeof(*targets));
	targets->session = session;
	targets->modules = modules;
	fg_spaces_init(&targets->spaces, fg_session_arena(session));
}

void fg_targets_done(struct fg_targets *targets)
{
	free(targets->items);
	targets->items = NULL;
	targets->count = 0;
	targets->capacity = 0;
}

static struct fg_process *find(struct fg_targets *targets, uint32_t tgid)
{
	for (size_t i = 0; i < targets->count; i++) {
		if (targets->items[i].tgid == tgid)
			return &targets->items[i];
	}
	return NULL;
}

static void leave_space(struct fg_targets *targets, struct fg_process *process)
{
	fg_spaces_leave(&targets->spaces, process->space, fg_clock_monotonic_ns());
	process->space = 0;
}

static uint64_t hash_mappings(const struct fg_mappings *mappings)
{
	uint64_t hash = mappings->count + 1;

	for (size_t i = 0; i < mappings->count; i++) {
		const struct fg_mapping *m = &mappings->items[i];
		const uint64_t key[] = {hash,     m->start,  m->end,
					m->inode, m->offset, (uint64_t)m->kind};

		hash = XXH3_64bits(key, sizeof(key));
	}
	return hash ? hash : 1;
}

/* V8's builtins have no rows but keep the frame pointer; node maps them a second time elsewhere. */
static void add_rows(struct fg_space_draft *draft, uint64_t start,
		     const struct fg_bpf_mapping *entry, const struct fg_module *module,
		     struct fg_process *process)
{
	struct fg_bpf_mapping piece = *entry;
	uint64_t from = FG_MAX(start, module->gap_start + entry->bias);
	uint64_t to = FG_MIN(entry->end, module->gap_end + entry->bias);

	if (process->facts.runtime != FG_RUNTIME_NODE || module->gap_end <= module->gap_start ||
	    start >= entry->end || from >= to) {
		fg_space_draft_add(draft, start, entry);
		return;
	}
	/* not the copy, which begins with them: perf maps do not list that */
	if (from > start) {
		process->code_module = module->id;
		process->code_bias = entry->bias;
	}
	piece.end = from;
	fg_space_draft_add(draft, start, &piece);
	piece.kind = FG_MAP_JIT;
	piece.end = to;
	fg_space_draft_add(draft, from, &piece);
	piece.kind = entry->kind;
	piece.end = entry->end;
	fg_space_draft_add(draft, to, &piece);
}

static void add_module_mapping(struct fg_space_draft *draft, const struct fg_mapping *mapping,
			       const struct fg_module *module, struct fg_process *process)
{
	const struct fg_unwind_segment *segment = fg_module_segment(module, mapping);
	struct fg_bpf_mapping entry = {
		.end = mapping->end,
		.bias = fg_module_bias(module, mapping, segment),
		.module = module->id,
		.kind = FG_MAP_NO_ROWS,
	};

	if (!module->part_count || (!segment && module->kind != FG_MAPPING_VDSO)) {
		fg_space_draft_add(draft, mapping->start, &entry);
		return;
	}
	for (size_t i = 0; i < module->part_count; i++) {
		const struct fg_module_part *part = &module->parts[i];
		uint64_t start = FG_MAX(mapping->start, part->start + entry.bias);

		entry.end = FG_MIN(mapping->end, part->end + entry.bias);
		entry.kind = FG_MAP_ROWS;
		entry.shard = (uint8_t)part->shard;
		entry.first_page = part->first_page;
		entry.vaddr_pages = (uint32_t)(part->start >> FG_PAGE_SHIFT);
		add_rows(draft, start, &entry, module, process);
	}
}

static int draft_space(struct fg_targets *targets, struct fg_process *process,
		       const struct fg_mappings *mappings, struct fg_err *err)
{
	struct fg_space_draft *draft = &targets->draft;

	process->is_go = false;
	draft->count = 0;
	draft->left_out = mappings->left_out;
	for (size_t i = 0; i < mappings->count; i++) {
		const struct fg_mapping *mapping = &mappings->items[i];
		const struct fg_module *module;

		if (mapping->kind == FG_MAPPING_VSYSCALL)
			continue;
		if (mapping->kind == FG_MAPPING_ANON) {
			const struct fg_bpf_mapping entry = {
				.end = mapping->reach_end,
				.module = FG_MODULE_ANON,
				.kind = process->facts.frame_pointers ? FG_MAP_JIT : FG_MAP_ANON,
			};

			fg_space_draft_add(draft, mapping->reach_start, &entry);
			continue;
		}
		int rc = fg_modules_find(targets->modules, (pid_t)process->tgid, mapping, &module,
					 err);

		if (rc)
			return rc;
		process->is_go |= module->is_go;
		add_module_mapping(draft, mapping, module, process);
	}
	return 0;
}

/* Beyond a limit the session goes on with what it has, and says once what is missing. */
static int tell_limit(struct fg_targets *targets, enum fg_target_limit limit, char *text,
		      struct fg_err *err)
{
	Fg__Wire__Notice notice;

	if (targets->limit_told[limit])
		return 0;
	targets->limit_told[limit] = true;
	fg__wire__notice__init(&notice);
	notice.text = text;
	return fg_wire_send(targets->modules->wire, FG_WIRE_NOTICE, &notice.base, -1, err);
}

static int tell_left_out(struct fg_targets *targets, uint32_t tgid, struct fg_err *err)
{
	char text[160];

	(void)snprintf(text, sizeof(text),
		       "process %u has more than %d executable mappings: stacks through the other "
		       "%zu are incomplete",
		       tgid, FG_MAPPINGS_MAX, targets->draft.left_out);
	return tell_limit(targets, FG_TARGET_LIMIT_MAPPINGS, text, err);
}

static int install_space(struct fg_targets *targets, struct fg_process *process,
			 const struct fg_mappings *mappings, uint64_t hash, struct fg_err *err)
{
	int rc = draft_space(targets, process, mappings, err);

	fg_announce_go(process);
	if (!rc && targets->draft.left_out)
		rc = tell_left_out(targets, process->tgid, err);
	if (!rc)
		rc = fg_spaces_install(&targets->spaces, &process->space, &targets->draft, hash,
				       fg_clock_monotonic_ns(), err);
	if (!rc)
		rc = fg_session_set_target(targets->session, process->tgid,
					   &targets->spaces.items[process->space].range, err);
	return rc ? rc : fg_script_target_installed(targets, process, err);
}

static void forget(struct fg_targets *targets, struct fg_process *process, uint64_t cpu_ns)
{
	targets->exited_ns += FG_MAX(cpu_ns, process->cpu_ns) - process->baseline_ns;
	leave_space(targets, process);
	fg_script_target_left(targets, process);
	*process = targets->items[--targets->count];
}

/* Reads the mappings again and installs them if they changed. A process that is gone has none; one
 * that now belongs to someone else (set-uid exec) is no target any more. */
static int refresh(struct fg_targets *targets, struct fg_process *process, struct fg_err *err)
{
	struct fg_mappings mappings = {0};
	struct fg_err ignored;

	if (fg_rights_check_target(process->tgid, &ignored) == -FG_E_PERMISSION) {
		fg_session_drop_target(targets->session, process->tgid);
		forget(targets, process, process->cpu_ns);
		return 0;
	}
	int rc = fg_mappings_read((pid_t)process->tgid, &mappings, &ignored);

	if (rc)
		return rc == -FG_E_LIMIT
			       ? tell_limit(targets, FG_TARGET_LIMIT_ANY, ignored.message, err)
			       : 0;
	uint64_t hash = hash_mappings(&mappings);

	if (!process->space || targets->spaces.items[process->space].hash != hash) {
		fg_announce_look(process, &mappings);
		rc = install_space(targets, process, &mappings, hash, err);
	}
	fg_mappings_done(&mappings);
	return rc ? rc : fg_announce_process(targets->modules->wire, process, err);
}

static int refresh_within_limits(struct fg_targets *targets, struct fg_process *process,
				 struct fg_err *err)
{
	struct fg_err local;
	int rc = refresh(targets, process, &local);

	if (rc == -FG_E_LIMIT)
		return tell_limit(targets, FG_TARGET_LIMIT_ANY, local.message, err);
	if (rc && err)
		*err = local;
	return rc;
}

static int add_process(struct fg_targets *targets, uint32_t tgid, struct fg_process **ret,
		       struct fg_err *err)
{
	int rc = FG_VEC_ROOM(targets, items, count, capacity, FG_TGIDS_MAX, err);

	if (rc)
		return rc;
	*ret = &targets->items[targets->count++];
	**ret = (struct fg_process){.tgid = tgid};
	return 0;
}

/* Into the kernel's set first: what it forks from now on is followed. */
static int add_existing(struct fg_targets *targets, uint32_t pid, struct fg_err *err)
{
	struct fg_process *process;
	int rc = fg_rights_check_target(pid, err);

	if (rc)
		return rc;
	rc = add_process(targets, pid, &process, err);
	if (rc)
		return rc;
	if (fg_proc_cpu_ns(pid, &process->baseline_ns, NULL) == 0)
		process->cpu_ns = process->baseline_ns;
	rc = fg_session_add_target(targets->session, pid, err);
	return rc ? rc : refresh(targets, process, err);
}

int fg_targets_add_tree(struct fg_targets *targets, uint32_t pid, struct fg_err *err)
{
	struct fg_pids tree = {0};
	int rc = find(targets, pid) ? 0 : add_existing(targets, pid, err);

	/* A child forked meanwhile is either in the kernel's set already or in this listing. */
	if (!rc)
		rc = fg_proc_tree(pid, &tree, err);
	for (size_t i = 0; !rc && i < tree.count; i++) {
		struct fg_err child_err;

		if (find(targets, tree.items[i]))
			continue;
		/* A child that exited, or is another user's, is left out. */
		int child_rc = add_existing(targets, tree.items[i], &child_err);

		if (child_rc && child_rc != -FG_E_NOT_FOUND && child_rc != -FG_E_PERMISSION) {
			if (err)
				*err = child_err;
			rc = child_rc;
		}
	}
	fg_pids_done(&tree);
	return rc;
}

static int forked(struct fg_targets *targets, const struct fg_bpf_event *event, struct fg_err *err)
{
	struct fg_process *child = find(targets, event->tgid);
	struct fg_process *parent;

	if (child)
		return 0; /* found by the listing already */
	int rc = add_process(targets, event->tgid, &child, err);

	if (rc)
		return rc;
	parent = find(targets, event->other);
	if (!parent || !parent->space)
		return refresh(targets, child, err);
	child->space = parent->space;
	child->image = parent->image;
	fg_spaces_join(&targets->spaces, child->space);
	fg_announce_inherit(child, parent);
	rc = fg_announce_process(targets->modules->wire, child, err);
	if (rc)
		return rc;
	/* The kernel side copied the parent's space at that moment; it may have moved on since. */
	return fg_session_set_target(targets->session, child->tgid,
				     &targets->spaces.items[child->space].range, err);
}

static void exited(struct fg_targets *targets, const struct fg_bpf_event *event)
{
	struct fg_process *process = find(targets, event->tgid);

	if (process)
		forget(targets, process, event->value);
	else /* its fork event was lost; the kernel side followed it all the same */
		targets->exited_ns += event->value;
}

/* Reading brings the page into memory. Whether it worked shows in the next sample. */
static void touch(const struct fg_bpf_event *event)
{
	uint64_t word;

	(void)fg_target_memory_read_once((pid_t)event->tgid, event->value, &word, sizeof(word));
}

static void recheck_later(struct fg_targets *targets, struct fg_process *process)
{
	static const unsigned after_ms[] = {2, 8, 32};

	process->recheck_ns = 0;
	if (process->rechecks == FG_ARRAY_LEN(after_ms))
		return;
	process->recheck_ns =
		fg_clock_monotonic_ns() + after_ms[process->rechecks++] * FG_NS_PER_MS;
	if (!targets->recheck_ns || process->recheck_ns < targets->recheck_ns)
		targets->recheck_ns = process->recheck_ns;
}

uint64_t fg_targets_recheck_ns(const struct fg_targets *targets)
{
	return targets->recheck_ns;
}

int fg_targets_recheck(struct fg_targets *targets, uint64_t now_ns, struct fg_err *err)
{
	int rc = 0;

	if (!targets->recheck_ns || now_ns < targets->recheck_ns)
		return 0;
	targets->recheck_ns = 0;
	/* From the end: refresh() may remove the one at hand, and the last takes its place. */
	for (size_t i = targets->count; !rc && i-- > 0;) {
		struct fg_process *process = &targets->items[i];

		if (!process->recheck_ns)
			continue;
		if (now_ns >= process->recheck_ns) {
			recheck_later(targets, process);
			rc = refresh_within_limits(targets, process, err);
		} else if (!targets->recheck_ns || process->recheck_ns < targets->recheck_ns) {
			targets->recheck_ns = process->recheck_ns;
		}
	}
	return rc;
}

static int handle(struct fg_targets *targets, const struct fg_bpf_event *event, struct fg_err *err)
{
	struct fg_process *process = find(targets, event->tgid);

	switch (event->kind) {
	case FG_EVENT_FORK:
		return forked(targets, event, err);
	case FG_EVENT_EXIT:
		exited(targets, event);
		return 0;
	case FG_EVENT_FAULT:
		touch(event);
		return 0;
	case FG_EVENT_EXEC:
		if (process) {
			leave_space(targets, process);
			process->told = process->known = false;
			fg_script_target_left(targets, process);
		}
		FG_FALLTHROUGH;
	default:
		if (!process) { /* its fork event was lost */
			int rc = add_process(targets, event->tgid, &process, err);

			if (rc)
				return rc;
		}
		if (event->kind == FG_EVENT_EXEC) {
			process->rechecks = 0;
			recheck_later(targets, process);
		}
		return refresh(targets, process, err);
	}
}

int fg_targets_event(struct fg_targets *targets, const struct fg_bpf_event *event,
		     struct fg_err *err)
{
	struct fg_err local;
	int rc = handle(targets, event, &local);

	if (rc == -FG_E_LIMIT)
		return tell_limit(targets, FG_TARGET_LIMIT_ANY, local.message, err);
	if (rc && err)
		*err = local;
	return rc;
}

uint64_t fg_targets_cpu_ns(struct fg_targets *targets)
{
	uint64_t sum_ns = targets->exited_ns;

	for (size_t i = 0; i < targets->count; i++) {
		struct fg_process *process = &targets->items[i];
		uint64_t now_ns;

		if (fg_proc_cpu_ns(process->tgid, &now_ns, NULL) == 0 && now_ns > process->cpu_ns)
			process->cpu_ns = now_ns;
		sum_ns += process->cpu_ns - process->baseline_ns;
	}
	return sum_ns;
}
