/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/profiler/client_stage.h"

#include "tests/kit/kit.h"

#include <string.h>
#include <sys/socket.h>

#include "gate/base/clock.h"

static const uint32_t pids[] = {1};

void stage_open(struct stage *stage)
{
	struct fg_err err = {0};
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_ok(fg_wire_init(&stage->helper, ends[1], &err), &err);
	assert_ok(fg_client_new(ends[0], pids, 1, 499, &stage->client, &err), &err);
}

void stage_close(struct stage *stage)
{
	fg_profiler_free(stage->client);
	fg_wire_done(&stage->helper);
}

void say(struct stage *stage, enum fg_wire_type type, const ProtobufCMessage *message)
{
	struct fg_err err = {0};

	assert_ok(fg_wire_send(&stage->helper, type, message, -1, &err), &err);
	assert_ok(fg_wire_flush(&stage->helper, &err), &err);
}

void say_hello(struct stage *stage)
{
	Fg__Wire__Hello hello;
	char version[] = "test";

	fg__wire__hello__init(&hello);
	hello.protocol = FG_WIRE_PROTOCOL;
	hello.bpf_abi = FG_BPF_ABI;
	hello.version = version;
	say(stage, FG_WIRE_HELLO, &hello.base);
}

void say_ready(struct stage *stage)
{
	Fg__Wire__Ready ready;

	fg__wire__ready__init(&ready);
	ready.frequency_hz = 499;
	ready.period_ns = FG_NS_PER_S / 499;
	ready.cpus = 2;
	say(stage, FG_WIRE_READY, &ready.base);
}

void say_module(struct stage *stage, uint32_t id)
{
	Fg__Wire__Module module;
	char path[] = "/gone/server";

	fg__wire__module__init(&module);
	module.id = id;
	module.path = path;
	say(stage, FG_WIRE_MODULE, &module.base);
}

/* One sample of `kernel` + `user` frames, of which `frames` really come. */
void say_sample(struct stage *stage, uint64_t time_ns, uint32_t result, uint32_t kernel,
		uint32_t user, size_t frames)
{
	Fg__Wire__Samples batch;
	uint64_t all[FG_SAMPLE_FRAMES] = {0};
	uint32_t tgid = 1, tid = 1, guessed = 0, script = 0, type = FG_SAMPLE_CPU;
	uint32_t request = stage->request;
	uint64_t value = 1;

	fg__wire__samples__init(&batch);
	for (size_t i = 0; i < frames; i++)
		all[i] = (uint64_t)FG_MODULE_FIRST << FG_FRAME_MODULE_SHIFT | (0x1000 + i);
	batch.n_time_ns = 1;
	batch.time_ns = &time_ns;
	batch.n_tgid = 1;
	batch.tgid = &tgid;
	batch.n_tid = 1;
	batch.tid = &tid;
	batch.n_result = 1;
	batch.result = &result;
	batch.n_guessed = 1;
	batch.guessed = &guessed;
	batch.n_kernel_count = 1;
	batch.kernel_count = &kernel;
	batch.n_user_count = 1;
	batch.user_count = &user;
	batch.n_script_count = 1;
	batch.script_count = &script;
	batch.n_type = 1;
	batch.type = &type;
	batch.n_request = 1;
	batch.request = &request;
	batch.n_value = 1;
	batch.value = &value;
	batch.n_frames = frames;
	batch.frames = all;
	say(stage, FG_WIRE_SAMPLES, &batch.base);
}

void say_stats(struct stage *stage, uint64_t time_ns, uint64_t samples, uint64_t lost)
{
	Fg__Wire__Stats stats;

	fg__wire__stats__init(&stats);
	stats.time_ns = time_ns;
	stats.samples = samples;
	stats.lost = lost;
	stats.target_cpu_ns = samples * 1000;
	say(stage, FG_WIRE_STATS, &stats.base);
}

void say_error(struct stage *stage, uint32_t code, char *text)
{
	Fg__Wire__Error error;

	fg__wire__error__init(&error);
	error.code = code;
	error.message = text;
	say(stage, FG_WIRE_ERROR, &error.base);
}

void stage_begin(struct stage *stage)
{
	struct fg_err err = {0};

	stage_open(stage);
	say_hello(stage);
	say_ready(stage);
	assert_ok(fg_client_take(stage->client, &err), &err);
	assert_int_equal(stage->client->state, FG_CLIENT_RUNNING);
}
