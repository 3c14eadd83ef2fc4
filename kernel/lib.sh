# What the parts of kernel/run share: packages, a compiler's flags and core, modules, a guest. Sourced, never run.

# ---- what must be here already ----

need_tools() {
  [[ $(uname -m) == x86_64 ]] || unable "this runs an x86-64 kernel and needs an x86-64 machine, this is $(uname -m)"
  local tool package missing=()
  for tool in qemu-system-x86_64:qemu-system-x86 busybox:busybox-static cpio:cpio make:make gcc:gcc ld:binutils \
    apt-get:apt dpkg-deb:dpkg gzip:gzip; do
    package=${tool#*:}
    command -v "${tool%%:*}" > /dev/null || missing+=("$package")
  done
  if command -v readelf > /dev/null && command -v busybox > /dev/null &&
    readelf -l "$(command -v busybox)" | grep -q INTERP; then
    missing+=(busybox-static)
  fi
  if command -v gcc > /dev/null && [[ $(gcc -print-file-name=libc.a) != /* ]]; then missing+=(libc6-dev); fi
  [[ -e $keyring ]] || missing+=(debian-archive-keyring)
  ((${#missing[@]} == 0)) || unable "missing Debian packages; install them: ${missing[*]}"
}

# ---- packages, unpacked and never installed ----

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
apt_options=()

apt_setup() {
  ((${#apt_options[@]} == 0)) || return 0
  local state=$cache/apt mirror=${DEBIAN_MIRROR-}
  # shellcheck disable=SC2016 # the variable is apt's
  [[ -n $mirror ]] || mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' \
    'Label: Debian' 2> /dev/null | head -n 1)
  [[ -n $mirror ]] || unable "apt knows no Debian mirror on this machine: set DEBIAN_MIRROR"
  mkdir -p "$state"/{lists/partial,cache/archives/partial,debs}
  : > "$state/status"
  for part in "$suite" "$suite-backports"; do
    echo "deb [arch=amd64 signed-by=$keyring] $mirror $part main"
  done > "$state/sources.list"
  apt_options=(-qq -o "Dir::Etc::SourceList=$state/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
    -o "Dir::State=$state" -o "Dir::State::lists=$state/lists" -o "Dir::State::status=$state/status"
    -o "Dir::Cache=$state/cache" -o APT::Sandbox::User=root -o APT::Architecture=amd64 -o APT::Architectures::=amd64
    -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
    -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false
    -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 -o APT::Update::Error-Mode=any)
  say "reading the package lists of $suite and $suite-backports"
  apt-get "${apt_options[@]}" update > "$state/log" 2>&1 ||
    unable "cannot fetch the package lists from $mirror: $(why "$state/log")"
}

# The first error in a log of apt's.
why() { grep -m 1 '^E:\|^Err\|^W:' "$1" || tail -n 1 "$1"; }

# fetch DIR PACKAGE...: unpacks packages into DIR.
fetch() {
  local into=$1 state=$cache/apt deb
  shift
  rm -rf "$state/debs"
  mkdir -p "$state/debs" "$into"
  (cd "$state/debs" && apt-get "${apt_options[@]}" download "$@") > "$state/log" 2>&1 ||
    unable "cannot fetch $*: $(why "$state/log")"
  for deb in "$state"/debs/*.deb; do
    case $deb in
      # of 40 MB only the library is wanted
      */rust-src_*) dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$into" --wildcards './usr/src/rustc-*/library' ;;
      *) dpkg-deb -x "$deb" "$into" ;;
    esac
  done
  rm -rf "$state/debs"
}

# The newest version of a package in the lists, or nothing.
newest() { apt-cache "${apt_options[@]}" madison "$1" | awk -F ' *[|] *' 'NR == 1 { print $2 }'; }
has_version() { apt-cache "${apt_options[@]}" show "$1=$2" > /dev/null 2>&1; }

# Libraries of the suite, because what is compiled for it may want a newer C library than this machine has.
fetch_libraries() {
  [[ -d $cache/lib ]] && return
  apt_setup
  rm -rf "$cache/lib.new"
  fetch "$cache/lib.new" libc6 libelf1t64 zlib1g libzstd1
  mv "$cache/lib.new" "$cache/lib"
}

fetch_kernel() {
  local tree=$cache/linux-${kernel_pin%%:*} new=$cache/linux.new elf
  if [[ ! -d $tree ]]; then
    apt_setup
    release=${kernel_pin%%:*} version=${kernel_pin#*:}
    # headers leave a mirror before binaries do
    if ! has_version "linux-headers-$release-$flavour" "$version"; then
      release=$(apt-cache "${apt_options[@]}" pkgnames linux-headers- |
        sed -n "s/^linux-headers-\([0-9].*\)-$flavour\$/\1/p" | sort -V | tail -n 1)
      [[ -n $release ]] || fail "no kernel of flavour $flavour in $suite-backports"
      version=$(newest "linux-headers-$release-$flavour")
    fi
    say "fetching Linux $version"
    rm -rf "$new"
    fetch "$new" "linux-binary-$release-$flavour=$version" "linux-headers-$release-$flavour=$version" \
      "linux-headers-$release-common=$version" "linux-kbuild-$release=$version"
    # Without it kbuild makes no BTF for the module, for which it would want a very new pahole.
    rm -f "$new/usr/src/linux-headers-$release-$flavour/vmlinux"
    # kbuild's two programs of this architecture run with the suite's C library
    for elf in "$new/usr/lib/linux-kbuild-$release"/{scripts/mod/modpost,tools/objtool/objtool}.real-*; do
      mv "$elf" "$elf.elf"
      # shellcheck disable=SC2016 # the variable is of the run that uses it
      printf '#!/bin/sh\nexec "$SUITE_LIB/ld-linux-x86-64.so.2" --library-path "$SUITE_LIB" "$0.elf" "$@"\n' > "$elf"
      chmod +x "$elf"
    done
    echo "$release $version" > "$new/release"
    mv "$new" "$tree"
  fi
  read -r release version < "$tree/release"
  [[ $version == "${kernel_pin#*:}" ]] ||
    say "Linux ${kernel_pin#*:} has left the mirror; this is the newest of $suite-backports, $version"
  linux=$tree
  common=$tree/usr/src/linux-headers-$release-common
  headers=$tree/usr/src/linux-headers-$release-$flavour
}

# Sets `rustc` and `library`: the pinned compiler if Debian has its core source, otherwise compiler and source of the
# suite, which is the compiler that the kernel itself was built with.
choose_rust() {
  local pinned='' source
  rustc=("${RUSTC:-rustc}")
  # in the crate, rustup takes the version of rust-toolchain.toml
  if [[ ${RUST-} != debian ]]; then
    pinned=$(cd "$crate" && "${rustc[@]}" --version 2> /dev/null | awk '{ print $2 }') || pinned=
  fi
  if [[ -n $pinned && ! -d $cache/rust-$pinned && ! -e $cache/rust-$pinned.none ]]; then
    apt_setup
    source=$(apt-cache "${apt_options[@]}" madison rust-src | awk -F ' *[|] *' -v v="$pinned+" \
      'index($2, v) == 1 { print $2; exit }')
    if [[ -n $source ]]; then
      say "fetching the source of core $source"
      rm -rf "$cache/rust.new"
      fetch "$cache/rust.new" "rust-src=$source"
      mv "$cache/rust.new" "$cache/rust-$pinned"
    else
      : > "$cache/rust-$pinned.none"
    fi
  fi
  if [[ -n $pinned && -d $cache/rust-$pinned ]]; then
    rust=$cache/rust-$pinned
  else
    [[ ${RUST-} == debian ]] || say "no core source for rustc '${pinned:-(none)}' in $suite or $suite-backports"
    rust=$cache/rust-debian
    fetch_debian_rust
    local lib=$rust/usr/lib/x86_64-linux-gnu
    # shellcheck disable=SC2016 # the variable is of the run that uses it
    printf '#!/bin/sh\nexec "$SUITE_LIB/ld-linux-x86-64.so.2" --library-path "%s:$SUITE_LIB" "%s" "$@"\n' "$lib" \
      "$rust/usr/bin/rustc" > "$rust/rustc"
    chmod +x "$rust/rustc"
    rustc=("$rust/rustc")
  fi
  library=$(echo "$rust"/usr/src/rustc-*/library)
  [[ -d $library/core ]] || fail "no core in $library"
  rust_version=$("${rustc[@]}" --version | awk '{ print $2 }')
  say "rustc $rust_version, core of ${library%/library}"
}

fetch_debian_rust() {
  [[ -e $rust/usr/lib/rustlib ]] && return
  apt_setup
  local version libs
  version=$(apt-cache "${apt_options[@]}" madison rustc | awk -F ' *[|] *' -v s="$suite/main" \
    'index($3, s " ") { print $2; exit }')
  [[ -n $version ]] || fail "no rustc in $suite"
  say "fetching rustc and core $version of Debian"
  # the compiler is a library, and needs libraries
  mapfile -t libs < <(apt-cache "${apt_options[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts \
    --no-breaks --no-replaces --no-enhances "libstd-rust-$(cut -d. -f1,2 <<< "$version")" | grep -E '^(lib|zlib)' |
    sort -u)
  rm -rf "$rust.new"
  # macros are compiled for this machine, against its own library
  fetch "$rust.new" "rustc=$version" "rust-src=$version" "libstd-rust-dev=$version" "${libs[@]}"
  mv "$rust.new" "$rust"
}

# ---- Rust for the kernel ----

# The flags of Makefile and arch/x86/Makefile for this kernel's configuration, over the built-in bare-metal target.
kernel_rust_flags() {
  local unstable
  unstable=$("${rustc[@]}" -Z help)
  # shellcheck disable=SC2054 # rustc's commas
  flags=(--target x86_64-unknown-none -Cpanic=abort -Cembed-bitcode=n -Clto=n -Cforce-unwind-tables=n
    -Ccodegen-units=1 -Csymbol-mangling-version=v0 -Crelocation-model=static -Copt-level=2 -Cdebug-assertions=n
    -Coverflow-checks=y -Ctarget-cpu=x86-64 -Ztune-cpu=generic -Cno-redzone=y -Ccode-model=kernel -Zplt=y
    -Zcf-protection=branch -Zfunction-return=thunk-extern -Zpatchable-function-entry=16,16)
  if grep -q ' no-jump-tables=' <<< "$unstable"; then flags+=(-Zno-jump-tables); else flags+=(-Cjump-tables=n); fi
  if grep -q ' retpoline-external-thunk=' <<< "$unstable"; then
    flags+=(-Zretpoline-external-thunk)
  else
    # shellcheck disable=SC2054
    flags+=(-Ctarget-feature=+retpoline-external-thunk,+retpoline-indirect-branches,+retpoline-indirect-calls)
  fi
}

# build_core: core and alloc for the kernel, as the sysroot $sysroot; an error in it is the crate's, or the compiler's.
build_core() {
  local out edition common
  sysroot=$cache/sysroot-$rust_version-$(cksum <<< "${flags[*]}" | cut -d' ' -f1)
  [[ -d $sysroot ]] && return
  say "building core and alloc"
  rm -rf "$cache/sysroot-$rust_version"-*
  out=$sysroot.new/lib/rustlib/x86_64-unknown-none/lib
  mkdir -p "$out"
  edition=$(sed -n 's/^edition = "\(.*\)"$/\1/p' "$library/core/Cargo.toml")
  common=(--crate-type rlib --cap-lints allow -Zforce-unstable-if-unmarked --emit link,metadata --out-dir "$out")
  "${rustc[@]}" "${flags[@]}" --crate-name core --edition "$edition" "${common[@]}" "$library/core/src/lib.rs" \
    2> "$cache/log" || fail "core does not build: $(grep -m 1 ^error "$cache/log")"
  # `#![no_std]` names this crate; there is nothing in it that is wanted
  printf '#![feature(compiler_builtins)]\n#![compiler_builtins]\n#![no_builtins]\n#![no_std]\n' > "$sysroot.new/nothing.rs"
  "${rustc[@]}" "${flags[@]}" --crate-name compiler_builtins --edition 2021 --sysroot="$sysroot.new" "${common[@]}" \
    "$sysroot.new/nothing.rs" 2> "$cache/log" || fail "compiler_builtins does not build: $(grep -m 1 ^error "$cache/log")"
  "${rustc[@]}" "${flags[@]}" --crate-name alloc --edition "$edition" --sysroot="$sysroot.new" "${common[@]}" \
    "$library/alloc/src/lib.rs" 2> "$cache/log" || fail "alloc does not build: $(grep -m 1 ^error "$cache/log")"
  mv "$sysroot.new" "$sysroot"
}

# cargo_kernel CRATE_DIR CARGO_DIR FLAG: builds a crate with the kernel's flags. Those are for the target alone: macros run on this
# machine. What cargo says is in $build/cargo.log.
cargo_kernel() {
  local target_flags="${flags[*]}"
  (cd "$1" && RUSTC=${rustc[0]} CARGO_TARGET_DIR=$2 \
    RUSTFLAGS="${target_flags#--target x86_64-unknown-none } --sysroot=$sysroot $3" \
    cargo build --locked --quiet --release --target x86_64-unknown-none) 2> "$build/cargo.log"
}

# link_rust OUT ARCHIVE_OR_OBJECT... -- ROOT...: one relocatable object with what the roots reach, and without a stranger in it.
link_rust() {
  local out=$1 inputs=() roots=() drop=() symbol
  shift
  while [[ $1 != -- ]]; do inputs+=("$1"); shift; done
  shift
  for symbol; do roots+=(-u "$symbol"); done
  ld -r --gc-sections "${roots[@]}" -o "$out" "${inputs[@]}"
  # ld keeps the names of what only dropped sections called, soft float for one; modpost would miss them
  while read -r symbol; do drop+=(-N "$symbol"); done < <(comm -23 <(nm -u "$out" | awk '{ print $2 }' | sort) \
    <(readelf -rW "$out" | awk '{ print $5 }' | sort -u))
  objcopy "${drop[@]}" "$out"
  # kbuild must neither build it nor miss how it was built
  echo "savedcmd_${out##*/} := true" > "${out%/*}/.${out##*/}.cmd"
}

# ---- modules and guests ----

# gcc before 14 lacks one flag that the kernel uses
kernel_gcc() {
  cat > "$build/cc" << 'EOF'
#!/bin/bash
for arg; do
  case $arg in
    -fmin-function-alignment=*)
      echo | gcc "$arg" -E - > /dev/null 2>&1 || arg=-falign-functions=${arg#*=} ;;
  esac
  args+=("$arg")
done
exec gcc "${args[@]}"
EOF
  chmod +x "$build/cc"
}

# kbuild NAME OBJECT...: builds module NAME in $build from its C files and Rust objects.
kbuild() {
  local name=$1
  shift
  printf 'obj-m += %s.o\n%s-y := %s\n' "$name" "$name" "$*" >> "$build/Makefile"
}

make_modules() {
  # the package's own has the path where it would have been installed
  printf 'KBUILD_OUTPUT = %s\ninclude %s/Makefile\n' "$headers" "$common" > "$headers/Makefile"
  make -j2 -C "$headers" M="$build" CC="$build/cc" CROSS_COMPILE= modules > "$build/make.log" 2>&1 ||
    fail "the module does not build: $(grep -m 1 -i 'error' "$build/make.log"); see $build/make.log"
}

# guest_root: an empty root with busybox in it, and uapi headers that this machine's are too old for.
guest_root() {
  root=$build/root uapi=$build/uapi
  local header
  mkdir -p "$uapi/linux/io_uring" "$root"/{bin,dev,proc,sys}
  for header in netdev.h io_uring.h io_uring/zcrx.h; do
    sed 's/__DECLARE_FLEX_ARRAY(\(.*\), \(.*\));/\1 \2[0];/' "$common/include/uapi/linux/$header" > "$uapi/linux/$header"
  done
  cp "$(command -v busybox)" "$root/bin/busybox"
  ln -s busybox "$root/bin/sh"
}

# guest_program NAME FILE: compiles a program into the root.
guest_program() {
  gcc -O1 -Wall -static -I "$uapi" -o "$root/$1" "$2" 2> "$build/$1.log" ||
    fail "${2##*/} does not build: $(grep -m 1 error "$build/$1.log")"
}

# guest_pack INIT MODULE...: the root with its first process and modules becomes $build/initrd.gz.
guest_pack() {
  cp "$1" "$root/init"
  chmod +x "$root/init"
  shift
  local module
  for module; do
    strip --strip-debug -o "$root/$module.ko" "$build/$module.ko"
  done
  (cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) > "$build/initrd.gz"
}

# boot LIMIT MARK APPEND QEMU_ARGUMENT...: boots the guest; its console is in $build/console. MARK is the first thing that ours says.
boot() {
  local limit=$1 mark=$2 append=$3 attempt
  shift 3
  # Emulated processors now and then hang while Linux starts. A guest in which nothing of ours ran says nothing of us.
  for attempt in 1 2; do
    # A warning or a Rust panic ends the guest, and with it the counts. QEMU's status says nothing.
    timeout --foreground "$((limit * attempt))" qemu-system-x86_64 -accel "${guest_accel:-tcg,thread=multi}" \
      -cpu "${guest_cpu:-max}" -machine q35 -m 512 -smp "${guest_cpus:-2}" \
      -nographic -no-reboot -nodefaults -serial stdio -kernel "$linux/usr/lib/modules/$release-$flavour/vmlinuz" \
      -initrd "$build/initrd.gz" "$@" -append "console=ttyS0 printk.devkmsg=on log_buf_len=2M loglevel=7 panic=-1 \
oops=panic panic_on_warn=1 $append" < /dev/null > "$build/console.raw" 2>&1 || true
    tr -d '\r' < "$build/console.raw" > "$build/console"
    grep -q "$mark" "$build/console" && return
    say "Linux did not come as far as its first process"
  done
}

# ---- what a console says ----

count() { grep -cE "$1" "$build/console" || true; }
splats() {
  count 'BUG:|WARNING:|Oops|Call Trace:|Kernel panic|UBSAN:|KASAN:|general protection|rcu:.*stall|stalled pool|Rust panicked'
}
# expect NAME VALUE WANTED: notes in `wrong` what is not as it must be.
expect() { [[ $2 == "$3" ]] || wrong+=("$1 is ${2:-missing}, not $3"); }
# complain: says what is wrong, and how the console ends.
complain() {
  printf 'kernel/run: %s\n' "${wrong[@]}" "the console is in $build/console, and ends:" >&2
  tail -n 12 "$build/console" >&2
}
