/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/load/tree_kit.h"

#include "tests/kit/kit.h"

#include <stdio.h>
#include <string.h>

#include "gate/base/clock.h"

/* -- the engine -------------------------------------------------------------------------------- */

struct fg_engine {
	struct fg_engine_vu *vu;
};

static int kit_vu_new(struct fg_engine *engine, unsigned slots, struct fg_engine_vu **ret,
		      struct fg_err *err)
{
	(void)err;
	assert_true(slots >= 1 && slots <= TREE_SLOTS_MAX);
	engine->vu->width = slots;
	*ret = engine->vu;
	return 0;
}

static void kit_vu_free(struct fg_engine_vu *vu)
{
	(void)vu;
}

static void kit_vu_reset(struct fg_engine_vu *vu, enum fg_connection connection)
{
	(void)connection;
	vu->resets++;
}

static int kit_start(struct fg_engine_vu *vu, unsigned slot,
		     const struct fg_engine_request *request,
		     void (*on_done)(void *context, const struct fg_engine_response *response),
		     void *context, struct fg_err *err)
{
	struct tree_request *to = &vu->slots[slot];
	size_t used = 0;

	assert_true(slot < vu->width);
	assert_false(to->running);
	vu->starts++;
	if (vu->refuse)
		return fg_err_set(err, FG_E_INVALID, "refused");
	*to = (struct tree_request){.running = true,
				    .due_ns = request->due_ns,
				    .has_cookie = request->cookie != NULL,
				    .want_body = request->want_body,
				    .constant = request->constant_key != NULL,
				    .on_done = on_done,
				    .context = context};
	snprintf(to->method, sizeof(to->method), "%s", request->method);
	snprintf(to->url, sizeof(to->url), "%s", request->url);
	snprintf(to->cookie, sizeof(to->cookie), "%s", request->cookie ? request->cookie : "");
	snprintf(to->body, sizeof(to->body), "%.*s", (int)request->body_len,
		 request->body ? request->body : "");
	for (size_t i = 0; i < request->header_count; i++)
		used += (size_t)snprintf(to->headers + used, sizeof(to->headers) - used, "%s|",
					 request->headers[i]);
	return 0;
}

static void kit_cancel(struct fg_engine_vu *vu)
{
	const struct fg_engine_response response = {.error = FG_NET_UNFINISHED,
						    .end_ns = fg_clock_monotonic_ns()};

	for (unsigned i = 0; i < vu->width; i++) {
		if (!vu->slots[i].running)
			continue;
		vu->slots[i].running = false;
		vu->slots[i].on_done(vu->slots[i].context, &response);
	}
}

static const struct fg_engine_ops kit_ops = {
	.name = "kit",
	.vu_new = kit_vu_new,
	.vu_free = kit_vu_free,
	.vu_reset = kit_vu_reset,
	.start = kit_start,
	.cancel = kit_cancel,
};

/* -- the VU ------------------------------------------------------------------------------------ */

static void on_idle(void *context, struct fg_vu *vu, uint64_t now_ns)
{
	struct tree *tree = context;

	(void)now_ns;
	assert_int_equal(vu->state, FG_VU_IDLE);
	tree->idle++;
}

static struct fg_slice *never_swap(void *context, struct fg_slice *full)
{
	(void)context;
	(void)full;
	return NULL;
}

static void parse(struct tree *tree, const char *text)
{
	const struct fg_scenario_options options = {0};
	struct fg_diagnostics diagnostics = {0};
	struct fg_err err;
	int rc;

	fg_err_clear(&err);
	rc = fg_scenario_parse(text, strlen(text), "t.yaml", &options, &tree->file, &diagnostics,
			       &err);
	if (rc) {
		FG_AUTO_BUF struct fg_buf out = {0};

		fg_buf_init(&out, 1 << 20);
		fg_diagnostics_text(&diagnostics, &out);
		print_message("%s\n%s\n", err.message, out.data ? out.data : "");
	}
	fg_diagnostics_done(&diagnostics);
	assert_int_equal(rc, 0);
}

