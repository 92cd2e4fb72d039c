/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HdrHistogram "V2 compressed" encoding, base64: lossless for our layout, opened by other tools.
 *
 * Format: cookie 0x1c849314, length, zlib( cookie 0x1c849313, payload length, normalising offset 0,
 * 3 significant digits, lowest 1, highest FG_HIST_MAX_NS, ratio 1.0, ZigZag LEB128 counts with
 * negative runs for zeros ), all big endian. Source: HdrHistogram_c src/hdr_histogram_log.c.
 * Decoding is bounded: text ≤ FG_HDRLOG_TEXT_MAX, inflated ≤ 512 KiB; foreign layouts (other
 * digits, unit magnitude) are refused with a message.
 */
#ifndef FG_FORMAT_HDRLOG_H
#define FG_FORMAT_HDRLOG_H

#include "gate/base/buf.h"
#include "gate/measure/hist.h"

enum { FG_HDRLOG_TEXT_MAX = 1 << 20 };

/** Appends the base64 text (no newline). */
int fg_hdrlog_encode(const struct fg_hist *hist, struct fg_buf *out,
		     struct fg_err *err) FG_MUST_USE;
/** Adds the decoded counts to `hist`. The format has no exact extremes, sum or lower bounds: min,
 * max and sum become what the buckets allow. On failure `hist` is unchanged. */
int fg_hdrlog_decode(const char *text, size_t len, struct fg_hist *hist,
		     struct fg_err *err) FG_MUST_USE;

#endif
