/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/load/engine_rig.h"

#include "tests/kit/kit.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/clock.h"

const struct fg_engine_ops *const engine_rig_all[] = {&fg_engine_curl, &fg_engine_native};
const size_t engine_rig_count = FG_ARRAY_LEN(engine_rig_all);

enum { PATIENCE_S = 20 };

void rig_open(struct rig *rig, const struct fg_engine_ops *ops, unsigned slots)
{
	rig_open_labelled(rig, ops, slots, NULL);
}

void rig_open_labelled(struct rig *rig, const struct fg_engine_ops *ops, unsigned slots,
		       const struct fg_load_labels *labels)
{
	static const struct fg_scenario_file file;
	sigset_t pipe_signal;
	struct fg_err err;

	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL); /* as in a worker's thread */
	memset(rig, 0, sizeof(*rig));
	rig->ops = ops;
	rig->http.timeout_ns = 15 * FG_NS_PER_S;
	rig->http.connect_timeout_ns = 10 * FG_NS_PER_S;
	assert_int_equal(uv_loop_init(&rig->loop), 0);
	assert_ok(ops->engine_new(&rig->loop, &file, &rig->engine, &err), &err);
	if (labels)
		ops->label(rig->engine, labels);
	assert_ok(ops->vu_new(rig->engine, slots, &rig->vu, &err), &err);
}

void rig_close(struct rig *rig)
{
	rig->ops->vu_free(rig->vu);
	rig->ops->engine_close(rig->engine);
	uv_run(&rig->loop, UV_RUN_DEFAULT);
	rig->ops->engine_free(rig->engine);
	assert_int_equal(uv_loop_close(&rig->loop), 0);
}

struct fg_engine_request rig_request(struct rig *rig, const char *method, const char *url)
{
	return (struct fg_engine_request){
		.method = method, .url = url, .http = &rig->http, .want_body = true};
}

static void on_done(void *context, const struct fg_engine_response *response)
{
	struct rig_reply *reply = context;
	char *head, *body = NULL;

	reply->done++;
	reply->response = *response;
	head = calloc(1, response->head_len + 1);
	assert_non_null(head);
	if (response->head) {
		assert_int_equal(strlen(response->head), response->head_len);
		memcpy(head, response->head, response->head_len);
	}
	if (response->body) {
		body = calloc(1, response->body_len + 1);
		assert_non_null(body);
		memcpy(body, response->body, response->body_len);
	}
	reply->response.head = head;
	reply->response.body = body;
	uv_stop(&reply->rig->loop);
}

void rig_start(struct rig *rig, unsigned slot, const struct fg_engine_request *request,
	       struct rig_reply *reply)
{
	struct fg_err err;

	memset(reply, 0, sizeof(*reply));
	reply->rig = rig;
	reply->start_ns = fg_clock_monotonic_ns();
	if (rig->ops->start(rig->vu, slot, request, on_done, reply, &err)) {
		/* As the step machine counts what could not even start. */
		reply->failed_to_start = true;
		reply->done++;
		reply->response.error = err.code == FG_E_INVALID ? FG_NET_BAD_URL : FG_NET_GENERIC;
		snprintf(reply->response.error_text, sizeof(reply->response.error_text), "%.150s",
			 err.message);
		return;
	}
	assert_int_equal(reply->done, 0); /* never from inside start() */
}

static void on_patience(uv_timer_t *timer)
{
	const struct rig *rig = timer->data;

	fail_msg("%s, \"%s\": no response within %d s", rig->ops->name, rig->what ? rig->what : "",
		 PATIENCE_S);
}

static void on_closed(uv_handle_t *handle)
{
	handle->data = NULL;
}

/* uv_stop() may have made the next turn an empty one. */
static void close_timer(struct rig *rig, uv_timer_t *timer)
{
	timer->data = timer;
	uv_close((uv_handle_t *)timer, on_closed);
	while (timer->data)
		uv_run(&rig->loop, UV_RUN_NOWAIT);
}

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
}

void rig_wait(struct rig *rig, struct rig_reply *reply)
{
	uv_timer_t patience;

	uv_timer_init(&rig->loop, &patience);
	patience.data = rig;
	uv_timer_start(&patience, on_patience, PATIENCE_S * 1000, 0);
	while (!reply->done)
		uv_run(&rig->loop, UV_RUN_DEFAULT);
	close_timer(rig, &patience);
	assert_int_equal(reply->done, 1);
	if (!reply->failed_to_start)
		rig_check(reply);
}

void rig_until(struct rig *rig, const atomic_uint *flag, unsigned value)
{
	const uint64_t end_ns = fg_clock_monotonic_ns() + PATIENCE_S * FG_NS_PER_S;
	uv_timer_t tick;

	uv_timer_init(&rig->loop, &tick);
	uv_timer_start(&tick, on_tick, 1, 1);
	while (atomic_load(flag) < value) {
		if (fg_clock_monotonic_ns() > end_ns)
			fail_msg("waited %d s for %u", PATIENCE_S, value);
		uv_run(&rig->loop, UV_RUN_ONCE);
	}
	close_timer(rig, &tick);
}

void rig_run(struct rig *rig, const struct fg_engine_request *request, struct rig_reply *reply)
{
	rig_start(rig, 0, request, reply);
	rig_wait(rig, reply);
}

void rig_get(struct rig *rig, const char *url, struct rig_reply *reply)
{
	const struct fg_engine_request request = rig_request(rig, "GET", url);

	rig_run(rig, &request, reply);
}

void rig_forget(struct rig_reply *reply)
{
	union {
		const char *in;
		char *out;
	} head = {.in = reply->response.head}, body = {.in = reply->response.body};

	free(head.out);
	free(body.out);
	memset(reply, 0, sizeof(*reply));
}

void rig_check(const struct rig_reply *reply)
{
	const struct fg_engine_response *r = &reply->response;
	const uint64_t after_ns = r->sending_ns + r->waiting_ns + r->receiving_ns;

	assert_true(r->send_ns >= reply->start_ns);
	assert_true(r->end_ns >= r->send_ns);
	assert_true(r->end_ns <= fg_clock_monotonic_ns());
	assert_true(r->dns_ns + r->connecting_ns + r->tls_ns <= r->blocked_ns);
	assert_true(r->blocked_ns <= r->send_ns - reply->start_ns);
	/* Of a kernel's clock: until its stamp or until ours. */
	if (r->kernel_end_ns) {
		assert_true(r->kernel_end_ns <= r->end_ns);
		assert_true(after_ns == r->end_ns - r->send_ns ||
			    after_ns == r->kernel_end_ns - r->send_ns);
	} else {
		assert_int_equal(after_ns, r->end_ns - r->send_ns);
	}
	if (r->error)
		assert_true(strlen(r->error_text) > 0);
	else
		assert_true(r->status >= 200 && (r->http_version == 10 || r->http_version == 11 ||
						 r->http_version == 20));
	if (r->reused)
		assert_int_equal(r->connecting_ns + r->tls_ns + r->dns_ns, 0);
}

bool rig_refused(const struct fg_engine_ops *ops, const struct fg_http_options *http,
		 const char *url)
{
	const char *reason = ops->refuses(http, url);

	if (ops == &fg_engine_curl) {
		assert_null(reason);
		return false;
	}
	assert_non_null(reason);
	return true;
}
