/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/run/place.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define ROOT ".flamegate"

void fg_place_run_id(uint64_t unix_ns, uint16_t random, char ret[FG_RUN_ID_LEN + 1])
{
	time_t seconds = (time_t)(unix_ns / FG_NS_PER_S);
	struct tm utc;

	(void)gmtime_r(&seconds, &utc);
	size_t len = strftime(ret, FG_RUN_ID_LEN, "%Y%m%dT%H%M%SZ", &utc);

	(void)snprintf(ret + len, FG_RUN_ID_LEN + 1 - len, "-%04x", random);
}

uint16_t fg_place_random(void)
{
	uint16_t random = 0;

	/* An id that repeats is caught by mkdir; early boot without entropy is no reason to fail.
	 */
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		random = (uint16_t)getpid();
	return random;
}

int fg_place_make(const char *run_id, const char *bundle, struct fg_place_dirs *ret,
		  struct fg_err *err)
{
	int rc = fg_file_path(ret->run, err, ROOT "/runs/%s", run_id);

	if (rc == 0)
		rc = fg_file_mkdirs(ret->run, err);
	if (rc) {
		ret->run[0] = '\0';
		(void)snprintf(ret->log, sizeof(ret->log), "/tmp/flamegate-%s-target.log", run_id);
	} else {
		rc = fg_file_path(ret->log, err, "%s/target.log", ret->run);
	}
	/* With a run directory that cannot be made, the default bundle's write will say so again.
	 */
	int path_rc = bundle ? fg_file_path(ret->bundle, err, "%s", bundle)
			     : fg_file_path(ret->bundle, err, ROOT "/runs/%s/bundle", run_id);

	return rc ? rc : path_rc;
}

int fg_place_set_latest(const char *run_id, struct fg_err *err)
{
	char target[FG_PATH_MAX];
	char temporary[FG_PATH_MAX];
	int rc = fg_file_path(target, err, "runs/%s", run_id);

	if (rc == 0)
		rc = fg_file_path(temporary, err, ROOT "/latest.%ld.tmp", (long)getpid());
	if (rc)
		return rc;
	(void)unlink(temporary);
	if (symlink(target, temporary) != 0)
		return fg_err_errno(err, errno, "cannot create symlink %s", temporary);
	if (rename(temporary, ROOT "/latest") != 0) {
		rc = fg_err_errno(err, errno, "cannot update %s", ROOT "/latest");
		(void)unlink(temporary);
	}
	return rc;
}
