#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Thresholds as a user writes them: every form of the grammar against real runs, and wrong ones with their place."""
import gzip
import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kit"))
import kit

SERVER = """
    def do_GET(self):
        import time
        if self.path.startswith('/slow'):
            time.sleep(0.5 if self.path.startswith('/slower') else 0.05)
        if self.path.startswith('/first') and not hasattr(type(self), 'seen'):
            type(self).seen = time.monotonic()
        if self.path.startswith('/first') and time.monotonic() - type(self).seen < 2.5:
            time.sleep(0.3)
        data = b'hello'
        self.send_response(404 if self.path == '/missing' else 200)
        self.send_header('Content-Length', str(len(data))); self.end_headers(); self.wfile.write(data)
"""
SCENARIOS = """
  a:
    executor: ramping-arrival-rate
    startRate: 50
    preAllocatedVUs: 20
    stages: [ { duration: 2s, target: 50 }, { duration: 2s, target: 50 } ]
    steps:
      - group: { name: g, steps: [ { get: { url: /, name: home, checks: [ { name: ok, status: 200 } ] } } ] }
      - metric: { name: my_count, type: counter, value: 2 }
      - metric: { name: my_time, type: trend, time: true, value: 5.5 }
      - metric: { name: my_plain, type: trend, value: 7 }
      - metric: { name: my_rate, type: rate, value: true }
      - metric: { name: my_level, type: gauge, value: 3 }
  b:
    executor: constant-vus
    vus: 1
    duration: 4s
    steps: [ get: { url: /slow, name: slow }, get: { url: /missing, name: missing } ]
"""

TIME = r"[\d.]+ (ns|µs|ms|s)"  # a machine that stands still for a moment makes seconds of it

