/* SPDX-License-Identifier: Apache-2.0 */
/* A client and the other end of its stream, where a test says the helper's words. */
#ifndef FG_TESTS_CLIENT_STAGE_H
#define FG_TESTS_CLIENT_STAGE_H

#include "profiler/client_internal.h"
#include "profiler/wire.pb-c.h"

struct stage {
	struct fg_wire helper;
	struct fg_profiler *client;
	uint32_t request; /* of the samples that are said */
};

void stage_open(struct stage *stage);
void stage_close(struct stage *stage);
void say(struct stage *stage, enum fg_wire_type type, const ProtobufCMessage *message);
void say_hello(struct stage *stage);
void say_ready(struct stage *stage);
void say_module(struct stage *stage, uint32_t id);
void say_sample(struct stage *stage, uint64_t time_ns, uint32_t result, uint32_t kernel,
		uint32_t user, size_t frames);
void say_stats(struct stage *stage, uint64_t time_ns, uint64_t samples, uint64_t lost);
void say_error(struct stage *stage, uint32_t code, char *text);
void stage_begin(struct stage *stage);

#endif
