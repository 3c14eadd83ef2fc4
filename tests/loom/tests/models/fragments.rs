//! The page that fragments are cut from.

use super::world::{World, check, join};
use loom::thread::spawn;
use netmem::mm::{get_page, put_page};

/// Bounds: 2 threads, all orders.
///
/// The consumer cuts fragments off a page while another thread puts one, and goes on with the same page when nobody has
/// it any more: only after the last use of the fragment that was put.
#[test]
fn a_fragment_page_is_cut_again_after_its_last_use() {
    check("a_fragment_page_is_cut_again_after_its_last_use", None, || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let (frag, bytes) = (pool.alloc_frag(4096).unwrap(), world.bytes.clone());
        let putter = spawn(move || bytes.put_frag(frag));
        if let Some(frag) = pool.alloc_frag(4096) {
            world.bytes.alone(frag.borrow());
        }
        join(putter);
        drop(pool);
        world.end();
    });
}

/// Bounds: 3 threads, 2 preemptions.
///
/// As above with two fragments that are put on two threads, and the consumer asks twice: while
/// one of them is out it gets no bytes of that page, even though a fragment of the same size is back.
#[test]
fn a_fragment_page_is_cut_again_after_two_last_uses() {
    check("a_fragment_page_is_cut_again_after_two_last_uses", Some(2), || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let putters = [pool.alloc_frag(2048).unwrap(), pool.alloc_frag(2048).unwrap()].map(|frag| {
            let bytes = world.bytes.clone();
            spawn(move || bytes.put_frag(frag))
        });
        let again = [pool.alloc_frag(2048), pool.alloc_frag(2048)];
        if let Some(frag) = again.iter().flatten().next() {
            world.bytes.alone(frag.borrow());
        }
        drop(again);
        putters.into_iter().for_each(join);
        drop(pool);
        world.end();
    });
}

/// Bounds: 2 threads, all orders.
///
/// A page that fragments are cut from is cut again only when mm's other reference to it is gone, after its last use.
#[test]
fn a_fragment_page_is_not_cut_again_while_mm_counts_on_it() {
    check("a_fragment_page_is_not_cut_again_while_mm_counts_on_it", None, || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let frag = pool.alloc_frag(4096).unwrap();
        let (extra, bytes) = (get_page(frag.borrow().page()), world.bytes.clone());
        let putter = spawn(move || {
            bytes.page(&extra).with(|_| ());
            put_page(extra);
        });
        world.bytes.put_frag(frag);
        if let Some(frag) = pool.alloc_frag(4096) {
            world.bytes.alone(frag.borrow());
        }
        drop(pool);
        join(putter);
        world.end();
    });
}
