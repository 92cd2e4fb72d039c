/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/profile/normalise.h"

#include <string.h>

#include "gate/base/str.h"
#include "gate/profile/normalise_internal.h"

/* What one pass uncovers another may strip, so they run until nothing changes; that also makes the
 * whole idempotent. Names of real programs need two rounds. */
enum { ROUNDS_MAX = 64 };

void fg_name_replace(struct fg_name *name, size_t at, size_t count, const char *with)
{
	size_t with_len = strlen(with);

	assert(at + count <= name->len);
	if (name->len - count + with_len >= sizeof(name->text))
		return;
	memmove(name->text + at + with_len, name->text + at + count, name->len - at - count);
	memcpy(name->text + at, with, with_len);
	name->len = name->len - count + with_len;
	name->text[name->len] = '\0';
}

void fg_name_erase(struct fg_name *name, size_t at, size_t count)
{
	fg_name_replace(name, at, count, "");
}

bool fg_name_starts(const struct fg_name *name, size_t at, const char *prefix)
{
	return at <= name->len && fg_str_starts_with(name->text + at, prefix);
}

size_t fg_name_digits(const struct fg_name *name, size_t at)
{
	return strspn(name->text + at, "0123456789");
}

size_t fg_name_hex(const struct fg_name *name, size_t at)
{
	return strspn(name->text + at, "0123456789abcdefABCDEF");
}

bool fg_name_is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || (unsigned char)c >= 0x80;
}

/* Length of ".word" or ".word.123" for the words that compilers and linkers append; 0 if it is not
 * one. `number` says whether digits must, may or must not follow. */
static size_t clone_suffix(const char *text)
{
	static const struct {
		const char *word;
		enum { NO_NUMBER, MAYBE_NUMBER, NUMBER } number;
	} words[] = {
		{".constprop", MAYBE_NUMBER},  {".isra", MAYBE_NUMBER},
		{".part", MAYBE_NUMBER},       {".cold", MAYBE_NUMBER},
		{".lto_priv", NUMBER},         {".llvm", NUMBER},
		{".__uniq", NUMBER},           {".clone", NUMBER},
		{".localalias", MAYBE_NUMBER}, {".warm", NO_NUMBER},
		{".hot", NO_NUMBER},           {".unlikely", MAYBE_NUMBER},
		{".abi0", NO_NUMBER},          {".abiinternal", NO_NUMBER},
	};

	for (size_t i = 0; i < FG_ARRAY_LEN(words); i++) {
		if (!fg_str_starts_with(text, words[i].word))
			continue;
		size_t len = strlen(words[i].word);
		size_t digits = text[len] == '.' ? strspn(text + len + 1, "0123456789") : 0;

		if (digits && words[i].number != NO_NUMBER)
			return len + 1 + digits;
		if (words[i].number != NUMBER)
			return len;
	}
	return 0;
}

/* Where a chain of clone suffixes ends: `end` if that is all there is. */
static size_t behind_clones(const struct fg_name *name, size_t at, size_t end)
{
	while (at < end) {
		size_t len = clone_suffix(name->text + at);

		if (!len || at + len > end)
			return at;
		at += len;
	}
	return at;
}

/* ".isra.0.cold" at the end. */
static bool strip_dotted(struct fg_name *name)
{
	for (size_t at = 1; at < name->len; at++) {
		size_t behind = name->text[at] == '.' ? behind_clones(name, at, name->len) : at;

		if (behind == name->len) {
			fg_name_erase(name, at, name->len - at);
			return true;
		}
		/* Parts of this chain end where it ends. */
		at = FG_MAX(at, behind - 1);
	}
	return false;
}

/* " [clone .isra.0]" (libiberty) and " (.llvm.123)" (LLVM) at the end. */
static bool strip_spelled(struct fg_name *name)
{
	static const struct {
		const char *open;
		char close;
	} forms[] = {{" [clone ", ']'}, {" (", ')'}};

	for (size_t i = 0; i < FG_ARRAY_LEN(forms); i++) {
		if (!name->len || name->text[name->len - 1] != forms[i].close)
			continue;
		size_t open = name->len - 1;

		while (open && name->text[open] != forms[i].open[1])
			open--;
		if (!open || !fg_name_starts(name, open - 1, forms[i].open))
			continue;
		size_t from = open - 1 + strlen(forms[i].open);

		if (from < name->len - 1 && name->text[from] == '.' &&
		    (forms[i].close == ']' ||
		     behind_clones(name, from, name->len - 1) == name->len - 1)) {
			fg_name_erase(name, open - 1, name->len - open + 1);
			return true;
		}
	}
	return false;
}

