/* SPDX-License-Identifier: Apache-2.0 */
/* A custom metric's numbers as JSON, both ways. */
#include <math.h>

#include "gate/measure/run_json_read.h"

void fg_bundle_put_custom(struct fg_json_writer *w, const struct fg_custom_slice *custom)
{
	fg_json_put_u64(w, "count", custom->count);
	if (custom->count == 0)
		return;
	fg_json_put_u64(w, "trues", custom->trues);
	fg_json_put_double(w, "sum", custom->sum);
	fg_json_put_double(w, "min", custom->min);
	fg_json_put_double(w, "max", custom->max);
	fg_json_put_double(w, "last", custom->last);
}

/* Impossible numbers are refused, so that nothing downstream can be fooled. */
int fg_bundle_get_custom(const struct fg_json_at *at, struct fg_custom_slice *custom,
			 struct fg_err *err)
{
	int rc = fg_json_u64(at, "count", INT64_MAX, &custom->count, err);

	if (rc || custom->count == 0)
		return rc;
	rc = fg_json_u64(at, "trues", custom->count, &custom->trues, err);
	FG_JSON_TRY(rc, fg_json_double(at, "sum", -INFINITY, INFINITY, &custom->sum, err));
	FG_JSON_TRY(rc,
		    fg_json_double(at, "min", -FG_CUSTOM_MAX, FG_CUSTOM_MAX, &custom->min, err));
	FG_JSON_TRY(rc, fg_json_double(at, "max", custom->min, FG_CUSTOM_MAX, &custom->max, err));
	FG_JSON_TRY(rc, fg_json_double(at, "last", custom->min, custom->max, &custom->last, err));
	return rc;
}

int fg_bundle_put_custom_hists(struct fg_json_writer *w, const struct fg_custom_slice *custom,
			       struct fg_err *err)
{
	int rc = fg_bundle_put_hist(w, "trend", &custom->trend, err);

	if (rc == 0)
		rc = fg_bundle_put_hist(w, "large", &custom->large, err);
	if (rc == 0)
		rc = fg_bundle_put_hist(w, "below", &custom->below, err);
	return rc;
}

int fg_bundle_get_custom_hists(const struct fg_json_at *at, struct fg_custom_slice *custom,
			       size_t *blocks, struct fg_err *err)
{
	int rc = fg_bundle_get_hist(at, "trend", &custom->trend, blocks, err);

	FG_JSON_TRY(rc, fg_bundle_get_hist(at, "large", &custom->large, blocks, err));
	FG_JSON_TRY(rc, fg_bundle_get_hist(at, "below", &custom->below, blocks, err));
	return rc;
}
