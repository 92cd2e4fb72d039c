/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a broken or hostile helper may send: framing, protobuf bodies, sample columns. */
#include <sys/socket.h>
#include <unistd.h>

#include "profiler/client_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { BYTES_MAX = 64 << 10 }; /* what a socket takes without a reader */
	const uint32_t pid = 1;
	struct fg_profiler *profiler;
	int ends[2];

	if (size > BYTES_MAX || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		return 0;
	if (write(ends[1], data, size) != (ssize_t)size) {
		close(ends[0]);
		close(ends[1]);
		return 0;
	}
	close(ends[1]);
	if (fg_client_new(ends[0], &pid, 1, 499, &profiler, NULL) != 0)
		return 0;
	int rc = fg_client_take(profiler, NULL);

	assert(rc <= 0 && profiler->samples.stack_count <= profiler->samples.count);
	(void)fg_client_stats_at(profiler, UINT64_MAX / 2);
	fg_profiler_free(profiler);
	return 0;
}
