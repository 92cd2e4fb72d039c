/* SPDX-License-Identifier: Apache-2.0 */
/* The V2 payload; numbers are big endian, counts are ZigZag LEB128 of at most 9 bytes. */
#include "gate/format/hdrlog.h"

#include <string.h>

#include "gate/format/base64.h"
#include "gate/format/gzip.h"

#define COOKIE_V2            0x1c849303u
#define COOKIE_V2_COMPRESSED 0x1c849304u
#define COOKIE_WORD_SIZE     0xf0u /* bits that say how wide V0 and V1 counters were */

enum {
	HEADER_BYTES = 40,
	OUTER_BYTES = 8,
	VARINT_BYTES = 9,
	INFLATED_MAX = 512 << 10,
	DIGITS = 3,
};

static_assert(FG_HIST_COUNTERS * VARINT_BYTES + HEADER_BYTES <= INFLATED_MAX,
	      "what we write can be read");

static char *put_u32(char *to, uint32_t value)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		*to++ = (char)(value >> shift & 0xff);
	return to;
}

static char *put_u64(char *to, uint64_t value)
{
	return put_u32(put_u32(to, (uint32_t)(value >> 32)), (uint32_t)value);
}

static uint32_t get_u32(const unsigned char *from)
{
	return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static uint64_t get_u64(const unsigned char *from)
{
	return (uint64_t)get_u32(from) << 32 | get_u32(from + 4);
}

/* The ninth byte carries 8 bits, so 64 bits need no tenth. */
static void put_varint(struct fg_buf *out, int64_t value)
{
	uint64_t rest = (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
	char bytes[VARINT_BYTES];
	size_t len = 0;

	while (len < VARINT_BYTES - 1 && rest > 0x7f) {
		bytes[len++] = (char)((rest & 0x7f) | 0x80);
		rest >>= 7;
	}
	bytes[len++] = (char)rest;
	fg_buf_add(out, bytes, len);
}

static bool get_varint(const unsigned char **at, const unsigned char *end, int64_t *ret)
{
	uint64_t value = 0;

	for (unsigned i = 0; *at < end; i++) {
		unsigned char byte = *(*at)++;

		if (i == VARINT_BYTES - 1) {
			value |= (uint64_t)byte << 56;
			break;
		}
		value |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80))
			break;
		if (*at == end)
			return false;
	}
	*ret = (int64_t)(value >> 1 ^ -(value & 1));
	return true;
}

/* Block by block: most of the 33 octaves are empty, and this runs for every class and second. */
static void put_counts(struct fg_buf *out, const struct fg_hist *hist)
{
	size_t end = hist->count ? fg_hist_index(hist->max_ns) + 1 : 1;
	int64_t zeros = 0;

	for (size_t i = 0; i < end; i += FG_HIST_BLOCK_COUNTERS) {
		const uint64_t *block = hist->blocks[i / FG_HIST_BLOCK_COUNTERS];
		size_t here = FG_MIN(end - i, (size_t)FG_HIST_BLOCK_COUNTERS);

		if (!block)
			zeros += (int64_t)here;
		for (size_t k = 0; block && k < here; k++) {
			if (block[k] == 0) {
				zeros++;
				continue;
			}
			if (zeros)
				put_varint(out, -zeros);
			zeros = 0;
			put_varint(out, (int64_t)block[k]);
		}
	}
	if (zeros)
		put_varint(out, -zeros);
}

static void put_header(char *to, size_t payload_len)
{
	to = put_u32(to, COOKIE_V2 | 0x10);
	to = put_u32(to, (uint32_t)payload_len);
	to = put_u32(to, 0); /* normalising index offset */
	to = put_u32(to, DIGITS);
	to = put_u64(to, 1);
	to = put_u64(to, FG_HIST_MAX_NS);
	(void)put_u64(to, 0x3ff0000000000000ull); /* integer to double ratio 1.0 */
}

static int encode_payload(const struct fg_hist *hist, struct fg_buf *payload, struct fg_err *err)
{
	static const char zeros[HEADER_BYTES];

	if (hist->count > INT64_MAX)
		return fg_err_set(err, FG_E_LIMIT, "a histogram of more than 2^63 values");
	fg_buf_add(payload, zeros, sizeof(zeros));
	put_counts(payload, hist);
	int rc = fg_buf_check(payload, err);

	if (rc == 0)
		put_header(payload->data, payload->len - HEADER_BYTES);
	return rc;
}

int fg_hdrlog_encode(const struct fg_hist *hist, struct fg_buf *out, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf payload = {.max = INFLATED_MAX};
	FG_AUTO_BUF struct fg_buf packed = {.max = INFLATED_MAX};
	static const char zeros[OUTER_BYTES];
	int rc = encode_payload(hist, &payload, err);

	if (rc)
		return rc;
	fg_buf_add(&packed, zeros, sizeof(zeros));
	rc = fg_gzip_deflate(FG_DEFLATE_ZLIB, payload.data, payload.len, &packed, err);
	if (rc)
		return rc;
	(void)put_u32(put_u32(packed.data, COOKIE_V2_COMPRESSED | 0x10),
		      (uint32_t)(packed.len - OUTER_BYTES));
	fg_base64_encode(packed.data, packed.len, out);
	return fg_buf_check(out, err);
}

