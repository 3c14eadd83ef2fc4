//! Descriptors and completions as they lie in memory that driver and device share.
//!
//! Each is read once, as atomic words, into a value, and that value is parsed: there is never a reference into memory
//! that the other side may write.

use netmem::dma::{RxCompletion, RxDescriptor, TxCompletion, TxDescriptor};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A descriptor: 32 bytes, written by the driver.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Descriptor {
    pub(super) payload: U64,
    pub(super) header: U64,
    pub(super) payload_len: U32,
    /// 0 when no header buffer was posted.
    pub(super) header_len: U32,
    pub(super) id: U32,
    reserved: U32,
}

/// A completion: 16 bytes, written by the device.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Completion {
    id: U32,
    payload_len: U32,
    header_len: U32,
    flags: U16,
    /// The lap of the ring: what the driver waits for.
    lap: U16,
}

/// Flag of a completion: the frame ends here.
const END_OF_FRAME: u16 = 1 << 0;
/// Flag of a completion: the device failed.
const FAILED: u16 = 1 << 1;
/// Flag of a completion: the device has looked at the frame's checksum.
const CSUM_CHECKED: u16 = 1 << 2;
/// Flag of a completion: and it is right.
const CSUM_OK: u16 = 1 << 3;

/// The longest ring of descriptors.
pub(super) const MAX_DEPTH: u32 = 1 << 15;
/// The longest ring of completions: twice as many as descriptors.
const MAX_COMPLETIONS: u32 = 2 * MAX_DEPTH;

/// The lap of a ring of `len` entries that a position is in, from 1 to [`LAPS`]. It is never 0, so memory that nobody wrote
/// is in no lap. An entry that is read is of the lap before until the device writes it, so two laps in a row must differ,
/// and they must differ where positions come round as well.
fn lap(position: u32, len: u32) -> u16 {
    (position / len % LAPS) as u16 + 1
}

/// Laps that are told apart.
const LAPS: u32 = 1 << 15;
// Positions are `u32`. A ring is a power of two long, and at most the longest, so the laps of one period of the positions are
// a multiple of those of the longest ring, and these a multiple of `LAPS`: the number does not jump where positions come
// round. `LAPS` is more than one, and the last fits.
const _: () = assert!((1_u64 << u32::BITS) / MAX_COMPLETIONS as u64 % LAPS as u64 == 0);
const _: () = assert!(MAX_COMPLETIONS.is_power_of_two() && LAPS > 1 && LAPS <= u16::MAX as u32);

const DESCRIPTOR_WORDS: usize = size_of::<Descriptor>() / size_of::<u64>();
const COMPLETION_WORDS: usize = size_of::<Completion>() / size_of::<u64>();

fn words(count: usize) -> Box<[AtomicU64]> {
    (0..count).map(|_| AtomicU64::new(0)).collect()
}

/// The memory of a descriptor ring. Positions count up; the length is a power of two.
#[derive(Debug)]
pub(super) struct DescriptorRing(Box<[AtomicU64]>);

impl DescriptorRing {
    pub(super) fn new(len: usize) -> Self {
        DescriptorRing(words(len * DESCRIPTOR_WORDS))
    }

    fn at(&self, position: u32) -> &[AtomicU64] {
        let len = self.0.len() / DESCRIPTOR_WORDS;
        let start = (position as usize & (len - 1)) * DESCRIPTOR_WORDS;
        &self.0[start..start + DESCRIPTOR_WORDS]
    }

    /// The driver writes. The device sees it after the doorbell, whose store is the release.
    pub(super) fn write(&self, position: u32, descriptor: &RxDescriptor) {
        let (payload, header) = (descriptor.payload(), descriptor.header());
        let wire = Descriptor {
            payload: (payload.addr().as_raw() as u64).into(),
            header: header.map_or(0, |header| header.addr().as_raw() as u64).into(),
            payload_len: payload.len().into(),
            header_len: header.map_or(0, |header| header.len()).into(),
            id: descriptor.id().into(),
            reserved: 0.into(),
        };
        let value: [u64; DESCRIPTOR_WORDS] = zerocopy::transmute!(wire);
        for (word, value) in self.at(position).iter().zip(value) {
            word.store(value, Relaxed);
        }
    }

    /// The device reads, once.
    pub(super) fn read(&self, position: u32) -> Descriptor {
        let mut value = [0_u64; DESCRIPTOR_WORDS];
        for (value, word) in value.iter_mut().zip(self.at(position)) {
            *value = word.load(Relaxed);
        }
        zerocopy::transmute!(value)
    }
}

/// The memory of a completion ring. Positions count up; the length is a power of two.
#[derive(Debug)]
pub(super) struct CompletionRing(Box<[AtomicU64]>);

impl CompletionRing {
    pub(super) fn new(len: usize) -> Self {
        CompletionRing(words(len * COMPLETION_WORDS))
    }

    pub(super) fn len(&self) -> u32 {
        (self.0.len() / COMPLETION_WORDS) as u32
    }

