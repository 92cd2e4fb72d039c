/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of built-in metrics: k6's names and types where the meaning is k6's, and ours.
 *
 * Owns: names, types, what a value is measured in, and which of them a request class, a scenario
 * or the run carries. Thresholds, reports and outputs derive from this table.
 */
#ifndef FG_MEASURE_METRIC_H
#define FG_MEASURE_METRIC_H

#include "gate/base/attr.h"

enum fg_metric_type { FG_METRIC_COUNTER, FG_METRIC_GAUGE, FG_METRIC_RATE, FG_METRIC_TREND };

/* Per-request trends, in ns inside, in ms outside (as k6). */
enum fg_trend {
	FG_TREND_RESPONSE_TIME, /* http_req_response_time: from the due time (ours; gate on this) */
	FG_TREND_DURATION,     /* http_req_duration: sending + waiting + receiving, as k6: until our
				  thread had the last byte */
	FG_TREND_SERVICE_TIME, /* http_req_service_time (ours): send → last byte in the kernel;
				  where the kernel gives no stamps the same as http_req_duration */
	FG_TREND_WAKEUP, /* http_req_wakeup (ours): last byte in the kernel → our thread had it: the
			    generator's own delay; not recorded without kernel stamps */
	FG_TREND_BLOCKED,
	FG_TREND_DNS, /* http_req_dns (ours) */
	FG_TREND_CONNECTING,
	FG_TREND_TLS_HANDSHAKING,
	FG_TREND_SENDING,
	FG_TREND_WAITING,
	FG_TREND_RECEIVING,
	FG_TREND_COUNT
};

enum fg_metric_id {
	/* the first FG_TREND_COUNT ids equal enum fg_trend */
	FG_METRIC_HTTP_REQS = FG_TREND_COUNT, /* counter */
	FG_METRIC_HTTP_REQ_FAILED,            /* rate */
	FG_METRIC_ITERATIONS,                 /* counter */
	FG_METRIC_ITERATION_DURATION,         /* trend */
	FG_METRIC_DROPPED_ITERATIONS,         /* counter */
	FG_METRIC_SCHEDULE_LAG,               /* trend (ours): actual start − due time */
	FG_METRIC_CHECKS,                     /* rate */
	FG_METRIC_DATA_SENT,                  /* counter, bytes */
	FG_METRIC_DATA_RECEIVED,              /* counter, bytes */
	FG_METRIC_VUS,                        /* gauge */
	FG_METRIC_VUS_MAX,                    /* gauge */
	FG_METRIC_GROUP_DURATION,             /* trend */
	FG_METRIC_COUNT
};
/* A custom metric's id is FG_METRIC_COUNT + its index among the registry's custom metrics' names.
 */

enum fg_metric_scope {
	FG_SCOPE_CLASS,
	FG_SCOPE_SCENARIO,
	FG_SCOPE_CHECK,
	FG_SCOPE_RUN,
	FG_SCOPE_GROUP,
	FG_SCOPE_CUSTOM
};

struct fg_metric {
	const char *name;
	enum fg_metric_type type;
	enum fg_metric_scope scope; /* the finest thing that carries it */
	bool is_time;               /* a bare threshold number means ms */
	bool is_bytes;
	const char *help;
};

extern const struct fg_metric fg_metrics[FG_METRIC_COUNT];
/** The id of a name, or -1. */
int fg_metric_find(const char *name);
/** k6's rule: a letter or _, then letters, digits and _; 128 at most. */
bool fg_metric_name_ok(const char *name);
/** The nearest known name for "did you mean", or NULL. */
const char *fg_metric_nearest(const char *name);
const char *fg_metric_type_name(enum fg_metric_type type);

/* k6's error codes by kind; a request ends with at most one. */
enum fg_net_error {
	FG_NET_OK,
	FG_NET_GENERIC,      /* 1000 */
	FG_NET_BAD_URL,      /* 1020 */
	FG_NET_TIMEOUT,      /* 1050 */
	FG_NET_DNS,          /* 1101 no such host */
	FG_NET_DIAL,         /* 1210 */
	FG_NET_DIAL_TIMEOUT, /* 1211 */
	FG_NET_REFUSED,      /* 1212 */
	FG_NET_RESET,        /* 1220 reset or closed before the answer was complete */
	FG_NET_TLS,          /* 1300 */
	FG_NET_BAD_RESPONSE, /* 1000 family: what came back is not HTTP; own word, k6 code 1000 */
	FG_NET_HTTP_STATUS,  /* 1400 + … = 1000 + status for an unexpected status ≥ 400 */
	FG_NET_TOO_MANY_REDIRECTS,
	FG_NET_UNFINISHED, /* cut at the end of gracefulStop */
	FG_NET_DECOMPRESS, /* 1701: the body does not inflate, or to more than allowed */
	FG_NET_ERROR_COUNT
};
/** The stable word, e.g. "refused"; and k6's number (HTTP_STATUS: 1400, the base). */
const char *fg_net_error_name(enum fg_net_error error);
unsigned fg_net_error_code(enum fg_net_error error);

#endif
