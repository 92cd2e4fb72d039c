/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Before the load: the scenario, where the run lives, the target and its process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"
#include "runner/http_client.h"
#include "runner/load/precheck.h"
#include "runner/load/select.h"
#include "runner/run/pairs.h"
#include "runner/run/session.h"

static bool is_url(const char *text)
{
	return fg_str_starts_with(text, "http://") || fg_str_starts_with(text, "https://");
}

/* -s 30s:50 -s 1m:100 → "30s:50,1m:100" */
static int join_stages(const struct fg_opt_list *stages, struct fg_buf *out, struct fg_err *err)
{
	for (size_t i = 0; i < stages->count; i++)
		fg_buf_addf(out, "%s%s", i ? "," : "", stages->items[i]);
	return fg_buf_check(out, err);
}

static int load_quick(struct fg_session *s, const struct fg_tags *tags, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf stages;

	fg_buf_init(&stages, 4096);
	int rc = join_stages(&s->options->stages, &stages, err);

	if (rc)
		return rc;
	struct fg_quick_options quick = {
		.url = s->options->scenario,
		.vus = s->options->vus,
		.duration_ns = s->options->duration_ns,
		.iterations = s->options->iterations,
		.rate = s->options->rate,
		.stages = stages.len ? stages.data : NULL,
		.tags = tags,
	};

	return fg_scenario_quick(&quick, &s->file, err);
}

static int refuse_load_flags(const struct fg_run_options *options, struct fg_err *err)
{
	if (options->vus || options->iterations || options->rate || options->duration_ns ||
	    options->stages.count)
		return fg_err_set(err, FG_E_USAGE,
				  "-u, -d, -i, -r and -s describe the load for a URL; %s is a "
				  "scenario file, which states its own",
				  options->scenario);
	return 0;
}

static void note_diagnostics(const struct fg_session *s, const struct fg_diagnostics *diagnostics)
{
	FG_AUTO_BUF struct fg_buf text;

	fg_buf_init(&text, 4 << 20);
	fg_diagnostics_text(diagnostics, &text);
	if (text.len)
		s->io->note(s->io->context, text.data, text.len);
}

/* --tag, as in k6: on everything, but a scenario's own tag of that name wins. */
static int add_tags(struct fg_scenario_file *file, const struct fg_tags *tags, struct fg_err *err)
{
	for (size_t i = 0; i < file->scenario_count; i++) {
		for (size_t t = 0; t < tags->count; t++) {
			if (fg_tags_get(&file->scenarios[i].tags, tags->items[t].key))
				continue;
			int rc = fg_tags_add(&file->scenarios[i].tags, tags->items[t].key,
					     tags->items[t].value, err);

			if (rc)
				return rc;
		}
	}
	return 0;
}

static int load_file(struct fg_session *s, const struct fg_tags *env, struct fg_err *err)
{
	struct fg_diagnostics diagnostics = {0};
	struct fg_scenario_options options = {.env = env, .environment = s->options->environment};
	int rc = refuse_load_flags(s->options, err);

	if (rc)
		return rc;
	rc = fg_scenario_load(s->options->scenario, &options, &s->file, &diagnostics, err);
	if (rc && diagnostics.count) {
		note_diagnostics(s, &diagnostics);
		fg_session_outcome(s, FG_OUTCOME_INVALID_SCENARIO);
		fg_err_clear(err); /* said already, each with its place */
	}
	fg_diagnostics_done(&diagnostics);
	return rc;
}

/* An engine that cannot run the scenario is told before the target is started for it. */
static int check_engine(const struct fg_session *s, struct fg_err *err)
{
	const struct fg_engine_ops **ops = calloc(s->file->scenario_count + 1, sizeof(*ops));
	const int rc = ops ? fg_engine_select_all(s->file, s->options->engine, s->file->target.url,
						  ops, err)
			   : fg_err_nomem(err);

	free(ops);
	return rc;
}

