#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real BPF on real targets: test_profiler.py CASE --build DIR.

Needs root (or the capabilities); exits 77 with the reason where a target program is missing.
Every case starts its own target on a free port, profiles it with tests/bpf/profile_pid and checks
what came out: completeness, roots, names, counts.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from bench import (SAMPLES_ASKED, SLOW_S, Result, begun, capabilities_of, capable_helper, check, ended, free_port,
                   is_gone, main, read_to, rest_of, start_tool, wait_port, wait_until)
from checks import (RATE_SAMPLES, SAMPLES_MIN, SEEN_MIN, SINGLE_SAMPLES, check_complete, check_rate,
                    check_share_complete, check_some, incomplete, mostly_complete)

LAZY_PERCENT = 1


def native(bench, mode, *more, seconds=2, samples=SAMPLES_ASKED, program="zoo_native"):
    child = bench.start(f"{bench.zoo}/{program}", mode, "60", *more, ready="ready")
    return bench.profile(child.pid, seconds=seconds, samples=samples)


def native_told(bench, mode, *more):
    """One that burns, and changes once it is watched."""
    child = bench.start(f"{bench.zoo}/zoo_native", mode, "60", *more, ready="ready", stdin=subprocess.PIPE)
    return bench.profile(child.pid, seconds=3, told=child)


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
        try:
            local.socket.sendall(commands)
            if not local.socket.recv(1 << 20):
                local.socket = None
        except OSError:
            local.socket = None

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
    check(deep >= result.info["samples"] * 0.99 - SINGLE_SAMPLES, f"{deep} samples have all 120 frames")


def case_signal(bench):
    result = native(bench, "signal")
    check_complete(result)
    through = sum(c for _, c, f in result.stacks if "zoo_handler" in f and "zoo_interrupted" in f)
    print(f"  {through} through the signal frame")  # half of the time it is there
    check(through > result.info["samples"] * 0.25,
          f"{through} samples pass through the signal frame")


def case_vdso(bench):
    result = native(bench, "vdso")
    check_complete(result)
    check(result.having("__vdso_clock_gettime") > SEEN_MIN, "no vDSO function by name")


def case_threads(bench):
    result = native(bench, "threads", samples=RATE_SAMPLES)
    check_complete(result)
    check(result.having("zoo_thread") > result.info["samples"] * 0.9, "threads are missing")
    check_rate(result.info)


def case_slices(bench):
    """Samples come in sampled slices only, and the CPU time of all slices is the target's. What a slice is: 1 sampled,
    0 not, 2 not either but with the same timers."""
    target = bench.start(f"{bench.zoo}/zoo_native", "vdso", "60", ready="ready")
    tool = os.path.join(bench.build, "tests/bench/profile_slices")
    done = subprocess.run([tool, bench.helper, "997", "100", "4", str(target.pid)],
                          stdout=subprocess.PIPE, text=True, timeout=SLOW_S)
    check(done.returncode == 0, "profile_slices failed")
    lines = [line.split() for line in done.stdout.splitlines()]
    borders = [tuple(map(int, line[1:])) for line in lines if line[0] == "border"]
    check({what for what, _, _ in borders} == {0, 1, 2}, "not all kinds of slices")
    slices = [(what == 1, end_ns - ns, end_cpu - cpu)
              for (what, ns, cpu), (_, end_ns, end_cpu) in zip(borders, borders[1:])]
    samples = next(int(line[1]) for line in lines if line[0] == "samples")
    check(len(slices) >= 12, f"{len(slices)} slices")
    check(all(a[0] != b[0] for a, b in zip(slices[::2], slices[1::2])), "a pair is not one of each")
    check(min(ns for _, ns, _ in slices) >= 100e6, "a slice is too short")
    sampled = sum(cpu for on, _, cpu in slices if on)
    unsampled = sum(cpu for on, _, cpu in slices if not on)
    check(sampled and unsampled, f"{sampled} and {unsampled} ns of CPU time")
    print(f"  {len(slices)} slices, {samples} samples")
    check_rate({"samples_per_cpu_s": samples / (sampled / 1e9), "target_cpu_ms": sampled / 1e6})


