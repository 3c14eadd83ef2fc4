//! [`Slots`]: the descriptors of a ring, and the value behind each that the device has.

use crate::alloc::Vec;
use crate::error::errno::{EINVAL, ENOMEM};
use core::mem;

/// The descriptors of a ring: a table of what the device has, with the numbers that its completions name.
///
/// The device is not believed. A number is an index and a generation, which changes with each use of the slot, so a completion
/// that comes twice is known even when the slot has been used again (until the generation has come round, after 65,536 uses).
///
/// # Invariants
///
/// A slot without an item is in `free`, once, or is a [`Reserved`]. There are `depth` slots, or none while they are
/// [detached](Self::detach).
pub(super) struct Slots<T> {
    items: Items<T>,
    free: Vec<u16>,
    depth: usize,
}

/// The longest ring: a descriptor's number has 15 bits for its index.
const MAX_DEPTH: usize = 1 << 15;

/// Why there is no ring over a queue of the hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// The queue has no descriptors, or more than a completion can name.
    #[error("a ring of {depth} descriptors is not possible: give the queue 1 to {MAX_DEPTH}")]
    Depth {
        /// The depth of the queue, in descriptors.
        depth: usize,
    },
    /// There is no memory for the ring.
    #[error("no memory for a ring of {depth} descriptors: use a shorter one")]
    NoMemory {
        /// The depth of the queue, in descriptors.
        depth: usize,
    },
}

impl RingError {
    /// Returns EINVAL, as `ethnl_set_rings` does for a ring that is longer than the driver's longest, and ENOMEM. Each
    /// driver of Linux chooses what it does about a ring of no descriptors; EINVAL is the nearest.
    pub fn errno(&self) -> i32 {
        match self {
            RingError::Depth { .. } => EINVAL,
            RingError::NoMemory { .. } => ENOMEM,
        }
    }
}

/// The items of a table, apart from it.
pub(super) struct Items<T>(Vec<Slot<T>>);

struct Slot<T> {
    generation: u16,
    item: Option<T>,
}

/// A free slot that is spoken for. It is lost to the ring if it is not [filled](Slots::fill).
#[must_use]
pub(super) struct Reserved {
    index: u16,
    generation: u16,
}

impl Reserved {
    /// Returns the number that stands for the slot in a descriptor.
    #[inline]
    pub(super) fn id(&self) -> u32 {
        u32::from(self.generation) << 16 | u32::from(self.index)
    }
}

/// A number that names no item.
pub(super) enum NoItem {
    /// No slot has that index.
    Index { index: usize, depth: usize },
    /// The slot is empty, or has been used again.
    NotPosted { index: usize, generation: u16 },
}

impl<T> Slots<T> {
    /// Returns an empty table.
    ///
    /// # Errors
    ///
    /// [`RingError`]: `depth` is 0 or more than [`MAX_DEPTH`], or there is no memory for the table.
    pub(super) fn new(depth: usize) -> Result<Self, RingError> {
        if !(1..=MAX_DEPTH).contains(&depth) {
            return Err(RingError::Depth { depth });
        }
        let (mut slots, mut free) = (Vec::new(), Vec::new());
        slots.try_reserve_exact(depth).map_err(|_| RingError::NoMemory { depth })?;
        free.try_reserve_exact(depth).map_err(|_| RingError::NoMemory { depth })?;
        slots.extend((0..depth).map(|_| Slot { generation: 0, item: None }));
        free.extend((0..depth as u16).rev());
        Ok(Slots { items: Items(slots), free, depth })
    }

    /// Returns how many slots there are.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Returns how many slots are free.
    #[inline]
    pub(super) fn room(&self) -> usize {
        self.free.len()
    }

    /// Takes a free slot, if there is one.
    #[inline]
    pub(super) fn reserve(&mut self) -> Option<Reserved> {
        let index = self.free.pop()?;
        let slot = &mut self.items.0[usize::from(index)];
        slot.generation = slot.generation.wrapping_add(1);
        Some(Reserved { index, generation: slot.generation })
    }

    /// Puts an item into a slot that was reserved.
    #[inline]
    pub(super) fn fill(&mut self, slot: Reserved, item: T) {
        self.items.0[usize::from(slot.index)].item = Some(item);
    }

    /// Takes the item that a completion names.
    ///
    /// # Errors
    ///
    /// [`NoItem`]; no item is touched.
    #[inline]
    pub(super) fn remove(&mut self, id: u32) -> Result<T, NoItem> {
        let (index, generation) = ((id & 0xffff) as usize, (id >> 16) as u16);
        let depth = self.depth;
        let slot = self.items.0.get_mut(index).ok_or(NoItem::Index { index, depth })?;
        if slot.generation != generation {
            return Err(NoItem::NotPosted { index, generation });
        }
        let item = slot.item.take().ok_or(NoItem::NotPosted { index, generation })?;
        // INVARIANT: the slot is empty, so it is free.
        self.free.push(index as u16);
        Ok(item)
    }

    /// Returns the items.
    pub(super) fn items(&self) -> impl Iterator<Item = &T> {
        self.items.0.iter().filter_map(|slot| slot.item.as_ref())
    }

    /// Takes the items out of the table for a while, so that a panic does not drop them. Free slots stay free.
    pub(super) fn detach(&mut self) -> Items<T> {
        Items(mem::take(&mut self.items.0))
    }

    /// Puts items back that were detached.
    pub(super) fn attach(&mut self, items: Items<T>) {
        self.items = items;
    }

    /// Takes all items for good.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.detach().0.into_iter().filter_map(|slot| slot.item)
    }
}
