#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Waits, wall clock and page faults of real programs: test_types.py CASE --build DIR.

The truth is the kernel's own: what a thread did not run (perf's task clock, which counts at the
same points of the scheduler) it waited. The sums of /proc/PID/schedstat agree with that where
switches are rare; where they are many they also hold the idle task's way to the switch (about 10 µs
each on a virtual machine), which is no wait of the thread.
"""

import ctypes
import errno
import os
import re
import struct
import subprocess
import sys
import threading
import time

from bench import Skip, check, main, wait_until

CPU, OFFCPU, WALL, FAULTS = 1, 2, 4, 8
SUM_TOLERANCE = 0.05  # the kernel now and then does not tell of a switch: two naps of a twentieth of a second in three
SHORT_TOLERANCE = 0.08  # a deviation of 1.3 % was measured at a load of thirty
WHOLE_TOLERANCE = 0.01
WHOLE_LOST_S = 0.1  # of each thread: who waits for a CPU when it begins is not seen; of one thread 0.074 were measured
CLOCKS_S = 1.5e-6  # between the tracepoint and perf's clock, per switch: 0.8 to 1 were measured in storms
THREADS_MAX = 16384  # FG_THREADS_MAX of profiler/bpf/shared.h
SECONDS = 3
READING_S = 0.02  # from one reading of the kernel's clocks to the next
NANOSLEEP = ("35", "230", "101", "115")  # nanosleep and clock_nanosleep of x86-64 and arm64
PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, SYS_PERF_EVENT_OPEN = 1, 1, 298


class TaskClock:
    """CPU time of each thread of processes, by perf."""

    def __init__(self, *pids):
        self.fds = {}
        libc = ctypes.CDLL(None, use_errno=True)
        for tid in [tid for pid in pids for tid in os.listdir(f"/proc/{pid}/task")]:
            attr = struct.pack("IIQ", PERF_TYPE_SOFTWARE, 112, PERF_COUNT_SW_TASK_CLOCK).ljust(112, b"\0")
            fd = libc.syscall(SYS_PERF_EVENT_OPEN, attr, int(tid), -1, -1, 0)
            if fd < 0 and ctypes.get_errno() == errno.ESRCH:
                continue  # it has just ended
            if fd < 0:
                raise Skip(f"perf_event_open: {os.strerror(ctypes.get_errno())}")
            self.fds[tid] = fd

    def read(self):
        return {tid: struct.unpack("Q", os.read(fd, 8))[0] for tid, fd in self.fds.items()}

    def close(self):
        for fd in self.fds.values():
            os.close(fd)


def faults_of(pid):
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return int(fields[7]) + int(fields[9])


SWITCH_S = 0.35e-6  # per switch without a stack; 0.2 was measured, 0.6 with cold caches at few switches


class Truth:
    """What the kernel counts, read again and again: what it was at any moment lies between two readings."""

    def __init__(self, pid, *more):
        self.pid, self.clock, self.readings = pid, TaskClock(pid, *more), []
        self.thread = threading.Thread(target=self.run)
        self.over = threading.Event()
        self.read()
        self.thread.start()

    def read(self):
        before_ns = time.monotonic_ns()
        cpu_s, faults = sum(self.clock.read().values()) / 1e9, faults_of(self.pid)
        self.readings.append(((before_ns + time.monotonic_ns()) / 2, cpu_s, faults))

    def run(self):
        while not self.over.wait(READING_S):
            self.read()

    def close(self):
        self.over.set()
        self.thread.join()
        self.read()
        self.clock.close()

    def at(self, time_ns):
        """CPU seconds and faults until then."""
        (before, *low), (after, *high) = next((a, b) for a, b in zip(self.readings, self.readings[1:])
                                              if a[0] <= time_ns <= b[0])
        part = (time_ns - before) / (after - before)
        return [a + (b - a) * part for a, b in zip(low, high)]


class Whole:
    """Waits of a recording from its first moment to its last, without those of the thread that slept through it."""

    def __init__(self, truth, since_ns, until_ns, sum_us):
        self.seconds = (until_ns - since_ns) / 1e9
        cpu_s = truth.at(until_ns)[0] - truth.at(since_ns)[0]
        self.truth = len(truth.clock.fds) - 1 - cpu_s / self.seconds
        self.waited = sum_us / 1e6 / self.seconds - 1


class Types:
    """One profile of several types, and what the kernel says of the same stretch of time, to the moment: on a busy
    machine a recording of three seconds begins and ends whenever its client gets the CPU."""

    def __init__(self, bench, pid, types, seconds=SECONDS, hz=199, more=(), whole=False):
        if whole:  # one thread that sleeps all the time tells from when until when there is an account
            sleeper = bench.start(bench.need("sleep"), "1000")
            wait_until(lambda: is_asleep(sleeper.pid, sleeper.pid), 10, "a sleeper's sleep")
            more = [*more, sleeper.pid]
        argv = [bench.tool, f"types={types}", bench.helper, str(seconds), str(hz), str(pid), *map(str, more)]
        truth, text = Truth(pid, *more), ""
        try:
            tool = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
            bench.children.append(tool)
            for line in tool.stdout:
                text += line
                check(not line.startswith("error"), line)
                if line.startswith("phase "):
                    break
        finally:
            truth.close()
        text += tool.communicate(timeout=60)[0]
        check(tool.returncode == 0, text[-500:])
        begin_ns, end_ns = map(int, re.search(r"^phase (\d+) (\d+)$", text, re.M).groups())
        (cpu, faults), (cpu_end, faults_end) = truth.at(begin_ns), truth.at(end_ns)
        self.seconds, self.threads = (end_ns - begin_ns) / 1e9, len(truth.clock.fds)
        self.faults_per_s = (faults_end - faults) / self.seconds
        self.cpu_share = (cpu_end - cpu) / self.seconds
        self.whole = re.search(r"^recorded (\d+) (\d+) (\d+)$", text, re.M) if whole else None
        if self.whole:
            self.whole = Whole(truth, *map(int, self.whole.groups()))
        self.waits, self.info, self.stacks, self.programs = {}, {}, {}, {}
        current = "cpu"
        for line in text.splitlines():
            words = line.split(" ", 3)
            if words[0] == "wait":
                self.waits[words[1]] = int(words[2]) / 1e6
            elif words[0] == "typeinfo":
                self.info.setdefault(words[1], {})[words[2]] = int(words[3])
            elif words[0] == "type":
                current = words[1]
            elif words[0] == "program":
                self.programs[words[1]] = int(words[2])
            elif words[0] == "stack":
                self.stacks.setdefault(current, []).append((words[1], int(words[2]), words[3].split(";")))
        if whole:  # the sleeper is none of the target's
            self.threads -= 1
            self.waits["idle"] -= self.seconds
            self.info["offcpu"]["value"] -= round(1e6 * self.seconds)
        print(f"  threads {self.threads}, CPU share {self.cpu_share:.3f}, load {os.getloadavg()[0]:.1f}")
        print("  waits", {k: round(v, 3) for k, v in self.waits.items() if v})
        for name, info in self.info.items():
            print("  ", name, info)
        print("  verified", self.programs)

    def placed(self):
        """What is not a wait for a CPU: where that begins is chance."""
        return self.info["offcpu"]["value"] - 1e6 * self.waits["runqueue"]

    def check_having(self, least, of, *names, kind="offcpu"):
        """At least this part of `of` is below these names."""
        found = self.having(kind, *names)
        print(f"  {found / max(of, 1):.3f} of it in {names[-1]}, at least {least}")
        check(found >= least * of, f"{names}: {found} of {of}")

    def having(self, kind, *names):
        return sum(count for _, count, frames in self.stacks.get(kind, [])
                   if all(any(n in f for f in frames) for n in names))

    def check_sum(self, tolerance=SUM_TOLERANCE):
        """All waits together are what the threads did not run. Where most are short, their sum is exact in the whole
        recording alone: what of it lay in the phase and what in the moment before is told by those with stacks."""
        truth = self.threads - self.cpu_share
        measured = sum(self.waits.values()) / self.seconds
        print(f"  waited {measured:.4f} s per second, truth {truth:.4f}: {measured / truth - 1:+.2%}, "
              f"allowed {tolerance:.0%}")
        check(abs(measured / truth - 1) <= tolerance, f"{measured:.4f} instead of {truth:.4f}")

    def check_whole(self):
        """Where most waits are short, what of them lay in the phase is told by those with stacks: `check_sum` leaves
        room for that. In the whole recording the sum is exact, but for where in a switch each clock is read."""
        switches = self.info["offcpu"]["events"] / self.seconds
        lost = WHOLE_LOST_S * self.threads / self.whole.seconds
        allowed = WHOLE_TOLERANCE + (lost + CLOCKS_S * switches) / self.whole.truth
        print(f"  whole: waited {self.whole.waited:.4f} s per second, truth {self.whole.truth:.4f}: "
              f"{self.whole.waited / self.whole.truth - 1:+.2%}, allowed {allowed:.2%} at {switches:.0f} switches/s, "
              f"{1e6 * (self.whole.waited - self.whole.truth) / switches:+.2f} us each; "
              f"phase {self.seconds:.2f} of {self.whole.seconds:.2f} s")
        check(abs(self.whole.waited / self.whole.truth - 1) <= allowed,
              f"{self.whole.waited:.4f} instead of {self.whole.truth:.4f}")

    def check_sound(self, kind="offcpu"):
        info = self.info[kind]
        check(info["lost"] == 0, f"{info['lost']} lost")
        check(info["nested"] == 0, f"{info['nested']} nested")
        check(info["complete"] >= 0.995 * info["with_user"], f"complete {info}")
        for name, verified in self.programs.items():
            check(verified <= 10000, f"{name}: the verifier walked {verified} instructions")


def is_asleep(pid, tid):
    with open(f"/proc/{pid}/task/{tid}/syscall") as f:
        return f.read().split()[0] in NANOSLEEP


def waits(bench, mode, *more, types=OFFCPU, **options):
    os.chdir(bench.dir)
    child = bench.start(f"{bench.zoo}/zoo_waits", mode, "9", *more, ready="ready")
    if mode == "sleeper":
        wait_until(lambda: all(is_asleep(child.pid, tid) for tid in os.listdir(f"/proc/{child.pid}/task")
                               if int(tid) != child.pid), 10, "the sleeper's sleep")
    return child, Types(bench, child.pid, types, **options)


def case_short(bench):
    _, got = waits(bench, "short", whole=True)
    got.check_sum(SHORT_TOLERANCE)
    got.check_whole()
    got.check_sound()
    # As many as a busy machine lets it have; some naps are only of the account.
    check(got.info["offcpu"]["skipped"] > 100, "that is not many switches")
    got.check_having(0.95, got.placed(), "[wait: idle]", "wait_short", "do_nanosleep")


def case_long(bench):
    _, got = waits(bench, "long")
    got.check_sum()
    got.check_sound()
    print(f"  {got.info['offcpu']['skipped']} skipped")
    check(got.info["offcpu"]["skipped"] <= 0.1 * got.info["offcpu"]["events"], "few waits are all looked at")
    got.check_having(0.9, got.placed(), "wait_long")


def case_mix(bench):
    child, got = waits(bench, "mix", seconds=5, whole=True)
    got.check_sum(SHORT_TOLERANCE)
    got.check_whole()
    got.check_sound()
    child.terminate()
    truth = {line.split()[0]: int(line.split()[1]) for line in child.stdout.read().splitlines()}
    share = truth["long"] / sum(truth.values())
    measured = got.having("offcpu", "wait_long") / got.info["offcpu"]["value"]
    print(f"  wait_long {measured:.3f} of all, truth {share:.3f}")
    check(abs(measured - share) < 0.08, "long waits among many short ones")


def case_convoy(bench):
    _, got = waits(bench, "convoy")
    got.check_sum()
    got.check_sound()
    check(got.waits["lock"] > 0.3 * got.seconds, "four threads and one lock")
    got.check_having(0.95, 1e6 * got.waits["lock"], "[wait: lock]", "hold_lock")
    check(got.waits["network"] == got.waits["disk"] == 0, "neither")


def case_disk(bench):
    _, got = waits(bench, "disk")
    got.check_sum()
    got.check_sound()
    if got.waits["disk"] < 0.05:
        raise Skip("this file system's fsync does not wait")
    busy = sum(v for k, v in got.waits.items() if k not in ("idle", "runqueue"))
    print(f"  disk {got.waits['disk'] / busy:.3f} of {busy:.3f} s")
    check(got.waits["disk"] >= 0.9 * busy, f"disk {got.waits}")


def case_epoll(bench):
    _, got = waits(bench, "epoll")
    got.check_sum()
    got.check_sound()
    got.check_having(0.8, 1e6 * got.seconds, "[wait: idle]", "serve_here")
    print(f"  idle {got.waits['idle'] / sum(got.waits.values()):.3f}")
    check(got.waits["idle"] >= 0.9 * sum(got.waits.values()), "nearly all is idle")


def case_sleeper(bench):
    """A thread that sleeps from before the profile until after it is counted."""
    _, got = waits(bench, "sleeper")
    got.check_sum()
    check(got.threads == 2, "two threads")
    before = got.having("offcpu", "[asleep since before the profile]") / 1e6
    print(f"  {before:.3f} of {got.seconds:.3f} s")
    # The main thread naps for a tenth of a second at a time.
    check(-0.01 < before - got.seconds < 0.2 * got.seconds, f"{before} s")


def case_early(bench):
    """Threads that were napping when profiling began, woke up, and ended: none of them sleeps for ever after."""
    _, got = waits(bench, "early", seconds=6)
    got.check_sound()
    before = got.having("offcpu", "[asleep since before the profile]") / 1e6
    print(f"  {before:.3f} s asleep since before the profile, by {got.threads} threads")
    # The main thread waits for the others, three seconds; their first naps are of 2 ms. One more would be all six.
    check(before < 0.9 * got.seconds, f"{before} s")


def case_runqueue(bench):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])  # whose heirs the eight are
    _, got = waits(bench, "spin", "8")
    got.check_sum()
    got.check_sound()
    check(got.waits["runqueue"] >= 5.5 * got.seconds, f"8 threads on 2 CPUs: {got.waits}")
    check(got.waits["lock"] == 0, "no lock")


def case_wall(bench):
    """On and off the CPU together are all threads' time: one that waits and one that does not, so that either part
    alone would be far off. Waits of a twentieth of a second are all counted; shorter ones would be estimates."""
    spinner = bench.start(f"{bench.zoo}/zoo_waits", "spin", "60", "1", ready="ready")
    _, got = waits(bench, "long", types=CPU | WALL, hz=997, more=(spinner.pid,))
    wall = got.info["wall"]["value"] / 1e6
    print(f"  wall {wall:.3f} s of {got.threads * got.seconds:.3f}")
    check(0.1 < got.cpu_share < got.threads - 0.9, f"CPU share {got.cpu_share}")
    check(abs(wall / (got.threads * got.seconds) - 1) < SUM_TOLERANCE, f"{wall} s")
    check("offcpu" not in got.stacks, "only what was asked for")


def case_faults(bench):
    _, got = waits(bench, "grow", types=FAULTS)
    got.check_sound("faults")
    measured = got.info["faults"]["value"] / got.seconds
    print(f"  {measured:.0f} faults per second, the kernel counted {got.faults_per_s:.0f}")
    check(abs(measured / got.faults_per_s - 1) < 0.2, "faults")
    got.check_having(0.95, got.info["faults"]["value"], "grow_here", kind="faults")
    check("fg_switch" not in got.programs, "the scheduler's program is loaded")


def check_budget(got):
    """1 % of each CPU for everything. Where counting the switches takes that, stacks get an eighth of it."""
    info = got.info["offcpu"]
    per_s = info["events"] / got.seconds
    counting = per_s * SWITCH_S / os.cpu_count()
    cost = info["bpf_ns"] / (got.seconds * 1e9 * os.cpu_count())
    print(f"  {per_s:.0f} switches per second, cost {cost:.2%} of the CPUs, {info['events'] - info['skipped']} stacks")
    check(cost <= max(0.0125, counting + 0.0025), f"the budget is 1 %, used {cost:.2%} at {per_s:.0f}/s")


def case_storm(bench):
    """Two threads and two pipes: as many switches as there can be; and another such pair whose numbers lie
    FG_THREADS_MAX apart from theirs, so that all four want two places."""
    children = [bench.start(f"{bench.zoo}/zoo_waits", "pingpong", "9", ready="ready")]
    first = sorted(int(tid) for tid in os.listdir(f"/proc/{children[0].pid}/task"))
    children.append(start_at(bench, first[0] + (THREADS_MAX if first[0] < THREADS_MAX else -THREADS_MAX)))
    second = sorted(int(tid) for tid in os.listdir(f"/proc/{children[1].pid}/task"))
    print(f"  threads {first} and {second}")
    check(any((a - b) % THREADS_MAX == 0 for a in first for b in second), "their places differ")
    for child in children:
        got = Types(bench, child.pid, OFFCPU)
        check_budget(got)
        got.check_sound()
    got = Types(bench, children[0].pid, OFFCPU, more=[children[1].pid], whole=True)
    check(got.threads == 4 and got.info["offcpu"]["events"] > 10000, "all are followed")
    # Thousands of switches for each stack, so what of them lies in the phase is a guess; of all it is not.
    got.check_sum(0.2)
    got.check_whole()
    got.check_sound()


def case_namespace(bench):
    """A helper in a container knows threads by other numbers than the scheduler does."""
    shell = (f"{bench.zoo}/zoo_waits sleeper 9 >/dev/null & until [ -d /proc/$!/task ] && "
             f"[ $(ls /proc/$!/task | wc -l) = 2 ]; do sleep 0.05; done; FG_SOURCE=bpf {bench.tool} types={OFFCPU} "
             f"{bench.helper} {SECONDS} 199 $!; kill $!")
    done = subprocess.run([bench.need("unshare"), "--pid", "--mount", "--fork", "--mount-proc", "/bin/sh", "-c", shell],
                          capture_output=True, text=True, timeout=100)
    lines = [line.split() for line in done.stdout.splitlines()]
    waited = sum(int(words[2]) for words in lines if words[:1] == ["wait"]) / 1e6
    verified = [int(words[2]) for words in lines if words[:2] == ["program", "fg_switch"]]
    seconds = sum((int(words[2]) - int(words[1])) / 1e9 for words in lines if words[:1] == ["phase"])
    print(f"  waited {waited:.3f} s of two threads' {seconds:.3f} each, verified {verified}")
    check(seconds and abs(waited / seconds - 2) < 0.1,
          f"two threads that sleep: {waited} s{done.stdout[-500:]}{done.stderr[-500:]}")
    check(verified and verified[0] <= 10000, f"the verifier walked {verified} instructions")


def case_churn(bench):
    """Threads that come and go leave their places: more of them than there are places, one at a time."""
    child, got = waits(bench, "churn", seconds=8)
    info = got.info["offcpu"]
    got.check_sound()  # also where glibc's clone begins a thread, as each of them does
    child.terminate()
    words = child.stdout.read().split()
    threads, lived_s = int(words[1]), int(words[3]) / 1e9
    switches = info["events"] / got.seconds / (threads / lived_s)
    print(f"  {threads} threads in {lived_s:.1f} s, {switches:.2f} switches of each; places are only used up by more "
          f"than {THREADS_MAX}")
    # Each is switched away at least for its nap and at its end.
    check(switches > 1.5, "not all are followed")


def start_at(bench, pid):
    """zoo_waits pingpong whose process has this number: the kernel gives the one after the last it gave."""
    for _ in range(50):
        try:
            open("/proc/sys/kernel/ns_last_pid", "w").write(str(pid - 1))
        except OSError as reason:
            raise Skip(f"ns_last_pid: {reason.strerror}")
        child = bench.start(f"{bench.zoo}/zoo_waits", "pingpong", "9", ready="ready")
        if child.pid == pid:
            return child
        child.terminate()
        child.wait()
    raise Skip(f"the number {pid} could not be had")


def case_budget(bench):
    """Python threads that fight for the interpreter's lock switch tens of thousands of times a
    second; that takes at most 1 % of the CPUs all the same."""
    script = ("import threading, sys\n"
              "sys.setswitchinterval(1e-6)\n"
              "a, b = threading.Semaphore(1), threading.Semaphore(0)\n"
              "def run(x, y):\n"
              "    while True:\n"
              "        x.acquire(); y.release()\n"
              "for x, y in ((a, b), (b, a)):\n"
              "    threading.Thread(target=run, args=(x, y), daemon=True).start()\n"
              "print('ready', flush=True)\n"
              "threading.Event().wait()\n")
    child = bench.start(sys.executable, "-c", script, ready="ready")
    got = Types(bench, child.pid, OFFCPU, whole=True)
    info = got.info["offcpu"]
    got.check_sum(SHORT_TOLERANCE)
    got.check_whole()
    check(info["skipped"] > 100, "that is not many")
    check_budget(got)
    check(got.waits["lock"] + got.waits["idle"] > got.seconds / 2, f"{got.waits}")


def case_off(bench):
    """What nobody asked for is not loaded."""
    child = bench.start(f"{bench.zoo}/zoo_waits", "short", "9", ready="ready")
    result = bench.profile(child.pid, seconds=1)
    check("fg_sample" in result.programs, "programs")
    check(not {"fg_switch", "fg_fault"} & set(result.programs), f"{result.programs}")


CASES = {name[5:]: function for name, function in list(globals().items()) if name.startswith("case_")}


if __name__ == "__main__":
    sys.exit(main(CASES))
