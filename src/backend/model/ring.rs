//! [`Ring`]: where handles that were put come back. Linux has a `ptr_ring` there.
//!
//! Many producers, one consumer, one word a slot, bounded, and it can be closed for good. Ours, because a put must be
//! one store after the reference count, and nothing after it: a queue whose push does more than that touches memory
//! that the consumer may have freed by then.

use crate::alloc::Box;
use crate::alloc::Vec;
use crate::memory::{Kind, NetmemRef, Raw};
use crate::page_pool::{Idle, PoolError};
use crate::sync::{Alive, AtomicPtr, AtomicUsize, spin};
use core::mem::MaybeUninit;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// Bit of `tail` that says closed. Positions count up from 0 and would need centuries to reach it.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// Keeps what producers write away from what the consumer writes.
#[repr(align(64))]
struct Line<T>(T);

/// How many slots the consumer empties before producers may fill them again, in a ring that is long enough. Linux does this so that
/// producers and consumer do not write one cache line in turn; here it makes both count the same rings as full.
const LAP: usize = if cfg!(loom) { 2 } else { 16 };

/// Room for one word.
struct Slot {
    word: AtomicPtr<()>,
    /// The slot is a producer's from its reservation to the store of the word, else the consumer's.
    turn: Alive,
}

/// A closable ring of memory that nobody references, as words.
///
/// # Invariants
///
/// Positions `head..tail` are reserved: each slot there holds a word or is about to (null until then), except that the consumer has
/// emptied `head..next`. Every other slot is null. `tail - head` is at most `capacity`, which is at most the number of slots.
/// `next - head` is less than `lap`.
pub(super) struct Ring {
    /// Next position to reserve, and [`CLOSED`]. Producers.
    tail: Line<AtomicUsize>,
    /// First position that producers may not reserve again yet, a lap of the ring later. The consumer.
    head: Line<AtomicUsize>,
    /// Next position to take. The consumer alone has it, so it is an atomic of core's under loom, too.
    next: core::sync::atomic::AtomicUsize,
    capacity: usize,
    /// How many slots are emptied before `head` moves: [`LAP`], or 1 in a short ring. A power of two.
    lap: usize,
    mask: usize,
    slots: Box<[Slot]>,
    alive: Alive,
}

impl Ring {
    /// A ring for `capacity` words.
    pub(super) fn new(capacity: usize) -> Result<Self, PoolError> {
        let len = capacity.next_power_of_two();
        let mut slots = Vec::new();
        slots.try_reserve_exact(len).map_err(|_| PoolError::NoMemory)?;
        slots.extend((0..len).map(|_| Slot { word: AtomicPtr::new(null_mut()), turn: Alive::new() }));
        Ok(Ring {
            tail: Line(AtomicUsize::new(0)),
            head: Line(AtomicUsize::new(0)),
            next: core::sync::atomic::AtomicUsize::new(0),
            capacity,
            lap: if LAP > capacity / 2 { 1 } else { LAP },
            mask: len - 1,
            slots: slots.into_boxed_slice(),
            alive: Alive::new(),
        })
    }

    /// Puts memory into the ring, unless the ring is full or closed. After `Ok` the ring may be gone.
    ///
    /// The argument is a pointer and not `&Ring`: a reference would claim that the ring lives until this returns. The
    /// reference inside is not used after the store that publishes.
    ///
    /// # Safety
    ///
    /// The memory is of the ring's pool. The ring lives at least until the memory is in it.
    #[inline]
    pub(super) unsafe fn push<K: Kind>(this: NonNull<Ring>, idle: Idle<K>) -> Result<(), Idle<K>> {
        // SAFETY: it lives, says the caller, until the word is published, and `ring` is not used after that.
        let ring = unsafe { this.as_ref() };
        let mut tail = ring.tail.0.load(Relaxed);
        loop {
            if tail & CLOSED != 0 {
                return Err(idle);
            }
            // Acquire: what the consumer did to the slots below `head` happened before this.
            let head = ring.head.0.load(Acquire);
            if tail.wrapping_sub(head) >= ring.capacity {
                // `tail` may be older than `head` is. Look again before calling it full.
                let now = ring.tail.0.load(Relaxed);
                if now == tail {
                    return Err(idle);
                }
                tail = now;
                continue;
            }
            match ring.tail.0.compare_exchange_weak(tail, tail + 1, Relaxed, Relaxed) {
                Ok(_) => {
                    // The close waits for this slot, so it is there. After this store nothing may touch the ring.
                    let slot = &ring.slots[tail & ring.mask];
                    slot.turn.owned();
                    ring.alive.used();
                    slot.word.store(idle.word().as_ptr(), Release);
                    return Ok(());
                }
                Err(now) => tail = now,
            }
        }
    }

