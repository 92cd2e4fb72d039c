/* SPDX-License-Identifier: Apache-2.0 */
/* Drawing the tree: which nodes, where, in what colour, with what text; the page around them. */
#include "gate/report/flame_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"
#include "gate/profile/name_pattern.h"
#include "gate/profile/view.h"
#include "gate/report/report_internal.h"

enum {
	ROW_PX = 17,
	MARGIN_PX = 10,
	HEAD_PX = 74,
	FOOT_PX = 48,
	NAME_CHARS_MAX = 240,
	FILE_CHARS_MAX = 120,
	NODES_DRAWN_MAX = 12000,
	BYTES_MAX = 1900 << 10,  /* of all frames together */
	BYTES_PER_FRAME = 330,   /* what a frame takes besides its texts, at most */
	SVG_BYTES_MAX = 8 << 20, /* stops a bug, not a user */
};

static const double char_px = 7.25, narrowest_px = 0.3;

struct drawing {
	const struct fg_bundle *bundle;
	const struct fg_flame_options *options;
	const struct fg_flame_tree *tree;
	struct fg_name_pattern *pattern;
	struct fg_buf *out;
	unsigned width, height;
	bool *drawn; /* per node */
	size_t left_out;
	uint32_t depth;        /* of the deepest drawn */
	double sample_ns;      /* per unit; < 0 unknown */
	double base_sample_ns; /* the same of the base */
	const char *unit;
	double widest_difference; /* of drawn nodes below the root, in ns or share */
	bool kinds[FG_FLAME_KIND_COUNT];
};

/* -- text ---------------------------------------------------------------------------------------
 */

/* Not allowed in XML, or changing how the text around it reads. */
static bool is_refused(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069) || c == 0xfffe || c == 0xffff;
}

static uint32_t code_point(const char *text, size_t bytes)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t c = bytes == 1 ? s[0] : s[0] & (0x7fu >> bytes);

	for (size_t i = 1; i < bytes; i++)
		c = c << 6 | (s[i] & 0x3fu);
	return c;
}

void fg_flame_escape(const char *text, size_t max_chars, struct fg_buf *out)
{
	for (size_t chars = 0; *text; chars++) {
		size_t bytes = fg_utf8_len(text);

		if (chars == max_chars) {
			fg_buf_add_str(out, "…");
			return;
		}
		if (!bytes || is_refused(code_point(text, bytes)))
			fg_buf_add_char(out, '?');
		else if (*text == '<')
			fg_buf_add_str(out, "&lt;");
		else if (*text == '>')
			fg_buf_add_str(out, "&gt;");
		else if (*text == '&')
			fg_buf_add_str(out, "&amp;");
		else if (*text == '"')
			fg_buf_add_str(out, "&quot;");
		else if (*text == '\'')
			fg_buf_add_str(out, "&#39;");
		else
			fg_buf_add(out, text, bytes);
		text += bytes ? bytes : 1;
	}
}

static const struct fg_flame_frame *frame_of(const struct drawing *d,
					     const struct fg_flame_node *node)
{
	return &d->tree->frames[node->frame];
}

/* -- which nodes --------------------------------------------------------------------------------
 */

struct candidate {
	uint64_t total;
	size_t node;
};

/* The widest first; of equal ones the nearer to the root, so that parents come before children. */
static int by_width(const void *left, const void *right)
{
	const struct candidate *a = left;
	const struct candidate *b = right;

	if (a->total != b->total)
		return a->total > b->total ? -1 : 1;
	return (a->node > b->node) - (a->node < b->node);
}

/* Escaped text may be six times as long as it was. */
static size_t bytes_of(const struct drawing *d, const struct fg_flame_node *node)
{
	const struct fg_flame_frame *frame = frame_of(d, node);
	size_t name = FG_MIN(strlen(frame->name), (size_t)4 * NAME_CHARS_MAX);
	size_t file = FG_MIN(strlen(frame->filename), (size_t)4 * FILE_CHARS_MAX);
	size_t module = FG_MIN(strlen(frame->module), (size_t)4 * FILE_CHARS_MAX);

	return BYTES_PER_FRAME + 2 * name + file + module;
}

