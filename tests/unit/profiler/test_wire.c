/* SPDX-License-Identifier: Apache-2.0 */
/* Framing against a peer that sends what it likes. */
#include "tests/kit/kit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "profiler/wire.h"
#include "profiler/wire.pb-c.h"

struct pair {
	struct fg_wire wire;
	int peer;
};

static void open_pair(struct pair *pair)
{
	struct fg_err err;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_ok(fg_wire_init(&pair->wire, ends[0], &err), &err);
	pair->peer = ends[1];
}

static void close_pair(struct pair *pair)
{
	fg_wire_done(&pair->wire);
	if (pair->peer >= 0)
		close(pair->peer);
}

static void peer_says(struct pair *pair, const void *bytes, size_t len)
{
	assert_int_equal(write(pair->peer, bytes, len), (ssize_t)len);
}

struct hostile_case {
	const char *name;
	const char *bytes;
	size_t len;
	int expected; /* of fg_wire_next_message */
};

static void test_hostile_bytes(void **state)
{
	(void)state;
	static const struct hostile_case cases[] = {
		{"nothing", "", 0, 0},
		{"half a header", "\x01\x00\x00", 3, 0},
		{"header without type", "\x00\x00\x00\x00\x01", 5, 0},
		{"body not there yet",
		 "\x05\x00\x00\x00\x01\x00"
		 "ab",
		 8, 0},
		{"type 0", "\x00\x00\x00\x00\x00\x00", 6, -FG_E_INVALID},
		{"type above all", "\x00\x00\x00\x00\x7f\x00", 6, -FG_E_INVALID},
		{"high byte of the type", "\x00\x00\x00\x00\x01\x01", 6, -FG_E_INVALID},
		{"4 GiB", "\xff\xff\xff\xff\x01\x00", 6, -FG_E_INVALID},
		{"16 MiB + 1", "\x01\x00\x00\x01\x01\x00", 6, -FG_E_INVALID},
		{"16 MiB announced, little there", "\x00\x00\x00\x01\x01\x00zz", 8, 0},
		{"empty body", "\x00\x00\x00\x00\x0a\x00", 6, 1},
		{"a body", "\x02\x00\x00\x00\x0a\x00hi", 8, 1},
	};

	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		struct fg_wire_message message;
		struct fg_err err = {0};
		struct pair pair;

		open_pair(&pair);
		if (cases[i].len)
			peer_says(&pair, cases[i].bytes, cases[i].len);
		assert_ok(fg_wire_fill(&pair.wire, &err), &err);
		int got = fg_wire_next_message(&pair.wire, &message, &err);

		if (got != cases[i].expected)
			fail_msg("%s: %d, not %d", cases[i].name, got, cases[i].expected);
		close_pair(&pair);
	}
}

static void test_byte_by_byte(void **state)
{
	(void)state;
	static const char bytes[] = "\x02\x00\x00\x00\x0c\x00hi\x00\x00\x00\x00\x0a\x00";
	struct fg_wire_message message;
	struct fg_err err = {0};
	struct pair pair;
	unsigned types[4] = {0};
	size_t count = 0;

	open_pair(&pair);
	for (size_t i = 0; i + 1 < sizeof(bytes); i++) {
		peer_says(&pair, bytes + i, 1);
		assert_ok(fg_wire_fill(&pair.wire, &err), &err);
		while (fg_wire_next_message(&pair.wire, &message, &err) == 1)
			types[count++] = message.type;
	}
	assert_int_equal(count, 2);
	assert_int_equal(types[0], FG_WIRE_NOTICE);
	assert_int_equal(types[1], FG_WIRE_DONE);
	close_pair(&pair);
}

static void test_end_of_stream(void **state)
{
	(void)state;
	struct fg_wire_message message;
	struct fg_err err = {0};
	struct pair pair;

	open_pair(&pair);
	peer_says(&pair, "\x05\x00\x00", 3);
	close(pair.peer);
	pair.peer = -1;
	assert_ok(fg_wire_fill(&pair.wire, &err), &err);
	assert_true(pair.wire.eof);
	assert_int_equal(fg_wire_next_message(&pair.wire, &message, &err), 0);
	close_pair(&pair);
}

static void test_write_to_closed(void **state)
{
	(void)state;
	Fg__Wire__Empty empty;
	struct fg_err err = {0};
	struct pair pair;

	fg__wire__empty__init(&empty);
	open_pair(&pair);
	close(pair.peer);
	pair.peer = -1;
	assert_ok(fg_wire_send(&pair.wire, FG_WIRE_STOP, &empty.base, -1, &err), &err);
	assert_int_equal(fg_wire_flush(&pair.wire, &err), -FG_E_IO);
	close_pair(&pair);
}

