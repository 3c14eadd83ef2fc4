//! Captures of every kind, made here.

use super::input::MAX_BLOCK;
use super::pcapng::{ENHANCED_PACKET, INTERFACE_DESCRIPTION, OLD_PACKET, SECTION_HEADER, SIMPLE_PACKET};
use super::*;
use crate::nic::frame::{parse, udp_checksum_ok};
use std::io;

const PCAP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/udp.pcap");
const PCAPNG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/udp.pcapng");

fn all(capture: &mut Capture<impl Read + Send>) -> Result<Vec<Vec<u8>>, TrafficError> {
    let mut frames = Vec::new();
    let mut frame = Vec::new();
    loop {
        match capture.next_frame(&mut frame)? {
            Next::Frame => frames.push(frame.clone()),
            Next::Idle => panic!("a file never waits"),
            Next::End => return Ok(frames),
        }
    }
}

/// Every frame of a file that must be good throughout.
fn read(bytes: &[u8]) -> Result<Vec<Vec<u8>>, TrafficError> {
    all(&mut Capture::new(bytes, "made up", 2000)?.strict())
}

/// What refuses it.
fn error(bytes: &[u8]) -> String {
    read(bytes).expect_err("a bad capture").to_string()
}

/// What is received of a file, whatever is in it; what is passed over, by reason; and why it ends early.
fn received(bytes: &[u8]) -> (Vec<Vec<u8>>, String, String) {
    let mut capture = Capture::new(bytes, "made up", 2000).expect("a good header");
    let frames = all(&mut capture).expect("something is received");
    let ended = capture.ended_early().map(TrafficError::to_string).unwrap_or_default();
    (frames, capture.passed_over().to_string(), ended)
}

/// Why nothing of it is received.
fn nothing(bytes: &[u8]) -> String {
    let mut capture = Capture::new(bytes, "made up", 2000).expect("a good header");
    all(&mut capture).expect_err("nothing is received").to_string()
}

/// Writes numbers in one byte order.
#[derive(Clone, Copy)]
struct Order {
    big: bool,
}

const ORDERS: [Order; 2] = [Order { big: false }, Order { big: true }];

