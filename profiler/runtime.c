/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/runtime.h"

#include <stdio.h>

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

const char *fg_runtime_flags_text(uint32_t flags, char *text, size_t size_bytes)
{
	static const char *const words[FG_RUNTIME_FLAG_COUNT] = {
		"--perf-basic-prof",
		"--interpreted-frames-native-stack",
		"-XX:+PreserveFramePointer",
		"-XX:+DisableAttachMechanism",
		"-Xrs",
	};
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < FG_RUNTIME_FLAG_COUNT && len < size_bytes; i++) {
		if (flags & 1u << i)
			len += (size_t)snprintf(text + len, size_bytes - len, "%s%s",
						len ? " " : "", words[i]);
	}
	return text;
}
