//! The seam: what handles, pools, packets and mm's functions ask of the kernel below them.
//!
//! Everything above is one source over two backends. `model` is an engine of our own: it runs in user space, and tests, models
//! and measurements are about it. `linux` calls the page_pool, mm and skbs of a kernel. One cfg chooses, `--cfg netmem_backend="linux"`.
//! It is no feature, because features unify, and no type parameter, because a handle is one word.
//!
//! This page lists all that a backend does. A unit struct of each backend, [`Host`], implements [`Backend`], so the compiler
//! checks that each has the whole list. Functions that touch memory of a pool are `unsafe`, where a value cannot carry the proof.
//!
//! A packet of `model` is a value that owns its frags. One of `linux` is a pointer: the kernel's stack owns the frags, so what takes
//! them out exists over `model` alone.
//!
//! Testing: everything is tested over `model`. `cargo check --lib` with the cfg type-checks `linux`, and the drivers over it; it links
//! only into a kernel module.

#[cfg(netmem_backend = "linux")]
mod linux;
#[cfg(not(netmem_backend = "linux"))]
mod model;

#[cfg(netmem_backend = "linux")]
use linux as imp;
#[cfg(not(netmem_backend = "linux"))]
use model as imp;

pub(crate) use imp::Host;
pub use imp::{KernelNapi, Zone};
#[cfg(netmem_backend = "linux")]
pub use linux::{KernelBinding, KernelPages};
#[cfg(not(netmem_backend = "linux"))]
pub use model::{Shutdown, Stalled, ZoneError};

use crate::Refused;
use crate::dma::{DeviceId, DmaDirection};
use crate::memory::{DmaAddr, Kind, NetIov, NetmemRef, Page, PoolId};
use crate::page_pool::{AnyProvider, Frag, Netmem, PagePoolParams, PoolError, PoolKind, Received, Stats};
use crate::page_pool::{Handles, Idle, Installed};
use crate::skb::{AddFragError, IpSummed, SkbFrag};
use core::fmt::Debug;
use core::ops::Range;
use core::ptr::NonNull;

/// What a backend does for handles and for pages.
pub(crate) trait Backend {
    /// The consumer side of a pool, and its owner.
    type Pool<K: PoolKind>: Pool<K>;
    /// Keeps mapped the memory of a pool that a device has.
    type Mapping: Mapping;
    /// A packet.
    type Packet: Packet;
    /// The kernel's own NAPI that a [`Napi`](crate::netdev::Napi) stands for, if there is one.
    type Napi: Copy + Default + Debug + Send + Sync;

    // Handles.

    /// Returns memory to its pool, from any context: into the ring, or out of the pool when it may not stay or the ring is full.
    fn put_idle<K: Kind>(idle: Idle<K>);

    /// Puts all handles, with one visit to the ring for each pool.
    fn put_bulk<K: Kind>(handles: &mut Handles<K>);

