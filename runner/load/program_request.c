/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/program_request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gate/base/str.h"

static const char encoding_line[] = "Accept-Encoding: gzip, deflate";

/* -- what kind of request it is --------------------------------------------------------------- */

static bool auth_is_constant(const struct fg_auth *auth)
{
	return auth->kind == FG_AUTH_NONE ||
	       (fg_template_is_constant(&auth->user) && fg_template_is_constant(&auth->password) &&
		fg_template_is_constant(&auth->session_token));
}

static bool step_is_constant(const struct fg_step_http *http)
{
	bool constant = fg_template_is_constant(&http->url) && auth_is_constant(&http->http.auth);

	for (size_t i = 0; i < http->header_count; i++)
		constant = constant && fg_template_is_constant(&http->headers[i].value);
	return constant && (!http->has_body || fg_template_is_constant(&http->body));
}

static bool has_header(const struct fg_step_http *http, const char *name)
{
	for (size_t i = 0; i < http->header_count; i++) {
		if (!strcasecmp(http->headers[i].name, name))
			return true;
	}
	return false;
}

static bool looks_into_body(enum fg_from from)
{
	return from == FG_FROM_BODY || from == FG_FROM_JSON || from == FG_FROM_REGEX ||
	       from == FG_FROM_SIZE;
}

static void note_condition(struct fg_program_request *request, const struct fg_condition *condition)
{
	if (looks_into_body(condition->from))
		request->want_body = true;
	if (condition->test != FG_TEST_STATUS)
		request->status_only = false;
}

static void note_looks(struct fg_program_request *request)
{
	const struct fg_step_http *http = request->http;

	request->status_only = true;
	request->want_body = http->wants_body;
	for (size_t i = 0; i < http->check_count; i++)
		note_condition(request, &http->checks[i].condition);
	for (size_t i = 0; i < http->expect_count; i++)
		note_condition(request, &http->expects[i]);
	for (size_t i = 0; i < http->capture_count; i++) {
		request->status_only = false;
		if (looks_into_body(http->captures[i].from))
			request->want_body = true;
	}
}

/* A line break in a header would start a header of its own, or the body. Values of expressions are
 * refused when they are rendered (FG_ESCAPE_HEADER). */
static int check_headers(const struct fg_step_http *http, struct fg_err *err)
{
	for (size_t i = 0; i < http->header_count; i++) {
		const struct fg_header *header = &http->headers[i];
		bool bad = !header->name || !*header->name || strpbrk(header->name, "\r\n: ");

		for (size_t p = 0; !bad && p < header->value.part_count; p++) {
			const struct fg_template_part *part = &header->value.parts[p];

			bad = part->kind == FG_PART_TEXT && (memchr(part->text, '\r', part->len) ||
							     memchr(part->text, '\n', part->len) ||
							     memchr(part->text, '\0', part->len));
		}
		if (bad)
			return fg_err_set(err, FG_E_INVALID,
					  "header \"%s\": name or value cannot be sent",
					  header->name ? header->name : "");
	}
	return 0;
}

/* -- the URL ----------------------------------------------------------------------------------- */

static bool is_absolute(const char *url)
{
	return fg_str_starts_with(url, "http://") || fg_str_starts_with(url, "https://");
}

static int copy_prefix(const char *target_url, bool slash, char **ret, struct fg_err *err)
{
	size_t len = strlen(target_url);
	char *prefix;

	while (len > 8 && target_url[len - 1] == '/')
		len--;
	prefix = malloc(len + 2);
	if (!prefix)
		return fg_err_nomem(err);
	memcpy(prefix, target_url, len);
	memcpy(prefix + len, slash ? "/" : "", slash ? 2 : 1);
	*ret = prefix;
	return 0;
}

/* Relative step URLs are appended to the target's URL, so that a path in it is kept. */
static int make_prefix(struct fg_program_request *request, const char *target_url,
		       struct fg_err *err)
{
	const struct fg_step_http *http = request->http;
	const bool text = http->url.part_count && http->url.parts[0].kind == FG_PART_TEXT;
	const char *first = text ? http->url.parts[0].text : "";
	const bool target = target_url && is_absolute(target_url);

