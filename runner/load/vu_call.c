/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests under way: rendering, cookies, hops of a redirect, the record of each hop, and what the
 * last response means for the iteration.
 */
#include "runner/load/vu_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/clock.h"
#include "runner/load/check.h"
#include "runner/load/inflate.h"

static void start_hop(struct fg_call *call, uint64_t now_ns);

/* -- the record ---------------------------------------------------------------------------------
 */

static enum fg_net_error judge(const struct fg_engine_response *response)
{
	if (response->error != FG_NET_OK)
		return response->error;
	if (response->status >= 400)
		return FG_NET_HTTP_STATUS;
	return response->status < 200 ? FG_NET_BAD_RESPONSE : FG_NET_OK;
}

static bool is_lower_bound(enum fg_net_error error)
{
	return error == FG_NET_TIMEOUT || error == FG_NET_DIAL_TIMEOUT ||
	       error == FG_NET_UNFINISHED;
}

static uint64_t since(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? to_ns - from_ns : 0;
}

static uint64_t duration_ns(const struct fg_engine_response *response)
{
	return response->sending_ns + response->waiting_ns + response->receiving_ns;
}

/* For the profile of slow requests; one that shared its connection cannot be told apart. */
static void log_request(const struct fg_vu *vu, const struct fg_request_record *request,
			const struct fg_engine_response *response, uint64_t end_ns)
{
	const struct fg_request_entry entry = {
		.send_ns = response->send_ns,
		.end_ns = end_ns,
		.port = response->labelled_port,
		.class_index = (uint16_t)request->class_index,
	};

	if (vu->env->requests && entry.port)
		fg_request_log_add(vu->env->requests, &entry);
}

/* Time that passed after the kernel had the last byte is ours, not the target's. */
static void record(const struct fg_call *call, const struct fg_engine_response *response)
{
	const struct fg_vu *vu = call->vu;
	const bool stamped = response->kernel_end_ns && response->error == FG_NET_OK;
	const uint64_t end_ns = stamped ? response->kernel_end_ns : response->end_ns;
	struct fg_request_record request = {
		.class_index = call->request->class_index,
		.error = judge(response),
		.status = response->status,
		.reused = response->reused,
		.sent_bytes = response->sent_bytes,
		.received_bytes = response->received_bytes,
	};
	uint64_t *trends = request.trends_ns;

	if (!vu->counted || request.class_index == FG_INDEX_NONE)
		return;
	request.expected = request.error == FG_NET_OK;
	request.lower_bound = is_lower_bound(request.error);
	trends[FG_TREND_RESPONSE_TIME] = since(call->due_ns, end_ns);
	trends[FG_TREND_DURATION] = duration_ns(response);
	trends[FG_TREND_SERVICE_TIME] =
		stamped ? since(response->send_ns, end_ns) : trends[FG_TREND_DURATION];
	trends[FG_TREND_WAKEUP] = stamped ? FG_MAX(since(end_ns, response->end_ns), 1u) : 0;
	trends[FG_TREND_BLOCKED] = response->blocked_ns;
	trends[FG_TREND_DNS] = response->dns_ns;
	trends[FG_TREND_CONNECTING] = response->connecting_ns;
	trends[FG_TREND_TLS_HANDSHAKING] = response->tls_ns;
	trends[FG_TREND_SENDING] = response->sending_ns;
	trends[FG_TREND_WAITING] = response->waiting_ns;
	trends[FG_TREND_RECEIVING] = response->receiving_ns;
	fg_meter_request(vu->env->meter, &request, response->end_ns);
	log_request(vu, &request, response, end_ns);
}

/* -- checks, expectations, captures ------------------------------------------------------------ */

static bool within(uint16_t status, const struct fg_condition *condition)
{
	return status >= condition->status_low && status <= condition->status_high;
}