static int choose_nodes(struct drawing *d, struct fg_err *err)
{
	const struct fg_flame_tree *tree = d->tree;
	double px_per_sample =
		(double)(d->width - 2 * MARGIN_PX) / (double)FG_MAX(tree->samples, 1u);
	FG_AUTO_FREE struct candidate *order = calloc(tree->node_count + 1, sizeof(*order));
	size_t bytes = 0, count = 0;

	d->drawn = calloc(tree->node_count + 1, sizeof(*d->drawn));
	if (!order || !d->drawn)
		return fg_err_nomem(err);
	for (size_t i = 0; i < tree->node_count; i++)
		order[i] = (struct candidate){tree->nodes[i].total, i};
	qsort(order, tree->node_count, sizeof(*order), by_width);
	for (; count < tree->node_count && count < NODES_DRAWN_MAX; count++) {
		const struct fg_flame_node *node = &tree->nodes[order[count].node];

		bytes += bytes_of(d, node);
		if ((double)node->total * px_per_sample < narrowest_px || bytes > BYTES_MAX)
			break;
		d->drawn[order[count].node] = true;
		d->depth = FG_MAX(d->depth, node->depth);
		d->kinds[frame_of(d, node)->kind] = true;
	}
	for (size_t i = count; i < tree->node_count; i++)
		d->left_out += tree->nodes[order[i].node].total > 0;
	return 0;
}

/* -- differences --------------------------------------------------------------------------------
 */

/* CPU per request (or second), or where that is not known the share of all samples. */
static double worth(const struct drawing *d, const struct fg_flame_node *node, bool base)
{
	uint64_t samples = base ? d->tree->base_samples : d->tree->samples;
	double count = (double)(base ? node->base_total : node->total);

	if (d->sample_ns >= 0 && d->base_sample_ns >= 0)
		return count * (base ? d->base_sample_ns : d->sample_ns);
	return samples ? count / (double)samples : 0;
}

static double difference(const struct drawing *d, const struct fg_flame_node *node)
{
	return worth(d, node, false) - worth(d, node, true);
}

static void find_widest_difference(struct drawing *d)
{
	for (size_t i = 1; i < d->tree->node_count; i++)
		if (d->drawn[i])
			d->widest_difference =
				fmax(d->widest_difference, fabs(difference(d, &d->tree->nodes[i])));
}

/* -- frames -------------------------------------------------------------------------------------
 */

static void add_worth(const struct drawing *d, double value, struct fg_buf *out)
{
	char text[FG_NUM_TEXT_MAX];
	const char *sign = value < 0 ? "−" : "";

	if (d->sample_ns >= 0 && (!d->options->base || d->base_sample_ns >= 0))
		fg_buf_addf(out, "%s%s", sign, fg_num_format_ns(fabs(value), text));
	else
		fg_buf_addf(out, "%s%.2f %%", sign, 100 * fabs(value));
}

static void add_difference(const struct drawing *d, const struct fg_flame_node *node,
			   struct fg_buf *out)
{
	double change = difference(d, node);

	fg_buf_add_str(out, "\nbase ");
	add_worth(d, worth(d, node, true), out);
	fg_buf_add_str(out, " → ");
	add_worth(d, worth(d, node, false), out);
	fg_buf_add_str(out, change >= 0 ? " (+" : " (");
	add_worth(d, change, out);
	fg_buf_add_char(out, ')');
}

/* First line the name, which the script takes from here. */
static void add_title(const struct drawing *d, const struct fg_flame_node *node, struct fg_buf *out)
{
	const struct fg_flame_frame *frame = frame_of(d, node);
	double all = (double)FG_MAX(d->tree->samples, 1u);
	char text[FG_NUM_TEXT_MAX];

	fg_buf_add_str(out, "<title>");
	fg_flame_escape(frame->name, NAME_CHARS_MAX, out);
	if (node->depth > 0) {
		fg_buf_addf(out, "\n%s%s", fg_flame_kind_name(frame->kind),
			    frame->guessed ? ", found by a guess" : "");
		fg_buf_add_str(out, *frame->module ? ", " : "");
		fg_flame_escape(frame->module, FILE_CHARS_MAX, out);
		fg_buf_add_str(out, *frame->filename ? ", " : "");
		fg_flame_escape(frame->filename, FILE_CHARS_MAX, out);
		if (frame->line)
			fg_buf_addf(out, ":%u", frame->line);
	}
	fg_buf_add_char(out, '\n');
	fg_report_amount(d->bundle->profile, node->total, out);
	fg_buf_addf(out, ", %.2f %%", 100.0 * (double)node->total / all);
	if (node->self && node->self != node->total)
		fg_buf_addf(out, " (self %.2f %%)", 100.0 * (double)node->self / all);
	if (d->sample_ns >= 0)
		fg_buf_addf(out, ", %s per %s",
			    fg_num_format_ns((double)node->total * d->sample_ns, text), d->unit);
	if (d->options->base)
		add_difference(d, node, out);
	fg_buf_add_str(out, "</title>");
}

