/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/publish/prometheus_internal.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/vec.h"

enum {
	BODIES_MAX = 4 * FG_PROMETHEUS_SERIES_MAX / FG_PROMETHEUS_REQUEST_SERIES + 4,
	BODY_MAX = 80 << 20,
};

void fg_prometheus_push_free(struct fg_prometheus_push *push)
{
	if (!push)
		return;
	for (size_t i = 0; i < push->count; i++)
		free(push->items[i].bytes);
	free(push->items);
	free(push);
}

static int add_bodies(struct fg_prometheus_push *push,
		      const struct fg_prometheus_snapshot *snapshot, bool stale, int64_t time_ms,
		      struct fg_err *err)
{
	for (size_t from = 0; from < snapshot->count; from += FG_PROMETHEUS_REQUEST_SERIES) {
		FG_AUTO_BUF struct fg_buf bytes = {.max = BODY_MAX};
		int rc = FG_VEC_ROOM(push, items, count, capacity, BODIES_MAX, err);

		if (rc == 0)
			rc = fg_prometheus_encode(snapshot, from, stale, time_ms, &bytes, err);
		if (rc)
			return rc;
		struct fg_prometheus_body *body = &push->items[push->count];

		body->series = FG_MIN(snapshot->count - from, (size_t)FG_PROMETHEUS_REQUEST_SERIES);
		body->bytes = fg_buf_take(&bytes, &body->len);
		if (!body->bytes)
			return fg_err_nomem(err);
		push->count++;
	}
	return 0;
}

static int order(const struct fg_prometheus_series *a, const struct fg_prometheus_series *b)
{
	int rc = memcmp(a->labels, b->labels, FG_MIN(a->labels_len, b->labels_len));

	return rc ? rc : (a->labels_len > b->labels_len) - (a->labels_len < b->labels_len);
}

/* Series of `before` that `now` lacks; they borrow their labels. */
static int find_ended(const struct fg_prometheus_snapshot *before,
		      const struct fg_prometheus_snapshot *now, struct fg_prometheus_snapshot *ret,
		      struct fg_err *err)
{
	size_t at = 0;

	for (size_t i = 0; i < before->count; i++) {
		while (at < now->count && order(&now->items[at], &before->items[i]) < 0)
			at++;
		if (at < now->count && order(&now->items[at], &before->items[i]) == 0)
			continue;
		int rc = FG_VEC_ROOM(ret, items, count, capacity, FG_PROMETHEUS_SERIES_MAX, err);

		if (rc)
			return rc;
		ret->items[ret->count++] = before->items[i];
	}
	return 0;
}

int fg_prometheus_push_new(const struct fg_prometheus_snapshot *before,
			   const struct fg_prometheus_snapshot *now,
			   struct fg_prometheus_push **ret, struct fg_err *err)
{
	struct fg_prometheus_push *push = calloc(1, sizeof(*push));
	struct fg_prometheus_snapshot ended = {.items = NULL};
	int rc = push ? 0 : fg_err_nomem(err);

	if (rc == 0 && before)
		rc = find_ended(before, now, &ended, err);
	if (rc == 0)
		rc = add_bodies(push, &ended, true, now->time_ms, err);
	if (rc == 0)
		rc = add_bodies(push, now, false, now->time_ms, err);
	free(ended.items);
	if (rc) {
		fg_prometheus_push_free(push);
		return rc;
	}
	*ret = push;
	return 0;
}

int fg_prometheus_push_end(struct fg_prometheus_push *push,
			   const struct fg_prometheus_snapshot *now, struct fg_err *err)
{
	/* As k6: in the same millisecond the server would take it for a duplicate. */
	return add_bodies(push, now, true, now->time_ms + 1, err);
}