static void fail_expect(struct fg_call *call, const struct fg_condition *condition,
			const struct fg_engine_response *response, struct fg_err *why)
{
	const struct fg_program_request *request = call->request;
	struct fg_err err;

	if (response->error != FG_NET_OK)
		FG_IGNORE(fg_err_set(&err, FG_E_INVALID, "%s: %s: the request failed: %s%s%s",
				     request->http->name,
				     condition->text ? condition->text : "status",
				     fg_net_error_name(response->error),
				     response->error_text[0] ? ": " : "", response->error_text));
	else if (condition->test == FG_TEST_STATUS)
		FG_IGNORE(fg_err_set(
			&err, FG_E_INVALID, "%s: expected %s, got status %u", request->http->name,
			condition->text ? condition->text : "another status", response->status));
	else
		FG_IGNORE(fg_err_set(&err, FG_E_INVALID, "%s: expected %s%s%s", request->http->name,
				     condition->text ? condition->text : "", why->code ? "; " : "",
				     why->code ? why->message : ""));
	fg_vu_fail(call->vu, request->step, &err);
}

/* The common case without any look into the response. */
static void take_status(struct fg_call *call, const struct fg_engine_response *response)
{
	const struct fg_program_request *request = call->request;
	const struct fg_step_http *http = request->http;
	const uint16_t status = response->error == FG_NET_OK ? response->status : 0;
	struct fg_err why;

	for (size_t i = 0; call->vu->counted && request->check_indices && i < http->check_count;
	     i++)
		fg_meter_check(call->vu->env->meter, request->check_indices[i],
			       within(status, &http->checks[i].condition));
	for (size_t i = 0; i < http->expect_count; i++) {
		if (within(status, &http->expects[i]))
			continue;
		fg_err_clear(&why);
		fail_expect(call, &http->expects[i], response, &why);
		return;
	}
}

static void take_captures(struct fg_call *call, const struct fg_answer *answer)
{
	const struct fg_step_http *http = call->request->http;
	struct fg_vu *vu = call->vu;
	struct fg_expr_env env;
	struct fg_err err;

	for (size_t i = 0; i < http->capture_count; i++) {
		const struct fg_capture *capture = &http->captures[i];

		fg_err_clear(&err);
		fg_vu_expr_env(vu, &env);
		if (!fg_capture_take(capture, answer, &env, &vu->slots[capture->slot], &err))
			continue;
		(void)fg_err_wrap(&err, "%s: capture %s", http->name, capture->name);
		if (capture->place.line)
			fg_err_at(&err, capture->place.file, capture->place.line,
				  capture->place.column);
		fg_vu_fail(vu, call->request->step, &err);
		return;
	}
}

static void take_looks(struct fg_call *call, const struct fg_answer *answer)
{
	const struct fg_program_request *request = call->request;
	const struct fg_step_http *http = request->http;
	struct fg_vu *vu = call->vu;
	struct fg_expr_env env;
	struct fg_err why;

	for (size_t i = 0; vu->counted && request->check_indices && i < http->check_count; i++) {
		fg_vu_expr_env(vu, &env);
		fg_meter_check(vu->env->meter, request->check_indices[i],
			       fg_condition_holds(&http->checks[i].condition, answer, &env, NULL));
	}
	for (size_t i = 0; i < http->expect_count; i++) {
		fg_err_clear(&why);
		fg_vu_expr_env(vu, &env);
		if (fg_condition_holds(&http->expects[i], answer, &env, &why))
			continue;
		fail_expect(call, &http->expects[i], answer->response, &why);
		return;
	}
	take_captures(call, answer);
}

static void look(struct fg_call *call, const struct fg_engine_response *response,
		 const struct fg_url *url, const char *body, size_t len)
{
	const struct fg_vu *vu = call->vu;
	const struct fg_answer answer = {
		.response = response,
		.body = body,
		.body_len = len,
		.duration_ns = duration_ns(response),
		.cookies = &vu->cookies,
		.url = url,
		.now_unix_s = fg_clock_realtime_ns() / FG_NS_PER_S,
		.arena = &vu->env->arena,
		.match = vu->env->match,
	};

	take_looks(call, &answer);
}

/* -- cookies and bodies ------------------------------------------------------------------------ */

