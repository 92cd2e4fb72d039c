#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""profile, top, flame and doctor as a person uses them, and everything that may be wrong about it."""
import fcntl
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
import unittest
import xml.dom.minidom

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kit"))
import kit  # noqa: E402

ROOT = unittest.skipUnless(os.getuid() == 0, "needs root for eBPF")
BUSY = "import json\nprint('ready', flush=True)\nwhile True: json.dumps(list(range(300)))"
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


class Tools(kit.TestCase):
    def busy(self, code=BUSY, **options):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                   start_new_session=True, **options)
        self.addCleanup(kit.end_group, process)
        self.addCleanup(process.stdout.close)
        self.assertEqual(process.stdout.readline().strip(), "ready")
        return process

    def recording(self, name="rec", seconds=1):
        bundle = self.dir / name
        self.flamegate("profile", "--pid", self.busy().pid, "-d", f"{seconds}s", "-q", "--bundle", bundle, check=0)
        return bundle

    def refused(self, code, text, *args, **options):
        done = self.flamegate(*args, **options)
        self.assertEqual(done.code, code, f"{args}: {done.out}{done.err}")
        self.assertIn(text, done.err)
        self.assertNotIn("Sanitizer", done.err)
        return done


@ROOT
class Profile(Tools):
    def test_types(self):
        target = self.busy()
        done = self.flamegate("profile", "--pid", target.pid, "-d", "1s", "--types", "cpu,offcpu", "--types", "pagefaults", check=0)
        self.assertRegex(done.out, r"\n  waiting: ")
        self.assertRegex(done.out, r"\n  page faults: ")
        self.assertEqual(set(self.run_json(self.bundle())["profile"]["types"]), {"offcpu", "faults"})
        for wrong in "cpu,nix", "", "cpu,":
            self.refused(2, "--types knows cpu, offcpu, wall and pagefaults", "profile", "--pid", target.pid, "--types", wrong)

    def test_running_process(self):
        target = self.busy()
        done = self.flamegate("profile", "--pid", target.pid, "-d", "2s", check=0)
        self.assertRegex(done.out, rf"\A\S+ \(pid {target.pid}\): recorded 0:02, [\d.]+ m?s of CPU \(\d+ % of a core\)")
        self.assertRegex(done.out, r"cpu by function \(self, total, self per second\)")
        self.assertRegex(done.out, r"\d+ samples, 0 lost, \d+\.\d\d % complete")
        measured = " ".join(done.out.split())  # wherever the lines break
        self.assertRegex(measured, r"measured: 499 Hz on \d+ CPUs?, \d+ samples per CPU second; own overhead [\d.]+ % of the target's CPU: samples")
        self.assertIn("Ctrl-C ends it", done.err)
        self.assertNotIn("request", done.out)
        run = self.run_json(self.bundle())
        self.assertEqual((run["status"], run["outcome"], run["exitCode"]), ("completed", "passed", 0))
        self.assertEqual((run["scenarios"], run["classes"], run["thresholds"]), ([], [], []))
        self.assertTrue(run["profile"]["present"])
        self.assertGreater(run["profile"]["samples"], 10)
        # What the series says and what the whole says is one thing.
        self.assertAlmostEqual(sum(run["cpu"]["targetPerSecondNs"]) / run["cpu"]["targetMeasuredNs"], 1, delta=0.1)
        self.assertIsNone(target.poll(), "the target was touched")

    def test_command_from_its_first_instruction(self):
        done = self.flamegate("profile", "-o", "folded=out.folded", "--", sys.executable, "-c",
                              "print('hello'); sum(i * i for i in range(4000000)); raise SystemExit(3)", check=0)
        self.assertTrue(done.out.startswith("hello\n"), "the command keeps standard output")
        self.assertIn("the command exited with status 3", done.out)
        self.assertIn("main", (self.dir / "out.folded").read_text())

    def test_a_command_that_is_killed(self):
        done = self.flamegate("profile", "--", "sh", "-c", "kill -9 $$", check=0)
        self.assertIn("the command was killed by signal 9", done.out)

    def test_time_ends_a_command(self):
        begin = time.monotonic()
        done = self.flamegate("profile", "-d", "500ms", "--", "sleep", "60", check=0)
        self.assertLess(time.monotonic() - begin, 20)
        self.assertIn("was stopped", done.out)

    def test_target_that_ends_early(self):
        target = self.busy("print('ready', flush=True)\nimport time\nend = time.time() + 1\nwhile time.time() < end: sum(range(1000))")
        done = self.flamegate("profile", "--pid", target.pid, "-d", "60s", timeout=40, check=0)
        self.assertIn("the target ended before the recording did", done.out)
        self.assertEqual(self.run_json(self.bundle())["status"], "completed")

    def test_progress_fits_its_terminal(self):
        target = self.busy()
        for columns in (30, 60, 80, 132):
            with self.subTest(columns=columns):
                shown = self.on_terminal(columns, "profile", "--pid", target.pid, "-d", "2s", "-F", "997")
                drawn = [part.split("\x1b[K")[0] for part in shown.split("\r") if "\x1b[K" in part]
                self.assertGreater(len(drawn), 1, shown)
                for line in drawn:
                    self.assertLess(len(line), columns, line)
                self.assertTrue(any("samples" in line for line in drawn), drawn)
                if columns > 100:
                    self.assertTrue(all("[" in line for line in drawn if line.strip()), drawn)
                self.assertNotIn("\x1b[1m", shown, "NO_COLOR")

    def on_terminal(self, columns, *args):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen([str(kit.PROGRAM), *map(str, args)], stdin=theirs, stdout=theirs, stderr=theirs, cwd=self.dir,
                                   env={**os.environ, "TERM": "xterm", "NO_COLOR": "1"})
        self.addCleanup(kit.end, process)
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            shown += piece
        os.close(ours)
        self.assertEqual(process.wait(), 0, shown)
        return shown.decode()

    def test_two_targets(self):
        a, b = self.busy(), self.busy()
        done = self.flamegate("profile", "--pid", a.pid, "--pid", b.pid, "--pid", a.pid, "-d", "1s", check=0)
        self.assertIn("and 1 more", done.out)

    def test_ctrl_c_keeps_what_was_measured(self):
        for options, code, status in (((), 0, "completed"), (("-d", "60s"), 105, "interrupted")):
            with self.subTest(options=options):
                bundle = self.dir / f"rec{code}"
                target = self.busy()
                process = self.spawn("profile", "--pid", target.pid, "--bundle", bundle, *options)
                self.until_samples(process, target)
                process.send_signal(signal.SIGINT)
                done = self.finish(process, options, 30)
                self.assertEqual(done.code, code, done.err)
                self.assertEqual(self.run_json(bundle)["status"], status)
                self.assertGreater(self.run_json(bundle)["profile"]["samples"], 0)

    def test_what_ends_the_whole_group_keeps_what_was_measured(self):
        """timeout and CI systems send SIGTERM to all of us; the helper waits for flamegate to drain it."""
        target = self.busy()
        process = self.spawn("profile", "--pid", target.pid, "--bundle", self.dir / "rec")
        helper = self.until_samples(process, target)
        os.kill(helper, signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        done = self.finish(process, (), 30)
        self.assertEqual(done.code, 0, f"{done.out}{done.err}")
        self.assertNotIn("ended unexpectedly", done.out + done.err)
        self.assertFalse(self.run_json(self.dir / "rec")["profile"].get("partial", False))

    def until_samples(self, process, target):
        """Until the recording is announced, the target has worked and the helper has looked at the samples of that."""
        text = b""
        while b"Ctrl-C ends it" not in text:
            piece = os.read(process.stderr.fileno(), 65536)
            self.assertTrue(piece, text)
            text += piece
        (helper,) = [p for p in children(process.pid) if name_of(p) == "flamegate-profi"]
        used_s = kit.cpu_s(target.pid)
        kit.wait_until(lambda: kit.cpu_s(target.pid) > used_s + 0.2, 30, "the target's work")
        turns = kit.switches(helper)
        kit.wait_until(lambda: kit.switches(helper) > turns + 2, 30, "the helper's work")
        return helper

    def test_a_signal_for_us_alone_reaches_the_command(self):
        process = self.spawn("profile", "--", sys.executable, "-c",
                             "import pathlib, signal, sys, time\n"
                             "def end(*_):\n"  # once: the second signal would kill it while it works at its end
                             "    signal.signal(signal.SIGTERM, signal.SIG_DFL)\n    time.sleep(0.3)\n    sys.exit(7)\n"
                             "signal.signal(signal.SIGTERM, end)\npathlib.Path('ready').touch()\ntime.sleep(60)")
        kit.wait_until((self.dir / "ready").exists, 30, "the command's handler")
        process.send_signal(signal.SIGTERM)
        done = self.finish(process, (), 30)
        self.assertEqual(done.code, 0, done.err)
        self.assertIn("the command exited with status 7", done.out)

    def test_kill_9_leaves_no_command_behind(self):
        marker = f"marker{os.getpid()}x"
        process = self.spawn("profile", "--", sys.executable, "-c", f"import time; time.sleep(60) # {marker}")
        # not flamegate, and not its child that waits for the profiler before exec
        kit.wait_until(lambda: [p for p in kit.descendants_named(marker) if name_of(p).startswith("python")], 20,
                       "the command")
        process.kill()
        process.wait()
        kit.wait_until(lambda: not kit.descendants_named(marker), 10, "the command's end")

    def test_by_name_and_port(self):
        process, port = self.python_server()
        done = self.flamegate("profile", "--port", port, "-d", "500ms", check=0)
        self.assertIn(f"(pid {process.pid})", done.out)
        self.refused(13, "no process of this machine", "profile", "--port", "1", "-d", "1s")
        self.refused(13, 'is called "no-such-name"', "profile", "--name", "no-such-name", "-d", "1s")

    def test_an_idle_target_is_no_failure(self):
        target = self.busy("print('ready', flush=True)\nimport time\ntime.sleep(60)")
        done = self.flamegate("profile", "--pid", target.pid, "-d", "500ms", check=0)
        self.assertIn("no samples, the target used no CPU", done.out)
        self.refused(1, "the profile has no samples", "flame", "latest", "-o", "svg=x.svg")
        self.flamegate("top", "latest", check=0)

    def test_no_such_target(self):
        zombie = subprocess.Popen(["true"])
        kit.wait_until(lambda: pathlib.Path(f"/proc/{zombie.pid}/stat").read_text().split()[2] == "Z", 10, "a zombie")
        self.addCleanup(zombie.wait)
        thread = self.busy("import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
                           "print('ready', flush=True)\ntime.sleep(60)")
        tid = max(int(t) for t in os.listdir(f"/proc/{thread.pid}/task"))
        cases = [("999999999", "there is no process 999999999"), (zombie.pid, "a zombie"), ("2", "is a kernel thread"),
                 (tid, f"is a thread of process {thread.pid}")]
        for pid, text in cases:
            with self.subTest(pid=pid):
                self.refused(13, text, "profile", "--pid", pid, "-d", "1s")
        self.assertFalse((self.dir / ".flamegate").exists())

    def test_usage(self):
        cases = [((), "whom?"), (("--pid", "x"), "is no process id"), (("--pid", "0"), "is no process id"),
                 (("--pid", "-5"), "is no process id"), (("--port", "70000"), "is no port"),
                 (("--pid", "1", "--", "true"), "not both"), (("--pid", "1", "-d", "5"), "needs a unit"),
                 (("--pid", "1", "-F", "999999"), "--frequency goes up to"), (("--pid", "1", "-o", "html=x"), "later version"),
                 (("--pid", "1", "-o", "svg"), "KIND=PATH"), (("--pid", "1", "-o", "svg=/no/such/dir/x"), "no directory"),
                 (("--pid", "1", "--frequncy", "9"), "frequency"), (("--pid", "1", "-d", "0s"), "--duration must be more than 0"),
                 (("--pid", "1", "-o", "foo"), "kinds: json, markdown, pprof, folded, speedscope, svg;"),
                 (("--pid", "1", "-o", "csv=x"), "is about requests"), (("--pid", "1", "--bundle", "."), "exists already")]
        for args, text in cases:
            with self.subTest(args=args):
                self.refused(2, text, "profile", *args)

    def test_commands_that_cannot_be_run(self):
        self.write("text", "no program")
        (self.dir / "bad").write_text("#!/no/such/interpreter\n")
        (self.dir / "bad").chmod(0o755)
        cases = [("no-such-program", "no such program in PATH"), ("./nothing", "cannot run ./nothing"),
                 ("./text", "Permission denied"), ("/tmp", "cannot run /tmp"), ("./bad", "cannot run the command: No such file")]
        for program, text in cases:
            with self.subTest(program=program):
                self.refused(13, text, "profile", "--", program)

    def test_without_rights(self):
        """Another user's process; one's own without rights; no helper at all: exit 14 and what helps."""
        place = self.dir / "bin"
        place.mkdir()
        for program in (kit.PROGRAM, kit.BUILD / "profiler" / "flamegate-profiler"):
            shutil.copy(program, place)
        self.dir.chmod(0o777)
        target = self.busy()
        env = {k: v for k, v in os.environ.items() if not k.startswith("FLAMEGATE_")}

        def run(*words):
            return subprocess.run([*NOBODY, *map(str, words)], cwd=self.dir, env=env, text=True, capture_output=True, timeout=60)
        done = run(place / "flamegate", "profile", "--pid", target.pid, "-d", "1s")
        self.assertEqual(done.returncode, 14, done.stderr)
        self.assertIn("another user", done.stderr)
        self.refused(14, "no profiler helper at /nonexistent", "profile", "--pid", target.pid,
                     env={"FLAMEGATE_PROFILER": "/nonexistent"})

    def test_helper_that_dies(self):
        target = self.busy()
        process = self.spawn("profile", "--pid", target.pid, "-d", "60s")
        os.kill(self.until_samples(process, target), signal.SIGKILL)
        done = self.finish(process, (), 40)
        self.assertEqual(done.code, 16, done.out + done.err)
        self.assertRegex(done.out, r"INVALID: the recording was cut after \d\.\d s")
        run = self.run_json(self.bundle())
        self.assertTrue(run["profile"]["partial"])
        self.assertGreater(run["profile"]["samples"], 0)

    def test_places_that_cannot_be_written(self):
        target = self.busy()
        done = self.flamegate("profile", "--pid", target.pid, "-d", "500ms", "-o", "svg=/dev/full")
        self.assertEqual(done.code, 1, done.err)
        self.assertIn("svg=/dev/full", done.err)
        self.assertIn("recorded", done.out)
        self.assertTrue((self.bundle() / "run.json").exists(), "the bundle is kept")
        done = self.flamegate("profile", "--pid", target.pid, "-d", "500ms", cwd="/proc")
        self.assertEqual(done.code, 1)
        self.assertIn("recorded", done.out)

    def test_two_recordings_are_no_verdict(self):
        a, b = self.recording("a"), self.recording("b")
        done = self.flamegate("compare", a, b, check=0)
        self.assertRegex(done.out, r"\AINCOMPARABLE: both are recordings")
        self.assertIn("--base", done.out)
        process, port = self.nginx()
        run = self.dir / "run"
        self.flamegate("run", "-r", "20", "-d", "1s", "--no-profile", "--bundle", run, f"http://127.0.0.1:{port}/", check=0)
        for pair, side in (((a, run), "base"), ((run, a), "head")):
            done = self.flamegate("compare", *pair, check=0)
            self.assertIn(f"INCOMPARABLE: {side} is a recording", done.out)

    def test_other_commands_take_a_recording(self):
        bundle = self.recording()
        done = self.flamegate("profile", "--pid", self.busy().pid, "-d", "500ms", "-q", "-o", "markdown=-", "-o", "json=r.json", check=0)
        self.assertIn("| self | total |", done.out)
        self.assertEqual(json.loads((self.dir / "r.json").read_text())["outcome"], "passed")
        self.refused(2, "shard", "merge", "--bundle", "m", bundle, bundle)


@ROOT
class Looking(Tools):
    """top and flame on one recording and one run."""

    def test_top(self):
        bundle = self.recording(seconds=2)
        done = self.flamegate("top", bundle, check=0)
        self.assertRegex(done.out, r"\A\S+: [\d ]+ samples, .* of CPU per second, [\d.]+ % complete")
        for line in done.out.splitlines():
            self.assertLessEqual(len(line), 80, line)
        self.assertEqual(len(re.findall(r"(?m)^ +\d+\.\d %", self.flamegate("top", bundle, "-n", "3", check=0).out)), 3)
        found = self.flamegate("top", bundle, "--search", "/^PyList_|list/", check=0).out
        self.assertRegex(found, r'functions? with "/\^PyList_\|list/": [\d.]+ % of the samples')
        data = json.loads(self.flamegate("top", bundle, "-o", "json=-", check=0).out)
        self.assertEqual(data["per"], "second")
        some = next(f for f in data["functions"] if not f["kernel"])
        for option, text in (("--callers", "callers of "), ("--callees", "callees of ")):
            self.assertIn(text + some["name"][:8], self.flamegate("top", bundle, option, some["key"], check=0).out)
        self.assertLessEqual(sum(f["self"] for f in data["functions"]), data["samples"])
        csv = self.flamegate("top", bundle, "-o", "csv=-", check=0).out.splitlines()
        self.assertEqual(csv[0].split(",")[:4], ["name", "module", "file", "line"])
        self.assertGreater(len(csv), 3)

    def test_flame(self):
        bundle = self.recording()
        done = self.flamegate("flame", bundle, "-o", "svg=f.svg", "-o", "folded=f.folded", "-o", "speedscope=f.json",
                              "-o", "pprof=f.pb.gz", "-o", "folded=g.folded.gz", check=0)
        self.assertEqual(done.out, "")
        svg = xml.dom.minidom.parse(str(self.dir / "f.svg"))
        self.assertEqual(svg.documentElement.tagName, "svg")
        total = sum(int(line.rsplit(" ", 1)[1]) for line in (self.dir / "f.folded").read_text().splitlines())
        self.assertEqual(total, self.run_json(bundle)["profile"]["samples"])
        scope = json.loads((self.dir / "f.json").read_text())
        self.check_speedscope(scope)
        self.assertEqual((self.dir / "f.pb.gz").read_bytes()[:2], b"\x1f\x8b")
        out = self.flamegate("flame", bundle, "-o", "svg=-", "--inverted", "--search", "list", "--width", "800", check=0).out
        self.assertIn('width="800"', out)
        self.assertIn('class="f hit"', out)
        other = self.recording("other")
        out = self.flamegate("flame", bundle, "--base", other, "-o", "svg=-", check=0).out
        self.assertIn("compared with", out)
        self.assertRegex(out, r"\nbase [\d.]+ .s → ")

    def check_speedscope(self, file):
        """The rules of https://www.speedscope.app/file-format-schema.json for what we write."""
        self.assertEqual(set(file), {"$schema", "exporter", "name", "activeProfileIndex", "shared", "profiles"})
        frames = file["shared"]["frames"]
        for frame in frames:
            self.assertIsInstance(frame["name"], str)
            self.assertLessEqual(set(frame), {"name", "file", "line", "col"})
        for profile in file["profiles"]:
            self.assertEqual(set(profile), {"type", "name", "unit", "startValue", "endValue", "samples", "weights"})
            self.assertEqual(profile["type"], "sampled")
            self.assertIn(profile["unit"], {"none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"})
            self.assertEqual(len(profile["samples"]), len(profile["weights"]))
            self.assertEqual(sum(profile["weights"]), profile["endValue"] - profile["startValue"])
            self.assertTrue(all(0 <= f < len(frames) for s in profile["samples"] for f in s))

    def test_outputs_of_a_run(self):
        process, port = self.nginx()
        self.flamegate("run", "-u", "4", "-d", "2s", "-o", "svg=r.svg", "-o", "speedscope=r.json",
                       f"http://127.0.0.1:{port}/", check=0)
        self.assertRegex((self.dir / "r.svg").read_text(), r"of CPU per request")
        self.check_speedscope(json.loads((self.dir / "r.json").read_text()))
        done = self.flamegate("top", "latest", check=0)
        self.assertRegex(done.out, r"of CPU per request")
        self.assertIn("ngx_", done.out)

    def test_what_is_refused(self):
        bundle = self.recording()
        process, port = self.nginx()
        plain = self.dir / "plain"
        self.flamegate("run", "-r", "20", "-d", "1s", "--no-profile", "--bundle", plain, f"http://127.0.0.1:{port}/", check=0)
        cut = self.dir / "cut"
        shutil.copytree(bundle, cut)
        (cut / "profile.pb.gz").write_bytes((cut / "profile.pb.gz").read_bytes()[:200])
        gone = self.dir / "gone"
        shutil.copytree(bundle, gone)
        (gone / "profile.pb.gz").unlink()
        svg = ("-o", "svg=x.svg")
        cases = [
            (1, "no bundle nowhere", ("top", "nowhere")),
            (1, "no bundle nowhere", ("flame", "nowhere", *svg)),
            (1, "the bundle has no profile: --no-profile was given", ("top", plain)),
            (1, "the bundle has no profile: --no-profile was given", ("flame", plain, *svg)),
            (1, "profile.pb.gz", ("top", cut)),
            (1, "profile.pb.gz", ("flame", cut, *svg)),
            (1, "profile.pb.gz", ("flame", gone, *svg)),
            (1, "--base", ("flame", bundle, "--base", plain, *svg)),
            (1, "--base", ("flame", bundle, "--base", "nowhere", *svg)),
            (2, "top needs an argument", ("top",)),
            (2, "unexpected argument", ("top", bundle, bundle)),
            (2, "flame needs -o", ("flame", bundle)),
            (2, "no such kind here", ("flame", bundle, "-o", "json=x")),
            (2, "there are json, csv", ("top", bundle, "-o", "svg=x")),
            (2, "KIND=PATH", ("flame", bundle, "-o", "svg")),
            (2, "KIND=PATH", ("flame", bundle, "-o", "svg=")),
            (2, "is a directory", ("flame", bundle, "-o", "svg=/tmp")),
            (2, "there is no directory", ("flame", bundle, "-o", "svg=/no/such/x")),
            (2, "would overwrite", ("flame", bundle, "-o", "svg=x", "-o", "folded=x")),
            (2, "--width goes from", ("flame", bundle, *svg, "--width", "3")),
            (2, "no sample is of phase", ("flame", bundle, *svg, "--phase", "setup")),
            (2, "carry no request classes", ("flame", bundle, *svg, "--class", "GET /")),
            (2, "carry no request classes", ("top", bundle, "--class", "GET /")),
            (2, "--search: /(/", ("flame", bundle, *svg, "--search", "/(/")),
            (2, "--search: /(/", ("top", bundle, "--search", "/(/")),
            (2, "no function of this profile", ("top", bundle, "--callees", "no_such_function")),
            (2, "either --callers or --callees", ("top", bundle, "--callers", "a", "--callees", "b")),
            (2, "--type knows cpu, offcpu, wall and faults", ("top", bundle, "--type", "heap")),
            (1, "has no offcpu profile", ("flame", bundle, *svg, "--type", "offcpu")),
            (2, "--sort knows self and total", ("top", bundle, "--sort", "name")),
            (2, "--rows goes up to", ("top", bundle, "-n", "99999999")),
            (2, "sort", ("top", bundle, "--sorted", "x")),
        ]
        for code, text, args in cases:
            with self.subTest(args=[str(a) for a in args]):
                self.refused(code, text, *args)
        self.assertEqual([p.name for p in self.dir.iterdir() if p.name.startswith("x")], [])

    def test_outputs_that_break(self):
        bundle = self.recording()
        self.refused(1, "/dev/full", "flame", bundle, "-o", "svg=/dev/full")
        for args in (("flame", bundle, "-o", "svg=-"), ("top", bundle), ("doctor",)):
            with self.subTest(args=args[0]):
                with open("/dev/full", "w") as full:
                    done = subprocess.run([str(kit.PROGRAM), *map(str, args)], stdout=full, stderr=subprocess.PIPE, text=True,
                                          cwd=self.dir)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn("No space left", done.stderr)
                # A reader that goes away is no failure.
                done = subprocess.run(f"{kit.PROGRAM} {' '.join(map(str, args))} | head -c 1 >/dev/null; exit ${{PIPESTATUS[0]}}",
                                      shell=True, executable="/bin/bash", cwd=self.dir)
                self.assertEqual(done.returncode, 0)


class Doctor(Tools):
    def test_everything_is_told(self):
        done = self.flamegate("doctor")
        self.assertIn(done.code, (0, 14), done.out + done.err)
        for name in ("CPUs", "clock source", "steal", "open files", "client ports", "disk", "kernel types (BTF)",
                     "perf_event_paranoid", "kptr_restrict", "locked memory", "rights", "PID namespace", "stack copies",
                     "timer interrupt", "profiler helper", "BPF programs"):
            self.assertRegex(done.out, rf"(?m)^  [✓✗!] {re.escape(name)} ")
        if os.getuid() == 0:
            self.assertEqual(done.code, 0, done.out)
            self.assertIn("this machine can measure latency and CPU profiles", done.out)
            self.assertRegex(done.out, r"✓ perf samples +\d+ samples of a busy process")
        failed = len(re.findall(r"(?m)^  [✗!] ", done.out))
        self.assertGreaterEqual(len(re.findall(r"(?m)^ +fix: ", done.out)), failed, "every failed line has a fix")

    def test_json(self):
        done = self.flamegate("doctor", "--json", "--pid", os.getpid())
        data = json.loads(done.out)
        self.assertEqual(data["ok"], done.code == 0)
        parts = {p["part"] for p in data["probes"]}
        self.assertEqual(parts, {"machine", "profiler", "target"})
        for probe in data["probes"]:
            self.assertEqual(set(probe), {"part", "name", "ok", "essential", "detail", "fix"})
            self.assertTrue(probe["ok"] or probe["fix"], probe)

    def test_a_target(self):
        process, port = self.nginx()
        done = self.flamegate("doctor", f"http://127.0.0.1:{port}/x")
        self.assertRegex(done.out, rf"✓ process +nginx \(pid {process.pid}\), \S*nginx, \d+ child")
        self.assertRegex(done.out, r"✓ unwind tables +[\d ]+ rows in \d+ modules")
        self.assertRegex(done.out, r"function names +\d+\.\d % of functions")

    @unittest.skipUnless(shutil.which("node"), "no node")
    def test_runtime_options(self):
        process, _ = self.node_server()
        done = self.flamegate("doctor", "--pid", process.pid)
        self.assertRegex(done.out, r"! runtime +node")
        self.assertIn("--perf-basic-prof", done.out)

    def test_no_secret_is_told(self):
        target = self.busy("print('ready', flush=True)\nimport time\ntime.sleep(60) # --password=hunter2-argument",
                           env={**os.environ, "API_TOKEN": "hunter2-environment"})
        done = self.flamegate("doctor", "--pid", target.pid, env={"FLAMEGATE_TOKEN": "hunter2-ours"})
        self.assertNotIn("hunter2", done.out + done.err)

    def test_no_target(self):
        self.assertEqual(self.flamegate("doctor", "--pid", "999999999").code, 13)
        self.assertEqual(self.flamegate("doctor", "--pid", "2").code, 13)
        self.refused(13, "listens on port 1", "doctor", "http://127.0.0.1:1/")
        self.refused(2, "is not on this machine", "doctor", "http://192.0.2.1/")
        self.refused(2, "http://", "doctor", "nothing")
        self.refused(2, "either --pid or a URL", "doctor", "--pid", "1", "http://127.0.0.1:1/")
        self.refused(2, "is no process id", "doctor", "--pid", "99999999999")
        self.refused(2, "is no process id", "doctor", "--pid", "0")
        self.refused(2, "unexpected argument", "doctor", "http://127.0.0.1/", "b")

    def test_no_helper(self):
        done = self.flamegate("doctor", env={"FLAMEGATE_PROFILER": "/nonexistent"})
        self.assertEqual(done.code, 14)
        self.assertRegex(done.out, r"✗ profiler helper +no profiler helper at /nonexistent")
        self.assertIn("1 thing is missing", done.out)

    def test_helper_that_is_something_else(self):
        fake = self.write("flamegate-profiler", "#!/bin/sh\nexit 0\n")
        fake.chmod(0o755)
        done = self.flamegate("doctor", env={"FLAMEGATE_PROFILER": str(fake)})
        self.assertEqual(done.code, 14)
        self.assertRegex(done.out, r"✗ BPF programs ")
        self.assertRegex(done.out, r"(?m)^ +fix: ")

    @ROOT
    def test_without_rights(self):
        place = self.dir / "bin"
        place.mkdir()
        for program in (kit.PROGRAM, kit.BUILD / "profiler" / "flamegate-profiler"):
            shutil.copy(program, place)
        self.dir.chmod(0o777)
        done = subprocess.run([*NOBODY, str(place / "flamegate"), "doctor", "--pid", str(os.getpid())], cwd=self.dir, text=True,
                              capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 14, done.stdout)
        self.assertRegex(done.stdout, r"✗ BPF programs .*refused")
        self.assertRegex(done.stdout, r"(?m)^ +fix: or run as root \(in a container: --cap-add BPF")
        self.assertRegex(done.stdout, rf"(?m)^ +fix: sudo --user='#0' flamegate doctor --pid {os.getpid()}$")
        self.assertRegex(done.stdout, r"rights +uid 65534, no capabilities")
        self.assertRegex(done.stdout, r"✗ owner +uid 0 \(we are 65534\)")
        self.assertIn("things are missing for CPU profiles; latency", done.stdout)
        if "✓ stack copies" in done.stdout:
            done = subprocess.run([*NOBODY, str(place / "flamegate"), "doctor"], cwd=self.dir, text=True, capture_output=True,
                                  timeout=60)
            self.assertEqual(done.returncode, 14, done.stdout)
            self.assertIn("is missing for complete CPU profiles; until then stack copies", done.stdout)
        # The fix is one line that works as it stands.
        command = re.search(r"(?m)^ +fix: sudo (setcap .*)$", done.stdout).group(1)
        subprocess.run(["sh", "-c", f"PATH=$PATH:/usr/sbin:/sbin; {command}"], check=True, timeout=20)
        done = subprocess.run([*NOBODY, str(place / "flamegate"), "doctor"], cwd=self.dir, text=True, capture_output=True,
                              timeout=60)
        self.assertRegex(done.stdout, r"✓ BPF programs +\d+ load and attach")
        self.assertEqual(done.returncode, 0, done.stdout)

    @ROOT
    def test_inside_a_namespace(self):
        done = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", str(kit.PROGRAM), "doctor"], cwd=self.dir, text=True,
                              capture_output=True, timeout=60)
        self.assertIn(done.returncode, (0, 14), done.stderr)
        self.assertRegex(done.stdout, r"✓ PID namespace +a container's own")
        self.assertNotIn("--pid=host", done.stdout)

    def test_few_open_files(self):
        done = subprocess.run(["bash", "-c", f"ulimit -n 256; exec {kit.PROGRAM} doctor"], cwd=self.dir, text=True,
                              capture_output=True, timeout=60)
        self.assertRegex(done.stdout, r"! open files +limit 256")
        self.assertRegex(done.stdout, r"fix: ulimit -n \d+")


class Completion(Tools):
    def complete(self, *words):
        """What bash offers for the last word."""
        script = (f'source <({kit.PROGRAM} help --completion); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _flamegate; '
                  'printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "-c", script, "bash", "flamegate", *words], cwd=self.dir, text=True, capture_output=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def test_bash_offers_what_there_is(self):
        self.write("scenario.yaml", "")
        self.assertEqual(self.complete("pro"), ["profile"])
        self.assertEqual(self.complete("help", "fl"), ["flame"])
        self.assertEqual(self.complete("top", "--call"), ["--callers", "--callees"])
        self.assertEqual(self.complete("run", "scen"), ["scenario.yaml"])
        self.assertEqual(self.complete("top", "lat"), ["latest"])
        self.assertEqual(self.complete("profile", "--pid", ""), [])
        self.assertEqual(self.complete("nonsense", "--x"), [])
        self.assertIn("run", self.complete(""))


def children(pid):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == pid:
                    found.append(int(entry.name))
            except OSError:
                pass
    return found


def name_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


if __name__ == "__main__":
    kit.main()
