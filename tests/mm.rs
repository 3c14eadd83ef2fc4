//! The functions on pages, and what they say of a handle.

use netmem::NetmemRef;
use netmem::mm::{
    PAGE_SIZE, Zone, get_page, netmem_address, netmem_compound_head, netmem_is_pfmemalloc, netmem_is_pref_nid,
    netmem_pfn_trace, netmem_ref_count, page_address, page_is_pfmemalloc, page_ref_count, page_to_pfn,
};

#[test]
fn answers_for_pages() {
    let zone = Zone::on_node(8, 3).unwrap();
    let page = zone.alloc(0).unwrap();
    let memory = NetmemRef::from(page.page());
    assert_eq!(netmem_address(memory), Some(page_address(page.page())));
    assert_eq!(netmem_pfn_trace(memory), page_to_pfn(page.page()));
    assert!(netmem_is_pref_nid(memory, 3) && !netmem_is_pref_nid(memory, 0));
    assert_eq!(netmem_ref_count(memory), 1);
    assert!(!netmem_is_pfmemalloc(memory));
}

#[test]
fn tails_lead_to_their_head() {
    let zone = Zone::new(16).unwrap();
    let block = zone.alloc(2).unwrap();
    let third = zone.virt_to_page(block.bytes()[2 * PAGE_SIZE..].as_ptr()).unwrap();
    assert!(core::ptr::eq(&*third, block.page()), "virt_to_page gives the head");
    let extra = get_page(block.page());
    assert_eq!(netmem_ref_count(NetmemRef::from(block.page())), 3);
    assert_eq!(netmem_compound_head(NetmemRef::from(block.page())), NetmemRef::from(block.page()));
    drop((third, extra));
    assert_eq!(block.bytes().len(), 4 * PAGE_SIZE);
}

#[test]
fn the_reserve_marks_its_pages() {
    let zone = Zone::new(4).unwrap();
    zone.set_reserve(2);
    let pages: Vec<_> = core::iter::from_fn(|| zone.alloc(0)).collect();
    let marked: Vec<_> = pages.iter().map(|page| page_is_pfmemalloc(page.page())).collect();
    assert_eq!(marked, [false, false, true, true]);
    drop(pages);
    zone.set_reserve(0);
    assert!(!page_is_pfmemalloc(zone.alloc(0).unwrap().page()), "the mark goes with the page");
}

#[test]
fn a_free_page_is_not_found() {
    let zone = Zone::new(4).unwrap();
    let page = zone.alloc(0).unwrap();
    let address = page.bytes().as_ptr();
    drop(page);
    assert!(zone.virt_to_page(address).is_none());
    assert!(zone.virt_to_page(core::ptr::null()).is_none());
}

#[test]
fn a_page_outlives_its_zone() {
    let zone = Zone::new(4).unwrap();
    let mut page = zone.alloc(1).unwrap();
    drop(zone);
    page.bytes_mut().fill(7);
    let kept = get_page(page.page());
    drop(page);
    assert_eq!(page_ref_count(&kept), 1);
}
