//! The main job, as a person runs it: `examples/receive`, its status, and what it says.

use example::Example;
use made::data;
use netmem_sim::nic::traffic::HAS_TAP;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::process::{Command, Output, Stdio};

#[path = "../sim/examples/common/digest.rs"]
mod digest;
mod example;
#[path = "receive/limits.rs"]
mod limits;
#[path = "receive/made.rs"]
mod made;
#[path = "receive/mutated.rs"]
mod mutated;
#[path = "receive/pipes.rs"]
mod pipes;
#[path = "receive/rebind.rs"]
mod rebind;
#[path = "receive/verdict.rs"]
mod verdict;

static RECEIVE: Example = Example::new("receive");
static HNS3: Example = Example::new("port_hns3");
static GVE: Example = Example::new("port_gve");

fn run(args: &[&str]) -> Output {
    RECEIVE.run(args)
}

/// Runs it with `input` as standard input, through a pipe.
fn run_input(args: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(RECEIVE.path());
    let mut child =
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that has seen enough does not read the rest.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn fails(args: &[&str], status: i32, text: &str) -> Output {
    RECEIVE.fails(args, status, text)
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
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
    fails(&["--packets", "500", "--dma", "bounce-without-sync"], 1, "packets on queue 0 are wrong; queue 0: packet 0");
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

/// Runs `receive --tap` and gives it, once the device is up. `None`, with a line that says why, where there is no TAP.
fn tap(name: &str, packets: &str) -> Option<(std::process::Child, BufReader<std::process::ChildStderr>)> {
    if !HAS_TAP {
        println!("skipped: built without netmem-sim/tap");
        return None;
    }
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
