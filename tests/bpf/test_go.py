#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Go programs: test_go.py CASE --build DIR. The case "build" makes the programs for the others.

Every case runs with Debian's Go and, where there is one, the Go of /usr/local/go. Needs root (or
the capabilities) but for "names"; exits 77 with the reason where Go is missing.
"""

import glob
import os
import re
import shutil
import struct
import subprocess
import sys
import urllib.request

from bench import SAMPLES_ASKED, Skip, check, main, wait_port
from checks import SAMPLES_MIN, incomplete

COMPLETE_PERCENT_MIN = 99.0
SAMPLES = 2 * SAMPLES_ASKED  # on a busy machine half of them may have come before the recording began
ROOTS = ("runtime.goexit", "runtime.mstart", "runtime.rt0_go", "runtime.mcall", "runtime.morestack",
         "runtime.gogo", "gogo", "_rt0_amd64", "_rt0_amd64_linux", "_start", "__clone3", "clone3",
         "__clone", "clone")
COMPILERS = {"debian": glob.glob("/usr/lib/go-*/bin/go"), "local": ["/usr/local/go/bin/go"]}
VARIANTS = {
    "plain": ("zoo_go.go", [], {}),
    "stripped": ("zoo_go.go", ["-ldflags=-s -w"], {}),
    "ratio": ("zoo_go_ratio.go", [], {}),  # of test_labels.py
    "cgo": ("zoo_cgo.go", [], {"CGO_ENABLED": "1"}),
    "cgo_stripped": ("zoo_cgo.go", ["-ldflags=-s -w"], {"CGO_ENABLED": "1"}),
    # .gopclntab among what is relocated
    "pie": ("zoo_gospin.go", ["-buildmode=pie"], {}),
    # linked by GNU ld: .gopclntab loses its name, moduledata is in relocations
    "cgo_pie": ("zoo_cgo.go", ["-ldflags=-linkmode=external -s -w", "-buildmode=pie"],
                {"CGO_ENABLED": "1"}),
}


def compilers():
    found = {name: [p for p in paths if os.access(p, os.X_OK)] for name, paths in COMPILERS.items()}
    found = {name: paths[0] for name, paths in found.items() if paths}
    if not found:
        raise Skip("Go is not installed (golang-go)")
    return found


def program(bench, compiler, variant):
    path = os.path.join(bench.zoo, "go", f"{variant}-{compiler}")
    if not os.path.exists(path):
        raise Skip(f"{path} was not built")
    return path


def remove_sections(path):
    """No section headers at all, as packers leave it: all that remains is program headers."""
    with open(path, "r+b") as f:
        f.seek(0x28)
        f.write(struct.pack("<Q", 0))
        f.seek(0x3A)
        f.write(struct.pack("<HHH", 64, 0, 0))


def case_build(bench):
    out = os.path.join(bench.zoo, "go")
    os.makedirs(out, exist_ok=True)
    for compiler, go in compilers().items():
        for variant, (source, flags, environment) in VARIANTS.items():
            env = dict(os.environ, GO111MODULE="off", GOTOOLCHAIN="local", GOPROXY="off", GOFLAGS="",
                       GOCACHE=os.path.join(out, "cache-" + compiler), CGO_ENABLED="0")
            env.update(environment)
            target = os.path.join(out, f"{variant}-{compiler}")
            subprocess.run([go, "build", *flags, "-o", target,
                            os.path.join(bench.source, "zoo", source)], env=env, check=True)
        bare = os.path.join(out, f"bare-{compiler}")
        shutil.copy(os.path.join(out, f"stripped-{compiler}"), bare)
        remove_sections(bare)


def check_complete(result):
    info = result.info
    print(f"  samples {info['samples']:g}, {info['complete_percent']:.2f} % complete, "
          f"{info['bpf_ns_per_sample']:.0f} ns per sample, names in {info['symbolise_ms']:g} ms")
    check(info["samples"] >= SAMPLES_MIN, f"only {info['samples']:g} samples")
    check(info["complete_percent"] >= COMPLETE_PERCENT_MIN,
          f"{info['complete_percent']:.2f} % complete; {incomplete(result)}")
    check(info["lost"] == 0 and info["partial"] == 0, "lost samples")
    for name, verified in result.programs.items():
        check(verified <= 10000, f"{name}: the verifier walked {verified} instructions")
    roots = {frames[0] for state, _, frames in result.stacks if state == "complete"}
    check(roots <= set(ROOTS), f"complete stacks with roots {roots - set(ROOTS)}")


def share(result, *path):
    """Of samples whose stack has these frames one above the other, directly."""
    total = sum(count for _, count, _ in result.stacks)
    text = ";".join(path)
    return sum(count for _, count, frames in result.stacks
               if f";{text};" in ";" + ";".join(frames) + ";") / max(total, 1)


def more_than(result, least, *path):
    found = share(result, *path)
    print(f"  {found:.3f} of the samples in {';'.join(path)}, more than {least} asked")
    check(found > least, f"{found:.3f} of the samples in {';'.join(path)}")


def each(bench, *variants):
    for compiler in compilers():
        for variant in variants:
            print(f"{variant}, {compiler}")
            yield program(bench, compiler, variant)


def serve(bench, path):
    child = subprocess.Popen([path, "http"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             start_new_session=True, text=True)
    bench.children.append(child)
    port = int(child.stdout.readline())
    wait_port(port)
    bench.load(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/").read())
    result = bench.profile(child.pid, seconds=3, samples=SAMPLES)
    bench.rest()
    return result


def case_http(bench):
    for path in each(bench, "plain", "stripped", "bare"):
        result = serve(bench, path)
        check_complete(result)
        more_than(result, 0.4, "main.render")
        check(result.info["unnamed_share"] < 0.01, "a server in Go has a name for everything")


def run(bench, path, *argv, seconds=2, samples=SAMPLES):
    child = bench.start(path, *argv, ready="ready")
    result = bench.profile(child.pid, seconds=seconds, samples=samples)
    child.kill()
    check_complete(result)
    return result


def case_crypto(bench):
    for path in each(bench, "stripped", "bare"):
        result = run(bench, path, "crypto")
        more_than(result, 0.7, "main.crypto", "main.hash")
        blocks = sum(count for _, count, frames in result.stacks
                     if re.search(r"sha\d+\.block", ";".join(frames)))
        lost = sum(count for _, count, frames in result.stacks
                   if re.search(r"sha\d+\.block", ";".join(frames)) and "main.hash" not in frames)
        check(blocks >= 20 and lost <= blocks // 100, f"{lost} of {blocks} lost their caller")


def case_pie(bench):
    for path in each(bench, "pie"):
        result = run(bench, path)
        more_than(result, 0.9, "runtime.main", "main.main", *["main.turn"] * 6, "main.spin")


def case_goroutines(bench):
    for path in each(bench, "plain", "stripped"):
        result = run(bench, path, "goroutines", seconds=3, samples=1000)
        more_than(result, 0.1, "main.spin")
        for name in ("runtime.systemstack", "runtime.mcall", "main.tree", "main.total["):
            print(f"  {result.having(name)} samples in {name}")
            check(result.having(name) > 0, f"no sample in {name}")
        switched = [(count, frames[0] in ROOTS) for _, count, frames in result.stacks
                    if "runtime.systemstack" in frames]
        found = sum(count for count, _ in switched)
        lost = sum(count for count, whole in switched if not whole)
        check(lost <= 1 + found // 100, f"{lost} of {found} stacks ended at systemstack")


def case_signals(bench):
    """Up to what was interrupted: the handler returns to where a function begins, whose caller is the signal's frame."""
    for path in each(bench, "plain", "bare"):
        result = run(bench, path, "signals", samples=1000)
        through = [(count, frames) for _, count, frames in result.stacks if "runtime.sigtramp" in frames]
        found = sum(count for count, _ in through)
        lost = sum(count for count, frames in through
                   if "main.signals" not in frames or not any(f.startswith("runtime.sigreturn") for f in frames))
        print(f"  {found} samples in a handler, {lost} of them lost their way")
        check(found >= 10 and lost <= found // 10, f"{lost} of {found} lost their way; {incomplete(result)}")


def case_cgo(bench):
    for path in each(bench, "cgo", "cgo_stripped", "cgo_pie"):
        result = run(bench, path)
        through = [(count, frames) for _, count, frames in result.stacks
                   if "main.busyInGo" in frames and "runtime.cgocallback" in frames]
        found = sum(count for count, _ in through)
        lost = sum(count for count, frames in through
                   if "main.round" not in frames or "runtime.asmcgocall" not in frames)
        print(f"  {found} samples in Go below C below Go, {lost} of them lost the frames above C")
        check(found >= 20 and lost <= found // 100, f"{lost} of {found} miss the frames above C")
        if path.split("/")[-1].startswith("cgo-"):
            more_than(result, 0.15, "through_c", "busy_in_c")
            more_than(result, 0.15, "main.round", "main.busyInGo")


def names(bench, path, addresses, *more):
    tool = os.path.join(bench.build, "tests/bpf/name_addresses")
    done = subprocess.run([tool, path, *more], input="\n".join(addresses) + "\n", text=True,
                          stdout=subprocess.PIPE, check=True)
    result, at = {}, None
    for line in done.stdout.splitlines():
        match = re.match(r"([0-9a-f]+) (named|unnamed) (.*) at (.*)", line)
        if match:
            at = result.setdefault(match[1], [])
            at.append((match[3], match[4]))
        elif line.startswith(" "):
            at.append(tuple(line.strip().rsplit(" at ", 1)))
    return result


def generic(frame):
    """For people Go's runtime writes [...] since 1.21."""
    return re.sub(r"\[.*\]", "[...]", frame[0]), frame[1]


def case_names(bench):
    """The same names, files and lines as Go's runtime gives itself; stripped as well."""
    for path in each(bench, "plain", "stripped", "bare"):
        lines = subprocess.run([path, "frames"], stdout=subprocess.PIPE, text=True,
                               check=True).stdout.splitlines()
        truth = {address: (name, place.replace("?:0", ":0"))
                 for address, name, place in (line.split(" ", 2) for line in lines)}
        found = names(bench, path, list(truth))
        wrong = [(a, t, found.get(a)) for a, t in truth.items()
                 if a not in found or generic(found[a][0]) != generic(t)]
        check(len(truth) > 3000, f"only {len(truth)} addresses")
        check(not wrong, f"{len(wrong)} of {len(truth)} differ: {wrong[:3]}")
        inlined = sum(len(frames) > 1 for frames in found.values())
        print(f"  {len(truth)} addresses agree, {inlined} of them inlined")
        check(inlined > 100, "hardly anything inlined")


def case_inline(bench):
    """The chain of inlined calls, by the lines that the source is marked with."""
    with open(os.path.join(bench.source, "zoo", "zoo_go.go")) as f:
        lines = {m[1]: number for number, text in enumerate(f, 1)
                 if (m := re.search(r"// line:(\w+)$", text))}
    expected = [("main." + name, lines[name]) for name in ("innermost", "middle", "outer")]
    for path in each(bench, "plain", "stripped"):
        result = run(bench, path, "inline")
        more_than(result, 0.9, "main.inline", "main.outer", "main.middle", "main.innermost")
        plain = path.replace("stripped-", "plain-")
        table = subprocess.run(["nm", plain], stdout=subprocess.PIPE, text=True).stdout
        start = int(re.search(r"(\w+) T main\.outer$", table, re.M)[1], 16)
        found = names(bench, plain, [f"{start + i:x}" for i in range(64)])
        chains = [[(name, int(place.rsplit(":", 1)[1])) for name, place in frames]
                  for frames in found.values()]
        check(expected in chains, f"{expected} not among {chains}")


def case_pprof(bench):
    """Inlined frames as `go tool pprof` reads them out of our file."""
    found = compilers()
    if "debian" not in found:
        raise Skip("go tool pprof of golang-go is not installed")
    child = bench.start(program(bench, "debian", "stripped"), "inline", ready="ready")
    out = os.path.join(bench.dir, "profile.pb.gz")
    subprocess.run([os.path.join(bench.build, "runner/flamegate"), "profile", "--pid",
                    str(child.pid), "-d", "2s", "-o", f"pprof={out}"], cwd=bench.dir, check=True,
                   stdout=subprocess.DEVNULL)
    traces = subprocess.run([found["debian"], "tool", "pprof", "-traces", out], text=True,
                            stdout=subprocess.PIPE, check=True, cwd=bench.dir,
                            env=dict(os.environ, PPROF_TMPDIR=bench.dir, GOTOOLCHAIN="local")).stdout
    chain = r"main\.innermost( \(inline\))?\n\s+main\.middle( \(inline\))?\n\s+main\.outer\n"
    check(re.search(chain, traces), f"no such chain in {traces[:800]}")
    check(re.search(r"main\.outer\n\s+main\.inline\n\s+main\.main\n\s+runtime\.main\n", traces),
          "the callers are missing")


CASES = {name[5:]: function for name, function in list(globals().items())
         if name.startswith("case_")}


if __name__ == "__main__":
    sys.exit(main(CASES, root=False))