int fg_session_load_scenario(struct fg_session *s, struct fg_err *err)
{
	struct fg_tags env = {0};
	struct fg_tags tags = {0};
	int rc = fg_pairs_parse(&s->options->env, "-e", &env, err);

	if (rc == 0)
		rc = fg_pairs_parse(&s->options->tags, "--tag", &tags, err);
	if (rc == 0 && is_url(s->options->scenario))
		rc = load_quick(s, &tags, err);
	else if (rc == 0)
		rc = load_file(s, &env, err);
	if (rc == 0)
		rc = add_tags(s->file, &tags, err);
	if (rc == 0)
		rc = check_engine(s, err);
	fg_tags_done(&env);
	fg_tags_done(&tags);
	if (rc && s->run->outcome == FG_OUTCOME_PASSED)
		fg_session_outcome(s, rc == -FG_E_USAGE ? FG_OUTCOME_USAGE
							: FG_OUTCOME_INVALID_SCENARIO);
	return rc;
}

/* The label is printed and kept in run.json: neither a secret nor a URL's password may show in it.
 */
static int set_label(struct fg_session *s, const char *label, struct fg_err *err)
{
	s->target_label = fg_secrets_mask(&s->file->secrets, label, err);
	return s->target_label ? 0 : -FG_E_NOMEM;
}

static void note_runtime_flags(const struct fg_session *s)
{
	const bool java = strstr(s->runtime_flags, "JAVA_TOOL_OPTIONS") != NULL;

	if (s->file->runtime_flags != FG_FLAGS_AUTO || s->options->quiet)
		return;
	if (!s->runtime_flags[0])
		fg_session_note(s,
				"target: no runtime flags to set (profile.runtimeFlags: auto)\n");
	else
		fg_session_note(
			s,
			"target: set %s for stacks and names of JIT code (profile.runtimeFlags: "
			"auto)%s\n",
			s->runtime_flags,
			java ? "; java says \"Picked up JAVA_TOOL_OPTIONS\"" : "");
}

static int start_target(struct fg_session *s, struct fg_err *err)
{
	struct fg_target_start_options options = {
		.file = s->file, .side = "", .log_path = s->dirs.log};
	int rc = fg_target_start(&options, &s->target, err);

	if (rc)
		return rc;
	s->target_pid = fg_target_pid(s->target);
	(void)snprintf(s->runtime_flags, sizeof(s->runtime_flags), "%s",
		       fg_target_runtime_flags(s->target));
	note_runtime_flags(s);
	FG_AUTO_BUF struct fg_buf url;

	fg_buf_init(&url, 8192);
	rc = fg_target_expand(s->file->target.url ? s->file->target.url : "",
			      fg_target_port(s->target), "", s->file->dir ? s->file->dir : ".",
			      &url, err);
	if (rc)
		return rc;
	s->target_url = fg_buf_take(&url, NULL);
	char label[512];

	(void)snprintf(label, sizeof(label), "%.400s (pid %u, started in %.1f s)",
		       s->file->target.command[0], s->target_pid,
		       (double)fg_target_start_duration_ns(s->target) / 1e9);
	return s->target_url ? set_label(s, label, err) : fg_err_nomem(err);
}

static bool is_described(const struct fg_target *target)
{
	return target->process_pid_file || target->process_name || target->process_cgroup ||
	       target->process_container || target->process_unit;
}

static uint32_t find_described(struct fg_session *s, char *name, size_t name_size)
{
	const struct fg_target *target = &s->file->target;
	const struct fg_process_query query = {
		.pid_file = target->process_pid_file,
		.name = target->process_name,
		.cgroup = target->process_cgroup,
		.container = target->process_container,
		.unit = target->process_unit,
	};
	struct fg_listener found = {0};
	struct fg_err err = {0};

	if (fg_target_find_process(&query, &found, &err)) {
		(void)snprintf(s->profile_absent, sizeof(s->profile_absent), "%.250s", err.message);
		return 0;
	}
	(void)snprintf(name, name_size, "%s", found.name);
	return found.pid;
}

