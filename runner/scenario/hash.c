/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests and signatures of expressions. OpenSSL's low-level functions: unlike EVP they allocate
 * nothing, and a request that signs itself must not.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "runner/scenario/function.h"

#include <openssl/crypto.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#include <string.h>

enum { BLOCK_MAX = 128, DIGEST_MAX = 64 };

union state {
	MD5_CTX md5;
	SHA_CTX sha1;
	SHA256_CTX sha256;
	SHA512_CTX sha512;
};

struct algorithm {
	size_t block, size; /* bytes */
	int (*init)(union state *state);
	int (*update)(union state *state, const void *bytes, size_t len);
	int (*final)(union state *state, unsigned char *out);
};

#define ALGORITHM(name, prefix, field, block_bytes, digest_bytes)                   \
	static int name##_init(union state *state)                                  \
	{                                                                           \
		return prefix##_Init(&state->field);                                \
	}                                                                           \
	static int name##_update(union state *state, const void *bytes, size_t len) \
	{                                                                           \
		return prefix##_Update(&state->field, bytes, len);                  \
	}                                                                           \
	static int name##_final(union state *state, unsigned char *out)             \
	{                                                                           \
		return prefix##_Final(out, &state->field);                          \
	}                                                                           \
	static const struct algorithm name = {.block = (block_bytes),               \
					      .size = (digest_bytes),               \
					      .init = name##_init,                  \
					      .update = name##_update,              \
					      .final = name##_final}

ALGORITHM(md5, MD5, md5, 64, 16);
ALGORITHM(sha1, SHA1, sha1, 64, 20);
ALGORITHM(sha256, SHA256, sha256, 64, 32);
ALGORITHM(sha512, SHA512, sha512, 128, 64);

/* The digest of two texts in a row. */
static int digest(const struct fg_call *call, const struct algorithm *algorithm,
		  struct fg_view first, struct fg_view second, unsigned char out[DIGEST_MAX])
{
	union state state;

	if (!algorithm->init(&state) || !algorithm->update(&state, first.text, first.len) ||
	    !algorithm->update(&state, second.text, second.len) || !algorithm->final(&state, out))
		return fg_err_set(call->err, FG_E_INTERNAL, "%s(): OpenSSL failed",
				  call->function->name);
	OPENSSL_cleanse(&state, sizeof(state));
	return 0;
}

static struct fg_view view_of(const unsigned char *bytes, size_t len)
{
	return (struct fg_view){(const char *)bytes, len};
}

/* RFC 2104 */
static int hmac(const struct fg_call *call, const struct algorithm *algorithm, struct fg_view key,
		struct fg_view text, unsigned char out[DIGEST_MAX])
{
	unsigned char pad[BLOCK_MAX] = {0};
	int rc = 0;

	if (key.len > algorithm->block)
		rc = digest(call, algorithm, key, (struct fg_view){"", 0}, pad);
	else
		memcpy(pad, key.text, key.len);
	for (size_t i = 0; i < algorithm->block; i++)
		pad[i] ^= 0x36;
	if (rc == 0)
		rc = digest(call, algorithm, view_of(pad, algorithm->block), text, out);
	for (size_t i = 0; i < algorithm->block; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	if (rc == 0)
		rc = digest(call, algorithm, view_of(pad, algorithm->block),
			    view_of(out, algorithm->size), out);
	OPENSSL_cleanse(pad, sizeof(pad));
	return rc;
}

static bool view_is(struct fg_view view, const char *word)
{
	return view.len == strlen(word) && memcmp(view.text, word, view.len) == 0;
}

/* The digest in the encoding that argument `index` names. */
static int encode(const struct fg_call *call, unsigned index, const unsigned char *bytes,
		  size_t len, struct fg_value *ret)
{
	struct fg_view encoding = {"hex", 3};
	char *out;
	int rc = call->count > index ? fg_call_text(call, index, &encoding) : 0;

	if (rc == 0)
		rc = fg_call_room(call, 2 * DIGEST_MAX, &out);
	if (rc)
		return rc;
	if (view_is(encoding, "hex"))
		len = fg_hex_write(bytes, len, out);
	else if (view_is(encoding, "base64"))
		len = fg_base64_write(bytes, len, false, out);
	else if (view_is(encoding, "base64url"))
		len = fg_base64_write(bytes, len, true, out);
	else
		return fg_call_fault(call,
				     "unknown encoding \"%.*s\"; write hex, base64 or "
				     "base64url",
				     (int)FG_MIN(encoding.len, (size_t)40), encoding.text);
	*ret = fg_value_of_text(out, len);
	return 0;
}

static int hash(const struct fg_call *call, const struct algorithm *algorithm, struct fg_value *ret)
{
	unsigned char out[DIGEST_MAX];
	struct fg_view text;
	int rc = fg_call_text(call, 0, &text);

	if (rc == 0)
		rc = digest(call, algorithm, text, (struct fg_view){"", 0}, out);
	return rc ? rc : encode(call, 1, out, algorithm->size, ret);
}

static int sign(const struct fg_call *call, const struct algorithm *algorithm, struct fg_value *ret)
{
	unsigned char out[DIGEST_MAX];
	struct fg_view key, text;
	int rc = fg_call_text(call, 0, &key);

	if (rc == 0)
		rc = fg_call_text(call, 1, &text);
	if (rc == 0)
		rc = hmac(call, algorithm, key, text, out);
	return rc ? rc : encode(call, 2, out, algorithm->size, ret);
}

int fg_function_md5(const struct fg_call *call, struct fg_value *ret)
{
	return hash(call, &md5, ret);
}

int fg_function_sha1(const struct fg_call *call, struct fg_value *ret)
{
	return hash(call, &sha1, ret);
}

int fg_function_sha256(const struct fg_call *call, struct fg_value *ret)
{
	return hash(call, &sha256, ret);
}

int fg_function_sha512(const struct fg_call *call, struct fg_value *ret)
{
	return hash(call, &sha512, ret);
}

int fg_function_hmac_sha1(const struct fg_call *call, struct fg_value *ret)
{
	return sign(call, &sha1, ret);
}

int fg_function_hmac_sha256(const struct fg_call *call, struct fg_value *ret)
{
	return sign(call, &sha256, ret);
}

int fg_function_hmac_sha512(const struct fg_call *call, struct fg_value *ret)
{
	return sign(call, &sha512, ret);
}