	request->maybe_absolute = http->url.part_count && !text;
	if (is_absolute(first) || (request->maybe_absolute && !target))
		return fg_str_dup("", &request->url_prefix, err);
	if (!target)
		return fg_err_set(err, FG_E_INVALID,
				  "step \"%s\": its URL is relative and the target has none; "
				  "set target.url to an http:// or https:// address",
				  http->name ? http->name : first);
	return copy_prefix(target_url,
			   !request->maybe_absolute && first[0] != '/' && first[0] != '?',
			   &request->url_prefix, err);
}

/* The URL began with an expression and is now known: puts the prefix in front if it is relative. */
static int complete_url(const struct fg_program_request *request, struct fg_buf *url,
			struct fg_arena *arena, struct fg_err *err)
{
	char *relative;

	if (!url->data || is_absolute(url->data))
		return 0;
	if (!*request->url_prefix)
		return fg_err_set(err, FG_E_INVALID,
				  "its URL \"%.200s\" is relative and the target has none",
				  url->data);
	relative = fg_arena_copy(arena, url->data, url->len);
	if (!relative)
		return fg_err_set(err, FG_E_LIMIT, "its URL is too long");
	fg_buf_clear(url);
	fg_buf_add_str(url, request->url_prefix);
	if (*relative != '/' && *relative != '?')
		fg_buf_add_char(url, '/');
	fg_buf_add_str(url, relative);
	return 0;
}

static int render_url(const struct fg_program_request *request, const struct fg_expr_env *env,
		      struct fg_buf *url, struct fg_err *err)
{
	int rc;

	fg_buf_clear(url);
	if (!request->maybe_absolute)
		fg_buf_add_str(url, request->url_prefix);
	rc = fg_template_expand(&request->http->url, env, url, err);
	if (!rc && request->maybe_absolute)
		rc = complete_url(request, url, env->arena, err);
	return rc ? rc : fg_buf_check(url, err);
}

/* -- headers, body, credentials ------------------------------------------------------------------
 */

static int render_headers(const struct fg_program_request *request, const struct fg_expr_env *env,
			  struct fg_program_scratch *to, struct fg_err *err)
{
	const struct fg_step_http *http = request->http;
	size_t offset = 0;
	int rc;

	fg_buf_clear(&to->header_text);
	for (size_t i = 0; i < http->header_count; i++) {
		const struct fg_template *value = &http->headers[i].value;

		fg_buf_add_str(&to->header_text, http->headers[i].name);
		/* curl's spelling for a header without a value */
		fg_buf_add_str(&to->header_text, value->part_count ? ": " : ";");
		rc = fg_template_expand(value, env, &to->header_text, err);
		if (rc)
			return fg_err_wrap(err, "header %s", http->headers[i].name);
		fg_buf_add_char(&to->header_text, '\0');
	}
	rc = fg_buf_check(&to->header_text, err);
	if (rc)
		return fg_err_wrap(err, "headers");
	for (size_t i = 0; i < http->header_count; i++) {
		to->headers[i] = to->header_text.data + offset;
		offset += strlen(to->headers[i]) + 1;
	}
	if (request->add_encoding)
		to->headers[http->header_count] = encoding_line;
	return 0;
}

static int render_auth(const struct fg_auth *auth, const struct fg_expr_env *env,
		       struct fg_program_scratch *to, struct fg_err *err)
{
	const struct fg_template *parts[] = {&auth->user, &auth->password, &auth->session_token};
	size_t at[FG_ARRAY_LEN(parts)];
	int rc;

	fg_buf_clear(&to->auth_text);
	for (size_t i = 0; i < FG_ARRAY_LEN(parts); i++) {
		at[i] = to->auth_text.len;
		rc = fg_template_expand(parts[i], env, &to->auth_text, err);
		if (rc)
			return fg_err_wrap(err, "auth");
		fg_buf_add_char(&to->auth_text, '\0');
	}
	rc = fg_buf_check(&to->auth_text, err);
	if (rc)
		return fg_err_wrap(err, "auth");
	to->auth = (struct fg_engine_auth){
		.kind = auth->kind,
		.user = to->auth_text.data + at[0],
		.password = to->auth_text.data + at[1],
		.session_token = auth->session_token.part_count ? to->auth_text.data + at[2] : NULL,
		.sigv4_region = auth->sigv4_region,
		.sigv4_service = auth->sigv4_service,
	};
	return 0;
}

