#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real BPF on real targets: test_profiler.py CASE --build DIR.

Needs root (or the capabilities); exits 77 with the reason where a target program is missing.
Every case starts its own target on a free port, profiles it with tests/bpf/profile_pid and checks
what came out: completeness, roots, names, counts.
"""

import argparse
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

COMPLETE_PERCENT_MIN = 99.5
SAMPLES_MIN = 200
SEEN_MIN = 50
# What profile_pid is asked for: on a busy machine, where a target gets a tenth of a CPU, it takes longer.
SAMPLES_ASKED = 400
ROOTS = ("_start", "__clone3", "clone3", "__clone", "clone", "thread_start", "__GI___clone3")


class Skip(Exception):
    pass


class Result:
    def __init__(self, text):
        self.info, self.programs, self.stacks, self.errors, self.note = {}, {}, [], [], ""
        for line in text.splitlines():
            word, _, rest = line.partition(" ")
            if word == "info":
                key, value = rest.split()
                self.info[key] = float(value)
            elif word == "note":
                self.note = " | ".join(filter(None, (self.note, rest)))
            elif word == "program":
                name, verified, _ = rest.split()
                self.programs[name] = int(verified)
            elif word == "stack":
                result, count, frames = rest.split(" ", 2)
                self.stacks.append((result, int(count), frames.split(";")))
            elif word in ("error", "lost", "stop"):
                self.errors.append(line)

    def having(self, name):
        return sum(count for _, count, frames in self.stacks if any(name in f for f in frames))


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def wait_until(condition, seconds, what):
    """The condition's first true value within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < deadline, f"{what}: not within {seconds} s")
        time.sleep(0.01)


def cpu_s(pid):
    """CPU time of a process so far, by the scheduler's clock."""
    total_ns = 0
    for tid in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{tid}/schedstat") as f:
                total_ns += int(f.read().split()[0])
        except FileNotFoundError:
            pass
    return total_ns / 1e9


def read_to(tool, word):
    """Output of a started profile_pid up to the line that says `word`."""
    text = ""
    while not text.endswith(f"{word}\n"):
        line = tool.stdout.readline()
        check(line and not line.startswith("error"), f"profile_pid: {text}{line}")
        text += line
    return text


class Bench:
    """One target, one profile; everything started here is gone at the end."""

    def __init__(self, build):
        self.build = build
        self.helper = os.path.join(build, "profiler/flamegate-profiler")
        self.tool = os.path.join(build, "tests/bpf/profile_pid")
        self.zoo = os.path.join(build, "tests/zoo")
        self.source = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        self.dir = tempfile.mkdtemp(prefix="fg-bpf-")
        self.children = []
        self.stopping = threading.Event()
        self.threads = []

    def close(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        for child in self.children:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, *argv, ready=None, stdin=None):
        child = subprocess.Popen(argv, stdin=stdin, stdout=subprocess.PIPE if ready else subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, start_new_session=True, text=True)
        self.children.append(child)
        if ready:
            line = child.stdout.readline()
            check(line.strip() == ready, f"{argv[0]} said {line!r}")
        return child

    def need(self, program):
        path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/root/.cargo/bin")
        if not path:
            raise Skip(f"{program} is not installed")
        return path

    def compiled(self, name, *command):
        """A copy of tests/zoo/<name>, which whoever comes first makes from its source, the command's last word."""
        made, copy = os.path.join(self.build, "tests/zoo", name), os.path.join(self.dir, name)
        with open(f"{made}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.exists(made) or os.stat(made).st_mtime < os.stat(command[-1]).st_mtime:
                done = subprocess.run([self.need(command[0]), "-o", f"{made}.new", *command[1:]],
                                      stderr=subprocess.PIPE, text=True)
                check(done.returncode == 0, done.stderr)
                os.rename(f"{made}.new", made)
        shutil.copy(made, copy)
        os.chmod(copy, 0o755)
        return copy

    def compiled_cpp(self):
        return self.compiled("zoo_cpp", "g++", "-O2", "-fomit-frame-pointer", "-s",
                             os.path.join(self.source, "zoo/zoo_cpp.cpp"))

    def profile(self, *pids, seconds=2, hz=997, samples=SAMPLES_ASKED):
        argv = [self.tool, f"samples={samples}", self.helper, str(seconds), str(hz), *map(str, pids)]
        done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=60)
        result = Result(done.stdout)
        check(done.returncode == 0 and not result.errors, f"profile_pid: {result.errors}")
        return result

    def rest(self):
        """Ends the load, so that the next target gets one of its own."""
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        self.threads = []
        self.stopping.clear()

    def load(self, work, threads=2):
        def run():
            while not self.stopping.is_set():
                try:
                    work()
                except OSError:
                    time.sleep(0.05)

        for _ in range(threads):
            thread = threading.Thread(target=run)
            thread.start()
            self.threads.append(thread)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port):
    def accepts():
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0

    wait_until(accepts, 10, f"a listener on {port}")


