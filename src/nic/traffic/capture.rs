//! Recorded traffic: what tcpdump or Wireshark wrote.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use pcap_parser::nom::IResult;
use pcap_parser::{
    Block, LegacyPcapBlock, PcapError, parse_block_be, parse_block_le, parse_pcap_frame, parse_pcap_frame_be,
    parse_pcap_frame_modified, parse_pcap_header,
};

use super::{Next, Traffic, TrafficError};

/// The longest piece of a file that is held in memory, in bytes.
const MAX_BLOCK: usize = 1 << 20;

/// The longest packet that tcpdump and Wireshark capture, in bytes.
const MAX_CAPTURED: u32 = 262_144;

/// Interfaces that one section of a file may describe.
const MAX_INTERFACES: usize = 65_536;

/// LINKTYPE_ETHERNET.
const ETHERNET: i32 = 1;

/// The bits of the link type in a pcap header; above them is the length of frame checksums.
const LINKTYPE_BITS: i32 = 0x03ff_ffff;

/// What a pcapng file starts with, in either byte order.
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// The Ethernet frames of a pcap or pcapng file, in the order of the file and as fast as they are asked for.
///
/// The file may be of any size and is read as a stream. Both byte orders, micro- and nanoseconds, several sections and
/// interfaces. A packet that was not captured as a whole is an error, since what would be delivered is not what was
/// sent; one of no bytes at all is passed over. The file is not trusted: whatever is in it, at most 1 MiB of it is in
/// memory.
///
/// ```
/// use netmem::nic::traffic::{Capture, Next, Traffic};
///
/// let mut capture = Capture::open("tests/data/udp.pcapng", 1514)?;
/// let (mut frame, mut count) = (Vec::new(), 0);
/// while capture.next_frame(&mut frame)? == Next::Frame {
///     count += 1;
/// }
/// assert_eq!(count, 56);
/// # Ok::<(), netmem::nic::traffic::TrafficError>(())
/// ```
#[derive(Debug)]
pub struct Capture<R = File> {
    input: Input<R>,
    place: Place,
    max_frame: usize,
    format: Format,
    /// Frames that were handed out.
    frames: u64,
    /// The file is at its end, or failed.
    ended: bool,
}

/// Where an error is.
#[derive(Debug)]
struct Place {
    file: String,
    /// The packet that is about to be read, or being looked at, from 1.
    packet: u64,
}

#[derive(Debug)]
enum Format {
    Pcap(Records),
    PcapNg(Section),
}

/// How the records of a pcap file are written.
#[derive(Clone, Copy, Debug)]
struct Records {
    big_endian: bool,
    /// With 8 more bytes of header, as Kuznetsov's patch of libpcap did.
    modified: bool,
}

/// What is known of the section of a pcapng file.
#[derive(Debug)]
struct Section {
    big_endian: bool,
    interfaces: Vec<Interface>,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    linktype: i32,
    /// Bytes of a packet that are captured; 0 for all.
    snaplen: u32,
}

/// A packet in the buffer, with what the file says about it.
#[derive(Clone, Copy)]
struct Packet<'a> {
    data: &'a [u8],
    original: u32,
}

impl Capture {
    /// Opens a file, for a NIC that takes frames of up to `max_frame` bytes.
    ///
    /// # Errors
    ///
    /// * [`TrafficError::Open`], [`TrafficError::Read`]: the system refuses to open or read it.
    /// * [`TrafficError::EmptyFile`], [`TrafficError::NotACapture`]: there is nothing in it, or something else.
    /// * [`TrafficError::LinkType`]: a pcap file with other packets than Ethernet frames.
    /// * [`TrafficError::Truncated`], [`TrafficError::Damaged`]: its header is not whole, or wrong.
    pub fn open(path: impl AsRef<Path>, max_frame: usize) -> Result<Self, TrafficError> {
        let name = path.as_ref().display().to_string();
        match File::open(path) {
            Ok(file) => Capture::new(file, name, max_frame),
            Err(source) => Err(TrafficError::Open { file: name, source }),
        }
    }
}

