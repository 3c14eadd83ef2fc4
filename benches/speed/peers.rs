//! What a pool is measured against: what one would use instead, or what it cannot beat.

use crate::paths::{BULK, Out, barrier, opaque};
use crossbeam_queue::ArrayQueue;
use std::alloc::{Layout, alloc, dealloc};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

type Path = Box<dyn FnMut(u64)>;

/// An array of words, last in first out: a cache without anything else.
struct Bare {
    count: usize,
    words: [usize; 128],
}

impl Bare {
    fn full() -> Self {
        Bare { count: 64, words: [8; 128] }
    }

    #[inline(always)]
    fn pop(&mut self) -> Option<usize> {
        let count = self.count.checked_sub(1)?;
        self.count = count;
        self.words.get(count).copied()
    }

    #[inline(always)]
    fn push(&mut self, word: usize) {
        if let Some(slot) = self.words.get_mut(self.count) {
            *slot = word;
            self.count += 1;
        }
    }
}

#[inline(never)]
fn bare_1(bare: &mut Bare, n: u64) {
    for _ in 0..n {
        let word = bare.pop().expect("it has 64");
        barrier();
        bare.push(word);
        barrier();
    }
}

#[inline(never)]
fn bare_64(bare: &mut Bare, out: &mut Out<usize>, n: u64) {
    for _ in 0..n / BULK {
        for slot in &mut out.0 {
            slot.write(bare.pop().expect("it has 64"));
            barrier();
        }
        for slot in out.0.iter().rev() {
            // SAFETY: all were written above.
            bare.push(unsafe { slot.assume_init_read() });
            barrier();
        }
    }
}

pub(crate) fn array_1() -> Path {
    let mut bare = Bare::full();
    Box::new(move |n| bare_1(&mut bare, n))
}

pub(crate) fn array_64() -> Path {
    let (mut bare, mut out) = (Bare::full(), Out::new());
    Box::new(move |n| bare_64(&mut bare, &mut out, n))
}

fn queue() -> ArrayQueue<usize> {
    let queue = ArrayQueue::new(1024);
    (0..512).for_each(|word| queue.push(word).expect("there is room"));
    queue
}

pub(crate) fn array_queue_1() -> Path {
    let queue = queue();
    Box::new(move |n| {
        for _ in 0..n {
            let word = queue.pop().expect("it has 512");
            barrier();
            queue.push(word).expect("there is room");
            barrier();
        }
    })
}

pub(crate) fn array_queue_64() -> Path {
    let (queue, mut out) = (queue(), Out::new());
    Box::new(move |n| {
        for _ in 0..n / BULK {
            for slot in &mut out.0 {
                slot.write(queue.pop().expect("it has 512"));
                barrier();
            }
            for slot in out.0.iter().rev() {
                // SAFETY: all were written above.
                queue.push(unsafe { slot.assume_init_read() }).expect("there is room");
                barrier();
            }
        }
    })
}

pub(crate) fn arc() -> Path {
    let arc = Arc::new([0_u8; 64]);
    Box::new(move |n| {
        for _ in 0..n {
            let second = arc.clone();
            barrier();
            drop(second);
            barrier();
        }
    })
}

const PAGE: Layout = match Layout::from_size_align(4096, 16) {
    Ok(layout) => layout,
    Err(_) => panic!("4096 is a size"),
};

pub(crate) fn malloc_1() -> Path {
    Box::new(|n| {
        for _ in 0..n {
            // SAFETY: the size is not 0.
            let memory = opaque(unsafe { alloc(PAGE) }.expose_provenance());
            // SAFETY: `alloc` gave it for this layout (or null, which `free` takes).
            unsafe { dealloc(std::ptr::with_exposed_provenance_mut(memory), PAGE) }
        }
    })
}

pub(crate) fn malloc_64() -> Path {
    let mut out = Out::new();
    Box::new(move |n| {
        for _ in 0..n / BULK {
            for slot in &mut out.0 {
                // SAFETY: the size is not 0.
                slot.write(unsafe { alloc(PAGE) });
                barrier();
            }
            for slot in out.0.iter().rev() {
                // SAFETY: all were written above, and each is read once.
                let memory = unsafe { slot.assume_init_read() };
                // SAFETY: `alloc` gave it for this layout (or null, which `free` takes).
                unsafe { dealloc(memory, PAGE) }
                barrier();
            }
        }
    })
}

/// One locked read-modify-write: what no path can do without that two threads may take at once.
pub(crate) fn locked() -> Path {
    let count = AtomicUsize::new(0);
    Box::new(move |n| {
        for _ in 0..n {
            opaque(count.fetch_add(1, Relaxed));
        }
    })
}
