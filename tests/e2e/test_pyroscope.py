#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Publishing to Pyroscope, against the conformance stub or a real server.

usage: test_pyroscope.py [--driver PATH] [unittest arguments]
The driver is push_synthetic, by default the one of the build directory FLAMEGATE_BUILD.
With PYROSCOPE_URL set the tests of class Push run against that server; those that need a fault or
another configuration (class Faults) always use the stub.
"""
import json
import os
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "kit"))
import pyroscope_stub as kit  # noqa: E402

REAL_URL = os.environ.get("PYROSCOPE_URL", "").rstrip("/")
DRIVER = os.path.join(os.environ.get("FLAMEGATE_BUILD", "build"), "tests", "e2e", "push_synthetic")
PERIOD_NS = 2004008
USAGE, INVALID, LIMIT, NETWORK, REFUSED, NO_DATA = 3, 4, 5, 11, 12, 15  # enum fg_err_code


class Case(unittest.TestCase):
    def publish(self, *arguments, url=None, **options):
        """Runs the driver; returns (exit status, report or error text)."""
        command = [DRIVER, "--url", url or self.url, *arguments]
        for key, value in options.items():
            command += ["--" + key.replace("_", "-"), str(value)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if "Sanitizer" in done.stderr or done.returncode < 0:
            self.fail(done.stderr)
        return done.returncode, json.loads(done.stdout) if done.returncode == 0 else done.stderr

    def published(self, *arguments, **options):
        status, report = self.publish(*arguments, **options)
        self.assertEqual(status, 0, report)
        return report

    def refused(self, status, text, *arguments, **options):
        got, error = self.publish(*arguments, **options)
        self.assertEqual(got, status, error)
        self.assertIn(text, error)
        return error

    def merged(self, report, type_id="process_cpu:cpu:nanoseconds:cpu:nanoseconds"):
        """Reads back what a report's query says, with nothing of ours in between."""
        selector = report["query"][report["query"].index("{"):report["query"].rindex("}") + 1]
        start, end = report["query"].split(" from ")[1].replace(" (ms)", "").split(" to ")
        body = kit.put(1, type_id) + kit.put(2, selector) + kit.put(3, int(start)) + \
            kit.put(4, int(end))
        request = urllib.request.Request(self.url + kit.MERGE, body,
                                         {"Content-Type": "application/proto"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return kit.Record(answer.read())


class Push(Case):
    """Everything that a server with default settings must do."""

    @classmethod
    def setUpClass(cls):
        cls.url = REAL_URL
        if not REAL_URL:
            cls.stub = kit.PyroscopeStub().__enter__()
            cls.url = cls.stub.url

    @classmethod
    def tearDownClass(cls):
        if not REAL_URL:
            cls.stub.__exit__()

    def setUp(self):
        self.run_id = "t-" + uuid.uuid4().hex[:12]

    def test_round_trip(self):
        report = self.published("--verify", run_id=self.run_id, stacks=200, count=3, warmup=7)
        self.assertEqual(report["profiles"], 1)
        self.assertEqual(report["samplesSent"], 600)
        self.assertEqual(report["cpuNsSent"], 600 * PERIOD_NS)
        self.assertTrue(report["verified"])
        self.assertEqual(report["samplesRead"], 600)
        self.assertEqual(report["cpuNsRead"], 600 * PERIOD_NS)
        self.assertEqual(report["retries"], 0)
        merged = self.merged(report)
        self.assertEqual(len(merged.messages(2)), 200)
        names = [t.decode() for t in merged.all[6]]
        self.assertIn("shop::checkout::step_0_", names)
        self.assertIn("shop::checkout::step_200_", names)

    def test_read_back_by_own_client(self):
        report = self.published(run_id=self.run_id, stacks=20, count=5)
        self.assertFalse(report["verified"])
        deadline, total = time.monotonic() + 30, 0
        while total < 100 and time.monotonic() < deadline:
            merged = self.merged(report, "process_cpu:samples:count:cpu:nanoseconds")
            total = sum(v for s in merged.messages(2) for v in s.integers(2))
        self.assertEqual(total, 100)

    def test_endpoints_are_series(self):
        report = self.published("--verify", run_id=self.run_id, stacks=100, count=3, endpoints=5)
        self.assertEqual(report["profiles"], 5)
        self.assertEqual(report["samplesRead"], 300)
        one = dict(report, query=report["query"].replace("{", '{endpoint="GET /items/3",'))
        merged = self.merged(one, "process_cpu:samples:count:cpu:nanoseconds")
        self.assertEqual(sum(v for s in merged.messages(2) for v in s.integers(2)), 60)

    def test_no_data_has_no_samples(self):
        report = self.published(run_id=self.run_id, stacks=2)
        other = dict(report, query=report["query"].replace(self.run_id, "nothing-here"))
        self.assertEqual(self.merged(other).messages(2), [])
        wrong_type = self.merged(report, "memory:inuse_space:bytes:space:bytes")
        self.assertEqual(wrong_type.messages(2), [])

    def test_labels_arrive_and_are_found(self):
        report = self.published("--verify", "--label", "branch=feature/ü \"quoted\\\"", "--label",
                                "commit=0123abc", "--label", "empty=", run_id=self.run_id,
                                service='shop "api"\\v1 {x,y}')
        self.assertTrue(report["verified"])
        self.assertEqual(report["samplesRead"], 150)

    def test_as_many_labels_as_allowed(self):
        labels = [w for i in range(24) for w in ("--label", f"l{i}={'v' * 2048}")]
        report = self.published("--verify", *labels, run_id=self.run_id, endpoints=2)
        self.assertTrue(report["verified"])
        error = self.refused(LIMIT, "more than 30 labels", *labels, "--label", "one=more",
                             run_id=self.run_id)
        self.assertLess(len(error), 2000)

    def test_more_stacks_than_one_upload_takes(self):
        report = self.published("--verify", run_id=self.run_id, stacks=20000, count=1, seconds=60)
        self.assertGreaterEqual(report["profiles"], 2)
        self.assertEqual(report["samplesRead"], 20000)
        self.assertEqual(report["cpuNsRead"], 20000 * PERIOD_NS)

    def test_more_bytes_than_one_upload_takes(self):
        report = self.published("--verify", run_id=self.run_id, stacks=3000, seconds=30,
                                name_bytes=1500)
        self.assertGreaterEqual(report["profiles"], 3)
        self.assertEqual(report["samplesRead"], 9000)

    def test_one_second_can_be_cut_too(self):
        report = self.published("--verify", run_id=self.run_id, stacks=17000, count=1, seconds=1)
        self.assertEqual(report["profiles"], 2)
        self.assertEqual(report["samplesRead"], 17000)

    def test_deep_names_survive(self):
        report = self.published("--verify", run_id=self.run_id, stacks=3, name_bytes=4096)
        names = [len(t) for t in self.merged(report).all[6]]
        self.assertEqual(max(names), 4096)

    def test_an_old_run_is_refused_unless_restamped(self):
        error = self.refused(INVALID, "--restamp now", run_id=self.run_id, age=2 * 3600)
        self.assertIn("2h", error)
        report = self.published("--verify", "--restamp", run_id=self.run_id, age=30 * 24 * 3600)
        self.assertTrue(report["verified"])

    def test_nearly_too_old_is_taken(self):
        self.assertTrue(self.published("--verify", run_id=self.run_id,
                                       age=58 * 60)["verified"])

    def test_a_run_longer_than_the_window(self):
        self.refused(INVALID, "--restamp now", run_id=self.run_id, seconds=3 * 3600)
        report = self.published("--verify", "--restamp", run_id=self.run_id, seconds=3 * 3600,
                                stacks=20000, count=1)
        self.assertEqual(report["samplesRead"], 20000)

    def test_published_twice_is_not_lost(self):
        for _ in range(2):
            report = self.published("--verify", run_id=self.run_id)
            self.assertGreaterEqual(report["samplesRead"], 150)

    def test_base_url_ends_with_slashes(self):
        self.published(run_id=self.run_id, url=self.url + "//")

    def test_wrong_path(self):
        self.refused(REFUSED, "404", run_id=self.run_id, url=self.url + "/no/such/prefix")

    def test_nothing_to_publish(self):
        self.refused(NO_DATA, "no samples of the measured phase", stacks=0, warmup=10)
        self.refused(NO_DATA, "no CPU profile", "--no-profile")

    def test_what_the_server_would_refuse_or_lose(self):
        """The limits are the server's own: it says no to what we would not send."""
        old = kit.put(9, time.time_ns() - 2 * 3600 * 10 ** 9)
        cases = [
            (self.envelope({"__name__": "process_cpu"}, self.tiny() + old), 400, "ingestion window"),
            (self.envelope({"service_name": "x"}, self.tiny()), 400, "invalid metric name"),
            (self.envelope({"__name__": "x", "big": "v" * 2049}, self.tiny()), 400, "too long"),
            (self.envelope({"__name__": "x", **{f"l{i}": "v" for i in range(30)}}, self.tiny()),
             400, "limit 30"),
            (self.envelope({"__name__": "x"}, b"this is not a profile at all"), 500, ""),
            (self.envelope({"__name__": "x"}, b""), 500, ""),
            (kit.put(1, kit.put(1, kit.put(1, "a"))), 400, "no profiles received"),
            (self.envelope({"__name__": "x"}, self.tiny() + kit.put(6, b"\xff")), 400, "utf8"),
            (self.envelope({"__name__": "x"}, self.tiny(16001)), 400, "limit: 16000"),
            (self.envelope({"__name__": "x"}, self.tiny() + kit.put(15000, b"x" * (2 << 20))),
             429, "rate limit"),
        ]
        for body, status, text in cases:
            with self.subTest(text=text, status=status):
                got, message = self.raw_push(body)
                self.assertEqual(got, status, message)
                self.assertIn(text, message)
        self.assertEqual(self.raw_push(b"", content_type="application/x-protobuf"), (415, ""))
        self.assertEqual(self.raw_push(None)[0], 405)

    def test_accepted_and_lost(self):
        """What 200 hides: the reason for our own rules and for --verify."""
        run = {"__name__": "process_cpu", "service_name": "lost", "run_id": self.run_id}
        good = kit.put(2, kit.put(1, 1) + kit.put(2, b"\x05"))
        dangling = kit.put(2, kit.put(1, 9) + kit.put(2, b"\x07"))
        zero = kit.put(2, kit.put(1, 1) + kit.put(2, b"\x00"))
        empty = kit.put(2, kit.put(2, b"\x0b"))
        negative = kit.put(2, kit.put(1, 1) + kit.put(2, kit.encode_varint(-3)))
        now = time.time_ns()
        status, message = self.raw_push(self.envelope(
            run, self.tiny(0) + good + dangling + zero + empty + negative + kit.put(9, now)))
        self.assertEqual((status, message), (200, ""))
        report = {"query": '{run_id="%s"} from %d to %d' % (self.run_id, now // 10 ** 6 - 1,
                                                           now // 10 ** 6 + 1)}
        deadline, values = time.monotonic() + 30, []
        while not values and time.monotonic() < deadline:
            values = [s.integers(2) for s in self.merged(report).messages(2)]
        self.assertEqual(values, [[5]])

    @staticmethod
    def tiny(samples=1):
        """A valid pprof of one type cpu/nanoseconds, one location, `samples` equal stacks."""
        strings = ["", "cpu", "nanoseconds", "main"]
        one = kit.put(2, kit.put(1, 1) + kit.put(2, b"\x05"))
        return kit.put(1, kit.put(1, 1) + kit.put(2, 2)) + one * samples + \
            kit.put(4, kit.put(1, 1) + kit.put(4, kit.put(1, 1))) + \
            kit.put(5, kit.put(1, 1) + kit.put(2, 3)) + \
            kit.put(11, kit.put(1, 1) + kit.put(2, 2)) + b"".join(kit.put(6, s) for s in strings)

    @staticmethod
    def envelope(labels, profile):
        pairs = b"".join(kit.put(1, kit.put(1, k) + kit.put(2, v)) for k, v in labels.items())
        return kit.put(1, pairs + kit.put(2, kit.put(1, profile)))

    def raw_push(self, body, content_type="application/proto"):
        request = urllib.request.Request(self.url + kit.PUSH, body, {"Content-Type": content_type})
        deadline = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                text = error.read().decode()
                # the bucket may still be empty from another test
                small = body is not None and len(body) < 2 << 20
                if error.code == 429 and small and time.monotonic() < deadline:
                    continue
                return error.code, json.loads(text)["message"] if text.startswith("{") else text


class Faults(Case):
    """Servers that misbehave or are configured otherwise: always the stub."""

    def setUp(self):
        self.stub = None

    def start(self, **options):
        self.stub = kit.PyroscopeStub(**options).__enter__()
        self.addCleanup(self.stub.__exit__)
        self.url = self.stub.url
        return self.stub

    def pushes(self):
        return [r for r in self.stub.requests if r[0] == kit.PUSH]

    def test_transient_faults_are_retried_with_the_same_bytes(self):
        for fault in ("unavailable", "timeout-stored", "close-stored",
                      (503, "unavailable", "later"), (408, "unknown", "slow"),
                      (429, "resource_exhausted", "push rate limit (4.0 MiB) exceeded"),
                      (502, "", "<html>bad gateway</html>")):
            with self.subTest(fault=fault):
                stub = self.start()
                stub.faults[:] = [fault]
                report = self.published("--verify")
                self.assertEqual(report["retries"], 1)
                bodies = {body for _, _, body in self.pushes()}
                self.assertEqual((len(bodies), len(self.pushes())), (1, 2))
                stub.store.compact()
                self.assertEqual(len(stub.store.rows), 1)

    def test_final_refusals_are_not_retried(self):
        for status, code, message in ((400, "invalid_argument", "no"), (401, "unauthenticated", "x"),
                                      (403, "permission_denied", "x"), (404, "not_found", "x"),
                                      (413, "x", "x"), (415, "", ""), (501, "unimplemented", "x"),
                                      (500, "unknown", "proto: Profile: wiretype"),
                                      (429, "resource_exhausted", "limit of 1 GB/1h reached, next")):
            with self.subTest(status=status, message=message):
                stub = self.start()
                stub.faults[:] = [(status, code, message)]
                error = self.refused(REFUSED, f"Pyroscope answered {status}")
                self.assertIn(message, error)
                self.assertEqual(len(self.pushes()), 1)

    def test_a_dead_server(self):
        with kit.PyroscopeStub() as gone:
            url = gone.url
        begin = time.monotonic()
        self.refused(NETWORK, "given up after 2 tries", url=url, tries=2)
        self.assertGreater(time.monotonic() - begin, 0.5)

    def test_silent_loss_is_found(self):
        self.start().faults[:] = ["lose"]
        error = self.refused(REFUSED, "gives less back: 0 of 150 samples", "--verify", verify_ms=1500)
        self.assertIn("1s500ms after the upload", error)

    def test_part_of_a_split_profile_lost(self):
        self.start().faults[:] = ["none", "lose"]
        self.refused(REFUSED, "gives less back", "--verify", stacks=20000, count=1, seconds=60,
                     verify_ms=1500)

    def test_tenants(self):
        self.start(multitenancy=True)
        error = self.refused(REFUSED, "401 unauthenticated: no org id")
        self.assertIn("X-Scope-OrgID", error)
        self.assertTrue(self.published("--verify", tenant="team-a")["verified"])
        self.assertEqual({r["tenant"] for r in self.stub.store.rows}, {"team-a"})
        for tenant in ("a|b", "a/b", "..", "x" * 151, "ä", "a\r\nX-Evil: 1"):
            self.refused(USAGE, "tenant", tenant=tenant)

    def test_credentials(self):
        self.start(basic="Basic Ym9iOmh1bnRlcjI=")
        self.assertTrue(self.published("--verify", user="bob", password="hunter2")["verified"])
        with_user = self.url.replace("http://", "http://bob:hunter2@")
        self.assertTrue(self.published("--verify", url=with_user)["verified"])
        for arguments in ({"user": "bob", "password": "s3cret"}, {"bearer": "s3cret"},
                          {"url": self.url.replace("http://", "http://bob:s3cret@")}):
            error = self.refused(REFUSED, "401", **arguments)
            self.assertNotIn("s3cret", error)
        self.refused(USAGE, "only one of them", user="a", bearer="b")
        error = self.refused(USAGE, "without query", url=with_user + "/?x=1")
        self.assertNotIn("hunter2", error)

    def test_bearer_token_is_sent(self):
        self.start(basic="Bearer tok")
        self.published(bearer="tok")
        self.refused(4, "line break", bearer="tok\r\nX: y")

    def test_a_passwords_never_in_network_errors(self):
        with kit.PyroscopeStub() as gone:
            url = gone.url.replace("http://", "http://bob:hunter2@")
        self.assertNotIn("hunter2", self.refused(NETWORK, "***@", url=url, tries=1))

    def test_the_servers_words_are_harmless(self):
        self.start().faults[:] = [(400, "invalid_argument", "\x1b[31m" + "x" * 50000)]
        error = self.refused(REFUSED, "400")
        self.assertNotIn("\x1b", error)
        self.assertLess(len(error), 1000)

    def test_labels_on_the_wire(self):
        self.start(delay_s=0.05)
        self.published("--label", "branch=main", "--label", "commit=abc", run_id="r1",
                       service="shop")
        labels = self.stub.store.rows[0]["labels"]
        self.assertEqual(labels, {"__name__": "process_cpu", "service_name": "shop", "run_id": "r1",
                                  "scenario": "synthetic", "branch": "main", "commit": "abc"})
        sent = [(p.text(1), p.text(2)) for p in kit.Record(self.pushes()[0][2]).messages(1)[0]
                .messages(1)]
        self.assertIn((b"__delta__", b"false"), sent)
        self.assertEqual(sent, sorted(sent))

    def test_label_rules(self):
        self.start()
        for label in ("1a=x", "a-b=x", "a.b=x", "=x", "__a=x", "ü=x", "run_id=x", "service_name=x"):
            self.refused(USAGE, "label", "--label", label)
        self.refused(LIMIT, "2049 bytes", "--label", "a=" + "x" * 2049)
        self.assertEqual(self.stub.requests, [])

    def test_split_pieces_have_their_own_stamps(self):
        self.start()
        report = self.published(stacks=40000, count=1, seconds=1)
        stamps = [row["time"] for row in self.stub.store.rows]
        self.assertEqual(len(stamps), report["profiles"])
        self.assertEqual(len(set(stamps)), len(stamps))
        self.stub.store.compact()
        self.assertEqual(len(self.stub.store.rows), len(stamps))


if __name__ == "__main__":
    if "--driver" in sys.argv:
        at = sys.argv.index("--driver")
        DRIVER = os.path.abspath(sys.argv[at + 1])
        del sys.argv[at:at + 2]
    if not os.access(DRIVER, os.X_OK):
        sys.exit(__doc__)
    unittest.main()
