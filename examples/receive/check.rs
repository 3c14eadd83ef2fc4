//! The consumers: each owns a queue's packets and checks every byte of them.

use crate::args::Source;
use crate::digest;
use netmem::Backing;
use netmem::nic::frame::{parse, udp_checksum_ok};
use netmem::nic::traffic::{Capture, Expect, Next, PayloadSize, Traffic};
use netmem::provider::MemfdView;
use netmem::skb::{Skb, SkbFrag};
use std::sync::mpsc::Receiver;

/// What a consumer found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Bytes that the CPU could not read, and the GPU did.
    pub(crate) device_bytes: u64,
    /// Packets that were sent before one that arrived, and did not arrive.
    pub(crate) missing: u64,
    /// Packets with a wrong byte.
    pub(crate) wrong: u64,
    pub(crate) first_wrong: Option<String>,
    /// FNV-1a over all payloads in order, to compare with a sender's.
    pub(crate) digest: u64,
}

/// Knows what should arrive.
enum Oracle {
    Generator {
        seed: u64,
        size: PayloadSize,
        port: u16,
        next: u64,
    },
    Capture {
        capture: Box<Capture>,
        ports: [u16; 2],
        frame: Vec<u8>,
    },
    /// Nothing is known but the checksum.
    Checksum,
}

/// One queue's consumer.
pub(crate) struct Consumer {
    queue: usize,
    oracle: Oracle,
    /// The device memory, as its owner sees it.
    view: Option<MemfdView>,
    frame: Vec<u8>,
    findings: Findings,
}

impl Consumer {
    pub(crate) fn new(
        queue: usize,
        source: &Source,
        ports: [u16; 2],
        max_frame: usize,
        view: Option<MemfdView>,
    ) -> Result<Self, String> {
        let oracle = match source {
            Source::Generator { seed, size } => {
                Oracle::Generator { seed: *seed, size: *size, port: ports[queue], next: 0 }
            }
            Source::Capture(file) => {
                let capture = Capture::open(file, max_frame).map_err(|error| error.to_string())?;
                Oracle::Capture { capture: Box::new(capture), ports, frame: Vec::new() }
            }
            Source::Tap(_) => Oracle::Checksum,
        };
        let findings = Findings { digest: digest::EMPTY, ..Findings::default() };
        Ok(Consumer { queue, oracle, view, frame: Vec::new(), findings })
    }

    /// Checks packets until no more can come.
    pub(crate) fn run(mut self, packets: Receiver<Skb>) -> Findings {
        for skb in packets {
            self.findings.packets += 1;
            self.findings.bytes += skb.len() as u64;
            if let Err(wrong) = self.gather(skb).and_then(|()| self.check()) {
                self.findings.wrong += 1;
                let queue = self.queue;
                self.findings.first_wrong.get_or_insert_with(|| format!("queue {queue}: {wrong}"));
            }
        }
        if let Some(rest) = self.rest() {
            self.findings.missing += rest;
        }
        self.findings
    }

    /// Puts the packet together: what the host can read by the host, the rest by the device's owner.
    fn gather(&mut self, mut skb: Skb) -> Result<(), String> {
        self.frame.clear();
        self.frame.extend_from_slice(skb.linear());
        for frag in skb.take_frags() {
            let start = self.frame.len();
            self.frame.resize(start + frag.len() as usize, 0);
            let to = &mut self.frame[start..];
            if let Some(bytes) = frag.bytes() {
                to.copy_from_slice(bytes);
                continue;
            }
            let SkbFrag::Pool(frag) = frag else { return Err("a page of mm's without bytes".into()) };
            let Backing::NetIov(frag) = frag.backing() else { return Err("a page without bytes".into()) };
            let view = self.view.as_ref().ok_or("device memory on a queue that has none")?;
            view.read(frag.memory_offset(), to).map_err(|error| error.to_string())?;
            self.findings.device_bytes += u64::from(frag.len());
        }
        Ok(())
    }

    /// Compares it with what was sent.
    fn check(&mut self) -> Result<(), String> {
        let parsed = parse(&self.frame);
        let payload = &self.frame[parsed.header_len..][..parsed.payload_len];
        self.findings.digest = digest::add(self.findings.digest, payload);
        match &mut self.oracle {
            Oracle::Generator { seed, size, port, next } => {
                if parsed.dst_port != Some(*port) {
                    let got = parsed.dst_port.map_or("no port".into(), |port| format!("port {port}"));
                    return Err(format!("packet {next}: headers for {got}, sent was port {port}"));
                }
                let seq = Expect::sequence(payload).ok_or("a payload without a sequence number")?;
                let late = seq.checked_sub(*next).filter(|late| *late < 1 << 32);
                let late = late.ok_or_else(|| format!("packet {next}: it says that it is packet {seq}"))?;
                self.findings.missing += late;
                *next = seq + 1;
                Expect::new(*seed, *port, seq, *size).check(payload).map_err(|error| error.to_string())?;
                checksum(&self.frame[..parsed.header_len], payload, seq)
            }
            Oracle::Capture { capture, ports, frame } => {
                if !next_for(capture, *ports, self.queue, frame)? {
                    return Err("more packets than the capture has".into());
                }
                match frame.iter().zip(&self.frame).position(|(want, got)| want != got) {
                    Some(at) => Err(format!(
                        "packet {}: byte {at} is {:#04x}, captured was {:#04x}",
                        self.findings.packets, self.frame[at], frame[at]
                    )),
                    None if frame.len() != self.frame.len() => Err(format!(
                        "packet {}: {} bytes, captured were {}",
                        self.findings.packets,
                        self.frame.len(),
                        frame.len()
                    )),
                    None => Ok(()),
                }
            }
            Oracle::Checksum => checksum(&self.frame[..parsed.header_len], payload, self.findings.packets),
        }
    }

    /// How many packets were to come still.
    fn rest(&mut self) -> Option<u64> {
        let Oracle::Capture { capture, ports, frame } = &mut self.oracle else { return None };
        let mut rest = 0;
        while next_for(capture, *ports, self.queue, frame).ok()? {
            rest += 1;
        }
        Some(rest)
    }
}

/// The next frame of a capture that is for a queue. False at the end.
fn next_for(capture: &mut Capture, ports: [u16; 2], queue: usize, frame: &mut Vec<u8>) -> Result<bool, String> {
    while capture.next_frame(frame).map_err(|error| error.to_string())? == Next::Frame {
        let port = parse(frame).dst_port;
        if ports.iter().position(|&to| port == Some(to)).unwrap_or(0) == queue {
            return Ok(true);
        }
    }
    Ok(false)
}

fn checksum(headers: &[u8], payload: &[u8], packet: u64) -> Result<(), String> {
    match udp_checksum_ok(headers, payload) {
        Some(false) => Err(format!("packet {packet}: its UDP checksum is wrong")),
        _ => Ok(()),
    }
}