# metric, entry (an expression, or a map), passes, what stands beside it (a regular expression)
FORMS = [
    ("http_req_duration{name:slow}", "p(50)>=50", True, TIME),
    ("http_req_duration{name:slow}", "p(50)>=50ms", True, TIME),
    ("http_req_duration{name:slow}", "med>0.05s", True, TIME),
    ("http_req_duration{name:slow}", "p(99.9)<50", False, TIME),
    ("http_req_duration{name:slow,scenario:b,expected_response:true}", "avg>=50", True, TIME),
    ("http_req_duration{expected_response:false}", "min>0", True, TIME),
    ("http_req_service_time{name:slow}", "p(50)>=50", True, TIME),
    ("http_req_waiting{name:slow}", "max<1us", False, TIME),
    ("http_reqs", "count>200", True, r"\d+"),
    ("http_reqs", "count===1", False, r"\d+"),
    ("http_reqs", "rate>40/s", True, r"[\d.]+/s"),
    ("http_reqs", "rate>1e6", False, r"[\d.]+/s"),
    ("http_reqs{status:404}", "count>1", True, r"\d+"),
    ("http_reqs{status:500}", "count==0", True, "0"),
    ("http_reqs{error_code:1404}", "count>1", True, r"\d+"),
    ("http_reqs{error_code:1701}", "count==0", True, "0"),
    ("http_req_failed", "rate<50%", True, r"0\.\d{4}"),
    ("http_req_failed", "rate<0.0001", False, r"0\.\d{4}"),
    ("http_req_failed", "count>1", True, r"\d+"),
    ("http_req_failed{name:missing}", "rate==100%", True, "1.0000"),
    ("checks", "rate>99%", True, "1.0000"),
    ("checks", "count==200", True, "200"),
    ("checks{check:ok,group:::g}", "rate==1", True, "1.0000"),
    ("data_received", "count<1GB", True, r"[\d.]+ kB"),
    ("data_received", "rate<1MiB/s", True, r"[\d.]+ kB/s"),
    ("iterations{scenario:a}", "count==200", True, "200"),
    ("dropped_iterations", "count!=0", False, "0"),
    ("iteration_duration{scenario:b}", "p(95)>50", True, TIME),
    ("group_duration{group:::g}", "p(95)<5s", True, TIME),
    ("group_duration", "max<1ns", False, TIME),
    ("vus", "value>0", True, r"\d+"),
    ("vus_max", "value==21", True, "21"),
    ("my_count", "count==400", True, "400"),
    ("my_count{scenario:a}", "count<400", False, "400"),
    ("my_time", "avg<=5.5", True, "5.50 ms"),
    ("my_time", "p(95)<5ms", False, "5.50 ms"),
    ("my_plain", "avg==7", True, "7"),
    ("my_rate", "rate>99%", True, "1.0000"),
    ("my_level", "value==3", True, "3"),
    ("http_reqs{name:slow} / http_reqs{name:missing}", "count<1.2", True, r"1(\.\d+)?"),
    ("my_count / iterations{scenario:a}", "count==2", True, "2"),
    ("http_req_duration{name:slow}", "p(99) / p(50) < 0.5", False, r"[\d.]+"),
    ("http_req_duration{name:slow} / http_req_duration{name:slow}", "p(50)==100%", True, "1"),
    ("http_req_response_time{name:slow}", {"threshold": "p(95)>=50", "window": "1s"}, True, TIME + r" in \d-\d s"),
    ("http_req_response_time{name:slow}", {"threshold": "p(95)<1us", "window": "2s"}, False, TIME + r" in \d-\d s"),
    ("http_req_response_time{name:slow}", {"threshold": "p(95)<1us", "from": "1s", "to": "3s"}, False, TIME),
    ("http_req_duration{name:slow}", {"threshold": "p(95)<1us", "from": "1s", "to": "3s"}, False, TIME),
    ("http_req_duration{name:slow}", {"threshold": "med<1s", "to": "3s"}, True, TIME),
    ("my_time", {"threshold": "med<5.6", "from": "1s", "window": "1s"}, True, r"5\.50 ms in \d-\d s"),
    ("http_reqs{scenario:a}", {"threshold": "count<200", "stage": 1}, True, r"\d+"),
    ("http_reqs{scenario:a}", {"threshold": "rate>25", "stage": 2}, True, r"[\d.]+/s"),
    ("my_count", {"threshold": "count>100", "from": "2s", "to": "4s"}, True, r"\d+"),
    ("http_reqs", {"threshold": "count>0", "from": "60s"}, False, "no data"),
    ("http_reqs", {"threshold": "count>0", "from": "60s", "allowNoData": True}, True, "no data"),
    ("http_req_duration", {"threshold": "p(95)<5s", "minSamples": 100000}, False, r"only \d+ of 100000 samples"),
    ("http_req_duration", {"threshold": "p(95)<5s", "minSamples": 100000, "allowNoData": True}, True, r"only \d+ of .*"),
    ("http_req_duration", {"threshold": "p(95)<1us", "level": "warn"}, False, TIME),
    ("http_req_duration", {"threshold": "p(95)<1us", "level": "off"}, False, TIME),
    ("http_req_duration", "p(95)<baseline*2", False, TIME + r", no baseline"),
]


def entry(form):
    return json.dumps(form)


