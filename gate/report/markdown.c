/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Markdown for a step summary or a comment (reference/ecosystem.md §1.4).
 *
 * GitHub drops the whole summary when it is too long, so everything is rendered in order of
 * importance against a byte budget: once a row does not fit, it and all later rows are dropped and
 * their number is said. Names come from programs that we measure and are escaped.
 */
#include "gate/report/report_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/report/table.h"

enum { RULES_SHOWN = 15, FUNCTIONS_SHOWN = 15, CLOSING_RESERVE = 160, ROW_MAX = 4096 };

struct page {
	struct fg_buf *out;
	size_t start, max;
	size_t dropped; /* rows */
	bool open;      /* a <details> must be closed */
};

static bool fits(const struct page *page, size_t len)
{
	return page->dropped == 0 &&
	       page->out->len - page->start + len + CLOSING_RESERVE <= page->max;
}

/* Appends a whole line or block, or drops it. `rows` is what it counts for when dropped. */
static void put(struct page *page, const struct fg_buf *text, size_t rows)
{
	if (!fits(page, text->len)) {
		page->dropped += rows > 0 ? rows : 1;
		return;
	}
	if (text->len > 0)
		fg_buf_add(page->out, text->data, text->len);
}

static void put_text(struct page *page, const char *text)
{
	struct fg_buf buf = {.max = ROW_MAX};

	fg_buf_add_str(&buf, text);
	put(page, &buf, 1);
	fg_buf_done(&buf);
}

/* Text that may stand in a table cell; long names are cut in the middle of nowhere, never in HTML.
 */
static void escape_to(const char *text, size_t width, struct fg_buf *out)
{
	FG_AUTO_BUF struct fg_buf clean = {.max = ROW_MAX};

	fg_text_cut(text, width, false, &clean);
	for (const char *c = clean.data ? clean.data : ""; *c; c++) {
		if (*c == '<')
			fg_buf_add_str(out, "&lt;");
		else if (*c == '>')
			fg_buf_add_str(out, "&gt;");
		else if (*c == '&')
			fg_buf_add_str(out, "&amp;");
		else if (strchr("\\`*_{}[]|#!~@", *c))
			fg_buf_addf(out, "\\%c", *c);
		else
			fg_buf_add_char(out, *c);
	}
}

static void escape(const char *text, struct fg_buf *out)
{
	escape_to(text, 200, out);
}

/* Sentences of our own: none is cut. */
static void escape_prose(const char *text, struct fg_buf *out)
{
	escape_to(text, ROW_MAX, out);
}

static const char *icon_of(const struct fg_finding *one)
{
	switch (one->state) {
	case FG_VERDICT_REGRESSED:
		return one->level == FG_LEVEL_ERROR ? "❌" : "⚠️";
	case FG_VERDICT_INCONCLUSIVE:
		return "❔";
	case FG_VERDICT_IMPROVED:
		return "✅";
	default:
		return "";
	}
}

static void finding_row(struct page *page, const struct fg_finding *one)
{
	FG_AUTO_BUF struct fg_buf row = {.max = ROW_MAX};
	char effect[FG_FINDING_TEXT_MAX], limit[FG_FINDING_TEXT_MAX], base[FG_FINDING_TEXT_MAX],
		head[FG_FINDING_TEXT_MAX];

	fg_buf_addf(&row, "| %s | ", icon_of(one));
	escape(one->what, &row);
	fg_buf_addf(&row, " | %s | %s | %s | %s |\n", fg_finding_value_text(one, one->base, base),
		    fg_finding_value_text(one, one->head, head),
		    fg_finding_effect_text(one, effect), fg_finding_limit_text(one, limit));
	put(page, &row, 1);
}

static bool is_changed(const struct fg_finding *one)
{
	return one->ruled && !(one->state == FG_VERDICT_INCONCLUSIVE && one->note) &&
	       (one->state == FG_VERDICT_REGRESSED || one->state == FG_VERDICT_IMPROVED ||
		one->state == FG_VERDICT_INCONCLUSIVE);
}

static const char findings_head[] = "\n| | what | base | head | change | tolerated |\n"
				    "|---|---|--:|--:|---|---|\n";

static void findings_table(struct page *page, const struct fg_finding *findings, size_t count,
			   bool changed, size_t limit, bool *head_done)
{
	size_t shown = 0;

	for (size_t i = 0; i < count && shown < limit; i++) {
		if (changed != is_changed(&findings[i]))
			continue;
		if (!*head_done)
			put_text(page, findings_head);
		*head_done = true;
		finding_row(page, &findings[i]);
		shown++;
	}
}