static void add_frame(const struct drawing *d, const struct fg_flame_node *node)
{
	const struct fg_flame_frame *frame = frame_of(d, node);
	double scale = (double)(d->width - 2 * MARGIN_PX) / (double)FG_MAX(d->tree->samples, 1u);
	double x = MARGIN_PX + (double)node->start * scale;
	double width = (double)node->total * scale;
	unsigned row = d->options->inverted ? node->depth : d->depth - node->depth;
	unsigned y = HEAD_PX + row * ROW_PX;
	int room = (int)((width - 6) / char_px);
	bool hit = node->depth && fg_name_pattern_matches(d->pattern, frame->name);
	char colour[8];

	if (d->options->base && d->widest_difference > 0 && node->depth)
		fg_flame_difference_colour(difference(d, node) / d->widest_difference, colour);
	else if (d->options->base)
		fg_flame_difference_colour(0, colour);
	else
		fg_flame_colour(frame->kind, frame->module, frame->name, colour);
	fg_buf_addf(d->out, "<g class=\"f%s\" data-d=\"%u\">", hit ? " hit" : "", node->depth);
	add_title(d, node, d->out);
	fg_buf_addf(d->out,
		    "<rect x=\"%.3f\" y=\"%u\" width=\"%.3f\" height=\"%u\" rx=\"1\" "
		    "fill=\"%s\"/>",
		    x, y, width, ROW_PX - 1, colour);
	if (room >= 3) {
		size_t chars = 0;

		for (const char *c = frame->name; *c; c++)
			chars += ((unsigned char)*c & 0xc0) != 0x80;
		fg_buf_addf(d->out, "<text x=\"%.2f\" y=\"%u.5\">", x + 3, y + 12);
		fg_flame_escape(frame->name, chars <= (size_t)room ? chars : (size_t)room - 1,
				d->out);
		fg_buf_add_str(d->out, "</text>");
	}
	fg_buf_add_str(d->out, "</g>\n");
}

/* -- the page -----------------------------------------------------------------------------------
 */

static void add_text(struct drawing *d, const char *id, const char *class, unsigned x, unsigned y,
		     const struct fg_buf *text)
{
	fg_buf_add_str(d->out, "<text");
	if (id)
		fg_buf_addf(d->out, " id=\"%s\"", id);
	fg_buf_addf(d->out, " class=\"%s\" x=\"%u\" y=\"%u\">", class, x, y);
	fg_flame_escape(text->data ? text->data : "", d->width / 7, d->out);
	fg_buf_add_str(d->out, "</text>\n");
}

static void add_subject(const struct drawing *d, struct fg_buf *title, struct fg_buf *facts)
{
	const struct fg_result *result = d->bundle->result;
	const struct fg_flame_tree *tree = d->tree;
	char text[FG_NUM_TEXT_MAX];

	fg_buf_add_str(title, result->name && *result->name ? result->name : "profile");
	if (d->options->endpoint)
		fg_buf_addf(title, " · %s", d->options->endpoint);
	if (d->options->base)
		fg_buf_addf(title, " · compared with %s", d->options->base->result->id);
	fg_buf_addf(facts, "%s · ", result->id);
	fg_report_amount(d->bundle->profile, tree->samples, facts);
	if (d->sample_ns >= 0)
		fg_buf_addf(facts, " · %s of %s per %s",
			    fg_num_format_ns((double)tree->samples * d->sample_ns, text),
			    fg_report_type_of(d->bundle->profile)->noun, d->unit);
	if (d->bundle->profile->type == FG_PROFILE_CPU && result->profile.frequency_hz)
		fg_buf_addf(facts, " · %u Hz · %.2f %% complete, %s lost",
			    result->profile.frequency_hz,
			    100 * fg_profile_info_complete_share(&result->profile),
			    fg_num_format_count(result->profile.lost, text));
	if (d->left_out)
		fg_buf_addf(facts, " · %s frames too narrow to draw",
			    fg_num_format_count(d->left_out, text));
}

