/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and the server's side of TLS for tests of the engines. */
#include "tests/unit/load/script_server.h"

#include "tests/kit/kit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct identity {
	EVP_PKEY *key;
	X509 *certificate;
};

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static struct identity make(const char *name, const char *san, const struct identity *issuer,
			    long ends_in_s)
{
	static long serial = 1;
	struct identity made = {EVP_EC_gen("P-256"), X509_new()};
	const struct identity *by = issuer ? issuer : &made;
	X509_NAME *subject;

	assert_true(made.key && made.certificate);
	X509_set_version(made.certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), serial++);
	X509_gmtime_adj(X509_getm_notBefore(made.certificate), -20 * 86400);
	X509_gmtime_adj(X509_getm_notAfter(made.certificate), ends_in_s);
	X509_set_pubkey(made.certificate, made.key);
	subject = X509_get_subject_name(made.certificate);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
				   0);
	X509_set_issuer_name(made.certificate, X509_get_subject_name(by->certificate));
	add_extension(made.certificate, by->certificate, NID_basic_constraints,
		      san ? "CA:FALSE" : "critical,CA:TRUE");
	if (san)
		add_extension(made.certificate, by->certificate, NID_subject_alt_name, san);
	assert_true(X509_sign(made.certificate, by->key, EVP_sha256()) > 0);
	return made;
}

static void drop(struct identity *identity)
{
	EVP_PKEY_free(identity->key);
	X509_free(identity->certificate);
}

static void save(const struct identity *identity, const char *dir, const char *name, char *path)
{
	FILE *file;

	snprintf(path, 96, "%s/%s.pem", dir, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(PEM_write_X509(file, identity->certificate), 1);
	assert_int_equal(PEM_write_PrivateKey(file, identity->key, NULL, NULL, 0, NULL, NULL), 1);
	fclose(file);
}

void tls_files_make(struct tls_files *files)
{
	struct identity ca = make("test CA", NULL, NULL, 86400);
	struct identity other = make("other CA", NULL, NULL, 86400);
	const struct {
		char *path;
		const char *name, *san;
		const struct identity *issuer;
		long ends_in_s;
	} leaves[] = {
		{files->good, "good", "DNS:localhost,IP:127.0.0.1", &ca, 86400},
		{files->named, "named", "DNS:name.test", &ca, 86400},
		{files->expired, "expired", "DNS:localhost,IP:127.0.0.1", &ca, -86400},
		{files->self_signed, "self", "DNS:localhost,IP:127.0.0.1", NULL, 86400},
		{files->client, "client", "DNS:client.test", &ca, 86400},
	};

	snprintf(files->dir, sizeof(files->dir), "/tmp/fg-tls-XXXXXX");
	assert_non_null(mkdtemp(files->dir));
	save(&ca, files->dir, "ca", files->ca);
	save(&other, files->dir, "other-ca", files->other_ca);
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		struct identity leaf =
			make(leaves[i].name, leaves[i].san, leaves[i].issuer, leaves[i].ends_in_s);

		save(&leaf, files->dir, leaves[i].name, leaves[i].path);
		drop(&leaf);
	}
	drop(&ca);
	drop(&other);
}

void tls_files_remove(struct tls_files *files)
{
	const char *const paths[] = {files->ca,      files->other_ca,    files->good,  files->named,
				     files->expired, files->self_signed, files->client};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		unlink(paths[i]);
	rmdir(files->dir);
}

static int on_server_name(SSL *ssl, int *alert, void *context)
{
	struct script_peer *peer = SSL_get_app_data(ssl);
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	(void)context;
	snprintf(peer->server->server_name, sizeof(peer->server->server_name), "%s",
		 name ? name : "");
	return SSL_TLSEXT_ERR_OK;
}

void *tls_server_context(const char *pem, const char *client_ca, int max_version)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	assert_non_null(context);
	assert_int_equal(SSL_CTX_use_certificate_chain_file(context, pem), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(context, pem, SSL_FILETYPE_PEM), 1);
	if (client_ca) {
		assert_int_equal(SSL_CTX_load_verify_locations(context, client_ca, NULL), 1);
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
				   NULL);
	}
	if (max_version == 12)
		SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
	return context;
}

void tls_context_free(void *context)
{
	SSL_CTX_free(context);
}

void tls_digest(const char *algorithm, const void *bytes, size_t len, char *out)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	size_t digest_len = 0;

	assert_int_equal(EVP_Q_digest(NULL, algorithm, NULL, bytes, len, digest, &digest_len), 1);
	for (size_t i = 0; i < digest_len; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

void tls_hmac(const void *key, size_t key_len, const char *text, unsigned char *out)
{
	unsigned len = 0;

	assert_non_null(HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text,
			     strlen(text), out, &len));
	assert_int_equal(len, 32);
}

bool tls_accept(struct script_peer *peer, void *context)
{
	SSL *ssl = SSL_new(context);

	if (!ssl)
		return false;
	peer->tls = ssl;
	SSL_set_app_data(ssl, peer);
	SSL_set_fd(ssl, peer->fd);
	return SSL_accept(ssl) == 1;
}

long tls_read(struct script_peer *peer, char *bytes, size_t max)
{
	return SSL_read(peer->tls, bytes, max > INT32_MAX ? INT32_MAX : (int)max);
}

long tls_write(struct script_peer *peer, const char *bytes, size_t len)
{
	return SSL_write(peer->tls, bytes, len > INT32_MAX ? INT32_MAX : (int)len);
}

void tls_end(struct script_peer *peer)
{
	if (peer->tls) {
		(void)SSL_shutdown(peer->tls);
		SSL_free(peer->tls);
	}
	peer->tls = NULL;
}
