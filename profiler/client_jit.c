/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/client_jit.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "gate/base/clock.h"
#include "profiler/jit_file.h"

/* First when a server has just warmed up, then less and less often: 1, 5, 21, 85 … s. */
#define FIRST_LOOK_NS     FG_NS_PER_S
#define LOOK_FACTOR       4
#define ATTACH_TIMEOUT_NS (3 * FG_NS_PER_S)

int fg_jit_new(int root_fd, struct fg_jit **ret, struct fg_err *err)
{
	struct fg_jit *jit = calloc(1, sizeof(*jit));

	if (!jit)
		return fg_err_nomem(err);
	jit->root_fd = root_fd;
	jit->interval_ns = FIRST_LOOK_NS;
	fg_attach_init(&jit->attach);
	*ret = jit;
	return 0;
}

void fg_jit_free(struct fg_jit *jit)
{
	if (!jit)
		return;
	fg_attach_done(&jit->attach);
	for (size_t i = 0; i < jit->count; i++)
		free(jit->generations[i].text);
	free(jit->text);
	free(jit);
}

uint32_t fg_jit_generation_at(const struct fg_jit *jit, uint64_t time_ns)
{
	uint32_t older = 0;

	while (older < jit->count && jit->generations[older].time_ns <= time_ns)
		older++;
	return older;
}

static void note(struct fg_jit *jit, const struct fg_err *err)
{
	(void)snprintf(jit->problem, sizeof(jit->problem), "%.159s", err->message);
}

/* The last place is for the last look. */
static void add_generation(struct fg_jit *jit, uint64_t time_ns, char *text, size_t len)
{
	if (jit->count && jit->count == FG_JIT_GENERATIONS_MAX)
		free(jit->generations[--jit->count].text);
	jit->generations[jit->count++] = (struct fg_jit_generation){
		.time_ns = time_ns, .text = text, .len = len, .handle = -1};
	jit->problem[0] = '\0';
}

static int open_map(const struct fg_client_process *process, struct fg_err *err)
{
	const struct fg_jit_owner owner = {
		.ns_pid = process->ns_pid, .uid = process->uid, .start_ns = process->start_ns};

	return fg_jit_map_open(process->jit->root_fd, &owner, err);
}

static int read_map(const struct fg_client_process *process, struct fg_buf *text,
		    struct fg_err *err)
{
	int fd = open_map(process, err);

	if (fd < 0)
		return fd;
	fg_buf_init(text, FG_JIT_TEXT_MAX);
	int rc = fg_jit_map_read(fd, FG_JIT_TEXT_MAX, text, err);

	close(fd);
	if (rc)
		fg_buf_done(text);
	return rc;
}

/* -- maps that grow ------------------------------------------------------------------------- */

/* Its length tells later which lines were there. */
static void mark_length(const struct fg_client_process *process, uint64_t now_ns)
{
	struct fg_jit *jit = process->jit;
	struct fg_err err;
	struct stat status;
	int fd = open_map(process, &err);

	if (fd < 0) {
		note(jit, &err);
		return;
	}
	if (fstat(fd, &status) == 0 && status.st_size > 0 &&
	    jit->count + 1 < FG_JIT_GENERATIONS_MAX)
		add_generation(jit, now_ns, NULL, (size_t)status.st_size);
	close(fd);
}

static void read_final(const struct fg_client_process *process)
{
	struct fg_jit *jit = process->jit;
	struct fg_buf text;
	struct fg_err err;

	if (jit->text || read_map(process, &text, &err) != 0) {
		if (!jit->text)
			note(jit, &err);
		return;
	}
	size_t len = text.len;

	jit->text = fg_buf_take(&text, NULL);
	jit->text_len = jit->text ? len : 0;
	if (jit->text)
		add_generation(jit, fg_clock_monotonic_ns(), NULL, len);
	/* A runtime that started its map anew (exec'ed under the same number) made it shorter. */
	for (size_t i = 0; i < jit->count; i++)
		jit->generations[i].len = FG_MIN(jit->generations[i].len, jit->text_len);
}

/* -- maps on demand ------------------------------------------------------------------------- */