def check_complete(result):
    info = result.info
    for key in ("samples", "complete_percent", "lost", "bpf_ns_per_sample", "start_ms",
                "samples_per_cpu_s", "symbolise_ms", "helper_cpu_ms", "target_cpu_ms"):
        print(f"  {key} {info[key]:g}")
    print("  verified", result.programs)
    for name, value in sorted(info.items()):
        if name.startswith("result_") and value and name != "result_complete":
            print(f"  {name} {value:g}")
    check(info["samples"] >= SAMPLES_MIN, f"only {info['samples']:g} samples")
    check(info["complete_percent"] >= COMPLETE_PERCENT_MIN,
          f"{info['complete_percent']:.2f} % complete; {incomplete(result)}")
    check(info["lost"] == 0, f"{info['lost']:g} lost")
    check(info["partial"] == 0, "partial")
    for name, verified in result.programs.items():
        check(verified <= 10000, f"{name}: the verifier walked {verified} instructions")
    wrong = {f[0] for r, _, f in result.stacks if r == "complete" and f[0] not in ROOTS}
    check(not any(w for w in wrong if "+0x" not in w), f"complete stacks with roots {wrong}")


def incomplete(result):
    worst = sorted((s for s in result.stacks if s[0] != "complete"), key=lambda s: -s[1])
    return "; ".join(f"{r} {c} {';'.join(f)}" for r, c, f in worst[:3])


def native(bench, mode, *more, seconds=2):
    child = bench.start(f"{bench.zoo}/zoo_native", mode, "20", *more, ready="ready")
    return bench.profile(child.pid, seconds=seconds)


def case_nginx(bench):
    nginx = bench.need("nginx")
    port = free_port()
    conf = os.path.join(bench.dir, "nginx.conf")
    with open(os.path.join(bench.dir, "index.html"), "w") as f:
        f.write("hello\n" * 100)
    with open(conf, "w") as f:
        f.write(f"""daemon off; worker_processes 2; pid {bench.dir}/pid; error_log {bench.dir}/log;
events {{ worker_connections 64; }}
http {{ access_log off; gzip on; gzip_min_length 1; client_body_temp_path {bench.dir}/t; proxy_temp_path {bench.dir}/t;
fastcgi_temp_path {bench.dir}/t; uwsgi_temp_path {bench.dir}/t; scgi_temp_path {bench.dir}/t;
server {{ listen 127.0.0.1:{port}; location / {{ root {bench.dir}; }} }} }}""")
    os.chmod(bench.dir, os.stat(bench.dir).st_mode | 0o755)
    child = bench.start(nginx, "-c", conf, "-p", bench.dir, "-e", f"{bench.dir}/log")
    wait_port(port)
    request = b"GET /index.html HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n" * 50
    local = threading.local()

    def work():
        if not getattr(local, "socket", None):
            local.socket = socket.create_connection(("127.0.0.1", port), 5)
        try:
            local.socket.sendall(request)
            if not local.socket.recv(1 << 20):
                local.socket = None
        except OSError:
            local.socket = None

    bench.load(work)
    result = bench.profile(child.pid, seconds=3)
    check_complete(result)
    check(result.having("ngx_") > result.info["samples"] * 0.9, "ngx_ functions are missing")


