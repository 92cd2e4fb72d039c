#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prometheus remote write against a real Prometheus (Debian's): what k6's published dashboard (grafana.com 19665) asks
for is there, and its numbers are the bundle's, to the last bit.
"""
import http.server
import json
import pathlib
import shutil
import sys
import threading
import time
import unittest
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kit"))
import kit

# Every query of dashboard 19665 ("k6 Prometheus"), as published; $testid, $quantile_stat and $__rate_interval are its variables.
DASHBOARD = [
    'sum(k6_vus{testid=~"$testid"})',
    'avg(k6_http_req_duration_$quantile_stat{testid=~"$testid"})',
    'sum(irate(k6_http_reqs_total{testid=~"$testid"}[$__rate_interval]))',
    'avg(round(k6_http_req_failed_rate{testid=~"$testid"}, 0.1)*100)',
    'sum(irate(k6_http_reqs_total{testid=~"$testid", expected_response="false"}[$__rate_interval]))',
    'sum(k6_http_reqs_total{testid=~"$testid"})',
    'sum(k6_http_reqs_total{testid=~"$testid", expected_response="false"})',
    'avg(irate(k6_data_sent_total{testid=~"$testid"}[$__rate_interval]))',
    'avg(irate(k6_data_received_total{testid=~"$testid"}[$__rate_interval]))',
    'avg(k6_iteration_duration_$quantile_stat{testid=~"$testid"})',
    'avg(k6_dropped_iterations_total{testid=~"$testid"})',
    'avg(k6_http_req_blocked_$quantile_stat{testid=~"$testid"})',
    'avg(k6_http_req_tls_handshaking_$quantile_stat{testid=~"$testid"})',
    'avg(k6_http_req_sending_$quantile_stat{testid=~"$testid"})',
    'avg(k6_http_req_waiting_$quantile_stat{testid=~"$testid"})',
    'avg(k6_http_req_receiving_$quantile_stat{testid=~"$testid"})',
    'avg(k6_http_req_duration_$quantile_stat{testid=~"$testid", expected_response="true"})',
    'avg(k6_http_req_duration_$quantile_stat{testid=~"$testid", expected_response="false"})',
    'sum(irate(k6_http_reqs_total{testid=~"$testid", expected_response="true"}[$__rate_interval]))',
    'avg by(name, method, status) (k6_http_req_duration_min{testid=~"$testid"})',
    'avg by(name, method, status) (k6_http_req_duration_max{testid=~"$testid"})',
    'avg by(name, method, status) (k6_http_req_duration_p95{testid=~"$testid"})',
    'avg by(name, method, status) (k6_http_req_duration_p99{testid=~"$testid"})',
    'round(k6_checks_rate{testid=~"$testid"}, 0.1)',
    'avg(round(k6_checks_rate{testid=~"$testid"}, 0.1)*100)',
]

SERVER = """
    def do_GET(self):
        n = Handler.count = getattr(Handler, 'count', 0) + 1
        status = 200
        if self.path == '/missing': status = 404
        if self.path == '/flaky': status = 500 if n > 60 else 404
        data = b'hello'
        self.send_response(status); self.send_header('Content-Length', str(len(data))); self.end_headers(); self.wfile.write(data)
"""


# onInvalid: warn, because numbers must agree and arrive however busy the machine is.
class Prometheus:
    def __init__(self, test):
        (test.dir / "prometheus.yml").write_text("global: { scrape_interval: 1h }\n")
        for _ in range(5):
            self.port = kit.reserve_port()
            try:
                test.server([shutil.which("prometheus"), f"--config.file={test.dir}/prometheus.yml",
                             f"--storage.tsdb.path={test.dir}/tsdb", "--web.enable-remote-write-receiver",
                             f"--web.listen-address=127.0.0.1:{self.port}"], self.port, ready=self.ready)
                return
            except AssertionError:
                continue
        raise AssertionError("Prometheus did not start on five ports")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/api/v1/write"

    def ready(self, port):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False

    def get(self, path, **parameters):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
            document = json.load(answer)
        assert document["status"] == "success", document
        return document["data"]

    def query(self, text, at=None):
        """[(labels, value)] of an instant query."""
        parameters = {"query": text, **({"time": at} if at else {})}
        return [(one["metric"], float(one["value"][1])) for one in self.get("query", **parameters)["result"]]


@unittest.skipUnless(shutil.which("prometheus"), "needs Debian's package prometheus")
class RealPrometheus(kit.TestCase):
    def scenario(self, extra="", checks=True):
        _, port = self.python_server(SERVER)
        return self.write("three.yaml", f"""
