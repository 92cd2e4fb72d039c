/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/convert/init.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/file.h"
#include "gate/base/str.h"
#include "runner/convert/openapi.h"
#include "runner/http_client.h"
#include "runner/target/target.h"

enum { PROBES_MAX = 32, RATE_PER_S = 20 };
#define PROBE_TIMEOUT_NS (2 * FG_NS_PER_S)

static const char *const places[] = {"", "api/", "docs/", "spec/", "openapi/", "src/"};
static const char *const names[] = {"openapi.yaml", "openapi.yml", "openapi.json",
				    "swagger.yaml", "swagger.yml", "swagger.json"};

static bool find_description(const char *dir, char path[FG_PATH_MAX])
{
	for (size_t p = 0; p < FG_ARRAY_LEN(places); p++)
		for (size_t n = 0; n < FG_ARRAY_LEN(names); n++)
			if (fg_file_path(path, NULL, "%s/%s%s", dir, places[p], names[n]) == 0 &&
			    fg_file_exists(path))
				return true;
	return false;
}

/* The status of GET `url`; 0: whatever is there does not speak HTTP. */
static long probe(const char *url)
{
	const struct fg_http_request request = {
		.method = "GET", .url = url, .timeout_ns = PROBE_TIMEOUT_NS, .direct = true};
	struct fg_http_response response = {0};
	long status = 0;

	if (fg_http_fetch(&request, &response, NULL) == 0)
		status = response.status;
	fg_http_response_done(&response);
	return status;
}

/* The first local listener that answers; false: none. */
static bool find_server(char url[64], long *ret_status)
{
	uint16_t ports[FG_LISTENERS_MAX];
	const size_t count = FG_MIN(fg_listeners_find(ports), (size_t)PROBES_MAX);

	for (size_t i = 0; i < count; i++) {
		(void)snprintf(url, 64, "http://127.0.0.1:%u", ports[i]);
		*ret_status = probe(url);
		if (*ret_status)
			return true;
	}
	return false;
}

static int read_description(const char *path, struct fg_draft *draft, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {0};

	fg_buf_init(&text, FG_OPENAPI_BYTES_MAX);
	int rc = fg_file_read(path, FG_OPENAPI_BYTES_MAX, &text, err);

	return rc ? rc : fg_openapi_convert(text.data ? text.data : "", text.len, path, draft, err);
}

/* Load only goes where somebody pointed it: a server of the description that is not this machine is
 * named, not used. */
static int settle_url(const struct fg_init_options *options, struct fg_draft *draft,
		      struct fg_err *err)
{
	char host[256], found[64];
	uint16_t port;
	bool local = false;
	long status;

	if (options->url)
		return fg_str_replace(options->url, &draft->url, err);
	if (draft->url && fg_target_url_parts(draft->url, host, &port, &local, NULL) == 0 && local)
		return 0;
	if (draft->url)
		fg_draft_note(draft, "servers",
			      "%s is not this machine and was not made the target", draft->url);
	if (find_server(found, &status))
		return fg_str_replace(found, &draft->url, err);
	fg_draft_note(draft, "target.url", "no local server answered; start yours there");
	return fg_str_replace("http://127.0.0.1:8080", &draft->url, err);
}

static int draft_of_server(const char *url, long status, struct fg_draft *draft, struct fg_err *err)
{
	struct fg_draft_step step = {0};
	char origin[128];
	int rc;

	(void)snprintf(origin, sizeof(origin), "Made by flamegate init for %.80s.", url);
	rc = fg_str_dup(origin, &draft->origin, err);
	if (rc == 0)
		rc = fg_str_replace(url, &draft->url, err);
	if (rc == 0)
		rc = fg_str_dup("get", &step.method, err);
	if (rc == 0)
		rc = fg_str_dup("/", &step.url, err);
	step.status = status >= 200 && status < 300 ? (uint16_t)status : 0;
	if (status >= 400)
		fg_draft_note(draft, "GET /", "answers %ld: name paths that your service has",
			      status);
	if (rc)
		fg_draft_step_done(&step);
	return rc ? rc : fg_draft_add(draft, &step, err);
}

static int without_description(const struct fg_init_options *options, struct fg_draft *draft,
			       struct fg_err *err)
{
	char url[64];
	long status = 0;

	if (options->url) {
		status = probe(options->url);
		if (!status)
			fg_draft_note(draft, options->url, "did not answer just now");
		return draft_of_server(options->url, status, draft, err);
	}
	if (!find_server(url, &status))
		return fg_err_set(err, FG_E_NOT_FOUND,
				  "found neither an OpenAPI file (openapi.yaml …) here nor a local "
				  "server that answers HTTP; start your server, or give --url or "
				  "--openapi");
	return draft_of_server(url, status, draft, err);
}

int fg_init_draft(const struct fg_init_options *options, struct fg_draft *draft, struct fg_err *err)
{
	const char *dir = options->dir ? options->dir : ".";
	char path[FG_PATH_MAX];
	bool found = options->openapi != NULL;
	int rc = fg_str_dup("first", &draft->name, err);

	draft->rate = RATE_PER_S;
	if (rc)
		return rc;
	if (found)
		rc = fg_file_path(path, err, "%s", options->openapi);
	else
		found = find_description(dir, path);
	if (rc)
		return rc;
	if (!found)
		return without_description(options, draft, err);
	rc = read_description(path, draft, err);
	return rc ? rc : settle_url(options, draft, err);
}