impl<R: Read> Capture<R> {
    /// Reads a capture from anything, `name` in error messages.
    ///
    /// # Errors
    ///
    /// As [`Capture::open`], without [`TrafficError::Open`].
    pub fn new(reader: R, name: impl Into<String>, max_frame: usize) -> Result<Self, TrafficError> {
        let mut input = Input::new(reader);
        let place = Place { file: name.into(), packet: 1 };
        if !place.fill(&mut input, 4)? {
            let file = place.file;
            return Err(match input.data() {
                [] => TrafficError::EmptyFile { file },
                start => TrafficError::NotACapture { file, start: start.to_vec() },
            });
        }
        let format = if input.u32(0, false) == SECTION_HEADER {
            // The section header is read as the first block.
            Format::PcapNg(Section { big_endian: false, interfaces: Vec::new() })
        } else {
            Format::Pcap(Records::read(&mut input, &place)?)
        };
        let mut capture = Capture { input, place, max_frame, format, frames: 0, ended: false };
        if let Format::PcapNg(section) = &mut capture.format {
            section.block(&mut capture.input, &capture.place)?;
        }
        Ok(capture)
    }

    /// The next packet that is not empty.
    fn next_packet(&mut self, frame: &mut Vec<u8>) -> Result<Next, TrafficError> {
        loop {
            let offset = self.input.offset;
            let found = match &mut self.format {
                Format::Pcap(records) => records.record(&mut self.input, &self.place)?,
                Format::PcapNg(section) => section.block(&mut self.input, &self.place)?,
            };
            let size = match found {
                Found::End if self.frames == 0 => {
                    return Err(TrafficError::EmptyCapture { file: self.place.file.clone() });
                }
                Found::End => return Ok(Next::End),
                Found::Other => continue,
                Found::Packet { size } => size,
            };
            let packet = match &self.format {
                Format::Pcap(records) => records.packet(&self.input, &self.place, size)?,
                Format::PcapNg(section) => section.packet(&self.input, &self.place, size)?,
            };
            let captured = packet.data.len() as u32;
            let (file, number) = (|| self.place.file.clone(), self.place.packet);
            if captured < packet.original {
                let original = packet.original;
                return Err(TrafficError::Snapped { file: file(), packet: number, offset, captured, original });
            }
            if packet.data.len() > self.max_frame {
                let max_frame = self.max_frame;
                return Err(TrafficError::FrameTooLong {
                    file: file(),
                    packet: number,
                    offset,
                    len: captured,
                    max_frame,
                });
            }
            frame.extend_from_slice(packet.data);
            self.input.consume(size);
            self.place.packet += 1;
            if captured > 0 {
                self.frames += 1;
                return Ok(Next::Frame);
            }
        }
    }
}

impl<R: Read + Send> Traffic for Capture<R> {
    /// Besides what [`Capture::open`] tells, the file may have packets that are cut off ([`TrafficError::Snapped`]) or
    /// too long ([`TrafficError::FrameTooLong`]), that are not Ethernet frames ([`TrafficError::LinkType`], for
    /// pcapng), or none ([`TrafficError::EmptyCapture`]). Once an error came, there is only [`Next::End`].
    fn next_frame(&mut self, frame: &mut Vec<u8>) -> Result<Next, TrafficError> {
        frame.clear();
        if self.ended {
            return Ok(Next::End);
        }
        let next = self.next_packet(frame);
        self.ended = !matches!(next, Ok(Next::Frame));
        next
    }

    fn describe(&self) -> String {
        let format = match self.format {
            Format::Pcap(_) => "pcap",
            Format::PcapNg(_) => "pcapng",
        };
        format!("capture {} ({format})", self.place.file)
    }
}

/// What comes next in a file.
#[derive(Clone, Copy)]
enum Found {
    /// A packet, whose `size` bytes with all that is around it are in the buffer.
    Packet { size: usize },
    /// Something else, which is already behind.
    Other,
    /// Nothing.
    End,
}

impl Records {
    /// Reads the header of a pcap file.
    fn read(input: &mut Input<impl Read>, place: &Place) -> Result<Self, TrafficError> {
        // The first four bytes decide, so a short file of another kind is not taken for a truncated capture.
        let start = &input.data()[..4];
        if let Err(pcap_parser::nom::Err::Error(PcapError::HeaderNotRecognized)) = parse_pcap_header(start) {
            return Err(TrafficError::NotACapture { file: place.file.clone(), start: start.to_vec() });
        }
        place.require(input, 24)?;
        let Ok((_, header)) = parse_pcap_header(input.data()) else {
            return Err(place.damaged(input, "the header of the file makes no sense".to_owned()));
        };
        if header.version_major != 2 {
            let what = format!("version {}.{} of pcap is unknown", header.version_major, header.version_minor);
            return Err(place.damaged(input, what));
        }
        place.ethernet(header.network.0 & LINKTYPE_BITS)?;
        input.consume(header.size());
        Ok(Records { big_endian: header.is_bigendian(), modified: header.is_modified_format() })
    }