static int check_header(const unsigned char *header, size_t len, struct fg_err *err)
{
	if (len < HEADER_BYTES || (get_u32(header) & ~COOKIE_WORD_SIZE) != COOKIE_V2)
		return fg_err_set(err, FG_E_INVALID, "not an HdrHistogram V2 payload");
	if (get_u32(header + 4) != len - HEADER_BYTES)
		return fg_err_set(err, FG_E_INVALID, "histogram payload is %zu bytes, not %u",
				  len - HEADER_BYTES, get_u32(header + 4));
	if (get_u32(header + 8) != 0 || get_u64(header + 32) != 0x3ff0000000000000ull)
		return fg_err_set(err, FG_E_UNSUPPORTED,
				  "shifted or floating-point histograms are not supported");
	if (get_u32(header + 12) != DIGITS || get_u64(header + 16) != 1)
		return fg_err_set(
			err, FG_E_UNSUPPORTED,
			"histogram with %u digits from %llu; only 3 digits from 1 are read",
			get_u32(header + 12), (unsigned long long)get_u64(header + 16));
	return 0;
}

static int decode_counts(const unsigned char *at, const unsigned char *end, struct fg_hist *hist,
			 struct fg_err *err)
{
	const size_t last = fg_hist_index(FG_HIST_MAX_NS);
	size_t index = 0;

	while (at < end) {
		int64_t count;

		if (!get_varint(&at, end, &count))
			return fg_err_set(err, FG_E_INVALID, "histogram counts are cut off");
		if (count < 0) {
			/* Foreign writers may end with zeros beyond our range; only counts matter.
			 */
			uint64_t zeros = 0 - (uint64_t)count;

			if (zeros > INT32_MAX)
				return fg_err_set(err, FG_E_INVALID, "run of too many zeros");
			index += zeros;
			continue;
		}
		if (count > 0 && index > last)
			return fg_err_set(err, FG_E_LIMIT, "histogram has values above one hour");
		uint64_t middle = 0;

		if (count > 0)
			middle = fg_hist_index_low_ns(index) +
				 (fg_hist_index_high_ns(index) - fg_hist_index_low_ns(index)) / 2;
		int rc = fg_hist_record_n(hist, middle, (uint64_t)count);

		if (rc)
			return fg_err_set(err, (enum fg_err_code) - rc, "histogram cannot be read");
		index++;
	}
	return 0;
}

/* Exact extremes are not in the format: take what the buckets allow, as HdrHistogram does. */
static void widen_extremes(struct fg_hist *hist)
{
	if (hist->count == 0)
		return;
	hist->min_ns = fg_hist_index_low_ns(fg_hist_index(hist->min_ns));
	hist->max_ns = FG_MIN(fg_hist_index_high_ns(fg_hist_index(hist->max_ns)), FG_HIST_MAX_NS);
}

static int unpack(const char *text, size_t len, struct fg_buf *payload, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf packed = {.max = FG_HDRLOG_TEXT_MAX};

	if (len > FG_HDRLOG_TEXT_MAX)
		return fg_err_set(err, FG_E_LIMIT, "histogram text of %zu bytes", len);
	int rc = fg_base64_decode(text, len, &packed, err);

	if (rc)
		return rc;
	const unsigned char *bytes = (const unsigned char *)packed.data;

	if (packed.len < OUTER_BYTES ||
	    (get_u32(bytes) & ~COOKIE_WORD_SIZE) != COOKIE_V2_COMPRESSED)
		return fg_err_set(err, FG_E_INVALID, "not a compressed HdrHistogram V2 text");
	if (get_u32(bytes + 4) != packed.len - OUTER_BYTES)
		return fg_err_set(err, FG_E_INVALID, "histogram text is %zu bytes, not %u",
				  packed.len - OUTER_BYTES, get_u32(bytes + 4));
	return fg_gzip_inflate(FG_DEFLATE_ZLIB, bytes + OUTER_BYTES, packed.len - OUTER_BYTES,
			       INFLATED_MAX, payload, err);
}

int fg_hdrlog_decode(const char *text, size_t len, struct fg_hist *hist, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf payload = {.max = INFLATED_MAX};
	struct fg_hist decoded;
	int rc = unpack(text, len, &payload, err);

	if (rc)
		return rc;
	const unsigned char *bytes = (const unsigned char *)payload.data;

	rc = check_header(bytes, payload.len, err);
	if (rc)
		return rc;
	fg_hist_init(&decoded, hist->pool);
	rc = decode_counts(bytes + HEADER_BYTES, bytes + payload.len, &decoded, err);
	if (rc == 0) {
		widen_extremes(&decoded);
		rc = fg_hist_add(hist, &decoded);
		if (rc)
			rc = fg_err_set(err, (enum fg_err_code) - rc, "histogram cannot be added");
	}
	fg_hist_done(&decoded);
	return rc;
}
