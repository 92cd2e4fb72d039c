/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of the file, target, http, generator and profile; tables_load.c and tables_gate.c hold
 * the others. Order is reading order. */
#include "runner/scenario/schema.h"

static const struct fg_key secret_keys[] = {
	{.name = "env", .type = FG_T_TEXT, .required = true, .help = "variable that holds it"},
	{.name = "optional", .type = FG_T_BOOL, .standard = "false", .help = "may be unset"},
};
const struct fg_table fg_schema_secret = {"key", "a secret", FG_KEYS(secret_keys)};

/* -- target --------------------------------------------------------------------------------- */

static const struct fg_key build_keys[] = {
	{.name = "command", .type = FG_T_ANY, .help = "builds one side"},
	{.name = "cwd", .type = FG_T_TEXT, .standard = "."},
};
static const struct fg_table build_table = {"key", "target.build", FG_KEYS(build_keys)};

static const struct fg_key ready_keys[] = {
	{.name = "url",
	 .type = FG_T_TARGET_TEXT,
	 FG_AT(fg_target, ready_url),
	 .help = "path or URL that answers when the target is ready"},
	{.name = "status",
	 .type = FG_T_UINT,
	 .standard = "200",
	 .min = 100,
	 .max = 599,
	 FG_AT(fg_target, ready_status),
	 .help = "with url: the status that counts"},
	{.name = "log",
	 .type = FG_T_TEXT,
	 FG_AT(fg_target, ready_log),
	 .help = "regular expression on a line of its output"},
	{.name = "tcp", .type = FG_T_BOOL, .help = "its port accepts connections"},
	{.name = "delay",
	 .type = FG_T_DURATION,
	 FG_AT(fg_target, ready_delay_ns),
	 .help = "just wait"},
	{.name = "timeout",
	 .type = FG_T_DURATION,
	 .standard = "30s",
	 FG_AT(fg_target, ready_timeout_ns),
	 .help = "gives up after"},
};
const struct fg_table fg_schema_ready = {"key", "target.start.ready", FG_KEYS(ready_keys)};

static const struct fg_key stop_keys[] = {
	{.name = "signal",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_signal,
	 .standard = "SIGTERM",
	 FG_AT(fg_target, stop_signal),
	 .help = "sent to end it"},
	{.name = "timeout",
	 .type = FG_T_DURATION,
	 .standard = "10s",
	 FG_AT(fg_target, stop_timeout_ns),
	 .help = "then it is killed"},
};
static const struct fg_table stop_table = {"key", "target.start.stop", FG_KEYS(stop_keys)};

static const struct fg_key start_keys[] = {
	{.name = "command",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_command,
	 .required = true,
	 .help = "list of words, or one text for /bin/sh"},
	{.name = "env",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_target_env,
	 FG_AT(fg_target, env),
	 .help = "added to the environment"},
	{.name = "cwd",
	 .type = FG_T_TARGET_TEXT,
	 FG_AT(fg_target, cwd),
	 .help = "working directory; default: flamegate's own"},
	{.name = "cpus",
	 .type = FG_T_TEXT,
	 .standard = "auto",
	 FG_AT(fg_target, cpus),
	 .help = "auto, \"1\", \"2-3\""},
	{.name = "ready",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_ready,
	 .table = &fg_schema_ready,
	 .shape = FG_SHAPE_ONE,
	 .help = "how to see that it is ready"},
	{.name = "stop", .type = FG_T_OBJECT, .table = &stop_table, .help = "how to end it"},
};
static const struct fg_table start_table = {"key", "target.start", FG_KEYS(start_keys)};

static const struct fg_key process_keys[] = {
	{.name = "pid",
	 .type = FG_T_UINT,
	 .min = 1,
	 .max = 4194304,
	 FG_AT(fg_target, process_pid),
	 .help = "process to profile"},
	{.name = "port",
	 .type = FG_T_UINT,
	 .min = 1,
	 .max = 65535,
	 FG_AT(fg_target, process_port),
	 .help = "whoever listens there"},
	{.name = "pidFile", .type = FG_T_TEXT, .later = "B"},
	{.name = "name", .type = FG_T_TEXT, .later = "B"},
	{.name = "cgroup", .type = FG_T_TEXT, .later = "B"},
	{.name = "container", .type = FG_T_TEXT, .later = "B"},
	{.name = "unit", .type = FG_T_TEXT, .later = "B"},
};
const struct fg_table fg_schema_process = {"key", "target.process", FG_KEYS(process_keys)};

