//! Pairs of functions, `page_*` and `netmem_*`, that must compile to the same instructions.
#![no_std]

use netmem::page_pool::{PagePool, Received, ShareError, SyncError};
use netmem::shim::*;
use netmem::skb::Skb;
use netmem::{Refused, DmaAddr, Frag, Netmem, NetmemDesc, NetmemRef, Page, Shares};

macro_rules! pair {
    ($page:ident, $netmem:ident, ($($arg:ident: $of_page:ty => $of_netmem:ty),*) $(-> $out_page:ty => $out_netmem:ty)?, $wrapper:expr, $helper:expr) => {
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub fn $page($($arg: $of_page),*) $(-> $out_page)? {
            $wrapper($($arg),*)
        }
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub fn $netmem($($arg: $of_netmem),*) $(-> $out_netmem)? {
            $helper($($arg),*)
        }
    };
}

// Putters: the cast to netmem costs nothing.
pair!(page_put_ring, netmem_put_ring, (memory: Netmem<Page> => Netmem),
    page_pool_put_full_page, page_pool_put_full_netmem);
pair!(page_put_synced, netmem_put_synced, (pool: &mut PagePool<Page> => &mut PagePool<Page>, memory: Netmem<Page> => Netmem, size: u32 => u32),
    page_pool_put_page, page_pool_put_netmem);
pair!(page_recycle, netmem_recycle, (pool: &mut PagePool<Page> => &mut PagePool<Page>, memory: Netmem<Page> => Netmem),
    page_pool_recycle_direct, page_pool_recycle_direct_netmem);

// Allocators and getters: the `Page` case of the generic one.
pair!(page_alloc, netmem_alloc, (pool: &mut PagePool<Page> => &mut PagePool<Page>) -> Option<Netmem<Page>> => Option<Netmem<Page>>,
    page_pool_alloc_pages, page_pool_alloc_netmems);
pair!(page_alloc_frag, netmem_alloc_frag, (pool: &mut PagePool<Page> => &mut PagePool<Page>, size: u32 => u32) -> Option<Frag<Page>> => Option<Frag<Page>>,
    page_pool_alloc_frag, page_pool_alloc_frag_netmem);
pair!(page_alloc_any, netmem_alloc_any, (pool: &mut PagePool<Page> => &mut PagePool<Page>, size: u32 => u32) -> Option<Frag<Page>> => Option<Frag<Page>>,
    page_pool_alloc, page_pool_alloc_netmem);
pair!(page_fragment, netmem_fragment, (memory: Netmem<Page> => Netmem<Page>, nr: usize => usize) -> Result<Shares<Page>, Refused<ShareError, Netmem<Page>>> => Result<Shares<Page>, Refused<ShareError, Netmem<Page>>>,
    page_pool_fragment_page, page_pool_fragment_netmem);
pair!(page_ref, netmem_ref, (memory: &Netmem<Page> => &Netmem<Page>) -> Netmem<Page> => Netmem<Page>,
    page_pool_ref_page, page_pool_ref_netmem);
pair!(page_unref, netmem_unref, (shares: Shares<Page> => Shares<Page>) -> Option<Netmem<Page>> => Option<Netmem<Page>>,
    page_pool_unref_page, page_pool_unref_netmem);
pair!(page_dma_addr, netmem_dma_addr, (page: &Page => NetmemRef<'_, Page>) -> DmaAddr => DmaAddr,
    page_pool_get_dma_addr, page_pool_get_dma_addr_netmem);
pair!(page_desc, netmem_desc, (page: &Page => NetmemRef<'_, Page>) -> &NetmemDesc => &NetmemDesc,
    pp_page_to_nmdesc, netmem_to_nmdesc);
pair!(page_sync, netmem_sync, (pool: &PagePool<Page> => &PagePool<Page>, buffer: Received<Page> => Received<Page>) -> Result<Frag<Page>, Refused<SyncError, Received<Page>>> => Result<Frag<Page>, Refused<SyncError, Received<Page>>>,
    page_pool_dma_sync_for_cpu, page_pool_dma_sync_netmem_for_cpu);

// Packets: the cast, and the helper for memory of any kind.
pair!(page_coalesce, netmem_coalesce, (skb: &Skb => &Skb, frag: &Frag<Page> => &Frag<Page>) -> bool => bool,
    skb_can_coalesce, skb_can_coalesce_netmem);
