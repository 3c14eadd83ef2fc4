//! [`FreeIov`]: memory without pages that is nobody's, and the areas it is cut into.

use super::{BindingId, Parts};
use crate::alloc::Arc;
use crate::alloc::Box;
use crate::alloc::Vec;
use crate::assert::assert_not_impl_any;
use crate::dma::{DeviceId, DmaMapping};
use crate::error::errno::{EINVAL, ENOMEM, ERANGE};
use crate::memory::{DmaAddr, NetIov, NetIovArea, NetIovType};
use crate::mm::PAGE_SIZE;
use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::Relaxed;

/// Why a mapping could not be cut into net_iovs.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AreaError {
    /// net_iovs are 4 KiB or a larger power of two.
    #[error("net_iovs of {size} bytes are not possible: use {PAGE_SIZE} or a larger power of two, at most 2 GiB")]
    Size {
        /// The size that was asked for, in bytes.
        size: usize,
    },
    /// The mapping does not divide into them.
    #[error("{len} bytes at {addr:#x} do not divide into net_iovs of {size} bytes: align start and length to {size}")]
    Misaligned {
        /// Where the mapping starts.
        addr: usize,
        /// How long it is.
        len: usize,
        /// The size of a net_iov.
        size: usize,
    },
    /// The offsets that user space would see leave the address space.
    #[error("{len} bytes from offset {base_virtual} leave the address space: give the offset within the memory")]
    Offset {
        /// The offset of the first byte.
        base_virtual: usize,
        /// Length in bytes.
        len: usize,
    },
    /// No memory for the descriptors.
    #[error("no memory for {niovs} net_iovs: use larger ones, or map less")]
    NoMemory {
        /// How many net_iovs there were to be.
        niovs: usize,
    },
}

impl AreaError {
    /// Returns what `net_devmem_bind_dmabuf` returns: EINVAL when a chunk does not divide into net_iovs, and ENOMEM.
    /// EINVAL for a size that is no power of two is that of `netdev_nl_bind_rx_doit`. Linux does not check where user
    /// space sees an area; ERANGE is the nearest.
    pub fn errno(&self) -> i32 {
        match self {
            AreaError::Size { .. } | AreaError::Misaligned { .. } => EINVAL,
            AreaError::Offset { .. } => ERANGE,
            AreaError::NoMemory { .. } => ENOMEM,
        }
    }
}

/// One net_iov with one owner: what a provider of device memory hands to a pool and gets back (rule O5).
///
/// # Invariants
///
/// `iov` is part of an `AreaBox`, and is this value or, while it is in a pool, that pool's; never both.
pub struct FreeIov {
    iov: NonNull<NetIov>,
}

assert_not_impl_any!(FreeIov: Clone, Copy, Default);

// SAFETY: it owns a net_iov, whose fields are atomics; the area's count is one too.
unsafe impl Send for FreeIov {}
// SAFETY: `&FreeIov` gives `&NetIov` and nothing else.
unsafe impl Sync for FreeIov {}

/// The container of an area: the area first, so that an owner pointer is a pointer to this, and to the [`Parts`] around it. Each
/// net_iov is a part, free or in a pool: the area goes with the last.
#[repr(C)]
pub(crate) struct AreaBox {
    area: NetIovArea,
    niov_size: usize,
    /// Which area this is, of all that there ever were.
    serial: u64,
    /// The binding that it is part of. Its number is in use as long as the area is there.
    binding: Option<Arc<BindingId>>,
    mapping: DmaMapping,
    /// Made of a `Box<[NetIov]>`, and made into one again in `drop`.
    niovs: NonNull<[NetIov]>,
}

/// How many areas there have been: the serial of the next one. A provider knows its net_iovs by it. Unlike the address of an area, a serial is not used again. 64 bits do not come round: at one area a
/// nanosecond they last 584 years.
static AREAS: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(0);

impl Drop for AreaBox {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `Box::into_raw`, and no net_iov of the area exists any more.
        drop(unsafe { Box::from_raw(self.niovs.as_ptr()) });
    }
}

impl NetIovArea {
    /// Cuts a mapping into net_iovs of `niov_size` bytes, all free. The mapping lives until the last of them is gone.
    ///
    /// `base_virtual` is the offset of the mapping's first byte within the memory that it is a part of, for the offsets
    /// that user space sees.
    ///
    /// # Errors
    ///
    /// [`AreaError`]; the mapping is undone.
    #[doc(alias = "net_iov_init")]
    pub fn carve(
        mapping: DmaMapping,
        niov_size: usize,
        ty: NetIovType,
        base_virtual: usize,
    ) -> Result<Vec<FreeIov>, AreaError> {
        Self::carve_inner(mapping, niov_size, ty, base_virtual, None)
    }

