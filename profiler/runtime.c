/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/runtime.h"

#include <stddef.h>

const char *fg_runtime_name(enum fg_runtime runtime)
{
	static const char *const names[FG_RUNTIME_COUNT] = {
		[FG_RUNTIME_NATIVE] = "native", [FG_RUNTIME_GO] = "go",
		[FG_RUNTIME_NODE] = "node",     [FG_RUNTIME_JAVA] = "java",
		[FG_RUNTIME_PYTHON] = "python", [FG_RUNTIME_PHP] = "php",
		[FG_RUNTIME_RUBY] = "ruby",     [FG_RUNTIME_DOTNET] = ".net",
	};

	return (unsigned)runtime < FG_RUNTIME_COUNT ? names[runtime] : "unknown";
}
