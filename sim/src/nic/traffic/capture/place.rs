//! [`Place`]: where in a file its reader is, for errors; and what it requires to be there.

use std::io::{self, Read};

use super::input::Input;
use crate::nic::traffic::TrafficError;

/// The longest packet that tcpdump and Wireshark capture, in bytes.
const MAX_CAPTURED: u32 = 262_144;

/// Where an error is.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) file: String,
    /// The packet that is about to be read, or being looked at, from 1.
    pub(super) packet: u64,
}

impl Place {
    /// Tries to have `len` bytes in the buffer; false if the file ends before.
    pub(super) fn fill(&self, input: &mut Input<impl Read>, len: usize) -> Result<bool, TrafficError> {
        input.fill(len).map_err(|source| self.unreadable(input, source))
    }

    fn unreadable<R>(&self, input: &Input<R>, source: io::Error) -> TrafficError {
        let offset = input.end_offset();
        TrafficError::Read { file: self.file.clone(), offset, packet: self.packet, source }
    }

    /// Has `len` bytes of what starts here in the buffer.
    pub(super) fn require(&self, input: &mut Input<impl Read>, len: usize) -> Result<(), TrafficError> {
        self.require_from(input, len, input.offset)
    }

    /// Has `len` bytes of what started at byte `start` of the file in the buffer.
    pub(super) fn require_from(
        &self,
        input: &mut Input<impl Read>,
        len: usize,
        start: u64,
    ) -> Result<(), TrafficError> {
        if self.fill(input, len)? { Ok(()) } else { Err(self.truncated(input, start)) }
    }

    fn truncated<R>(&self, input: &Input<R>, offset: u64) -> TrafficError {
        TrafficError::Truncated { file: self.file.clone(), packet: self.packet, offset, end: input.end_offset() }
    }

    pub(super) fn damaged<R>(&self, input: &Input<R>, what: String) -> TrafficError {
        TrafficError::Damaged { file: self.file.clone(), packet: self.packet, offset: input.offset, what }
    }

    /// Refuses lengths that are not those of a packet.
    pub(super) fn plausible<R>(&self, input: &Input<R>, captured: u32) -> Result<(), TrafficError> {
        if captured <= MAX_CAPTURED {
            return Ok(());
        }
        let what = format!("the packet claims to be {captured} bytes long, more than any capture has ({MAX_CAPTURED})");
        Err(self.damaged(input, what))
    }
}
