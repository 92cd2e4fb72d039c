/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct line {
	size_t len;
	char text[FG_LOG_LINE_MAX + 1];
};

struct reason {
	const void *key;
	uint64_t count;
	char text[FG_LOG_LINE_MAX + 1];
};

struct fg_load_log {
	pthread_mutex_t mutex;
	void (*notify)(void *context);
	void *context;
	struct line lines[FG_LOG_LINES_MAX];
	size_t first, count;
	uint64_t second; /* of the latest line */
	unsigned in_second;
	uint64_t dropped;
	struct reason reasons[FG_LOG_REASONS_MAX];
	size_t reason_count;
	uint64_t other_reasons; /* beyond the table */
};

int fg_load_log_new(void (*notify)(void *context), void *context, struct fg_load_log **ret,
		    struct fg_err *err)
{
	struct fg_load_log *log = calloc(1, sizeof(*log));

	if (!log)
		return fg_err_nomem(err);
	pthread_mutex_init(&log->mutex, NULL);
	log->notify = notify;
	log->context = context;
	*ret = log;
	return 0;
}

void fg_load_log_free(struct fg_load_log *log)
{
	if (!log)
		return;
	pthread_mutex_destroy(&log->mutex);
	free(log);
}

/* A line from a server's answer must not move the cursor of somebody's terminal. */
static size_t copy_plain(char *to, const char *text, size_t len)
{
	len = FG_MIN(len, (size_t)FG_LOG_LINE_MAX);
	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)text[i];

		to[i] = text[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			to[i] = '?';
	}
	to[len] = '\0';
	return len;
}

static bool add_line(struct fg_load_log *log, const char *text, size_t len)
{
	struct line *line;

	if (log->count == FG_LOG_LINES_MAX)
		return false;
	line = &log->lines[(log->first + log->count++) % FG_LOG_LINES_MAX];
	line->len = copy_plain(line->text, text, len);
	return true;
}

static void wake(struct fg_load_log *log)
{
	if (log->notify)
		log->notify(log->context);
}

void fg_load_log_put(struct fg_load_log *log, uint64_t now_ns, const char *text, size_t len)
{
	const uint64_t second = now_ns / FG_NS_PER_S;
	bool added = false;

	if (!log)
		return;
	pthread_mutex_lock(&log->mutex);
	if (second != log->second) {
		log->second = second;
		log->in_second = 0;
	}
	if (log->in_second < FG_LOG_PER_SECOND)
		added = add_line(log, text, len);
	if (added)
		log->in_second++;
	else
		log->dropped++;
	pthread_mutex_unlock(&log->mutex);
	if (added)
		wake(log);
}

static struct reason *find(struct fg_load_log *log, const void *key)
{
	for (size_t i = 0; i < log->reason_count; i++) {
		if (log->reasons[i].key == key)
			return &log->reasons[i];
	}
	return NULL;
}

bool fg_load_log_count(struct fg_load_log *log, const void *key)
{
	struct reason *reason;
	bool is_new;

	if (!log)
		return false;
	pthread_mutex_lock(&log->mutex);
	reason = find(log, key);
	is_new = !reason && log->reason_count < FG_LOG_REASONS_MAX;
	if (is_new) {
		reason = &log->reasons[log->reason_count++];
		reason->key = key;
	}
	if (reason)
		reason->count++;
	else
		log->other_reasons++;
	pthread_mutex_unlock(&log->mutex);
	return is_new;
}

void fg_load_log_tell(struct fg_load_log *log, const void *key, const char *text)
{
	struct reason *reason;

	pthread_mutex_lock(&log->mutex);
	reason = find(log, key);
	if (reason)
		(void)copy_plain(reason->text, text, strlen(text));
	if (!add_line(log, text, strlen(text)))
		log->dropped++;
	pthread_mutex_unlock(&log->mutex);
	wake(log);
}

void fg_load_log_drain(struct fg_load_log *log,
		       void (*on_line)(void *context, const char *text, size_t len), void *context)
{
	struct line line;

	while (log) {
		pthread_mutex_lock(&log->mutex);
		if (!log->count) {
			pthread_mutex_unlock(&log->mutex);
			return;
		}
		line = log->lines[log->first];
		log->first = (log->first + 1) % FG_LOG_LINES_MAX;
		log->count--;
		pthread_mutex_unlock(&log->mutex);
		if (on_line)
			on_line(context, line.text, line.len);
	}
}

static void say(void (*on_line)(void *context, const char *text, size_t len), void *context,
		const char *format, uint64_t count, const char *text)
{
	char line[2 * FG_LOG_LINE_MAX];
	const int len = snprintf(line, sizeof(line), "%" PRIu64 " %s%s", count, format, text);

	if (len > 0 && on_line)
		on_line(context, line, FG_MIN((size_t)len, sizeof(line) - 1));
}

void fg_load_log_finish(struct fg_load_log *log,
			void (*on_line)(void *context, const char *text, size_t len), void *context)
{
	fg_load_log_drain(log, on_line, context);
	for (size_t i = 0; i < log->reason_count; i++) {
		if (log->reasons[i].count > 1)
			say(on_line, context, "times: ", log->reasons[i].count,
			    log->reasons[i].text);
	}
	if (log->other_reasons)
		say(on_line, context, "more iterations ended early for other reasons",
		    log->other_reasons, "");
	if (log->dropped)
		say(on_line, context, "more lines of log steps are not shown", log->dropped, "");
}
