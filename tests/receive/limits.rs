//! Options that belong together or do not, numbers at their ends, and limits of the machine: each ends at once with a sentence.

use crate::made::{Pcap, data, frames, write};
use crate::{GVE, HNS3, RECEIVE, fails, run};
use netmem_sim::nic::traffic::HAS_TAP;
use std::process::Command;

#[test]
fn bad_input_is_named_and_has_status_2() {
    let foreign = write("foreign.pcap", b"GIF89a, which is no capture");
    let empty = write("empty.pcap", b"");
    for (args, text) in [
        (&["--pcap", &foreign][..], "neither pcap nor pcapng"),
        (&["--pcap", &empty], "is empty"),
        (&["--pcap", "no-such-file"], "cannot open no-such-file"),
        (&["--pcap", "/"], "cannot read / at byte 0"),
        (&["--pcap", "/dev/zero"], "it starts with [00, 00, 00, 00]"),
        (&["--packets", "0"], "at least 1"),
        (&["--packets", "many"], "not a whole number"),
        (&["--size", "8"], "generate at least 16"),
        (&["--size", "100..50"], "smaller size first"),
        (&["--ports", "7,7"], "two different ports"),
        (&["--dma", "magic"], "coherent, bounce, iommu"),
        (&["--provider", "tape"], "page, huge, dmabuf or zcrx"),
        (&["--provider", "zcrx", "--rebind", "2"], "bound once"),
        (&["--niov-size", "5000"], "power of two from 4096"),
        (&["--device-memory", "32", "--niov-size", "65536"], "do not divide into net_iovs"),
        (&["--device-memory", "6"], "multiple of 4096"),
        (&["--tap", "a/b"], if HAS_TAP { "not a name for a TAP device" } else { "--features netmem-sim/tap" }),
        (&["--device-memory", "8", "--size", "9000"], "queue 1 had too few buffers"),
        (&["--fast"], "--fast"),
        (&["--pcap"], "--pcap needs a value"),
        (&["stray"], "stray"),
    ] {
        let output = fails(args, 2, text);
        assert!(output.stdout.is_empty(), "{output:?}");
    }
}

#[test]
fn an_option_that_would_do_nothing_is_refused_with_its_owner() {
    let file = data("udp.pcap");
    let pcap = ["--pcap", &file];
    let (generator, net_iovs) = ("belongs to the generator", "belongs to --provider dmabuf and zcrx");
    for (source, option, text) in [
        (&pcap[..], &["--packets", "3"][..], "--packets belongs to the generator and --tap"),
        (&pcap, &["--seed", "9"], generator),
        (&pcap, &["--size", "99"], generator),
        (&pcap, &["--hostile", "9"], generator),
        (&pcap, &["--tap"], "choose one"),
        (&["--tap"], &["--seed", "9"], generator),
        (&["--tap"], &["--size", "99"], generator),
        (&["--tap"], &["--hostile", "9"], generator),
        (&["--tap"], &["--strict"], "--strict belongs to --pcap"),
        (&["--tap"], &["--max-frame", "9000"], "--max-frame belongs to the generator and --pcap"),
        (&[], &["--strict"], "--strict belongs to --pcap"),
        (&["--provider", "page"], &["--niov-size", "4096"], net_iovs),
        (&["--provider", "page"], &["--niov-size", "3"], net_iovs),
        (&["--provider", "huge"], &["--device-memory", "64"], net_iovs),
        (&[], &["--stage", "page"], "--stage belongs to `port_hns3` and `port_gve`"),
        (&["--packets", "9"], &["--hostile", "10"], "use at most 9"),
        (&["--packets", "20"], &["--rebind", "10"], "--rebind 10 needs 21 packets"),
    ] {
        // In either order.
        fails(&[source, option].concat(), 2, text);
        fails(&[option, source].concat(), 2, text);
    }
    for port in [&HNS3, &GVE] {
        for (args, text) in [
            (&["--provider", "dmabuf"][..], "--provider is for `receive`"),
            (&["--rebind", "3"], "--rebind is for `receive`"),
            (&["--tap"], "--tap is for `receive`"),
            (&["--niov-size", "8192"], "--niov-size belongs to --stage devmem"),
            (&["--stage", "netmem", "--device-memory", "64"], "--device-memory belongs to --stage devmem"),
            (&["--strict"], "--strict belongs to --pcap"),
            (&["--pcap", &file, "--seed", "3"], generator),
            (&["--stage", "tape"], "page, netmem or devmem"),
        ] {
            port.fails(args, 2, text);
        }
    }
}

