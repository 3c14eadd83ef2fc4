//! The table behind the three devices: which address reaches what.

use crate::sync::{AtomicU64, Lock};
use netmem::dma::{DeviceId, DmaDirection, MapError, PeerMemory};
use netmem::memory::{DmaAddr, Page};
use netmem::mm::{PAGE_SIZE, compound_head, page_address, page_size};
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::vec::Vec;

/// A device used an address that reaches nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DmaFault {
    /// Nothing is mapped there, or not any more.
    #[error(
        "DMA fault: {len} bytes at {addr:#x}, where nothing is mapped: the buffer was unmapped or never was mapped"
    )]
    Unmapped {
        /// First address.
        addr: usize,
        /// How many bytes.
        len: usize,
    },
    /// The mapping ends before the range does.
    #[error("DMA fault: {len} bytes at {addr:#x} run over the end of the mapping, which has {room} bytes from there")]
    Beyond {
        /// First address.
        addr: usize,
        /// How many bytes.
        len: usize,
        /// How many bytes are mapped from there.
        room: usize,
    },
    /// The mapping is not for that direction.
    #[error("DMA fault: the device {what} {len} bytes at {addr:#x}, which is mapped for the other direction only")]
    Direction {
        /// "reads" or "writes".
        what: &'static str,
        /// First address.
        addr: usize,
        /// How many bytes.
        len: usize,
    },
    /// The peer whose memory is mapped there refused.
    #[error("DMA fault: the memory behind {addr:#x} refused {len} bytes: is its exporter gone?")]
    Peer {
        /// First address.
        addr: usize,
        /// How many bytes.
        len: usize,
    },
    /// The bus was told to fail, by [`DmaBus::fault`](super::DmaBus::fault).
    #[error("DMA fault: an access of {len} bytes failed on request, and reached nothing")]
    Requested {
        /// How many bytes the access would have had.
        len: usize,
    },
}

/// What a device has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DmaStats {
    /// Mappings made.
    pub maps: u64,
    /// Mappings ended.
    pub unmaps: u64,
    /// Syncs for the CPU.
    pub syncs_for_cpu: u64,
    /// Syncs for the device.
    pub syncs_for_device: u64,
    /// Accesses that reached nothing.
    pub faults: u64,
}

impl DmaStats {
    /// Mappings that exist now.
    pub fn mapped(&self) -> u64 {
        self.maps.saturating_sub(self.unmaps)
    }
}

/// New addresses are aligned to the size of what is mapped, up to this.
const MAX_ALIGN: usize = 1 << 31;

/// The end of a range and of the page behind it that is left out, so that running over the end of a mapping faults.
fn end_with_gap(start: usize, len: usize) -> Option<usize> {
    start.checked_add(len)?.checked_next_multiple_of(PAGE_SIZE)?.checked_add(PAGE_SIZE)
}

/// What an address reaches.
enum Target {
    /// A block of pages.
    Host(NonNull<u8>),
    /// A buffer of the device's own that stands for a block of pages.
    Bounced { host: NonNull<u8>, buffer: Vec<u8>, direction: DmaDirection },
    /// A peer's memory, from an offset on.
    Peer(Arc<dyn PeerMemory>, usize),
}

impl Target {
    fn is_host(&self, start: NonNull<u8>) -> bool {
        matches!(self, Target::Host(own) if *own == start)
    }
}

/// Who uses an address, and for what.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    DeviceWrites,
    DeviceReads,
    /// A sync, for the CPU.
    Sync,
}

struct Region {
    len: usize,
    target: Target,
    /// Whether the device may write; with several mappings of one address, whether any of them says so.
    writes: bool,
    /// Whether the device may read; likewise.
    reads: bool,
    /// How often this very address was handed out; more than once only where it is the page's own.
    maps: u32,
}

// SAFETY: the pointers name bytes of pages, which stay allocated while the region is in the table, because `DmaDevice::map`
// demands it. They are followed only in functions whose callers say that nobody else uses those bytes.
unsafe impl Send for Region {}

/// How new addresses come about.
#[derive(Clone, Copy)]
pub(super) enum Addresses {
    /// A page's is its physical address; a peer's is a new one.
    Identity,
    /// Always new ones.
    Fresh,
}