static const struct fg_key target_keys[] = {
	{.name = "url",
	 .type = FG_T_TARGET_TEXT,
	 FG_AT(fg_target, url),
	 .help = "base of relative step URLs"},
	{.name = "build", .type = FG_T_OBJECT, .table = &build_table, .later = "D"},
	{.name = "start",
	 .type = FG_T_OBJECT,
	 .table = &start_table,
	 .help = "flamegate starts and owns the process"},
	{.name = "process",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_process,
	 .table = &fg_schema_process,
	 .shape = FG_SHAPE_ONE,
	 .help = "a process that runs already"},
};
const struct fg_table fg_schema_target = {"key", "target", FG_KEYS(target_keys)};

/* -- http ----------------------------------------------------------------------------------- */

static const struct fg_key tls_keys[] = {
	{.name = "ca",
	 .type = FG_T_PATH,
	 FG_AT(fg_http_options, ca_file),
	 .help = "trusted certificates (PEM)"},
	{.name = "cert",
	 .type = FG_T_PATH,
	 FG_AT(fg_http_options, cert_file),
	 .help = "client certificate (PEM)"},
	{.name = "key",
	 .type = FG_T_PATH,
	 FG_AT(fg_http_options, key_file),
	 .help = "its key (PEM)"},
	{.name = "serverName", .type = FG_T_TEXT, .later = "B"},
	{.name = "min", .type = FG_T_TEXT, .later = "B"},
	{.name = "insecureSkipVerify",
	 .type = FG_T_BOOL,
	 .standard = "false",
	 FG_AT(fg_http_options, insecure_skip_verify),
	 .help = "accept every certificate"},
};
static const struct fg_table tls_table = {"key", "tls", FG_KEYS(tls_keys)};

static const struct fg_choice http_versions[] = {
	{"auto", FG_HTTP_AUTO, NULL},
	{"1.1", FG_HTTP_1_1, NULL},
	{"2", FG_HTTP_2, NULL},
	{"h2c", FG_HTTP_H2C, "B"},
};
static const struct fg_choice connections[] = {
	{"vu", FG_CONNECTION_VU, NULL},
	{"iteration", FG_CONNECTION_ITERATION, NULL},
	{"none", FG_CONNECTION_NONE, NULL},
};

static const struct fg_key basic_keys[] = {
	{.name = "user", .type = FG_T_TEXT, .required = true},
	{.name = "password", .type = FG_T_TEXT},
};
static const struct fg_table basic_table = {"key", "auth", FG_KEYS(basic_keys)};
static const struct fg_key auth_keys[] = {
	{.name = "basic", .type = FG_T_OBJECT, .table = &basic_table},
	{.name = "bearer", .type = FG_T_ANY},
	{.name = "digest", .type = FG_T_OBJECT, .table = &basic_table},
	{.name = "sigv4", .type = FG_T_ANY},
};
static const struct fg_table auth_table = {"key", "auth", FG_KEYS(auth_keys)};

static const struct fg_key http_keys[] = {
	{.name = "version",
	 .type = FG_T_CHOICE,
	 .standard = "auto",
	 FG_CHOICES(http_versions),
	 FG_AT(fg_http_options, version),
	 .help = "HTTP version"},
	{.name = "timeout",
	 .type = FG_T_DURATION,
	 .standard = "60s",
	 .min = 1,
	 FG_AT(fg_http_options, timeout_ns),
	 .help = "of a whole request"},
	{.name = "connectTimeout",
	 .type = FG_T_DURATION,
	 .standard = "10s",
	 .min = 1,
	 FG_AT(fg_http_options, connect_timeout_ns),
	 .help = "of connecting"},
	{.name = "connection",
	 .type = FG_T_CHOICE,
	 .standard = "vu",
	 FG_CHOICES(connections),
	 FG_AT(fg_http_options, connection),
	 .help = "how long a connection is kept"},
	{.name = "keepAlive",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_keep_alive,
	 .help = "false: connection: none"},
	{.name = "maxRedirects",
	 .type = FG_T_UINT,
	 .standard = "10",
	 .max = 100,
	 FG_AT(fg_http_options, max_redirects),
	 .help = "followed at most; 0: none"},
	{.name = "compression",
	 .type = FG_T_BOOL,
	 .standard = "false",
	 FG_AT(fg_http_options, compression),
	 .help = "sends Accept-Encoding"},
	{.name = "headers", .type = FG_T_CUSTOM, .read = fg_read_headers, .help = "sent always"},
	{.name = "proxy", .type = FG_T_TEXT, .standard = "", .later = "B"},
	{.name = "unixSocket", .type = FG_T_TEXT, .standard = "", .later = "B"},
	{.name = "resolve", .type = FG_T_TAGS, .later = "B"},
	{.name = "tls", .type = FG_T_OBJECT, .table = &tls_table, .help = "TLS"},
	{.name = "auth", .type = FG_T_OBJECT, .table = &auth_table, .later = "B"},
};
const struct fg_table fg_schema_http = {"key", "http", FG_KEYS(http_keys)};