static int render(const struct fg_program_request *request, const struct fg_expr_env *env,
		  struct fg_program_scratch *to, struct fg_err *err)
{
	const struct fg_step_http *http = request->http;
	int rc = render_url(request, env, &to->url, err);

	if (!rc && http->has_body) {
		fg_buf_clear(&to->body);
		fg_buf_add_str(&to->body, "");
		rc = fg_template_expand(&http->body, env, &to->body, err);
		if (!rc)
			rc = fg_buf_check(&to->body, err);
		if (rc)
			(void)fg_err_wrap(err, "body");
	}
	if (!rc)
		rc = render_headers(request, env, to, err);
	if (!rc && http->http.auth.kind != FG_AUTH_NONE)
		rc = render_auth(&http->http.auth, env, to, err);
	return rc;
}

int fg_program_render(const struct fg_program_request *request, const struct fg_expr_env *env,
		      struct fg_program_scratch *scratch, struct fg_engine_request *ret,
		      struct fg_err *err)
{
	const struct fg_step_http *http = request->http;
	const struct fg_program_scratch *from = &request->fixed;

	if (!request->constant) {
		int rc = render(request, env, scratch, err);

		if (rc)
			return rc;
		from = scratch;
	}
	ret->constant_key = request->constant ? request : NULL;
	ret->method = http->method;
	ret->url = from->url.data;
	ret->headers = from->headers;
	ret->header_count = request->header_count;
	ret->body = http->has_body ? from->body.data : NULL;
	ret->body_len = http->has_body ? from->body.len : 0;
	ret->http = &http->http;
	ret->auth = http->http.auth.kind == FG_AUTH_NONE ? NULL : &from->auth;
	ret->want_body = request->want_body;
	return 0;
}

/* -- memory ------------------------------------------------------------------------------------ */

static int scratch_init(struct fg_program_scratch *scratch, size_t headers, struct fg_err *err)
{
	fg_buf_init(&scratch->url, FG_PROGRAM_URL_MAX);
	fg_buf_init(&scratch->body, FG_PROGRAM_BODY_MAX);
	fg_buf_init(&scratch->header_text, FG_PROGRAM_HEADERS_MAX);
	fg_buf_init(&scratch->auth_text, FG_PROGRAM_HEADERS_MAX);
	scratch->headers = calloc(headers + 1, sizeof(*scratch->headers));
	return scratch->headers ? 0 : fg_err_nomem(err);
}

int fg_program_scratch_init(struct fg_program_scratch *scratch, const struct fg_program *program,
			    struct fg_err *err)
{
	return scratch_init(scratch, program->headers_max, err);
}

void fg_program_scratch_done(struct fg_program_scratch *scratch)
{
	fg_buf_done(&scratch->url);
	fg_buf_done(&scratch->body);
	fg_buf_done(&scratch->header_text);
	fg_buf_done(&scratch->auth_text);
	free(scratch->headers);
	scratch->headers = NULL;
}

/* With an env that knows nothing: what is constant asks for nothing, but functions that are folded
 * when rendered may need memory. */
static int render_fixed(struct fg_program_request *request, struct fg_err *err)
{
	struct fg_arena arena;
	const struct fg_expr_env env = {.arena = &arena};
	int rc;

	fg_arena_init(&arena, FG_PROGRAM_BODY_MAX);
	rc = render(request, &env, &request->fixed, err);
	fg_arena_done(&arena);
	return rc;
}

int fg_program_request_init(struct fg_program_request *request, const struct fg_step *step,
			    const char *target_url, struct fg_err *err)
{
	const struct fg_step_http *http = &step->http;
	int rc;

	request->step = step;
	request->http = http;
	request->class_index = FG_INDEX_NONE;
	note_looks(request);
	request->own_cookie = has_header(http, "Cookie");
	request->add_encoding = http->http.compression && !has_header(http, "Accept-Encoding");
	request->header_count = http->header_count + (request->add_encoding ? 1 : 0);
	if ((rc = check_headers(http, err)) || (rc = make_prefix(request, target_url, err)) ||
	    (rc = scratch_init(&request->fixed, request->header_count, err)))
		return rc;
	request->constant = step_is_constant(http);
	return request->constant ? render_fixed(request, err) : 0;
}

void fg_program_request_done(struct fg_program_request *request)
{
	free(request->check_indices);
	free(request->url_prefix);
	fg_program_scratch_done(&request->fixed);
}
