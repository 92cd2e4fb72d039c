/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what curl tells to a response: times, bytes, the head and the body.
 *
 * Times are our clock's, stamped in curl's callbacks: the request starts to leave when curl has the
 * connection (PREREQ), has left when the call into curl that wrote it returned, or, for a body that
 * takes several writes, when curl's upload counter reached its end. curl's own numbers (µs) are
 * used only for the phases of a new connection.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gate/base/clock.h"
#include "runner/load/curl_error.h"
#include "runner/load/curl_slot.h"

#define BODY_BYTES_MAX (1ull << 30)

/* HEADER_BYTES_MAX: all heads of one request together; curl's own limit of 300 KB would look like a
 * reset. KEEP_MAX: memory for a body that a slot keeps. */
enum { HEADER_BYTES_MAX = 256 << 10, KEEP_MAX = 256 << 10 };

/* -- while it runs ---------------------------------------------------------------------------- */

/* Several slots may send over one HTTP/2 connection at once: its port says nothing then. */
static bool may_multiplex(const struct fg_curl_slot *slot)
{
	const enum fg_http_version version = slot->http->version;
	const char *scheme = NULL;

	if (slot->vu->slot_count == 1 || version == FG_HTTP_1_1)
		return false;
	return version != FG_HTTP_AUTO || curl_easy_getinfo(slot->easy, CURLINFO_SCHEME, &scheme) ||
	       !scheme || strcasecmp(scheme, "http") != 0;
}

static void label(struct fg_curl_slot *slot, int remote_port, int local_port)
{
	const bool usable = local_port > 0 && local_port <= UINT16_MAX && remote_port > 0 &&
			    remote_port <= UINT16_MAX && !may_multiplex(slot);

	slot->labelled_port = usable && slot->label ? (uint16_t)local_port : 0;
	if (usable)
		fg_load_label(slot->vu->engine->labels, (uint16_t)local_port, (uint16_t)remote_port,
			      slot->label);
}

/* Called again for the second round of digest, and when curl found a reused connection dead: only
 * the latter starts anew. */
static int on_connected(void *user, char *remote, char *local, int remote_port, int local_port)
{
	struct fg_curl_slot *slot = user;
	struct fg_engine *engine = slot->vu->engine;

	(void)remote;
	(void)local;
	label(slot, remote_port, local_port);
	if (!slot->header_bytes)
		slot->send_ns = fg_clock_monotonic_ns();
	slot->sent_ns = slot->first_byte_ns = 0;
	/* Both rounds of digest may come within one call of curl's: in the list only once. */
	if (!slot->long_body && !slot->is_sending) {
		slot->is_sending = true;
		slot->next_sending = engine->sending;
		engine->sending = slot;
	}
	return CURL_PREREQFUNC_OK;
}

void fg_curl_response_sent(struct fg_engine *engine)
{
	struct fg_curl_slot *slot = engine->sending;
	uint64_t now_ns;

	if (!slot)
		return;
	now_ns = fg_clock_monotonic_ns();
	engine->sending = NULL;
	for (; slot; slot = slot->next_sending) {
		slot->is_sending = false;
		slot->sent_ns = now_ns;
	}
}

