# SPDX-License-Identifier: Apache-2.0
"""usage: judge.py LOG NAMES: are the stacks of tests/arm64/work.c, sampled on an emulated kernel, right?"""
import bisect
import collections
import sys

COMPLETE = "0"
# who may call whom, as the source says; what is between is the C library's
WANTED = ["leaf recurse main _start", "leaf by_value qsort_r main _start", "leaf in_signal vdso raise main _start",
          "syscall enter_kernel main _start", "vdso clock_gettime read_clock main _start"]


def names_of(path):
    symbols = []
    with open(path) as f:
        for fields in map(str.split, f):
            if len(fields) == 3 and fields[1] in "tTwW" and not fields[2].startswith("$"):
                symbols.append((int(fields[0], 16), fields[2]))
    return sorted(symbols)


def has_in_order(stack, wanted):
    rest = iter(stack)
    return all(name in rest for name in wanted.split())


def main():
    symbols = names_of(sys.argv[2])
    starts = [start for start, _ in symbols]
    results, seen, guessed, rootless = collections.Counter(), collections.Counter(), 0, 0
    with open(sys.argv[1], errors="replace") as f:
        for line in f:
            if not line.startswith("SAMPLE "):
                continue
            _, result, guesses, _, *frames = line.split()
            stack = []
            for frame in frames:
                module, address = frame.split(":")
                stack.append("vdso" if module != "3" else symbols[bisect.bisect(starts, int(address, 16)) - 1][1])
            results[result] += 1
            guessed += int(guesses)
            rootless += result == COMPLETE and stack[-1] != "_start"
            for wanted in WANTED:
                seen[wanted] += has_in_order(stack, wanted)
    total = sum(results.values())
    print(f"{total} stacks, by result {dict(results)}, {guessed} guessed frames, {rootless} without root")
    for wanted in WANTED:
        print(f"{seen[wanted]:6} {wanted}")
    good = total >= 300 and results[COMPLETE] >= 0.98 * total and not guessed and not rootless and \
        all(seen[wanted] for wanted in WANTED)
    print("right" if good else "WRONG")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
