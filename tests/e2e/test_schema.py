#!/usr/bin/env python3
"""flamegate schema: a JSON Schema that accepts what the parser accepts and refuses faults of shape."""
import json
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kit"))
import kit
import jsonschema
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCENARIOS = ROOT / "scenarios"


class Loader(yaml.SafeLoader):
    """YAML 1.2, as editors read it: `off` and `yes` are texts."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", __import__("re").compile("^(?:true|false)$"), list("tf"))


def load(path):
    return yaml.load(path.read_text(encoding="utf-8"), Loader)


# Faults of values and of names, which no shape can tell; and texts that are not YAML documents of one map.
NOT_OF_SHAPE = {
    "alias-unknown", "alias-inside-itself", "alias-bomb", "bad-utf8", "duplicate-key", "empty", "tab", "too-deep", "two-documents",
    "unclosed", "unquoted-template", "bad-rule", "bad-think", "bad-threshold", "bad-url", "bad-variable", "empty-steps", "no-scenarios",
    "exclusive-bodies", "exclusive-ready", "environments", "missing-variable", "port-without-start", "threshold-without-match",
    "unknown-name", "vus-below", "wrong-type-quoted-number", "impossible-stage", "expressions", "data-columns", "data", "flow-explodes",
    "flow-nesting", "flow-runs-itself", "silent-flow", "metric-two-types", "include-circle", "include-faults", "include-missing",
    "include-twice", "process-container", "process", "variables", "multipart", "captures", "loops", "bad-check", "too-short", "unknown-metric",
}


class Schema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = subprocess.run([kit.PROGRAM, "schema"], check=True, capture_output=True, text=True).stdout
        cls.schema = json.loads(cls.text)
        cls.validator = jsonschema.Draft7Validator(cls.schema)

    def test_is_a_schema(self):
        jsonschema.Draft7Validator.check_schema(self.schema)
        self.assertEqual(self.schema["$schema"], "http://json-schema.org/draft-07/schema#")
        self.assertEqual(sorted(self.schema["required"]), ["scenarios", "version"])
        self.assertNotIn("ab", self.schema["properties"])

    def test_every_key_is_explained(self):
        for name, definition in [("root", self.schema), *self.schema["definitions"].items()]:
            for key, value in definition["properties"].items():
                if "const" not in value:
                    self.assertTrue(value.get("description"), f"{name}: {key}")

    def test_references_lead_somewhere(self):
        for part in self.text.split('"$ref": "#/definitions/')[1:]:
            self.assertIn(part.split('"')[0], self.schema["definitions"])

    def test_examples_are_valid(self):
        files = list(SCENARIOS.glob("*.yaml"))
        self.assertGreaterEqual(len(files), 3)
        for path in files:
            with self.subTest(path.name):
                self.validator.validate(load(path))

    def test_faults_of_shape_are_refused(self):
        refused = 0
        for path in sorted((SCENARIOS / "invalid").glob("*.yaml")):
            if path.stem in NOT_OF_SHAPE:
                continue
            with self.subTest(path.name):
                self.assertFalse(self.validator.is_valid(load(path)))
                refused += 1
        self.assertGreaterEqual(refused, 20)

    def test_cases(self):
        head = "version: 1\ntarget: { url: 'http://a' }\n"
        main = "scenarios: { a: { executor: constant-vus, duration: 10s, steps: [%s] } }\n"
        valid = [
            "get: /", "get: { url: /, timeout: 5s, version: 1.1 }", "think: 1s", "think: { min: 1s, max: 2s }", "run: a",
            "{ run: a, with: { b: 1 } }", "if: { when: '{{ vu }}', then: [{ get: / }] }", "loop: { count: '{{ n }}', steps: [{ log: a }] }",
            "get: { url: /, checks: [{ json: { $.a: { gt: 5 } } }, { body: { contains: x } }], expect: { status: 2xx } }",
            "post: { url: /, multipart: { f: { path: x }, g: h } }", "get: { url: /, maxRedirects: '${N:-5}' }",
            "get: { url: /, capture: { a: { json: $.a, default: [1] } } }", "parallel: [{ get: / }]",
            "choose: [{ weight: 2, steps: [{ get: / }] }]", "metric: { name: a, type: trend, value: '{{ vu }}' }",
        ]
        invalid = [
            "gett: /", "{ get: /, post: / }", "{ get: /, with: { a: b } }", "get: { urll: / }", "get: { name: a }", "get: { url: /, timeout: 5 }",
            "get: { url: /, timeout: fast }", "get: { url: /, maxRedirects: many }", "get: { url: /, maxRedirects: 101 }", "get: { url: /, version: 3 }",
            "think: { min: 1s }", "loop: { count: 1 }", "if: { then: [] }", "parallel: { get: / }", "metric: { name: a, type: sum, value: 1 }",
            "get: { url: /, checks: [{ json: { $.a: { gtt: 5 } } }] }", "get: { url: /, checks: { status: 200 } }", "get: [a]", "group: { name: a }",
            "get: { url: /, auth: { bearr: a } }", "get: { url: /, compression: yes }", "with: { a: b }", "{}",
        ]
        for step in valid:
            with self.subTest(step):
                step = step if step.startswith("{") else "{ %s }" % step
                self.validator.validate(yaml.load(head + main % step, Loader))
        for step in invalid:
            with self.subTest(step):
                step = step if step.startswith("{") else "{ %s }" % step
                self.assertFalse(self.validator.is_valid(yaml.load(head + main % step, Loader)))

    def test_executors(self):
        scenario = {"executor": "ramping-vus", "stages": [{"duration": "1s", "target": 5}], "steps": [{"get": "/"}]}
        file = {"version": 1, "scenarios": {"a": scenario}}
        self.validator.validate(file)
        for change in ({"rate": 5}, {"duration": "5s"}, {"stages": None}, {"flow": "x"}, {"steps": None}, {"executor": "ramping"}):
            changed = {k: v for k, v in {**scenario, **change}.items() if v is not None}
            self.assertFalse(self.validator.is_valid({"version": 1, "scenarios": {"a": changed}}), change)

    def test_takes_no_arguments(self):
        self.assertEqual(subprocess.run([kit.PROGRAM, "schema", "x"], capture_output=True).returncode, 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