def case_redis(bench):
    redis = bench.need("redis-server")
    port = free_port()
    child = bench.start(redis, "--port", str(port), "--save", "", "--dir", bench.dir)
    wait_port(port)
    local = threading.local()
    commands = b"".join(b"SET k%d %d\r\nINCR n\r\nLPUSH l %d\r\nLRANGE l 0 20\r\n" % (i, i, i)
                        for i in range(100))

    def work():
        if not getattr(local, "socket", None):
            local.socket = socket.create_connection(("127.0.0.1", port), 5)
            local.socket.setblocking(True)
        local.socket.sendall(commands)
        local.socket.recv(1 << 20)

    bench.load(work)
    check_complete(bench.profile(child.pid, seconds=3))


def case_cpp(bench):
    child = bench.start(bench.compiled_cpp(), ready="ready")
    result = bench.profile(child.pid)
    check_complete(result)
    check(result.having("_Unwind_RaiseException") > 0, "no exception was ever seen")


def case_rust(bench):
    program = bench.compiled("zoo_rust", "rustc", "-O", "-C", "strip=symbols", os.path.join(bench.source, "zoo/zoo_rust.rs"))
    child = bench.start(program, ready="ready")
    check_complete(bench.profile(child.pid))


def case_recursion(bench):
    result = native(bench, "recursion")
    check_complete(result)
    deep = sum(c for _, c, f in result.stacks if f.count("zoo_recurse") == 120)
    check(deep > result.info["samples"] * 0.99, f"{deep} samples have all 120 frames")


def case_signal(bench):
    result = native(bench, "signal")
    check_complete(result)
    through = sum(c for _, c, f in result.stacks if "zoo_handler" in f and "zoo_interrupted" in f)
    check(through > result.info["samples"] * 0.2,
          f"{through} samples pass through the signal frame")


def case_vdso(bench):
    result = native(bench, "vdso")
    check_complete(result)
    check(result.having("__vdso_clock_gettime") > SEEN_MIN, "no vDSO function by name")


def case_threads(bench):
    result = native(bench, "threads")
    check_complete(result)
    check(result.having("zoo_thread") > result.info["samples"] * 0.9, "threads are missing")
    check(abs(result.info["samples_per_cpu_s"] / 997 - 1) < 0.25,
          f"{result.info['samples_per_cpu_s']:g} samples per CPU second")


def case_slices(bench):
    """Samples come in sampled slices only, and the CPU time of all slices is the target's. What a slice is: 1 sampled,
    0 not, 2 not either but with the same timers."""
    target = bench.start(f"{bench.zoo}/zoo_native", "vdso", "20", ready="ready")
    tool = os.path.join(bench.build, "tests/bench/profile_slices")
    done = subprocess.run([tool, bench.helper, "997", "100", "4", str(target.pid)],
                          stdout=subprocess.PIPE, text=True, timeout=60)
    check(done.returncode == 0, "profile_slices failed")
    lines = [line.split() for line in done.stdout.splitlines()]
    borders = [tuple(map(int, line[1:])) for line in lines if line[0] == "border"]
    check({what for what, _, _ in borders} == {0, 1, 2}, "not all kinds of slices")
    slices = [(what == 1, end_ns - ns, end_cpu - cpu)
              for (what, ns, cpu), (_, end_ns, end_cpu) in zip(borders, borders[1:])]
    samples = next(int(line[1]) for line in lines if line[0] == "samples")
    check(len(slices) >= 20, f"{len(slices)} slices")
    check(all(a[0] != b[0] for a, b in zip(slices[::2], slices[1::2])), "a pair is not one of each")
    check(min(ns for _, ns, _ in slices) >= 100e6, "a slice is too short")
    sampled = sum(cpu for on, _, cpu in slices if on)
    unsampled = sum(cpu for on, _, cpu in slices if not on)
    check(sampled and unsampled, f"{sampled} and {unsampled} ns of CPU time")
    rate = samples / (sampled / 1e9)
    print(f"  {samples} samples, {rate:.0f} per CPU second of sampled slices")
    check(abs(rate / 997 - 1) < 0.25, f"{rate:.0f} samples per CPU second of sampled slices")


