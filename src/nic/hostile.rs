//! [`Hostile`]: a device that reports nonsense, to see that the driver does not believe it.

use super::wire::Descriptor;
use crate::dma::RxCompletion;

/// Every so many frames the device reports one completion that does not fit, in a fixed order of four ways.
///
/// It never reports a buffer as done that it still writes to: no driver could know, and only a device that cannot reach
/// the page at all ([`Bounce`](crate::dma::Bounce)) makes that harmless.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hostile {
    every: u64,
    frames: u64,
}

/// One way to report nonsense.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trick {
    /// After the frame, a completion for a descriptor that does not exist.
    Index(u16),
    /// After the frame, its last completion once more.
    Twice,
    /// More payload than the buffer has.
    PayloadLength(u32),
    /// More headers than the buffer has.
    HeaderLength(u32),
}

impl Hostile {
    pub(super) fn new(every: u64) -> Self {
        Hostile { every: every.max(1), frames: 0 }
    }

    /// What to do with the next frame.
    pub(super) fn next(&mut self) -> Option<Trick> {
        self.frames += 1;
        if self.frames % self.every != 0 {
            return None;
        }
        let round = self.frames / self.every;
        let by = 1 + (round * 37 % 1000) as u32;
        Some(match round % 4 {
            0 => Trick::Index((round * 97 % 4096) as u16),
            1 => Trick::Twice,
            2 => Trick::PayloadLength(if round % 8 == 2 { u32::MAX } else { by }),
            _ => Trick::HeaderLength(by),
        })
    }
}

impl Trick {
    /// What the device reports in place of the last completion of a frame.
    pub(super) fn play(self, last: RxCompletion, descriptor: &Descriptor, depth: u32) -> [Option<RxCompletion>; 2] {
        match self {
            Trick::Index(by) => {
                let index = (depth + u32::from(by)).min(u32::from(u16::MAX));
                [Some(last), Some(RxCompletion { id: last.id & 0xffff_0000 | index, ..last })]
            }
            Trick::Twice => [Some(last), Some(last)],
            Trick::PayloadLength(by) => {
                let payload_len = descriptor.payload_len.get().saturating_add(by);
                [Some(RxCompletion { payload_len, ..last }), None]
            }
            Trick::HeaderLength(by) => {
                let header_len = descriptor.header_len.get().saturating_add(by);
                [Some(RxCompletion { header_len, ..last }), None]
            }
        }
    }
}
