#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Profiles without BPF, as a real unprivileged user: test_perf.py CASE --build DIR.

Root starts everything as nobody (uid 65534) and restores what it changes. Every case has the
upstream kernel's default of perf_event_paranoid, 2, or sets another level; and memory to lock as
systemd gives it to everybody, whatever the machine has.
"""

import argparse
import contextlib
import ctypes
import json
import math
import os
import resource
import shutil
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_profiler  # noqa: E402
from bench import (SAMPLES_ASKED, Bench, Result, Skip, capabilities_of, check, cpu_s,  # noqa: E402
                   start_tool, wait_until)
from checks import ROOTS, SAMPLES_MIN, incomplete  # noqa: E402

COMPLETE_PERCENT_MIN = 98
PARANOID = "/proc/sys/kernel/perf_event_paranoid"
HZ = 499
USER_SHARE_MIN = 0.3
MEMLOCK_BYTES = 8 << 20  # rings of 4 MiB for two CPUs, of 1 MiB for many
SLOW_S = 60  # for what takes a second where nothing else runs


class NobodyBench(Bench):
    """As Bench, with targets, tool and helper of another user."""

    def __init__(self, build):
        super().__init__(build)
        os.chmod(self.dir, 0o777)
        self.nobody = [self.need("setpriv"), "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        for path in (self.tool, self.helper, f"{self.zoo}/zoo_native", f"{self.zoo}/libzoo_plugin.so"):
            shutil.copy(path, self.dir)
            os.chmod(os.path.join(self.dir, os.path.basename(path)), 0o755)
        self.plugin = f"{self.dir}/libzoo_plugin.so"
        self.tool, self.helper = f"{self.dir}/profile_pid", f"{self.dir}/flamegate-profiler"
        self.zoo = self.dir
        self.note = ""

    def start(self, *argv, **options):
        return super().start(*self.nobody, *argv, **options)

    def run_tool(self, *pids, seconds=2, hz=HZ, samples=SAMPLES_ASKED, **options):
        argv = [*self.nobody, self.tool, f"samples={samples}", self.helper, str(seconds), str(hz), *map(str, pids)]
        return subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=110, **options).stdout

    def profile(self, *pids, seconds=2, hz=HZ):
        return self.judged(self.run_tool(*pids, seconds=seconds, hz=hz))

    def judged(self, text):
        result = Result(text)
        check(not result.errors, f"profile_pid: {result.errors}")
        source = next(line for line in text.splitlines() if line.startswith("source "))
        check(source.startswith("source perf perf events and stack copies, because "), source)
        self.note = source
        return result


def check_complete(result, visible=False, ended=False, mixed=False):
    """A target that ended takes the user's part of its last 0.2 s with it; a mixed one may be mostly in the kernel."""
    info = result.info
    for key in ("samples", "complete_percent", "lost", "start_ms", "samples_per_cpu_s", "helper_cpu_ms",
                "target_cpu_ms", "user_cpu_ms"):
        print(f"  {key} {info[key]:g}")
    check(info["samples"] >= SAMPLES_MIN, f"only {info['samples']:g} samples")
    complete = 100 * info["complete"] / (info["samples"] - info["result_kernel-only"])
    check(complete >= COMPLETE_PERCENT_MIN, f"{complete:.2f} % complete; {incomplete(result)}")
    check(info["lost"] <= 0.01 * info["samples"], f"{info['lost']:g} lost")
    if not ended:
        check_rate(info, visible, mixed)
    wrong = {f[0] for r, _, f in result.stacks if r == "complete" and f[0] not in ROOTS}
    check(not any(w for w in wrong if "+0x" not in w and not w.endswith("_[k]")), f"complete stacks with roots {wrong}")
    check((info["user_cpu_ms"] == 0) == visible, f"user time {info['user_cpu_ms']:g} ms")


