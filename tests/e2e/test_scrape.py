#!/usr/bin/env python3
"""profile.scrape: the target's own pprof endpoints, fetched while it is driven, windowed, stored."""
import gzip
import http.server
import json
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kit"))
import kit
import pyroscope_stub


def varint(n):
    out = b""
    while True:
        out += bytes([n & 0x7F | (0x80 if n > 0x7F else 0)])
        n >>= 7
        if not n:
            return out


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def pprof(types, rows):
    """A pprof profile: types [(type, unit)], rows [(function, values)]."""
    strings = [""]

    def text(s):
        if s not in strings:
            strings.append(s)
        return strings.index(s)

    out = b""
    for kind, unit in types:
        out += field(1, field(1, text(kind)) + field(2, text(unit)))
    for i, (function, values) in enumerate(rows, 1):
        out += field(2, field(1, i) + b"".join(field(2, v) for v in values))
        out += field(4, field(1, i) + field(4, field(1, i)))
        out += field(5, field(1, i) + field(2, text(function)))
    for s in strings:
        out += field(6, s.encode())
    return out


def read_fields(data):
    at, fields = 0, []

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = number()
        if key & 7 == 0:
            fields.append((key >> 3, number()))
        else:
            length = number()
            fields.append((key >> 3, data[at:at + length]))
            at += length
    return fields


def totals(path):
    """Sum per sample type of a stored profile."""
    fields = read_fields(gzip.decompress(path.read_bytes()))
    strings = [v.decode() for n, v in fields if n == 6]
    types = [strings[dict(read_fields(v))[1]] for n, v in fields if n == 1]
    sums = [0] * len(types)
    for sample in (v for n, v in fields if n == 2):
        parts = read_fields(sample)
        values = [v for n, v in parts if n == 2 and isinstance(v, int)]
        if not values:  # packed
            packed = next(v for n, v in parts if n == 2)
            while packed:
                value = shift = 0
                while True:
                    byte, packed = packed[0], packed[1:]
                    value |= (byte & 0x7F) << shift
                    shift += 7
                    if byte < 0x80:
                        break
                values.append(value)
        for i, value in enumerate(values):
            sums[i] += value
    return dict(zip(types, sums))


