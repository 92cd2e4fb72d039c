/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/load/native_tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "gate/base/buf.h"
#include "gate/base/str.h"

enum {
	PENDING_MAX = 1 << 20,
	PIECE_MAX = 16 << 10,
	FAILURE_MAX = 160,
	/* More connections than this give their record buffers (34 KB each) back when idle, which
	 * costs about a seventh more CPU per request. */
	GENEROUS_MAX = 1000,
};

struct fg_native_tls_context {
	struct fg_native_tls_context *next;
	char *key;
	SSL_CTX *ssl;
	BIO_METHOD *method;
	size_t connections; /* now */
};

struct fg_native_tls {
	struct fg_native_tls_context *context;
	SSL *ssl;
	int fd;
	int os_errno;   /* why the socket failed */
	const char *in; /* not yet read bytes of the socket */
	size_t in_len;
	char *kept;        /* what `in` points into after settle; NULL: nothing */
	struct fg_buf out; /* records that the socket has not taken; first at out_start */
	size_t out_start;
	char failure[FAILURE_MAX];
};

/* -- the way to the socket --------------------------------------------------------------------- */

static int bio_read(BIO *bio, char *bytes, size_t room, size_t *ret_len)
{
	struct fg_native_tls *tls = BIO_get_data(bio);
	const size_t len = FG_MIN(room, tls->in_len);

	BIO_clear_retry_flags(bio);
	if (!len) {
		BIO_set_retry_read(bio);
		return 0;
	}
	memcpy(bytes, tls->in, len);
	tls->in += len;
	tls->in_len -= len;
	*ret_len = len;
	return 1;
}

/* Sends; what remains is kept. Returns false when the socket is broken or memory ran out. */
static bool send_or_keep(struct fg_native_tls *tls, const char *bytes, size_t len)
{
	ssize_t sent = 0;

	if (!tls->out.len) {
		sent = send(tls->fd, bytes, len, MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN) {
			tls->os_errno = errno;
			return false;
		}
		sent = FG_MAX(sent, 0);
	}
	if ((size_t)sent < len)
		fg_buf_add(&tls->out, bytes + sent, len - (size_t)sent);
	if (tls->out.failed)
		tls->os_errno = ENOMEM;
	return !tls->out.failed;
}

static int bio_write(BIO *bio, const char *bytes, size_t len, size_t *ret_len)
{
	BIO_clear_retry_flags(bio);
	if (!send_or_keep(BIO_get_data(bio), bytes, len))
		return 0;
	*ret_len = len;
	return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static BIO_METHOD *make_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "flamegate");

	if (!method)
		return NULL;
	BIO_meth_set_read_ex(method, bio_read);
	BIO_meth_set_write_ex(method, bio_write);
	BIO_meth_set_ctrl(method, bio_ctrl);
	BIO_meth_set_create(method, bio_create);
	return method;
}

/* -- contexts ---------------------------------------------------------------------------------- */

static int tls_error(struct fg_err *err, const char *what, const char *file)
{
	const unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);

	ERR_clear_error();
	return fg_err_set(err, FG_E_INVALID, "TLS: %s %s: %s", what, file ? file : "",
			  reason ? reason : "refused by OpenSSL");
}

static void free_context(struct fg_native_tls_context *context)
{
	SSL_CTX_free(context->ssl);
	BIO_meth_free(context->method);
	free(context->key);
	free(context);
}

void fg_native_tls_store_done(struct fg_native_tls_store *store)
{
	while (store->contexts) {
		struct fg_native_tls_context *context = store->contexts;

		store->contexts = context->next;
		free_context(context);
	}
}

static int set_version(SSL_CTX *ssl, enum fg_tls_version least, struct fg_err *err)
{
	static const int versions[] = {
		[FG_TLS_1_2] = TLS1_2_VERSION,
		[FG_TLS_1_3] = TLS1_3_VERSION,
		[FG_TLS_1_0] = TLS1_VERSION,
		[FG_TLS_1_1] = TLS1_1_VERSION,
	};
	const bool old = least == FG_TLS_1_0 || least == FG_TLS_1_1;

	/* The old versions need SHA-1, which Debian's security level 2 refuses. */
	if (!SSL_CTX_set_min_proto_version(ssl, versions[least]) ||
	    (old && !SSL_CTX_set_cipher_list(ssl, "DEFAULT@SECLEVEL=0")))
		return tls_error(err, "minimum version", NULL);
	return 0;
}

