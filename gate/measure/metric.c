/* SPDX-License-Identifier: Apache-2.0 */
/* The tables. k6's names and meanings: its metrics/builtin.go and lib/netext/httpext. */
#include "gate/measure/metric.h"

#include <string.h>

#include "gate/base/str.h"

/* clang-format off */
const struct fg_metric fg_metrics[FG_METRIC_COUNT] = {
	[FG_TREND_RESPONSE_TIME] = {
		.name = "http_req_response_time", .type = FG_METRIC_TREND, .scope = FG_SCOPE_CLASS, .is_time = true,
		.help = "from the time a request was due to its last byte; waiting for the generator counts"},
	[FG_TREND_DURATION] = {
		.name = "http_req_duration", .type = FG_METRIC_TREND, .scope = FG_SCOPE_CLASS, .is_time = true,
		.help = "sending + waiting + receiving, from the actual send"},
	[FG_TREND_SERVICE_TIME] = {
		.name = "http_req_service_time", .type = FG_METRIC_TREND, .scope = FG_SCOPE_CLASS, .is_time = true,
		.help = "from the actual send to the last byte in the kernel; without kernel stamps http_req_duration"},
	[FG_TREND_WAKEUP] = {
		.name = "http_req_wakeup", .type = FG_METRIC_TREND, .scope = FG_SCOPE_CLASS, .is_time = true,
		.help = "from the last byte in the kernel until the generator had it: its own delay"},
	[FG_TREND_BLOCKED] = {
		.name = "http_req_blocked", .type = FG_METRIC_TREND, .scope = FG_SCOPE_CLASS, .is_time = true,
		.help = "waiting for a connection, including name look-up, connect and TLS of a new one"},
	[FG_TREND_DNS] = {
		.name = "http_req_dns", .type = FG_METRIC_TREND, .scope = FG_SCOPE_CLASS, .is_time = true,
		.help = "name look-up; 0 on an open connection"},
	[FG_TREND_CONNECTING] = {
		.name = "http_req_connecting", .type = FG_METRIC_TREND, .scope = FG_SCOPE_CLASS, .is_time = true,
		.help = "TCP connect; 0 on an open connection"},
	[FG_TREND_TLS_HANDSHAKING] = {
		.name = "http_req_tls_handshaking", .type = FG_METRIC_TREND, .scope = FG_SCOPE_CLASS, .is_time = true,
		.help = "TLS handshake; 0 on an open connection"},
	[FG_TREND_SENDING] = {
		.name = "http_req_sending", .type = FG_METRIC_TREND, .scope = FG_SCOPE_CLASS, .is_time = true,
		.help = "writing the request"},
	[FG_TREND_WAITING] = {
		.name = "http_req_waiting", .type = FG_METRIC_TREND, .scope = FG_SCOPE_CLASS, .is_time = true,
		.help = "request written to first byte of the answer"},
	[FG_TREND_RECEIVING] = {
		.name = "http_req_receiving", .type = FG_METRIC_TREND, .scope = FG_SCOPE_CLASS, .is_time = true,
		.help = "first to last byte of the answer"},
	[FG_METRIC_HTTP_REQS] = {
		.name = "http_reqs", .type = FG_METRIC_COUNTER, .scope = FG_SCOPE_CLASS,
		.help = "requests that ended, failed ones included"},
	[FG_METRIC_HTTP_REQ_FAILED] = {
		.name = "http_req_failed", .type = FG_METRIC_RATE, .scope = FG_SCOPE_CLASS,
		.help = "share of requests with an error or an unexpected status"},
	[FG_METRIC_ITERATIONS] = {
		.name = "iterations", .type = FG_METRIC_COUNTER, .scope = FG_SCOPE_SCENARIO,
		.help = "complete iterations"},
	[FG_METRIC_ITERATION_DURATION] = {
		.name = "iteration_duration", .type = FG_METRIC_TREND, .scope = FG_SCOPE_SCENARIO, .is_time = true,
		.help = "duration of complete iterations"},
	[FG_METRIC_DROPPED_ITERATIONS] = {
		.name = "dropped_iterations", .type = FG_METRIC_COUNTER, .scope = FG_SCOPE_SCENARIO,
		.help = "iterations that were due and never started"},
	[FG_METRIC_SCHEDULE_LAG] = {
		.name = "schedule_lag", .type = FG_METRIC_TREND, .scope = FG_SCOPE_SCENARIO, .is_time = true,
		.help = "how late the generator itself started what was due"},
	[FG_METRIC_CHECKS] = {
		.name = "checks", .type = FG_METRIC_RATE, .scope = FG_SCOPE_CHECK,
		.help = "share of checks that passed"},
	[FG_METRIC_DATA_SENT] = {
		.name = "data_sent", .type = FG_METRIC_COUNTER, .scope = FG_SCOPE_CLASS, .is_bytes = true,
		.help = "bytes sent, headers included"},
	[FG_METRIC_DATA_RECEIVED] = {
		.name = "data_received", .type = FG_METRIC_COUNTER, .scope = FG_SCOPE_CLASS, .is_bytes = true,
		.help = "bytes received, headers included"},
	[FG_METRIC_VUS] = {
		.name = "vus", .type = FG_METRIC_GAUGE, .scope = FG_SCOPE_SCENARIO,
		.help = "virtual users at work, last seen"},
	[FG_METRIC_VUS_MAX] = {
		.name = "vus_max", .type = FG_METRIC_GAUGE, .scope = FG_SCOPE_SCENARIO,
		.help = "virtual users initialised, last seen"},
	[FG_METRIC_GROUP_DURATION] = {
		.name = "group_duration", .type = FG_METRIC_TREND, .scope = FG_SCOPE_GROUP, .is_time = true,
		.help = "duration of a group of steps"},
};
/* clang-format on */

