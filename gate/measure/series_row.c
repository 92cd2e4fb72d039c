/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of one second as they lie in the spool: a fixed head, then up to three texts with their
 * NULs. The file never leaves this process, so the byte order is the machine's. Where service time
 * and duration are the same values (no kernel stamps) one text stands for both; elsewhere durations
 * are kept per interval (series_json.c), because a bundle must stay small. The third text is for a
 * second of which one worker had stamps and another, late one had not.
 */
#include "gate/measure/series_internal.h"

#include <string.h>

#include "gate/format/hdrlog.h"

enum { TEXTS = 3 };

struct head {
	uint64_t requests, failed, sent_bytes, received_bytes;
	uint32_t second, class_index;
	uint32_t expected, warmup;
	uint32_t len[TEXTS];  /* with NUL; 0: none */
	uint32_t is_duration; /* the service time is the duration, too */
};

static struct head make_head(const struct fg_series_row *row)
{
	return (struct head){
		.requests = row->requests,
		.failed = row->failed,
		.sent_bytes = row->sent_bytes,
		.received_bytes = row->received_bytes,
		.second = row->second,
		.class_index = row->class_index,
		.expected = row->expected,
		.warmup = row->warmup,
	};
}

static uint32_t text_len(const char *text)
{
	return text ? (uint32_t)strlen(text) + 1 : 0;
}

void fg_series_row_put(struct fg_buf *out, const struct fg_series_row *row)
{
	const char *texts[TEXTS] = {row->response_hdr, row->service_hdr, row->duration_hdr};
	struct head head = make_head(row);

	head.is_duration = texts[1] && texts[2] && strcmp(texts[1], texts[2]) == 0;
	if (head.is_duration)
		texts[2] = NULL;
	for (size_t i = 0; i < TEXTS; i++)
		head.len[i] = text_len(texts[i]);
	fg_buf_add(out, &head, sizeof(head));
	for (size_t i = 0; i < TEXTS; i++)
		fg_buf_add(out, texts[i] ? texts[i] : "", head.len[i]);
}

bool fg_series_has_duration(const struct fg_class_slice *half)
{
	const struct fg_hist *a = &half->trends[FG_TREND_SERVICE_TIME];
	const struct fg_hist *b = &half->trends[FG_TREND_DURATION];
	static const uint64_t zeros[FG_HIST_BLOCK_COUNTERS];

	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < FG_HIST_BLOCKS; i++) {
		const uint64_t *x = a->blocks[i] ? a->blocks[i] : zeros;
		const uint64_t *y = b->blocks[i] ? b->blocks[i] : zeros;

		if (x != y && memcmp(x, y, sizeof(zeros)) != 0)
			return false;
	}
	return true;
}

static int put_half(struct fg_buf *out, struct head *head, const struct fg_class_slice *half,
		    struct fg_err *err)
{
	static const enum fg_trend trends[] = {FG_TREND_RESPONSE_TIME, FG_TREND_SERVICE_TIME};
	size_t place = out->len;
	int rc = 0;

	head->is_duration = fg_series_has_duration(half);
	fg_buf_add(out, head, sizeof(*head));
	for (size_t i = 0; rc == 0 && i < FG_ARRAY_LEN(trends); i++) {
		const struct fg_hist *hist = &half->trends[trends[i]];
		size_t before = out->len;

		if (hist->count == 0)
			continue;
		rc = fg_hdrlog_encode(hist, out, err);
		fg_buf_add(out, "", 1);
		head->len[i] = (uint32_t)(out->len - before);
	}
	if (rc == 0)
		rc = fg_buf_check(out, err);
	if (rc == 0)
		memcpy(out->data + place, head, sizeof(*head));
	return rc;
}

int fg_series_rows_put(struct fg_buf *out, const struct fg_registry *registry,
		       const struct fg_slice *slice, struct fg_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < 2 * slice->class_count; i++) {
		const struct fg_class_slice *half = &slice->classes[i];
		struct head head = {
			.requests = half->requests,
			.failed = half->failed,
			.sent_bytes = half->sent_bytes,
			.received_bytes = half->received_bytes,
			.second = slice->second,
			.class_index = (uint32_t)(i / 2),
			.expected = i % 2 == 1,
			.warmup = fg_result_is_warmup(registry, registry->classes[i / 2].scenario,
						      slice->second),
		};

		/* What was never sent is a response time without a request. */
		if (half->requests || half->trends[FG_TREND_RESPONSE_TIME].count)
			rc = put_half(out, &head, half, err);
	}
	return rc ? fg_err_wrap(err, "second %u", slice->second) : 0;
}

bool fg_series_row_next(const struct fg_buf *record, size_t *at, struct fg_series_row *ret)
{
	const char *texts[TEXTS] = {0};
	struct head head;

	if (*at >= record->len)
		return false;
	memcpy(&head, record->data + *at, sizeof(head));
	*at += sizeof(head);
	for (size_t i = 0; i < TEXTS; i++) {
		if (head.len[i])
			texts[i] = record->data + *at;
		*at += head.len[i];
	}
	*ret = (struct fg_series_row){
		.second = head.second,
		.class_index = head.class_index,
		.expected = head.expected,
		.warmup = head.warmup,
		.requests = head.requests,
		.failed = head.failed,
		.sent_bytes = head.sent_bytes,
		.received_bytes = head.received_bytes,
		.response_hdr = texts[0],
		.service_hdr = texts[1],
		.duration_hdr = head.is_duration ? texts[1] : texts[2],
	};
	return true;
}
