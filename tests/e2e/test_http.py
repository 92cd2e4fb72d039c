#!/usr/bin/env python3
"""HTTP as a scenario says it, through the program: both engines do the same; what only curl can, against nginx."""
import collections
import gzip
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kit"))
import kit

TOKEN = json.dumps({"token": "abc", "pad": "x" * 2000}).encode()


class Api(http.server.BaseHTTPRequestHandler):
    """Cookies, redirects, compressed bodies; every request is noted in server.seen."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        with self.server.lock:
            self.server.seen[self.command, self.path, self.headers.get("Cookie", ""), body,
                             self.headers.get("Content-Type", ""), self.headers.get("Accept-Encoding", ""),
                             self.headers.get("Accept", ""), self.headers.get("Referer", "")] += 1
        if path == "/set":
            self.answer(200, Set_Cookie="session=s1; Path=/; HttpOnly")
        elif path == "/need":
            self.answer(200 if "session=s1" in self.headers.get("Cookie", "") else 403, b"{}")
        elif path == "/drop":
            self.answer(200, Set_Cookie="session=gone; Path=/; Max-Age=0")
        elif path.startswith("/redirect/"):
            self.answer(int(path[10:]), Location="/landed?from=" + path[10:])
        elif path == "/set-and-go":
            self.answer(302, Set_Cookie="hop=h1; Path=/", Location="/landed")
        elif path == "/loop":
            self.answer(302, Location="/loop")
        elif path == "/gzip":
            wanted = "gzip" in self.headers.get("Accept-Encoding", "")
            self.answer(200, gzip.compress(TOKEN) if wanted else TOKEN, **({"Content_Encoding": "gzip"} if wanted else {}))
        elif path == "/deflate":
            self.answer(200, zlib.compress(TOKEN), Content_Encoding="deflate")
        else:
            self.answer(200, json.dumps({"method": self.command, "body": body.decode()}).encode())

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = handle_any


STEPS = """
    - get: /set
    - get: { url: /need, checks: [ { status: 200 } ] }
    - get: /drop
    - get: { url: /need?again, name: dropped, checks: [ { status: 403 } ] }
    - get: /redirect/301
    - post: { url: /redirect/302, json: { a: 1 } }
    - post: { url: /redirect/303, body: "x" }
    - put: { url: /redirect/307, json: { a: 1 } }
    - delete: { url: /redirect/308 }
    - get: /set-and-go
    - get: { url: /redirect/302?stay, name: not followed, maxRedirects: 0, checks: [ { status: 302 } ] }
    - get: { url: /loop, maxRedirects: 3 }
    - get: { url: /gzip, compression: true, capture: { token: { json: $.token } } }
    - get: { url: "/plain/{{ token }}", name: captured }
    - get: { url: /deflate, compression: true, checks: [ { json: { $.token: abc } } ] }
    - patch: { url: /echo, form: { a: "b c", d: "e&f" } }
    - options: /echo
    - head: /echo
    - get: { url: /query, query: { q: "a b", n: 1 } }
"""


class Http(kit.TestCase):
    def api(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
        server.daemon_threads = True
        server.lock, server.seen = threading.Lock(), collections.Counter()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def drive(self, engine, url, steps, http_options="{}", code=(0, 16), name="s.yaml"):
        path = self.write(name, f"""version: 1
name: t
target: {{ url: "{url}" }}
http: {http_options}
scenarios:
  a:
    executor: per-vu-iterations
    vus: 5
    iterations: 1
    maxDuration: 30s
    steps:
{steps}
""")
        self.done = self.flamegate("run", "--no-profile", "--engine", engine, path)
        self.assertIn(self.done.code, code, self.done.out + self.done.err)
        return self.run_json(self.bundle()) if self.done.code in (0, 16) else None

    def test_both_engines_do_the_same(self):
        told, seen = {}, {}
        for engine in ("curl", "native"):
            server = self.api()
            run = self.drive(engine, f"http://127.0.0.1:{server.server_port}", STEPS)
            self.assertEqual({c["engine"] for c in run["classes"]}, {engine})
            told[engine] = {
                (c["method"], c["name"]): (sum(c[half]["requests"] for half in ("expected", "unexpected")),
                                           c["unexpected"]["failed"] if "failed" in c["unexpected"] else 0,
                                           json.dumps([c[half].get("statuses") for half in ("expected", "unexpected")]),
                                           json.dumps([c[half].get("errors") for half in ("expected", "unexpected")]))
                for c in run["classes"]}
            told[engine]["checks"] = json.dumps(run.get("checks"), sort_keys=True)
            seen[engine] = server.seen
        self.assertEqual(told["curl"], told["native"])
        self.assertEqual(seen["curl"], seen["native"])
        # And what they do is right.
        seen = seen["curl"]
        self.assertEqual(set(seen.values()), {5, 20}, seen)  # /loop: the first and three more
        by_path = collections.Counter()
        for (method, path, *_), count in seen.items():
            by_path[method, path] += count
        self.assertEqual(by_path["GET", "/loop"], 20)
        self.assertEqual(by_path["GET", "/landed?from=302"], 5)  # POST became GET
        self.assertEqual(by_path["PUT", "/landed?from=307"], 5)
        self.assertEqual(by_path["DELETE", "/landed?from=308"], 5)
        self.assertEqual(by_path["GET", "/plain/abc"], 5)
        landed = [key for key in seen if key[1] == "/landed"]
        self.assertEqual([key[2] for key in landed], ["hop=h1"])
        self.assertTrue(all(key[5] == ("gzip, deflate" if key[1] in ("/gzip", "/deflate") else "") for key in seen), seen)

    def test_auto_takes_native_and_an_impossible_wish_is_refused(self):
        server = self.api()
        url = f"http://127.0.0.1:{server.server_port}"
        run = self.drive("auto", url, "    - get: /x")
        self.assertEqual([(c["engine"], c["clock"]) for c in run["classes"]], [("native", "kernel")])
        run = self.drive("auto", url, "    - get: { url: /x, version: h2c }")
        self.assertEqual([(c["engine"], c["clock"]) for c in run["classes"]], [("curl", "user")])
        self.drive("native", url, "    - get: /x\n    - get: { url: /y, version: h2c }", code=(104,))
        self.assertIn("s.yaml:13", self.done.err)
        self.assertIn("HTTP/2 needs curl", self.done.err)
        self.drive("k6", url, "    - get: /x", code=(2,))
        self.assertIn("auto, native, curl and null", self.done.err)

    # -- nginx -------------------------------------------------------------------------------------

    def certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=front.test",
                        "-addext", "subjectAltName=DNS:front.test,DNS:localhost"], cwd=self.dir, check=True,
                       capture_output=True)

    def front(self, options):
        """nginx with a log of protocol, host, name and method; port."""
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        self.certificate()
        for _ in range(5):
            port = kit.reserve_port()
            conf = self.write("front.conf", f"""
