/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/format/md5.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 64 };

static uint32_t rotated(uint32_t value, unsigned bits)
{
	return value << bits | value >> (32 - bits);
}

/* RFC 1321 §3.4: T[i] is the integer part of 2³² × |sin(i + 1)|. */
static uint32_t constant(unsigned step)
{
	return (uint32_t)(4294967296.0 * fabs(sin((double)(step + 1))));
}

static uint32_t mixed(unsigned step, const uint32_t s[4], unsigned *ret_word)
{
	uint32_t b = s[1], c = s[2], d = s[3];

	switch (step / 16) {
	case 0:
		*ret_word = step;
		return (b & c) | (~b & d);
	case 1:
		*ret_word = (5 * step + 1) % 16;
		return (d & b) | (~d & c);
	case 2:
		*ret_word = (3 * step + 5) % 16;
		return b ^ c ^ d;
	default:
		*ret_word = (7 * step) % 16;
		return c ^ (b | ~d);
	}
}

static void add_block(uint32_t state[4], const unsigned char *block)
{
	static const unsigned char shifts[4][4] = {
		{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
	uint32_t s[4] = {state[0], state[1], state[2], state[3]};

	for (unsigned step = 0; step < 64; step++) {
		unsigned word = 0;
		uint32_t sum = mixed(step, s, &word) + s[0] + constant(step);
		const unsigned char *at = block + (size_t)4 * word;

		sum += (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
		       (uint32_t)at[3] << 24;
		s[0] = s[3];
		s[3] = s[2];
		s[2] = s[1];
		s[1] += rotated(sum, shifts[step / 16][step % 4]);
	}
	for (int i = 0; i < 4; i++)
		state[i] += s[i];
}

const char *fg_md5_hex(const void *bytes, size_t len, char hex[FG_MD5_HEX_SIZE])
{
	uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
	unsigned char tail[2 * BLOCK] = {0};
	const unsigned char *at = bytes;
	size_t whole = len / BLOCK * BLOCK, rest = len - whole;
	size_t tail_len = rest + 9 <= BLOCK ? BLOCK : 2 * BLOCK;

	for (size_t i = 0; i < whole; i += BLOCK)
		add_block(state, at + i);
	if (rest)
		memcpy(tail, at + whole, rest);
	tail[rest] = 0x80;
	for (unsigned i = 0; i < 8; i++)
		tail[tail_len - 8 + i] = (unsigned char)((uint64_t)len * 8 >> (8 * i));
	for (size_t i = 0; i < tail_len; i += BLOCK)
		add_block(state, tail + i);
	for (size_t i = 0; i < 16; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x",
			       (unsigned)(state[i / 4] >> (8 * (i % 4)) & 0xff));
	return hex;
}
