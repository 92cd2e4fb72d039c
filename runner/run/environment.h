/* SPDX-License-Identifier: Apache-2.0 */
/* Fingerprint of this machine, so that a comparison across different ones can be refused. */
#ifndef FG_RUN_ENVIRONMENT_H
#define FG_RUN_ENVIRONMENT_H

#include "gate/measure/result.h"

/** Best effort: what cannot be read stays empty or 0. */
void fg_environment_read(struct fg_environment *ret);

#endif
