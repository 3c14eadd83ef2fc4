# The second and the last part of kernel/run: the driver over a NIC and the kernel's page_pool. Sourced, never run.

nic_doors=(open close poll maker maker_free mem_alloc mem_free stop start stats)

# nic_rust CRATE: the crate in directory CRATE as $build/nic_rust.o.
nic_rust() {
  cargo_kernel "$1/kernel/nic" "$cargo_dir" '--cfg netmem_backend="linux"' || return 1
  link_rust "$build/nic_rust.o" "$cargo_dir/x86_64-unknown-none/release/libnetmem_nic.a" \
    -- "${nic_doors[@]/#/netmem_nic_}"
}

# nic_module CRATE: the whole module, from Rust and C of directory CRATE.
nic_module() {
  nic_rust "$1" || return 1
  cp "$1"/kernel/nic/*.[ch] "$build/"
  : > "$build/Makefile"
  # one source, two objects: kbuild shares none between modules
  cp "$build/nic.c" "$build/nic_c.c"
  kbuild netmem_nic nic.o seam.o nic_rust.o
  kbuild netmem_nic_c nic_c.o baseline.o
  make_modules
}

# nic_helper NAME: starts a program of this machine, and waits for the line that it says at once. Its number is in $helper.
nic_helper() {
  rm -f "$build/$1.said"
  "$build/$1" > "$build/$1.said" &
  helper=$!
  while [[ ! -s $build/$1.said ]]; do
    kill -0 "$helper" 2> /dev/null || fail "$1 has ended"
    read -rt 0.05 < <(:) || :
  done
}

# nic_boot LIMIT STEPS APPEND [QEMU_ARGUMENT...]: a guest that takes the steps. Its wire has slirp on it, which ends TCP inside QEMU
# and leads to the server, and a neighbour that sends nonsense.
nic_boot() {
  local limit=$1 steps=$2 append=$3 helper helpers=() own theirs
  shift 3
  nic_helper serve
  helpers+=("$helper")
  # What counts instructions has no neighbour, and the same packets each time.
  local wire=(-netdev user,id=net)
  if [[ -z ${nic_alone-} ]]; then
    nic_helper inject
    helpers+=("$helper")
    read -r own theirs < "$build/inject.said"
    wire=(-netdev user,id=slirp -netdev "socket,id=neighbour,udp=127.0.0.1:$own,localaddr=127.0.0.1:$theirs"
      -netdev hubport,id=hub0,hubid=0,netdev=slirp -netdev hubport,id=hub1,hubid=0,netdev=neighbour
      -netdev hubport,id=net,hubid=0)
  fi
  boot "$limit" 'nic: Linux ' "nic_port=$(< "$build/serve.said") nic_steps=$steps $append" \
    "${wire[@]}" -device e1000e,netdev=net,mac=52:54:00:12:34:56 "$@"
  kill "${helpers[@]}"
  wait "${helpers[@]}" 2> /dev/null || true
}

# nic_judge STEPS: what the console must say of each step, and of the end. Notes in `wrong`.
nic_judge() {
  local step name number line dropped unsummed
  wrong=()
  for step in ${1//,/ }; do
    name=${step%%:*} number=${step#*:}
    case $name in
      plain | up | devmem | hold | zcrx) line="nic: $name bytes=$number of $number wrong=0" ;;
      ring) line="nic: ring asked=$number error=0 has=$number" ;;
      rebinds) line="nic: rebind done=$number of $number" ;;
      kill) line="nic: kill status=137" ;;
      stats) line="nic: stats same=11 of 11 nonzero=1" ;;
      pools) line="nic: pools count=2 " ;;
      rmmod) line="nic: rmmod=0" ;;
      *) fail "there is no step $step" ;;
    esac
    # as often as the step is taken, and with it what else that name says
    expect "'$line'" "$(count "$line( |\$)")" "$(grep -oE "(^|,)$step(,|\$)" <<< "${1//,/,,}" | wc -l)"
  done
  [[ $1 != *devmem:* ]] || expect "tokens that the kernel took" "$(count 'nic: devmem .* linear=0 lost=0 ')" "$(grep -o 'devmem:' <<< "$1" | wc -l)"
  [[ $1 != *hold:* ]] || expect "a pool that ran dry and came back" "$(count 'nic: hold .* lost=0 .* dry=[1-9]')" 1
  expect insmod "$(count 'nic: insmod=0$')" 1
  expect rmmod "$(count 'nic: rmmod=0$')" 1
  expect "steps that failed" "$(count 'nic: (failed|status|unknown) ')" 0
  expect "packets without headers or without memory" "$(count 'netmem_nic: packets .* (no_memory|headless) [1-9]')" 0
  # The neighbour's packets are dropped where nobody could sum them, and nothing else is dropped.
  read -r dropped unsummed < <(sed -n 's/^.*netmem_nic: packets .* dropped \([0-9]*\) unsummed \([0-9]*\) .*/\1 \2/p' "$build/console" |
    awk '{ dropped += $1; unsummed += $2 } END { print dropped + 0, unsummed + 0 }')
  expect "packets dropped for another reason than their checksum" "$((dropped - unsummed))" 0
  [[ $1 != *devmem:*000000* ]] || expect "unreadable packets with a wrong checksum, dropped" "$((unsummed > 0))" 1
  expect "allocations of Rust that are left" "$(sed -n 's/^.*netmem_nic: allocations left //p' "$build/console")" 0
  expect "what page pools have in flight" "$(sed -n 's/^.*nic: pools //p' "$build/console" | tail -n 1)" \
    "count=0 inflight=0 bytes=0 detached=0"
  expect splats "$(splats)" 0
  expect "the guest's end" "$(count 'nic: end$')" 1
}