/* Nobody else asked for it, and it would lie there for ever. */
static void remove_map(const struct fg_client_process *process)
{
	char name[32];
	int tmp = fg_jit_tmp_open(process->jit->root_fd, NULL);

	(void)snprintf(name, sizeof(name), "perf-%u.map", process->ns_pid);
	if (tmp < 0)
		return;
	(void)unlinkat(tmp, name, 0);
	close(tmp);
}

static void take_map(const struct fg_client_process *process)
{
	struct fg_jit *jit = process->jit;
	struct fg_buf text;
	struct fg_err err;

	if (read_map(process, &text, &err) != 0) {
		note(jit, &err);
		return;
	}
	size_t len = text.len;
	char *taken = fg_buf_take(&text, NULL);

	if (taken)
		add_generation(jit, fg_clock_monotonic_ns(), taken, len);
	if (!jit->had_map)
		remove_map(process);
}

static void begin_attach(const struct fg_client_process *process, uint64_t deadline_ns)
{
	struct fg_jit *jit = process->jit;
	struct fg_err err;

	if (!jit->count) {
		int fd = open_map(process, NULL);

		jit->had_map = fd >= 0;
		if (fd >= 0)
			close(fd);
	}
	if (fg_attach_begin(&jit->attach, process, jit->root_fd, deadline_ns, &err) != 0)
		note(jit, &err);
}

static void step_attach(const struct fg_client_process *process, uint64_t now_ns)
{
	struct fg_jit *jit = process->jit;
	struct fg_err err;
	int rc = fg_attach_step(&jit->attach, now_ns, &err);

	if (rc == 0)
		take_map(process);
	else if (rc < 0)
		note(jit, &err);
}

static bool is_attaching(const struct fg_jit *jit)
{
	return jit->attach.state != FG_ATTACH_IDLE;
}

/* -- when ----------------------------------------------------------------------------------- */

static void look(const struct fg_client_process *process, uint64_t now_ns)
{
	struct fg_jit *jit = process->jit;

	if (is_attaching(jit)) {
		step_attach(process, now_ns);
		return;
	}
	if (!jit->due_ns)
		jit->due_ns = now_ns + jit->interval_ns;
	if (now_ns < jit->due_ns)
		return;
	jit->interval_ns *= LOOK_FACTOR;
	jit->due_ns = now_ns + jit->interval_ns;
	if (process->runtime == FG_RUNTIME_JAVA)
		begin_attach(process, now_ns + ATTACH_TIMEOUT_NS);
	else
		mark_length(process, now_ns);
}

void fg_jit_tick(struct fg_client_processes *processes, uint64_t now_ns)
{
	for (size_t i = 0; i < processes->jit_count; i++)
		look(&processes->items[processes->jits[i]], now_ns);
}

/* True while some answer is still out. */
static bool step_all(struct fg_client_processes *processes, uint64_t now_ns)
{
	bool any = false;

	for (size_t i = 0; i < processes->jit_count; i++) {
		const struct fg_client_process *process = &processes->items[processes->jits[i]];

		if (!is_attaching(process->jit))
			continue;
		step_attach(process, now_ns);
		any = any || is_attaching(process->jit);
	}
	return any;
}

void fg_jit_finish(struct fg_client_processes *processes, uint64_t deadline_ns)
{
	uint64_t now_ns = fg_clock_monotonic_ns();
	uint64_t last_ns = FG_MIN(deadline_ns, now_ns + ATTACH_TIMEOUT_NS);

	for (size_t i = 0; i < processes->jit_count; i++) {
		const struct fg_client_process *process = &processes->items[processes->jits[i]];

		if (process->jit->ended)
			continue;
		process->jit->ended = true;
		if (process->runtime != FG_RUNTIME_JAVA)
			read_final(process);
		else if (!is_attaching(process->jit))
			begin_attach(process, last_ns);
	}
	/* The VM's answer takes some ten milliseconds; its first one, until it listens, some more.
	 */
	while (step_all(processes, fg_clock_monotonic_ns()))
		(void)poll(NULL, 0, 2);
}
