//! Puts that come back through the ring, and the consumer that takes them.

use super::world::{World, check, join};
use loom::thread::spawn;

/// Bounds: 2 threads, 5 preemptions; the consumer asks three times.
///
/// One thread puts two pages while the consumer, whose cache is empty, allocates: from the ring, in one or two refills,
/// or from the zone what did not fit into the ring of 1. It never gets a page that is still in use, and never one
/// twice; the slot is taken, emptied and used again.
#[test]
fn puts_come_back_through_the_ring() {
    check("puts_come_back_through_the_ring", Some(5), || {
        let world = World::new(2);
        let mut pool = world.pool(1);
        let (first, second, bytes) = (pool.alloc().unwrap(), pool.alloc().unwrap(), world.bytes.clone());
        let putter = spawn(move || {
            bytes.put(first);
            bytes.put(second);
        });
        drop(world.allocs(&mut pool, 3));
        drop(pool);
        join(putter);
        world.end();
    });
}

/// Bounds: 3 threads, 2 preemptions, once with the late putter alone and once with a batch.
///
/// The ring of 2 never has more than two pages to hold, so it is never full. A putter that has looked for the end of
/// the ring before another one put, and for its start after the consumer took that, looks again.
#[test]
fn an_old_look_at_the_ring_does_not_make_it_full() {
    for batch in [false, true] {
        check("an_old_look_at_the_ring_does_not_make_it_full", Some(2), move || {
            let world = World::new(2);
            let mut pool = world.pool(2);
            let [first, second] = std::array::from_fn(|_| pool.alloc().unwrap());
            let early = world.put_on_thread(first);
            let late = if batch { world.put_batch_on_thread([second]) } else { world.put_on_thread(second) };
            let got = world.allocs(&mut pool, 1);
            [early, late].into_iter().for_each(join);
            assert_eq!(pool.stats().recycle_ring_full, 0, "a ring with room was taken for full");
            drop(got);
            drop(pool);
            world.end();
        });
    }
}

/// Bounds: 2 threads, 4 preemptions.
///
/// The ring of 4 makes room two slots at a time, and is full: one slot is empty, but its neighbour is not. While two more pages are put,
/// the consumer takes two, which makes room for two. The put finds the ring full and gives the pages back, or uses the first two slots
/// again, after the consumer has emptied both.
#[test]
fn a_long_ring_makes_room_two_slots_at_a_time() {
    check("a_long_ring_makes_room_two_slots_at_a_time", Some(4), || {
        let world = World::new(6);
        let mut pool = world.pool(4);
        let [first, second, third, fourth, fifth, sixth] = std::array::from_fn(|_| pool.alloc().unwrap());
        world.bytes.put(first);
        let first = pool.alloc().unwrap();
        for memory in [second, third, fourth] {
            world.bytes.put(memory);
        }
        let putter = world.put_batch_on_thread([fifth, sixth]);
        let got = world.allocs(&mut pool, 2);
        join(putter);
        assert!(matches!(pool.stats().recycle_ring, 4 | 6), "there is room for both, or for none");
        drop((first, got));
        drop(pool);
        world.end();
    });
}

/// Bounds: 2 threads, 4 preemptions; the consumer asks three times.
///
/// The pool has come to want another node than its pages are of while they are put, one by one. Each refill takes one
/// out of the ring and gives it back to the zone, after its last use; what is behind it stays there for the next.
#[test]
fn pages_of_another_node_come_back_through_the_ring() {
    check("pages_of_another_node_come_back_through_the_ring", Some(4), || {
        let world = World::new(2);
        let mut pool = world.pool(2);
        let (first, second, bytes) = (pool.alloc().unwrap(), pool.alloc().unwrap(), world.bytes.clone());
        pool.nid_changed(world.zone.nid() + 1);
        let putter = spawn(move || {
            bytes.put(first);
            bytes.put(second);
        });
        let got = world.allocs(&mut pool, 3);
        assert_eq!(pool.stats().alloc_refill, 0, "a page of another node stayed");
        drop(got);
        drop(pool);
        join(putter);
        world.end();
    });
}

/// Bounds: 3 threads, 4 preemptions.
///
/// Two threads put one page each into a ring of 2 while the third closes it. A slot may be reserved and not written
/// when the ring closes, and the second one may be written before the first: the close waits, and takes both.
#[test]
fn the_ring_closes_while_slots_are_reserved() {
    check("the_ring_closes_while_slots_are_reserved", Some(4), || {
        let world = World::new(2);
        let mut pool = world.pool(2);
        let putters = [pool.alloc().unwrap(), pool.alloc().unwrap()].map(|memory| world.put_on_thread(memory));
        drop(pool);
        putters.into_iter().for_each(join);
        world.end();
    });
}

/// Bounds: 2 threads, all orders.
///
/// The consumer recycles one reference directly while another thread puts the other. The page comes back once, through
/// cache or ring, and whoever allocates it next is alone with its bytes.
#[test]
fn direct_recycling_against_a_put() {
    check("direct_recycling_against_a_put", None, || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let mine = pool.alloc().unwrap();
        let putter = world.put_on_thread(mine.get());
        world.bytes.of(mine.borrow()).with(|_| ());
        pool.recycle_direct(mine);
        if let Some(mut memory) = pool.alloc() {
            world.bytes.alone(memory.borrow());
            assert!(memory.bytes_mut().is_some());
            assert!(pool.alloc().is_none(), "one page came twice");
            pool.recycle_direct(memory);
        }
        join(putter);
        assert_eq!(pool.in_use(), 0);
        drop(pool);
        world.end();
    });
}

/// Bounds: 2 threads, 5 preemptions.
///
/// As above, but the pool goes too: a put that finds the ring closed gives the page back on its own thread, after the
/// consumer's last use of it.
#[test]
fn direct_recycling_and_the_drop_of_the_pool_against_a_put() {
    check("direct_recycling_and_the_drop_of_the_pool_against_a_put", Some(5), || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let mine = pool.alloc().unwrap();
        let putter = world.put_on_thread(mine.get());
        world.bytes.of(mine.borrow()).with(|_| ());
        pool.recycle_direct(mine);
        drop(pool);
        join(putter);
        world.end();
    });
}
