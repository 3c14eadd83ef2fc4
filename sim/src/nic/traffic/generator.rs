//! Made-up traffic whose every byte the receiver can check.

use std::net::Ipv4Addr;

use super::{Next, Traffic, TrafficError};
use crate::nic::frame::{MAX_UDP_PAYLOAD, MIN_FRAME, UDP_HEADERS, UdpFlow, build_udp};

/// The shortest payload, in bytes: sequence number and tag.
pub const MIN_PAYLOAD: usize = 16;

/// UDP over IPv4, to ports in pseudo-random order. The same parameters make the same frames.
///
/// A payload starts with its sequence number among the packets to its port (u64, little endian, from 0) and a tag
/// (u64, little endian); the rest is pseudo-random. Tag, rest and length follow from the seed, the port and the
/// sequence number: a receiver that knows the parameters checks all of it with [`Expect`].
///
/// ```
/// use netmem_sim::nic::frame::parse;
/// use netmem_sim::nic::traffic::{Expect, Generator, GeneratorParams, Next, PayloadSize, Traffic};
///
/// let size = PayloadSize::Range { min: 64, max: 1472 };
/// let params = GeneratorParams { seed: 7, packets: 1000, size, ports: vec![5001, 5002] };
/// let mut generator = Generator::new(params, 1514)?;
/// let mut frame = Vec::new();
/// while generator.next_frame(&mut frame)? == Next::Frame {
///     let parsed = parse(&frame);
///     let payload = &frame[parsed.header_len..][..parsed.payload_len];
///     let port = parsed.dst_port.expect("it is UDP");
///     let seq = Expect::sequence(payload).expect("a generated payload has room for it");
///     Expect::new(7, port, seq, size).check(payload)?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Generator {
    params: GeneratorParams,
    /// Packets made so far.
    made: u64,
    /// Packets made so far for each port, in the order of `params.ports`.
    sent: Vec<u64>,
}

/// What a [`Generator`] makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratorParams {
    /// Decides about every byte: another seed makes other traffic.
    pub seed: u64,
    /// How many packets.
    pub packets: u64,
    /// How long their payloads are.
    pub size: PayloadSize,
    /// The ports they go to, one for each queue. Each is a stream of its own sequence numbers.
    pub ports: Vec<u16>,
}

/// The length of UDP payloads, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadSize {
    /// All are this long.
    Fixed(usize),
    /// All lengths from `min` to `max`, equally often.
    Range {
        /// The shortest, in bytes.
        min: usize,
        /// The longest, in bytes.
        max: usize,
    },
}

impl PayloadSize {
    /// The shortest and the longest, in bytes.
    #[must_use]
    pub const fn bounds(self) -> (usize, usize) {
        match self {
            PayloadSize::Fixed(len) => (len, len),
            PayloadSize::Range { min, max } => (min, max),
        }
    }
}

impl Generator {
    /// A generator for a NIC that takes frames of up to `max_frame` bytes.
    ///
    /// # Errors
    ///
    /// * [`TrafficError::NoPackets`], [`TrafficError::NoPorts`]: nothing to make, or nowhere to send it.
    /// * [`TrafficError::PortZero`], [`TrafficError::PortTwice`]: a port that cannot be told from others.
    /// * [`TrafficError::SizeRange`]: the bounds of the size are the wrong way round.
    /// * [`TrafficError::PayloadTooShort`], [`TrafficError::PayloadTooLong`]: a payload of fewer than [`MIN_PAYLOAD`]
    ///   or more than [`MAX_UDP_PAYLOAD`] bytes.
    /// * [`TrafficError::PayloadFrame`]: the frame around it is longer than `max_frame`.
    pub fn new(params: GeneratorParams, max_frame: usize) -> Result<Self, TrafficError> {
        if params.packets == 0 {
            return Err(TrafficError::NoPackets);
        }
        if params.ports.is_empty() {
            return Err(TrafficError::NoPorts);
        }
        let mut ports = params.ports.clone();
        ports.sort_unstable();
        if ports[0] == 0 {
            return Err(TrafficError::PortZero);
        }
        if let Some(twice) = ports.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(TrafficError::PortTwice { port: twice[0] });
        }
        let (min, max) = params.size.bounds();
        if min > max {
            return Err(TrafficError::SizeRange { min, max });
        }
        if min < MIN_PAYLOAD {
            return Err(TrafficError::PayloadTooShort { len: min });
        }
        if max > MAX_UDP_PAYLOAD {
            return Err(TrafficError::PayloadTooLong { len: max });
        }
        if (UDP_HEADERS + max).max(MIN_FRAME) > max_frame {
            return Err(TrafficError::PayloadFrame { len: max, max_frame });
        }
        let sent = vec![0; params.ports.len()];
        Ok(Generator { params, made: 0, sent })
    }

    /// What it makes.
    #[must_use]
    pub fn params(&self) -> &GeneratorParams {
        &self.params
    }

    /// Each port with the number of packets made for it so far, which is the next sequence number.
    pub fn sent(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        self.params.ports.iter().copied().zip(self.sent.iter().copied())
    }
}

