//! What the backend calls: functions of the kernel, and glue for those that are inline or that know a layout.
//!
//! Names without `netmem_rs_` are the kernel's own (include/net/page_pool/helpers.h and types.h). The others are for C glue to
//! provide; each says which helper it stands for.

use crate::memory::{NetIov, Page};
use core::ffi::c_void;

/// `struct page_pool`: only its address is used.
#[repr(C)]
pub(super) struct PagePool {
    _opaque: [u8; 0],
}

/// `struct napi_struct`: only its address is used.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Napi {
    _opaque: [u8; 0],
}

/// `struct sk_buff`: only its address is used.
#[repr(C)]
pub(super) struct SkBuff {
    _opaque: [u8; 0],
}

/// A frag, as glue reads it off `skb_shinfo(skb)->frags[i]`.
#[repr(C)]
pub(super) struct Frag {
    pub(super) netmem: NetmemWord,
    pub(super) offset: u32,
    pub(super) len: u32,
}

/// What [`netmem_rs_skb_add_frag`] returns: the frag is the skb's, with its reference.
pub(super) const FRAG_ATTACHED: u32 = 1;
/// The last frag has grown by it, and the reference is the caller's.
pub(super) const FRAG_JOINED: u32 = 2;

/// What [`netmem_rs_iov_tx_addr`] returns: the net_iov is bound to another device, to transmit from.
pub(super) const IOV_ELSEWHERE: u32 = 1;
/// It is bound to this device.
pub(super) const IOV_HERE: u32 = 2;

/// `netmem_ref`: the bits of a tagged pointer.
pub(super) type NetmemWord = *mut c_void;

/// `gfp_t`: what an allocation may do.
pub(super) type Gfp = u32;

/// What glue makes `struct page_pool_params` of.
#[repr(C)]
pub(super) struct PoolParams {
    pub(super) flags: u32,
    pub(super) order: u32,
    pub(super) pool_size: u32,
    pub(super) nid: i32,
    /// `struct device *`, or null.
    pub(super) device: *mut c_void,
    /// `enum dma_data_direction`.
    pub(super) direction: u32,
    pub(super) max_len: u32,
    pub(super) offset: u32,
    pub(super) rx_page_size: u32,
    pub(super) queue_idx: u32,
    /// Whether memory may be bound to the queue that nobody can read: PP_FLAG_ALLOW_UNREADABLE_NETMEM.
    pub(super) unreadable: bool,
}

/// `struct page_pool_stats`: the counters, in the kernel's order.
#[repr(C)]
#[derive(Default)]
pub(super) struct PoolStats {
    pub(super) alloc_fast: u64,
    pub(super) alloc_slow: u64,
    pub(super) alloc_slow_high_order: u64,
    pub(super) alloc_empty: u64,
    pub(super) alloc_refill: u64,
    pub(super) alloc_waive: u64,
    pub(super) recycle_cached: u64,
    pub(super) recycle_cache_full: u64,
    pub(super) recycle_ring: u64,
    pub(super) recycle_ring_full: u64,
    pub(super) recycle_released_refcnt: u64,
}

/// The most that one call of `page_pool_put_netmem_bulk` takes, XDP_BULK_QUEUE_SIZE: it sorts into an array of that length on its
/// stack, and does not look at the count.
pub(super) const BULK: usize = 16;

