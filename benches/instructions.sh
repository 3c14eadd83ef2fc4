#!/usr/bin/env bash
# Counts the instructions of each hot path with callgrind and compares them with benches/instructions.txt.
#
#   benches/instructions.sh            print both; status 1 when a path has more than 2 instructions above the record
#   benches/instructions.sh --bless    record what was counted
#   benches/instructions.sh --only PART    only the cases whose name has PART in it
#
# Each case runs twice, 16000 and 32000 operations, and the difference of the two counts is divided by the
# difference of operations: what start-up, set-up and warm-up cost drops out. There is no noise in it, but it belongs to
# one toolchain, as the record says. (gungraun and iai count one call, set-up left out; they have neither the amortised
# cost of a path that refills every 64th time nor a gate in instructions, and want a runner of the very same version.)
set -euo pipefail
cd "$(dirname "$0")/.."
record=benches/instructions.txt
few=16000 many=32000
slack=2
bless=no only=
while (($#)); do
  case $1 in
    --bless) bless=yes ;;
    --only) only=${2:?--only needs a part of a name}; shift ;;
    *) echo "$0: $1 is unknown: --bless or --only PART" >&2; exit 2 ;;
  esac
  shift
done
if ! command -v valgrind > /dev/null; then
  echo "NOT RUN HERE: instruction counts, which need valgrind"
  exit 0
fi

binary=$(cargo bench --bench instructions --no-run 2>&1 |
  sed -n 's/.*Executable.*(\(.*\))$/\1/p')
[[ -x $binary ]] || { echo "$0: the bench does not build" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count() { # case, operations
  valgrind --tool=callgrind --callgrind-out-file="$work/out.$$.$BASHPID" "$binary" "$1" "$2" 2>&1 > "$work/said" |
    sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}
declare -A total
names=() overheads=()
while IFS=$'\t' read -r name overhead; do
  names+=("$name") overheads+=("$overhead")
done < <("$binary" --list)
for i in "${!names[@]}"; do
  name=${names[i]}
  [[ -z $only || $name == *"$only"* || $name == loop* || $name == *nothing ]] || continue
  one=$(count "$name" $few) two=$(count "$name" $many)
  [[ $one && $two ]] || { echo "$0: callgrind counted nothing for $name" >&2; exit 2; }
  total[$name]=$((two - one))
done

{
  echo "# Instructions of one operation (one out and its return): without the loop around it, with it, and which it is."
  echo "# $(rustc --version), $(uname -m)"
  for i in "${!names[@]}"; do
    name=${names[i]} overhead=${overheads[i]}
    [[ ${total[$name]:-} ]] || continue
    loop=0
    [[ -z $overhead ]] || loop=${total[$overhead]}
    awk -v t="${total[$name]}" -v loop="$loop" -v n=$((many - few)) -v name="$name" \
      'BEGIN { printf "%7.2f %7.2f  %s\n", (t - loop) / n, t / n, name }'
  done
} > "$work/counted"

if [[ $bless == yes ]]; then
  [[ -z $only ]] || { echo "$0: --bless records all cases: leave out --only" >&2; exit 2; }
  cp "$work/counted" $record
  cat $record
  exit 0
fi
[[ -e $record ]] || { cat "$work/counted"; echo "$0: no $record: record with --bless" >&2; exit 1; }
awk -v slack=$slack -v only="$only" '
  /^#/ { if (FNR == NR) { old_head = $0 } else { new_head = $0 } next }
  { net = $1; $1 = ""; $2 = ""; sub(/^ +/, "") }
  FNR == NR { was[$0] = net; next }
  FNR == 1 || !seen++ { printf "%8s %8s  %s\n", "recorded", "counted", "case" }
  { mark = ""; now[$0] = 1
    if (!($0 in was)) { mark = "   NEW: record it with --bless"; bad = 1 }
    else if (net > was[$0] + slack) { mark = "   MORE than " slack " above the record"; bad = 1 }
    else if (net < was[$0] - slack) { mark = "   fewer: record it with --bless" }
    printf "%8s %8.2f  %s%s\n", was[$0], net, $0, mark }
  END {
    if (only == "") for (name in was) if (!(name in now)) { print "recorded and not counted: " name; bad = 1 }
    if (old_head != new_head) print "recorded with " substr(old_head, 3) ", counted with " substr(new_head, 3)
    exit bad }' $record "$work/counted"
