/* SPDX-License-Identifier: Apache-2.0 */
/* profile.scrape: profiles that the target serves itself. */
#include "runner/scenario/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate/base/num.h"
#include "gate/base/str.h"

/* What is written, before it is understood. */
struct written {
	char *url, *type, *at;
};

static const struct fg_key scrape_keys[] = {
	{.name = "url",
	 .type = FG_T_TEXT,
	 .required = true,
	 FG_AT(written, url),
	 .help = "of a pprof profile: absolute, or a path on the target"},
	{.name = "type",
	 .type = FG_T_TEXT,
	 FG_AT(written, type),
	 .help = "memory, goroutine, mutex …; default: by the URL"},
	{.name = "at",
	 .type = FG_T_TEXT,
	 .standard = "start+end",
	 FG_AT(written, at),
	 .help = "start+end (the difference), end, or every 10s"},
};
const struct fg_table fg_schema_scrape = {"key", "profile.scrape", FG_KEYS(scrape_keys)};

enum { TYPE_MAX = 63 };
#define EVERY_MIN_NS FG_NS_PER_S

static bool is_type(const char *text)
{
	size_t len =
		strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	return len > 0 && len <= TYPE_MAX && !text[len] && (text[0] < '0' || text[0] > '9');
}

/* Go's endpoints by the names under which Pyroscope's own clients store them. */
static void default_type(const char *url, char out[TYPE_MAX + 1])
{
	static const struct {
		const char *path, *type;
	} known[] = {
		{"heap", "memory"},
		{"allocs", "memory"},
		{"goroutine", "goroutine"},
		{"profile", "process_cpu"},
	};
	size_t end = strcspn(url, "?#"), start;

	while (end > 0 && url[end - 1] == '/')
		end--;
	for (start = end; start > 0 && url[start - 1] != '/'; start--)
		;
	(void)snprintf(out, TYPE_MAX + 1, "%.*s", (int)FG_MIN(end - start, (size_t)TYPE_MAX),
		       url + start);
	for (size_t i = 0; i < FG_ARRAY_LEN(known); i++) {
		if (strcmp(out, known[i].path) == 0)
			(void)snprintf(out, TYPE_MAX + 1, "%s", known[i].type);
	}
}

static void read_url(struct fg_reader *reader, const struct fg_node *node, const char *url)
{
	if (!url)
		return;
	const struct fg_node *at = fg_node_get(node, "url", NULL);

	if (url[0] != '/' && !fg_str_starts_with(url, "http://") &&
	    !fg_str_starts_with(url, "https://"))
		fg_reader_fault(reader, at ? at : node,
				"\"%.80s\" is neither a path on the target (/debug/pprof/heap) nor "
				"an http:// or https:// URL",
				url);
}

static void read_type(struct fg_reader *reader, const struct fg_node *node,
		      const struct written *written, struct fg_scrape_setting *scrape)
{
	const struct fg_node *at = fg_node_get(node, "type", NULL);
	char name[TYPE_MAX + 1];
	struct fg_err err = {0};

	if (!written->url)
		return;
	if (!written->type)
		default_type(written->url, name);
	const char *type = written->type ? written->type : name;

	if (!is_type(type)) {
		fg_reader_fault(reader, at ? at : node,
				"%s; a type is letters, digits and _: memory, goroutine, mutex, "
				"block",
				at ? "no type of a profile"
				   : "the URL does not tell the profile's type, so `type` must");
		return;
	}
	(void)fg_reader_failed(reader, fg_str_replace(type, &scrape->type, &err), &err);
}

static void read_at(struct fg_reader *reader, const struct fg_node *node, const char *text,
		    struct fg_scrape_setting *scrape)
{
	const struct fg_node *at = fg_node_get(node, "at", NULL);
	struct fg_err err = {0};

	if (!text || !at || strcmp(text, "start+end") == 0)
		return;
	if (strcmp(text, "end") == 0) {
		scrape->at = FG_SCRAPE_END;
		return;
	}
	if (!fg_str_starts_with(text, "every ") ||
	    fg_num_duration_ns(text + 6, strlen(text + 6), &scrape->every_ns, &err) ||
	    scrape->every_ns < EVERY_MIN_NS) {
		fg_reader_fault(reader, at,
				"`at` knows start+end, end, and every DURATION of at least 1s "
				"(every 10s)");
		return;
	}
	scrape->at = FG_SCRAPE_EVERY;
}

static void read_one(struct fg_reader *reader, const struct fg_node *node,
		     struct fg_scenario_file *file)
{
	struct written written = {0};
	struct fg_scrape_setting scrape = {0};

	fg_reader_object(reader, node, &fg_schema_scrape, &written);
	read_url(reader, node, written.url);
	read_type(reader, node, &written, &scrape);
	read_at(reader, node, written.at, &scrape);
	scrape.url = written.url;
	free(written.type);
	free(written.at);
	if (file)
		file->scrapes[file->scrape_count++] = scrape;
	else
		fg_scrape_setting_done(&scrape);
}

void fg_scrape_setting_done(struct fg_scrape_setting *scrape)
{
	free(scrape->url);
	free(scrape->type);
}

void fg_read_scrape(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		    void *owner)
{
	struct fg_scenario_file *file = owner;

	if (!fg_reader_expect(reader, node, FG_NODE_LIST, key->name))
		return;
	if (node->count + (file ? file->scrape_count : 0) > FG_SCRAPE_SETTINGS_MAX) {
		fg_reader_fault(reader, node, "more than %d profiles to scrape",
				FG_SCRAPE_SETTINGS_MAX);
		return;
	}
	for (size_t i = 0; i < node->count && !reader->fatal; i++)
		read_one(reader, node->items[i], file);
}
