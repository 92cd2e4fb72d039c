/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/native_names.h"

#include <stdlib.h>
#include <string.h>

#include "gate/base/clock.h"
#include "gate/base/str.h"

#define FRESH_NS (300 * FG_NS_PER_S)

void fg_native_names_init(struct fg_native_names *names, uv_loop_t *loop)
{
	*names = (struct fg_native_names){.loop = loop};
}

void fg_native_names_close(struct fg_native_names *names)
{
	for (struct fg_native_name *name = names->names; name; name = name->next) {
		if (name->pending)
			(void)uv_cancel((uv_req_t *)&name->request);
	}
}

void fg_native_names_done(struct fg_native_names *names)
{
	while (names->names) {
		struct fg_native_name *name = names->names;

		names->names = name->next;
		free(name->host);
		free(name);
	}
}

int fg_native_names_entry(struct fg_native_names *names, const char *host,
			  struct fg_native_name **ret, struct fg_err *err)
{
	struct fg_native_name *name;
	int rc;

	for (name = names->names; name; name = name->next) {
		if (!strcmp(name->host, host)) {
			*ret = name;
			return 0;
		}
	}
	if (names->count == FG_NATIVE_NAMES_MAX)
		return fg_err_set(err, FG_E_LIMIT, "more than %d host names", FG_NATIVE_NAMES_MAX);
	name = calloc(1, sizeof(*name));
	if (!name)
		return fg_err_nomem(err);
	rc = fg_str_dup(host, &name->host, err);
	if (rc) {
		free(name);
		return rc;
	}
	name->request.data = name;
	name->next = names->names;
	names->names = name;
	names->count++;
	*ret = name;
	return 0;
}

bool fg_native_name_is_fresh(const struct fg_native_name *name, uint64_t now_ns)
{
	return name->count && now_ns < name->expires_ns;
}

static void take_family(struct fg_native_name *name, const struct addrinfo *list, int family)
{
	for (const struct addrinfo *item = list; item; item = item->ai_next) {
		if (item->ai_family == family && name->count < FG_NATIVE_ADDRESSES_MAX &&
		    item->ai_addrlen <= sizeof(name->addresses[0]))
			memcpy(&name->addresses[name->count++], item->ai_addr, item->ai_addrlen);
	}
}

static void on_addresses(uv_getaddrinfo_t *request, int failure, struct addrinfo *list)
{
	struct fg_native_name *name = request->data;

	name->pending = false;
	if (!failure) {
		name->count = 0;
		take_family(name, list, AF_INET);
		name->preferred_count = name->count;
		take_family(name, list, AF_INET6);
		if (!name->preferred_count)
			name->preferred_count = name->count;
		name->expires_ns = fg_clock_monotonic_ns() + FRESH_NS;
		if (!name->count)
			failure = UV_EAI_NODATA;
	}
	uv_freeaddrinfo(list);
	/* One by one: whoever is called may make others stop waiting, or wait anew at once (which
	 * is for the next answer). */
	name->told = name->waiters;
	name->waiters = NULL;
	while (name->told) {
		struct fg_native_waiter *waiter = name->told;

		name->told = waiter->next;
		waiter->next = NULL;
		waiter->name = NULL;
		waiter->on_name(waiter, failure);
	}
}

int fg_native_name_wait(struct fg_native_names *names, struct fg_native_name *name,
			struct fg_native_waiter *waiter, struct fg_err *err)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	int rc = 0;

	if (!name->pending)
		rc = uv_getaddrinfo(names->loop, &name->request, on_addresses, name->host, NULL,
				    &hints);
	if (rc)
		return fg_err_set(err, FG_E_NETWORK, "%s: %s", name->host, uv_strerror(rc));
	name->pending = true;
	waiter->name = name;
	waiter->next = name->waiters;
	name->waiters = waiter;
	return 0;
}

static bool unlink_waiter(struct fg_native_waiter **link, const struct fg_native_waiter *waiter)
{
	while (*link && *link != waiter)
		link = &(*link)->next;
	if (!*link)
		return false;
	*link = waiter->next;
	return true;
}

void fg_native_name_forget(struct fg_native_waiter *waiter)
{
	if (!waiter->name)
		return;
	if (!unlink_waiter(&waiter->name->waiters, waiter))
		(void)unlink_waiter(&waiter->name->told, waiter);
	waiter->next = NULL;
	waiter->name = NULL;
}

unsigned fg_native_name_turn(struct fg_native_name *name)
{
	return name->turn++;
}

const union fg_native_address *fg_native_name_address(struct fg_native_name *name, unsigned turn,
						      unsigned try, uint16_t port)
{
	union fg_native_address *address;

	if (try >= name->count)
		return NULL;
	address =
		&name->addresses[try < name->preferred_count ? (turn + try) % name->preferred_count
							     : try];
	if (address->any.sa_family == AF_INET)
		address->v4.sin_port = htons(port);
	else
		address->v6.sin6_port = htons(port);
	return address;
}

bool fg_native_address_literal(const char *host, uint16_t port, union fg_native_address *ret)
{
	union fg_native_address address;

	memset(&address, 0, sizeof(address));
	if (!uv_inet_pton(AF_INET, host, &address.v4.sin_addr)) {
		address.v4.sin_family = AF_INET;
		address.v4.sin_port = htons(port);
	} else if (!uv_inet_pton(AF_INET6, host, &address.v6.sin6_addr)) {
		address.v6.sin6_family = AF_INET6;
		address.v6.sin6_port = htons(port);
	} else {
		return false;
	}
	*ret = address;
	return true;
}

socklen_t fg_native_address_len(const union fg_native_address *address)
{
	return address->any.sa_family == AF_INET ? sizeof(address->v4) : sizeof(address->v6);
}
