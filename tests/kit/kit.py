"""What the end-to-end tests share: the program under test, real servers, hostile servers.

Every server listens on 127.0.0.1. Those that take port 0 do; nginx cannot, so a port is reserved
for it (bound with SO_REUSEADDR until just before the start) and the start is retried on a clash.
Nothing here sleeps to be right: it polls a condition until a deadline.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FLAMEGATE_BUILD", ROOT / "build")).resolve()
PROGRAM = BUILD / "runner" / "flamegate"
SHOP = BUILD / "tests" / "zoo" / "zoo_shop"


def wait_until(condition, seconds=30.0, what="condition"):
    """The condition's first true value within `seconds`; fails loudly otherwise."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(0.01)


def reserve_port():
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def accepts(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 0.2):
            return True
    except OSError:
        return False


def cpu_s(pid):
    """CPU time of a process so far, by the scheduler's clock."""
    total_ns = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            total_ns += int((task / "schedstat").read_text().split()[0])
    return total_ns / 1e9


def switches(pid):
    """How often a process has gone to sleep."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M)[1])


# Half of what is late for the generator (gate/measure/slice.h): the witness has less to do.
LATE_S = 0.005
WITNESS = """
import select, sys, time
worst = 0
while True:
    begin = time.monotonic()
    if select.select([sys.stdin], [], [], 0.002)[0]:
        break
    worst = max(worst, time.monotonic() - begin - 0.002)
print(worst)
"""


class Witness:
    """A process of its own that sleeps in short steps: what the machine does to whoever waits for a moment."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, "-S", "-c", WITNESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def end(self):
        """By how much its latest awakening was late."""
        return float(self.process.communicate()[0])


class Finished:
    def __init__(self, process, out, err):
        self.code, self.out, self.err, self.pid = process.returncode, out, err, process.pid


