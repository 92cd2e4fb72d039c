#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CPU per request of each endpoint on a server whose costs are 0 : 1 : 10; what finding the class costs.

usage: bench_endpoints.py BUILD [threads loop prefork receive …] [--samples 30000] [--old HELPER [--rounds 3]]

The ratio is (ten - zero) / (one - zero), so that what a request costs by itself is taken away. `receive`
drives nginx hard and prints the time of our program per receive, as the kernel counts it (bpf_stats, which
adds a clock reading of its own) and as we do; ours has one clock reading in it. With --old another build's
helper takes turns with this one: on a shared machine only what such turns show means something.
"""
import argparse
import json
import math
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bpf"))
import benchkit as kit  # noqa: E402
import test_labels as labels  # noqa: E402
import test_labels_nginx as labels_nginx  # noqa: E402
from bench import Bench, free_port, wait_port  # noqa: E402

RATE = 50  # iterations of six requests: a third of a core and more
BPFTOOL = "/usr/sbin/bpftool"


def endpoints(build, mode, samples):
    bench = Bench(build)
    try:
        lab = labels.Lab(bench)
        server = lab.ratio_server(mode)
        probe = lab.run(*server, seconds=3, rate=RATE, vus=8)
        per_s = probe.profile["samples"] / 3
        seconds = math.ceil(1.1 * samples / per_s)
        run = lab.run(*server, seconds=seconds, rate=RATE, vus=8)
        size = sum(path.stat().st_size for path in pathlib.Path(run.bundle).iterdir())
    finally:
        bench.close()
    cpu = run.cpu()
    ratio = (cpu["ten"] - cpu["zero"]) / (cpu["one"] - cpu["zero"])
    sigma = labels.tolerance(run, cpu, slack=0) / 3
    print(f"{mode}: {run.profile['samples']} samples in {seconds} s, attribution "
          f"{100 * run.attribution:.2f} %; zero {cpu['zero'] * 1e6:.1f} one {cpu['one'] * 1e6:.0f} ten {cpu['ten'] * 1e6:.0f} µs; "
          f"ratio {ratio:.3f}, error {10 * (ratio - 10):+.2f} % (one sigma {100 * sigma:.2f} %); {labels.label_cost(run)}; "
          f"bundle {size} bytes", flush=True)


def our_program():
    text = subprocess.run([BPFTOOL, "prog", "show", "name", "fg_label", "--json"], capture_output=True, text=True).stdout
    found = json.loads(text or "[]")
    return (found[-1] if isinstance(found, list) and found else found) or {}


def receive(build, helper):
    setting = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")
    before = setting.read_text()
    bench = Bench(build)
    seen = []

    def during(child):
        try:
            child.wait(timeout=9)
        except subprocess.TimeoutExpired:
            seen.append(our_program())

    try:
        setting.write_text("1")
        lab = labels.Lab(bench)
        port = free_port()
        pid = labels_nginx.nginx(bench, labels_nginx.NGINX.format(workers=1, port=port, tls=""))
        wait_port(port)
        run = lab.run(pid, port, seconds=10, rate=8000, vus=16, steps=["get: /zero"], frequency=99, during=during,
                      env={"FLAMEGATE_PROFILER": helper})
    finally:
        setting.write_text(before)
        bench.close()
    kernel = seen[0] if seen else {}
    count = kernel.get("run_cnt", 0)
    print(f"receive, {helper}: the kernel says {kernel.get('run_time_ns', 0) / max(count, 1):.0f} ns per receive of the machine ({count}); "
          f"{labels.label_cost(run)} ({run.labels['receives']}); nginx {run.profile['targetCpuNs'] / 1e9:.2f} s of CPU", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("what", nargs="*", default=["threads", "loop", "prefork", "receive"])
    parser.add_argument("--samples", type=int, default=30000)
    parser.add_argument("--old", help="another flamegate-profiler, to take turns with in `receive`")
    parser.add_argument("--rounds", type=int, default=3, help="turns")
    options = parser.parse_args()
    print(kit.machine())
    for what in options.what:
        if what == "receive":
            own = str(pathlib.Path(options.build).resolve() / "profiler/flamegate-profiler")
            helpers = [options.old, own] * options.rounds if options.old else [own]
            for helper in helpers:
                receive(options.build, helper)
        else:
            endpoints(options.build, what, options.samples)


if __name__ == "__main__":
    main()
