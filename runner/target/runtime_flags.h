/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile.runtimeFlags: auto. What a started target's language runtime is told, through its
 * environment, so that the profiler can follow and name its code. What the user set is kept: ours
 * is added behind it, and nothing that the user switched off is switched on.
 */
#ifndef FG_TARGET_RUNTIME_FLAGS_H
#define FG_TARGET_RUNTIME_FLAGS_H

#include "gate/base/buf.h"

enum fg_flagged_runtime {
	FG_FLAGGED_NODE = 1,
	FG_FLAGGED_JAVA = 2,
	FG_FLAGGED_ALL = 3,
};

/** Which of them the command may start: by its program's name, by the words of what a shell is
 *  told, by the first line of a script. A shell whose words name none may start any. `cwd` is where
 *  it will run, `path` its PATH. */
unsigned fg_runtime_flags_of_command(char *const *argv, const char *cwd, const char *path);

/** Sets `out` to the new value of a variable whose value was `old` (NULL: unset); false when there
 *  is nothing to add. `added` gets what was added. */
bool fg_runtime_flags_value(enum fg_flagged_runtime runtime, const char *old, struct fg_buf *out,
			    struct fg_buf *added);
/** "NODE_OPTIONS". */
const char *fg_runtime_flags_variable(enum fg_flagged_runtime runtime);

#endif
