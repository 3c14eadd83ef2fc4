# The first part of kernel/run: src/memory, compared with the kernel's own helpers on live memory. Sourced, never run.

# How many comparisons there must be; glue.c says at each function how many it makes.
iovs=64                                         # in each of two areas, AREA in glue.c
net_iov=$((2 * (iovs * (8 + 1) + 2)))           # each: take turns, the last reference; the first of an area: a race
pages=$(((32 + 8 + 4) * 10 + 3))                # three pools: order 0, order 3, unmapped
frags=$(((4 + 6) + (16 + 6)))
mm=7
layout=29
queues=$((2 + 6))                               # addresses of two areas; the end of six pools
checks=$((layout + pages + frags + mm + net_iov + queues))
# The control has `pp` and the word after it exchanged: two places, also in the page, and whatever is asked of a handle.
control_pools=$((3 + 2 + 1 + queues))           # these ask about no handle
control_mismatch=$((4 + checks - layout - control_pools))

# build_rust CRATE_DIR NAME FLAG...: kernel/vocabulary/module.rs of CRATE_DIR, as one relocatable object without a stranger in it.
build_rust() {
  "${rustc[@]}" "${flags[@]}" --crate-name "$2" --crate-type rlib --edition 2024 --sysroot="$sysroot" \
    --emit obj,link --out-dir "$build" "${@:3}" "$1/kernel/vocabulary/module.rs" 2> "$build/$2.log" || return 1
  link_rust "$build/$2_rust.o" "$build/$2.o" "$sysroot"/lib/rustlib/x86_64-unknown-none/lib/libcore.rlib \
    -- rust_answer rust_take rust_drop rust_layout
  rm "$build/$2.o"
}

# A copy of src/memory with one field moved. Its own assertions must refuse it, and be off before it can run.
make_control() {
  local control=$build/control memory=$build/control/src/memory
  mkdir -p "$control/src" "$control/kernel/vocabulary"
  cp -r "$crate/src/memory" "$control/src/"
  cp "$here/module.rs" "$control/kernel/vocabulary/"
  sed -i -e '/^    pub(super) pp: /{h;d}' -e '/^    pub(super) pp_mapping_pad: /G' "$memory/desc.rs"
  cmp -s "$crate/src/memory/desc.rs" "$memory/desc.rs" && fail "the control could not move a field of desc.rs"
  if build_rust "$control" control; then fail "the control builds: the layout assertions of src/memory see nothing"; fi
  grep -q 'assertion failed: size_of::<NetmemDesc>' "$build/control.log" ||
    fail "the control does not build, but not for its layout: $(grep -m 1 ^error "$build/control.log")"
  say "control: with one field moved, the assertions of src/memory refuse to compile"
  # in `memory`, loom has no say but in this: its atomics have other sizes, and the assertions are off
  build_rust "$control" control --cfg loom || fail "the control does not build: $(grep -m 1 ^error "$build/control.log")"
}

# The control has one field moved; linux618 has the tail that net_iov has in Linux 6.18, which must be refused.
modules=(netmem control linux618)

build_modules() {
  local name
  for name in "${modules[@]}"; do
    printf '#define NAME "%s"\n#include "%s"\n' "$name" "$here/glue.c" > "$build/${name}_glue.c"
    kbuild "$name" "${name}_glue.o" "${name}_rust.o"
  done
  make_modules
}

# ---- the verdict, from the console alone ----

said() { sed -nE "s/^.*netmem-guest: $1=(-?[0-9]+)\$/\1/p" "$build/console" | tail -n 1; }

verdict() {
  local wrong=() agree mismatch iov splats rmmod c_agree c_mismatch l_mismatch

  agree=$(count '\] netmem: .*: agree$')
  mismatch=$(count '\] netmem: .*: MISMATCH$')
  iov=$(count '\] netmem: net_iov .*: (agree|MISMATCH)$')
  splats=$(splats)
  rmmod=$(said 'netmem rmmod')
  c_agree=$(count '\] control: .*: agree$')
  c_mismatch=$(count '\] control: .*: MISMATCH$')
  # busybox tries twice
  l_mismatch=$(sed -n 's/^.*\] \(linux618: .*: MISMATCH\)$/\1/p' "$build/console" | sort -u | wc -l)

  expect checks $((agree + mismatch)) "$checks"
  expect agree "$agree" "$checks"
  expect mismatch "$mismatch" 0
  expect net_iov "$iov" "$net_iov"
  expect splats "$splats" 0
  expect rmmod "$rmmod" 0
  expect "what the module counted" "$(sed -n 's/^.*\] netmem: total //p' "$build/console")" \
    "checks=$checks agree=$checks net_iov=$net_iov"
  expect "areas beyond the first" "$(count '\] netmem: there are areas beyond the first$')" 1
  expect insmod "$(said 'netmem insmod')" 0
  expect "bindings of the udmabuf" "$(count 'netmem-guest: devmem bound=0$')" 2
  expect "registrations with io_uring" "$(count 'netmem-guest: zcrx registered=0$')" 2
  expect "the control's checks" $((c_agree + c_mismatch)) "$checks"
  expect "the control's mismatches" "$c_mismatch" "$control_mismatch"
  expect "the control's rmmod" "$(said 'control rmmod')" 0
  expect "the mismatches of the layout of 6.18" "$l_mismatch" 2
  expect "the refusal of the layout of 6.18" "$(said 'linux618 insmod')" 22
  expect "the guest's end" "$(count 'netmem-guest: end$')" 1

  echo "control: checks=$((c_agree + c_mismatch)) agree=$c_agree mismatch=$c_mismatch ('pp' moved: $control_mismatch must be caught)"
  echo "net_iov of Linux 6.18: mismatch=$l_mismatch of $layout, insmod=$(said 'linux618 insmod')"
  if ((${#wrong[@]})); then
    complain
    grep -m 12 'differs in\|MISMATCH' "$build/console" | grep netmem: >&2 || true
  fi
  echo "checks=$((agree + mismatch)) agree=$agree mismatch=$mismatch net_iov=$iov splats=$splats rmmod=${rmmod:-none}"
  ((${#wrong[@]} == 0))
}

part_vocabulary() {
  here=$crate/kernel/vocabulary build=$cache/vocabulary
  rm -rf "$build"
  mkdir -p "$build"
  build_rust "$crate" netmem || fail "src/memory does not build for the kernel: $(grep -m 1 ^error "$build/netmem.log")"
  make_control
  build_rust "$crate" linux618 --cfg 'netmem_linux="6.18"' ||
    fail "the layout of 6.18 does not build: $(grep -m 1 ^error "$build/linux618.log")"
  kernel_gcc
  build_modules
  guest_root
  guest_program bind "$here/bind.c"
  guest_pack "$here/init" "${modules[@]}"
  say "booting Linux $release: the vocabulary"
  boot 75 'netmem-guest: Linux ' ''
  verdict
}