def case_fork(bench):
    """Also where each child binds its functions anew, the first time that it calls them."""
    for program, lazy in (("zoo_native", 0), ("zoo_fixed", LAZY_PERCENT)):
        print(f"  {program}:")
        begin = time.monotonic()
        result = native(bench, "fork", samples=RATE_SAMPLES, program=program)
        wall_ms = (time.monotonic() - begin) * 1000
        info = result.info
        check_forks(result, lazy)
        print(f"  {info['target_cpu_ms']:g} ms of CPU in {wall_ms:g} ms, {info['result_no-mapping']:g} no-mapping")
        check(0 < info["target_cpu_ms"] < wall_ms * 1.1,
              f"{info['target_cpu_ms']:g} ms of CPU in {wall_ms:g} ms of children")


def check_forks(result, lazy=0):
    """What is called while a function is bound is not followed: `lazy` percent."""
    info = result.info
    check(info["samples"] >= SAMPLES_MIN, f"only {info['samples']:g} samples")
    # A process that has given up its memory has no user stack left: those are kernel-only.
    ending = sum(c for r, c, f in result.stacks if r == "kernel-only" and "do_exit_[k]" in f)
    children = result.having("zoo_child")
    print(f"  {info['samples']:g} samples, {children} of children, {info['result_kernel-only']:g} kernel-only "
          f"({ending} of ends)")
    check(ending >= info["result_kernel-only"] * 0.8 - SINGLE_SAMPLES, f"kernel-only: {incomplete(result)}")
    unbound = check_some(result, "unsupported", lazy)
    check_share_complete(result, info["samples"] - info["result_kernel-only"], known=unbound)
    check(children > info["samples"] * 0.7, "children are missing")
    check_rate(info)


def case_exec(bench):
    result = native_told(bench, "exec")
    mostly_complete(result, 98)
    check_after(result, "zoo_after_exec")


def case_dlopen(bench):
    result = native_told(bench, "dlopen", f"{bench.zoo}/libzoo_plugin.so")
    mostly_complete(result, 98)
    check_after(result, "zoo_plugin_inner")


def check_after(result, name):
    """What is known is what was before the change or what is after it, and hardly the change itself."""
    before, after = result.having("spin_until_told") + result.having("spin_ms"), result.having(name)
    known = result.info["samples"] - result.info["result_no-mapping"]
    print(f"  {before} samples before, {after} in {name} of {known:g} known")
    check(after > SEEN_MIN and before + after >= known * 0.9, f"{after} in {name}, {before} before, of {known:g} samples")


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
    print(f"  {second} samples in second_spin, {other} without a name")  # of 500 each
    check(second > 100 and other > 100, f"{second} samples in second_spin, {other} without a name")


def case_client_killed(bench):
    target = bench.start(f"{bench.zoo}/zoo_native", "vdso", "90", ready="ready")
    for _ in range(5):
        tool, helper = start_tool(bench, target.pid)
        tool.send_signal(signal.SIGKILL)
        tool.wait()
        wait_until(lambda: is_gone(helper), 30, f"the end of helper {helper}, whose client is gone")


def case_helper_killed(bench):
    target = bench.start(f"{bench.zoo}/zoo_native", "vdso", "90", ready="ready")
    tool, helper = start_tool(bench, target.pid)
    read_to(tool, "enough")
    os.kill(helper, signal.SIGKILL)
    # profile_pid notices, keeps what it has and symbolises it.
    result = Result(rest_of(tool))
    check(any("ended unexpectedly" in e for e in result.errors), f"errors: {result.errors}")
    check(result.info["partial"] == 1, "not marked partial")
    check(result.info["samples"] > SAMPLES_MIN, f"{result.info['samples']:g} samples kept")
    check(result.having("zoo_clock") > SEEN_MIN, "names are lost with the helper")


def case_foreign_user(bench):
    """Without root, another user's process is refused before anything is loaded."""
    setpriv = bench.need("setpriv")
    target = bench.start("sleep", "120")
    os.chmod(bench.dir, 0o755)
    for path in (bench.tool, bench.helper):
        shutil.copy(path, bench.dir)
    done = subprocess.run(
        [setpriv, "--reuid", "65534", "--regid", "65534", "--clear-groups",
         f"{bench.dir}/profile_pid", f"{bench.dir}/flamegate-profiler", "1", "99", str(target.pid)],
        stdout=subprocess.PIPE, text=True, timeout=SLOW_S)
    check("error permission" in done.stdout and "another user" in done.stdout, done.stdout)


