#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`flamegate publish` as a user calls it: a measured bundle, pushed and read back.

With PYROSCOPE_URL set the first test goes to that real server, otherwise to the conformance stub.
"""
import base64
import gzip
import json
import os
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kit"))
import kit
import pyroscope_stub

REAL_URL = os.environ.get("PYROSCOPE_URL", "").rstrip("/")


@unittest.skipUnless(os.getuid() == 0, "needs root for eBPF")
class Publish(kit.TestCase):
    def server(self, **options):
        stub = pyroscope_stub.PyroscopeStub(**options).__enter__()
        self.addCleanup(stub.__exit__)
        return stub.url

    def measure(self, *args, profile=""):
        path = self.write("shop.yaml", f"""
version: 1
name: shop
target:
  url: "http://127.0.0.1:{{{{ target.port }}}}"
  start: {{ command: [{kit.SHOP}, --port, "{{{{ target.port }}}}"], ready: {{ url: /healthz, timeout: 10s }} }}
{profile}
scenarios:
  a: {{ executor: constant-vus, vus: 2, duration: 3s, steps: [ {{ get: /items }} ] }}
""")
        self.flamegate("run", *args, path, check=0)

    def test_push_and_verify(self):
        self.measure("--require-profile")
        url = REAL_URL or self.server()
        done = self.flamegate("publish", "latest", "--pyroscope", url, "--label", "branch=main", "--verify", check=0)
        sent = re.search(r"published (\d+) samples \(([\d.]+) s of CPU\)", done.out)
        read = re.search(r"verified +(\d+) samples and ([\d.]+) s of CPU read back", done.out)
        self.assertIsNotNone(sent, done.out)
        self.assertIsNotNone(read, done.out)
        self.assertEqual(sent.groups(), read.groups())
        self.assertGreater(int(sent.group(1)), 0)

    def test_other_types(self):
        """Off-CPU, wall and page faults, from the kernel to the server and into files."""
        self.measure("--require-profile", "-o", "folded.offcpu=waits.folded", "-o", "pprof.wall=wall.pb.gz",
                     "-o", "svg.wall=wall.svg", "-o", "csv=points.csv",
                     profile="profile: { types: [cpu, offcpu, wall, pagefaults] }")
        bundle = self.bundle()
        info = json.loads((bundle / "run.json").read_text())
        types = info["profile"]["types"]
        self.assertEqual(set(types), {"offcpu", "wall", "faults"})
        waits = info["profile"]["waitsUs"]
        self.assertGreater(sum(waits.values()), 0)
        self.assertAlmostEqual(sum(waits.values()), types["offcpu"]["value"], delta=1)
        # one thread, all the time: on the CPU or off it
        self.assertAlmostEqual(types["wall"]["value"] / 3e6, 1, delta=0.15)
        for name in types:
            self.assertTrue((bundle / f"profile.{name}.pb.gz").is_file())
        folded = (self.dir / "waits.folded").read_text()
        self.assertNotIn("[wait: idle]", folded)
        self.assertTrue(all(line.startswith("[wait: ") for line in folded.splitlines()), folded[:300])
        self.assertEqual((self.dir / "wall.pb.gz").read_bytes()[:2], b"\x1f\x8b")
        self.assertIn("<svg", (self.dir / "wall.svg").read_text())
        rss = [float(line.split(",")[2]) for line in (self.dir / "points.csv").read_text().splitlines()
               if line.startswith("target_rss_bytes,")]
        self.assertGreaterEqual(len(rss), 2)
        self.assertTrue(all(500e3 < value < 100e6 for value in rss), rss)
        self.assertEqual([v for v in info["memory"]["targetRssBytes"] if v], rss)
        url = REAL_URL or self.server()
        done = self.flamegate("publish", "latest", "--pyroscope", url, "--verify", check=0)
        self.assertRegex(done.out, r"and \d+ of other types")

    def test_types_that_are_not_there(self):
        self.measure()
        for kind in ("pprof.offcpu", "folded.wall", "svg.faults"):
            done = self.flamegate("merge", "latest", "-o", f"{kind}=x")
            self.assertEqual(done.code, 1, done.out + done.err)
            self.assertIn("profile.types", done.err)
        for kind in ("csv.offcpu", "pprof.heap", "pprof."):
            done = self.flamegate("merge", "latest", "-o", f"{kind}=x")
            self.assertEqual(done.code, 2, done.out + done.err)
            self.assertIn("unknown kind", done.err)

    def test_credentials_come_from_the_environment_and_stay_secret(self):
        self.measure()
        url = self.server(basic="Basic " + base64.b64encode(b"ci:s3cret-pass").decode())
        done = self.flamegate("publish", "latest", "--pyroscope", url)
        self.assertEqual(done.code, 15, done.out + done.err)
        done = self.flamegate("publish", "latest", "--pyroscope", url, "--user", "ci")
        self.assertEqual(done.code, 2)
        self.assertIn("FLAMEGATE_PASSWORD", done.err)
        done = self.flamegate("publish", "latest", "--pyroscope", url, "--user", "ci", env={"FLAMEGATE_PASSWORD": "wrong-pass"})
        self.assertEqual(done.code, 15, done.out + done.err)
        self.assertNotIn("wrong-pass", done.out + done.err)
        done = self.flamegate("publish", "latest", "--pyroscope", url, "--user", "ci", env={"FLAMEGATE_PASSWORD": "s3cret-pass"},
                              check=0)
        self.assertNotIn("s3cret-pass", done.out + done.err)

    def test_an_old_bundle_is_refused_unless_restamped(self):
        self.measure()
        path = self.bundle() / "profile.pb.gz"
        raw = gzip.decompress(path.read_bytes())
        stamp = next(value for number, value in pyroscope_stub.fields(raw) if number == 9)
        moved = raw.replace(pyroscope_stub.put(9, stamp), pyroscope_stub.put(9, stamp - 2 * 3600 * 10**9))
        self.assertNotEqual(raw, moved)
        path.write_bytes(gzip.compress(moved))
        url = self.server()
        done = self.flamegate("publish", "latest", "--pyroscope", url)
        self.assertEqual(done.code, 15, done.out + done.err)
        self.assertIn("--restamp now", done.err)
        self.flamegate("publish", "latest", "--pyroscope", url, "--restamp", "now", "--verify", check=0)

    def test_what_cannot_be_published_says_why(self):
        self.measure("--no-profile")
        cases = [
            (["latest", "--pyroscope", self.server()], 15, "profile"),
            (["latest", "--pyroscope", "http://127.0.0.1:1"], 15, "profile"),
            (["nope", "--pyroscope", self.server()], 15, "nope"),
            (["latest", "--pyroscope", "ftp://x"], 15, "profile"),
            (["latest", "--pyroscope", "http://x", "--restamp", "later"], 2, "now"),
            (["latest", "--pyroscope", "http://x", "--label", "novalue"], 2, "NAME=VALUE"),
        ]
        for args, code, text in cases:
            with self.subTest(args=args):
                done = self.flamegate("publish", *args)
                self.assertEqual(done.code, code, done.out + done.err)
                self.assertIn(text, done.err)


if __name__ == "__main__":
    kit.main()