static int add_head(struct drawing *d, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf title = {.max = 1 << 16};
	FG_AUTO_BUF struct fg_buf facts = {.max = 1 << 16};

	add_subject(d, &title, &facts);
	int rc = fg_buf_check(&title, err);

	if (rc == 0)
		rc = fg_buf_check(&facts, err);
	if (rc)
		return rc;
	fg_buf_addf(d->out,
		    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" "
		    "viewBox=\"0 0 %u %u\" role=\"group\" aria-labelledby=\"t\">\n<title id=\"t\">",
		    d->width, d->height, d->width, d->height);
	fg_flame_escape(title.data ? title.data : "", NAME_CHARS_MAX, d->out);
	fg_buf_addf(d->out,
		    ", flame graph</title>\n<style>\n%s</style>\n"
		    "<rect class=\"bg\" width=\"100%%\" height=\"100%%\"/>\n",
		    fg_flame_css);
	add_text(d, NULL, "ui title", MARGIN_PX, 24, &title);
	add_text(d, NULL, "ui dim", MARGIN_PX, 42, &facts);
	return 0;
}

/* What only a script can do is hidden where none runs. */
static void add_controls(const struct drawing *d)
{
	fg_buf_addf(d->out,
		    "<g id=\"controls\" class=\"off\">"
		    "<foreignObject x=\"%u\" y=\"48\" width=\"260\" height=\"24\">"
		    "<input xmlns=\"http://www.w3.org/1999/xhtml\" id=\"search\" type=\"search\" "
		    "placeholder=\"search (Ctrl-F, /)\" aria-label=\"search functions\" "
		    "autocomplete=\"off\" spellcheck=\"false\"/></foreignObject>"
		    "<text id=\"matched\" class=\"ui\" x=\"%u\" y=\"64\" "
		    "aria-live=\"polite\"></text>"
		    "<text id=\"reset\" class=\"ui button off\" x=\"%u\" y=\"64\" role=\"button\" "
		    "tabindex=\"0\" text-anchor=\"end\">zoom out (Esc)</text></g>\n",
		    MARGIN_PX, MARGIN_PX + 270, d->width - MARGIN_PX);
}

static void add_legend(const struct drawing *d)
{
	static const char *const difference_texts[] = {"less than base", "the same",
						       "more than base"};
	unsigned x = MARGIN_PX, y = d->height - 20;
	char colour[8];

	for (int i = 0; i < (d->options->base ? 3 : FG_FLAME_KIND_COUNT); i++) {
		const char *text = d->options->base ? difference_texts[i]
						    : fg_flame_kind_name((enum fg_flame_kind)i);

		if (!d->options->base && (i == FG_FLAME_ALL || !d->kinds[i]))
			continue;
		if (d->options->base)
			fg_flame_difference_colour(i - 1, colour);
		else
			fg_flame_colour((enum fg_flame_kind)i, "", "", colour);
		fg_buf_addf(d->out,
			    "<rect x=\"%u\" y=\"%u\" width=\"12\" height=\"12\" fill=\"%s\"/>"
			    "<text class=\"ui dim\" x=\"%u\" y=\"%u\">%s</text>\n",
			    x, y, colour, x + 17, y + 10, text);
		x += 17 + (unsigned)(char_px * (double)strlen(text)) + 18;
	}
}

