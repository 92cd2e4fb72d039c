#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Targets that come and go, layouts of linkers, limits: test_lifecycle.py CASE --build DIR.

Cases, targets and checks as in test_profiler.py, whose bench this uses.
"""

import os
import re
import shutil
import subprocess
import sys

from bench import (SAMPLES_ASKED, Result, Skip, capabilities_of, capable_helper, check, ended, main, rest_of,
                   start_tool, tell)
from checks import (RATE_SAMPLES, ROOTS, SAMPLES_MIN, SEEN_MIN, SINGLE_SAMPLES, check_complete, check_rate,
                    check_share_complete, check_some, check_until_known, incomplete, mostly_complete)

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bench"))
import bench_shares
import benchkit


def life(bench, *arguments, program=None, seconds=3, hz=997, samples=SAMPLES_ASKED):
    program = program or f"{bench.zoo}/zoo_life"
    child = bench.start(program, *map(str, arguments), ready="ready")
    return bench.profile(child.pid, seconds=seconds, hz=hz, samples=samples)


def show(result):
    info = result.info
    print("  " + ", ".join(f"{key} {info[key]:g}" for key in ("samples", "complete_percent", "lost", "helper_cpu_ms",
                                                           "target_cpu_ms", "samples_per_cpu_s"))
          + "".join(f", {name} {value:g}" for name, value in sorted(info.items())
                    if name.startswith("result_") and value and name != "result_complete"))


def with_user_part(info):
    return info["samples"] - info["result_kernel-only"]


def child_of(frames):
    """The number that a child of zoo_life wrote into its stack; None: not yet, or no more."""
    bits = [int(name == "zoo_bit_set") for name in frames if name in ("zoo_bit_set", "zoo_bit_clear")]
    return sum(bit << at for at, bit in enumerate(bits)) if len(bits) == 10 else None


def case_thousand_children(bench):
    """Each is followed from its first to its last instruction, and the CPU time is all of theirs."""
    child = bench.start(f"{bench.zoo}/zoo_life", "forks", "90", "1000", ready="ready", stdin=subprocess.PIPE)
    tool, _ = start_tool(bench, child.pid, seconds=100)
    tell(child)  # all that follows is recorded
    words = child.stdout.readline().split()
    result = ended(tool)
    show(result)
    info = result.info
    check(info["lost"] == 0, f"{info['lost']:g} lost")
    check(words[:2] == ["children", "1000"], f"{words}")
    # Each burns five periods of the sampling clock.
    seen = {child_of(frames) for _, _, frames in result.stacks if "zoo_child" in frames} - {None}
    all_ms, lived_ms = int(words[3]) / 1e6, int(words[5]) / 1e6
    print(f"  {len(seen)} children seen, {info['target_cpu_ms']:g} ms of CPU, {lived_ms:g} to {all_ms:g} in truth")
    check(seen == set(range(1000)), f"{len(seen)} of 1000 children were seen")
    # A child is a tenth of a percent. At least what each says itself before it ends; at most what the kernel says,
    # who counts his own work for it after its end was seen as well.
    check(lived_ms * 0.9995 <= info["target_cpu_ms"] <= all_ms * 1.005,
          f"{info['target_cpu_ms']:g} ms of CPU are not in {lived_ms:g} to {all_ms:g}")
    check_rate(info)
    # A child binds its first functions again; what is called for that is not followed.
    check_share_complete(result, with_user_part(info), 99, known=check_some(result, "unsupported", 3))
    check(result.having("zoo_child") > info["samples"] * 0.5, "children are missing")


def case_short_lives(bench):
    """Programs of 50 ms, one after the other: each exec is a new program without rows at first."""
    shell = f"while :; do {bench.zoo}/zoo_native vdso 0; {bench.zoo}/zoo_life exec 1 50; done"
    child = bench.start("/bin/sh", "-c", shell)
    result = bench.profile(child.pid, seconds=4)
    show(result)
    info = result.info
    check(info["samples"] > SAMPLES_MIN, f"{info['samples']:g} samples")
    check_until_known(result, "no-mapping", 15)
    # As above; and the beginning of a program is a good part of its life here.
    check_share_complete(result, with_user_part(info), 95,
                         known=info["result_no-mapping"] + check_some(result, "unsupported", 3))
    check(result.having("spin_ms") + result.having("zoo_spin") > SEEN_MIN, "short programs are not seen")
    check_rate(info)


def case_exec_loop(bench):
    """The same program again and again, every 60 ms of its CPU time."""
    result = life(bench, "exec", 60, 60, seconds=4)
    show(result)
    mostly_complete(result, 92)
    check_spins(result)
    check_rate(result.info)


def check_spins(result):
    """By name, wherever its program was known."""
    spins, known = result.having("zoo_spin"), result.info["samples"] - result.info["result_no-mapping"]
    print(f"  {spins} of {known:g} in zoo_spin")
    check(spins > SEEN_MIN and spins > known * 0.6, "the program is not seen")


def case_unlinked(bench):
    """A program whose file is gone before the profile begins keeps rows and names."""
    program = shutil.copy(f"{bench.zoo}/zoo_life", os.path.join(bench.dir, "gone"))
    child = bench.start(program, "sort", "60", ready="ready")
    os.unlink(program)
    result = bench.profile(child.pid)
    check_complete(result)
    check(result.having("zoo_compare") > result.info["samples"] * 0.9, "no names")


def case_two_at_once(bench):
    """Two profilers on one target do not disturb each other."""
    child = bench.start(f"{bench.zoo}/zoo_life", "sort", "60", ready="ready")
    argv = [bench.tool, f"samples={RATE_SAMPLES}", bench.helper, "2", "997", str(child.pid)]
    tools = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for tool in tools:
        result = Result(rest_of(tool))
        check(tool.returncode == 0 and not result.errors, f"{result.errors}")
        check_complete(result)
        check_rate(result.info)


def case_depth(bench):
    """120 frames are complete; 300 end with the reason, and nothing is invented for a root."""
    check_complete(life(bench, "deep", 60, 110, seconds=2))
    result = life(bench, "deep", 60, 300, seconds=2)
    show(result)
    check(result.info["samples"] > SAMPLES_MIN, "no samples")
    check(result.info["result_depth"] >= result.info["samples"] * 0.99 - SINGLE_SAMPLES, incomplete(result))
    check(all(frames[0] == "[truncated]" for reason, _, frames in result.stacks if reason == "depth"),
          "a cut stack has a root")


def case_stack_paged_out(bench):
    """Callers' pages that are not in memory: the helper touches them, the next sample is whole."""
    result = life(bench, "paged", 60)
    show(result)
    faults = result.info["result_read-fault"]
    check(faults > 0, "nothing was paged out: the case tests nothing")
    check_until_known(result, "read-fault", 3)
    check_share_complete(result, result.info["samples"], 99, known=faults)


