//! [`Consumer`]: the kernel's end of a refill ring.

use super::uapi::{ZcrxRqe, locate};
use super::{RefillRing, ZcrxStats};
use crate::alloc::Arc;
use crate::alloc::Vec;

/// How many entries one look at the ring takes.
const REFILL_CAP: u32 = 256;

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
///
/// `head` and `tail` are `u32` and count on when they pass 2^32, as the positions of the ring do. `tail - head` may be
/// anything, because the program writes the tail; [`known`](Self::known) says what of it is taken.
pub(super) struct Consumer {
    ring: Arc<RefillRing>,
    /// The kernel's own count. What stands in the ring is a copy for the program.
    head: u32,
    tail: u32,
    niov_shift: u32,
    /// How many net_iovs each area has.
    pub(super) areas: Vec<u32>,
}

impl Consumer {
    pub(super) fn new(ring: Arc<RefillRing>, niov_shift: u32) -> Self {
        let head = ring.head();
        Consumer { ring, head, tail: head, niov_shift, areas: Vec::new() }
    }

    /// Returns how many entries there are, as far as the tail that was last read says; at most as many as the ring has.
    fn known(&self) -> u32 {
        self.tail.wrapping_sub(self.head).min(self.ring.len())
    }

    fn look(&mut self) -> u32 {
        self.tail = self.ring.tail();
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

    /// Returns how many entries the ring has.
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
                // At most `REFILL_CAP` twice, as many as entries are read in one refill. So the sum does not overflow.
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
