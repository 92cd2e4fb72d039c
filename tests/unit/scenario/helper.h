/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing texts in tests, with an environment of the test's own. */
#ifndef FG_TESTS_SCENARIO_HELPER_H
#define FG_TESTS_SCENARIO_HELPER_H

#include "runner/scenario/scenario.h"

/* What most tests need around the one line they are about. */
#define HEAD "version: 1\ntarget: { url: \"http://127.0.0.1:1\" }\n"
#define MAIN "scenarios:\n  main:\n    executor: constant-vus\n    duration: 1s\n    steps:\n"
#define GET  "      - get: /\n"

/** HOST=example.org, PORT=8080, EMPTY=, TOKEN=s3cret; everything else is unset. */
const char *helper_getenv(const char *name);
/** Parses; fails the test if there are faults. Free the result. */
struct fg_scenario_file *helper_parse(const char *text);
struct fg_scenario_file *helper_parse_with(const char *text, const struct fg_tags *env,
					   const char *environment);
/** The same as if it stood in a file at `path`. */
struct fg_scenario_file *helper_parse_at(const char *text, const char *path);
/** Parses what must fail; returns the text of all faults. free() it. */
char *helper_faults(const char *text, size_t len);
/** Body or URL as sent by VU 3 in its 4th iteration, the scenario's 5th. free() it. */
char *helper_render(const struct fg_template *text);

#endif