def check_rate(info, visible, mixed):
    """No thread's events are missing and none count twice. Which part of the CPU time is the user's is an estimate from
    the timer's ticks, and samples hit user mode or not by chance too: where it is a small part, that hides what could
    be wrong. A busy hypervisor swallows timers, never adds any."""
    user = 1 if visible else min(info["user_cpu_ms"] / info["target_cpu_ms"], 1)
    rate = info["samples_per_cpu_s"] / HZ
    print(f"  user mode has {user:.0%}, rate {rate:.3f} of what it should be", end="")
    if user <= USER_SHARE_MIN:
        print()
        check(mixed, f"{user:.0%} of the time of a target that burns is the user's")
        return
    tick_s = time.clock_getres(getattr(time, "CLOCK_MONOTONIC_COARSE", 6))
    ticks = info["target_cpu_ms"] / 1000 / tick_s
    sigma = math.sqrt((1 - user) / (user * ticks) + (1 - user) / info["samples"])
    low, high = 0.7 - 3 * sigma, 1.1 + 5 * sigma
    print(f", {low:.3f} to {high:.3f} asked")
    check(low < rate < high, f"{info['samples_per_cpu_s']:g} samples per CPU second")


class Held:
    """zoo_native that begins with go() only, so that what it does soon is done while the tool records it."""

    def __init__(self, bench, *argv, prefix=()):
        self.child = bench.start("/bin/sh", "-c", 'echo ready; read go; exec "$@"', "sh", f"{bench.zoo}/zoo_native",
                                 *argv, ready="ready", stdin=subprocess.PIPE)
        self.tool, self.helper = start_tool(bench, self.child.pid, seconds=2 * SLOW_S, hz=HZ,
                                            prefix=[*prefix, *bench.nobody])

    def go(self):
        self.child.stdin.write("go\nx\n")  # and what the program itself may wait for
        self.child.stdin.flush()

    def shows(self, file, text):
        """Whether a file of /proc/PID has the text."""
        with open(f"/proc/{self.child.pid}/{file}", encoding="utf-8", errors="replace") as f:
            return text in f.read()

    def go_until(self, file, text):
        """A CPU second from when /proc/PID has the text."""
        self.go()
        wait_until(lambda: self.shows(file, text), SLOW_S, f"{text} in {file}")
        end_s = cpu_s(self.child.pid) + 1
        wait_until(lambda: cpu_s(self.child.pid) > end_s, SLOW_S, "a CPU second")

    def ended(self):
        self.tool.terminate()
        text = self.tool.head + self.tool.stdout.read()
        self.tool.wait()
        return text


def native(bench, mode, *more, seconds=2):
    child = bench.start(f"{bench.zoo}/zoo_native", mode, "20", *more, ready="ready")
    return bench.profile(child.pid, seconds=seconds)


def case_nginx(bench):
    """The same server and load as with BPF; 98 % of the stacks are whole with 32 KiB."""
    with contextlib.suppress(Ended):
        test_profiler.case_nginx(Judged(bench))


class Ended(Exception):
    pass


class Judged:
    """A bench whose profile() is judged by this file's rules and ends the borrowed case."""

    def __init__(self, bench):
        self.bench = bench

    def __getattr__(self, name):
        return getattr(self.bench, name)

    def profile(self, *pids, seconds=2, hz=HZ):
        check_complete(self.bench.profile(*pids, seconds=seconds), mixed=True)
        raise Ended()


def case_redis(bench):
    with contextlib.suppress(Ended):
        test_profiler.case_redis(Judged(bench))


def case_python(bench):
    program = "import json\nprint('ready', flush=True)\n" \
              "while True: json.loads(json.dumps(sorted([{'a': [i, str(i)]} for i in range(99)], key=str)))"
    child = bench.start("/usr/bin/python3", "-c", program, ready="ready")
    check_complete(bench.profile(child.pid))


def case_cpp(bench):
    child = bench.start(bench.compiled_cpp(), ready="ready")
    check_complete(bench.profile(child.pid))


def case_recursion(bench):
    result = native(bench, "recursion")
    check_complete(result)
    deep = sum(c for _, c, f in result.stacks if f.count("zoo_recurse") == 120)
    check(deep > result.info["samples"] * 0.99, f"{deep} samples have all 120 frames")
    for word in ("CAP_BPF", "kernel part not visible", "for BPF: sudo setcap"):
        check(word in bench.note, bench.note)


