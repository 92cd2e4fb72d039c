#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The profiler's cost on nginx's CPU per request: bench_profiler_cost.py BUILD_DIR [HZ...]

One run per frequency: constant arrivals on one nginx worker while the helper switches its events on
and off in slices of 250 ms (random order in each pair) and reads nginx's CPU clock at each border;
the requests of each slice are asked of nginx's status page at the border.
Prints the ratio of CPU per request, sampled to unsampled, as the 20 % trimmed mean of the pairs'
log-ratios with Yuen's 95 % interval. In every second pair the slice without samples has the same
timers with no program behind them: that ratio is the part that is ours, and the difference what the
interrupt alone costs on this machine (a virtual machine leaves it for the host several times). Two
checks of the method itself: the same pairs with their labels flipped at random (must give no effect:
its 95 % spread is printed), and a run at 2 Hz, which is an A/A run with everything but the samples.
"""

import argparse
import http.client
import math
import os
import random
import statistics
import subprocess
import time

import benchkit as kit


class Status:
    """nginx's request counter, over one connection that stays open."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def requests(self):
        self.connection.request("GET", "/status")
        return int(self.connection.getresponse().read().splitlines()[2].split()[2])


def run(bench, hz, options):
    """Borders as (what, time_ns, cpu_ns, requests) and the totals; what: SAMPLED, BARE or 0."""
    server, port = bench.nginx()
    load = bench.start(bench.flamegate, "run", "-r", options.rate, "-d", f"{options.seconds + 15}s", "--no-profile",
                       f"http://127.0.0.1:{port}/index.html")
    time.sleep(5)  # connections and caches; the load is then stationary
    status, borders, totals = Status(port), [], {}
    slices = subprocess.Popen([bench.build / "tests/bench/profile_slices", bench.helper, str(hz), str(options.slice_ms),
                               str(options.seconds), *map(str, kit.children_of(server.pid))],
                              stdout=subprocess.PIPE, text=True, start_new_session=True)
    bench.children.append(slices)
    kit.prioritise(slices.pid)
    for line in slices.stdout:
        word, *rest = line.split()
        if word == "border":
            borders.append((int(rest[0]), int(rest[1]), int(rest[2]), status.requests()))
        else:
            totals[word] = float(rest[0])
    if slices.wait() or load.poll() is not None:
        raise SystemExit(f"profile_slices ended with {slices.returncode}, the load with {load.returncode}")
    bench.end(load)
    bench.end(server)
    return borders, totals


SAMPLED, BARE = 1, 2


def pairs_of(borders, options):
    """(sampled, unsampled) CPU-ns per request per pair, by what the unsampled slice had: 0 or BARE. Left out: pairs with a slice that is a tenth
    too long (the helper did not get the CPU in time) or with half the requests (the load did not)."""
    slices = [(a[0], b[1] - a[1], b[2] - a[2], b[3] - a[3]) for a, b in zip(borders, borders[1:])]
    pairs, left_out = {0: [], BARE: []}, 0
    for pair in zip(slices[::2], slices[1::2]):
        if any(ns > options.slice_ms * 1.1e6 or not cpu or requests < 0.5 * options.rate * ns / 1e9
               for _, ns, cpu, requests in pair):
            left_out += 1
            continue
        on, off = pair if pair[0][0] == SAMPLED else pair[::-1]
        pairs[off[0]].append((on[2] / on[3], off[2] / off[3]))
    return pairs, left_out


def spread_of_flips(logs, rounds=2000):
    """Half the width that 95 % of label flips stay in: what no effect looks like in these data."""
    rng = random.Random(1)
    means = sorted(abs(kit.trimmed([v if rng.random() < 0.5 else -v for v in logs])[0]) for _ in range(rounds))
    return means[int(0.95 * rounds)]


def ratio(pairs):
    """In percent: the effect, half its 95 % interval, the spread of a pair and of flipped labels."""
    logs = [math.log(on / off) for on, off in pairs]
    mean, se, df = kit.trimmed(logs)
    return (100 * math.expm1(mean), 100 * kit.t_quantile_975(df) * se, 100 * statistics.stdev(logs),
            100 * spread_of_flips(logs))


def report(borders, totals, options):
    pairs, left_out = pairs_of(borders, options)
    if min(map(len, pairs.values())) < 20:
        raise SystemExit(f"only {pairs} pairs, {left_out} left out: the machine is too busy for this load")
    first, last = borders[0], borders[-1]
    wall_s = (last[1] - first[1]) / 1e9
    on, off = (kit.trimmed(column)[0] / 1e3 for column in zip(*pairs[0]))
    print(f"{totals['frequency_hz']:g} Hz: {off:.3f} us of nginx CPU per request unsampled, {on:.3f} us sampled; "
          f"{wall_s:.0f} s, {(last[3] - first[3]) / wall_s:.0f} requests/s, worker "
          f"{100 * (last[2] - first[2]) / (last[1] - first[1]):.0f} % of a CPU, {left_out} pairs left out")
    for what, name in ((0, "all of it"), (BARE, "beyond the interrupt")):
        effect, half, spread, flips = ratio(pairs[what])
        print(f"  {name + ':':<21} {effect:+.2f} % [{effect - half:+.2f}, {effect + half:+.2f}] (95 %), "
              f"{len(pairs[what])} pairs of sd {spread:.1f} %, 95 % of label flips within {flips:.2f} %")
    if totals["samples"]:
        cpu_ns = (last[2] - first[2]) / 2
        print(f"  {totals['samples']:.0f} samples, {totals['bpf_ns'] / totals['samples'] / 1e3:.1f} us of BPF each, "
              f"{100 * totals['bpf_ns'] / cpu_ns:.2f} % of the worker's CPU; helper "
              f"{totals['helper_cpu_ns'] / 1e7 / wall_s:.2f} % of a CPU", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("hz", nargs="*", type=int, default=[499, 997, 99, 2])
    parser.add_argument("--seconds", type=int, default=490)
    parser.add_argument("--rate", type=int, default=8000)
    parser.add_argument("--slice-ms", type=int, default=250)
    options = parser.parse_args()
    kit.prioritise(os.getpid())
    for hz in options.hz:
        print(kit.machine(), flush=True)
        with kit.Bench(options.build, priority=True) as bench:
            report(*run(bench, hz, options), options)


if __name__ == "__main__":
    main()