def case_no_rights(bench):
    """BPF alone was asked for: the error names the capabilities and the command."""
    setpriv = bench.need("setpriv")
    os.chmod(bench.dir, 0o755)
    for path in (bench.tool, bench.helper):
        shutil.copy(path, bench.dir)
    shell = (f"sleep 120 & FG_SOURCE=bpf {bench.dir}/profile_pid {bench.dir}/flamegate-profiler 1 99 $!; "
             "kill $!")
    done = subprocess.run([setpriv, "--reuid", "65534", "--regid", "65534", "--clear-groups",
                           "/bin/sh", "-c", shell],
                          stdout=subprocess.PIPE, text=True, timeout=SLOW_S)
    check("error permission" in done.stdout, done.stdout)
    check("setcap cap_bpf,cap_perfmon" in done.stdout and "perf_event_paranoid" in done.stdout,
          done.stdout)


def case_files_by_own_rights(bench):
    """Files go to the client, so a helper of a user's opens what that user may read."""
    helper, setpriv = capable_helper(bench), bench.need("setpriv")
    nobody = [setpriv, "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    target = bench.start(*nobody, f"{bench.dir}/zoo_native", "vdso", "90", ready="ready")
    bench.tool, bench.helper = f"{bench.dir}/profile_pid", helper
    _, started = start_tool(bench, target.pid, prefix=nobody, hz=97)
    _, have = capabilities_of(started)
    check(39 in have, "BPF is needed for new maps")
    check(2 not in have, "may still read any file")


def case_set_uid(bench):
    """A set-uid helper would open files as root for anybody."""
    helper, setpriv = capable_helper(bench), bench.need("setpriv")
    os.chmod(helper, 0o4755)
    shell = f"sleep 120 & {bench.dir}/profile_pid {helper} 1 99 $!; kill $!"
    done = subprocess.run([setpriv, "--reuid", "65534", "--regid", "65534", "--clear-groups",
                           "/bin/sh", "-c", shell],
                          stdout=subprocess.PIPE, text=True, timeout=SLOW_S)
    check("error permission" in done.stdout and "chmod ug-s" in done.stdout, done.stdout)


def case_file_capabilities(bench):
    """Not root, but the helper has what the error text tells to grant: that must suffice."""
    helper, setpriv = capable_helper(bench), bench.need("setpriv")
    shell = (begun(bench, f"{bench.dir}/zoo_native plt 60") +  # a system call in each round
             f"{bench.dir}/profile_pid samples={SAMPLES_ASKED} {helper} 2 997 $!; kill $!")
    done = subprocess.run([setpriv, "--reuid", "65534", "--regid", "65534", "--clear-groups",
                           "/bin/sh", "-c", shell],
                          stdout=subprocess.PIPE, text=True, timeout=SLOW_S, start_new_session=True)
    result = Result(done.stdout)
    check(not result.errors, f"{result.errors}")
    check_complete(result)
    named = result.having("do_syscall_64")
    print(f"  {named} in system calls")
    check(named > 0, "no kernel function by name")


def case_privileges_dropped(bench):
    """While it samples, the helper holds four capabilities and can gain no others."""
    target = bench.start(f"{bench.zoo}/zoo_native", "vdso", "90", ready="ready")
    _, helper = start_tool(bench, target.pid)
    status, have = capabilities_of(helper)
    kept = {2: "dac_read_search", 19: "sys_ptrace", 39: "bpf", 40: "checkpoint_restore"}
    check(have <= set(kept), f"capabilities {have}")
    check(int(status["CapPrm"], 16) == int(status["CapEff"], 16), "permitted beyond effective")
    check(status["NoNewPrivs"].strip() == "1", "could gain privileges")
    print("  VmHWM", status["VmHWM"].strip())
    check(int(status["VmHWM"].split()[0]) < 150 * 1024, f"memory {status['VmHWM']}")


def in_namespace(bench, mode, *before):
    """Target, tool and helper in a PID namespace of their own, as in a container. In a session of their own, as all
    targets: the scheduler shares between sessions, and the other is that of all cases together."""
    unshare = bench.need("unshare")
    shell = (begun(bench, f"{bench.zoo}/zoo_native {mode} 60") +
             f"FG_SOURCE=bpf {bench.tool} samples={SAMPLES_ASKED} {bench.helper} 3 997 $!; "
             "kill $!")
    done = subprocess.run([*before, unshare, "--pid", "--fork", "--mount-proc", "/bin/sh", "-c", shell],
                          stdout=subprocess.PIPE, text=True, timeout=SLOW_S, start_new_session=True)
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
    check_forks(in_namespace(bench, "fork"))


def case_pid_namespace_nested(bench):
    """Two deep; and a target in a namespace below the helper's."""
    check_complete(in_namespace(bench, "threads", bench.need("unshare"), "--pid", "--fork", "--mount-proc"))
    shell = (begun(bench, f"unshare --pid --fork --kill-child {bench.zoo}/zoo_native threads 60") +
             f"FG_SOURCE=bpf {bench.tool} samples={SAMPLES_ASKED} {bench.helper} 3 997 $!; kill $!")
    done = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "/bin/sh", "-c", shell],
                          stdout=subprocess.PIPE, text=True, timeout=SLOW_S, start_new_session=True)
    result = Result(done.stdout)
    check(not result.errors, f"{result.errors}")
    check_complete(result)