/* Only watched while a long body is on its way. */
static int on_progress(void *user, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
		       curl_off_t up)
{
	struct fg_curl_slot *slot = user;

	(void)down_total;
	(void)down;
	(void)up_total;
	if (!slot->sent_ns && slot->long_body && (uint64_t)up >= slot->upload_len)
		slot->sent_ns = fg_clock_monotonic_ns();
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* As "Name: value\r\n", whatever the server's spelling was; a folded line continues the last. */
static void keep_line(struct fg_buf *head, const char *line, size_t len)
{
	const bool folded = len && (line[0] == ' ' || line[0] == '\t');
	const char *colon = folded ? NULL : memchr(line, ':', len);
	const char *value = colon ? colon + 1 : line, *end = line + len;

	while (value < end && is_blank(*value))
		value++;
	while (end > value && is_blank(end[-1]))
		end--;
	if (folded && head->len >= 2) {
		head->len -= 2;
		fg_buf_add_char(head, ' ');
	} else if (colon) {
		fg_buf_add(head, line, (size_t)(colon - line));
		fg_buf_add(head, ": ", 2);
	} else {
		return; /* not a header */
	}
	fg_buf_add(head, value, (size_t)(end - value));
	fg_buf_add(head, "\r\n", 2);
}

static size_t on_header(char *line, size_t one, size_t len, void *user)
{
	struct fg_curl_slot *slot = user;

	(void)one;
	if (!slot->first_byte_ns)
		slot->first_byte_ns = fg_clock_monotonic_ns();
	slot->header_bytes += len;
	if (slot->header_bytes > HEADER_BYTES_MAX)
		return 0;
	if (len > 5 && !memcmp(line, "HTTP/", 5)) {
		slot->in_head = true; /* of the next: what came before was not the final one */
		fg_buf_clear(&slot->head);
	} else if (slot->in_head && (line[0] == '\r' || line[0] == '\n')) {
		slot->in_head = false; /* trailers are counted, but belong to no head */
	} else if (slot->in_head) {
		keep_line(&slot->head, line, len);
	}
	return slot->head.failed ? 0 : len;
}

static size_t on_body(char *bytes, size_t one, size_t len, void *user)
{
	struct fg_curl_slot *slot = user;

	(void)one;
	slot->body_bytes += len;
	if (slot->want_body) {
		fg_buf_add(&slot->body, bytes, len);
		if (slot->body.failed)
			return 0;
	}
	return slot->body_bytes > BODY_BYTES_MAX ? 0 : len;
}

CURLcode fg_curl_response_watch(struct fg_curl_slot *slot)
{
	CURL *easy = slot->easy;
	CURLcode code;

	fg_buf_init(&slot->head, HEADER_BYTES_MAX * 2); /* normalised lines may be longer */
	fg_buf_init(&slot->body, FG_ENGINE_BODY_MAX);
	if ((code = curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header)) ||
	    (code = curl_easy_setopt(easy, CURLOPT_HEADERDATA, slot)) ||
	    (code = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body)) ||
	    (code = curl_easy_setopt(easy, CURLOPT_WRITEDATA, slot)) ||
	    (code = curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected)) ||
	    (code = curl_easy_setopt(easy, CURLOPT_PREREQDATA, slot)) ||
	    (code = curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress)) ||
	    (code = curl_easy_setopt(easy, CURLOPT_XFERINFODATA, slot)) ||
	    (code = curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, slot->error_text)))
		return code;
	return curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)BODY_BYTES_MAX);
}

void fg_curl_response_begin(struct fg_curl_slot *slot, uint64_t now_ns)
{
	slot->in_head = false;
	slot->send_ns = slot->sent_ns = slot->first_byte_ns = 0;
	slot->header_bytes = slot->body_bytes = 0;
	slot->error_text[0] = '\0';
	slot->labelled_port = 0;
	fg_buf_clear(&slot->head);
	fg_buf_clear(&slot->body);
	slot->start_ns = now_ns;
}

void fg_curl_response_shrink(struct fg_curl_slot *slot)
{
	if (slot->body.capacity > KEEP_MAX)
		fg_buf_done(&slot->body);
}

/* -- when it is over -------------------------------------------------------------------------- */

static uint64_t info_ns(CURL *easy, CURLINFO what)
{
	curl_off_t us = 0;

	if (curl_easy_getinfo(easy, what, &us) || us < 0)
		return 0;
	return (uint64_t)us * FG_NS_PER_US;
}

static long info_long(CURL *easy, CURLINFO what)
{
	long value = 0;

	return curl_easy_getinfo(easy, what, &value) ? 0 : value;
}

/* The phases of a new connection; together at most what passed before the request left. */
static void fill_connection(CURL *easy, struct fg_engine_response *response)
{
	const uint64_t dns_ns = info_ns(easy, CURLINFO_NAMELOOKUP_TIME_T);
	const uint64_t connected_ns = info_ns(easy, CURLINFO_CONNECT_TIME_T);
	const uint64_t tls_ns = info_ns(easy, CURLINFO_APPCONNECT_TIME_T);
	uint64_t left_ns = response->blocked_ns;

	response->dns_ns = FG_MIN(dns_ns, left_ns);
	left_ns -= response->dns_ns;
	if (connected_ns > dns_ns)
		response->connecting_ns = FG_MIN(connected_ns - dns_ns, left_ns);
	left_ns -= response->connecting_ns;
	if (tls_ns > connected_ns)
		response->tls_ns = FG_MIN(tls_ns - connected_ns, left_ns);
}

static void fill_times(struct fg_curl_slot *slot, struct fg_engine_response *response)
{
	const uint64_t end_ns = response->end_ns;
	uint64_t sent_ns, first_byte_ns;

	/* Never sent: all of it was waiting for a connection. */
	response->send_ns = slot->send_ns ? slot->send_ns : end_ns;
	response->blocked_ns = response->send_ns - slot->start_ns;
	response->reused = slot->send_ns && !info_long(slot->easy, CURLINFO_NUM_CONNECTS);
	if (!response->reused)
		fill_connection(slot->easy, response);
	if (!slot->send_ns)
		return;
	/* As k6: without an answer, it was waited for until the end. */
	first_byte_ns = slot->first_byte_ns ? slot->first_byte_ns : end_ns;
	sent_ns = slot->sent_ns ? FG_MIN(slot->sent_ns, first_byte_ns) : first_byte_ns;
	response->sending_ns = sent_ns - slot->send_ns;
	response->waiting_ns = first_byte_ns - sent_ns;
	response->receiving_ns = end_ns - first_byte_ns;
}

