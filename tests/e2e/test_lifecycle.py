#!/usr/bin/env python3
"""Ends that nobody planned: signals, kill -9 at any moment, lost helpers and keepers, full disks, closed streams.

Whatever happens: nothing that flamegate started survives it, no half bundle is left, and what was measured is kept.
"""
import contextlib
import os
import pathlib
import pty
import select
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kit"))
import counter
import kit

ROOT_USER = os.getuid() == 0

# A target that hides: the main process forks twice, each time into a session of its own, and all of them serve or wait.
DAEMON = """
import http.server, os, sys, time
def daemon():
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    while True:
        time.sleep(1)
daemon()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        self.send_response(200); self.send_header('Content-Length', '2'); self.end_headers(); self.wfile.write(b'ok')
    def log_message(self, *a): pass
class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
Server(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
"""


def helpers_of(pid):
    """Children of `pid` by the name of their program."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                head, _, tail = (entry / "stat").read_text().rpartition(")")
                if int(tail.split()[1]) == pid:
                    found[head.split("(", 1)[1]] = int(entry.name)
    return found


class Lifecycle(kit.TestCase):
    def setUp(self):
        super().setUp()
        self.marker = f"daemon-{os.getpid()}-{id(self)}.py"
        self.daemon = self.write(self.marker, DAEMON)

    def scenario(self, duration="3s", extra="", vus=2, start_extra=""):
        return self.write("s.yaml", f"""
version: 1
name: life
target:
  url: "http://127.0.0.1:{{{{ target.port }}}}"
  start: {{ command: [{sys.executable}, {self.daemon}, "{{{{ target.port }}}}"], ready: {{ tcp: true, timeout: 20s }} {start_extra} }}
