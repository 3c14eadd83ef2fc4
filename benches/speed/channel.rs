//! [`Channel`]: how one thread gives memory to another, the same for all that is compared.
//!
//! It hands over blocks in place, of 64 each, so that what it costs itself does not hide what is measured: a channel of
//! single words moves a cache line between the processors for each. `benches/dpdk/bench.c` has the same in C.

use std::cell::UnsafeCell;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// How many blocks are in it.
const BLOCKS: usize = 4;

/// Keeps what one side writes away from what the other writes.
#[repr(align(64))]
struct Line<T>(T);

/// A bounded channel of blocks between two threads.
///
/// # Invariants
///
/// Blocks `head..tail` are the receiver's, all others the sender's.
pub(crate) struct Channel<T> {
    tail: Line<AtomicUsize>,
    head: Line<AtomicUsize>,
    blocks: [Line<UnsafeCell<T>>; BLOCKS],
}

// SAFETY: by the invariant each block is one side's at a time, and `split` makes one sender and one receiver.
unsafe impl<T: Send> Sync for Channel<T> {}

/// The one sender.
pub(crate) struct Sender<'a, T> {
    channel: &'a Channel<T>,
    head_seen: usize,
}

/// The one receiver.
pub(crate) struct Receiver<'a, T> {
    channel: &'a Channel<T>,
    tail_seen: usize,
}

impl<T: Default> Channel<T> {
    pub(crate) fn new() -> Self {
        Channel {
            tail: Line(AtomicUsize::new(0)),
            head: Line(AtomicUsize::new(0)),
            blocks: std::array::from_fn(|_| Line(UnsafeCell::new(T::default()))),
        }
    }
}

impl<T> Channel<T> {
    /// The two sides. One of each while they live.
    pub(crate) fn split(&mut self) -> (Sender<'_, T>, Receiver<'_, T>) {
        let (head_seen, tail_seen) = (*self.head.0.get_mut(), *self.tail.0.get_mut());
        (Sender { channel: self, head_seen }, Receiver { channel: self, tail_seen })
    }
}

/// Waits a little, and lets others run now and then: there may be no more than one processor.
pub(crate) fn wait_a_bit(spins: &mut u32) {
    *spins = spins.wrapping_add(1);
    if *spins % 1024 == 0 {
        std::thread::yield_now();
    }
    std::hint::spin_loop();
}

impl<T> Sender<'_, T> {
    /// Fills the next block.
    #[inline(always)]
    pub(crate) fn send(&mut self, fill: impl FnOnce(&mut T)) {
        let tail = self.channel.tail.0.load(Relaxed);
        let mut spins = 0;
        while tail - self.head_seen == BLOCKS {
            self.head_seen = self.channel.head.0.load(Acquire);
            if tail - self.head_seen == BLOCKS {
                wait_a_bit(&mut spins);
            }
        }
        // SAFETY: the block at `tail` is not in `head..tail`, so it is the sender's, and this is the one sender.
        fill(unsafe { &mut *self.channel.blocks[tail % BLOCKS].0.get() });
        // Release: the receiver sees the block filled.
        self.channel.tail.0.store(tail + 1, Release);
    }

    /// Waits until the receiver has done with all that was sent.
    pub(crate) fn drained(&self) {
        let mut spins = 0;
        while self.channel.head.0.load(Acquire) != self.channel.tail.0.load(Relaxed) {
            wait_a_bit(&mut spins);
        }
    }
}

impl<T> Receiver<'_, T> {
    /// Empties the next block.
    #[inline(always)]
    pub(crate) fn receive(&mut self, empty: impl FnOnce(&mut T)) {
        let head = self.channel.head.0.load(Relaxed);
        let mut spins = 0;
        while self.tail_seen == head {
            self.tail_seen = self.channel.tail.0.load(Acquire);
            if self.tail_seen == head {
                wait_a_bit(&mut spins);
            }
        }
        // SAFETY: the block at `head` is in `head..tail`, so it is the receiver's, and this is the one receiver.
        empty(unsafe { &mut *self.channel.blocks[head % BLOCKS].0.get() });
        // Release: the sender sees the block emptied.
        self.channel.head.0.store(head + 1, Release);
    }
}