struct Table {
    /// No two overlap.
    regions: BTreeMap<usize, Region>,
    /// New addresses start here.
    first: usize,
    /// The next new address: behind the one before, so that an address is not used again while there is room above.
    next: usize,
}

impl Table {
    /// A new address for `len` bytes, at the next place where nothing is mapped. `None` when there is no such place.
    fn place(&mut self, len: usize) -> Option<usize> {
        // Aligned to its size, so that it can be cut into net_iovs of any size.
        let align = len.min(MAX_ALIGN).next_power_of_two().max(PAGE_SIZE);
        let addr = self.gap(self.next, len, align).or_else(|| self.gap(self.first, len, align))?;
        self.next = end_with_gap(addr, len)?;
        Some(addr)
    }

    /// The first multiple of `align` from `from` on with room for `len` bytes and the page behind them.
    fn gap(&self, from: usize, len: usize, align: usize) -> Option<usize> {
        let mut addr = from.checked_next_multiple_of(align)?;
        loop {
            // The last region that begins before the end is the only one that can reach furthest into the range.
            match self.regions.range(..end_with_gap(addr, len)?).next_back() {
                Some((start, region)) if end_with_gap(*start, region.len)? > addr => {
                    addr = end_with_gap(*start, region.len)?.checked_next_multiple_of(align)?;
                }
                _ => return Some(addr),
            }
        }
    }
}

/// Addresses of one device.
pub(super) struct AddressSpace {
    id: DeviceId,
    addresses: Addresses,
    table: Lock<Table>,
    maps: AtomicU64,
    unmaps: AtomicU64,
    syncs_for_cpu: AtomicU64,
    syncs_for_device: AtomicU64,
    faults: AtomicU64,
}

impl AddressSpace {
    /// An empty space whose new addresses start at `first`.
    pub(super) fn new(addresses: Addresses, first: usize) -> Self {
        AddressSpace {
            id: DeviceId::new(),
            addresses,
            table: Lock::new(Table { regions: BTreeMap::new(), first, next: first }),
            maps: AtomicU64::new(0),
            unmaps: AtomicU64::new(0),
            syncs_for_cpu: AtomicU64::new(0),
            syncs_for_device: AtomicU64::new(0),
            faults: AtomicU64::new(0),
        }
    }

    /// The identity of the device that it is the space of.
    pub(super) fn id(&self) -> DeviceId {
        self.id
    }

    pub(super) fn stats(&self) -> DmaStats {
        // Read first, so that no unmap is counted whose map is not.
        let unmaps = self.unmaps.load(Acquire);
        DmaStats {
            maps: self.maps.load(Relaxed),
            unmaps,
            syncs_for_cpu: self.syncs_for_cpu.load(Relaxed),
            syncs_for_device: self.syncs_for_device.load(Relaxed),
            faults: self.faults.load(Relaxed),
        }
    }

    /// Adds a mapping. `None` when no address is left for it, or the one it must have reaches something else.
    fn insert(&self, at: Option<usize>, len: usize, target: Target, direction: DmaDirection) -> Option<DmaAddr> {
        // Dropped outside the lock if it is not inserted: it may be the last holder of a peer's memory.
        let mut target = Some(target);
        let addr = self.table.with(|table| {
            let addr = match at {
                Some(addr) => addr,
                None => table.place(len)?,
            };
            // Where an address is the page's own it may be mapped twice.
            let (maps, writes, reads) = match table.regions.get(&addr) {
                None => (0, false, false),
                Some(Region { target: Target::Host(was), maps, writes, reads, .. })
                    if target.as_ref().is_some_and(|target| target.is_host(*was)) =>
                {
                    (*maps, *writes, *reads)
                }
                Some(_) => return None,
            };
            let (writes, reads) = (writes || direction.device_writes(), reads || direction.device_reads());
            let maps = maps.checked_add(1)?;
            table.regions.insert(addr, Region { len, target: target.take()?, writes, reads, maps });
            self.maps.fetch_add(1, Relaxed);
            Some(addr)
        })?;
        // SAFETY: the address is in the table from now on; it leaves the table when the mapping ends.
        Some(unsafe { DmaAddr::from_raw(addr) })
    }

