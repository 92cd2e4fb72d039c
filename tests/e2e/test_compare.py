#!/usr/bin/env python3
"""compare, --baseline, bundles that are damaged or foreign."""
import gzip
import json
import os
import pathlib
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kit"))
import kit


class Compare(kit.TestCase):
    def measure(self, port, bundle, *args):
        self.flamegate("run", "-r", 150, "-d", "5s", "--bundle", bundle, *args, f"http://127.0.0.1:{port}/", check=0)
        return self.dir / bundle

    def check_late(self, done, **bundles):
        """Whether kit had to take one for what it is, late on every try: then nothing is compared, the first such is
        named with its reason, and nothing is red either."""
        for name, bundle in bundles.items():
            reason = self.run_json(bundle)["invalidReason"]
            if reason:
                self.assertEqual(done.code, 16, done.out + done.err)
                self.assertRegex(done.out, rf"(?m)^INVALID: {name}: the generator was late")
                return True
        self.assertNotIn("INVALID", done.out)
        return False

    def test_same_server_twice_is_never_red(self):
        _, port = self.nginx()
        base, head = self.measure(port, "a"), self.measure(port, "b")
        done = self.flamegate("compare", base, head, "-o", "verdict=v.json")
        verdict = json.loads((self.dir / "v.json").read_text())
        if self.check_late(done, base=base, head=head):
            self.assertEqual(verdict["state"], "invalid")
            return
        self.assertEqual(done.code, 0, done.out + done.err)
        self.assertRegex(done.out, r"^(PASSED|IMPROVED|INCONCLUSIVE)")
        self.assertIn(verdict["state"], ("passed", "improved", "inconclusive"))
        self.assertIn("GET /", done.out)

    def test_run_with_baseline_does_both(self):
        _, port = self.nginx()
        base = self.measure(port, "a")
        asked = None if self.run_json(base)["invalidReason"] else 0  # 16 is then the baseline's, however good the run
        done = self.flamegate("run", "-r", 150, "-d", "5s", "--baseline", base, f"http://127.0.0.1:{port}/", check=asked)
        if not self.check_late(done, base=base, head=self.bundle()):
            self.assertRegex(done.out, r"(?m)^(PASSED|IMPROVED|INCONCLUSIVE)")
        self.assertTrue((self.dir / ".flamegate" / "latest" / "verdict.json").exists())

    @unittest.skipUnless(os.getuid() == 0, "needs root for eBPF")
    def test_three_times_the_cpu_is_red_and_named(self):
        self.write("burn.py", "")
        body = """
import os
def burn(n):
    total = 0
    for i in range(n): total += i * i
    return total
class Handler(Handler):
    def do_GET(self):
        burn(int(os.environ.get('BURN', '1000')))
        super().do_GET()
"""
        bundles = []
        for name, amount in (("cheap", "2000"), ("dear", "60000")):
            os.environ["BURN"] = amount
            self.addCleanup(os.environ.pop, "BURN", None)
            (self.dir / "python.port").unlink(missing_ok=True)
            process, port = self.python_server(body)
            # The same scenario hash for both sides: the port stays out of it through the environment.
            bundles.append(self.dir / name)
            path = self.write("s.yaml", """
version: 1
name: burn
target: { url: "http://127.0.0.1:${PORT_OF_SERVER}" }
scenarios:
  a: { executor: constant-arrival-rate, rate: 60, duration: 8s, preAllocatedVUs: 20, steps: [ { get: / } ] }
""")
            self.flamegate("run", "--bundle", bundles[-1], "-e", f"PORT_OF_SERVER={port}", path, check=0)
            kit.end_group(process)
        done = self.flamegate("compare", *bundles)
        if self.check_late(done, base=bundles[0], head=bundles[1]):
            return
        self.assertEqual(done.code, 10, done.out + done.err)
        self.assertRegex(done.out, r"^REGRESSED: cpu per request")

    def test_damaged_and_foreign_bundles_are_refused(self):
        _, port = self.nginx()
        good = self.measure(port, "a", "--no-profile")

        def damaged(name, change):
            path = self.dir / name
            shutil.copytree(good, path)
            change(path)
            return path

        def edit(path, **changes):
            run = json.loads((path / "run.json").read_text())
            run.update(changes)
            (path / "run.json").write_text(json.dumps(run))

        cases = [
            (damaged("no-run", lambda p: (p / "run.json").unlink()), "run.json"),
            (damaged("not-json", lambda p: (p / "run.json").write_text("{")), "run.json"),
            (damaged("version", lambda p: edit(p, version=99)), "99"),
            (damaged("cut", lambda p: (p / "latency.jsonl.gz").write_bytes((p / "latency.jsonl.gz").read_bytes()[:-20])),
             "latency.jsonl.gz"),
            (damaged("rows", lambda p: (p / "latency.jsonl.gz").write_bytes(gzip.compress(b"{}\n"))), "latency.jsonl.gz"),
            (self.dir / "missing", "missing"),
        ]
        for path, text in cases:
            with self.subTest(path=path.name):
                done = self.flamegate("compare", good, path)
                self.assertEqual(done.code, 1, done.out + done.err)
                self.assertIn(text, done.err)


if __name__ == "__main__":
    kit.main()