def case_threads(bench):
    """Threads that exist already have events of their own, and none twice."""
    result = native(bench, "threads")
    check_complete(result)
    check(result.having("zoo_thread") > result.info["samples"] * 0.9, "threads are missing")


def case_vdso(bench):
    result = native(bench, "vdso")
    check_complete(result)
    check(result.having("__vdso_clock_gettime") > 10, "no vDSO function by name")


def case_fork(bench):
    result = native(bench, "fork", seconds=3)
    check_complete(result)
    check(result.having("zoo_child") > result.info["samples"] * 0.7, "children are missing")


def check_seen(result, name):
    """A CPU second at least is spent there: half of it must be seen."""
    seen = result.having(name)
    print(f"  {seen} samples in {name}, {HZ / 2:g} asked")
    check(seen >= HZ / 2, f"{seen} samples in {name} of a CPU second")


def case_exec(bench):
    held = Held(bench, "exec", "30")
    held.go_until("cmdline", "after-exec")
    result = bench.judged(held.ended())
    check_complete(result)
    check_seen(result, "zoo_after_exec")


def case_dlopen(bench):
    held = Held(bench, "dlopen", "30", bench.plugin)
    held.go_until("maps", bench.plugin)
    result = bench.judged(held.ended())
    check_complete(result)
    check_seen(result, "zoo_plugin_inner")


def case_signal(bench):
    """The interrupted stack is another one, which no copy holds: such stacks say that they are cut."""
    result = native(bench, "signal")
    check(result.info["result_read-fault"] > result.info["samples"] * 0.2, "cut stacks are not told")
    roots = {f[0] for r, _, f in result.stacks if r == "read-fault"}
    check(roots == {"[truncated]"}, f"roots {roots}")


def case_capable(bench):
    """libdwfl reads files that a user wrote: never with more rights than that user, though the helper had them."""
    setcap = bench.need("setcap")
    if subprocess.run([setcap, "cap_perfmon,cap_sys_ptrace,cap_checkpoint_restore,cap_syslog+ep", bench.helper],
                      check=False).returncode != 0:
        raise Skip("this file system takes no file capabilities")
    held = Held(bench, "exec", "30", prefix=["env", "FG_SOURCE=perf"])
    status, have = capabilities_of(held.helper)
    check(not have and int(status["CapPrm"], 16) == 0, f"capabilities {have}, permitted {status['CapPrm']}")
    held.go_until("cmdline", "after-exec")
    result = Result(held.ended())
    check(not result.errors, f"{result.errors}")
    complete = result.info["complete"] / (result.info["samples"] - result.info["result_kernel-only"])
    check(complete * 100 >= COMPLETE_PERCENT_MIN, f"{complete:.2%} complete; {incomplete(result)}")
    check_seen(result, "zoo_after_exec")


@contextlib.contextmanager
def paranoid(level):
    with open(PARANOID) as f:
        before = f.read()
    try:
        with open(PARANOID, "w") as f:
            f.write(str(level))
        yield
    finally:
        with open(PARANOID, "w") as f:
            f.write(before)


def case_kernel_visible(bench):
    """At level 1 the kernel's part is sampled as well."""
    with paranoid(1):
        result = native(bench, "vdso")
    check_complete(result, visible=True)
    check("not visible" not in bench.note, bench.note)


def case_level_three(bench):
    """Upstream takes 3 for 2; kernels that refuse it say so with the fix (next case)."""
    with paranoid(3):
        child = bench.start(f"{bench.zoo}/zoo_native", "vdso", "20", ready="ready")
        text = bench.run_tool(child.pid)
    check("info complete_percent" in text or "kernel.perf_event_paranoid=2" in text, text)


def refuse_perf_events():
    """A seccomp filter as containers have them: perf_event_open and bpf give EPERM."""
    def op(code, true, false, value):
        return struct.pack("HBBI", code, true, false, value)

    program = b"".join((op(0x20, 0, 0, 0), op(0x15, 2, 0, 298), op(0x15, 1, 0, 321), op(0x06, 0, 0, 0x7fff0000),
                        op(0x06, 0, 0, 0x00050001)))
    buffer = ctypes.create_string_buffer(program)
    filters = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, filters, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