static int set_trust(SSL_CTX *ssl, const struct fg_http_options *http, struct fg_err *err)
{
	if (http->insecure_skip_verify) {
		SSL_CTX_set_verify(ssl, SSL_VERIFY_NONE, NULL);
		return 0;
	}
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	if (http->ca_file && *http->ca_file) {
		if (!SSL_CTX_load_verify_file(ssl, http->ca_file))
			return tls_error(err, "ca", http->ca_file);
	} else if (!SSL_CTX_set_default_verify_paths(ssl)) {
		return tls_error(err, "the system's certificates", NULL);
	}
	return 0;
}

static int set_identity(SSL_CTX *ssl, const struct fg_http_options *http, struct fg_err *err)
{
	const char *key = http->key_file && *http->key_file ? http->key_file : http->cert_file;

	if (!http->cert_file || !*http->cert_file)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(ssl, http->cert_file) != 1)
		return tls_error(err, "cert", http->cert_file);
	if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1)
		return tls_error(err, "key", key);
	if (SSL_CTX_check_private_key(ssl) != 1)
		return tls_error(err, "key does not fit the certificate", http->cert_file);
	return 0;
}

static int set_up(struct fg_native_tls_context *context, const struct fg_http_options *http,
		  struct fg_err *err)
{
	static const unsigned char alpn[] = "\x08http/1.1";
	SSL_CTX *ssl;
	int rc;

	context->method = make_method();
	context->ssl = ssl = SSL_CTX_new(TLS_client_method());
	if (!ssl || !context->method)
		return fg_err_nomem(err);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (SSL_CTX_set_alpn_protos(ssl, alpn, sizeof(alpn) - 1)) /* 0 is success */
		return tls_error(err, "ALPN", NULL);
	if ((rc = set_version(ssl, http->tls_min, err)) || (rc = set_trust(ssl, http, err)))
		return rc;
	return set_identity(ssl, http, err);
}

static int make_key(const struct fg_http_options *http, char **ret, struct fg_err *err)
{
	const char *const files[] = {http->ca_file, http->cert_file, http->key_file};
	struct fg_buf key;
	int rc;

	fg_buf_init(&key, 64 << 10);
	for (size_t i = 0; i < FG_ARRAY_LEN(files); i++)
		fg_buf_addf(&key, "%s\n", files[i] ? files[i] : "");
	fg_buf_addf(&key, "%d %d", http->tls_min, http->insecure_skip_verify);
	rc = fg_buf_check(&key, err);
	if (!rc)
		*ret = fg_buf_take(&key, NULL);
	fg_buf_done(&key);
	return rc;
}

int fg_native_tls_context(struct fg_native_tls_store *store, const struct fg_http_options *http,
			  struct fg_native_tls_context **ret, struct fg_err *err)
{
	struct fg_native_tls_context *context;
	char *key = NULL;
	int rc = make_key(http, &key, err);

	if (rc)
		return rc;
	for (context = store->contexts; context; context = context->next) {
		if (!strcmp(context->key, key)) {
			free(key);
			*ret = context;
			return 0;
		}
	}
	context = calloc(1, sizeof(*context));
	if (!context) {
		free(key);
		return fg_err_nomem(err);
	}
	context->key = key;
	rc = set_up(context, http, err);
	if (rc) {
		free_context(context);
		return rc;
	}
	context->next = store->contexts;
	store->contexts = context;
	*ret = context;
	return 0;
}

/* -- connections ------------------------------------------------------------------------------- */

/* The name that is asked for (never an address, RFC 6066) and must be in the certificate. */
static bool set_name(SSL *ssl, char *name)
{
	unsigned char address[16];

	if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
	return SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
}

int fg_native_tls_new(struct fg_native_tls_context *context, int fd, char *server_name,
		      struct fg_native_tls **ret, struct fg_err *err)
{
	struct fg_native_tls *tls = calloc(1, sizeof(*tls));
	BIO *bio = NULL;

	if (!tls)
		return fg_err_nomem(err);
	tls->fd = fd;
	tls->context = context;
	context->connections++;
	fg_buf_init(&tls->out, PENDING_MAX);
	tls->ssl = SSL_new(context->ssl);
	if (tls->ssl)
		bio = BIO_new(context->method);
	if (!bio) {
		fg_native_tls_free(tls);
		return fg_err_nomem(err);
	}
	BIO_set_data(bio, tls);
	SSL_set_bio(tls->ssl, bio, bio);
	if (!set_name(tls->ssl, server_name)) {
		fg_native_tls_free(tls);
		return fg_err_set(err, FG_E_INVALID, "TLS: \"%.200s\" cannot be a server name",
				  server_name);
	}
	SSL_set_connect_state(tls->ssl);
	if (context->connections > GENEROUS_MAX)
		SSL_set_mode(tls->ssl, SSL_MODE_RELEASE_BUFFERS);
	*ret = tls;
	return 0;
}

