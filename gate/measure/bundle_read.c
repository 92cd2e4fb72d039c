/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a bundle directory: find it, bound every file, check the parts against each other. */
#include "gate/measure/bundle_internal.h"

#include <stdlib.h>

#include "gate/base/file.h"
#include "gate/format/gzip.h"
#include "gate/profile/pprof.h"

const char fg_bundle_run_name[] = "run.json";
const char fg_bundle_latency_name[] = "latency.jsonl.gz";
const char fg_bundle_profile_name[] = "profile.pb.gz";

void fg_bundle_done(struct fg_bundle *bundle)
{
	if (!bundle)
		return;
	fg_result_free(bundle->result);
	fg_profile_free(bundle->profile);
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

static int read_latency(const char *dir, struct fg_result *result, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf packed = {0};
	FG_AUTO_BUF struct fg_buf lines = {.max = FG_BUNDLE_LATENCY_MAX};
	int rc = read_file(dir, fg_bundle_latency_name, FG_BUNDLE_GZIP_MAX, &packed, err);

	if (rc)
		return rc;
	rc = fg_gzip_inflate(FG_DEFLATE_GZIP, packed.data ? packed.data : "", packed.len,
			     FG_BUNDLE_LATENCY_MAX, &lines, err);
	if (rc)
		return fg_err_wrap(err, "%s", fg_bundle_latency_name);
	return fg_bundle_parse_latency(lines.data ? lines.data : "", lines.len, result, err);
}

static int read_profile(const char *dir, const struct fg_result *result, struct fg_profile **ret,
			struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf bytes = {0};

	if (!result->profile.present)
		return 0;
	int rc = read_file(dir, fg_bundle_profile_name, FG_PROFILE_BYTES_MAX, &bytes, err);

	if (rc)
		return rc;
	rc = fg_pprof_decode(bytes.data ? bytes.data : "", bytes.len, ret, err);
	return rc ? fg_err_wrap(err, "%s", fg_bundle_profile_name) : 0;
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
		rc = read_latency(found, bundle.result, err);
	if (rc == 0)
		rc = read_profile(found, bundle.result, &bundle.profile, err);
	if (rc) {
		fg_bundle_done(&bundle);
		return fg_err_wrap(err, "bundle %s", found);
	}
	*ret = bundle;
	return 0;
}
