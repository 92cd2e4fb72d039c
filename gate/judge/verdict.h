/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base and head → a verdict (design §8). Pure: two bundles and rules in, findings out.
 *
 * In this stage the evidence is kind 4 (two runs from different moments): a difference may only
 * fail when the whole 99 % interval of the effect lies beyond max(the rule's limit, the kind-4
 * limit of 25 %); what the interval straddles is inconclusive, and a pass prints what it could have
 * seen. The interval must be honest for runs from different moments: see verdict.c for its source.
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
	double effect;     /* head/base − 1; NaN when base is 0 */
	double low, high;  /* 99 % interval of effect */
	double limit;      /* tolerated effect that was applied */
	double detectable; /* smallest effect this comparison could have called; NaN unknown */
	uint64_t base_samples, head_samples;
	char *note; /* why inconclusive or not gated; may be NULL */
};

struct fg_verdict {
	enum fg_verdict_state state;
	enum fg_evidence evidence;
	char *headline;             /* the first line without the state word */
	char *reason;               /* for incomparable, invalid, no-baseline; may be NULL */
	struct fg_finding *latency; /* per class and quantile, and rates */
	size_t latency_count, latency_capacity;
	struct fg_finding *functions; /* by |head − base| descending */
	size_t function_count, function_capacity;
	struct fg_finding *totals; /* cpu per request overall */
	size_t total_count, total_capacity;
	const struct fg_finding *root; /* the first one named, or NULL; points into the above */
	enum fg_outcome outcome;       /* after onInconclusive & co. */
};

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