impl Order {
    fn u16(self, value: u16) -> [u8; 2] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn u32(self, value: u32) -> [u8; 4] {
        if self.big { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn words(self, values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|&value| self.u32(value)).collect()
    }

    fn pcap(self, magic: u32, linktype: u32, frames: &[Vec<u8>]) -> Vec<u8> {
        let mut file = [self.u32(magic), [self.u16(2), self.u16(4)].concat().try_into().expect("4 bytes")].concat();
        file.extend(self.words(&[0, 0, 262_144, linktype]));
        for frame in frames {
            let len = frame.len() as u32;
            file.extend(self.words(&[1, 2, len, len]));
            // Kuznetsov's patch.
            if magic == 0xa1b2_cd34 {
                file.extend([0; 8]);
            }
            file.extend(frame);
        }
        file
    }

    fn block(self, kind: u32, content: &[u8]) -> Vec<u8> {
        let padding = content.len().next_multiple_of(4) - content.len();
        let len = (12 + content.len() + padding) as u32;
        [&self.words(&[kind, len]), content, &vec![0; padding], &self.u32(len)].concat()
    }

    fn section(self) -> Vec<u8> {
        self.block(SECTION_HEADER, &[&self.u32(0x1a2b_3c4d)[..], &self.u16(1), &self.u16(0), &[0xff; 8]].concat())
    }

    fn interface(self, linktype: u16, snaplen: u32) -> Vec<u8> {
        // With the option if_tsresol, nanoseconds.
        let options = [&self.u16(9)[..], &self.u16(1), &[9, 0, 0, 0], &[0; 4]].concat();
        self.block(INTERFACE_DESCRIPTION, &[&self.u16(linktype)[..], &[0; 2], &self.u32(snaplen), &options].concat())
    }

    fn enhanced(self, interface: u32, frame: &[u8]) -> Vec<u8> {
        let len = frame.len() as u32;
        self.block(ENHANCED_PACKET, &[&self.words(&[interface, 0, 0, len, len]), frame].concat())
    }

    /// An obsolete packet block.
    fn old(self, interface: u16, frame: &[u8]) -> Vec<u8> {
        let len = frame.len() as u32;
        let head = [&self.u16(interface)[..], &self.u16(0), &self.words(&[0, 0, len, len])].concat();
        self.block(OLD_PACKET, &[&head, frame].concat())
    }

    fn simple(self, frame: &[u8]) -> Vec<u8> {
        self.block(SIMPLE_PACKET, &[&self.u32(frame.len() as u32), frame].concat())
    }

    /// Enhanced and simple packets in turn, on two interfaces, between blocks of no interest, in two sections.
    fn pcapng(self, frames: &[Vec<u8>]) -> Vec<u8> {
        let mut file = Vec::new();
        for (i, half) in frames.chunks(frames.len().div_ceil(2).max(1)).enumerate() {
            file.extend(self.section());
            file.extend(self.interface(1, 0));
            file.extend(self.block(0x0bad, &[7; 100 * 1024]));
            file.extend(self.interface(1, 2000));
            for (j, frame) in half.iter().enumerate() {
                match (i + j) % 3 {
                    0 => file.extend(self.enhanced(0, frame)),
                    1 => file.extend(self.simple(frame)),
                    _ => file.extend(self.enhanced(1, frame)),
                }
            }
            file.extend(self.block(5, &[0; 12]));
        }
        file
    }
}

fn some_frames() -> Vec<Vec<u8>> {
    [60, 61, 62, 63, 64, 14, 1, 1500, 2000].iter().map(|&len| (0..len).map(|i| (i ^ len) as u8).collect()).collect()
}

/// What tcpdump recorded: datagram `i` with its length and bytes as the sender made them.
fn check_recorded(path: &str) {
    let mut capture = Capture::open(path, 1514).expect("the file is there");
    let frames = all(&mut capture).expect("and whole");
    assert_eq!(frames.len(), 56);
    for (i, frame) in frames.iter().enumerate() {
        let parsed = parse(frame);
        assert_eq!(parsed.dst_port, Some(5001 + i as u16 % 2));
        let (headers, rest) = frame.split_at(parsed.header_len);
        let payload = &rest[..parsed.payload_len];
        assert_eq!(udp_checksum_ok(headers, payload), Some(true), "packet {i}");
        let grown = if matches!(i % 10, 0 | 9) { 0 } else { i / 10 };
        let len = [0, 1, 5, 17, 18, 19, 64, 333, 900, 1472][i % 10] + grown;
        let sent: Vec<u8> = (0..len).map(|k| (i + k * 7) as u8).collect();
        assert_eq!(payload, sent, "packet {i}");
    }
}

#[test]
fn recorded_pcap() {
    check_recorded(PCAP);
    assert_eq!(Capture::open(PCAP, 1514).expect("it is there").describe(), format!("capture {PCAP} (pcap)"));
}

#[test]
fn recorded_pcapng() {
    check_recorded(PCAPNG);
    assert_eq!(Capture::open(PCAPNG, 1514).expect("it is there").describe(), format!("capture {PCAPNG} (pcapng)"));
}

#[test]
fn recorded_files_cut_off_anywhere() {
    for path in [PCAP, PCAPNG] {
        let whole = std::fs::read(path).expect("the file is there");
        let mut ends = 0;
        for len in (0..2000).chain((2000..whole.len()).step_by(97)) {
            match read(&whole[..len]) {
                Ok(frames) => ends += usize::from(!frames.is_empty()),
                Err(TrafficError::EmptyFile { .. }) => assert_eq!(len, 0),
                Err(TrafficError::NotACapture { start, .. }) => assert!(len < 4 && start == whole[..len]),
                Err(TrafficError::EmptyCapture { .. }) => ends += 1,
                Err(TrafficError::Truncated { end, offset, packet, .. }) => {
                    assert_eq!(end, len as u64);
                    assert!(offset < end && packet > 0);
                }
                Err(other) => panic!("{len} bytes: {other}"),
            }
        }
        assert!(ends > 3, "some cuts are between packets");
    }
}

#[test]
fn both_orders_and_all_magics() {
    let frames = some_frames();
    for order in ORDERS {
        for magic in [0xa1b2_c3d4, 0xa1b2_3c4d, 0xa1b2_cd34] {
            assert_eq!(read(&order.pcap(magic, 1, &frames)).expect("a good file"), frames);
        }
        assert_eq!(read(&order.pcapng(&frames)).expect("a good file"), frames);
    }
    let both = [ORDERS[0].pcapng(&frames), ORDERS[1].pcapng(&frames)].concat();
    assert_eq!(read(&both).expect("each section has its order"), [&frames[..], &frames].concat());
    // Frame checksums of 4 bytes are announced in the upper bits.
    assert_eq!(read(&ORDERS[1].pcap(0xa1b2_c3d4, 0x2400_0001, &frames)).expect("a good file"), frames);
}

#[test]
fn other_files() {
    assert_eq!(error(b""), "made up is empty: a capture has at least a header; was it written to the end?");
    assert!(
        error(b"\x1f\x8b\x08\x00 compressed")
            .starts_with("made up is neither pcap nor pcapng: it starts with [1f, 8b, 08, 00]; name a capture that")
    );
    assert!(error(b"GET").contains("it starts with [47, 45, 54]"));
    let missing = Capture::open("/nonexistent/x.pcap", 1514).expect_err("it is not there").to_string();
    assert!(missing.starts_with("cannot open /nonexistent/x.pcap: No such file"), "{missing}");
    let directory = Capture::open("/", 1514).expect_err("not a file").to_string();
    assert!(directory.starts_with("cannot read / at byte 0, in packet 1: "), "{directory}");
}

#[test]
fn other_link_types() {
    let packets: [&[u8]; 3] = [&[0x45; 60], &[0x60; 60], &[0x00; 60]];
    let header = |ethertype: u8| [&[0; 12][..], &[if ethertype == 0 { 0x08 } else { 0x86 }, ethertype]].concat();
    for order in ORDERS {
        let raw: Vec<Vec<u8>> = packets.iter().map(|packet| packet.to_vec()).collect();
        let file = order.pcap(0xa1b2_c3d4, 101, &raw);
        let want = "made up, packet 1: link type 101 (raw IP) is not Ethernet (1): read the capture without being strict, and \
                    it gets an Ethernet header in front";
        assert_eq!(error(&file), want);
        let frames = vec![[header(0), raw[0].clone()].concat(), [header(0xdd), raw[1].clone()].concat()];
        assert_eq!(received(&file), (frames.clone(), "1 of another link type".into(), String::new()));

        let file = order.pcap(0xa1b2_c3d4, 127, &raw);
        let want = "no packet of made up can be received: 3 of another link type; link type 127 (IEEE 802.11 with radiotap): \
                    capture on an interface of Ethernet, or of IP";
        assert_eq!(nothing(&file), want);
        assert!(!error(&file).contains("strict"), "{}", error(&file));

        // Each interface of a file has its own.
        let blocks = [order.enhanced(0, packets[0]), order.enhanced(1, packets[0]), order.enhanced(2, packets[0])];
        let interfaces = [order.interface(1, 0), order.interface(105, 0), order.interface(228, 0)];
        let file = [&[order.section()][..], &interfaces, &blocks].concat().concat();
        let want = vec![raw[0].clone(), frames[0].clone()];
        assert_eq!(received(&file), (want, "1 of another link type".into(), String::new()));
        // One that nothing came in on does no harm.
        let file = [order.section(), order.interface(1, 0), order.interface(113, 0), order.simple(&[1; 60])];
        assert_eq!(read(&file.concat()).expect("Ethernet only"), [[1; 60]]);
    }
}

#[test]
fn packets_cut_off_too_long_or_empty() {
    for order in ORDERS {
        let mut file = order.pcap(0xa1b2_3c4d, 1, &[vec![1; 60], vec![2; 70], vec![3; 80]]);
        let original = file.len() - 96 - 70 - 4;
        file[original..original + 4].copy_from_slice(&order.u32(1500));
        assert_eq!(
            error(&file),
            "made up, packet 2 (at byte 100): only 70 of 1500 bytes were captured; capture whole packets with \
             tcpdump -s 0"
        );
        let rest = vec![vec![1; 60], vec![3; 80]];
        assert_eq!(received(&file), (rest, "1 cut by snap length".into(), String::new()));
        let file = [order.section(), order.interface(1, 50), order.simple(&[1; 60])].concat();
        assert!(error(&file).contains("packet 1 (at byte 60): only 50 of 60 bytes"), "{}", error(&file));
        assert!(nothing(&file).contains(": 1 cut by snap length; capture whole packets with tcpdump -s 0"));

        let file = order.pcap(0xa1b2_c3d4, 1, &[vec![1; 2000], vec![2; 2001]]);
        assert!(error(&file).contains("packet 2 (at byte 2040): a frame of 2001 bytes, and the NIC takes 2000"));
        assert_eq!(received(&file), (vec![vec![1; 2000]], "1 longer than the longest frame".into(), String::new()));
        let file = [order.section(), order.interface(1, 0), order.enhanced(0, &[1; 2001])].concat();
        assert!(error(&file).contains("packet 1 (at byte 60): a frame of 2001 bytes"), "{}", error(&file));
        assert!(nothing(&file).contains("frames of up to 2001 bytes are there, and 2000 are taken: allow longer"));
        // The header that is put in front counts.
        let file = order.pcap(0xa1b2_c3d4, 228, &[vec![1; 1986], vec![1; 1987]]);
        assert_eq!(received(&file).1, "1 longer than the longest frame");

        let file = order.pcap(0xa1b2_c3d4, 1, &[vec![], vec![3; 60], vec![]]);
        assert_eq!(read(&file).expect("the empty ones are passed over"), [[3; 60]]);
        assert_eq!(received(&file), (vec![vec![3; 60]], "2 of no bytes".into(), String::new()));
        assert!(nothing(&order.pcap(0xa1b2_c3d4, 1, &[vec![]])).contains("received: 1 of no bytes; capture while"));
        for empty in [order.pcap(0xa1b2_c3d4, 1, &[]), order.section()] {
            assert!(error(&empty).starts_with("made up is a capture without packets"));
            assert_eq!(nothing(&empty), error(&empty));
        }
    }
}

#[test]
fn lengths_of_old_versions() {
    for order in ORDERS {
        // Bytes on the wire and bytes captured: of the second packet fewer were captured.
        for (minor, first, second) in [(2, [60, 60], [90, 70]), (3, [60, 60], [90, 70]), (3, [60, 60], [70, 90])] {
            let mut file = order.pcap(0xa1b2_c3d4, 1, &[vec![1; 60], vec![2; 70], vec![3; 80]]);
            file[6..8].copy_from_slice(&order.u16(minor));
            for (at, lengths) in [(32, first), (108, second)] {
                file[at..at + 8].copy_from_slice(&order.words(&lengths));
            }
            let rest = vec![vec![1; 60], vec![3; 80]];
            assert_eq!(received(&file), (rest, "1 cut by snap length".into(), String::new()), "2.{minor} {second:?}");
        }
    }
}

#[test]
fn obsolete_packet_blocks() {
    for order in ORDERS {
        let head = [order.section(), order.interface(1, 0), order.interface(1, 0)].concat();
        let file = [head.clone(), order.old(0, &[1; 61]), order.old(1, &[2; 62])].concat();
        assert_eq!(read(&file).expect("they are read"), [vec![1; 61], vec![2; 62]]);
        let mut cut = [head.clone(), order.old(0, &[1; 60])].concat();
        let original = cut.len() - 68;
        cut[original..original + 4].copy_from_slice(&order.u32(99));
        assert!(error(&cut).contains("only 60 of 99 bytes"), "{}", error(&cut));
        cut[original - 4..original].copy_from_slice(&order.u32(64));
        assert!(error(&cut).contains("a block of type 2 and 92 bytes makes no sense"), "{}", error(&cut));
        let short = [head.clone(), order.block(OLD_PACKET, &[0; 16])].concat();
        assert!(error(&short).contains("a block of type 2 and 28 bytes makes no sense"), "{}", error(&short));
        assert!(
            error(&[head, order.old(7, &[1; 60])].concat()).contains("came in on interface 7, and 2 are described")
        );
    }
}

/// What is in front of the trouble is received, whatever comes behind.
#[test]
fn a_file_is_received_as_far_as_it_goes() {
    let frames = vec![vec![1; 60], vec![2; 70]];
    for order in ORDERS {
        let pcap = order.pcap(0xa1b2_c3d4, 1, &frames);
        let head = [order.section(), order.interface(1, 0)].concat();
        let pcapng = [&head[..], &order.enhanced(0, &frames[0]), &order.enhanced(0, &frames[1])].concat();
        let cut = "1 cut off by the end of the file";
        for (whole, tail, passed_over, why) in [
            (&pcap, &b"\n"[..], cut, "it ends at byte 187, inside what starts at byte 186"),
            (&pcap, &[9; 200], "1 damaged", "the packet claims to be 151587081 bytes long"),
            (&pcap, &pcap[24..90], cut, "it ends at byte 252, inside what starts at byte 186"),
            (&pcapng, &[0; 4], cut, "is cut off"),
            (&pcapng, &[0; 64], "1 damaged", "a block of type 0 has the impossible length 0"),
            (&pcapng, &pcapng[60..90], cut, "is cut off"),
            (&pcapng, b"junkjunkjunk", "1 damaged", "has the impossible length"),
        ] {
            let file = [whole, tail].concat();
            let (got, counted, ended) = received(&file);
            assert_eq!((&got, counted.as_str()), (&frames, passed_over), "{ended}");
            assert!(ended.contains(why), "{ended}");
            assert_eq!(error(&file), ended, "which refuses a file that must be good");
        }
        // A packet that makes no sense between good ones costs only itself.
        let bad = [order.enhanced(9, &frames[0]), order.words(&[6, 12, 12])].concat();
        let file = [&head[..], &order.enhanced(0, &frames[0]), &bad, &order.enhanced(0, &frames[1])].concat();
        assert_eq!(received(&file), (frames.clone(), "2 damaged".into(), String::new()));
        // And one that ends within its link header.
        let file = order.pcap(0xa1b2_c3d4, 113, &[vec![8; 15], vec![8; 16]]);
        let want = vec![[&[0; 12][..], &[8, 8]].concat()];
        assert_eq!(received(&file), (want, "1 damaged".into(), String::new()));
        // Nothing in front of it: an error, with the reason.
        let said = nothing(&order.pcap(0xa1b2_c3d4, 1, &frames)[..80]);
        assert!(said.contains("received: 1 cut off by the end of the file; made up is cut off: it ends at"), "{said}");
    }
}

#[test]
fn damage_is_named() {
    for order in ORDERS {
        let head = [order.section(), order.interface(1, 0)].concat();
        let with = |block: Vec<u8>| error(&[head.clone(), block].concat());
        assert!(
            with(order.words(&[6, 11, 0])).contains("(at byte 60): a block of type 6 has the impossible length 11")
        );
        assert!(with(order.words(&[77, 0, 0])).contains("a block of type 77 has the impossible length 0"));
        assert!(with(order.words(&[6, 0x7fff_fffc, 0])).contains("type 6 claims to be 2147483644 bytes long"));
        assert!(with(order.words(&[77, 0x7fff_fffc, 0])).contains("it ends at byte 72, inside what starts at byte 60"));
        assert!(with(order.words(&[77, 12, 16])).contains("is 12 bytes long by its start and 16 by its end"));
        assert!(with(order.words(&[6, 32, 0, 0, 0, 0, 0, 36])).contains("is 32 bytes long by its start and 36"));
        assert!(with(order.words(&[6, 32, 0, 0, 0, 1, 1, 32])).contains("type 6 and 32 bytes makes no sense"));
        assert!(with(order.words(&[6, 12, 12])).contains("type 6 and 12 bytes makes no sense"));
        assert!(with(order.enhanced(9, &[0; 60])).contains("came in on interface 9, and 1 are described"));
        assert!(with(order.enhanced(0, &vec![0; 262_145])).contains("claims to be 262145 bytes long"));
        let mut section = order.section();
        section[12..14].copy_from_slice(&order.u16(3));
        assert!(error(&section).contains("version 3.0 of pcapng is unknown"));
        section[8] = 0;
        assert!(error(&section).contains("is not the byte order of a section"));

        let mut file = order.pcap(0xa1b2_c3d4, 1, &[vec![1; 60]]);
        file[32..36].copy_from_slice(&order.u32(u32::MAX));
        assert!(error(&file).contains("(at byte 24): the packet claims to be 4294967295 bytes long"));
        file[4..6].copy_from_slice(&order.u16(9));
        assert!(error(&file).contains("version 9.4 of pcap is unknown"));
    }
}

/// A reader that fails after its bytes.
struct Broken<'a>(&'a [u8]);