    fn at(&self, position: u32) -> &[AtomicU64] {
        let start = (position & (self.len() - 1)) as usize * COMPLETION_WORDS;
        &self.0[start..start + COMPLETION_WORDS]
    }

    /// The device writes: the word with the lap last, and released.
    pub(super) fn write(&self, position: u32, completion: &RxCompletion) {
        let RxCompletion { end_of_frame, failed, csum_ok, .. } = *completion;
        let flag = |set, flag| if set { flag } else { 0 };
        let flags = flag(end_of_frame, END_OF_FRAME)
            | flag(failed, FAILED)
            | flag(csum_ok.is_some(), CSUM_CHECKED)
            | flag(csum_ok == Some(true), CSUM_OK);
        let wire = Completion {
            id: completion.id.into(),
            payload_len: completion.payload_len.into(),
            header_len: completion.header_len.into(),
            flags: flags.into(),
            lap: lap(position, self.len()).into(),
        };
        let value: [u64; COMPLETION_WORDS] = zerocopy::transmute!(wire);
        let slot = self.at(position);
        slot[0].store(value[0], Relaxed);
        slot[1].store(value[1], Release);
    }

    /// The driver reads, once; `None` when the device has not written this position yet. A flag that nobody knows makes
    /// it a failure.
    pub(super) fn read(&self, position: u32) -> Option<RxCompletion> {
        let slot = self.at(position);
        let last = slot[1].load(Acquire);
        let wire: Completion = zerocopy::transmute!([slot[0].load(Relaxed), last]);
        if wire.lap.get() != lap(position, self.len()) {
            return None;
        }
        let flags = wire.flags.get();
        Some(RxCompletion {
            id: wire.id.get(),
            payload_len: wire.payload_len.get(),
            header_len: wire.header_len.get(),
            end_of_frame: flags & END_OF_FRAME != 0,
            failed: flags & !(END_OF_FRAME | CSUM_CHECKED | CSUM_OK) != 0,
            csum_ok: (flags & CSUM_CHECKED != 0).then_some(flags & CSUM_OK != 0),
        })
    }
}

/// A transmit descriptor: 24 bytes, written by the driver.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct TxWire {
    pub(super) addr: U64,
    pub(super) len: U32,
    pub(super) id: U32,
    flags: U16,
    csum_start: U16,
    csum_offset: U16,
    reserved: U16,
}

/// Flag of a transmit descriptor: the packet ends here.
const TX_END_OF_PACKET: u16 = 1 << 0;
/// Flag of a transmit descriptor: compute a checksum.
const TX_CHECKSUM: u16 = 1 << 1;

impl TxWire {
    pub(super) fn end_of_packet(&self) -> bool {
        self.flags.get() & TX_END_OF_PACKET != 0
    }

    /// Where a checksum begins, and where behind that it goes.
    pub(super) fn checksum(&self) -> Option<(usize, usize)> {
        let wanted = self.flags.get() & TX_CHECKSUM != 0;
        wanted.then(|| (self.csum_start.get().into(), self.csum_offset.get().into()))
    }
}

const TX_WORDS: usize = size_of::<TxWire>() / size_of::<u64>();

/// The memory of a ring of transmit descriptors. Positions count up; the length is a power of two.
#[derive(Debug)]
pub(super) struct TxDescriptorRing(Box<[AtomicU64]>);

impl TxDescriptorRing {
    pub(super) fn new(len: usize) -> Self {
        TxDescriptorRing(words(len * TX_WORDS))
    }

    fn at(&self, position: u32) -> &[AtomicU64] {
        let len = self.0.len() / TX_WORDS;
        let start = (position as usize & (len - 1)) * TX_WORDS;
        &self.0[start..start + TX_WORDS]
    }

    /// The driver writes. The device sees it after the doorbell, whose store is the release.
    pub(super) fn write(&self, position: u32, descriptor: &TxDescriptor) {
        let (data, checksum) = (descriptor.data(), descriptor.checksum());
        let end = if descriptor.end_of_packet() { TX_END_OF_PACKET } else { 0 };
        let wire = TxWire {
            addr: (data.addr().as_raw() as u64).into(),
            len: data.len().into(),
            id: descriptor.id().into(),
            flags: (end | if checksum.is_some() { TX_CHECKSUM } else { 0 }).into(),
            csum_start: checksum.map_or(0, |checksum| checksum.start).into(),
            csum_offset: checksum.map_or(0, |checksum| checksum.offset).into(),
            reserved: 0.into(),
        };
        let value: [u64; TX_WORDS] = zerocopy::transmute!(wire);
        for (word, value) in self.at(position).iter().zip(value) {
            word.store(value, Relaxed);
        }
    }

    /// The device reads, once.
    pub(super) fn read(&self, position: u32) -> TxWire {
        let mut value = [0_u64; TX_WORDS];
        for (value, word) in value.iter_mut().zip(self.at(position)) {
            *value = word.load(Relaxed);
        }
        zerocopy::transmute!(value)
    }
}

/// A transmit completion: 8 bytes, one word, written by the device.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct TxDone {
    id: U32,
    flags: U16,
    /// The lap of the ring: what the driver waits for.
    lap: U16,
}