void tree_open(struct tree *tree, const char *text)
{
	static struct fg_engine engine;
	struct fg_err err;

	memset(tree, 0, sizeof(*tree));
	parse(tree, text);
	engine.vu = &tree->engine;
	assert_int_equal(uv_loop_init(&tree->loop), 0);
	assert_ok(fg_pacer_init(&tree->pacer, &tree->loop, &err), &err);
	assert_ok(fg_pacer_reserve(&tree->pacer, 4, &err), &err);
	fg_registry_init(&tree->registry);
	assert_ok(fg_scenario_register(tree->file, "kit", &tree->registry, &err), &err);
	assert_ok(fg_slice_new(&tree->registry, NULL, &tree->meter.slice, &err), &err);
	tree->meter.swap = never_swap;
	fg_meter_start(&tree->meter, fg_clock_monotonic_ns());
	tree->env = (struct fg_vu_env){
		.pacer = &tree->pacer, .meter = &tree->meter, .seed = 1, .vus = 10};
	assert_ok(fg_load_log_new(NULL, NULL, &tree->env.log, &err), &err);
	assert_ok(fg_vu_env_init(&tree->env, &err), &err);
	assert_ok(fg_program_new(tree->file, 0, &tree->registry, "http://h/base/", &tree->program,
				 &err),
		  &err);
	tree->program->ops = &kit_ops;
	tree->program->engine = &engine;
	assert_ok(fg_vu_new(&tree->env, tree->program, 3, &tree->vu, &err), &err);
	tree->vu->on_idle = on_idle;
	tree->vu->context = tree;
}

void tree_close(struct tree *tree)
{
	assert_int_equal(tree->vu->state, FG_VU_IDLE);
	assert_int_equal(tree->meter.lost, 0);
	fg_vu_free(tree->vu);
	fg_program_free(tree->program);
	fg_vu_env_done(&tree->env);
	fg_load_log_free(tree->env.log);
	fg_slice_free(tree->meter.slice);
	fg_registry_done(&tree->registry);
	fg_scenario_file_free(tree->file);
	fg_pacer_close(&tree->pacer);
	uv_run(&tree->loop, UV_RUN_DEFAULT);
	fg_pacer_done(&tree->pacer);
	assert_int_equal(uv_loop_close(&tree->loop), 0);
}

static bool is_running(const struct tree *tree)
{
	for (unsigned i = 0; i < tree->engine.width; i++) {
		if (tree->engine.slots[i].running)
			return true;
	}
	return false;
}

void tree_settle(struct tree *tree)
{
	while (tree->vu->state != FG_VU_IDLE && !is_running(tree))
		uv_run(&tree->loop, UV_RUN_ONCE);
}

void tree_begin(struct tree *tree)
{
	const uint64_t now_ns = fg_clock_monotonic_ns();

	fg_vu_begin(tree->vu, now_ns, tree->vu->ids.iteration, now_ns);
	tree_settle(tree);
}

struct tree_request *tree_slot(struct tree *tree, unsigned slot)
{
	return &tree->engine.slots[slot];
}

void tree_respond(struct tree *tree, unsigned slot, const struct fg_engine_response *response)
{
	struct tree_request *request = &tree->engine.slots[slot];

	assert_true(request->running);
	request->running = false;
	request->on_done(request->context, response);
}

void tree_answer(struct tree *tree, uint16_t status, const char *head, const char *body)
{
	struct fg_engine_response response = {.status = status,
					      .waiting_ns = 2 * FG_NS_PER_MS,
					      .end_ns = fg_clock_monotonic_ns(),
					      .head = head ? head : ""};

	response.head_len = strlen(response.head);
	if (body && tree->engine.slots[0].want_body) {
		response.body = body;
		response.body_len = strlen(body);
	}
	tree_respond(tree, 0, &response);
	tree_settle(tree);
}

unsigned tree_answer_all(struct tree *tree, const char *body)
{
	unsigned count = 0;

	while (tree->vu->state != FG_VU_IDLE) {
		count++;
		tree_answer(tree, 200, NULL, body);
	}
	return count;
}

const struct fg_scenario_slice *tree_counts(const struct tree *tree)
{
	return &tree->meter.slice->scenarios[0];
}

uint64_t tree_requests(struct tree *tree, const char *name, const char *group)
{
	for (size_t i = 0; i < tree->registry.class_count; i++) {
		const struct fg_class *class = &tree->registry.classes[i];

		if (!strcmp(class->name, name) && !strcmp(class->group, group))
			return fg_slice_class(tree->meter.slice, i, true)->requests +
			       fg_slice_class(tree->meter.slice, i, false)->requests;
	}
	fail_msg("no class %s in \"%s\"", name, group);
	return 0;
}

struct fg_check_slice tree_check(const struct tree *tree, const char *name)
{
	for (size_t i = 0; i < tree->registry.check_count; i++) {
		if (!strcmp(tree->registry.checks[i].name, name))
			return tree->meter.slice->checks[i];
	}
	fail_msg("no check %s", name);
	return (struct fg_check_slice){0};
}

static void on_line(void *context, const char *text, size_t len)
{
	struct tree *tree = context;
	const size_t used = strlen(tree->lines);

	snprintf(tree->lines + used, sizeof(tree->lines) - used, "%.*s|", (int)len, text);
}

const char *tree_lines(struct tree *tree)
{
	tree->lines[0] = '\0';
	fg_load_log_drain(tree->env.log, on_line, tree);
	return tree->lines;
}