def case_refused(bench):
    """Neither BPF nor perf events: both reasons and both fixes."""
    child = bench.start(f"{bench.zoo}/zoo_native", "vdso", "20", ready="ready")
    text = bench.run_tool(child.pid, preexec_fn=refuse_perf_events)
    for word in ("error permission", "sudo setcap", "without BPF: perf events on own processes were refused", "seccomp",
                 "kernel.perf_event_paranoid=2"):
        check(word in text, text)


def case_gone(bench):
    text = bench.run_tool(4194303)
    check("error not-found" in text, text)


def case_target_dies(bench):
    """What was sampled before stays, with names."""
    held = Held(bench, "recursion", "1")
    held.go()
    held.child.wait(timeout=SLOW_S)
    result = bench.judged(held.ended())
    check_complete(result, ended=True)
    check_seen(result, "zoo_recurse")


def program(bench):
    """flamegate beside its helper, where nobody may run it."""
    shutil.copy(os.path.join(bench.build, "runner/flamegate"), bench.dir)
    os.chmod(f"{bench.dir}/flamegate", 0o755)
    return [*bench.nobody, f"{bench.dir}/flamegate"]


def file_server(bench):
    """On a port of its own choice."""
    child = subprocess.Popen([*bench.nobody, "/usr/bin/python3", "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory",
                              bench.dir, "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
                             text=True)
    bench.children.append(child)
    line = child.stdout.readline()
    check(" port " in line, f"http.server said {line!r}")
    return child, int(line.split(" port ")[1].split()[0])


def case_run(bench):
    """flamegate itself: the header says what samples and why, run.json has the source."""
    target, port = file_server(bench)
    done = subprocess.run([*program(bench), "run", "-u", "2", "-d", "3s", "--pid", str(target.pid), "--bundle",
                           f"{bench.dir}/bundle", f"http://127.0.0.1:{port}/"], cwd=bench.dir, text=True,
                          capture_output=True, timeout=110)
    check(done.returncode == 0, done.stdout + done.stderr)
    check("profile: perf events 499 Hz" in done.stderr, done.stderr)
    check("profile: perf events and stack copies, because" in done.stderr, done.stderr)
    check("by perf events of user mode alone" in " ".join(done.stdout.split()), done.stdout)
    run = os.path.join(bench.dir, "bundle/run.json")
    with open(run) as f:
        profile = json.load(f)["profile"]
    check(profile["source"] == "perf" and 0 < profile["userCpuNs"] <= profile["targetCpuNs"] * 1.1, f"{profile}")


def case_run_refused(bench):
    """Nothing works: latency only, why, the fix; --require-profile makes it 14."""
    target, port = file_server(bench)
    argv = [*program(bench), "run", "-u", "1", "-d", "1s", "--pid", str(target.pid), f"http://127.0.0.1:{port}/"]
    done = subprocess.run(argv, cwd=bench.dir, text=True, capture_output=True, timeout=110, preexec_fn=refuse_perf_events)
    check(done.returncode == 0 and "profile: off, because" in done.stderr, done.stderr)
    check("kernel.perf_event_paranoid=2" in " ".join(done.stderr.split()), done.stderr)
    done = subprocess.run([*argv, "--require-profile"], cwd=bench.dir, text=True, capture_output=True, timeout=110,
                          preexec_fn=refuse_perf_events)
    check(done.returncode == 14, f"{done.returncode}: {done.stderr}")


CASES = {name[len("case_"):]: value for name, value in sorted(globals().items()) if name.startswith("case_")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=[*CASES, "all"])
    parser.add_argument("--build", required=True)
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("SKIP: becoming another user needs root")
        return 77
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (MEMLOCK_BYTES, MEMLOCK_BYTES))
    code = 0
    for name in CASES if options.case == "all" else [options.case]:
        bench = None
        try:
            print(name)
            bench = NobodyBench(os.path.abspath(options.build))
            with paranoid(2):
                CASES[name](bench)
        except Skip as reason:
            print(f"SKIP: {reason}")
            code = code or 77
        except AssertionError as failure:
            print(f"FAILED {name}: {failure}")
            code = 1
        finally:
            if bench:
                bench.close()
    return code


if __name__ == "__main__":
    sys.exit(main())
