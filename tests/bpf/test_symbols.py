#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""profile.symbols of a scenario, through whole runs: test_symbols.py CASE --build DIR.

Needs root (or the capabilities). The target is a C++ program; requests go to a server of our own.
"""

import http.server
import os
import re
import subprocess
import sys
import threading

from bench import check, main

SCENARIO = """version: 1
name: symbols
target: {{ url: "http://127.0.0.1:{port}" }}
profile: {{ frequency: 997, symbols: {{ {symbols} }} }}
scenarios:
  a: {{ executor: constant-vus, vus: 1, duration: 3s, gracefulStop: 2s, steps: [ {{ get: / }}, {{ think: 50ms }} ] }}
"""


class Server(http.server.ThreadingHTTPServer):
    """Any path gives "ok"; /buildid/… what `files` has."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked = {}, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body, status = b"ok", 200
        if self.path.startswith("/buildid/"):
            self.server.asked.append(self.path)
            body = self.server.files.get(self.path)
            status = 200 if body else 404
            body = body or b"not found"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def compile_target(bench):
    """The program stripped, and its debug file."""
    full, stripped, debug = (os.path.join(bench.dir, n) for n in ("full", "zoo_cpp", "debug"))
    subprocess.run([bench.need("g++"), "-O2", "-g", "-fomit-frame-pointer", "-Wl,--build-id=sha1",
                    "-o", full, os.path.join(bench.source, "zoo/zoo_cpp.cpp")], check=True)
    subprocess.run(["objcopy", "--only-keep-debug", full, debug], check=True)
    subprocess.run(["strip", "-s", "-o", stripped, full], check=True)
    notes = subprocess.run(["readelf", "-n", full], stdout=subprocess.PIPE, text=True, check=True)
    with open(debug, "rb") as f:
        return full, stripped, re.search(r"Build ID: (\w+)", notes.stdout)[1], f.read()


def run(bench, server, program, symbols, environment=None):
    """Folded stacks and what was said."""
    scenario, folded = os.path.join(bench.dir, "s.yaml"), os.path.join(bench.dir, "folded")
    with open(scenario, "w") as f:
        f.write(SCENARIO.format(port=server.server_port, symbols=symbols))
    child = bench.start(program, ready="ready")
    env = dict(os.environ, HOME=bench.dir, **(environment or {}))
    for name in ("XDG_CACHE_HOME", "DEBUGINFOD_CACHE_PATH"):
        env.pop(name, None)
    done = subprocess.run([os.path.join(bench.build, "runner/flamegate"), "run", "--require-profile",
                           "--pid", str(child.pid), "-o", f"folded={folded}", scenario],
                          cwd=bench.dir, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=200)
    child.kill()
    child.wait()
    check(done.returncode == 0, f"exit {done.returncode}: {done.stdout}")
    with open(folded) as f:
        return f.read(), done.stdout


def case_debuginfod(bench):
    server = Server()
    _, program, build_id, debug = compile_target(bench)
    path = f"/buildid/{build_id}/debuginfo"

    stacks, said = run(bench, server, program, "debuginfod: off")
    check("zoo::catcher" not in stacks and "zoo_cpp+0x" in stacks, "a stripped program has no names")
    check(not server.asked and "debug files" not in said, f"asked though off: {server.asked}")

    _, said = run(bench, server, program, f'debuginfod: "{server.url()}"')
    check(path in server.asked, f"not asked for: {server.asked}")
    check(re.search(r"debug files: 0 fetched .* [1-9]\d* not there", said), said)

    server.files[path] = b"<html>try later</html>"
    stacks, said = run(bench, server, program, f'debuginfod: "{server.url()}"')
    check("zoo::catcher" not in stacks, "names from a page")
    check("sent something else than an ELF file" in said, said)

    server.files[path] = debug
    server.asked.clear()
    stacks, said = run(bench, server, program, f'debuginfod: "{server.url()}/"')
    check("zoo::catcher" in stacks, f"no names: {said}")
    check(re.search(r"debug files: 1 fetched", said), said)
    check(server.asked.count(path) == 1, f"asked for it {server.asked.count(path)} times")
    kept = os.path.join(bench.dir, ".cache/debuginfod_client", build_id)
    check(os.listdir(kept) == ["debuginfo"], f"the cache has {os.listdir(kept)}")

    server.files.clear()
    server.asked.clear()
    dead = "http://127.0.0.1:1"
    stacks, said = run(bench, server, program, "debuginfod: env",
                       {"DEBUGINFOD_URLS": f"{dead} {server.url()}"})
    check("zoo::catcher" in stacks and "1 in the cache" in said, said)
    check(path not in server.asked, "asked for what is in the cache")
    check(dead in said and server.asked, f"one dead server keeps from the other: {said}")

    _, said = run(bench, server, program, "debuginfod: env", {"DEBUGINFOD_URLS": ""})
    check("DEBUGINFOD_URLS names no server" in said, said)


def case_demangle(bench):
    server = Server()
    program = compile_target(bench)[0]
    expected = {
        "full": (r"zoo::Sorter<std::.*>::sort", "_ZN"),
        "short": (r"zoo::Sorter<…>::sort", "Sorter<std"),
        "off": (r"_ZN3zoo6SorterI\w+4sort", "zoo::"),
    }
    for style, (wanted, unwanted) in expected.items():
        stacks, _ = run(bench, server, program, f"demangle: {style}")
        check(re.search(wanted, stacks), f"{style}: no {wanted} in {stacks[:500]}")
        check(unwanted not in stacks, f"{style}: {unwanted} in the stacks")


CASES = {name[5:]: function for name, function in list(globals().items())
         if name.startswith("case_")}


if __name__ == "__main__":
    sys.exit(main(CASES, root=False))
