/* SPDX-License-Identifier: Apache-2.0 */
/* Private to program*.c: one request of a program. */
#ifndef FG_LOAD_PROGRAM_REQUEST_H
#define FG_LOAD_PROGRAM_REQUEST_H

#include "runner/load/program.h"

/** Everything but class and check indices. `request` is zeroed; fg_program_request_done() also
 *  after a failure. */
int fg_program_request_init(struct fg_program_request *request, const struct fg_step *step,
			    const char *target_url, struct fg_err *err) FG_MUST_USE;
void fg_program_request_done(struct fg_program_request *request);

#endif
