#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PHP functions in profiles of Debian's PHP: test_php.py CASE --build DIR.

FLAMEGATE_PHP names another PHP (a program or a script that becomes one).
"""

import os
import re
import socket
import struct
import sys
import threading

from bench import check, free_port, main, wait_port, wait_until
from checks import check_complete
from test_python import likely

COMMON = """<?php
function burn($n) { $s = 0; for ($i = 0; $i < $n; $i++) { $s += $i * $i; } return $s; }
"""
PROGRAMS = {
    # f : g : h run 6 : 3 : 1 loops; not equally many each time, or they could keep step with the sampling.
    "shares": COMMON + """
function f($n) { return burn(6 * $n); }
function g($n) { return burn(3 * $n); }
function h($n) { return burn($n); }
class Work { function run() { $n = mt_rand(500, 1500); f($n); g($n); h($n); } }
echo "ready\\n";
$work = new Work;
while (true) { $work->run(); }
""",
    "shapes": COMMON + """
class Shop {
  function price($x) { return burn(100) + $x; }
  static function total($list) {
    return array_sum(array_map(fn($x) => (new Shop)->price($x), $list));
  }
  function numbers($n) { for ($i = 0; $i < $n; $i++) { yield burn(100); } }
}
function down($n) { return $n ? down($n - 1) + 1 : burn(3000); }
function order($a, $b) { return burn(50) + $a <=> $b; }
echo "ready\\n";
$shop = new Shop;
while (true) {
  Shop::total(range(1, 50));
  down(30);
  foreach ($shop->numbers(30) as $v) { }
  $list = range(1, 30);
  usort($list, 'order');
  include __DIR__ . '/part.php';
}
""",
}
PART = "<?php burn(3000); "
# Two pages whose functions take the same memory in turn.
PAGES = {
    "a.php": COMMON + "function page_a() { return burn(300000); } echo page_a();",
    "b.php": COMMON + "function page_b() { return burn(300000); } echo page_b();",
}


POOL = """[global]
error_log = {dir}/error.log
daemonize = no
[www]
user = nobody
group = nogroup
listen = {dir}/pool
pm = static
pm.max_children = 2
"""


def interpreter(bench):
    return os.environ.get("FLAMEGATE_PHP") or bench.need("php8.2")


def write(bench, name, text):
    path = os.path.join(bench.dir, name)
    with open(path, "w") as file:
        file.write(text)
    return path


def run(bench, name):
    php = interpreter(bench)
    write(bench, "part.php", PART)
    child = bench.start(php, "-n", write(bench, f"{name}.php", PROGRAMS[name]), ready="ready")
    result = bench.profile(child.pid, seconds=3)
    check_complete(result)
    gone = result.having("[php: gone]")
    print(f"  gone {gone}")
    check(gone <= 1 + result.info["samples"] * 0.002, f"{gone} names are gone")
    for reason, _, frames in result.stacks:
        check(reason != "complete" or frames.count("execute_ex") <= 1,
              f"native loops are left in {frames}")
    return result


def samples_of(result, *path):
    """Samples that pass through these functions in this order."""
    count = 0
    for _, c, frames in result.stacks:
        # 8.4 writes where a closure stands into its name.
        rest = iter(re.sub(r"{closure:.*}", "{closure}", frame) for frame in frames)
        count += c * all(step in rest for step in path)
    return count


def case_shares(bench):
    result = run(bench, "shares")
    n = result.info["samples"]
    for name, expected in (("f", 0.6), ("g", 0.3), ("h", 0.1)):
        got, limit = samples_of(result, "{main}", "Work::run", name, "burn") / n, likely(expected, n, 0.02)
        print(f"  {name} {got:.3f}, {expected} by {limit:.3f}")
        check(abs(got - expected) < limit, f"{name} has {got:.3f}, not {expected}")


def case_shapes(bench):
    result = run(bench, "shapes")
    for path in (("{main}", "Shop::total", "array_map", "Shop::{closure}", "Shop::price", "burn"),
                 ("{main}", *["down"] * 31, "burn"),
                 ("{main}", "Shop::numbers", "burn"),
                 ("{main}", "usort", "order", "burn"),
                 ("{main}", "{main}", "burn")):
        count = samples_of(result, *path)
        check(count > 5, f"{' > '.join(path)} was seen {count} times")


def case_server(bench):
    """Function pointers are used again by each request: names must not be."""
    php = interpreter(bench)
    port = free_port()
    for name, text in PAGES.items():
        write(bench, name, text)
    child = bench.start(php, "-n", "-S", f"127.0.0.1:{port}", "-t", bench.dir)
    wait_port(port)
    stopping = threading.Event()

    def load():
        turn = 0
        while not stopping.is_set():
            turn += 1
            page = b"/a.php" if turn % 2 else b"/b.php"
            with socket.create_connection(("127.0.0.1", port), 10) as connection:
                connection.sendall(b"GET " + page + b" HTTP/1.0\r\n\r\n")
                while connection.recv(1 << 16):
                    pass

    thread = threading.Thread(target=load)
    thread.start()
    try:
        result = bench.profile(child.pid, seconds=3)
    finally:
        stopping.set()
        thread.join()
    check_complete(result)
    a, b = samples_of(result, "{main}", "page_a", "burn"), samples_of(result, "{main}", "page_b",
                                                                      "burn")
    gone = result.having("[php: gone]")
    print(f"  page_a {a} page_b {b} gone {gone}")
    check(gone <= 1 + result.info["samples"] * 0.002, f"{gone} names are gone")
    check(a > 20 and b > 20, f"{a} and {b} samples of the two pages")
    check(abs(a / (a + b) - 0.5) < likely(0.5, a + b, 0.05), f"{a} and {b} samples of two equal pages")


def ask_pool(path, script):
    """One request as FastCGI has it; returns what came back."""
    def record(kind, body):
        return struct.pack(">BBHHBB", 1, kind, 1, len(body), 0, 0) + body

    words = b"".join(bytes([len(key), len(value)]) + key + value for key, value in (
        (b"SCRIPT_FILENAME", script.encode()), (b"SCRIPT_NAME", b"/"), (b"REQUEST_METHOD", b"GET")))
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(path)
        connection.sendall(record(1, struct.pack(">HB5x", 1, 0)) + record(4, words) +
                           record(4, b"") + record(5, b""))
        answer = b""
        while part := connection.recv(1 << 16):
            answer += part
    return answer


def case_fpm(bench):
    """Workers of another user, forked by the process that is profiled, or profiled themselves."""
    fpm = bench.need("php-fpm8.2")
    os.chmod(bench.dir, 0o755)
    pages = [write(bench, name, text) for name, text in PAGES.items()]
    pool = os.path.join(bench.dir, "pool")
    master = bench.start(fpm, "-n", "-y", write(bench, "pool.conf", POOL.format(dir=bench.dir)))
    wait_until(lambda: os.path.exists(pool), 30, "the pool's socket")
    check(b"8999955000050000" in ask_pool(pool, pages[0]), "the pool does not answer")
    turns = [0]

    def load():
        turns[0] += 1
        ask_pool(pool, pages[turns[0] % 2])

    bench.load(load)
    with open(f"/proc/{master.pid}/task/{master.pid}/children") as file:
        workers = [int(pid) for pid in file.read().split()]
    check(len(workers) == 2, f"{len(workers)} workers")
    for what, pid in (("master", master.pid), ("worker", workers[0])):
        result = bench.profile(pid, seconds=3)
        check_complete(result)
        a, b = (samples_of(result, "php_execute_script", "{main}", page, "burn")
                for page in ("page_a", "page_b"))
        gone = result.having("[php: gone]")
        print(f"  {what}: page_a {a} page_b {b} gone {gone}")
        check(a > 10 and b > 10, f"{what}: {a} and {b} samples of the two pages")
        check(gone <= 1 + result.info["samples"] * 0.002, f"{gone} names are gone")


def case_jit(bench):
    """Compiled functions keep their names and places; their stacks do not pass for complete."""
    php = interpreter(bench)
    # A file that was just written is left alone for a while.
    options = ("zend_extension=opcache.so", "opcache.enable_cli=1", "opcache.jit_buffer_size=16M",
               "opcache.jit=1255", "opcache.file_update_protection=0")
    options = [word for option in options for word in ("-d", option)]
    child = bench.start(php, "-n", *options, write(bench, "shares.php", PROGRAMS["shares"]),
                        ready="ready")
    result = bench.profile(child.pid, seconds=3)
    n = result.info["samples"]
    check(n > 50, f"{n:g} samples")
    jit = named = 0
    for reason, count, frames in result.stacks:
        if "[jit]" in frames:
            jit += count
            check(reason != "complete", f"complete: {frames}")
            named += count * ("{main}" in frames and "Work::run" in frames)
    print(f"  jit {jit} of {n:g}, named {named}, complete {result.info['complete']:g}")
    check(jit > n * 0.9, f"{jit} of {n:g} samples are of compiled code")
    check(named > jit * 0.95, f"{named} of {jit} have their functions")
    for name, expected in (("f", 0.6), ("g", 0.3), ("h", 0.1)):
        got, limit = samples_of(result, "{main}", "Work::run", name, "burn") / n, likely(expected, n, 0.02)
        check(abs(got - expected) < limit, f"{name} has {got:.3f}, not {expected}")


CASES = {name[5:]: function for name, function in list(globals().items()) if name.startswith("case_")}


if __name__ == "__main__":
    sys.exit(main(CASES))