class Target(http.server.BaseHTTPRequestHandler):
    """Each request allocates 1000 bytes in `handle`; the start cost 5000."""
    protocol_version = "HTTP/1.1"
    served = 0
    heaps = 0
    lock = threading.Lock()

    def do_GET(self):
        path = self.path.split("?")[0]
        status, body = 200, b"ok\n"
        with Target.lock:
            if path == "/":
                Target.served += 1
            elif path == "/debug/pprof/heap":
                Target.heaps += 1
                types = [("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_space", "bytes")]
                rows = [("start", [5, 5000, 5000]), ("handle", [Target.served, 1000 * Target.served, 64])]
                body = pprof(types, rows)
                if Target.heaps % 2:
                    body = gzip.compress(body)
            elif path == "/debug/pprof/goroutine":
                body = gzip.compress(pprof([("goroutine", "count")], [("serve", [7])]))
            elif path == "/html":
                body = b"<html>sign in</html>"
            elif path == "/slow":
                status = 503
            else:
                status = 404
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Scrape(kit.TestCase):
    def setUp(self):
        super().setUp()
        Target.served = Target.heaps = 0
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Target)
        self.port = self.server.server_address[1]
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def run_with(self, scrape, duration="3s", code=0, extra=""):
        (self.dir / "s.yaml").write_text(f"""version: 1
name: scraped
target: {{ url: "http://127.0.0.1:{self.port}" }}
profile: {{ enabled: off, scrape: {scrape} }}
scenarios:
  main: {{ executor: constant-arrival-rate, rate: 20, duration: {duration}, preAllocatedVUs: 4, {extra}
    steps: [ {{ get: / }} ] }}
""")
        return self.flamegate("run", "s.yaml", check=code)

    def stored(self):
        bundle = self.dir / ".flamegate/latest/bundle"
        index = json.loads((bundle / "scrape/index.json").read_text())
        return bundle, index

    def files(self):
        bundle, _ = self.stored()
        return sorted((bundle / "scrape").glob("*.pb.gz"))

    def test_window(self):
        done = self.run_with("[ { url: /debug/pprof/heap }, { url: /debug/pprof/goroutine, at: end } ]",
                      extra="warmup: 1s,")
        bundle, index = self.stored()
        profiles = {p["name"]: p for p in index["profiles"]}
        self.assertEqual(sorted(profiles), ["goroutine", "heap"])
        self.assertEqual(profiles["heap"]["type"], "memory")
        sums = [totals(path) for path in self.files()]
        heap = next(s for s in sums if "alloc_space" in s)
        # the start's 5000 bytes and the warm-up's requests are not in the window
        self.assertEqual(heap["alloc_space"], 1000 * heap["alloc_objects"])
        self.assertGreater(heap["alloc_objects"], 20)
        self.assertLess(heap["alloc_objects"], Target.served - 10)
        self.assertEqual(heap["inuse_space"], 5064)
        self.assertIn("scraped heap as memory: alloc_objects", done.err)
        self.assertEqual(next(s for s in sums if "goroutine" in s), {"goroutine": 7})

    def test_every(self):
        self.run_with("[ { url: /debug/pprof/heap, type: memory, at: every 1s } ]", duration="4s")
        sums = [totals(path)["alloc_objects"] for path in self.files()]
        self.assertGreaterEqual(len(sums), 3)
        # windows touch: nothing is counted twice or left out but what came before the first fetch
        self.assertLessEqual(sum(sums), Target.served)
        self.assertGreater(sum(sums), 20)

    def test_published_under_their_types(self):
        self.run_with("[ { url: /debug/pprof/heap, at: every 1s }, { url: /debug/pprof/goroutine, at: end } ]")
        windows = len(self.files()) - 1
        self.assertGreaterEqual(windows, 2)
        with pyroscope_stub.PyroscopeStub() as stub:
            self.flamegate("publish", "latest", "--pyroscope", stub.url, check=0)
            self.flamegate("publish", "latest", "--pyroscope", stub.url, "--restamp", "now", check=0)
            rows = stub.store.rows
        heaps = [r for r in rows if r["labels"]["__name__"] == "memory"]
        self.assertEqual(len(heaps), 2 * windows)
        self.assertEqual(len({r["time"] for r in heaps}), 2 * windows)  # or the server would merge them
        self.assertEqual({t[0] for t in heaps[0]["types"]}, {"alloc_objects", "alloc_space", "inuse_space"})
        self.assertEqual([r["labels"]["__name__"] for r in rows if r not in heaps], ["goroutine", "goroutine"])
        self.assertEqual({r["labels"]["service_name"] for r in rows}, {"scraped"})

    def test_end_is_as_it_is(self):
        self.run_with("[ { url: /debug/pprof/heap, at: end } ]", duration="2s")
        sums = totals(self.files()[0])
        self.assertEqual(sums["alloc_space"], 5000 + 1000 * Target.served)

    def test_failures_are_told_and_cost_nothing(self):
        for url, words in [("/nowhere", "404"), ("/html", "not a pprof profile"), ("/slow", "503"),
                           (f"http://user:secret@127.0.0.1:{kit.reserve_port()}/heap", "connect")]:
            with self.subTest(url=url):
                done = self.run_with(f'[ {{ url: "{url}", type: memory }} ]', duration="2s")
                self.assertIn("was not scraped", done.err)
                self.assertIn(words, done.err.lower())
                self.assertNotIn("secret", done.out + done.err)

    def test_interrupted_before_the_window(self):
        (self.dir / "s.yaml").write_text(f"""version: 1
target: {{ url: "http://127.0.0.1:{self.port}" }}
profile: {{ enabled: off, scrape: [ {{ url: /debug/pprof/heap }} ] }}
scenarios: {{ main: {{ executor: constant-vus, vus: 1, duration: 30s, warmup: 20s, steps: [ {{ get: / }} ] }} }}
""")
        process = self.spawn("run", "s.yaml")
        kit.wait_until(lambda: Target.served > 3, what="requests")
        process.terminate()
        done = self.finish(process, ("run",), 60)
        self.assertEqual(done.code, 105)
        self.assertIn("nothing was scraped", done.err)

    def test_faults(self):
        for scrape, words in [("[ { type: memory } ]", "url"), ("[ { url: heap } ]", "neither a path"),
                              ("[ { url: /x/, type: 'a b' } ]", "no type of a profile"),
                              ("[ { url: / } ]", "does not tell"),
                              ("[ { url: /heap, at: sometimes } ]", "start+end"),
                              ("[ { url: /heap, at: every 10ms } ]", "at least 1s"),
                              ("[ { url: /heap, when: end } ]", "unknown key"),
                              ("{ url: /heap }", "list")]:
            with self.subTest(scrape=scrape):
                done = self.run_with(scrape, code=104)
                self.assertIn(words, done.err)
                self.assertIn("s.yaml:4:", done.err)


if __name__ == "__main__":
    kit.main()
