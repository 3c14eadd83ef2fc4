//! [`Frag`]: a reference with a range that nobody else has.

use super::{Netmem, Readable};
use crate::assert::assert_not_impl_any;
use crate::backend::{Backend, Host};
use crate::dma::DeviceId;
use crate::error::errno::EINVAL;
use crate::memory::{Backing, DmaAddr, Kind, NetIov, NetmemRef, Page, PageOrIov};
use core::fmt;
use core::ops::Range;
use core::ptr::NonNull;

/// An owned reference to memory of a pool, an offset and a length: what a buffer is to a driver, and a frag to an skb.
///
/// A `Frag` is never duplicated, only split, so its range is its own: that is why it gives bytes (rule O6). It has no
/// `get`. Dropping it puts the reference.
///
/// ```
/// # use netmem::{mm::Zone, page_pool::{PagePool, PagePoolParams}, provider::PageProvider, Page};
/// # let mut pool = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(Zone::new(64)?))?;
/// let mut head = pool.alloc_frag(2048).expect("64 pages are free");
/// let mut tail = head.split_off(128).expect("128 is inside");
/// head.bytes_mut().fill(1);
/// tail.bytes_mut().fill(2);
/// assert_eq!((head.bytes()[127], tail.bytes()[0]), (1, 2));
/// head.try_merge(tail).expect("they touch");
/// assert_eq!(head.len(), 2048);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Invariants
///
/// `offset..offset + len` is inside the memory, and no other value gives access to those bytes, devices included.
pub struct Frag<K: Kind = PageOrIov> {
    netmem: Netmem<K>,
    offset: u32,
    len: u32,
}

assert_not_impl_any!(Frag: Clone, Copy, Default, core::ops::Deref);
assert_not_impl_any!(Frag<NetIov>: Clone, core::ops::Deref, AsRef<[u8]>, Into<Frag<Page>>, TryInto<Frag<Page>>);
assert_not_impl_any!(Frag<PageOrIov>: Into<Frag<Page>>, Into<Frag<NetIov>>, AsRef<[u8]>);

impl<K: Kind> Frag<K> {
    /// Makes a reference and a range into a frag.
    ///
    /// # Safety
    ///
    /// What the type's invariant says.
    #[inline]
    pub(super) unsafe fn new(netmem: Netmem<K>, offset: u32, len: u32) -> Self {
        // INVARIANT: the caller promises what the type demands.
        Frag { netmem, offset, len }
    }

    /// Takes over a reference with a range that C had: a frag that C cut from a pool, or one that went to C.
    ///
    /// ```
    /// # use netmem::{mm::Zone, page_pool::{PagePool, PagePoolParams}, provider::PageProvider, Frag, Page};
    /// # let mut pool = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(Zone::new(64)?))?;
    /// let (word, offset, len) = pool.alloc_frag(256).expect("64 pages are free").into_raw_parts();
    /// // SAFETY: all three came from `into_raw_parts` of a frag of the same kind, and nobody else has taken the range back.
    /// let frag = unsafe { Frag::<Page>::from_raw_parts(word, offset, len) };
    /// assert_eq!(frag.bytes().len(), 256);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Safety
    ///
    /// - `word` is what [`Netmem::from_raw`] asks for, and its reference is the caller's, who gives it up.
    /// - `offset..offset + len` is inside the memory.
    /// - Nobody else reaches those bytes while the frag lives, device included: no other frag, no buffer that is posted, no skb
    ///   (rule O6). A device that needs syncs has been synced for the CPU on them (rule D2).
    pub unsafe fn from_raw_parts(word: NonNull<()>, offset: u32, len: u32) -> Self {
        // SAFETY: promised by the caller.
        let netmem = unsafe { Netmem::from_raw(word) };
        // INVARIANT: the caller promises what the type demands.
        Frag { netmem, offset, len }
    }

    /// Gives the reference and its range to C: the bits of a `netmem_ref`, the offset and the length in bytes. C puts the reference,
    /// or gives it back to [`from_raw_parts`](Self::from_raw_parts); else it is leaked.
    pub fn into_raw_parts(self) -> (NonNull<()>, u32, u32) {
        (self.netmem.into_raw(), self.offset, self.len)
    }

    /// Gives up the range and keeps the reference, when the range is all of the memory.
    ///
    /// Of a part it would be a way back to bytes that were cut off, or that the device wrote and nobody synced: whoever
    /// has a [`Netmem`] alone gets all of the memory (rule D2).
    ///
    /// # Errors
    ///
    /// The frag, when its range is a part of the memory.
    pub fn into_netmem(self) -> Result<Netmem<K>, Self> {
        if self.offset != 0 || self.len != self.netmem.size() { Err(self) } else { Ok(self.netmem) }
    }

