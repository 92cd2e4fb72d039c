/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting until a started target is ready. The death of its main process is noticed at once,
 * whatever the probe is: every pause waits on the keeper's socket.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "runner/target/probe.h"

#include "gate/base/clock.h"
#include "gate/base/file.h"
#include "gate/base/num.h"
#include "runner/http_client.h"

#include <pcre2.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PAUSE_FIRST_MS = 10,
	PAUSE_LAST_MS = 100,
	PROBE_TIMEOUT_MS = 2000,
	LOG_WINDOW = 64 << 10, /* a pattern may span this much of the newest output */
	LOG_SHOWN_LINES = 10,
	LOG_SHOWN_BYTES = 1200,
	MATCH_LIMIT = 1000000,
};

#define DEFAULT_TIMEOUT_NS (30 * FG_NS_PER_S)

struct prober {
	const struct fg_ready_watch *watch;
	char host[256];
	uint16_t port;
	char last[512]; /* what the last probe saw, for the message */
	pcre2_code *pattern;
	pcre2_match_data *match;
	pcre2_match_context *limits;
	int log_fd;
	off_t log_at;
	struct fg_buf log;
};

/* -- the log pattern ------------------------------------------------------------------------ */

static int compile_pattern(struct prober *prober, const char *pattern, struct fg_err *err)
{
	int fault = 0;
	size_t at = 0;

	prober->pattern = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
					PCRE2_MULTILINE | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF,
					&fault, &at, NULL);
	if (!prober->pattern) {
		PCRE2_UCHAR text[128];

		(void)pcre2_get_error_message(fault, text, sizeof(text));
		return fg_err_set(err, FG_E_INVALID, "ready.log: /%s/: %s at offset %zu", pattern,
				  (const char *)text, at);
	}
	prober->match = pcre2_match_data_create(1, NULL);
	prober->limits = pcre2_match_context_create(NULL);
	if (!prober->match || !prober->limits)
		return fg_err_nomem(err);
	(void)pcre2_set_match_limit(prober->limits, MATCH_LIMIT);
	return 0;
}

/* Moves what is new in the log into the window; the oldest half goes when it is full. */
static void read_log(struct prober *prober)
{
	struct stat st;

	if (prober->log_fd < 0)
		prober->log_fd = open(prober->watch->log_path, O_RDONLY | O_CLOEXEC);
	if (prober->log_fd < 0)
		return;
	if (fstat(prober->log_fd, &st) == 0 && st.st_size < prober->log_at)
		prober->log_at = 0; /* the keeper has cut it */
	if (prober->log.len > LOG_WINDOW / 2) {
		size_t keep = LOG_WINDOW / 4;

		memmove(prober->log.data, prober->log.data + prober->log.len - keep, keep);
		prober->log.len = keep;
	}
	char *room = fg_buf_reserve(&prober->log, LOG_WINDOW / 2);

	if (!room)
		return;
	ssize_t got = pread(prober->log_fd, room, LOG_WINDOW / 2, prober->log_at);

	if (got > 0) {
		prober->log_at += got;
		fg_buf_commit(&prober->log, (size_t)got);
	}
}

static bool probe_log(struct prober *prober)
{
	for (;;) {
		off_t before = prober->log_at;

		read_log(prober);
		if (prober->log.len > 0 &&
		    pcre2_match(prober->pattern, (PCRE2_SPTR)prober->log.data, prober->log.len, 0,
				0, prober->match, prober->limits) >= 0)
			return true;
		if (prober->log_at <= before)
			break; /* all of it was looked at */
	}
	(void)snprintf(prober->last, sizeof(prober->last), "no output matched /%s/",
		       prober->watch->target->ready_log);
	return false;
}

/* -- the other probes ----------------------------------------------------------------------- */

static bool probe_url(struct prober *prober, uint64_t left_ns)
{
	const struct fg_target *target = prober->watch->target;
	struct fg_http_request request = {
		.method = "GET",
		.url = prober->watch->ready_url,
		.timeout_ns = FG_MIN(left_ns, PROBE_TIMEOUT_MS * FG_NS_PER_MS),
		.max_response_bytes = 1 << 20,
		.direct = true,
	};
	struct fg_http_response response;
	struct fg_err err = {.code = FG_E_NONE};

	if (fg_http_fetch(&request, &response, &err) != 0) {
		(void)snprintf(prober->last, sizeof(prober->last), "%.500s", err.message);
		return false;
	}
	long status = response.status;

	fg_http_response_done(&response);
	if (target->ready_status ? status == target->ready_status : status / 100 == 2)
		return true;
	(void)snprintf(prober->last, sizeof(prober->last), "GET %.300s answered %ld",
		       prober->watch->ready_url, status);
	return false;
}

static bool probe_tcp(struct prober *prober)
{
	int fault = fg_probe_tcp(prober->host, prober->port, PROBE_TIMEOUT_MS);

	if (fault == 0)
		return true;
	(void)snprintf(prober->last, sizeof(prober->last), "connect to %s:%u: %s", prober->host,
		       prober->port, strerror(fault));
	return false;
}

static bool probe(struct prober *prober, uint64_t elapsed_ns, uint64_t timeout_ns)
{
	switch (prober->watch->target->ready) {
	case FG_READY_URL:
		return probe_url(prober, timeout_ns - elapsed_ns);
	case FG_READY_LOG:
		return probe_log(prober);
	case FG_READY_DELAY:
		return elapsed_ns >= prober->watch->target->ready_delay_ns;
	case FG_READY_NONE: /* the port of target.url is open; without a URL there is no sign */
		return !prober->watch->url || probe_tcp(prober);
	case FG_READY_TCP:
		return probe_tcp(prober);
	}
	return false;
}

