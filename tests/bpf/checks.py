# SPDX-License-Identifier: Apache-2.0
"""What a good profile of a known target is: completeness, roots, rate."""

import math

from bench import check

COMPLETE_PERCENT_MIN = 99.5
SAMPLES_MIN = 200
SEEN_MIN = 50
# A few samples may be of a moment that nobody can unwind, and be more than 0.5 % of a few hundred.
SINGLE_SAMPLES = 2
# More is the product's own reason to call a profile unfit (gate/measure/profile_info.c).
RATE_ERROR_MAX = 0.15
# Of a helper that is late once: the disk, a page fault.
UNKNOWN_MS = 20
# Where the rate is the point: two of their square root are five percent.
RATE_SAMPLES = 1600
ROOTS = ("_start", "__clone3", "clone3", "__clone", "clone", "thread_start", "__GI___clone3")


def check_complete(result):
    info = result.info
    for key in ("samples", "complete_percent", "lost", "bpf_ns_per_sample", "start_ms",
                "samples_per_cpu_s", "symbolise_ms", "helper_cpu_ms", "target_cpu_ms"):
        print(f"  {key} {info[key]:g}")
    print("  verified", result.programs)
    for name, value in sorted(info.items()):
        if name.startswith("result_") and value and name != "result_complete":
            print(f"  {name} {value:g}")
    check(info["samples"] >= SAMPLES_MIN, f"only {info['samples']:g} samples")
    check_share_complete(result, info["samples"])
    check(info["lost"] == 0, f"{info['lost']:g} lost")
    check(info["partial"] == 0, "partial")
    for name, verified in result.programs.items():
        check(verified <= 10000, f"{name}: the verifier walked {verified} instructions")
    wrong = {f[0] for r, _, f in result.stacks if r == "complete" and f[0] not in ROOTS}
    check(not any(w for w in wrong if "+0x" not in w), f"complete stacks with roots {wrong}")


def check_share_complete(result, of, percent=COMPLETE_PERCENT_MIN, known=0):
    """`known` more are incomplete for a reason that the case has looked at."""
    least = of * percent / 100 - SINGLE_SAMPLES
    check(result.info["complete"] + known >= least,
          f"{result.info['complete']:g} and {known:g} of {of:g} complete; {incomplete(result)}")


def check_rate(info, hz=997):
    """One sample per period of CPU time. Timers are regular, unlike chance: what is seen is a quarter of `most` where a
    few threads run, and half of it where programs keep step with the timer that begin and end within a few periods."""
    rate, expected = info["samples_per_cpu_s"], hz * info["target_cpu_ms"] / 1000
    check(expected > 0, "no CPU time")
    most = RATE_ERROR_MAX + 2 / math.sqrt(expected)
    print(f"  {rate:g} samples per CPU second: {rate / hz - 1:+.3f}, at most {most:.3f}")
    check(abs(rate / hz - 1) < most, f"{rate:g} samples per CPU second at {hz} Hz")


def check_until_known(result, key, percent, hz=997):
    """Samples that are incomplete until the helper has done something. What it does itself is within `percent`, at any
    load; while it waits for a CPU, its target has one."""
    info = result.info
    lost_ms = info[f"result_{key}"] * 1000 / hz
    most_ms = UNKNOWN_MS + info["target_cpu_ms"] * percent / 100 + info["helper_wait_ms"]
    print(f"  {key} for {lost_ms:.0f} of {info['target_cpu_ms']:.0f} ms, at most {most_ms:.0f} (the helper ran for "
          f"{info['helper_cpu_ms']:.0f} ms, waited for {info['helper_wait_ms']:.0f})")
    check(lost_ms <= most_ms, f"{key} for {lost_ms:.0f} ms; {incomplete(result)}")


def check_some(result, key, percent):
    """Samples that nobody can make whole: no more than the case has of them. Their number."""
    count, user = result.info[f"result_{key}"], result.info["samples"] - result.info["result_kernel-only"]
    most = user * percent / 100 + SINGLE_SAMPLES
    print(f"  {key} for {count:g} of {user:g} samples, at most {most:.0f}")
    check(count <= most, f"{key} for {count:g} of {user:g} samples; {incomplete(result)}")
    return count


def incomplete(result):
    worst = sorted((s for s in result.stacks if s[0] != "complete"), key=lambda s: -s[1])
    return "; ".join(f"{r} {c} {';'.join(f)}" for r, c, f in worst[:3])


def mostly_complete(result, percent):
    """Whole stacks, but for new code until it is known, which is at most 100 - `percent` on a quiet machine."""
    info = result.info
    check(info["samples"] >= SAMPLES_MIN, f"only {info['samples']:g} samples")
    print(f"  {info['samples']:g} samples, complete_percent {info['complete_percent']:g}")
    check_until_known(result, "no-mapping", 100 - percent)
    check_share_complete(result, info["samples"] - info["result_kernel-only"], 99, known=info["result_no-mapping"])