    /// Maps the block of a page.
    pub(super) fn map(&self, page: &Page, direction: DmaDirection) -> Option<DmaAddr> {
        let page = compound_head(page);
        let at = match self.addresses {
            Addresses::Identity => Some(netmem::mm::page_to_pfn(page) << netmem::mm::PAGE_SHIFT),
            Addresses::Fresh => None,
        };
        self.insert(at, page_size(page), Target::Host(page_address(page)), direction)
    }

    /// Maps a buffer in place of the block of a page. `None` when there is no memory for it.
    pub(super) fn map_bounced(&self, page: &Page, direction: DmaDirection) -> Option<DmaAddr> {
        let page = compound_head(page);
        let len = page_size(page);
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(len).ok()?;
        buffer.resize(len, 0);
        self.insert(None, len, Target::Bounced { host: page_address(page), buffer, direction }, direction)
    }

    /// Maps a range of a peer's memory.
    pub(super) fn map_peer(
        &self,
        memory: Arc<dyn PeerMemory>,
        offset: usize,
        len: usize,
        direction: DmaDirection,
    ) -> Result<DmaAddr, MapError> {
        let size = memory.len();
        if len == 0 || offset.checked_add(len).is_none_or(|end| end > size) {
            return Err(MapError::Range { offset, len, size });
        }
        self.insert(None, len, Target::Peer(memory, offset), direction).ok_or(MapError::NoRoom { len })
    }

    /// Ends a mapping. An address that is not mapped is a fault, and counted.
    pub(super) fn unmap(&self, addr: DmaAddr) {
        // The region is dropped outside the lock: it may be the last holder of a peer's memory.
        let found = self.table.with(|table| {
            let region = table.regions.get_mut(&addr.as_raw())?;
            region.maps -= 1;
            if region.maps == 0 { Some(table.regions.remove(&addr.as_raw())) } else { Some(None) }
        });
        match found {
            Some(_) => self.unmaps.fetch_add(1, Release),
            None => self.faults.fetch_add(1, Relaxed),
        };
    }

    /// Finds what `addr..addr + len` reaches and gives it to `f`, with the offset into it.
    fn reach<R>(
        &self,
        addr: usize,
        len: usize,
        access: Access,
        f: impl FnOnce(&mut Target, usize) -> R,
    ) -> Result<R, DmaFault> {
        let reached = self.table.with(|table| {
            let (start, region) =
                table.regions.range_mut(..=addr).next_back().ok_or(DmaFault::Unmapped { addr, len })?;
            let offset = addr - start;
            if offset >= region.len {
                return Err(DmaFault::Unmapped { addr, len });
            }
            let room = region.len - offset;
            if len > room {
                return Err(DmaFault::Beyond { addr, len, room });
            }
            if access == Access::DeviceWrites && !region.writes {
                return Err(DmaFault::Direction { what: "writes", addr, len });
            }
            if access == Access::DeviceReads && !region.reads {
                return Err(DmaFault::Direction { what: "reads", addr, len });
            }
            Ok(f(&mut region.target, offset))
        });
        if reached.is_err() {
            self.faults.fetch_add(1, Relaxed);
        }
        reached
    }

    /// The device writes.
    ///
    /// # Safety
    ///
    /// That of [`DmaBus::write`](super::DmaBus::write).
    pub(super) unsafe fn write(&self, addr: usize, bytes: &[u8]) -> Result<(), DmaFault> {
        let len = bytes.len();
        let peer = self.reach(addr, len, Access::DeviceWrites, |target, offset| match target {
            Target::Host(start) => {
                // SAFETY: `reach` found the whole range inside the block at `start`.
                let to = unsafe { start.add(offset) };
                // SAFETY: the block is allocated, because the caller of `DmaDevice::map` keeps it so until it unmaps, and the
                // region is in the table. The bytes belong to a posted buffer, as the caller of this says, so nobody else
                // reads or writes them; `bytes` is a Rust slice and so is not among them.
                unsafe { to.copy_from_nonoverlapping(NonNull::from(bytes).cast(), len) };
                None
            }
            Target::Bounced { buffer, .. } => {
                buffer[offset..offset + len].copy_from_slice(bytes);
                None
            }
            Target::Peer(memory, base) => Some((memory.clone(), *base + offset)),
        })?;
        match peer {
            None => Ok(()),
            Some((memory, offset)) => memory.write(offset, bytes).map_err(|_| {
                self.faults.fetch_add(1, Relaxed);
                DmaFault::Peer { addr, len }
            }),
        }
    }

