/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/native_origin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gate/base/buf.h"
#include "gate/base/str.h"

struct fg_native_alias {
	struct fg_native_alias *next;
	const struct fg_http_options *http;
	struct fg_native_origin *origin;
	bool tls;
	size_t len;
	char authority[];
};

void fg_native_origins_init(struct fg_native_origins *all, uv_loop_t *loop)
{
	*all = (struct fg_native_origins){0};
	fg_native_names_init(&all->names, loop);
}

void fg_native_origins_close(struct fg_native_origins *all)
{
	fg_native_names_close(&all->names);
}

static void free_origin(struct fg_native_origin *origin)
{
	free(origin->key);
	free(origin->server_name);
	free(origin);
}

void fg_native_origins_done(struct fg_native_origins *all)
{
	for (size_t i = 0; i < FG_NATIVE_ALIAS_BUCKETS; i++) {
		while (all->aliases[i]) {
			struct fg_native_alias *alias = all->aliases[i];

			all->aliases[i] = alias->next;
			free(alias);
		}
	}
	while (all->origins) {
		struct fg_native_origin *origin = all->origins;

		all->origins = origin->next;
		free_origin(origin);
	}
	fg_native_tls_store_done(&all->tls);
	fg_native_names_done(&all->names);
}

/* -- making one ------------------------------------------------------------------------------- */

/* What `resolve` says about this host and port; NULL: nothing. */
static const char *pinned(const struct fg_http_options *http, const char *host, uint16_t port)
{
	char name[FG_NATIVE_HOST_MAX + 16];
	const bool v6 = strchr(host, ':') != NULL;

	snprintf(name, sizeof(name), v6 ? "[%s]:%u" : "%s:%u", host, port);
	for (size_t i = 0; i < http->resolve.count; i++) {
		if (!strcasecmp(http->resolve.items[i].key, name))
			return http->resolve.items[i].value;
	}
	return NULL;
}

static int reach_path(const char *path, struct fg_native_origin *origin, struct fg_err *err)
{
	const size_t len = strlen(path);

	if (len >= sizeof(origin->path.sun_path))
		return fg_err_set(err, FG_E_INVALID,
				  "unixSocket \"%.200s\" is longer than %zu bytes", path,
				  sizeof(origin->path.sun_path) - 1);
	origin->reach = FG_NATIVE_BY_PATH;
	origin->path.sun_family = AF_UNIX;
	memcpy(origin->path.sun_path, path, len + 1);
	return 0;
}

static int reach(struct fg_native_origins *all, const struct fg_http_options *http,
		 const char *host, uint16_t port, struct fg_native_origin *origin,
		 struct fg_err *err)
{
	const char *pin = pinned(http, host, port);
	char pin_host[FG_NATIVE_HOST_MAX + 1];
	int rc;

	if (http->unix_socket && *http->unix_socket)
		return reach_path(http->unix_socket, origin, err);
	origin->port = port;
	if (pin) {
		rc = fg_native_url_address(pin, pin_host, &origin->port, err);
		if (rc)
			return rc;
		host = pin_host;
	}
	if (fg_native_address_literal(host, origin->port, &origin->address))
		return 0;
	origin->reach = FG_NATIVE_BY_NAME;
	return fg_native_names_entry(&all->names, host, &origin->name, err);
}

static void add_part(struct fg_buf *key, const char *text)
{
	fg_buf_add_str(key, text ? text : "");
	fg_buf_add_char(key, '\n');
}

/* Equal keys: the same peer under the same conditions. */
static int make_key(const struct fg_native_url *url, const char *host,
		    const struct fg_http_options *http, char **ret, struct fg_err *err)
{
	struct fg_buf key;
	int rc;

	fg_buf_init(&key, 64 << 10);
	fg_buf_addf(&key, "%d %u %s\n", url->tls, url->port, host);
	add_part(&key, http->unix_socket);
	add_part(&key, pinned(http, host, url->port));
	if (url->tls) {
		add_part(&key, http->ca_file);
		add_part(&key, http->cert_file);
		add_part(&key, http->key_file);
		add_part(&key, http->server_name);
		fg_buf_addf(&key, "%d %d", http->tls_min, http->insecure_skip_verify);
	}
	rc = fg_buf_check(&key, err);
	if (!rc)
		*ret = fg_buf_take(&key, NULL);
	fg_buf_done(&key);
	return rc;
}

