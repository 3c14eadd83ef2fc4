//! Captures with a mistake somewhere, against a second reader, which is written here, from the formats' descriptions.

use crate::made::{Packet, Pcap, block, enhanced, frame, frames, ip, section, write};
use crate::{json, run};
use netmem_sim::nic::traffic::{Capture, Next, Traffic};
use std::collections::BTreeMap;

/// The longest frame.
const MAX_FRAME: usize = 1400;

/// What a reader makes of a file: frames, and what it passes over by reason; or nothing, as it is no capture.
type Read = Option<(Vec<Vec<u8>>, BTreeMap<&'static str, u64>)>;

/// What the crate makes of it.
fn crate_reads(file: &[u8]) -> Read {
    let mut capture = Capture::new(file, "mutated", MAX_FRAME).ok()?;
    let (mut frames, mut frame) = (Vec::new(), Vec::new());
    // An error after the header only says that there was no frame.
    while let Ok(Next::Frame) = capture.next_frame(&mut frame) {
        frames.push(frame.clone());
    }
    let counts = capture.passed_over().named().into_iter().filter(|(_, count)| *count != 0);
    Some((frames, counts.collect()))
}

/// Numbers of a file in its byte order. `None` behind its end.
#[derive(Clone, Copy)]
struct Bytes<'a>(&'a [u8], bool);

