#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Generated code on real runtimes: test_jit.py CASE --build DIR. Needs root."""

import contextlib
import ctypes
import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from bench import SAMPLES_ASKED, Result, check, cpu_s, free_port, main, read_to, wait_until
from checks import SAMPLES_MIN, SEEN_MIN, incomplete

NODE_FLAGS = ("--perf-basic-prof", "--interpreted-frames-native-stack")
JAVA_FLAG = "-XX:+PreserveFramePointer"
NODE_PERCENT_MIN = 99.0
JAVA_PERCENT_MIN = 99.5
NOBODY = 65534


class JitResult(Result):
    def __init__(self, text):
        super().__init__(text)
        self.runtimes, self.flags, self.advice = {}, {}, {}
        for line in text.splitlines():
            word, _, rest = line.partition(" ")
            name, _, value = rest.partition(" ")
            if word == "runtime":
                keys = ("processes", "samples", "complete", "frames", "unnamed")
                self.runtimes[name] = dict(zip(keys, map(int, value.split())))
            elif word == "flags":
                self.flags[name] = value
            elif word == "advice":
                self.advice[name] = value


def profile(bench, *pids, seconds=3, during=None):
    """`during` is called with what was started when it records; what that returns ends the recording."""
    argv = [bench.tool, f"samples={SAMPLES_ASKED}", bench.helper, str(seconds), "997", *map(str, pids)]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
    bench.children.append(child)
    text = read_to(child, "ready")
    if during and during(child):
        child.terminate()
    text += child.stdout.read()
    check(child.wait(timeout=60) == 0, f"profile_pid: {text}")
    result = JitResult(text)
    check(not result.errors, f"profile_pid: {result.errors}")
    print(f"  {result.info['samples']:g} samples, {result.info['complete_percent']:.2f} % complete, "
          f"{100 * result.info['unnamed_share']:.1f} % unnamed, {result.runtimes}")
    for runtime, advice in result.advice.items():
        print(f"  {runtime}: {advice or 'no advice'}")
    return result


def check_complete(result, percent_min):
    check(result.info["samples"] >= SAMPLES_MIN, f"only {result.info['samples']:g} samples")
    check(result.info["complete_percent"] >= percent_min,
          f"{result.info['complete_percent']:.2f} % complete; {incomplete(result)}")
    check(result.info["lost"] == 0, f"{result.info['lost']:g} lost")


def check_advice(result, runtime, *words):
    advice = result.advice.get(runtime)
    check(advice is not None, f"{runtime} was not seen: {result.runtimes}")
    if not words:
        check(advice == "", f"needless advice: {advice}")
    for word in words:
        check(word in advice, f"{word!r} is not in: {advice}")


def node(bench, *arguments, flags=NODE_FLAGS, prefix=(), zoo=None):
    program, zoo = bench.need("node"), zoo or f"{bench.source}/zoo"
    os.chdir(bench.dir)  # V8 leaves isolate-*-v8.log where it runs
    return bench.start(*prefix, program, *flags, f"{zoo}/zoo_node.js", *arguments, ready="ready")


