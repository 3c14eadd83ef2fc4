//! What can be asked of a handle and needs mm: the answer for a net_iov is fixed, the one for a page is the page's.

use super::{compound_head, page_address, page_is_pfmemalloc, page_ref_count, page_to_nid, page_to_pfn};
use crate::memory::{Backing, NetmemRef};
use core::ptr::NonNull;

/// Where the CPU finds the memory's first byte; `None` for a net_iov, which has no such place.
#[inline]
pub fn netmem_address(memory: NetmemRef<'_>) -> Option<NonNull<u8>> {
    memory.backing().page().map(page_address)
}

/// The page frame number for a trace; 0 for a net_iov.
pub fn netmem_pfn_trace(memory: NetmemRef<'_>) -> usize {
    memory.backing().page().map_or(0, page_to_pfn)
}

/// Whether the memory is on NUMA node `nid`. True for a net_iov: its provider has chosen.
pub fn netmem_is_pref_nid(memory: NetmemRef<'_>, nid: i32) -> bool {
    memory.backing().page().is_none_or(|page| page_to_nid(page) == nid)
}

/// The head of a compound page; a net_iov is never compounded.
pub fn netmem_compound_head(memory: NetmemRef<'_>) -> NetmemRef<'_> {
    match memory.backing() {
        Backing::Page(page) => compound_head(page).into(),
        Backing::NetIov(_) => memory,
    }
}

/// Whether the memory came from the reserve; a net_iov never did.
#[inline]
pub fn netmem_is_pfmemalloc(memory: NetmemRef<'_>) -> bool {
    memory.backing().page().is_some_and(page_is_pfmemalloc)
}

/// mm's count; 1 for a net_iov, which only the pool counts.
pub fn netmem_ref_count(memory: NetmemRef<'_>) -> i32 {
    memory.backing().page().map_or(1, page_ref_count)
}

#[cfg(test)]
mod tests {
    use super::super::{PAGE_SIZE, Zone, get_page};
    use super::*;
    use crate::alloc::Vec;

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
}