impl Bytes<'_> {
    fn word(self, at: usize) -> Option<u32> {
        let bytes = self.0.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.1 { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn half(self, at: usize) -> Option<u16> {
        let bytes = self.0.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.1 { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }
}

/// The second reader.
#[derive(Default)]
struct Second {
    frames: Vec<Vec<u8>>,
    counts: BTreeMap<&'static str, u64>,
}

impl Second {
    fn count(&mut self, reason: &'static str) {
        *self.counts.entry(reason).or_default() += 1;
    }

    fn packet(&mut self, linktype: u32, data: &[u8], original: u32) {
        let link = match linktype {
            1 | 12 | 14 | 101 | 228 | 229 | 113 | 276 | 0 | 108 => linktype,
            _ => return self.count("of another link type"),
        };
        if (data.len() as u64) < u64::from(original) {
            return self.count("cut by snap length");
        }
        if data.is_empty() {
            return self.count("of no bytes");
        }
        let header = match link {
            113 => 16,
            276 => 20,
            0 | 108 => 4,
            _ => 0,
        };
        if data.len() < header {
            return self.count("damaged");
        }
        let ethertype: Option<[u8; 2]> = match link {
            113 => Some([data[14], data[15]]),
            276 => Some([data[0], data[1]]),
            228 => Some([8, 0]),
            229 => Some([0x86, 0xdd]),
            12 | 14 | 101 if data[0] & 0xf0 == 0x40 => Some([8, 0]),
            12 | 14 | 101 if data[0] & 0xf0 == 0x60 => Some([0x86, 0xdd]),
            0 | 108 => match (data[0], data[1], data[2], data[3]) {
                (2, 0, 0, 0) | (0, 0, 0, 2) => Some([8, 0]),
                (10 | 23 | 24 | 28 | 30, 0, 0, 0) | (0, 0, 0, 10 | 23 | 24 | 28 | 30) => Some([0x86, 0xdd]),
                _ => None,
            },
            _ => None,
        };
        let frame = match ethertype {
            _ if link == 1 => data.to_vec(),
            Some(ethertype) => [&[0; 12][..], &ethertype, &data[header..]].concat(),
            None => return self.count("of another link type"),
        };
        if frame.len() > MAX_FRAME { self.count("longer than the longest frame") } else { self.frames.push(frame) }
    }

    /// Where a file ends that is longer than it says, and where it contradicts itself.
    fn over(mut self, reason: &'static str) -> Read {
        self.count(reason);
        Some((self.frames, self.counts))
    }
}

const CUT_OFF: &str = "cut off by the end of the file";

fn second_reads(file: &[u8]) -> Read {
    if file.get(..4)? == [0x0a, 0x0d, 0x0d, 0x0a] { pcapng(file) } else { pcap(file) }
}

fn pcap(file: &[u8]) -> Read {
    let big = match file[..4] {
        [0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d] | [0xa1, 0xb2, 0xcd, 0x34] => true,
        [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1] | [0x34, 0xcd, 0xb2, 0xa1] => false,
        _ => return None,
    };
    let bytes = Bytes(file, big);
    let header = if file[..4].contains(&0x34) { 24 } else { 16 };
    let linktype = bytes.word(20)? & 0xffff;
    if bytes.half(4)? != 2 {
        return None;
    }
    let minor = bytes.half(6)?;
    let (mut second, mut at) = (Second::default(), 24);
    while at < file.len() {
        if file.len() - at < header {
            return second.over(CUT_OFF);
        }
        let (mut captured, mut original) = (bytes.word(at + 8)?, bytes.word(at + 12)?);
        if minor < 3 || minor == 3 && captured > original {
            (captured, original) = (original, captured);
        }
        if captured > 262_144 {
            return second.over("damaged");
        }
        let Some(data) = file[at + header..].get(..captured as usize) else { return second.over(CUT_OFF) };
        second.packet(linktype, data, original);
        at += header + data.len();
    }
    Some((second.frames, second.counts))
}

fn pcapng(file: &[u8]) -> Read {
    let (mut second, mut at, mut big) = (Second::default(), 0, false);
    let mut interfaces: Vec<(u32, u32)> = Vec::new();
    while at < file.len() {
        // What is wrong with the first block makes it no capture.
        let over = |second: Second, reason| if at == 0 { None } else { second.over(reason) };
        let rest = &file[at..];
        if rest.len() < 12 {
            return over(second, CUT_OFF);
        }
        if rest[..4] == [0x0a, 0x0d, 0x0d, 0x0a] {
            big = match rest[8..12] {
                [0x1a, 0x2b, 0x3c, 0x4d] => true,
                [0x4d, 0x3c, 0x2b, 0x1a] => false,
                _ => return over(second, "damaged"),
            };
        }
        let bytes = Bytes(rest, big);
        let (kind, len) = (bytes.word(0)?, bytes.word(4)? as usize);
        let held = matches!(kind, 0x0a0d_0d0a | 1 | 2 | 3 | 6);
        if len < 12 || len % 4 != 0 || held && len > 1 << 20 {
            return over(second, "damaged");
        }
        let Some(content) = rest.get(..len) else { return over(second, CUT_OFF) };
        if bytes.word(len - 4) != Some(len as u32) {
            return over(second, "damaged");
        }
        let content = Bytes(&content[..len - 4], big);
        match kind {
            0x0a0d_0d0a if len < 28 || content.half(12) != Some(1) => return over(second, "damaged"),
            0x0a0d_0d0a => interfaces.clear(),
            1 => match (content.half(8), content.word(12)) {
                (Some(linktype), Some(snaplen)) => interfaces.push((u32::from(linktype), snaplen)),
                _ => return over(second, "damaged"),
            },
            2 | 3 | 6 => {
                let parts = match kind {
                    2 => content.half(8).map(u32::from).zip(content.word(20).zip(content.word(24))).map(|it| (it, 28)),
                    3 => content.word(8).map(|original| ((0, (original, original)), 12)),
                    _ => content.word(8).zip(content.word(20).zip(content.word(24))).map(|it| (it, 28)),
                };
                let packet = parts.and_then(|((interface, (mut captured, original)), start)| {
                    let &(linktype, snaplen) = interfaces.get(interface as usize)?;
                    let room = content.0.get(start..)?;
                    if kind == 3 {
                        captured = if snaplen > 0 { captured.min(snaplen) } else { captured }.min(room.len() as u32);
                    }
                    Some((linktype, room.get(..captured as usize).filter(|data| data.len() <= 262_144)?, original))
                });
                match packet {
                    Some((linktype, data, original)) => second.packet(linktype, data, original),
                    None => second.count("damaged"),
                }
            }
            _ => {}
        }
        at += len;
    }
    Some((second.frames, second.counts))
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * bound as u128) >> 64) as usize
    }

    fn word(&mut self) -> u32 {
        [0, 1, 2, 10, 12, 14, 16, 60, 101, 113, 276, 1401, 65_536, 262_145, 0x7fff_ffff, 0xffff_fffc, u32::MAX]
            [self.below(17)]
    }
}