def case_fork(bench):
    result = native(bench, "fork", seconds=3)
    # A process that has given up its memory has no user stack left: those are kernel-only.
    info = result.info
    with_stack = info["samples"] - info["result_kernel-only"]
    mostly_complete(result, 97)
    check(info["complete"] >= with_stack * COMPLETE_PERCENT_MIN / 100,
          f"{info['complete']:g} of {with_stack:g} user stacks; {incomplete(result)}")
    check(result.having("zoo_child") > info["samples"] * 0.7, "children are missing")
    wall_ms = 3000  # only what has hardly run by then is recorded for longer
    check(0 < info["target_cpu_ms"] < wall_ms * 1.2,
          f"{info['target_cpu_ms']:g} ms of CPU in {wall_ms} ms of children")
    check(abs(info["samples_per_cpu_s"] / 997 - 1) < 0.15,
          f"{info['samples_per_cpu_s']:g} samples per CPU second")


def mostly_complete(result, percent):
    check(result.info["samples"] >= SAMPLES_MIN, f"only {result.info['samples']:g} samples")
    check(result.info["complete_percent"] >= percent,
          f"{result.info['complete_percent']:.2f} % complete; {incomplete(result)}")
    print(f"  complete_percent {result.info['complete_percent']:g}, of new code until known: "
          f"no-mapping {result.info['result_no-mapping']:g}")


def case_exec(bench):
    result = native(bench, "exec", seconds=3)
    mostly_complete(result, 98)
    check(result.having("zoo_after_exec") > SEEN_MIN, "the program after exec is not seen")


def case_dlopen(bench):
    result = native(bench, "dlopen", f"{bench.zoo}/libzoo_plugin.so", seconds=3)
    mostly_complete(result, 98)
    check(result.having("zoo_plugin_inner") > SEEN_MIN, "the plugin is not seen by name")


REPLACED = r"""
#include <time.h>
volatile unsigned sink;
#ifdef SECOND
__attribute__((noinline)) void pad(void) { for (int i = 0; i < 9; i++) sink += i * 7; }
#endif
__attribute__((noinline)) int NAME(int n) {
	volatile char buf[SIZE]; buf[n % SIZE] = 1;
	for (int i = 0; i < 20000; i++) sink += i * n;
	return buf[n % 7] + sink; }
int main(void) {
#ifdef SECOND
	pad();
#endif
	for (int n = 0; clock() < CLOCKS_PER_SEC / 2; n++) sink += NAME(n);
	return 0; }
"""


def case_replaced(bench):
    """A program that is built again in place has the same path and inode, and other rows and names."""
    compiler = bench.need("gcc")
    paths = {}
    for name, more in (("first_spin", ["-DSIZE=40"]), ("second_spin", ["-DSIZE=4000", "-DSECOND"])):
        paths[name] = os.path.join(bench.dir, name)
        subprocess.run([compiler, "-O2", "-fomit-frame-pointer", f"-DNAME={name}", *more, "-x", "c", "-",
                        "-o", paths[name]], input=REPLACED, text=True, check=True)
    program = os.path.join(bench.dir, "program")
    shutil.copy(paths["first_spin"], program)
    shell = f"echo ready; read go; {program}; cat {paths['second_spin']} > {program}; {program}; echo over; read end"
    child = bench.start("/bin/sh", "-c", shell, ready="ready", stdin=subprocess.PIPE)
    tool, _ = start_tool(bench, child.pid, seconds=40)
    child.stdin.write("go\n")
    child.stdin.flush()
    check(child.stdout.readline() == "over\n", "a program did not end")
    result = ended(tool)
    mostly_complete(result, 95)
    # The first build is gone: its samples keep module and offset, and get nobody else's names.
    second, other = result.having("second_spin"), result.having("program+0x")
    check(second > 100 and other > 100, f"{second} samples in second_spin, {other} without a name")


def processes_named(name):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm") as f:
                if f.read().strip() == name[:15]:
                    found.append(int(pid))
        except OSError:
            pass
    return found


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(word) for word in f.read().split()]


def start_tool(bench, pid, seconds=30, prefix=(), hz=997):
    tool = subprocess.Popen([*prefix, bench.tool, f"samples={SAMPLES_ASKED}", bench.helper, str(seconds), str(hz), str(pid)],
                            stdout=subprocess.PIPE, text=True, start_new_session=True)
    bench.children.append(tool)
    tool.head = read_to(tool, "ready")
    helper, = children_of(tool.pid)
    return tool, helper


