#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does the profile say the truth? bench_shares.py BUILD_DIR [HZ…]

known_shares spends its CPU time in four functions and knows each one's exactly. Prints, per
frequency, the true and the sampled shares and Pearson's chi-squared p over the four. Samples come at
a fixed period and see stretches of some 0.1 to 1 ms, hence vary less than independent ones: a p near
1 is no surprise, one below 0.001 in more than one run of a thousand is a bias.
"""

import argparse
import math
import subprocess
import sys

import benchkit as kit


def p_of_3_degrees(x):
    return math.erfc(math.sqrt(x / 2)) + math.sqrt(2 * x / math.pi) * math.exp(-x / 2)


def run(bench, hz, seconds):
    """{name: exact ns}, {name: samples}, samples elsewhere"""
    target = subprocess.Popen([bench.build / "tests/bench/known_shares", str(seconds)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True, start_new_session=True)
    bench.children.append(target)
    target.stdout.readline()
    profiler = subprocess.Popen([bench.build / "tests/bpf/profile_pid", bench.helper, str(seconds + 1), str(hz),
                                 str(target.pid)], stdout=subprocess.PIPE, text=True, start_new_session=True)
    bench.children.append(profiler)
    while (line := profiler.stdout.readline()).strip() != "ready":
        if not line or line.startswith("error"):
            raise SystemExit(f"profile_pid: {line}")
    target.stdin.write("\n")
    target.stdin.flush()
    profile = profiler.communicate()[0]
    target.stdin.close()
    exact = {}
    for line in target.stdout:
        _, name, ns = line.split()
        exact[name] = int(ns)
    seen, elsewhere = dict.fromkeys(exact, 0), 0
    for line in profile.splitlines():
        if not line.startswith("stack "):
            continue
        _, _, count, frames = line.split(" ", 3)
        name = next((f for f in frames.split(";") if f in seen), None)
        if name:
            seen[name] += int(count)
        else:
            elsewhere += int(count)
    return exact, seen, elsewhere


def chi_squared(exact, seen):
    """Pearson's statistic over all shares, and its p."""
    cpu_ns, samples = sum(exact.values()), sum(seen.values())
    chi2 = sum((seen[n] - samples * exact[n] / cpu_ns) ** 2 / (samples * exact[n] / cpu_ns) for n in exact)
    return chi2, p_of_3_degrees(chi2)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("hz", nargs="*", type=int, default=[99, 499, 997])
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()
    print(kit.machine())
    for hz in options.hz:
        with kit.Bench(options.build) as bench:
            exact, seen, elsewhere = run(bench, hz, options.seconds)
        cpu_ns, samples = sum(exact.values()), sum(seen.values())
        if not samples:
            sys.exit("no samples")
        chi2, p = chi_squared(exact, seen)
        shares = "  ".join(f"{n} {100 * exact[n] / cpu_ns:.2f} / {100 * seen[n] / samples:.2f}" for n in exact)
        print(f"{hz} Hz: {samples} samples in {cpu_ns / 1e9:.2f} s of CPU ({samples * 1e9 / cpu_ns:.1f} per s, {elsewhere} "
              f"elsewhere); true / sampled %: {shares}; chi2 {chi2:.2f}, p {p:.3f}", flush=True)


if __name__ == "__main__":
    main()