static int fill(struct fg_native_origins *all, const struct fg_native_url *url, const char *host,
		const struct fg_http_options *http, struct fg_native_origin *origin,
		struct fg_err *err)
{
	const char *name = http->server_name && *http->server_name ? http->server_name : host;
	int rc = reach(all, http, host, url->port, origin, err);

	if (rc || !url->tls)
		return rc;
	rc = fg_str_dup(name, &origin->server_name, err);
	return rc ? rc : fg_native_tls_context(&all->tls, http, &origin->context, err);
}

static int intern(struct fg_native_origins *all, const struct fg_native_url *url,
		  const struct fg_http_options *http, struct fg_native_origin **ret,
		  struct fg_err *err)
{
	char host[FG_NATIVE_HOST_MAX + 1];
	struct fg_native_origin *origin;
	char *key = NULL;
	int rc;

	for (size_t i = 0; i < url->host_len; i++)
		host[i] = (char)(url->host[i] >= 'A' && url->host[i] <= 'Z' ? url->host[i] | 0x20
									    : url->host[i]);
	host[url->host_len] = '\0';
	rc = make_key(url, host, http, &key, err);
	if (rc)
		return rc;
	for (origin = all->origins; origin; origin = origin->next) {
		if (!strcmp(origin->key, key)) {
			free(key);
			*ret = origin;
			return 0;
		}
	}
	origin = calloc(1, sizeof(*origin));
	if (!origin) {
		free(key);
		return fg_err_nomem(err);
	}
	origin->key = key;
	rc = fill(all, url, host, http, origin, err);
	if (rc) {
		free_origin(origin);
		return rc;
	}
	origin->next = all->origins;
	all->origins = origin;
	*ret = origin;
	return 0;
}

/* -- finding one ------------------------------------------------------------------------------ */

static struct fg_native_alias **bucket(struct fg_native_origins *all,
				       const struct fg_native_url *url,
				       const struct fg_http_options *http)
{
	uint64_t hash = (uint64_t)(uintptr_t)http * 0x9e3779b97f4a7c15ull;

	for (size_t i = 0; i < url->authority_len; i++)
		hash = (hash ^ (unsigned char)url->authority[i]) * 0x100000001b3ull;
	return &all->aliases[(hash >> 32) % FG_NATIVE_ALIAS_BUCKETS];
}

static int add_alias(struct fg_native_origins *all, struct fg_native_alias **head,
		     const struct fg_native_url *url, const struct fg_http_options *http,
		     struct fg_native_origin **ret, struct fg_err *err)
{
	struct fg_native_alias *alias;
	int rc;

	if (all->alias_count == FG_NATIVE_ORIGINS_MAX)
		return fg_err_set(err, FG_E_LIMIT, "requests to more than %d different hosts",
				  FG_NATIVE_ORIGINS_MAX);
	alias = malloc(sizeof(*alias) + url->authority_len);
	if (!alias)
		return fg_err_nomem(err);
	rc = intern(all, url, http, &alias->origin, err);
	if (rc) {
		free(alias);
		return rc;
	}
	alias->http = http;
	alias->tls = url->tls;
	alias->len = url->authority_len;
	memcpy(alias->authority, url->authority, url->authority_len);
	alias->next = *head;
	*head = alias;
	all->alias_count++;
	*ret = alias->origin;
	return 0;
}

int fg_native_origin_find(struct fg_native_origins *all, const struct fg_native_url *url,
			  const struct fg_http_options *http, struct fg_native_origin **ret,
			  struct fg_err *err)
{
	struct fg_native_alias **head = bucket(all, url, http);

	for (struct fg_native_alias *alias = *head; alias; alias = alias->next) {
		if (alias->http == http && alias->tls == url->tls &&
		    alias->len == url->authority_len &&
		    !memcmp(alias->authority, url->authority, alias->len)) {
			*ret = alias->origin;
			return 0;
		}
	}
	return add_alias(all, head, url, http, ret, err);
}