def case_many_mappings(bench):
    """More than the limit: libraries go first, and it is said."""
    result = life(bench, "mappings", 60, 6000, seconds=2)
    check_complete(result)
    check("more than 4096 executable mappings" in result.note, f"note {result.note!r}")


LAYOUTS = {
    "pie": [],
    "non_pie": ["-no-pie"],
    "static": ["-static"],
    "static_pie": ["-static-pie"],
    "relr_now": ["-Wl,-z,now", "-Wl,-z,separate-code"],
    "one_segment": ["-Wl,-z,noseparate-code"],
    "lld": ["-fuse-ld=lld"],
    "lld_non_pie": ["-fuse-ld=lld", "-no-pie"],
    "lld_rosegment": ["-fuse-ld=lld", "-Wl,--no-rosegment"],
}


def case_layouts(bench):
    """Every layout gives complete stacks from main's caller to the comparator, with names."""
    compiler = bench.need("gcc")
    for name, flags in LAYOUTS.items():
        if "-fuse-ld=lld" in flags:
            bench.need("ld.lld")  # the others come first
        program = os.path.join(bench.dir, name)
        subprocess.run([compiler, "-O2", "-D_GNU_SOURCE", "-fomit-frame-pointer", *flags, os.path.join(bench.source, "zoo/zoo_life.c"),
                        "-o", program, "-pthread"], check=True)
        print(" ", name, end=":")
        result = life(bench, "sort", 60, program=program, seconds=1, samples=2 * SEEN_MIN)
        check_layout(result, name)


def check_layout(result, name):
    info = result.info
    print(f" {info['samples']:g} samples, {info['complete_percent']:.2f} % complete")
    check(info["samples"] > SEEN_MIN, f"{name}: {info['samples']:g} samples")
    check_share_complete(result, info["samples"])
    right = sum(c for _, c, f in result.stacks if f[0] in ROOTS and "zoo_compare" in f)
    check(right > info["samples"] * 0.95, f"{name}: {right:g} from the root to the comparator")


def case_through_loader(bench):
    """Started as an argument of the loader: /proc/PID/exe is ld.so."""
    loader = "/lib64/ld-linux-x86-64.so.2"
    child = bench.start(loader, f"{bench.zoo}/zoo_life", "sort", "60", ready="ready")
    check_layout(bench.profile(child.pid), "loader")