version: 1
name: three
gate: {{ onInvalid: warn }}
target: {{ url: "http://127.0.0.1:{port}" }}
scenarios:
  browse:
    executor: constant-arrival-rate
    rate: 20
    duration: 6s
    preAllocatedVUs: 5
    maxVUs: 20
    tags: {{ tier: read }}
    steps:
      - get: {{ url: /, name: home, checks: [ {{ name: is 200, status: 200 }} ] }}
      - get: {{ url: /missing, name: missing, checks: [ {{ name: found, status: 200 }} ] }}
      - get: {{ url: /flaky, name: flaky }}
{extra}""")

    def run_live(self, prometheus, *args, code=0, extra="", env=None):
        path = self.scenario(extra)
        return self.flamegate("run", "--no-profile", "-o", f"prometheus={prometheus.url}", *args, path, check=code,
                              env={"K6_PROMETHEUS_RW_PUSH_INTERVAL": "1s", **(env or {})})

    def test_the_dashboard_finds_its_data(self):
        prometheus = Prometheus(self)
        self.run_live(prometheus, "--tag", "team=a", "-o", "openmetrics=totals.prom")
        run = self.run_json(self.bundle())
        testid = run["id"]
        self.assertIn(testid, prometheus.get("label/testid/values"))
        for query in DASHBOARD:
            for stat in ("p95", "p99", "min", "max"):
                if stat != "p95" and "$quantile_stat" not in query:
                    continue
                text = query.replace("$testid", testid).replace("$quantile_stat", stat).replace("$__rate_interval", "1m")
                with self.subTest(query=text):
                    rows = prometheus.query(text)
                    self.assertTrue(rows, "no data")
                    self.assertTrue(all(value == value for _, value in rows), rows)
        self.compare_with_bundle(prometheus, run, testid)
        self.compare_with_exposition(prometheus, testid)

    def compare_with_bundle(self, prometheus, run, testid):
        requests = {True: 0, False: 0}
        for one in run["classes"]:
            for expected, half in ((True, one["expected"]), (False, one["unexpected"])):
                requests[expected] += half["requests"]
                words = "true" if expected else "false"
                selector = f'{{testid="{testid}",name="{one["name"]}",expected_response="{words}"}}'
                if half["requests"] == 0:
                    self.assertEqual(prometheus.query("k6_http_reqs_total" + selector), [])
                    continue
                by_status = {labels["status"]: value for labels, value in prometheus.query("k6_http_reqs_total" + selector)}
                self.assertEqual(by_status, {status: float(n) for status, n in half["statuses"].items()})
                for trend, hist in half["trends"].items():
                    for stat, ns in (("p95", hist["p95Ns"]), ("p99", hist["p99Ns"]), ("min", hist["minNs"]), ("max", hist["maxNs"])):
                        rows = prometheus.query(f"k6_{trend}_{stat}{selector}")
                        self.assertEqual([value for _, value in rows], [ns / 1e6 / 1000], f"{trend} {stat} {selector}")
                        self.assertEqual(rows[0][0].get("status"), list(half["statuses"])[0] if len(half["statuses"]) == 1 else None)
                        self.assertEqual(rows[0][0]["tier"], "read")
                        self.assertEqual(rows[0][0]["team"], "a")
                        self.assertEqual(rows[0][0]["method"], "GET")
                        self.assertEqual(rows[0][0]["scenario"], "browse")
        self.assertEqual(requests[True], 120)
        self.assertEqual(prometheus.query(f'sum(k6_http_reqs_total{{testid=~"{testid}"}})')[0][1], sum(requests.values()))
        self.assertEqual(prometheus.query(f'sum(k6_http_reqs_total{{testid=~"{testid}", expected_response="false"}})')[0][1], requests[False])
        for check in run["checks"]:
            rows = prometheus.query(f'k6_checks_rate{{testid="{testid}",check="{check["name"]}"}}')
            self.assertEqual([value for _, value in rows], [check["passes"] / (check["passes"] + check["fails"])])
        scenario = run["scenarios"][0]
        self.assertEqual(prometheus.query(f'k6_iterations_total{{testid="{testid}"}}')[0][1], scenario["iterations"])
        self.assertEqual(prometheus.query(f'k6_iteration_duration_p95{{testid="{testid}"}}')[0][1],
                         scenario["iterationDuration"]["p95Ns"] / 1e6 / 1000)
        # flaky's halves changed from one status to two while it ran: its first series must have ended at once
        flaky = prometheus.query(f'k6_http_req_duration_p95{{testid="{testid}",name="flaky"}}')
        self.assertEqual(len(flaky), 1, flaky)

    def compare_with_exposition(self, prometheus, testid):
        """Every value of the openmetrics file that is also sent is the same there."""
        compared = 0
        for line in (self.dir / "totals.prom").read_text().splitlines():
            if line.startswith("#"):
                continue
            series, value = line.rsplit(" ", 1)
            name, _, labels = series.partition("{")
            labels = (labels[:-1] + "," if labels else "") + f'testid="{testid}"'
            rows = prometheus.query(f"{name}{{{labels}}}")
            if rows:
                self.assertEqual([v for _, v in rows], [float(value)], series)
                compared += 1
        self.assertGreater(compared, 50)

    def test_values_arrive_while_it_runs(self):
        prometheus = Prometheus(self)
        path = self.scenario()
        process = self.spawn("run", "--no-profile", "-q", "-o", f"prometheus={prometheus.url}", path,
                             env={"K6_PROMETHEUS_RW_PUSH_INTERVAL": "1s"})
        rows = kit.wait_until(lambda: prometheus.query("sum(k6_http_reqs_total)"), 15, "a sample before the end")
        self.assertIsNone(process.poll(), "only after the end")
        self.assertGreater(rows[0][1], 0)
        done = self.finish(process, ["run"], 60)
        self.assertEqual(done.code, 0, done.out + done.err)

    def test_stale_markers_end_the_series(self):
        prometheus = Prometheus(self)
        self.run_live(prometheus, env={"K6_PROMETHEUS_RW_STALE_MARKERS": "true"})
        run = self.run_json(self.bundle())
        self.assertEqual(prometheus.query(f'k6_http_reqs_total{{testid="{run["id"]}"}}'), [])
        series = prometheus.get("series", **{"match[]": f'k6_http_reqs_total{{testid="{run["id"]}"}}'})
        self.assertGreaterEqual(len(series), 3)

    def test_publish_of_the_scenario(self):
        prometheus = Prometheus(self)
        path = self.scenario(f"""
