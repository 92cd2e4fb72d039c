/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a small known profile for tests/e2e/pprof_go.sh; the numbers are repeated there. */
#include "tests/unit/profile/sample.h"

#include <stdio.h>
#include <string.h>

#include "gate/base/file.h"
#include "gate/profile/pprof.h"

static struct fg_profile *known_profile(void)
{
	static const char *const kernel[] = {
		"k:copy_from_iter", "k:__x64_sys_writev", "k:do_syscall_64", "write", "main", NULL};
	static const char *const user[] = {"json::parse<int>(int)", "handle", "main", NULL};
	static const char *const cut[] = {"json::parse<int>(int)", "[truncated]", NULL};
	struct fg_profile *profile = fg_sample_new();

	profile->period_ns = 1000000; /* 1 ms: totals are easy to read */
	fg_sample_add(profile, fg_sample_stack(profile, FG_STACK_COMPLETE, user), "GET /items",
		      "measure", 1, 300);
	fg_sample_add(profile, fg_sample_stack(profile, FG_STACK_COMPLETE, kernel), "POST /items",
		      "measure", 2, 150);
	fg_sample_add(profile, fg_sample_stack(profile, FG_STACK_GAP, cut), "GET /items", "warmup",
		      0, 50);
	uint32_t unnamed = fg_sample_location(profile, "/usr/lib/libz.so.1", "libz.so.1+0x1a40",
					      0x1a40, FG_LOC_UNNAMED);
	int64_t stack = fg_profile_stack(profile, &unnamed, 1, FG_STACK_GUESSED, NULL);

	fg_sample_add(profile, (uint32_t)stack, "", "measure", 3, 25);
	return profile;
}

int main(int argc, char **argv)
{
	struct fg_pprof_options options = {.gzip = true, .labels = true};
	struct fg_err err = {0};
	struct fg_buf out;

	if (argc != 2 && !(argc == 3 && strcmp(argv[2], "plain") == 0)) {
		(void)fputs("usage: write_pprof FILE [plain]\n", stderr);
		return 2;
	}
	options.gzip = argc == 2;
	struct fg_profile *profile = known_profile();

	fg_buf_init(&out, 1 << 20);
	int rc = fg_pprof_encode(profile, &options, &out, &err);

	if (!rc)
		rc = fg_file_write(argv[1], out.data, out.len, &err);
	if (rc)
		(void)fprintf(stderr, "%s\n", err.message);
	fg_buf_done(&out);
	fg_profile_free(profile);
	return rc ? 1 : 0;
}
