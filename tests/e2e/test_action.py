#!/usr/bin/env python3
"""The GitHub action: the very `run:` strings of ci/action.yml in an emulated runner environment.

Emulated: expressions in env:, GITHUB_OUTPUT, GITHUB_STEP_SUMMARY, `bash --noprofile --norc -eo pipefail FILE`, steps'
outputs, `if:` on the cache steps (which are not run here: the directory simply stays, as after a hit).
"""
import os
import pathlib
import re
import subprocess
import sys

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kit"))
import kit

ACTION = yaml.safe_load((kit.ROOT / "ci" / "action.yml").read_text())


class Action(kit.TestCase):
    def evaluate(self, expression, inputs, steps):
        expression = expression.strip()
        if expression.startswith("inputs."):
            name = expression[len("inputs."):]
            self.assertIn(name, ACTION["inputs"])
            return inputs.get(name, str(ACTION["inputs"][name].get("default", "")))
        if expression == "github.action_path":
            return str(kit.ROOT / "ci")
        match = re.fullmatch(r"steps\.([\w-]+)\.outputs\.([\w-]+)", expression)
        self.assertIsNotNone(match, f"unknown expression {expression}")
        return steps.get(match.group(1), {}).get(match.group(2), "")

    def expand(self, text, inputs, steps):
        return re.sub(r"\$\{\{(.*?)\}\}", lambda m: self.evaluate(m.group(1), inputs, steps), str(text))

    def run_action(self, *args, **kwargs):
        """Once more when the machine disturbed the measurement (exit 16), three times at most."""
        for _ in range(3):
            done, outputs, summary = self.run_once(*args, **kwargs)
            if done.returncode != 16:
                break
        return done, outputs, summary

    def run_once(self, inputs, event="push", ref="main", base=""):
        steps, summary = {}, self.dir / "summary.md"
        summary.write_text("")
        for step in ACTION["runs"]["steps"]:
            if "run" not in step:
                self.assertTrue(step["uses"].startswith("actions/cache/"), step)
                continue
            self.assertNotIn("${{", step["run"], "expressions must not be pasted into run:")
            output = self.dir / f"output-{step['id']}"
            output.write_text("")
            script = self.write(f"step-{step['id']}.sh", step["run"])
            env = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "FLAMEGATE_"))}
            env.update({"GITHUB_ACTIONS": "true", "CI": "true", "GITHUB_OUTPUT": str(output),
                        "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_EVENT_NAME": event, "GITHUB_REF_NAME": ref,
                        "GITHUB_BASE_REF": base})
            for key, value in step.get("env", {}).items():
                env[key] = self.expand(value, inputs, steps)
            where = self.dir / self.expand(step.get("working-directory", "."), inputs, steps)
            done = subprocess.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)], cwd=where, env=env,
                                  text=True, capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
            steps[step["id"]] = dict(line.split("=", 1) for line in output.read_text().splitlines())
            if done.returncode:
                break
        outputs = {name: self.expand(spec["value"], inputs, steps) for name, spec in ACTION["outputs"].items()}
        return done, outputs, summary.read_text()

    def scenario(self, port, limit="5s"):
        return self.write("gate.yaml", f"""
version: 1
name: gate
target: {{ url: "http://127.0.0.1:{port}" }}
scenarios:
  a: {{ executor: constant-arrival-rate, rate: 100, duration: 3s, preAllocatedVUs: 10, steps: [ {{ get: / }} ] }}
thresholds:
  http_req_duration: [ "p(95)<{limit}" ]
""")

    def test_first_run_saves_a_baseline_and_the_next_compares(self):
        _, port = self.nginx()
        inputs = {"scenario": str(self.scenario(port)), "flamegate": str(kit.PROGRAM), "args": "--seed\n7\n"}
        done, outputs, summary = self.run_action(inputs)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(outputs["exit-code"], "0")
        self.assertEqual(outputs["verdict"], "no-baseline")
        self.assertIn("gate", summary)
        self.assertTrue((self.dir / ".flamegate" / "baselines").is_dir())
        done, outputs, summary = self.run_action(inputs, event="pull_request", ref="7/merge", base="main")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(outputs["verdict"], ("passed", "improved", "inconclusive"))
        self.assertGreater(float(outputs["p95-ms"]), 0)
        self.assertTrue(pathlib.Path(self.dir / outputs["bundle-path"] / "run.json").exists())
        self.assertLess(len(summary), 900 << 10)

    def test_a_failing_threshold_is_the_exit_code_and_everything_is_told_before(self):
        _, port = self.nginx()
        inputs = {"scenario": str(self.scenario(port, "1ns")), "flamegate": str(kit.PROGRAM)}
        done, outputs, summary = self.run_action(inputs)
        self.assertEqual(done.returncode, 99, done.stdout + done.stderr)
        self.assertEqual((outputs["exit-code"], outputs["outcome"]), ("99", "thresholds"))
        self.assertRegex(done.stdout, r"(?m)^::error title=flamegate threshold::http_req_duration")
        self.assertIn("p(95)", summary)
        self.assertFalse((self.dir / ".flamegate" / "baselines" / "main").exists())

    def test_hostile_inputs_are_arguments_not_code(self):
        _, port = self.nginx()
        marker = self.dir / "owned"
        inputs = {"scenario": str(self.scenario(port)), "flamegate": str(kit.PROGRAM),
                  "args": f"--tag\nx=$(touch {marker}); `touch {marker}`\n"}
        done, _, _ = self.run_action(inputs)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertFalse(marker.exists())

    def test_missing_scenario_fails_with_104(self):
        done, outputs, _ = self.run_action({"scenario": "nope.yaml", "flamegate": str(kit.PROGRAM)})
        self.assertEqual(done.returncode, 104)
        self.assertEqual(outputs["exit-code"], "104")
        self.assertIn("nope.yaml", done.stderr)


if __name__ == "__main__":
    kit.main()
