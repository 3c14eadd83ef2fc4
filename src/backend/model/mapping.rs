//! [`PoolDma`]: what a pool does with its device.

use crate::alloc::{Arc, Vec};
use crate::dma::{DeviceId, DmaDevice, DmaDirection};
use crate::memory::{DmaAddr, Kind, NetmemDesc, Page};
use crate::page_pool::{AnyProvider, Frag, Installed, PagePoolParams, PoolFlags};
use crate::sync::{AtomicUsize, Lock};
use core::ops::Range;
use core::sync::atomic::Ordering::{AcqRel, Relaxed};

/// Which pages are mapped, by the index that stands in their magic.
struct Mapped {
    slots: Vec<Option<DmaAddr>>,
    free: Vec<usize>,
}

impl Mapped {
    /// Makes room for one more, so that `insert` cannot fail.
    fn reserve(&mut self) -> bool {
        !self.free.is_empty() || {
            let len = self.slots.len();
            // `free` must be able to take back every slot without allocating: `remove` runs on any thread.
            len < 1 << NetmemDesc::DMA_INDEX_BITS
                && self.slots.try_reserve(1).is_ok()
                && self.free.try_reserve(len + 1).is_ok()
        }
    }

    fn insert(&mut self, addr: DmaAddr) -> usize {
        match self.free.pop() {
            Some(index) => {
                self.slots[index] = Some(addr);
                index
            }
            None => {
                self.slots.push(Some(addr));
                self.slots.len() - 1
            }
        }
    }

    /// What to unmap, unless the scrub has.
    fn remove(&mut self, index: usize) -> Option<DmaAddr> {
        let addr = self.slots.get_mut(index)?.take()?;
        self.free.push(index);
        Some(addr)
    }
}

/// What a pool does with its device.
pub(super) struct PoolDma {
    pub(super) device: Arc<dyn DmaDevice>,
    /// That of `device`.
    pub(super) device_id: DeviceId,
    /// Pages are mapped by the pool. (net_iovs never are: rule D3.)
    pub(super) map: bool,
    /// The device needs syncs, the provider wants them, and the driver asked for them.
    pub(super) sync: bool,
    /// The device needs syncs and the provider wants them: for the CPU.
    pub(super) sync_for_cpu: bool,
    /// Where a device may write, in each piece: what the pool syncs for it, or all of the piece where it never syncs.
    pub(super) writable: Range<u32>,
    pub(super) direction: DmaDirection,
    mapped: Lock<Mapped>,
    /// [`OWNER`] while the pool has its owner, and one for each [`PoolMapping`](super::hold::PoolMapping). Nothing is unmapped before it is 0, but what
    /// leaves the pool.
    holders: AtomicUsize,
}

/// The part of a pool's owner: more than there can be values of [`PoolMapping`](super::hold::PoolMapping), each of which has 8 bytes.
const OWNER: usize = 1 << (usize::BITS - 2);

impl PoolDma {
    /// Returns what a pool with these parameters does with its device. `needed` says that its memory must be synced.
    pub(super) fn new(device: Arc<dyn DmaDevice>, params: &PagePoolParams, provider: &Installed, needed: bool) -> Self {
        let asked = params.flags.contains(PoolFlags::DMA_SYNC_DEV);
        // Also for a device that needs no sync: so a buffer that is too long is noticed on each.
        let syncs = provider.wants_sync() && asked;
        let writable = if syncs { params.offset..params.offset + params.max_len } else { 0..u32::MAX };
        PoolDma {
            map: matches!(**provider, AnyProvider::Page(_)),
            sync: needed && asked,
            sync_for_cpu: needed,
            writable,
            direction: params.direction,
            device_id: device.id(),
            device,
            mapped: Lock::new(Mapped { slots: Vec::new(), free: Vec::new() }),
            holders: AtomicUsize::new(OWNER),
        }
    }

    /// Maps a page and notes index and address in it. False when it cannot be mapped; nothing has changed then.
    ///
    /// # Safety
    ///
    /// The page is becoming this pool's, which keeps it until [`unmap`](Self::unmap) or [`scrub`](Self::scrub).
    pub(super) unsafe fn map(&self, page: &Page) -> bool {
        if !self.mapped.with(|mapped| mapped.reserve()) {
            return false;
        }
        // SAFETY: the pool's reference keeps the block, says the caller, until the mapping has ended.
        let Some(addr) = (unsafe { self.device.map(page, self.direction) }) else { return false };
        let desc = page.desc();
        desc.set_dma_addr(Some(addr));
        // Room was made above, and only the consumer side inserts.
        desc.set_dma_index(self.mapped.with(|mapped| mapped.insert(addr)));
        true
    }

