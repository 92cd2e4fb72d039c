/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf, then snappy's block format: remote write knows no other form. */
#include "runner/publish/prometheus_internal.h"

#include <runner/publish/remote_write.pb-c.h>
#include <snappy-c.h>

#include <stdlib.h>
#include <string.h>

enum { ENCODED_MAX = 64 << 20 };

/* One request's messages; protobuf-c wants arrays of pointers, all freed at once. */
struct request {
	FgRemoteWrite__WriteRequest message;
	FgRemoteWrite__TimeSeries *series, **series_pointers;
	FgRemoteWrite__Sample *samples, **sample_pointers;
	FgRemoteWrite__Label *labels, **label_pointers;
};

static void request_done(struct request *request)
{
	free(request->series);
	free(request->series_pointers);
	free(request->samples);
	free(request->sample_pointers);
	free(request->labels);
	free(request->label_pointers);
}

static size_t count_labels(const struct fg_prometheus_series *series)
{
	size_t nuls = 0;

	for (size_t i = 0; i < series->labels_len; i++)
		nuls += series->labels[i] == '\0';
	return nuls / 2;
}

static int request_alloc(struct request *request, size_t series, size_t labels, struct fg_err *err)
{
	fg_remote_write__write_request__init(&request->message);
	request->series = calloc(series + 1, sizeof(*request->series));
	request->series_pointers = calloc(series + 1, sizeof(void *));
	request->samples = calloc(series + 1, sizeof(*request->samples));
	request->sample_pointers = calloc(series + 1, sizeof(void *));
	request->labels = calloc(labels + 1, sizeof(*request->labels));
	request->label_pointers = calloc(labels + 1, sizeof(void *));
	if (!request->series || !request->series_pointers || !request->samples ||
	    !request->sample_pointers || !request->labels || !request->label_pointers)
		return fg_err_nomem(err);
	return 0;
}

/* Returns how many labels it took. */
static size_t fill_series(struct request *request, size_t index, size_t label,
			  const struct fg_prometheus_series *from, double value, int64_t time_ms)
{
	FgRemoteWrite__TimeSeries *series = &request->series[index];
	FgRemoteWrite__Sample *sample = &request->samples[index];
	size_t count = 0;

	fg_remote_write__time_series__init(series);
	fg_remote_write__sample__init(sample);
	sample->value = value;
	sample->timestamp = time_ms;
	request->sample_pointers[index] = sample;
	series->samples = &request->sample_pointers[index];
	series->n_samples = 1;
	series->labels = &request->label_pointers[label];
	for (char *at = from->labels; at < from->labels + from->labels_len; count++) {
		FgRemoteWrite__Label *one = &request->labels[label + count];

		fg_remote_write__label__init(one);
		one->name = at;
		one->value = at + strlen(at) + 1;
		at = one->value + strlen(one->value) + 1;
		request->label_pointers[label + count] = one;
	}
	series->n_labels = count;
	request->series_pointers[index] = series;
	return count;
}

static int compress(const uint8_t *raw, size_t len, struct fg_buf *out, struct fg_err *err)
{
	size_t packed_len = snappy_max_compressed_length(len);
	char *room = fg_buf_reserve(out, packed_len);

	if (!room)
		return fg_buf_check(out, err);
	if (snappy_compress((const char *)raw, len, room, &packed_len) != SNAPPY_OK)
		return fg_err_set(err, FG_E_INTERNAL, "snappy refused %zu bytes", len);
	fg_buf_commit(out, packed_len);
	return 0;
}

static int pack(const struct request *request, struct fg_buf *out, struct fg_err *err)
{
	size_t len = fg_remote_write__write_request__get_packed_size(&request->message);
	FG_AUTO_FREE uint8_t *raw = NULL;

	if (len > ENCODED_MAX)
		return fg_err_set(err, FG_E_LIMIT, "a remote write request of %zu bytes", len);
	raw = malloc(len + 1);
	if (!raw)
		return fg_err_nomem(err);
	len = fg_remote_write__write_request__pack(&request->message, raw);
	return compress(raw, len, out, err);
}

int fg_prometheus_encode(const struct fg_prometheus_snapshot *snapshot, size_t from, bool stale,
			 int64_t time_ms, struct fg_buf *out, struct fg_err *err)
{
	size_t count = FG_MIN(snapshot->count - from, (size_t)FG_PROMETHEUS_REQUEST_SERIES);
	struct request request = {.series = NULL};
	size_t labels = 0;

	for (size_t i = 0; i < count; i++)
		labels += count_labels(&snapshot->items[from + i]);
	int rc = request_alloc(&request, count, labels, err);

	labels = 0;
	for (size_t i = 0; i < count && rc == 0; i++) {
		const struct fg_prometheus_series *series = &snapshot->items[from + i];
		double value = stale ? fg_prometheus_stale() : series->value;

		labels += fill_series(&request, i, labels, series, value, time_ms);
	}
	request.message.timeseries = request.series_pointers;
	request.message.n_timeseries = count;
	if (rc == 0)
		rc = pack(&request, out, err);
	request_done(&request);
	return rc;
}
