/* SPDX-License-Identifier: Apache-2.0 */
/* Names that run times make: Go, Java, V8 and other JIT compilers, interpreters. */
#include <string.h>

#include "gate/profile/normalise.h"
#include "gate/profile/normalise_internal.h"

static void strip_digits(struct fg_name *name, size_t at)
{
	fg_name_erase(name, at, fg_name_digits(name, at));
}

/* ".func1.2" and ".gowrap3" → ".func", ".gowrap": their numbers count all closures of a function.
 */
static void strip_go_closures(struct fg_name *name)
{
	static const char *const words[] = {".func", ".gowrap", ".deferwrap", "-range"};

	for (size_t at = 1; at < name->len; at++) {
		for (size_t i = 0; i < FG_ARRAY_LEN(words); i++) {
			size_t digits_at = at + strlen(words[i]);

			if (!fg_name_starts(name, at, words[i]))
				continue;
			size_t digits = fg_name_digits(name, digits_at);

			if (!digits || fg_name_is_word(name->text[digits_at + digits]))
				continue;
			fg_name_erase(name, digits_at, digits);
			while (name->text[digits_at] == '.' &&
			       (digits = fg_name_digits(name, digits_at + 1)) > 0 &&
			       !fg_name_is_word(name->text[digits_at + 1 + digits]))
				fg_name_erase(name, digits_at, digits + 1);
		}
	}
}

/* The length of a Go import path at the start ("github.com/x/y/v2.F"): a host with a dot before
 * the first slash; 0 if there is none. */
static size_t go_path(const struct fg_name *name)
{
	size_t host = strcspn(name->text, "/ (<[:");

	if (name->text[host] != '/' || !memchr(name->text, '.', host))
		return 0;
	size_t end = strcspn(name->text, " (<[:");

	while (end && name->text[end - 1] != '/')
		end--;
	/* the last element: up to the dot before the function */
	return end + strcspn(name->text + end, " (<[:");
}

/* Major and exact versions inside an import path: "/v2", ".v3", "%2ev3" and "@v1.2.3". */
static void strip_go_versions(struct fg_name *name)
{
	static const char *const marks[] = {"/v", ".v", "%2ev", "@v"};

	size_t path = go_path(name);

	for (size_t at = 1; at < path; at++) {
		for (size_t i = 0; i < FG_ARRAY_LEN(marks); i++) {
			size_t digits_at = at + strlen(marks[i]);

			if (!fg_name_starts(name, at, marks[i]))
				continue;
			size_t len = fg_name_digits(name, digits_at);
			char after = name->text[digits_at + len];

			if (!len || (after != '.' && after != '/' && after != '@'))
				continue;
			if (name->text[at] == '@')
				len = strcspn(name->text + digits_at, "/ (<[");
			fg_name_erase(name, at, digits_at - at + len);
			path = go_path(name);
		}
	}
}

/* "_cgo_d0a8147841cf_Cfunc_f" → "_cgo_Cfunc_f": a hash of the package's C code. */
static void strip_cgo_hash(struct fg_name *name)
{
	enum { HASH_LEN = 12 };
	static const char *const starts[] = {"_cgo_", "_cgoexp_"};

	for (size_t i = 0; i < FG_ARRAY_LEN(starts); i++) {
		size_t at = strlen(starts[i]);

		if (fg_name_starts(name, 0, starts[i]) && fg_name_hex(name, at) == HASH_LEN &&
		    name->text[at + HASH_LEN] == '_')
			fg_name_erase(name, at, HASH_LEN + 1);
	}
}

void fg_name_strip_go(struct fg_name *name)
{
	strip_cgo_hash(name);
	if (!name->source)
		strip_go_closures(name);
	strip_go_versions(name);
}

/* Everything up to the class's next part: "$14/0x00007f0001", "/0x…", ".0x…", "+0x…". */
static void strip_java_lambda(struct fg_name *name, size_t at)
{
	if (name->text[at] == '$')
		fg_name_erase(name, at, 1 + fg_name_digits(name, at + 1));
	if (name->text[at] && strchr("/.+", name->text[at]) && fg_name_starts(name, at + 1, "0x"))
		fg_name_erase(name, at, 3 + fg_name_hex(name, at + 3));
}

void fg_name_strip_java(struct fg_name *name)
{
	static const char *const classes[] = {"$$Lambda", "LambdaForm$MH", "LambdaForm$DMH",
					      "LambdaForm$BMH"};
	static const char *const numbered[] = {"$Proxy",
					       "jdk.proxy",
					       "jdk/proxy",
					       "GeneratedMethodAccessor",
					       "GeneratedConstructorAccessor",
					       "GeneratedSerializationConstructorAccessor"};

	for (size_t at = 0; at < name->len; at++) {
		for (size_t i = 0; i < FG_ARRAY_LEN(classes); i++) {
			if (fg_name_starts(name, at, classes[i]))
				strip_java_lambda(name, at + strlen(classes[i]));
		}
		for (size_t i = 0; i < FG_ARRAY_LEN(numbered); i++) {
			if (fg_name_starts(name, at, numbered[i]))
				strip_digits(name, at + strlen(numbered[i]));
		}
		if (name->source || !fg_name_starts(name, at, "lambda$"))
			continue;
		/* lambda$main$0 */
		size_t end = at + strlen("lambda$");

		while (fg_name_is_word(name->text[end]))
			end++;
		if (name->text[end] == '$' && fg_name_digits(name, end + 1))
			fg_name_erase(name, end, 1 + fg_name_digits(name, end + 1));
	}
}

