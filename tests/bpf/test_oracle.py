#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same samples unwound by BPF and by libdwfl: test_oracle.py CASE --build DIR.

Targets and load are those of test_profiler.py; what is profiled there is compared here
(tests/bpf/oracle_pid). At least 99 % of the samples must have the same stack, frame by frame.
"""

import argparse
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_profiler  # noqa: E402
import test_servers  # noqa: E402
from bench import Bench, Skip, check  # noqa: E402
from test_profiler import native  # noqa: E402

AGREE_PERCENT_MIN = 99
SINGLE_SAMPLES = 2  # more than that of a hundred
COMPARED_MIN = 100  # oracle_pid goes on for a while until it has three times as many
KERNEL_WALKS_MIN = {"nginx": 50, "redis": 20, "fork": 20}  # targets that live in the kernel; so many are asked for


class Compared(Exception):
    """Ends a case of test_profiler where it would begin to look at a profile."""

    def __init__(self, counts, differences):
        super().__init__()
        self.counts, self.differences = counts, differences


class OracleBench(Bench):
    walks = 0

    def profile(self, *pids, seconds=2, hz=997, told=None, samples=0):
        argv = [os.path.join(self.build, "tests/bpf/oracle_pid"), f"walks={self.walks}", str(seconds), str(hz),
                *map(str, pids)]
        lines = [line.split(" ", 2) for line in self.recorded(argv, told).splitlines() if line != "ready"]
        raise Compared({line[1]: int(line[2]) for line in lines if line[0] == "oracle"},
                       [f"{line[1]} {line[2]}" for line in lines if line[0] == "differ"])


def case_signal_same(bench):
    native(bench, "signal-same")


def case_plt(bench):
    native(bench, "plt")


def fixed(bench, mode):
    child = bench.start(f"{bench.zoo}/zoo_fixed", mode, "60", ready="ready")
    bench.profile(child.pid)


def case_nopie(bench):
    fixed(bench, "plt")


def case_debug_file(bench):
    """Stripped, with the debug information in a file beside it."""
    objcopy, strip = bench.need("objcopy"), bench.need("strip")
    program = os.path.join(bench.dir, "zoo_stripped")
    subprocess.run([objcopy, "--only-keep-debug", f"{bench.zoo}/zoo_native", f"{program}.debug"], check=True)
    subprocess.run([strip, "-o", program, f"{bench.zoo}/zoo_native"], check=True)
    subprocess.run([objcopy, f"--add-gnu-debuglink={program}.debug", program], check=True)
    child = bench.start(program, "recursion", "60", ready="ready")
    bench.profile(child.pid)


def case_python(bench):
    program = "import json\nprint('ready', flush=True)\n" \
              "while True: json.loads(json.dumps(sorted([{'a': [i, str(i)]} for i in range(99)], key=str)))"
    child = bench.start(sys.executable, "-c", program, ready="ready")
    bench.profile(child.pid)


CASES = {name[len("case_"):]: value for name, value in sorted(globals().items()) if name.startswith("case_")}
for shared in ("recursion", "signal", "vdso", "threads", "fork", "exec", "dlopen", "cpp", "rust", "nginx", "redis"):
    CASES[shared] = getattr(test_profiler, f"case_{shared}")
CASES["nginx_tls"] = test_servers.case_nginx_tls


def kernel_has_table():
    with open("/proc/kallsyms", encoding="ascii") as names:
        return any(line.endswith(" __start_orc_unwind_ip\n") for line in names)


def judge(name, counts, differences):
    print("  " + ", ".join(f"{key} {value}" for key, value in counts.items()))
    for line in differences:
        print("  differ", line)
    # libdwfl takes the leaf's address as it is; in the system call at the very end of a function, which
    # __restore_rt is, that is past its unwind table. BPF knows that it is a return address.
    check(counts["after_call"] <= counts["compared"] * 0.01 + 1, f"{counts['after_call']} leaves past their function")
    whole = counts["compared"] - counts["cut"] - counts["red_zone"] - counts["after_call"]
    percent = 100 * counts["agree"] / whole if whole else 0
    print(f"  {percent:.2f} % of {whole} whole stacks agree")
    check(whole >= COMPARED_MIN, f"only {whole} stacks could be compared")
    check(counts["agree"] >= whole * AGREE_PERCENT_MIN / 100 - SINGLE_SAMPLES, f"{percent:.2f} % agree")
    check(counts["kernel_differ"] == 0, "a stack of the kernel was walked in two ways with two results")
    check(counts["kernel_checks"] == counts["kernel_walks"], "not each walk of the kernel's stack was checked")
    if name in KERNEL_WALKS_MIN and kernel_has_table():
        check(counts["kernel_walks"] >= KERNEL_WALKS_MIN[name], f"{counts['kernel_walks']} walks of the kernel's stack")
    if name != "signal":  # there the interrupted stack is another one, which no copy holds
        check(counts["cut"] <= counts["compared"] * 0.02 + SINGLE_SAMPLES, f"{counts['cut']} stacks were cut")
    # On a busy machine copies are lost while oracle_pid does not run, and new code is known the later.
    check(counts["unmatched"] <= counts["samples"] * 0.25, f"{counts['unmatched']} copies lost")
    check(counts["unmapped"] <= counts["samples"] * 0.1 + 50, f"{counts['unmapped']} of code not known yet")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=[*sorted(CASES), "all"])
    parser.add_argument("--build", required=True)
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("SKIP: real BPF needs root")
        return 77
    code = 0
    for name in sorted(CASES) if options.case == "all" else [options.case]:
        bench = OracleBench(os.path.abspath(options.build))
        bench.walks = KERNEL_WALKS_MIN.get(name, 0) if kernel_has_table() else 0
        try:
            print(name)
            CASES[name](bench)
            raise AssertionError("nothing was compared")
        except Skip as reason:
            print(f"SKIP: {reason}")
            code = code or 77
        except Compared as result:
            try:
                judge(name, result.counts, result.differences)
            except AssertionError as failure:
                print(f"FAILED {name}: {failure}")
                code = 1
        except AssertionError as failure:
            print(f"FAILED {name}: {failure}")
            code = 1
        finally:
            bench.close()
    return code


if __name__ == "__main__":
    sys.exit(main())
