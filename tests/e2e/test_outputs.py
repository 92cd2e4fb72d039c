#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every --out kind of a real run, read back by strict readers and compared with run.json; the shapes are k6's.

The key sets below were taken from k6 2.2 itself (handleSummary data, -o json, -o csv of a script with groups, checks,
thresholds and custom metrics).
"""
import csv
import gzip
import hashlib
import json
import pathlib
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kit"))
import kit

CSV_COLUMNS = ("metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,method,name,proto,scenario,"
               "service,status,subproto,tls_version,url,extra_tags,metadata").split(",")
K6_METRICS = {"checks", "data_received", "data_sent", "group_duration", "http_req_blocked", "http_req_connecting",
              "http_req_duration", "http_req_duration{expected_response:true}", "http_req_failed", "http_req_receiving",
              "http_req_sending", "http_req_tls_handshaking", "http_req_waiting", "http_reqs", "iteration_duration",
              "iterations", "vus", "vus_max"}
K6_TYPES = {"checks": "rate", "data_received": "counter", "http_req_duration": "trend", "http_req_failed": "rate",
            "http_reqs": "counter", "iterations": "counter", "vus": "gauge", "vus_max": "gauge", "my_count": "counter",
            "my_time": "trend", "my_rate": "rate", "my_level": "gauge"}

SERVER = """
    def do_GET(self):
        data = b'hello'
        self.send_response(404 if self.path == '/missing' else 200)
        self.send_header('Content-Length', str(len(data))); self.end_headers(); self.wfile.write(data)
"""


class Outputs(kit.TestCase):
    def scenario(self):
        _, port = self.python_server(SERVER)
        return self.write("all.yaml", f"""
version: 1
name: all
gate: {{ onInvalid: warn }}
target: {{ url: "http://127.0.0.1:{port}" }}
scenarios:
  a:
    executor: constant-vus
    vus: 2
    duration: 3s
    tags: {{ tier: "x,y" }}
    steps:
      - group:
          name: outer
          steps:
            - group:
                name: inner
                steps:
                  - get: {{ url: /, name: 'home, "sweet"', checks: [ {{ name: is 200, status: 200 }}, {{ name: bad, status: 201 }} ] }}
      - get: {{ url: /missing, name: missing }}
      - metric: {{ name: my_count, type: counter, value: 2 }}
      - metric: {{ name: my_time, type: trend, time: true, value: 5.5 }}
      - metric: {{ name: my_rate, type: rate, value: true }}
      - metric: {{ name: my_level, type: gauge, value: 3 }}
      - think: 20ms
thresholds:
  http_req_duration: [ "p(95)<5000", "avg<0.000001" ]
  "http_req_duration{{scenario:a}}": [ "p(99)<10000" ]
  http_req_failed: [ "rate<0.9" ]
""")

    def run_all(self, *args):
        return self.flamegate("run", "--no-profile", "-o", "json=out.json", "-o", "ndjson=out.ndjson", "-o", "ndjson=out.json.gz",
                              "-o", "csv=out.csv", "-o", "k6-summary=k6.json", "-o", "openmetrics=out.prom", "-o", "junit=out.xml",
                              "-o", "markdown=out.md", *args, self.scenario(), check=99)

    def test_nothing_but_failures(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            path = self.write("refused.yaml", f"""
