//! [`RefillRing`]: the memory through which a program gives buffers back.

use super::uapi::{ZcrxCqe, ZcrxRqe, locate};
use super::{RegisterError, ZcrxStats};
use crate::sync::{AtomicU32, AtomicU64};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// The longest refill ring that there is.
pub const MAX_RQ_ENTRIES: u32 = 32768;
/// How many entries one look at the ring takes.
const REFILL_CAP: u32 = 256;

/// Keeps what one side writes away from what the other writes.
#[repr(align(64))]
struct Line(AtomicU32);

/// The refill ring: memory that program and kernel share.
///
/// Whoever has it can write all of it, as a program can that has it mapped. So nothing in it is believed, and nothing of
/// it is ever seen as a reference to plain memory: every word is an atomic and is read once.
pub struct RefillRing {
    head: Line,
    tail: Line,
    entries: Box<[[AtomicU64; 2]]>,
}

impl RefillRing {
    /// A ring for `entries` entries, made into a power of two.
    pub(super) fn new(entries: u32) -> Result<Arc<Self>, RegisterError> {
        if !(1..=MAX_RQ_ENTRIES).contains(&entries) {
            return Err(RegisterError::Entries { entries });
        }
        let len = entries.next_power_of_two() as usize;
        let mut words = Vec::new();
        words.try_reserve_exact(len).map_err(|_| RegisterError::NoMemory)?;
        words.extend((0..len).map(|_| [AtomicU64::new(0), AtomicU64::new(0)]));
        Ok(Arc::new(RefillRing {
            head: Line(AtomicU32::new(0)),
            tail: Line(AtomicU32::new(0)),
            entries: words.into_boxed_slice(),
        }))
    }

    /// How many entries it has, a power of two.
    #[expect(clippy::len_without_is_empty, reason = "this is its size; what is in it nobody can know for sure")]
    pub fn len(&self) -> u32 {
        // `new` allows at most 32768.
        self.entries.len() as u32
    }

    fn entry(&self, position: u32) -> &[AtomicU64; 2] {
        &self.entries[position as usize & (self.entries.len() - 1)]
    }

    /// How far the kernel has come.
    pub fn head(&self) -> u32 {
        self.head.0.load(Acquire)
    }

    /// Writes the head, which is the kernel's. It does not look there.
    pub fn store_head(&self, head: u32) {
        self.head.0.store(head, Release);
    }

    /// Writes the tail: entries before it are there.
    pub fn store_tail(&self, tail: u32) {
        self.tail.0.store(tail, Release);
    }

    /// Writes the entry at a position, which is taken modulo the ring's size.
    pub fn store(&self, position: u32, entry: ZcrxRqe) {
        let words: [u64; 2] = zerocopy::transmute!(entry);
        for (to, word) in self.entry(position).iter().zip(words) {
            to.store(word, Relaxed);
        }
    }

    /// Reads the entry at a position: each word once.
    fn load(&self, position: u32) -> ZcrxRqe {
        let [off, rest] = self.entry(position);
        let words = [off.load(Relaxed), rest.load(Relaxed)];
        zerocopy::transmute!(words)
    }
}

impl fmt::Debug for RefillRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefillRing").field("len", &self.len()).field("head", &self.head()).finish()
    }
}

/// The program's end of a [`RefillRing`], for a program that behaves.
#[derive(Debug)]
pub struct RefillUser {
    ring: Arc<RefillRing>,
    tail: u32,
}

impl RefillUser {
    pub(super) fn new(ring: Arc<RefillRing>) -> Self {
        RefillUser { ring, tail: 0 }
    }

    /// The memory itself, for a program that does not behave.
    pub fn ring(&self) -> &Arc<RefillRing> {
        &self.ring
    }

    /// Gives a piece back. The provider takes it the next time it is asked for memory.
    ///
    /// # Errors
    ///
    /// The piece, when the ring is full: let the kernel take some ([`Zcrx::flush`](super::Zcrx::flush)).
    pub fn give_back(&mut self, piece: ZcrxCqe) -> Result<(), ZcrxCqe> {
        if self.tail.wrapping_sub(self.ring.head()) >= self.ring.len() {
            return Err(piece);
        }
        self.ring.store(self.tail, piece.rqe());
        self.tail = self.tail.wrapping_add(1);
        self.ring.store_tail(self.tail);
        Ok(())
    }
}

