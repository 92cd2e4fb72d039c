/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HdrHistogram texts. The first byte chooses: even, the rest is the text; odd, the rest is a
 * payload that is packed first, because a fuzzer does not find zlib's checksum and base64 by
 * itself.
 */
#include <stdlib.h>

#include "gate/format/base64.h"
#include "gate/format/gzip.h"
#include "gate/format/hdrlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void pack(const uint8_t *payload, size_t len, struct fg_buf *text)
{
	struct fg_buf packed;

	fg_buf_init(&packed, 1 << 20);
	fg_buf_add(&packed, "\x1c\x84\x93\x14\0\0\0\0", 8);
	if (fg_gzip_deflate(FG_DEFLATE_ZLIB, payload, len, &packed, NULL) != 0)
		abort();
	for (int i = 0; i < 4; i++)
		packed.data[4 + i] = (char)((packed.len - 8) >> (24 - 8 * i));
	fg_base64_encode(packed.data, packed.len, text);
	fg_buf_done(&packed);
}

static void check_round_trip(const struct fg_hist *hist)
{
	struct fg_hist back;
	struct fg_buf text;

	fg_hist_init(&back, NULL);
	fg_buf_init(&text, FG_HDRLOG_TEXT_MAX);
	if (hist->count > INT64_MAX) {
		if (fg_hdrlog_encode(hist, &text, NULL) == 0)
			abort();
	} else if (fg_hdrlog_encode(hist, &text, NULL) != 0 ||
		   fg_hdrlog_decode(text.data, text.len, &back, NULL) != 0) {
		abort();
	} else {
		for (size_t i = 0; i < FG_HIST_COUNTERS; i++)
			if (fg_hist_counter(hist, i) != fg_hist_counter(&back, i))
				abort();
		if (back.min_ns != hist->min_ns || back.max_ns != hist->max_ns)
			abort();
	}
	fg_buf_done(&text);
	fg_hist_done(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fg_hist hist;
	struct fg_buf text;
	struct fg_err err = {0};

	if (size == 0)
		return 0;
	fg_hist_init(&hist, NULL);
	fg_buf_init(&text, 2 << 20);
	if (data[0] & 1)
		pack(data + 1, size - 1, &text);
	else
		fg_buf_add(&text, data + 1, size - 1);
	if (fg_hdrlog_decode(text.data ? text.data : "", text.len, &hist, &err) == 0)
		check_round_trip(&hist);
	else if (hist.count != 0 || err.message[0] == '\0')
		abort();
	fg_buf_done(&text);
	fg_hist_done(&hist);
	return 0;
}