    /// The device reads.
    ///
    /// # Safety
    ///
    /// That of [`DmaBus::read`](super::DmaBus::read).
    pub(super) unsafe fn read(&self, addr: usize, bytes: &mut [u8]) -> Result<(), DmaFault> {
        let len = bytes.len();
        let peer = self.reach(addr, len, Access::DeviceReads, |target, offset| match target {
            Target::Host(start) => {
                // SAFETY: `reach` found the whole range inside the block at `start`.
                let from = unsafe { start.add(offset) };
                // SAFETY: the block is allocated, because the caller of `DmaDevice::map` keeps it so until it unmaps, and the
                // region is in the table. The bytes belong to a posted buffer, as the caller of this says, so nobody writes
                // them; `bytes` is a Rust slice, borrowed exclusively, and so is not among them.
                unsafe { from.copy_to_nonoverlapping(NonNull::from(&mut *bytes).cast(), len) };
                None
            }
            Target::Bounced { buffer, .. } => {
                bytes.copy_from_slice(&buffer[offset..offset + len]);
                None
            }
            Target::Peer(memory, base) => Some((memory.clone(), *base + offset)),
        })?;
        match peer {
            None => Ok(()),
            Some((memory, offset)) => memory.read(offset, bytes).map_err(|_| {
                self.faults.fetch_add(1, Relaxed);
                DmaFault::Peer { addr, len }
            }),
        }
    }

    /// Copies between a bounced page and its buffer.
    ///
    /// # Safety
    ///
    /// That of [`DmaDevice::sync_for_cpu`](netmem::dma::DmaDevice::sync_for_cpu).
    unsafe fn sync(&self, addr: DmaAddr, offset: usize, len: usize, for_cpu: bool) {
        // A range that is not mapped has been counted as a fault; there is nothing to copy.
        let _ = self.reach(addr.as_raw() + offset, len, Access::Sync, |target, offset| {
            if let Target::Bounced { host, buffer, direction } = target {
                // SAFETY: `reach` found the whole range inside the block at `host`.
                let host = unsafe { host.add(offset) };
                let buffer = NonNull::from(&mut buffer[offset..offset + len]).cast::<u8>();
                if for_cpu && direction.device_writes() {
                    // SAFETY: the block is allocated while its region is in the table, as in `write`; nobody touches these
                    // bytes meanwhile, as the caller says; the buffer is memory of its own.
                    unsafe { host.copy_from_nonoverlapping(buffer, len) }
                } else if !for_cpu && direction.device_reads() {
                    // SAFETY: as above, in the other direction.
                    unsafe { buffer.copy_from_nonoverlapping(host, len) }
                }
            }
        });
    }

    /// Fails an access of `len` bytes, and counts it.
    pub(super) fn fault(&self, len: usize) -> DmaFault {
        self.faults.fetch_add(1, Relaxed);
        DmaFault::Requested { len }
    }

    /// Shows the device `bytes`, which lie at `offset` of a mapped page. They are read through the slice alone: whatever
    /// it was borrowed from is not touched by another pointer.
    pub(super) fn sync_bytes_for_device(&self, addr: DmaAddr, offset: usize, bytes: &[u8]) {
        self.syncs_for_device.fetch_add(1, Relaxed);
        // A range that is not mapped has been counted as a fault; there is nothing to copy.
        let _ = self.reach(addr.as_raw() + offset, bytes.len(), Access::Sync, |target, offset| {
            if let Target::Bounced { buffer, direction, .. } = target {
                if direction.device_reads() {
                    buffer[offset..offset + bytes.len()].copy_from_slice(bytes);
                }
            }
        });
    }