def ended(tool):
    """Ends a recording; its result."""
    tool.terminate()
    result = Result(tool.head + tool.communicate(timeout=60)[0])
    check(tool.returncode == 0 and not result.errors, f"profile_pid: {result.errors}")
    return result


def gone_within(pid, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not os.path.exists(f"/proc/{pid}"):
            return True
        time.sleep(0.01)
    return False


def case_client_killed(bench):
    target = bench.start(f"{bench.zoo}/zoo_native", "vdso", "30", ready="ready")
    for _ in range(5):
        tool, helper = start_tool(bench, target.pid)
        tool.send_signal(signal.SIGKILL)
        tool.wait()
        check(gone_within(helper, 3), f"helper {helper} outlives its client")


def case_helper_killed(bench):
    target = bench.start(f"{bench.zoo}/zoo_native", "vdso", "30", ready="ready")
    tool, helper = start_tool(bench, target.pid)
    read_to(tool, "enough")
    os.kill(helper, signal.SIGKILL)
    # profile_pid notices, keeps what it has and symbolises it.
    text, _ = tool.communicate(timeout=40)
    result = Result(text)
    check(any("ended unexpectedly" in e for e in result.errors), f"errors: {result.errors}")
    check(result.info["partial"] == 1, "not marked partial")
    check(result.info["samples"] > SAMPLES_MIN, f"{result.info['samples']:g} samples kept")
    check(result.having("zoo_clock") > SEEN_MIN, "names are lost with the helper")


def case_foreign_user(bench):
    """Without root, another user's process is refused before anything is loaded."""
    setpriv = bench.need("setpriv")
    target = bench.start("sleep", "30")
    os.chmod(bench.dir, 0o755)
    for path in (bench.tool, bench.helper):
        shutil.copy(path, bench.dir)
    done = subprocess.run(
        [setpriv, "--reuid", "65534", "--regid", "65534", "--clear-groups",
         f"{bench.dir}/profile_pid", f"{bench.dir}/flamegate-profiler", "1", "99", str(target.pid)],
        stdout=subprocess.PIPE, text=True, timeout=30)
    check("error permission" in done.stdout and "another user" in done.stdout, done.stdout)


def case_no_rights(bench):
    """BPF alone was asked for: the error names the capabilities and the command."""
    setpriv = bench.need("setpriv")
    os.chmod(bench.dir, 0o755)
    for path in (bench.tool, bench.helper):
        shutil.copy(path, bench.dir)
    shell = (f"sleep 30 & FG_SOURCE=bpf {bench.dir}/profile_pid {bench.dir}/flamegate-profiler 1 99 $!; "
             "kill $!")
    done = subprocess.run([setpriv, "--reuid", "65534", "--regid", "65534", "--clear-groups",
                           "/bin/sh", "-c", shell],
                          stdout=subprocess.PIPE, text=True, timeout=30)
    check("error permission" in done.stdout, done.stdout)
    check("setcap cap_bpf,cap_perfmon" in done.stdout and "perf_event_paranoid" in done.stdout,
          done.stdout)


def capable_helper(bench):
    """A copy of the helper with what the error text tells to grant, and the tools beside it."""
    setcap = bench.need("setcap")
    os.chmod(bench.dir, 0o755)
    for path in (bench.tool, bench.helper, f"{bench.zoo}/zoo_native"):
        shutil.copy(path, bench.dir)
    helper = f"{bench.dir}/flamegate-profiler"
    os.chmod(helper, 0o755)
    with open(os.path.join(bench.source, "../profiler/rights.h")) as f:
        capabilities = "".join(re.findall(r'"(cap_[^"]*)"', f.read()))
    if subprocess.run([setcap, capabilities, helper], check=False).returncode != 0:
        raise Skip("this file system takes no file capabilities")
    return helper


def capabilities_of(pid):
    with open(f"/proc/{pid}/status") as f:
        status = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
    return status, {bit for bit in range(64) if int(status["CapEff"], 16) >> bit & 1}


def case_files_by_own_rights(bench):
    """Files go to the client, so a helper of a user's opens what that user may read."""
    helper, setpriv = capable_helper(bench), bench.need("setpriv")
    nobody = [setpriv, "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    target = bench.start(*nobody, f"{bench.dir}/zoo_native", "vdso", "30", ready="ready")
    bench.tool, bench.helper = f"{bench.dir}/profile_pid", helper
    _, started = start_tool(bench, target.pid, prefix=nobody, hz=97)
    _, have = capabilities_of(started)
    check(39 in have, "BPF is needed for new maps")
    check(2 not in have, "may still read any file")


def case_set_uid(bench):
    """A set-uid helper would open files as root for anybody."""
    helper, setpriv = capable_helper(bench), bench.need("setpriv")
    os.chmod(helper, 0o4755)
    shell = f"sleep 30 & {bench.dir}/profile_pid {helper} 1 99 $!; kill $!"
    done = subprocess.run([setpriv, "--reuid", "65534", "--regid", "65534", "--clear-groups",
                           "/bin/sh", "-c", shell],
                          stdout=subprocess.PIPE, text=True, timeout=30)
    check("error permission" in done.stdout and "chmod ug-s" in done.stdout, done.stdout)


def case_file_capabilities(bench):
    """Not root, but the helper has what the error text tells to grant: that must suffice."""
    helper, setpriv = capable_helper(bench), bench.need("setpriv")
    shell = (f"{bench.dir}/zoo_native vdso 10 >/dev/null & "
             f"{bench.dir}/profile_pid samples={SAMPLES_ASKED} {helper} 2 997 $!; kill $!")
    done = subprocess.run([setpriv, "--reuid", "65534", "--regid", "65534", "--clear-groups",
                           "/bin/sh", "-c", shell],
                          stdout=subprocess.PIPE, text=True, timeout=30)
    result = Result(done.stdout)
    check(not result.errors, f"{result.errors}")
    check_complete(result)
    check(result.having("do_syscall_64") > 0, "no kernel function by name")


def case_privileges_dropped(bench):
    """While it samples, the helper holds four capabilities and can gain no others."""
    target = bench.start(f"{bench.zoo}/zoo_native", "vdso", "30", ready="ready")
    _, helper = start_tool(bench, target.pid)
    status, have = capabilities_of(helper)
    kept = {2: "dac_read_search", 19: "sys_ptrace", 39: "bpf", 40: "checkpoint_restore"}
    check(have <= set(kept), f"capabilities {have}")
    check(int(status["CapPrm"], 16) == int(status["CapEff"], 16), "permitted beyond effective")
    check(status["NoNewPrivs"].strip() == "1", "could gain privileges")
    print("  VmHWM", status["VmHWM"].strip())
    check(int(status["VmHWM"].split()[0]) < 150 * 1024, f"memory {status['VmHWM']}")


def in_namespace(bench, mode, *before):
    """Target, tool and helper in a PID namespace of their own, as in a container."""
    unshare = bench.need("unshare")
    shell = (f"{bench.zoo}/zoo_native {mode} 20 >/dev/null & "
             f"FG_SOURCE=bpf {bench.tool} samples={SAMPLES_ASKED} {bench.helper} 3 997 $!; "
             "kill $!")
    done = subprocess.run([*before, unshare, "--pid", "--fork", "--mount-proc", "/bin/sh", "-c", shell],
                          stdout=subprocess.PIPE, text=True, timeout=60)
    result = Result(done.stdout)
    check(not result.errors, f"{result.errors}")
    return result


def case_pid_namespace(bench):
    """The kernel side translates numbers: whole stacks, not an empty profile."""
    result = in_namespace(bench, "threads")
    check_complete(result)
    check(result.having("zoo_thread") > result.info["samples"] * 0.9, "threads are missing")


def case_pid_namespace_fork(bench):
    """Forks and exits are seen by the namespace's numbers as well."""
    result = in_namespace(bench, "fork")
    info = result.info
    check(info["complete"] >= (info["samples"] - info["result_kernel-only"]) * 0.99, incomplete(result))
    check(result.having("zoo_child") > info["samples"] * 0.7, "children are missing")
    check(abs(info["samples_per_cpu_s"] / 997 - 1) < 0.25, f"{info['samples_per_cpu_s']:g} samples per CPU second")


def case_pid_namespace_nested(bench):
    """Two deep; and a target in a namespace below the helper's."""
    check_complete(in_namespace(bench, "threads", bench.need("unshare"), "--pid", "--fork", "--mount-proc"))
    shell = (f"mkfifo {bench.dir}/said; unshare --pid --fork --kill-child {bench.zoo}/zoo_native threads 20 >{bench.dir}/said & "
             f"read ready <{bench.dir}/said; "
             f"FG_SOURCE=bpf {bench.tool} samples={SAMPLES_ASKED} {bench.helper} 3 997 $!; kill $!")
    done = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "/bin/sh", "-c", shell],
                          stdout=subprocess.PIPE, text=True, timeout=60)
    result = Result(done.stdout)
    check(not result.errors, f"{result.errors}")
    check_complete(result)