/* Which local process answers; "" in `why` when found. */
static uint32_t find_process(struct fg_session *s, char *name, size_t name_size)
{
	const struct fg_target *target = &s->file->target;
	char host[256];
	uint16_t port = target->process_port;
	bool local = true;
	struct fg_listener listener = {0};
	struct fg_err err = {0};

	name[0] = '\0';
	if (s->options->pid)
		return (uint32_t)s->options->pid;
	if (target->process_pid)
		return target->process_pid;
	if (is_described(target))
		return find_described(s, name, name_size);
	if (!port && fg_target_url_parts(s->target_url, host, &port, &local, &err)) {
		(void)snprintf(s->profile_absent, sizeof(s->profile_absent), "%.200s", err.message);
		return 0;
	}
	if (!local) {
		(void)snprintf(
			s->profile_absent, sizeof(s->profile_absent),
			"the target %.100s is not on this machine; run flamegate beside it, or "
			"name a local process with --pid",
			host);
		return 0;
	}
	if (fg_target_find_port(port, &listener, &err)) {
		(void)snprintf(s->profile_absent, sizeof(s->profile_absent), "%.250s", err.message);
		return 0;
	}
	(void)snprintf(name, name_size, "%s", listener.name);
	return listener.pid;
}

/* A server that somebody else started, as far as it can be asked before the run. */
static int wait_for_it(const struct fg_session *s, struct fg_err *err)
{
	struct fg_buf url;
	int rc = 0;

	fg_buf_init(&url, 64 << 10);
	if (fg_load_probe_url(&s->file->http, s->target_url, &url))
		rc = fg_buf_check(&url, err);
	if (!rc && url.len)
		rc = fg_target_wait_url(url.data, s->file->target.ready_timeout_ns, err);
	fg_buf_done(&url);
	return rc;
}

/* Who gives a number means that process: measuring another target's latency, or none's CPU, would
 * be no answer. One that is only hidden from us is profiling's matter and told there. */
static int check_given_pid(const struct fg_session *s, struct fg_err *err)
{
	const char *option = s->options->pid ? "--pid" : "target.process.pid";
	const uint32_t pid =
		s->options->pid ? (uint32_t)s->options->pid : s->file->target.process_pid;
	char name[FG_PROFILER_NAME_MAX];
	struct fg_err why = {0};

	if (!pid || fg_profiler_check_pid(pid, name, &why) != -FG_E_NOT_FOUND)
		return 0;
	*err = why;
	return fg_err_wrap(err, "%s", option);
}

static int find_target(struct fg_session *s, struct fg_err *err)
{
	const struct fg_target *target = &s->file->target;
	int rc = fg_str_dup(target->url ? target->url : "", &s->target_url, err);

	if (rc == 0)
		rc = check_given_pid(s, err);
	if (rc)
		return rc;
	rc = wait_for_it(s, err);
	if (rc)
		return rc;
	char name[64];
	char url[320];
	char label[512];

	fg_http_url_masked(s->target_url, url, sizeof(url));

	s->target_pid = find_process(s, name, sizeof(name));
	if (s->target_pid)
		(void)snprintf(label, sizeof(label), "%s (%s%spid %u)", url, name,
			       name[0] ? ", " : "", s->target_pid);
	else
		(void)snprintf(label, sizeof(label), "%s", url);
	return set_label(s, label, err);
}

int fg_session_prepare_target(struct fg_session *s, struct fg_err *err)
{
	if (s->file->target.command && s->options->pid) {
		fg_session_outcome(s, FG_OUTCOME_USAGE);
		return fg_err_set(err, FG_E_USAGE,
				  "--pid names a process that runs already, but this scenario "
				  "starts its own target (target.start); leave out one");
	}
	int rc = s->file->target.command ? start_target(s, err) : find_target(s, err);

	if (rc)
		fg_session_outcome(s, FG_OUTCOME_TARGET);
	return rc;
}
