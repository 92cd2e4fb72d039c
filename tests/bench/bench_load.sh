#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# CPU per request of the load generator's engines against wrk and h2load, in turns in the same run,
# against nginx on loopback with 50 keep-alive connections; HTTP, then HTTPS. All by the rusage of
# the whole process. Prints ratios and their medians; asserts nothing. Needs nginx, wrk, h2load, openssl.
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

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port)
tls_port=$(free_port)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$work/key.pem" \
	-out "$work/cert.pem" -days 2 -subj /CN=localhost 2>/dev/null
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
	server { listen 127.0.0.1:$port; listen 127.0.0.1:$tls_port ssl;
		ssl_certificate $work/cert.pem; ssl_certificate_key $work/key.pem; location / { return 200 "hello\n"; } }
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
# CPU µs per request of one run: client, URL.
cost() {
	case $1 in
	wrk)
		cpu=$(cpu_of "$work/out" wrk -t1 -c50 -d"${seconds}s" "$2")
		n=$(sed -n 's/^ *\([0-9]*\) requests in .*/\1/p' "$work/out")
		;;
	h2load)
		cpu=$(cpu_of "$work/out" h2load --h1 -t1 -c50 -D"$seconds" "$2")
		n=$(sed -n 's/^requests: .* \([0-9]*\) succeeded.*/\1/p' "$work/out")
		;;
	*)
		cpu=$(cpu_of "$work/out" "$bench" "$1" "$2" 50 "$seconds")
		n=$(field requests <"$work/out")
		;;
	esac
	awk -v c="$cpu" -v n="$n" 'BEGIN { printf "%.2f", c / n * 1e6 }'
}
field() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p"; }

compare() { # URL: every client once per round, then the medians of the ratios to wrk
	: >"$work/ratios"
	for round in $(seq "$rounds"); do
		wrk=$(cost wrk "$1")
		line="wrk $wrk us"
		for client in h2load native curl null; do
			mine=$(cost "$client" "$1")
			ratio=$(awk -v a="$mine" -v b="$wrk" 'BEGIN { printf "%.2f", a / b }')
			line="$line  $client $mine us (${ratio}x)"
			echo "$client $ratio" >>"$work/ratios"
		done
		echo "round $round: $line"
	done
	for client in h2load native curl null; do
		sed -n "s/^$client //p" "$work/ratios" | sort -n |
			awk -v c="$client" '{ r[NR] = $1 } END { printf "median %s %.2f x wrk\n", c, r[int((NR + 1) / 2)] }'
	done
}

echo "HTTP, CPU per request:"
compare "$url"
echo "HTTPS, CPU per request:"
compare "https://127.0.0.1:$tls_port/"
for engine in native curl; do
	echo "open model, 2000/s for ${seconds} s, $engine:"
	"$bench" "$engine" "$url" 0 "$seconds" 2000
done
