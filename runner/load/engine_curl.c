/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference engine: libcurl's multi interface on libuv.
 *
 * Each VU owns an easy handle per slot and, through a CURLSH of its own, the connections that its
 * slots share: connections are never shared between VUs, as in k6, while one multi handle per
 * worker carries them all. HTTP/1.1, HTTP/2 (TLS and prior knowledge), proxies, unix sockets,
 * digest and SigV4. curl_setup.c and curl_response.c have the two directions.
 */
#include "runner/load/engine.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "gate/base/clock.h"
#include "runner/load/curl_slot.h"

static void finish(struct fg_curl_slot *slot, const struct fg_engine_response *response)
{
	slot->running = false;
	slot->on_done(slot->context, response);
	if (!slot->running)
		fg_curl_response_shrink(slot);
}

static void on_transfer_done(void *context, CURL *easy, CURLcode code)
{
	struct fg_engine_response response = {.end_ns = fg_clock_monotonic_ns()};
	char *private = NULL;
	struct fg_curl_slot *slot;

	(void)context;
	if (curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private) || !private)
		return;
	slot = (struct fg_curl_slot *)(void *)private;
	fg_curl_response_fill(slot, code, &response);
	finish(slot, &response);
}

static void on_acted(void *context)
{
	fg_curl_response_sent(context);
}

/* -- engine ----------------------------------------------------------------------------------- */

static CURLcode global_code;

