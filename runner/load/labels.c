/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/labels.h"

#include <netinet/in.h>
#include <string.h>

uint16_t fg_load_port_of(const struct sockaddr *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof(v4));
		return ntohs(v4.sin_port);
	}
	if (address->sa_family == AF_INET6) {
		memcpy(&v6, address, sizeof(v6));
		return ntohs(v6.sin6_port);
	}
	return 0;
}

uint16_t fg_load_local_port(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_storage room;
	} address = {0};
	socklen_t len = sizeof(address);

	return getsockname(fd, &address.any, &len) ? 0 : fg_load_port_of(&address.any);
}
