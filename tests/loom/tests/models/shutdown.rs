//! The end of a pool while memory is in flight, and the owner and the hooks that look at it.

use super::world::{Cells, World, check, join};
use loom::thread::spawn;
use netmem::NetmemRef;
use netmem::page_pool::{PagePoolParams, PoolHooks, PoolId};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Bounds: 2 threads, 5 preemptions.
///
/// One thread puts two pages, through a ring of 1 or past it, while the other drops the pool. In every order each page
/// comes back once, after its last use, and the pool is freed by whoever is last, after everybody has left it.
#[test]
fn two_puts_against_the_drop_of_the_pool() {
    check("two_puts_against_the_drop_of_the_pool", Some(5), || {
        let world = World::new(2);
        let mut pool = world.pool(1);
        let (first, second, bytes) = (pool.alloc().unwrap(), pool.alloc().unwrap(), world.bytes.clone());
        let putter = spawn(move || {
            bytes.put(first);
            bytes.put(second);
        });
        drop(pool);
        join(putter);
        world.end();
    });
}

/// Bounds: 2 threads, all orders; the owner looks twice.
///
/// The pool is shut down while its last page is put, and whoever looks on looks, and stops looking, at any time. It
/// sees 0 only when the page is back, after its last use, and never more again. The pool is freed by whoever leaves
/// last.
#[test]
fn the_last_put_against_a_look_at_the_shutdown() {
    check("the_last_put_against_a_look_at_the_shutdown", None, || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let putter = world.put_on_thread(pool.alloc().unwrap());
        let shutdown = pool.shutdown(Duration::ZERO);
        let (first, second) = (shutdown.inflight(), shutdown.inflight());
        assert!(second <= first && first <= 1, "{first} and then {second} of 1 page are out");
        if second == 0 {
            // Before the zone's lock, which would order it.
            world.bytes.0.0[0].with_mut(|_| ());
            assert_eq!(world.zone.free_frames(), 1, "frames free");
        }
        drop(shutdown);
        join(putter);
        world.end();
    });
}

/// Bounds: 3 threads, 2 preemptions.
///
/// Two pages are put on two threads while the pool is shut down. Whoever looks on keeps the pool: when both threads are
/// done it says 0, and only then, when it goes, is the pool freed.
#[test]
fn two_puts_against_a_shutdown_that_is_kept() {
    check("two_puts_against_a_shutdown_that_is_kept", Some(2), || {
        let world = World::new(2);
        let mut pool = world.pool(1);
        let putters = [pool.alloc().unwrap(), pool.alloc().unwrap()].map(|memory| world.put_on_thread(memory));
        let shutdown = pool.shutdown(Duration::ZERO);
        assert!(shutdown.inflight() <= 2, "{} of 2 pages are out", shutdown.inflight());
        putters.into_iter().for_each(join);
        assert_eq!((shutdown.inflight(), shutdown.is_done()), (0, true));
        world.freed(0);
        drop(shutdown);
        world.end();
    });
}

/// Checks what it is told of a pool that takes in `held` pieces.
struct Watch {
    held: u32,
    /// Used by whoever is told of a piece, and written when the end is told.
    end: Cells,
    released: AtomicUsize,
    ends: AtomicUsize,
}

impl PoolHooks for Watch {
    fn state_release(&self, _pool: PoolId, _memory: NetmemRef<'_>, released: u32) {
        self.end.0[0].with(|_| ());
        self.released.fetch_add(1, Relaxed);
        assert!((1..=self.held).contains(&released), "piece {released} of {} leaves", self.held);
    }
    fn release(&self, _pool: PoolId, inflight: i32, held: u32, released: u32) {
        assert_eq!((held, inflight as u32 + released), (self.held, held), "held, and inflight with released");
        if inflight != 0 {
            assert_eq!(self.ends.load(Relaxed), 0, "the end was told before");
            return self.end.0[0].with(|_| ());
        }
        self.end.0[0].with_mut(|_| ());
        assert_eq!(self.released.load(Relaxed), self.held as usize, "pieces that left before the end");
        self.ends.fetch_add(1, Relaxed);
    }
}

/// Bounds: 2 threads, 4 preemptions, once without anybody who looks on and once with.
///
/// One thread puts two pages, through a ring of 1 or past it, while the other ends the pool. The numbers that the hooks
/// get agree with each other on whatever thread they are called, and the end is told once, after all else.
#[test]
fn hooks_see_one_end() {
    for look in [false, true] {
        check("hooks_see_one_end", Some(4), move || {
            let world = World::new(2);
            let (released, ends) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let watch = Arc::new(Watch { held: 2, end: Cells::new(), released, ends });
            let hooks = Some(watch.clone() as Arc<dyn PoolHooks>);
            let mut pool = world.pool_with(PagePoolParams { pool_size: 1, hooks, ..Default::default() });
            let (first, second, bytes) = (pool.alloc().unwrap(), pool.alloc().unwrap(), world.bytes.clone());
            let putter = spawn(move || {
                bytes.put(first);
                bytes.put(second);
            });
            if look {
                drop(pool.shutdown(Duration::ZERO))
            } else {
                drop(pool)
            }
            join(putter);
            assert_eq!(watch.ends.load(Relaxed), 1, "ends told");
            world.end();
        });
    }
}
