/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scrape/ of a bundle: profiles that the target served, as they came, and an index of them. What is
 * in them is not looked at here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gate/base/file.h"
#include "gate/base/str.h"
#include "gate/measure/bundle_internal.h"
#include "gate/measure/run_json_read.h"

static const char index_name[] = "scrape/index.json";
enum { INDEX_MAX = 1 << 20 };

static void free_scrape(struct fg_scrape *scrape)
{
	free(scrape->name);
	free(scrape->type);
	free(scrape->url);
	free(scrape->bytes);
}

void fg_bundle_free_scrapes(struct fg_bundle *bundle)
{
	for (size_t i = 0; i < bundle->scrape_count; i++)
		free_scrape(&bundle->scrapes[i]);
	free(bundle->scrapes);
	bundle->scrapes = NULL;
	bundle->scrape_count = 0;
}

/* "http://user:word@host/p?token=x#y" → "http://host/p": whatever may be secret stays out of a file
 * that people pass on. */
static int copy_url(const char *url, char **ret, struct fg_err *err)
{
	const char *host = strstr(url, "://");

	host = host ? host + 3 : url;
	size_t authority = strcspn(host, "/?#");
	size_t path = strcspn(host, "?#");
	const char *at = memrchr(host, '@', authority);
	const char *from = at ? at + 1 : host;
	FG_AUTO_BUF struct fg_buf text = {.max = FG_SCRAPE_TEXT_MAX + 16};

	fg_buf_add(&text, url, (size_t)(host - url));
	fg_buf_add(&text, from, path - (size_t)(from - host));
	int rc = fg_buf_check(&text, err);

	return rc ? rc : fg_str_dup(text.data ? text.data : "", ret, err);
}

static int check(const struct fg_bundle *bundle, const struct fg_scrape *scrape, struct fg_err *err)
{
	if (bundle->scrape_count == FG_SCRAPES_MAX)
		return fg_err_set(err, FG_E_LIMIT, "more than %d scraped profiles", FG_SCRAPES_MAX);
	if (scrape->len > FG_SCRAPE_BYTES_MAX)
		return fg_err_set(err, FG_E_LIMIT, "scraped profile %.64s: %zu bytes (at most %d)",
				  scrape->name, scrape->len, FG_SCRAPE_BYTES_MAX);
	if (strlen(scrape->name) > FG_SCRAPE_TEXT_MAX ||
	    strlen(scrape->type) > FG_SCRAPE_TEXT_MAX || strlen(scrape->url) > FG_SCRAPE_TEXT_MAX)
		return fg_err_set(err, FG_E_LIMIT,
				  "a scraped profile's name, type or URL is "
				  "longer than %d bytes",
				  FG_SCRAPE_TEXT_MAX);
	return 0;
}

int fg_bundle_add_scrape(struct fg_bundle *bundle, const struct fg_scrape *scrape,
			 struct fg_err *err)
{
	struct fg_scrape copy = {.at_ns = scrape->at_ns, .len = scrape->len};
	int rc = check(bundle, scrape, err);

	if (rc)
		return rc;
	if (!bundle->scrapes)
		bundle->scrapes = calloc(FG_SCRAPES_MAX, sizeof(*bundle->scrapes));
	copy.bytes = malloc(scrape->len ? scrape->len : 1);
	if (!bundle->scrapes || !copy.bytes) {
		free(copy.bytes);
		return fg_err_nomem(err);
	}
	if (scrape->len)
		memcpy(copy.bytes, scrape->bytes, scrape->len);
	rc = fg_str_dup(scrape->name, &copy.name, err);
	if (rc == 0)
		rc = fg_str_dup(scrape->type, &copy.type, err);
	if (rc == 0)
		rc = copy_url(scrape->url, &copy.url, err);
	if (rc)
		free_scrape(&copy);
	else
		bundle->scrapes[bundle->scrape_count++] = copy;
	return rc;
}

/* -- writing ------------------------------------------------------------------------------------
 */

static void put_index(const struct fg_bundle *bundle, struct fg_json_writer *w)
{
	fg_json_begin(w, NULL);
	fg_json_put_u64(w, "version", 1);
	fg_json_begin_array(w, "profiles");
	for (size_t i = 0; i < bundle->scrape_count; i++) {
		const struct fg_scrape *scrape = &bundle->scrapes[i];

		fg_json_begin(w, NULL);
		fg_json_put_string(w, "name", scrape->name);
		fg_json_put_string(w, "type", scrape->type);
		fg_json_put_string(w, "url", scrape->url);
		fg_json_put_u64(w, "atNs", scrape->at_ns);
		fg_json_put_u64(w, "bytes", scrape->len);
		fg_json_end(w);
	}
	fg_json_end(w);
	fg_json_end(w);
}