/* "@@GLIBC_2.34" or "@OPENSSL_3.0.0", but not "@plt": that is other code. */
static bool strip_version(struct fg_name *name)
{
	const char *at_sign = strrchr(name->text, '@');

	if (!at_sign || at_sign == name->text)
		return false;
	const char *version = at_sign + 1;
	const char *start = at_sign[-1] == '@' ? at_sign - 1 : at_sign;

	if (start == name->text || *version < 'A' || *version > 'Z' || !strchr(version, '_'))
		return false;
	if (version[strspn(version, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789._")])
		return false;
	name->len = (size_t)(start - name->text);
	name->text[name->len] = '\0';
	return true;
}

/* "::h0123456789abcdef", Rust's legacy hash. */
static bool strip_rust_hash(struct fg_name *name)
{
	enum { HASH_LEN = 19 };

	if (name->len <= HASH_LEN)
		return false;
	size_t at = name->len - HASH_LEN;

	if (!fg_name_starts(name, at, "::h") || fg_name_hex(name, at + 3) != 16)
		return false;
	fg_name_erase(name, at, HASH_LEN);
	return true;
}

/* The same hash and v0's crate disambiguators ("Cs4fqI2P2rA04_" → "C") in names that were left
 * mangled. Returns true when it changed something. */
static bool strip_mangled_hash(struct fg_name *name)
{
	enum { HASH_LEN = 19, DISAMBIGUATOR_MIN = 6, DISAMBIGUATOR_MAX = 12 };
	static const char base62[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	if (fg_name_starts(name, 0, "_ZN") && name->len > HASH_LEN + 4) {
		size_t at = name->len - HASH_LEN - 1;

		if (!fg_name_starts(name, at, "17h") || fg_name_hex(name, at + 3) < 16 ||
		    name->text[name->len - 1] != 'E')
			return false;
		fg_name_erase(name, at, HASH_LEN);
		return true;
	}
	for (size_t at = 2; fg_name_starts(name, 0, "_R") && at < name->len; at++) {
		if (!fg_name_starts(name, at, "Cs"))
			continue;
		size_t len = strspn(name->text + at + 2, base62);

		if (len < DISAMBIGUATOR_MIN || len > DISAMBIGUATOR_MAX ||
		    name->text[at + 2 + len] != '_')
			continue;
		fg_name_erase(name, at + 1, len + 2);
		return true;
	}
	return false;
}

void fg_name_strip_suffixes(struct fg_name *name)
{
	bool changed = true;

	while (changed) {
		while (name->len && name->text[name->len - 1] == ' ')
			fg_name_erase(name, name->len - 1, 1);
		changed = strip_spelled(name) || strip_dotted(name) || strip_version(name) ||
			  strip_rust_hash(name) || strip_mangled_hash(name);
	}
}

void fg_name_strip_kernel(struct fg_name *name)
{
	static const char *const entries[] = {"__x64_",   "__ia32_", "__arm64_", "__riscv_",
					      "__s390x_", "__s390_", "__se_",    "__do_"};

	if (fg_name_starts(name, 0, "__pfx_") && name->len > strlen("__pfx_"))
		fg_name_erase(name, 0, strlen("__pfx_"));
	for (size_t i = 0; i < FG_ARRAY_LEN(entries); i++) {
		size_t len = strlen(entries[i]);

		if (fg_name_starts(name, 0, entries[i]) &&
		    (fg_name_starts(name, len, "sys_") || fg_name_starts(name, len, "compat_sys_")))
			fg_name_erase(name, 0, len);
	}
}

static void clip(struct fg_name *name)
{
	if (name->len <= FG_NORMALISE_MAX)
		return;
	size_t len = FG_NORMALISE_MAX;

	while (len && ((unsigned char)name->text[len] & 0xc0) == 0x80)
		len--;
	name->len = len;
	name->text[len] = '\0';
}

static void normalise(struct fg_name *name)
{
	static void (*const passes[])(struct fg_name *) = {
		fg_name_strip_suffixes, fg_name_strip_kernel, fg_name_strip_jit,
		fg_name_strip_go,       fg_name_strip_java,   fg_name_strip_brackets,
	};
	char before[FG_NAME_CAPACITY];
	bool changed = true;

	name->steps = 0;
	for (size_t round = 0; round < ROUNDS_MAX && changed; round++) {
		memcpy(before, name->text, name->len + 1);
		for (size_t i = 0; i < FG_ARRAY_LEN(passes); i++)
			passes[i](name);
		clip(name);
		changed = strcmp(before, name->text) != 0;
	}
}

static void take(const char *text, bool source, struct fg_name *ret)
{
	ret->len = strnlen(text, FG_NORMALISE_MAX + 1);
	ret->source = source;
	memcpy(ret->text, text, ret->len);
	ret->text[ret->len] = '\0';
	clip(ret);
}

static void append(const char *text, bool source, struct fg_buf *out)
{
	struct fg_name name;

	take(text, source, &name);
	char first[FG_NORMALISE_MAX + 1];

	memcpy(first, name.text, name.len + 1);
	normalise(&name);
	/* A name that consists of decoration only stays as it is: an empty key says nothing. So
	 * does one that was too much: half of the work would be another half the next time. */
	fg_buf_add_str(out, name.len && name.steps < FG_NAME_STEPS_MAX ? name.text : first);
}

void fg_normalise_name(const char *name, struct fg_buf *out)
{
	append(name, false, out);
}

void fg_normalise_source(const char *name, struct fg_buf *out)
{
	append(name, true, out);
}

void fg_normalise_templates(const char *name, struct fg_buf *out)
{
	struct fg_name text;

	take(name, false, &text);
	text.steps = 0;
	fg_name_strip_templates(&text);
	if (text.steps >= FG_NAME_STEPS_MAX)
		take(name, false, &text);
	fg_buf_add_str(out, text.text);
}