    /// Cuts a mapping that is part of a binding: as [`carve`](Self::carve), and user space is told the number of
    /// `binding` with each frag, so that it knows which memory the offset is in. The area keeps the value, so the number
    /// is not given to another binding before the last net_iov is gone (rule O5).
    ///
    /// ```
    /// # use netmem_sim::dma::Coherent;
    /// # use netmem::dma::{DmaMapping, PeerError, PeerMemory};
    /// # struct Vram;
    /// # impl PeerMemory for Vram {
    /// #     fn len(&self) -> usize { 8192 }
    /// #     fn write(&self, _: usize, _: &[u8]) -> Result<(), PeerError> { Ok(()) }
    /// # }
    /// use netmem::{NetIovArea, NetIovType, page_pool::BindingId};
    /// use std::sync::Arc;
    ///
    /// let binding = Arc::new(BindingId::new()?);
    /// let mapping = DmaMapping::new(Arc::new(Coherent::new()), Arc::new(Vram), 0, 8192)?;
    /// let free = NetIovArea::carve_bound(mapping, 4096, NetIovType::DmaBuf, 0, binding.clone())?;
    /// assert_eq!((free.len(), Arc::strong_count(&binding)), (2, 2));
    /// drop(free);
    /// assert_eq!(Arc::strong_count(&binding), 1, "the area is gone, with its last net_iov");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AreaError`]; the mapping is undone.
    #[doc(alias = "dmabuf_genpool_chunk_owner")]
    pub fn carve_bound(
        mapping: DmaMapping,
        niov_size: usize,
        ty: NetIovType,
        base_virtual: usize,
        binding: Arc<BindingId>,
    ) -> Result<Vec<FreeIov>, AreaError> {
        Self::carve_inner(mapping, niov_size, ty, base_virtual, Some(binding))
    }

    fn carve_inner(
        mapping: DmaMapping,
        niov_size: usize,
        ty: NetIovType,
        base_virtual: usize,
        binding: Option<Arc<BindingId>>,
    ) -> Result<Vec<FreeIov>, AreaError> {
        if !niov_size.is_power_of_two() || !(PAGE_SIZE..=1 << 31).contains(&niov_size) {
            return Err(AreaError::Size { size: niov_size });
        }
        let (addr, len) = (mapping.addr(), mapping.len());
        if (addr.as_raw() | len) & (niov_size - 1) != 0 {
            return Err(AreaError::Misaligned { addr: addr.as_raw(), len, size: niov_size });
        }
        if base_virtual.checked_add(len).is_none() {
            return Err(AreaError::Offset { base_virtual, len });
        }
        let count = len / niov_size;
        let no_memory = |_| AreaError::NoMemory { niovs: count };
        let mut free = Vec::new();
        free.try_reserve_exact(count).map_err(no_memory)?;
        let mut niovs = Vec::new();
        niovs.try_reserve_exact(count).map_err(no_memory)?;
        niovs.extend((0..count).map(|i| {
            let iov = NetIov::new(ty);
            iov.desc().set_dma_addr(Some(addr.add(i * niov_size)));
            iov
        }));
        let niovs = NonNull::from(Box::leak(niovs.into_boxed_slice()));
        let container = AreaBox {
            area: NetIovArea::new(base_virtual),
            niov_size,
            serial: AREAS.fetch_add(1, Relaxed),
            binding,
            mapping,
            niovs,
        };
        let container = Parts::new(container, count as isize).ok_or(AreaError::NoMemory { niovs: count })?;
        // CAST: the area is the first field of its container, and that of its parts; the provenance stays that of the whole.
        let owner = container.cast::<NetIovArea>();
        // SAFETY: it was just made, and given to nobody.
        let area = unsafe { owner.as_ref() };
        // SAFETY: the array has `count` net_iovs and is freed with the area; the loop below stamps each.
        unsafe { area.set_niovs(niovs.cast().as_ptr(), count) };
        // SAFETY: the array lives as long as the area, and all fields of a net_iov are atomics.
        for niov in unsafe { niovs.as_ref() } {
            // SAFETY: this is the area whose array it is in, and it lives until the last of them is gone.
            unsafe { niov.set_owner(owner.as_ptr()) };
            // INVARIANT: each part of the container becomes one value.
            free.push(FreeIov { iov: niov.into() });
        }
        Ok(free)
    }
}

