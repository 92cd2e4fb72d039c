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

struct slot {
	struct slot *next; /* in the queue of what completes on the next turn */
	bool pending;
	uint64_t send_ns;
	void (*on_done)(void *context, const struct fg_engine_response *response);
	void *context;
};

struct fg_engine_vu {
	struct fg_engine *engine;
	unsigned slot_count;
	struct slot slots[];
};

struct fg_engine {
	uv_idle_t idle; /* active while something is queued: the loop then does not sleep */
	struct slot *head, **tail;
	size_t queued;
};

static void take_out(struct fg_engine *engine, struct slot *slot)
{
	slot->pending = false;
	for (struct slot **link = &engine->head; *link; link = &(*link)->next) {
		if (*link != slot)
			continue;
		*link = slot->next;
		if (!*link)
			engine->tail = link;
		engine->queued--;
		return;
	}
}

static void deliver(struct slot *slot, enum fg_net_error error)
{
	struct fg_engine_response response = {.error = error, .head = ""};

	response.status = error ? 0 : 200;
	response.http_version = error ? 0 : 11;
	response.reused = true;
	response.send_ns = slot->send_ns;
	response.end_ns = fg_clock_monotonic_ns();
	response.waiting_ns = response.end_ns - slot->send_ns;
	slot->on_done(slot->context, &response);
}

static void on_idle(uv_idle_t *idle)
{
	struct fg_engine *engine = idle->data;

	/* As many as there are now: on_done usually starts the next request. */
	for (size_t left = engine->queued; left && engine->head; left--) {
		struct slot *slot = engine->head;

		take_out(engine, slot);
		deliver(slot, FG_NET_OK);
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
	const unsigned count = FG_MAX(slots, 1u);
	struct fg_engine_vu *vu = calloc(1, sizeof(*vu) + count * sizeof(vu->slots[0]));

	if (!vu)
		return fg_err_nomem(err);
	vu->engine = engine;
	vu->slot_count = count;
	*ret = vu;
	return 0;
}

static void null_vu_free(struct fg_engine_vu *vu)
{
	for (unsigned i = 0; vu && i < vu->slot_count; i++) {
		if (vu->slots[i].pending)
			take_out(vu->engine, &vu->slots[i]);
	}
	free(vu);
}

static void null_vu_reset(struct fg_engine_vu *vu, enum fg_connection connection)
{
	(void)vu;
	(void)connection;
}

static int null_start(struct fg_engine_vu *vu, unsigned number,
		      const struct fg_engine_request *request,
		      void (*on_done)(void *context, const struct fg_engine_response *response),
		      void *context, struct fg_err *err)
{
	struct fg_engine *engine = vu->engine;
	struct slot *slot;

	(void)request;
	if (number >= vu->slot_count || vu->slots[number].pending)
		return fg_err_set(err, FG_E_INTERNAL, "null engine: slot %u is not free", number);
	slot = &vu->slots[number];
	*slot = (struct slot){.pending = true,
			      .send_ns = fg_clock_monotonic_ns(),
			      .on_done = on_done,
			      .context = context};
	*engine->tail = slot;
	engine->tail = &slot->next;
	engine->queued++;
	uv_idle_start(&engine->idle, on_idle);
	return 0;
}

static void null_cancel(struct fg_engine_vu *vu)
{
	for (unsigned i = 0; i < vu->slot_count; i++) {
		if (!vu->slots[i].pending)
			continue;
		take_out(vu->engine, &vu->slots[i]);
		deliver(&vu->slots[i], FG_NET_UNFINISHED);
	}
}

static const char *null_refuses(const struct fg_http_options *http, const char *url)
{
	(void)http;
	(void)url;
	return NULL;
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
	.refuses = null_refuses,
};