int fg_bundle_write_scrapes(const char *dir, const struct fg_bundle *bundle, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text = {.max = INDEX_MAX};
	struct fg_json_writer writer;
	char path[FG_PATH_MAX];

	if (bundle->scrape_count == 0)
		return 0;
	int rc = fg_file_path(path, err, "%s/scrape", dir);

	if (rc == 0)
		rc = fg_file_mkdirs(path, err);
	fg_json_writer_init(&writer, &text, true);
	put_index(bundle, &writer);
	if (rc == 0)
		rc = fg_json_writer_check(&writer, err);
	if (rc == 0)
		rc = fg_file_path(path, err, "%s/%s", dir, index_name);
	if (rc == 0)
		rc = fg_file_write_new(path, text.data, text.len, err);
	for (size_t i = 0; rc == 0 && i < bundle->scrape_count; i++) {
		rc = fg_file_path(path, err, "%s/scrape/%zu.pb.gz", dir, i);
		if (rc == 0)
			rc = fg_file_write_new(path, bundle->scrapes[i].bytes,
					       bundle->scrapes[i].len, err);
	}
	if (rc == 0)
		rc = fg_file_path(path, err, "%s/scrape", dir);
	return rc ? rc : fg_file_sync_dir(path, err);
}

/* -- reading ------------------------------------------------------------------------------------
 */

static int read_one(const char *dir, const struct fg_json_at *list, size_t number,
		    struct fg_bundle *bundle, struct fg_err *err)
{
	char name[FG_SCRAPE_TEXT_MAX + 1] = "", type[FG_SCRAPE_TEXT_MAX + 1] = "";
	char url[FG_SCRAPE_TEXT_MAX + 1] = "", path[FG_PATH_MAX];
	struct fg_scrape scrape = {.name = name, .type = type, .url = url};
	FG_AUTO_BUF struct fg_buf bytes;
	struct fg_json_at at;
	uint64_t len = 0;
	int rc = fg_json_element(list, number, &at, err);

	fg_buf_init(&bytes, FG_SCRAPE_BYTES_MAX);
	FG_JSON_TRY(rc, fg_json_text(&at, "name", name, sizeof(name), err));
	FG_JSON_TRY(rc, fg_json_text(&at, "type", type, sizeof(type), err));
	FG_JSON_TRY(rc, fg_json_text(&at, "url", url, sizeof(url), err));
	FG_JSON_TRY(rc, fg_json_u64(&at, "atNs", INT64_MAX, &scrape.at_ns, err));
	FG_JSON_TRY(rc, fg_json_u64(&at, "bytes", FG_SCRAPE_BYTES_MAX, &len, err));
	FG_JSON_TRY(rc, fg_file_path(path, err, "%s/scrape/%zu.pb.gz", dir, number));
	FG_JSON_TRY(rc, fg_file_read(path, FG_SCRAPE_BYTES_MAX, &bytes, err));
	if (rc == 0 && bytes.len != len)
		rc = fg_err_set(err, FG_E_INVALID, "%s has %zu bytes, the index says %llu", path,
				bytes.len, (unsigned long long)len);
	scrape.bytes = bytes.data;
	scrape.len = bytes.len;
	return rc ? rc : fg_bundle_add_scrape(bundle, &scrape, err);
}

int fg_bundle_read_scrapes(const char *dir, struct fg_bundle *bundle, struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf text;
	FG_AUTO_JSON json_t *tree = NULL;
	struct fg_json_at list;
	char path[FG_PATH_MAX];
	uint64_t version;
	int rc = fg_file_path(path, err, "%s/%s", dir, index_name);

	fg_buf_init(&text, INDEX_MAX);
	if (rc || !fg_file_exists(path))
		return rc;
	rc = fg_file_read(path, INDEX_MAX, &text, err);
	FG_JSON_TRY(rc, fg_json_parse(text.data ? text.data : "", text.len, &tree, err));
	if (rc)
		return fg_err_wrap(err, "%s", index_name);
	const struct fg_json_at root = fg_json_root(tree);

	rc = fg_json_u64(&root, "version", UINT32_MAX, &version, err);
	if (rc == 0 && version != 1)
		rc = fg_err_set(err, FG_E_UNSUPPORTED, "version %llu is not known here",
				(unsigned long long)version);
	FG_JSON_TRY(rc, fg_json_array(&root, "profiles", FG_SCRAPES_MAX, &list, err));
	for (size_t i = 0; rc == 0 && i < fg_json_count(&list); i++)
		rc = read_one(dir, &list, i, bundle, err);
	return rc ? fg_err_wrap(err, "%s", index_name) : 0;
}