/// The memory of a ring of transmit completions. Positions count up; the length is a power of two.
#[derive(Debug)]
pub(super) struct TxCompletionRing(Box<[AtomicU64]>);

impl TxCompletionRing {
    pub(super) fn new(len: usize) -> Self {
        TxCompletionRing(words(len))
    }

    pub(super) fn len(&self) -> u32 {
        self.0.len() as u32
    }

    fn at(&self, position: u32) -> &AtomicU64 {
        &self.0[(position & (self.len() - 1)) as usize]
    }

    /// The device writes, and releases what it has done.
    pub(super) fn write(&self, position: u32, completion: TxCompletion) {
        let flags = if completion.failed { FAILED } else { 0 };
        let wire = TxDone { id: completion.id.into(), flags: flags.into(), lap: lap(position, self.len()).into() };
        self.at(position).store(zerocopy::transmute!(wire), Release);
    }

    /// The driver reads, once; `None` when the device has not written this position yet.
    pub(super) fn read(&self, position: u32) -> Option<TxCompletion> {
        let wire: TxDone = zerocopy::transmute!(self.at(position).load(Acquire));
        let written = wire.lap.get() == lap(position, self.len());
        written.then(|| TxCompletion { id: wire.id.get(), failed: wire.flags.get() != 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a completion ring does, whatever is in it.
    trait Completions {
        fn len(&self) -> u32;
        fn write(&self, position: u32);
        /// Whether what [`write`](Self::write) writes at this position is there; `None` while the position is not written.
        fn read(&self, position: u32) -> Option<bool>;
    }

    impl Completions for CompletionRing {
        fn len(&self) -> u32 {
            self.len()
        }
        fn write(&self, position: u32) {
            self.write(position, &received(position));
        }
        fn read(&self, position: u32) -> Option<bool> {
            self.read(position).map(|completion| completion == received(position))
        }
    }

    impl Completions for TxCompletionRing {
        fn len(&self) -> u32 {
            self.len()
        }
        fn write(&self, position: u32) {
            self.write(position, sent(position));
        }
        fn read(&self, position: u32) -> Option<bool> {
            self.read(position).map(|completion| completion == sent(position))
        }
    }

    fn received(position: u32) -> RxCompletion {
        RxCompletion {
            id: position,
            payload_len: 1500,
            header_len: 42,
            end_of_frame: true,
            failed: false,
            csum_ok: [None, Some(false), Some(true)][position as usize % 3],
        }
    }

    fn sent(position: u32) -> TxCompletion {
        TxCompletion { id: position, failed: position % 2 == 0 }
    }

    /// A completion is there once it was written, and not a lap later.
    fn seen_once_a_lap(ring: &dyn Completions, positions: impl Iterator<Item = u32>) {
        for position in positions {
            assert_eq!(ring.read(position), None, "position {position} of {}", ring.len());
            ring.write(position);
            assert_eq!(ring.read(position), Some(true), "position {position} of {}", ring.len());
            let next = position.wrapping_add(ring.len());
            assert_eq!(ring.read(next), None, "a lap after position {position} of {}", ring.len());
        }
    }

    /// The positions of two laps before the `u32` comes round, and of two after it.
    fn round_the_end(len: u32) -> impl Iterator<Item = u32> {
        (0..4 * len).map(move |i| (2 * len).wrapping_neg().wrapping_add(i))
    }

    #[test]
    fn a_completion_is_seen_once_a_lap() {
        seen_once_a_lap(&CompletionRing::new(4), 0..300_000);
        seen_once_a_lap(&TxCompletionRing::new(2), 0..300_000);
    }

    #[test]
    fn a_completion_is_seen_once_a_lap_where_positions_come_round() {
        for shift in 2..=MAX_COMPLETIONS.trailing_zeros() {
            let len = 1 << shift;
            seen_once_a_lap(&CompletionRing::new(len as usize), round_the_end(len));
            seen_once_a_lap(&TxCompletionRing::new(len as usize), round_the_end(len));
        }
    }

    #[test]
    fn a_descriptor_is_found_where_positions_come_round() {
        for len in [2_u32, 64, MAX_DEPTH] {
            let ring = DescriptorRing::new(len as usize);
            let at = |position| ring.at(position).as_ptr();
            // A ring is a power of two long, so the entry behind the last position is the first.
            assert_eq!(at(0), at(u32::MAX.wrapping_add(1)));
            assert_eq!((at(u32::MAX), at(len)), (at(len - 1), at(0)));
        }
    }

    #[test]
    fn an_unknown_flag_is_a_failure() {
        let ring = CompletionRing::new(1);
        let wire = Completion {
            id: 1.into(),
            payload_len: 2.into(),
            header_len: 3.into(),
            flags: (END_OF_FRAME | 0x8000).into(),
            lap: 1.into(),
        };
        let value: [u64; 2] = zerocopy::transmute!(wire);
        ring.0[0].store(value[0], Relaxed);
        ring.0[1].store(value[1], Relaxed);
        assert!(ring.read(0).unwrap().failed);
    }
}
