//! References, shares and frags of one piece of memory, and its last use.

use super::world::{World, check, join};
use loom::thread::spawn;

/// Bounds: 3 threads, 4 preemptions.
///
/// Two references of one page are put on two threads while the third drops the pool. One of the two puts is the last
/// reference's, whatever the order, and it comes after the other's use of the bytes.
#[test]
fn the_last_two_references_against_the_drop_of_the_pool() {
    check("the_last_two_references_against_the_drop_of_the_pool", Some(4), || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let first = pool.alloc().unwrap();
        let second = first.get();
        let putters = [world.put_on_thread(first), world.put_on_thread(second)];
        drop(pool);
        putters.into_iter().for_each(join);
        world.end();
    });
}

/// Bounds: 3 threads, 3 preemptions.
///
/// One thread takes a second reference and puts the first, another drops the rest of the shares, the third drops the
/// pool. A reference taken from a reference keeps the memory: the page comes back when all four are gone, once.
#[test]
fn get_and_shares_against_the_drop_of_the_pool() {
    check("get_and_shares_against_the_drop_of_the_pool", Some(3), || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let mut shares = pool.alloc().unwrap().share(3).unwrap();
        let (memory, bytes) = (shares.take().unwrap(), world.bytes.clone());
        let getter = spawn(move || {
            let second = memory.get();
            bytes.put(memory);
            bytes.put(second);
        });
        let dropper = spawn(move || drop(shares));
        drop(pool);
        join(getter);
        join(dropper);
        world.end();
    });
}

/// Bounds: 3 threads, 2 preemptions.
///
/// A frag is split in two, one part goes to each of two threads and is split again there; the third thread drops the
/// pool, and with it the pool's own references to the page that frags are cut from. The last of all brings it back.
#[test]
fn frags_split_on_two_threads_against_the_drop_of_the_pool() {
    check("frags_split_on_two_threads_against_the_drop_of_the_pool", Some(2), || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let mut head = pool.alloc_frag(256).unwrap();
        let tail = head.split_off(128).unwrap();
        let splitters = [head, tail].map(|mut frag| {
            let bytes = world.bytes.clone();
            spawn(move || {
                let rest = frag.split_off(64).unwrap();
                bytes.put_frag(frag);
                bytes.put_frag(rest);
            })
        });
        drop(pool);
        splitters.into_iter().for_each(join);
        world.end();
    });
}

/// Bounds: 2 threads, all orders.
///
/// A handle becomes a frag, which gives bytes, only when the other reference is gone, and after that one's last use.
#[test]
fn bytes_come_after_the_last_use_of_others() {
    check("bytes_come_after_the_last_use_of_others", None, || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let mine = pool.alloc().unwrap();
        let putter = world.put_on_thread(mine.get());
        match mine.into_frag() {
            Ok(frag) => world.bytes.alone(frag.borrow()),
            Err(mine) => world.bytes.put(mine),
        }
        join(putter);
        drop(pool);
        world.end();
    });
}