/* Almost no response has one; finding that out must cost next to nothing. */
static void take_cookies(struct fg_call *call, const struct fg_engine_response *response)
{
	struct fg_vu *vu = call->vu;
	const char *value;
	size_t offset = 0, len;
	struct fg_url url;
	struct fg_err err;

	if (!fg_answer_header_next(response->head, response->head_len, "Set-Cookie", &offset,
				   &value, &len))
		return;
	fg_err_clear(&err);
	if (fg_url_parse(call->sent.url, strlen(call->sent.url), &url, &err))
		return;
	do {
		if (fg_cookies_set(&vu->cookies, value, len, &url,
				   fg_clock_realtime_ns() / FG_NS_PER_S, &err))
			vu->env->meter->lost++;
	} while (fg_answer_header_next(response->head, response->head_len, "Set-Cookie", &offset,
				       &value, &len));
}

static void add_cookies(struct fg_call *call)
{
	const struct fg_vu *vu = call->vu;
	struct fg_url url;

	call->sent.cookie = NULL;
	if (!vu->cookies.count || call->request->own_cookie ||
	    fg_url_parse(call->sent.url, strlen(call->sent.url), &url, NULL))
		return;
	fg_buf_clear(&call->cookie);
	fg_cookies_header(&vu->cookies, &url, fg_clock_realtime_ns() / FG_NS_PER_S, &call->cookie);
	if (call->cookie.len && !call->cookie.failed)
		call->sent.cookie = call->cookie.data;
}

/* The plain body; a damaged one makes the response a failed one. */
static void inflate(struct fg_call *call, struct fg_engine_response *response,
		    const char **ret_body, size_t *ret_len)
{
	const char *coding;
	struct fg_err err;
	size_t len;

	*ret_body = response->body;
	*ret_len = response->body_len;
	if (!response->body || !response->body_len ||
	    !fg_answer_header(response->head, response->head_len, "Content-Encoding", &coding,
			      &len))
		return;
	fg_err_clear(&err);
	if (!fg_inflate_body(call->vu->env->inflate, coding, len, response->body,
			     response->body_len, ret_body, ret_len, &err))
		return;
	response->error = FG_NET_DECOMPRESS;
	snprintf(response->error_text, sizeof(response->error_text), "%.150s", err.message);
}

/* -- the life of a call -------------------------------------------------------------------------
 */

static void end_call(struct fg_call *call, uint64_t end_ns)
{
	struct fg_vu *vu = call->vu;

	vu->calls_end_ns = FG_MAX(vu->calls_end_ns, end_ns);
	if (--vu->running)
		return;
	vu->due_ns = vu->calls_end_ns;
	fg_vu_calls_ended(vu);
}

static bool follow(struct fg_call *call, const struct fg_engine_response *response)
{
	const char *location;
	struct fg_err err;
	size_t len;

	if (response->status < 300 || response->status > 399 ||
	    call->hops >= call->request->http->http.max_redirects ||
	    call->vu->state != FG_VU_WAITING || !fg_redirect_wanted(response, &location, &len))
		return false;
	fg_err_clear(&err);
	if (!call->redirect && fg_redirect_new(&call->redirect, &err)) {
		call->vu->env->meter->lost++;
		return false;
	}
	if (!call->hops)
		call->redirect->stripped = false;
	/* A Location that leads nowhere: the response stands, as with too many hops. */
	return !fg_redirect_apply(call->redirect, location, len, response->status, &call->sent,
				  &err);
}

/* Most responses: nothing to inflate, to follow or to look into. */
static bool finish_hop(struct fg_call *call, const struct fg_engine_response *response)
{
	struct fg_engine_response own;
	struct fg_url url;
	const char *body;
	size_t len;

	if (response->head_len)
		take_cookies(call, response);
	if (response->error == FG_NET_OK && follow(call, response)) {
		record(call, response);
		return false;
	}
	if (call->request->status_only && !response->body) {
		record(call, response);
		if (call->vu->state == FG_VU_WAITING)
			take_status(call, response);
		return true;
	}
	own = *response;
	inflate(call, &own, &body, &len);
	record(call, &own);
	if (call->vu->state == FG_VU_WAITING) {
		const bool known =
			!fg_url_parse(call->sent.url, strlen(call->sent.url), &url, NULL);

		look(call, &own, known ? &url : NULL, body, len);
	}
	return true;
}