/* -- data, generator, profile --------------------------------------------------------------- */

static const struct fg_choice data_orders[] = {
	{"sequence", 0, NULL}, {"random", 1, NULL}, {"shuffle", 2, NULL}, {"unique", 3, NULL}};
static const struct fg_choice data_scopes[] = {{"vu", 0, NULL}, {"shared", 1, NULL}};
static const struct fg_choice data_ends[] = {
	{"recycle", 0, NULL}, {"stop", 1, NULL}, {"fail", 2, NULL}};
static const struct fg_key data_keys[] = {
	{.name = "path", .type = FG_T_TEXT, .required = true},
	{.name = "order", .type = FG_T_CHOICE, .standard = "sequence", FG_CHOICES(data_orders)},
	{.name = "scope", .type = FG_T_CHOICE, .standard = "vu", FG_CHOICES(data_scopes)},
	{.name = "onEnd", .type = FG_T_CHOICE, .standard = "recycle", FG_CHOICES(data_ends)},
};
const struct fg_table fg_schema_data = {"key", "a data set", FG_KEYS(data_keys)};

static const struct fg_key loadgen_keys[] = {
	{.name = "threads",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_threads,
	 .standard = "auto",
	 .help = "auto, or how many"},
	{.name = "cpus",
	 .type = FG_T_TEXT,
	 .standard = "auto",
	 FG_AT(fg_scenario_file, loadgen_cpus),
	 .help = "auto, \"1\", \"2-3\""},
	{.name = "seed",
	 .type = FG_T_UINT,
	 FG_AT(fg_scenario_file, seed),
	 .help = "of everything random; default: chosen and printed"},
};
static const struct fg_table loadgen_table = {"key", "loadgen", FG_KEYS(loadgen_keys)};

static const struct fg_choice profile_enabled[] = {
	{"auto", FG_PROFILE_AUTO, NULL},
	{"required", FG_PROFILE_REQUIRED, NULL},
	{"off", FG_PROFILE_OFF, NULL},
};
static const struct fg_choice profile_sources[] = {
	{"ebpf", 0, NULL}, {"scrape", 1, "C"}, {"pyroscope", 2, "C"}};
static const struct fg_choice profile_labels[] = {
	{"auto", 0, NULL}, {"off", 1, NULL}, {"on", 2, "C"}};
static const struct fg_choice runtime_flags[] = {{"advise", 0, NULL}, {"auto", 1, "C"}};
static const struct fg_choice demanglings[] = {
	{"full", 0, NULL}, {"short", 1, "C"}, {"off", 2, "C"}};
static const struct fg_key scrape_keys[] = {
	{.name = "url", .type = FG_T_TEXT, .required = true},
	{.name = "type", .type = FG_T_TEXT},
	{.name = "at", .type = FG_T_TEXT},
};
static const struct fg_table scrape_table = {"key", "profile.scrape", FG_KEYS(scrape_keys)};
static const struct fg_key symbol_keys[] = {
	{.name = "demangle",
	 .type = FG_T_CHOICE,
	 .standard = "full",
	 FG_CHOICES(demanglings),
	 .help = "names of C++ and Rust"},
	{.name = "debuginfod", .type = FG_T_TEXT, .standard = "off", .later = "C"},
};
static const struct fg_table symbol_table = {"key", "profile.symbols", FG_KEYS(symbol_keys)};
static const struct fg_key profile_keys[] = {
	{.name = "enabled",
	 .type = FG_T_CHOICE,
	 .standard = "auto",
	 FG_CHOICES(profile_enabled),
	 FG_AT(fg_scenario_file, profile_enabled),
	 .help = "required: exit 14 without it"},
	{.name = "source",
	 .type = FG_T_CHOICE,
	 .standard = "ebpf",
	 FG_CHOICES(profile_sources),
	 .help = "where samples come from"},
	{.name = "frequency",
	 .type = FG_T_UINT,
	 .standard = "499",
	 .min = 1,
	 .max = 10000,
	 FG_AT(fg_scenario_file, profile_frequency_hz),
	 .help = "Hz; made prime"},
	{.name = "types", .type = FG_T_CUSTOM, .read = fg_read_profile_types, .help = "[cpu]"},
	{.name = "labels",
	 .type = FG_T_CHOICE,
	 .standard = "auto",
	 FG_CHOICES(profile_labels),
	 .help = "request class on samples"},
	{.name = "runtimeFlags",
	 .type = FG_T_CHOICE,
	 .standard = "advise",
	 FG_CHOICES(runtime_flags),
	 .help = "flags of language runtimes"},
	{.name = "scrape", .type = FG_T_OBJECTS, .table = &scrape_table, .later = "C"},
	{.name = "symbols", .type = FG_T_OBJECT, .table = &symbol_table, .help = "names"},
};
const struct fg_table fg_schema_profile = {"key", "profile", FG_KEYS(profile_keys)};

