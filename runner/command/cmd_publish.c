/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/clock.h"
#include "runner/command/command.h"
#include "runner/publish/prometheus.h"
#include "runner/publish/pyroscope.h"
#include "runner/run/pairs.h"
#include "runner/store/reference.h"

struct values {
	const char *pyroscope, *prometheus;
	const char *user, *tenant, *service, *restamp, *baseline_dir, *trend_stats;
	struct fg_opt_list labels;
	uint64_t timeout_ns;
	bool verify, stale_markers;
};

#define AT(field) offsetof(struct values, field)

static const struct fg_opt option_table[] = {
	{"pyroscope", 0, FG_OPT_STRING, AT(pyroscope), "URL", "The Pyroscope server to push to"},
	{"prometheus", 0, FG_OPT_STRING, AT(prometheus), "URL",
	 "A Prometheus remote write receiver to replay the run's metrics to, e.g. "
	 "http://127.0.0.1:9090/api/v1/write"},
	{"user", 0, FG_OPT_STRING, AT(user), "NAME",
	 "Basic auth user; the password comes from $FLAMEGATE_PASSWORD. Without it "
	 "$FLAMEGATE_TOKEN, if set, is sent as a Bearer token"},
	{"tenant", 0, FG_OPT_STRING, AT(tenant), "ID", "Send X-Scope-OrgID: ID"},
	{"service", 0, FG_OPT_STRING, AT(service), "NAME",
	 "service_name (default: the scenario's name)"},
	{"label", 0, FG_OPT_LIST, AT(labels), "NAME=VALUE", "Add a label; repeatable"},
	{"restamp", 0, FG_OPT_STRING, AT(restamp), "now",
	 "Publish an old bundle as if it had just been measured (Prometheus takes nothing that is "
	 "older than about an hour)"},
	{"trend-stats", 0, FG_OPT_STRING, AT(trend_stats), "LIST",
	 "Prometheus: statistics of trends (default p(95),p(99),min,max)"},
	{"stale-markers", 0, FG_OPT_FLAG, AT(stale_markers), NULL,
	 "Prometheus: end the series with the run"},
	{"verify", 0, FG_OPT_FLAG, AT(verify), NULL,
	 "Pyroscope: read the profile back and compare samples and CPU totals"},
	{"timeout", 0, FG_OPT_DURATION, AT(timeout_ns), "TIME", "Of one request (default 30s)"},
	{"baseline-dir", 0, FG_OPT_STRING, AT(baseline_dir), "DIR",
	 "Where baseline:NAME is looked up (default .flamegate/baselines)"},
};

static int check(const struct values *values, struct fg_err *err)
{
	if (!values->pyroscope && !values->prometheus)
		return fg_err_set(err, FG_E_USAGE,
				  "publish needs --pyroscope URL or --prometheus URL");
	if (values->verify && !values->pyroscope)
		return fg_err_set(err, FG_E_USAGE, "--verify goes with --pyroscope");
	if (values->restamp && strcmp(values->restamp, "now") != 0)
		return fg_err_set(err, FG_E_USAGE, "--restamp knows only \"now\", got \"%s\"",
				  values->restamp);
	if (values->user && !getenv("FLAMEGATE_PASSWORD"))
		return fg_err_set(err, FG_E_USAGE,
				  "--user needs the password in $FLAMEGATE_PASSWORD");
	return 0;
}

static void print(const struct fg_pyroscope_report *report, bool verify)
{
	FG_AUTO_BUF struct fg_buf text;

	fg_buf_init(&text, 8192);
	fg_buf_addf(&text, "published %llu samples (%.3f s of CPU) in %u profile%s\n",
		    (unsigned long long)report->samples_sent, (double)report->cpu_ns_sent / 1e9,
		    report->profiles, report->profiles == 1 ? "" : "s");
	if (report->other_profiles)
		fg_buf_addf(&text, "          and %u of other types\n", report->other_profiles);
	if (report->retries)
		fg_buf_addf(&text, "retried   %u times\n", report->retries);
	if (verify)
		fg_buf_addf(&text, "verified  %llu samples and %.3f s of CPU read back\n",
			    (unsigned long long)report->samples_read,
			    (double)report->cpu_ns_read / 1e9);
	fg_buf_addf(&text, "query     %s\n", report->query);
	if (text.data)
		fg_console_out(text.data, text.len);
}

static int to_pyroscope(const struct values *values, const struct fg_bundle *bundle,
			const struct fg_tags *labels, struct fg_err *err)
{
	struct fg_pyroscope_report report = {0};
	struct fg_pyroscope_options options = {
		.url = values->pyroscope,
		.basic_user = values->user,
		.basic_password = values->user ? getenv("FLAMEGATE_PASSWORD") : NULL,
		.bearer_token = values->user ? NULL : getenv("FLAMEGATE_TOKEN"),
		.tenant = values->tenant,
		.service_name = values->service,
		.labels = labels,
		.restamp_now = values->restamp != NULL,
		.verify = values->verify,
		.now_unix_ns = fg_clock_realtime_ns(),
		.timeout_ns = values->timeout_ns,
	};
	int rc = fg_pyroscope_publish(bundle, &options, &report, err);

	if (rc == 0)
		print(&report, values->verify);
	return rc;
}

