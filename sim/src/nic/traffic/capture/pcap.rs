//! [`Records`]: the older format, which tcpdump writes.

use std::io::Read;

use pcap_parser::{PcapError, parse_pcap_header};

use super::input::Input;
use super::place::Place;
use super::{Found, Packet};
use crate::nic::traffic::TrafficError;

/// The bits of the link type in the header. Above them are reserved ones, to be ignored, and the length of frame checksums.
const LINKTYPE_BITS: i32 = 0xffff;

/// The magic number of Kuznetsov's patch of libpcap, as a big-endian machine writes it, and what it writes otherwise.
const MODIFIED_BIG_ENDIAN: [u8; 4] = [0xa1, 0xb2, 0xcd, 0x34];
const BIG_ENDIAN: [u8; 4] = [0xa1, 0xb2, 0xc3, 0xd4];

/// How the records of a file are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Records {
    big_endian: bool,
    /// With 8 more bytes of header, as Kuznetsov's patch of libpcap did.
    modified: bool,
    lengths: Lengths,
    linktype: i32,
}

/// Which of the two lengths of a record comes first.
#[derive(Clone, Copy, Debug)]
enum Lengths {
    /// Bytes that were captured, then bytes on the wire.
    CapturedFirst,
    /// The other way round, as before version 2.3.
    OriginalFirst,
    /// Version 2.3 has both: the smaller one is what was captured.
    Either,
}

impl Records {
    /// Reads the header of a file.
    pub(super) fn read(input: &mut Input<impl Read>, place: &Place) -> Result<Self, TrafficError> {
        // The first four bytes decide, so a short file of another kind is not taken for a truncated capture.
        let start: [u8; 4] = input.data().first_chunk().copied().unwrap_or_default();
        let foreign_order = start == MODIFIED_BIG_ENDIAN;
        let magic = if foreign_order { BIG_ENDIAN } else { start };
        if let Err(pcap_parser::nom::Err::Error(PcapError::HeaderNotRecognized)) = parse_pcap_header(&magic) {
            return Err(TrafficError::NotACapture { file: place.file.clone(), start: start.to_vec() });
        }
        place.require(input, 24)?;
        let header = [&magic, &input.data()[4..24]].concat();
        let Ok((_, header)) = parse_pcap_header(&header) else {
            return Err(place.damaged(input, "the header of the file makes no sense".to_owned()));
        };
        if header.version_major != 2 {
            let what = format!("version {}.{} of pcap is unknown", header.version_major, header.version_minor);
            return Err(place.damaged(input, what));
        }
        let lengths = match header.version_minor {
            0..3 => Lengths::OriginalFirst,
            3 => Lengths::Either,
            _ => Lengths::CapturedFirst,
        };
        input.consume(24);
        Ok(Records {
            big_endian: header.is_bigendian(),
            modified: foreign_order || header.is_modified_format(),
            lengths,
            linktype: header.network.0 & LINKTYPE_BITS,
        })
    }

    fn header(self) -> usize {
        if self.modified { 24 } else { 16 }
    }

    /// The bytes of the record in the buffer that were captured, and those that were on the wire.
    fn lengths<R>(self, input: &Input<R>) -> (u32, u32) {
        let (first, second) = (input.u32(8, self.big_endian), input.u32(12, self.big_endian));
        match self.lengths {
            Lengths::CapturedFirst => (first, second),
            Lengths::OriginalFirst => (second, first),
            Lengths::Either => (first.min(second), first.max(second)),
        }
    }

    /// Brings the next record into the buffer.
    pub(super) fn record(self, input: &mut Input<impl Read>, place: &Place) -> Result<Found, TrafficError> {
        if !place.fill(input, 1)? {
            return Ok(Found::End);
        }
        place.require(input, self.header())?;
        let (captured, _) = self.lengths(input);
        place.plausible(input, captured)?;
        let size = self.header() + captured as usize;
        place.require(input, size)?;
        Ok(Found::Packet { size })
    }

    /// The packet of the record in the buffer.
    pub(super) fn packet<R>(self, input: &Input<R>, size: usize) -> Packet<'_> {
        let (_, original) = self.lengths(input);
        Packet { linktype: self.linktype, data: &input.data()[self.header()..size], original }
    }
}
