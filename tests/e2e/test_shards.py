#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Three processes with --shard i/3 against one counting server: together exactly the schedule of one; and
`flamegate merge` makes one bundle and one verdict of them."""
import gzip
import json
import os
import pathlib
import shutil
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from tests.kit import counter, kit

RATE, SECONDS = 300, 2
EVENTS = RATE * SECONDS

SCENARIO = """
version: 1
name: sharded
target: {{ url: "http://127.0.0.1:{port}" }}
scenarios:
  even:
    executor: constant-arrival-rate
    rate: {rate}
    duration: {seconds}s
    preAllocatedVUs: 30
    maxVUs: 300
    arrivals: uniform
    steps: [ {{ get: {{ url: "/even/{{{{ scenario.iteration }}}}", name: even, checks: [ {{ status: 200 }} ] }} }} ]
  chance:
    executor: ramping-arrival-rate
    startRate: 0
    stages: [ {{ duration: 1s, target: 200 }}, {{ duration: 1s, target: 0 }} ]
    preAllocatedVUs: 9
    maxVUs: 300
    arrivals: poisson
    steps: [ {{ get: {{ url: "/chance/{{{{ scenario.iteration }}}}", name: chance }} }} ]
  pool:
    executor: shared-iterations
    vus: 7
    iterations: 100
    steps: [ {{ get: {{ url: "/pool/{{{{ scenario.iteration }}}}", name: pool }} }} ]
thresholds:
  "http_reqs{{name:even}}": [ "{count}" ]
  checks: [ "rate==1" ]