impl Traffic for Generator {
    fn next_frame(&mut self, frame: &mut Vec<u8>) -> Result<Next, TrafficError> {
        if self.made == self.params.packets {
            frame.clear();
            return Ok(Next::End);
        }
        let queue = below(mix(self.params.seed ^ mix(self.made)), self.params.ports.len());
        let (port, seq) = (self.params.ports[queue], self.sent[queue]);
        let expect = Expect::new(self.params.seed, port, seq, self.params.size);
        let flow = UdpFlow {
            // Locally administered addresses, and the network that RFC 2544 sets aside for benchmarks.
            src_mac: [0x02, 0, 0, 0, 0, 1],
            dst_mac: [0x02, 0, 0, 0, 0, 2],
            src: Ipv4Addr::new(198, 18, 0, 1),
            dst: Ipv4Addr::new(198, 18, 0, 2),
            src_port: SOURCE_PORT,
            dst_port: port,
        };
        build_udp(frame, &flow, expect.len, |payload| expect.fill(payload))
            .map_err(|error| TrafficError::PayloadTooLong { len: error.len })?;
        self.sent[queue] += 1;
        self.made += 1;
        Ok(Next::Frame)
    }

    fn describe(&self) -> String {
        let GeneratorParams { seed, packets, size, ports } = &self.params;
        let size = match size {
            PayloadSize::Fixed(len) => format!("{len}"),
            PayloadSize::Range { min, max } => format!("{min} to {max}"),
        };
        format!("generator: {packets} UDP packets with {size} bytes of payload to ports {ports:?}, seed {seed}")
    }

    /// Packets.
    fn progress(&self) -> Option<(u64, u64)> {
        Some((self.made, self.params.packets))
    }
}

/// The port that generated packets come from: the first of the dynamic ones.
const SOURCE_PORT: u16 = 49152;

/// The payload that a [`Generator`] made for one packet: every byte of it, computed when asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expect {
    port: u16,
    seq: u64,
    len: usize,
    /// Where the stream of this packet starts.
    key: u64,
}

/// How a payload differs from what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// A byte is wrong.
    #[error("packet {seq} to port {port}: byte {at} of the payload is {got:#04x}, sent was {want:#04x}")]
    Byte {
        /// The port the packet went to.
        port: u16,
        /// Its sequence number at that port.
        seq: u64,
        /// The first wrong byte, from the start of the payload.
        at: usize,
        /// What was sent.
        want: u8,
        /// What is there.
        got: u8,
    },
    /// The payload, or a piece of it, goes on where it should have ended, or the other way round.
    #[error("packet {seq} to port {port}: the payload ends at byte {got}, sent were {want} bytes")]
    Length {
        /// The port the packet went to.
        port: u16,
        /// Its sequence number at that port.
        seq: u64,
        /// Bytes that were sent.
        want: usize,
        /// Bytes that are there.
        got: usize,
    },
}

impl Expect {
    /// The payload of packet `seq` to `port`, of a generator with this seed and size.
    #[must_use]
    pub const fn new(seed: u64, port: u16, seq: u64, size: PayloadSize) -> Self {
        let key = mix(mix(seed ^ ((port as u64) << 48)).wrapping_add(seq.wrapping_mul(STRIDE)));
        let (min, max) = size.bounds();
        let len = if min < max { min + below(mix(!key), (max - min).saturating_add(1)) } else { min };
        Expect { port, seq, len, key }
    }

