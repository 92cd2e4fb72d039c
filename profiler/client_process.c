/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/client_process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "gate/base/vec.h"
#include "profiler/client_jit.h"
#include "profiler/wire.pb-c.h"

static uint32_t *bucket_of(struct fg_client_processes *processes, uint32_t tgid)
{
	return &processes->newest[tgid % FG_CLIENT_BUCKETS];
}

static const struct fg_client_process *next(const struct fg_client_processes *processes,
					    uint32_t entry)
{
	return entry ? &processes->items[entry - 1] : NULL;
}

const struct fg_client_process *fg_client_process_at(const struct fg_client_processes *processes,
						     uint32_t tgid, uint64_t time_ns)
{
	const struct fg_client_process *oldest = NULL;

	for (const struct fg_client_process *p =
		     next(processes, processes->newest[tgid % FG_CLIENT_BUCKETS]);
	     p; p = next(processes, p->older)) {
		if (p->tgid != tgid)
			continue;
		if (p->from_ns <= time_ns)
			return p;
		oldest = p;
	}
	/* Sampled before the helper got to announcing it. */
	return oldest;
}

uint32_t fg_client_context(const struct fg_client_processes *processes, uint32_t tgid,
			   uint64_t time_ns)
{
	const struct fg_client_process *process = fg_client_process_at(processes, tgid, time_ns);

	if (!process)
		return 0;
	uint32_t generation = process->jit ? fg_jit_generation_at(process->jit, time_ns) : 0;

	return (uint32_t)(process - processes->items + 1) << FG_CONTEXT_SHIFT | generation;
}

const struct fg_client_process *fg_client_process_of(const struct fg_client_processes *processes,
						     uint32_t context)
{
	uint32_t entry = context >> FG_CONTEXT_SHIFT;

	return entry && entry <= processes->count ? &processes->items[entry - 1] : NULL;
}

/* Every process of a container has the same root: one descriptor serves all. Returns an index, or
 * −1; the descriptor is taken. */
static int keep_root(struct fg_client_processes *processes, int fd)
{
	struct statx status;

	if (fd < 0)
		return -1;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &status) != 0) {
		close(fd);
		return -1;
	}
	const struct fg_client_root root = {
		.device = makedev(status.stx_dev_major, status.stx_dev_minor),
		.inode = status.stx_ino,
		.mount = status.stx_mask & STATX_MNT_ID ? status.stx_mnt_id : 0,
		.fd = fd,
	};

	for (size_t i = 0; i < processes->root_count; i++) {
		const struct fg_client_root *known = &processes->roots[i];

		if (known->device == root.device && known->inode == root.inode &&
		    known->mount == root.mount && root.mount) {
			close(fd);
			return (int)i;
		}
	}
	if (processes->root_count == FG_CLIENT_ROOTS_MAX) {
		close(fd);
		processes->over_limit = true;
		return -1;
	}
	processes->roots[processes->root_count] = root;
	return (int)processes->root_count++;
}

/* The name is the target's own and will be printed. */
static void copy_name(const char *from, char *to, size_t size_bytes)
{
	(void)snprintf(to, size_bytes, "%s", from);
	for (char *c = to; *c; c++) {
		if ((unsigned char)*c < ' ' || (unsigned char)*c >= 0x7f)
			*c = '?';
	}
}

static void fill(struct fg_client_process *process, const Fg__Wire__Process *from)
{
	process->ns_pid = from->ns_pid;
	process->uid = from->uid;
	process->start_ns = from->start_ns;
	process->runtime = from->runtime < FG_RUNTIME_COUNT ? (enum fg_runtime)from->runtime
							    : FG_RUNTIME_NATIVE;
	process->flags = from->flags;
	process->frame_pointers = from->frame_pointers;
	process->code_module = from->code_module;
	process->code_bias = from->code_bias;
	copy_name(from->name, process->name, sizeof(process->name));
}

static int add_entry(struct fg_client_processes *processes, const Fg__Wire__Process *from,
		     struct fg_client_process **ret, struct fg_err *err)
{
	if (processes->count == FG_CLIENT_PROCESSES_MAX) {
		processes->over_limit = true;
		*ret = NULL;
		return 0;
	}
	int rc = FG_VEC_ROOM(processes, items, count, capacity, FG_CLIENT_PROCESSES_MAX, err);

	if (rc)
		return rc;
	struct fg_client_process *added = &processes->items[processes->count++];
	uint32_t *bucket = bucket_of(processes, from->tgid);

	*added = (struct fg_client_process){
		.tgid = from->tgid, .from_ns = from->time_ns, .older = *bucket};
	*bucket = (uint32_t)processes->count;
	*ret = added;
	return 0;
}

static struct fg_client_process *newest(struct fg_client_processes *processes, uint32_t tgid)
{
	uint32_t entry = *bucket_of(processes, tgid);

	while (entry && processes->items[entry - 1].tgid != tgid)
		entry = processes->items[entry - 1].older;
	return entry ? &processes->items[entry - 1] : NULL;
}

static int make_jit(struct fg_client_processes *processes, struct fg_client_process *process,
		    int root, struct fg_err *err)
{
	if (process->jit || root < 0)
		return 0;
	if (processes->jit_count == FG_JIT_PROCESSES_MAX) {
		processes->over_limit = true;
		return 0;
	}
	int rc = fg_jit_new(processes->roots[root].fd, &process->jit, err);

	if (!rc)
		processes->jits[processes->jit_count++] = (uint32_t)(process - processes->items);
	return rc;
}

int fg_client_process_add(struct fg_client_processes *processes, const Fg__Wire__Process *from,
			  int root_fd, struct fg_err *err)
{
	struct fg_client_process *process = from->anew ? NULL : newest(processes, from->tgid);
	int root = keep_root(processes, root_fd);
	int rc = process ? 0 : add_entry(processes, from, &process, err);

	if (rc || !process)
		return rc;
	fill(process, from);
	return make_jit(processes, process, root, err);
}

void fg_client_processes_done(struct fg_client_processes *processes)
{
	for (size_t i = 0; i < processes->count; i++)
		fg_jit_free(processes->items[i].jit);
	for (size_t i = 0; i < processes->root_count; i++)
		close(processes->roots[i].fd);
	free(processes->items);
	processes->items = NULL;
	processes->count = processes->root_count = 0;
}