    /// Gives up the range and keeps the reference, for a put that takes it in one value. Bytes outside the range must not come
    /// back by it.
    #[inline]
    pub(crate) fn into_memory(self) -> Netmem<K> {
        self.netmem
    }

    /// Borrows the handle of the memory that the range is a part of (rule O4).
    #[inline]
    #[doc(alias = "skb_frag_netmem")]
    pub fn borrow(&self) -> NetmemRef<'_, K> {
        self.netmem.borrow()
    }

    /// First byte of the range, within the memory.
    #[inline]
    #[doc(alias = "skb_frag_off")]
    pub fn offset(&self) -> u32 {
        self.offset
    }

    /// Bytes in the range.
    #[inline]
    #[doc(alias = "skb_frag_size")]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether the range is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where a device finds the first byte of the range. A number that means something while
    /// [`is_mapped_for`](Self::is_mapped_for) says so.
    #[inline]
    pub fn dma_addr(&self) -> DmaAddr {
        self.netmem.dma_addr().add(self.offset as usize)
    }

    /// Whether `device` can be given it: the pool has mapped it for that device, and is still there.
    pub fn is_mapped_for(&self, device: DeviceId) -> bool {
        self.netmem.is_mapped_for(device)
    }

    /// Splits the range in two: `..at` stays, `at..` is returned, with a reference of its own. `None` when `at` is
    /// beyond the end.
    pub fn split_off(&mut self, at: u32) -> Option<Frag<K>> {
        let rest = self.len.checked_sub(at)?;
        // SAFETY: the two ranges share no byte, and together are what this one was.
        let tail = unsafe { Frag::new(self.netmem.get(), self.offset + at, rest) };
        self.len = at;
        Some(tail)
    }

    /// Whether `next` is of the same memory and begins where this ends.
    #[doc(alias = "skb_can_coalesce_netmem")]
    #[doc(alias = "skb_can_coalesce")]
    pub fn continues_in<H: Kind>(&self, next: &Frag<H>) -> bool {
        self.netmem.raw() == next.netmem.raw() && self.offset + self.len == next.offset
    }

    /// Takes in the frag that begins where this one ends.
    ///
    /// # Errors
    ///
    /// The other frag, when it is of other memory or does not begin there.
    #[doc(alias = "skb_coalesce_rx_frag")]
    #[doc(alias = "skb_frag_size_add")]
    pub fn try_merge(&mut self, next: Frag<K>) -> Result<(), Frag<K>> {
        if !self.continues_in(&next) {
            return Err(next);
        }
        // INVARIANT: the range grows by bytes that were `next`'s alone, and `next` is gone.
        self.len += next.len;
        Ok(())
    }

    /// Narrows the range to `len` of its bytes, from its `start`th on. The bytes cut off are nobody's until the memory is
    /// back in its pool: a range never grows, but by [`try_merge`](Self::try_merge).
    ///
    /// # Errors
    ///
    /// [`RangeError`], when that is not inside the range; nothing has changed then.
    #[doc(alias = "skb_frag_off_add")]
    #[doc(alias = "skb_frag_off_set")]
    #[doc(alias = "skb_frag_size_sub")]
    pub fn narrow(&mut self, start: u32, len: u32) -> Result<(), RangeError> {
        RangeError::check(start, len, self.len)?;
        self.offset += start;
        self.len = len;
        Ok(())
    }

    /// Cuts the range to at most `len` bytes. The bytes cut off are nobody's until the memory is back in its pool.
    #[doc(alias = "skb_frag_size_set")]
    pub fn truncate(&mut self, len: u32) {
        self.len = self.len.min(len);
    }

    /// Cuts the first `n` bytes off, all there are if there are fewer. They are nobody's until the memory is back in its
    /// pool.
    #[doc(alias = "skb_frag_off_add")]
    pub fn advance(&mut self, n: u32) {
        let n = n.min(self.len);
        // INVARIANT: the range only shrinks.
        self.offset += n;
        self.len -= n;
    }

    /// The bytes. For kind `PageOrIov` an `Option`: `None` for a net_iov (rules D1 and S1).
    #[inline]
    #[doc(alias = "skb_frag_address")]
    #[doc(alias = "skb_frag_address_safe")]
    #[doc(alias = "netmem_address")]
    pub fn bytes(&self) -> K::Bytes<'_>
    where
        K: Readable,
    {
        self.bytes_in(0..self.len)
    }

    /// The bytes of a part of the range, cut to what it has.
    #[inline]
    pub(super) fn bytes_in(&self, part: Range<u32>) -> K::Bytes<'_>
    where
        K: Readable,
    {
        let start = part.start.min(self.len);
        let len = part.end.clamp(start, self.len) - start;
        // SAFETY: the part is inside the range, which is inside the memory, which lives while this does; nobody else reaches
        // these bytes, and this is borrowed.
        unsafe { super::readable::bytes(self.borrow(), self.offset + start, len) }
    }

    /// The bytes, to write. For kind `PageOrIov` an `Option`: `None` for a net_iov.
    #[inline]
    pub fn bytes_mut(&mut self) -> K::BytesMut<'_>
    where
        K: Readable,
    {
        // SAFETY: as in `bytes_in`, and this is borrowed exclusively.
        unsafe { super::readable::bytes_mut(self.borrow(), self.offset, self.len) }
    }
}

