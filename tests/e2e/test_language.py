#!/usr/bin/env python3
"""Every key of the scenario language has its effect, seen by the server: what a user of the file relies on."""
import base64
import collections
import email.parser
import email.policy
import gzip
import hashlib
import http.server
import json
import pathlib
import re
import socket
import statistics
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kit"))
import kit

Seen = collections.namedtuple("Seen", "method target path query headers body connection at")


class Api:
    """Remembers every request; answers what its path says. `family` may be a unix socket's path."""

    def __init__(self, case, name="api"):
        api = self
        self.name, self.seen, self.lock = name, [], threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = 65536

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                url = urllib.parse.urlsplit(self.path)
                query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
                one = Seen(self.command, self.path, url.path, query, self.headers, body, self.client_address, time.monotonic())
                with api.lock:
                    api.seen.append(one)
                status, headers, answer = api.answer(one)
                self.send_response(status)
                for header in headers:
                    self.send_header(*header)
                if status != 204:
                    self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                if self.command != "HEAD" and status != 204:
                    self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_PURGE = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.request_queue_size = 128
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        case.addCleanup(self.server.server_close)
        case.addCleanup(self.server.shutdown)

    def answer(self, one):
        if one.path == "/item":
            body = {"id": 7, "price": 12.5, "name": "Saw", "tags": ["a", "b"], "deep": {"x": [{"y": 1}, {"y": 2}]}, "none": None, "yes": True}
            return 200, [("Content-Type", "application/json"), ("X-Trace", "t-42"), ("Set-Cookie", "sid=s1; Path=/")], json.dumps(body).encode()
        if one.path == "/text":
            return 200, [("Content-Type", "text/plain")], b"order=81 total=19.90 state=open"
        if one.path == "/packed":
            packed = "gzip" in one.headers.get("Accept-Encoding", "")
            return 200, [("Content-Encoding", "gzip")] if packed else [], gzip.compress(b'{"id": 77}') if packed else b'{"id": 78}'
        if one.path.startswith("/hop/"):
            left = int(one.path[5:])
            return (302, [("Location", f"/hop/{left - 1}")], b"") if left else (200, [], b"landed")
        if one.path == "/slow":
            time.sleep(1.5)
        if one.path.startswith("/status/"):
            return int(one.path[8:]), [], b"{}"
        if one.path == "/set":
            return 200, [("Set-Cookie", f"seen={one.query.get('v', ['1'])[0]}; Path=/")], b"{}"
        return 200, [], json.dumps({"ok": True, "from": self.name}).encode()

    def of(self, path):
        with self.lock:
            return [one for one in self.seen if one.path == path]

    def only(self, path):
        (one,) = self.of(path)
        return one

    def counts(self):
        with self.lock:
            return collections.Counter(one.path for one in self.seen)