impl Read for Broken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("the disk is on fire")),
            read => Ok(read),
        }
    }
}

#[test]
fn a_read_error_says_where() {
    let file = ORDERS[0].pcap(0xa1b2_c3d4, 1, &[vec![1; 60], vec![2; 60]]);
    let mut capture = Capture::new(Broken(&file[..120]), "made up", 2000).expect("a good header");
    assert_eq!(capture.progress(), None);
    let mut frame = Vec::new();
    assert_eq!(capture.next_frame(&mut frame).expect("the first is there"), Next::Frame);
    let error = capture.next_frame(&mut frame).expect_err("the second is not").to_string();
    assert_eq!(error, "cannot read made up at byte 120, in packet 2: the disk is on fire");
    assert_eq!(capture.next_frame(&mut frame).expect("it ended"), Next::End);
    assert!(frame.is_empty());
}

/// A reader that gives a few bytes at a time, is interrupted now and then, and has nothing now and then.
struct Trickle<'a> {
    bytes: &'a [u8],
    step: usize,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.step = self.step % 29 + 1;
        match self.step {
            11 => return Err(ErrorKind::Interrupted.into()),
            5 | 17 => return Err(ErrorKind::WouldBlock.into()),
            _ => {}
        }
        let len = self.step.min(buffer.len());
        self.bytes.read(&mut buffer[..len])
    }
}