static void add_frames(struct drawing *d)
{
	const char *search = d->options->search;

	fg_buf_addf(d->out,
		    "<g id=\"frames\" data-x=\"%u\" data-width=\"%u\" data-inverted=\"%u\" "
		    "data-search=\"",
		    MARGIN_PX, d->width - 2 * MARGIN_PX, d->options->inverted ? 1u : 0u);
	fg_flame_escape(search ? search : "", NAME_CHARS_MAX, d->out);
	fg_buf_add_str(d->out, "\">\n");
	for (size_t i = 0; i < d->tree->node_count; i++)
		if (d->drawn[i])
			add_frame(d, &d->tree->nodes[i]);
	fg_buf_add_str(d->out, "</g>\n");
}

static int draw(struct drawing *d, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf none = {.max = 1};
	int rc = choose_nodes(d, err);

	if (rc)
		return rc;
	if (d->options->base)
		find_widest_difference(d);
	d->height = HEAD_PX + (d->depth + 1) * ROW_PX + FOOT_PX;
	rc = add_head(d, err);
	if (rc)
		return rc;
	add_controls(d);
	add_frames(d);
	add_text(d, "info", "ui", MARGIN_PX, d->height - 30, &none);
	add_legend(d);
	fg_buf_addf(d->out, "<script><![CDATA[\n%s]]></script>\n</svg>\n", fg_flame_script);
	return fg_buf_check(d->out, err);
}

/* -- what is drawn ------------------------------------------------------------------------------
 */

static const char *phase_of(const struct fg_flame_options *options)
{
	if (!options->phase)
		return "measure";
	return strcmp(options->phase, "all") == 0 ? NULL : options->phase;
}

int fg_flame_view(const struct fg_bundle *bundle, const struct fg_flame_options *options,
		  struct fg_profile *ret, struct fg_err *err)
{
	const struct fg_result *result = bundle->result;
	const char *phase = phase_of(options);

	if (!bundle->profile)
		return fg_err_set(err, FG_E_NO_DATA, "the bundle has no profile: %s",
				  result->profile.why_absent[0] ? result->profile.why_absent
								: "it was not asked for");
	int rc = fg_report_check_labels(bundle->profile, phase, options->endpoint, err);

	return rc ? rc : fg_profile_view(bundle->profile, phase, options->endpoint, ret, err);
}

static int draw_view(struct drawing *d, const struct fg_profile *view, struct fg_err *err)
{
	const struct fg_bundle *base = d->options->base;
	const char *phase = phase_of(d->options), *endpoint = d->options->endpoint;
	const char *base_unit = "";
	struct fg_profile base_view = {0};
	struct fg_flame_tree *tree = NULL;
	int rc = 0;

	d->sample_ns = fg_report_sample_ns(d->bundle->result, d->bundle->profile, phase, endpoint,
					   &d->unit);
	if (base) {
		rc = fg_flame_view(base, d->options, &base_view, err);
		if (rc)
			return fg_err_wrap(err, "--base");
		d->base_sample_ns = fg_report_sample_ns(base->result, base->profile, phase,
							endpoint, &base_unit);
		/* A request's CPU and a second's are no pair. */
		if (strcmp(d->unit, base_unit) != 0)
			d->base_sample_ns = -1;
	}
	rc = fg_flame_tree_new(view, base ? &base_view : NULL, &tree, err);
	d->tree = tree;
	if (rc == 0)
		rc = draw(d, err);
	fg_flame_tree_free(tree);
	fg_profile_view_done(&base_view);
	free(d->drawn);
	return rc;
}

int fg_flame_svg(const struct fg_bundle *bundle, const struct fg_flame_options *options,
		 struct fg_buf *out, struct fg_err *err)
{
	struct drawing d = {.bundle = bundle,
			    .options = options,
			    .out = out,
			    .width = options->width ? options->width : FG_FLAME_WIDTH,
			    .base_sample_ns = -1};
	struct fg_profile view = {0};
	int rc = fg_flame_view(bundle, options, &view, err);

	if (rc == 0 && view.sample_count == 0)
		rc = fg_err_set(err, FG_E_NO_DATA,
				"the profile has no samples: the target used no "
				"CPU");
	if (rc == 0 && options->search) {
		rc = fg_name_pattern_new(options->search, &d.pattern, err);
		if (rc)
			(void)fg_err_wrap(err, "--search");
	}
	if (rc == 0)
		rc = draw_view(&d, &view, err);
	fg_name_pattern_free(d.pattern);
	fg_profile_view_done(&view);
	return rc;
}