publish:
  - {{ type: prometheus, url: "{prometheus.url}", trendStats: [ "p(99.9)", avg ], testid: "build-{{{{ run.id }}}}", required: true,
      pushInterval: 1s, labels: {{ branch: main }} }}
""")
        self.flamegate("run", "--no-profile", path, check=0)
        run = self.run_json(self.bundle())
        rows = prometheus.query(f'k6_http_req_duration_p999{{testid="build-{run["id"]}",branch="main",name="home"}}')
        self.assertEqual(len(rows), 1)
        self.assertEqual(prometheus.query("k6_http_req_duration_p95"), [])

    def test_replay_of_a_bundle(self):
        prometheus = Prometheus(self)
        self.run_live(prometheus)
        run = self.run_json(self.bundle())
        done = self.flamegate("publish", "latest", "--prometheus", prometheus.url, "--label", "testid=again", "--label", "team=a", check=0)
        self.assertIn('k6_http_reqs_total{testid="again"}', done.out)
        live, again = ({(labels["__name__"], *sorted((k, v) for k, v in labels.items() if k not in ("__name__", "testid", "team"))): value
                        for labels, value in prometheus.query(f'{{testid="{testid}"}}')} for testid in (run["id"], "again"))
        self.assertGreater(len(again), 50)
        self.assertEqual(live, again)
        # the same series once more lies before what is there
        done = self.flamegate("publish", "latest", "--prometheus", prometheus.url, "--label", "testid=again", "--label", "team=a")
        self.assertEqual(done.code, 15, done.out + done.err)
        self.assertIn("--restamp now", done.err)
        self.assertIn("order of time", done.err)
        before = time.time()
        self.flamegate("publish", "latest", "--prometheus", prometheus.url, "--label", "testid=moved", "--restamp", "now",
                       "--trend-stats", "p(95)", check=0)
        data = prometheus.get("query", query='timestamp(k6_iterations_total{testid="moved"})')["result"]
        self.assertGreaterEqual(float(data[0]["value"][1]), before - 1)
        self.assertEqual(prometheus.query('k6_http_req_duration_p99{testid="moved"}'), [])


class Receiver:
    """A receiver that answers as told, in this process."""

    def __init__(self, test, statuses, hold=None):
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                receiver.headers.append(dict(self.headers))
                if hold:
                    hold.wait(60)
                status = receiver.statuses.pop(0) if len(receiver.statuses) > 1 else receiver.statuses[0]
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.statuses, self.headers = list(statuses), []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        test.addCleanup(self.server.server_close)
        test.addCleanup(self.server.shutdown)
        self.url = f"http://127.0.0.1:{self.server.server_port}/write"


class Failures(kit.TestCase):
    def scenario(self, publish, duration="2s"):
        _, port = self.python_server()
        return self.write("short.yaml", f"""
