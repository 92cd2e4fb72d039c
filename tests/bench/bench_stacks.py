#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Completeness of stacks on real targets: bench_stacks.py BUILD_DIR [TARGET…]

Targets: nginx, redis, cpp, rust (the last two built here, -O2, stripped, without frame pointers),
node. Each is loaded, profiled for some seconds, and printed as one row: share of samples per result
code, guessed frames per sample, share of unnamed samples, lost samples, time in BPF per sample. The
verifier's work stands below the table. `complete` is judged by the unwinder (a known root was
reached), not by depth.
"""

import argparse
import socket
import subprocess
import threading

import benchkit as kit


class Client:
    """Threads that keep a server busy with pipelined requests."""

    def __init__(self, port, request, threads=2):
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(port, request), daemon=True) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def work(self, port, request):
        while not self.stopping.is_set():
            try:
                with socket.create_connection(("127.0.0.1", port), 5) as s:
                    while not self.stopping.is_set():
                        s.sendall(request)
                        if not s.recv(1 << 20):
                            break
            except OSError:
                self.stopping.wait(0.05)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def http(path):
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n".encode() * 50


REDIS = b"".join(b"SET k%d %d\r\nINCR n\r\nLPUSH l %d\r\nLRANGE l 0 20\r\nSORT l LIMIT 0 5\r\n" % (i, i, i)
                 for i in range(100))


def target_nginx(bench):
    child, port = bench.nginx()
    return child, Client(port, http("/index.html"))


def target_redis(bench):
    child, port = bench.redis()
    return child, Client(port, REDIS)


def target_node(bench):
    child, port = bench.node()
    return child, Client(port, http("/"))


def target_cpp(bench):
    program = bench.dir / "zoo_cpp"
    subprocess.run([kit.find("g++"), "-O2", "-fomit-frame-pointer", "-s", "-o", program, kit.ZOO / "zoo_cpp.cpp"],
                   check=True)
    return bench.start(program, ready="ready"), None


def target_rust(bench):
    program = bench.dir / "zoo_rust"
    subprocess.run([kit.find("rustc"), "-O", "-C", "force-frame-pointers=no", "-C", "strip=symbols", "-o", program,
                    kit.ZOO / "zoo_rust.rs"], check=True, stderr=subprocess.DEVNULL)
    return bench.start(program, ready="ready"), None


TARGETS = {"nginx": target_nginx, "redis": target_redis, "cpp": target_cpp, "rust": target_rust, "node": target_node}


def profile(bench, pid, options):
    out = subprocess.run([bench.build / "tests/bpf/profile_pid", bench.helper, str(options.seconds), str(options.hz),
                          str(pid)], stdout=subprocess.PIPE, text=True, check=True).stdout
    info, programs = {}, {}
    for line in out.splitlines():
        word, _, rest = line.partition(" ")
        if word == "info":
            key, value = rest.split()
            info[key] = float(value)
        elif word == "program":
            name, verified, size = rest.split()
            programs[name] = (int(verified), int(size))
    return info, programs


COLUMNS = [("complete", 9), ("no-mapping", 11), ("gap", 6), ("unsupported", 12), ("read-fault", 11), ("depth", 6),
           ("bad", 6), ("kernel-only", 12), ("guessed", 8)]


def row(name, info):
    samples = max(info["samples"], 1)
    cells = "".join(f"{100 * info.get(f'result_{key}', 0) / samples:{width}.2f}" for key, width in COLUMNS)
    return (f"{name:8}{info['samples']:8.0f}{cells}{info['guessed_frames'] / samples:9.3f}"
            f"{100 * info['unnamed_share']:9.2f}{info['lost']:6.0f}{info['bpf_ns_per_sample'] / 1000:9.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], default=[])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--hz", type=int, default=997)
    options = parser.parse_args()
    programs = {}
    print(kit.machine())
    print(f"{options.hz} Hz, {options.seconds} s per target; result codes in % of samples")
    print(f"{'target':8}{'samples':>8}{''.join(f'{key:>{width}}' for key, width in COLUMNS)}{'guessed':>9}{'unnamed':>9}"
          f"{'lost':>6}{'BPF us':>9}\n{'':97}{'frames/s.':>9}{'leaf %':>9}{'':6}{'/sample':>9}")
    for name in options.targets or TARGETS:
        with kit.Bench(options.build) as bench:
            child, client = TARGETS[name](bench)
            info, programs = profile(bench, child.pid, options)
            if client:
                client.stop()
            print(row(name, info), flush=True)
    print("verifier instructions (code bytes): " +
          ", ".join(f"{name} {verified} ({size})" for name, (verified, size) in programs.items()))


if __name__ == "__main__":
    main()