def case_foreign_proc(bench):
    """/proc of another PID namespace shows other numbers: refused, with the fix."""
    unshare = bench.need("unshare")
    shell = f"FG_SOURCE=bpf {bench.tool} {bench.helper} 1 99 1"
    done = subprocess.run([unshare, "--pid", "--fork", "/bin/sh", "-c", shell], stdout=subprocess.PIPE, text=True,
                          timeout=30)
    check("error unsupported" in done.stdout and "mount -t proc" in done.stdout, done.stdout)


def case_gone(bench):
    done = subprocess.run([bench.tool, bench.helper, "1", "99", "4194303"], stdout=subprocess.PIPE,
                          text=True, timeout=30)
    check("error not-found" in done.stdout, done.stdout)


def case_probe(bench):
    """What doctor prints: everything works here as root, and says what to do where it does not."""
    done = subprocess.run([bench.tool, bench.helper, "probe"], stdout=subprocess.PIPE, text=True,
                          timeout=30)
    print(done.stdout, end="")
    # what the machine's timer costs is the machine's affair
    timer = re.search(r"(?m)^probe (ok|FAILED): timer interrupt: takes about [\d.]+ [nµ]s, .*\n", done.stdout)
    check(timer, done.stdout)
    rest = done.stdout.replace(timer.group(), "")
    check(rest.count("probe ok") == 14 and "FAILED" not in rest, done.stdout)
    check(re.search(r"BPF programs: .* [4-9]\d\d\d instructions verified for the sampler", rest), done.stdout)
    done = subprocess.run([bench.tool, "/nonexistent", "probe"], stdout=subprocess.PIPE, text=True,
                          timeout=30)
    check("FAILED: profiler helper" in done.stdout and "fix: install" in done.stdout, done.stdout)


