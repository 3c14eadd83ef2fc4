//! References of mm's, and look-ups in a zone.

use super::world::{Bytes, World, check, join};
use loom::thread::spawn;
use netmem::PageRef;
use netmem::mm::{PAGE_SIZE, Zone, compound_order, get_page, page_ref_count, page_to_pfn, put_page};

/// Bounds: 2 threads, all orders.
///
/// A page that mm holds a reference to leaves the pool, by a put, while that reference goes on another thread. Whoever
/// is last frees the page, and the next owner comes after the last use of either.
#[test]
fn references_of_mm_against_a_put() {
    check("references_of_mm_against_a_put", None, || {
        let world = World::new(1);
        let mut pool = world.pool(1);
        let memory = pool.alloc().unwrap();
        let (extra, bytes, zone) = (get_page(memory.borrow().page()), world.bytes.clone(), world.zone.clone());
        let putter = spawn(move || put_page_and_reuse(extra, &zone, &bytes));
        world.bytes.put(memory);
        drop(pool);
        join(putter);
        world.end();
    });
}

/// Bounds: 2 threads, all orders.
///
/// Two references of mm's are put on two threads, and each tries to allocate the page. The next owner's use of it comes
/// after the last use of both.
#[test]
fn the_last_two_references_of_mm() {
    check("the_last_two_references_of_mm", None, || {
        let world = World::new(1);
        let page = world.zone.alloc(0).unwrap();
        let (extra, bytes, zone) = (get_page(page.page()), world.bytes.clone(), world.zone.clone());
        let putter = spawn(move || put_page_and_reuse(extra, &zone, &bytes));
        put_page_and_reuse(page.into(), &world.zone, &world.bytes);
        join(putter);
        world.end();
    });
}

/// Bounds: 2 threads, 5 preemptions.
///
/// A page is looked up by the address of its block's second half while the block is freed and the zone allocates
/// smaller ones. What is found has that byte, at that time, and keeps it: the block of then, or the page of now.
#[test]
fn a_look_up_against_a_free() {
    check("a_look_up_against_a_free", Some(5), || {
        let world = World::new(2);
        let block = world.zone.alloc(1).unwrap();
        let (half, address) = (page_to_pfn(block.page()) + 1, block.bytes()[PAGE_SIZE..].as_ptr().addr());
        let zone = world.zone.clone();
        let freer = spawn(move || {
            drop(block);
            drop((zone.alloc(0), zone.alloc(0)));
        });
        if let Some(page) = world.zone.virt_to_page(std::ptr::without_provenance(address)) {
            let first = page_to_pfn(&page);
            let order = compound_order(&page);
            assert!((first..first + (1 << order)).contains(&half), "{first} of order {order} has no {half}");
            assert!(page_ref_count(&page) >= 1);
        }
        join(freer);
        world.end();
    });
}

/// Uses and puts a page, and writes it if it can be allocated again.
fn put_page_and_reuse(page: PageRef, zone: &Zone, bytes: &Bytes) {
    bytes.page(&page).with(|_| ());
    put_page(page);
    if let Some(next) = zone.alloc(0) {
        bytes.page(next.page()).with_mut(|_| ());
    }
}
