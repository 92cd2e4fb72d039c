/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling the profiler whose request is on its way: one store into mapped memory per request.
 *
 * The word of a connection's own port says its request class; the kernel's side reads it when the
 * target receives. It is stored when a request opens a connection (a TLS handshake is its cost) and
 * before each send, and taken back before the connection is closed, since the port may then be
 * anybody's. At the end of a response it stays: the same client's next word replaces it, and a
 * server that still reads from this connection is still at work on this request.
 */
#ifndef FG_LOAD_LABELS_H
#define FG_LOAD_LABELS_H

#include <stdatomic.h>
#include <sys/socket.h>

#include "gate/base/attr.h"

struct fg_load_labels {
	_Atomic uint32_t *words; /* [own port] = server port << 16 | label; NULL: nobody listens */
	/* The target's socket has another port than the one we connect to: something between
	 * translates. */
	bool any_port;
};

/** Before the send that it belongs to; pairs with the read in profiler/bpf/label.bpf.c, which runs
 *  after the kernel has handed the bytes over. */
static inline void fg_load_label(const struct fg_load_labels *labels, uint16_t own_port,
				 uint16_t server_port, uint16_t label)
{
	if (!labels || !own_port)
		return;
	atomic_store_explicit(&labels->words[own_port],
			      labels->any_port ? label : (uint32_t)server_port << 16 | label,
			      memory_order_release);
}

/** Before the port's socket is closed. */
static inline void fg_load_unlabel(const struct fg_load_labels *labels, uint16_t own_port)
{
	if (labels && own_port)
		atomic_store_explicit(&labels->words[own_port], 0, memory_order_release);
}

/** The local port of a TCP socket; 0: it has none (yet), or is of another family. */
uint16_t fg_load_local_port(int fd);
/** The port of an IPv4 or IPv6 address, or 0. */
uint16_t fg_load_port_of(const struct sockaddr *address);

#endif