def case_not_executable(bench):
    """The fix that doctor names makes the helper run."""
    os.chmod(bench.dir, 0o755)
    helper = shutil.copy(bench.helper, bench.dir)
    os.chmod(helper, 0o640)

    def probe():
        return subprocess.run([bench.tool, helper, "probe"], stdout=subprocess.PIPE, text=True, timeout=30).stdout

    text = probe()
    check(f"FAILED: profiler helper: {helper} (mode 0640" in text and f"; fix: sudo chmod a+rx {helper}" in text, text)
    subprocess.run(["chmod", "a+rx", helper], check=True)
    check("FAILED: profiler helper" not in probe(), "the fix does not help")


CASES = {name[len("case_"):]: value for name, value in sorted(globals().items())
         if name.startswith("case_")}


def main(cases=None):
    cases = cases or CASES
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=[*cases, "all"])
    parser.add_argument("--build", required=True)
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("SKIP: real BPF needs root")
        return 77
    code = 0
    for name in cases if options.case == "all" else [options.case]:
        bench = Bench(os.path.abspath(options.build))
        try:
            print(name)
            cases[name](bench)
        except Skip as reason:
            print(f"SKIP: {reason}")
            code = code or 77
        except AssertionError as failure:
            print(f"FAILED {name}: {failure}")
            code = 1
        finally:
            bench.close()
    return code


if __name__ == "__main__":
    sys.exit(main())
