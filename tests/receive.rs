//! The main job, as a person runs it: `examples/receive`, its status, and what it says.

use example::Example;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Output, Stdio};

#[path = "../examples/receive/digest.rs"]
mod digest;
mod example;

static RECEIVE: Example = Example::new("receive");

fn run(args: &[&str]) -> Output {
    RECEIVE.run(args)
}

fn fails(args: &[&str], status: i32, text: &str) {
    RECEIVE.fails(args, status, text);
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn data(name: &str) -> String {
    format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Writes a file for this test.
fn file(name: &str, bytes: &[u8]) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().into()
}

#[test]
fn every_dma_device_delivers_every_byte() {
    let mut digests = Vec::new();
    for dma in ["coherent", "bounce", "iommu"] {
        let output = run(&["--packets", "20000", "--dma", dma, "--json"]);
        let report = json(&output);
        assert!(output.status.success(), "{dma}: {report}");
        assert_eq!(report["verdict"], "ok");
        let queues = &report["queues"];
        assert_eq!(queues[0]["packets"].as_u64().unwrap() + queues[1]["packets"].as_u64().unwrap(), 20000);
        assert_eq!(queues[0]["device_bytes"], 0);
        assert!(queues[1]["device_bytes"].as_u64().unwrap() > 1_000_000);
        assert_eq!((&queues[0]["outstanding"], &queues[1]["outstanding"]), (&0.into(), &0.into()));
        assert_eq!(report["dma_maps"], report["dma_unmaps"]);
        digests.push([queues[0]["digest"].clone(), queues[1]["digest"].clone()]);
    }
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "the same traffic arrives the same: {digests:?}");
}