    /// The sequence number at the start of a payload; `None` if it is too short for one.
    #[must_use]
    pub fn sequence(payload: &[u8]) -> Option<u64> {
        payload.first_chunk().copied().map(u64::from_le_bytes)
    }

    /// The length of the payload, in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a generated payload is never empty")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Writes the payload, from its first byte on, for as long as `payload` is.
    pub fn fill(&self, payload: &mut [u8]) {
        let mut words = payload.chunks_exact_mut(8);
        let mut index = 0;
        for bytes in &mut words {
            bytes.copy_from_slice(&self.word(index).to_le_bytes());
            index += 1;
        }
        let last = words.into_remainder();
        last.copy_from_slice(&self.word(index).to_le_bytes()[..last.len()]);
        if let Some(first) = payload.first_chunk_mut() {
            *first = self.seq.to_le_bytes();
        } else {
            let len = payload.len();
            payload.copy_from_slice(&self.seq.to_le_bytes()[..len]);
        }
    }

    /// Compares a whole payload.
    ///
    /// # Errors
    ///
    /// [`Mismatch::Byte`] for the first byte that is wrong, [`Mismatch::Length`] if there is none but bytes are
    /// missing or too many.
    pub fn check(&self, payload: &[u8]) -> Result<(), Mismatch> {
        self.check_at(0, payload)?;
        if payload.len() == self.len { Ok(()) } else { Err(self.length(payload.len())) }
    }

    /// Compares `bytes`, a piece of the payload that starts at its byte `offset`. That no piece is missing is up to
    /// the caller, who knows [`len`](Self::len).
    ///
    /// # Errors
    ///
    /// [`Mismatch::Byte`] for the first byte that is wrong, [`Mismatch::Length`] if there is none but the piece ends
    /// behind the end of the payload.
    pub fn check_at(&self, offset: usize, bytes: &[u8]) -> Result<(), Mismatch> {
        let inside = bytes.len().min(self.len.saturating_sub(offset));
        if inside > 0 {
            // Up to a whole word that is not the sequence number, then whole words, then what is left.
            let mut at = offset.next_multiple_of(8).max(8);
            let (head, rest) = bytes[..inside].split_at(inside.min(at - offset));
            self.check_bytes(offset, head)?;
            let mut words = rest.chunks_exact(8);
            for word in &mut words {
                if *word != self.word(at / 8).to_le_bytes() {
                    return self.check_bytes(at, word);
                }
                at += 8;
            }
            self.check_bytes(at, words.remainder())?;
        }
        if inside == bytes.len() { Ok(()) } else { Err(self.length(offset.saturating_add(bytes.len()))) }
    }

    /// As [`check_at`](Self::check_at), byte by byte, within the payload.
    fn check_bytes(&self, offset: usize, bytes: &[u8]) -> Result<(), Mismatch> {
        for (at, &got) in (offset..).zip(bytes) {
            let word = if at < 8 { self.seq } else { self.word(at / 8) };
            let want = word.to_le_bytes()[at % 8];
            if got != want {
                return Err(Mismatch::Byte { port: self.port, seq: self.seq, at, want, got });
            }
        }
        Ok(())
    }

    const fn length(&self, got: usize) -> Mismatch {
        Mismatch::Length { port: self.port, seq: self.seq, want: self.len, got }
    }

    /// Eight bytes of the stream, found without those before: from `index` 1 on, they are the payload.
    const fn word(&self, index: usize) -> u64 {
        mix(self.key.wrapping_add((index as u64).wrapping_mul(STRIDE)))
    }
}

/// The length, in bytes, of the payload of packet `seq` to `port`, of a generator with this seed and size.
#[must_use]
pub const fn payload_len(seed: u64, port: u16, seq: u64, size: PayloadSize) -> usize {
    Expect::new(seed, port, seq, size).len()
}

