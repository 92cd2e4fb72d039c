/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/curl_uv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gate/base/vec.h"

enum {
	DESCRIPTORS_MAX = 1 << 22,
	KICKS_MAX = 64, /* calls in a row that curl may ask for before the loop gets its turn */
};

/* A descriptor's poll handle. For sockets that we opened ourselves it outlives curl's interest:
 * between two requests curl says REMOVE and then IN again, and obeying would cost two epoll_ctl per
 * request. Such a handle ends when curl closes the socket, which it does through us. */
struct fg_curl_watch {
	uv_poll_t poll;
	struct fg_curl_uv *uv;
	curl_socket_t fd;
	int wanted;  /* UV_READABLE | UV_WRITABLE: what curl waits for */
	int watched; /* what epoll reports */
	bool ours;   /* opened by on_open_socket() */
};

static void hand_out(struct fg_curl_uv *uv);

static void on_timer(uv_timer_t *timer);

/* One entry into curl, and those that it asks for "in 0 ms" right after it. */
static void act(struct fg_curl_uv *uv, curl_socket_t fd, int flags)
{
	(void)curl_multi_socket_action(uv->multi, fd, flags, &uv->running);
	for (int i = 0; i < KICKS_MAX && uv->due_now; i++) {
		uv->due_now = false;
		(void)curl_multi_socket_action(uv->multi, CURL_SOCKET_TIMEOUT, 0, &uv->running);
	}
	if (uv->on_acted)
		uv->on_acted(uv->context);
}

static void on_watch_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void watch_close(struct fg_curl_watch *watch)
{
	watch->uv->watches[watch->fd] = NULL;
	uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch_set(struct fg_curl_watch *watch, int events)
{
	if (watch->watched == events)
		return;
	watch->watched = events;
	if (!events) {
		uv_poll_stop(&watch->poll);
	} else if (uv_poll_start(&watch->poll, events, on_poll)) {
		watch->watched = 0; /* the transfer's own time-out ends it */
	}
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct fg_curl_watch *watch = poll->data;
	struct fg_curl_uv *uv = watch->uv;
	const curl_socket_t fd = watch->fd;
	int flags = 0;

	if (status < 0) {
		watch->watched = 0; /* libuv has stopped the handle */
		/* Not CURL_CSELECT_ERR: before a reset may stand data, and curl would not look. */
		events = watch->wanted;
	} else if (!(events & watch->wanted)) {
		/* An idle connection was closed by the server, or it talks unasked: curl finds out
		 * when it wants to use it again. Until then the level-triggered event would spin.
		 */
		watch_set(watch, watch->wanted);
		return;
	}
	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	act(uv, fd, flags);
	/* curl does not repeat itself when it still wants the same after an error event. */
	watch = uv->watches[fd];
	if (watch && watch->wanted && !watch->watched)
		watch_set(watch, watch->wanted);
	hand_out(uv);
}

static struct fg_curl_watch *watch_new(struct fg_curl_uv *uv, curl_socket_t fd, bool ours)
{
	struct fg_curl_watch *watch = NULL;

	if (fd < 0 || fg_vec_grow((void **)&uv->watches, &uv->watch_capacity, (size_t)fd + 1,
				  DESCRIPTORS_MAX, sizeof(*uv->watches), NULL))
		return NULL;
	if (uv->watches[fd]) /* cannot be: curl closed it behind our back */
		watch_close(uv->watches[fd]);
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return NULL;
	if (uv_poll_init(uv->loop, &watch->poll, fd)) {
		free(watch);
		return NULL;
	}
	watch->poll.data = watch;
	watch->uv = uv;
	watch->fd = fd;
	watch->ours = ours;
	uv->watches[fd] = watch;
	return watch;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
	struct fg_curl_uv *uv = user;
	struct fg_curl_watch *watch = NULL;

	(void)easy;
	(void)socket_user;
	if (fd >= 0 && (size_t)fd < uv->watch_capacity)
		watch = uv->watches[fd];
	if (what == CURL_POLL_REMOVE) {
		if (!watch)
			return 0;
		watch->wanted = 0;
		/* The resolver's pipe, and (curl 7.88) a socket that was still connecting, are
		 * closed without a word to us, perhaps already: libuv aborts on a closed
		 * descriptor. */
		if (!watch->ours || watch->watched & UV_WRITABLE)
			watch_close(watch);
		return 0;
	}
	if (!watch)
		watch = watch_new(uv, fd, false);
	if (!watch)
		return -1;
	watch->wanted =
		(what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
	watch_set(watch, watch->wanted);
	return 0;
}

static int on_timeout_change(CURLM *multi, long timeout_ms, void *user)
{
	struct fg_curl_uv *uv = user;

	(void)multi;
	uv->due_now = timeout_ms == 0;
	if (timeout_ms < 0)
		uv_timer_stop(&uv->timer);
	else if (timeout_ms > 0)
		uv_timer_start(&uv->timer, on_timer, (uint64_t)timeout_ms, 0);
	return 0;
}

static void on_timer(uv_timer_t *timer)
{
	struct fg_curl_uv *uv = timer->data;
	long timeout_ms = -1;

	uv->due_now = false;
	act(uv, CURL_SOCKET_TIMEOUT, 0);
	hand_out(uv);
	/* libuv counts from its cached clock and may be early by a part of a millisecond; curl then
	 * does nothing and, since its next time-out has not changed, asks for nothing. */
	if (uv->closing || uv_is_active((uv_handle_t *)timer))
		return;
	if (!curl_multi_timeout(uv->multi, &timeout_ms) && timeout_ms >= 0)
		uv_timer_start(timer, on_timer, timeout_ms ? (uint64_t)timeout_ms : 1, 0);
}

static curl_socket_t on_open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct fg_curl_uv *uv = user;
	int fd;

	(void)purpose;
	fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    address->protocol);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	if (!watch_new(uv, fd, true)) {
		close(fd);
		errno = ENOMEM;
		return CURL_SOCKET_BAD;
	}
	uv->sockets_opened++;
	return fd;
}