# nic_prepare [NAME]: an empty $build, with what every guest has.
nic_prepare() {
  here=$crate/kernel/nic build=$cache/nic${1-} cargo_dir=$cache/cargo${1-}
  rm -rf "$build"
  mkdir -p "$build"
  kernel_gcc
  guest_root
  guest_program guest "$here/guest.c"
  local program
  for program in serve inject; do
    gcc -O1 -Wall -o "$build/$program" "$here/$program.c" 2> "$build/$program.log" ||
      fail "$program.c does not build: $(grep -m 1 error "$build/$program.log")"
  done
}

# The long guest has two CPUs; the second one bounce buffers for every mapping, which a missing sync shows.
nic_steps=plain:64000000,up:64000000,devmem:64000000,zcrx:64000000,stats,ring:256,plain:1000000,hold:20000000,rebinds:100
nic_steps+=,kill:400000000,plain:2000000,rmmod
# Instructions of the receive side, in percent of what C takes.
nic_limit=300
nic_bounce=plain:16000000,up:4000000,ring:64,plain:1000000

# nic_ticks MODULE MEMORY: instructions that a packet cost.
nic_ticks() {
  sed -n "/nic: measuring $1 $2\$/,/rmmod=/s/^.*netmem_nic: ticks a packet \([0-9]*\) of .*/\1/p" "$build/console"
}

# Under -icount the time stamp counter counts instructions. TCG counts each step of `rep movsb`, so the processor has none.
nic_measure() {
  local guest_accel=tcg,thread=single guest_cpu=max,-erms,-fsrm guest_cpus=1 nic_alone=1 memory c rust
  wrong=()
  nic_boot 120 measure:3000000 '' -icount shift=0,sleep=off
  for memory in plain devmem; do
    c=$(nic_ticks netmem_nic_c "$memory") rust=$(nic_ticks netmem_nic "$memory")
    echo "nic: instructions a packet, $memory: C ${c:-none}, Rust ${rust:-none}"
    ((${c:-0} && ${rust:-0} && rust * 100 <= c * nic_limit)) ||
      wrong+=("a packet ($memory) costs ${rust:-?} instructions in Rust and ${c:-?} in C: at most $nic_limit% of that are allowed")
  done
}

