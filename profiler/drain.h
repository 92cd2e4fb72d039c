/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the kernel's two rings to the stream: batches of samples, and events for the target set.
 *
 * Samples are polled on a timer (waking per sample costs more than sampling), events wake us. When
 * the client reads slowly the rings are left alone, so that loss happens in one counted place.
 */
#ifndef FG_PROFILER_DRAIN_H
#define FG_PROFILER_DRAIN_H

#include "profiler/kernel_names.h"
#include "profiler/labels.h"
#include "profiler/target.h"

struct fg_drain;

enum { FG_DRAIN_INTERVAL_MS = 50 };

int fg_drain_new(struct fg_session *session, struct fg_targets *targets, struct fg_labels *labels,
		 struct fg_wire *wire, struct fg_scripts *scripts, struct fg_drain **ret,
		 struct fg_err *err) FG_MUST_USE;
/** How the client may see kernel addresses; as they are until then. */
void fg_drain_set_kernel(struct fg_drain *drain, const struct fg_kernel_names *names);
void fg_drain_free(struct fg_drain *drain);
/** Readable when there are events. */
int fg_drain_event_fd(const struct fg_drain *drain);
int fg_drain_events(struct fg_drain *drain, struct fg_err *err) FG_MUST_USE;
/** Queues what the sample ring holds, as far as the stream's queue has room; 1 if some is left. */
int fg_drain_samples(struct fg_drain *drain, struct fg_err *err) FG_MUST_USE;
/** After the last samples: queues what threads have waited so far. */
int fg_drain_waiting(struct fg_drain *drain, struct fg_err *err) FG_MUST_USE;
int fg_drain_stats(struct fg_drain *drain, struct fg_err *err) FG_MUST_USE;

#endif