/// The step of SplitMix64 (Steele, Lea and Flood, 2014), 2^64 divided by the golden ratio.
const STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64. Its state is a counter, so any word of a stream can be computed by itself, and a
/// processor computes several at the same time.
const fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// Scales 64 random bits to a number below `bound`.
const fn below(random: u64, bound: usize) -> usize {
    ((random as u128 * bound as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nic::frame::{parse, udp_checksum_ok};

    const SIZE: PayloadSize = PayloadSize::Range { min: 16, max: 9000 };

    fn params(packets: u64) -> GeneratorParams {
        GeneratorParams { seed: 42, packets, size: SIZE, ports: vec![5001, 5002, 5003, 80] }
    }

    fn frames(params: GeneratorParams) -> Vec<Vec<u8>> {
        let mut generator = Generator::new(params, 9042).expect("good parameters");
        let mut frames = Vec::new();
        // One buffer for all, as the NIC does: what is left of a frame must not show in the next.
        let mut frame = Vec::new();
        while generator.next_frame(&mut frame).expect("a generator does not fail") == Next::Frame {
            frames.push(frame.clone());
        }
        assert!(frame.is_empty());
        assert_eq!(generator.next_frame(&mut frame).expect("nor at its end"), Next::End);
        frames
    }

    #[test]
    fn every_frame_can_be_checked() {
        let mut next = std::collections::BTreeMap::new();
        let made = frames(params(500));
        assert_eq!(made.len(), 500);
        for frame in &made {
            let parsed = parse(frame);
            let (headers, rest) = frame.split_at(parsed.header_len);
            let payload = &rest[..parsed.payload_len];
            assert_eq!(udp_checksum_ok(headers, payload), Some(true));
            let port = parsed.dst_port.expect("UDP has a port");
            let seq = next.entry(port).or_insert(0);
            assert_eq!(Expect::sequence(payload), Some(*seq));
            assert_eq!(payload.len(), payload_len(42, port, *seq, SIZE));
            assert_eq!(Expect::new(42, port, *seq, SIZE).check(payload), Ok(()));
            *seq += 1;
        }
        assert_eq!(next.len(), 4, "each port gets some");
        assert!(next.values().all(|&sent| sent > 90), "and about as many as the others: {next:?}");
        let mut generator = Generator::new(params(500), 9042).expect("good parameters");
        while generator.next_frame(&mut Vec::new()).expect("a generator does not fail") == Next::Frame {}
        assert_eq!(generator.sent().collect::<std::collections::BTreeMap<_, _>>(), next);
    }

    #[test]
    fn same_parameters_same_frames() {
        assert_eq!(frames(params(50)), frames(params(50)));
        assert_eq!(frames(params(50)), frames(params(60))[..50]);
        let other = GeneratorParams { seed: 43, ..params(50) };
        assert_ne!(frames(params(50)), frames(other));
    }

    /// The bytes are part of the interface: a capture of generated traffic stays valid.
    #[test]
    fn known_bytes() {
        let expect = Expect::new(7, 5001, 3, PayloadSize::Fixed(27));
        let mut payload = [0; 27];
        expect.fill(&mut payload);
        assert_eq!(payload[..8], 3u64.to_le_bytes());
        assert_eq!(
            payload[8..],
            [
                0x98, 0xcd, 0x32, 0xc5, 0x43, 0x2d, 0xa9, 0x4a, 0x5f, 0xb7, 0xff, 0xe3, 0xab, 0x67, 0xc0, 0xda, 0xbd,
                0x83, 0x2e
            ]
        );
    }

    #[test]
    fn sizes_cover_their_range() {
        let size = PayloadSize::Range { min: 20, max: 27 };
        let mut seen = [0; 8];
        for seq in 0..800 {
            seen[payload_len(1, 5001, seq, size) - 20] += 1;
        }
        assert!(seen.iter().all(|&count| count > 50), "{seen:?}");
        assert_eq!(payload_len(1, 5001, 0, PayloadSize::Fixed(99)), 99);
    }

    #[test]
    fn pieces_at_random_splits() {
        for round in 0..2000u64 {
            let expect = Expect::new(round, 5001, round, PayloadSize::Range { min: 16, max: 300 });
            let mut payload = vec![0; expect.len()];
            expect.fill(&mut payload);
            let mut at = 0;
            let mut random = mix(round);
            while at < payload.len() {
                random = mix(random.wrapping_add(STRIDE));
                let len = below(random, 40).min(payload.len() - at);
                assert_eq!(expect.check_at(at, &payload[at..at + len]), Ok(()), "{len} bytes at {at}");
                at += len;
            }
        }
    }

    #[test]
    fn every_wrong_byte_is_found() {
        let expect = Expect::new(9, 5002, 77, PayloadSize::Fixed(61));
        let mut good = [0; 61];
        expect.fill(&mut good);
        for at in 0..61 {
            let mut bad = good;
            bad[at] ^= 0x40;
            let wrong = Mismatch::Byte { port: 5002, seq: 77, at, want: good[at], got: bad[at] };
            assert_eq!(expect.check(&bad), Err(wrong));
            for from in 0..=at {
                assert_eq!(expect.check_at(from, &bad[from..]), Err(wrong));
            }
            assert_eq!(expect.check_at(at + 1, &bad[at + 1..]), Ok(()));
        }
    }

    #[test]
    fn wrong_lengths_are_found() {
        let expect = Expect::new(9, 5002, 77, PayloadSize::Fixed(61));
        let mut long = [0; 70];
        expect.fill(&mut long);
        let length = |got| Err(Mismatch::Length { port: 5002, seq: 77, want: 61, got });
        for len in 0..70 {
            let want = if len == 61 { Ok(()) } else { length(len) };
            assert_eq!(expect.check(&long[..len]), want);
        }
        assert_eq!(expect.check_at(61, &[]), Ok(()));
        assert_eq!(expect.check_at(1000, &[1]), length(1001));
        assert_eq!(expect.check_at(usize::MAX, &[1, 2]), length(usize::MAX));
        for len in 0..8 {
            let mut short = [0xff; 8];
            expect.fill(&mut short[..len]);
            assert_eq!(short[..len], 77u64.to_le_bytes()[..len]);
        }
        assert_eq!(Expect::sequence(&[1, 2]), None);
    }

    #[test]
    fn parameters_are_checked() {
        let error = |change: fn(&mut GeneratorParams)| {
            let mut params = params(1);
            change(&mut params);
            Generator::new(params, 9042).expect_err("bad parameters").to_string()
        };
        assert_eq!(error(|p| p.packets = 0), "a generator of 0 packets makes no traffic: ask for at least 1");
        assert!(error(|p| p.ports.clear()).contains("no port to send to"));
        assert!(error(|p| p.ports.push(0)).contains("port 0, which is reserved"));
        assert!(error(|p| p.ports.push(5002)).starts_with("port 5002 is listed twice"));
        assert!(error(|p| p.size = PayloadSize::Fixed(15)).starts_with("a payload of 15 bytes has no room"));
        assert!(error(|p| p.size = PayloadSize::Fixed(65_508)).ends_with("at most 65507 bytes"));
        assert!(error(|p| p.size = PayloadSize::Range { min: 20, max: 19 }).starts_with("no payload is at least 20"));
        assert_eq!(
            error(|p| p.size = PayloadSize::Fixed(9001)),
            "a payload of 9001 bytes makes a frame of 9043 bytes, and the NIC takes 9042: generate at most 9000 bytes, \
             or allow longer frames (--max-frame of the examples)"
        );
        let jumbo = GeneratorParams { size: PayloadSize::Fixed(65_507), ..params(1) };
        assert!(Generator::new(jumbo, 65_549).is_ok());
        assert!(Generator::new(GeneratorParams { size: PayloadSize::Fixed(16), ..params(1) }, 59).is_err());
        assert!(Generator::new(GeneratorParams { size: PayloadSize::Fixed(16), ..params(1) }, 60).is_ok());
    }

    #[test]
    fn description() {
        let generator = Generator::new(params(3), 9042).expect("good parameters");
        assert_eq!(
            generator.describe(),
            "generator: 3 UDP packets with 16 to 9000 bytes of payload to ports [5001, 5002, 5003, 80], seed 42"
        );
    }
}
