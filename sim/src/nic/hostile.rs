//! [`Hostile`]: a device that fails or reports nonsense, to see that the driver survives and does not believe it.

use super::wire::Descriptor;
use netmem::dma::{RxCompletion, TxCompletion};

/// What goes wrong, and when: every so many frames one [`Trick`], in an order that the seed decides.
///
/// Each trick is played once before one is played again. The same values make the same faults.
///
/// It never reports a buffer as done that it still writes to: no driver could know, and only a device that cannot reach
/// the page at all ([`Bounce`](crate::dma::Bounce)) makes that harmless.
///
/// ```
/// use netmem_sim::nic::{Hostile, NicParams, Trick};
///
/// // Every 100 frames something that a completion should not say; and one frame in 1000 is cut off.
/// let lies = Hostile::every(100);
/// let runts = Hostile { every: 1000, seed: 7, tricks: vec![Trick::Runt] };
/// let params = NicParams { hostile: Some(runts), ..NicParams::default() };
/// # let _ = (lies, params);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hostile {
    /// Frames between two tricks; at least 1.
    pub every: u64,
    /// Decides about their order, and about the numbers in them.
    pub seed: u64,
    /// What is played. One that stands here twice is played twice as often.
    pub tricks: Vec<Trick>,
}

/// One way to fail, or to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trick {
    /// After the frame, a completion for a descriptor that does not exist.
    Index,
    /// After the frame, its last completion once more.
    Twice,
    /// More payload than the buffer has.
    PayloadLength,
    /// More headers than the buffer has.
    HeaderLength,
    /// After the frame, a completion of half a ring ago once more, as if the device had overrun its ring. Its descriptor
    /// has been used again, most likely.
    Overrun,
    /// The frame is cut off within its Ethernet header.
    Runt,
    /// The report on the frame's checksum is turned round: wrong where it is right, right where it is wrong.
    Checksum,
    /// The device's access faults ([`DmaBus::fault`](crate::dma::DmaBus::fault)), and it reports that it failed.
    DmaFault,
    /// The device is taken out while it writes the frame. It is gone for good, with all that was under way.
    Remove,
}

impl Trick {
    /// The ways to report a completion that does not fit what was posted.
    pub const COMPLETIONS: [Trick; 4] = [Trick::Index, Trick::Twice, Trick::PayloadLength, Trick::HeaderLength];
}

impl Hostile {
    /// Every so many frames, at least 1, a completion that does not fit what was posted.
    pub fn every(every: u64) -> Self {
        Hostile { every, seed: 0, tricks: Trick::COMPLETIONS.to_vec() }
    }
}

/// A trick with the number in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) trick: Trick,
    number: u64,
}

/// Where in the course of faults the device is.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    hostile: Hostile,
    frames: u64,
    random: u64,
    /// What is still to be played of this round.
    round: Vec<Trick>,
}

impl Schedule {
    pub(super) fn new(hostile: Hostile) -> Self {
        Schedule { frames: 0, random: hostile.seed, round: Vec::new(), hostile }
    }

    /// Splitmix64: every seed is as good as another.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ self.random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// What to do with the next frame.
    pub(super) fn next(&mut self) -> Option<Fault> {
        self.frames += 1;
        if self.frames % self.hostile.every.max(1) != 0 {
            return None;
        }
        if self.round.is_empty() {
            self.round.clone_from(&self.hostile.tricks);
        }
        let number = self.random();
        let left = self.round.len().max(1) as u64;
        let trick = (!self.round.is_empty()).then(|| self.round.swap_remove((number % left) as usize))?;
        Some(Fault { trick, number: self.random() })
    }
}

impl Fault {
    /// What arrives of a frame.
    pub(super) fn cut(self, frame: &[u8]) -> &[u8] {
        match self.trick {
            Trick::Runt => &frame[..frame.len().min(1 + (self.number % 13) as usize)],
            _ => frame,
        }
    }

    /// What the device reports in place of the last completion of a frame. `old` is the id of half a ring ago.
    pub(super) fn play(
        self,
        last: RxCompletion,
        descriptor: &Descriptor,
        depth: u32,
        old: u32,
    ) -> [Option<RxCompletion>; 2] {
        let by = 1 + (self.number >> 1) as u32 % 1000;
        match self.trick {
            Trick::Index => {
                let index = depth.saturating_add(by).min(u32::from(u16::MAX));
                [Some(last), Some(RxCompletion { id: last.id & 0xffff_0000 | index, ..last })]
            }
            Trick::Twice => [Some(last), Some(last)],
            Trick::Overrun => [Some(last), Some(RxCompletion { id: old, ..last })],
            Trick::PayloadLength => {
                let by = if self.number & 1 == 0 { u32::MAX } else { by };
                let payload_len = descriptor.payload_len.get().saturating_add(by);
                [Some(RxCompletion { payload_len, ..last }), None]
            }
            Trick::HeaderLength => {
                let header_len = descriptor.header_len.get().saturating_add(by);
                [Some(RxCompletion { header_len, ..last }), None]
            }
            Trick::Checksum => [Some(RxCompletion { csum_ok: Some(last.csum_ok != Some(true)), ..last }), None],
            Trick::Runt | Trick::DmaFault | Trick::Remove => [Some(last), None],
        }
    }
}

impl Fault {
    /// What the device reports for a packet that it has sent. Of the tricks `Index`, `Twice` and `Overrun` are played
    /// here; `DmaFault` and `Remove` before; the others have no meaning for transmit.
    pub(super) fn play_tx(self, sent: TxCompletion, depth: u32, old: u32) -> [Option<TxCompletion>; 2] {
        let extra = match self.trick {
            Trick::Index => {
                let index = depth.saturating_add(1 + (self.number >> 1) as u32 % 1000).min(u32::from(u16::MAX));
                Some(sent.id & 0xffff_0000 | index)
            }
            Trick::Twice => Some(sent.id),
            Trick::Overrun => Some(old),
            _ => None,
        };
        [Some(sent), extra.map(|id| TxCompletion { id, ..sent })]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trick_once_a_round_and_the_seed_decides_the_order() {
        let order = |seed| {
            let mut schedule = Schedule::new(Hostile { seed, ..Hostile::every(3) });
            (0..600).filter_map(|_| schedule.next()).map(|fault| fault.trick).collect::<Vec<_>>()
        };
        assert_eq!(order(1).len(), 200);
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        for round in order(5).chunks(4) {
            assert!(Trick::COMPLETIONS.iter().all(|trick| round.contains(trick)), "{round:?}");
        }
    }

    #[test]
    fn without_tricks_nothing_happens() {
        let mut schedule = Schedule::new(Hostile { every: 0, seed: 0, tricks: Vec::new() });
        assert!((0..10).all(|_| schedule.next().is_none()));
    }
}
