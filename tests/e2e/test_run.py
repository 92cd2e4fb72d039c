#!/usr/bin/env python3
"""`flamegate run` against real servers: what a newcomer does first."""
import gzip
import json
import os
import pathlib
import re
import signal
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kit"))
import kit

ROOT_USER = os.getuid() == 0


class Run(kit.TestCase):
    def check_bundle(self, bundle, requests_at_least=1):
        run = self.run_json(bundle)
        self.assertEqual(run["version"], 1)
        with gzip.open(bundle / "latency.jsonl.gz", "rt") as rows:
            rows = [json.loads(line) for line in rows]
        self.assertTrue(rows)
        self.assertLess(sum(f.stat().st_size for f in bundle.iterdir()), 1 << 20)
        self.assertFalse(list(bundle.parent.glob("*.tmp")))
        return run

    def test_url_with_vus_on_nginx(self):
        _, port = self.nginx()
        done = self.flamegate("run", "-u", 5, "-d", "3s", f"http://127.0.0.1:{port}/", check=0)
        self.assertIn("PASSED", done.out)
        self.assertIn("GET /", done.out)
        self.assertRegex(done.out, r"0 failed")
        self.check_bundle(self.bundle())

    def test_url_with_rate_is_exact(self):
        _, port = self.nginx()
        self.flamegate("run", "-r", 200, "-d", "3s", "--no-profile", f"http://127.0.0.1:{port}/", check=0)
        text = (self.bundle() / "run.json").read_text()
        self.assertIn("600", re.findall(r'"iterations":\s*(\d+)', text), text[:2000])

    def test_a_trivial_rate_is_not_late(self):
        """kit excuses runs that a busy machine made late; one of these must not be, or none of the excused means
        anything. Nothing runs beside this file. From 100 requests on, lateness is judged."""
        _, port = self.nginx()
        for _ in range(4):
            done = self.flamegate("run", "-r", 100, "-d", "3s", "--no-profile", f"http://127.0.0.1:{port}/")
            self.assertIn(done.code, (0, 16), done.out + done.err)
            if done.code == 0:
                break
        self.assertEqual(done.code, 0, done.out + done.err)
        self.assertIn("PASSED", done.out)

    @unittest.skipUnless(ROOT_USER, "needs root for eBPF")
    def test_profile_of_nginx_names_and_completes(self):
        _, port = self.nginx()
        done = self.flamegate("run", "-u", 4, "-d", "4s", "--require-profile", "-o", "folded=stacks.txt", "-o",
                              "pprof=p.pb.gz", f"http://127.0.0.1:{port}/", check=0)
        stacks = (self.dir / "stacks.txt").read_text().splitlines()
        self.assertGreater(len(stacks), 5)
        self.assertTrue(any("main" in s or "nginx" in s for s in stacks), stacks[:3])
        match = re.search(r"([\d.]+) % complete", done.out)
        self.assertIsNotNone(match, done.out)
        self.assertGreaterEqual(float(match.group(1)), 99.0)
        self.assertTrue((self.bundle() / "profile.pb.gz").exists())
        self.assertGreater((self.dir / "p.pb.gz").stat().st_size, 100)

    def test_python_and_node(self):
        for start in (self.python_server, self.node_server):
            with self.subTest(server=start.__name__):
                _, port = start()
                done = self.flamegate("run", "-u", 3, "-d", "2s", f"http://127.0.0.1:{port}/", check=0)
                self.assertIn("0 failed", done.out)

    @unittest.skipUnless(ROOT_USER, "needs root for eBPF")
    def test_quickstart_scenario(self):
        done = self.flamegate("run", kit.ROOT / "scenarios" / "quickstart.yaml", "--require-profile", cwd=kit.ROOT,
                              check=0)
        bundle = re.search(r"^bundle (\S+)", done.out, re.M)
        self.assertIsNotNone(bundle, done.out)
        for word in ("GET /items", "POST /login", "json_escape", "thresholds", "✓"):
            self.assertIn(word, done.out)
        run = self.check_bundle(kit.ROOT / bundle.group(1))
        self.assertNotIn("hostname\"", json.dumps(run))

    def test_every_example_runs(self):
        _, port = self.nginx()
        examples = sorted(p for p in (kit.ROOT / "scenarios").glob("*.yaml") if p.name != "quickstart.yaml" and not p.name.startswith("k6-"))  # test_tutorials.py
        self.assertGreaterEqual(len(examples), 2)
        for example in examples:
            with self.subTest(example=example.name):
                done = self.flamegate("run", "--no-profile", "-e", f"BASE_URL=http://127.0.0.1:{port}", example, check=0)
                self.assertIn("thresholds", done.out)

    def test_thresholds_decide_exit_99(self):
        _, port = self.nginx()
        path = self.write("s.yaml", f"""
version: 1
name: t
target: {{ url: "http://127.0.0.1:{port}" }}
scenarios:
  a: {{ executor: constant-vus, vus: 2, duration: 2s, steps: [ {{ get: / }}, {{ get: /missing }} ] }}
thresholds:
  http_req_failed: [ "rate<0.01" ]
  "http_req_duration{{name:GET /}}": [ "p(95)<5s", {{ threshold: "p(50)<1ns", level: warn }} ]
profile: {{ enabled: off }}
""")
        done = self.flamegate("run", path, check=99)
        self.assertIn("✗", done.out)
        self.assertIn("✓", done.out)
        self.assertRegex(done.out, r"FAILED: 1 of 3 thresholds \(exit 99\)")
        run = self.run_json(self.bundle())
        self.assertIn("thresholds", json.dumps(run))

    def test_abort_on_fail_ends_early(self):
        _, port = self.nginx()
        path = self.write("s.yaml", f"""
version: 1
name: t
target: {{ url: "http://127.0.0.1:{port}" }}
scenarios:
  a: {{ executor: constant-vus, vus: 1, duration: 60s, gracefulStop: 1s, steps: [ {{ get: /missing }} ] }}
thresholds:
  http_req_failed: [ {{ threshold: "rate<0.01", abortOnFail: true, delayAbortEval: 1s }} ]
""")
        self.flamegate("run", "--no-profile", path, check=99, timeout=30)

    def test_ctrl_c_drains_and_marks_the_bundle(self):
        _, port = self.nginx()
        process = self.spawn("run", "-u", 2, "-d", "60s", f"http://127.0.0.1:{port}/")
        self.wait_for_requests(port)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 105, out + err)
        self.assertIn("interrupted", out)
        self.assertEqual(self.run_json(self.bundle())["status"], "interrupted")

    def test_second_ctrl_c_stops_at_once(self):
        port = self.hostile(lambda c: c.recv(1 << 16) and kit.threading.Event().wait(60))
        process = self.spawn("run", "-u", 2, "-d", "60s", f"http://127.0.0.1:{port}/")
        self.wait_for_requests(port, count=2)
        process.send_signal(signal.SIGINT)
        # The drain now waits for answers that never come; nothing outside tells that it began, so the
        # second signal is repeated until the process ends.
        kit.wait_until(lambda: process.poll() is not None or process.send_signal(signal.SIGINT), 20, "end")
        self.assertEqual(process.wait(), 105)

    def wait_for_requests(self, port, count=1):
        def established():
            text = pathlib.Path("/proc/net/tcp").read_text()
            return len(re.findall(rf"0100007F:[0-9A-F]{{4}} 0100007F:{port:04X} 01", text)) >= count

        kit.wait_until(established, 20, "a connection")

    def test_no_privileges_is_said_and_latency_measured(self):
        if not ROOT_USER:
            self.skipTest("needs root to become nobody")
        _, port = self.nginx()
        self.dir.chmod(0o777)
        done = self.flamegate("run", "-u", 1, "-d", "2s", f"http://127.0.0.1:{port}/", user="nobody", check=0)
        self.assertRegex(done.err, r"profile: off, because .+")
        self.assertRegex(done.err, r"run as|fix:")
        done = self.flamegate("run", "-u", 1, "-d", "2s", "--require-profile", f"http://127.0.0.1:{port}/", user="nobody",
                              check=14)

    def test_plain_progress_lines_on_a_pipe(self):
        _, port = self.nginx()
        done = self.flamegate("run", "-r", 50, "-d", "12s", "--no-profile", f"http://127.0.0.1:{port}/", check=0)
        self.assertRegex(done.err, r"0:1\d/0:12 .*50.* per s")
        self.assertNotIn("\x1b", done.err + done.out)

    def test_env_tags_seed_and_two_side_by_side(self):
        _, port = self.nginx()
        path = self.write("s.yaml", """
version: 1
name: env
target: { url: "${BASE}" }
scenarios:
  a: { executor: constant-vus, vus: 1, duration: 1s, steps: [ { get: "/${PAGE:-index.html}" } ] }
""")
        first = self.spawn("run", "--no-profile", "-e", f"BASE=http://127.0.0.1:{port}", path)
        second = self.flamegate("run", "--no-profile", "-e", f"BASE=http://127.0.0.1:{port}", "--seed", 7, path, check=0)
        out, err = first.communicate(timeout=60)
        self.assertEqual(first.returncode, 0, out + err)
        self.assertIn("GET /index.html", second.out)
        self.assertGreaterEqual(len(list((self.dir / ".flamegate" / "runs").iterdir())), 2)


if __name__ == "__main__":
    kit.main()
