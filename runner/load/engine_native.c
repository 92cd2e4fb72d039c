/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine of the hot path: our own HTTP/1.1 on our own sockets.
 *
 * This file owns VUs, their slots and the report; native_conn.c carries the requests. A response
 * ends when the kernel had its last byte, if the socket tells (TCP does, unix sockets do not). Per
 * request: no allocation once warm, one reading of the clock before the send, one after it and one
 * per receive.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "gate/base/clock.h"
#include "runner/load/native_internal.h"

/* -- reporting -------------------------------------------------------------------------------- */

static void fill_times(const struct fg_native_task *task, struct fg_engine_response *response)
{
	const uint64_t end_ns = response->end_ns;
	uint64_t sent_ns = task->sent_ns, first_ns = task->first_byte_ns;

	response->dns_ns = task->dns_ns;
	response->connecting_ns = task->connecting_ns;
	response->tls_ns = task->tls_ns;
	if (!task->send_ns) { /* all of it was waiting for a connection */
		response->send_ns = end_ns;
		response->blocked_ns = end_ns - task->start_ns;
		return;
	}
	if (!sent_ns)
		sent_ns = end_ns;
	if (!first_ns) /* as k6: without an answer, until the end */
		first_ns = end_ns;
	first_ns = FG_MAX(first_ns, sent_ns); /* it answered before it had everything */
	response->send_ns = task->send_ns;
	response->blocked_ns = task->send_ns - task->start_ns;
	response->sending_ns = sent_ns - task->send_ns;
	response->waiting_ns = first_ns - sent_ns;
	response->receiving_ns = end_ns - first_ns;
}

static void fill_response(const struct fg_http1_reader *reader, struct fg_engine_response *response)
{
	const struct fg_http1 *parser = &reader->parser;

	response->status = parser->status;
	response->http_version = parser->status ? (uint16_t)(10 + parser->minor) : 0;
	/* As engine_curl: head and body, without what frames chunks. */
	response->received_bytes = parser->line_start + parser->body_bytes;
	if (response->error)
		return;
	response->head = reader->head;
	response->head_len = reader->head_len;
	if (!reader->body_max)
		return;
	response->body = reader->body ? reader->body : "";
	response->body_len = reader->body_len;
}

static void report(struct fg_native_task *task, struct fg_http1_reader *reader,
		   enum fg_net_error error, const char *failure, uint64_t stamp_ns, uint64_t now_ns)
{
	struct fg_engine_response response;

	memset(&response, 0, offsetof(struct fg_engine_response, error_text) + 1);
	response.error = error;
	response.end_ns = now_ns;
	response.reused = task->reused;
	response.labelled_port = task->labelled_port;
	response.sent_bytes = task->sent_bytes;
	fill_times(task, &response);
	if (reader)
		fill_response(reader, &response);
	if (stamp_ns && !error)
		response.kernel_end_ns = fg_native_clock_translate(&task->vu->engine->clock,
								   stamp_ns, task->send_ns, now_ns);
	if (failure)
		snprintf(response.error_text, sizeof(response.error_text), "%.159s", failure);
	task->running = false;
	task->on_done(task->context, &response);
	/* From here on the task may be busy again, or gone. */
	if (reader)
		fg_http1_reader_done(reader);
}

static void defer(struct fg_native_task *task, enum fg_net_error error, const char *failure);

void fg_native_task_done(struct fg_native_task *task, struct fg_http1_reader *reader,
			 enum fg_net_error error, const char *failure, uint64_t stamp_ns,
			 uint64_t now_ns)
{
	fg_native_deadline_clear(&task->deadline);
	if (task->vu->engine->starting)
		defer(task, error, failure);
	else
		report(task, reader, error, failure, stamp_ns, now_ns);
}

/* -- what failed inside of start ----------------------------------------------------------------
 */

static void undefer(struct fg_native_task *task)
{
	struct fg_native_task **link = &task->vu->engine->deferred;

	while (*link && *link != task)
		link = &(*link)->next_deferred;
	if (*link)
		*link = task->next_deferred;
	task->deferred = false;
}

static void report_deferred(struct fg_native_task *task, enum fg_net_error error)
{
	char *failure = task->failure;

	task->failure = NULL;
	report(task, NULL, error, failure, 0, fg_clock_monotonic_ns());
	free(failure);
}

