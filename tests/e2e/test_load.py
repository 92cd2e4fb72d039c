#!/usr/bin/env python3
"""What a server sees of a load, counted by the server itself."""
import collections
import gzip
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kit"))
import kit


class Counting:
    """An HTTP server in this process that stamps every request when its last byte is there."""

    def __init__(self, case, delay_s=0.0, answer=b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"):
        self.delay_s, self.answer, self.stamps, self.bytes = delay_s, answer, [], 0
        self.lock = threading.Lock()
        self.port = case.hostile(self.serve)

    def serve(self, connection):
        with connection.makefile("rb") as stream:
            while line := stream.readline():
                size, length = len(line), 0
                while (header := stream.readline()) not in (b"\r\n", b""):
                    size += len(header)
                    if header.lower().startswith(b"content-length:"):
                        length = int(header.split(b":")[1])
                stream.read(length)
                with self.lock:
                    self.stamps.append(time.monotonic_ns())
                    self.bytes += size + 2 + length
                time.sleep(self.delay_s)
                connection.sendall(self.answer)


class Load(kit.TestCase):
    def drive(self, port, scenario, step="{ get: / }", extra=""):
        path = self.write("s.yaml", f"""
version: 1
name: t
target: {{ url: "http://127.0.0.1:{port}" }}
scenarios:
  a: {{ {scenario}, steps: [ {step} ] }}
{extra}""")
        self.done = self.flamegate("run", "--no-profile", path)
        # 16: a busy machine made the generator late, which must not change what is counted.
        self.assertIn(self.done.code, (0, 16), self.done.out + self.done.err)
        return self.run_json(self.bundle())

    def totals(self, run):
        sums = collections.Counter()
        for one in run["classes"]:
            for half in (one["expected"], one["unexpected"]):
                sums.update({key: half[key] for key in ("requests", "failed", "sentBytes", "receivedBytes")})
                sums["lowerBounds"] += half["trends"].get("http_req_duration", {}).get("lowerBounds", 0)
        return sums

    def test_each_second_of_a_rate_is_exact(self):
        server = Counting(self)
        run = self.drive(server.port, "executor: constant-arrival-rate, rate: 30, duration: 5s, preAllocatedVUs: 30, "
                         "arrivals: uniform")
        self.assertEqual(run["scenarios"][0]["iterations"], 150)
        # The server's clock is the generator's. Nothing arrives before it is due; what a busy machine
        # makes late may fall into the second after it, so each is first held against its own due time.
        start, slot = run["time"]["startedMonotonicNs"], 1_000_000_000 / 30
        after = sorted(stamp - start for stamp in server.stamps)
        self.assertEqual(len(after), 150)
        for k, ns in enumerate(after):
            self.assertGreaterEqual(ns, int(k * slot))
        if all(ns < (k + 1) * slot for k, ns in enumerate(after)):
            seconds = collections.Counter(ns // 1_000_000_000 for ns in after)
            self.assertEqual(dict(seconds), {second: 30 for second in range(5)})

    def test_bytes_are_those_of_the_wire(self):
        server = Counting(self)
        body = "x" * 200_000
        run = self.drive(server.port, "executor: constant-arrival-rate, rate: 5, duration: 1s, preAllocatedVUs: 5",
                         f"{{ post: {{ url: /, body: {body} }} }}")
        self.assertEqual(self.totals(run)["sentBytes"], server.bytes)
        self.assertEqual(self.totals(run)["receivedBytes"], 5 * len(server.answer))

    def test_received_bytes_are_compressed_ones(self):
        packed = gzip.compress(b"a" * 100_000)
        answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
        server = Counting(self, answer=answer)
        run = self.drive(server.port, "executor: constant-arrival-rate, rate: 5, duration: 1s, preAllocatedVUs: 5",
                         "{ get: { url: /, compression: true } }")
        self.assertEqual(self.totals(run)["receivedBytes"], 5 * len(answer))

    def test_what_was_never_sent_is_no_request(self):
        """Overload as in k6: http_reqs is what the server saw, nothing failed, the rest was dropped."""
        for no_vu in ("wait", "drop"):
            with self.subTest(noVU=no_vu):
                server = Counting(self, delay_s=0.2)
                run = self.drive(server.port, "executor: constant-arrival-rate, rate: 50, duration: 2s, preAllocatedVUs: 2, "
                                 f"noVU: {no_vu}", extra="""
thresholds:
  http_req_failed: [ "rate==0" ]
  dropped_iterations: [ "count>50" ]
  http_reqs: [ "count<50" ]
""")
                scenario, sums = run["scenarios"][0], self.totals(run)
                self.assertEqual(sums["requests"], len(server.stamps))
                self.assertEqual(sums["failed"], 0)
                self.assertEqual(scenario["iterations"] + scenario["dropped"], 100)
                self.assertEqual(sums["lowerBounds"], scenario["dropped"] if no_vu == "wait" else 0)

    def test_a_ramp_has_its_users(self):
        """0 → 4 in 2 s, 4 for 1 s, gone at once: never more connections than the plan's users."""
        server = Counting(self, delay_s=0.02)
        run = self.drive(server.port, "executor: ramping-vus, startVUs: 0, gracefulRampDown: 1s, stages: [ "
                         "{ duration: 2s, target: 4 }, { duration: 1s, target: 4 }, { duration: 0s, target: 0 } ]")
        self.assertEqual(run["scenarios"][0]["vusMax"], 4)
        self.assertEqual(self.totals(run)["requests"], len(server.stamps))
        first = (min(server.stamps) - run["time"]["startedMonotonicNs"]) / 1e9
        self.assertGreaterEqual(first, 0.5)  # the first of four steps


if __name__ == "__main__":
    kit.main()