static_assert(FG_METRIC_GROUP_DURATION + 1 == FG_METRIC_COUNT, "a metric without a row");

static const char *const type_names[] = {
	[FG_METRIC_COUNTER] = "counter",
	[FG_METRIC_GAUGE] = "gauge",
	[FG_METRIC_RATE] = "rate",
	[FG_METRIC_TREND] = "trend",
};

static const struct {
	const char *name;
	unsigned code;
} net_errors[] = {
	[FG_NET_OK] = {.name = "ok", .code = 0},
	[FG_NET_GENERIC] = {.name = "generic", .code = 1000},
	[FG_NET_BAD_URL] = {.name = "badUrl", .code = 1020},
	[FG_NET_TIMEOUT] = {.name = "timeout", .code = 1050},
	[FG_NET_DNS] = {.name = "dns", .code = 1101},
	[FG_NET_DIAL] = {.name = "dial", .code = 1210},
	[FG_NET_DIAL_TIMEOUT] = {.name = "dialTimeout", .code = 1211},
	[FG_NET_REFUSED] = {.name = "refused", .code = 1212},
	[FG_NET_RESET] = {.name = "reset", .code = 1220},
	[FG_NET_TLS] = {.name = "tls", .code = 1300},
	[FG_NET_BAD_RESPONSE] = {.name = "badResponse", .code = 1000},
	[FG_NET_HTTP_STATUS] = {.name = "status", .code = 1400},
	[FG_NET_TOO_MANY_REDIRECTS] = {.name = "tooManyRedirects", .code = 1000},
	[FG_NET_UNFINISHED] = {.name = "unfinished", .code = 1000},
	[FG_NET_DECOMPRESS] = {.name = "decompress", .code = 1701},
};

static_assert(FG_ARRAY_LEN(net_errors) == FG_NET_ERROR_COUNT, "an error without a row");

int fg_metric_find(const char *name)
{
	for (int i = 0; i < FG_METRIC_COUNT; i++)
		if (strcmp(fg_metrics[i].name, name) == 0)
			return i;
	return -1;
}

bool fg_metric_name_ok(const char *name)
{
	enum { NAME_MAX_BYTES = 128 };
	size_t len = strnlen(name, NAME_MAX_BYTES + 1);

	/* no isalpha(): it follows the locale */
	for (size_t i = 0; i < len; i++) {
		char c = name[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

		if (!letter && !(i > 0 && c >= '0' && c <= '9'))
			return false;
	}
	return len > 0 && len <= NAME_MAX_BYTES;
}

const char *fg_metric_nearest(const char *name)
{
	const char *names[FG_METRIC_COUNT];

	for (size_t i = 0; i < FG_METRIC_COUNT; i++)
		names[i] = fg_metrics[i].name;
	return fg_str_nearest(name, names, FG_METRIC_COUNT);
}

const char *fg_metric_type_name(enum fg_metric_type type)
{
	return (size_t)type < FG_ARRAY_LEN(type_names) ? type_names[type] : "unknown";
}

const char *fg_net_error_name(enum fg_net_error error)
{
	return (size_t)error < FG_NET_ERROR_COUNT ? net_errors[error].name : "unknown";
}

unsigned fg_net_error_code(enum fg_net_error error)
{
	return (size_t)error < FG_NET_ERROR_COUNT ? net_errors[error].code : 1000;
}