daemon off; worker_processes 1; pid {self.dir}/front.pid; error_log {self.dir}/front.err;
user {'root' if os.getuid() == 0 else 'nobody'};
events {{ worker_connections 512; }}
http {{ log_format l '$server_protocol $http_host $ssl_server_name $request_method $request_uri $connection';
  access_log {self.dir}/front.log l; client_body_temp_path {self.dir}/t1; proxy_temp_path {self.dir}/t2;
  fastcgi_temp_path {self.dir}/t3; uwsgi_temp_path {self.dir}/t4; scgi_temp_path {self.dir}/t5;
  ssl_certificate {self.dir}/cert.pem; ssl_certificate_key {self.dir}/key.pem;
  server {{ listen 127.0.0.1:{port} {options}; location / {{ return 200 '{{"ok":true}}'; }} }} }}
""")
            try:
                self.server([program, "-p", self.dir, "-c", conf], port)
                (self.dir / "front.log").write_text("")
                return port
            except AssertionError:
                if "Address already in use" not in (self.dir / "front.err").read_text():
                    raise
        raise AssertionError("no free port for nginx")

    def log(self, count):
        """nginx writes a line when it is done with a request, which may be after its answer."""
        lines = kit.wait_until(lambda: (n := (self.dir / "front.log").read_text().splitlines()) and len(n) >= count and n,
                               what=f"{count} lines in nginx's log")
        self.assertEqual(len(lines), count)
        return [line.split(" ") for line in lines]

    def test_protocols(self):
        tls = "tls: { ca: cert.pem }"
        for listen, scheme, options, engine, protocol in (
                ("ssl http2", "https", f"{{ {tls} }}", "auto", "HTTP/2.0"),
                ("ssl http2", "https", f'{{ {tls}, version: "2" }}', "curl", "HTTP/2.0"),
                ("ssl http2", "https", f'{{ {tls}, version: "1.1" }}', "auto", "HTTP/1.1"),
                ("ssl http2", "https", f'{{ {tls}, version: "1.1" }}', "curl", "HTTP/1.1"),
                ("http2", "http", "{ version: h2c }", "auto", "HTTP/2.0"),
                ("", "http", "{ }", "auto", "HTTP/1.1")):
            with self.subTest(listen=listen, options=options, engine=engine):
                port = self.front(listen)
                run = self.drive(engine, f"{scheme}://localhost:{port}",
                                 "    - get: { url: /a, checks: [ { status: 200 }, { json: { $.ok: true } } ] }\n"
                                 "    - parallel: [ { get: /b }, { get: /c } ]", options)
                lines = self.log(15)
                self.assertEqual({line[0] for line in lines}, {protocol})
                if listen.startswith("ssl") and protocol == "HTTP/2.0" and "2" in options:  # parallel ones share a connection
                    self.assertLessEqual(len({line[-1] for line in lines}), 5)
                self.assertEqual([c["value"] if "value" in c else c["passes"] for c in run.get("checks", [])], [5, 5])

    def test_http2_that_is_not_there_is_an_error(self):
        port = self.front("ssl")
        run = self.drive("auto", f"https://localhost:{port}", "    - get: /a", '{ tls: { ca: cert.pem }, version: "2" }')
        self.assertEqual(sum(c["unexpected"]["failed"] for c in run["classes"]), 5)

    def test_names_pins_and_sockets(self):
        port = self.front("ssl http2")
        for engine, version in (("curl", "auto"), ("curl", '"1.1"'), ("native", '"1.1"')):
            with self.subTest(engine=engine, version=version):
                (self.dir / "front.log").write_text("")
                self.drive(engine, "https://front.test", "    - get: /a",
                           f'{{ version: {version}, resolve: {{ "front.test:443": "127.0.0.1:{port}" }}, tls: {{ ca: cert.pem }} }}')
                self.assertEqual({(line[1], line[2]) for line in self.log(5)}, {("front.test", "front.test")})
                (self.dir / "front.log").write_text("")
                self.drive(engine, f"https://127.0.0.1:{port}", "    - get: /a",
                           f"{{ version: {version}, tls: {{ ca: cert.pem, serverName: front.test }} }}")
                self.assertEqual({(line[1], line[2]) for line in self.log(5)}, {(f"127.0.0.1:{port}", "front.test")})


if __name__ == "__main__":
    kit.main()
