/* SPDX-License-Identifier: Apache-2.0 */
/* What a target says of itself: its command line and environment, /proc/PID/status, and what its VM
 * answers to a request. */
#include <stdlib.h>
#include <string.h>

#include "profiler/attach.h"
#include "profiler/process.h"
#include "profiler/runtime_options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void options(const char *text, size_t size)
{
	size_t words = size / 2;

	for (int i = 0; i < FG_RUNTIME_COUNT; i++) {
		enum fg_runtime runtime = (enum fg_runtime)i;
		uint32_t flags =
			fg_runtime_flags_of(runtime, text + words, size - words, text, words);

		assert(flags < 1u << FG_RUNTIME_FLAG_COUNT);
		assert(runtime == FG_RUNTIME_NODE || runtime == FG_RUNTIME_JAVA || !flags);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fg_process_facts facts = {0};
	struct fg_err err = {0};
	char *text = malloc(size + 1); /* a copy of its own, so that reading beyond is seen */

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	(void)fg_runtime_of_program(text);
	(void)fg_runtime_of_library(text);
	if (fg_attach_reply(text, size, &err) != 0)
		assert(err.message[0]);
	text = realloc(text, size ? size : 1);
	options(text, size);
	fg_process_status(text, size, &facts);
	(void)fg_process_catches(text, size, 3);
	free(text);
	return 0;
}