def java_classes(bench):
    """Compiled once for all cases, by whichever comes first."""
    place, source = os.path.join(bench.zoo, "java"), f"{bench.source}/zoo/Zoo.java"
    os.makedirs(place, exist_ok=True)
    with open(os.path.join(bench.zoo, "java.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = os.path.join(place, "Zoo.class")
        if not os.path.exists(made) or os.stat(made).st_mtime < os.stat(source).st_mtime:
            done = subprocess.run([bench.need("javac"), "-d", place, source], stderr=subprocess.PIPE, text=True)
            check(done.returncode == 0, done.stderr)
    return place


def java(bench, *arguments, flags=(JAVA_FLAG,), prefix=()):
    program = bench.need("java")
    shutil.copytree(java_classes(bench), bench.dir, dirs_exist_ok=True)  # a place that anybody may read
    return bench.start(*prefix, program, *flags, "-cp", bench.dir, "Zoo", *arguments, ready="ready")


def wait_worked(pid):
    """Until a VM has worked for a second besides compiling: by then its hot methods, before interpreted and without
    names, are compiled."""
    def used_ns():
        total = 0
        for tid in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{tid}/schedstat") as spent, \
                    open(f"/proc/{pid}/task/{tid}/comm") as name:
                total += 0 if "Compiler" in name.read() else int(spent.read().split()[0])
        return total

    begin = used_ns()
    wait_until(lambda: used_ns() > begin + 1e9, 60, "work of the VM")


def get(bench, port):
    def work():
        with socket.create_connection(("127.0.0.1", port), 5) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            while s.recv(1 << 16):
                pass

    bench.load(work, threads=2)


def perf_map(pid):
    return f"/tmp/perf-{pid}.map"


def forget(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


class Removals:
    """Files that go from a directory, however short they were there (inotify)."""

    IN_DELETE = 0x200

    def __init__(self, directory):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        check(self.fd >= 0 and libc.inotify_add_watch(self.fd, directory.encode(), self.IN_DELETE) >= 0,
              f"inotify: {os.strerror(ctypes.get_errno())}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def wait(self, name, seconds):
        def gone():
            try:
                return name.encode() + b"\0" in os.read(self.fd, 65536)
            except BlockingIOError:
                return False

        wait_until(gone, seconds, f"the removal of {name}")


# -- node -----------------------------------------------------------------------------------------

def case_node(bench):
    port = free_port()
    child = node(bench, "server", str(port))
    get(bench, port)
    result = profile(bench, child.pid)
    check_complete(result, NODE_PERCENT_MIN)
    check(result.info["guessed_frames"] == 0, f"{result.info['guessed_frames']:g} guessed frames")
    check(result.having("zoo_node.js:") > SEEN_MIN, "JS functions have no names")
    check(result.having("Builtins_JSEntry") > SEEN_MIN, "builtins have no names")
    check(result.runtimes["node"]["unnamed"] <= result.runtimes["node"]["frames"] * 0.005,
          f"{result.runtimes}")
    check(result.flags["node"] == " ".join(NODE_FLAGS), result.flags["node"])
    check_advice(result, "node")
    without = [f for reason, _, f in result.stacks
               if reason == "complete" and any("zoo_node.js:" in x for x in f) and "Builtins_JSEntry" not in f]
    check(not without, f"JS below no entry: {without[:2]}")


def case_node_without_flags(bench):
    port = free_port()
    child = node(bench, "server", str(port), flags=())
    get(bench, port)
    result = profile(bench, child.pid)
    check_complete(result, NODE_PERCENT_MIN)  # the frames are there, their names are not
    check(result.runtimes["node"]["unnamed"] > 0, "everything has a name")
    check(result.info["unnamed_share"] > 0, "unnamed does not count generated code")
    check_advice(result, "node", "without --perf-basic-prof", "% of its frames have no name",
                 "--interpreted-frames-native-stack", "profile.runtimeFlags: auto")


def case_node_by_environment(bench):
    os.environ["NODE_OPTIONS"] = "  --perf_basic_prof   --interpreted-frames-native-stack "
    try:
        child = node(bench, "spin", "envy", flags=())
    finally:
        del os.environ["NODE_OPTIONS"]
    result = profile(bench, child.pid)
    check(result.flags["node"] == " ".join(NODE_FLAGS), result.flags["node"])
    check(result.having("envy /zoo/envy.js") > SEEN_MIN, "no names")


def case_node_workers(bench):
    child = node(bench, "workers", "wrk")
    result = profile(bench, child.pid)
    check_complete(result, NODE_PERCENT_MIN)
    for name in ("wrk0", "wrk1"):
        check(result.having(f"{name} /zoo/{name}.js") > SEEN_MIN, f"{name} is not seen")


def case_node_cluster(bench):
    child = node(bench, "cluster", "clu")
    result = profile(bench, child.pid)
    check_complete(result, NODE_PERCENT_MIN)
    for name in ("clu0", "clu1"):
        check(result.having(f"{name} /zoo/{name}.js") > SEEN_MIN, f"{name} is not seen")
    check(result.runtimes["node"]["processes"] >= 2, f"{result.runtimes}")


def case_node_two(bench):
    """The same program twice: equal addresses, different code."""
    plain = ("setarch", "-R") if shutil.which("setarch") else ()
    children = [node(bench, "spin", name, prefix=plain) for name in ("alpha", "omega")]
    result = profile(bench, *(c.pid for c in children), seconds=4)
    check_complete(result, NODE_PERCENT_MIN)
    for name in ("alpha", "omega"):
        check(result.having(f"{name} /zoo/{name}.js") > SEEN_MIN, f"{name} is not seen")
    mixed = [f for _, _, f in result.stacks
             if any("alpha" in x for x in f) and any("omega" in x for x in f)]
    check(not mixed, f"functions of both processes in one stack: {mixed[:1]}")


def case_node_killed(bench):
    child = node(bench, "spin", "victim")

    def kill(tool):
        read_to(tool, "enough")
        child.kill()
        child.wait()
        return True

    result = profile(bench, child.pid, seconds=60, during=kill)
    check(result.info["samples"] >= SAMPLES_MIN, f"only {result.info['samples']:g} samples")
    check(result.having("victim /zoo/victim.js") > SEEN_MIN, "a dead process lost its names")
    check_advice(result, "node")


def case_node_exec(bench):
    """node by way of a shell: another program under a number that is known already."""
    program = bench.need("node")
    os.chdir(bench.dir)
    command = " ".join([program, *NODE_FLAGS, f"{bench.source}/zoo/zoo_node.js", "spin", "second"])
    child = subprocess.Popen(["sh", "-c", f"echo ready; read go; exec {command}"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                             stderr=subprocess.DEVNULL, start_new_session=True)
    bench.children.append(child)
    check(child.stdout.readline() == "ready\n", "the shell said nothing")

    def go(tool):
        child.stdin.write("go\n")
        child.stdin.flush()
        wait_until(lambda: cpu_s(child.pid) > 2.5, 60, "CPU time of node")
        return True

    result = profile(bench, child.pid, seconds=80, during=go)
    info = result.info
    check(info["samples"] >= SAMPLES_MIN, f"only {info['samples']:g} samples")
    # While node's 370 000 rows are made its addresses are in no mapping: how long that takes is the machine's affair,
    # what comes after it is not.
    unknown = info["result_no-mapping"]
    print(f"  {unknown:g} before its rows were there")
    check(unknown < info["samples"] * 0.7, f"{unknown:g} of {info['samples']:g} in no mapping")
    check(info["complete"] >= (info["samples"] - unknown) * NODE_PERCENT_MIN / 100, f"{incomplete(result)}")
    check(result.having("second /zoo/second.js") > SEEN_MIN, "no names after the exec")


def hostile(bench, make, *words):
    """A perf map that is not what it should be: no names, no harm, and the report says why."""
    child = node(bench, "spin", "honest", flags=())
    path = perf_map(child.pid)
    forget(path)
    try:
        make(path)
        started = time.monotonic()
        result = profile(bench, child.pid)
        check(time.monotonic() - started < 90, "it took too long")  # a terabyte or a pipe without an end take longer
        check_complete(result, NODE_PERCENT_MIN)
        check(result.runtimes["node"]["unnamed"] > 0, "something was named")
        check(not any("root:" in f or "evil" in f for _, _, s in result.stacks for f in s),
              "names from a file that is not the process's")
        check_advice(result, "node", *words)
    finally:
        forget(path)


EVERYTHING = "1000 7fffffffefff evil\n"


def case_map_symlink(bench):
    hostile(bench, lambda path: os.symlink("/etc/shadow", path), "have no name")


def case_map_other_owner(bench):
    def make(path):
        with open(path, "w") as f:
            f.write(EVERYTHING)
        os.chown(path, NOBODY, NOBODY)

    hostile(bench, make, "have no name")


def case_map_hard_link(bench):
    def make(path):
        other = f"{os.path.dirname(path)}/fg-jit-{os.getpid()}"
        with open(other, "w") as f:
            f.write(EVERYTHING)
        os.link(other, path)

    try:
        hostile(bench, make, "have no name")
    finally:
        forget(f"/tmp/fg-jit-{os.getpid()}")


def case_map_fifo(bench):
    hostile(bench, os.mkfifo, "have no name")


def case_map_huge(bench):
    def make(path):
        with open(path, "w") as f:
            f.write(EVERYTHING)
            f.truncate(1 << 40)

    hostile(bench, make, "have no name")


def case_map_binary(bench):
    def make(path):
        with open(path, "wb") as f:
            f.write(os.urandom(3 << 20) + b"\n\n  \n1 \n\0\0\0 \0 \n")

    hostile(bench, make, "have no name")


def case_map_stale(bench):
    """Left by an earlier process of the same number."""
    def make(path):
        with open(path, "w") as f:
            f.write(EVERYTHING)
        os.utime(path, (time.time() - 3600,) * 2)

    hostile(bench, make, "have no name")


def case_map_elsewhere(bench):
    """In a mount and PID namespace of its own: another /tmp, and it calls itself 1."""
    unshare = bench.need("unshare")
    script = 'mount -t tmpfs none /tmp && exec "$@"'
    # the checkout may lie under the /tmp that it will not see
    with tempfile.TemporaryDirectory(prefix="fg-jit-", dir="/run") as zoo:
        shutil.copy(f"{bench.source}/zoo/zoo_node.js", zoo)
        child = node(bench, "spin", "inner", zoo=zoo,
                     prefix=(unshare, "-m", "-p", "-f", "--mount-proc", "sh", "-c", script, "sh"))
        result = profile(bench, child.pid)
    check_complete(result, NODE_PERCENT_MIN)
    check(result.having("inner /zoo/inner.js") > SEEN_MIN, "no names from another /tmp")


# -- java -----------------------------------------------------------------------------------------

def case_java(bench):
    port = free_port()
    child = java(bench, str(port))
    get(bench, port)
    wait_worked(child.pid)
    result = profile(bench, child.pid)
    check_complete(result, JAVA_PERCENT_MIN)
    check(result.having("Zoo.") > SEEN_MIN, "compiled methods have no names")
    check(not any("int Zoo" in f for _, _, s in result.stacks for f in s), "with return types")
    check(result.runtimes["java"]["unnamed"] <= result.runtimes["java"]["frames"] * 0.005,
          f"{result.runtimes}")
    check_advice(result, "java")
    check(child.poll() is None, "it did not survive")
    check(not os.path.exists(perf_map(child.pid)), "the map that we asked for was left behind")
    check(not os.path.exists(f"/tmp/.attach_pid{child.pid}"), "the trigger was left behind")


def case_java_without_flag(bench):
    port = free_port()
    child = java(bench, str(port), flags=())
    get(bench, port)
    wait_worked(child.pid)
    result = profile(bench, child.pid)
    check(result.info["samples"] >= SAMPLES_MIN, f"only {result.info['samples']:g} samples")
    check(result.info["complete_percent"] < 99, "it is complete without the flag")
    check_advice(result, "java", "INCOMPLETE", JAVA_FLAG, "profile.runtimeFlags: auto")


def case_java_no_attach(bench):
    child = java(bench, "spin", flags=(JAVA_FLAG, "-XX:+DisableAttachMechanism"))
    result = profile(bench, child.pid)
    check(child.poll() is None, "it did not survive")
    check_complete(result, JAVA_PERCENT_MIN)
    check_advice(result, "java", "have no name", "-XX:+DisableAttachMechanism")


def case_java_xrs(bench):
    """SIGQUIT would kill it, and it listens without."""
    child = java(bench, "spin", flags=(JAVA_FLAG, "-Xrs"))
    result = profile(bench, child.pid)
    check(child.poll() is None, "the profiler killed it")
    check_complete(result, JAVA_PERCENT_MIN)
    check(result.having("Zoo.") > SEEN_MIN, f"no names: {result.advice}")


def case_java_no_signal(bench):
    """Neither is seen on the command line: that SIGQUIT has no handler is what saves it."""
    with open(os.path.join(bench.dir, "options"), "w") as f:
        f.write("-Xrs -XX:+DisableAttachMechanism\n")
    child = java(bench, "spin", flags=(f"@{bench.dir}/options",))
    result = profile(bench, child.pid)
    check(child.poll() is None, "the profiler killed it")
    check(result.info["samples"] >= SAMPLES_MIN, f"only {result.info['samples']:g} samples")
    check(result.runtimes["java"]["unnamed"] > 0, "something was named")
    # A signal sent at the end would have come by then.
    used_s = cpu_s(child.pid)
    wait_until(lambda: child.poll() is not None or cpu_s(child.pid) > used_s + 0.2, 30, "CPU time of the VM")
    check(child.poll() is None, "the profiler killed it")


def case_java_killed(bench):
    child = java(bench, "spin")

    def kill(tool):  # once the map that it was asked for has been read, and removed
        removals.wait(os.path.basename(perf_map(child.pid)), 50)
        read_to(tool, "enough")
        child.kill()
        child.wait()
        return True

    with Removals("/tmp") as removals:
        result = profile(bench, child.pid, seconds=60, during=kill)
    check(result.having("Zoo.") > SEEN_MIN, "what was learned before its death is lost")


def case_java_own_user(bench):
    """Another user's VM takes orders from root only if the trigger is the VM's user's."""
    setpriv = bench.need("setpriv")
    os.chmod(bench.dir, 0o777)
    child = java(bench, "spin", prefix=(setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}",
                                        "--clear-groups"))
    result = profile(bench, child.pid, seconds=4)
    check_complete(result, JAVA_PERCENT_MIN)
    check(result.having("Zoo.") > SEEN_MIN, f"no names: {result.advice}")


def case_java_elsewhere(bench):
    unshare = bench.need("unshare")
    script = 'mount -t tmpfs -o size=64m none /tmp && exec "$@"'
    with tempfile.TemporaryDirectory(prefix="fg-jit-", dir="/run") as classes:
        shutil.copytree(java_classes(bench), classes, dirs_exist_ok=True)
        child = bench.start(unshare, "-m", "-p", "-f", "--mount-proc", "sh", "-c", script, "sh",
                            bench.need("java"), JAVA_FLAG, "-cp", classes, "Zoo", "spin",
                            ready="ready")
        result = profile(bench, child.pid, seconds=4)
        check_complete(result, JAVA_PERCENT_MIN)
        check(result.having("Zoo.") > SEEN_MIN, f"no names: {result.advice}")


CASES = {name[len("case_"):]: value for name, value in sorted(globals().items())
         if name.startswith("case_")}

if __name__ == "__main__":
    sys.exit(main(CASES))
