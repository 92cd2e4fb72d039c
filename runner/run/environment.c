/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/run/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <xxhash.h>

#include "gate/base/file.h"

/* The text behind "key<spaces>:" of the first matching line of a /proc file. */
static void proc_field(const char *path, const char *key, char *ret, size_t size_bytes)
{
	FG_AUTO_BUF struct fg_buf text;

	fg_buf_init(&text, 4 << 20);
	if (fg_file_read(path, 4 << 20, &text, NULL) || !text.data)
		return;
	for (const char *line = text.data; *line;) {
		size_t len = strcspn(line, "\n");
		const char *colon = memchr(line, ':', len);

		if (colon && strncmp(line, key, strlen(key)) == 0) {
			const char *value = colon + 1;

			value += strspn(value, " \t");
			(void)snprintf(ret, size_bytes, "%.*s", (int)(line + len - value), value);
			return;
		}
		line += len + (line[len] == '\n');
	}
}

static void first_line(const char *path, char *ret, size_t size_bytes)
{
	FG_AUTO_BUF struct fg_buf text;

	fg_buf_init(&text, 4096);
	if (fg_file_read(path, 4096, &text, NULL) == 0 && text.data)
		(void)snprintf(ret, size_bytes, "%.*s", (int)strcspn(text.data, "\n"), text.data);
}

static const char *find_ci(void)
{
	static const struct {
		const char *variable, *name;
	} systems[] = {
		{"GITHUB_ACTIONS", "github-actions"},
		{"GITLAB_CI", "gitlab-ci"},
		{"JENKINS_URL", "jenkins"},
		{"BUILDKITE", "buildkite"},
		{"CIRCLECI", "circleci"},
		{"CI", "ci"},
	};

	for (size_t i = 0; i < FG_ARRAY_LEN(systems); i++) {
		const char *value = getenv(systems[i].variable);

		if (value && *value && strcmp(value, "false") != 0)
			return systems[i].name;
	}
	return "";
}

static const char *find_container(void)
{
	if (fg_file_exists("/.dockerenv"))
		return "docker";
	if (fg_file_exists("/run/.containerenv"))
		return "podman";
	if (getenv("KUBERNETES_SERVICE_HOST"))
		return "kubernetes";
	return "";
}

void fg_environment_read(struct fg_environment *ret)
{
	struct utsname names;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	long pages = sysconf(_SC_PHYS_PAGES);
	long page_bytes = sysconf(_SC_PAGESIZE);

	*ret = (struct fg_environment){0};
	proc_field("/proc/cpuinfo", "model name", ret->cpu_model, sizeof(ret->cpu_model));
	/* arm64 has no model name; implementer and part identify the core instead. */
	if (!ret->cpu_model[0])
		proc_field("/proc/cpuinfo", "CPU part", ret->cpu_model, sizeof(ret->cpu_model));
	if (uname(&names) == 0) {
		(void)snprintf(ret->kernel, sizeof(ret->kernel), "%s", names.release);
		(void)snprintf(ret->architecture, sizeof(ret->architecture), "%.31s",
			       names.machine);
		(void)snprintf(ret->hostname_hash, sizeof(ret->hostname_hash), "%016llx",
			       (unsigned long long)XXH64(names.nodename, strlen(names.nodename),
							 0));
	}
	ret->cores = cores > 0 ? (uint32_t)cores : 0;
	if (pages > 0 && page_bytes > 0)
		ret->memory_bytes = (uint64_t)pages * (uint64_t)page_bytes;
	first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", ret->governor,
		   sizeof(ret->governor));
	(void)snprintf(ret->ci, sizeof(ret->ci), "%s", find_ci());
	(void)snprintf(ret->container, sizeof(ret->container), "%s", find_container());
}
