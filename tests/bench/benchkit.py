# SPDX-License-Identifier: Apache-2.0
"""What the benches share: targets, load, statistics. They print; nothing here asserts on time."""

import contextlib
import math
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PRIORITY = -15
ZOO = pathlib.Path(__file__).resolve().parents[1] / "zoo"
PATHS = os.environ.get("PATH", "") + ":/usr/sbin:" + os.path.expanduser("~/.cargo/bin")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Bench:
    """Everything started through it is gone at the end of the `with`."""

    def __init__(self, build, priority=False):
        self.priority = priority
        self.build = pathlib.Path(build).resolve()
        self.flamegate = self.build / "runner" / "flamegate"
        self.helper = self.build / "profiler" / "flamegate-profiler"
        self.children = []

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that __exit__ runs
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="fg-bench-"))
        self.dir.chmod(0o755)
        return self

    def __exit__(self, *unused):
        for child in reversed(self.children):
            self.end(child)
        shutil.rmtree(self.dir, ignore_errors=True)

    def end(self, child):
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()

    def start(self, *argv, cwd=None, ready=None):
        child = subprocess.Popen([str(a) for a in argv], cwd=cwd or self.dir, start_new_session=True, text=True,
                                 stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE if ready else subprocess.DEVNULL)
        self.children.append(child)
        if self.priority:
            prioritise(child.pid)
        if ready and child.stdout.readline().strip() != ready:
            raise SystemExit(f"{argv[0]} did not say {ready}")
        return child

    def wait_port(self, child, port):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and child.poll() is None:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.02)
        raise SystemExit(f"{child.args[0]} does not listen on {port}")

    def nginx(self):
        """One worker, a small static file, a status page."""
        (self.dir / "index.html").write_text("hello " * 100)
        port = free_port()
        (self.dir / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {self.dir}/nginx.pid; error_log {self.dir}/nginx.err; user root;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {self.dir}/t1;
  proxy_temp_path {self.dir}/t2; fastcgi_temp_path {self.dir}/t3; uwsgi_temp_path {self.dir}/t4;
  scgi_temp_path {self.dir}/t5;
  server {{ listen 127.0.0.1:{port}; root {self.dir}; location = /status {{ stub_status; }} }} }}
""")
        child = self.start(find("nginx"), "-p", self.dir, "-c", self.dir / "nginx.conf")
        self.wait_port(child, port)
        return child, port

    def node(self):
        port = free_port()
        (self.dir / "server.js").write_text(f"""
require('http').createServer((q, r) => r.end(JSON.stringify(Array.from({{ length: 50 }}, (_, i) => i * i))))
  .listen({port}, '127.0.0.1');
""")
        child = self.start(find("node"), self.dir / "server.js")
        self.wait_port(child, port)
        return child, port

    def redis(self):
        port = free_port()
        child = self.start(find("redis-server"), "--port", port, "--save", "", "--dir", self.dir)
        self.wait_port(child, port)
        return child, port


def find(program):
    path = shutil.which(program, path=PATHS)
    if not path:
        raise SystemExit(f"{program} is not installed")
    return path


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(word) for word in f.read().split()]


def prioritise(pid):
    """Before whatever else this machine does, if the kernel lets us. Each session that we start is a
    scheduling group of its own where autogrouping is on, and nice counts within a group only."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, PRIORITY)
        pathlib.Path(f"/proc/{pid}/autogroup").write_text(str(PRIORITY))


def machine():
    """What the numbers depend on, for printing above them."""
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    psi = open("/proc/pressure/cpu").readline().split()[3] if os.path.exists("/proc/pressure/cpu") else "unknown"
    return (f"{time.strftime('%Y-%m-%d %H:%M')}  {os.cpu_count()} CPUs ({model}), Linux {os.uname().release}, "
            f"load {os.getloadavg()[0]:.1f}, CPU pressure {psi.removeprefix('avg300=')} % (5 min)")


# -- robust statistics: the trimmed mean and Yuen's standard error ---------------------------------

TRIM = 0.2


def trimmed(values):
    """20 % trimmed mean, its standard error and degrees of freedom."""
    x = sorted(values)
    g = int(TRIM * len(x))
    kept = x[g:len(x) - g]
    mean = sum(kept) / len(kept)
    wins = [x[g]] * g + kept + [x[len(x) - g - 1]] * g
    centre = sum(wins) / len(wins)
    sd = math.sqrt(sum((v - centre) ** 2 for v in wins) / (len(wins) - 1))
    return mean, sd / ((1 - 2 * TRIM) * math.sqrt(len(x))), len(x) - 2 * g - 1


def t_quantile_975(df):
    """Cornish-Fisher expansion; better than 0.001 from 10 degrees of freedom on."""
    z = 1.959964
    return (z + (z**3 + z) / (4 * df) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)
            + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * df**3))
