/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Whose request each thread is working on: the maps that label.bpf.c fills and the sampler reads.
 *
 * Arrays only: hashes cost three times as much per receive (measured). A thread's word lies at its
 * number, cut; it holds the number too, so that of two threads that share a place the one that lost
 * it reads "unknown", never the other's request.
 *
 * How well that goes, with two classes of which one costs ten times the other (bpf.labels_*,
 * tests/bench/bench_endpoints.py; one sigma of what so few samples allow; 2 cores shared by eight
 * builds); "ratio" is (ten - zero) / (one - zero), known to be 10:
 *
 *   server                                   attributed  ratio
 *   C, one thread with epoll                    100.0 %  9.72 +- 0.14
 *   C, a thread per connection, keep-alive      100.0 %  9.95 +- 0.13
 *   C, a thread and connection per request       95.8 %  10.3 +- 1.0: accept, start are nobody's
 *   C, two processes with epoll                 100.0 %  9.81 +- 0.14
 *   nginx, two workers, gzip                    100.0 %  11.4 +- 0.3; measured alone it is 11.9
 *   nginx with TLS                              100.0 %  11.4 +- 1.0
 *   Python, ThreadingHTTPServer                  99.8 %  9.2 +- 0.2: waiting for the GIL costs one
 *   node                                         97.1 %  9.4 +- 0.2: GC, compiler are nobody's
 *   Go net/http                                  98.8 %  10.1 +- 0.2: goroutines change threads
 *
 * What cannot be attributed stays so: HTTP/2 connections that carry several requests at once, unix
 * sockets, setup and teardown, whatever a proxy between passes on (the target sees the proxy's
 * ports), threads that never receive, pipelined requests. The report says the share; below a half,
 * or when labels were switched off during the run, CPU per class is not told. When what flamegate
 * connects to is not the target's own port (a published container port), the server port is not
 * compared.
 *
 * Slow requests: each worker logs port, send and end of its labelled requests (262 144 entries,
 * made before the run; when it is full the faster half of each class makes room, so that every
 * request above the floor is always there: gate/measure/request_log.h). After the run, samples
 * taken while a request above the p95 service time of its class was under way get the label
 * "latency: slow"; the report names the functions whose share there differs from all by more than
 * four sigmas, with at least 50 samples. Seconds with three times their part of the slow requests
 * are compared alike.
 */
#ifndef FG_PROFILER_BPF_LABEL_H
#define FG_PROFILER_BPF_LABEL_H

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FG_LABEL_THREADS);
	__type(key, __u32);
	__type(value, __u64); /* FG_REQUEST() << 32 | thread */
} fg_requests SEC(".maps");

/* [0] = 1 while label.bpf.c is attached: what it left behind is of no use after that. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} fg_labels_on SEC(".maps");

/* Of the current thread; 0: unknown. */
static __always_inline __u32 fg_label_request(__u32 tid)
{
	__u32 zero = 0, place = tid & (FG_LABEL_THREADS - 1);
	__u32 *on = bpf_map_lookup_elem(&fg_labels_on, &zero);
	__u64 *word = bpf_map_lookup_elem(&fg_requests, &place);

	if (!on || !*on || !word)
		return 0;
	__u64 value = *word;

	return (__u32)value == tid ? value >> 32 : 0;
}

#endif
