#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Python functions in profiles of real interpreters: test_python.py CASE --build DIR.

Debian's python3 always; every Python of pyenv that is on this machine besides; and what
FLAMEGATE_PYTHONS names (paths with colons between them, programs or scripts that become one).
FLAMEGATE_PYTHONS_ONLY=1 leaves out the others.
"""

import glob
import os
import socket
import subprocess
import sys
import threading

from bench import Result, Skip, check, cpu_s, free_port, main, read_to, wait_port, wait_until
from checks import check_complete, incomplete

PROGRAMS = {
    # f : g : h run 6 : 3 : 1 loops, by count and not by time, each as long as the other whatever its number: a sum that
    # grows would get dearer. Not equally many each time, or they could keep step with the sampling.
    "shares": """
def loop(n):
    s = 0
    for i in range(n):
        s = i * 3 & 255
    return s
def f(n): return loop(6 * n)
def g(n): return loop(3 * n)
def h(n): return loop(n)
class Work:
    seed = 1
    def __call__(self):
        self.seed = self.seed * 1103515245 + 12345 & 0x7fffffff
        n = 500 + (self.seed >> 16) % 1000
        f(n); g(n); h(n)
def run():
    work = Work()
    while True:
        work()
import threading
for _ in range(3):
    threading.Thread(target=run, daemon=True).start()
print('ready', flush=True)
run()
""",
    "recursion": """
def leaf():
    s = 0
    for i in range(4000):
        s += i
    return s
def down(n):
    return down(n - 1) + 1 if n else leaf()
print('ready', flush=True)
while True:
    down(20)
""",
    "callbacks": """
import functools
def burn(n):
    s = 0
    for i in range(n):
        s += i * i
    return s
def key(x): return burn(40) - x
def add(a, b): return burn(40) + a + b
class Item:
    def __init__(self, v): self.v = v
    def __lt__(self, other): return burn(10) > 0 and self.v < other.v
def sorting(): return sorted(range(50), key=key)
def reducing(): return functools.reduce(add, range(50))
def comparing(): return min([Item(i) for i in range(50)])
print('ready', flush=True)
while True:
    sorting(); reducing(); comparing()
""",
    "generators": """
import asyncio
def burn(n):
    s = 0
    for i in range(n):
        s += i * i
    return s
def numbers(n):
    for i in range(n):
        yield burn(30)
def delegate(n):
    yield from numbers(n)
def consume():
    return sum(delegate(50))
async def inner():
    return burn(500)
async def outer():
    for _ in range(10):
        await inner()
        await asyncio.sleep(0)
async def main():
    while True:
        consume()
        await asyncio.gather(outer(), outer())
print('ready', flush=True)
asyncio.run(main())
""",
    "fork": """
import multiprocessing, os
def burn(n):
    s = 0
    for i in range(n):
        s += i * i
    return s
def in_child(n):
    return burn(100000)
def in_parent():
    return burn(100000)
if __name__ == '__main__':
    multiprocessing.set_start_method('fork')
    with multiprocessing.Pool(2) as pool:
        print('ready', flush=True)
        while True:
            pool.map(in_child, range(4))
            in_parent()
""",
    "exec": """
import os, select, sys
def before():
    s = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        for i in range(1000):
            s += 1
def after():
    s = 0
    while True:
        s += 1
if len(sys.argv) > 1:
    after()
print('ready', flush=True)
before()
os.execv(sys.executable, [sys.executable, __file__, 'again'])
""",
    # One thread inside of two interpreters, half of its time in each; not equally long each time, see above.
    "interpreters": """
import threading
try:
    import _interpreters
    enter = _interpreters.exec
except ImportError:
    import _xxsubinterpreters as _interpreters
    enter = _interpreters.run_string
def burn(n):
    s = 0
    for i in range(n):
        s += i * i
    return s
