//! A source is read once: standard input, a FIFO, a pipe that is slow, one that does not end. And an output that is gone or full.

use crate::made::{Pcap, data, frames, write};
use crate::{GVE, HNS3, RECEIVE, json, run, run_input};
use example::Example;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Output, Stdio};

use crate::example;

static LAYOUT: Example = Example::new("layout");

fn start(args: &[&str], stdin: Stdio) -> Child {
    let mut command = Command::new(RECEIVE.path());
    command.args(args).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn standard_input_and_pipes_are_read_as_files_are() {
    let bytes = Pcap::default().file(&frames(1000));
    let file = write("thousand.pcap", &bytes);
    let want = json(&run(&["--pcap", &file, "--json"]));
    assert_eq!(want["queues"][0]["packets"], 500);
    let same = |output: Output| {
        assert!(output.status.success(), "{output:?}");
        let report = json(&output);
        for queue in 0..2 {
            for key in ["packets", "bytes", "digest", "dropped"] {
                assert_eq!(report["queues"][queue][key], want["queues"][queue][key], "{report}");
            }
        }
    };
    for name in ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"] {
        same(run_input(&["--pcap", name, "--json"], &bytes));
    }
    // A file as standard input.
    let stdin = File::open(&file).unwrap();
    same(start(&["--pcap", "-", "--json"], stdin.into()).wait_with_output().unwrap());
    for port in [&HNS3, &GVE] {
        let args = ["--stage", "devmem", "--pcap", "-", "--json"];
        let mut child =
            Command::new(port.path()).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        same(child.wait_with_output().unwrap());
    }
}

#[test]
fn a_fifo_is_waited_for() {
    let bytes = std::fs::read(data("udp.pcapng")).unwrap();
    let fifo = format!("{}/receive.fifo", env!("CARGO_TARGET_TMPDIR"));
    let _ = std::fs::remove_file(&fifo);
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let child = start(&["--pcap", &fifo, "--json"], Stdio::null());
    // Opening it waits for the reader, which waits for nobody.
    let mut writer = OpenOptions::new().write(true).open(&fifo).unwrap();
    for piece in bytes.chunks(1000) {
        writer.write_all(piece).unwrap();
    }
    drop(writer);
    let report = json(&child.wait_with_output().unwrap());
    assert_eq!((&report["queues"][0]["packets"], &report["verdict"]), (&28.into(), &"ok".into()));
    std::fs::remove_file(&fifo).unwrap();
}

#[test]
fn what_is_no_capture_is_named_through_a_pipe_as_well() {
    for (bytes, text) in [
        (&b""[..], "standard input is empty"),
        (b"GIF89a, which is no capture", "standard input is neither pcap nor pcapng: it starts with [47, 49, 46, 38]"),
        (&Pcap::default().file(&[])[..20], "standard input is cut off"),
        (&Pcap::default().file(&[]), "standard input is a capture without packets"),
    ] {
        let output = run_input(&["--pcap", "-"], bytes);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(text) && output.stdout.is_empty(), "{said}");
    }
    let null = start(&["--pcap", "/dev/null"], Stdio::null()).wait_with_output().unwrap();
    assert_eq!(null.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&null.stderr).contains("/dev/null is empty"));
}

