#!/usr/bin/env python3
"""What a server sees of every kind of step; setup, teardown and init with their exit codes."""
import collections
import gzip
import http.server
import json
import pathlib
import signal
import sys
import threading
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kit"))
import kit


class Api:
    """A small API in this process that remembers every request."""

    def __init__(self, case):
        api = self
        self.seen, self.lock = [], threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length).decode()
                with api.lock:
                    api.seen.append((self.command, self.path, dict(self.headers.items()), body))
                status, headers, answer = api.answer(self.command, self.path, self.headers, body)
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer)

            do_GET = do_POST = do_DELETE = do_HEAD = do_PUT = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        case.addCleanup(self.server.server_close)
        case.addCleanup(self.server.shutdown)

    def answer(self, method, path, headers, body):
        path = urllib.parse.urlsplit(path).path
        if path == "/login":
            user = json.loads(body)["user"]
            return 200, [("Set-Cookie", f"sid={user}; Path=/")], json.dumps({"token": f"t-{user}", "roles": ["a", "b"]}).encode()
        if path == "/packed":
            return 200, [("Content-Encoding", "gzip")], gzip.compress(b'{"id": 77}')
        if path == "/moved":
            return 302, [("Location", "here?x=1"), ("Set-Cookie", "hop=1")], b""
        if path == "/round":
            return 307, [("Location", "/round")], b""
        if path == "/hang":
            threading.Event().wait(20)
        if path == "/fails":
            return 500, [], b"{}"
        return 200, [], b'{"ok": true}'

    def counts(self):
        with self.lock:
            return collections.Counter(f"{method} {path}" for method, path, _, _ in self.seen)

    def of(self, path):
        with self.lock:
            return [one for one in self.seen if one[1].startswith(path)]


