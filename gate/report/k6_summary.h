/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FG_REPORT_K6_SUMMARY_H
#define FG_REPORT_K6_SUMMARY_H

#include "gate/report/report.h"

/** k6's handleSummary() data as JSON: scripts and reporters made for it can read ours. */
int fg_report_k6_summary(const struct fg_result *result, const struct fg_report_style *style,
			 struct fg_buf *out, struct fg_err *err) FG_MUST_USE;

#endif