    /// Returns how many bytes each piece of the memory's pool has.
    ///
    /// # Safety
    ///
    /// The memory is a pool's, and the caller has a reference to it.
    unsafe fn size<K: Kind>(memory: NetmemRef<'_, K>) -> u32;

    /// Returns whether a device can be given the memory: its pool has mapped it for that device, and has not been dropped.
    ///
    /// # Safety
    ///
    /// As for [`size`](Self::size).
    unsafe fn is_mapped_for<K: Kind>(memory: NetmemRef<'_, K>, device: DeviceId) -> bool;

    /// Returns the number of the binding that a net_iov is part of, 0 for none, and the serial of its area, which no other area
    /// ever has.
    ///
    /// # Safety
    ///
    /// As for [`size`](Self::size).
    unsafe fn binding_and_area(iov: &NetIov) -> (u32, u64);

    // Pages. A `&Page` is a page that lives: somebody has a reference to its block.

    /// Returns where the CPU finds the page's first byte.
    fn page_address(page: &Page) -> NonNull<u8>;

    /// Returns the page frame number.
    fn page_to_pfn(page: &Page) -> usize;

    /// Returns the NUMA node.
    fn page_to_nid(page: &Page) -> i32;

    /// Returns the first page of the block that `page` is part of.
    fn compound_head(page: &Page) -> &Page;

    /// Returns log2 of how many pages the block has.
    fn compound_order(page: &Page) -> u32;

    /// Takes one more of the `_refcount` of the block that `page` is part of. Returns its head; the reference is the caller's.
    fn get_page(page: &Page) -> NonNull<Page>;

    /// Drops one of `_refcount`, and frees the block with the last.
    ///
    /// # Safety
    ///
    /// `head` is the head of an allocated block, and the caller gives up one of its `_refcount`.
    unsafe fn put_page(head: NonNull<Page>);

    /// Makes blocks of `1 << order` pages of one block, each with a reference of its own. Returns `false`, and changes nothing,
    /// when somebody else has a reference.
    ///
    /// # Safety
    ///
    /// `head` is the head of an allocated block of at least that order, and one of its `_refcount` is the caller's. If this
    /// returns true, the references to the other blocks are, too.
    unsafe fn split_page(head: NonNull<Page>, order: u32) -> bool;

    /// Returns the page that is `pages` behind `page` in the page array.
    ///
    /// # Safety
    ///
    /// Both are allocated in one range of page frames.
    unsafe fn page_behind(page: &Page, pages: usize) -> NonNull<Page>;
}

/// What a backend does for the owner of a pool. Dropping it ends the pool: memory in flight returns when it is put.
pub(crate) trait Pool<K: PoolKind>: Sized + Send + Sync {
    /// Makes a pool with parameters that have been checked, over a provider that has agreed to them and has pieces of
    /// `piece_size` bytes. `needs_sync` says that CPU and device must be told when memory changes hands.
    ///
    /// # Errors
    ///
    /// [`PoolError`], as this kernel says.
    fn create(
        params: PagePoolParams,
        provider: Installed,
        piece_size: u32,
        needs_sync: bool,
    ) -> Result<Self, PoolError>;

    /// Allocates one piece.
    fn alloc(&mut self) -> Option<Idle<K>>;

    /// Adds pieces until `out` is full, or there is no more memory. Returns how many it added.
    fn alloc_bulk(&mut self, out: &mut Handles<K>) -> usize;

    /// Allocates `size` bytes that start at a multiple of 64. Returns a reference, and the first of them. The bytes from there on
    /// belong to nobody else.
    fn alloc_frag(&mut self, size: u32) -> Option<(Netmem<K>, u32)>;

    /// Gives the rest of the memory to the fragment of `size` bytes that was cut last, at `offset`, when another one of that size
    /// would not fit. Returns how many bytes the fragment has.
    fn give_rest(&mut self, offset: u32, size: u32) -> u32;

    /// Drops a reference; memory of this pool goes to the cache if it was the last. At most `sync_len` bytes are synced for the
    /// device.
    fn recycle<H: Kind>(&mut self, memory: Netmem<H>, sync_len: u32);

    /// Drops many references, as [`recycle`](Self::recycle) does one.
    fn recycle_bulk<H: Kind>(&mut self, handles: &mut Handles<H>);

    /// Shows the CPU a range of `frag`, which the device has completed, if this pool's memory is synced. Returns whether the frag
    /// is this pool's memory; else it does nothing.
    fn sync_for_cpu<H: Kind>(&self, frag: &Frag<H>, range: Range<u32>) -> bool;

    /// Shows the device all of `frag`, if this pool's memory is synced. Returns whether the frag is this pool's memory; else it does
    /// nothing.
    fn sync_for_device<H: Kind>(&self, frag: &Frag<H>) -> bool;

    /// Wants pages of another NUMA node from now on.
    fn set_nid(&mut self, nid: i32);

    /// Begins direct recycling for the NAPI that has the pool from here on.
    fn link(&mut self, napi: <Host as Backend>::Napi);

    /// Ends what [`link`](Self::link) began. It may sleep, as `link` may.
    fn unlink(&mut self);

    /// Returns which pool this is: the word that its memory carries.
    fn id(&self) -> PoolId;

    /// Returns which pool this is, as a number for people.
    fn user_id(&self) -> u32;

    /// Returns where the memory comes from.
    fn provider(&self) -> &AnyProvider;

    /// Returns how many bytes each piece has.
    fn piece_size(&self) -> u32;

    /// Returns which way data goes.
    fn direction(&self) -> DmaDirection;

    /// Returns whether the memory is mapped for a device.
    fn is_mapped_for(&self, device: DeviceId) -> bool;

    /// Returns what the pool has counted.
    fn stats(&self) -> Stats;

    /// Returns how many pieces the pool has from its provider, wherever they are.
    fn inflight(&self) -> usize;

    /// Returns how many of them are neither in the cache nor in the ring.
    fn in_use(&self) -> usize;
}

/// Keeps mapped the memory of a pool that a device has, also when the pool is dropped before (rule D5).
pub(crate) trait Mapping: Sized + Send + Sync {
    /// Holds the mappings of the pool that `frag` is of. `None` when the pool does not map for `device`, or has been dropped.
    fn of<K: Kind>(frag: &Frag<K>, device: DeviceId) -> Option<Self>;

    /// Returns whether this holds the mappings of the pool that `frag` is of.
    fn is_of<K: Kind>(&self, frag: &Frag<K>) -> bool;

    /// Returns whether the pool has not been dropped.
    fn has_owner(&self) -> bool;

    /// Returns where a device may write, in each piece: the bytes that the pool syncs.
    fn writable(&self) -> Range<u32>;
}

/// What a backend does for a packet: enough to build, to deliver, to transmit and to drop one. Dropping it returns everything
/// that it holds, in any context.
pub(crate) trait Packet: Sized + Send + Sync {
    /// A frag, to look at.
    type View<'a>: FragView<'a>
    where
        Self: 'a;

    /// Returns a packet whose linear part is a copy of `bytes`; `None` when there is no memory.
    fn copy_from(bytes: &[u8]) -> Option<Self>;

    /// Builds a packet around a buffer that was synced for the CPU. The linear part is the bytes that were received.
    ///
    /// # Errors
    ///
    /// The buffer, when there is no memory.
    fn receive(head: Received<Page>) -> Result<Self, Received<Page>>;

    /// Returns how many bytes [`receive`](Self::receive) needs in the buffer, behind those that were received.
    fn head_room() -> u32;

    /// Returns the linear part.
    fn linear(&self) -> &[u8];

    /// Returns the linear part, to write.
    fn linear_mut(&mut self) -> &mut [u8];

    /// Returns the page that the linear part is in, if it is one that may be mapped for a device.
    fn linear_page(&self) -> Option<&Page>;

    /// Returns how many bytes the linear part has.
    fn linear_len(&self) -> usize;

    /// Attaches a frag that costs `truesize` bytes, or joins it to the last one.
    ///
    /// # Errors
    ///
    /// [`AddFragError`], with the frag.
    fn add_frag(&mut self, frag: Frag, truesize: u32) -> Result<(), Refused<AddFragError, SkbFrag>>;

    /// Returns how many frags there are.
    fn nr_frags(&self) -> usize;

    /// Returns a frag, from 0; `None` when there is no such frag.
    fn frag(&self, index: usize) -> Option<Self::View<'_>>;

    /// Returns how many bytes the frags have.
    fn data_len(&self) -> usize;

    /// Returns what the packet costs, in bytes.
    fn truesize(&self) -> u32;

    /// Returns the queue that received it.
    fn queue(&self) -> u16;

    /// Notes the queue that received it.
    fn set_queue(&mut self, queue: u16);

    /// Returns what is known of its checksum.
    fn ip_summed(&self) -> IpSummed;

    /// Notes what is known of its checksum.
    fn set_ip_summed(&mut self, ip_summed: IpSummed);

    /// Takes out what can be recycled directly, for a packet that is about to be dropped. A backend that recycles when it drops
    /// does nothing.
    fn recycle(&mut self, each: impl FnMut(Frag));
}

/// What a backend shows of a frag.
pub(crate) trait FragView<'a>: Copy {
    /// Returns how many bytes it has.
    fn len(self) -> u32;

    /// Returns the first byte of the range, within its memory.
    fn offset(self) -> u32;

    /// Returns the memory that it is a part of.
    fn borrow(self) -> NetmemRef<'a>;

    /// Returns the bytes; `None` when the CPU cannot read them.
    fn bytes(self) -> Option<&'a [u8]>;

    /// Returns whether it is device memory to transmit from, and where `device` finds it.
    fn bound(self, device: DeviceId) -> Bound;
}

/// Where a device finds memory that is bound to transmit from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// The memory is not bound to transmit from.
    No,
    /// It is bound to another device.
    Elsewhere,
    /// The device finds the first byte here.
    Here(DmaAddr),
}
