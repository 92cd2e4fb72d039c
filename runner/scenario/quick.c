/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `flamegate run -u 10 -d 10s URL` without a file: writes the scenario that a person would have
 * written and reads it as any other, so that checks, defaults and the resolved file are the same.
 *
 * k6's shortcuts: -d alone or with -u is constant-vus, -s ramping-vus, -i shared-iterations; -r is
 * ours: constant-arrival-rate. A URL alone is one VU for ten seconds, as -u without -d lasts ten
 * seconds: a load tool that is pointed at a server is expected to load it (wrk's default too).
 */
#include "runner/scenario/reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"

enum { QUICK_MAX = 65536, QUICK_VUS_PER_RATE = 10, QUICK_VUS_MIN = 10, QUICK_VUS_GROWTH = 10 };
#define QUICK_DURATION_NS (10 * FG_NS_PER_S)

/* A YAML text in double quotes; $ is doubled so that nothing of a URL is taken for a variable. */
static void add_quoted(struct fg_buf *out, const char *text, size_t max_len)
{
	fg_buf_add_char(out, '"');
	for (; *text && max_len; text++, max_len--) {
		if (*text == '"' || *text == '\\')
			fg_buf_addf(out, "\\%c", *text);
		else if (*text == '$')
			fg_buf_add_str(out, "$$");
		else if ((unsigned char)*text < 0x20 || *text == 0x7f)
			fg_buf_addf(out, "\\x%02x", (unsigned char)*text);
		else
			fg_buf_add_char(out, *text);
	}
	fg_buf_add_char(out, '"');
}

/* "30s:50,1m:100" */
static int add_stages(struct fg_buf *out, const char *stages, struct fg_err *err)
{
	fg_buf_add_str(out, "    stages:\n");
	for (const char *at = stages;;) {
		size_t len = strcspn(at, ",");
		const char *colon = memchr(at, ':', len);
		uint64_t number;

		if (!colon || fg_num_duration_ns(at, (size_t)(colon - at), &number, NULL) ||
		    fg_num_u64(colon + 1, len - (size_t)(colon + 1 - at), &number, NULL))
			return fg_err_set(err, FG_E_USAGE,
					  "stage \"%.*s\" is not DURATION:VUS, such as 30s:50",
					  (int)FG_MIN(len, (size_t)60), at);
		fg_buf_addf(out, "      - { duration: %.*s, target: %.*s }\n", (int)(colon - at),
			    at, (int)(len - (size_t)(colon + 1 - at)), colon + 1);
		if (!at[len])
			return 0;
		at += len + 1;
	}
}

static int check_options(const struct fg_quick_options *options, struct fg_err *err)
{
	if (!options->url || !options->url[0])
		return fg_err_set(err, FG_E_USAGE, "a URL is missing");
	if (options->stages && (options->duration_ns || options->iterations || options->rate))
		return fg_err_set(err, FG_E_USAGE,
				  "-s cannot be combined with -d, -i or -r; keep one");
	if (options->iterations && options->rate)
		return fg_err_set(err, FG_E_USAGE, "-i cannot be combined with -r; keep one");
	if (options->duration_ns && options->duration_ns < FG_NS_PER_S)
		return fg_err_set(err, FG_E_USAGE, "-d must be at least 1s");
	if (options->iterations && options->vus > options->iterations)
		return fg_err_set(err, FG_E_USAGE,
				  "-i is below -u: some VUs would have nothing to do");
	return 0;
}

/* -d is then the most that it may take, as in k6. */
static void add_iterations(struct fg_buf *out, const struct fg_quick_options *options, uint64_t vus)
{
	char text[FG_NUM_TEXT_MAX];

	fg_buf_addf(out,
		    "    executor: shared-iterations\n    vus: %" PRIu64
		    "\n    iterations: %" PRIu64 "\n",
		    vus, options->iterations);
	if (options->duration_ns)
		fg_buf_addf(out, "    maxDuration: %s\n",
			    fg_num_format_duration(options->duration_ns, text));
}

static int add_executor(struct fg_buf *out, const struct fg_quick_options *options,
			struct fg_err *err)
{
	uint64_t duration_ns = options->duration_ns ? options->duration_ns : QUICK_DURATION_NS;
	uint64_t vus = options->vus ? options->vus : 1;
	char text[FG_NUM_TEXT_MAX];

	if (options->stages) {
		fg_buf_addf(out, "    executor: ramping-vus\n    startVUs: %" PRIu64 "\n", vus);
		return add_stages(out, options->stages, err);
	}
	if (options->iterations) {
		add_iterations(out, options, vus);
		return 0;
	}
	(void)fg_num_format_duration(duration_ns, text);
	if (options->rate) {
		uint64_t most = FG_MAX((uint64_t)QUICK_VUS_MIN, options->rate / QUICK_VUS_PER_RATE);

		/* Slow answers need more VUs than fast ones; -u says exactly how many. */
		uint64_t max = options->vus ? options->vus : QUICK_VUS_GROWTH * most;

		most = FG_MIN(options->vus ? options->vus : most, (uint64_t)FG_SCENARIO_VUS_MAX);
		max = FG_MIN(max, (uint64_t)FG_SCENARIO_VUS_MAX);
		fg_buf_addf(out,
			    "    executor: constant-arrival-rate\n    rate: %" PRIu64
			    "\n    duration: %s\n    preAllocatedVUs: %" PRIu64
			    "\n    maxVUs: %" PRIu64 "\n",
			    options->rate, text, most, max);
	} else {
		fg_buf_addf(out,
			    "    executor: constant-vus\n    vus: %" PRIu64 "\n    duration: %s\n",
			    vus, text);
	}
	return 0;
}

static void add_tags(struct fg_buf *out, const struct fg_tags *tags)
{
	if (!tags || !tags->count)
		return;
	fg_buf_add_str(out, "    tags:\n");
	for (size_t i = 0; i < tags->count; i++) {
		fg_buf_add_str(out, "      ");
		add_quoted(out, tags->items[i].key, SIZE_MAX);
		fg_buf_add_str(out, ": ");
		add_quoted(out, tags->items[i].value, SIZE_MAX);
		fg_buf_add_char(out, '\n');
	}
}

/* The first fault, without a place: there is no file that it could stand in. */
static int first_fault(const struct fg_diagnostics *diagnostics, struct fg_err *err)
{
	const struct fg_err *first = &diagnostics->items[0].err;

	return fg_err_set(err, first->code == FG_E_LATER ? FG_E_LATER : FG_E_USAGE, "%s",
			  first->message);
}

static int parse(const struct fg_buf *text, struct fg_scenario_file **ret, struct fg_err *err)
{
	struct fg_diagnostics diagnostics = {0};
	struct fg_scenario_file *file = NULL;
	int rc = fg_scenario_parse(text->data, text->len, "command line", NULL, &file, &diagnostics,
				   err);

	if (rc && diagnostics.count)
		rc = first_fault(&diagnostics, err);
	fg_diagnostics_done(&diagnostics);
	if (rc)
		return rc;
	free(file->path);
	file->path = NULL;
	*ret = file;
	return 0;
}

int fg_scenario_quick(const struct fg_quick_options *options, struct fg_scenario_file **ret,
		      struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {0};
	int rc = check_options(options, err);

	if (rc)
		return rc;
	/* The step holds the path only: what is measured does not depend on where it runs. */
	const char *host = strstr(options->url, "://");
	size_t origin_len = host ? (size_t)(host + 3 - options->url) : 0;

	origin_len += strcspn(options->url + origin_len, "/?#");
	const char *path = options->url + origin_len;

	fg_buf_init(&text, QUICK_MAX);
	fg_buf_add_str(&text, "version: 1\nname: quick\ntarget:\n  url: ");
	add_quoted(&text, options->url, origin_len);
	fg_buf_add_str(&text, "\nscenarios:\n  default:\n");
	rc = add_executor(&text, options, err);
	if (rc)
		return rc;
	add_tags(&text, options->tags);
	fg_buf_add_str(&text, "    steps:\n      - get: ");
	add_quoted(&text, *path == '/' || *path == '?' ? path : "/", SIZE_MAX);
	fg_buf_add_char(&text, '\n');
	rc = fg_buf_check(&text, err);
	return rc ? rc : parse(&text, ret, err);
}