/* A reader that never reads costs a bounded queue, then an error, never a block. */
static void test_slow_reader(void **state)
{
	(void)state;
	static char text[1 << 20];
	Fg__Wire__Notice notice;
	struct fg_err err = {0};
	struct pair pair;
	int rc = 0;
	size_t sent = 0;

	fg__wire__notice__init(&notice);
	memset(text, 'x', sizeof(text) - 1);
	notice.text = text;
	open_pair(&pair);
	for (; sent < 100 && !rc; sent++) {
		rc = fg_wire_send(&pair.wire, FG_WIRE_NOTICE, &notice.base, -1, &err);
		if (!rc)
			assert_ok(fg_wire_flush(&pair.wire, &err), &err);
	}
	assert_int_equal(rc, -FG_E_IO);
	assert_true(sent > 20);
	assert_true(fg_wire_pending(&pair.wire) <= FG_WIRE_OUT_MAX);
	assert_int_equal(fg_wire_flush_all(&pair.wire, 0, &err), -FG_E_TIMEOUT);
	close_pair(&pair);
}

static void test_message_too_large(void **state)
{
	(void)state;
	Fg__Wire__Module module;
	struct fg_err err = {0};
	struct pair pair;

	fg__wire__module__init(&module);
	open_pair(&pair);
	module.image.len = FG_WIRE_MESSAGE_MAX + 1u;
	module.image.data = (uint8_t *)&module; /* never read: the size is checked before */
	assert_int_equal(fg_wire_send(&pair.wire, FG_WIRE_MODULE, &module.base, -1, &err),
			 -FG_E_LIMIT);
	assert_int_equal(fg_wire_pending(&pair.wire), 0);
	close_pair(&pair);
}

static int named_file(int number)
{
	char name[16];
	int fd;

	(void)snprintf(name, sizeof(name), "%d", number);
	char path[] = "/tmp/fg-wire-XXXXXX";

	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(write(fd, name, strlen(name)), (ssize_t)strlen(name));
	return fd;
}

/* Every third message carries a file; each arrives with, and in the order of, its messages. */
static void test_descriptors_in_order(void **state)
{
	(void)state;
	enum { MESSAGES = 60 };
	struct fg_wire_message message;
	struct fg_err err = {0};
	struct fg_wire reader;
	struct pair pair;
	int next = 0, received = 0;

	open_pair(&pair);
	assert_ok(fg_wire_init(&reader, pair.peer, &err), &err);
	pair.peer = -1;
	for (uint32_t i = 0; i < MESSAGES; i++) {
		Fg__Wire__Module module;

		fg__wire__module__init(&module);
		module.id = i + 1;
		module.has_fd = i % 3 == 0;
		assert_ok(fg_wire_send(&pair.wire, FG_WIRE_MODULE, &module.base,
				       module.has_fd ? named_file((int)i + 1) : -1, &err),
			  &err);
	}
	assert_ok(fg_wire_flush(&pair.wire, &err), &err);
	assert_ok(fg_wire_fill(&reader, &err), &err);
	while (fg_wire_next_message(&reader, &message, &err) == 1) {
		Fg__Wire__Module *module =
			fg__wire__module__unpack(NULL, message.len, message.body);
		char text[16] = {0}, expected[16];

		assert_non_null(module);
		assert_int_equal(module->id, ++next);
		if (module->has_fd) {
			int fd = fg_wire_take_fd(&reader);

			assert_true(fd >= 0);
			assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
			(void)snprintf(expected, sizeof(expected), "%u", module->id);
			assert_string_equal(text, expected);
			close(fd);
			received++;
		}
		fg__wire__module__free_unpacked(module, NULL);
	}
	assert_int_equal(next, MESSAGES);
	assert_int_equal(received, MESSAGES / 3);
	assert_int_equal(fg_wire_take_fd(&reader), -1);
	fg_wire_done(&reader);
	close_pair(&pair);
}

static void test_pipe_carries_no_descriptor(void **state)
{
	(void)state;
	Fg__Wire__Empty empty;
	struct fg_err err = {0};
	struct fg_wire wire;
	int ends[2];

	fg__wire__empty__init(&empty);
	assert_int_equal(pipe(ends), 0);
	assert_ok(fg_wire_init(&wire, ends[1], &err), &err);
	assert_false(fg_wire_can_pass_fd(&wire));
	int fd = named_file(1);

	assert_ok(fg_wire_send(&wire, FG_WIRE_KALLSYMS, &empty.base, fd, &err), &err);
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* taken, and dropped */
	assert_ok(fg_wire_flush(&wire, &err), &err);
	fg_wire_done(&wire);
	close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile_bytes),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_end_of_stream),
		cmocka_unit_test(test_write_to_closed),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_message_too_large),
		cmocka_unit_test(test_descriptors_in_order),
		cmocka_unit_test(test_pipe_carries_no_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
