#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Request classes on samples of nginx: test_labels_nginx.py CASE --build DIR.

As test_labels.py, but nginx does not tell what a class took: that is measured before and after the run, by the
clocks of its workers while nobody else asks. Exits 77 where something is missing.
"""

import http.client
import os
import socket
import ssl
import statistics
import subprocess
import sys

from bench import check, children_of, wait_until
from test_labels import STEPS, Lab, check_ratio, main
from test_types import TaskClock


def nginx(bench, conf, listener=None):
    """nginx takes over what listens, as from an older one of itself: there is no moment at which the port is free."""
    program = bench.need("nginx")
    os.makedirs(os.path.join(bench.dir, "logs"), exist_ok=True)
    path = os.path.join(bench.dir, "nginx.conf")
    open(path, "w").write("daemon off; user root; pid nginx.pid; error_log stderr crit;\n" + conf)
    fds = [listener.fileno()] if listener else []
    child = subprocess.Popen([program, "-c", path, "-p", bench.dir], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, start_new_session=True, pass_fds=fds,
                             env={**os.environ, **({"NGINX": f"{fds[0]};"} if fds else {})})
    bench.children.append(child)
    return child.pid


def write_pages(bench):
    """Compressing costs by the byte."""
    os.makedirs(os.path.join(bench.dir, "www"), exist_ok=True)
    state, chunks = 1, []
    while sum(map(len, chunks)) < 40000:
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        chunks.append(f"{state >> 40:x} lorem ipsum ")
    unit = "".join(chunks)[:40000]
    open(os.path.join(bench.dir, "www/one"), "w").write(unit)
    open(os.path.join(bench.dir, "www/ten"), "w").write(unit * 10)


NGINX = """worker_processes {workers};
events {{ worker_connections 256; }}
http {{
  access_log off; gzip on; gzip_types *; gzip_comp_level 6; gzip_min_length 100; gzip_http_version 1.0;
  gzip_proxied any; keepalive_requests 1000000;
  server {{ listen 127.0.0.1:{port} reuseport{tls}; root www;
    location = /zero {{ return 200 "ok"; }} }}
}}
"""
STEPS_GZIP = [f"get: {{url: {step.split()[1]}, headers: {{Accept-Encoding: gzip}}}}" for step in STEPS]


class Alone:
    """What a page takes by the workers' clocks while nobody else asks: that depends on zlib and on the machine."""

    def __init__(self, workers, port, tls):
        self.workers, self.cpu_s = workers, {"zero": [], "one": [], "ten": []}
        self.clock = TaskClock(*workers)  # schedstat has the idle task's way to them, which samples have not
        self.connection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=60, context=ssl._create_unverified_context()) if tls else (
            http.client.HTTPConnection("127.0.0.1", port, timeout=60))

    def used_s(self):
        """When they are through with what comes after the answer."""
        for pid in self.workers:
            wait_until(lambda: state_of(pid) == "S", 60, "a worker's sleep")
        return sum(self.clock.read().values()) / 1e9

    def ask(self, name, count):
        before_s = self.used_s()
        for _ in range(count):
            self.connection.request("GET", f"/{name}", headers={"Accept-Encoding": "gzip"})
            self.connection.getresponse().read()
        self.cpu_s[name].append((self.used_s() - before_s) / count)

    def measure(self, rounds=15):
        for name in self.cpu_s:
            self.ask(name, 1)  # the first one finds no connection, and no page in memory
            self.cpu_s[name].pop()
        for _ in range(rounds):
            for name, count in (("zero", 10), ("one", 8), ("ten", 1)):
                self.ask(name, count)
        self.connection.close()
        self.clock.close()

    def ratio(self, own):
        zero, one, ten = (statistics.mean(self.cpu_s[name]) for name in ("zero", "one", "ten"))
        print(f"  alone: zero {zero * 1e6:.0f} one {one * 1e6:.0f} ten {ten * 1e6:.0f} µs")
        return (ten - own * zero) / (one - own * zero)


def state_of(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(")")[2].split()[0]


def nginx_case(bench, workers, what, tls="", scheme="http", http="", slack=0.13):
    lab = Lab(bench)
    write_pages(bench)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(511)
        port = listener.getsockname()[1]
        pid = nginx(bench, NGINX.format(workers=workers, port=port, tls=tls), listener)
    wait_until(lambda: len(children_of(pid)) == workers, 60, "the workers")
    before, after = (Alone(children_of(pid), port, tls) for _ in range(2))
    before.measure()
    run = lab.run(pid, port, steps=STEPS_GZIP, scheme=scheme, http=http, vus=8)
    after.measure()
    run.ratio = statistics.mean(alone.ratio(0 if tls else 1) for alone in (before, after))
    check_ratio(run, what, slack=slack, handshakes=bool(tls))
    return run


def case_nginx(bench):
    nginx_case(bench, 1, "nginx, one worker")


def case_nginx_prefork(bench):
    nginx_case(bench, 2, "nginx, two workers")


def case_tls(bench):
    openssl = bench.need("openssl")
    key, cert = os.path.join(bench.dir, "key.pem"), os.path.join(bench.dir, "cert.pem")
    subprocess.run([openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days",
                    "2", "-subj", "/CN=127.0.0.1"], check=True, stderr=subprocess.DEVNULL)
    tls = f" ssl; ssl_certificate {cert}; ssl_certificate_key {key}"
    nginx_case(bench, 1, "nginx with TLS", tls=tls, scheme="https",
               http="http: {version: '1.1', tls: {insecureSkipVerify: true}}")


def case_unix(bench):
    """A unix socket has no port: nothing is attributed, and said so."""
    lab = Lab(bench)
    path = os.path.join(bench.dir, "sock")
    conf = ("worker_processes 1; events {} http { access_log off; server { listen unix:%s; "
            "location / { return 200 \"ok\"; } } }" % path)
    pid = nginx(bench, conf)
    wait_until(lambda: os.path.exists(path), 10, "the socket")
    run = lab.run(pid, 80, rate=1000, http=f"http: {{unixSocket: {path}}}", seconds=3)
    check(run.labels.get("attributed") == 0 and run.profile["samples"] > 0, f"attributed{run.text()}")
    check(not run.cpu() and "attribution 0.0 %" in run.out, run.text())


if __name__ == "__main__":
    sys.exit(main(globals()))
