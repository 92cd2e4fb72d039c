/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/debuginfod.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gate/base/clock.h"
#include "gate/base/file.h"
#include "gate/base/str.h"
#include "runner/http_client.h"

enum { SERVERS_MAX = 8 };
#define ONE_FILE_NS (60 * FG_NS_PER_S)

struct fg_debuginfod {
	char *urls;                 /* cut into servers */
	char *servers[SERVERS_MAX]; /* NULL: given up */
	size_t server_count;
	char *cache; /* NULL: none, files are only used */
	uint64_t spent_ns, bytes;
	unsigned asked, fetched, cached, missing;
	struct fg_err failure; /* the first */
};

static void split(struct fg_debuginfod *debuginfod)
{
	char *at = debuginfod->urls;

	while (*(at += strspn(at, " \t")) && debuginfod->server_count < SERVERS_MAX) {
		size_t len = strcspn(at, " \t");
		bool last = at[len] == '\0';

		at[len] = '\0';
		while (len > 1 && at[len - 1] == '/')
			at[--len] = '\0';
		debuginfod->servers[debuginfod->server_count++] = at;
		if (last)
			break;
		at += strlen(at) + 1;
	}
}

/* Where elfutils keeps its own. */
static int find_cache(char **ret, struct fg_err *err)
{
	static const struct {
		const char *variable, *below;
	} places[] = {
		{"DEBUGINFOD_CACHE_PATH", ""},
		{"XDG_CACHE_HOME", "/debuginfod_client"},
		{"HOME", "/.cache/debuginfod_client"},
	};
	char path[FG_PATH_MAX];

	*ret = NULL;
	for (size_t i = 0; i < FG_ARRAY_LEN(places); i++) {
		const char *base = getenv(places[i].variable);

		if (!base || base[0] != '/')
			continue;
		int rc = fg_file_path(path, err, "%s%s", base, places[i].below);

		return rc ? rc : fg_str_dup(path, ret, err);
	}
	return 0;
}

int fg_debuginfod_new(const char *setting, struct fg_debuginfod **ret, struct fg_err *err)
{
	const char *urls =
		setting && strcmp(setting, "env") == 0 ? getenv("DEBUGINFOD_URLS") : setting;

	*ret = NULL;
	if (!setting)
		return 0;
	struct fg_debuginfod *debuginfod = calloc(1, sizeof(*debuginfod));

	if (!debuginfod)
		return fg_err_nomem(err);
	int rc = fg_str_dup(urls ? urls : "", &debuginfod->urls, err);

	if (!rc)
		rc = find_cache(&debuginfod->cache, err);
	if (rc) {
		fg_debuginfod_free(debuginfod);
		return rc;
	}
	split(debuginfod);
	*ret = debuginfod;
	return 0;
}

void fg_debuginfod_free(struct fg_debuginfod *debuginfod)
{
	if (!debuginfod)
		return;
	free(debuginfod->urls);
	free(debuginfod->cache);
	free(debuginfod);
}

/* Only digits reach paths and URLs. */
static bool is_build_id(const char *text)
{
	size_t len = strspn(text, "0123456789abcdef");

	return len >= 8 && len <= 128 && text[len] == '\0';
}

