/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What GitHub Actions (and only it) wants to be told: step summary, step outputs, annotations.
 *
 * Every function does nothing outside of Actions. Limits: reference/ecosystem.md §1.4.
 */
#ifndef FG_RUN_GITHUB_H
#define FG_RUN_GITHUB_H

#include "runner/run/run.h"

/** Name of the branch whose baseline applies: the pull request's base, else the pushed branch, else
 *  "main". Points into the environment or static memory. */
const char *fg_github_branch(void);
bool fg_github_is_pull_request(void);

/** Appends the Markdown report to $GITHUB_STEP_SUMMARY. */
int fg_github_summary(const struct fg_run *run, struct fg_err *err) FG_MUST_USE;
/** Appends name=value lines to $GITHUB_OUTPUT. */
int fg_github_outputs(const struct fg_run *run, struct fg_err *err) FG_MUST_USE;
/** "::error …" lines for failed thresholds and findings, at most 8 (appended). */
void fg_github_annotations(const struct fg_run *run, struct fg_buf *out);

#endif
