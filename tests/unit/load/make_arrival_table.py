#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes arrival_table.h: schedules with their number of events and some due times, computed with
exact fractions and integer bisection, another way than runner/load/plan_arrival.c takes.

  tests/unit/load/make_arrival_table.py > tests/unit/load/arrival_table.h
"""
import math
import random
from fractions import Fraction

NS = 10**9
UNITS = [NS, NS, NS, 10**6, 60 * NS, 3600 * NS, 333333333, 7 * NS, 999999937]


def legs(start, stages):
    rate, at = start, 0
    for duration, target in stages:
        yield at, duration, rate, target
        at, rate = at + duration, target


def area(start, stages, unit, t):
    """Events up to t ns."""
    total = Fraction(0)
    for at, duration, r0, r1 in legs(start, stages):
        x = min(max(t - at, 0), duration)
        if duration and x:
            total += Fraction(r0 * x, unit) + Fraction((r1 - r0) * x * x, 2 * duration * unit)
    return total


def due(start, stages, unit, k):
    """floor of the first real time at which the area reaches k."""
    end = sum(d for d, _ in stages)
    if k == 0:
        return 0
    low, high = 0, end  # area(low) < k <= area(high)
    while high - low > 1:
        middle = (low + high) // 2
        if area(start, stages, unit, middle) >= k:
            high = middle
        else:
            low = middle
    return high if area(start, stages, unit, high) == k else low


def row(start, stages, unit, rng):
    end = sum(d for d, _ in stages)
    events = math.ceil(area(start, stages, unit, end))
    if not events:
        return None
    ks = {0, events - 1, events // 2, 1 % events}
    ks |= {rng.randrange(events) for _ in range(4)}
    points = [(k, due(start, stages, unit, k)) for k in sorted(ks)]
    return start, unit, stages, events, points


def schedules(rng):
    # by hand: k6's documentation, boundaries that fall on a whole event, pauses, jumps
    yield 30, [(30 * NS, 30)], NS
    yield 0, [(10 * NS, 10)], NS
    yield 10, [(10 * NS, 0)], NS
    yield 300, [(60 * NS, 300), (120 * NS, 600), (240 * NS, 600), (120 * NS, 60)], 60 * NS
    yield 0, [(0, 50), (2 * NS, 50)], NS
    yield 50, [(NS, 50), (0, 500), (NS, 500), (0, 1), (3 * NS, 1)], NS
    yield 0, [(5 * NS, 0), (2 * NS, 100), (2 * NS, 0), (5 * NS, 0), (NS, 10)], NS
    yield 1, [(NS + 1, 1)], NS
    yield 0, [(1, 3000000000)], 1
    yield 1000000, [(86400 * NS, 0)], NS
    yield 0, [(30 * 86400 * NS, 200000)], NS
    yield 7, [(13 * NS, 11), (17 * NS, 3), (1, 1000000), (1, 0), (19 * NS, 2)], NS
    while True:
        unit = rng.choice(UNITS)
        scale = max(1, unit * 70 // NS)
        stages = []
        for _ in range(rng.randint(1, 6)):
            duration = rng.choice([0, rng.randrange(1, 9 * NS), rng.randrange(1, 90) * NS // 3])
            target = rng.choice([0, 1, rng.randrange(1, 20 * scale), rng.randrange(1, scale + 1)])
            stages.append((duration, target))
        yield rng.choice([0, rng.randrange(0, scale + 1)]), stages, unit


def main():
    rng = random.Random(4)
    rows = []
    for start, stages, unit in schedules(rng):
        made = row(start, stages, unit, rng)
        if made:
            rows.append(made)
        if len(rows) == 260:
            break
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/* Made by make_arrival_table.py; do not edit. */")
    print("/* clang-format off */")
    print("static const struct arrival_row arrival_table[] = {")
    for start, unit, stages, events, points in rows:
        s = ", ".join(f"{{{d}ull, {t}}}" for d, t in stages)
        p = ", ".join(f"{{{k}ull, {t}ull}}" for k, t in points)
        print(f"\t{{{start}, {unit}ull, {len(stages)}, {{{s}}}, {events}ull, {len(points)}, {{{p}}}}},")
    print("};")


main()
