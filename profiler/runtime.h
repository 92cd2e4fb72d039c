/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The language runtimes that the profiler knows to be different: how their frames are found and
 * named. Both ends of the stream use these numbers.
 */
#ifndef FG_PROFILER_RUNTIME_H
#define FG_PROFILER_RUNTIME_H

#include "gate/base/attr.h"

enum fg_runtime {
	FG_RUNTIME_NATIVE, /* C, C++, Rust, or nothing that we know */
	FG_RUNTIME_GO,     /* rows and names from .gopclntab */
	FG_RUNTIME_NODE,   /* perf map; JIT code keeps frame pointers */
	FG_RUNTIME_JAVA, /* perf map on demand; frame pointers only by -XX:+PreserveFramePointer */
	FG_RUNTIME_PYTHON, /* frames read in BPF; addresses of Runtime: _PyRuntime, PyCode_Type */
	FG_RUNTIME_PHP,    /* frames read in BPF; addresses of Runtime: executor_globals, 0 */
	FG_RUNTIME_RUBY,   /* native frames only */
	FG_RUNTIME_DOTNET, /* native frames only */
	FG_RUNTIME_COUNT
};
/** "python"; for people. */
const char *fg_runtime_name(enum fg_runtime runtime);

/* What a process's options say, as far as it matters for frames and names. */
enum fg_runtime_flag {
	FG_RUNTIME_PERF_MAP = 1,           /* node --perf-basic-prof */
	FG_RUNTIME_INTERPRETED_FRAMES = 2, /* node --interpreted-frames-native-stack */
	FG_RUNTIME_FRAME_POINTERS = 4,     /* java -XX:+PreserveFramePointer */
	FG_RUNTIME_NO_ATTACH = 8,          /* java -XX:+DisableAttachMechanism */
	FG_RUNTIME_NO_SIGQUIT = 16,        /* java -Xrs: listens from its start, or not at all */
	FG_RUNTIME_FLAG_COUNT = 5
};
/** "--perf-basic-prof --interpreted-frames-native-stack"; "" for none. */
const char *fg_runtime_flags_text(uint32_t flags, char *text, size_t size_bytes);

#endif
