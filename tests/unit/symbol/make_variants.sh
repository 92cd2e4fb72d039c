#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the symboliser's test programs: make_variants.sh SOURCE_DIR OUT_DIR
# What needs a tool that is missing is left out; its tests then skip.
set -eu
src=$1 out=$2
rm -rf "$out"
mkdir -p "$out/.debug"
cc="gcc -O2 -g -fcf-protection=none"

$cc "$src/zoo_sym.c" -o "$out/full"
$cc -no-pie -static "$src/zoo_sym.c" -o "$out/static"
$cc -fcf-protection=full -Wl,-z,ibtplt "$src/zoo_sym.c" -o "$out/cet"
$cc -Wl,-z,now "$src/zoo_sym.c" -o "$out/now"
$cc -Wl,--no-eh-frame-hdr "$src/zoo_sym.c" -o "$out/nohdr"
$cc -fno-asynchronous-unwind-tables -fno-unwind-tables "$src/zoo_sym.c" -nostartfiles \
	-Wl,-e,main -Wl,--build-id=none -o "$out/debugframe"
objcopy --compress-debug-sections=zlib "$out/debugframe" "$out/packed"
g++ -O2 -g "$src/zoo_sym.cpp" -o "$out/cpp"

# stripped, with its symbols in a separate file found by name and checksum
gcc -O2 -g -fcf-protection=none -Wl,--build-id=none "$src/zoo_sym.c" -o "$out/linked.full"
objcopy --only-keep-debug "$out/linked.full" "$out/.debug/linked.debug"
strip -s "$out/linked.full" -o "$out/linked"
objcopy --add-gnu-debuglink="$out/.debug/linked.debug" "$out/linked"
strip -s "$out/full" -o "$out/stripped"

# the same by build id
id=$(readelf -n "$out/full" | sed -n 's/.*Build ID: //p')
mkdir -p "$out/root/.build-id/$(echo "$id" | cut -c1-2)"
objcopy --only-keep-debug "$out/full" \
	"$out/root/.build-id/$(echo "$id" | cut -c1-2)/$(echo "$id" | cut -c3-).debug"

if command -v dwz >/dev/null; then # what two programs share, in a file of its own
	cp "$out/full" "$out/dwz"
	cp "$out/full" "$out/dwz.twin"
	dwz -m "$out/dwz.alt" -r "$out/dwz" "$out/dwz.twin"
fi
if command -v xz >/dev/null; then
	objcopy -S --strip-debug --keep-symbol=zoo_local --keep-symbol=zoo_outer "$out/full" \
		"$out/mini.tmp"
	xz -f "$out/mini.tmp"
	objcopy --add-section .gnu_debugdata="$out/mini.tmp.xz" "$out/stripped" "$out/mini"
fi
if command -v ld.lld >/dev/null && command -v clang >/dev/null; then
	clang -w -O2 -g -fuse-ld=lld "$src/zoo_sym.c" -o "$out/lld"
	clang -w -O2 -g -gdwarf-4 -gno-pubnames "$src/zoo_sym.c" -o "$out/clang"
fi
if command -v rustc >/dev/null; then
	rustc -C opt-level=2 -g "$src/zoo_sym.rs" -o "$out/rust" 2>/dev/null || rm -f "$out/rust"
fi
touch "$out/stamp"
