#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What we write, the real `go tool pprof` must open, with the right totals, functions and labels.
# Usage: pprof_go.sh WRITE_PPROF; exit 77 without Go.
set -eu

write_pprof=$1
go=$(command -v go || true)
[ -n "$go" ] || go=/usr/local/go/bin/go
if ! [ -x "$go" ] || ! "$go" tool -n pprof >/dev/null 2>&1; then
	echo "skipped: no go tool pprof"
	exit 77
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# Go builds its pprof on first use (about a minute) and caches it: keep the user's cache.
export HOME="${HOME:-$dir}" PPROF_TMPDIR="$dir" GOTOOLCHAIN=local

failed=0
# want TEXT FILE: the text stands in the file, blanks squeezed.
want() {
	if ! tr -s ' \t' ' ' <"$2" | grep -qF -- "$1"; then
		echo "missing: $1"
		echo "--- in $(basename "$2"):"
		cat "$2"
		failed=1
	fi
}

"$write_pprof" "$dir/gz.pb.gz"
"$write_pprof" "$dir/plain.pb" plain
for file in gz.pb.gz plain.pb; do
	"$go" tool pprof -top "$dir/$file" >"$dir/top" 2>"$dir/err"
	want 'File: app' "$dir/top"
	want 'Type: cpu' "$dir/top"
	want 'Duration: 30s, Total samples = 525ms' "$dir/top"
	want '350ms 66.67% 66.67% 350ms 66.67% json::parse' "$dir/top"
	want '150ms 28.57% 95.24% 150ms 28.57% copy_from_iter' "$dir/top"
	want '25ms 4.76% 100% 25ms 4.76% libz.so.1+0x1a40' "$dir/top"
	want '0 0% 100% 450ms 85.71% main' "$dir/top"
	want '[truncated]' "$dir/top"
	# Anything that it complains about ends up here; symbolising again would, too.
	if [ -s "$dir/err" ]; then
		echo "pprof says:"
		cat "$dir/err"
		failed=1
	fi
done
"$go" tool pprof -sample_index=samples -top "$dir/gz.pb.gz" >"$dir/samples" 2>&1
want 'Total samples = 525' "$dir/samples"
want '350 66.67%' "$dir/samples"
"$go" tool pprof -tags "$dir/gz.pb.gz" >"$dir/tags" 2>&1
want 'endpoint: Total 500ms of 525ms' "$dir/tags"
want '350ms (66.67%): GET /items' "$dir/tags"
want '150ms (28.57%): POST /items' "$dir/tags"
want 'phase: Total 525ms of 525ms' "$dir/tags"
want 'stack: Total 75ms of 525ms' "$dir/tags"
want '50ms ( 9.52%): gap' "$dir/tags"
want 't_ms: Total 525ms of 525ms' "$dir/tags"
want '300ms (57.14%): 1s' "$dir/tags"
"$go" tool pprof -tagfocus=phase=measure -top "$dir/gz.pb.gz" >"$dir/focus" 2>&1
want '300ms 57.14% 57.14% 300ms 57.14% json::parse' "$dir/focus"
"$go" tool pprof -raw "$dir/gz.pb.gz" >"$dir/raw" 2>&1
want 'PeriodType: cpu nanoseconds' "$dir/raw"
want 'samples/count cpu/nanoseconds' "$dir/raw"
want '1: 0x1000/0x900000/0x0 /bin/app 00aa11 [FN]' "$dir/raw"
want '[kernel.kallsyms] 00aa11 [FN]' "$dir/raw"
# A profile minus itself is nothing: both sides are read as of one kind.
"$go" tool pprof -diff_base "$dir/plain.pb" -top "$dir/gz.pb.gz" >"$dir/diff" 2>&1
want 'Showing nodes accounting for 0, 0% of 525ms total' "$dir/diff"
exit $failed