/* V8 says how a function was compiled in its prefix and in a mark before its name; both change
 * while it runs. Returns true if the name is V8's. */
static bool strip_v8(struct fg_name *name)
{
	static const char *const prefixes[] = {
		"JS:", "LazyCompile:", "Function:", "Script:", "Eval:"};

	for (size_t i = 0; i < FG_ARRAY_LEN(prefixes); i++) {
		size_t len = strlen(prefixes[i]);

		if (!fg_name_starts(name, 0, prefixes[i]))
			continue;
		if (name->text[len] && strchr("~*^+", name->text[len]))
			fg_name_erase(name, len, 1);
		if (i == 1 || i == 2)
			fg_name_replace(name, 0, len, prefixes[0]);
		return true;
	}
	return fg_name_starts(name, 0, "RegExp:");
}

/* "name file.js:10:5" → "name file.js": lines move with every edit above them. */
static void strip_place(struct fg_name *name)
{
	size_t dot_at = 0;

	for (size_t i = 0; i < name->len; i++) {
		char c = name->text[i];

		if (c == '.' || c == '/')
			dot_at = i + 1;
		if (c == ' ' || c == '(')
			dot_at = 0;
		if (c != ':' || !dot_at || dot_at == i)
			continue;
		size_t len = 0;

		while (name->text[i + len] == ':' && fg_name_digits(name, i + len + 1))
			len += 1 + fg_name_digits(name, i + len + 1);
		char after = name->text[i + len];

		if (len && (!after || after == ' ' || after == ')'))
			fg_name_erase(name, i, len);
	}
}

/* Hex addresses and content hashes; see the caller for which runs count. */
static void strip_hex(struct fg_name *name, bool plain)
{
	enum { HEX_MIN = 6 };

	for (size_t at = 0; at < name->len; at++) {
		if (at && fg_name_is_word(name->text[at - 1]) && name->text[at - 1] != '_')
			continue;
		bool marked = fg_name_starts(name, at, "0x");
		size_t from = at + (marked ? 2 : 0);
		size_t len = fg_name_hex(name, from);
		char after = name->text[from + len];

		if (len < HEX_MIN || (fg_name_is_word(after) && after != '_'))
			continue;
		/* MODULE+0xHEX names unnamed code; without the number nothing would be left. */
		if (marked && at && strchr("+!", name->text[at - 1]))
			continue;
		if (marked || (plain && strcspn(name->text + from, "0123456789") < len))
			fg_name_erase(name, from, len);
	}
}

void fg_name_strip_jit(struct fg_name *name)
{
	static const char *const starts[] = {"Stub:", "stub",  "jit",   "JIT",
					     "anon",  "[anon", "//anon"};
	bool jit = strip_v8(name) || strstr(name->text, "$$") || strstr(name->text, "memfd:");

	for (size_t i = 0; i < FG_ARRAY_LEN(starts); i++)
		jit = jit || fg_name_starts(name, 0, starts[i]);
	strip_place(name);
	/* Elsewhere ed25519 and the like are names, so only 0x… is taken for an address. */
	strip_hex(name, jit);
}

/* The last two parts: what stands before them is where this machine has it. */
static const char *end_of_path(const char *file)
{
	const char *end = file + strlen(file);
	unsigned slashes = 0;

	while (end > file && (end[-1] != '/' || ++slashes < 2))
		end--;
	return end;
}

/* Behind the brace that closes the one at `open`; NULL if there is none. */
static const char *behind_brace(const char *open)
{
	unsigned depth = 0;

	for (const char *c = open; *c; c++) {
		depth += *c == '{';
		if (*c == '}' && --depth == 0)
			return c + 1;
	}
	return NULL;
}

void fg_normalise_script(const char *name, const char *file, struct fg_buf *out)
{
	static const char closure[] = "{closure:";
	const char *at;

	/* PHP 8.4 writes where a closure stands into its name: "{closure:/srv/a.php:12}". */
	while ((at = strstr(name, closure))) {
		const char *behind = behind_brace(at);

		if (!behind)
			break;
		fg_buf_add(out, name, (size_t)(at - name) + sizeof(closure) - 2);
		fg_buf_add_char(out, '}');
		name = behind;
	}
	fg_buf_add_str(out, name);
	if (!file[0])
		return;
	fg_buf_add_char(out, ' ');
	fg_buf_add_str(out, end_of_path(file));
}
