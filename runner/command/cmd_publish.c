/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "gate/base/clock.h"
#include "runner/command/command.h"
#include "runner/publish/pyroscope.h"
#include "runner/run/pairs.h"
#include "runner/store/reference.h"

struct values {
	const char *pyroscope, *user, *tenant, *service, *restamp, *baseline_dir;
	struct fg_opt_list labels;
	uint64_t timeout_ns;
	bool verify;
};

#define AT(field) offsetof(struct values, field)

static const struct fg_opt option_table[] = {
	{"pyroscope", 0, FG_OPT_STRING, AT(pyroscope), "URL", "The Pyroscope server to push to"},
	{"user", 0, FG_OPT_STRING, AT(user), "NAME",
	 "Basic auth user; the password comes from $FLAMEGATE_PASSWORD. Without it "
	 "$FLAMEGATE_TOKEN, if set, is sent as a Bearer token"},
	{"tenant", 0, FG_OPT_STRING, AT(tenant), "ID", "Send X-Scope-OrgID: ID"},
	{"service", 0, FG_OPT_STRING, AT(service), "NAME",
	 "service_name (default: the scenario's name)"},
	{"label", 0, FG_OPT_LIST, AT(labels), "NAME=VALUE", "Add a label; repeatable"},
	{"restamp", 0, FG_OPT_STRING, AT(restamp), "now",
	 "Publish an old bundle as if it had just been measured"},
	{"verify", 0, FG_OPT_FLAG, AT(verify), NULL,
	 "Read the profile back and compare samples and CPU totals"},
	{"timeout", 0, FG_OPT_DURATION, AT(timeout_ns), "TIME", "Of one request (default 30s)"},
	{"baseline-dir", 0, FG_OPT_STRING, AT(baseline_dir), "DIR",
	 "Where baseline:NAME is looked up (default .flamegate/baselines)"},
};

static int check(const struct values *values, struct fg_err *err)
{
	if (!values->pyroscope)
		return fg_err_set(err, FG_E_USAGE, "publish needs --pyroscope URL");
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

static int publish(const struct values *values, const char *reference, struct fg_err *err)
{
	struct fg_bundle bundle = {0};
	struct fg_tags labels = {0};
	struct fg_pyroscope_report report = {0};
	const struct fg_reference_options where = {.baseline_dir = values->baseline_dir};
	char path[FG_PATH_MAX];
	int rc = check(values, err);

	if (rc == 0)
		rc = fg_pairs_parse(&values->labels, "--label", &labels, err);
	if (rc == 0)
		rc = fg_reference_resolve(reference, &where, path, err);
	if (rc == 0)
		rc = fg_bundle_read(path, &bundle, err);
	struct fg_pyroscope_options options = {
		.url = values->pyroscope,
		.basic_user = values->user,
		.basic_password = values->user ? getenv("FLAMEGATE_PASSWORD") : NULL,
		.bearer_token = values->user ? NULL : getenv("FLAMEGATE_TOKEN"),
		.tenant = values->tenant,
		.service_name = values->service,
		.labels = &labels,
		.restamp_now = values->restamp != NULL,
		.verify = values->verify,
		.now_unix_ns = fg_clock_realtime_ns(),
		.timeout_ns = values->timeout_ns,
	};

	if (rc == 0)
		rc = fg_pyroscope_publish(&bundle, &options, &report, err);
	if (rc == 0)
		print(&report, values->verify);
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
	.summary = "Push a bundle's profile to Grafana Pyroscope, optionally verify it",
	.text = "BUNDLE is a path, latest, baseline:NAME or dir:PATH. What the server would\n"
		"accept and drop silently is refused here, with the reason. Passwords and tokens\n"
		"come from the environment ($FLAMEGATE_PASSWORD, $FLAMEGATE_TOKEN) and are never\n"
		"printed.\n\n"
		"  flamegate publish latest --pyroscope http://127.0.0.1:4040 --verify",
	.options = option_table,
	.option_count = FG_ARRAY_LEN(option_table),
	.values_size = sizeof(struct values),
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run,
};
