//! The layouts that the crate mirrors, against those of real kernels: `examples/layout`, and facts it recorded.
//!
//! `tests/layouts/7.3.4.txt` and `6.12.117.txt` come from the vmlinux in Debian's linux-headers-*-cloud-amd64 packages,
//! `6.18.44.txt` from a running kernel. To record one again, or another:
//! `cargo run --example layout -- --name 7.3.4 --record tests/layouts/7.3.4.txt PATH/vmlinux`

use example::Example;
use expect_test::expect;
use std::path::Path;
use std::process::Output;

#[path = "../sim/examples/layout/bits.rs"]
mod bits;
#[path = "../sim/examples/layout/btf.rs"]
mod btf;
#[path = "../sim/examples/layout/compare.rs"]
mod compare;
#[path = "../sim/examples/layout/error.rs"]
mod error;
#[path = "../sim/examples/layout/facts.rs"]
mod facts;
#[path = "../sim/examples/layout/input.rs"]
mod input;
#[path = "../sim/examples/layout/meaning.rs"]
mod meaning;

#[path = "layout/build.rs"]
mod build;
mod example;

use compare::{Comparison, Verdict};
use facts::Facts;

const RECORDED: [&str; 3] = ["6.12.117", "6.18.44", "7.3.4"];

static LAYOUT: Example = Example::new("layout");

fn run(args: &[&str]) -> Output {
    LAYOUT.run(args)
}

/// It ends in status 2 and says this.
fn fails(args: &[&str], text: &str) {
    let output = LAYOUT.fails(args, 2, text);
    assert!(output.stdout.is_empty(), "{args:?} says something before it fails");
}

/// Writes a file for this test.
fn file(name: &str, bytes: &[u8]) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().into()
}

fn recorded(version: &str) -> String {
    format!("{}/tests/layouts/{version}.txt", env!("CARGO_MANIFEST_DIR"))
}

fn load(path: &str) -> Facts {
    input::read(Some(Path::new(path)), None).unwrap()
}

/// What does not agree, a line each.
fn disagreement(comparison: &Comparison<'_>) -> String {
    let rows = comparison.rows.iter().filter(|row| row.verdict() != Verdict::Same);
    let theirs = |row: &compare::Row| row.theirs.map_or("-".into(), |theirs| theirs.to_string());
    rows.map(|row| format!("{}.{} {} | {}\n", row.of, row.field, row.ours, theirs(row))).collect()
}

/// What it means, a line each.
fn meaning(comparison: &Comparison<'_>) -> String {
    meaning::of(comparison).iter().map(|sentence| format!("{}\n", sentence.text)).collect()
}

#[test]
#[cfg(not(netmem_linux = "6.18"))]
fn all_of_7_3_agrees() {
    let facts = load(&recorded("7.3.4"));
    let comparison = Comparison::with(&facts);
    assert_eq!(disagreement(&comparison), "");
    assert!(comparison.rows.len() > 25 && comparison.view.is_empty());
}

