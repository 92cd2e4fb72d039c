#!/usr/bin/env python3
"""The seven k6 tutorials as flamegate scenarios, against the small API server; and the server's own word on what came."""
import json
import pathlib
import sys
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kit"))
import kit

API = kit.ROOT / "tests" / "zoo" / "zoo_api.py"


class Tutorials(kit.TestCase):
    """Each file runs as it stands, from the top of the repository, and passes its own thresholds."""

    def tutorial(self, name):
        bundle = self.dir / "bundle"
        done = self.flamegate("run", kit.ROOT / "scenarios" / f"{name}.yaml", "--bundle", bundle, "--no-profile",
                              cwd=kit.ROOT, check=0)
        self.assertIn("PASSED", done.out)
        return done, self.run_json(bundle)

    def requests(self, run, **tags):
        """Requests by class name."""
        return {c["name"]: sum(c[h]["requests"] for h in ("expected", "unexpected")) for c in run["classes"]
                if all(c.get(k) == v for k, v in tags.items())}

    def test_stages(self):
        _, run = self.tutorial("k6-stages")
        # 20 users ramped over 4 s, each at most once per 100 ms; how many exactly depends on the machine
        self.assertGreater(self.requests(run)["GET /"], 50)

    def test_thresholds(self):
        done, run = self.tutorial("k6-thresholds")
        counts = self.requests(run)
        # the two of `parallel` go together
        self.assertEqual(counts["GET /contacts"], counts["GET /public/crocodiles/:id"])
        self.assertIn("http_req_duration{type:API}", done.out)

    def test_multi_scenario(self):
        _, run = self.tutorial("k6-multi-scenario")
        self.assertEqual([s["iterations"] for s in run["scenarios"]], [100, 60, 90])

    def test_setup_token(self):
        _, run = self.tutorial("k6-setup-token")
        # setup and teardown are in no statistic
        self.assertEqual(self.requests(run), {"POST /my/crocodiles": 50, "PATCH /my/crocodiles/:id": 50,
                                              "DELETE /my/crocodiles/:id": 50})

    def test_groups_metrics(self):
        done, _ = self.tutorial("k6-groups-metrics")
        self.assertIn("crocodile_age", done.out)
        self.assertIn("coin_won", done.out)

    def test_data_driven(self):
        _, run = self.tutorial("k6-data-driven")
        self.assertEqual(self.requests(run), {"POST /user/register": 24, "POST /auth/token/login": 24,
                                              "GET /my/crocodiles": 24})

    def test_arrival_ramp(self):
        _, run = self.tutorial("k6-arrival-ramp")
        self.assertEqual(run["scenarios"][0]["iterations"], 185)


