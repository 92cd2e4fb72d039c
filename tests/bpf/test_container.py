#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Targets whose files are elsewhere: test_container.py CASE --build DIR.

Mount namespaces, overlays, files that nobody can open any more; with and without
CAP_CHECKPOINT_RESTORE, which opens /proc/PID/map_files. PID namespaces are in test_profiler.py.
"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench import SAMPLES_ASKED, Result, Skip, check, main  # noqa: E402
from checks import check_complete  # noqa: E402

MODULE = "zoo_hidden"
SAMPLES = 2 * SAMPLES_ASKED  # on a busy machine half of them may have come before the recording began


def start_hidden(bench, setup, mode="threads", then=""):
    """zoo_native as /x/zoo_hidden on a file system that only its own mount namespace has."""
    shell = (f"mkdir -p {bench.dir}/x && {setup} && cp {bench.zoo}/zoo_native {bench.dir}/x/{MODULE} && "
             f"exec {bench.dir}/x/{MODULE} {mode} 20")
    if then:  # once it runs
        shell = (f"mkfifo {bench.dir}/said; " + shell.replace("exec ", "") +
                 f" >{bench.dir}/said & read said <{bench.dir}/said; {then}; echo $said; wait")
    child = bench.start(bench.need("unshare"), "--mount", "/bin/sh", "-c", shell, ready="ready")
    check(is_mounted(bench, child.pid) != bool(then), "the mount is not as the case needs it")
    return child


def is_mounted(bench, pid):
    with open(f"/proc/{pid}/mountinfo") as f:
        return f"{bench.dir}/x " in f.read()


def profile(bench, pid, *before, seconds=2):
    argv = [*before, bench.tool, f"samples={SAMPLES}", bench.helper, str(seconds), "997", str(pid)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=110,
                          env={**os.environ, "FG_SOURCE": "bpf"})
    result = Result(done.stdout)
    check(done.returncode == 0 and not result.errors, f"profile_pid: {result.errors}")
    return result


def without_map_files(bench):
    return [bench.need("setpriv"), "--bounding-set", "-checkpoint_restore,-sys_admin", "--inh-caps",
            "-checkpoint_restore,-sys_admin"]


def check_named(result):
    check_complete(result)
    named = result.having("zoo_thread") / result.info["samples"]
    print(f"  {named:.3f} of the samples named, more than 0.9 asked")
    check(named > 0.9, "names are missing")


TMPFS = "mount -t tmpfs none {0}/x"
OVERLAY = ("mkdir -p {0}/o && mount -t tmpfs none {0}/o && mkdir {0}/o/l {0}/o/u {0}/o/w && "
           "mount -t overlay none -o lowerdir={0}/o/l,upperdir={0}/o/u,workdir={0}/o/w {0}/x")


def case_mount_namespace(bench):
    child = start_hidden(bench, TMPFS.format(bench.dir))
    check(not os.path.exists(f"{bench.dir}/x/{MODULE}"), "the file is not hidden")
    check_named(profile(bench, child.pid))


def case_mount_namespace_no_map_files(bench):
    child = start_hidden(bench, TMPFS.format(bench.dir))
    check_named(profile(bench, child.pid, *without_map_files(bench)))


def case_overlay(bench):
    child = start_overlay(bench)
    check_named(profile(bench, child.pid))


def case_overlay_no_map_files(bench):
    child = start_overlay(bench)
    check_named(profile(bench, child.pid, *without_map_files(bench)))


def start_overlay(bench):
    with open("/proc/filesystems") as f:
        if "overlay" not in f.read() and subprocess.run(["modprobe", "overlay"], check=False).returncode != 0:
            raise Skip("this kernel has no overlay file system")
    return start_hidden(bench, OVERLAY.format(bench.dir))


def case_unreachable(bench):
    """The mount is gone and map_files is closed to us: rows come from memory, stacks stay whole."""
    child = start_hidden(bench, TMPFS.format(bench.dir), then=f"umount -l {bench.dir}/x")
    result = profile(bench, child.pid, *without_map_files(bench), seconds=3)
    check_complete(result)
    unnamed = sum(c for _, c, f in result.stacks if any(MODULE + "+0x" in x for x in f))
    check(unnamed > result.info["samples"] * 0.9, "the module's own name is missing")


def case_unreachable_map_files(bench):
    """The same with map_files: names too."""
    child = start_hidden(bench, TMPFS.format(bench.dir), then=f"umount -l {bench.dir}/x")
    check_named(profile(bench, child.pid, seconds=3))


def case_whole_container(bench):
    """PID and mount namespace together, tool and helper inside, as a job of a CI."""
    shell = (f"mount -t tmpfs none {bench.dir}/x && cp {bench.zoo}/zoo_native {bench.dir}/x/{MODULE} && "
             f"mkfifo {bench.dir}/said && {{ {bench.dir}/x/{MODULE} threads 40 >{bench.dir}/said & }} && "
             f"read said <{bench.dir}/said && FG_SOURCE=bpf {bench.tool} samples={SAMPLES} "
             f"{bench.helper} 2 997 $!; kill $!")
    os.mkdir(f"{bench.dir}/x")
    done = subprocess.run([bench.need("unshare"), "--pid", "--mount", "--fork", "--mount-proc", "/bin/sh", "-c", shell],
                          stdout=subprocess.PIPE, text=True, timeout=110)
    result = Result(done.stdout)
    check(not result.errors, f"{result.errors}")
    check_named(result)


CASES = {name[len("case_"):]: value for name, value in sorted(globals().items()) if name.startswith("case_")}


if __name__ == "__main__":
    sys.exit(main(CASES))
