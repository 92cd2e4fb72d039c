# SPDX-License-Identifier: Apache-2.0
"""What the cases on real targets share: targets, their load, recordings and what came out of them. What a good
profile is: checks.py."""

import argparse
import fcntl
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

# Of a tool that takes seconds: it hangs.
SLOW_S = 100
# What profile_pid is asked for: on a busy machine, where a target gets a tenth of a CPU, it takes longer.
SAMPLES_ASKED = 400
NUMBERS = itertools.count()


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


def tell(child):
    """What a target waits for that says itself when it goes on."""
    child.stdin.write("x\n")
    child.stdin.flush()


def rest_of(tool):
    """What a tool says from here on to its end. communicate() would miss what readline() has read ahead."""
    text = tool.stdout.read()
    tool.wait()
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
        self.load_failure = None

    def close(self):
        """Ends it all, and fails where the load has and nobody has said so."""
        try:
            self.rest()
        finally:
            for child in self.children:
                if child.poll() is None:
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
            shutil.rmtree(self.dir, ignore_errors=True)

    def start(self, *argv, ready=None, stdin=subprocess.DEVNULL):
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

    def recorded(self, argv, told):
        """Output of a tool that profiles; `told` learns when it has begun."""
        tool = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.children.append(tool)
        head = read_to(tool, "ready")
        if told:
            tell(told)
        text = head + rest_of(tool)
        check(tool.returncode == 0, f"{argv[0]}: {text[-2000:]}")
        return text

    def profile(self, *pids, seconds=2, hz=997, samples=SAMPLES_ASKED, told=None):
        argv = [self.tool, f"samples={samples}", self.helper, str(seconds), str(hz), *map(str, pids)]
        result = Result(self.recorded(argv, told))
        check(not result.errors, f"profile_pid: {result.errors}")
        return result

    def rest(self):
        """Ends the load, so that the next target gets one of its own. Fails where the load had to give up."""
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        self.threads = []
        self.stopping.clear()
        failure, self.load_failure = self.load_failure, None
        if failure:
            raise AssertionError(f"the load ended with {failure!r}") from failure

    def load(self, work, threads=2):
        """Does `work` again and again. A target may refuse it for a while; all else is a load that does not load."""
        def run():
            while not self.stopping.is_set():
                try:
                    work()
                except OSError:
                    time.sleep(0.05)
                except Exception as failure:  # whatever it is: rest() says it
                    self.load_failure = self.load_failure or failure
                    return

        for _ in range(threads):
            thread = threading.Thread(target=run)
            thread.start()
            self.threads.append(thread)


def free_port():
    """None that the kernel gives to whoever connects: the load of another case would take it before the target
    binds. And each process looks in a place of its own."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        end = int(f.read().split()[0])
    first = 10000 if end > 12000 else 1024
    while True:
        port = first + (os.getpid() * 61 + next(NUMBERS)) % (end - first)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def wait_port(port):
    def accepts():
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0

    wait_until(accepts, 40, f"a listener on {port}")


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
    result = Result(tool.head + rest_of(tool))
    check(tool.returncode == 0 and not result.errors, f"profile_pid: {result.errors}")
    return result


def is_gone(pid):
    """Dead is gone: when somebody else's orphan is reaped is the affair of the machine's init."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


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


def begun(bench, command):
    """Shell text: starts it in the background, with its number in $!, and goes on when it has said `ready`."""
    said = os.path.join(bench.dir, f"said{next(NUMBERS)}")
    os.mkfifo(said)
    os.chmod(said, 0o666)
    return f"{command} >{said} & read ready <{said}; "


def judged(bench, name, case):
    """Exit code of a case on a bench of its own."""
    try:
        print(name)
        try:
            case(bench)
        finally:
            bench.close()
    except Skip as reason:
        print(f"SKIP: {reason}")
        return 77
    except AssertionError as failure:
        print(f"FAILED {name}: {failure}")
        if failure.__context__:  # of the case, where the load has failed as well
            print(f"after: {failure.__context__!r}")
        return 1
    return 0


def main(cases, root=True):
    """Exit code of the case that the command line names, or of all. `root`: none goes without."""
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=[*cases, "all"])
    parser.add_argument("--build", required=True)
    options = parser.parse_args()
    if root and os.geteuid() != 0:
        print("SKIP: real BPF needs root")
        return 77
    codes = [judged(Bench(os.path.abspath(options.build)), name, cases[name])
             for name in (cases if options.case == "all" else [options.case])]
    return 1 if 1 in codes else max(codes)
