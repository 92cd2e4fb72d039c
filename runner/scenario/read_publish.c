/* SPDX-License-Identifier: Apache-2.0 */
/* publish: servers to send to. */
#include "runner/scenario/reader.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/str.h"
#include "gate/base/vec.h"

enum { PUBLISH_MAX = 100, TREND_STATS_MAX = 64 };

static bool is_type(const struct fg_node *node, const char *type)
{
	const struct fg_node *value = fg_node_get(node, "type", NULL);

	return value && value->kind == FG_NODE_SCALAR && strcmp(value->text, type) == 0;
}

const struct fg_table *fg_publish_table(const struct fg_node *node)
{
	return is_type(node, "prometheus") ? &fg_schema_prometheus : &fg_schema_publish;
}

static void check_url(struct fg_reader *reader, const struct fg_node *node, const char *url)
{
	const struct fg_node *at = fg_node_get(node, "url", NULL);

	if (at && url && !fg_str_starts_with(url, "http://") &&
	    !fg_str_starts_with(url, "https://"))
		fg_reader_fault(reader, at, "\"%.80s\" is not an http:// or https:// URL", url);
}

/* -- pyroscope ------------------------------------------------------------------------------ */

static void read_pyroscope(struct fg_reader *reader, const struct fg_node *node,
			   struct fg_scenario_file *file)
{
	struct fg_publish_pyroscope publish = {0};
	struct fg_err err = {0};

	fg_reader_object(reader, node, &fg_schema_publish, &publish);
	check_url(reader, node, publish.url);
	if (fg_reader_failed(reader,
			     FG_VEC_ROOM(file, publish, publish_count, publish_capacity,
					 PUBLISH_MAX, &err),
			     &err)) {
		free(publish.url);
		fg_tags_done(&publish.labels);
		return;
	}
	file->publish[file->publish_count++] = publish;
}

/* -- prometheus ----------------------------------------------------------------------------- */

static bool add_stat(struct fg_reader *reader, struct fg_publish_prometheus *prometheus, char *text)
{
	struct fg_err err = {0};
	char **grown = realloc(prometheus->trend_stats,
			       (prometheus->trend_stat_count + 1) * sizeof(*grown));

	if (!grown) {
		free(text);
		return !fg_reader_failed(reader, fg_err_nomem(&err), &err);
	}
	grown[prometheus->trend_stat_count++] = text;
	prometheus->trend_stats = grown;
	return true;
}

void fg_read_trend_stats(struct fg_reader *reader, const struct fg_key *key,
			 const struct fg_node *node, void *owner)
{
	struct fg_publish_prometheus *prometheus = owner;

	if (!fg_reader_expect(reader, node, FG_NODE_LIST, key->name))
		return;
	if (node->count == 0 || node->count > TREND_STATS_MAX)
		fg_reader_fault(reader, node, "trendStats wants 1 to %d statistics",
				TREND_STATS_MAX);
	for (size_t i = 0; i < node->count && i < TREND_STATS_MAX; i++) {
		if (!fg_reader_expect(reader, node->items[i], FG_NODE_SCALAR, key->name))
			continue;
		char *text = fg_template_text(reader, node->items[i], FG_TEXT_CONSTANT, NULL);

		if (text && prometheus && !add_stat(reader, prometheus, text))
			return;
		if (!prometheus)
			free(text);
	}
}

void fg_read_publish_headers(struct fg_reader *reader, const struct fg_key *key,
			     const struct fg_node *node, void *owner)
{
	struct fg_publish_prometheus *prometheus = owner;
	struct fg_http_options options = {0};

	fg_read_headers(reader, key, node, prometheus ? &options : NULL);
	if (!prometheus)
		return;
	for (size_t i = 0; i < options.header_count; i++)
		if (!fg_template_is_constant(&options.headers[i].value))
			fg_reader_fault(reader, node, "a header of publish cannot change");
	fg_header_list_done(prometheus->headers, prometheus->header_count);
	prometheus->headers = options.headers;
	prometheus->header_count = options.header_count;
	prometheus->header_capacity = options.header_capacity;
}

static void check_credentials(struct fg_reader *reader, const struct fg_node *node)
{
	static const char *const kinds[] = {"username", "bearerToken"};
	struct fg_node *password = NULL;

	(void)fg_reader_one_of(reader, node, kinds, FG_ARRAY_LEN(kinds), NULL);
	(void)fg_node_get(node, "password", &password);
	if (password && !fg_node_get(node, "username", NULL))
		fg_reader_fault(reader, password, "password goes with username");
}

/* Nobody lists what stands under such a key among the secrets. */
static void hide(struct fg_reader *reader, const char *name, const char *value)
{
	struct fg_err err = {0};

	if (value && *value)
		(void)fg_reader_failed(
			reader, fg_tags_add(&reader->file->secrets, name, value, &err), &err);
}

static void read_prometheus(struct fg_reader *reader, const struct fg_node *node,
			    struct fg_scenario_file *file)
{
	struct fg_err err = {0};

	if (fg_reader_failed(reader,
			     FG_VEC_ROOM(file, prometheus, prometheus_count, prometheus_capacity,
					 PUBLISH_MAX, &err),
			     &err))
		return;
	struct fg_publish_prometheus *publish = &file->prometheus[file->prometheus_count++];

	fg_reader_defaults(reader, &fg_schema_prometheus, publish);
	fg_reader_object(reader, node, &fg_schema_prometheus, publish);
	check_url(reader, node, publish->url);
	check_credentials(reader, node);
	hide(reader, "publish.password", publish->password);
	hide(reader, "publish.bearerToken", publish->bearer_token);
}

/* -- the list ------------------------------------------------------------------------------- */

static void read_publish(struct fg_reader *reader, const struct fg_node *node,
			 struct fg_scenario_file *file)
{
	struct fg_node *type = fg_node_get(node, "type", NULL);

	if (is_type(node, "prometheus")) {
		read_prometheus(reader, node, file);
	} else if (is_type(node, "otlp")) {
		fg_reader_later(reader, type, type->text, "F");
		reader->later++;
		fg_reader_object(reader, node, &fg_schema_publish, NULL);
		reader->later--;
	} else {
		read_pyroscope(reader, node, file);
	}
}

void fg_read_publish(struct fg_reader *reader, const struct fg_key *key, const struct fg_node *node,
		     void *owner)
{
	(void)key;
	if (!fg_reader_expect(reader, node, FG_NODE_LIST, key->name))
		return;
	if (node->count > PUBLISH_MAX) {
		fg_reader_fault(reader, node, "more than %d publishers", PUBLISH_MAX);
		return;
	}
	for (size_t i = 0; i < node->count && !reader->fatal; i++)
		read_publish(reader, node->items[i], owner);
}