static void on_response(void *context, const struct fg_engine_response *response)
{
	struct fg_call *call = context;
	const uint64_t end_ns = response->end_ns;

	if (finish_hop(call, response)) {
		end_call(call, end_ns);
		return;
	}
	call->hops++;
	call->due_ns = end_ns;
	start_hop(call, end_ns);
}

/* A request that could not even be started (no memory, a URL the engine refuses). */
static void fail_start(struct fg_call *call, const struct fg_err *err, uint64_t now_ns)
{
	struct fg_engine_response response = {.send_ns = now_ns, .end_ns = now_ns};

	response.error = err->code == FG_E_INVALID ? FG_NET_BAD_URL : FG_NET_GENERIC;
	snprintf(response.error_text, sizeof(response.error_text), "%.150s", err->message);
	(void)finish_hop(call, &response);
	end_call(call, now_ns);
}

/* What is not counted carries none: its CPU is nobody's. */
static uint16_t label_of(const struct fg_call *call)
{
	const uint32_t class_index = call->request->class_index;

	return call->vu->counted && class_index < UINT16_MAX ? (uint16_t)(class_index + 1) : 0;
}

static void start_hop(struct fg_call *call, uint64_t now_ns)
{
	const struct fg_program *program = call->vu->program;
	struct fg_err err;

	call->sent.due_ns = call->due_ns;
	call->sent.label = label_of(call);
	add_cookies(call);
	fg_err_clear(&err);
	if (program->ops->start(call->vu->connection, call->slot, &call->sent, on_response, call,
				&err))
		fail_start(call, &err, now_ns);
	else
		call->vu->waited = true;
}

static void begin_call(struct fg_call *call, const struct fg_program_request *request,
		       uint64_t now_ns)
{
	struct fg_vu *vu = call->vu;
	struct fg_expr_env env = {0};
	struct fg_err err;
	int rc;

	call->request = request;
	call->hops = 0;
	call->due_ns = vu->due_ns;
	fg_err_clear(&err);
	if (!request->constant)
		fg_vu_expr_env(vu, &env);
	rc = fg_program_render(request, &env, &call->scratch, &call->sent, &err);
	if (!rc) {
		start_hop(call, now_ns);
		return;
	}
	/* What it would have sent is not known: a failed request, and no reason to go on. */
	call->sent.url = "";
	(void)fg_err_wrap(&err, "%s", request->http->name);
	fg_vu_fail(vu, request->step, &err);
	fail_start(call, &err, now_ns);
}

void fg_vu_send(struct fg_vu *vu, const struct fg_op *op, uint64_t now_ns)
{
	const struct fg_program_request *requests = &vu->program->requests[op->index];

	vu->running = op->count + 1; /* ours: nothing ends before all have begun */
	vu->calls_end_ns = 0;
	fg_vu_move(vu, FG_VU_SEND);
	for (uint32_t i = 0; i < op->count; i++)
		begin_call(&vu->calls[i], &requests[i], now_ns);
	/* Only what failed at once has ended yet. Goes on in fg_vu_run(), not deeper. */
	if (--vu->running)
		return;
	vu->due_ns = vu->calls_end_ns;
	fg_vu_move(vu, FG_VU_RESPONSE);
}

int fg_vu_calls_init(struct fg_vu *vu, struct fg_err *err)
{
	const unsigned width = vu->program->width;
	int rc = 0;

	vu->calls = calloc(width, sizeof(*vu->calls));
	if (!vu->calls)
		return fg_err_nomem(err);
	for (unsigned i = 0; !rc && i < width; i++) {
		struct fg_call *call = &vu->calls[i];

		call->vu = vu;
		call->slot = i;
		fg_buf_init(&call->cookie, FG_COOKIE_HEADER_MAX);
		rc = fg_program_scratch_init(&call->scratch, vu->program, err);
	}
	return rc;
}

void fg_vu_calls_done(struct fg_vu *vu)
{
	for (unsigned i = 0; vu->calls && i < vu->program->width; i++) {
		fg_buf_done(&vu->calls[i].cookie);
		fg_program_scratch_done(&vu->calls[i].scratch);
		fg_redirect_free(vu->calls[i].redirect);
	}
	free(vu->calls);
}