static void on_idle(uv_idle_t *idle)
{
	struct fg_engine *engine = idle->data;
	size_t count = 0;

	/* As many as are there now: a report may defer the next one, and then others get a turn. */
	for (const struct fg_native_task *task = engine->deferred; task; task = task->next_deferred)
		count++;
	while (engine->deferred && count--) {
		struct fg_native_task *task = engine->deferred;

		undefer(task);
		report_deferred(task, task->error);
	}
	if (!engine->deferred)
		uv_idle_stop(idle);
}

static void defer(struct fg_native_task *task, enum fg_net_error error, const char *failure)
{
	struct fg_native_task **link = &task->vu->engine->deferred;

	while (*link)
		link = &(*link)->next_deferred;
	*link = task;
	task->next_deferred = NULL;
	task->deferred = true;
	task->error = error;
	task->failure = failure ? strdup(failure) : NULL;
	uv_idle_start(&task->vu->engine->idle, on_idle);
}

/* -- the engine ------------------------------------------------------------------------------- */

static void on_task_due(struct fg_native_deadline *deadline, uint64_t now_ns)
{
	struct fg_native_task *task =
		(struct fg_native_task *)(void *)((char *)deadline -
						  offsetof(struct fg_native_task, deadline));

	fg_native_conn_expire(task->conn, false, now_ns);
}

static void free_engine(struct fg_engine *engine)
{
	if (!engine)
		return;
	while (engine->free_conns) {
		struct fg_native_conn *conn = engine->free_conns;

		engine->free_conns = conn->next;
		free(conn);
	}
	fg_native_requests_done(&engine->requests);
	fg_native_origins_done(&engine->origins);
	fg_native_deadlines_done(&engine->deadlines);
	fg_native_deadlines_done(&engine->connect_deadlines);
	fg_http1_pool_done(&engine->pool);
	free(engine->raw);
	free(engine->text);
	free(engine);
}

static int native_new(uv_loop_t *loop, const struct fg_scenario_file *file, struct fg_engine **ret,
		      struct fg_err *err)
{
	struct fg_engine *engine = calloc(1, sizeof(*engine));
	int rc;

	(void)file;
	if (engine) {
		engine->raw = malloc(FG_NATIVE_READ_SIZE);
		engine->text = malloc(FG_NATIVE_TEXT_SIZE);
	}
	if (!engine || !engine->raw || !engine->text) {
		free_engine(engine);
		return fg_err_nomem(err);
	}
	engine->loop = loop;
	/* uv_timer_init() cannot fail, so nothing has to be closed here. */
	if ((rc = fg_native_deadlines_init(&engine->deadlines, loop, on_task_due, err)) ||
	    (rc = fg_native_deadlines_init(&engine->connect_deadlines, loop,
					   fg_native_conn_on_connect_due, err))) {
		free_engine(engine);
		return rc;
	}
	uv_idle_init(loop, &engine->idle);
	engine->idle.data = engine;
	fg_native_origins_init(&engine->origins, loop);
	fg_native_requests_init(&engine->requests);
	fg_native_clock_init(&engine->clock);
	(void)fg_engine_native_has_kernel_clock();
	*ret = engine;
	return 0;
}

static void native_close(struct fg_engine *engine)
{
	uv_close((uv_handle_t *)&engine->idle, NULL);
	fg_native_deadlines_close(&engine->deadlines);
	fg_native_deadlines_close(&engine->connect_deadlines);
	fg_native_origins_close(&engine->origins);
}

/* -- VUs -------------------------------------------------------------------------------------- */

static int native_vu_new(struct fg_engine *engine, unsigned slots, struct fg_engine_vu **ret,
			 struct fg_err *err)
{
	struct fg_engine_vu *vu = calloc(1, sizeof(*vu) + slots * sizeof(vu->tasks[0]));

	if (!vu)
		return fg_err_nomem(err);
	vu->engine = engine;
	vu->slots = slots;
	for (unsigned i = 0; i < slots; i++)
		vu->tasks[i].vu = vu;
	*ret = vu;
	return 0;
}

static void close_connections(struct fg_engine_vu *vu)
{
	while (vu->conns)
		fg_native_conn_close(vu->conns);
}

static void native_vu_free(struct fg_engine_vu *vu)
{
	if (!vu)
		return;
	for (unsigned i = 0; i < vu->slots; i++) {
		fg_native_deadline_clear(&vu->tasks[i].deadline);
		if (vu->tasks[i].deferred)
			undefer(&vu->tasks[i]);
		free(vu->tasks[i].failure);
	}
	close_connections(vu);
	free(vu);
}