static void global_init(void)
{
	global_code = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int curl_new(uv_loop_t *loop, const struct fg_scenario_file *file, struct fg_engine **ret,
		    struct fg_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct fg_engine *engine;
	int rc;

	(void)file;
	pthread_once(&once, global_init);
	if (global_code)
		return fg_err_set(err, FG_E_UNSUPPORTED, "curl: %s",
				  curl_easy_strerror(global_code));
	engine = calloc(1, sizeof(*engine));
	if (!engine)
		return fg_err_nomem(err);
	rc = fg_curl_uv_init(&engine->uv, loop, on_transfer_done, engine, err);
	if (rc) {
		free(engine);
		return rc;
	}
	engine->uv.on_acted = on_acted;
	*ret = engine;
	return 0;
}

static void curl_close(struct fg_engine *engine)
{
	fg_curl_uv_close(&engine->uv);
}

static void curl_free_engine(struct fg_engine *engine)
{
	if (engine)
		fg_curl_uv_done(&engine->uv);
	free(engine);
}

/* -- virtual user ------------------------------------------------------------------------------ */

static int own_connections(struct fg_engine_vu *vu, struct fg_err *err)
{
	vu->connections = curl_share_init();
	if (!vu->connections)
		return fg_err_nomem(err);
	CURLSHcode code =
		curl_share_setopt(vu->connections, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT);

	for (unsigned i = 0; i < vu->slot_count && !code; i++) {
		if (vu->slots[i].easy &&
		    curl_easy_setopt(vu->slots[i].easy, CURLOPT_SHARE, vu->connections))
			code = CURLSHE_NOMEM;
	}
	return code ? fg_err_nomem(err) : 0;
}

/* Closes them. No slot is running. */
static void drop_connections(struct fg_engine_vu *vu)
{
	for (unsigned i = 0; i < vu->slot_count; i++) {
		if (vu->slots[i].easy)
			curl_easy_setopt(vu->slots[i].easy, CURLOPT_SHARE, NULL);
	}
	if (vu->connections)
		curl_share_cleanup(vu->connections);
	vu->connections = NULL;
}

static void curl_vu_free(struct fg_engine_vu *vu)
{
	if (!vu)
		return;
	for (unsigned i = 0; i < vu->slot_count; i++) {
		if (vu->slots[i].running)
			fg_curl_uv_remove(&vu->engine->uv, vu->slots[i].easy);
	}
	drop_connections(vu);
	for (unsigned i = 0; i < vu->slot_count; i++)
		fg_curl_slot_done(&vu->slots[i]);
	free(vu);
}

static int curl_vu_new(struct fg_engine *engine, unsigned slots, struct fg_engine_vu **ret,
		       struct fg_err *err)
{
	struct fg_engine_vu *vu;
	int rc;

	slots = FG_MIN(FG_MAX(slots, 1u), (unsigned)FG_PARALLEL_MAX);
	vu = calloc(1, sizeof(*vu) + slots * sizeof(vu->slots[0]));
	if (!vu)
		return fg_err_nomem(err);
	vu->engine = engine;
	vu->slot_count = slots;
	for (unsigned i = 0; i < slots; i++)
		vu->slots[i].vu = vu;
	rc = own_connections(vu, err);
	if (!rc) /* the others when they are used */
		rc = fg_curl_slot_init(&vu->slots[0], err);
	if (rc) {
		curl_vu_free(vu);
		return rc;
	}
	*ret = vu;
	return 0;
}

static void curl_vu_reset(struct fg_engine_vu *vu, enum fg_connection connection)
{
	if (connection == FG_CONNECTION_ITERATION)
		drop_connections(vu);
}

static int curl_start(struct fg_engine_vu *vu, unsigned number,
		      const struct fg_engine_request *request,
		      void (*on_done)(void *context, const struct fg_engine_response *response),
		      void *context, struct fg_err *err)
{
	struct fg_curl_slot *slot;
	int rc = 0;

	if (number >= vu->slot_count || vu->slots[number].running)
		return fg_err_set(err, FG_E_INTERNAL, "curl engine: slot %u is not free", number);
	slot = &vu->slots[number];
	if (!vu->connections)
		rc = own_connections(vu, err);
	if (!rc && !slot->easy)
		rc = fg_curl_slot_init(slot, err);
	if (!rc)
		rc = fg_curl_setup(slot, request, err);
	if (rc)
		return rc;
	slot->on_done = on_done;
	slot->context = context;
	slot->running = true;
	fg_curl_response_begin(slot, fg_clock_monotonic_ns());
	rc = fg_curl_uv_add(&vu->engine->uv, slot->easy, err);
	if (rc)
		slot->running = false;
	return rc;
}

static void cut(struct fg_curl_slot *slot)
{
	struct fg_engine_response response = {.end_ns = fg_clock_monotonic_ns()};

	fg_curl_response_fill(slot, CURLE_ABORTED_BY_CALLBACK, &response);
	(void)snprintf(response.error_text, sizeof(response.error_text), "cut");
	fg_curl_uv_remove(&slot->vu->engine->uv, slot->easy);
	finish(slot, &response);
}

static void curl_cancel(struct fg_engine_vu *vu)
{
	bool running[FG_PARALLEL_MAX];

	/* Of what runs now: on_done may start the next. */
	for (unsigned i = 0; i < vu->slot_count; i++)
		running[i] = vu->slots[i].running;
	for (unsigned i = 0; i < vu->slot_count; i++) {
		if (running[i] && vu->slots[i].running)
			cut(&vu->slots[i]);
	}
}

/* Whatever the language can say, curl can send. */
static const char *curl_refuses(const struct fg_http_options *http, const char *url)
{
	(void)http;
	(void)url;
	return NULL;
}

static void on_close(void *context, int fd)
{
	const struct fg_engine *engine = context;

	fg_load_unlabel(engine->labels, fg_load_local_port(fd));
}

static void curl_label(struct fg_engine *engine, const struct fg_load_labels *labels)
{
	engine->labels = labels;
	engine->uv.on_close = on_close;
}

const struct fg_engine_ops fg_engine_curl = {
	.name = "curl",
	.engine_new = curl_new,
	.engine_free = curl_free_engine,
	.engine_close = curl_close,
	.vu_new = curl_vu_new,
	.vu_free = curl_vu_free,
	.vu_reset = curl_vu_reset,
	.start = curl_start,
	.cancel = curl_cancel,
	.refuses = curl_refuses,
	.label = curl_label,
};
