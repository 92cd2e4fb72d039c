#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# CPU per request of the load generator against wrk and h2load, in the same run, against nginx on
# loopback with 50 keep-alive connections. Prints; asserts nothing. Needs nginx, wrk, h2load.
#   tests/bench/bench_load.sh BUILD_DIR [SECONDS] [ROUNDS]
set -eu
bench=${1:?build directory}/tests/bench/bench_load
seconds=${2:-5}
rounds=${3:-3}
work=$(mktemp -d /tmp/load-bench.XXXXXX)
nginx_pid=
cleanup() {
	[ -z "$nginx_pid" ] || kill "$nginx_pid" 2>/dev/null || :
	rm -rf "$work"
}
trap cleanup EXIT INT TERM

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/nginx.conf" <<CONF
worker_processes 1;
daemon off;
pid $work/nginx.pid;
error_log $work/error.log;
events { worker_connections 4096; }
http {
	access_log off;
	keepalive_requests 1000000000;
	client_body_temp_path $work; proxy_temp_path $work; fastcgi_temp_path $work;
	uwsgi_temp_path $work; scgi_temp_path $work;
	server { listen 127.0.0.1:$port; location / { return 200 "hello\n"; } }
}
CONF
nginx -c "$work/nginx.conf" &
nginx_pid=$!
url=http://127.0.0.1:$port/
until curl -s -o /dev/null "$url"; do kill -0 "$nginx_pid"; done

# CPU of a foreign client from its own rusage; requests from its own output.
cpu_of() { # file command...
	out=$1
	shift
	python3 - "$out" "$@" <<'PY'
import resource, subprocess, sys
with open(sys.argv[1], "w") as out:
    subprocess.run(sys.argv[2:], stdout=out, check=True)
r = resource.getrusage(resource.RUSAGE_CHILDREN)
print(r.ru_utime + r.ru_stime)
PY
}
field() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p"; }

for round in $(seq "$rounds"); do
	wrk_cpu=$(cpu_of "$work/wrk" wrk -t1 -c50 -d"${seconds}s" "$url")
	wrk_n=$(sed -n 's/^ *\([0-9]*\) requests in .*/\1/p' "$work/wrk")
	h2_cpu=$(cpu_of "$work/h2" h2load --h1 -t1 -c50 -D"$seconds" "$url")
	h2_n=$(sed -n 's/^requests: .* \([0-9]*\) succeeded.*/\1/p' "$work/h2")
	ours=$("$bench" curl "$url" 50 "$seconds")
	null=$("$bench" null "$url" 50 "$seconds")
	echo "$ours" >"$work/ours"
	awk -v round="$round" -v wc="$wrk_cpu" -v wn="$wrk_n" -v hc="$h2_cpu" -v hn="$h2_n" \
		-v o="$(field cpu_us_per_request <"$work/ours")" \
		-v n="$(echo "$null" | field cpu_us_per_request)" 'BEGIN {
		w = wc / wn * 1e6; h = hc / hn * 1e6
		printf "round %d: CPU per request  wrk %.2f us  h2load %.2f us (%.2fx)  flamegate curl %.2f us (%.2fx)  null %.2f us (%.2fx)\n",
			round, w, h, h / w, o, o / w, n, n / w }'
done
echo "open model, 2000/s for ${seconds} s:"
"$bench" curl "$url" 0 "$seconds" 2000
