//! Linux: the page_pool, NAPI and mm of the kernel that this is linked into.
//!
//! What it links against is a kernel, and the glue in `kernel/seam.c`: helpers that are inline in C, or that know a layout.

mod ffi;
mod pool;
mod provider;
mod raw_skb;
mod skb;
mod zone;

pub use provider::{KernelBinding, KernelPages};
pub use zone::Zone;

use super::Backend;
use crate::dma::DeviceId;
use crate::memory::{Kind, NetIov, NetmemRef, Page};
use crate::page_pool::{Handles, Idle, PoolKind};
use core::ptr::{self, NonNull};
use core::sync::atomic::Ordering::Relaxed;

/// The backend: the kernel.
pub(crate) struct Host;

/// The `struct napi_struct` that polls for a [`Napi`](crate::netdev::Napi), or none.
///
/// # Invariants
///
/// It lives as long as a pool is linked to it.
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelNapi(Option<NonNull<ffi::Napi>>);

impl KernelNapi {
    /// Stands for a NAPI of the kernel's.
    ///
    /// # Safety
    ///
    /// - `napi` is a `struct napi_struct` that lives as long as a [`Napi`](crate::netdev::Napi) that has it.
    /// - Polls on behalf of that `Napi` run in this NAPI, and nowhere else while it is enabled.
    /// - A `Napi` that has it gets memory, and gives memory up, only while this NAPI is disabled, and where one may sleep.
    pub unsafe fn from_raw(napi: NonNull<core::ffi::c_void>) -> Self {
        // INVARIANT: the caller promises that it lives.
        KernelNapi(Some(napi.cast()))
    }
}

// SAFETY: the address is handed to the kernel, and not followed here.
unsafe impl Send for KernelNapi {}
// SAFETY: the same.
unsafe impl Sync for KernelNapi {}

/// Returns the pool that memory is of. It lives as long as a reference to memory of it; null when the memory is no pool's.
fn pool_of<K: Kind>(memory: NetmemRef<'_, K>) -> *mut ffi::PagePool {
    memory.desc().pp_ref().load(Relaxed).cast()
}

impl Backend for Host {
    type Pool<K: PoolKind> = pool::Pool<K>;
    type Mapping = pool::PoolMapping;
    type Packet = skb::Packet;
    type Napi = KernelNapi;

    #[inline]
    fn put_idle<K: Kind>(idle: Idle<K>) {
        let pool = pool_of(idle.memory());
        // SAFETY: the memory is the pool's, it has no references, and the caller gives it up. -1 syncs as much as the pool's
        // parameters say.
        unsafe { ffi::page_pool_put_unrefed_netmem(pool, idle.word().as_ptr().cast(), u32::MAX, false) }
    }

    fn put_bulk<K: Kind>(handles: &mut Handles<K>) {
        for handles in handles.as_slice().chunks(ffi::BULK) {
            // CAST: a handle is one word, the bits of a `netmem_ref`.
            let words = handles.as_ptr().cast_mut().cast::<ffi::NetmemWord>();
            // SAFETY: there are no more than the kernel takes. It drops one reference of each and may reorder them; the handles are
            // forgotten below.
            unsafe { ffi::page_pool_put_netmem_bulk(words, handles.len() as u32) };
        }
        handles.drain().for_each(core::mem::forget);
    }

    #[inline]
    unsafe fn size<K: Kind>(memory: NetmemRef<'_, K>) -> u32 {
        let pool = pool_of(memory);
        // SAFETY: the memory is a pool's, says the caller, whose reference keeps the pool.
        unsafe { ffi::netmem_rs_pool_piece_size(pool) }
    }

    unsafe fn is_mapped_for<K: Kind>(memory: NetmemRef<'_, K>, device: DeviceId) -> bool {
        let pool = pool_of(memory);
        // SAFETY: the memory is a pool's, says the caller, whose reference keeps the pool.
        let mapped = unsafe { ffi::netmem_rs_pool_device(pool) };
        // SAFETY: the same. What a pool has mapped is unmapped when it is destroyed.
        ptr::addr_eq(mapped, device.as_ptr()) && !unsafe { ffi::netmem_rs_pool_is_destroyed(pool) }
    }

    unsafe fn binding_and_area(iov: &NetIov) -> (u32, u64) {
        let mut owner = 0;
        // SAFETY: the net_iov is a pool's memory, says the caller, so its owner lives; the pointer is to a local variable.
        let id = unsafe { ffi::netmem_rs_iov_binding(iov, &mut owner) };
        (id, owner)
    }

    #[inline]
    fn page_address(page: &Page) -> NonNull<u8> {
        // SAFETY: a `&Page` is a page that lives, of memory that the kernel has mapped.
        let address = unsafe { ffi::netmem_rs_page_address(page) };
        // SAFETY: the linear map has no page at address 0.
        unsafe { NonNull::new_unchecked(address) }
    }

    fn page_to_pfn(page: &Page) -> usize {
        // SAFETY: a `&Page` is a page that lives.
        unsafe { ffi::netmem_rs_page_to_pfn(page) }
    }

    fn page_to_nid(page: &Page) -> i32 {
        // SAFETY: a `&Page` is a page that lives.
        unsafe { ffi::netmem_rs_page_to_nid(page) }
    }

    fn compound_head(page: &Page) -> &Page {
        // SAFETY: a `&Page` is a page that lives.
        let head = unsafe { ffi::netmem_rs_compound_head(page) };
        // SAFETY: the head of a block lives as long as its pages do.
        unsafe { &*head }
    }

    fn compound_order(page: &Page) -> u32 {
        // SAFETY: a `&Page` is a page that lives.
        unsafe { ffi::netmem_rs_compound_order(page) }
    }

    fn get_page(page: &Page) -> NonNull<Page> {
        // SAFETY: a `&Page` is a page that lives, so its count is above 0.
        let head = unsafe { ffi::netmem_rs_get_page(page) };
        // SAFETY: the kernel has no page descriptor at address 0.
        unsafe { NonNull::new_unchecked(head) }
    }

    unsafe fn put_page(head: NonNull<Page>) {
        // SAFETY: promised by the caller.
        unsafe { ffi::netmem_rs_put_page(head.as_ptr()) }
    }

    unsafe fn split_page(head: NonNull<Page>, order: u32) -> bool {
        // SAFETY: promised by the caller.
        unsafe { ffi::netmem_rs_split_page(head.as_ptr(), order) }
    }

    unsafe fn page_behind(page: &Page, pages: usize) -> NonNull<Page> {
        // SAFETY: the page array is contiguous within a range of page frames, and both are in one, says the caller.
        unsafe { NonNull::from(page).add(pages) }
    }
}