version: 1
name: t
scenarios: {{ s: {{ executor: shared-iterations, iterations: 5, steps: [ {{ get: "http://127.0.0.1:{closed.getsockname()[1]}/" }} ] }} }}
thresholds: {{ http_req_duration: [ "p(95)<500" ] }}
""")
            # no time at all is below every limit: still no pass
            done = self.flamegate("run", "--no-profile", "-o", "k6-summary=k6.json", path, check=16)
        self.assertIn("every request failed", done.out)
        metrics = json.loads((self.dir / "k6.json").read_text())["metrics"]
        self.assertEqual(metrics["http_req_failed"]["values"]["passes"], 5)
        for absent in ("http_req_duration{expected_response:true}", "vus"):  # as in k6: nothing was seen of them
            self.assertNotIn(absent, metrics)

    def lines(self, text):
        return [json.loads(line) for line in text.splitlines()]

    def total(self, points, metric):
        return sum(one["data"]["value"] for one in points if one["metric"] == metric)

    def test_everything_agrees(self):
        self.run_all()
        run = json.loads((self.dir / "out.json").read_text())
        self.assertEqual(run, self.run_json(self.bundle()))
        requests = sum(half["requests"] for one in run["classes"] for half in (one["expected"], one["unexpected"]))
        failed = sum(one["unexpected"]["requests"] for one in run["classes"])
        self.assertGreater(requests, 50)
        self.check_ndjson(run, requests)
        self.check_csv(run, requests)
        self.check_k6(run, requests, failed)
        self.check_exposition(requests)
        self.assertTrue((self.dir / "out.xml").read_text().startswith("<?xml"))

    def check_ndjson(self, run, requests):
        text = (self.dir / "out.ndjson").read_text()
        self.assertEqual(gzip.decompress((self.dir / "out.json.gz").read_bytes()).decode(), text)
        rows, seen = self.lines(text), set()
        for row in rows:
            if row["type"] == "Metric":
                self.assertEqual(set(row), {"type", "data", "metric"})
                self.assertEqual(set(row["data"]), {"name", "type", "contains", "thresholds", "submetrics"})
                self.assertNotIn(row["metric"], seen)
                seen.add(row["metric"])
            else:
                self.assertEqual(row["type"], "Point")
                self.assertEqual(set(row["data"]) - {"metadata"}, {"time", "value", "tags"})
                self.assertIn(row["metric"], seen, "a point before its metric")
        points = [row for row in rows if row["type"] == "Point"]
        self.assertEqual(self.total(points, "http_reqs"), requests)
        self.assertEqual(self.total(points, "iterations"), run["scenarios"][0]["iterations"])
        self.assertEqual(self.total(points, "data_sent"),
                         sum(half["sentBytes"] for one in run["classes"] for half in (one["expected"], one["unexpected"])))
        times = [row["data"]["time"] for row in points if row["metric"] == "http_reqs"]
        self.assertEqual(times, sorted(times))
        self.assertGreaterEqual(len(set(times)), 3)
        counts = sum(int(row["data"]["metadata"]["count"]) for row in points if row["metric"] == "http_req_waiting")
        self.assertEqual(counts, requests)
        duration = next(row for row in rows if row["type"] == "Metric" and row["metric"] == "http_req_duration")
        self.assertEqual(duration["data"]["thresholds"], ["p(95)<5000", "avg<0.000001"])
        self.assertEqual(duration["data"]["submetrics"],
                         [{"name": "http_req_duration{scenario:a}", "suffix": "scenario:a", "tags": {"scenario": "a"}}])
        for name, kind in K6_TYPES.items():
            self.assertEqual([row["data"]["type"] for row in rows if row["type"] == "Metric" and row["metric"] == name], [kind], name)
        self.assertEqual(self.total(points, "my_count"), 2 * run["scenarios"][0]["iterations"])
        inner = next(row for row in points if row["metric"] == "http_reqs" and row["data"]["tags"]["name"].startswith("home"))
        self.assertEqual(inner["data"]["tags"]["group"], "::outer::inner")
        self.assertEqual(inner["data"]["tags"]["status"], "200")
        self.assertEqual(inner["data"]["tags"]["tier"], "x,y")

    def check_csv(self, run, requests):
        with open(self.dir / "out.csv", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
        self.assertEqual(list(rows[0]), CSV_COLUMNS)
        self.assertTrue(all(None not in row and None not in row.values() for row in rows))
        self.assertEqual(sum(float(row["metric_value"]) for row in rows if row["metric_name"] == "http_reqs"), requests)
        home = [row for row in rows if row["metric_name"] == "http_reqs" and row["status"] == "200"]
        self.assertEqual({row["name"] for row in home}, {'home, "sweet"'})
        self.assertEqual({row["extra_tags"] for row in home}, {"tier=x,y"})
        started = run["time"]["startedUnixNs"] // 10**9
        self.assertTrue(all(started <= int(row["timestamp"]) <= started + 60 for row in rows))

    def check_k6(self, run, requests, failed):
        data = json.loads((self.dir / "k6.json").read_text())
        self.assertEqual(set(data), {"root_group", "options", "state", "metrics"})
        self.assertEqual(set(data["options"]), {"summaryTrendStats", "summaryTimeUnit", "noColor"})
        self.assertEqual(set(data["state"]), {"isStdOutTTY", "isStdErrTTY", "testRunDurationMs"})
        self.assertEqual(K6_METRICS - set(data["metrics"]), set())
        for name, metric in data["metrics"].items():
            self.assertEqual(set(metric) - {"thresholds"}, {"type", "contains", "values"}, name)
            keys = {"counter": {"count", "rate"}, "gauge": {"value", "min", "max"}, "rate": {"rate", "passes", "fails"},
                    "trend": {"avg", "min", "med", "max", "p(90)", "p(95)"}}[metric["type"]]
            self.assertEqual(set(metric["values"]), keys, name)
        self.assertEqual(data["metrics"]["http_reqs"]["values"]["count"], requests)
        self.assertEqual(data["metrics"]["http_req_failed"]["values"]["passes"], failed)
        self.assertEqual(data["metrics"]["http_req_duration"]["thresholds"], {"p(95)<5000": {"ok": True}, "avg<0.000001": {"ok": False}})
        self.assertEqual(data["metrics"]["http_req_duration{scenario:a}"]["thresholds"], {"p(99)<10000": {"ok": True}})
        self.assertEqual(data["metrics"]["http_req_duration{scenario:a}"]["values"], data["metrics"]["http_req_duration"]["values"])
        self.assertEqual(data["metrics"]["my_level"]["values"], {"value": 3, "min": 3, "max": 3})
        self.check_group(data["root_group"], "")
        inner = data["root_group"]["groups"][0]["groups"][0]
        self.assertEqual(inner["path"], "::outer::inner")
        self.assertEqual([(c["name"], c["fails"] == 0, c["passes"] == 0) for c in inner["checks"]],
                         [("is 200", True, False), ("bad", False, True)])

    def check_group(self, group, path):
        self.assertEqual(set(group), {"name", "path", "id", "groups", "checks"})
        self.assertEqual((group["path"], group["id"]), (path, hashlib.md5(path.encode()).hexdigest()))
        for check in group["checks"]:
            self.assertEqual(set(check), {"name", "path", "id", "passes", "fails"})
            self.assertEqual(check["path"], f"{path}::{check['name']}")
            self.assertEqual(check["id"], hashlib.md5(check["path"].encode()).hexdigest())
        for child in group["groups"]:
            self.check_group(child, f"{path}::{child['name']}")

    def check_exposition(self, requests):
        text = (self.dir / "out.prom").read_text()
        self.assertTrue(text.endswith("\n# EOF\n"))
        self.assertEqual(sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("k6_http_reqs_total{")), requests)
        if shutil.which("promtool"):  # comes with the package prometheus
            done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_standard_output(self):
        done = self.flamegate("run", "--no-profile", "-q", "-o", "ndjson=-", self.scenario(), check=99)
        rows = self.lines(done.out)
        self.assertGreater(len(rows), 50)
        self.assertIn("thresholds", done.err)
        done = self.flamegate("run", "--no-profile", "-q", "--summary-mode", "disabled", "-o", "k6-summary=-", "-o", "csv=x.csv",
                              self.scenario(), check=99)
        self.assertIn("metrics", json.loads(done.out))
        self.assertNotIn("checks", done.err)
        self.assertIn("FAILED: 1 of 4 thresholds (exit 99)", done.err)

    def test_summary_options(self):
        done = self.flamegate("run", "--no-profile", "-q", "--summary-mode", "full", "--summary-time-unit", "us",
                              "--summary-trend-stats", "p(99.9),count", "-o", "k6-summary=k6.json", self.scenario(), check=99)
        for text in ("scenario: a", "group: ::outer::inner", "http_req_waiting", "p(99.9)", "µs", "my_time", "group_duration"):
            self.assertIn(text, done.out)
        self.assertTrue(all(len(line) <= 80 for line in done.out.splitlines() if "bundle" not in line), done.out)
        data = json.loads((self.dir / "k6.json").read_text())
        self.assertEqual(data["options"]["summaryTrendStats"], ["p(99.9)", "count"])
        self.assertEqual(data["options"]["summaryTimeUnit"], "us")
        self.assertEqual(set(data["metrics"]["http_req_duration"]["values"]), {"p(99.9)", "count"})

    def test_wrong_options(self):
        path = self.scenario()
        cases = [
            (["--summary-mode", "legacy"], "compact, full and disabled"),
            (["--summary-time-unit", "ns"], "s, ms and us"),
            (["--summary-trend-stats", "p95"], "p95"),
            (["-o", "xml=a"], "there are json, ndjson, csv, junit, k6-summary, openmetrics"),
            (["-o", "cvs=a"], 'did you mean "csv"?'),
            (["-o", "html=a"], "later version"),
            (["-o", "csv=/nowhere/a"], "no directory"),
            (["-o", "csv=-", "-o", "json=-"], "overwrite"),
            (["-o", "csv=a", "-o", "json=a"], "overwrite"),
        ]
        for args, text in cases:
            with self.subTest(args=args):
                done = self.flamegate("run", "--no-profile", *args, path)
                self.assertEqual(done.code, 2, done.out + done.err)
                self.assertIn(text, done.err)
                self.assertFalse((self.dir / ".flamegate").exists(), "it ran")

    def test_a_full_disk_leaves_no_half_file(self):
        done = self.flamegate("run", "--no-profile", "-o", "csv=/dev/full", "-o", "json=fine.json", self.scenario())
        self.assertEqual(done.code, 1, done.out + done.err)
        self.assertIn("--out csv=/dev/full", done.err)
        self.assertIn("http_reqs", done.out)
        json.loads((self.dir / "fine.json").read_text())
        self.assertEqual([p.name for p in self.dir.iterdir() if p.name.endswith(".tmp")], [])

    def test_a_full_standard_output_is_no_success(self):
        path = self.scenario()
        path.write_text(path.read_text().split("thresholds:")[0])
        for args in (("run", "--no-profile", "-q", path), ("run", "--no-profile", "-q", "-o", "csv=-", path), ("help",), ("schema",)):
            with self.subTest(args=args), open("/dev/full", "w") as full:
                done = subprocess.run([str(kit.PROGRAM), *map(str, args)], cwd=self.dir, stdout=full, stderr=subprocess.PIPE, text=True)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn("cannot write standard output", done.stderr)
        first = subprocess.run(f"set -o pipefail; {kit.PROGRAM} help | true", shell=True, executable="/bin/bash", stderr=subprocess.PIPE, text=True)
        self.assertEqual((first.returncode, first.stderr), (0, ""))

    def test_outputs_of_a_comparison(self):
        path = self.scenario()
        for name in ("a", "b"):
            self.flamegate("run", "--no-profile", "-q", "--bundle", name, path, check=99)
        done = self.flamegate("compare", "a", "b", "-o", "k6-summary=k6.json", "-o", "csv=-", "-o", "verdict=v.json")
        self.assertEqual(next(csv.reader(done.out.splitlines())), CSV_COLUMNS)
        self.assertIn("metrics", json.loads((self.dir / "k6.json").read_text()))


if __name__ == "__main__":
    kit.main()