#[test]
fn numbers_at_their_ends_are_honoured_or_refused_at_once() {
    for number in ["9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616"] {
        for option in ["--packets", "--rebind", "--device-memory", "--niov-size", "--hostile", "--size", "--max-frame"]
        {
            fails(&[option, number], 2, number);
        }
        fails(&["--size", &format!("16..{number}")], 2, "");
    }
    for (args, text) in [
        (&["--packets", "10000000001"][..], "too much: use at most 10000000000"),
        (&["--rebind", "100001"], "too much: use at most 100000"),
        (&["--rebind", "0"], "at least 1"),
        (&["--device-memory", "4194305"], "too much: use at most 4194304"),
        (&["--device-memory", "3"], "at least 4"),
        (&["--niov-size", "4194304"], "power of two from 4096 to 2097152"),
        (&["--max-frame", "59"], "at least 60"),
        (&["--max-frame", "65537"], "at most 65536"),
        (&["--hostile", "0"], "at least 1"),
        (&["--seed", "18446744073709551616"], "at most 18446744073709551615"),
    ] {
        fails(args, 2, text);
    }
    for args in [
        &["--seed", "18446744073709551615"][..],
        &["--max-frame", "60", "--size", "16..18"],
        &["--niov-size", "2097152", "--device-memory", "131072"],
        &["--hostile", "100"],
        &["--rebind", "49"],
        &["--size", "9174"],
    ] {
        let output = run(&[&["--packets", "100"], args].concat());
        assert!(output.status.success(), "{args:?}: {output:?}");
    }
    // What the help says about sizes is what is checked.
    fails(&["--size", "9175"], 2, "generate at most 9174 bytes");
}

/// Runs it under a limit of the shell.
fn limited(limit: &str, args: &str) -> (Option<i32>, String) {
    let command = format!("ulimit {limit}; exec \"$0\" {args}");
    let output = Command::new("sh").args(["-c", &command]).arg(RECEIVE.path()).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_limit_on_files_is_a_sentence() {
    // In blocks of 512 bytes.
    let (code, said) = limited("-f 200", "--packets 10");
    assert_eq!(code, Some(2), "{said}");
    let sentence =
        "device memory of 67108864 bytes is a file, and this process may write files of 102400 bytes: raise the";
    assert!(said.contains(sentence), "{said}");
    let file = write("limited.txt", b"");
    let (code, said) = limited("-f 0", &format!("--packets 10 --provider page > '{file}'"));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("cannot write to standard output: File too large") && said.contains("ulimit -f"), "{said}");
    let (code, said) = limited("-f 200", "--packets 10 --device-memory 100");
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn no_thread_is_a_sentence() {
    for example in [&RECEIVE, &HNS3, &GVE] {
        // A stack that no machine has, for every thread but the first.
        let output =
            Command::new(example.path()).env("RUST_MIN_STACK", "70368744177664000").arg("--json").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("cannot start the") && !said.contains("panic"), "{said}");
    }
}

#[test]
fn too_little_memory_is_a_sentence() {
    let file = write("memory.pcap", &Pcap::default().file(&frames(10)));
    let mut ended = [0, 0];
    // Debug builds need little more than others. Without the check, some of these abort.
    for kib in (40_000..700_000).step_by(20_000).chain([800_000, 1_500_000]) {
        for args in [format!("--pcap '{file}'"), format!("--pcap '{file}' --provider page --dma bounce")] {
            let (code, said) = limited(&format!("-v {kib}"), &args);
            match code {
                Some(0) => ended[0] += 1,
                Some(2) => {
                    ended[1] += 1;
                    assert!(said.contains(&format!("this process may have {kib} KiB of memory, and needs")), "{said}");
                }
                other => panic!("{kib} KiB: {other:?}, {said}"),
            }
        }
    }
    assert!(ended[0] > 3 && ended[1] > 20, "{ended:?}");
}