class Thresholds(kit.TestCase):
    def scenario(self, thresholds, scenarios=SCENARIOS, name="t.yaml"):
        lines = "\n".join(f"  {json.dumps(metric)}: [ {', '.join(map(entry, forms))} ]" for metric, forms in thresholds.items())
        return self.write(name, f"""
version: 1
name: t
gate: {{ onInvalid: warn }}
target: {{ url: "http://127.0.0.1:{self.port}" }}
scenarios:{scenarios}
thresholds:
{lines}
""")

    def serve(self):
        _, self.port = self.python_server(SERVER)

    def test_every_form(self):
        self.serve()
        by_metric = {}
        for metric, form, passes, value in FORMS:
            by_metric.setdefault(metric, []).append((form, passes, value))
        path = self.scenario({metric: [one[0] for one in forms] for metric, forms in by_metric.items()})
        done = self.flamegate("run", "--no-profile", "-q", "--bundle", "b", "-o", "junit=t.xml", "-o", "markdown=t.md", path, check=99)
        run = self.run_json(self.dir / "b")
        expected = [(metric, *one) for metric, forms in by_metric.items() for one in forms]
        self.assertEqual(len(run["thresholds"]), len(expected))
        for (metric, form, passes, value), got in zip(expected, run["thresholds"]):
            with self.subTest(metric=metric, form=form):
                text = form if isinstance(form, str) else form["threshold"]
                self.assertEqual((got["metric"], got["text"].split(",")[0]), (metric, text))
                self.assertEqual(got["passed"], passes, got)
                self.assertRegex(got["valueText"], f"^{value}$")
                self.assertFalse(got["aborted"])
        failed = sum(not passes for _, form, passes, _ in expected if isinstance(form, str) or "level" not in form)
        shown = len(expected) - 1  # one is off
        self.assertIn(f"FAILED: {failed} of {shown} thresholds (exit 99)", done.out)

    def test_numbers_are_those_of_the_bundle(self):
        self.serve()
        self.flamegate("run", "--no-profile", "-q", "--bundle", "b",
                       self.scenario({"http_reqs{name:slow}": ["count>0"], "http_req_duration{name:slow}": ["max>0"], "vus": ["value>0"],
                                      "data_sent": ["count>0"]}), check=0)
        run = self.run_json(self.dir / "b")
        slow = next(one for one in run["classes"] if one["name"] == "slow")
        values = [one["value"] for one in run["thresholds"]]
        sent = sum(half["sentBytes"] for one in run["classes"] for half in (one["expected"], one["unexpected"]))
        self.assertEqual(values[0], slow["expected"]["requests"])
        self.assertEqual(values[2], run["vus"]["last"])
        self.assertEqual(values[3], sent)

    def test_windows_and_stages_see_what_the_whole_hides(self):
        """Slow for 2.5 s of 6: the median of all is fine, that of the first windows and of stage 1 is not."""
        self.serve()
        scenarios = """
  a:
    executor: ramping-arrival-rate
    startRate: 40
    preAllocatedVUs: 20
    stages: [ { duration: 2s, target: 40 }, { duration: 4s, target: 40 } ]
    steps: [ get: { url: /first, name: first } ]
"""
        metric = "http_req_response_time{scenario:a}"
        self.flamegate("run", "--no-profile", "-q", "--bundle", "b", self.scenario({metric: [
            "med<200", {"threshold": "med<200", "window": "2s"}, {"threshold": "med<200", "stage": 1}, {"threshold": "med<200", "stage": 2},
            {"threshold": "med<200", "from": "4s"}, {"threshold": "med<200", "from": "4s", "window": "1s"}]}, scenarios), check=99)
        got = self.run_json(self.dir / "b")["thresholds"]
        self.assertEqual([one["passed"] for one in got], [True, False, False, True, True, True], got)
        self.assertTrue(got[1]["valueText"].endswith("in 0-2 s"), got[1])
        self.assertEqual([one["text"] for one in got][2:4], ["med<200, from 0 to 2s", "med<200, from 2s to 6s"])

    def test_baseline_terms(self):
        self.serve()
        scenario = """
  a: { executor: constant-vus, vus: 1, duration: 2s, steps: [ get: { url: "${WHAT:-/}", name: it } ] }
"""
        limits = {"http_req_duration": ["p(50)<baseline*1.5+100ms", "p(50)<baseline+50%+100ms"], "http_reqs": ["rate>baseline/20"],
                  "http_req_failed": ["rate<baseline+1%"]}
        path = self.scenario(limits, scenario)
        first = self.flamegate("run", "--no-profile", "-q", "--bundle", "base", path)
        self.assertEqual(first.code, 99, "no baseline is no pass")
        self.assertEqual(first.out.count("no baseline"), 4, first.out)
        self.flamegate("run", "--no-profile", "-q", "--bundle", "same", "--baseline", "base", path)
        same = self.run_json(self.dir / "same")["thresholds"]
        self.assertEqual([one["passed"] for one in same], [True] * 4, same)
        self.assertRegex(same[0]["valueText"], r"^[\d.]+ (µs|ms), limit [\d.]+ ms$")
        self.flamegate("run", "--no-profile", "-q", "--bundle", "slow", "--baseline", "base", "-e", "WHAT=/slower", path)
        slow = self.run_json(self.dir / "slow")["thresholds"]
        self.assertEqual([one["passed"] for one in slow][:2], [False, False], slow)
        self.assertEqual(slow[3]["valueText"], "0.0000, limit 0.0100")

    def test_abort_on_fail(self):
        self.serve()
        scenario = """
  a: { executor: constant-vus, vus: 2, duration: 30s, steps: [ get: { url: /slow, name: it }, think: 10ms ] }
"""
        abort = {"threshold": "med<40", "abortOnFail": True, "delayAbortEval": "2s"}
        done = self.flamegate("run", "--no-profile", "-q", "--bundle", "b", self.scenario({"http_req_duration": [abort]}, scenario), check=99)
        run = self.run_json(self.dir / "b")
        self.assertEqual((run["status"], run["thresholds"][0]["aborted"], run["thresholds"][0]["passed"]), ("aborted", True, False))
        self.assertEqual(done.err.count("stopping the run"), 1, done.err)
        self.assertIn("stopped the run", done.out)
        self.assertTrue(1.9e9 < run["time"]["durationNs"] < 20e9, run["time"])

    def test_levels_of_what_aborts(self):
        self.serve()
        scenario = """
  a: { executor: constant-vus, vus: 1, duration: "${TIME:-5s}", steps: [ get: { url: /slow, name: it } ] }
"""
        for level, seconds, status in (("off", "3s", "completed"), ("warn", "30s", "aborted")):
            with self.subTest(level=level):
                form = {"threshold": "p(95)<1", "abortOnFail": True, "level": level}
                done = self.flamegate("run", "--no-profile", "-q", "--bundle", f"b-{level}", "-e", f"TIME={seconds}",
                                      self.scenario({"http_req_duration": [form]}, scenario), check=0)
                self.assertEqual(self.run_json(self.dir / f"b-{level}")["status"], status)
                self.assertEqual("stopped early" in done.out, level == "warn", done.out)
                self.assertEqual("stopping the run" in done.err, level == "warn", done.err)

    def test_wrong_ones(self):
        self.port = 1
        scenarios = SCENARIOS.replace("duration: 2s, target: 50 } ]", "duration: 500ms, target: 50 } ]")
        d = "http_req_duration"
        a = d + "{scenario:a}"
        cases = [  # metric, entry, text that the mark stands under (its start), message
            ("http_req_durations", "p(95)<1", '"http_req_durations"', 'did you mean "http_req_duration"?'),
            ("my_cuont", "count>1", '"my_cuont"', 'did you mean "my_count"?'),
            (d, "p95<1", "p95<1", 'unknown statistic "p95"; did you mean "p(95)"? http_req_duration has avg'),
            (d, "p(95)=<1", "=<1", 'unknown operator "=<"'),
            (d, "p(101)<1", "101", "between 0 and 100"),
            (d, "p(95)<", '" ]', "the limit is missing"),
            (d, "p(95)<5KB", "5KB", "duration such as 250ms"),
            (d, "rate<1", "rate<1", "is a trend and has no rate"),
            (d, "p(95)<1 && p(99)<2", "1 &&", "one condition per threshold"),
            (d, "p(95)==baseline", "baseline", "no two runs are equal"),
            (d, "p(95)<baseline*0", '0" ]', "above 0"),
            (d + "{nam:home}", "p(95)<1", f'"{d}{{nam', 'did you mean "name"?'),
            (d + "{name:hom}", "p(95)<1", f'"{d}{{name', 'did you mean "home"?'),
            (d + "{name:home", "p(95)<1", "{name:home", "is not closed"),
            (d + "{status:200}", "p(95)<1", d, "count with http_reqs{status:200}"),
            ("checks{check:okk}", "rate>0.9", '"checks{', 'did you mean "ok"?'),
            ("http_reqs{status:2xx}", "count>1", '"http_reqs{', "100 to 599"),
            ("http_req_failed", "rate<5", '5" ]', "between 0 and 1"),
            ("my_count", "p(95)<1", '"p(95)<1"', "is a counter and has no p(95)"),
            ("my_plain", "avg<5ms", '"avg<5ms"', "is not a time"),
            ("http_reqs / http_req", "count<1", '"http_reqs / ', 'did you mean "http_reqs"?'),
            ("iterations / my_plain", "count<1", '"count<1"', "is a trend and has no count"),
            (d, {"threshold": "p(95)<1", "abortOnFial": True}, '"abortOnFial"', 'did you mean "abortOnFail"?'),
            (d, {"threshold": "p(95)<1", "delayAbortEval": 10}, "10}", "needs a unit"),
            (d, {"threshold": "p(95)<1", "level": "warning"}, '"warning"', "error, warn, off"),
            (d, {"threshold": "p(95)<1", "window": "0s"}, '"0s"', "window must be at least 1s"),
            (d, {"threshold": "p(95)<1", "window": "1500ms"}, '"1500ms"', "whole seconds"),
            (d, {"threshold": "p(95)<1", "from": "500ms"}, '"500ms"', "whole seconds"),
            (d, {"threshold": "p(95)<1", "from": "3s", "to": "2s"}, '"2s"', '"to" is not after "from"'),
            (d, {"threshold": "p(95)<1", "window": "3s", "to": "2s"}, '"3s"', "longer than the part"),
            (d, {"threshold": "p(95)<1", "stage": 1}, "1}", "a stage of which scenario"),
            (a, {"threshold": "p(95)<1", "stage": 0}, "0}", "stage must be at least 1"),
            (a, {"threshold": "p(95)<1", "stage": 3}, "3}", 'scenario "a" has 2 stages, not 3'),
            (a, {"threshold": "p(95)<1", "stage": 2}, "2}", "no whole second lies in it"),
            (a, {"threshold": "p(95)<1", "stage": 1, "from": "1s"}, "1, ", "instead of"),
            (d + "{stage:1}", "p(95)<1", f'"{d}', "stage is no tag"),
        ]
        for metric, form, under, message in cases:
            with self.subTest(metric=metric, form=form):
                path = self.scenario({d: ["p(95)<9"], metric: ["p(95)<8", form] if metric == d else [form]}, scenarios)
                done = self.flamegate("validate", path, check=104)
                place = re.match(r"t\.yaml:(\d+):(\d+): (.*)", done.err.replace(str(self.dir) + "/", ""))
                self.assertTrue(place, done.err)
                line = path.read_text().splitlines()[int(place[1]) - 1]
                self.assertIn(message, place[3])
                self.assertTrue(line[int(place[2]) - 1:].lstrip('"').startswith(under.lstrip('"')), f"{done.err}\nnot at {under}")

    def test_a_bundle_of_the_first_format_still_reads(self):
        """Issue A's bundles had no customs, groups, service times, wake-ups or VU range."""
        self.serve()
        path = self.scenario({"http_req_failed": ["rate<0.9"]})
        self.flamegate("run", "--no-profile", "-q", "--bundle", "new", path, check=0)
        old = self.dir / "old"
        old.mkdir()
        run = self.run_json(self.dir / "new")
        for key in ("customs", "groups", "vus"):
            run.pop(key, None)
        for one in run["classes"]:
            for half in ("expected", "unexpected"):
                for trend in ("http_req_service_time", "http_req_wakeup"):
                    one[half]["trends"].pop(trend, None)
        (old / "run.json").write_text(json.dumps(run))
        rows = [json.loads(line) for line in gzip.decompress((self.dir / "new" / "latency.jsonl.gz").read_bytes()).splitlines()]
        self.assertGreater(len(rows), 3)
        (old / "latency.jsonl.gz").write_bytes((self.dir / "new" / "latency.jsonl.gz").read_bytes())
        done = self.flamegate("compare", "old", "new")
        self.assertIn(done.code, (0, 10, 11, 12, 16), done.out + done.err)
        self.assertNotIn("error", done.err)


if __name__ == "__main__":
    kit.main()