def case_memory(bench):
    """What the kernel and the helper hold for node, and for a process tree."""
    node = bench.need("node")
    script = os.path.join(bench.dir, "loop.js")
    with open(script, "w") as f:
        f.write("const end = Date.now() + 60000; console.log('ready');\n"
                "while (Date.now() < end) JSON.stringify(JSON.parse('{\"a\":[1,2,3]}'));\n")
    child = bench.start(node, script, ready="ready")
    _, helper = start_tool(bench, child.pid)
    helper_kib = int(capabilities_of(helper)[0]["VmHWM"].split()[0])
    kernel_bytes = 0
    for fd in os.listdir(f"/proc/{helper}/fdinfo"):
        with open(f"/proc/{helper}/fdinfo/{fd}") as f:
            found = re.search(r"map_type:.*^memlock:\s*(\d+)", f.read(), re.M | re.S)
        kernel_bytes += int(found.group(1)) if found else 0
    print(f"  helper {helper_kib / 1024:.1f} MiB, maps {kernel_bytes / 2**20:.1f} MiB")
    check(helper_kib < 150 * 1024, f"the helper took {helper_kib} KiB")
    check(0 < kernel_bytes < 64 << 20, f"the maps take {kernel_bytes} bytes")


def case_nobody(bench):
    """Root's helper is nobody while it samples, and still reads what only root may."""
    program = shutil.copy(f"{bench.zoo}/zoo_life", os.path.join(bench.dir, "private"))
    os.chmod(program, 0o700)
    os.chmod(bench.dir, 0o700)
    child = bench.start(program, "exec", "60", "200", ready="ready")
    tool, helper = start_tool(bench, child.pid, seconds=3)
    status, have = capabilities_of(helper)
    check(status["Uid"].split() == ["65534"] * 4, f"Uid {status['Uid']}")
    check(status["Gid"].split() == ["65534"] * 4, f"Gid {status['Gid']}")
    check(not status["Groups"].split(), f"Groups {status['Groups']}")
    check(have <= {2, 19, 39, 40} and int(status["CapInh"], 16) == 0, f"capabilities {have}")
    result = Result(rest_of(tool))
    show(result)
    check_spins(result)


def name_tables(pid):
    """Open files of a process that hold the kernel's names; it opens and closes others meanwhile."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            if "kallsyms" in os.readlink(f"/proc/{pid}/fd/{fd}"):
                found.append(f"/proc/{pid}/fd/{fd}")
        except FileNotFoundError:
            pass
    return found


def case_kernel_addresses(bench):
    """A user who may not know where the kernel lies gets its names, and not its place."""
    helper, setpriv = capable_helper(bench), bench.need("setpriv")
    restrict = "/proc/sys/kernel/perf_event_paranoid"
    with open(restrict) as f:
        if int(f.read()) <= 1:
            raise Skip(f"{restrict}: anybody may see kernel addresses here")
    nobody = [setpriv, "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    target = bench.start(*nobody, f"{bench.dir}/zoo_native", "plt", "60", ready="ready")
    bench.tool, bench.helper = f"{bench.dir}/profile_pid", helper
    tool, _ = start_tool(bench, target.pid, seconds=3, prefix=nobody)
    tables = name_tables(tool.pid)
    check(len(tables) == 1 and "memfd" in os.readlink(tables[0]), f"{[os.readlink(t) for t in tables]}")
    with open(tables[0]) as f:
        lines = f.read().splitlines()
    check(any(line.endswith(" do_syscall_64") for line in lines), f"{len(lines)} names")
    check(not any(line.startswith("ffffffff") for line in lines), "kernel addresses")
    result = Result(rest_of(tool))
    check(not result.errors, f"{result.errors}")
    named = sum(c for _, c, f in result.stacks if any(x.endswith("_[k]") and "0x" not in x for x in f))
    kernel = sum(c for _, c, f in result.stacks if any(x.endswith("_[k]") for x in f))
    print(f"  {named} of {kernel} stacks with a kernel part have names")
    check(kernel > 0 and named == kernel, f"{named} of {kernel} stacks have kernel names")


def case_shares(bench):
    """A program that knows the CPU time of each of its functions: the profile says the same."""
    for hz in (99, 499, 997):
        with benchkit.Bench(bench.build) as kit:
            exact, seen, elsewhere = bench_shares.run(kit, hz, 6)
        samples = sum(seen.values())
        check(samples > hz / 2, f"{hz} Hz: {samples} samples in six seconds")
        chi2, p = bench_shares.chi_squared(exact, seen)
        print(f"  {hz} Hz: {samples} samples, {elsewhere} elsewhere; chi-squared {chi2:.2f} (3 degrees), p {p:.4f}")
        check(p > 1e-4, f"{hz} Hz: p {p:.2g}; true {exact}, sampled {seen}")
        check(elsewhere < 0.1 * samples + SEEN_MIN, f"{hz} Hz: {elsewhere} samples elsewhere")


def case_verifier(bench):
    """The work of verifying each program; every kernel that loads them does it again."""
    result = life(bench, "sort", 60, seconds=1)
    print("  verified", result.programs)
    check(result.programs, "no program is listed")
    for name, verified in result.programs.items():
        check(0 < verified <= 10000, f"{name}: the verifier walked {verified} instructions")


CASES = {name[len("case_"):]: value for name, value in sorted(globals().items()) if name.startswith("case_")}

if __name__ == "__main__":
    sys.exit(main(CASES))