#[test]
fn in_small_pieces() {
    let frames = some_frames();
    for order in ORDERS {
        for file in [order.pcap(0xa1b2_c3d4, 1, &frames), order.pcapng(&frames)] {
            // A reader that has nothing at the very start, too.
            for step in [0, 4] {
                let mut capture = Capture::new(Trickle { bytes: &file, step }, "made up", 2000).expect("a good file");
                let (mut got, mut frame, mut idle) = (Vec::new(), Vec::new(), 0);
                loop {
                    match capture.next_frame(&mut frame).expect("a good file") {
                        Next::Frame => got.push(frame.clone()),
                        Next::Idle => idle += 1,
                        Next::End => break,
                    }
                }
                assert_eq!(got, frames);
                assert!(idle > 10, "it had nothing {idle} times");
            }
        }
    }
}

/// SplitMix64, as the seed says.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * bound as u128) >> 64) as usize
    }
}

/// Changes a file in one of the ways that break parsers.
fn mutate(file: &mut Vec<u8>, random: &mut Random) {
    const NUMBERS: [u32; 12] =
        [0, 1, 3, 4, 11, 12, 16, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_fffe, 0xffff_ffff];
    let at = random.below(file.len().max(1));
    match random.below(7) {
        0 => file.truncate(at),
        1 => {
            let number = NUMBERS[random.below(NUMBERS.len())];
            let at = at & !3;
            if let Some(word) = file.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
                *word = ORDERS[random.below(2)].u32(number);
            }
        }
        2 => {
            let piece = file[at..file.len().min(at + random.below(64))].to_vec();
            let to = random.below(file.len().max(1)).min(file.len());
            file.splice(to..to, piece);
        }
        3 => drop(file.drain(at..file.len().min(at + random.below(16)))),
        4 => {
            let at = at & !3;
            if let Some(word) = file.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<4>) {
                word.reverse();
            }
        }
        _ => {
            if let Some(byte) = file.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
    }
}