static void put_title(struct page *page, const struct fg_result *result,
		      const struct fg_verdict *verdict)
{
	FG_AUTO_BUF struct fg_buf line = {.max = ROW_MAX};

	fg_buf_add_str(&line, "### ");
	if (verdict) {
		for (const char *c = fg_verdict_state_name(verdict->state); *c; c++)
			fg_buf_add_char(&line, (char)toupper((unsigned char)*c));
		fg_buf_add_str(&line, ": ");
		escape(verdict->headline, &line);
		fg_buf_add_str(&line, "\n\n");
	}
	FG_AUTO_BUF struct fg_buf outcome = {.max = ROW_MAX};

	escape(result->name ? result->name : "run", &line);
	fg_report_outcome(result, &outcome);
	fg_buf_add_str(&line, outcome.len > 0 ? " — " : "");
	if (outcome.len > 0)
		escape(outcome.data, &line);
	fg_buf_add_str(&line, "\n");
	put(page, &line, 1);
}

static void put_verdict(struct page *page, const struct fg_verdict *verdict)
{
	bool head = false;

	findings_table(page, verdict->totals, verdict->total_count, true, RULES_SHOWN, &head);
	findings_table(page, verdict->latency, verdict->latency_count, true, RULES_SHOWN, &head);
	findings_table(page, verdict->functions, verdict->function_count, true, FUNCTIONS_SHOWN,
		       &head);
	FG_AUTO_BUF struct fg_buf line = {.max = 16384};

	fg_buf_add_char(&line, '\n');
	for (size_t i = 0; i < verdict->note_count && i < 5; i++) {
		fg_buf_add_str(&line, "- ");
		escape(verdict->notes[i], &line);
		fg_buf_add_char(&line, '\n');
	}
	if (verdict->could_see) {
		fg_buf_add_str(&line, "\nThis run could have seen: ");
		escape(verdict->could_see, &line);
		fg_buf_add_str(&line, ".\n");
	}
	put(page, &line, 1);
}

static void put_thresholds(struct page *page, const struct fg_result *result)
{
	bool head = false;

	for (size_t i = 0; i < result->threshold_count; i++) {
		const struct fg_threshold_result *one = &result->thresholds[i];
		FG_AUTO_BUF struct fg_buf row = {.max = ROW_MAX};

		if (one->level == FG_LEVEL_OFF)
			continue;
		if (!head)
			put_text(page, "\n| | threshold | limit | measured |\n|---|---|---|--:|\n");
		head = true;
		fg_buf_addf(&row, "| %s | ",
			    one->passed                    ? "✅"
			    : one->level == FG_LEVEL_ERROR ? "❌"
							   : "⚠️");
		escape(one->metric_text, &row);
		fg_buf_add_str(&row, " | ");
		escape(one->text, &row);
		fg_buf_addf(&row, " | %s |\n", one->value_text);
		put(page, &row, 1);
	}
}

static int put_requests(struct page *page, const struct fg_result *result,
			const struct fg_profile *profile, struct fg_err *err)
{
	put_text(page, "\n| request | count | failed | rate/s | p50 | p95 | p99 | max |\n"
		       "|---|--:|--:|--:|--:|--:|--:|--:|\n");
	for (size_t i = 0; i < result->registry.class_count; i++) {
		struct fg_report_class class;
		FG_AUTO_BUF struct fg_buf row = {.max = ROW_MAX};
		char count[FG_NUM_TEXT_MAX], failed[FG_NUM_TEXT_MAX], text[FG_NUM_TEXT_MAX];
		int rc = fg_report_class_of(result, profile, i, &class, err);

		if (rc)
			return rc;
		fg_buf_add_str(&row, "| ");
		escape(class.def->name, &row);
		fg_buf_addf(&row, " | %s | %s | %.1f", fg_num_format_count(class.requests, count),
			    fg_num_format_count(class.failed, failed), class.rate_per_s);
		const uint64_t times[] = {class.p50_ns, class.p95_ns, class.p99_ns, class.max_ns};

		for (size_t t = 0; t < FG_ARRAY_LEN(times); t++)
			fg_buf_addf(&row, " | %s", fg_num_format_ns((double)times[t], text));
		fg_buf_add_str(&row, " |\n");
		put(page, &row, 1);
	}
	return 0;
}