scenarios:
  a: {{ executor: constant-vus, vus: {vus}, duration: {duration}, gracefulStop: 1s, steps: [ {{ get: / }} ] }}
{extra}
""")

    def gone(self, marker=None):
        kit.wait_until(lambda: not kit.descendants_named(marker or self.marker), 20, "the end of all that was started")

    def helper_gone(self, helpers):
        for name, pid in helpers.items():
            kit.wait_until(lambda: not self.is_alive(pid, name), 20, f"the end of {name} {pid}")

    @staticmethod
    def is_alive(pid, name):
        try:
            text = pathlib.Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return False
        return f"({name})" in text and ") Z " not in text

    def no_half_bundle(self):
        runs = self.dir / ".flamegate" / "runs"
        for run in runs.iterdir() if runs.exists() else ():
            self.assertFalse([p for p in run.iterdir() if p.name == "bundle" and not (p / "run.json").exists()])
            if (run / "bundle").exists():
                self.run_json(run / "bundle")  # complete JSON

    def wait_for_load(self, process):
        """Until the target's keeper, the target and the workers are there."""
        def loading():
            self.assertIsNone(process.poll(), "ended early")
            with contextlib.suppress(OSError):
                names = [(t / "comm").read_text() for t in pathlib.Path(f"/proc/{process.pid}/task").iterdir()]
                return len(names) > 1
        kit.wait_until(loading, 60, "the load")

    # -- kill -9 ----------------------------------------------------------------------------------

    def test_kill_9_at_any_moment_leaves_nothing(self):
        path = self.scenario("1s")
        begin = time.monotonic()
        self.flamegate("run", "-q", path, check=0)
        whole = time.monotonic() - begin
        for i in range(10):
            process = self.spawn("run", "-q", path)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(whole * (i + 0.5) / 10)
            helpers = helpers_of(process.pid)
            process.kill()
            process.wait()
            self.gone()
            self.helper_gone(helpers)
            self.no_half_bundle()
        self.flamegate("run", "-q", path, check=0)
        self.gone()

    def test_a_daemonised_target_is_stopped_with_the_run(self):
        self.flamegate("run", "-q", "--no-profile", self.scenario("1s"), check=0)
        self.gone()

    # -- signals ----------------------------------------------------------------------------------

    def interrupted(self, *numbers, pause=0.2):
        process = self.spawn("run", self.scenario("60s"))
        self.wait_for_load(process)
        for number in numbers:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(pause)
        out, err = process.communicate(timeout=40)
        self.assertEqual(process.returncode, 105, out + err)
        self.assertEqual(self.run_json(self.bundle())["status"], "interrupted")
        self.gone()
        return out, err

    def test_sigterm_sighup_and_three_ctrl_c_keep_the_bundle(self):
        for numbers in ((signal.SIGTERM,), (signal.SIGHUP,), (signal.SIGINT,) * 3, (signal.SIGTERM, signal.SIGINT)):
            with self.subTest(signals=numbers):
                self.interrupted(*numbers)

    def test_nohup_is_respected(self):
        process = self.spawn_shell(f'trap "" HUP; exec "{kit.PROGRAM}" run -q --no-profile "{self.scenario("2s")}"')
        self.wait_for_load(process)
        process.send_signal(signal.SIGHUP)
        self.assertEqual(process.wait(30), 0)

    def test_ctrl_c_before_the_target_is_ready(self):
        path = self.write("s.yaml", f"""
version: 1
name: slow
target: {{ url: "http://127.0.0.1:1", start: {{ command: [sh, -c, "sleep 60 # {self.marker}"], ready: {{ log: never, timeout: 50s }} }} }}
scenarios:
  a: {{ executor: constant-vus, vus: 1, duration: 1s, steps: [ {{ get: / }} ] }}
""")
        process = self.spawn("run", path)
        kit.wait_until(lambda: kit.descendants_named(self.marker), 20, "the target")
        process.send_signal(signal.SIGINT)
        process.wait(10)
        self.gone()
        self.assertFalse((self.dir / ".flamegate" / "latest").exists())

    def spawn_shell(self, line):
        process = subprocess.Popen(["sh", "-c", line], cwd=self.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(kit.end, process)
        return process

    def test_a_closed_terminal_ends_the_run_and_keeps_the_bundle(self):
        path = self.scenario("60s")
        pid, master = pty.fork()
        if pid == 0:
            os.chdir(self.dir)
            os.execv(kit.PROGRAM, [str(kit.PROGRAM), "run", str(path)])
        self.addCleanup(lambda: self.gone())
        text = b""
        deadline = time.monotonic() + 30
        while b"\x1b[" not in text and time.monotonic() < deadline:  # the block was redrawn once
            if select.select([master], [], [], 1)[0]:
                text += os.read(master, 65536)
        self.assertIn(b"\x1b[", text)
        os.close(master)
        kit.wait_until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, 30, "the end")
        self.assertEqual(self.run_json(self.bundle())["status"], "interrupted")
        if ROOT_USER:  # the helper, which the terminal's end reached as well, delivered its samples
            self.assertTrue((self.bundle() / "profile.pb.gz").exists())

    # -- lost companions --------------------------------------------------------------------------

    @unittest.skipUnless(ROOT_USER, "needs root for eBPF")
    def test_killed_helper_leaves_a_partial_profile_and_whole_latency(self):
        process = self.spawn("run", self.scenario("8s"))
        self.wait_for_load(process)
        helper = kit.wait_until(lambda: helpers_of(process.pid).get("flamegate-profi"), 10, "the helper")

        def used_s():
            return sum(kit.cpu_s(pid) for pid in kit.descendants_named(self.marker))

        begin_s = used_s()
        kit.wait_until(lambda: used_s() > begin_s + 0.04, 20, "the target's work")
        begin = kit.switches(helper)  # it sleeps between two looks at the ring: after three, samples have been sent
        kit.wait_until(lambda: kit.switches(helper) > begin + 2, 20, "the helper's work")
        os.kill(helper, signal.SIGKILL)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, out + err)
        self.assertIn("profile: partial", err)
        self.assertIn("cpu by function", out)
        self.assertEqual(self.run_json(self.bundle())["status"], "completed")

    def test_killed_keeper_is_a_dead_target(self):
        process = self.spawn("run", "--no-profile", self.scenario("30s"))
        self.wait_for_load(process)
        os.kill(helpers_of(process.pid)["fg-keeper"], signal.SIGKILL)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 13, out + err)
        self.assertIn("keeper", err)
        for pid in kit.descendants_named(self.marker):  # the daemon: the second fault's price (keeper.h)
            os.kill(pid, signal.SIGKILL)

    # -- streams, disks, secrets --------------------------------------------------------------------

    def test_closed_standard_streams(self):
        path = self.scenario("1s")
        for redirect in (">&-", ">&- 2>&-", "<&- >&- 2>&-"):
            with self.subTest(redirect=redirect):
                process = self.spawn_shell(f'exec "{kit.PROGRAM}" run -q "{path}" {redirect}')
                self.assertEqual(process.wait(40), 0)
                self.run_json(self.bundle())
        process = self.spawn_shell(f'"{kit.PROGRAM}" run --no-profile "{path}" | head -1')
        process.communicate(timeout=40)
        self.run_json(self.bundle())

    @unittest.skipUnless(ROOT_USER, "needs root to mount")
    def test_full_disk_prints_what_was_measured(self):
        disk = self.dir / "disk"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", disk], stderr=subprocess.DEVNULL).returncode:
            self.skipTest("may not mount")
        self.addCleanup(subprocess.run, ["umount", "-l", disk])
        done = self.flamegate("run", self.scenario("1s"), cwd=disk)
        self.assertEqual(done.code, 1, done.out + done.err)
        self.assertIn("GET /", done.out)
        self.assertIn("No space left", done.err)
        self.assertFalse(list(disk.rglob("*.tmp")))
        self.assertFalse(list(disk.rglob("bundle")))

    def test_secrets_show_nowhere(self):
        _, port = self.nginx()
        path = self.write("s.yaml", """
version: 1
name: secret
secrets: { token: { env: TOKEN } }
target: { url: "http://bob:hunter22@127.0.0.1:${PORT}" }
scenarios:
  a:
    executor: constant-vus
    vus: 1
    duration: 1s
    steps: [ { get: { url: "/?t={{ secrets.token }}", headers: { X-Token: "{{ secrets.token }}" } } } ]
thresholds:
  http_req_failed: [ "rate<0" ]
""")
        summary = self.dir / "summary.md"
        done = self.flamegate("ci", "--branch", "b", path, "-o", "json=j", "-o", "junit=u", "-o", "markdown=m",
                              env={"TOKEN": "s3cr3t-value", "PORT": str(port), "GITHUB_ACTIONS": "true",
                                   "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(self.dir / "outputs")})
        self.assertEqual(done.code, 99, done.out + done.err)
        texts = [done.out, done.err] + [p.read_bytes().decode("latin-1") for p in self.dir.rglob("*")
                                        if p.is_file() and p != path and "www" not in p.parts and "nginx" not in p.name]
        for text in texts:
            self.assertNotIn("s3cr3t-value", text)
            self.assertNotIn("hunter22", text)

    def test_certain_failures_are_said_before_the_run(self):
        (self.dir / "there").mkdir()
        url = "http://127.0.0.1:1/"
        for args, text in [(["--bundle", "there"], "never overwritten"), (["-o", "json=there"], "is a directory"),
                           (["-o", "json=no/such"], "no directory"), (["-o", "json=a", "-o", "markdown=a"], "overwrite"),
                           (["--engine", "foo"], "curl and null"), (["--pid", "4294967297"], "no process id"),
                           (["--baseline", "basline:x"], "baseline:")]:
            with self.subTest(args=args):
                done = self.flamegate("run", "-u", 1, "-d", "1s", *args, url, check=2, timeout=10)
                self.assertIn(text, done.err)

    @unittest.skipUnless(ROOT_USER, "needs root to be somebody else")
    def test_a_place_that_cannot_be_written_is_said_before_the_run(self):
        self.dir.chmod(0o755)
        for out, text in (("json=x", "no file can be made in ."), (f"json={self.dir}/x", "no file can be made in")):
            done = self.flamegate("run", "-u", 1, "-d", "1s", "-o", out, "http://127.0.0.1:1/", user="nobody", check=2, timeout=10)
            self.assertIn(text, done.err)
        _, port = self.nginx()  # a device is written in place
        done = self.flamegate("run", "-u", 1, "-d", "1s", "-o", "json=/dev/null", f"http://127.0.0.1:{port}/", user="nobody", timeout=30)
        self.assertNotEqual(done.code, 2, done.err)

    def test_a_pid_that_is_given_must_be_a_process(self):
        """Exit 13 before anything is sent, also where only latency is measured; the scenario's pid as well."""
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        zombie = subprocess.Popen(["true"])
        self.addCleanup(zombie.wait)
        kit.wait_until(lambda: pathlib.Path(f"/proc/{zombie.pid}/stat").read_text().split()[2] == "Z", 10, "a zombie")
        scenario = self.write("pid.yaml", f"version: 1\ntarget: {{ url: '{url}', process: {{ pid: {zombie.pid} }} }}\n"
                              "scenarios: { a: { executor: constant-vus, vus: 1, duration: 1s, steps: [{ get: / }] } }\n")
        cases = [(("-u", 1, "-d", "1s", "--pid", "999999999", url), "--pid: there is no process 999999999"),
                 (("-u", 1, "-d", "1s", "--pid", zombie.pid, url), "a zombie"),
                 (("-u", 1, "-d", "1s", "--pid", "2", url), "is a kernel thread"),
                 (("-u", 1, "-d", "1s", "--no-profile", "--pid", "999999999", url), "there is no process"),
                 ((scenario,), f"target.process.pid: process {zombie.pid} (true) has ended already")]
        for args, text in cases:
            with self.subTest(args=args):
                self.assertIn(text, self.flamegate("run", *args, check=13, timeout=20).err)
        with self.assertRaises(BlockingIOError, msg="nothing was sent"):
            server.accept()

    def test_a_target_of_somebody_else_that_ends(self):
        """k6 would see failed requests; here it is said whose end they are."""
        server = counter.Counter()
        self.addCleanup(server.stop)
        other = subprocess.Popen(["sleep", "60"])
        self.addCleanup(other.kill)
        process = self.spawn("run", "-r", 20, "-d", "4s", "--pid", other.pid, "--bundle", "b",
                             f"http://127.0.0.1:{server.port}/")
        kit.wait_until(lambda: len(server.seen) >= 10, what="requests")
        other.kill()
        other.wait()
        done = self.finish(process, ("run",), 60)
        self.assertIn(f"warning: the target, process {other.pid}, ended during the run", done.err)
        self.assertIn(f"process {other.pid} ended during the run: CPU", str(self.run_json(self.dir / "b")["profile"]["notices"]))

    def test_a_pid_beside_a_started_target(self):
        path = self.write("start.yaml", "version: 1\ntarget: { url: 'http://127.0.0.1:1/', start: { command: [sleep, '60'] } }\n"
                          "scenarios: { a: { executor: constant-vus, vus: 1, duration: 1s, steps: [{ get: / }] } }\n")
        self.assertIn("--pid", self.flamegate("run", "--pid", os.getpid(), path, check=2, timeout=20).err)

    def test_nothing_but_failures_is_not_green(self):
        _, port = self.nginx()
        done = self.flamegate("run", "-u", 1, "-d", "1s", "--no-profile", f"http://127.0.0.1:{port}/missing", check=16)
        self.assertIn("every request failed", done.out)

    def test_baseline_dir_and_branch_are_used_by_ci(self):
        _, port = self.nginx()
        url = f"http://127.0.0.1:{port}/"
        args = ("ci", "-r", 20, "-d", "1s", "--no-profile", "--baseline-dir", "elsewhere", "--branch", "topic", url)
        self.assertIn("saved as baseline:topic", self.flamegate(*args, check=0).err)
        self.assertNotIn("no baseline", self.flamegate(*args).out.lower())


if __name__ == "__main__":
    kit.main()
