//! The model: a page pool, mappings and a page allocator that behave as Linux's do, in memory of our own.

mod bulk;
mod frag_page;
mod hold;
mod idle;
mod mapping;
mod packet;
mod pool;
mod ring;
mod shared;
mod shutdown;
mod zone;

pub use shutdown::Shutdown;
pub use shutdown::Stalled;
pub use zone::{Zone, ZoneError};

use super::Backend;
use crate::dma::DeviceId;
use crate::memory::{Kind, NetIov, NetmemRef, Page};
use crate::mm::TAIL;
use crate::page_pool::{Handles, Idle, PoolKind};
use crate::sync::fence;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use shared::Shared;
use zone::ZoneInner;

/// The backend: memory of this process.
pub(crate) struct Host;

/// The kernel's own NAPI that polls for a [`Napi`](crate::netdev::Napi). Here is none: there is one value, `default()`.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct KernelNapi;

impl Backend for Host {
    type Pool<K: PoolKind> = pool::Pool<K>;
    type Mapping = hold::PoolMapping;
    type Packet = packet::Packet;
    type Napi = KernelNapi;

    #[inline]
    fn put_idle<K: Kind>(idle: Idle<K>) {
        Shared::put_idle(idle);
    }

    fn put_bulk<K: Kind>(handles: &mut Handles<K>) {
        Shared::put_bulk(handles);
    }

    #[inline]
    unsafe fn size<K: Kind>(memory: NetmemRef<'_, K>) -> u32 {
        // SAFETY: promised by the caller.
        unsafe { Shared::of(memory) }.piece_size
    }

    #[inline]
    unsafe fn is_mapped_for<K: Kind>(memory: NetmemRef<'_, K>, device: DeviceId) -> bool {
        // SAFETY: promised by the caller.
        unsafe { Shared::of(memory) }.is_mapped_for(device)
    }

    unsafe fn binding_and_area(iov: &NetIov) -> (u32, u64) {
        // SAFETY: net_iovs come into a pool of the model as `FreeIov`s only, and the caller has a reference to this one.
        let container = unsafe { crate::page_pool::container(iov) };
        (container.binding_id(), container.serial())
    }

    fn page_address(page: &Page) -> NonNull<u8> {
        let zone = ZoneInner::of(page);
        zone.address(zone.index(page))
    }

    fn page_to_pfn(page: &Page) -> usize {
        let zone = ZoneInner::of(page);
        zone.pfn(zone.index(page))
    }

    fn page_to_nid(page: &Page) -> i32 {
        ZoneInner::of(page).nid()
    }

    #[inline]
    fn compound_head(page: &Page) -> &Page {
        let word = page.desc().mm_word().load(Relaxed);
        if word & TAIL == 0 {
            return page;
        }
        let zone = ZoneInner::of(page);
        zone.page(zone.index(page) - (word >> 2))
    }

    #[inline]
    fn compound_order(page: &Page) -> u32 {
        Self::compound_head(page).page_type_ref().load(Relaxed)
    }

    fn get_page(page: &Page) -> NonNull<Page> {
        zone::get_page(Self::compound_head(page))
    }

    unsafe fn put_page(head: NonNull<Page>) {
        // SAFETY: the block is allocated, so its page can be read.
        let count = unsafe { head.as_ref() }.refcount_ref();
        if count.fetch_sub(1, Release) == 1 {
            fence(Acquire);
            // SAFETY: that was the last reference, and the fence orders every use of the block before this.
            unsafe { ZoneInner::free(head) }
        }
    }

    unsafe fn split_page(head: NonNull<Page>, order: u32) -> bool {
        // SAFETY: promised by the caller.
        unsafe { ZoneInner::split(head, order) }
    }

    unsafe fn page_behind(page: &Page, pages: usize) -> NonNull<Page> {
        let zone = ZoneInner::of(page);
        zone.page_ptr(zone.index(page) + pages)
    }
}