/// A net_iov of an area that exists, and how many references the program says it gives back.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) area: u32,
    pub(super) index: u32,
    pub(super) refs: u32,
}

/// How many more entries one refill looks at. It looks at the tail twice at most.
pub(super) struct Budget {
    left: u32,
    flushed: bool,
}

/// The kernel's end of a [`RefillRing`].
pub(super) struct Consumer {
    ring: Arc<RefillRing>,
    head: u32,
    tail: u32,
    niov_shift: u32,
    /// How many net_iovs each area has.
    pub(super) areas: Vec<u32>,
}

impl Consumer {
    pub(super) fn new(ring: Arc<RefillRing>, niov_shift: u32) -> Self {
        Consumer { ring, head: 0, tail: 0, niov_shift, areas: Vec::new() }
    }

    /// How many entries there are, as far as the tail that was last read says; at most as many as the ring has.
    fn known(&self) -> u32 {
        self.tail.wrapping_sub(self.head).min(self.ring.len())
    }

    fn look(&mut self) -> u32 {
        self.tail = self.ring.tail.0.load(Acquire);
        self.known()
    }

    fn next(&mut self) -> ZcrxRqe {
        let entry = self.ring.load(self.head);
        self.head = self.head.wrapping_add(1);
        entry
    }

    /// Tells the program how far it has come.
    fn publish(&self) {
        self.ring.store_head(self.head);
    }

    /// Which net_iov an entry names, if there is one.
    fn parse(&self, entry: ZcrxRqe, stats: &mut ZcrxStats) -> Option<Group> {
        stats.entries += 1;
        if entry.pad != 0 {
            stats.bad_pad += 1;
            return None;
        }
        let (area, index) = locate(entry.off, self.niov_shift);
        let Some(&niovs) = usize::try_from(area).ok().and_then(|area| self.areas.get(area)) else {
            stats.bad_area += 1;
            return None;
        };
        if index >= u64::from(niovs) {
            stats.bad_index += 1;
            return None;
        }
        // Both are below a u32 now.
        Some(Group { area: area as u32, index: index as u32, refs: 1 })
    }

    /// How many entries the ring has.
    pub(super) fn len(&self) -> u32 {
        self.ring.len()
    }

    /// What one refill may look at.
    pub(super) fn budget(&self) -> Budget {
        Budget { left: self.known().min(REFILL_CAP), flushed: false }
    }

    /// Reads entries into `groups` until it is full or the budget is spent. Entries in a row that name the same net_iov
    /// are one group. Gives how many groups there are.
    pub(super) fn collect(&mut self, budget: &mut Budget, groups: &mut [Group], stats: &mut ZcrxStats) -> usize {
        let mut count = 0_usize;
        // Somebody else may have taken entries since the budget was made.
        budget.left = budget.left.min(self.known());
        loop {
            if budget.left == 0 {
                if budget.flushed {
                    break;
                }
                budget.left = self.look().min(REFILL_CAP);
                budget.flushed = true;
                if budget.left == 0 {
                    break;
                }
            }
            let entry = self.next();
            budget.left -= 1;
            let Some(group) = self.parse(entry, stats) else { continue };
            let last = count.checked_sub(1).and_then(|last| groups.get_mut(last));
            match last {
                // As many at most as entries were read, so the sum has room.
                Some(last) if (last.area, last.index) == (group.area, group.index) => last.refs += 1,
                _ => match groups.get_mut(count) {
                    Some(slot) => {
                        *slot = group;
                        count += 1;
                    }
                    None => {
                        // One too many: it is read again the next time.
                        self.head = self.head.wrapping_sub(1);
                        budget.left += 1;
                        stats.entries -= 1;
                        break;
                    }
                },
            }
        }
        self.publish();
        count
    }

    /// Reads up to `groups.len()` entries, one a group, and stops behind one that names nothing.
    pub(super) fn flush(&mut self, groups: &mut [Group], stats: &mut ZcrxStats) -> usize {
        let wanted = (groups.len() as u32).min(self.look());
        let mut count = 0;
        for slot in groups.iter_mut().take(wanted as usize) {
            let entry = self.next();
            let Some(group) = self.parse(entry, stats) else { break };
            *slot = group;
            count += 1;
        }
        self.publish();
        count
    }
}