    /// Brings the next record into the buffer.
    fn record(self, input: &mut Input<impl Read>, place: &Place) -> Result<Found, TrafficError> {
        let header = if self.modified { 24 } else { 16 };
        if !place.fill(input, 1)? {
            return Ok(Found::End);
        }
        place.require(input, header)?;
        let captured = input.u32(8, self.big_endian);
        place.plausible(input, captured)?;
        let size = header + captured as usize;
        place.require(input, size)?;
        Ok(Found::Packet { size })
    }

    /// The packet of the record in the buffer.
    fn packet<'a>(self, input: &'a Input<impl Read>, place: &Place, size: usize) -> Result<Packet<'a>, TrafficError> {
        type Parser = fn(&[u8]) -> IResult<&[u8], LegacyPcapBlock<'_>, PcapError<&[u8]>>;
        let parser: Parser = match self {
            Records { modified: true, .. } => parse_pcap_frame_modified,
            Records { big_endian: true, .. } => parse_pcap_frame_be,
            Records { .. } => parse_pcap_frame,
        };
        match parser(&input.data()[..size]) {
            Ok((_, record)) => Ok(Packet { data: record.data, original: record.origlen }),
            Err(_) => Err(place.damaged(input, "the record makes no sense".to_owned())),
        }
    }
}

impl Section {
    /// Brings the next block into the buffer if it is a packet, and reads it if it tells about packets.
    fn block(&mut self, input: &mut Input<impl Read>, place: &Place) -> Result<Found, TrafficError> {
        if !place.fill(input, 1)? {
            return Ok(Found::End);
        }
        place.require(input, 12)?;
        if input.u32(0, false) == SECTION_HEADER {
            self.big_endian = match input.data()[8..12] {
                [0x4d, 0x3c, 0x2b, 0x1a] => false,
                [0x1a, 0x2b, 0x3c, 0x4d] => true,
                ref magic => {
                    let what = format!("{magic:02x?} is not the byte order of a section");
                    return Err(place.damaged(input, what));
                }
            };
        }
        let kind = input.u32(0, self.big_endian);
        let len = input.u32(4, self.big_endian);
        if len < 12 || len % 4 != 0 {
            let what = format!("a block of type {kind} has the impossible length {len}");
            return Err(place.damaged(input, what));
        }
        match kind {
            SECTION_HEADER | INTERFACE_DESCRIPTION => {
                let size = self.bring(input, place, kind, len)?;
                self.describe(input, place, size)?;
                input.consume(size);
                Ok(Found::Other)
            }
            SIMPLE_PACKET | ENHANCED_PACKET => {
                let size = self.bring(input, place, kind, len)?;
                Ok(Found::Packet { size })
            }
            OLD_PACKET => {
                let (file, packet, offset) = (place.file.clone(), place.packet, input.offset);
                Err(TrafficError::OldPacketBlock { file, packet, offset })
            }
            _ => {
                let start = input.offset;
                place.skip(input, u64::from(len) - 4, start)?;
                place.require_from(input, 4, start)?;
                place.same_length(input, kind, len, input.u32(0, self.big_endian))?;
                input.consume(4);
                Ok(Found::Other)
            }
        }
    }

    /// Brings a whole block into the buffer.
    fn bring(&self, input: &mut Input<impl Read>, place: &Place, kind: u32, len: u32) -> Result<usize, TrafficError> {
        let size = len as usize;
        if size > MAX_BLOCK {
            let what = format!("a block of type {kind} claims to be {len} bytes long, more than {MAX_BLOCK}");
            return Err(place.damaged(input, what));
        }
        place.require(input, size)?;
        place.same_length(input, kind, len, input.u32(size - 4, self.big_endian))?;
        Ok(size)
    }