static int on_close_socket(void *user, curl_socket_t fd)
{
	struct fg_curl_uv *uv = user;

	if (fd >= 0 && (size_t)fd < uv->watch_capacity && uv->watches[fd])
		watch_close(uv->watches[fd]);
	if (uv->on_close)
		uv->on_close(uv->context, fd);
	return close(fd);
}

/* Hands out what has completed. on_done may add handles; what those complete at once is handed
 * out by the same loop, so the stack does not grow. */
static void hand_out(struct fg_curl_uv *uv)
{
	struct CURLMsg *message;
	int left;

	if (uv->completing || uv->closing)
		return;
	uv->completing = true;
	while (uv->running < uv->added && (message = curl_multi_info_read(uv->multi, &left))) {
		CURL *easy = message->easy_handle;
		const CURLcode result = message->data.result; /* gone after the removal */

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_multi_remove_handle(uv->multi, easy);
		uv->added--;
		uv->on_done(uv->context, easy, result);
	}
	uv->completing = false;
	if (uv->due_now)
		uv_timer_start(&uv->timer, on_timer, 0, 0);
}

int fg_curl_uv_init(struct fg_curl_uv *uv, uv_loop_t *loop,
		    void (*on_done)(void *context, CURL *easy, CURLcode result), void *context,
		    struct fg_err *err)
{
	*uv = (struct fg_curl_uv){.loop = loop, .on_done = on_done, .context = context};
	uv->multi = curl_multi_init();
	if (!uv->multi)
		return fg_err_nomem(err);
	curl_multi_setopt(uv->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(uv->multi, CURLMOPT_SOCKETDATA, uv);
	curl_multi_setopt(uv->multi, CURLMOPT_TIMERFUNCTION, on_timeout_change);
	curl_multi_setopt(uv->multi, CURLMOPT_TIMERDATA, uv);
	/* For each connection cache: one per VU, whose widest `parallel` uses as many at once. */
	curl_multi_setopt(uv->multi, CURLMOPT_MAXCONNECTS, 64L);
	uv_timer_init(loop, &uv->timer);
	uv->timer.data = uv;
	return 0;
}

int fg_curl_uv_adopt(struct fg_curl_uv *uv, CURL *easy, struct fg_err *err)
{
	if (curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket) ||
	    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, uv) ||
	    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket) ||
	    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, uv))
		return fg_err_set(err, FG_E_UNSUPPORTED, "this libcurl has no socket callbacks");
	return 0;
}

int fg_curl_uv_add(struct fg_curl_uv *uv, CURL *easy, struct fg_err *err)
{
	CURLMcode rc = curl_multi_add_handle(uv->multi, easy);

	if (rc)
		return fg_err_set(err, FG_E_INTERNAL, "curl: %s", curl_multi_strerror(rc));
	uv->added++;
	/* add_handle has asked for a call in 0 ms: do it here, the request leaves now. */
	uv->due_now = false;
	act(uv, CURL_SOCKET_TIMEOUT, 0);
	/* It may have failed already; on_done must not run in here, so take the next loop turn. */
	if (!uv->completing && (uv->due_now || uv->running < uv->added))
		uv_timer_start(&uv->timer, on_timer, 0, 0);
	return 0;
}

void fg_curl_uv_remove(struct fg_curl_uv *uv, CURL *easy)
{
	curl_multi_remove_handle(uv->multi, easy);
	uv->added--;
	uv_timer_start(&uv->timer, on_timer, 0, 0); /* `running` is stale until then */
}

void fg_curl_uv_close(struct fg_curl_uv *uv)
{
	uv->closing = true;
	curl_multi_cleanup(uv->multi);
	uv->multi = NULL;
	for (size_t i = 0; i < uv->watch_capacity; i++) {
		if (uv->watches[i])
			watch_close(uv->watches[i]);
	}
	uv_close((uv_handle_t *)&uv->timer, NULL);
}

void fg_curl_uv_done(struct fg_curl_uv *uv)
{
	free(uv->watches);
	uv->watches = NULL;
}
