#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PHP functions in profiles of Debian's PHP: test_php.py CASE --build DIR."""

import argparse
import os
import socket
import sys
import threading

from test_profiler import Bench, Skip, check, check_complete, free_port, wait_port

COMMON = """<?php
function burn($n) { $s = 0; for ($i = 0; $i < $n; $i++) { $s += $i * $i; } return $s; }
"""
PROGRAMS = {
    # f : g : h run 6 : 3 : 1 loops.
    "shares": COMMON + """
function f() { return burn(6000); }
function g() { return burn(3000); }
function h() { return burn(1000); }
class Work { function run() { f(); g(); h(); } }
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
    "a.php": COMMON + "function page_a() { return burn(20000); } echo page_a();",
    "b.php": COMMON + "function page_b() { return burn(20000); } echo page_b();",
}


def write(bench, name, text):
    path = os.path.join(bench.dir, name)
    with open(path, "w") as file:
        file.write(text)
    return path


def run(bench, name):
    php = bench.need("php8.2")
    write(bench, "part.php", PART)
    child = bench.start(php, "-n", write(bench, f"{name}.php", PROGRAMS[name]), ready="ready")
    result = bench.profile(child.pid, seconds=3, hz=499)
    check_complete(result)
    gone = result.having("[php: gone]")
    print(f"  gone {gone}")
    check(gone <= result.info["samples"] * 0.002, f"{gone} names are gone")
    for reason, _, frames in result.stacks:
        check(reason != "complete" or frames.count("execute_ex") <= 1,
              f"native loops are left in {frames}")
    return result


def samples_of(result, *path):
    """Samples that pass through these functions in this order."""
    count = 0
    for _, c, frames in result.stacks:
        rest = iter(frames)
        count += c * all(step in rest for step in path)
    return count


def case_shares(bench):
    result = run(bench, "shares")
    n = result.info["samples"]
    for name, expected in (("f", 0.6), ("g", 0.3), ("h", 0.1)):
        got = samples_of(result, "{main}", "Work::run", name, "burn") / n
        print(f"  {name} {got:.3f}")
        limit = 3.5 * (expected * (1 - expected) / n) ** 0.5 + 0.01
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
    php = bench.need("php8.2")
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
        result = bench.profile(child.pid, seconds=4, hz=997)
    finally:
        stopping.set()
        thread.join()
    check_complete(result)
    a, b = samples_of(result, "{main}", "page_a", "burn"), samples_of(result, "{main}", "page_b",
                                                                      "burn")
    gone = result.having("[php: gone]")
    print(f"  page_a {a} page_b {b} gone {gone}")
    check(gone <= result.info["samples"] * 0.002, f"{gone} names are gone")
    check(a > 20 and b > 20, f"{a} and {b} samples of the two pages")
    check(0.6 < a / b < 1.7, f"{a} and {b} samples of two equal pages")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case")
    parser.add_argument("--build", required=True)
    args = parser.parse_args()
    if os.geteuid() != 0:
        print("SKIP: needs root")
        return 77
    bench = Bench(os.path.abspath(args.build))
    try:
        globals()[f"case_{args.case}"](bench)
    except Skip as why:
        print(f"SKIP: {why}")
        return 77
    finally:
        bench.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
