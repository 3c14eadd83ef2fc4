//! [`DmabufTxBinding`]: memory of another device, to transmit from.

use super::chunk::carve;
use super::{BindingId, Chunk, DmabufError, FreeIov, RangeError};
use crate::alloc::Vec;
use crate::alloc::{Arc, NoMemory, try_arc};
use crate::assert::assert_not_impl_any;
use crate::dma::{DeviceId, DmaDevice, DmaDirection, PeerMemory};
use crate::error::errno::{EFAULT, EINVAL};
use crate::memory::{DmaAddr, NetIov, NetmemRef};
use core::fmt;

/// Memory of another device, bound to one that transmits from it.
///
/// The direction is part of the type. What is bound to receive, a [`DmabufProvider`](crate::provider::DmabufProvider), is mapped
/// for the device to write, gives its net_iovs to a pool, and has no [`frags`](Self::frags); this is mapped for the
/// device to read, and no pool gets its net_iovs. Linux has one struct for both and tells them by a field (`tx_vec`).
///
/// Each [`BoundFrag`] holds a reference to the binding, so a packet may be sent after this value was dropped: the memory
/// stays mapped until the last of them is gone.
///
/// ```
/// use netmem_sim::{dma::{DmaBus, Iommu}, Memfd};
/// use netmem::{dma::PeerMemory, page_pool::{Chunk, DmabufTxBinding}, skb::Skb};
/// use std::sync::Arc;
///
/// let device = Arc::new(Iommu::new());
/// let gpu = Memfd::new("gpu", 1 << 16)?;
/// gpu.write(4000, &[0x5a; 200])?; // the GPU has computed something
/// let binding = DmabufTxBinding::bind(device.driver_side(), gpu, &[Chunk { offset: 0, len: 1 << 16 }], 4096)?;
///
/// let mut skb = Skb::copy_from(b"headers").expect("there is memory");
/// for frag in binding.frags(4000, 200)? {
///     skb.add_bound_frag(frag)?;
/// }
/// assert_eq!((skb.len(), skb.nr_frags()), (207, 2), "200 bytes cross from one net_iov to the next");
/// assert!(skb.into_readable().is_err(), "nobody here can read them");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DmabufTxBinding {
    inner: Arc<Inner>,
}

assert_not_impl_any!(DmabufTxBinding: Clone, Copy, Default);

struct Inner {
    id: Arc<BindingId>,
    device: DeviceId,
    niov_size: u32,
    /// By their offset in the memory.
    niovs: Vec<FreeIov>,
}

/// Why there are no frags for a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TxRangeError {
    /// No bytes.
    #[error("a range of no bytes, at offset {offset}: send at least one")]
    Empty {
        /// Where it begins.
        offset: usize,
    },
    /// Some of it is not bound.
    #[error("{len} bytes from offset {offset}: offset {at} is not bound: give a range of the chunks that were bound")]
    NotBound {
        /// Where it begins.
        offset: usize,
        /// How many bytes it has.
        len: usize,
        /// The first offset that is missing.
        at: usize,
    },
}

impl TxRangeError {
    /// Returns EFAULT for a range that is not bound, as `zerocopy_fill_skb_from_devmem` does. That function takes a
    /// range of no bytes and adds no frag; EINVAL is the nearest.
    pub fn errno(&self) -> i32 {
        match self {
            TxRangeError::Empty { .. } => EINVAL,
            TxRangeError::NotBound { .. } => EFAULT,
        }
    }
}

impl DmabufTxBinding {
    /// Binds `chunks` of `memory` to `device` to transmit from, in net_iovs of `niov_size` bytes: 4096, as Linux has it
    /// here, or a larger power of two up to 2 MiB.
    ///
    /// # Errors
    ///
    /// [`DmabufError`], with the chunk; what was mapped is unmapped again.
    #[doc(alias = "net_devmem_bind_dmabuf")]
    #[doc(alias = "netdev_nl_bind_tx_doit")]
    pub fn bind(
        device: Arc<dyn DmaDevice>,
        memory: Arc<dyn PeerMemory>,
        chunks: &[Chunk],
        niov_size: usize,
    ) -> Result<Self, DmabufError> {
        let id = try_arc(BindingId::new()?).map_err(|NoMemory| DmabufError::NoMemory)?;
        let mut niovs = carve(&device, &memory, chunks, niov_size, DmaDirection::ToDevice, &id)?;
        niovs.sort_unstable_by_key(|niov| start(niov, niov_size as u32));
        // `carve` allows at most 2 MiB.
        let inner = Inner { id, device: device.id(), niov_size: niov_size as u32, niovs };
        Ok(DmabufTxBinding { inner: try_arc(inner).map_err(|NoMemory| DmabufError::NoMemory)? })
    }

    /// The number by which user space names the binding: not 0, and no other binding's while this or a frag of it lives.
    #[doc(alias = "dmabuf_id")]
    pub fn id(&self) -> u32 {
        self.inner.id.number()
    }

    /// `len` bytes from `offset` of the memory on, as frags: one for each net_iov that the range touches.
    ///
    /// # Errors
    ///
    /// [`TxRangeError`], when any of the range is not bound.
    #[doc(alias = "zerocopy_fill_skb_from_devmem")]
    #[doc(alias = "net_devmem_get_niov_at")]
    pub fn frags(&self, offset: usize, len: usize) -> Result<BoundFrags, TxRangeError> {
        if len == 0 {
            return Err(TxRangeError::Empty { offset });
        }
        let not_bound = |at| TxRangeError::NotBound { offset, len, at };
        let end = offset.checked_add(len).ok_or(not_bound(usize::MAX))?;
        let size = self.inner.niov_size as usize;
        let mut at = offset;
        let first = self.inner.find(offset).ok_or(not_bound(offset))?;
        for niov in &self.inner.niovs[first..] {
            if at >= end {
                break;
            }
            let start = start(niov, self.inner.niov_size);
            if start > at {
                return Err(not_bound(at));
            }
            at = start + size;
        }
        if at < end {
            return Err(not_bound(at));
        }
        Ok(BoundFrags { binding: self.inner.clone(), at: offset, end, index: first })
    }

