/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flamegate-profiler: the privileged half. It is started by flamegate, talks over one byte stream
 * and has no options for people.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>

#include "gate/base/num.h"
#include "profiler/helper.h"

static int usage(void)
{
	(void)fputs("flamegate-profiler " FG_VERSION "\n"
		    "Started by flamegate: flamegate-profiler --stream FD\n"
		    "To see what this machine can profile: flamegate doctor\n",
		    stderr);
	return 2;
}

int main(int argc, char **argv)
{
	struct fg_err err = {0};
	uint64_t fd;

	if (argc != 3 || strcmp(argv[1], "--stream") != 0 ||
	    fg_num_u64(argv[2], strlen(argv[2]), &fd, &err) != 0 || fd > 1023 ||
	    fcntl((int)fd, F_GETFD) < 0)
		return usage();
	/* Belt and braces: the stream's end ends us too, but a stuck kernel call would not see it.
	 */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGPIPE, SIG_IGN);
	/* A terminal's Ctrl-C or end, and what timeout or a CI system sends to the whole group, are for
	 * flamegate, which drains us. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	return fg_helper_serve((int)fd, &err) ? EXIT_FAILURE : EXIT_SUCCESS;
}