static int put_functions(struct page *page, const struct fg_result *result,
			 const struct fg_profile *profile, struct fg_err *err)
{
	double per_request = fg_result_cpu_per_request_ns(result);
	double sampled = fg_result_sampled_share(result);
	struct fg_cost *cost = NULL;
	int rc = fg_report_cost(profile, &cost, err);

	if (rc || !cost || cost->samples == 0) {
		fg_cost_free(cost);
		return rc;
	}
	put_text(page, "\n| self | total | self per request | function |\n|--:|--:|--:|---|\n");
	for (size_t i = 0, shown = 0; i < cost->count && shown < FUNCTIONS_SHOWN; i++) {
		if (!fg_report_shows(&cost->rows[i]))
			continue;
		shown++;
		FG_AUTO_BUF struct fg_buf row = {.max = ROW_MAX};
		double share = (double)cost->rows[i].self / (double)cost->samples;
		char text[FG_NUM_TEXT_MAX];

		fg_buf_addf(&row, "| %.1f %% | %.1f %% | %s | ", 100.0 * share,
			    100.0 * (double)cost->rows[i].total / (double)cost->samples,
			    per_request >= 0 ? fg_num_format_ns(share * sampled * per_request, text)
					     : "–");
		escape(cost->rows[i].name, &row);
		fg_buf_add_str(&row, " |\n");
		put(page, &row, 1);
	}
	fg_cost_free(cost);
	return 0;
}

static int put_how(struct page *page, const struct fg_result *result, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {.max = 8192};
	FG_AUTO_BUF struct fg_buf line = {.max = 16384};
	int rc = fg_report_measured(result, &text, err);

	if (rc)
		return rc;
	fg_buf_add_str(&line, "\nMeasured: ");
	escape_prose(text.data, &line);
	fg_buf_clear(&text);
	if (result->profile.present) {
		fg_report_samples(&result->profile, &text);
		if (result->profile.labels || result->profile.labels_problem[0])
			fg_buf_add_str(&text, "; ");
		fg_report_attribution(&result->profile, &text);
		fg_buf_add_str(&text, "; ");
		fg_report_own_cost(result, &text);
	} else {
		fg_buf_addf(&text, "no profile: %s", result->profile.why_absent);
	}
	fg_buf_add_str(&line, ". Profile: ");
	escape_prose(text.data, &line);
	fg_buf_clear(&text);
	if (fg_report_waits(result, &text)) {
		fg_buf_add_str(&line, ". ");
		escape_prose(text.data, &line);
		fg_buf_clear(&text);
	}
	if (fg_report_memory(result, &text)) {
		fg_buf_add_str(&line, ". ");
		escape_prose(text.data, &line);
	}
	fg_buf_add_str(&line, ".\n");
	for (size_t i = 0; i < fg_report_runtime_count(&result->profile); i++) {
		const char *advice = result->profile.runtimes[i].advice;

		if (!advice[0])
			continue;
		fg_buf_add_str(&line, "- ");
		escape_prose(advice, &line);
		fg_buf_add_str(&line, "\n");
	}
	for (size_t i = 0; i < fg_report_notice_count(&result->profile); i++) {
		fg_buf_add_str(&line, "- ");
		escape_prose(result->profile.notices.texts[i], &line);
		fg_buf_add_str(&line, "\n");
	}
	put(page, &line, 1);
	return 0;
}

static void put_unchanged(struct page *page, const struct fg_verdict *verdict)
{
	bool head = false;

	if (!verdict || verdict->total_count + verdict->latency_count == 0)
		return;
	if (!fits(page, sizeof("<details><summary>everything compared</summary>\n") + 32)) {
		page->dropped +=
			verdict->total_count + verdict->latency_count + verdict->function_count;
		return;
	}
	put_text(page, "\n<details><summary>everything compared</summary>\n");
	page->open = true;
	findings_table(page, verdict->totals, verdict->total_count, false, SIZE_MAX, &head);
	findings_table(page, verdict->latency, verdict->latency_count, false, SIZE_MAX, &head);
	findings_table(page, verdict->functions, verdict->function_count, false, SIZE_MAX, &head);
}

int fg_report_markdown(const struct fg_result *result, const struct fg_profile *profile,
		       const struct fg_verdict *verdict, size_t max_bytes, struct fg_buf *out,
		       struct fg_err *err)
{
	struct page page = {.out = out, .start = out->len, .max = max_bytes};
	int rc = 0;

	put_title(&page, result, verdict);
	if (verdict)
		put_verdict(&page, verdict);
	put_thresholds(&page, result);
	rc = put_requests(&page, result, profile, err);
	if (rc == 0)
		rc = put_functions(&page, result, profile, err);
	if (rc == 0)
		rc = put_how(&page, result, err);
	if (rc)
		return rc;
	put_unchanged(&page, verdict);
	if (page.open)
		fg_buf_add_str(out, "\n</details>\n");
	if (page.dropped > 0 && max_bytes >= CLOSING_RESERVE)
		fg_buf_addf(out, "\n%zu more rows did not fit; the bundle has everything.\n",
			    page.dropped);
	return fg_buf_check(out, err);
}
