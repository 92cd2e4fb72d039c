/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine that sends nothing: every request is answered with 200 on the next turn of the loop.
 *
 * It measures flamegate itself (pacing, step machine, metering) and lets tests run at full speed.
 * Knows nothing of HTTP; allocates only in engine_new and vu_new.
 */
#include "runner/load/engine.h"

#include <stdlib.h>

#include "gate/base/clock.h"

struct fg_engine_vu {
	struct fg_engine *engine;
	struct fg_engine_vu *next; /* in the queue of what completes on the next turn */
	bool pending;
	uint64_t send_ns;
	void (*on_done)(void *context, const struct fg_engine_response *response);
	void *context;
};

struct fg_engine {
	uv_idle_t idle; /* active while something is queued: the loop then does not sleep */
	struct fg_engine_vu *head, **tail;
};

static void deliver(struct fg_engine_vu *vu, enum fg_net_error error)
{
	struct fg_engine_response response = {.error = error};

	response.status = error ? 0 : 200;
	response.reused = true;
	response.send_ns = vu->send_ns;
	response.end_ns = fg_clock_monotonic_ns();
	response.waiting_ns = response.end_ns - vu->send_ns;
	vu->on_done(vu->context, &response);
}

static void on_idle(uv_idle_t *idle)
{
	struct fg_engine *engine = idle->data;
	struct fg_engine_vu *vu = engine->head;

	/* Take the whole queue first: on_done usually starts the next request. */
	engine->head = NULL;
	engine->tail = &engine->head;
	while (vu) {
		struct fg_engine_vu *next = vu->next;

		if (vu->pending) {
			vu->pending = false;
			deliver(vu, FG_NET_OK);
		}
		vu = next;
	}
	if (!engine->head)
		uv_idle_stop(idle);
}

static int null_new(uv_loop_t *loop, const struct fg_scenario_file *file, struct fg_engine **ret,
		    struct fg_err *err)
{
	struct fg_engine *engine = calloc(1, sizeof(*engine));

	(void)file;
	if (!engine)
		return fg_err_nomem(err);
	engine->tail = &engine->head;
	uv_idle_init(loop, &engine->idle);
	engine->idle.data = engine;
	*ret = engine;
	return 0;
}

static void null_close(struct fg_engine *engine)
{
	uv_close((uv_handle_t *)&engine->idle, NULL);
}

static void null_free(struct fg_engine *engine)
{
	free(engine);
}

static int null_vu_new(struct fg_engine *engine, unsigned slots, struct fg_engine_vu **ret,
		       struct fg_err *err)
{
	struct fg_engine_vu *vu = calloc(1, sizeof(*vu));

	(void)slots;
	if (!vu)
		return fg_err_nomem(err);
	vu->engine = engine;
	*ret = vu;
	return 0;
}

static void unlink_vu(struct fg_engine_vu *vu)
{
	struct fg_engine *engine = vu->engine;

	for (struct fg_engine_vu **link = &engine->head; *link; link = &(*link)->next) {
		if (*link != vu)
			continue;
		*link = vu->next;
		if (!*link)
			engine->tail = link;
		return;
	}
}

static void null_vu_free(struct fg_engine_vu *vu)
{
	if (vu)
		unlink_vu(vu);
	free(vu);
}

static void null_vu_reset(struct fg_engine_vu *vu, enum fg_connection connection)
{
	(void)vu;
	(void)connection;
}

static int null_start(struct fg_engine_vu *vu, unsigned slot,
		      const struct fg_engine_request *request,
		      void (*on_done)(void *context, const struct fg_engine_response *response),
		      void *context, struct fg_err *err)
{
	struct fg_engine *engine = vu->engine;

	(void)request;
	(void)slot;
	if (vu->pending)
		return fg_err_set(err, FG_E_INTERNAL, "null engine: VU already has a request");
	vu->on_done = on_done;
	vu->context = context;
	vu->send_ns = fg_clock_monotonic_ns();
	vu->pending = true;
	vu->next = NULL;
	*engine->tail = vu;
	engine->tail = &vu->next;
	uv_idle_start(&engine->idle, on_idle);
	return 0;
}

static void null_cancel(struct fg_engine_vu *vu)
{
	if (!vu->pending)
		return;
	vu->pending = false;
	unlink_vu(vu);
	deliver(vu, FG_NET_UNFINISHED);
}

const struct fg_engine_ops fg_engine_null = {
	.name = "null",
	.engine_new = null_new,
	.engine_free = null_free,
	.engine_close = null_close,
	.vu_new = null_vu_new,
	.vu_free = null_vu_free,
	.vu_reset = null_vu_reset,
	.start = null_start,
	.cancel = null_cancel,
};