    /// Unmaps a page that leaves the pool, unless the scrub has.
    ///
    /// # Safety
    ///
    /// The page is of this pool, mapped by [`map`](Self::map), and the caller holds the last reference to it.
    pub(super) unsafe fn unmap(&self, desc: &NetmemDesc) {
        // The index was set by `map`, because a page becomes the pool's only after it was mapped (`Core::admit_page`).
        let index = desc.dma_index();
        // The device is called under the lock: when the scrub has returned, no unmap is under way.
        self.mapped.with(|mapped| {
            if let Some(addr) = mapped.remove(index) {
                // SAFETY: `remove` gives each address once, and the page is allocated while the caller has it.
                unsafe { self.device.unmap(addr) }
            }
        });
        desc.set_dma_index(0);
        desc.set_dma_addr(None);
    }

    /// Shows the device up to `len` bytes of a piece of the pool's memory, of those that the pool syncs.
    ///
    /// # Safety
    ///
    /// `desc` is that of memory of this pool which nobody but the caller touches, and it is mapped.
    pub(super) unsafe fn sync_for_device(&self, desc: &NetmemDesc, len: u32) {
        let Range { start, end } = self.writable;
        let len = len.min(end - start);
        // SAFETY: the pool checked that the range is inside its memory; the rest is the caller's promise.
        unsafe { self.device.sync_for_device(desc.dma_addr(), start as usize, len as usize) }
    }

    /// Shows the CPU a range of a piece of the pool's memory.
    ///
    /// # Safety
    ///
    /// `frag` is memory of this pool, whose owner has not dropped it, so it is mapped.
    pub(super) unsafe fn sync_frag_for_cpu<K: Kind>(&self, frag: &Frag<K>, range: Range<u32>) {
        let (addr, start) = (frag.borrow().dma_addr(), (frag.offset() + range.start) as usize);
        debug_assert!(range.end <= frag.len());
        // SAFETY: the memory is mapped at its address, says the caller. The range is inside it, and the frag is exclusive.
        unsafe { self.device.sync_for_cpu(addr, start, range.len()) }
    }

    /// Shows the device all of a piece of the pool's memory.
    ///
    /// # Safety
    ///
    /// As for [`sync_frag_for_cpu`](Self::sync_frag_for_cpu).
    pub(super) unsafe fn sync_frag_for_device<K: Kind>(&self, frag: &Frag<K>) {
        let (addr, offset, len) = (frag.borrow().dma_addr(), frag.offset() as usize, frag.len() as usize);
        // SAFETY: as in `sync_frag_for_cpu`.
        unsafe { self.device.sync_for_device(addr, offset, len) }
    }

    /// Ends the owner's part: unmaps what is still in use, now or as soon as no device has any of it.
    pub(super) fn end(&self) {
        self.leave(OWNER);
    }

    /// Ends a part, and unmaps everything if it was the last.
    pub(super) fn leave(&self, part: usize) {
        // Release and Acquire: what a holder did before it left comes before the unmapping.
        if self.holders.fetch_sub(part, AcqRel) == part {
            self.scrub();
        }
    }

    /// Unmaps whatever is still mapped. By index: the pages belong to others now.
    fn scrub(&self) {
        self.mapped.with(|mapped| {
            for slot in &mut mapped.slots {
                if let Some(addr) = slot.take() {
                    // SAFETY: each address is taken once; its page is allocated, as what leaves the pool is taken out of
                    // the table before, and so some handle keeps it.
                    unsafe { self.device.unmap(addr) }
                }
            }
        });
    }

    /// Returns whether the pool's memory can be posted to this device.
    pub(super) fn reaches(&self, device: DeviceId) -> bool {
        self.device_id == device && self.has_owner()
    }

    /// Returns whether the pool's owner has it still. What was mapped before stays mapped for those who hold it.
    pub(super) fn has_owner(&self) -> bool {
        self.holders.load(Relaxed) >= OWNER
    }

    /// Takes a part, unless the owner has left.
    pub(super) fn hold(&self) -> bool {
        let mut holders = self.holders.load(Relaxed);
        while holders >= OWNER {
            // Relaxed: it is still mapped, and stays so; there is nothing to see.
            match self.holders.compare_exchange_weak(holders, holders + 1, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(now) => holders = now,
            }
        }
        false
    }
}