/* As on the wire, without what frames chunks, and of HTTP/2 as HTTP/1.1 would spell it. */
static void fill_bytes(struct fg_curl_slot *slot, struct fg_engine_response *response)
{
	curl_off_t uploaded = 0;

	response->sent_bytes = (uint64_t)info_long(slot->easy, CURLINFO_REQUEST_SIZE);
	response->received_bytes = slot->header_bytes + slot->body_bytes;
	if (slot->long_body && !curl_easy_getinfo(slot->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded))
		response->sent_bytes += (uint64_t)uploaded;
}

static uint16_t http_version(CURL *easy)
{
	switch (info_long(easy, CURLINFO_HTTP_VERSION)) {
	case CURL_HTTP_VERSION_1_0:
		return 10;
	case CURL_HTTP_VERSION_1_1:
		return 11;
	case CURL_HTTP_VERSION_2_0:
		return 20;
	default:
		return 0;
	}
}

/* What curl has no code of its own for shows only in its words. */
static enum fg_net_error receive_error(const char *text)
{
	if (strstr(text, "CONNECT tunnel failed")) /* a proxy's answer, not the server's */
		return FG_NET_DIAL;
	/* TLS 1.3: a server refuses the client's certificate when we think that all is well. */
	if (strstr(text, "SSL routines") && strstr(text, " alert "))
		return FG_NET_TLS;
	return strstr(text, "chunk") ? FG_NET_BAD_RESPONSE : FG_NET_RESET;
}

static const char *too_large(const struct fg_curl_slot *slot)
{
	if (slot->header_bytes > HEADER_BYTES_MAX)
		return "the response's headers have more than 256 KiB";
	return slot->body.failed ? "a body that is looked into has more than 16 MiB"
				 : "the response has more than 1 GiB";
}

static void fill_error(struct fg_curl_slot *slot, CURLcode code,
		       struct fg_engine_response *response)
{
	const char *text = slot->error_text[0] ? slot->error_text : curl_easy_strerror(code);

	response->error =
		fg_curl_error(code, slot->send_ns != 0, info_long(slot->easy, CURLINFO_OS_ERRNO));
	if (code == CURLE_RECV_ERROR)
		response->error = receive_error(text);
	if (code == CURLE_GOT_NOTHING && slot->http->version == FG_HTTP_H2C)
		text = "the connection was closed without an answer in HTTP/2 (version h2c)";
	if (code == CURLE_WRITE_ERROR)
		text = too_large(slot);
	/* Also curl's word for a header line of more than 100 KB. */
	if (code == CURLE_OUT_OF_MEMORY && slot->send_ns) {
		response->error = FG_NET_BAD_RESPONSE;
		text = "a header line of the response is too long";
	}
	(void)snprintf(response->error_text, sizeof(response->error_text), "%.159s", text);
}

/* curl falls back to HTTP/1.1 without a word; who asked for HTTP/2 measures HTTP/2 or nothing. */
static void check_version(const struct fg_curl_slot *slot, struct fg_engine_response *response)
{
	if (slot->http->version != FG_HTTP_2 || response->http_version == 20)
		return;
	response->error = FG_NET_BAD_RESPONSE;
	(void)snprintf(response->error_text, sizeof(response->error_text),
		       "the server answered with HTTP/1 where version \"2\" is asked for "
		       "(without TLS: version h2c)");
}

/* curl takes a connection that is closed within the head, or after a 100, for a response. */
static void check_complete(const struct fg_curl_slot *slot, struct fg_engine_response *response)
{
	if (response->status && !slot->in_head)
		return;
	response->error = FG_NET_RESET;
	(void)snprintf(response->error_text, sizeof(response->error_text),
		       "the connection was closed within the response's headers");
}

void fg_curl_response_fill(struct fg_curl_slot *slot, CURLcode code,
			   struct fg_engine_response *response)
{
	const long status = info_long(slot->easy, CURLINFO_RESPONSE_CODE);

	response->status = status >= 200 && status <= UINT16_MAX ? (uint16_t)status : 0;
	response->http_version = response->status ? http_version(slot->easy) : 0;
	fill_bytes(slot, response);
	fill_times(slot, response);
	response->labelled_port = slot->labelled_port;
	response->head = slot->head.data ? slot->head.data : "";
	response->head_len = slot->head.len;
	if (slot->want_body) {
		response->body = slot->body.data ? slot->body.data : "";
		response->body_len = slot->body.len;
	}
	if (code)
		fill_error(slot, code, response);
	else
		check_complete(slot, response);
	if (!response->error)
		check_version(slot, response);
}