void fg_native_tls_free(struct fg_native_tls *tls)
{
	if (!tls)
		return;
	tls->context->connections--;
	SSL_free(tls->ssl);
	fg_buf_done(&tls->out);
	free(tls->kept);
	free(tls);
}

void fg_native_tls_feed(struct fg_native_tls *tls, const char *bytes, size_t len)
{
	char *both;

	if (!tls->in_len) {
		tls->in = bytes;
		tls->in_len = len;
		return;
	}
	/* Rare: bytes are left from before (settled). */
	both = malloc(tls->in_len + len);
	if (!both) {
		tls->os_errno = ENOMEM;
		return;
	}
	memcpy(both, tls->in, tls->in_len);
	memcpy(both + tls->in_len, bytes, len);
	free(tls->kept);
	tls->in = tls->kept = both;
	tls->in_len += len;
}

bool fg_native_tls_settle(struct fg_native_tls *tls)
{
	char *kept = NULL;

	if (tls->in_len) {
		kept = malloc(tls->in_len);
		if (!kept)
			return false;
		memcpy(kept, tls->in, tls->in_len);
	}
	free(tls->kept);
	tls->in = tls->kept = kept;
	return true;
}

static void note(struct fg_native_tls *tls, const char *text)
{
	snprintf(tls->failure, sizeof(tls->failure), "%s", text);
}

static void explain(struct fg_native_tls *tls)
{
	const long verdict = SSL_get_verify_result(tls->ssl);
	const unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);

	if (tls->os_errno)
		note(tls, strerror(tls->os_errno));
	else if (verdict != X509_V_OK && SSL_get_verify_mode(tls->ssl) != SSL_VERIFY_NONE)
		note(tls, X509_verify_cert_error_string(verdict));
	else
		note(tls, reason ? reason : "TLS failed");
	ERR_clear_error();
}

static enum fg_native_tls_result result_of(struct fg_native_tls *tls, int rc)
{
	if (rc > 0)
		return FG_NATIVE_TLS_DONE;
	switch (SSL_get_error(tls->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		if (!tls->os_errno)
			return FG_NATIVE_TLS_AGAIN;
		break;
	case SSL_ERROR_ZERO_RETURN:
		return FG_NATIVE_TLS_CLOSED;
	default:
		break;
	}
	explain(tls);
	return FG_NATIVE_TLS_FAILED;
}

bool fg_native_tls_has_input(const struct fg_native_tls *tls)
{
	return tls->in_len || SSL_pending(tls->ssl);
}

enum fg_native_tls_result fg_native_tls_handshake(struct fg_native_tls *tls)
{
	enum fg_native_tls_result result;

	ERR_clear_error();
	result = result_of(tls, SSL_do_handshake(tls->ssl));
	if (fg_native_tls_settle(tls))
		return result;
	note(tls, "out of memory");
	return FG_NATIVE_TLS_FAILED;
}

enum fg_native_tls_result fg_native_tls_read(struct fg_native_tls *tls, char *text, size_t room,
					     size_t *ret_len)
{
	ERR_clear_error();
	return result_of(tls, SSL_read_ex(tls->ssl, text, room, ret_len));
}

enum fg_native_tls_result fg_native_tls_write(struct fg_native_tls *tls, const char *text,
					      size_t len, size_t *ret_len)
{
	enum fg_native_tls_result result = fg_native_tls_flush(tls);

	if (result != FG_NATIVE_TLS_DONE)
		return result;
	ERR_clear_error();
	return result_of(tls,
			 SSL_write_ex(tls->ssl, text, FG_MIN(len, (size_t)PIECE_MAX), ret_len));
}

enum fg_native_tls_result fg_native_tls_flush(struct fg_native_tls *tls)
{
	while (tls->out_start < tls->out.len) {
		const ssize_t sent = send(tls->fd, tls->out.data + tls->out_start,
					  tls->out.len - tls->out_start, MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN)
			return FG_NATIVE_TLS_AGAIN;
		if (sent < 0) {
			tls->os_errno = errno;
			note(tls, strerror(errno));
			return FG_NATIVE_TLS_FAILED;
		}
		tls->out_start += (size_t)sent;
	}
	fg_buf_clear(&tls->out);
	tls->out_start = 0;
	return FG_NATIVE_TLS_DONE;
}

const char *fg_native_tls_failure(struct fg_native_tls *tls, int *ret_errno)
{
	*ret_errno = tls->os_errno;
	return tls->failure;
}

void fg_native_tls_shutdown(struct fg_native_tls *tls)
{
	if (!tls->os_errno && SSL_is_init_finished(tls->ssl)) {
		ERR_clear_error();
		(void)SSL_shutdown(tls->ssl);
		ERR_clear_error();
	}
}
