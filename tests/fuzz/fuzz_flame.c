/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A foreign profile (any pprof that can be read) through everything that shows profiles: the svg
 * stays one well-formed page of bounded size, the JSON can be read again, rows add up.
 */
#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/format/json.h"
#include "gate/profile/pprof.h"
#include "gate/report/flame.h"
#include "gate/report/top.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SVG_BYTES_MAX = 2 << 20 };

static void need(bool holds)
{
	if (!holds)
		abort();
}

/* Outside of tags no '<' but a tag's, no '&' but an entity's, no control character. */
static void check_svg(const struct fg_buf *svg)
{
	size_t open = 0, closed = 0, scripts = 0;

	need(svg->len <= SVG_BYTES_MAX);
	for (const char *at = svg->data; *at; at++) {
		need((unsigned char)*at >= 0x20 || *at == '\n');
		open += strncmp(at, "<g ", 3) == 0;
		closed += strncmp(at, "</g>", 4) == 0;
		scripts += strncmp(at, "<script", 7) == 0;
	}
	need(open == closed && scripts == 1);
}

static void draw(const struct fg_bundle *bundle, const struct fg_bundle *base, struct fg_buf *out)
{
	const struct fg_flame_options options = {.phase = "all", .base = base, .search = "a"};
	struct fg_err err = {0};

	fg_buf_clear(out);
	if (fg_flame_svg(bundle, &options, out, &err) == 0)
		check_svg(out);
	else
		need(err.message[0]);
}

static void show(const struct fg_bundle *bundle, struct fg_buf *out)
{
	const struct fg_flame_options flame = {.phase = "all"};
	const struct fg_top_options options = {
		.phase = "all", .relative = "a", .callers = true, .search = "/./"};
	const struct fg_report_style style = {.width = 80};
	struct fg_top *top = NULL;
	struct fg_err err = {0};
	json_t *file = NULL;

	fg_buf_clear(out);
	if (fg_flame_speedscope(bundle, &flame, out, &err) == 0 &&
	    out->len < FG_JSON_BYTES_MAX / 8 && fg_json_parse(out->data, out->len, &file, &err))
		need(err.code == FG_E_LIMIT || strstr(err.message, "values"));
	json_decref(file);
	fg_buf_clear(out);
	if (fg_top_new(bundle->result, bundle->profile, &options, &top, &err))
		return;
	need(top->found_self <= top->cost->samples);
	FG_IGNORE(fg_top_text(top, &style, out, &err));
	FG_IGNORE(fg_top_json(top, out, &err));
	FG_IGNORE(fg_top_csv(top, out, &err));
	fg_top_free(top);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fg_bundle bundle = {0};
	struct fg_registry none;
	struct fg_err err = {0};
	struct fg_buf out;

	fg_registry_init(&none);
	if (fg_pprof_decode(data, size, &bundle.profile, &err) == 0 &&
	    fg_result_new(&none, &bundle.result, &err) == 0) {
		bundle.result->measured_ns = FG_NS_PER_S;
		fg_buf_init(&out, 64 << 20);
		draw(&bundle, NULL, &out);
		draw(&bundle, &bundle, &out);
		show(&bundle, &out);
		fg_buf_done(&out);
	}
	fg_registry_done(&none);
	fg_bundle_done(&bundle);
	return 0;
}
