#!/usr/bin/env bash
# Builds benches/dpdk/bench.c as the program OUT, where DPDK is installed. Status 3 where it is not.
#
#   benches/dpdk/build.sh OUT
set -euo pipefail
out=$(realpath -m "${1:?where to}")
cd "$(dirname "$0")"
if ! command -v pkg-config > /dev/null || ! pkg-config --exists libdpdk; then
  echo "no libdpdk (Debian: libdpdk-dev, pkg-config)"
  exit 3
fi
# DPDK copies pointers in bulk by vectors; Debian's flags would leave it those of 2008. (No AVX-512: valgrind has none.)
vectors=()
if grep -qsw avx2 /proc/cpuinfo; then vectors=(-mavx2); fi
mkdir -p "$(dirname "$out")"
# shellcheck disable=SC2046 # they are many words
${CC:-cc} -std=gnu11 -O3 -Wall -Wextra -Wno-unused-parameter $(pkg-config --cflags libdpdk) "${vectors[@]}" bench.c -o "$out" \
  -Wl,--as-needed $(pkg-config --libs libdpdk) -lpthread
pkg-config --modversion libdpdk