class TestCase(unittest.TestCase):
    """A test with its own empty working directory; what it started is gone afterwards."""

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="fg-e2e-"))
        self.addCleanup(shutil.rmtree, self.dir, True)

    def flamegate(self, *args, timeout=90, env=None, cwd=None, check=None, user=None):
        """Runs it to its end. A run that says the machine disturbed it (exit 16, "the generator was late") has no
        answer to check; it is measured again, three times at most. Late each time, it must be the machine's fault: a
        witness that does nothing but sleep has to have been late beside it. Then all but the outcome still shows:
        where success was asked for, the rest of the test decides. test_run has a rate at which no run may be late."""
        for attempt in range(3):
            witness = Witness() if attempt else None
            try:
                done = self.finish(self.spawn(*args, env=env, cwd=cwd, user=user), args, timeout)
            finally:
                late_s = witness.end() if witness else 0
            disturbed = args[:1] == ("run",) and done.code == 16 and "generator was late" in done.out
            if check is None or check == 16 or not disturbed:
                break
            if "--bundle" in args and attempt < 2:  # bundles are never overwritten
                shutil.rmtree((cwd or self.dir) / pathlib.Path(args[args.index("--bundle") + 1]), True)
        what = f"flamegate {' '.join(map(str, args))}"
        if check == 0 and disturbed and late_s > LATE_S:
            print(f"WARNING: no outcome, late on every try (and a sleep by {late_s * 1000:.0f} ms): {what}", file=sys.stderr)
        elif check is not None:
            self.assertEqual(done.code, check, f"{what}, a sleep was late by {late_s * 1000:.1f} ms\n--- out\n{done.out}\n--- err\n{done.err}")
        return done

    def finish(self, process, args, timeout):
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            self.fail(f"flamegate {args} took over {timeout} s\n{out}\n{err}")
        return Finished(process, out, err)

    def spawn(self, *args, env=None, cwd=None, user=None):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "FLAMEGATE_"))}
        environment.update(env or {})
        process = subprocess.Popen([str(PROGRAM), *map(str, args)], cwd=cwd or self.dir, text=True, env=environment,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, user=user)
        self.addCleanup(end, process)
        return process

    def write(self, name, text):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run_json(self, bundle):
        return json.loads((pathlib.Path(bundle) / "run.json").read_text())

    def bundle(self):
        """The bundle of the latest run in this test's directory."""
        return (self.dir / ".flamegate" / "latest" / "bundle").resolve()

    # -- real servers ---------------------------------------------------------------------------

    def server(self, command, port, env=None, ready=None):
        process = subprocess.Popen([str(c) for c in command], cwd=self.dir, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, start_new_session=True)
        self.addCleanup(end_group, process)
        wait_until(lambda: process.poll() is not None or (ready or accepts)(port), 20, f"{command[0]} on port {port}")
        self.assertIsNone(process.poll(), f"{command} ended with {process.returncode}")
        return process

    def nginx(self):
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        (self.dir / "www").mkdir(exist_ok=True)
        (self.dir / "www" / "index.html").write_text("hello " * 100)
        for _ in range(5):
            port = reserve_port()
            conf = self.write("nginx.conf", f"""
daemon off; worker_processes 1; pid {self.dir}/nginx.pid; error_log {self.dir}/nginx.err;
user {'root' if os.getuid() == 0 else 'nobody'};
events {{ worker_connections 512; }}
http {{ access_log off; client_body_temp_path {self.dir}/t1; proxy_temp_path {self.dir}/t2; fastcgi_temp_path {self.dir}/t3;
  uwsgi_temp_path {self.dir}/t4; scgi_temp_path {self.dir}/t5; keepalive_requests 1000000;
  server {{ listen 127.0.0.1:{port}; root {self.dir}/www; }} }}
""")
            try:
                return self.server([program, "-p", self.dir, "-c", conf], port), port
            except AssertionError:
                if "Address already in use" not in (self.dir / "nginx.err").read_text():
                    raise
        raise AssertionError("no free port for nginx")

    def python_server(self, body="", port_file="python.port"):
        """A threaded http.server; `body` may override do_GET. Port 0, told through a file."""
        script = self.write("server.py", """
import http.server, pathlib, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        data = b'hello'
        self.send_response(200); self.send_header('Content-Length', str(len(data))); self.end_headers(); self.wfile.write(data)
    def do_POST(self):
        data = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        self.send_response(200); self.send_header('Content-Length', str(len(data))); self.end_headers(); self.wfile.write(data)
    def log_message(self, *a): pass
""" + body + f"""
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
path = pathlib.Path('{port_file}'); tmp = path.with_suffix('.tmp'); tmp.write_text(str(server.server_port)); tmp.rename(path)
server.serve_forever()
""")
        return self.scripted([sys.executable, script], port_file)

    def node_server(self):
        script = self.write("server.js", """
const http = require('http'), fs = require('fs');
const server = http.createServer((q, r) => { r.end(JSON.stringify({ url: q.url, n: Array.from({ length: 50 }, (_, i) => i * i) })); });
server.listen(0, '127.0.0.1', () => { fs.writeFileSync('node.tmp', String(server.address().port)); fs.renameSync('node.tmp', 'node.port'); });
""")
        return self.scripted([shutil.which("node"), script], "node.port")

    def scripted(self, command, port_file):
        path = self.dir / port_file
        process = subprocess.Popen([str(c) for c in command], cwd=self.dir, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.addCleanup(end_group, process)
        wait_until(lambda: process.poll() is not None or path.exists(), 20, f"{command[-1]} to write {port_file}")
        self.assertIsNone(process.poll(), f"{command} ended early")
        return process, int(path.read_text())

    def hostile(self, behave):
        """A TCP server in this process: `behave(connection)` runs per connection in a thread."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        stop = threading.Event()

        def serve(connection):
            with contextlib.suppress(OSError), connection:
                behave(connection)

        def loop():
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=loop, daemon=True).start()

        def close():
            stop.set()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

        self.addCleanup(close)
        return listener.getsockname()[1]


def end(process):
    if process.poll() is None:
        process.kill()
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()


def end_group(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def descendants_named(marker):
    """Pids whose command line holds `marker`: how a test looks for orphans."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if marker.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


def main():
    unittest.main(verbosity=2)
