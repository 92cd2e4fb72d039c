#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory of the generator per virtual user, from the difference of two runs with few and many VUs.

  idle       pre-allocated VUs of an arrival-rate scenario that never ran: no connection yet
  connected  VUs that have sent one request and think: one open keep-alive connection each

usage: tests/bench/bench_memory.py BUILD [--vus 10000] [--engines native,curl] [--tls]
Prints; asserts nothing. Needs nginx, and --tls openssl; as many open files as VUs (ulimit -Hn).
"""
import argparse
import resource
import subprocess
import time
import urllib.request

import benchkit

FEW = 100

parser = argparse.ArgumentParser()
parser.add_argument("build")
parser.add_argument("--vus", type=int, default=10000)
parser.add_argument("--engines", default="native,curl")
parser.add_argument("--tls", action="store_true")
options = parser.parse_args()

hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def nginx(bench):
    port, tls_port = benchkit.free_port(), benchkit.free_port()
    tls = ""
    if options.tls:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", bench.dir / "key.pem", "-out", bench.dir / "cert.pem", "-days", "2",
                        "-subj", "/CN=localhost"], check=True, capture_output=True)
        tls = f"listen 127.0.0.1:{tls_port} ssl backlog=16384; ssl_certificate cert.pem; ssl_certificate_key key.pem;"
    temp = " ".join(f"{kind}_temp_path {bench.dir}/t;" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (bench.dir / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {bench.dir}/nginx.pid; error_log {bench.dir}/nginx.err; user root;
worker_rlimit_nofile {hard}; events {{ worker_connections {2 * options.vus}; }}
http {{ access_log off; keepalive_timeout 600; {temp}
  server {{ listen 127.0.0.1:{port} backlog=16384; {tls}
    location = /status {{ stub_status; }} location / {{ return 200 "hello\\n"; }} }} }}
""")
    child = bench.start(benchkit.find("nginx"), "-p", bench.dir, "-c", bench.dir / "nginx.conf")
    bench.wait_port(child, port)
    return f"http://127.0.0.1:{port}/status", f"https://127.0.0.1:{tls_port}/" if tls else f"http://127.0.0.1:{port}/"


def connections(status):
    with urllib.request.urlopen(status) as answer:
        return int(answer.read().split()[2])


def memory_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


def scenario(bench, connected, vus, url):
    steps = f"[ {{ get: / }}, {{ think: 300s }} ]"
    load = (f"executor: constant-vus, vus: {vus}, duration: 300s" if connected else
            f"executor: constant-arrival-rate, rate: 1, timeUnit: 100s, arrivals: uniform, duration: 300s, "
            f"preAllocatedVUs: {vus}, maxVUs: {vus}")
    path = bench.dir / "scenario.yaml"
    path.write_text(f"version: 1\ntarget: {{ url: \"{url}\" }}\n"
                    "http: { version: \"1.1\", timeout: 120s, connectTimeout: 60s, "
                    "tls: { insecureSkipVerify: true } }\n"
                    f"scenarios:\n  s: {{ {load}, gracefulStop: 0s, steps: {steps} }}\n")
    return path


def measure(bench, engine, connected, vus, status, url):
    """KiB once all VUs are there: nginx counts the connections, else the memory has stopped growing."""
    child = bench.start(bench.flamegate, "run", "--engine", engine, "--no-profile", "--quiet",
                        scenario(bench, connected, vus, url))
    deadline, last, same = time.monotonic() + 120, 0, 0
    while same < 4:
        if child.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{engine}: the run ended, or did not settle")
        time.sleep(0.5)
        now = memory_kib(child.pid)
        settled = abs(now - last) < 64 and (not connected or connections(status) >= vus)
        same, last = same + 1 if settled else 0, now
    bench.end(child)
    return last


def main():
    print(benchkit.machine())
    with benchkit.Bench(options.build) as bench:
        status, url = nginx(bench)
        for engine in options.engines.split(","):
            for connected in (False, True):
                few = measure(bench, engine, connected, FEW, status, url)
                many = measure(bench, engine, connected, options.vus, status, url)
                print(f"{engine:7} {'connected' if connected else 'idle':10} {FEW} VUs {few / 1024:6.1f} MiB  "
                      f"{options.vus} VUs {many / 1024:6.1f} MiB  "
                      f"per VU {(many - few) * 1024 / (options.vus - FEW):7.0f} bytes", flush=True)


main()
