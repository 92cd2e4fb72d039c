#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does flamegate tell the truth about latency?

  bench_truth.py BUILD [shared|burning|stalls …] [--rate 10000] [--seconds 20] [--engine native]

shared    constant-arrival-rate against nginx on the cores that both share; beside it tcpdump on the loopback stamps the
          packets in the kernel: the same percentiles from both, and their ratio.
burning   the same with a neighbour that burns one core.
stalls    nginx is stopped for 1 s every 10 s (SIGSTOP); the p99 of the response time is then known: with arrivals spread
          evenly, 10 % of them wait evenly between 0 and 1 s, so the p99 is 0.9 s. The service time shows what k6 would.

Prints; asserts nothing. Load goes to loopback only. Needs root (tcpdump), nginx.
"""
import argparse
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time

import benchkit

SCENARIO = """
version: 1
name: truth
target: {{ url: "http://127.0.0.1:{port}" }}
http: {{ version: "1.1" }}
scenarios:
  load:
    executor: constant-arrival-rate
    rate: {rate}
    duration: {seconds}s
    preAllocatedVUs: {vus}
    maxVUs: {vus}
    arrivals: uniform
    gracefulStop: 10s
    steps: [{{ get: /index.html }}]
"""


def percentile(values, p):
    return values[min(len(values) - 1, max(0, int(len(values) * p / 100)))] if values else float("nan")


def run_flamegate(bench, port, args, rate, seconds, vus):
    scenario = bench.dir / "truth.yaml"
    scenario.write_text(SCENARIO.format(port=port, rate=rate, seconds=seconds, vus=vus))
    out = bench.dir / "summary.json"
    out.unlink(missing_ok=True)
    done = subprocess.run([bench.flamegate, "run", scenario, "--no-profile", "--engine", args.engine, "--quiet",
                           "--out", f"k6-summary={out}", "--summary-trend-stats", "count,min,med,p(50),p(90),p(99),p(99.9),max"],
                          cwd=bench.dir, capture_output=True, text=True)
    if not out.exists():
        raise SystemExit(f"flamegate exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done, json.loads(out.read_text())["metrics"]


# -- the packets ------------------------------------------------------------------------------------


def service_times(pcap, port):
    """From the request's first byte on the loopback to the response's last, per connection, in ns; sorted."""
    with open(pcap, "rb") as f:
        data = f.read()
    magic = struct.unpack_from("<I", data)[0]
    nano = {0xA1B23C4D: 1, 0xA1B2C3D4: 1000}[magic]
    link = struct.unpack_from("<I", data, 20)[0]
    at, sent, last, times = 24, {}, {}, []
    header = {1: 14, 113: 16, 276: 20}[link]
    while at + 16 <= len(data):
        seconds, fraction, captured, length = struct.unpack_from("<IIII", data, at)
        packet = at + 16 + header
        at += 16 + captured
        ihl = (data[packet] & 15) * 4
        tcp = packet + ihl
        source, target = struct.unpack_from(">HH", data, tcp)
        total = struct.unpack_from(">H", data, packet + 2)[0]
        payload = total - ihl - (data[tcp + 12] >> 4) * 4
        if payload <= 0:
            continue
        now = seconds * 10**9 + fraction * nano
        if target == port:  # a request: the answer before it is complete
            if source in sent and source in last:
                times.append(last.pop(source) - sent[source])
            sent[source] = now
        elif source == port and target in sent:
            last[target] = now
    times += [last[c] - sent[c] for c in last if c in sent]
    return sorted(times)


def packet_sockets():
    with open("/proc/net/packet") as f:
        return len(f.readlines())


def against_packets(bench, args, name):
    child, port = bench.nginx()
    before, deadline = packet_sockets(), time.monotonic() + 10
    pcap = bench.dir / f"{name}.pcap"
    dump = bench.start(benchkit.find("tcpdump"), "-i", "lo", "-w", pcap, "-s", "96", "-B", "65536",
                       "--time-stamp-precision=nano", "-Z", "root", "tcp", "port", port)
    while packet_sockets() == before:
        if dump.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("tcpdump does not capture; is this root?")
        time.sleep(0.02)
    neighbour = bench.start(sys.executable, "-c", "while True: pass") if name == "burning" else None
    done, metrics = run_flamegate(bench, port, args, args.rate, args.seconds, 200)
    os.killpg(dump.pid, signal.SIGINT)
    dump.wait()
    truth = service_times(pcap, port)
    if neighbour:
        bench.end(neighbour)
    bench.end(child)
    values = metrics["http_req_service_time"]["values"]
    user = metrics["http_req_duration"]["values"]
    print(f"{name}: {args.rate}/s for {args.seconds} s, {len(truth)} exchanges in packets, "
          f"{metrics['http_reqs']['values']['count']:.0f} in flamegate (exit {done.returncode})")
    for p in (50, 90, 99, 99.9):
        packets = percentile(truth, p) / 1e3
        ours = values[f"p({p:g})"] * 1e3
        bound = packets * 0.1 + 10
        print(f"  p{p:<5g} packets {packets:9.1f} µs   service time {ours:9.1f} µs ({ours - packets:+8.1f}, "
              f"{'within' if abs(ours - packets) <= bound else 'BEYOND'} 10 % + 10 µs)   user clock {user[f'p({p:g})'] * 1e3:9.1f} µs")


# -- stalls -------------------------------------------------------------------------------------------


def stall(pids, seconds, stop):
    """1 s of every 10 s, against the clock; the last stall ends before the run does."""
    start = time.monotonic()
    for i in range(int(seconds // 10)):
        for offset, number in ((4, signal.SIGSTOP), (5, signal.SIGCONT)):
            if stop.wait(max(0, start + 10 * i + offset - time.monotonic())):
                break
            for pid in pids:
                os.kill(pid, number)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def against_stalls(bench, args):
    child, port = bench.nginx()
    pids = benchkit.children_of(child.pid)
    stop = threading.Event()
    thread = threading.Thread(target=stall, args=(pids, 60, stop))
    thread.start()
    done, metrics = run_flamegate(bench, port, args, 500, 60, 50)
    stop.set()
    thread.join()
    bench.end(child)
    response, service = metrics["http_req_response_time"]["values"], metrics["http_req_duration"]["values"]
    expected = 0.9e3
    print(f"stalls: 500/s for 60 s by 50 VUs, nginx stopped 1 s of every 10 (exit {done.returncode})")
    print(f"  response time p99 {response['p(99)']:8.1f} ms, known {expected:.1f} ms: {response['p(99)'] / expected - 1:+.2%}")
    print(f"  service time  p99 {service['p(99)']:8.1f} ms: what k6 would report")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("what", nargs="*", default=["shared", "burning", "stalls"])
    parser.add_argument("--rate", type=int, default=10000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--engine", default="native")
    args = parser.parse_args()
    print(benchkit.machine())
    for what in args.what:
        with benchkit.Bench(args.build) as bench:
            against_stalls(bench, args) if what == "stalls" else against_packets(bench, args, what)


if __name__ == "__main__":
    main()