static void native_vu_reset(struct fg_engine_vu *vu, enum fg_connection connection)
{
	if (connection == FG_CONNECTION_ITERATION)
		close_connections(vu);
}

static void begin_task(struct fg_native_task *task, const struct fg_engine_request *request,
		       uint64_t now_ns)
{
	task->request = *request;
	task->start_ns = now_ns;
	task->send_ns = task->sent_ns = task->first_byte_ns = 0;
	task->dns_ns = task->connecting_ns = task->tls_ns = 0;
	task->sent_bytes = 0;
	task->labelled_port = 0;
	task->retried = task->reused = task->to_cut = false;
	task->running = true;
	task->serial++;
}

static int native_start(struct fg_engine_vu *vu, unsigned slot,
			const struct fg_engine_request *request,
			void (*on_done)(void *context, const struct fg_engine_response *response),
			void *context, struct fg_err *err)
{
	struct fg_native_task *task = &vu->tasks[slot];
	struct fg_engine *engine = vu->engine;
	const struct fg_native_request *prepared;
	uint64_t now_ns;
	int rc;

	if (slot >= vu->slots || task->running)
		return fg_err_set(err, FG_E_INTERNAL, "native engine: slot %u is not free", slot);
	rc = fg_native_prepare(&engine->requests, &engine->origins, request, &prepared, err);
	if (rc)
		return rc;
	now_ns = fg_clock_monotonic_ns();
	rc = fg_native_deadline_set(&engine->deadlines, &task->deadline, request->http->timeout_ns,
				    now_ns, err);
	if (rc)
		return rc;
	begin_task(task, request, now_ns);
	task->origin = prepared->origin;
	task->on_done = on_done;
	task->context = context;
	engine->starting = true;
	rc = fg_native_conn_begin(task, prepared, now_ns, err);
	engine->starting = false;
	if (rc) {
		fg_native_deadline_clear(&task->deadline);
		task->running = false;
	}
	return rc;
}

static void native_cancel(struct fg_engine_vu *vu)
{
	/* What runs now: on_done may start the next. */
	for (unsigned i = 0; i < vu->slots; i++)
		vu->tasks[i].to_cut = vu->tasks[i].running;
	for (unsigned i = 0; i < vu->slots; i++) {
		struct fg_native_task *task = &vu->tasks[i];

		if (!task->to_cut || !task->running)
			continue;
		if (task->deferred)
			undefer(task);
		else
			fg_native_conn_close(task->conn);
		fg_native_deadline_clear(&task->deadline);
		free(task->failure);
		task->failure = NULL;
		report(task, NULL, FG_NET_UNFINISHED, "cut", 0, fg_clock_monotonic_ns());
	}
}

static const char *native_refuses(const struct fg_http_options *http, const char *url)
{
	const bool clear = url && !strncasecmp(url, "http://", 7);

	if (http->version == FG_HTTP_2 || http->version == FG_HTTP_H2C)
		return "HTTP/2 needs curl";
	if (http->version == FG_HTTP_AUTO && !clear)
		return url && !strncasecmp(url, "https://", 8)
			       ? "https may negotiate HTTP/2, which needs curl; version: \"1.1\" "
				 "does not"
			       : "the URL's scheme is known only while running, and https may "
				 "negotiate HTTP/2";
	if (http->proxy && *http->proxy)
		return "a proxy needs curl";
	if (http->auth.kind == FG_AUTH_DIGEST)
		return "digest authentication needs curl";
	if (http->auth.kind == FG_AUTH_SIGV4)
		return "AWS SigV4 needs curl";
	return NULL;
}

static const char *native_clock(void)
{
	return fg_engine_native_has_kernel_clock() ? "kernel" : "user";
}

static void native_label(struct fg_engine *engine, const struct fg_load_labels *labels)
{
	engine->labels = labels;
}

const struct fg_engine_ops fg_engine_native = {
	.name = "native",
	.engine_new = native_new,
	.engine_close = native_close,
	.engine_free = free_engine,
	.vu_new = native_vu_new,
	.vu_free = native_vu_free,
	.vu_reset = native_vu_reset,
	.start = native_start,
	.cancel = native_cancel,
	.refuses = native_refuses,
	.clock = native_clock,
	.label = native_label,
};
