#!/usr/bin/env python3
"""What bad input and bad targets get: the right code, a sentence with the next step, no lost data."""
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kit"))
import kit


class Usage(kit.TestCase):
    def test_wrong_command_line(self):
        cases = [
            (["runn"], 2, 'did you mean "run"?'),
            (["run"], 2, "needs an argument"),
            (["run", "--vuss", "5", "http://x"], 2, "did you mean --vus?"),
            (["run", "-d", "10", "http://127.0.0.1:1/"], 2, "needs a unit"),
            (["run", "-u", "ten", "http://127.0.0.1:1/"], 2, "whole number"),
            (["run", "a", "b"], 2, 'unexpected argument "b"'),
            (["run", "-o", "jsn=x", "http://127.0.0.1:1/"], 2, 'did you mean "json"?'),
            (["run", "-o", "html=x", "http://127.0.0.1:1/"], 2, "later version"),
            (["run", "-o", "json", "http://127.0.0.1:1/"], 2, "KIND=PATH"),
            (["run", "missing.yaml"], 104, "missing.yaml"),
            (["validate", "missing.yaml"], 104, "missing.yaml"),
            (["compare", "only-one"], 2, "needs an argument"),
            (["compare", "nope", "nada"], 1, "nope"),
            (["publish", "latest"], 2, "--pyroscope"),
            (["help", "nonsense"], 2, "nonsense"),
        ]
        for args, code, text in cases:
            with self.subTest(args=args):
                done = self.flamegate(*args)
                self.assertEqual(done.code, code, done.err)
                self.assertIn(text, done.err)
                self.assertEqual(done.err.count("flamegate: "), 1, done.err)

    def test_help_everywhere(self):
        overview = self.flamegate("help", check=0).out
        commands = re.findall(r"^  ([a-z]+) +\S", overview.split("commands:")[1].split("exit codes:")[0], re.M)
        self.assertIn("run", commands)
        for command in commands:
            with self.subTest(command=command):
                by_help = self.flamegate("help", command, check=0).out
                by_flag = self.flamegate(command, "--help", check=0).out
                self.assertEqual(by_help, by_flag)
                self.assertTrue(all(len(line) <= 80 for line in by_help.splitlines()))
        self.assertEqual(self.flamegate().code, 2)
        self.assertRegex(self.flamegate("version", check=0).out, r"^flamegate \d+\.\d+\.\d+")

    def test_all_faults_of_a_scenario_are_reported_together(self):
        path = self.write("bad.yaml", "version: 1\nname: x\ntarget: { url: http://127.0.0.1:1 }\nscenarios:\n"
                          "  a:\n    executor: constant-arival-rate\n    duration: 5\n    steps:\n      - gett: /\n")
        done = self.flamegate("run", path, check=104)
        for place in (":6:", ":7:", ":9:"):
            self.assertIn(f"bad.yaml{place}", done.err)
        self.assertIn('did you mean "constant-arrival-rate"?', done.err)
        self.assertIn("(exit 104)", done.err)
        self.assertFalse((self.dir / ".flamegate").exists())