    /// Puts memory into the ring from the first piece on, as much as there is room for, and returns how much. When that is all of
    /// it, the ring may be gone.
    ///
    /// # Safety
    ///
    /// The memory is of the ring's pool, and the caller gives up as much as the call returns. The ring lives at least until the
    /// last of it is in the ring.
    pub(super) unsafe fn push_bulk<K: Kind>(this: NonNull<Ring>, idle: &[Idle<K>]) -> usize {
        // SAFETY: it lives, says the caller, until the last word is published, and `ring` is not used after that.
        let ring = unsafe { this.as_ref() };
        let mut tail = ring.tail.0.load(Relaxed);
        let (first, count) = loop {
            if tail & CLOSED != 0 {
                return 0;
            }
            // Acquire: what the consumer did to the slots below `head` happened before this.
            let head = ring.head.0.load(Acquire);
            // `tail` may be older than `head` is; then there seems to be no room.
            let room = ring.capacity.saturating_sub(tail.wrapping_sub(head));
            if room == 0 {
                let now = ring.tail.0.load(Relaxed);
                if now == tail {
                    return 0;
                }
                tail = now;
                continue;
            }
            let count = idle.len().min(room);
            match ring.tail.0.compare_exchange_weak(tail, tail + count, Relaxed, Relaxed) {
                Ok(_) => break (tail, count),
                Err(now) => tail = now,
            }
        };
        ring.alive.used();
        // The close waits for these slots, so they are there. After the last store nothing may touch the ring.
        let (before, after) = ring.slots.split_at(first & ring.mask);
        let (idle, wrapped) = idle[..count].split_at(count.min(after.len()));
        for (slots, idle) in [(after, idle), (before, wrapped)] {
            for (slot, idle) in slots.iter().zip(idle) {
                slot.turn.owned();
                slot.word.store(idle.word().as_ptr(), Release);
            }
        }
        count
    }

    /// Takes memory in the order in which it was put into `out` from its front, until that is full, a word is not written yet, or
    /// one is not to be kept. Returns how much it took, and the piece that is not kept.
    ///
    /// # Safety
    ///
    /// The caller is the one consumer. The memory of the ring's pool is of kind `K`.
    #[inline(always)]
    pub(super) unsafe fn pop<K: Kind>(
        &self,
        out: &mut [MaybeUninit<Idle<K>>],
        mut keep: impl FnMut(NetmemRef<'_, K>) -> bool,
    ) -> (usize, Option<Idle<K>>) {
        let next = self.next.load(Relaxed);
        let (before, after) = self.slots.split_at(next & self.mask);
        let (mut count, mut other) = (0, None);
        'runs: for slots in [after, before] {
            for (slot, out) in slots.iter().zip(&mut out[count..]) {
                let Some(word) = NonNull::new(slot.word.load(Acquire)) else { break 'runs };
                slot.turn.owned();
                slot.word.store(null_mut(), Relaxed);
                // SAFETY: the word was put as memory of the pool, and the slot, null now, gives it once.
                let idle = unsafe { Idle::new(Raw::from_word(word)) };
                if !keep(idle.memory()) {
                    other = Some(idle);
                    break 'runs;
                }
                out.write(idle);
                count += 1;
            }
        }
        let taken = count + usize::from(other.is_some());
        if taken != 0 {
            let next = next + taken;
            self.next.store(next, Relaxed);
            // INVARIANT: a lap starts at each multiple of `lap`, counted from where the ring starts. `head` stays in the lap of `next`.
            let head = next - ((next % self.capacity) & (self.lap - 1));
            // Release: producers that see this `head` see the slots empty.
            self.head.0.store(head, Release);
        }
        (count, other)
    }

    /// Lets nothing in any more, and takes all that is in, waiting for the slots that are reserved but not written.
    ///
    /// # Safety
    ///
    /// The caller is the one consumer, and takes nothing afterwards.
    pub(super) unsafe fn close(&self, mut each: impl FnMut(Idle)) {
        let tail = self.tail.0.fetch_or(CLOSED, AcqRel) & !CLOSED;
        let mut next = self.next.load(Relaxed);
        while next != tail {
            let slot = &self.slots[next & self.mask];
            let word = loop {
                match NonNull::new(slot.word.load(Acquire)) {
                    Some(word) => break word,
                    None => spin(),
                }
            };
            next += 1;
            // SAFETY: the word was put as memory, and this is the last visit to its slot.
            each(unsafe { Idle::new(Raw::from_word(word)) });
        }
    }

    /// How many words were ever put in.
    pub(super) fn pushed(&self) -> usize {
        self.tail.0.load(Relaxed) & !CLOSED
    }

    /// How many words are in it, or about to be.
    pub(super) fn len(&self) -> usize {
        self.pushed().saturating_sub(self.next.load(Relaxed))
    }
}