/// A range would have grown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes from {start} are not inside a range of {has} bytes: a range can only be narrowed")]
pub struct RangeError {
    /// First byte, within the range.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
    /// How many the range has.
    pub has: u32,
}

impl RangeError {
    /// Returns EINVAL, which is the nearest. Linux does not ask: `skb_frag_size_set` stores the number.
    pub fn errno(&self) -> i32 {
        EINVAL
    }
}

impl RangeError {
    pub(crate) fn check(start: u32, len: u32, has: u32) -> Result<(), Self> {
        if start.checked_add(len).is_none_or(|end| end > has) { Err(RangeError { start, len, has }) } else { Ok(()) }
    }
}

impl Frag<NetIov> {
    /// Offset of the first byte within the memory that the area was cut from (the dma-buf): what user space is told.
    #[doc(alias = "net_iov_virtual_addr")]
    pub fn memory_offset(&self) -> usize {
        let iov = self.borrow().net_iov();
        iov.area().base_virtual() + iov.index() * self.netmem.size() as usize + self.offset as usize
    }

    /// Which binding the memory is part of: the dma-buf id that user space was given when it bound the memory, and in
    /// which [`memory_offset`](Self::memory_offset) counts. 0 for memory that was bound without one.
    #[doc(alias = "net_devmem_iov_binding_id")]
    pub fn binding_id(&self) -> u32 {
        self.binding_and_area().0
    }

    fn binding_and_area(&self) -> (u32, u64) {
        // SAFETY: the net_iov is a pool's memory, and this is a reference to it.
        unsafe { Host::binding_and_area(self.borrow().net_iov()) }
    }

    /// Gives up the range and keeps the reference: to put it, or to keep the memory by it. No bytes come back by that, because
    /// memory of this kind has none for the CPU (rule D1).
    #[inline]
    pub fn into_reference(self) -> Netmem<NetIov> {
        self.netmem
    }

    /// Returns the serial number of the area that the memory is part of: a [`FreeIov`](super::FreeIov) of the area has
    /// [the same](super::FreeIov::area_serial), and one of another area never has it.
    pub fn area_serial(&self) -> u64 {
        self.binding_and_area().1
    }
}

impl Frag {
    /// Asks the tag. The frag comes back as what it is.
    pub fn backing(self) -> Backing<Frag<Page>, Frag<NetIov>> {
        let Frag { netmem, offset, len } = self;
        match netmem.backing() {
            Backing::Page(netmem) => Backing::Page(Frag { netmem, offset, len }),
            Backing::NetIov(netmem) => Backing::NetIov(Frag { netmem, offset, len }),
        }
    }
}

#[diagnostic::do_not_recommend]
impl From<Frag<Page>> for Frag {
    fn from(frag: Frag<Page>) -> Self {
        Frag { netmem: frag.netmem.into(), offset: frag.offset, len: frag.len }
    }
}

#[diagnostic::do_not_recommend]
impl From<Frag<NetIov>> for Frag {
    fn from(frag: Frag<NetIov>) -> Self {
        Frag { netmem: frag.netmem.into(), offset: frag.offset, len: frag.len }
    }
}

impl TryFrom<Frag> for Frag<Page> {
    type Error = Frag<NetIov>;

    fn try_from(frag: Frag) -> Result<Self, Self::Error> {
        match frag.backing() {
            Backing::Page(frag) => Ok(frag),
            Backing::NetIov(frag) => Err(frag),
        }
    }
}

impl TryFrom<Frag> for Frag<NetIov> {
    type Error = Frag<Page>;

    fn try_from(frag: Frag) -> Result<Self, Self::Error> {
        match frag.backing() {
            Backing::Page(frag) => Err(frag),
            Backing::NetIov(frag) => Ok(frag),
        }
    }
}

impl<K: Kind> fmt::Debug for Frag<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frag({:?}, {} bytes at {})", self.netmem, self.len, self.offset)
    }
}