#[test]
#[cfg(not(netmem_linux = "6.18"))]
fn of_6_18_all_but_the_tail_of_net_iov_agrees() {
    let facts = load(&recorded("6.18.44"));
    let comparison = Comparison::with(&facts);
    expect![[r#"
        net_iov.type 48..52 | 56..64
        net_iov.owner 56..64 | 48..56
    "#]]
    .assert_eq(&disagreement(&comparison));
    expect![[r#"
        netmem_desc agrees: NetmemDesc may be used there.
        This kernel keeps net_iov.owner before net_iov.type: NetIov of this crate must not be used there, NetmemDesc may. In this kernel: type begins at 56 (here at 48) and has 8 bytes (here 4), owner begins at 48 (here at 56). That is the order of 6.18: build with RUSTFLAGS='--cfg netmem_linux="6.18"'.
        net_iov_area agrees: NetIovArea may be used there.
        page agrees: Page may be used there.
        net_iov_type agrees: NetIovType may be used there.
    "#]].assert_eq(&meaning(&comparison));
}

#[test]
#[cfg(not(netmem_linux = "6.18"))]
fn of_6_12_the_page_agrees() {
    let facts = load(&recorded("6.12.117"));
    let comparison = Comparison::with(&facts);
    expect![[r#"
        netmem_desc. 48 bytes | -
        netmem_desc._flags 0..8 | -
        netmem_desc.pp_magic 8..16 | -
        netmem_desc.pp 16..24 | -
        netmem_desc._pp_mapping_pad 24..32 | -
        netmem_desc.dma_addr 32..40 | -
        netmem_desc.pp_ref_count 40..48 | -
        net_iov. 64 bytes | 48 bytes
        net_iov.desc 0..48 | -
        net_iov.type 48..52 | -
        net_iov.owner 56..64 | 24..32
        net_iov_area. 24 bytes | -
        net_iov_area.niovs 0..8 | -
        net_iov_area.num_niovs 8..16 | -
        net_iov_area.base_virtual 16..24 | -
        net_iov_type.NET_IOV_DMABUF = 0 | -
        net_iov_type.NET_IOV_IOURING = 1 | -
    "#]]
    .assert_eq(&disagreement(&comparison));
    expect![[r#"
        This kernel has no netmem_desc, but the pool's fields are where NetmemDesc has them in struct page: NetmemDesc may be used there as a view of a page. Of a net_iov it has pp_magic, pp, dma_addr and pp_ref_count in place, but not _flags and _pp_mapping_pad (__unused_padding lies where _flags is here and owner lies where _pp_mapping_pad is here).
        net_iov differs: NetIov of this crate must not be used there. In this kernel: it has 48 bytes (here 64 bytes), there is no desc, there is no type, owner begins at 24 (here at 56).
        This kernel has no net_iov_area: NetIovArea of this crate must not be used there.
        page agrees: Page may be used there.
        This kernel has no net_iov_type: NetIovType of this crate must not be used there.
    "#]].assert_eq(&meaning(&comparison));
}

/// Built for 6.18, the crate agrees with 6.18.
#[test]
#[cfg(netmem_linux = "6.18")]
fn with_the_cfg_all_of_6_18_agrees() {
    let facts = load(&recorded("6.18.44"));
    assert_eq!(disagreement(&Comparison::with(&facts)), "");
    let facts = load(&recorded("7.3.4"));
    assert!(meaning(&Comparison::with(&facts)).contains("build the crate without --cfg netmem_linux"));
}

#[test]
fn the_status_says_whether_it_agrees() {
    for version in RECORDED {
        let output = run(&[&recorded(version)]);
        let said = String::from_utf8_lossy(&output.stdout);
        let agrees = version.starts_with(netmem::memory::layout::LINUX);
        let matters = meaning::of(&Comparison::with(&load(&recorded(version)))).iter().any(|it| it.matters);
        assert_eq!(matters, !agrees);
        assert_eq!(output.status.code(), Some(if agrees { 0 } else { 1 }), "{version}: {said}");
        assert!(
            said.contains(if agrees { "All that matters agrees." } else { "Not all that matters agrees." }),
            "{said}"
        );
        assert!(said.contains(&format!("and of {version}:")), "{said}");
    }
}

/// A file of facts says what it was written from: it reads as it was written.
#[test]
fn facts_survive_the_file() {
    for version in RECORDED {
        let text = std::fs::read_to_string(recorded(version)).unwrap();
        let facts = Facts::parse(version, &text).unwrap();
        let copy = file(&format!("copy-{version}"), b"");
        facts.write(Path::new(&copy)).unwrap();
        assert_eq!(std::fs::read_to_string(copy).unwrap(), text);
    }
    let from = file("small.btf", &build::kernel(false));
    let to = file("small.txt", b"");
    assert_eq!(run(&["--name", "small one", "--record", &to, &from]).status.code(), run(&[&to]).status.code());
    let mut facts = input::parse("small", &build::kernel(false)).unwrap();
    facts.kernel = "small one".into();
    assert_eq!(load(&to), facts);
}

/// The running kernel, if it has BTF, is like the recorded one of its version.
#[test]
fn the_running_kernel_is_as_recorded() {
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        println!("skipped: this kernel has no /sys/kernel/btf/vmlinux");
        return;
    }
    let record = file("running.txt", b"");
    let output = run(&["--record", &record]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code().is_some_and(|status| status < 2), "{output:?}");
    let running = load(&record);
    let line = |version: &str| version.split(['.', '-']).take(2).map(String::from).collect::<Vec<_>>();
    let Some(version) = RECORDED.iter().find(|version| line(version) == line(&running.kernel)) else {
        println!("skipped: no facts are recorded of a kernel like {}; it says:\n{said}", running.kernel);
        return;
    };
    let facts = load(&recorded(version));
    let (running, facts) = (Comparison::with(&running), Comparison::with(&facts));
    assert_eq!(disagreement(&running), disagreement(&facts), "{said}");
    assert_eq!(meaning(&running), meaning(&facts));
    assert_eq!(output.status.code(), run(&[&recorded(version)]).status.code());
}

/// Every kind of type, in either byte order, bare and in an ELF file: the same facts.
#[test]
fn small_btf_is_read() {
    let facts = input::parse("small", &build::kernel(false)).unwrap();
    expect![[r#"
        netmem layout facts 1
        # cargo run --example layout -- --name "" --record FILE [PATH]
        # struct NAME SIZE, then its members as NAME OFFSET SIZE, in bytes
        kernel 
        struct netmem_desc 48
          _flags 0 8
          pp_magic 8 8
          pp 16 8
          _pp_mapping_pad 24 8
          dma_addr 32 8
          pp_ref_count 40 8
        struct net_iov 64
          desc 0 48
          type 48 4
          owner 56 8
        struct net_iov_area 24
          niovs 0 8
          num_niovs 8 8
          base_virtual 16 8
        struct page 64
          flags 0 8
          lru 8 16
          three 24 0.3
          five 24.3 0.5
          private 40 8
          pp_magic 8 8
          pp 16 8
          _pp_mapping_pad 24 8
          dma_addr 32 8
          pp_ref_count 40 8
          page_type 48 4
          _mapcount 48 4
          _refcount 52 4
          memcg_data 56 8
        enum net_iov_type 4
          NET_IOV_DMABUF 0
          NET_IOV_IOURING 1
    "#]]
    .assert_eq(&facts.to_string());
    assert_eq!(input::parse("big endian", &build::kernel(true)).unwrap(), facts);
    assert_eq!(input::parse("elf", &build::elf(".BTF", &build::kernel(false))).unwrap(), facts);
}

#[test]
fn bad_input_is_named_and_has_status_2() {
    let btf = build::kernel(false);
    let elf = build::elf(".BTF", &btf);
    let patched = |at: usize, byte: u8| {
        let mut patched = btf.clone();
        patched[at] = byte;
        patched
    };
    let mut vmlinuz = vec![0x4d; 0x1000];
    vmlinuz[0x202..0x206].copy_from_slice(b"HdrS");
    let facts = std::fs::read_to_string(recorded("7.3.4")).unwrap();
    let ours = recorded("7.3.4");
    for (i, (bytes, text)) in [
        (&b""[..], "is empty"),
        (b"GIF89a, which is no BTF", "neither BTF nor ELF nor recorded facts: it starts with [47, 49, 46, 38]"),
        (b"\x9f", "it starts with [9f]"),
        (&vmlinuz, "extract-vmlinux"),
        (&btf[..2], "is cut off: it has 2 bytes and its header says 24"),
        (&btf[..24], "is cut off: it has 24 bytes"),
        (&btf[..btf.len() / 2], "is cut off"),
        (&btf[..btf.len() - 1], "is cut off"),
        (&patched(2, 2), "version 2"),
        (&patched(3, 1), "flags 0x1"),
        (&patched(4, 0), "header is shorter"),
        (&patched(btf.len() - 1, b'x'), "last string has no end"),
        (&build::module(), "is that of a module"),
        (&build::program(), "describes no struct page"),
        (&build::cyclic(), "nested without end"),
        (&build::loops(), "refers to itself"),
        (&build::two_pages(), "two different structs page"),
        (&build::newer(), "Unsupported BTF type 31"),
        (&elf[..20], "damaged ELF file"),
        (&elf[..elf.len() - 1], "damaged ELF file"),
        (&build::elf(".text", &btf), "has no .BTF section"),
        (&build::elf(".BTF", b""), ".BTF section is empty"),
        (&build::elf(".BTF", b"what"), "holds no BTF"),
        (&build::elf(".BTF", &btf[..99]), "is cut off: it has 99 bytes"),
        (facts.replace("struct page 64", "struct page x").as_bytes(), "\"struct page x\" has a number of bytes"),
        (facts.replace("kernel 7", "colonel 7").as_bytes(), "line 4: \"colonel 7.3.4\" is no fact"),
        (facts.replace("kernel 7.3.4\n", "").as_bytes(), "no line names the kernel"),
        (facts.replace("IOURING 1", "IOURING one").as_bytes(), "not a whole number"),
        (b"netmem layout facts 1\n  pp 8 8\n", "belongs to no struct"),
    ]
    .into_iter()
    .enumerate()
    {
        fails(&[&file(&format!("bad-{i}"), bytes)], text);
    }
    fails(&["no-such-file"], "cannot read no-such-file");
    fails(&["/"], "cannot read /");
    fails(&["--record", "/no/such/directory/file", &ours], "cannot write /no/such/directory/file");
    fails(&["--record"], "--record needs the name of a file");
    fails(&["--name", ""], "is not a name");
    fails(&["--name", "a\nstruct page 1", &ours], "is not a name");
    fails(&[&ours, &ours], "one path too many");
    fails(&["--fast"], "--fast");
}

/// Whatever the bytes, there is an answer: no panic, no endless loop.
#[test]
fn mutated_input_gets_an_answer() {
    let btf = build::kernel(false);
    let facts = std::fs::read(recorded("6.18.44")).unwrap();
    for (name, bytes, times) in [
        ("little endian", btf.clone(), 6000),
        ("big endian", build::kernel(true), 2000),
        ("elf", build::elf(".BTF", &btf), 4000),
        ("facts", facts, 2000),
    ] {
        let (mut random, mut read) = (build::Random(0x9e37_79b9_7f4a_7c15), 0);
        for _ in 0..times {
            let mut bytes = bytes.clone();
            for _ in 0..=random.below(3) {
                random.mutate(&mut bytes);
            }
            if let Ok(facts) = input::parse(name, &bytes) {
                let comparison = Comparison::with(&facts);
                let _ = (comparison.to_string(), meaning(&comparison));
                read += 1;
            }
        }
        assert!(read > 0 && read < times, "{name}: {read} of {times} could be read, which tests little");
    }
}

/// Cut off anywhere, raw BTF and ELF are refused, and never read as less than they were.
#[test]
fn every_beginning_is_refused() {
    for bytes in [build::kernel(false), build::kernel(true), build::elf(".BTF", &build::kernel(false))] {
        for len in 0..bytes.len() {
            assert!(input::parse("beginning", &bytes[..len]).is_err(), "{len} of {} bytes are enough", bytes.len());
        }
    }
}
