# The third part of kernel/run: one trace of operations on the kernel's page_pool and on the crate's engine. Sourced, never run.

trace_doors=(open phase end close bench_open bench bench_close)
trace_record=$crate/kernel/trace/instructions.txt

# trace_rust NAME CARGO_DIR FLAG: the crate of kernel/trace over one backend, as $build/NAME_rust.o. Its doors alone are global.
trace_rust() {
  local name=$1 doors=("${trace_doors[@]/#/$1_}")
  cargo_kernel "$here" "$2" "$3" ||
    fail "the trace does not build for $name: $(grep -m 1 ^error "$build/cargo.log")"
  link_rust "$build/${name}_rust.o" "$2/x86_64-unknown-none/release/libnetmem_trace.a" -- "${doors[@]}"
  # both have a core, an alloc, a netmem and a panic handler, under the same names
  objcopy "${doors[@]/#/--keep-global-symbol=}" "$build/${name}_rust.o"
}

# What the counts belong to.
trace_of() {
  echo "# Linux $version $flavour, rustc $rust_version, $(gcc --version | head -n 1)"
}

# trace_table: the counts on the console, as instructions of one operation.
trace_table() {
  sed -n 's/^.*\] trace: instructions of \([0-9]*\): \(.*\): \([0-9]*\) \([0-9]*\) \([0-9]*\)$/\1\t\2\t\3\t\4\t\5/p' "$build/console" |
    awk -F '\t' '{ printf "%-36s %8.2f %8.2f %8.2f\n", $2, $3 / $1, $4 / $1, $5 / $1 }'
}

# trace_instructions: compares the counts with the record, if that is of this kernel and these compilers. Notes in `wrong`.
trace_instructions() {
  local rows
  rows=$(trace_table)
  {
    echo "# Instructions of one operation and its undoing, with the loop around it. Columns: a driver in C with the kernel's helpers;"
    echo "# PagePool<Page> over the kernel's page_pool; PagePool<Page> over the engine of the crate, compiled as for the kernel."
    trace_of
    echo "$rows"
  } > "$build/instructions.txt"
  expect "rows of instructions" "$(wc -l <<< "$rows")" 6
  if [[ -n ${NETMEM_BLESS-} ]]; then
    cp "$build/instructions.txt" "$trace_record"
    say "recorded kernel/trace/instructions.txt"
  elif [[ $(sed -n 3p "$trace_record") != "$(trace_of)" ]]; then
    say "instructions are not compared with the record, which is of $(sed -n '3s/^# //p' "$trace_record")"
  elif ! diff "$trace_record" "$build/instructions.txt" > "$build/instructions.diff"; then
    wrong+=("instructions are not those of kernel/trace/instructions.txt; NETMEM_BLESS=1 records these: $(< "$build/instructions.diff")")
  fi
}

part_trace() {
  # An instruction is a tick of the clock. Each step of a string instruction would be one; without these features the kernel uses others.
  local guest_accel=tcg,thread=single guest_cpu=max,-erms,-fsrm guest_cpus=1 wrong=() worst unused
  here=$crate/kernel/trace build=$cache/trace
  rm -rf "$build"
  mkdir -p "$build"
  trace_rust linux "$cache/cargo" '--cfg netmem_backend="linux"'
  trace_rust model "$cache/cargo-model" ''
  cp "$here/trace.c" "$crate"/kernel/nic/seam.[ch] "$build/"
  kernel_gcc
  kbuild netmem_trace trace.o seam.o linux_rust.o model_rust.o
  make_modules
  guest_root
  guest_pack "$here/init" netmem_trace
  say "booting Linux $release: a trace on two pools"
  boot 120 'trace: Linux ' '' -icount shift=0,sleep=off
  sed -n 's/^.*\] \(trace: \(ring\|control\|differs\).*\)$/\1/p' "$build/console"
  expect insmod "$(count 'trace: insmod=0$')" 1
  expect rmmod "$(count 'trace: rmmod=0$')" 1
  expect "what was compared" "$(sed -n 's/^.*\] trace: runs=/runs=/p' "$build/console")" \
    "runs=$trace_runs numbers=$((trace_runs * 41 * 17)) different=0"
  # one node has no pages of another
  unused=$(sed -n 's/^.*\] trace: sum of \(.*\): 0$/\1/p' "$build/console" | xargs)
  expect "counters that nothing moved" "$unused" waive
  expect "the control that does nothing wrong" "$(count 'trace: control 0, nothing: equal$')" 1
  expect "controls that were noticed" "$(count 'trace: control [1-9], .*: noticed$')" 5
  expect "allocations of Rust that are left" "$(sed -n 's/^.*trace: allocations left //p' "$build/console")" 0
  expect splats "$(splats)" 0
  expect "the guest's end" "$(count 'trace: end$')" 1
  trace_instructions
  cat "$build/instructions.txt"
  worst=$(trace_table | awk '{ more = $(NF - 1) - $(NF - 2); if (NR == 1 || more > worst) worst = more } END { printf "%.2f", NR ? worst : 99 }')
  awk -v worst="$worst" 'BEGIN { exit !(worst <= 5) }' || wrong+=("a handle over the kernel's pool costs $worst more than C, not at most 5")
  ((${#wrong[@]} == 0)) || complain
  echo "instructions: handles over the kernel's pool cost at most $worst more than the helpers in C"
  echo "trace: $(sed -n 's/^.*\] trace: runs=/runs=/p' "$build/console") controls=$(count 'trace: control [1-9], .*: noticed$') splats=$(splats)"
  ((${#wrong[@]} == 0))
}

# ten lengths and orders of a ring, with and without fragments, four seeds
trace_runs=$((10 * 2 * 4))
