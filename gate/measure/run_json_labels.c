/* SPDX-License-Identifier: Apache-2.0 */
/* What run.json says about request classes and slow requests of the profile, both ways. */
#include "gate/measure/run_json_read.h"

void fg_bundle_put_labels(struct fg_json_writer *w, const struct fg_profile_info *p)
{
	fg_json_begin(w, "labels");
	fg_json_put_bool(w, "present", p->labels);
	if (p->labels_problem[0])
		fg_json_put_string(w, "problem", p->labels_problem);
	fg_json_put_u64(w, "attributed", p->attributed);
	fg_json_put_u64(w, "receives", p->label_receives);
	fg_json_put_u64(w, "ns", p->label_ns);
	fg_json_end(w);
	if (!p->slow.requests)
		return;
	fg_json_begin(w, "slow");
	fg_json_put_double(w, "quantile", p->slow.quantile);
	fg_json_put_u64(w, "aboveNs", p->slow.above_ns);
	fg_json_put_u64(w, "requests", p->slow.requests);
	fg_json_begin_array(w, "seconds");
	for (size_t i = 0; i < p->slow.second_count; i++)
		fg_json_put_u64(w, NULL, p->slow.seconds[i]);
	fg_json_end(w);
	fg_json_end(w);
}

static int get_slow(const struct fg_json_at *profile, struct fg_profile_info *p, struct fg_err *err)
{
	struct fg_json_at at, seconds;

	if (!fg_json_has(profile, "slow"))
		return 0;
	int rc = fg_json_object(profile, "slow", &at, err);

	FG_JSON_TRY(rc, fg_json_double(&at, "quantile", 0, 100, &p->slow.quantile, err));
	FG_JSON_TRY(rc, fg_json_u64(&at, "aboveNs", INT64_MAX, &p->slow.above_ns, err));
	FG_JSON_TRY(rc, fg_json_u64(&at, "requests", INT64_MAX, &p->slow.requests, err));
	FG_JSON_TRY(rc, fg_json_array(&at, "seconds", FG_SLOW_SECONDS_MAX, &seconds, err));
	for (size_t i = 0; rc == 0 && i < fg_json_count(&seconds); i++) {
		uint64_t second;

		rc = fg_json_element_u64(&seconds, i, UINT32_MAX, &second, err);
		if (rc == 0)
			p->slow.seconds[p->slow.second_count++] = (uint32_t)second;
	}
	return rc;
}

int fg_bundle_get_labels(const struct fg_json_at *profile, struct fg_profile_info *p,
			 struct fg_err *err)
{
	struct fg_json_at at;

	if (!fg_json_has(profile, "labels")) /* before there were any */
		return 0;
	int rc = fg_json_object(profile, "labels", &at, err);

	FG_JSON_TRY(rc, fg_json_bool(&at, "present", &p->labels, err));
	if (rc == 0 && fg_json_has(&at, "problem"))
		rc = fg_json_text(&at, "problem", p->labels_problem, sizeof(p->labels_problem),
				  err);
	FG_JSON_TRY(rc, fg_json_u64(&at, "attributed", p->samples, &p->attributed, err));
	FG_JSON_TRY(rc, fg_json_u64(&at, "receives", INT64_MAX, &p->label_receives, err));
	FG_JSON_TRY(rc, fg_json_u64(&at, "ns", INT64_MAX, &p->label_ns, err));
	FG_JSON_TRY(rc, get_slow(profile, p, err));
	return rc;
}