"""


class Shards(kit.TestCase):
    def setUp(self):
        super().setUp()
        self.server = counter.Counter()
        self.addCleanup(self.server.stop)

    def scenario(self, count, name="load.yaml"):
        path = self.dir / name
        path.write_text(SCENARIO.format(port=self.server.port, rate=RATE, seconds=SECONDS, count=count))
        return path

    def run_shards(self, count, *more, shards=3):
        """Runs them side by side; returns (start time, codes)."""
        scenario = self.scenario(count)
        for ahead in (1.5, 5, 15):  # "choose a later time", says one that was not ready
            start = time.time() + ahead
            args = [("run", "--no-profile", "--quiet", "--shard", f"{i}/{shards}", "--start-at", f"{start:.3f}",
                     "--bundle", f"b{i}", *more, scenario) for i in range(1, shards + 1)]
            processes = [self.spawn(*one) for one in args]
            done = [self.finish(process, one, 60) for process, one in zip(processes, args)]
            if not any("before everything was ready" in one.err or "in the past" in one.err for one in done):
                break
            self.server.seen.clear()
            for i in range(1, shards + 1):
                shutil.rmtree(self.dir / f"b{i}", True)
        for one in done:
            self.assertIn(one.code, (0, 99, 16), one.err + one.out)
        return start, done

    def bundle(self, name):
        return json.loads((self.dir / name / "run.json").read_text())

    def test_together_they_are_one_run(self):
        start, done = self.run_shards(f"count=={EVENTS}")
        # No shard alone has all of them; the whole does.
        self.assertTrue(all("http_reqs{name:even}" in one.out for one in done))
        even = self.server.numbers("even")
        self.assertEqual(sorted(even), list(range(EVENTS)))
        late = sorted(when - (start + k / RATE) for k, when in even.items())
        self.assertGreater(late[0], -0.005, "a request came before it was due")
        self.assertLess(late[len(late) // 2], 0.1)
        chance = self.server.numbers("chance")
        self.assertEqual(sorted(chance), list(range(len(chance))))
        self.assertTrue(100 < len(chance) < 300, len(chance))
        self.assertEqual(sorted(self.server.numbers("pool")), list(range(100)))

        merged = self.flamegate("merge", "--bundle", "whole", "b1", "b2", "b3")
        self.assertIn(merged.code, (0, 16), merged.out + merged.err)
        whole = self.bundle("whole")
        self.assertNotIn("shard", whole)
        parts = [self.bundle(f"b{i}") for i in (1, 2, 3)]
        self.assertEqual([part["shard"] for part in parts], [{"index": i, "count": 3} for i in range(3)])
        self.assertEqual(len({part["seed"] for part in parts}), 1)
        self.assertEqual([one["passed"] for one in whole["thresholds"]], [True, True])
        for part in parts:
            self.assertFalse(part["thresholds"][0]["passed"])
            self.assertEqual(part["thresholds"][0]["samples"], EVENTS // 3)
        self.assertEqual(whole["thresholds"][0]["samples"], EVENTS)
        self.assertEqual(whole["thresholds"][1]["samples"], EVENTS)

    def test_a_limit_that_only_the_whole_breaks(self):
        _, done = self.run_shards(f"count<{EVENTS}")
        self.assertTrue(all(one.code in (0, 16) for one in done))
        merged = self.flamegate("merge", "--bundle", "whole", "b3", "b1", "b2")
        self.assertIn(merged.code, (99, 16))
        self.assertFalse(self.bundle("whole")["thresholds"][0]["passed"])
        # Judged by another file instead.
        other = self.scenario(f"count=={EVENTS}", "other.yaml")
        merged = self.flamegate("merge", "--scenario", other, "--bundle", "again", "b1", "b2", "b3")
        self.assertIn(merged.code, (0, 16), merged.out + merged.err)
        self.assertTrue(self.bundle("again")["thresholds"][0]["passed"])

        # What does not belong together is refused, what is missing is said.
        refused = self.flamegate("merge", "--bundle", "no", "b1", "b2", "b2", check=2)
        self.assertIn("are both shard 2/3", refused.err)
        refused = self.flamegate("merge", "--bundle", "no", "b1", "whole", check=2)
        self.assertIn("is one of 3 shards", refused.err)
        refused = self.flamegate("merge", "--bundle", "no", "b1", "nowhere", check=2)
        self.assertIn("nowhere", refused.err)
        refused = self.flamegate("merge", "--bundle", "whole", "b1", "b2", "b3", check=2)
        self.assertIn("exists already", refused.err)
        self.assertFalse((self.dir / "no").exists())
        partly = self.flamegate("merge", "--bundle", "partly", "b1", "b3")
        self.assertIn("shard 2/3 is missing", partly.err)

    def test_refused_before_anything_starts(self):
        scenario = self.scenario("count>0")
        for args, text in ((("--shard", "4/3"), "--shard wants I/N"),
                           (("--shard", "1/60", "--start-at", "1"), "in the past"),
                           (("--start-at", "tomorrow"), "--start-at wants")):
            refused = self.flamegate("run", "--no-profile", *args, scenario, check=2)
            self.assertIn(text, refused.err)
        self.assertEqual(self.server.seen, [])


class OneProfile(kit.TestCase):
    @unittest.skipUnless(os.getuid() == 0, "needs root")
    def test_the_profile_of_one_shard(self):
        """Its target also worked for the others' requests, whose classes it does not know: none are told of the whole."""
        _, port = self.nginx()
        scenario = self.write("p.yaml", f"version: 1\nname: p\ntarget: {{ url: 'http://127.0.0.1:{port}' }}\nscenarios: {{ a: {{ executor: "
                              "constant-arrival-rate, rate: 400, duration: 2s, preAllocatedVUs: 20, steps: [ { get: / } ] } }\n")
        for i, more in ((1, ()), (2, ("--no-profile",))):
            self.assertIn(self.flamegate("run", "-q", "--shard", f"{i}/2", "--bundle", f"b{i}", *more, scenario).code, (0, 16))
        self.assertTrue(self.run_json(self.dir / "b1")["profile"]["labels"]["present"], "nothing to test without request classes")
        self.assertIn(b"GET /", gzip.decompress((self.dir / "b1" / "profile.pb.gz").read_bytes()))
        merged = self.flamegate("merge", "--bundle", "whole", "b1", "b2")
        self.assertIn("no request classes: the profile is one shard's", " ".join(merged.out.split()))
        whole = self.run_json(self.dir / "whole")["profile"]
        self.assertEqual((whole["labels"]["present"], whole["samples"]), (False, self.run_json(self.dir / "b1")["profile"]["samples"]))
        self.assertNotIn(b"GET /", gzip.decompress((self.dir / "whole" / "profile.pb.gz").read_bytes()))
        shutil.rmtree(self.dir / "b2")
        shutil.copytree(self.dir / "b1", self.dir / "b2")
        run = self.run_json(self.dir / "b2")
        (self.dir / "b2" / "run.json").write_text(json.dumps({**run, "shard": {"index": 1, "count": 2}}))
        merged = self.flamegate("merge", "--bundle", "both", "b1", "b2")
        self.assertIn("profile: off, several shards have one each", " ".join(merged.out.split()))


if __name__ == "__main__":
    kit.main()
