/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base and head → a verdict (design §8). Pure: two bundles and rules in, findings out.
 *
 * In this stage the evidence is kind 4 (two runs from different moments): a difference may only
 * fail when the whole 99 % interval of the effect lies beyond max(the rule's limit, the kind-4
 * limit of 25 %); what the interval straddles is inconclusive, and a pass prints what it could have
 * seen. The interval must be honest for runs from different moments: see verdict_effect.c for its
 * source, and verdict.c for how findings become one state.
 */
#ifndef FG_JUDGE_VERDICT_H
#define FG_JUDGE_VERDICT_H

#include "gate/base/buf.h"
#include "gate/judge/outcome.h"
#include "gate/judge/rule.h"
#include "gate/measure/bundle.h"

enum fg_verdict_state {
	FG_VERDICT_PASSED,
	FG_VERDICT_IMPROVED,
	FG_VERDICT_WARNED,
	FG_VERDICT_REGRESSED,
	FG_VERDICT_INCONCLUSIVE,
	FG_VERDICT_INCOMPARABLE,
	FG_VERDICT_INVALID,
	FG_VERDICT_NO_BASELINE,
	FG_VERDICT_STATE_COUNT
};
const char *fg_verdict_state_name(enum fg_verdict_state state);

enum fg_evidence {
	FG_EVIDENCE_COUNTERS = 1,
	FG_EVIDENCE_AB,
	FG_EVIDENCE_ARTEFACT,
	FG_EVIDENCE_NUMBERS
};

/* One compared quantity, whether a rule stands on it or not. */
struct fg_finding {
	char *what;  /* "cpu per request", "p95 GET /items", "json_escape (self)" */
	char *where; /* source place or class, may be "" */
	enum fg_verdict_state state;
	enum fg_level level;
	bool ruled;        /* false: shown, not judged */
	double base, head; /* ns, or per second, or share by `unit` */
	const char *unit;  /* "ns", "/s", "ratio" */
	double effect;     /* head/base − 1 (unit "ratio": head − base); NaN when base is 0 */
	double low, high;  /* 99 % interval of effect, family-wise over its kind; NaN unknown */
	double rule_limit; /* what the rule tolerates, signed like a bad effect; NaN without rule */
	double limit;      /* what was applied: the rule's or kind 4's, whichever is wider */
	double detectable; /* smallest effect called regressed in 95 of 100 cases; NaN unknown */
	uint64_t base_samples, head_samples;
	bool decisive; /* if it is inconclusive, so is the verdict */
	char *note;    /* why inconclusive or not gated; may be NULL */
};

enum { FG_FINDING_TEXT_MAX = 160 };
/** "+2.6 % [2.3, 2.9]", "×12 [4, 40]", "+0.3 points"; returns `buffer`. */
const char *fg_finding_effect_text(const struct fg_finding *finding,
				   char buffer[FG_FINDING_TEXT_MAX]);
/** "2 %, 25 % between runs from different moments"; "" without a rule. */
const char *fg_finding_limit_text(const struct fg_finding *finding,
				  char buffer[FG_FINDING_TEXT_MAX]);
/** A value in the finding's unit: "237 µs", "199.8/s", "0.12 %". */
const char *fg_finding_value_text(const struct fg_finding *finding, double value,
				  char buffer[FG_FINDING_TEXT_MAX]);

struct fg_verdict {
	enum fg_verdict_state state;
	enum fg_evidence evidence;
	char *headline;  /* the first line without the state word */
	char *reason;    /* for incomparable, invalid, no-baseline; may be NULL */
	char *could_see; /* the smallest effects it could have called; may be NULL */
	char **notes;    /* what could not be judged and why, one line each */
	size_t note_count, note_capacity;
	struct fg_finding *latency; /* per class and quantile, and rates */
	size_t latency_count, latency_capacity;
	struct fg_finding *functions; /* by |head − base| descending */
	size_t function_count, function_capacity;
	struct fg_finding *totals; /* cpu per request overall */
	size_t total_count, total_capacity;
	const struct fg_finding *root; /* the first one named, or NULL; points into the above */
	enum fg_outcome outcome;       /* after onInconclusive & co. */
};

/** A gate without rules is judged by the default ones (fg_gate_add_default_rules()). */
int fg_verdict_compare(const struct fg_bundle *base, const struct fg_bundle *head,
		       const struct fg_gate *gate, struct fg_verdict **ret,
		       struct fg_err *err) FG_MUST_USE;
/** The verdict when there is no baseline at all. */
int fg_verdict_no_baseline(const struct fg_gate *gate, const char *reason, struct fg_verdict **ret,
			   struct fg_err *err) FG_MUST_USE;
void fg_verdict_free(struct fg_verdict *verdict);
/** verdict.json (appended). */
int fg_verdict_json(const struct fg_verdict *verdict, struct fg_buf *out,
		    struct fg_err *err) FG_MUST_USE;

#endif
