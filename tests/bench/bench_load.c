/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives one scenario without the command line and prints the generator's own cost:
 *   bench_load ENGINE URL VUS SECONDS [RATE]
 * One line of JSON: requests, CPU per request, response time, lag.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gate/base/num.h"
#include "runner/load/load.h"

static int number(const char *text, uint64_t *ret)
{
	struct fg_err err;

	if (fg_num_u64(text, strlen(text), ret, &err)) {
		fprintf(stderr, "bench_load: %s\n", err.message);
		return -1;
	}
	return 0;
}

static void print(const char *engine, const struct fg_result *result)
{
	const struct fg_scenario_slice *counts = &result->totals->scenarios[0];
	const struct fg_class_slice *half = fg_slice_class(result->totals, 0, true);
	const struct fg_hist *response = &half->trends[FG_TREND_RESPONSE_TIME];
	const struct fg_hist *service = &half->trends[FG_TREND_DURATION];
	const uint64_t requests = fg_result_requests(result);

	printf("{\"engine\":\"%s\",\"requests\":%" PRIu64 ",\"failed\":%" PRIu64
	       ",\"cpu_us_per_request\":%.2f,\"per_s\":%.0f,\"response_p50_us\":%.0f,"
	       "\"response_p99_us\":%.0f,\"service_p50_us\":%.0f,\"lag_p50_us\":%.0f,"
	       "\"lag_p99_us\":%.0f,\"dropped\":%" PRIu64 ",\"invalid\":\"%s\"}\n",
	       engine, requests, fg_result_failed(result),
	       requests ? (double)result->generator_cpu_ns / 1e3 / (double)requests : 0,
	       (double)requests * 1e9 / (double)result->duration_ns,
	       (double)fg_hist_percentile_ns(response, 50) / 1e3,
	       (double)fg_hist_percentile_ns(response, 99) / 1e3,
	       (double)fg_hist_percentile_ns(service, 50) / 1e3,
	       (double)fg_hist_percentile_ns(&counts->lag, 50) / 1e3,
	       (double)fg_hist_percentile_ns(&counts->lag, 99) / 1e3, counts->dropped,
	       result->invalid_reason ? result->invalid_reason : "");
}

/* A bench's certificate is its own, and HTTP/2 would be another comparison. */
static void set_tls(struct fg_scenario_file *file)
{
	struct fg_http_options *http = &file->scenarios[0].steps.items[0].http.http;

	http->version = FG_HTTP_1_1;
	http->insecure_skip_verify = true;
}

int main(int argc, char **argv)
{
	struct fg_quick_options quick = {0};
	struct fg_scenario_file *file = NULL;
	struct fg_result *result = NULL;
	uint64_t seconds, vus, rate = 0;
	struct fg_err err;
	int rc;

	if (argc < 5 || number(argv[3], &vus) || number(argv[4], &seconds) ||
	    (argc > 5 && number(argv[5], &rate))) {
		fprintf(stderr, "usage: bench_load ENGINE URL VUS SECONDS [RATE]\n");
		return 2;
	}
	quick.url = argv[2];
	quick.duration_ns = seconds * FG_NS_PER_S;
	if (rate)
		quick.rate = rate;
	else
		quick.vus = vus;
	rc = fg_scenario_quick(&quick, &file, &err);
	if (!rc) {
		struct fg_load_options options = {.file = file, .target_url = argv[2], .seed = 1};

		set_tls(file);
		options.engine = argv[1];
		options.threads = 1;
		rc = fg_load_run(&options, &result, &err);
	}
	if (rc)
		fprintf(stderr, "bench_load: %s\n", err.message);
	else
		print(argv[1], result);
	fg_result_free(result);
	fg_scenario_file_free(file);
	return rc ? 1 : 0;
}
