/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a verdict; order of output-examples.md "A verdict": state, cause, what else, proof.
 */
#include "gate/report/report_internal.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"
#include "gate/report/table.h"

static const char *state_colour(enum fg_verdict_state state)
{
	switch (state) {
	case FG_VERDICT_PASSED:
	case FG_VERDICT_IMPROVED:
		return FG_COLOUR_GOOD;
	case FG_VERDICT_REGRESSED:
	case FG_VERDICT_INVALID:
		return FG_COLOUR_BAD;
	default:
		return FG_COLOUR_WARN;
	}
}

static void write_first_line(const struct fg_report_pen *pen, const struct fg_verdict *verdict)
{
	FG_AUTO_BUF struct fg_buf text = {.max = 16384};
	const char *name = fg_verdict_state_name(verdict->state);

	for (const char *c = name; *c; c++)
		fg_buf_add_char(&text, (char)toupper((unsigned char)*c));
	fg_buf_addf(&text, ": %s", verdict->headline);
	if (fg_outcomes[verdict->outcome].exit_code)
		fg_buf_addf(&text, " (exit %d)", fg_outcomes[verdict->outcome].exit_code);
	if (pen->colour)
		fg_buf_add_str(pen->out, state_colour(verdict->state));
	fg_text_wrap(text.data ? text.data : name, 0, 2, pen->width, pen->out);
	fg_buf_addf(pen->out, "%s\n", pen->colour ? FG_COLOUR_END : "");
}

static void write_labelled(const struct fg_report_pen *pen, const char *label, const char *text)
{
	size_t len = strlen(label);

	fg_buf_addf(pen->out, "  %s%*s", label, len < 8 ? (int)(8 - len) : 1, "");
	fg_text_wrap(text, FG_MAX(10u, (unsigned)len + 3), 10, pen->width, pen->out);
	fg_buf_add_char(pen->out, '\n');
}

static void finding_line(const struct fg_finding *one, struct fg_buf *out)
{
	char effect[FG_FINDING_TEXT_MAX], base[FG_FINDING_TEXT_MAX], head[FG_FINDING_TEXT_MAX];

	fg_buf_addf(out, "%s%s%s  %s → %s  %s", one->what, one->where[0] ? "  " : "", one->where,
		    fg_finding_value_text(one, one->base, base),
		    fg_finding_value_text(one, one->head, head),
		    fg_finding_effect_text(one, effect));
}

/* Lines "label finding" for every finding in `state` but the root and the one in the headline. */
static void write_state(const struct fg_report_pen *pen, const struct fg_verdict *verdict,
			const char *label, enum fg_verdict_state state)
{
	const struct fg_finding *lists[] = {verdict->totals, verdict->functions, verdict->latency};
	const size_t counts[] = {verdict->total_count, verdict->function_count,
				 verdict->latency_count};
	unsigned shown = 0, more = 0;

	for (size_t l = 0; l < FG_ARRAY_LEN(lists); l++) {
		for (size_t i = 0; i < counts[l]; i++) {
			const struct fg_finding *one = &lists[l][i];
			FG_AUTO_BUF struct fg_buf line = {.max = 16384};

			if (!one->ruled || one->state != state || one == verdict->root ||
			    fg_str_starts_with(verdict->headline, one->what) ||
			    (one->note && state == FG_VERDICT_INCONCLUSIVE))
				continue;
			if (shown >= 5) {
				more++;
				continue;
			}
			finding_line(one, &line);
			write_labelled(pen, shown == 0 ? label : "", line.data ? line.data : "");
			shown++;
		}
	}
	if (more > 0)
		fg_buf_addf(pen->out, "          and %u more\n", more);
}

static void write_moved(const struct fg_report_pen *pen, const struct fg_verdict *verdict)
{
	unsigned shown = 0;

	for (size_t i = 0; i < verdict->function_count && shown < 3; i++) {
		const struct fg_finding *one = &verdict->functions[i];
		FG_AUTO_BUF struct fg_buf line = {.max = 16384};

		if (!one->ruled || !one->note || one->state != FG_VERDICT_PASSED)
			continue;
		finding_line(one, &line);
		write_labelled(pen, shown == 0 ? "shifted" : "", line.data ? line.data : "");
		shown++;
	}
	if (shown > 0)
		write_labelled(pen, "", "a move, not a cost: CPU per request did not rise with it");
}

/* -- the differences ----------------------------------------------------------------------------
 */

static const char *mark_of(const struct fg_finding *one)
{
	if (!one->ruled)
		return " ";
	switch (one->state) {
	case FG_VERDICT_REGRESSED:
		return one->level == FG_LEVEL_ERROR ? "✗" : "!";
	case FG_VERDICT_INCONCLUSIVE:
		return "?";
	case FG_VERDICT_IMPROVED:
		return "✓";
	default:
		return " ";
	}
}

static const char *mark_colour(const struct fg_report_pen *pen, const struct fg_finding *one)
{
	if (!one->ruled || !pen->colour)
		return NULL;
	switch (one->state) {
	case FG_VERDICT_REGRESSED:
		return one->level == FG_LEVEL_ERROR ? FG_COLOUR_BAD : FG_COLOUR_WARN;
	case FG_VERDICT_INCONCLUSIVE:
		return FG_COLOUR_WARN;
	case FG_VERDICT_IMPROVED:
		return FG_COLOUR_GOOD;
	default:
		return NULL;
	}
}