    fn parse<'a>(&self, input: &'a Input<impl Read>, place: &Place, size: usize) -> Result<Block<'a>, TrafficError> {
        let parse = if self.big_endian { parse_block_be } else { parse_block_le };
        match parse(&input.data()[..size]) {
            Ok((_, block)) => Ok(block),
            Err(_) => {
                let kind = input.u32(0, self.big_endian);
                let what = format!("the content of a block of type {kind} and {size} bytes makes no sense");
                Err(place.damaged(input, what))
            }
        }
    }

    /// Takes in what a section header or an interface description tells.
    fn describe(&mut self, input: &Input<impl Read>, place: &Place, size: usize) -> Result<(), TrafficError> {
        match self.parse(input, place, size)? {
            Block::SectionHeader(section) => {
                if section.major_version != 1 {
                    let (major, minor) = (section.major_version, section.minor_version);
                    let what = format!("version {major}.{minor} of pcapng is unknown");
                    return Err(place.damaged(input, what));
                }
                self.interfaces.clear();
            }
            Block::InterfaceDescription(interface) => {
                if self.interfaces.len() == MAX_INTERFACES {
                    let what = format!("one section describes more than {MAX_INTERFACES} interfaces");
                    return Err(place.damaged(input, what));
                }
                self.interfaces.push(Interface { linktype: interface.linktype.0, snaplen: interface.snaplen });
            }
            _ => {}
        }
        Ok(())
    }

    /// The packet of the block in the buffer.
    fn packet<'a>(&self, input: &'a Input<impl Read>, place: &Place, size: usize) -> Result<Packet<'a>, TrafficError> {
        let (interface, captured, original, data) = match self.parse(input, place, size)? {
            Block::EnhancedPacket(packet) => (packet.if_id, packet.caplen, packet.origlen, packet.data),
            // Its captured length is not written down.
            Block::SimplePacket(packet) => (0, packet.origlen, packet.origlen, packet.data),
            other => {
                let what = format!("a block of type {} is not a packet", other.magic());
                return Err(place.damaged(input, what));
            }
        };
        let Some(&Interface { linktype, snaplen }) = self.interfaces.get(interface as usize) else {
            let described = self.interfaces.len();
            let what = format!("the packet came in on interface {interface}, and {described} are described");
            return Err(place.damaged(input, what));
        };
        place.ethernet(linktype)?;
        let simple = input.u32(0, self.big_endian) == SIMPLE_PACKET;
        let captured = if simple && snaplen > 0 { captured.min(snaplen) } else { captured };
        let data = data.get(..captured as usize).unwrap_or(data);
        place.plausible(input, data.len() as u32)?;
        Ok(Packet { data, original })
    }
}

impl Place {
    /// Tries to have `len` bytes in the buffer; false if the file ends before.
    fn fill(&self, input: &mut Input<impl Read>, len: usize) -> Result<bool, TrafficError> {
        input.fill(len).map_err(|source| self.unreadable(input, source))
    }

    fn unreadable(&self, input: &Input<impl Read>, source: io::Error) -> TrafficError {
        let offset = input.end_offset();
        TrafficError::Read { file: self.file.clone(), offset, packet: self.packet, source }
    }

    /// Has `len` bytes of what starts here in the buffer.
    fn require(&self, input: &mut Input<impl Read>, len: usize) -> Result<(), TrafficError> {
        self.require_from(input, len, input.offset)
    }

    /// Has `len` bytes of what started at byte `start` of the file in the buffer.
    fn require_from(&self, input: &mut Input<impl Read>, len: usize, start: u64) -> Result<(), TrafficError> {
        if self.fill(input, len)? { Ok(()) } else { Err(self.truncated(input, start)) }
    }

    /// Passes over `len` bytes of what started at byte `start` of the file.
    fn skip(&self, input: &mut Input<impl Read>, mut len: u64, start: u64) -> Result<(), TrafficError> {
        while len > 0 {
            self.require_from(input, 1, start)?;
            let step = len.min(input.data().len() as u64);
            input.consume(step as usize);
            len -= step;
        }
        Ok(())
    }

    fn truncated(&self, input: &Input<impl Read>, offset: u64) -> TrafficError {
        TrafficError::Truncated { file: self.file.clone(), packet: self.packet, offset, end: input.end_offset() }
    }

    fn damaged(&self, input: &Input<impl Read>, what: String) -> TrafficError {
        TrafficError::Damaged { file: self.file.clone(), packet: self.packet, offset: input.offset, what }
    }

    fn ethernet(&self, linktype: i32) -> Result<(), TrafficError> {
        if linktype == ETHERNET {
            return Ok(());
        }
        Err(TrafficError::LinkType { file: self.file.clone(), packet: self.packet, linktype })
    }

    /// Refuses lengths that are not those of a packet.
    fn plausible(&self, input: &Input<impl Read>, captured: u32) -> Result<(), TrafficError> {
        if captured <= MAX_CAPTURED {
            return Ok(());
        }
        let what = format!("the packet claims to be {captured} bytes long, more than any capture has ({MAX_CAPTURED})");
        Err(self.damaged(input, what))
    }

