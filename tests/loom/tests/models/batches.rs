//! Puts as a batch: one reservation of many slots.

use super::world::{World, check, join};
use loom::thread::spawn;
use netmem::mm::{get_page, put_page};

/// Bounds: 2 threads, 5 preemptions; the consumer asks three times.
///
/// One thread puts two pages as a batch, which is one reservation of two slots, while the consumer allocates. A refill
/// may take the first slot, stop at the second, which is not written yet, and take that one next time. It never gets a
/// page that is still in use, and never one twice.
#[test]
fn a_batch_comes_back_through_the_ring() {
    check("a_batch_comes_back_through_the_ring", Some(5), || {
        let world = World::new(2);
        let mut pool = world.pool(2);
        let putter = world.put_batch_on_thread([pool.alloc().unwrap(), pool.alloc().unwrap()]);
        drop(world.allocs(&mut pool, 3));
        join(putter);
        assert_eq!(pool.stats().recycle_ring_full, 0, "a ring with room was taken for full");
        drop(pool);
        world.end();
    });
}

/// Bounds: 2 threads, 3 preemptions; the consumer asks twice.
///
/// The ring of 1 is too short for the batch of two: the second page leaves the pool on the putter's thread, while the
/// consumer takes the first out of the ring. A batch and a single put follow, into the slot that was emptied.
#[test]
fn a_batch_into_a_ring_that_is_too_short() {
    check("a_batch_into_a_ring_that_is_too_short", Some(3), || {
        let world = World::new(3);
        let mut pool = world.pool(1);
        let [first, second, third] = std::array::from_fn(|_| pool.alloc().unwrap());
        let bytes = world.bytes.clone();
        let putter = spawn(move || {
            bytes.put_batch([first, second]);
            bytes.put_batch([third]);
        });
        drop(world.allocs(&mut pool, 2));
        drop(pool);
        join(putter);
        world.end();
    });
}

/// Bounds: 2 threads, all orders.
///
/// One thread puts two pages as a batch while the other drops the pool. The close waits for both slots if they are
/// reserved; if it came first both pages leave on the putter's thread. The pool is freed after the putter has left it.
#[test]
fn a_batch_against_the_drop_of_the_pool() {
    check("a_batch_against_the_drop_of_the_pool", None, || {
        let world = World::new(2);
        let mut pool = world.pool(2);
        let putter = world.put_batch_on_thread([pool.alloc().unwrap(), pool.alloc().unwrap()]);
        drop(pool);
        join(putter);
        world.end();
    });
}

/// Bounds: 2 threads, all orders.
///
/// As above with a ring of 1: the page that does not fit keeps the pool until the putter has returned it, and not
/// longer.
#[test]
fn a_batch_that_does_not_fit_against_the_drop_of_the_pool() {
    check("a_batch_that_does_not_fit_against_the_drop_of_the_pool", None, || {
        let world = World::new(2);
        let mut pool = world.pool(1);
        let putter = world.put_batch_on_thread([pool.alloc().unwrap(), pool.alloc().unwrap()]);
        drop(pool);
        join(putter);
        world.end();
    });
}

/// Bounds: 2 threads, 4 preemptions; the consumer asks twice.
///
/// One thread puts two pages as a batch while the consumer puts a third alone, through the ring as others do, and then
/// allocates. Each reservation is one putter's, whoever comes first; that of the batch may go round the end of the ring of
/// 2, or find room for one page only.
#[test]
fn a_batch_against_a_put() {
    check("a_batch_against_a_put", Some(4), || {
        let world = World::new(3);
        let mut pool = world.pool(2);
        let [first, second, third] = std::array::from_fn(|_| pool.alloc().unwrap());
        let putter = world.put_batch_on_thread([first, second]);
        world.bytes.put(third);
        drop(world.allocs(&mut pool, 2));
        join(putter);
        drop(pool);
        world.end();
    });
}

/// Bounds: 2 threads, 4 preemptions.
///
/// Of a page's two references one is put as part of a batch, with another page, and the other alone, before the pool is
/// dropped. The page comes back once, after the last use of both.
#[test]
fn a_batch_with_one_of_two_references() {
    check("a_batch_with_one_of_two_references", Some(4), || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let mine = pool.alloc().unwrap();
        let putter = world.put_batch_on_thread([mine.get()]);
        world.bytes.put(mine);
        drop(pool);
        join(putter);
        world.end();
    });
}

/// Bounds: 3 threads, 2 preemptions.
///
/// Two threads put one batch each, of pages of two pools in turn, while the third drops one of the pools. Every page
/// goes back to its own pool, whichever of them the batch begins with, and each pool is freed once, the other one
/// later.
#[test]
fn batches_of_two_pools_against_the_drop_of_one() {
    check("batches_of_two_pools_against_the_drop_of_one", Some(2), || {
        let world = World::new(4);
        let (mut doomed, mut other) = (world.pool(1), world.pool(2));
        let [a, b] = std::array::from_fn(|_| doomed.alloc().unwrap());
        let [c, d] = std::array::from_fn(|_| other.alloc().unwrap());
        let putters = [[a, c], [d, b]].map(|batch| world.put_batch_on_thread(batch));
        drop(doomed);
        putters.into_iter().for_each(join);
        world.freed(1);
        assert_eq!((other.inflight(), other.stats().recycle_ring), (2, 2), "what came back to the other pool");
        let (id, got) = (Some(other.id()), world.allocs(&mut other, 2));
        if got.iter().any(|memory| memory.borrow().pp() != id) {
            // Their own pool is gone, so they cannot be dropped.
            std::mem::forget((got, other));
            panic!("a page came back to a pool that is not its own");
        }
        drop((got, other));
        world.end();
    });
}

/// Bounds: 2 threads, 3 preemptions.
///
/// A batch begins with a page of one pool and goes on with those of two more, while the pool of the second is dropped.
#[test]
fn a_batch_of_three_pools_against_the_drop_of_one() {
    check("a_batch_of_three_pools_against_the_drop_of_one", Some(3), || {
        let world = World::new(6);
        let [mut first, mut doomed, mut last] = [world.pool(1), world.pool(1), world.pool(1)];
        let pages = [&mut first, &mut doomed, &mut last].map(|pool| pool.alloc().unwrap());
        let putter = world.put_batch_on_thread(pages);
        drop(doomed);
        join(putter);
        world.freed(1);
        assert_eq!([&first, &last].map(|pool| (pool.inflight(), pool.in_use())), [(2, 0), (2, 0)], "what is out");
        drop((first, last));
        world.end();
    });
}

/// Bounds: 2 threads, 3 preemptions; the consumer asks each pool once.
///
/// mm counts on two of a batch's three pages, one of each pool: they leave their pools on the putter's thread, and the
/// consumer gets the third at most. Who has mm's references uses both pages once more before it lets them go.
#[test]
fn a_batch_with_pages_that_mm_counts_on() {
    check("a_batch_with_pages_that_mm_counts_on", Some(3), || {
        let world = World::new(3);
        let (mut pool, mut other) = (world.pool(2), world.pool(1));
        let [first, second] = std::array::from_fn(|_| pool.alloc().unwrap());
        let third = other.alloc().unwrap();
        let extras = [get_page(second.borrow().page()), get_page(third.borrow().page())];
        let putter = world.put_batch_on_thread([third, second, first]);
        drop([world.allocs(&mut pool, 1), world.allocs(&mut other, 1)]);
        for extra in extras {
            world.bytes.page(&extra).with(|_| ());
            put_page(extra);
        }
        join(putter);
        drop((pool, other));
        world.end();
    });
}
