//! [`Section`]: the newer format, which Wireshark writes.

use std::io::Read;

use pcap_parser::{Block, parse_block_be, parse_block_le};

use super::input::{Input, MAX_BLOCK};
use super::place::Place;
use super::{Found, Packet};
use crate::nic::traffic::TrafficError;

/// Interfaces that one section of a file may describe.
const MAX_INTERFACES: usize = 65_536;

/// What a file starts with, in either byte order.
pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
pub(super) const INTERFACE_DESCRIPTION: u32 = 1;
/// Obsolete since 2009. The parser does not know it.
pub(super) const OLD_PACKET: u32 = 2;
pub(super) const SIMPLE_PACKET: u32 = 3;
pub(super) const ENHANCED_PACKET: u32 = 6;

/// The bytes before the data of an obsolete packet block.
const OLD_PACKET_HEADER: usize = 28;

/// What is known of the section of a file.
#[derive(Debug, Default)]
pub(super) struct Section {
    big_endian: bool,
    interfaces: Vec<Interface>,
    /// The block that is being passed over.
    skipped: Option<Skipped>,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    linktype: i32,
    /// Bytes of a packet that are captured; 0 for all.
    snaplen: u32,
}

/// A block of no interest, of which bytes may still have to come.
#[derive(Clone, Copy, Debug)]
struct Skipped {
    kind: u32,
    len: u32,
    /// Where it starts in the file.
    start: u64,
    /// Bytes to pass over before those that repeat its length.
    left: u64,
}

impl Section {
    /// Brings the next block into the buffer if it is a packet, and reads it if it tells about packets.
    pub(super) fn block(&mut self, input: &mut Input<impl Read>, place: &Place) -> Result<Found, TrafficError> {
        if self.skipped.is_some() {
            return self.skip(input, place);
        }
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
            OLD_PACKET | SIMPLE_PACKET | ENHANCED_PACKET => {
                let size = self.bring(input, place, kind, len)?;
                Ok(Found::Packet { size })
            }
            _ => {
                self.skipped = Some(Skipped { kind, len, start: input.offset, left: u64::from(len) - 4 });
                self.skip(input, place)
            }
        }
    }

    /// Passes over a block of no interest, as far as it has come.
    fn skip(&mut self, input: &mut Input<impl Read>, place: &Place) -> Result<Found, TrafficError> {
        let Some(skipped) = &mut self.skipped else { return Ok(Found::Other) };
        while skipped.left > 0 {
            place.require_from(input, 1, skipped.start)?;
            let step = skipped.left.min(input.data().len() as u64);
            // CAST: at most the length of the window.
            input.consume(step as usize);
            skipped.left -= step;
        }
        place.require_from(input, 4, skipped.start)?;
        let (kind, len) = (skipped.kind, skipped.len);
        same_length(input, place, kind, len, input.u32(0, self.big_endian))?;
        input.consume(4);
        self.skipped = None;
        Ok(Found::Other)
    }

    /// Brings a whole block into the buffer.
    fn bring(&self, input: &mut Input<impl Read>, place: &Place, kind: u32, len: u32) -> Result<usize, TrafficError> {
        let size = len as usize;
        if size > MAX_BLOCK {
            let what = format!("a block of type {kind} claims to be {len} bytes long, more than {MAX_BLOCK}");
            return Err(place.damaged(input, what));
        }
        place.require(input, size)?;
        same_length(input, place, kind, len, input.u32(size - 4, self.big_endian))?;
        Ok(size)
    }

    fn parse<'a, R>(&self, input: &'a Input<R>, place: &Place, size: usize) -> Result<Block<'a>, TrafficError> {
        let parse = if self.big_endian { parse_block_be } else { parse_block_le };
        match parse(&input.data()[..size]) {
            Ok((_, block)) => Ok(block),
            Err(_) => Err(self.no_sense(input, place, size)),
        }
    }

    fn no_sense<R>(&self, input: &Input<R>, place: &Place, size: usize) -> TrafficError {
        let kind = input.u32(0, self.big_endian);
        place.damaged(input, format!("the content of a block of type {kind} and {size} bytes makes no sense"))
    }

    /// Takes in what a section header or an interface description tells.
    fn describe<R>(&mut self, input: &Input<R>, place: &Place, size: usize) -> Result<(), TrafficError> {
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

    /// The packet of the block in the buffer. An error is about this block: the next one may be good.
    pub(super) fn packet<'a, R>(
        &self,
        input: &'a Input<R>,
        place: &Place,
        size: usize,
    ) -> Result<Packet<'a>, TrafficError> {
        if input.u32(0, self.big_endian) == OLD_PACKET {
            return self.old_packet(input, place, size);
        }
        match self.parse(input, place, size)? {
            Block::EnhancedPacket(packet) => {
                let Interface { linktype, .. } = self.interface(input, place, packet.if_id)?;
                let data = packet.data.get(..packet.caplen as usize).unwrap_or(packet.data);
                place.plausible(input, data.len() as u32)?;
                Ok(Packet { linktype, data, original: packet.origlen })
            }
            // How much of it was captured is not written down: as much as its interface captures.
            Block::SimplePacket(packet) => {
                let Interface { linktype, snaplen } = self.interface(input, place, 0)?;
                let captured = if snaplen > 0 { packet.origlen.min(snaplen) } else { packet.origlen };
                let data = packet.data.get(..captured as usize).unwrap_or(packet.data);
                place.plausible(input, data.len() as u32)?;
                Ok(Packet { linktype, data, original: packet.origlen })
            }
            other => {
                let what = format!("a block of type {} is not a packet", other.magic());
                Err(place.damaged(input, what))
            }
        }
    }

    /// The packet of an obsolete packet block.
    fn old_packet<'a, R>(&self, input: &'a Input<R>, place: &Place, size: usize) -> Result<Packet<'a>, TrafficError> {
        if size < OLD_PACKET_HEADER + 4 {
            return Err(self.no_sense(input, place, size));
        }
        let Interface { linktype, .. } = self.interface(input, place, u32::from(input.u16(8, self.big_endian)))?;
        let (captured, original) = (input.u32(20, self.big_endian), input.u32(24, self.big_endian));
        let room = &input.data()[OLD_PACKET_HEADER..size - 4];
        let data = room.get(..captured as usize).ok_or_else(|| self.no_sense(input, place, size))?;
        place.plausible(input, captured)?;
        Ok(Packet { linktype, data, original })
    }

    fn interface<R>(&self, input: &Input<R>, place: &Place, number: u32) -> Result<Interface, TrafficError> {
        self.interfaces.get(number as usize).copied().ok_or_else(|| {
            let described = self.interfaces.len();
            place.damaged(input, format!("the packet came in on interface {number}, and {described} are described"))
        })
    }
}

/// A block says how long it is at both ends.
fn same_length<R>(input: &Input<R>, place: &Place, kind: u32, first: u32, last: u32) -> Result<(), TrafficError> {
    if first == last {
        return Ok(());
    }
    let what = format!("a block of type {kind} is {first} bytes long by its start and {last} by its end");
    Err(place.damaged(input, what))
}