static int add_difference(const struct fg_report_pen *pen, struct fg_table *table,
			  const struct fg_finding *one, bool with_interval, struct fg_err *err)
{
	char effect[FG_FINDING_TEXT_MAX], base[FG_FINDING_TEXT_MAX], head[FG_FINDING_TEXT_MAX];
	struct fg_table_row *row = fg_table_add(table, err);
	int rc = row ? 0 : -FG_E_NOMEM;

	if (rc)
		return rc;
	(void)fg_finding_effect_text(one, effect);
	char *interval = strstr(effect, " [");

	/* of tail latency the interval spans powers of ten: the line below says what it means */
	if (interval && !with_interval)
		*interval = '\0';
	row->mark = mark_of(one);
	row->colour = mark_colour(pen, one);
	rc = fg_table_cell(row, 0, err, "%s", one->what);
	if (rc == 0)
		rc = fg_table_cell(row, 1, err, "%s", fg_finding_value_text(one, one->base, base));
	if (rc == 0)
		rc = fg_table_cell(row, 2, err, "%s", fg_finding_value_text(one, one->head, head));
	if (rc == 0)
		rc = fg_table_cell(row, 3, err, "%s", effect);
	return rc;
}

static int write_differences(const struct fg_report_pen *pen, const char *title,
			     const struct fg_finding *findings, size_t count, size_t limit,
			     bool with_interval, struct fg_err *err)
{
	struct fg_table table;
	int rc = 0;

	if (count == 0)
		return 0;
	fg_table_init(&table, 4, pen->width, 6);
	table.align[0] = table.align[3] = FG_ALIGN_LEFT;
	for (size_t i = 0; i < count && i < limit && rc == 0; i++)
		rc = add_difference(pen, &table, &findings[i], with_interval, err);
	if (rc == 0) {
		fg_report_heading(pen, title);
		fg_table_write(&table, pen->out);
	}
	if (rc == 0 && count > limit)
		fg_buf_addf(pen->out, "      … and %zu more in verdict.json\n", count - limit);
	fg_table_done(&table);
	return rc;
}

static const char *evidence_text(enum fg_evidence evidence)
{
	switch (evidence) {
	case FG_EVIDENCE_COUNTERS:
		return "work counters (kind 1)";
	case FG_EVIDENCE_AB:
		return "base and head side by side (kind 2)";
	case FG_EVIDENCE_ARTEFACT:
		return "the stored artefact, run again (kind 3)";
	case FG_EVIDENCE_NUMBERS:
		break;
	}
	return "stored numbers of another moment (kind 4): only gross changes can be told";
}

static void write_cause(const struct fg_report_pen *pen, const struct fg_verdict *verdict)
{
	FG_AUTO_BUF struct fg_buf line = {.max = 16384};

	if (verdict->root) {
		finding_line(verdict->root, &line);
		write_labelled(pen, "cause", line.data ? line.data : "");
	}
	write_state(pen, verdict, verdict->root ? "also" : "worse", FG_VERDICT_REGRESSED);
	write_state(pen, verdict, "unclear", FG_VERDICT_INCONCLUSIVE);
	write_state(pen, verdict, "better", FG_VERDICT_IMPROVED);
	write_moved(pen, verdict);
}

int fg_report_verdict_text(const struct fg_verdict *verdict, const struct fg_report_style *style,
			   struct fg_buf *out, struct fg_err *err)
{
	struct fg_report_pen pen = fg_report_pen_of(style, out);
	int rc = 0;

	write_first_line(&pen, verdict);
	if (verdict->total_count + verdict->latency_count + verdict->function_count == 0)
		return fg_buf_check(out, err);
	fg_buf_add_char(out, '\n');
	write_cause(&pen, verdict);
	rc = write_differences(&pen, "cpu (base, head, change with 99 % interval)", verdict->totals,
			       verdict->total_count, SIZE_MAX, true, err);
	if (rc == 0)
		rc = write_differences(&pen, "cpu by function, per request", verdict->functions,
				       verdict->function_count, pen.functions, true, err);
	if (rc == 0)
		rc = write_differences(&pen, "latency and load (base, head, change)",
				       verdict->latency, verdict->latency_count, 30, false, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < verdict->note_count; i++)
		write_labelled(&pen, "note", verdict->notes[i]);
	if (verdict->could_see) {
		FG_AUTO_BUF struct fg_buf line = {.max = 8192};

		fg_buf_addf(&line, "this run could have seen: %s", verdict->could_see);
		fg_buf_add_str(out, "  ");
		fg_text_wrap(line.data ? line.data : "", 2, 4, pen.width, out);
		fg_buf_add_char(out, '\n');
	}
	fg_buf_add_str(out, "  evidence: ");
	fg_text_wrap(evidence_text(verdict->evidence), 12, 12, pen.width, out);
	fg_buf_add_char(out, '\n');
	return fg_buf_check(out, err);
}