static const struct fg_key ab_keys[] = {
	{.name = "epochs", .type = FG_T_UINT, .standard = "3"},
	{.name = "maxDuration", .type = FG_T_DURATION, .standard = "120s"},
	{.name = "slices", .type = FG_T_DURATION, .standard = "200ms"},
	{.name = "split", .type = FG_T_TEXT, .standard = "2:1"},
	{.name = "looks", .type = FG_T_TEXTS},
};
const struct fg_table fg_schema_ab = {"key", "ab", FG_KEYS(ab_keys)};

/* -- the file ------------------------------------------------------------------------------- */

static const struct fg_key root_keys[] = {
	{.name = "version",
	 .type = FG_T_CUSTOM,
	 .required = true,
	 .read = fg_read_version,
	 .help = "1"},
	{.name = "vars", .type = FG_T_CUSTOM, .read = fg_read_vars, .help = "constants"},
	{.name = "secrets",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_secrets,
	 .table = &fg_schema_secret,
	 .shape = FG_SHAPE_MAP,
	 .help = "masked everywhere"},
	{.name = "name",
	 .type = FG_T_TEXT,
	 FG_AT(fg_scenario_file, name),
	 .help = "of the project"},
	{.name = "include", .type = FG_T_TEXTS, .later = "B"},
	{.name = "environments", .type = FG_T_ANY, .help = "merged over the file by --environment"},
	{.name = "target",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_target,
	 .table = &fg_schema_target,
	 .shape = FG_SHAPE_ONE,
	 FG_AT(fg_scenario_file, target),
	 .help = "what is measured"},
	{.name = "http",
	 .type = FG_T_OBJECT,
	 .table = &fg_schema_http,
	 FG_AT(fg_scenario_file, http),
	 .help = "defaults of all steps"},
	{.name = "data", .type = FG_T_OBJECT_MAP, .table = &fg_schema_data, .later = "B"},
	{.name = "setup", .type = FG_T_OBJECT, .table = &fg_schema_block, .later = "B"},
	{.name = "teardown", .type = FG_T_OBJECT, .table = &fg_schema_block, .later = "B"},
	{.name = "flows", .type = FG_T_OBJECT_MAP, .table = &fg_schema_flow, .later = "B"},
	{.name = "scenarios",
	 .type = FG_T_CUSTOM,
	 .required = true,
	 .read = fg_read_scenarios,
	 .table = &fg_schema_scenario,
	 .shape = FG_SHAPE_MAP,
	 .help = "the load"},
	{.name = "loadgen", .type = FG_T_OBJECT, .table = &loadgen_table, .help = "the generator"},
	{.name = "thresholds",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_thresholds,
	 .help = "absolute limits"},
	{.name = "profile", .type = FG_T_OBJECT, .table = &fg_schema_profile, .help = "profiling"},
	{.name = "ab", .type = FG_T_OBJECT, .table = &fg_schema_ab, .later = "D"},
	{.name = "gate",
	 .type = FG_T_OBJECT,
	 .table = &fg_schema_gate,
	 FG_AT(fg_scenario_file, gate),
	 .help = "the verdict"},
	{.name = "baseline",
	 .type = FG_T_OBJECT,
	 .table = &fg_schema_baseline,
	 .help = "baselines"},
	{.name = "report",
	 .type = FG_T_OBJECT,
	 .table = &fg_schema_report,
	 .help = "files to write"},
	{.name = "publish",
	 .type = FG_T_CUSTOM,
	 .read = fg_read_publish,
	 .table = &fg_schema_publish,
	 .shape = FG_SHAPE_LIST,
	 .help = "servers to send to"},
};
const struct fg_table fg_schema_root = {"key", "the file", FG_KEYS(root_keys)};
