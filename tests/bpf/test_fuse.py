#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Targets whose program lies on a file system that another process serves: test_fuse.py CASE --build DIR.

Cases, targets and checks as in test_profiler.py, whose bench this uses; the server is fuse_server.py.
"""

import os
import signal
import subprocess
import sys

from bench import SAMPLES_ASKED, Skip, check, main
from checks import SAMPLES_MIN, check_complete


class Mount:
    """zoo_life on FUSE, running; unmounted at the end, whatever came between."""

    def __init__(self, bench):
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            raise Skip("no /dev/fuse")
        self.place = os.path.join(bench.dir, "mount")
        os.mkdir(self.place)
        here = os.path.dirname(os.path.abspath(__file__))
        self.server = bench.start(sys.executable, f"{here}/fuse_server.py", f"{bench.zoo}/zoo_life", self.place, ready="ready")
        self.target = bench.start(f"{self.place}/zoo_life", "sort", "40", ready="ready")

    def mute(self):
        self.server.send_signal(signal.SIGUSR1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The end of the server is the end of everybody's waiting.
        self.server.kill()
        self.server.wait()
        subprocess.run(["umount", "-l", self.place], check=True, timeout=20)


def case_answers(bench):
    """An AppImage, a rootless container: stacks and names as from any disk."""
    with Mount(bench) as mount:
        result = bench.profile(mount.target.pid, samples=2 * SAMPLES_ASKED)
        check_complete(result)
        named = result.having("mode_sort")
        check(named > result.info["samples"] * 0.9, f"{named} samples have names: {result.stacks[:3]}")
        check(not result.note, f"note {result.note!r}")


def case_does_not_answer(bench):
    """Nobody waits for it: the profile comes, the library's part of it named, and what is missing is said. Whoever reads
    our output sees its end: profile() does."""
    with Mount(bench) as mount:
        mount.mute()
        result = bench.profile(mount.target.pid, samples=2 * SAMPLES_ASKED)
        # A second for each process that asks. How long it records is the machine's affair.
        waited_s = (result.info["start_ms"] + result.info["symbolise_ms"]) / 1000
        print(f"  {waited_s:.1f} s, note {result.note!r}")
        check(result.info["samples"] > SAMPLES_MIN, f"{result.info['samples']:g} samples")
        check(not result.info["partial"], "the helper was lost")
        check("did not answer within 1000 ms" in result.note, f"note {result.note!r}")
        check(result.having("qsort") > result.info["samples"] * 0.9, f"the library has no names: {result.stacks[:3]}")
        check(waited_s < 60, f"it took {waited_s:.1f} s beside the recording")


CASES = {name[len("case_"):]: value for name, value in sorted(globals().items()) if name.startswith("case_")}

if __name__ == "__main__":
    sys.exit(main(CASES))