#[test]
fn without_the_sync_the_bytes_are_wrong() {
    let output = run(&["--packets", "500", "--dma", "bounce-without-sync", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output);
    let queue = &report["queues"][0];
    assert_eq!(queue["wrong"], queue["packets"], "not one packet is right");
    fails(&["--packets", "500", "--dma", "bounce-without-sync"], 1, "on queue 0 are wrong; queue 0: packet 0");
}

#[test]
fn jumbo_frames_and_small_device_memory() {
    let args = ["--packets", "2000", "--size", "16..9000", "--device-memory", "32", "--niov-size", "8192", "--json"];
    let output = run(&args);
    assert!(output.status.success(), "{output:?}");
    assert_ne!(json(&output)["queues"][1]["alloc_failed"], 0);
}

#[test]
fn a_hostile_device_costs_what_it_broke() {
    let output = run(&["--packets", "5000", "--hostile", "7", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let report = json(&output);
    for queue in 0..2 {
        let queue = &report["queues"][queue];
        let bad_length = queue["drops"]["bad length"].as_u64().unwrap();
        let missing = queue["missing"].as_u64().unwrap();
        // The last frames of a queue are not known to be missing.
        assert!(bad_length > 50 && (missing == bad_length || missing + 1 == bad_length), "{queue}");
        assert_eq!(queue["wrong"], 0);
    }
}

#[test]
fn memory_is_bound_and_unbound_under_traffic() {
    for (provider, rebind, dma) in
        [("dmabuf", "20", "iommu"), ("huge", "5", "bounce"), ("page", "5", "coherent"), ("zcrx", "1", "bounce")]
    {
        let args = ["--packets", "4000", "--provider", provider, "--rebind", rebind, "--dma", dma, "--json"];
        let output = run(&args);
        assert!(output.status.success(), "{output:?}");
        let report = json(&output);
        assert_eq!((report["rebinds"].to_string().as_str(), &report["verdict"]), (rebind, &"ok".into()));
        let unreadable = report["queues"][1]["device_bytes"].as_u64().unwrap();
        assert_eq!(unreadable != 0, ["dmabuf", "zcrx"].contains(&provider), "{provider}: {unreadable}");
    }
}

#[test]
fn queue_1_has_memory_of_any_provider() {
    for provider in ["page", "huge", "zcrx"] {
        let output = run(&["--packets", "4000", "--provider", provider, "--dma", "bounce", "--json"]);
        assert!(output.status.success(), "{output:?}");
        let unreadable = json(&output)["queues"][1]["device_bytes"].as_u64().unwrap();
        assert_eq!(unreadable != 0, provider == "zcrx");
    }
}

#[test]
fn captures_arrive_frame_by_frame() {
    let reports: Vec<_> = ["udp.pcap", "udp.pcapng"]
        .iter()
        .map(|name| {
            let output = run(&["--pcap", &data(name), "--dma", "bounce", "--json"]);
            assert!(output.status.success(), "{output:?}");
            json(&output)
        })
        .collect();
    let queues = |report: &Value| report["queues"].as_array().unwrap().clone();
    for (old, new) in queues(&reports[0]).iter().zip(&queues(&reports[1])) {
        assert_eq!((&old["packets"], &old["digest"]), (&28.into(), &new["digest"]));
    }
    assert!(reports[0]["queues"][1]["device_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn bad_input_is_named_and_has_status_2() {
    let capture = std::fs::read(data("udp.pcap")).unwrap();
    let cut = file("cut.pcap", &capture[..capture.len() - 7]);
    let foreign = file("foreign.pcap", b"GIF89a, which is no capture");
    let empty = file("empty.pcap", b"");
    // The link type stands at byte 20 of the file's header: 113 is "Linux cooked", what tcpdump -i any writes.
    let mut cooked = capture.clone();
    cooked[20..24].copy_from_slice(&113_u32.to_le_bytes());
    let cooked = file("cooked.pcap", &cooked);
    for (args, text) in [
        (&["--pcap", &cut][..], "is cut off"),
        (&["--pcap", &foreign], "neither pcap nor pcapng"),
        (&["--pcap", &empty], "is empty"),
        (&["--pcap", &cooked], "link type 113"),
        (&["--pcap", "no-such-file"], "cannot open no-such-file"),
        (&["--pcap", &cut, "--tap"], "choose one"),
        (&["--packets", "0"], "at least 1"),
        (&["--packets", "many"], "not a whole number"),
        (&["--size", "8"], "generate at least 16"),
        (&["--size", "9175"], "NIC takes 9216"),
        (&["--size", "100..50"], "smaller size first"),
        (&["--ports", "7,7"], "two different ports"),
        (&["--dma", "magic"], "coherent, bounce, iommu"),
        (&["--provider", "tape"], "page, huge, dmabuf or zcrx"),
        (&["--rebind", "0"], "at least 1"),
        (&["--provider", "zcrx", "--rebind", "2"], "bound once"),
        (&["--niov-size", "5000"], "power of two from 4096"),
        (&["--device-memory", "32", "--niov-size", "65536"], "do not divide into net_iovs"),
        (&["--device-memory", "4611686018427387904"], "too much"),
        (&["--tap", "a/b"], "not a name for a TAP device"),
        (&["--device-memory", "8", "--size", "9000"], "queue 1 had too few buffers"),
        (&["--fast"], "--fast"),
    ] {
        fails(args, 2, text);
    }
}

/// Runs `receive --tap` and gives it, once the device is up. `None`, with a line that says why, where there is no TAP.
fn tap(name: &str, packets: &str) -> Option<(std::process::Child, BufReader<std::process::ChildStderr>)> {
    let mut child = Command::new(RECEIVE.path())
        .args(["--tap", name, "--packets", packets, "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    if line.contains("is up") {
        return Some((child, stderr));
    }
    child.wait().unwrap();
    let no_tap = ["no /dev/net/tun", "not allowed to make"].iter().any(|text| line.contains(text));
    assert!(no_tap, "--tap failed for another reason: {line}");
    println!("skipped: {}", line.trim_end());
    None
}

/// Whether the kernel has the neighbour's address: flag 2 in its table.
fn arp_knows(address: &str) -> bool {
    let table = std::fs::read_to_string("/proc/net/arp").unwrap();
    let entry = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    { entry }.any(|entry| entry.first() == Some(&address) && entry.get(2) == Some(&"0x2"))
}

/// What the kernel's own stack sends arrives, and the TAP may go away. One test, as both use the same addresses.
#[test]
fn the_kernel_sends_to_both_queues() {
    const PACKETS: usize = 200;
    let Some((child, _stderr)) = tap("nmtap0", &PACKETS.to_string()) else { return };
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // While ARP is not answered, the kernel queues packets, and later ones may overtake them. So let it ask first, with
    // a packet for a port that no queue is for.
    socket.send_to(b"who has", ("198.18.77.2", 9)).unwrap();
    while !arp_knows("198.18.77.2") {
        std::thread::yield_now();
    }
    let mut digests = [digest::EMPTY; 2];
    for i in 0..PACKETS {
        let payload: Vec<u8> = (0..i * 7 + 1).map(|k| (i * 31 + k * 3) as u8).collect();
        let queue = i % 2;
        digests[queue] = digest::add(digests[queue], &payload);
        socket.send_to(&payload, ("198.18.77.2", 5001 + queue as u16)).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let report = json(&output);
    assert!(output.status.success(), "{report}");
    for (found, sent) in report["queues"].as_array().unwrap().iter().zip(digests) {
        assert_eq!((&found["packets"], &found["wrong"]), (&(PACKETS / 2).into(), &0.into()));
        assert_eq!(found["digest"], format!("{sent:016x}"), "byte for byte");
    }

    let Some((mut child, stderr)) = tap("nmtap1", "1") else { return };
    match Command::new("ip").args(["link", "del", "nmtap1"]).status() {
        Ok(status) if status.success() => {
            let said: Vec<_> = stderr.lines().map(Result::unwrap).collect();
            assert_eq!(child.wait().unwrap().code(), Some(2));
            assert!(said.iter().any(|line| line.contains("nmtap1 is gone")), "{said:?}");
        }
        _ => {
            println!("skipped: there is no `ip` to take the TAP away with");
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