#[test]
fn mutated_files_end_and_stay_small() {
    let frames: Vec<Vec<u8>> = (0..6).map(|i| vec![i; 14 + usize::from(i) * 9]).collect();
    let mut files = Vec::new();
    for order in ORDERS {
        files.push(order.pcap(0xa1b2_c3d4, 1, &frames));
        let mut file = [order.section(), order.interface(1, 0), order.block(4, &[0; 16])].concat();
        for (i, frame) in frames.iter().enumerate() {
            file.extend(if i % 2 == 0 { order.enhanced(0, frame) } else { order.simple(frame) });
        }
        files.push(file);
    }
    files.push(ORDERS[0].pcap(0xa1b2_cd34, 1, &frames));
    let mut random = Random(1);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..40_000 {
        let mut file = files[random.below(files.len())].clone();
        for _ in 0..=random.below(3) {
            mutate(&mut file, &mut random);
        }
        let mut frame = Vec::new();
        let strict = random.below(2) == 0;
        let mut capture = match Capture::new(&file[..], "mutated", 200) {
            Ok(capture) if strict => capture.strict(),
            Ok(capture) => capture,
            Err(error) => {
                bad += 1;
                assert!(!error.to_string().is_empty());
                continue;
            }
        };
        let mut count = 0;
        loop {
            match capture.next_frame(&mut frame) {
                Ok(Next::Frame) => {
                    count += 1;
                    assert!((1..=200).contains(&frame.len()));
                    assert!(count * 16 <= file.len(), "more packets than the file has room for");
                }
                Ok(Next::Idle) => panic!("a file never waits"),
                Ok(Next::End) => {
                    good += 1;
                    break;
                }
                Err(error) => {
                    bad += 1;
                    assert!(error.to_string().contains("mutated"), "{error}");
                    assert_eq!(capture.next_frame(&mut frame).expect("it ended"), Next::End);
                    break;
                }
            }
        }
        assert!(capture.input.held() <= MAX_BLOCK);
        assert!(!strict || capture.ended_early().is_none());
        assert!(count + capture.passed_over().total() as usize <= file.len() / 12 + 1, "each has a header");
    }
    assert!(good > 5000 && bad > 5000, "{good} files were still good, {bad} were not");
}
