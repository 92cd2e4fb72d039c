#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Start-up to the first sample: bench_startup.py BUILD_DIR [TARGET…]

Targets: nginx, node, llvm (python with libLLVM mapped and a loop), rustc (the same with
librustc_driver: more than a million unwind rows; skipped where there is none). Prints medians, in
milliseconds, with warm page cache:
  ready   flamegate-profiler started → it samples (BPF verified, every mapped file's rows built)
  sample  … → the first sample is in the client; the helper drains each 50 ms
  cpu     CPU time of the helper from start to end
and for HTTP targets the whole `flamegate run -r 50 -d 1s`:
  load    exec → the load begins, by then the profiler samples; beside it with --no-profile
  after   the load's end → exit: draining, symbols, bundle; beside it with --no-profile
"""

import argparse
import glob
import json
import os
import statistics
import subprocess
import time

import benchkit as kit
from bench_stacks import Client, http


def target_nginx(bench):
    child, port = bench.nginx()
    return child, port


def target_node(bench):
    child, port = bench.node()
    return child, port


def mapped(bench, library):
    if not library:
        return None, None
    # Preloaded: librustc_driver has more thread-local data than dlopen() has room for.
    return bench.start("/usr/bin/env", f"LD_PRELOAD={library}", kit.find("python3"), "-c",
                       "print('ready', flush=True)\nwhile True: pass", ready="ready"), None


def target_llvm(bench):
    return mapped(bench, max(glob.glob("/usr/lib/*/libLLVM-*.so*"), default=None))


def target_rustc(bench):
    sysroot = subprocess.run([kit.find("rustc"), "--print", "sysroot"], stdout=subprocess.PIPE, text=True,
                             check=True).stdout.strip()
    return mapped(bench, max(glob.glob(f"{sysroot}/lib/librustc_driver-*.so"), default=None))


RUN_INVALID = 16  # the generator was late: this bench asks for other times
TARGETS = {"nginx": target_nginx, "node": target_node, "llvm": target_llvm, "rustc": target_rustc}


def helper_once(bench, pid):
    out = subprocess.run([bench.build / "tests/bench/profile_startup", bench.helper, "499", str(pid)],
                         stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return [float(value) for value in out[1::2]]


def run_once(bench, port, *more):
    bundle = bench.dir / f"bundle-{time.monotonic_ns()}"
    begin_ns = time.monotonic_ns()
    done = subprocess.run([bench.flamegate, "run", "-q", "-r", "50", "-d", "1s", "--bundle", bundle, *more,
                           f"http://127.0.0.1:{port}/"], cwd=bench.dir, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)
    end_ns = time.monotonic_ns()
    if done.returncode not in (0, RUN_INVALID):
        raise SystemExit(f"flamegate run ended with {done.returncode}")
    run_time = json.loads((bundle / "run.json").read_text())["time"]
    start_ns = int(run_time["startedMonotonicNs"])
    return [(start_ns - begin_ns) / 1e6, (end_ns - start_ns - int(run_time["durationNs"])) / 1e6]


def medians(rows):
    return [statistics.median(column) for column in zip(*rows)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], default=[])
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    kit.prioritise(os.getpid())  # what others run here must not stretch wall time more than it has to
    print(kit.machine())
    for name in options.targets or TARGETS:
        with kit.Bench(options.build) as bench:
            child, port = TARGETS[name](bench)
            if not child:
                print(f"{name:6} skipped: its library is not installed")
                continue
            client = Client(port, http("/"), threads=1) if port else None
            ready, sample, cpu = medians([helper_once(bench, child.pid) for _ in range(options.rounds)])
            if client:
                client.stop()
            print(f"{name:6} helper: ready {ready:6.1f}  sample {sample:6.1f}  cpu {cpu:6.1f} ms", flush=True)
            if port:
                on = medians([run_once(bench, port) for _ in range(options.rounds)])
                off = medians([run_once(bench, port, "--no-profile") for _ in range(options.rounds)])
                print(f"{'':6} flamegate run: load after {on[0]:.1f} ms (without profile {off[0]:.1f}), after the load "
                      f"{on[1]:.1f} ms ({off[1]:.1f})", flush=True)


if __name__ == "__main__":
    main()