    /// A block says how long it is at both ends.
    fn same_length(&self, input: &Input<impl Read>, kind: u32, first: u32, last: u32) -> Result<(), TrafficError> {
        if first == last {
            return Ok(());
        }
        let what = format!("a block of type {kind} is {first} bytes long by its start and {last} by its end");
        Err(self.damaged(input, what))
    }
}

/// A window of at most [`MAX_BLOCK`] bytes that moves over a file.
///
/// # Invariants
///
/// `start <= end <= buffer.len()`.
#[derive(Debug)]
struct Input<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Where the window starts in the file.
    offset: u64,
}

impl<R: Read> Input<R> {
    fn new(reader: R) -> Self {
        // INVARIANT: nothing was read.
        Input { reader, buffer: vec![0; 1 << 16], start: 0, end: 0, offset: 0 }
    }

    /// Tries to have `len` bytes, at most [`MAX_BLOCK`], in the window.
    fn fill(&mut self, len: usize) -> io::Result<bool> {
        debug_assert!(len <= MAX_BLOCK);
        if self.start + len > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            // INVARIANT: the same bytes, moved to the front.
            self.end -= self.start;
            self.start = 0;
            if len > self.buffer.len() {
                self.buffer.resize(len.next_power_of_two(), 0);
            }
        }
        while self.end - self.start < len {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                // INVARIANT: a reader that claims more than there was room for is not believed.
                Ok(read) => self.end = self.buffer.len().min(self.end + read),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// What is in the window.
    fn data(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The number at byte `at` of the window, where it must be.
    fn u32(&self, at: usize, big_endian: bool) -> u32 {
        let bytes = self.data()[at..].first_chunk().copied().unwrap_or_default();
        if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    fn consume(&mut self, len: usize) {
        let len = len.min(self.end - self.start);
        // INVARIANT: `len` is at most what is left.
        self.start += len;
        self.offset += len as u64;
    }

    /// How far the file was read, in bytes from its start.
    fn end_offset(&self) -> u64 {
        self.offset + (self.end - self.start) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nic::frame::{parse, udp_checksum_ok};

    const PCAP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/udp.pcap");
    const PCAPNG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/udp.pcapng");

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

    fn read(bytes: &[u8]) -> Result<Vec<Vec<u8>>, TrafficError> {
        all(&mut Capture::new(bytes, "made up", 2000)?)
    }

    fn error(bytes: &[u8]) -> String {
        read(bytes).expect_err("a bad capture").to_string()
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
            self.block(
                INTERFACE_DESCRIPTION,
                &[&self.u16(linktype)[..], &[0; 2], &self.u32(snaplen), &options].concat(),
            )
        }

        fn enhanced(self, interface: u32, frame: &[u8]) -> Vec<u8> {
            let len = frame.len() as u32;
            self.block(ENHANCED_PACKET, &[&self.words(&[interface, 0, 0, len, len]), frame].concat())
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
            for magic in [0xa1b2_c3d4, 0xa1b2_3c4d] {
                assert_eq!(read(&order.pcap(magic, 1, &frames)).expect("a good file"), frames);
            }
            assert_eq!(read(&order.pcapng(&frames)).expect("a good file"), frames);
        }
        assert_eq!(read(&ORDERS[0].pcap(0xa1b2_cd34, 1, &frames)).expect("a good file"), frames);
        let both = [ORDERS[0].pcapng(&frames), ORDERS[1].pcapng(&frames)].concat();
        assert_eq!(read(&both).expect("each section has its order"), [&frames[..], &frames].concat());
        // Frame checksums of 4 bytes are announced in the upper bits.
        assert_eq!(read(&ORDERS[1].pcap(0xa1b2_c3d4, 0x2400_0001, &frames)).expect("a good file"), frames);
    }

    #[test]
    fn other_files() {
        assert_eq!(error(b""), "made up is empty: a capture has at least a header; was it written to the end?");
        assert!(
            error(b"\x1f\x8b\x08\x00 compressed").starts_with(
                "made up is neither pcap nor pcapng: it starts with [1f, 8b, 08, 00]; name a capture that"
            )
        );
        assert!(error(b"GET").contains("it starts with [47, 45, 54]"));
        let missing = Capture::open("/nonexistent/x.pcap", 1514).expect_err("it is not there").to_string();
        assert!(missing.starts_with("cannot open /nonexistent/x.pcap: No such file"), "{missing}");
        let directory = Capture::open("/", 1514).expect_err("not a file").to_string();
        assert!(directory.starts_with("cannot read / at byte 0, in packet 1: "), "{directory}");
    }

    #[test]
    fn other_link_types() {
        for order in ORDERS {
            let want = "made up, packet 1: link type 113 is not Ethernet (1), and the NIC understands nothing else; \
                        capture with -i eth0 rather than -i any";
            assert_eq!(error(&order.pcap(0xa1b2_c3d4, 113, &some_frames())), want);
            let file = [order.section(), order.interface(113, 0), order.enhanced(0, &[1; 60])].concat();
            assert_eq!(error(&file), want);
            // An interface that nothing came in on does no harm.
            let file = [order.section(), order.interface(1, 0), order.interface(113, 0), order.simple(&[1; 60])];
            assert_eq!(read(&file.concat()).expect("Ethernet only"), [[1; 60]]);
        }
    }

    #[test]
    fn packets_cut_off_too_long_or_empty() {
        for order in ORDERS {
            let mut file = order.pcap(0xa1b2_3c4d, 1, &[vec![1; 60], vec![2; 70]]);
            let original = file.len() - 70 - 4;
            file[original..original + 4].copy_from_slice(&order.u32(1500));
            assert_eq!(
                error(&file),
                "made up, packet 2 (at byte 100): only 70 of 1500 bytes were captured; capture whole packets with \
                 tcpdump -s 0"
            );
            let file = [order.section(), order.interface(1, 50), order.simple(&[1; 60])].concat();
            assert!(error(&file).contains("packet 1 (at byte 60): only 50 of 60 bytes"), "{}", error(&file));

            let file = order.pcap(0xa1b2_c3d4, 1, &[vec![1; 2000], vec![2; 2001]]);
            assert!(error(&file).contains("packet 2 (at byte 2040): a frame of 2001 bytes, and the NIC takes 2000"));
            let file = [order.section(), order.interface(1, 0), order.enhanced(0, &[1; 2001])].concat();
            assert!(error(&file).contains("packet 1 (at byte 60): a frame of 2001 bytes"), "{}", error(&file));

            let file = order.pcap(0xa1b2_c3d4, 1, &[vec![], vec![3; 60]]);
            assert_eq!(read(&file).expect("the empty one is passed over"), [[3; 60]]);
            for nothing in [order.pcap(0xa1b2_c3d4, 1, &[]), order.pcap(0xa1b2_c3d4, 1, &[vec![]]), order.section()] {
                assert!(error(&nothing).starts_with("made up is a capture without packets"));
            }
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
            assert!(
                with(order.words(&[77, 0x7fff_fffc, 0])).contains("it ends at byte 72, inside what starts at byte 60")
            );
            assert!(with(order.words(&[77, 12, 16])).contains("is 12 bytes long by its start and 16 by its end"));
            assert!(with(order.words(&[6, 32, 0, 0, 0, 0, 0, 36])).contains("is 32 bytes long by its start and 36"));
            assert!(with(order.words(&[6, 32, 0, 0, 0, 1, 1, 32])).contains("type 6 and 32 bytes makes no sense"));
            assert!(with(order.words(&[6, 12, 12])).contains("type 6 and 12 bytes makes no sense"));
            assert!(with(order.enhanced(9, &[0; 60])).contains("came in on interface 9, and 1 are described"));
            assert!(with(order.block(OLD_PACKET, &[0; 60])).contains("an obsolete packet block (type 2); convert"));
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
        let mut frame = Vec::new();
        assert_eq!(capture.next_frame(&mut frame).expect("the first is there"), Next::Frame);
        let error = capture.next_frame(&mut frame).expect_err("the second is not").to_string();
        assert_eq!(error, "cannot read made up at byte 120, in packet 2: the disk is on fire");
        assert_eq!(capture.next_frame(&mut frame).expect("it ended"), Next::End);
        assert!(frame.is_empty());
    }

    /// A reader that gives a few bytes at a time, and is interrupted now and then.
    struct Trickle<'a> {
        bytes: &'a [u8],
        step: usize,
    }

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.step = self.step % 29 + 1;
            if self.step == 11 {
                return Err(ErrorKind::Interrupted.into());
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
                let mut capture =
                    Capture::new(Trickle { bytes: &file, step: 0 }, "made up", 2000).expect("a good file");
                assert_eq!(all(&mut capture).expect("a good file"), frames);
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
            let mut capture = match Capture::new(&file[..], "mutated", 200) {
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
            assert!(capture.input.buffer.len() <= MAX_BLOCK);
        }
        assert!(good > 5000 && bad > 5000, "{good} files were still good, {bad} were not");
    }
}
