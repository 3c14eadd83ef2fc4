//! The consumers: each owns a queue's packets and checks every byte of them.

use super::args::Source;
use super::digest;
use super::feed::Expected;
use netmem::Backing;
use netmem::skb::{Skb, SkbFrag};
use netmem_sim::MemfdView;
use netmem_sim::nic::frame::{parse, udp_checksum_ok};
use netmem_sim::nic::traffic::{Expect, PayloadSize};
use std::sync::mpsc::{Receiver, sync_channel};

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
    /// The source tells each frame before it arrives.
    Told(Receiver<Vec<u8>>),
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
    pub(crate) fn new(queue: usize, source: &Source, port: u16, expected: Expected, view: Option<MemfdView>) -> Self {
        let oracle = match (expected, source) {
            (Some(expected), _) => Oracle::Told(expected),
            (None, Source::Generator { seed, size }) => Oracle::Generator { seed: *seed, size: *size, port, next: 0 },
            // A source that tells nothing: nothing is to come.
            (None, _) => Oracle::Told(sync_channel(0).1),
        };
        let findings = Findings { digest: digest::EMPTY, ..Findings::default() };
        Consumer { queue, oracle, view, frame: Vec::new(), findings }
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
        if let Oracle::Told(expected) = &self.oracle {
            // Until the source has ended: it may have more to tell, and must not wait for this end.
            self.findings.missing += expected.iter().count() as u64;
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
            Oracle::Told(expected) => {
                // What arrives was told before the NIC had it.
                let sent = expected.try_recv().map_err(|_| "more packets than were sent")?;
                let number = self.findings.packets;
                match sent.iter().zip(&self.frame).position(|(want, got)| want != got) {
                    Some(at) => {
                        let (got, want) = (self.frame[at], sent[at]);
                        Err(format!("packet {number}: byte {at} is {got:#04x}, sent was {want:#04x}"))
                    }
                    None if sent.len() != self.frame.len() => {
                        let (got, want) = (self.frame.len(), sent.len());
                        Err(format!("packet {number}: {got} bytes, sent were {want}"))
                    }
                    None => Ok(()),
                }
            }
        }
    }
}

fn checksum(headers: &[u8], payload: &[u8], packet: u64) -> Result<(), String> {
    match udp_checksum_ok(headers, payload) {
        Some(false) => Err(format!("packet {packet}: its UDP checksum is wrong")),
        _ => Ok(()),
    }
}