class Steps(kit.TestCase):
    def setUp(self):
        super().setUp()
        self.api = Api(self)

    def drive(self, steps, top="", scenario="", code=0, threads=2):
        """Four iterations of `steps`."""
        path = self.write("s.yaml", f"""
version: 1
name: t
target: {{ url: "http://127.0.0.1:{self.api.port}" }}
{top}
scenarios:
  a:
    executor: per-vu-iterations
    vus: 4
    iterations: 1
    maxDuration: 30s
    {scenario}
    steps:
{steps}
""")
        self.done = self.flamegate("run", "--no-profile", "--threads", threads, path, check=code)
        return self.run_json(self.bundle()) if code in (0, 99, 101) else None

    def requests(self, run):
        return {c["name"]: c["expected"]["requests"] + c["unexpected"]["requests"] for c in run["classes"]}

    def test_flow_capture_and_check(self):
        run = self.drive("""
      - run: login
        with: { user: "u{{ vu }}" }
      - get: { url: "/me?r={{ roles[1] }}", headers: { Authorization: "Bearer {{ token }}" } }
""", top="""
flows:
  login:
    params: { user: demo }
    steps:
      - post: { url: /login, json: { user: "{{ user }}" }, capture: { token: { json: $.token }, roles: { json: $.roles } },
                checks: [ { name: has token, json: $.token, exists: true } ] }
""")
        self.assertEqual(self.requests(run), {"POST /login": 4, "GET /me": 4})
        for _, path, headers, _ in self.api.of("/me"):
            self.assertEqual(path, "/me?r=b")
            self.assertRegex(headers["Authorization"], r"^Bearer t-u[1-4]$")
            # the jar followed from the answer to the next request
            self.assertEqual(headers["Cookie"], "sid=" + headers["Authorization"][len("Bearer t-"):])
        self.assertEqual([(c["name"], c["passes"], c["fails"]) for c in run["checks"]], [("has token", 4, 0)])

    def test_cookies_are_forgotten(self):
        self.drive("""
      - get: /first
      - post: { url: /login, json: { user: x } }
      - get: /second
""", threads=1)
        self.assertTrue(all("Cookie" not in headers for _, _, headers, _ in self.api.of("/first")))
        self.assertTrue(all(headers["Cookie"] == "sid=x" for _, _, headers, _ in self.api.of("/second")))

    def test_redirects(self):
        run = self.drive("""
      - post: { url: /moved, body: hello, checks: [ { name: arrived, status: 200 } ] }
      - get: { url: /round, maxRedirects: 3, checks: [ { name: gave up, status: 307 } ] }
      - get: { url: /moved, maxRedirects: 0, checks: [ { name: stayed, status: 302 } ] }
""")
        # every hop is a request of its step's class, as in k6
        self.assertEqual(self.requests(run), {"POST /moved": 8, "GET /round": 16, "GET /moved": 4})
        self.assertEqual(self.api.counts()["GET /here?x=1"], 4)
        self.assertTrue(all(headers.get("Cookie") == "hop=1" for _, _, headers, _ in self.api.of("/here")))
        self.assertTrue(all((c["passes"], c["fails"]) == (4, 0) for c in run["checks"]))

    def test_compressed_body(self):
        self.drive("""
      - get: { url: /packed, compression: true, capture: { id: { json: $.id } } }
      - get: "/item?id={{ id }}"
""")
        self.assertEqual(self.api.counts()["GET /item?id=77"], 4)
        self.assertTrue(all("gzip" in headers["Accept-Encoding"] for _, _, headers, _ in self.api.of("/packed")))

    def test_branches(self):
        run = self.drive("""
      - loop: { count: 3, as: i, steps: [ { get: "/loop?i={{ i }}" } ] }
      - loop: { over: [x, y], as: e, steps: [ { get: "/over?e={{ e }}" } ] }
      - if: { when: "{{ scenario.iteration < 2 }}", then: [ { get: /then } ], else: [ { get: /else } ] }
      - choose: [ { weight: 1, steps: [ { get: /left } ] }, { weight: 1, steps: [ { get: /right } ] } ]
      - parallel: [ { get: /p1 }, { get: /p2 }, { get: /p3 } ]
      - group: { name: g, steps: [ { get: /in }, { metric: { name: basket, type: counter, value: 2.5 } } ] }
      - think: { min: 1ms, max: 5ms, distribution: normal }
      - get: /end
""")
        counts = self.api.counts()
        for path, times in {"/loop?i=0": 4, "/loop?i=2": 4, "/loop?i=3": 0, "/over?e=x": 4, "/over?e=y": 4, "/then": 2,
                            "/else": 2, "/p1": 4, "/p2": 4, "/p3": 4, "/in": 4, "/end": 4}.items():
            self.assertEqual(counts[f"GET {path}"], times, path)
        self.assertEqual(counts["GET /left"] + counts["GET /right"], 4)
        self.assertEqual([c["group"] for c in run["classes"] if c["name"] == "GET /in"], ["::g"])
        self.assertEqual(run["scenarios"][0]["iterations"], 4)
        self.assertIn("basket", self.done.out)

    def test_log_fail_and_reasons(self):
        run = self.drive("""
      - log: "iteration {{ scenario.iteration }}"
      - get: /a
      - get: { url: /fails, expect: { status: 200 } }
      - get: /never
""", scenario="tags: { a: b }")
        self.assertEqual(self.api.counts(), {"GET /a": 4, "GET /fails": 4})
        self.assertEqual(run["scenarios"][0]["iterations"], 4)
        for i in range(4):
            self.assertIn(f"\niteration {i}\n", "\n" + self.done.err)
        self.assertEqual(self.done.err.count("a: iteration ended early:"), 2, self.done.err)  # told, and how often
        self.assertIn("4 times: a: iteration ended early:", self.done.err)
        self.assertIn("GET /fails: expected status is 200, got status 500", self.done.err)

    def test_fail_step(self):
        run = self.drive("""
      - get: /a
      - fail: "no luck in {{ vu }}"
      - get: /never
""")
        self.assertEqual(self.api.counts(), {"GET /a": 4})
        self.assertEqual(run["scenarios"][0]["iterations"], 4)
        self.assertIn("fail: no luck in ", self.done.err)

    def test_init_once_per_vu(self):
        run = self.drive("""
      - get: { url: /work, headers: { X-Token: "{{ token }}" } }
""", scenario="""init:
      - post: { url: /login, json: { user: "v{{ vu }}" }, capture: { token: { json: $.token } } }
""")
        self.assertEqual(self.requests(run), {"GET /work": 4})  # init is in no statistic
        logins = len(self.api.of("/login"))
        self.assertTrue(1 <= logins <= 4, logins)
        for _, _, headers, _ in self.api.of("/work"):
            self.assertRegex(headers["X-Token"], r"^t-v[1-4]$")
            self.assertEqual(headers["Cookie"], "sid=" + headers["X-Token"][2:])

    def test_data_rows(self):
        self.write("users.csv", "name,age\nann,1\nbob,2\n")
        data = "data: { users: { path: users.csv, order: %s } }"
        step = '      - get: "/u?n={{ data.users.name }}&a={{ data.users.age }}"\n'
        self.drive(step, top=data % "sequence, scope: shared, onEnd: recycle")
        self.assertEqual(self.api.counts(), {"GET /u?n=ann&a=1": 2, "GET /u?n=bob&a=2": 2})
        self.api.seen.clear()
        self.drive(step, top=data % "unique, onEnd: fail", code=16)
        self.assertIn("data users: all 2 rows are used up (onEnd: fail)", " ".join(self.done.out.split()))
        self.assertEqual(self.api.counts(), {"GET /u?n=ann&a=1": 1, "GET /u?n=bob&a=2": 1})

    SETUP = """
setup:
  steps:
    - post: { url: /login, json: { user: admin }, capture: { token: { json: $.token } }, expect: { status: 200 } }
    - log: "setup has {{ token }}"
teardown:
  steps:
    - delete: { url: "/cart", headers: { X-Token: "{{ setup.token }}" } }
"""

    def test_setup_and_teardown(self):
        run = self.drive("""
      - get: { url: /work, headers: { X-Token: "{{ setup.token }}" } }
""", top=self.SETUP)
        self.assertEqual(self.requests(run), {"GET /work": 4})
        self.assertEqual(self.api.counts(), {"POST /login": 1, "GET /work": 4, "DELETE /cart": 1})
        order = [path for _, path, _, _ in self.api.seen]
        self.assertEqual((order[0], order[-1]), ("/login", "/cart"))
        for _, _, headers, _ in self.api.of("/work") + self.api.of("/cart"):
            self.assertEqual(headers["X-Token"], "t-admin")
        self.assertIn("setup has t-admin", self.done.err)

    def test_setup_fails(self):
        for step, words in {
            "get: { url: /fails, expect: { status: 200 } }": "GET /fails: expected status is 200, got status 500",
            "get: { url: /x, capture: { y: { json: $.y } } }": "capture y",
            "fail: not today": "fail: not today",
            "get: { url: 'http://127.0.0.1:1/', expect: { status: 200 } }": "refused",
        }.items():
            with self.subTest(step=step):
                self.api.seen.clear()
                self.drive("      - get: /work\n", code=100, top=f"""
setup: {{ steps: [ {{ {step} }} ] }}
teardown: {{ steps: [ {{ get: /cart }} ] }}
""")
                self.assertIn(words, self.done.err)
                self.assertIn("setup: ", self.done.err)
                self.assertEqual(self.api.of("/work") + self.api.of("/cart"), [])

    def test_setup_times_out(self):
        self.drive("      - get: /work\n", code=100, top="setup: { timeout: 200ms, steps: [ { get: /hang } ] }")
        self.assertIn("setup did not end within 200ms", self.done.err)
        self.assertEqual(self.api.of("/work"), [])

    def test_teardown_fails(self):
        run = self.drive("      - get: /work\n", code=101,
                         top="teardown: { steps: [ { get: { url: /fails, expect: { status: 200 } } } ] }")
        self.assertEqual(self.requests(run), {"GET /work": 4})  # what was measured stays
        self.assertIn("teardown: ", self.done.err)
        self.assertIn("got status 500", self.done.err)

    def test_teardown_after_an_abort(self):
        self.drive("      - get: /fails\n", code=99, top="""
teardown: { steps: [ { get: /cart } ] }
thresholds:
  http_req_failed: [ { threshold: "rate<0.01", abortOnFail: true } ]
""")
        self.assertEqual(len(self.api.of("/cart")), 1)

    def interrupt(self, top, until):
        path = self.write("s.yaml", f"""
version: 1
name: t
target: {{ url: "http://127.0.0.1:{self.api.port}" }}
{top}
scenarios:
  a: {{ executor: constant-vus, vus: 1, duration: 60s, gracefulStop: 1s, steps: [ {{ get: /work }}, {{ think: 10ms }} ] }}
""")
        args = ("run", "--no-profile", path)
        process = self.spawn(*args)
        kit.wait_until(lambda: self.api.of(until), what=until)
        process.send_signal(signal.SIGINT)
        return self.finish(process, args, 60)

    def test_ctrl_c_in_setup(self):
        done = self.interrupt("setup: { steps: [ { get: /hang } ] }\nteardown: { steps: [ { get: /cart } ] }", "/hang")
        self.assertEqual(done.code, 105, done.err)
        self.assertEqual(self.api.of("/work") + self.api.of("/cart"), [])

    def end_in_teardown(self, url, *, again):
        path = self.write("s.yaml", f"""
version: 1
name: t
target: {{ url: "http://127.0.0.1:{self.api.port}" }}
teardown: {{ steps: [ {{ get: {url} }}, {{ think: 1s }}, {{ get: /cart }} ] }}
scenarios:
  a: {{ executor: shared-iterations, vus: 1, iterations: 1, steps: [ {{ get: /work }} ] }}
""")
        args = ("run", "--no-profile", path)
        process = self.spawn(*args)
        kit.wait_until(lambda: self.api.of(url), what=url)
        process.send_signal(signal.SIGINT)
        if again:
            kit.wait_until(lambda: process.send_signal(signal.SIGINT) or process.poll() is not None, what="the end")
        return self.finish(process, args, 60)

    def test_ctrl_c_lets_a_teardown_end(self):
        done = self.end_in_teardown("/work2", again=False)
        self.assertEqual(done.code, 105, done.err)
        self.assertIn("teardown still runs; once more ends it", done.err)
        self.assertEqual(len(self.api.of("/cart")), 1)

    def test_ctrl_c_twice_ends_a_teardown(self):
        done = self.end_in_teardown("/hang", again=True)
        self.assertEqual(done.code, 105, done.err)
        self.assertIn("teardown was interrupted", done.err)
        self.assertEqual(self.api.of("/cart"), [])

    def test_ctrl_c_in_the_run(self):
        done = self.interrupt("teardown: { steps: [ { get: /cart } ] }", "/work")
        self.assertEqual(done.code, 105, done.err)
        self.assertEqual(len(self.api.of("/cart")), 1)


if __name__ == "__main__":
    kit.main()