part_nic() {
  local wrong=() all=0
  nic_prepare
  nic_module "$crate" || fail "the driver does not build for the kernel: $(grep -m 1 ^error "$build/cargo.log")"
  guest_pack "$here/init" netmem_nic netmem_nic_c
  say "booting Linux $release: the driver"
  nic_boot 120 "$nic_steps" ''
  nic_judge "$nic_steps"
  sed -n 's/^.*\] \(nic: .*=.*\|netmem_nic: .*[0-9]\)$/\1/p' "$build/console"
  ((${#wrong[@]} == 0)) || { complain; all=1; }
  say "booting Linux $release: the driver, with bounce buffers"
  nic_boot 60 "$nic_bounce" swiotlb=force
  nic_judge "$nic_bounce"
  ((${#wrong[@]} == 0)) || { complain; all=1; }
  say "booting Linux $release: instructions a packet"
  nic_measure
  ((${#wrong[@]} == 0)) || { complain; all=1; }
  # The same files are in the guest and in user space: the sum is over what cargo was given.
  echo "nic: drivers/ and handles: $(cd "$crate" && cat drivers/src/*.rs drivers/src/driver/*.rs src/page_pool/*.rs src/netdev/*.rs | sha256sum | cut -c1-16)," \
    "unsafe in drivers: $(cat "$crate"/drivers/src/*.rs "$crate"/drivers/src/*/*.rs | grep -cE '\bunsafe (\{|fn|impl|trait)' || true)"
  echo "nic: steps=$(tr , '\n' <<< "$nic_steps,$nic_bounce" | wc -l) wrong=$all splats=$(splats)"
  return "$all"
}

# nic_mutant NAME FILE FROM TO STEPS [APPEND]: exchanges a text of a file, and says whether a guest notices.
nic_mutant() {
  local name=$1 file=$copy/$2 from=$3 to=$4 steps=$5 append=${6-} text wrong=()
  tried=$((tried + 1))
  ((tried % 2 == worker)) || return 0
  text=$(< "$file")
  [[ ${text//"$from"/} != "$text" ]] || fail "mutant $name: '$from' is not in $2"
  printf '%s\n' "${text/"$from"/"$to"}" > "$file"
  nic_module "$copy" || fail "mutant $name does not build: $(grep -m 1 -A 4 ^error "$build/cargo.log")"
  guest_pack "$here/init" netmem_nic
  nic_boot 25 "$steps" "$append"
  nic_judge "$steps"
  printf '%s\n' "$text" > "$file"
  if ((${#wrong[@]})); then
    say "mutant $name: noticed (${wrong[0]})"
  else
    say "mutant $name: NOT NOTICED"
  fi
}

# Two at a time, each with a copy of the crate.
part_mutants() {
  local worker workers=() log=$cache/mutants noticed missed
  for worker in 0 1; do
    (
      copy=$cache/nic$worker/crate tried=0 guest_cpus=1
      nic_prepare "$worker"
      mkdir -p "$copy/kernel"
      cp -rp "$crate"/{Cargo.toml,Cargo.lock,src,drivers,consumers,docs,README.md,RFC.md} "$copy/"
      cp -rp "$crate/kernel/nic" "$copy/kernel/"
      # what cargo looks for and does not build
      ln -s "$crate"/{benches,compile-fail,sim,tests} "$copy/"
      . "$here/mutants.sh"
    ) > "$log.$worker" 2>&1 &
    workers+=("$!")
  done
  for worker in 0 1; do
    wait "${workers[worker]}" || { cat "$log.$worker" >&2; fail "the mutants could not be tried"; }
  done
  cat "$log.0" "$log.1"
  noticed=$(cat "$log.0" "$log.1" | grep -c ': noticed (') missed=$(cat "$log.0" "$log.1" | grep -c 'NOT NOTICED' || true)
  echo "mutants: tried $((noticed + missed)) of $(grep -c '^nic_mutant ' "$crate/kernel/nic/mutants.sh"), not noticed $missed"
  ((missed == 0 && noticed == $(grep -c '^nic_mutant ' "$crate/kernel/nic/mutants.sh")))
}