version: 1
name: short
gate: {{ onInvalid: warn }}
target: {{ url: "http://127.0.0.1:{port}" }}
scenarios:
  a: {{ executor: constant-arrival-rate, rate: 50, duration: {duration}, preAllocatedVUs: 10, maxVUs: 200, steps: [ {{ get: / }} ] }}
{publish}
""")

    def publish(self, url, more=""):
        return f'publish: [ {{ type: prometheus, url: "{url}", pushInterval: 1s, {more} }} ]'

    def test_required_or_not(self):
        dead = f"http://127.0.0.1:{kit.reserve_port()}/api/v1/write"
        done = self.flamegate("run", "--no-profile", self.scenario(self.publish(dead, "required: true")))
        self.assertEqual(done.code, 15, done.out + done.err)
        self.assertIn("were lost", done.err)
        self.assertIn("(exit 15)", done.out)
        done = self.flamegate("run", "--no-profile", self.scenario(self.publish(dead)), check=0)
        self.assertIn("were lost", done.err)

    def test_a_server_that_comes_back(self):
        receiver = Receiver(self, [503, 429, 204])
        done = self.flamegate("run", "--no-profile", self.scenario(self.publish(receiver.url, "required: true")), check=0)
        self.assertIn("pushes to", done.err)
        self.assertNotIn("lost", done.err)

    def test_secrets_are_sent_and_not_shown(self):
        receiver = Receiver(self, [401])
        for more, header in (("bearerToken: s3cret-token", "Bearer s3cret-token"), ("username: ci, password: s3cret-token", "Basic ")):
            done = self.flamegate("run", "--no-profile", self.scenario(self.publish(receiver.url, more + ", required: true")))
            self.assertEqual(done.code, 15, done.out + done.err)
            self.assertIn("401", done.err)
            self.assertNotIn("s3cret", done.out + done.err)
            self.assertNotIn("s3cret", (self.bundle() / "run.json").read_text())
            self.assertTrue(receiver.headers[-1]["Authorization"].startswith(header))
        self.assertEqual(receiver.headers[-1]["Content-Encoding"], "snappy")
        self.assertEqual(receiver.headers[-1]["X-Prometheus-Remote-Write-Version"], "0.1.0")

    def test_a_server_that_hangs_costs_the_load_nothing(self):
        hold = threading.Event()
        self.addCleanup(hold.set)
        receiver = Receiver(self, [204], hold)
        done = self.flamegate("run", "--no-profile", self.scenario(self.publish(receiver.url), "4s"), check=0)
        run = self.run_json(self.bundle())
        self.assertEqual(run["scenarios"][0]["iterations"] + run["scenarios"][0]["dropped"], 200, done.out)
        self.assertEqual(run["scenarios"][0]["iterations"], 200)

    def test_wrong_settings(self):
        path = self.scenario("")
        cases = [
            (["-o", "prometheus=nowhere"], {}, "remote write"),
            (["-o", "prometheus=http://127.0.0.1:1/"], {"K6_PROMETHEUS_RW_TREND_STATS": "p95"}, "p95"),
            (["-o", "prometheus=http://127.0.0.1:1/"], {"K6_PROMETHEUS_RW_PUSH_INTERVAL": "5"}, "PUSH_INTERVAL"),
            (["-o", "prometheus=http://127.0.0.1:1/"], {"K6_PROMETHEUS_RW_STALE_MARKERS": "maybe"}, "STALE_MARKERS"),
            (["-o", "prometheus=http://127.0.0.1:1/"], {"K6_PROMETHEUS_RW_USERNAME": "a", "K6_PROMETHEUS_RW_BEARER_TOKEN": "b"}, "only one"),
        ]
        for args, env, text in cases:
            with self.subTest(args=args, env=env):
                done = self.flamegate("run", "--no-profile", *args, path, env=env)
                self.assertEqual(done.code, 2, done.out + done.err)
                self.assertIn(text, done.err)


if __name__ == "__main__":
    kit.main()
