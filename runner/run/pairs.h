/* SPDX-License-Identifier: Apache-2.0 */
/* NAME=VALUE words of the command line → tags. */
#ifndef FG_RUN_PAIRS_H
#define FG_RUN_PAIRS_H

#include "gate/base/opt.h"
#include "gate/measure/registry.h"

/** Adds every word of `list`; `option` names the option in messages. */
int fg_pairs_parse(const struct fg_opt_list *list, const char *option, struct fg_tags *ret,
		   struct fg_err *err) FG_MUST_USE;

#endif