/* -- waiting -------------------------------------------------------------------------------- */

static int prepare(struct prober *prober, struct fg_err *err)
{
	const struct fg_target *target = prober->watch->target;
	bool is_local;

	if (target->ready == FG_READY_URL && !prober->watch->ready_url)
		return fg_err_set(err, FG_E_INTERNAL, "ready.url without a URL");
	if (target->ready == FG_READY_LOG)
		return compile_pattern(prober, target->ready_log, err);
	if (target->ready == FG_READY_TCP && !prober->watch->url)
		return fg_err_set(err, FG_E_INVALID, "ready.tcp needs target.url");
	if (prober->watch->url && (target->ready == FG_READY_TCP || target->ready == FG_READY_NONE))
		return fg_target_url_parts(prober->watch->url, prober->host, &prober->port,
					   &is_local, err);
	return 0;
}

static int ended_early(const struct prober *prober, const char *how, struct fg_err *err)
{
	(void)fg_err_set(err, FG_E_TARGET, "target %s before it was ready%s", how,
			 strcmp(how, "exited with status 0") == 0
				 ? " (it must stay in the foreground)"
				 : "");
	fg_ready_append_log(prober->watch->log_path, err);
	return -FG_E_TARGET;
}

static int too_late(const struct prober *prober, uint64_t timeout_ns, struct fg_err *err)
{
	char waited[FG_NUM_TEXT_MAX];

	(void)fg_err_set(err, FG_E_TARGET, "target was not ready within %s%s%s",
			 fg_num_format_duration(timeout_ns, waited), prober->last[0] ? ": " : "",
			 prober->last);
	fg_ready_append_log(prober->watch->log_path, err);
	return -FG_E_TARGET;
}

static int watch_loop(struct prober *prober, struct fg_err *err)
{
	const struct fg_ready_watch *watch = prober->watch;
	uint64_t timeout_ns = watch->target->ready_timeout_ns ? watch->target->ready_timeout_ns
							      : DEFAULT_TIMEOUT_NS;
	uint64_t begin_ns = fg_clock_monotonic_ns();
	char how[128];

	if (watch->target->ready == FG_READY_DELAY)
		timeout_ns = UINT64_MAX; /* the delay itself ends the wait */
	for (int pause_ms = PAUSE_FIRST_MS;; pause_ms = FG_MIN(pause_ms * 2, PAUSE_LAST_MS)) {
		uint64_t elapsed_ns = fg_clock_monotonic_ns() - begin_ns;
		bool is_ready = elapsed_ns < timeout_ns && probe(prober, elapsed_ns, timeout_ns);

		/* In this order: a probe answered by somebody else's server while ours died of
		 * "address in use" must not count. */
		if (fg_target_ended(watch->process, how, sizeof(how)))
			return ended_early(prober, how, err);
		if (is_ready)
			return 0;
		if (elapsed_ns >= timeout_ns)
			return too_late(prober, timeout_ns, err);
		struct pollfd wait = {.fd = fg_target_fd(watch->process), .events = POLLIN};

		(void)poll(&wait, 1, pause_ms);
	}
}

int fg_ready_wait(const struct fg_ready_watch *watch, struct fg_err *err)
{
	struct prober prober = {.watch = watch, .log_fd = -1};

	fg_buf_init(&prober.log, LOG_WINDOW);
	int rc = prepare(&prober, err);

	if (rc == 0)
		rc = watch_loop(&prober, err);
	pcre2_match_data_free(prober.match);
	pcre2_match_context_free(prober.limits);
	pcre2_code_free(prober.pattern);
	fg_buf_done(&prober.log);
	if (prober.log_fd >= 0)
		(void)close(prober.log_fd);
	return rc;
}

/* -- the last lines of the log -------------------------------------------------------------- */

/* A terminal must not obey what a target printed. */
static void make_harmless(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)text[i] < 0x20 && text[i] != '\n' && text[i] != '\t') ||
		    text[i] == 0x7f)
			text[i] = '?';
}

static const char *last_lines(char *text, size_t len)
{
	size_t lines = 0;

	for (size_t i = len; i > 0; i--)
		if (text[i - 1] == '\n' && ++lines == LOG_SHOWN_LINES)
			return text + i;
	return text;
}

void fg_ready_append_log(const char *log_path, struct fg_err *err)
{
	char tail[LOG_SHOWN_BYTES + 1];

	if (!err || !log_path)
		return;
	FG_AUTO_CLOSE int fd = open(log_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;

	if (size < 0)
		return;
	ssize_t got = pread(fd, tail, LOG_SHOWN_BYTES, FG_MAX(size - LOG_SHOWN_BYTES, 0));
	size_t used = strlen(err->message);

	while (got > 0 && tail[got - 1] == '\n')
		got--;
	if (got <= 0) {
		(void)snprintf(err->message + used, sizeof(err->message) - used,
			       "; it printed nothing (%s)", log_path);
		return;
	}
	make_harmless(tail, (size_t)got);
	tail[got] = '\0';
	(void)snprintf(err->message + used, sizeof(err->message) - used, "; last lines of %s:\n%s",
		       log_path, last_lines(tail, (size_t)got));
}