class Targets(kit.TestCase):
    def url(self, port):
        return f"http://127.0.0.1:{port}/"

    def counted(self, port, word, *args, code=(0, 99, 16)):
        done = self.flamegate("run", "-u", 2, "-d", "2s", "--no-profile", *args, self.url(port))
        self.assertIn(done.code, code, done.out + done.err)
        self.assertIn(word, done.out)
        self.assertRegex(done.out, r"[1-9][\d ]* failed")
        return done

    def test_resets(self):
        def behave(c):
            c.recv(1 << 16)
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        self.counted(self.hostile(behave), "1220")

    def test_garbage(self):
        def behave(c):
            c.recv(1 << 16)
            c.sendall(b"\x00\xff this is not http\r\n\r\n")

        self.counted(self.hostile(behave), "failed")

    def test_closes_in_mid_body(self):
        def behave(c):
            c.recv(1 << 16)
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

        self.counted(self.hostile(behave), "1220")

    def test_hangs_until_the_timeout(self):
        port = self.hostile(lambda c: c.recv(1 << 16) and kit.threading.Event().wait(30))
        path = self.write("s.yaml", f"""
version: 1
name: hang
target: {{ url: "{self.url(port)}" }}
http: {{ timeout: 300ms }}
scenarios:
  a: {{ executor: constant-vus, vus: 2, duration: 2s, steps: [ {{ get: / }} ] }}
""")
        done = self.flamegate("run", "--no-profile", path)
        self.assertIn("1050", done.out)

    def test_nothing_measured_is_invalid_not_green(self):
        port = self.hostile(lambda c: c.recv(1 << 16) and c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
        path = self.write("s.yaml", f"""
version: 1
name: empty
target: {{ url: "{self.url(port)}" }}
scenarios:
  a: {{ executor: constant-arrival-rate, rate: 1, timeUnit: 1h, duration: 2s, warmup: 1s, arrivals: uniform,
       preAllocatedVUs: 1, steps: [ {{ get: / }} ] }}
""")
        done = self.flamegate("run", "--no-profile", path, check=16)
        self.assertNotIn("PASSED", done.out)

    def test_never_ready_is_13(self):
        port = kit.reserve_port()
        path = self.write("s.yaml", f"""
version: 1
name: refused
target: {{ url: "{self.url(port)}", start: {{ command: [sleep, "60"], ready: {{ tcp: true, timeout: 1s }} }} }}
scenarios:
  a: {{ executor: constant-vus, vus: 1, duration: 1s, steps: [ {{ get: / }} ] }}
""")
        done = self.flamegate("run", path, check=13)
        self.assertIn("ready", done.err)

    def test_ends_before_it_is_ready_shows_its_last_words(self):
        path = self.write("s.yaml", """
version: 1
name: dies
target: { url: "http://127.0.0.1:{{ target.port }}", start: { command: [sh, -c, "echo broken config >&2; exit 3"], ready: { tcp: true, timeout: 10s } } }
scenarios:
  a: { executor: constant-vus, vus: 1, duration: 1s, steps: [ { get: / } ] }
""")
        done = self.flamegate("run", path, check=13, timeout=20)
        self.assertIn("broken config", done.err)
        self.assertIn("3", done.err)

    def test_missing_program_is_13(self):
        path = self.write("s.yaml", """
version: 1
name: missing
target: { url: "http://127.0.0.1:{{ target.port }}", start: { command: [/no/such/program], ready: { tcp: true } } }
scenarios:
  a: { executor: constant-vus, vus: 1, duration: 1s, steps: [ { get: / } ] }
""")
        done = self.flamegate("run", path, check=13, timeout=20)
        self.assertIn("/no/such/program", done.err)

    def shop(self, extra="", duration="30s"):
        """Under a name of its own: other tests beside this one have shops as well."""
        program = self.dir / "zoo_shop"
        if not program.exists():
            program.symlink_to(kit.SHOP)
        return self.write("shop.yaml", f"""
version: 1
name: shop
target:
  url: "http://127.0.0.1:{{{{ target.port }}}}"
  start: {{ command: [{program}, --port, "{{{{ target.port }}}}"], ready: {{ url: /healthz, timeout: 10s }} }}
scenarios:
  a: {{ executor: constant-vus, vus: 2, duration: {duration}, gracefulStop: 2s, steps: [ {{ get: /items }} ] }}
{extra}""")

    def target_pid(self):
        return kit.wait_until(lambda: next((p for p in kit.descendants_named(str(self.dir / "zoo_shop"))
                                            if kit.pathlib.Path(f"/proc/{p}/comm").read_text().startswith("zoo_shop")), None),
                              20, "the target")

    def test_dies_in_mid_run_is_13_and_keeps_data(self):
        process = self.spawn("run", "--no-profile", self.shop())
        pid = self.target_pid()
        kit.wait_until(lambda: connections(pid), 20, "load")
        os.kill(pid, signal.SIGKILL)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 13, out + err)
        self.assertIn("SIGKILL", out + err)
        self.assertEqual(self.run_json(self.bundle())["status"], "target-died")

    def test_kill_9_leaves_no_orphan_and_no_half_bundle(self):
        process = self.spawn("run", self.shop())
        pid = self.target_pid()
        kit.wait_until(lambda: connections(pid), 20, "load")
        process.kill()
        process.wait()
        kit.wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), 10, "the target's end")
        kit.wait_until(lambda: not children_of_session(process.pid), 10, "the helpers' end")
        self.assertFalse(list(self.dir.glob(".flamegate/runs/*/bundle*")))

    def test_output_directory_read_only_or_full(self):
        done = self.flamegate("run", "--no-profile", "--bundle", "/proc/nope/bundle", self.shop(duration="1s"))
        self.assertEqual(done.code, 1, done.err)
        self.assertIn("GET /items", done.out)
        self.assertIn("/proc/nope", done.err)
        done = self.flamegate("run", "--no-profile", "-o", "json=/dev/full", self.shop(duration="1s"))
        self.assertEqual(done.code, 1, done.err)
        self.assertIn("GET /items", done.out)
        self.assertIn("No space left", done.err)

    @unittest.skipUnless(os.getuid() == 0, "needs root to mount a small disk")
    def test_full_disk_leaves_no_half_bundle(self):
        small = self.dir / "small"
        small.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k,nr_inodes=64", "tmpfs", str(small)], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", str(small)], check=False)
        done = self.flamegate("run", "--no-profile", self.shop(duration="2s"), cwd=small)
        self.assertEqual(done.code, 1, done.out + done.err)
        self.assertIn("GET /items", done.out)
        self.assertIn("No space left", done.err)
        self.assertFalse(list(small.glob(".flamegate/runs/*/bundle*")))


def connections(pid):
    """True when the process has an established TCP connection."""
    try:
        inodes = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    except OSError:
        return False
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[3] == "01" and f"socket:[{row[9]}]" in inodes for row in rows)


def children_of_session(pid):
    """Processes that were started below `pid`: by parent now, or by a flamegate name in this test's tree."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(entry.name))
    return found


if __name__ == "__main__":
    kit.main()