    /// Shows the CPU what the device wrote.
    ///
    /// # Safety
    ///
    /// That of [`DmaDevice::sync_for_cpu`](netmem::dma::DmaDevice::sync_for_cpu).
    pub(super) unsafe fn sync_for_cpu(&self, addr: DmaAddr, offset: usize, len: usize) {
        self.syncs_for_cpu.fetch_add(1, Relaxed);
        // SAFETY: promised by the caller.
        unsafe { self.sync(addr, offset, len, true) }
    }

    /// Shows the device what the CPU wrote.
    ///
    /// # Safety
    ///
    /// That of [`DmaDevice::sync_for_device`](netmem::dma::DmaDevice::sync_for_device).
    pub(super) unsafe fn sync_for_device(&self, addr: DmaAddr, offset: usize, len: usize) {
        self.syncs_for_device.fetch_add(1, Relaxed);
        // SAFETY: promised by the caller.
        unsafe { self.sync(addr, offset, len, false) }
    }
}

/// Implements the two traits for a device that is an [`AddressSpace`] named `space`, a way to map a page, and an answer
/// to `needs_sync`.
macro_rules! device {
    ($ty:ident, needs_sync: $needs_sync:expr, sync: $sync:expr, map: |$this:ident, $page:ident, $direction:ident| $map:expr) => {
        // SAFETY: addresses come from an address space, which reaches what was mapped and nothing else, and gives an address
        // out again only after its mapping has ended. The caller of `DmaBus::write`, which is unsafe for that reason,
        // promises when the device writes. No method panics or calls out, but to the peer memory that was given to it.
        unsafe impl netmem::dma::DmaDevice for $ty {
            fn id(&self) -> netmem::dma::DeviceId {
                self.space.id()
            }
            unsafe fn map(
                &self,
                $page: &netmem::Page,
                $direction: netmem::dma::DmaDirection,
            ) -> Option<netmem::DmaAddr> {
                let $this = self;
                $map
            }
            unsafe fn unmap(&self, addr: netmem::DmaAddr) {
                self.space.unmap(addr);
            }
            fn map_peer(
                &self,
                memory: std::sync::Arc<dyn netmem::dma::PeerMemory>,
                offset: usize,
                len: usize,
                direction: netmem::dma::DmaDirection,
            ) -> Result<netmem::DmaAddr, netmem::dma::MapError> {
                self.space.map_peer(memory, offset, len, direction)
            }
            unsafe fn unmap_peer(&self, addr: netmem::DmaAddr) {
                self.space.unmap(addr);
            }
            fn needs_sync(&self) -> bool {
                $needs_sync
            }
            unsafe fn sync_for_cpu(&self, addr: netmem::DmaAddr, offset: usize, len: usize) {
                let $this = self;
                if $sync {
                    // SAFETY: promised by the caller.
                    unsafe { self.space.sync_for_cpu(addr, offset, len) }
                }
            }
            unsafe fn sync_for_device(&self, addr: netmem::DmaAddr, offset: usize, len: usize) {
                let $this = self;
                if $sync {
                    // SAFETY: promised by the caller.
                    unsafe { self.space.sync_for_device(addr, offset, len) }
                }
            }
            unsafe fn sync_bytes_for_device(&self, addr: netmem::DmaAddr, offset: usize, bytes: &[u8]) {
                let $this = self;
                if $sync {
                    self.space.sync_bytes_for_device(addr, offset, bytes);
                }
            }
        }

        // SAFETY: a write or a read reaches exactly what the address space finds, whole or not at all.
        unsafe impl $crate::dma::DmaBus for $ty {
            unsafe fn write(&self, addr: usize, bytes: &[u8]) -> Result<(), $crate::dma::DmaFault> {
                // SAFETY: promised by the caller.
                unsafe { self.space.write(addr, bytes) }
            }
            unsafe fn read(&self, addr: usize, bytes: &mut [u8]) -> Result<(), $crate::dma::DmaFault> {
                // SAFETY: promised by the caller.
                unsafe { self.space.read(addr, bytes) }
            }
            fn fault(&self, len: usize) -> $crate::dma::DmaFault {
                self.space.fault(len)
            }
            fn stats(&self) -> $crate::dma::DmaStats {
                self.space.stats()
            }
            fn driver_side(self: std::sync::Arc<Self>) -> std::sync::Arc<dyn netmem::dma::DmaDevice> {
                self
            }
        }
    };
}
pub(super) use device;
