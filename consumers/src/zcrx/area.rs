//! [`UserArea`]: memory that a program lends, and what is known of each of its net_iovs.

use super::RegisterError;
use super::uapi::AREA_SHIFT;
use crate::alloc::Arc;
use crate::alloc::Vec;
use netmem::dma::{DmaDevice, DmaMapping, PeerMemory};
use netmem::memory::{NetIov, NetIovArea, NetIovType};
use netmem::mm::PAGE_SIZE;
use netmem::page_pool::{FreeIov, Netmem};

/// A range of memory that a program lends: `struct io_uring_zcrx_area_reg`.
#[derive(Clone)]
pub struct UserArea {
    /// The memory it is a part of. The CPU writes it, by [`PeerMemory::write`], only to copy what arrived elsewhere.
    pub memory: Arc<dyn PeerMemory>,
    /// First byte, a multiple of 4096.
    pub offset: usize,
    /// How many bytes, a multiple of 4096.
    pub len: usize,
    /// Whether it is a device's memory, a dma-buf: nothing can be copied there.
    #[doc(alias = "IORING_ZCRX_AREA_DMABUF")]
    pub dmabuf: bool,
}

impl UserArea {
    /// All of a program's memory.
    pub fn whole(memory: Arc<dyn PeerMemory>) -> Self {
        UserArea { offset: 0, len: memory.len(), memory, dmabuf: false }
    }

    fn shares_bytes_with(&self, other: &UserArea) -> bool {
        core::ptr::addr_eq(Arc::as_ptr(&self.memory), Arc::as_ptr(&other.memory))
            && self.offset < other.offset.saturating_add(other.len)
            && other.offset < self.offset.saturating_add(self.len)
    }
}

/// What keeps a net_iov that the program has.
pub(super) enum Held {
    /// A pool's: a reference, so that the pool does not reuse it.
    Pool(Netmem<NetIov>),
    /// Nobody's: something was copied into it.
    Copied(FreeIov),
}

/// What the program has of a net_iov.
///
/// `refs` counts pieces in 32 bits, one for each completion that was written and not given back. It cannot come round: what
/// would pass 2^32 - 1 is [refused](Self::is_full), and what would pass 0 is [counted](Self::put) and changes nothing.
///
/// # Invariants
///
/// `held` is there if and only if `refs` is above 0.
#[derive(Default)]
pub(super) struct Slot {
    refs: u32,
    held: Option<Held>,
}

impl Slot {
    /// The program gets one more piece; the slot is not [full](Self::is_full). What is not needed to keep the net_iov comes
    /// back.
    pub(super) fn get(&mut self, held: Held) -> Option<Held> {
        debug_assert!(!self.is_full());
        self.refs += 1;
        if self.held.is_some() {
            return Some(held);
        }
        // INVARIANT: `refs` is above 0 now.
        self.held = Some(held);
        None
    }

    /// Whether its references can be counted no further.
    pub(super) fn is_full(&self) -> bool {
        self.refs == u32::MAX
    }

    /// The program gives `refs` pieces back. `None` when it has not as many: nothing changes then. What kept the net_iov,
    /// when those were the last.
    pub(super) fn put(&mut self, refs: u32) -> Option<Option<Held>> {
        self.refs = self.refs.checked_sub(refs)?;
        Some(if self.refs == 0 { self.held.take() } else { None })
    }

    /// The program gives all back.
    pub(super) fn scrub(&mut self) -> Option<Held> {
        self.refs = 0;
        self.held.take()
    }

    /// Makes it look as if the program had so many pieces.
    #[cfg(test)]
    pub(super) fn set_refs(&mut self, refs: u32) {
        assert!(refs != 0 && self.held.is_some());
        self.refs = refs;
    }

    pub(super) fn is_out(&self) -> bool {
        self.refs != 0
    }
}

/// An area that is registered.
///
/// # Invariants
///
/// `free` has room for every net_iov of the area.
pub(super) struct Area {
    user: UserArea,
    /// The serial of the net_iovs' own area, which 64 bits keep from coming round (see its counter). Not its address: a provider that lent its refill to this one may have dropped
    /// them all, and another area may be there.
    serial: u64,
    pub(super) slots: Vec<Slot>,
    pub(super) free: Vec<FreeIov>,
}

impl Area {
    /// Maps an area for the device and cuts it into net_iovs.
    pub(super) fn new(device: &Arc<dyn DmaDevice>, user: UserArea, niov_shift: u32) -> Result<Self, RegisterError> {
        let (offset, len) = (user.offset, user.len);
        if (offset | len) % PAGE_SIZE != 0 {
            return Err(RegisterError::NotPages { offset, len });
        }
        if len as u64 >= 1 << AREA_SHIFT || u32::try_from(len >> niov_shift).is_err() {
            return Err(RegisterError::TooLarge { len });
        }
        let mapping = DmaMapping::new(device.clone(), user.memory.clone(), offset, len)?;
        let free = NetIovArea::carve(mapping, 1 << niov_shift, NetIovType::IoUring, 0)?;
        let mut slots = Vec::new();
        slots.try_reserve_exact(free.len()).map_err(|_| RegisterError::NoMemory)?;
        slots.extend(free.iter().map(|_| Slot::default()));
        let serial = free.first().map_or(u64::MAX, FreeIov::area_serial);
        // INVARIANT: `free` has all of them now, and none is added.
        Ok(Area { user, serial, slots, free })
    }

    /// Whether this is the area with that number.
    pub(super) fn is(&self, serial: u64) -> bool {
        self.serial == serial
    }

    pub(super) fn user(&self) -> &UserArea {
        &self.user
    }

    /// Whether an area can be registered beside these.
    pub(super) fn check_beside(areas: &[Area], new: &UserArea) -> Result<(), RegisterError> {
        if areas.first().is_some_and(|area| area.user.dmabuf != new.dmabuf) {
            return Err(RegisterError::Mixed);
        }
        match areas.iter().position(|area| area.user.shares_bytes_with(new)) {
            Some(area) => Err(RegisterError::Overlap { offset: new.offset, len: new.len, area }),
            None => Ok(()),
        }
    }
}
