#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Executors, init steps and data as a scenario file asks for them: a counting server says what was really sent."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from tests.kit import counter, kit


class Executors(kit.TestCase):
    def start(self, status=lambda path: 200):
        self.server = counter.Counter(status)
        self.addCleanup(self.server.stop)
        return self.server

    def run_scenario(self, text, *args, check=0):
        path = self.dir / "load.yaml"
        gate = "" if check else "gate: { onInvalid: warn }\n"  # a busy machine makes it late, which changes no number
        path.write_text(f'version: 1\nname: t\n{gate}target: {{ url: "http://127.0.0.1:{self.server.port}" }}\n{text}')
        return self.flamegate("run", "--no-profile", "--bundle", "b", *args, path, check=check)

    def scenarios(self):
        return {one["name"]: one for one in json.loads((self.dir / "b" / "run.json").read_text())["scenarios"]}

    def test_all_six_side_by_side(self):
        server = self.start()
        self.run_scenario("""
scenarios:
  shared: { executor: shared-iterations, vus: 3, iterations: 50, steps: [ { get: { url: "/shared/{{ scenario.iteration }}", name: a } } ] }
  each: { executor: per-vu-iterations, vus: 4, iterations: 5, steps: [ { get: { url: "/each/{{ scenario.iteration }}", name: a } } ] }
  const: { executor: constant-vus, vus: 2, duration: 1s, steps: [ { get: { url: "/const/{{ scenario.iteration }}", name: a } }, { think: 20ms } ] }
  ramp: { executor: ramping-vus, startVUs: 1, stages: [ { duration: 1s, target: 3 } ], steps: [ { get: { url: "/ramp/{{ scenario.iteration }}", name: a } }, { think: 20ms } ] }
  rate: { executor: constant-arrival-rate, rate: 97, duration: 1s, startTime: 500ms, preAllocatedVUs: 50, maxVUs: 97, steps: [ { get: { url: "/rate/{{ scenario.iteration }}", name: a } } ] }
  curve: { executor: ramping-arrival-rate, startRate: 50, timeUnit: 1s, stages: [ { duration: 500ms, target: 150 }, { duration: 0s, target: 20 }, { duration: 1s, target: 20 } ], preAllocatedVUs: 50, maxVUs: 100, steps: [ { get: { url: "/curve/{{ scenario.iteration }}", name: a } } ] }
""")
        self.assertEqual(sorted(server.numbers("shared")), list(range(50)))
        self.assertEqual(sorted(server.numbers("each")), list(range(20)))
        self.assertEqual(sorted(server.numbers("rate")), list(range(97)))
        self.assertEqual(sorted(server.numbers("curve")), list(range(70)))  # 50 under the ramp, 20 after it
        told = self.scenarios()
        for name in ("const", "ramp"):  # as many as the machine has time for
            self.assertEqual(sorted(server.numbers(name)), list(range(told[name]["iterations"])), name)
            self.assertGreater(told[name]["iterations"], 1, name)

    def test_quick_iterations(self):
        server = self.start()
        self.flamegate("run", "--no-profile", "--quiet", "-i", "30", "-u", "4", f"http://127.0.0.1:{server.port}/quick", check=0)
        self.assertEqual(sum(path == "/quick" for path, _ in server.seen), 30)

    def test_init_comes_before_the_first_iteration(self):
        server = self.start()
        self.run_scenario("""
scenarios:
  s:
    executor: per-vu-iterations
    vus: 40
    iterations: 2
    init: [ { get: { url: "/init/{{ vu }}", name: i } } ]
    steps: [ { get: { url: "/step/{{ scenario.iteration }}", name: s } } ]
""")
        first_step = min(i for i, (path, _) in enumerate(server.seen) if path.startswith("/step"))
        self.assertEqual(sorted(path for path, _ in server.seen[:first_step] if path.startswith("/init")),
                         sorted(f"/init/{vu}" for vu in range(1, 41)))
        self.assertEqual(len(server.numbers("init")), 40)
        self.assertEqual(len(server.numbers("step")), 80)

    def test_vus_made_while_it_runs_do_their_init_first(self):
        server = self.start()
        self.run_scenario("""
scenarios:
  s:
    executor: constant-arrival-rate
    rate: 50
    duration: 1s
    preAllocatedVUs: 0
    maxVUs: 50
    noVU: drop
    init: [ { get: { url: "/init/{{ vu }}", name: i } } ]
    steps: [ { get: { url: "/step/{{ scenario.iteration }}", name: s } }, { think: 100ms } ]
""")
        self.assertEqual(sorted(server.numbers("step")), list(range(50)))  # none dropped while its VU starts
        self.assertGreaterEqual(len(server.numbers("init")), 4)

    def test_a_failing_init_makes_the_run_invalid(self):
        server = self.start(lambda path: 500 if path == "/init/2" else 200)
        done = self.run_scenario("""
scenarios:
  s:
    executor: per-vu-iterations
    vus: 3
    iterations: 5
    init: [ { get: { url: "/init/{{ vu }}", name: i, expect: { status: 200 } } } ]
    steps: [ { get: { url: "/step/{{ scenario.iteration }}", name: s } } ]
""", check=16)
        self.assertIn("1 virtual user took no part because its init steps failed", " ".join(done.out.split()))
        self.assertEqual(len(server.numbers("step")), 10)

    def test_every_init_failing_ends_the_run_at_once(self):
        self.start(lambda path: 500)
        self.run_scenario("""
scenarios:
  s:
    executor: constant-arrival-rate
    rate: 10
    duration: 60s
    preAllocatedVUs: 3
    init: [ { get: { url: "/init/{{ vu }}", name: i, expect: { status: 200 } } } ]
    steps: [ { get: /step } ]
""", check=16)

    def test_data_used_up_ends_the_vus(self):
        server = self.start()
        (self.dir / "rows.csv").write_text("n\n" + "".join(f"{i}\n" for i in range(25)))
        self.run_scenario("""
data: { rows: { path: rows.csv, order: unique, scope: shared, onEnd: stop } }
scenarios:
  s: { executor: shared-iterations, vus: 4, iterations: 100, steps: [ { get: { url: "/row/{{ data.rows.n }}", name: r } } ] }
""")
        self.assertEqual(sorted(server.numbers("row")), list(range(25)))

    def test_data_used_up_fails_the_run(self):
        server = self.start()
        (self.dir / "rows.csv").write_text("n\n" + "".join(f"{i}\n" for i in range(9)))
        done = self.run_scenario("""
data: { rows: { path: rows.csv, order: unique, scope: shared, onEnd: fail } }
scenarios:
  s: { executor: constant-arrival-rate, rate: 50, duration: 60s, preAllocatedVUs: 5, steps: [ { get: { url: "/row/{{ data.rows.n }}", name: r } } ] }
  other: { executor: constant-vus, vus: 2, duration: 60s, steps: [ { get: { url: "/other", name: o } }, { think: 10ms } ] }
""", "--threads", "2", check=16)
        self.assertIn("all 9 rows are used up", " ".join(done.out.split()))
        rows = server.numbers("row")  # none twice; dealt by VU, so the other scenario's are not asked for
        self.assertTrue(rows and set(rows) <= set(range(9)), rows)


if __name__ == "__main__":
    kit.main()
