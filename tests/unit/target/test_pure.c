/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the target room that need no process: URLs, CPU lists, /proc/PID/stat, ports. */
#include "tests/kit/kit.h"

#include "runner/target/cpus.h"
#include "runner/target/probe.h"
#include "runner/target/tree.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct url_case {
	const char *url;
	const char *host; /* NULL: refused */
	uint16_t port;
	bool is_local;
};

static void test_urls(void **state)
{
	static const struct url_case cases[] = {
		{"http://127.0.0.1:8080/", "127.0.0.1", 8080, true},
		{"http://127.1.2.3/", "127.1.2.3", 80, true},
		{"https://example.org", "example.org", 443, false},
		{"HTTP://LocalHost?x=/:9", "LocalHost", 80, true},
		{"http://api.localhost:81#x", "api.localhost", 81, true},
		{"http://[::1]:9000/x", "::1", 9000, true},
		{"http://[2001:db8::1]", "2001:db8::1", 80, false},
		{"http://0.0.0.0:1", "0.0.0.0", 1, true},
		{"http://user:p@ss@10.0.0.1:65535/@", "10.0.0.1", 65535, false},
		{"ftp://x/", NULL, 0, false},
		{"localhost:8080", NULL, 0, false},
		{"http://", NULL, 0, false},
		{"http:///x", NULL, 0, false},
		{"http://:80/", NULL, 0, false},
		{"http://x:/", NULL, 0, false},
		{"http://x:0/", NULL, 0, false},
		{"http://x:65536/", NULL, 0, false},
		{"http://x:8o/", NULL, 0, false},
		{"http://x:-1/", NULL, 0, false},
		{"http://[::1/", NULL, 0, false},
		{"http://[::1]x/", NULL, 0, false},
		{"http://[fe80::1%eth0]/", NULL, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		char host[256] = "";
		uint16_t port = 0;
		bool is_local = false;
		struct fg_err err;
		int rc = fg_target_url_parts(cases[i].url, host, &port, &is_local, &err);

		if (!cases[i].host) {
			if (rc != -FG_E_INVALID)
				fail_msg("%s was accepted", cases[i].url);
			continue;
		}
		assert_ok(rc, &err);
		assert_string_equal(host, cases[i].host);
		assert_int_equal(port, cases[i].port);
		assert_int_equal(is_local, cases[i].is_local);
	}
}

static void test_url_errors_hide_passwords(void **state)
{
	struct fg_err err;
	char host[256];
	uint16_t port;
	bool is_local;

	(void)state;
	assert_int_equal(fg_target_url_parts("http://bob:hunter2@x:0/", host, &port, &is_local,
					     &err),
			 -FG_E_INVALID);
	assert_null(strstr(err.message, "hunter2"));
	assert_non_null(strstr(err.message, "***@x:0"));
}

struct cpus_case {
	const char *spec;
	int allowed; /* CPUs 0…allowed-1 */
	int rc;
	bool any;
	unsigned target, generator; /* bit masks of the first CPUs */
};

static unsigned mask_of(const cpu_set_t *set)
{
	unsigned mask = 0;

	for (size_t i = 0; i < 32; i++)
		if (CPU_ISSET(i, set))
			mask |= 1u << i;
	return mask;
}

static void test_cpus(void **state)
{
	static const struct cpus_case cases[] = {
		{"auto", 1, 0, false, 0, 0},
		{"auto", 2, 0, true, 0x2, 0x1},
		{NULL, 4, 0, true, 0xe, 0x1},
		{"auto", 8, 0, true, 0xfc, 0x3},
		{"", 4, 0, false, 0, 0},
		{"1", 4, 0, true, 0x2, 0x2},
		{"0,2-3", 4, 0, true, 0xd, 0xd},
		{"3-1", 4, -FG_E_INVALID, false, 0, 0},
		{"1,", 4, -FG_E_INVALID, false, 0, 0},
		{",1", 4, -FG_E_INVALID, false, 0, 0},
		{"a", 4, -FG_E_INVALID, false, 0, 0},
		{"1-", 4, -FG_E_INVALID, false, 0, 0},
		{"4096", 4, -FG_E_INVALID, false, 0, 0},
		{"0-99999999999999999999", 4, -FG_E_INVALID, false, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		const struct cpus_case *c = &cases[i];
		cpu_set_t allowed, set;
		struct fg_err err;
		bool any = false;

		CPU_ZERO(&allowed);
		for (int cpu = 0; cpu < c->allowed; cpu++)
			CPU_SET((size_t)cpu, &allowed);
		int rc = fg_cpus_choose(c->spec, FG_CPUS_TARGET, &allowed, &set, &any, &err);

		if (c->rc) {
			if (rc >= 0)
				fail_msg("%s was accepted", c->spec);
			continue;
		}
		assert_ok(rc, &err);
		assert_int_equal(any, c->any);
		assert_int_equal(mask_of(&set), c->target);
		assert_ok(fg_cpus_choose(c->spec, FG_CPUS_GENERATOR, &allowed, &set, &any, &err),
			  &err);
		assert_int_equal(mask_of(&set), c->generator);
	}
}

static void test_stat(void **state)
{
	static const struct {
		const char *text;
		pid_t parent;
	} cases[] = {
		{"12 (sh) S 7 12 12 0", 7},
		{"12 (a) S 9) R 31 1 1", 31},
		{"12 ((()) Z 1 1", 1},
		{"12 (sh) S ", 0},
		{"12 (sh)", 0},
		{"12 (sh) S -1 2", 0},
		{"12 sh S 7", 0},
		{"", 0},
		{")", 0},
		{"12 (sh) S 99999999999 2", 0},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++)
		assert_int_equal(fg_tree_parent_of_stat(cases[i].text, strlen(cases[i].text)),
				 cases[i].parent);
}

static int listen_on(uint16_t port, uint16_t *ret_port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static void test_find_port(void **state)
{
	struct fg_listener found;
	struct fg_err err;
	uint16_t port = 0;
	int fd = listen_on(0, &port);

	(void)state;
	assert_ok(fg_target_find_port(port, &found, &err), &err);
	assert_int_equal(found.pid, getpid());
	assert_true(strncmp("unit_target_pure", found.name, 15) == 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(fg_target_find_port(port, &found, &err), -FG_E_NOT_FOUND);
}

static void test_free_port_is_free(void **state)
{
	struct fg_err err;
	uint16_t port = 0, got = 0;

	(void)state;
	assert_ok(fg_probe_free_port(&port, &err), &err);
	assert_true(port > 0);
	int fd = listen_on(port, &got);

	assert_int_equal(port, got);
	assert_int_equal(fg_probe_tcp("127.0.0.1", port, 1000), 0);
	assert_int_equal(close(fd), 0);
}

static void test_wait_url(void **state)
{
	struct fg_err err;
	uint16_t port = 0;
	int fd = listen_on(0, &port);
	char url[64];

	(void)state;
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
	assert_ok(fg_target_wait_url(url, 10 * FG_NS_PER_S, &err), &err);
	assert_int_equal(close(fd), 0);
	assert_int_equal(fg_target_wait_url(url, 50 * FG_NS_PER_MS, &err), -FG_E_TIMEOUT);
	assert_non_null(strstr(err.message, "refused"));
	assert_int_equal(fg_target_wait_url("nonsense", 1, &err), -FG_E_INVALID);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),      cmocka_unit_test(test_url_errors_hide_passwords),
		cmocka_unit_test(test_cpus),      cmocka_unit_test(test_stat),
		cmocka_unit_test(test_find_port), cmocka_unit_test(test_free_port_is_free),
		cmocka_unit_test(test_wait_url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