unsafe extern "C" {
    // net/core/page_pool.c
    pub(super) fn page_pool_alloc_netmems(pool: *mut PagePool, gfp: Gfp) -> NetmemWord;
    pub(super) fn page_pool_alloc_frag_netmem(pool: *mut PagePool, offset: *mut u32, size: u32, gfp: Gfp)
    -> NetmemWord;
    pub(super) fn page_pool_put_unrefed_netmem(
        pool: *mut PagePool,
        netmem: NetmemWord,
        dma_sync_size: u32,
        allow_direct: bool,
    );
    pub(super) fn page_pool_put_netmem_bulk(data: *mut NetmemWord, count: u32);
    pub(super) fn page_pool_enable_direct_recycling(pool: *mut PagePool, napi: *mut Napi);
    pub(super) fn page_pool_disable_direct_recycling(pool: *mut PagePool);
    pub(super) fn page_pool_destroy(pool: *mut PagePool);

    /// `page_pool_create`, for the `struct net_device` of the driver of `params.device`. Null when it fails; `error` is the errno
    /// then, positive.
    pub(super) fn netmem_rs_pool_create(params: *const PoolParams, error: *mut i32) -> *mut PagePool;
    /// Adds one to `pool->user_cnt` unless it is 0. Returns whether it did: then the pool is not destroyed before that many calls of
    /// `page_pool_destroy`.
    pub(super) fn netmem_rs_pool_hold(pool: *mut PagePool) -> bool;
    /// Whether the pool has been destroyed, and its memory unmapped: `pool->destroy_cnt`.
    pub(super) fn netmem_rs_pool_is_destroyed(pool: *const PagePool) -> bool;
    /// `page_pool_is_unreadable`.
    pub(super) fn netmem_rs_pool_is_unreadable(pool: *const PagePool) -> bool;
    /// `pool->p.dev`, or null when the pool does not map.
    pub(super) fn netmem_rs_pool_device(pool: *const PagePool) -> *mut c_void;
    /// Bytes in a piece: `PAGE_SIZE << pool->p.order`.
    pub(super) fn netmem_rs_pool_piece_size(pool: *const PagePool) -> u32;
    /// The bytes of a piece that the pool syncs: `pool->p.offset` and `max_len`, or 0 and all bits for a pool without syncs.
    pub(super) fn netmem_rs_pool_range(pool: *const PagePool, offset: *mut u32, len: *mut u32);
    /// `page_pool_nid_changed`: nothing when the pool has that node already.
    pub(super) fn netmem_rs_pool_nid_changed(pool: *mut PagePool, nid: i32);
    /// `pool->user.id`.
    pub(super) fn netmem_rs_pool_id(pool: *const PagePool) -> u32;
    /// `page_pool_inflight`, not below 0.
    pub(super) fn netmem_rs_pool_inflight(pool: *const PagePool) -> usize;
    /// `page_pool_get_stats`.
    pub(super) fn netmem_rs_pool_stats(pool: *const PagePool, stats: *mut PoolStats);
    /// `page_pool_dma_sync_netmem_for_cpu`; it asks by itself whether the pool syncs.
    pub(super) fn netmem_rs_sync_for_cpu(pool: *const PagePool, netmem: NetmemWord, offset: u32, len: u32);
    /// `__page_pool_dma_sync_for_device`, for a range; it asks by itself whether the pool syncs.
    pub(super) fn netmem_rs_sync_for_device(pool: *const PagePool, netmem: NetmemWord, offset: u32, len: u32);
    /// `net_devmem_iov_binding_id`, 0 for none, and the address of the owner as its serial.
    pub(super) fn netmem_rs_iov_binding(iov: *const NetIov, owner: *mut u64) -> u32;

    /// `napi_build_skb`, `skb_mark_for_recycle` and `skb_put` of `len`. The buffer ends `size` bytes behind `data`. Null when it
    /// fails, and the buffer is the caller's then.
    pub(super) fn netmem_rs_skb_build(data: *mut u8, size: u32, len: u32) -> *mut SkBuff;
    /// An skb with room for its headers, `skb_mark_for_recycle`, and `skb_put` of `size`, in any context. Null when it fails.
    pub(super) fn netmem_rs_skb_alloc(size: u32) -> *mut SkBuff;
    /// `SKB_DATA_ALIGN(sizeof(struct skb_shared_info))`.
    pub(super) fn netmem_rs_skb_room() -> u32;
    /// `skb_can_coalesce_netmem`, and then `skb_coalesce_rx_frag` or `skb_add_rx_frag_netmem`. Returns [`FRAG_ATTACHED`],
    /// [`FRAG_JOINED`], or 0 when the skb has as many frags as it can have, and the reference is the caller's then.
    pub(super) fn netmem_rs_skb_add_frag(
        skb: *mut SkBuff,
        netmem: NetmemWord,
        offset: u32,
        len: u32,
        truesize: u32,
    ) -> u32;
    /// `napi_consume_skb` in a poll, and `dev_kfree_skb_any` elsewhere.
    pub(super) fn netmem_rs_skb_free(skb: *mut SkBuff);
    /// `skb->len`.
    pub(super) fn netmem_rs_skb_len(skb: *const SkBuff) -> u32;
    /// `skb_headlen`.
    pub(super) fn netmem_rs_skb_headlen(skb: *const SkBuff) -> u32;
    /// `skb_shinfo(skb)->nr_frags`.
    pub(super) fn netmem_rs_skb_nr_frags(skb: *const SkBuff) -> u32;
    /// `skb->truesize`.
    pub(super) fn netmem_rs_skb_truesize(skb: *const SkBuff) -> u32;
    /// `skb->data`.
    pub(super) fn netmem_rs_skb_data(skb: *const SkBuff) -> *mut u8;
    /// `virt_to_head_page(skb->head)` when `skb->head_frag` says that it is a page, else null: a slab has no references.
    pub(super) fn netmem_rs_skb_head_page(skb: *const SkBuff) -> *const Page;
    /// `skb_frag_netmem`, `skb_frag_off` and `skb_frag_size` of a frag that the skb has.
    pub(super) fn netmem_rs_skb_frag(skb: *const SkBuff, index: u32, frag: *mut Frag);
    /// `skb_record_rx_queue`.
    pub(super) fn netmem_rs_skb_set_queue(skb: *mut SkBuff, queue: u16);
    /// `skb_get_rx_queue`, or 0 when none is recorded.
    pub(super) fn netmem_rs_skb_queue(skb: *const SkBuff) -> u16;
    /// CHECKSUM_UNNECESSARY, or CHECKSUM_NONE.
    pub(super) fn netmem_rs_skb_set_summed(skb: *mut SkBuff, unnecessary: bool);
    /// Whether it is CHECKSUM_UNNECESSARY.
    pub(super) fn netmem_rs_skb_summed(skb: *const SkBuff) -> bool;
    /// CHECKSUM_PARTIAL: `start` counts from `skb->data`.
    pub(super) fn netmem_rs_skb_set_partial(skb: *mut SkBuff, start: u16, offset: u16);
    /// Whether it is CHECKSUM_PARTIAL: `skb_checksum_start_offset` and `skb->csum_offset`.
    pub(super) fn netmem_rs_skb_partial(skb: *const SkBuff, start: *mut u16, offset: *mut u16) -> bool;
    /// Whether a net_iov is of a binding to transmit from: 0, [`IOV_ELSEWHERE`], or [`IOV_HERE`] with the address of its first byte.
    pub(super) fn netmem_rs_iov_tx_addr(iov: *const NetIov, device: *mut c_void, addr: *mut usize) -> u32;

    /// `page_address`.
    pub(super) fn netmem_rs_page_address(page: *const Page) -> *mut u8;
    /// `page_to_pfn`.
    pub(super) fn netmem_rs_page_to_pfn(page: *const Page) -> usize;
    /// `page_to_nid`.
    pub(super) fn netmem_rs_page_to_nid(page: *const Page) -> i32;
    /// `compound_head`.
    pub(super) fn netmem_rs_compound_head(page: *const Page) -> *const Page;
    /// `compound_order`.
    pub(super) fn netmem_rs_compound_order(page: *const Page) -> u32;
    /// `get_page`. Returns the head.
    pub(super) fn netmem_rs_get_page(page: *const Page) -> *mut Page;
    /// `put_page`.
    pub(super) fn netmem_rs_put_page(head: *mut Page);
    /// `split_page` into blocks of an order, of a block that nobody else has. Returns whether it did.
    pub(super) fn netmem_rs_split_page(head: *mut Page, order: u32) -> bool;
    /// `alloc_pages_node` with GFP_ATOMIC, __GFP_NOWARN and __GFP_COMP; `nid` is -1 for any. Null when there is no memory.
    pub(super) fn netmem_rs_alloc_pages(nid: i32, order: u32) -> *mut Page;
    /// `virt_to_head_page` and a reference, when the address is one of the linear map. Null otherwise.
    pub(super) fn netmem_rs_virt_to_page(address: usize) -> *mut Page;
    /// `nr_free_pages`, and `totalram_pages`.
    pub(super) fn netmem_rs_pages(total: *mut usize) -> usize;
}
