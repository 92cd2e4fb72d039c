/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One libcurl multi handle driven by one libuv loop: sockets, timer, completions.
 *
 * Promises: a transfer that can make progress does so inside fg_curl_uv_add(), not a loop turn
 * later (curl's own examples turn a zero time-out into a millisecond); on_done never runs inside
 * fg_curl_uv_add(); a keep-alive connection stays registered with epoll between requests, so a
 * request on it costs no epoll_ctl. Knows nothing of HTTP.
 */
#ifndef FG_LOAD_CURL_UV_H
#define FG_LOAD_CURL_UV_H

#include <curl/curl.h>
#include <uv.h>

#include "gate/base/err.h"

struct fg_curl_watch;

struct fg_curl_uv {
	uv_loop_t *loop;
	CURLM *multi;
	uv_timer_t timer;               /* curl's next time-out, or 0 ms: completions wait */
	struct fg_curl_watch **watches; /* by descriptor; NULL: none */
	size_t watch_capacity;
	void (*on_done)(void *context, CURL *easy, CURLcode result);
	void (*on_acted)(void *context); /* curl was called and has returned; NULL: nobody asks */
	void (*on_close)(void *context, int fd); /* before it is closed; NULL: nobody asks */
	void *context;
	int running;     /* as curl said last */
	int added;       /* handles in the multi */
	bool due_now;    /* curl asked for a call without delay */
	bool completing; /* inside the loop that hands out completions */
	bool closing;
	uint64_t sockets_opened;
};

int fg_curl_uv_init(struct fg_curl_uv *uv, uv_loop_t *loop,
		    void (*on_done)(void *context, CURL *easy, CURLcode result), void *context,
		    struct fg_err *err) FG_MUST_USE;
/** Sets the options on an easy handle that let its sockets be watched. */
int fg_curl_uv_adopt(struct fg_curl_uv *uv, CURL *easy, struct fg_err *err) FG_MUST_USE;
/** Starts a transfer; exactly one on_done follows unless it is removed before. */
int fg_curl_uv_add(struct fg_curl_uv *uv, CURL *easy, struct fg_err *err) FG_MUST_USE;
/** Cuts a transfer: no on_done follows, its connection is closed. */
void fg_curl_uv_remove(struct fg_curl_uv *uv, CURL *easy);
/** Starts closing handles; every easy handle (and share) must be gone already. */
void fg_curl_uv_close(struct fg_curl_uv *uv);
/** After the loop has run the close callbacks. */
void fg_curl_uv_done(struct fg_curl_uv *uv);

#endif
