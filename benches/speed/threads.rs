//! Two threads: one takes memory out, the other returns it.

use super::channel::{Channel, wait_a_bit};
use crate::paths::memory::{any, pages};
use crate::paths::{BULK, opaque};
use crossbeam_queue::ArrayQueue;
use netmem::Netmem;
use netmem::page_pool::{Batch, PagePool, PoolKind};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::alloc::{Layout, alloc, dealloc};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::Instant;

/// A row whose round is timed by itself: from when both threads run until the last is returned. Nanoseconds.
pub(crate) type Timed = Box<dyn FnMut(u64) -> u64>;

/// Keeps this thread on one processor, as DPDK keeps its own: else the two may share one while another is idle. Where
/// there is no such processor, it stays where it was.
pub(crate) fn pin(cpu: usize) {
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    let _ = sched_setaffinity(None, &cpus);
}

/// `n` operations in blocks of 64, by `fill` here and `empty` there.
fn race<T: Send + Default>(
    channel: &mut Channel<T>,
    n: u64,
    mut fill: impl FnMut(&mut T),
    mut empty: impl FnMut(&mut T) + Send,
) -> u64 {
    let (mut sender, mut receiver) = channel.split();
    let ready = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pin(1);
            ready.store(true, Release);
            for _ in 0..n / BULK {
                receiver.receive(&mut empty);
            }
        });
        let mut spins = 0;
        while !ready.load(Acquire) {
            wait_a_bit(&mut spins);
        }
        let start = Instant::now();
        for _ in 0..n / BULK {
            sender.send(&mut fill);
        }
        sender.drained();
        start.elapsed().as_nanos() as u64
    })
}

/// Takes one more, however long it takes the other thread to return some.
#[inline(always)]
fn wait_for<T>(mut take: impl FnMut() -> Option<T>) -> T {
    let mut spins = 0;
    loop {
        match take() {
            Some(taken) => return taken,
            None => wait_a_bit(&mut spins),
        }
    }
}

fn singles<K: PoolKind>(mut pool: PagePool<K>) -> Timed {
    let mut channel = Channel::<Batch<K>>::new();
    Box::new(move |n| {
        let fill = |block: &mut Batch<K>| {
            for _ in 0..BULK {
                let memory = wait_for(|| pool.alloc());
                block.push(memory).expect("a block has room for 64");
            }
        };
        let empty = |block: &mut Batch<K>| {
            while let Some(memory) = block.pop() {
                drop::<Netmem<K>>(memory);
            }
        };
        race(&mut channel, n, fill, empty)
    })
}

fn bulk<K: PoolKind>(mut pool: PagePool<K>) -> Timed {
    let mut channel = Channel::<Batch<K>>::new();
    Box::new(move |n| {
        let fill = |block: &mut Batch<K>| {
            wait_for(|| {
                pool.alloc_bulk(block);
                (block.room() == 0).then_some(())
            })
        };
        race(&mut channel, n, fill, Batch::flush)
    })
}

pub(crate) fn netmem_singles_page() -> Timed {
    singles(pages())
}
pub(crate) fn netmem_singles_any() -> Timed {
    singles(any())
}
pub(crate) fn netmem_bulk_page() -> Timed {
    bulk(pages())
}
pub(crate) fn netmem_bulk_any() -> Timed {
    bulk(any())
}

/// 64 words.
struct Words([usize; BULK as usize]);

impl Default for Words {
    fn default() -> Self {
        Words([0; BULK as usize])
    }
}

/// What the channel costs.
pub(crate) fn channel_alone() -> Timed {
    let mut channel = Channel::<Words>::new();
    Box::new(move |n| {
        let fill = |block: &mut Words| block.0.iter_mut().for_each(|word| *word = opaque(1));
        let empty = |block: &mut Words| {
            for &word in &block.0 {
                opaque(word);
            }
        };
        race(&mut channel, n, fill, empty)
    })
}

/// A free list that both threads share.
pub(crate) fn array_queue() -> Timed {
    let free = Arc::new(ArrayQueue::new(1024));
    (0..1023).for_each(|word| free.push(word).expect("there is room"));
    let mut channel = Channel::<Words>::new();
    Box::new(move |n| {
        let there = free.clone();
        let fill = |block: &mut Words| block.0.iter_mut().for_each(|word| *word = wait_for(|| free.pop()));
        let empty = move |block: &mut Words| {
            block.0.iter().for_each(|&word| there.push(word).expect("what was taken fits back"));
        };
        race(&mut channel, n, fill, empty)
    })
}

/// 4 KiB of the allocator's.
pub(crate) fn malloc() -> Timed {
    let mut channel = Channel::<Words>::new();
    let page = Layout::from_size_align(4096, 16).expect("a size");
    Box::new(move |n| {
        let fill = |block: &mut Words| {
            for word in &mut block.0 {
                // SAFETY: the size is not 0.
                *word = unsafe { alloc(page) }.expose_provenance();
            }
        };
        let empty = move |block: &mut Words| {
            for &word in &block.0 {
                // SAFETY: `alloc` gave it for this layout (or null, which `free` takes), and each word is taken once.
                unsafe { dealloc(std::ptr::with_exposed_provenance_mut(word), page) }
            }
        };
        race(&mut channel, n, fill, empty)
    })
}
