/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/precheck.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include "runner/load/plan.h"
#include "runner/target/target.h"

/* A socket per VU, or as many as its widest parallel; the soft limit is often 1024 while the hard
 * one is generous. */
static int raise_descriptors(uint64_t sockets, struct fg_err *err)
{
	const rlim_t need = sockets + 256;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= need)
		return 0;
	if (limit.rlim_max < need)
		return fg_err_set(err, FG_E_LIMIT,
				  "%llu connections of virtual users need %llu open files, the "
				  "limit is %llu; raise it with ulimit -n",
				  (unsigned long long)sockets, (unsigned long long)need,
				  (unsigned long long)limit.rlim_max);
	limit.rlim_cur = need;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		return fg_err_set(err, FG_E_LIMIT, "cannot raise the limit of open files");
	return 0;
}

static int check_file(const char *path, const char *what, struct fg_err *err)
{
	if (!path || access(path, R_OK) == 0)
		return 0;
	return fg_err_errno(err, errno, "%s: %s", what, path);
}

/* Every request would fail, and each engine would say it in its own way. */
static int check_way(void *context, const struct fg_visit *visit, struct fg_err *err)
{
	const struct fg_step *step = visit->step;
	const struct fg_http_options *http = &step->http.http;
	unsigned *width = context;
	const size_t path_max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
	int rc;

	*width = FG_MAX(*width, visit->parallel_max);
	if (step->kind != FG_STEP_HTTP)
		return 0;
	if ((rc = check_file(http->ca_file, "tls.ca", err)) ||
	    (rc = check_file(http->cert_file, "tls.cert", err)) ||
	    (rc = check_file(http->key_file, "tls.key", err))) {
		/* said below */
	} else if (http->unix_socket && strlen(http->unix_socket) > path_max) {
		rc = fg_err_set(err, FG_E_INVALID, "unixSocket: a path has at most %zu bytes",
				path_max);
	}
	if (rc && step->place.line)
		fg_err_at(err, step->place.file, step->place.line, step->place.column);
	return rc;
}

/* Also how many connections one of its VUs may need at once. */
static int check_ways(const struct fg_scenario_file *file, const struct fg_scenario *scenario,
		      unsigned *ret_width, struct fg_err *err)
{
	unsigned width = 1;
	int rc = fg_steps_walk(file, &scenario->init, check_way, &width, err);

	if (!rc)
		rc = fg_steps_walk(file, &scenario->steps, check_way, &width, err);
	*ret_width = width;
	return rc;
}

bool fg_load_probe_url(const struct fg_http_options *http, const char *url, struct fg_buf *out)
{
	char host[256], place[300];
	uint16_t port = 0;
	bool local;

	if ((http->unix_socket && *http->unix_socket) || (http->proxy && *http->proxy))
		return false;
	if (http->resolve.count && !fg_target_url_parts(url, host, &port, &local, NULL)) {
		(void)snprintf(place, sizeof(place), "%s:%u", host, port);
		for (size_t i = 0; i < http->resolve.count; i++) {
			if (strcasecmp(http->resolve.items[i].key, place) != 0)
				continue;
			fg_buf_addf(out, "http://%s/", http->resolve.items[i].value);
			return true;
		}
	}
	fg_buf_add_str(out, url);
	return true;
}

int fg_load_precheck(const struct fg_load_options *options, struct fg_err *err)
{
	const struct fg_scenario_file *file = options->file;
	const struct fg_plan_part part = {
		.shard = options->shard_index,
		.shards = FG_MAX(options->shard_count, 1u),
		.workers = 1,
	};
	uint64_t sockets = 0;

	if (!file->scenario_count)
		return fg_err_set(err, FG_E_INVALID, "no scenario to run");
	if (part.shard >= part.shards || part.shards > FG_LOAD_SHARDS_MAX)
		return fg_err_set(err, FG_E_USAGE, "there is no shard %u of %u (at most %d)",
				  part.shard + 1, part.shards, FG_LOAD_SHARDS_MAX);
	for (size_t i = 0; i < file->scenario_count; i++) {
		unsigned width = 1;
		int rc = fg_plan_check(&file->scenarios[i], err);

		if (!rc)
			rc = fg_plan_check_shards(&file->scenarios[i], part.shards, err);
		if (!rc)
			rc = check_ways(file, &file->scenarios[i], &width, err);
		if (rc)
			return rc;
		sockets += fg_plan_vus_of_part(fg_plan_max_vus(&file->scenarios[i]), &part) * width;
	}
	return raise_descriptors(sockets, err);
}