inner = _interpreters.create()
enter(inner, '''
def burn_inside(n):
    s = 0
    for i in range(n):
        s += i * i
    return s
def called(n):
    burn_inside(n)
''')
seed = 1
def visit():
    global seed
    seed = seed * 1103515245 + 12345 & 0x7fffffff
    n = 10000 + (seed >> 16) % 20000
    enter(inner, 'called(%d)' % n)
    burn(n)
def run():
    while True:
        visit()
def elsewhere():
    while True:
        burn(1000)
print('ready', flush=True)
threading.Thread(target=elsewhere, daemon=True).start()
run()
""",
    "short": """
import subprocess, sys
print('ready', flush=True)
code = "def brief():\\n s=0\\n for i in range(400000): s+=i\\n return s\\nbrief()"
while True:
    subprocess.run([sys.executable, '-S', '-E', '-c', code])
""",
    "generated": """
def burn(n):
    s = 0
    for i in range(n):
        s += i * i
    return s
print('ready', flush=True)
k = 0
while True:
    k += 1
    scope = {'burn': burn}
    name = 'made_%d' % (k % 7)
    exec(compile('def %s():\\n' % name + ' burn(100)\\n' * (k % 5 + 1) + 'f=%s' % name,
                 '<made %d>' % (k % 7), 'exec'), scope)
    scope['f']()
    del scope
""",
    "server": """
