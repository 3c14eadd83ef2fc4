#!/usr/bin/env bash
# Counts the instructions of each hot path with callgrind and compares them with benches/instructions.txt.
#
#   benches/instructions.sh               print both; status 1 when a path has more than 2 above the record
#   benches/instructions.sh --bless       record what was counted
#   benches/instructions.sh --only PART   only the cases whose name has PART in it
#
# Each case does N operations, then 2 N, and the difference of the two counts is divided by N: what the set-up, the first
# refills and the call of the loop cost drops out. There is no noise in it, but it belongs to one toolchain, as the record
# says. (gungraun counts one call of a function. It knows neither the amortised cost of a path that refills every 64th
# time nor a gate in instructions, and wants a runner of the very same version installed.)
set -euo pipefail
cd "$(dirname "$0")/.."
record=benches/instructions.txt
slack=2
bless=no only=
while (($#)); do
  case $1 in
    --bless) bless=yes ;;
    --only) only=${2:?"--only needs a part of a name"} && shift ;;
    *) echo "$0: $1 is unknown: use --bless or --only PART" >&2 && exit 2 ;;
  esac
  shift
done
if [[ $bless == yes && $only ]]; then
  echo "$0: --bless records all cases: leave out --only" >&2
  exit 2
fi
if ! command -v valgrind > /dev/null; then
  echo "NOT RUN HERE: instruction counts, which need valgrind"
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo bench --locked --quiet --bench instructions --no-run # and what it has to say
binary=$(cargo bench --locked --bench instructions --no-run 2>&1 | sed -n 's/.*Executable.*(\(.*\))$/\1/p')
# Callgrind writes part.1, part.2 and so on, one at each mark. A case has three: set-up, N operations, 2 N.
total() { sed -n 's/^totals: //p' "$work/part.$1"; }
# Counts what a program does between its marks. Lines: instructions of N operations, N, case, the case with its loop.
counts() { # program, argument
  rm -f "$work"/part*
  if ! valgrind --tool=callgrind --dump-before=netmem_mark --callgrind-out-file="$work/part" \
    "$@" > "$work/said" 2> "$work/log"; then
    cat "$work/log" >&2
    return 1
  fi
  local n name overhead part=0
  n=$(tail -n 1 "$work/said")
  while IFS=$'\t' read -r name overhead; do
    [[ $name != "$n" ]] || break
    printf '%s\t%s\t%s\t%s\n' $(($(total $((part + 3))) - $(total $((part + 2))))) "$n" "$name" "$overhead"
    part=$((part + 3))
  done < "$work/said"
}
counts "$binary" "$only" > "$work/totals"
{
  echo "# Instructions of one operation (one out and its return): without the loop around it, with it, and which it is."
  echo "# $(rustc --version), $(uname -m)"
  awk -F '\t' '
    { total[$3] = $1; printf "%7.2f %7.2f  %s\n", ($1 - ($4 == "" ? 0 : total[$4])) / $2, $1 / $2, $3 }' "$work/totals"
} > "$work/counted"

status=0
if [[ $bless == yes ]]; then
  cp "$work/counted" $record
  cat $record
else
  [[ -e $record ]] || : > "$work/empty"
  awk -v slack=$slack -v only="$only" '
    /^#/ { head[FILENAME] = substr($0, 3); next }
    { net = $1; $1 = $2 = ""; sub(/^ +/, "") }
    FILENAME == ARGV[1] { was[$0] = net; next }
    !printed++ { printf "%8s %8s  %s\n", "recorded", "counted", "instructions of" }
    { now[$0] = 1; mark = ""
      if (!($0 in was)) { mark = "  <-- new: record it with --bless"; bad = 1 }
      else if (net > was[$0] + slack) { mark = "  <-- MORE than " slack " above the record"; bad = 1 }
      else if (net < was[$0] - slack) mark = "  <-- fewer: record it with --bless"
      printf "%8s %8.2f  %s%s\n", was[$0], net, $0, mark }
    END {
      if (only == "") for (name in was) if (!(name in now)) { print "recorded and not counted: " name; bad = 1 }
      if (head[ARGV[1]] != head[ARGV[2]]) print "recorded with " head[ARGV[1]] ", counted with " head[ARGV[2]]
      exit bad }' "$([[ -e $record ]] && echo $record || echo "$work/empty")" "$work/counted" || status=1
fi

# The peer, counted in the same way, with its loop. It is not in the record, being somebody else's.
if [[ $only ]]; then
  exit $status
fi
dpdk=target/dpdk/bench
if said=$(benches/dpdk/build.sh $dpdk); then
  counts $dpdk COUNT | awk -F '\t' -v version="$said" '{ printf "%8s %8.2f  DPDK %s %s\n", "", $1 / $2, version, $3 }'
else
  echo "NOT RUN HERE: the instructions of DPDK's pools: $said"
fi
exit $status