    /// Whether it was bound to this device.
    pub fn is_for(&self, device: DeviceId) -> bool {
        self.inner.device == device
    }

    /// How many frags hold it.
    pub fn in_use(&self) -> usize {
        Arc::strong_count(&self.inner) - 1
    }
}

/// Where a net_iov begins, within the memory.
fn start(niov: &FreeIov, niov_size: u32) -> usize {
    let iov = niov.net_iov();
    iov.area().base_virtual() + iov.index() * niov_size as usize
}

impl Inner {
    /// The net_iov with the byte at `offset`.
    fn find(&self, offset: usize) -> Option<usize> {
        let behind = self.niovs.partition_point(|niov| start(niov, self.niov_size) <= offset);
        let index = behind.checked_sub(1)?;
        (offset - start(&self.niovs[index], self.niov_size) < self.niov_size as usize).then_some(index)
    }
}

impl fmt::Debug for DmabufTxBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DmabufTxBinding")
            .field("niov_size", &self.inner.niov_size)
            .field("niovs", &self.inner.niovs.len())
            .field("in_use", &self.in_use())
            .finish()
    }
}

/// The frags of a range, in order.
#[derive(Debug)]
pub struct BoundFrags {
    binding: Arc<Inner>,
    at: usize,
    end: usize,
    index: usize,
}

impl Iterator for BoundFrags {
    type Item = BoundFrag;

    fn next(&mut self) -> Option<BoundFrag> {
        if self.at >= self.end {
            return None;
        }
        let niov = self.binding.niovs.get(self.index)?;
        let offset = self.at - start(niov, self.binding.niov_size);
        let len = (self.binding.niov_size as usize - offset).min(self.end - self.at);
        let frag = BoundFrag {
            binding: self.binding.clone(),
            index: self.index,
            // Both are at most the size of a net_iov.
            offset: offset as u32,
            len: len as u32,
        };
        self.at += len;
        self.index += 1;
        Some(frag)
    }
}

/// A range of device memory to transmit: one reference to its binding.
///
/// Nobody here reads it, so unlike a [`Frag`](crate::Frag) its range need not be its own: the same bytes may be sent in
/// several packets, as a TCP that retransmits does. Dropping it puts the reference.
///
/// # Invariants
///
/// `index` is one of the binding's net_iovs, and `offset..offset + len` is inside it.
pub struct BoundFrag {
    binding: Arc<Inner>,
    index: usize,
    offset: u32,
    len: u32,
}

assert_not_impl_any!(BoundFrag: Clone, Copy, Default, AsRef<[u8]>, core::ops::Deref);

impl BoundFrag {
    /// A second reference to the same bytes. Explicit, as any reference (rule O2).
    ///
    /// For a net_iov of a dma-buf Linux takes the reference on the binding, not on the net_iov, and so does this.
    pub fn get(&self) -> Self {
        BoundFrag { binding: self.binding.clone(), ..*self }
    }

    fn free_iov(&self) -> &FreeIov {
        &self.binding.niovs[self.index]
    }

    /// The memory it is a part of.
    pub fn borrow(&self) -> NetmemRef<'_, NetIov> {
        self.free_iov().net_iov().into()
    }

    /// First byte of the range, within its net_iov.
    pub fn offset(&self) -> u32 {
        self.offset
    }

    /// How many bytes it has.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Offset of the first byte within the memory that was bound.
    pub fn memory_offset(&self) -> usize {
        start(self.free_iov(), self.binding.niov_size) + self.offset as usize
    }

    /// Where the device finds the first byte: part of the binding's mapping, and so never mapped or unmapped by who
    /// transmits it.
    pub fn dma_addr(&self) -> DmaAddr {
        self.free_iov().dma_addr().add(self.offset as usize)
    }

    /// Whether the binding is to this device: no other can reach it.
    pub fn is_for(&self, device: DeviceId) -> bool {
        self.binding.device == device
    }

    /// Narrows the range to `len` of its bytes, from its `start`th on.
    ///
    /// # Errors
    ///
    /// [`RangeError`], when that is not inside the range.
    pub fn narrow(&mut self, start: u32, len: u32) -> Result<(), RangeError> {
        RangeError::check(start, len, self.len)?;
        (self.offset, self.len) = (self.offset + start, len);
        Ok(())
    }

    /// Takes in the frag that begins where this one ends, in the same net_iov.
    ///
    /// # Errors
    ///
    /// The other frag, when it does not begin there.
    pub fn try_merge(&mut self, next: BoundFrag) -> Result<(), BoundFrag> {
        let same = Arc::ptr_eq(&self.binding, &next.binding) && self.index == next.index;
        if !same || self.offset + self.len != next.offset {
            return Err(next);
        }
        self.len += next.len;
        Ok(())
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} net_iovs of {} bytes", self.niovs.len(), self.niov_size)
    }
}

impl fmt::Debug for BoundFrag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BoundFrag({:?}, {} bytes at {})", self.free_iov(), self.len, self.offset)
    }
}