def case_foreign_proc(bench):
    """/proc of another PID namespace shows other numbers: refused, with the fix."""
    unshare = bench.need("unshare")
    shell = f"FG_SOURCE=bpf {bench.tool} {bench.helper} 1 99 1"
    done = subprocess.run([unshare, "--pid", "--fork", "/bin/sh", "-c", shell], stdout=subprocess.PIPE, text=True,
                          timeout=SLOW_S)
    check("error unsupported" in done.stdout and "mount -t proc" in done.stdout, done.stdout)


def case_gone(bench):
    done = subprocess.run([bench.tool, bench.helper, "1", "99", "4194303"], stdout=subprocess.PIPE,
                          text=True, timeout=SLOW_S)
    check("error not-found" in done.stdout, done.stdout)


def case_probe(bench):
    """What doctor prints: everything works here as root, and says what to do where it does not."""
    done = subprocess.run([bench.tool, bench.helper, "probe"], stdout=subprocess.PIPE, text=True,
                          timeout=SLOW_S)
    print(done.stdout, end="")
    # what the machine's timer costs is the machine's affair
    timer = re.search(r"(?m)^probe (ok|FAILED): timer interrupt: takes about [\d.]+ [nµ]s, .*\n", done.stdout)
    check(timer, done.stdout)
    rest = done.stdout.replace(timer.group(), "")
    check(rest.count("probe ok") == 14 and "FAILED" not in rest, done.stdout)
    check(re.search(r"BPF programs: .* [4-9]\d\d\d instructions verified for the sampler", rest), done.stdout)
    done = subprocess.run([bench.tool, "/nonexistent", "probe"], stdout=subprocess.PIPE, text=True,
                          timeout=SLOW_S)
    check("FAILED: profiler helper" in done.stdout and "fix: install" in done.stdout, done.stdout)


def case_not_executable(bench):
    """The fix that doctor names makes the helper run."""
    os.chmod(bench.dir, 0o755)
    helper = shutil.copy(bench.helper, bench.dir)
    os.chmod(helper, 0o640)

    def probe():
        return subprocess.run([bench.tool, helper, "probe"], stdout=subprocess.PIPE, text=True, timeout=SLOW_S).stdout

    text = probe()
    check(f"FAILED: profiler helper: {helper} (mode 0640" in text and f"; fix: sudo chmod a+rx {helper}" in text, text)
    subprocess.run(["chmod", "a+rx", helper], check=True)
    check("FAILED: profiler helper" not in probe(), "the fix does not help")


CASES = {name[len("case_"):]: value for name, value in sorted(globals().items())
         if name.startswith("case_")}


if __name__ == "__main__":
    sys.exit(main(CASES))