static int open_cached(const struct fg_debuginfod *debuginfod, const char *build_id)
{
	char path[FG_PATH_MAX];
	struct stat status;

	if (!debuginfod->cache ||
	    fg_file_path(path, NULL, "%s/%s/debuginfo", debuginfod->cache, build_id))
		return -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	/* an empty file is elfutils' note that there was none */
	if (fd >= 0 && (fstat(fd, &status) || !S_ISREG(status.st_mode) || status.st_size == 0)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* A file to write to: in the cache under another name, or nameless. `path` is "" for the latter. */
static int create(const struct fg_debuginfod *debuginfod, const char *build_id,
		  char path[FG_PATH_MAX])
{
	if (debuginfod->cache &&
	    fg_file_path(path, NULL, "%s/%s", debuginfod->cache, build_id) == 0 &&
	    fg_file_mkdirs(path, NULL) == 0 &&
	    fg_file_path(path, NULL, "%s/%s/debuginfo.XXXXXX", debuginfod->cache, build_id) == 0) {
		int fd = mkostemp(path, O_CLOEXEC);

		if (fd >= 0)
			return fd;
	}
	char nameless[] = "/tmp/flamegate-debuginfo.XXXXXX";
	int fd = mkostemp(nameless, O_CLOEXEC);

	if (fd >= 0)
		(void)unlink(nameless);
	path[0] = '\0';
	return fd;
}

/* Under its real name once it is whole, or gone. */
static void settle(const struct fg_debuginfod *debuginfod, const char *build_id, const char *path,
		   bool good)
{
	char final[FG_PATH_MAX];

	if (!path[0])
		return;
	if (!good || fg_file_path(final, NULL, "%s/%s/debuginfo", debuginfod->cache, build_id) ||
	    rename(path, final))
		(void)unlink(path);
}

static bool begins_like_elf(int fd)
{
	char magic[4];

	return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	       memcmp(magic, "\177ELF", sizeof(magic)) == 0;
}

/* True when the server gave the file; *ret_alive false when it did not answer. */
static bool fetch_from(struct fg_debuginfod *debuginfod, const char *server, const char *build_id,
		       uint64_t budget_ns, int fd, bool *ret_alive)
{
	char url[FG_PATH_MAX];
	struct fg_err err = {0};
	struct fg_http_response response;

	*ret_alive = true;
	if (fg_file_path(url, NULL, "%s/buildid/%s/debuginfo", server, build_id))
		return false;
	const struct fg_http_request request = {
		.method = "GET",
		.url = url,
		.timeout_ns = FG_MIN(budget_ns, ONE_FILE_NS),
		.max_response_bytes = FG_DEBUGINFOD_FILE_BYTES_MAX,
		.body_fd = fd,
	};

	if (fg_http_fetch(&request, &response, &err)) {
		*ret_alive = false;
		if (!debuginfod->failure.code)
			debuginfod->failure = err;
		return false;
	}
	long status = response.status;

	fg_http_response_done(&response);
	if (status == 200 && begins_like_elf(fd))
		return true;
	if (status != 404 && !debuginfod->failure.code)
		(void)!fg_err_set(&debuginfod->failure, FG_E_NETWORK,
				  status == 200 ? "%s sent something else than an ELF file"
						: "%s answered %ld",
				  server, status);
	if (ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET)) /* the next server must not append */
		*ret_alive = false;
	return false;
}

static int fetch(struct fg_debuginfod *debuginfod, const char *build_id)
{
	const uint64_t all_ns = FG_DEBUGINFOD_SECONDS_MAX * FG_NS_PER_S;
	char path[FG_PATH_MAX];
	int fd = create(debuginfod, build_id, path);
	bool good = false;
	struct stat status;

	for (size_t i = 0; fd >= 0 && !good && i < debuginfod->server_count; i++) {
		uint64_t start_ns = fg_clock_monotonic_ns();
		bool alive = true;

		if (!debuginfod->servers[i] || debuginfod->spent_ns >= all_ns)
			continue;
		good = fetch_from(debuginfod, debuginfod->servers[i], build_id,
				  all_ns - debuginfod->spent_ns, fd, &alive);
		if (!alive)
			debuginfod->servers[i] = NULL;
		debuginfod->spent_ns += fg_clock_monotonic_ns() - start_ns;
	}
	if (fd >= 0)
		settle(debuginfod, build_id, path, good);
	if (!good && fd >= 0) {
		close(fd);
		fd = -1;
	}
	if (good && fstat(fd, &status) == 0)
		debuginfod->bytes += (uint64_t)status.st_size;
	return fd;
}

int fg_debuginfod_open(void *context, const char *build_id)
{
	struct fg_debuginfod *debuginfod = context;

	if (!is_build_id(build_id))
		return -1;
	int fd = open_cached(debuginfod, build_id);

	if (fd >= 0) {
		debuginfod->cached++;
		return fd;
	}
	if (debuginfod->asked == FG_DEBUGINFOD_FILES_MAX)
		return -1;
	debuginfod->asked++;
	fd = fetch(debuginfod, build_id);
	if (fd >= 0)
		debuginfod->fetched++;
	else
		debuginfod->missing++;
	return fd;
}

void fg_debuginfod_summary(const struct fg_debuginfod *debuginfod, char *text, size_t size_bytes)
{
	const char *failure = debuginfod->failure.message;

	if (debuginfod->server_count == 0)
		failure = "DEBUGINFOD_URLS names no server";
	(void)snprintf(text, size_bytes,
		       "%u fetched (%.1f MB in %.1f s), %u in the cache, %u not there%s%s",
		       debuginfod->fetched, (double)debuginfod->bytes / 1e6,
		       (double)debuginfod->spent_ns / 1e9, debuginfod->cached, debuginfod->missing,
		       failure[0] ? "; " : "", failure);
}