import http.server, socketserver, sys, json
def fibonacci(n): return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        body = json.dumps({'n': fibonacci(12), 'rows': [{'id': i} for i in range(50)]}).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
Server(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
""",
}


def debian(bench):
    """Static and stripped, other than pyenv's, which may come first in the path."""
    return "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else bench.need("python3")


def interpreters(bench):
    for path in filter(None, os.environ.get("FLAMEGATE_PYTHONS", "").split(":")):
        yield path, path
    if os.environ.get("FLAMEGATE_PYTHONS_ONLY"):
        return
    yield "debian", debian(bench)
    for path in sorted(glob.glob("/root/.pyenv/versions/3.*/bin/python3")):
        version = path.split("/")[4]
        if int(version.split(".")[1]) >= 8:
            yield version, path


def program(bench, name):
    path = os.path.join(bench.dir, f"{name}.py")
    with open(path, "w") as file:
        file.write(PROGRAMS[name])
    return path


def run(bench, python, name, *args, seconds=2):
    child = bench.start(python, program(bench, name), *args, ready="ready")
    result = bench.profile(child.pid, seconds=seconds)
    stop(bench, child)
    return result


def stop(bench, child):
    os.killpg(child.pid, 9)
    child.wait()
    bench.children.remove(child)


def likely(expected, n, slack):
    """How far a share of `n` samples may be from what is expected: 5 sigma, and what is not chance."""
    return 5 * (expected * (1 - expected) / n) ** 0.5 + slack


def share(result, name):
    total = sum(count for _, count, _ in result.stacks)
    return result.having(name) / total if total else 0


def all_functions(stack):
    return [frame.rsplit(".", 1)[-1] for frame in stack]


def no_loops(result):
    """The native loop is replaced everywhere, but for a leaf that is just being entered."""
    for reason, _, frames in result.stacks:
        if reason == "complete":
            loops = [i for i, f in enumerate(frames) if f == "_PyEval_EvalFrameDefault"]
            check(len(loops) <= 1, f"native loops are left in {frames}")


def each(bench, name, test, **options):
    for version, python in interpreters(bench):
        print(f"  -- {version}")
        result = run(bench, python, name, **options)
        check_complete(result)
        no_loops(result)
        check(result.having("[python: gone]") <= 1 + result.info["samples"] * 0.002, "names are gone")
        test(result, version)


def case_shares(bench):
    def test(result, version):
        n = result.info["samples"]
        for name, expected in (("f", 0.6), ("g", 0.3), ("h", 0.1)):
            got = sum(c for _, c, frames in result.stacks if name in all_functions(frames)) / n
            limit = likely(expected, n, 0.02)
            print(f"  {name} {got:.3f}, {expected} by {limit:.3f}")
            check(abs(got - expected) < limit, f"{name} has {got:.3f}, not {expected}")
        check(share(result, "run") > 0.99, "the root function is missing")
        threads = sum(c for _, c, frames in result.stacks if "_bootstrap" in all_functions(frames))
        # Who has the lock keeps it for 5 ms, that is for five samples.
        limit = likely(0.75, n / 5, 0.1)
        print(f"  {threads / n:.3f} of the three threads of four, 0.75 by {limit:.3f}")
        check(abs(threads / n - 0.75) < limit and threads < n, f"{threads} of {n:g} samples are of the three threads")
        for _, _, frames in result.stacks:
            names = all_functions(frames)
            if "loop" in names and "__call__" in names:
                at = names.index("__call__")
                tail = [name for name in names[at:] if name in ("f", "g", "h", "loop")]
                check(len(tail) == 2 and tail[1] == "loop", f"wrong order in {frames}")

    each(bench, "shares", test, seconds=3)


def case_recursion(bench):
    def test(result, version):
        deep = sum(c for _, c, f in result.stacks
                   if f.count("down") == 21 and f.count("<module>") == 1)
        in_leaf = result.having("leaf")
        check(deep >= in_leaf * 0.99, f"{deep} of {in_leaf} leaves below all 21 calls")

    each(bench, "recursion", test)


def case_callbacks(bench):
    """C functions between Python ones keep their place."""
    def test(result, version):
        for outer, native, inner in (("sorting", "list_sort", "key"),
                                     ("reducing", "functools_reduce", "add"),
                                     ("comparing", "min_max", "__lt__")):
            count = right = 0
            for reason, c, frames in result.stacks:
                names = all_functions(frames)
                if reason != "complete" or inner not in names or outer not in names:
                    continue
                count += c
                between = names[names.index(outer):names.index(inner)]
                named = any(native in f for f in between)
                # Where the file has no names of static functions, that one stands there has to do.
                unnamed = native != "list_sort" or any("+0x" in f for f in between)
                right += c * (named or (unnamed and len(between) > 1))
            check(count > 5, f"{inner} below {outer} was seen {count} times")
            check(right == count, f"{native}: {right} of {count}")

    each(bench, "callbacks", test)


def case_generators(bench):
    def test(result, version):
        for path in (("consume", "delegate", "numbers", "burn"), ("outer", "inner", "burn")):
            count = 0
            for _, c, frames in result.stacks:
                names = iter(all_functions(frames))
                count += c * all(step in names for step in path)
            check(count > 10, f"{' > '.join(path)} was seen {count} times")

    each(bench, "generators", test)


def case_fork(bench):
    def test(result, version):
        # four of five pieces of work are the children's
        children, parent = share(result, "in_child"), share(result, "in_parent")
        print(f"  children {children:.2f}, parent {parent:.2f}")
        check(children > 0.4, f"children have {children:.2f}")
        check(parent > 0.07, f"the parent has {parent:.2f}")

    each(bench, "fork", test, seconds=2)


def case_interpreters(bench):
    """Functions of an interpreter stand above those of the one that called it."""
    def test(result, version):
        inside = outside = apart = 0
        for _, c, frames in result.stacks:
            names = iter(all_functions(frames))
            if "burn_inside" in frames:
                inside += c
                check(all(step in names for step in ("<module>", "run", "visit", "<module>",
                                                     "called", "burn_inside")), f"{frames}")
            elif "visit" in frames:
                outside += c * ("burn" in frames)
            else:
                apart += c * ("elsewhere" in frames)
        print(f"  inside {inside} outside {outside} apart {apart}")
        check(apart > 20, "the other thread is missing")
        both = inside + outside
        check(both > 40 and abs(inside / both - 0.5) < likely(0.5, both, 0.05), f"{inside} inside, {outside} outside")

    each(bench, "interpreters", test, seconds=3)


def libraries():
    yield from sorted(glob.glob("/usr/lib/x86_64-linux-gnu/libpython3.*.so.1.0"))
    for path in sorted(glob.glob("/root/.pyenv/versions/3.*/lib/libpython3.*.so.1.0")):
        if int(path.split("/")[4].split(".")[1]) >= 8:
            yield path


def case_embedded(bench):
    """The interpreter is a library that a program of another name loaded."""
    compiler = bench.need("cc")
    found = list(libraries())
    if not found:
        raise Skip("libpython3 is not installed")
    program_path = os.path.join(bench.dir, "zoo_embed_python")
    subprocess.run([compiler, "-O1", "-o", program_path,
                    os.path.join(bench.source, "zoo/zoo_embed_python.c"), "-ldl"], check=True)
    script = program(bench, "shares")
    for library in found:
        print(f"  -- {library}")
        home = library.split("/lib/libpython")[0] if "pyenv" in library else "/usr"
        child = bench.start("env", f"PYTHONHOME={home}", program_path, library, script,
                            ready="ready")
        result = bench.profile(child.pid, seconds=2)
        stop(bench, child)
        check_complete(result)
        no_loops(result)
        main = sum(c for _, c, frames in result.stacks
                   if "main" in frames and "<module>" in frames[frames.index("main"):])
        check(main > 10, f"{main} samples below main()")
        check(share(result, "loop") > 0.9, f"loop has {share(result, 'loop'):.2f}")


def case_exec(bench):
    for version, python in interpreters(bench):
        print(f"  -- {version}")
        child = bench.start(python, program(bench, "exec"), ready="ready", stdin=subprocess.PIPE)
        tool = subprocess.Popen([bench.tool, bench.helper, "60", "997", str(child.pid)], stdout=subprocess.PIPE,
                                text=True, start_new_session=True)
        bench.children.append(tool)
        text = read_to(tool, "ready")
        for go, seconds, what in (("", 0.3, "before exec"), ("go\n", 1.5, "after exec")):
            child.stdin.write(go)
            child.stdin.flush()
            used = cpu_s(child.pid)
            wait_until(lambda: cpu_s(child.pid) > used + seconds, 60, f"CPU time {what}")
        tool.terminate()
        result = Result(text + tool.stdout.read())
        stop(bench, child)
        check(not result.errors, f"{result.errors}")
        info = result.info
        # Between exec and the helper's answer stacks have no functions, and say so; how long that takes is the
        # machine's affair.
        unknown = info["result_no-mapping"]
        before, after = result.having("before"), result.having("after")
        print(f"  {info['samples']:g} samples, {info['complete']:g} complete, {unknown:g} in no mapping, {before} before, "
              f"{after} after")
        check(info["complete"] >= (info["samples"] - unknown) * 0.98 - 2, incomplete(result))
        check(before > 20, "the program before exec has no functions")
        check(after > 100, "the program after exec has no functions")
        no_loops(result)


def case_short(bench):
    """Interpreters that live for some milliseconds: nothing breaks, what is missing is said."""
    python = debian(bench)
    result = run(bench, python, "short", seconds=3)
    info = result.info
    check(info["samples"] > 50, f"{info['samples']:g} samples")
    print(f"  {info['samples']:g} samples, {result.having('brief')} in brief")
    check(result.having("brief") > 5, "no short-lived function is seen")
    known = sum(info[key] for key in info if key.startswith("result_"))
    check(known == info["samples"], f"{known:g} results of {info['samples']:g} samples")
    print({key: value for key, value in info.items() if key.startswith("result_") and value},
          "gone", result.having("[python: gone]"))


def case_generated(bench):
    """Code objects that die and are born at the same address keep their own names."""
    python = debian(bench)
    result = run(bench, python, "generated", seconds=3)
    info = result.info
    print(f"  {info['samples']:g} samples, {info['complete_percent']:.1f} % complete")
    check(info["complete_percent"] > 97, f"{incomplete(result)}")
    made = {f for _, _, frames in result.stacks for f in frames if f.startswith("made_")}
    check(made and made <= {f"made_{i}" for i in range(7)}, f"wrong names: {made}")
    check(len(made) >= 5, f"only {made} were seen")
    counts = [result.having(f"made_{i}") for i in range(7)]
    print(f"  {counts}")


def case_server(bench):
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20
    for version, python in interpreters(bench):
        print(f"  -- {version}")
        port = free_port()
        child = bench.start(python, program(bench, "server"), str(port))
        wait_port(port)
        stopping = threading.Event()

        def load(port=port, stopping=stopping):
            with socket.create_connection(("127.0.0.1", port), 10) as connection:
                while not stopping.is_set():
                    connection.sendall(request)
                    left = 20
                    while left > 0:
                        left -= connection.recv(1 << 20).count(b"HTTP/1.1 200")

        loads = [threading.Thread(target=load) for _ in range(2)]
        for thread in loads:
            thread.start()
        result = bench.profile(child.pid, seconds=3)
        stopping.set()
        for thread in loads:
            thread.join()
        stop(bench, child)
        check_complete(result)
        print(f"  do_GET {share(result, 'do_GET'):.2f}, fibonacci {share(result, 'fibonacci'):.2f}")
        check(share(result, "do_GET") > 0.4, f"do_GET has {share(result, 'do_GET'):.2f}")
        check(share(result, "fibonacci") > 0.05, "fibonacci is missing")
        threads = sum(c for _, c, f in result.stacks if "_bootstrap" in all_functions(f))
        check(threads > result.info["samples"] * 0.9, f"{threads} samples are of threads")


def case_hostile(bench):
    """Programs that pretend to be an interpreter: cycles and garbage end the walk, nothing else."""
    compiler = bench.need("cc")
    for source, program, modes in (
            ("zoo_false_python.c", "python3.11",
             ("cycle", "threads", "garbage", "interpreters", "strings", "long", "rewrite")),
            ("zoo_false_php.c", "php8.2", ("cycle", "long", "rewrite"))):
        path = os.path.join(bench.dir, program)
        subprocess.run([compiler, "-O1", "-g0", "-rdynamic", "-pthread", "-o", path,
                        os.path.join(bench.source, "zoo", source)], check=True)
        for mode in modes:
            child = bench.start(path, mode, ready="ready")
            result = bench.profile(child.pid, seconds=1, samples=100)
            stop(bench, child)
            check_survived(result, f"{program} {mode}")
            if mode in ("cycle", "threads", "garbage", "interpreters"):
                info = result.info
                check(info["complete"] <= info["samples"] * 0.1,
                      f"{mode}: {info['complete']:g} complete")


def check_survived(result, what):
    info = result.info
    print(f"  {what}: {info['bpf_ns_per_sample']:.0f} ns per sample, {info['complete']:g} of "
          f"{info['samples']:g} complete")
    check(info["samples"] >= 50, f"{what}: {info['samples']:g} samples")
    check(info["lost"] == 0 and info["partial"] == 0, f"{what}: lost or partial")
    check(info["bpf_ns_per_sample"] < 1e6, f"{what}: {info['bpf_ns_per_sample']:g} ns")
    known = sum(info[key] for key in info if key.startswith("result_"))
    check(known == info["samples"], f"{what}: {known:g} results of {info['samples']:g} samples")
    for _, _, frames in result.stacks:
        check(len(frames) <= 260, f"{what}: {len(frames)} frames")
        for frame in frames:
            check(len(frame) < 2048 and frame.isprintable(), f"{what}: {frame!r}")


CASES = {name[5:]: function for name, function in list(globals().items()) if name.startswith("case_")}


if __name__ == "__main__":
    sys.exit(main(CASES))