class Import(kit.TestCase):
    """A recording of the API becomes a scenario that runs against it."""

    def api(self):
        port = kit.reserve_port()
        self.server(["python3", API, "--port", port], port)
        return f"http://127.0.0.1:{port}"

    def stats(self, url):
        with urllib.request.urlopen(url + "/stats", timeout=5) as answer:
            return json.load(answer)["requests"]

    def entry(self, url, method="GET", status=200, post=None, at="10:00:00.000", headers=(), **response):
        request = {"method": method, "url": url, "headers": [{"name": n, "value": v} for n, v in headers]}
        if post:
            request["postData"] = post
        return {"startedDateTime": f"2026-11-21T{at}Z", "time": 5, "request": request, "response": {"status": status, **response}}

    def har(self, *entries):
        return self.write("r.har", json.dumps({"log": {"version": "1.2", "entries": list(entries)}}))

    def test_har_runs(self):
        url = self.api()
        self.har(
            self.entry(url + "/news?x=${HOME}&y={{vu}}", headers=[("Accept", "text/html"), ("Cookie", "a=b")]),
            self.entry(url + "/redirect?n=1", status=302, redirectURL="/redirect?n=0"),
            self.entry(url + "/redirect?n=0"),
            self.entry(url + "/auth/token/login", "POST", 401,
                       {"mimeType": "application/json", "text": '{"username": "x {{ y }} ${z}", "n": [1, {"a": null}]}'}),
            self.entry("https://elsewhere.example/t.js"),
            self.entry(url + "/upload", "POST", post={"mimeType": "image/png", "encoding": "base64", "text": "AA=="}),
            self.entry("wss://x.example/"),
            {"request": {"method": 7}},
            self.entry(url + "/contacts", at="10:00:03.000", headers=[("Authorization", "Bearer s3cret")]))
        done = self.flamegate("import", "har", "r.har", "-o", "r.yaml", check=0)
        text = (self.dir / "r.yaml").read_text()
        for place in ("log.entries[4]", "log.entries[5]", "log.entries[6]", "log.entries[7]", "cookies"):
            self.assertIn(place, text)
            self.assertIn(place, done.err)
        self.assertNotIn("s3cret", text)
        self.assertIn("{ env: AUTHORIZATION }", text)
        self.assertIn("think: 2s900ms", text)
        # runs: 401 is what was recorded, so only the threshold on failures speaks
        self.flamegate("run", "r.yaml", "--no-profile", "-e", "AUTHORIZATION=Bearer x", "--quiet", env={"AUTHORIZATION": "Bearer x"})
        counts = self.stats(url)
        self.assertGreaterEqual(counts["GET /news"], 1)
        self.assertEqual(counts["GET /redirect"], 2 * counts["POST /auth/token/login"])

    def test_refuses(self):
        self.write("a.har", "{}")
        self.write("b.har", '{"log": {"entries": []}}')
        self.write("c.har", "no json")
        self.har(self.entry("http://127.0.0.1:1/"))
        self.write("there.yaml", "mine")
        for args, what in ((("har", "a.har"), "not a HAR file"), (("har", "b.har"), "no http(s) request"),
                           (("har", "c.har"), "c.har:1:"), (("har", "missing.har"), "No such file"),
                           (("xml", "a.har"), "only: flamegate import har"), (("har",), "needs an argument"),
                           (("har", "r.har", "--origin", "shop"), "scheme and a host"),
                           (("har", "r.har", "--origin", "http://127.0.0.1:2"), "nothing in it can be sent"),
                           (("har", "r.har", "-o", "there.yaml"), "--force")):
            done = self.flamegate("import", *args, check=2)
            self.assertIn(what, done.err)
        self.assertEqual((self.dir / "there.yaml").read_text(), "mine")


class Init(kit.TestCase):
    OPENAPI = """
openapi: 3.0.0
info: { title: t, version: "1" }
servers: [{ url: "%s" }]
paths:
  /public/crocodiles: { get: { responses: { "200": { description: ok } } } }
  /public/crocodiles/{id}:
    parameters: [{ $ref: "#/components/parameters/Id" }]
    get: { responses: { "200": { description: ok } } }
  /my/crocodiles: { post: { responses: { "201": { description: made } } } }
  /users/{name}: { get: { parameters: [{ name: name, in: path, required: true }] } }
components: { parameters: { Id: { name: id, in: path, required: true, example: 3 } } }
"""

    def api(self):
        port = kit.reserve_port()
        self.server(["python3", API, "--port", port], port)
        return f"http://127.0.0.1:{port}"

    def test_description(self):
        self.write("api/openapi.yaml", self.OPENAPI % self.api())
        done = self.flamegate("init", check=0)
        self.assertIn("users/{name}", done.err)
        self.assertIn("post /my/crocodiles", done.err)
        done = self.flamegate("run", "flamegate.yaml", "--no-profile", check=0)
        self.assertIn("GET /public/crocodiles/:id", done.out)
        self.assertIn("--force", self.flamegate("init", check=2).err)
        self.flamegate("init", "--force", check=0)

    def test_server(self):
        url = self.api()
        self.flamegate("init", "--url", url, "-o", "x.yaml", check=0)
        self.assertIn("PASSED", self.flamegate("run", "x.yaml", "--no-profile", check=0).out)

    def test_remote_server_is_not_the_target(self):
        self.write("openapi.yaml", self.OPENAPI % "https://api.example.com")
        done = self.flamegate("init", "-o", "-", check=0)
        self.assertIn("was not made the target", done.err)
        self.assertNotIn('url: "https://api.example.com"', done.out)

    def test_refuses(self):
        self.write("no.yaml", "a: 1")
        self.write("bad.yaml", "a: [")
        self.write("empty.yaml", "openapi: 3.0.0\npaths: {}\n")
        for args, what in ((("--openapi", "no.yaml"), "no OpenAPI description"), (("--openapi", "bad.yaml"), "bad.yaml:"),
                           (("--openapi", "empty.yaml"), "nothing that can be called"),
                           (("--openapi", "missing.yaml"), "No such file"), (("extra",), "unexpected argument")):
            self.assertIn(what, self.flamegate("init", *args, check=2).err)


if __name__ == "__main__":
    kit.main()
