#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The profiler's cost on nginx's CPU per request: bench_profiler_cost.py BUILD_DIR [HZ…]

One run per frequency: constant arrivals on one nginx worker while the helper switches its events on
and off in slices of 250 ms (random order in each pair) and reads nginx's CPU clock at each border.
Prints the ratio of CPU per slice, sampled to unsampled, as the 20 % trimmed mean of the pairs'
log-ratios with Yuen's 95 % interval. Two checks of the method itself: the same pairs with their
labels flipped at random (must give no effect: its 95 % spread is printed), and a run at 2 Hz, which
is an A/A run with everything but the samples.
"""

import argparse
import math
import random
import statistics
import subprocess
import time
import urllib.request

import benchkit as kit


def requests_served(port):
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=5).read().decode()
    return int(text.splitlines()[2].split()[2])


def run(bench, hz, options):
    server, port = bench.nginx()
    load = bench.start(bench.flamegate, "run", "-r", options.rate, "-d", f"{options.seconds + 15}s", "--no-profile",
                       f"http://127.0.0.1:{port}/index.html")
    time.sleep(5)  # connections and caches; the load is then stationary
    before, begin = requests_served(port), time.monotonic()
    done = subprocess.run([bench.build / "tests/bench/profile_slices", bench.helper, str(hz), str(options.slice_ms),
                           str(options.seconds), *map(str, kit.children_of(server.pid))],
                          stdout=subprocess.PIPE, text=True, check=True)
    per_s = (requests_served(port) - before) / (time.monotonic() - begin)
    if load.poll() is not None:
        raise SystemExit(f"the load ended early with {load.returncode}")
    bench.end(load)
    bench.end(server)
    return done.stdout, per_s


def parse(text):
    slices, totals = [], {}
    for line in text.splitlines():
        word, *rest = line.split()
        if word == "slice":
            slices.append((rest[0] == "1", int(rest[1]), int(rest[2])))
        else:
            totals[word] = float(rest[0])
    return slices, totals


def pairs_of(slices, slice_ms):
    """(sampled, unsampled) CPU share of one CPU per pair; pairs with a slice that was stretched by
    more than a tenth (the helper did not get the CPU in time) are left out."""
    pairs, stretched = [], 0
    for a, b in zip(slices[::2], slices[1::2]):
        if max(a[1], b[1]) > slice_ms * 1.1e6 or not a[2] or not b[2]:
            stretched += 1
            continue
        on, off = (a, b) if a[0] else (b, a)
        pairs.append((on[2] / on[1], off[2] / off[1]))
    return pairs, stretched


def spread_of_flips(logs, rounds=2000):
    """Half the width that 95 % of label flips stay in: what no effect looks like in these data."""
    rng = random.Random(1)
    means = sorted(abs(kit.trimmed([v if rng.random() < 0.5 else -v for v in logs])[0]) for _ in range(rounds))
    return means[int(0.95 * rounds)]


def report(text, per_s, options):
    if options.raw:
        with open(options.raw, "a") as f:
            f.write(text)
    slices, totals = parse(text)
    pairs, stretched = pairs_of(slices, options.slice_ms)
    if len(pairs) < 20:
        raise SystemExit(f"only {len(pairs)} pairs")
    logs = [math.log(on / off) for on, off in pairs]
    mean, se, df = kit.trimmed(logs)
    half = kit.t_quantile_975(df) * se
    on = kit.trimmed([p[0] for p in pairs])[0] / per_s * 1e6
    off = kit.trimmed([p[1] for p in pairs])[0] / per_s * 1e6
    print(f"{totals['frequency_hz']:g} Hz: {off:.3f} us of nginx CPU per request unsampled, {on:.3f} us sampled; ratio "
          f"{math.exp(mean):.5f}, that is {100 * math.expm1(mean):+.2f} % "
          f"[{100 * math.expm1(mean - half):+.2f}, {100 * math.expm1(mean + half):+.2f}] (95 %)")
    print(f"  {per_s:.0f} requests/s, worker {100 * off * per_s / 1e6:.0f} % of a CPU, {len(pairs)} pairs "
          f"({stretched} left out: stretched), sd of a pair {100 * statistics.stdev(logs):.1f} %; "
          f"95 % of label flips within {100 * spread_of_flips(logs):.2f} %")
    if totals["samples"]:
        print(f"  {totals['samples']:.0f} samples, {totals['bpf_ns'] / totals['samples']:.0f} ns of BPF each, helper "
              f"{totals['helper_cpu_ns'] / 1e7 / options.seconds:.2f} % of a CPU", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("hz", nargs="*", type=int, default=[499, 997, 99, 2])
    parser.add_argument("--seconds", type=int, default=250)
    parser.add_argument("--rate", type=int, default=16000)
    parser.add_argument("--slice-ms", type=int, default=250)
    parser.add_argument("--raw", help="append what profile_slices said to this file")
    options = parser.parse_args()
    kit.prioritise()
    for hz in options.hz:
        print(kit.machine(), flush=True)
        with kit.Bench(options.build) as bench:
            report(*run(bench, hz, options), options)


if __name__ == "__main__":
    main()
