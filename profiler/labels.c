/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/labels.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/wire.pb-c.h"

#define WINDOW_NS     (2 * FG_NS_PER_S)
#define TARGET_MIN_NS (100 * FG_NS_PER_MS) /* in a window, so that its share means something */

static int tell(struct fg_labels *labels, int fd, const char *problem, uint64_t off_ns,
		struct fg_err *err)
{
	Fg__Wire__Labels message = FG__WIRE__LABELS__INIT;
	char text[FG_ERR_MESSAGE_MAX];

	(void)snprintf(text, sizeof(text), "%s", problem);
	message.has_fd = fd >= 0;
	message.problem = text;
	message.off_ns = off_ns;
	return fg_wire_send(labels->wire, FG_WIRE_LABELS, &message.base, fd, err);
}

/* For tests; both can only take something away: a kernel without the tracepoint, a cost that is
 * judged as if it were a thousand times as high. */
static bool is_set(const char *name)
{
	const char *text = getenv(name);

	return text && strcmp(text, "1") == 0;
}

int fg_labels_begin(struct fg_labels *labels, struct fg_session *session, struct fg_wire *wire,
		    struct fg_err *err)
{
	struct fg_err why = {0};

	labels->wire = wire;
	if (!fg_wire_can_pass_fd(wire))
		return tell(labels, -1,
			    "the helper is reached over something else than a local socket", 0,
			    err);
	if (fg_session_label_new(session, is_set("FLAMEGATE_LABELS_ABSENT"), &labels->kernel, &why))
		return tell(labels, -1, why.message, 0, err);
	int fd = fcntl(fg_session_label_map(labels->kernel), F_DUPFD_CLOEXEC, 0);

	if (fd >= 0)
		return tell(labels, fd, "", 0, err);
	fg_labels_done(labels);
	return tell(labels, -1, "too many open files", 0, err);
}

void fg_labels_done(struct fg_labels *labels)
{
	fg_session_label_free(labels->kernel);
	labels->kernel = NULL;
}

int fg_labels_cost(struct fg_labels *labels, uint64_t *ret_receives, uint64_t *ret_cost_ns,
		   struct fg_err *err)
{
	struct fg_bpf_label_stats stats = {0};

	if (labels->kernel) {
		int rc = fg_session_label_stats(labels->kernel, &stats, err);

		if (rc)
			return rc;
	}
	*ret_receives = stats.labelled;
	*ret_cost_ns = stats.timed ? (uint64_t)((double)stats.receives * (double)stats.timed_ns /
						(double)stats.timed)
				   : 0;
	return 0;
}

bool fg_labels_too_dear(uint64_t cost_ns, uint64_t target_cpu_ns)
{
	if (is_set("FLAMEGATE_LABELS_DEAR"))
		cost_ns *= 1000;
	return target_cpu_ns >= TARGET_MIN_NS &&
	       cost_ns > target_cpu_ns / 100 * FG_LABELS_COST_PERCENT_MAX;
}

int fg_labels_watch(struct fg_labels *labels, uint64_t now_ns, uint64_t cost_ns,
		    uint64_t target_cpu_ns, struct fg_err *err)
{
	if (!labels->kernel || labels->off)
		return 0;
	if (labels->window_ns && now_ns - labels->window_ns < WINDOW_NS)
		return 0;
	/* Estimates: neither side need be monotone to the nanosecond. */
	uint64_t cost = cost_ns > labels->window_cost_ns ? cost_ns - labels->window_cost_ns : 0;
	uint64_t target = target_cpu_ns > labels->window_target_ns
				  ? target_cpu_ns - labels->window_target_ns
				  : 0;
	bool judged = labels->window_ns != 0;
	char text[FG_ERR_MESSAGE_MAX];

	labels->window_ns = now_ns;
	labels->window_cost_ns = cost_ns;
	labels->window_target_ns = target_cpu_ns;
	if (!judged || !fg_labels_too_dear(cost, target))
		return 0;
	fg_session_label_detach(labels->kernel);
	labels->off = true;
	(void)snprintf(text, sizeof(text), "it took %.1f %% of the target's CPU; at most %d %%",
		       100.0 * (double)cost / (double)target, FG_LABELS_COST_PERCENT_MAX);
	return tell(labels, -1, text, now_ns, err);
}