class Language(kit.TestCase):
    def setUp(self):
        super().setUp()
        self.api = Api(self)

    def run_file(self, body, *args, check=0, scenario=None, env=None, name="s.yaml"):
        """`body` is the file after its first lines; without scenarios in it, `scenario` holds the steps of one iteration."""
        # what a busy machine makes late is no fault of the language
        text = "version: 1\nname: language\ngate: { onInvalid: warn }\n" + ("" if re.search("^target:", body, re.M) else f"target: {{ url: \"{self.api.url}\" }}\n") + body
        if scenario is not None:
            text += "\nscenarios:\n  main:\n    executor: per-vu-iterations\n    steps:\n"
            text += "".join(f"      {line}\n" for line in scenario.strip("\n").splitlines())
        self.write(name, text)
        self.api.seen.clear()
        return self.flamegate("run", "--no-profile", "-q", *args, name, env=env, check=check)

    def checks(self):
        return {one["name"]: (one["passes"], one["fails"]) for one in self.run_json(self.bundle())["checks"]}

    # -- values ---------------------------------------------------------------------------------

    def test_captures_of_every_kind(self):
        self.run_file("", scenario="""
- get:
    url: /item
    capture:
      number: { json: $.price }
      text: { json: $.name }
      list: { json: "$.tags[*]" }
      node: { json: $.deep }
      nothing: { json: $.none }
      yes_: { json: $.yes }
      trace: { header: x-trace }
      sid: { cookie: sid }
      code: { status: true }
      whole: { body: true }
      absent: { json: $.absent, optional: true }
      other: { json: $.absent, default: { a: [1] } }
- get:
    url: /text
    capture:
      order: { regex: "order=(\\\\d+)" }
      second: { regex: "total=(\\\\d+)\\\\.(\\\\d+)", group: 2 }
      named: { regex: "state=(?<st>\\\\w+)", group: st }
      plain: { regex: "state" }
      zero: { regex: "order=(\\\\d+)", group: 0 }
- post:
    url: /out
    json:
      number: "{{ number }}"
      text: "{{ text }}"
      list: "{{ list }}"
      node: "{{ node }}"
      nothing: "{{ nothing }}"
      yes: "{{ yes_ }}"
      code: "{{ code }}"
      absent: "{{ absent }}"
      other: "{{ other }}"
      mixed: "n={{ number }} l={{ list }}"
      regex: ["{{ order }}", "{{ second }}", "{{ named }}", "{{ plain }}", "{{ zero }}"]
      header: "{{ trace }}"
      cookie: "{{ sid }}"
      length: "{{ length(whole) > 50 }}"
      sum: "{{ number * 2 + toInt(order) }}"
""".replace("\\\\", "\\\\"))
        self.assertEqual(json.loads(self.api.only("/out").body), {
            "number": 12.5, "text": "Saw", "list": ["a", "b"], "node": {"x": [{"y": 1}, {"y": 2}]}, "nothing": None, "yes": True,
            "code": 200, "absent": None, "other": {"a": [1]}, "mixed": 'n=12.5 l=["a","b"]',
            "regex": ["81", "90", "open", "state", "order=81"], "header": "t-42", "cookie": "s1", "length": True, "sum": 106})

    def test_a_capture_that_finds_nothing_ends_the_iteration(self):
        done = self.run_file("", scenario="- get: { url: /item, capture: { x: { json: $.absent } } }\n- get: /after\n", check=0)
        self.assertEqual(self.api.counts(), {"/item": 1})
        self.assertRegex(done.err, r"s\.yaml:\d+:\d+: GET /item: capture x: found nothing")

    def test_checks_of_every_kind(self):
        pairs = [  # a check that holds, one that does not
            ("status: 200", "status: 404"), ("status: 2xx", "status: 3xx"), ('status: "200-299"', 'status: "300-399"'),
            ("header: X-Trace", "header: X-None"), ("header: X-Trace, equals: t-42", "header: X-Trace, equals: t-43"),
            ("header: { Content-Type: { contains: json } }", "header: { Content-Type: { contains: html } }"),
            ("cookie: sid, equals: s1", "cookie: sid, equals: s2"), ("cookie: none, exists: false", "cookie: sid, exists: false"),
            ("json: $.price, gt: 12", "json: $.price, gt: 12.5"), ("json: $.price, gte: 12.5", "json: $.price, gte: 12.6"),
            ("json: $.price, lt: 12.6", "json: $.price, lt: 12.5"), ("json: $.price, lte: 12.5", "json: $.price, lte: 12"),
            ("json: $.id, equals: 7", "json: $.id, equals: 8"), ("json: $.id, notEquals: 8", "json: $.id, notEquals: 7"),
            ("json: $.name, equals: Saw", "json: $.name, equals: saw"), ("json: $.none, exists: true", "json: $.absent, exists: true"),
            ("json: $.absent, exists: false", "json: $.id, exists: false"), ("json: $.name, matches: ^S", "json: $.name, matches: ^a"),
            ("json: $.tags, contains: b", "json: $.tags, contains: c"), ("json: $.yes, equals: true", "json: $.yes, equals: false"),
            ("json: { $.name: { contains: aw } }", "json: { $.name: { contains: xx } }"),
            ("body: { matches: price }", "body: { matches: cost }"), ("body: { contains: price }", "body: { contains: cost }"),
            ("contains: Saw", "contains: Hammer"), ("matches: S.w", "matches: ^S.w"),
            ('regex: "id.: (\\\\d+)", equals: 7', 'regex: "id.: (\\\\d+)", equals: 8'), ('regex: "name"', 'regex: "nome"'),
            ('duration: "<5s"', 'duration: ">5s"'), ('size: "<10KB"', 'size: ">10KB"'),
        ]
        lines = ["- get:\n    url: /item\n    checks:"]
        for i, (holds, fails) in enumerate(pairs):
            lines += [f"      - {{ name: holds {i}, {holds} }}", f"      - {{ name: fails {i}, {fails} }}"]
        self.run_file("", scenario="\n".join(lines).replace("\\\\", "\\\\"))
        seen = self.checks()
        wrong = [(pair, seen.get(f"holds {i}"), seen.get(f"fails {i}")) for i, pair in enumerate(pairs)
                 if seen.get(f"holds {i}") != (1, 0) or seen.get(f"fails {i}") != (0, 1)]
        self.assertEqual(wrong, [])

    def test_expectations_end_the_iteration(self):
        kinds = ["status: 404", "header: { X-Trace: nope }", "cookie: { sid: { exists: false } }", "json: { $.id: { gt: 7 } }",
                 "body: { contains: Hammer }", "regex: Hammer", 'duration: ">5s"', 'size: "<1B"']
        scenarios = "scenarios:\n"
        for i, kind in enumerate(kinds):
            scenarios += (f"  e{i}:\n    executor: per-vu-iterations\n    steps:\n      - get: {{ url: /item, expect: {{ {kind} }} }}\n"
                          f"      - get: /after{i}\n")
        scenarios += ("  good:\n    executor: per-vu-iterations\n    steps:\n      - get: { url: /item, expect: { status: 200, header: { X-Trace: t-42 }, "
                      "cookie: { sid: s1 }, json: { $.id: 7, $.tags: { contains: a } }, regex: Saw, duration: \"<5s\", size: \">1B\" } }\n      - get: /good\n")
        self.run_file(scenarios)
        self.assertEqual(self.api.counts(), {"/item": len(kinds) + 1, "/good": 1})

    def test_names_of_every_kind(self):
        self.write("flows/part.yaml", "vars: { fromPart: p }\nflows:\n  inner: { params: { a: 1, b: null }, steps: [ { post: { url: /inner, json: [\"{{ a }}\", \"{{ b }}\"] } } ] }\n")
        body = """include: [flows/part.yaml]
vars: { currency: EUR, count: 3 }
secrets: { token: { env: API_TOKEN }, absent: { env: NO_SUCH_VARIABLE, optional: true } }
environments: { ci: { vars: { count: 9 }, http: { headers: { X-Environment: ci } } } }
http: { headers: { X-All: "{{ currency }}", X-Shell: "${SHELL_ONE:-fallback} $$1" } }
setup: { steps: [ { get: { url: /item, capture: { got: { json: $.deep } } } } ] }
teardown: { steps: [ { delete: { url: "/gone?y={{ jsonPath(setup.got, '$.x[1].y') }}" } } ] }
flows:
  outer: { params: { who: demo }, steps: [ { run: inner, with: { a: "{{ who }}", b: "{{ count + 1 }}" } }, { run: inner } ] }
scenarios:
  one:
    executor: per-vu-iterations
    env: { WHERE: here }
    steps:
      - run: outer
        with: { who: "{{ setup.got }}" }
      - post: { url: /names, json: { currency: "{{ currency }}", count: "{{ count }}", part: "{{ fromPart }}", env: "{{ env.WHERE }}",
          cli: "{{ env.FROM_CLI }}", process: "{{ env.FROM_PROCESS }}", vu: "{{ vu }}", iteration: "{{ iteration }}", scenario: "{{ scenario.name }}",
          inTest: "{{ scenario.iteration }}", token: "{{ secrets.token }}", url: "{{ target.url }}" } }
"""
        self.run_file(body, "-e", "currency=USD", "-e", "FROM_CLI=c", "--environment", "ci", env={"API_TOKEN": "s3cr3t-value", "FROM_PROCESS": "p1"})
        self.assertEqual(json.loads(self.api.only("/names").body), {
            "currency": "USD", "count": 9, "part": "p", "env": "here", "cli": "c", "process": "p1", "vu": 1, "iteration": 0,
            "scenario": "one", "inTest": 0, "token": "s3cr3t-value", "url": self.api.url})
        self.assertEqual([json.loads(one.body) for one in self.api.of("/inner")], [[{"x": [{"y": 1}, {"y": 2}]}, 10], [1, None]])
        self.assertEqual(self.api.only("/gone").query, {"y": ["2"]})
        headers = self.api.only("/names").headers
        self.assertEqual((headers["X-All"], headers["X-Shell"], headers["X-Environment"]), ("USD", "fallback $1", "ci"))

    def test_functions(self):
        cases = {  # expression → value, or a pattern of its text
            "upper('aé')": "Aé", "lower('AB')": "ab", "trim('  a ')": "a", "length('äöü')": 3, "substring('abcdef', 1, 3)": "bc",
            "substring('abc', -2)": "bc", "replace('a-b-c', '-', '+')": "a+b+c", "repeat('ab', 3)": "ababab", "padStart('7', 3, '0')": "007",
            "contains('abc', 'b')": True, "startsWith('abc', 'ab')": True, "endsWith('abc', 'ab')": False, "indexOf('abc', 'c')": 2,
            "matches('abc', '^a')": True, "regexFind('id=42', 'id=([0-9]+)', 1)": "42", "split('a,b', ',')": ["a", "b"],
            "join(split('a,b', ','), '-')": "a-b", "range(1, 3)": [1, 2], "json(range(2))": "[0,1]", "parseJson('[1,null]')": [1, None],
            "jsonPath('[5,6]', '$[1]')": 6, "default('', 'x')": "x", "toNumber('1.50')": 1.5, "toInt('7.9')": 7, "toString(5)": "5",
            "round(2.5)": 3, "round(1.255, 2)": None, "floor(-1.5)": -2, "ceil(1.2)": 2, "abs(-3)": 3, "min(3, 1)": 1, "max(range(4))": 3,
            "base64('ab?')": "YWI/", "base64Url('ab?>')": None, "base64Decode('YWI=')": "ab", "hex('az')": "617a", "urlEncode('a b/ü')": "a%20b%2F%C3%BC",
            "urlDecode('a%20b')": "a b", "md5('a')": "0cc175b9c0f1b6a831c399e269772661", "sha1('a', 'base64')": "hvfkN/qlp/zhXR3cuerq6jd2Z7g=",
            "sha256('')": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "hmacSha256('k', 'm')": None,
            "uuid()": re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"), "randomString(12, 'ab')": re.compile("[ab]{12}"),
            "isoTime(0)": "1970-01-01T00:00:00.000Z", "date('%F %T', 86400000)": "1970-01-02 00:00:00", "randomItem('x', 'x')": "x",
            "randomInt(3, 3)": 3, "1 + 2 * 3": 7, "7 % 4": 3, "(1 + 2) / 2": 1.5, "1 < 2 && !false": True, "'a' + 1": "a1", "true ? 'y' : 'n'": "y",
        }
        lines = [f"    - {json.dumps('{{ ' + one + ' }}')}" for one in cases]
        self.run_file("", scenario="- post:\n    url: /out\n    json:\n" + "\n".join("  " + one for one in lines))
        for (expression, want), got in zip(cases.items(), json.loads(self.api.only("/out").body)):
            with self.subTest(expression):
                if isinstance(want, re.Pattern):
                    self.assertRegex(got, want)
                elif want is not None:
                    self.assertEqual((got, type(got)), (want, type(want)))

    # -- steps ----------------------------------------------------------------------------------

    def test_steps(self):
        body = """scenarios:
  main:
    executor: per-vu-iterations
    iterations: 400
    steps:
      - choose: [ { weight: 7, steps: [ { get: /seven } ] }, { weight: 3, steps: [ { get: /three } ] } ]
      - if: { when: "{{ iteration == 0 }}", then: [ { get: /first } ], else: [ { metric: { name: later, type: counter, value: 1 } } ] }
      - metric: { name: cc, type: counter, value: 2 }
      - metric: { name: gg, type: gauge, value: "{{ iteration }}" }
      - metric: { name: rr, type: rate, value: "{{ iteration % 4 == 0 }}" }
      - metric: { name: tt, type: trend, value: "{{ iteration }}" }
      - if: { when: "{{ iteration == 1 }}", then: [ { log: "line {{ iteration }}" }, { fail: "no more of {{ iteration }}" } ] }
      - if:
          when: "{{ iteration == 0 }}"
          then:
            - group: { name: outer, steps: [ { group: { name: inner, steps: [ { get: /grouped } ] } } ] }
            - loop: { count: 3, as: i, steps: [ { get: "/count/{{ i }}" } ] }
            - loop: { over: [x, "{{ iteration }}"], as: e, steps: [ { loop: { count: 2, as: j, steps: [ { get: "/over/{{ e }}{{ j }}" } ] } } ] }
            - get: { url: /item, capture: { left: { json: $.id } } }
            - loop: { while: "{{ left > 5 }}", as: n, steps: [ { get: { url: "/while/{{ n }}", capture: { left: { json: $.id, default: 6 } } } }, { if: { when: "{{ n == 1 }}", then: [ { get: { url: "/status/200", capture: { left: { status: true, default: 0 } } } }, { get: { url: /text, capture: { left: { regex: "order=(4)", default: 1 } } } } ] } } ] }
            - parallel: [ { get: /slow }, { get: "/slow?2" }, { post: { url: "/slow", body: x } } ]
            - request: { method: PURGE, url: /purge }
            - put: { url: /put, body: p }
            - patch: { url: /patch, body: p }
            - head: /head
            - options: /options
            - delete: /delete
thresholds:
  cc: [ "count==800" ]
  gg: [ "value==399" ]
  rr: [ "rate==0.25" ]
  tt: [ "avg==199.5", "max==399", "min==0" ]
  later: [ "count==399" ]
  "http_reqs{group:::outer::inner}": [ "count==1" ]
"""
        done = self.run_file(body)
        counts = self.api.counts()
        self.assertEqual(counts["/seven"] + counts["/three"], 400)
        self.assertTrue(240 <= counts["/seven"] <= 320, counts)
        self.assertIn("line 1", done.out + done.err)
        self.assertIn("no more of 1", done.out + done.err)
        for path in ("/first", "/grouped", "/count/0", "/count/2", "/over/x0", "/over/x1", "/over/00", "/over/01", "/while/0", "/while/1"):
            self.assertEqual(counts[path], 1, path)
        self.assertNotIn("/count/3", counts)
        self.assertNotIn("/while/2", counts)
        slow = [one.at for one in self.api.of("/slow")]
        self.assertLess(max(slow) - min(slow), 1.4, "parallel")  # each takes 1.5 s
        self.assertEqual(len(slow), 3)
        for path, method in {"/purge": "PURGE", "/put": "PUT", "/patch": "PATCH", "/head": "HEAD", "/options": "OPTIONS", "/delete": "DELETE"}.items():
            self.assertEqual(self.api.only(path).method, method)

    def test_think(self):
        kinds = {"constant": None, "uniform": 0.06, "normal": 0.06, "exponential": None}
        text = "scenarios:\n  short: { executor: per-vu-iterations, iterations: 10, steps: [ { get: /short }, { think: 50ms } ] }\n"
        for kind in kinds:
            text += (f"  {kind}:\n    executor: per-vu-iterations\n    vus: 8\n    iterations: 12\n    steps: [ {{ get: \"/{kind}?vu={{{{ vu }}}}\" }}, "
                     f"{{ think: {{ min: 20ms, max: {'20' if kind == 'constant' else '100'}ms, distribution: {kind} }} }} ]\n")
        self.run_file(text)
        for kind, mean in kinds.items():
            by_vu = collections.defaultdict(list)
            for one in self.api.of("/" + kind):
                by_vu[one.query["vu"][0]].append(one.at)
            gaps = [b - a for times in by_vu.values() for a, b in zip(times, times[1:])]
            self.assertEqual(len(gaps), 88, kind)
            self.assertGreater(min(gaps), 0.015, kind)  # the server notes a request before it answers
            if kind == "constant":  # what is not thought: the request itself, as long as this machine takes for it
                request = statistics.mean(gaps) - 0.02
            if mean:
                thought = statistics.mean(gaps) - request
                self.assertTrue(mean * 0.75 < thought < mean * 1.35, (kind, thought, request))
            if kind == "exponential":  # one in seven goes beyond max
                self.assertGreater(max(gaps), 0.1)

    def test_init_setup_teardown_once(self):
        executors = {
            "shared": ("executor: shared-iterations, vus: 3, iterations: 30", 3), "pervu": ("executor: per-vu-iterations, vus: 3, iterations: 4", 3),
            "constant": ("executor: constant-vus, vus: 3, duration: 1s", 3),
            "ramping": ("executor: ramping-vus, startVUs: 1, stages: [ { duration: 1s, target: 3 } ]", 3),
            "rate": ("executor: constant-arrival-rate, rate: 30, duration: 1s, preAllocatedVUs: 3", 3),
            "ramprate": ("executor: ramping-arrival-rate, startRate: 20, stages: [ { duration: 1s, target: 40 } ], preAllocatedVUs: 3", 3),
        }
        text = ("loadgen: { threads: 2 }\nsetup: { steps: [ { post: /setup } ] }\nteardown: { steps: [ { post: /teardown } ] }\nscenarios:\n")
        for name, (fields, _) in executors.items():
            text += (f"  {name}: {{ {fields}, init: [ {{ get: {{ url: \"/init?s={name}&vu={{{{ vu }}}}\", capture: {{ mine: {{ json: $.from }} }} }} }} ], "
                     f"steps: [ {{ get: \"/run?s={name}&vu={{{{ vu }}}}&mine={{{{ mine }}}}\" }}, {{ think: 20ms }} ] }}\n")
        self.run_file(text)
        self.assertEqual((len(self.api.of("/setup")), len(self.api.of("/teardown"))), (1, 1))
        self.assertEqual(self.api.seen[0].path, "/setup")
        self.assertEqual(self.api.seen[-1].path, "/teardown")
        for name, (_, vus) in executors.items():
            inits = [one for one in self.api.of("/init") if one.query["s"] == [name]]
            self.assertEqual(len({one.query["vu"][0] for one in inits}), len(inits), f"{name}: twice in one VU")
            self.assertEqual(len(inits), vus, name)
            ready = {one.query["vu"][0]: one.at for one in inits}
            runs = [one for one in self.api.of("/run") if one.query["s"] == [name]]
            self.assertTrue(runs, name)
            for one in runs:
                self.assertLess(ready[one.query["vu"][0]], one.at, name)
                self.assertEqual(one.query["mine"], ["api"])

    def test_flow_of_a_scenario(self):
        self.run_file("""flows: { buy: { params: { what: pen }, steps: [ { get: "/buy/{{ what }}/{{ scenario.name }}" } ] } }
scenarios:
  a: { executor: shared-iterations, vus: 2, iterations: 4, flow: buy }
  b: { executor: per-vu-iterations, startTime: 500ms, tags: { tier: b }, flow: buy }
thresholds: { "http_reqs{tier:b}": [ "count==1" ], "http_reqs{scenario:a}": [ "count==4" ] }
""")
        self.assertEqual(self.api.counts(), {"/buy/pen/a": 4, "/buy/pen/b": 1})
        started = self.run_json(self.bundle())["time"]["startedMonotonicNs"] / 1e9
        self.assertGreaterEqual(self.api.only("/buy/pen/b").at - started, 0.5)

    # -- data -----------------------------------------------------------------------------------

    def test_data(self):
        rows = [str(i) for i in range(10)]
        self.write("d.csv", "n,text\n" + "".join(f'{i},"a, ""{i}"""\n' for i in rows))
        self.write("d.tsv", "n\ttext\n" + "".join(f"{i}\tt{i}\n" for i in rows))
        self.write("d.json", json.dumps([{"n": i, "text": {"i": i}} for i in range(10)]))
        self.write("d.jsonl", "".join(json.dumps({"n": i}) + "\n" for i in range(10)))
        text, scenarios = "loadgen: { threads: 2 }\ndata:\n", "scenarios:\n"
        cases = {}
        for order in ("sequence", "random", "shuffle", "unique"):
            for scope in ("vu", "shared"):
                for end in ("recycle", "stop"):
                    if order == "unique" and (scope == "vu" or end == "recycle"):
                        continue
                    name = f"{order}_{scope}_{end}"
                    cases[name] = (order, scope, end)
                    text += f"  {name}: {{ path: d.csv, order: {order}, scope: {scope}, onEnd: {end} }}\n"
                    scenarios += (f"  {name}: {{ executor: per-vu-iterations, vus: 2, iterations: 12, steps: [ {{ get: "
                                  f"\"/{name}?vu={{{{ vu }}}}&n={{{{ data.{name}.n }}}}&again={{{{ data.{name}.n }}}}\" }} ] }}\n")
        for kind in ("tsv", "json", "jsonl"):
            text += f"  as_{kind}: {{ path: d.{kind} }}\n"
            scenarios += f"  as_{kind}: {{ executor: per-vu-iterations, steps: [ {{ post: {{ url: /{kind}, json: \"{{{{ data.as_{kind}.n }}}}\" }} }} ] }}\n"
        scenarios += "  quoted: { executor: per-vu-iterations, steps: [ { post: { url: /quoted, body: \"{{ data.sequence_vu_stop.text }}\" } } ] }\n"
        self.run_file(text + scenarios)
        self.assertEqual([json.loads(self.api.only(f"/{kind}").body) for kind in ("tsv", "json", "jsonl")], ["0", 0, 0])
        self.assertEqual(self.api.only("/quoted").body, b'a, "0"')
        for name, (order, scope, end) in cases.items():
            with self.subTest(name):
                by_vu = collections.defaultdict(list)
                for one in self.api.of("/" + name):
                    by_vu[one.query["vu"][0]].append(one.query["n"][0])
                    self.assertEqual(one.query["n"], one.query["again"])
                every = [n for list_ in by_vu.values() for n in list_]
                if order == "random":
                    self.assertEqual(len(every), 24)
                    self.assertGreater(len(set(every)), 3)
                elif scope == "vu":
                    for list_ in by_vu.values():
                        self.assertEqual(len(list_), 12 if end == "recycle" else 10)
                        self.assertEqual(sorted(list_[:10]), rows)
                        if order == "sequence":
                            self.assertEqual(list_, (rows + rows)[:len(list_)])
                    self.assertEqual(len(by_vu), 2)
                elif end == "stop":
                    self.assertEqual(sorted(every), rows)
                else:
                    self.assertEqual(len(every), 24)
                    counts = collections.Counter(every)
                    self.assertEqual((len(counts), max(counts.values()) - min(counts.values()) <= 2), (10, True), counts)

    def test_a_row_is_dealt_once(self):
        """Two scenarios that share a set, and iterations after an init that took rows."""
        self.write("d.csv", "n\n" + "".join(f"{i}\n" for i in range(40)))
        self.run_file("""loadgen: { threads: 2 }
data:
  both: { path: d.csv, scope: shared, onEnd: stop }
  alone: { path: d.csv, order: unique, onEnd: stop }
scenarios:
  a: { executor: shared-iterations, vus: 2, iterations: 20, steps: [ { get: "/both?n={{ data.both.n }}" } ] }
  b: { executor: shared-iterations, vus: 2, iterations: 20, steps: [ { get: "/both?n={{ data.both.n }}" } ] }
  idle: { executor: shared-iterations, vus: 50, iterations: 50, steps: [ { get: /idle } ] }
  c: { executor: shared-iterations, vus: 2, iterations: 20, init: [ { get: "/init?n={{ data.alone.n }}" } ], steps: [ { get: "/alone?n={{ data.alone.n }}" } ] }
""")
        for path, count in {"/both": 40, "/alone": 20}.items():
            rows = [one.query["n"][0] for one in self.api.of(path)]
            self.assertEqual(len(rows), len(set(rows)), path)
            self.assertEqual(len(rows), count, path)
        first = {one.query["n"][0] for one in self.api.of("/init")}
        self.assertLessEqual(first, {one.query["n"][0] for one in self.api.of("/alone")})

    # -- requests -------------------------------------------------------------------------------

    def test_bodies_and_queries(self):
        self.write("raw.bin", "file {{ not.a.template }}")
        self.run_file("vars: { odd: \"a b&c=d/ü?\" }\nhttp: { headers: { Accept: application/json } }", scenario=r"""
- post: { url: /json, json: { n: "{{ 1 + 1 }}", b: true, z: null, s: "1", t: "x {{ odd }}\"", f: 1.5 } }
- post: { url: /form, form: { odd: "{{ odd }}", plain: 1, "k k": "" } }
- post: { url: /multi, multipart: { field: { value: "{{ odd }}" }, up: { path: raw.bin, type: application/x-thing, filename: n.bin } } }
- post: { url: /body, body: "as {{ odd }}", headers: { Content-Type: text/x-own } }
- post: { url: /file, bodyFile: raw.bin }
- get: { url: "/query?have=1", query: { odd: "{{ odd }}", n: 5, "k&": "" } }
- get: { url: "/tagged/{{ 1 + 4 }}", tags: { page: five } }
- get: { url: /renamed, name: GET a name }
- get: { url: /hdr, headers: { X-A: "{{ 'v' + 1 }}", Accept: text/odd } }
""")
        odd = "a b&c=d/ü?"
        one = self.api.only("/json")
        self.assertEqual(json.loads(one.body), {"n": 2, "b": True, "z": None, "s": "1", "t": f'x {odd}"', "f": 1.5})
        self.assertTrue(one.headers["Content-Type"].startswith("application/json"))
        one = self.api.only("/form")
        self.assertEqual(urllib.parse.parse_qs(one.body.decode(), keep_blank_values=True), {"odd": [odd], "plain": ["1"], "k k": [""]})
        self.assertEqual(one.headers["Content-Type"], "application/x-www-form-urlencoded")
        one = self.api.only("/multi")
        parts = list(email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
            b"Content-Type: " + one.headers["Content-Type"].encode() + b"\r\n\r\n" + one.body).iter_parts())
        self.assertEqual([(p.get_param("name", header="content-disposition"), p.get_filename(), p.get_payload(decode=True)) for p in parts],
                         [("field", None, odd.encode()), ("up", "n.bin", b"file {{ not.a.template }}")])
        self.assertEqual(parts[1].get_content_type(), "application/x-thing")
        self.assertEqual((self.api.only("/body").body.decode(), self.api.only("/body").headers["Content-Type"]), ("as " + odd, "text/x-own"))
        self.assertEqual(self.api.only("/file").body, b"file {{ not.a.template }}")
        self.assertEqual(self.api.only("/query").query, {"have": ["1"], "odd": [odd], "n": ["5"], "k&": [""]})
        one = self.api.only("/hdr")
        self.assertEqual((one.headers["X-A"], one.headers.get_all("Accept")), ("v1", ["text/odd"]))
        names = [one["name"] for one in self.run_json(self.bundle())["classes"]]
        self.assertIn("GET a name", names)
        self.assertNotIn("GET /renamed", names)

    def test_http_keys(self):
        """Redirects, compression, time-outs and cookies on both engines."""
        body = """http: {{ timeout: 1s }}
scenarios:
  main:
    executor: per-vu-iterations
    iterations: 2
    steps:
      - get: {{ url: /hop/3, checks: [ {{ name: landed, contains: landed }} ] }}
      - get: {{ url: /hop/4, maxRedirects: 0, checks: [ {{ name: stays, status: 302 }} ] }}
      - get: {{ url: /hop/6, maxRedirects: 2, checks: [ {{ name: third, status: 302 }} ] }}
      - get: {{ url: /packed, compression: true, checks: [ {{ name: unpacked, json: $.id, equals: 77 }} ] }}
      - get: {{ url: /packed, checks: [ {{ name: plain, json: $.id, equals: 78 }} ] }}
      - get: /cookies
      - get: "/set?v={{{{ iteration }}}}"
      - get: /cookies
      - get: {{ url: /slow, checks: [ {{ name: late, status: 200 }} ] }}
      - get: {{ url: /slow, timeout: 5s, checks: [ {{ name: patient, status: 200 }} ] }}
"""
        for engine in ("native", "curl"):
            with self.subTest(engine):
                self.api.seen.clear()
                self.run_file(body.format(), "--engine", engine)
                self.assertEqual(self.checks(), {"landed": (2, 0), "stays": (2, 0), "third": (2, 0), "unpacked": (2, 0), "plain": (2, 0),
                                                 "late": (0, 2), "patient": (2, 0)})
                self.assertEqual([one.headers.get("Cookie") for one in self.api.of("/cookies")], [None, "seen=0", None, "seen=1"])
                self.assertEqual([self.api.counts()[f"/hop/{i}"] for i in range(7)], [2, 2, 2, 2, 4, 2, 2])

    def test_connections(self):
        text = "scenarios:\n"
        for kind in ("connection: vu", "connection: iteration", "connection: none", "keepAlive: false"):
            name = kind.replace(": ", "_")
            text += (f"  {name}: {{ executor: per-vu-iterations, vus: 2, iterations: 3, steps: [ {{ get: {{ url: /{name}, {kind} }} }}, "
                     f"{{ get: {{ url: /{name}, {kind} }} }} ] }}\n")
        for engine in ("native", "curl"):
            self.api.seen.clear()
            self.run_file(text, "--engine", engine)
            for name, want in {"connection_vu": 2, "connection_iteration": 6, "connection_none": 12, "keepAlive_false": 12}.items():
                self.assertEqual(len({one.connection for one in self.api.of("/" + name)}), want, (engine, name))

    def test_where_to_connect(self):
        other = Api(self, "other")
        path = self.dir / "api.sock"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(8)
        self.addCleanup(listener.close)
        asked = []

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                asked.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
                connection.close()

        threading.Thread(target=serve, daemon=True).start()
        self.run_file("", scenario=f"""
- get: {{ url: "http://api.local:80/resolved", resolve: {{ "api.local:80": "127.0.0.1:{other.port}" }} }}
- get: {{ url: "http://unix.local/over/socket", unixSocket: {path}, checks: [ {{ name: unix, contains: hi }} ] }}
- get: {{ url: "http://far.example/proxied", proxy: "http://127.0.0.1:{other.port}" }}
- get: {{ url: "{other.url}/absolute" }}
""")
        self.assertEqual(other.only("/resolved").headers["Host"], "api.local")
        self.assertIn(b"GET /over/socket HTTP/1.1", asked[0])
        self.assertEqual(self.checks(), {"unix": (1, 0)})
        self.assertEqual(other.only("/proxied").target, "http://far.example/proxied")
        self.assertEqual(len(other.of("/absolute")), 1)

    def test_authorization(self):
        self.run_file("vars: { user: 'Ä:x' }\nsecrets: { p: { env: P } }\nhttp: { auth: { basic: { user: common, password: \"{{ secrets.p }}\" } } }", env={"P": "s3cr3t-value"}, scenario="""
- get: /common
- get: { url: /basic, auth: { basic: { user: "{{ upper('me') }}", password: "x{{ secrets.p }}" } } }
- get: { url: /bearer, auth: { bearer: "{{ secrets.p }}" } }
- get: { url: /sigv4, auth: { sigv4: { accessKey: AK, secretKey: "{{ secrets.p }}", region: eu-central-1, service: s3 } } }
""")
        def basic(text):
            return "Basic " + base64.b64encode(text.encode()).decode()
        self.assertEqual(self.api.only("/common").headers["Authorization"], basic("common:s3cr3t-value"))
        self.assertEqual(self.api.only("/basic").headers.get_all("Authorization"), [basic("ME:xs3cr3t-value")])
        self.assertEqual(self.api.only("/bearer").headers.get_all("Authorization"), ["Bearer s3cr3t-value"])
        sign = self.api.only("/sigv4").headers.get_all("Authorization")
        self.assertEqual(len(sign), 1)
        self.assertRegex(sign[0], r"^AWS4-HMAC-SHA256 Credential=AK/\d{8}/eu-central-1/s3/aws4_request")

    def test_digest(self):
        """Many rounds at a server that answers at once: both rounds then come in one turn of curl's."""
        def answer(one):
            given = dict(re.findall(r'(\w+)="?([^",]+)"?', one.headers.get("Authorization", "")))
            def md5(text):
                return hashlib.md5(text.encode()).hexdigest()
            want = md5(":".join((md5("u:r:right"), given.get("nonce", ""), given.get("nc", ""), given.get("cnonce", ""), "auth", md5("GET:/digest"))))
            if given.get("response") == want:
                return 200, [], b"{}"
            return 401, [("WWW-Authenticate", 'Digest realm="r", nonce="abc", qop="auth"')], b""
        self.api.answer = answer
        self.run_file("secrets: { pw: { env: PW } }\nscenarios: { main: { executor: per-vu-iterations, vus: 4, iterations: 100, steps: ["
                      "{ get: { url: /digest, auth: { digest: { user: u, password: \"{{ secrets.pw }}\" } }, checks: [ { name: in, status: 200 } ] } },"
                      "{ get: { url: /digest, auth: { digest: { user: u, password: wrong } }, checks: [ { name: out, status: 401 } ] } } ] } }", env={"PW": "right"})
        self.assertEqual(self.checks(), {"in": (400, 0), "out": (400, 0)})

    # -- secrets --------------------------------------------------------------------------------

    def test_secrets_are_nowhere(self):
        secret = "s3cr3t-value/+ü"
        steps = """
- get: { url: "/path/{{ urlEncode(secrets.token) }}", headers: { X-Key: "k {{ secrets.token }}" } }
- post: { url: /json, json: { p: "{{ secrets.token }}" }, checks: [ { name: "not {{ secrets.token }}", contains: "{{ secrets.token }}" } ] }
- get: { url: /basic, auth: { basic: { user: u, password: "{{ secrets.token }}" } } }
- log: "told {{ secrets.token }}"
- get: { url: "/q", query: { t: "{{ secrets.token }}" }, expect: { body: { contains: "{{ secrets.token }}" } } }
"""
        kinds = ["json", "ndjson", "csv", "junit", "k6-summary", "openmetrics", "markdown"]
        outs = [word for kind in kinds for word in ("-o", f"{kind}=out.{kind}")]
        done = self.run_file("secrets: { token: { env: TOKEN } }", *outs, scenario=steps.replace(' name: "not {{ secrets.token }}",', ""), env={"TOKEN": secret})
        printed = self.flamegate("validate", "--print", "s.yaml", env={"TOKEN": secret}, check=0)
        self.assertIn(b"s3cr3t", self.api.only("/json").body)
        encodings = [secret, urllib.parse.quote(secret, safe=""), base64.b64encode(f"u:{secret}".encode()).decode(), json.dumps(secret)[1:-1]]
        texts = {"out": done.out, "err": done.err, "print": printed.out}
        for file in self.dir.rglob("*"):
            if file.is_file() and file.suffix not in (".yaml",):
                data = file.read_bytes()
                texts[str(file)] = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8", "replace")
        self.assertGreater(len(texts), len(kinds))
        leaks = [(name, one) for name, text in texts.items() for one in encodings if one in text]
        self.assertEqual(leaks, [])
        self.assertIn("told ***", done.out + done.err)

    # -- bad input ------------------------------------------------------------------------------

    def test_bad_input_is_placed(self):
        base = "version: 1\nname: x\ntarget: { url: http://127.0.0.1:1 }\nscenarios:\n  a:\n    executor: per-vu-iterations\n    steps:\n"
        cases = {
            "      - gte: /x\n": (8, 'did you mean "get"'),
            "      - get: { url: /x, expcet: { status: 200 } }\n": (8, 'did you mean "expect"'),
            "      - get: { url: /x, capture: { t: { jsn: $.a } } }\n": (8, 'did you mean "json"'),
            "      - think: 5\n": (8, "unit"),
            "      - run: nothing\n": (8, "nothing"),
            '      - log: "{{ uper(1) }}"\n': (8, 'did you mean "upper"'),
            '      - log: "{{ tokn }}"\n      - get: { url: /x, capture: { token: { json: $.t } } }\n': (8, 'did you mean "token"'),
            "      - metric: { name: a, type: trnd, value: 1 }\n": (8, 'did you mean "trend"'),
            "      - think: { min: 1s, max: 2s, distribution: gaussian }\n": (8, "gaussian"),
            "      - get: { url: /x, checks: [ { json: '$.[', exists: true } ] }\n": (8, "$.["),
            "      - get: { url: /x, checks: [ { regex: '(' } ] }\n": (8, "("),
        }
        for i, (steps, (line, part)) in enumerate(cases.items()):
            with self.subTest(steps.strip()):
                self.write(f"bad{i}.yaml", base + steps)
                done = self.flamegate("validate", f"bad{i}.yaml", check=104)
                self.assertRegex(done.err, rf"bad{i}\.yaml:{line}:\d+: ")
                self.assertIn(part, done.err)


if __name__ == "__main__":
    kit.main()