#[test]
fn a_name_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::OsStr::from_bytes(b"not-\xff-text.pcap");
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, Pcap::default().file(&frames(4))).unwrap();
    let output = Command::new(RECEIVE.path()).arg("--pcap").arg(&path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let output = Command::new(RECEIVE.path()).arg("--dma").arg(name).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

/// Waits until a program takes note of SIGINT: that is what the kernel says of it.
fn takes_note(child: &Child) {
    loop {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
        let both = 1_u64 << (Signal::INT.as_raw() - 1) | 1 << (Signal::TERM.as_raw() - 1);
        if u64::from_str_radix(caught, 16).unwrap() & both == both {
            return;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_signal_has_what_arrived_told() {
    let bytes = Pcap::default().file(&frames(500));
    for signal in [Signal::INT, Signal::TERM] {
        // A pipe that does not end, before a header, within a packet, and after packets; and a generator that would go on
        // for hours.
        for sent in [Some(0), Some(3), Some(bytes.len() - 10), Some(bytes.len()), None] {
            let args: &[_] = match sent {
                Some(_) => &["--pcap", "-", "--json"],
                None => &["--packets", "10000000000", "--json"],
            };
            let mut child = start(args, Stdio::piped());
            let mut stdin = child.stdin.take().unwrap();
            stdin.write_all(&bytes[..sent.unwrap_or(0)]).unwrap();
            takes_note(&child);
            kill_process(Pid::from_child(&child), signal).unwrap();
            let output = child.wait_with_output().unwrap();
            drop(stdin);
            assert_eq!(output.status.code(), Some(3), "{output:?}");
            let report = json(&output);
            assert_eq!((&report["verdict"], &report["interrupted"]), (&"interrupted".into(), &true.into()));
            let got: u64 = (0..2).map(|queue| report["queues"][queue]["packets"].as_u64().unwrap()).sum();
            assert_eq!(report["sent"], got);
            assert!(sent.is_none_or(|_| got <= 500));
        }
    }
}

#[test]
fn a_fifo_without_a_writer_can_be_interrupted() {
    let fifo = format!("{}/receive-nobody.fifo", env!("CARGO_TARGET_TMPDIR"));
    let _ = std::fs::remove_file(&fifo);
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let child = start(&["--pcap", &fifo], Stdio::null());
    takes_note(&child);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    std::fs::remove_file(&fifo).unwrap();
}

/// What it says where standard output is `stdout`.
fn with_stdout(example: &Example, args: &[&str], stdout: Stdio) -> (Option<i32>, String) {
    let child = Command::new(example.path()).args(args).stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Standard output whose reader has gone.
fn closed() -> Stdio {
    let (_gone, writer) = UnixStream::pair().unwrap();
    OwnedFd::from(writer).into()
}

#[test]
fn an_output_that_nobody_reads_is_no_mistake_and_a_full_one_is() {
    let facts = format!("{}/tests/layouts/7.3.4.txt", env!("CARGO_MANIFEST_DIR"));
    let facts = facts.as_str();
    let layout = LAYOUT.run(&[facts]).status.code();
    let wrong = ["--packets", "100", "--dma", "bounce-without-sync"];
    let runs: [(&Example, &[&str], _); 10] = [
        (&RECEIVE, &["--packets", "100"], Some(0)),
        (&RECEIVE, &["--packets", "100", "--json"], Some(0)),
        (&RECEIVE, &["--help"], Some(0)),
        (&RECEIVE, &wrong, Some(1)),
        (&HNS3, &["--packets", "100"], Some(0)),
        (&HNS3, &["--help"], Some(0)),
        (&GVE, &wrong, Some(1)),
        (&GVE, &["--packets", "100", "--json"], Some(0)),
        (&LAYOUT, &[facts], layout),
        (&LAYOUT, &["--help"], Some(0)),
    ];
    for (example, args, status) in runs {
        let (code, said) = with_stdout(example, args, closed());
        assert_eq!(code, status, "{args:?}: {said}");
        assert!(!said.contains("panic") && !said.contains("cannot write"), "{said}");
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let (code, said) = with_stdout(example, args, full.into());
        assert_eq!(code, Some(2), "{args:?}: {said}");
        assert!(said.contains("cannot write to standard output: No space left on device"), "{said}");
    }
    // Nobody hears the complaint, either.
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = Command::new(RECEIVE.path()).arg("--fast").stdout(full()).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn a_reader_that_takes_one_line_gets_it() {
    let mut child = start(&["--packets", "100"], Stdio::null());
    let mut line = [0; 7];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut line).unwrap();
    drop(stdout);
    assert_eq!((&line, child.wait().unwrap().code()), (b"traffic", Some(0)));
}
