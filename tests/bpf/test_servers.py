#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Servers that take some setting up, and what made their stacks hard: test_servers.py CASE --build DIR.

Needs root; exits 77 where one is missing.
"""

import glob
import os
import pwd
import signal
import ssl
import subprocess
import sys
import threading
import urllib.request

from bench import Skip, check, free_port, main, wait_port, wait_until
from checks import SAMPLES_MIN, SEEN_MIN, check_complete, check_share_complete, incomplete

NGINX = """daemon off; worker_processes 1; pid nginx.pid; error_log stderr crit; events {{ }}
http {{ access_log off; client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
server {{ listen 127.0.0.1:{port} ssl; root .; ssl_session_tickets off;
{certificates} }} }}"""
KEYS = {"rsa": ["rsa:2048"], "ecdsa": ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]}
# Both of a server's certificates, an old and a new protocol, and both kinds of bulk cipher.
CLIENTS = [
    (ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES256-GCM-SHA384"),
    (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-CHACHA20-POLY1305"),
    (ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES128-SHA"),
    (ssl.TLSVersion.TLSv1_3, None),
]


def certificates(bench):
    """A certificate of each kind; nginx's directives for them."""
    openssl, text = bench.need("openssl"), ""
    for name, kind in KEYS.items():
        key, cert = f"{bench.dir}/{name}.key", f"{bench.dir}/{name}.pem"
        subprocess.run([openssl, "req", "-x509", "-newkey", *kind, "-nodes", "-keyout", key, "-out", cert,
                        "-days", "2", "-subj", "/CN=127.0.0.1"], check=True, stderr=subprocess.DEVNULL)
        text += f"ssl_certificate {cert}; ssl_certificate_key {key};\n"
    return text


def client(version, ciphers):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    if ciphers:
        context.set_ciphers(ciphers + ":@SECLEVEL=0")
    return context


def case_nginx_tls(bench):
    """A handshake for each file of 200 kB: the hand-written assembly of libcrypto."""
    port = free_port()
    with open(f"{bench.dir}/file", "wb") as f:
        f.write(b"x" * 200_000)
    with open(f"{bench.dir}/nginx.conf", "w") as f:
        f.write(NGINX.format(port=port, certificates=certificates(bench)))
    os.chmod(bench.dir, 0o755)
    child = bench.start(bench.need("nginx"), "-c", f"{bench.dir}/nginx.conf", "-p", bench.dir, "-e", "stderr")
    wait_port(port)
    contexts, turn, lock = [client(*kind) for kind in CLIENTS], [0], threading.Lock()

    def work():
        with lock:
            turn[0] += 1
            context = contexts[turn[0] % len(contexts)]
        with urllib.request.urlopen(f"https://127.0.0.1:{port}/file", context=context, timeout=10) as answer:
            check(len(answer.read()) == 200_000, "the file is not whole")

    bench.load(work)
    result = bench.profile(child.pid, seconds=4, samples=1500)
    check_complete(result)
    seen = {name: result.having(name) for name in ("ngx_ssl_handshake", "SSL_write")}
    print("  ", seen)
    check(min(seen.values()) >= SEEN_MIN, f"not both kinds of work: {seen}")


def postgres_programs():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
    if not found:
        raise Skip("postgres is not installed (postgresql-15)")
    return os.path.dirname(found[-1])


def case_postgres(bench):
    """A process for each connection, forked while the profile runs."""
    programs, port, data = postgres_programs(), free_port(), f"{bench.dir}/data"
    user = pwd.getpwnam("nobody")
    os.chmod(bench.dir, 0o755)
    os.mkdir(data)
    os.chown(data, user.pw_uid, user.pw_gid)
    as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": data}
    subprocess.run([f"{programs}/initdb", "-D", f"{data}/db", "-U", "zoo", "--no-sync"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **as_user)
    server = subprocess.Popen([f"{programs}/postgres", "-D", f"{data}/db", "-p", str(port), "-k", data, "-c", "fsync=off"],
                              stderr=subprocess.DEVNULL, start_new_session=True, **as_user)
    bench.children.append(server)
    try:
        profile_postgres(bench, programs, server, ["-h", data, "-p", str(port), "-U", "zoo", "postgres"])
    finally:  # killed, it would leave its shared memory behind
        server.send_signal(signal.SIGQUIT)
        server.wait(30)


def profile_postgres(bench, programs, server, to):
    wait_until(lambda: not subprocess.run([f"{programs}/pg_isready", *to[:4]], stdout=subprocess.DEVNULL).returncode,
               30, "postgres answers")
    subprocess.run([f"{programs}/pgbench", "-i", "-q", *to], check=True, stderr=subprocess.DEVNULL)

    def work():  # connects anew now and then
        subprocess.run([f"{programs}/pgbench", "-n", "-c", "2", "-t", "2000", *to], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    bench.load(work, threads=1)
    result = bench.profile(server.pid, seconds=4, samples=1500)
    bench.rest()
    check_complete(result)
    seen = {name: result.having(name) for name in ("PostgresMain", "standard_ExecutorRun")}
    print("  ", seen)
    check(seen["PostgresMain"] >= 0.5 * result.info["samples"] and seen["standard_ExecutorRun"] >= SEEN_MIN, f"{seen}")


def case_registers(bench):
    """Assembly that keeps its caller's stack pointer where only it knows: right, or said to be unknown."""
    expected = {"own": ["zoo_own"], "bare": ["zoo_bare", "zoo_loop"], "indexed": ["zoo_indexed"],
                "pushed": ["[truncated]", "zoo_pushed", "zoo_loop_pushed"]}
    for mode, frames in expected.items():
        child = bench.start(f"{bench.zoo}/zoo_registers", mode, ready="ready")
        result = bench.profile(child.pid, seconds=1)
        child.kill()
        state, frames = ("unsupported", frames) if mode == "pushed" else ("complete", ["main", *frames])
        right = sum(count for found, count, stack in result.stacks if found == state and
                    [f for f in stack if not f.endswith("_[k]")][-len(frames):] == frames)
        print(f"  {mode}: {right} of {result.info['samples']:g} {state} by {';'.join(frames)}")
        check(right >= 0.99 * result.info["samples"] >= 0.99 * SAMPLES_MIN, f"{mode}: {incomplete(result)}")


def case_clone(bench):
    """A thread after the other: glibc describes neither the system call that makes it nor its first instructions."""
    child = bench.start(f"{bench.zoo}/zoo_waits", "churn", "60", ready="ready")
    result = bench.profile(child.pid, seconds=2, samples=1000)
    # A thread that has given up its memory has no user stack.
    check_share_complete(result, result.info["samples"] - result.info.get("result_kernel-only", 0))
    makers = sum(count for _, count, frames in result.stacks if "main" in frames and "clone3" in frames)
    made = sum(count for _, count, frames in result.stacks if frames[0] == "clone3")
    print(f"  in clone3: {makers} of the maker's, {made} of the threads made")
    check(makers >= SEEN_MIN and made >= 1, "nobody was seen in clone3")


CASES = {name[5:]: function for name, function in list(globals().items()) if name.startswith("case_")}


if __name__ == "__main__":
    sys.exit(main(CASES))
