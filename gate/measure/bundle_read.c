/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a bundle directory: find it, bound every file, check the parts against each other. */
#include "gate/measure/bundle_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gate/base/file.h"
#include "gate/format/gzip.h"

const char fg_bundle_run_name[] = "run.json";
const char fg_bundle_latency_name[] = "latency.jsonl.gz";
const char fg_bundle_metrics_name[] = "metrics.jsonl.gz";
const char fg_bundle_profile_name[] = "profile.pb.gz";

void fg_bundle_done(struct fg_bundle *bundle)
{
	if (!bundle)
		return;
	fg_result_free(bundle->result);
	fg_profile_free(bundle->profile);
	for (int i = 0; i < FG_PROFILE_TYPE_COUNT; i++)
		fg_profile_free(bundle->profiles[i]);
	fg_bundle_free_scrapes(bundle);
	*bundle = (struct fg_bundle){0};
}

static int read_file(const char *dir, const char *name, size_t max_bytes, struct fg_buf *buf,
		     struct fg_err *err)
{
	char path[FG_PATH_MAX];
	int rc = fg_file_path(path, err, "%s/%s", dir, name);

	fg_buf_init(buf, max_bytes);
	return rc ? rc : fg_file_read(path, max_bytes, buf, err);
}

static bool has_file(const char *dir, const char *name)
{
	char path[FG_PATH_MAX];

	return fg_file_path(path, NULL, "%s/%s", dir, name) == 0 && fg_file_exists(path);
}

static int find_bundle(const char *dir, char found[FG_PATH_MAX], struct fg_err *err)
{
	int rc = fg_file_path(found, err, "%s", dir);

	if (rc || has_file(found, fg_bundle_run_name))
		return rc;
	rc = fg_file_path(found, err, "%s/bundle", dir);
	if (rc || has_file(found, fg_bundle_run_name))
		return rc;
	if (!fg_file_exists(dir))
		return fg_err_set(err, FG_E_NOT_FOUND, "there is no bundle %s", dir);
	return fg_err_set(err, FG_E_NOT_FOUND, "%s is not a bundle: it has no %s", dir,
			  fg_bundle_run_name);
}

static int read_run(const char *dir, struct fg_result **ret, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {0};
	int rc = read_file(dir, fg_bundle_run_name, FG_JSON_BYTES_MAX, &text, err);

	return rc ? rc : fg_bundle_parse_run_json(text.data ? text.data : "", text.len, ret, err);
}

/* The file in pieces, through `stream`. */
static int feed_file(int fd, const char *path, struct fg_gzip_stream *stream, struct fg_err *err)
{
	enum { PIECE_BYTES = 64 << 10 };
	FG_AUTO_FREE char *piece = malloc(PIECE_BYTES);
	int rc = piece ? 0 : fg_err_nomem(err);

	while (rc == 0) {
		ssize_t n = read(fd, piece, PIECE_BYTES);

		if (n == 0)
			return fg_gzip_stream_end(stream, err);
		if (n > 0)
			rc = fg_gzip_stream_put(stream, piece, (size_t)n, err);
		else if (errno != EINTR)
			rc = fg_err_errno(err, errno, "cannot read %s", path);
	}
	return rc;
}

/* Rows of a real run compress ten times; what inflates to much more wants to fill the disk. */
static int inflate_file(int fd, const char *path, struct fg_lines_reader *reader,
			struct fg_err *err)
{
	struct fg_gzip_stream *stream = NULL;
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return fg_err_set(err, FG_E_INVALID, "%s is not a regular file", path);
	uint64_t most = FG_MAX((uint64_t)st.st_size * FG_BUNDLE_INFLATION_MAX,
			       (uint64_t)FG_BUNDLE_LATENCY_MAX);
	int rc = fg_gzip_stream_new(true, most, fg_bundle_lines_feed, reader, &stream, err);

	if (rc == 0)
		rc = feed_file(fd, path, stream, err);
	fg_gzip_stream_free(stream);
	return rc ? rc : fg_bundle_lines_end(reader, err);
}

static int read_lines(const char *dir, struct fg_lines_reader *reader, struct fg_err *err)
{
	char path[FG_PATH_MAX];
	int rc = fg_file_path(path, err, "%s/%s", dir, reader->name);

	if (rc == 0) {
		FG_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

		rc = fd < 0 ? fg_err_errno(err, errno, "cannot open %s", path)
			    : inflate_file(fd, path, reader, err);
	}
	fg_bundle_lines_done(reader);
	return rc ? fg_err_wrap(err, "%s", reader->name) : 0;
}

static int read_series(const char *dir, struct fg_result *result, struct fg_err *err)
{
	struct fg_series *series = NULL;
	struct fg_lines_reader reader;
	int rc = fg_series_new(&series, err);

	if (rc)
		return rc;
	fg_bundle_latency_reader(&reader, result, series);
	rc = read_lines(dir, &reader, err);
	if (rc == 0 && has_file(dir, fg_bundle_metrics_name)) { /* old bundles have none */
		fg_bundle_metrics_reader(&reader, result, series);
		rc = read_lines(dir, &reader, err);
	}
	if (rc == 0 && series->partial[0])
		rc = fg_err_set(err, FG_E_IO, "%s", series->partial);
	if (rc) {
		fg_series_free(series);
		return rc;
	}
	memcpy(series->partial, result->series->partial, sizeof(series->partial));
	fg_series_free(result->series);
	result->series = series;
	return 0;
}

int fg_bundle_read(const char *dir, struct fg_bundle *ret, struct fg_err *err)
{
	struct fg_bundle bundle = {0};
	char found[FG_PATH_MAX];
	int rc = find_bundle(dir, found, err);

	if (rc)
		return rc;
	rc = read_run(found, &bundle.result, err);
	if (rc == 0)
		rc = read_series(found, bundle.result, err);
	if (rc == 0)
		rc = fg_bundle_read_profiles(found, &bundle, err);
	if (rc == 0)
		rc = fg_bundle_read_scrapes(found, &bundle, err);
	if (rc) {
		fg_bundle_done(&bundle);
		return fg_err_wrap(err, "bundle %s", found);
	}
	*ret = bundle;
	return 0;
}
