/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Request classes without touching the target: one program on every receive of a socket.
 *
 * The generator stores a word at its own port before it sends; the thread that then receives from
 * that port works on that request until it receives from another client:
 *
 *   received from                              the thread's request becomes
 *   a client port with a label                 that one
 *   a client port without, on a port that      unknown: another client's request (or a label that
 *   labelled clients use                       the generator took back when it closed)
 *   anything else (the target's own calls,     as it was
 *   files, pipes, EOF, "nothing there")
 *
 * So what a thread does between two requests counts for the first: sending, logging, waiting for
 * the next event, accepting. Each request has one such stretch, so classes are not mixed up by it.
 * Ending at EOF or close was weighed, not measured: with keep-alive it changes nothing, with a
 * connection per request it makes the event loop's accept and close nobody's instead of
 * everybody's.
 *
 * The word is stored (one store, no system call) before the request is sent, again at connect, so
 * that a TLS hand-shake counts for the request that needed it, and taken back before the port is
 * closed.
 *
 * An object of its own: kernels before 6.3 lack the tracepoint and must still load the sampler.
 */
#include "profiler/bpf/kernel.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#include "profiler/bpf/shared.h"
#include "profiler/bpf/label.bpf.h"

char fg_license[] SEC("license") = "Dual BSD/GPL";

struct sock_common {
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
} FG_CORE;

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
} FG_CORE;

enum { AF_INET_ = 2, AF_INET6_ = 10, IPPROTO_TCP_ = 6 };

/* Written by the generator, in its own memory. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* elements are rounded up to 8 bytes: one that holds all */
	__type(key, __u32);
	__type(value, struct fg_bpf_labels);
} fg_labels SEC(".maps");

/* [port] = 1: labelled requests came in on this local port, so it is the target's own. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fg_bpf_served);
} fg_served SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fg_bpf_label_stats);
} fg_label_stats SEC(".maps");

/* The request that a receive begins or goes on with; -1: says nothing about it. */
static __always_inline __s64 request_of(__u32 client_port, __u32 local_port)
{
	__u32 zero = 0;
	struct fg_bpf_labels *labels = bpf_map_lookup_elem(&fg_labels, &zero);
	struct fg_bpf_served *all = bpf_map_lookup_elem(&fg_served, &zero);

	if (!labels || !all)
		return -1;
	/* The compiler knows that they are 16 bits, older verifiers do not after a byte swap. */
	asm volatile("" : "+r"(client_port), "+r"(local_port));
	client_port &= FG_LABEL_PORTS - 1;
	local_port &= FG_LABEL_PORTS - 1;
	__u32 value = *(volatile __u32 *)&labels->words[FG_LABEL_INDEX(0, client_port)];
	__u32 server_port = FG_LABEL_WORD_PORT(value);
	__u8 *served = &all->ports[local_port];

	if (FG_LABEL_WORD_LABEL(value) && (!server_port || server_port == local_port)) {
		if (!*served)
			*served = 1;
		return FG_REQUEST(client_port, FG_LABEL_WORD_LABEL(value));
	}
	return *served ? 0 : -1;
}

/* True: it was the target's (or, with a proxy between, the proxy's). */
static __always_inline bool take_receive(struct sock *sk, struct fg_bpf_label_stats *stats)
{
	unsigned short family = sk->__sk_common.skc_family;

	if ((family != AF_INET_ && family != AF_INET6_) || sk->sk_protocol != IPPROTO_TCP_)
		return false;
	__s64 request = request_of(bpf_ntohs(sk->__sk_common.skc_dport), sk->__sk_common.skc_num);

	if (request < 0)
		return false;
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	__u32 place = tid & (FG_LABEL_THREADS - 1);
	__u64 *word = bpf_map_lookup_elem(&fg_requests, &place);

	if (!word)
		return false;
	*word = (__u64)request << 32 | tid;
	stats->labelled += request != 0;
	return true;
}

/* Reading the clock twice costs as much as the work: one in 64 of the target's receives stands for
 * all. One that an interrupt fell into counts for a bounded time. Receives of other programs are
 * not the target's cost and are not counted. */
SEC("tp_btf/sock_recv_length")
int BPF_PROG(fg_label, struct sock *sk, int ret, int flags)
{
	__u32 zero = 0;
	struct fg_bpf_label_stats *stats = bpf_map_lookup_elem(&fg_label_stats, &zero);

	if (!stats || ret <= 0)
		return 0;
	bool timed = !(stats->receives & (FG_LABEL_TIMED_EVERY - 1));
	__u64 begin_ns = timed ? bpf_ktime_get_ns() : 0;

	if (!take_receive(sk, stats))
		return 0;
	stats->receives++;
	if (!timed)
		return 0;
	__u64 spent_ns = bpf_ktime_get_ns() - begin_ns;

	stats->timed++;
	stats->timed_ns += spent_ns < FG_LABEL_TIMED_NS_MAX ? spent_ns : FG_LABEL_TIMED_NS_MAX;
	return 0;
}
