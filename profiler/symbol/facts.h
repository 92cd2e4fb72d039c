/* SPDX-License-Identifier: Apache-2.0 */
/* How well the functions of one module can be named, for doctor. */
#ifndef FG_SYMBOL_FACTS_H
#define FG_SYMBOL_FACTS_H

#include "gate/base/err.h"

struct fg_symbol_facts {
	size_t functions, named; /* by unwind tables; of those, how many have a name */
	bool has_debug_file;     /* a separate one was found */
	char build_id[41];
};

/** `fd` is taken, also on failure. `path` is where the target saw the file. */
int fg_symbol_facts(int fd, const char *path, struct fg_symbol_facts *ret,
		    struct fg_err *err) FG_MUST_USE;

#endif