static void print_prometheus(const struct fg_prometheus_report *report, const char *testid)
{
	FG_AUTO_BUF struct fg_buf text = {.max = 8192};

	fg_buf_addf(&text, "published %llu samples in %llu pushes\n",
		    (unsigned long long)report->samples, (unsigned long long)report->pushes);
	if (report->retries)
		fg_buf_addf(&text, "retried   %llu times\n", (unsigned long long)report->retries);
	fg_buf_addf(&text, "query     k6_http_reqs_total{testid=\"%s\"}\n", testid);
	if (text.data)
		fg_console_out(text.data, text.len);
}

/* --restamp now: the run ends now. */
static int64_t shift_of(const struct values *values, const struct fg_result *result)
{
	int64_t end_ns = (int64_t)(result->started_unix_ns + result->duration_ns);

	return values->restamp ? (int64_t)fg_clock_realtime_ns() - end_ns : 0;
}

static int to_prometheus(const struct values *values, const struct fg_bundle *bundle,
			 const struct fg_tags *given, struct fg_err *err)
{
	struct fg_prometheus_report report = {0};
	struct fg_tags labels = {0};
	char tenant[512];
	const char *const headers[] = {tenant};
	struct fg_prometheus_options options = {
		.url = values->prometheus,
		.basic_user = values->user,
		.basic_password = values->user ? getenv("FLAMEGATE_PASSWORD") : NULL,
		.bearer_token = values->user ? NULL : getenv("FLAMEGATE_TOKEN"),
		.headers = headers,
		.header_count = values->tenant ? 1 : 0,
		.labels = &labels,
		.timeout_ns = values->timeout_ns,
		.stale_markers = values->stale_markers,
	};
	int rc = values->trend_stats
			 ? fg_trend_stats_parse(values->trend_stats, &options.stats, err)
			 : 0;

	if (rc)
		return fg_err_set(err, FG_E_USAGE, "--trend-stats: %.512s",
				  err ? err->message : "");
	(void)snprintf(tenant, sizeof(tenant), "X-Scope-OrgID: %s",
		       values->tenant ? values->tenant : "");
	rc = fg_tags_add(&labels, "testid", bundle->result->id, err);
	for (size_t i = 0; i < given->count && rc == 0; i++)
		rc = fg_tags_add(&labels, given->items[i].key, given->items[i].value, err);
	if (rc == 0)
		rc = fg_prometheus_replay(bundle, &options, shift_of(values, bundle->result),
					  &report, err);
	if (rc == 0)
		print_prometheus(&report, fg_tags_get(&labels, "testid"));
	fg_tags_done(&labels);
	return rc;
}

static int publish(const struct values *values, const char *reference, struct fg_err *err)
{
	struct fg_bundle bundle = {0};
	struct fg_tags labels = {0};
	const struct fg_reference_options where = {.baseline_dir = values->baseline_dir};
	char path[FG_PATH_MAX];
	int rc = check(values, err);

	if (rc == 0)
		rc = fg_pairs_parse(&values->labels, "--label", &labels, err);
	if (rc == 0)
		rc = fg_reference_resolve(reference, &where, path, err);
	if (rc == 0)
		rc = fg_bundle_read(path, &bundle, err);
	if (rc == 0 && values->prometheus)
		rc = to_prometheus(values, &bundle, &labels, err);
	if (rc == 0 && values->pyroscope)
		rc = to_pyroscope(values, &bundle, &labels, err);
	fg_bundle_done(&bundle);
	fg_tags_done(&labels);
	return rc;
}

static enum fg_outcome run(const void *raw, const struct fg_opt_list *arguments, struct fg_err *err)
{
	int rc = publish(raw, arguments->items[0], err);

	if (rc == 0)
		return FG_OUTCOME_PASSED;
	return err->code == FG_E_USAGE ? FG_OUTCOME_USAGE : FG_OUTCOME_PUBLISH;
}

const struct fg_command fg_command_publish = {
	.name = "publish",
	.arguments = "BUNDLE",
	.summary = "Push a bundle to Grafana Pyroscope (profile) or Prometheus (metrics)",
	.text = "BUNDLE is a path, latest, baseline:NAME or dir:PATH. What the server would\n"
		"accept and drop silently is refused here, with the reason. Passwords and tokens\n"
		"come from the environment ($FLAMEGATE_PASSWORD, $FLAMEGATE_TOKEN) and are never\n"
		"printed.\n\n"
		"  flamegate publish latest --pyroscope http://127.0.0.1:4040 --verify\n"
		"  flamegate publish latest --prometheus http://127.0.0.1:9090/api/v1/write",
	.options = option_table,
	.option_count = FG_ARRAY_LEN(option_table),
	.values_size = sizeof(struct values),
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run,
};
