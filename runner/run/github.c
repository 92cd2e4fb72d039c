/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/run/github.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/base/file.h"
#include "gate/report/report.h"

enum {
	SUMMARY_MAX = 900 << 10, /* GitHub drops the whole summary above 1 MiB */
	ANNOTATIONS_MAX = 8,     /* GitHub shows ten per step */
};

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

bool fg_github_is_pull_request(void)
{
	const char *event = variable("GITHUB_EVENT_NAME");

	return event && strncmp(event, "pull_request", strlen("pull_request")) == 0;
}

const char *fg_github_branch(void)
{
	const char *base = variable("GITHUB_BASE_REF");
	const char *name = variable("GITHUB_REF_NAME");

	return base ? base : name ? name : "main";
}

static int append(const char *path, const struct fg_buf *text, struct fg_err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	if (fd < 0)
		return fg_err_errno(err, errno, "cannot open %s", path);
	int rc = fg_file_write_fd(fd, path, text->data ? text->data : "", text->len, err);

	if (close(fd) != 0 && rc == 0)
		rc = fg_err_errno(err, errno, "cannot close %s", path);
	return rc;
}

int fg_github_summary(const struct fg_run *run, struct fg_err *err)
{
	const char *path = variable("GITHUB_STEP_SUMMARY");
	FG_AUTO_BUF struct fg_buf text;

	fg_buf_init(&text, SUMMARY_MAX);
	if (!path || !run->bundle.result)
		return 0;
	int rc = fg_report_markdown(run->bundle.result, run->bundle.profile, run->verdict,
				    SUMMARY_MAX, &text, err);

	return rc ? rc : append(path, &text, err);
}

/* One line per output; a value with a line break would forge another output. */
static void add_output(struct fg_buf *out, const char *name, const char *value)
{
	fg_buf_addf(out, "%s=", name);
	for (const char *at = value; *at; at++)
		fg_buf_add_char(out, *at == '\n' || *at == '\r' ? ' ' : *at);
	fg_buf_add_char(out, '\n');
}

static int add_numbers(const struct fg_result *result, struct fg_buf *out, struct fg_err *err)
{
	struct fg_hist response;

	fg_hist_init(&response, NULL);
	int rc = fg_result_trend(result, FG_TREND_RESPONSE_TIME, NULL, &response, err);

	if (rc >= 0 && response.count)
		fg_buf_addf(out, "p95-ms=%.3f\n",
			    (double)fg_hist_percentile_ns(&response, 95) / 1e6);
	double cpu_ns = fg_result_cpu_per_request_ns(result);

	if (cpu_ns >= 0 && isfinite(cpu_ns))
		fg_buf_addf(out, "cpu-per-request-us=%.3f\n", cpu_ns / 1e3);
	fg_hist_done(&response);
	return rc < 0 ? rc : 0;
}

int fg_github_outputs(const struct fg_run *run, struct fg_err *err)
{
	const char *path = variable("GITHUB_OUTPUT");
	FG_AUTO_BUF struct fg_buf text;
	int rc = 0;

	fg_buf_init(&text, 1 << 16);
	if (!path)
		return 0;
	fg_buf_addf(&text, "exit-code=%d\n", fg_outcomes[run->outcome].exit_code);
	add_output(&text, "outcome", fg_outcomes[run->outcome].word);
	if (run->verdict)
		add_output(&text, "verdict", fg_verdict_state_name(run->verdict->state));
	if (run->bundle_dir[0])
		add_output(&text, "bundle-path", run->bundle_dir);
	if (run->bundle.result)
		rc = add_numbers(run->bundle.result, &text, err);
	return rc ? rc : append(path, &text, err);
}

/* GitHub's escapes for the data part of a workflow command. */
static void add_escaped(struct fg_buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '%')
			fg_buf_add_str(out, "%25");
		else if (*text == '\r')
			fg_buf_add_str(out, "%0D");
		else if (*text == '\n')
			fg_buf_add_str(out, "%0A");
		else
			fg_buf_add_char(out, *text);
	}
}

static void annotate(struct fg_buf *out, bool is_error, const char *title, const char *text)
{
	fg_buf_addf(out, "::%s title=%s::", is_error ? "error" : "warning", title);
	add_escaped(out, text);
	fg_buf_add_char(out, '\n');
}

void fg_github_annotations(const struct fg_run *run, struct fg_buf *out)
{
	const struct fg_result *result = run->bundle.result;
	size_t said = 0;

	if (!variable("GITHUB_ACTIONS") || !result)
		return;
	if (run->verdict && run->verdict->state != FG_VERDICT_PASSED &&
	    run->verdict->state != FG_VERDICT_IMPROVED && run->verdict->headline)
		annotate(out, run->verdict->state == FG_VERDICT_REGRESSED, "flamegate verdict",
			 run->verdict->headline);
	for (size_t i = 0; i < result->threshold_count && said < ANNOTATIONS_MAX; i++) {
		const struct fg_threshold_result *one = &result->thresholds[i];
		FG_AUTO_BUF struct fg_buf text;

		fg_buf_init(&text, 4096);
		if (one->passed || one->level == FG_LEVEL_OFF)
			continue;
		fg_buf_addf(&text, "%s %s: %s", one->metric_text, one->text,
			    one->no_data ? "no data" : one->value_text);
		if (text.data)
			annotate(out, one->level == FG_LEVEL_ERROR, "flamegate threshold",
				 text.data);
		said++;
	}
}