/// Returns the container of the area that a net_iov is part of.
///
/// # Safety
///
/// `iov` came from [`NetIovArea::carve`], and its `FreeIov`, or the pool's reference that it became, lives.
pub(crate) unsafe fn container(iov: &NetIov) -> &AreaBox {
    // CAST: `carve_inner` stamps the pointer to the parts of the container.
    let container = iov.owner().cast::<Parts<AreaBox>>();
    // SAFETY: the net_iov is one part of the container, so the container lives; nobody has it exclusively before it is dropped.
    let container = unsafe { &*container };
    container.used();
    container
}

impl AreaBox {
    /// Returns the number of the binding, 0 for none.
    pub(crate) fn binding_id(&self) -> u32 {
        self.binding.as_ref().map_or(0, |binding| binding.number())
    }

    /// Returns the serial of the area.
    pub(crate) fn serial(&self) -> u64 {
        self.serial
    }
}

impl FreeIov {
    /// Takes a net_iov out of a pool.
    ///
    /// # Safety
    ///
    /// `iov` came from [`into_raw`](Self::into_raw), and nobody has a handle on it any more.
    pub(crate) unsafe fn from_raw(iov: NonNull<NetIov>) -> Self {
        // INVARIANT: the caller promises what the type demands.
        FreeIov { iov }
    }

    /// Puts it into a pool.
    pub(crate) fn into_raw(self) -> NonNull<NetIov> {
        let iov = self.iov;
        core::mem::forget(self);
        iov
    }

    /// The net_iov. There is no `Deref`: nothing of it should look like a page's.
    pub fn net_iov(&self) -> &NetIov {
        // SAFETY: a net_iov lives until its area's count says that none is left, and this value is one.
        unsafe { self.iov.as_ref() }
    }

    /// Where the device finds it.
    pub fn dma_addr(&self) -> DmaAddr {
        self.net_iov().desc().dma_addr()
    }

    fn container(&self) -> &AreaBox {
        // SAFETY: every `FreeIov` came from `carve`, and this one lives.
        unsafe { container(self.net_iov()) }
    }

    /// How many bytes it has.
    pub fn size(&self) -> usize {
        self.container().niov_size
    }

    /// Returns whether it is part of this very binding. It asks for the value and not for its number: the area keeps the
    /// value, so no other binding can be where it is. A provider asks when memory comes back, because anybody can call
    /// [`release`](super::MemoryProvider::release).
    ///
    /// ```
    /// use netmem::dma::DmaMapping;
    /// use netmem::page_pool::BindingId;
    /// use netmem::{NetIovArea, NetIovType};
    /// use netmem_sim::{Memfd, dma::{Coherent, DmaBus}};
    /// use std::sync::Arc;
    ///
    /// let device = Arc::new(Coherent::new()).driver_side();
    /// let mapping = DmaMapping::new(device, Memfd::new("gpu", 8192)?, 0, 8192)?;
    /// let (own, other) = (Arc::new(BindingId::new()?), Arc::new(BindingId::new()?));
    /// let iovs = NetIovArea::carve_bound(mapping, 4096, NetIovType::DmaBuf, 0, own.clone())?;
    /// assert!(iovs.iter().all(|iov| iov.is_of(&own) && !iov.is_of(&other)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_of(&self, binding: &Arc<BindingId>) -> bool {
        self.container().binding.as_ref().is_some_and(|own| Arc::ptr_eq(own, binding))
    }

    /// Returns the serial number of the area that it is part of. No other area has this number, before or after.
    pub fn area_serial(&self) -> u64 {
        self.container().serial
    }

    /// Whether its memory was mapped for this device.
    pub fn is_for(&self, device: DeviceId) -> bool {
        self.container().mapping.is_for(device)
    }
}

impl Drop for FreeIov {
    fn drop(&mut self) {
        // CAST: as in `container`. The provenance is that of the whole container.
        let container = self.net_iov().owner().cast::<Parts<AreaBox>>();
        // SAFETY: `carve_inner` stamps a pointer that is not null.
        let container = unsafe { NonNull::new_unchecked(container) };
        // SAFETY: this value is one part, and it is gone after this.
        unsafe { Parts::end(container, 1, |_| ()) }
    }
}

impl fmt::Debug for FreeIov {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FreeIov").field("index", &self.net_iov().index()).field("size", &self.size()).finish()
    }
}

// The container is shared by the threads that own its net_iovs.
const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<NetIovArea>();
    shared::<DmaMapping>();
    shared::<BindingId>();
};