/// Files of every kind to begin with.
fn seeds() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    let odd = [vec![].into(), vec![1; 9].into(), frame(5002, 1300).into(), Packet { data: vec![2; 60], original: 61 }];
    for linktype in [1, 0, 12, 101, 108, 113, 127, 228, 229, 276] {
        let inner = match linktype {
            0 => [&2_u32.to_le_bytes()[..], &ip(5001, 30)].concat(),
            108 => [&2_u32.to_be_bytes()[..], &ip(5001, 30)].concat(),
            113 => [&[0; 14][..], &[8, 0], &ip(5001, 30)].concat(),
            276 => [&[8, 0][..], &[0; 18], &ip(5001, 30)].concat(),
            1 => frame(5001, 30),
            _ => ip(5001, 30),
        };
        let packets = [&[inner.clone().into(), inner.into()][..], &odd].concat();
        for (big_endian, magic, minor) in [(false, 0xa1b2_c3d4, 4), (true, 0xa1b2_3c4d, 3), (true, 0xa1b2_cd34, 2)] {
            files.push(Pcap { big_endian, magic, minor, linktype }.file(&packets));
        }
        let blocks = packets.iter().enumerate().map(|(i, packet)| match i % 3 {
            0 => enhanced(i as u32 % 2, packet),
            1 => block(3, &[&packet.original.to_le_bytes()[..], &packet.data].concat()),
            _ => {
                let words = [1, 0, 0, packet.data.len() as u32, packet.original];
                block(2, &[&words.map(u32::to_le_bytes).concat()[..], &packet.data].concat())
            }
        });
        let blocks = blocks.collect::<Vec<_>>().concat();
        let other = block(5, &[0; 40]);
        files.push([section(&[linktype as u16, 1]), blocks.clone(), other, section(&[1, 101]), blocks].concat());
    }
    files
}

fn mutate(file: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(file.len().max(1));
    match random.below(6) {
        0 => file.truncate(at),
        1 | 2 => {
            let (at, word) = (at & !3, random.word());
            let word = if random.below(2) == 0 { word.to_le_bytes() } else { word.to_be_bytes() };
            if let Some(bytes) = file.get_mut(at..at + 4) {
                bytes.copy_from_slice(&word);
            }
        }
        3 => drop(file.drain(at..file.len().min(at + random.below(20)))),
        4 => {
            let piece = file[at..file.len().min(at + random.below(200))].to_vec();
            let to = random.below(file.len().max(1)).min(file.len());
            file.splice(to..to, piece);
        }
        _ => {
            if let Some(byte) = file.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
    }
}

#[test]
fn two_readers_make_the_same_of_it() {
    let (seeds, mut random) = (seeds(), Random(1));
    for seed in &seeds {
        assert_eq!(crate_reads(seed), second_reads(seed));
        assert!(second_reads(seed).is_some());
    }
    let (mut captures, mut whole) = (0, 0);
    for round in 0..30_000 {
        let mut file = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(3) {
            mutate(&mut file, &mut random);
        }
        let (ours, theirs) = (crate_reads(&file), second_reads(&file));
        if ours != theirs {
            panic!("round {round}: {ours:?} is not {theirs:?}; see {}", write("mutated-differs", &file));
        }
        captures += u32::from(ours.is_some());
        whole += u32::from(ours.is_some_and(|(frames, _)| frames.len() > 2));
    }
    assert!(captures > 20_000 && whole > 10_000, "{captures} captures, {whole} of them with frames");
}

/// The program receives what the readers read, or says why there is nothing, and nothing else ends it.
#[test]
fn the_program_receives_what_is_left_of_it() {
    let (seeds, mut random) = (seeds(), Random(7));
    let mut received = 0;
    for round in 0..60 {
        let mut file = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(2) {
            mutate(&mut file, &mut random);
        }
        let path = write("mutated.cap", &file);
        let args = ["--pcap", &path, "--json", "--max-frame", &MAX_FRAME.to_string()];
        // Device memory gets what has a right checksum (rule S3), pages get all of it.
        let verified = run(&args);
        let output = run(&[&args[..], &["--provider", "page"]].concat());
        assert_eq!(verified.status.code(), output.status.code(), "round {round}: {verified:?}");
        match second_reads(&file) {
            Some((frames, counts)) if !frames.is_empty() => {
                let report = json(&output);
                assert!(output.status.success(), "round {round}: {output:?}");
                assert_eq!(report["sent"], frames.len());
                let bytes: usize = frames.iter().map(Vec::len).filter(|len| *len >= 14).sum();
                let got = (0..2).map(|queue| report["queues"][queue]["bytes"].as_u64().unwrap()).sum::<u64>();
                assert_eq!(got, bytes as u64);
                for (name, count) in counts {
                    assert_eq!(report["passed_over"][name], count, "{report}");
                }
                received += 1;
            }
            _ => assert_eq!(output.status.code(), Some(2), "round {round}: {output:?}"),
        }
    }
    assert!(received > 20, "{received} had frames");
    assert_eq!(json(&run(&["--pcap", &write("good.pcap", &Pcap::default().file(&frames(9))), "--json"]))["sent"], 9);
}
