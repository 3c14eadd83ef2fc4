//! [`Skb`]: a packet.

use super::checksum::Checksum;
use super::{MmFrag, ReadableSkb, SkbFrag};
use crate::Refused;
use crate::alloc::Vec;
use crate::assert::assert_not_impl_any;
use crate::error::errno::{EFAULT, EMSGSIZE};
use crate::few::Few;
use crate::memory::{Kind, Page};
use crate::page_pool::{BoundFrag, Frag};
use core::fmt;

/// How many frags an skb holds.
pub const MAX_SKB_FRAGS: usize = 17;

/// A packet: a linear part and up to [`MAX_SKB_FRAGS`] frags.
///
/// It owns everything in it. Attaching a frag moves it, so that a driver that handed a buffer to an skb has it no more
/// (rule O3); and there is no flag to set for the way back, because each frag knows.
///
/// ```
/// use netmem::{mm::Zone, page_pool::{PagePool, PagePoolParams}, provider::PageProvider, skb::Skb, Page};
///
/// let mut pool = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(Zone::new(64)?))?;
/// let mut head = pool.alloc_frag(64).expect("pages are free");
/// head.bytes_mut().fill(0xaa);
/// let mut skb = Skb::build(head);
/// let payload = pool.alloc_frag(1000).expect("pages are free");
/// skb.add_rx_frag(payload).expect("17 fit");
/// assert_eq!((skb.len(), skb.linear().len(), skb.data_len()), (1064, 64, 1000));
/// let mut copy = [0; 66];
/// skb.copy_bits(0, &mut copy)?;
/// assert_eq!(copy[63], 0xaa);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Invariants
///
/// `data_len` is what the frags have together.
pub struct Skb {
    linear: Linear,
    frags: Few<SkbFrag, MAX_SKB_FRAGS>,
    data_len: usize,
    queue: u16,
    ip_summed: IpSummed,
}

/// What is known of a packet's checksum (UDP's or TCP's), and what is left to do: `skb->ip_summed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum IpSummed {
    /// Nothing is known: whoever cares computes it, which takes bytes that can be read.
    #[default]
    #[doc(alias = "CHECKSUM_NONE")]
    None,
    /// The device has checked it, and says that it is right. Nothing but the device's word: of device memory nobody
    /// else can tell.
    #[doc(alias = "CHECKSUM_UNNECESSARY")]
    Unnecessary,
    /// To be computed by the device that sends it: the sum of everything from byte `start` of the packet on, to be
    /// stored `offset` bytes behind that. The two bytes there hold the pseudo header's sum.
    #[doc(alias = "CHECKSUM_PARTIAL")]
    #[doc(alias = "skb_partial_csum_set")]
    Partial {
        /// Where the sum begins: `csum_start`, here from the start of the packet.
        start: u16,
        /// Where it goes, from `start` on: `csum_offset`.
        offset: u16,
    },
}

assert_not_impl_any!(Skb: Clone, Copy);

/// Where the linear part is.
enum Linear {
    Heap(Vec<u8>),
    /// A page of a pool, around which the skb was built.
    Pool(Frag<Page>),
}

/// Why a frag was not attached to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddFragError {
    /// The packet has as many frags as it can have.
    #[error("the skb holds {MAX_SKB_FRAGS} frags already; {len} more bytes need another skb")]
    Full {
        /// Bytes of the frag.
        len: u32,
    },
}

impl AddFragError {
    /// Returns EMSGSIZE, as `skb_append_pagefrags` and `zerocopy_fill_skb_from_devmem` do. The helpers by which a
    /// driver attaches a frag do not ask: they write behind the array.
    pub fn errno(&self) -> i32 {
        match self {
            AddFragError::Full { .. } => EMSGSIZE,
        }
    }
}

/// Why bytes of an skb could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The CPU cannot read that range.
    #[error("frag {frag}, bytes {start}..{end} of the packet, is device memory: receive it as device memory instead")]
    Unreadable {
        /// The frag, from 0.
        frag: usize,
        /// Where it starts in the packet.
        start: usize,
        /// Where it ends.
        end: usize,
    },
    /// The packet is not that long.
    #[error("bytes {start}..{end} leave a packet of {len} bytes")]
    Range {
        /// First byte.
        start: usize,
        /// Behind the last.
        end: usize,
        /// How long the packet is.
        len: usize,
    },
}

impl ReadError {
    /// Returns EFAULT, as `skb_copy_bits` does for both.
    pub fn errno(&self) -> i32 {
        match self {
            ReadError::Unreadable { .. } | ReadError::Range { .. } => EFAULT,
        }
    }
}

impl Skb {
    /// A packet of nothing.
    #[inline]
    pub fn new() -> Self {
        Skb { linear: Linear::Heap(Vec::new()), frags: Few::new(), data_len: 0, queue: 0, ip_summed: IpSummed::None }
    }

    /// A packet whose linear part is a copy of `bytes`; `None` when there is no memory.
    #[doc(alias = "napi_alloc_skb")]
    pub fn copy_from(bytes: &[u8]) -> Option<Self> {
        let mut linear = Vec::new();
        linear.try_reserve_exact(bytes.len()).ok()?;
        linear.extend_from_slice(bytes);
        Some(Skb { linear: Linear::Heap(linear), ..Self::new() })
    }

    /// A packet around a buffer: the linear part is the frag, not a copy. Host memory only, by type.
    #[doc(alias = "napi_build_skb")]
    #[doc(alias = "build_skb")]
    #[inline]
    pub fn build(head: Frag<Page>) -> Self {
        Skb { linear: Linear::Pool(head), frags: Few::new(), data_len: 0, queue: 0, ip_summed: IpSummed::None }
    }

    /// The linear part. Always readable.
    #[doc(alias = "skb_headlen")]
    #[inline]
    pub fn linear(&self) -> &[u8] {
        match &self.linear {
            Linear::Heap(bytes) => bytes,
            Linear::Pool(frag) => frag.bytes(),
        }
    }

    /// The linear part, to write. Possible whatever the frags are (rule D4).
    pub fn linear_mut(&mut self) -> &mut [u8] {
        match &mut self.linear {
            Linear::Heap(bytes) => bytes,
            Linear::Pool(frag) => frag.bytes_mut(),
        }
    }

    /// Attaches a frag of a pool, and joins it to the last one when it continues that.
    ///
    /// # Errors
    ///
    /// [`AddFragError`], with the frag.
    #[doc(alias = "skb_add_rx_frag_netmem")]
    #[doc(alias = "skb_add_rx_frag")]
    #[doc(alias = "skb_coalesce_rx_frag")]
    #[inline]
    pub fn add_rx_frag<K: Kind>(&mut self, frag: Frag<K>) -> Result<(), Refused<AddFragError, SkbFrag>>
    where
        Frag<K>: Into<Frag>,
    {
        match self.coalesce_rx_frag(frag.into()) {
            Ok(()) => Ok(()),
            Err(frag) => self.push(SkbFrag::Pool(frag)),
        }
    }

    /// Whether the packet's last frag is of the pool's memory and ends where `frag` begins, so that
    /// [`add_rx_frag`](Self::add_rx_frag) will join them.
    #[doc(alias = "skb_can_coalesce_netmem")]
    #[doc(alias = "skb_can_coalesce")]
    pub fn can_coalesce<K: Kind>(&self, frag: &Frag<K>) -> bool {
        matches!(self.frags.as_slice().last(), Some(SkbFrag::Pool(last)) if last.continues_in(frag))
    }

    /// Joins a frag of a pool to the last one.
    ///
    /// # Errors
    ///
    /// The frag, when it does not continue the last one.
    #[doc(alias = "skb_coalesce_rx_frag")]
    #[inline]
    pub fn coalesce_rx_frag(&mut self, frag: Frag) -> Result<(), Frag> {
        let Some(SkbFrag::Pool(last)) = self.frags.as_mut_slice().last_mut() else { return Err(frag) };
        let len = frag.len() as usize;
        last.try_merge(frag)?;
        // INVARIANT: the last frag has grown by the length of this one.
        self.data_len += len;
        Ok(())
    }

    /// Attaches any frag as the last one, and joins nothing.
    ///
    /// # Errors
    ///
    /// [`AddFragError`], with the frag.
    #[doc(alias = "skb_fill_netmem_desc")]
    #[doc(alias = "__skb_fill_netmem_desc")]
    #[doc(alias = "__skb_fill_page_desc")]
    #[doc(alias = "__skb_fill_page_desc_noacc")]
    #[doc(alias = "skb_fill_page_desc")]
    pub fn push_frag(&mut self, frag: SkbFrag) -> Result<(), Refused<AddFragError, SkbFrag>> {
        self.push(frag)
    }

    /// Attaches a range of a page of mm's.
    ///
    /// # Errors
    ///
    /// [`AddFragError`], with the frag.
    #[doc(alias = "skb_fill_page_desc")]
    pub fn add_mm_frag(&mut self, frag: MmFrag) -> Result<(), Refused<AddFragError, SkbFrag>> {
        self.push(SkbFrag::Mm(frag))
    }

    /// Attaches device memory to transmit, and joins it to the last frag when it continues that in the same net_iov.
    ///
    /// # Errors
    ///
    /// [`AddFragError`], with the frag.
    #[doc(alias = "skb_add_rx_frag_netmem")]
    #[doc(alias = "zerocopy_fill_skb_from_devmem")]
    pub fn add_bound_frag(&mut self, mut frag: BoundFrag) -> Result<(), Refused<AddFragError, SkbFrag>> {
        if let Some(SkbFrag::Bound(last)) = self.frags.as_mut_slice().last_mut() {
            let len = frag.len() as usize;
            match last.try_merge(frag) {
                Ok(()) => {
                    self.data_len += len;
                    return Ok(());
                }
                Err(other) => frag = other,
            }
        }
        self.push(SkbFrag::Bound(frag))
    }

    #[inline]
    fn push(&mut self, frag: SkbFrag) -> Result<(), Refused<AddFragError, SkbFrag>> {
        let len = frag.len();
        let full = |frag| Refused { reason: AddFragError::Full { len }, back: frag };
        self.frags.try_push(frag).map_err(full)?;
        // INVARIANT: the frag is in.
        self.data_len += len as usize;
        Ok(())
    }

    /// The frags, in order.
    #[inline]
    pub fn frags(&self) -> impl Iterator<Item = &SkbFrag> {
        self.frags.as_slice().iter()
    }

    /// Lends frag `index`, from 0, to `edit`, which may write and narrow it. `None` when there is no such frag.
    ///
    /// The length of the packet follows. In C the driver corrects `len` and `data_len` itself after `skb_frag_size_sub`.
    pub fn edit_frag<R>(&mut self, index: usize, edit: impl FnOnce(&mut SkbFrag) -> R) -> Option<R> {
        let frag = self.frags.as_mut_slice().get_mut(index)?;
        self.data_len -= frag.len() as usize;
        let edited = Edited { frag, data_len: &mut self.data_len };
        Some(edit(edited.frag))
    }

    /// How many frags there are.
    #[inline]
    pub fn nr_frags(&self) -> usize {
        self.frags.len()
    }

    /// Takes the frags out, in order. The linear part stays. What the iterator has not given is dropped with it.
    #[inline]
    pub fn take_frags(&mut self) -> impl Iterator<Item = SkbFrag> {
        // INVARIANT: there are none any more.
        self.data_len = 0;
        self.frags.take_all()
    }

    /// Hands the first frag to `edit`, which returns the rest of it; a frag without a rest leaves the packet.
    /// Returns `None` when there is no frag.
    pub fn edit_first_frag<R>(&mut self, edit: impl FnOnce(SkbFrag) -> (Option<SkbFrag>, R)) -> Option<R> {
        let frag = self.frags.remove_first()?;
        // INVARIANT: the frag is out.
        self.data_len -= frag.len() as usize;
        let (rest, result) = edit(frag);
        if let Some(rest) = rest {
            let len = rest.len() as usize;
            // INVARIANT: there is room, because one was taken out.
            if self.frags.insert_first(rest).is_ok() {
                self.data_len += len;
            }
        }
        Some(result)
    }

    /// Takes the linear part out, if it is a pool's: for direct recycling.
    pub fn take_head(&mut self) -> Option<Frag<Page>> {
        match core::mem::replace(&mut self.linear, Linear::Heap(Vec::new())) {
            Linear::Pool(frag) => Some(frag),
            Linear::Heap(_) => None,
        }
    }

    /// Bytes in the packet.
    #[inline]
    pub fn len(&self) -> usize {
        self.linear().len() + self.data_len()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes in the frags.
    #[inline]
    pub fn data_len(&self) -> usize {
        self.data_len
    }

    /// Whether the CPU can read every frag. The linear part it can read in any case.
    #[doc(alias = "skb_frags_readable")]
    pub fn frags_readable(&self) -> bool {
        self.frags().all(|frag| !frag.is_net_iov())
    }

    /// Returns whether a driver may deliver the packet (rule S3): the CPU can read all of it, or the device has verified its
    /// checksum.
    ///
    /// Nobody else can verify the checksum of bytes that the CPU cannot read. In 7.3 such a packet with CHECKSUM_NONE makes
    /// the kernel warn, in `__skb_gro_checksum_complete`, and one bad segment from the network is enough.
    #[inline]
    pub fn is_deliverable(&self) -> bool {
        self.ip_summed == IpSummed::Unnecessary || self.frags_readable()
    }

    /// The page that the linear part is in; `None` when it is on the heap.
    pub fn linear_page(&self) -> Option<&Page> {
        match &self.linear {
            Linear::Pool(frag) => Some(frag.borrow().page()),
            Linear::Heap(_) => None,
        }
    }

    /// Makes sure that the CPU can read all of it: what a plain transmit needs (rule S2).
    ///
    /// There is no variant that copies what cannot be read. Device memory has no mapping for the CPU to copy through;
    /// only its owner could, so what is in it is sent from there, by a device that declares it, or not at all.
    ///
    /// # Errors
    ///
    /// The skb, when a frag is device memory.
    #[doc(alias = "skb_frags_readable")]
    pub fn into_readable(self) -> Result<ReadableSkb, Skb> {
        ReadableSkb::new(self)
    }

    /// The queue that received it.
    #[doc(alias = "skb_get_rx_queue")]
    #[inline]
    pub fn queue(&self) -> u16 {
        self.queue
    }

    /// Notes the queue that received it.
    #[doc(alias = "skb_record_rx_queue")]
    #[inline]
    pub fn set_queue(&mut self, queue: u16) {
        self.queue = queue;
    }

    /// What is known of its checksum.
    #[inline]
    pub fn ip_summed(&self) -> IpSummed {
        self.ip_summed
    }

    /// Notes what is known of its checksum.
    #[doc(alias = "skb_checksum_none_assert")]
    #[inline]
    pub fn set_ip_summed(&mut self, ip_summed: IpSummed) {
        self.ip_summed = ip_summed;
    }

    /// Walks the pieces that make up `start..end`, or says why it cannot.
    fn walk(&self, start: usize, end: usize, mut each: impl FnMut(&[u8])) -> Result<(), ReadError> {
        if start > end || end > self.len() {
            return Err(ReadError::Range { start, end, len: self.len() });
        }
        let linear = core::iter::once((None, self.linear().len(), Some(self.linear())));
        let frags = self.frags().enumerate().map(|(i, frag)| (Some(i), frag.len() as usize, frag.bytes()));
        let mut at = 0;
        for (frag, len, bytes) in linear.chain(frags) {
            let (from, to) = (start.max(at), end.min(at + len));
            if from < to {
                match bytes {
                    Some(bytes) => each(&bytes[from - at..to - at]),
                    None => {
                        let frag = frag.unwrap_or_default();
                        return Err(ReadError::Unreadable { frag, start: at, end: at + len });
                    }
                }
            }
            at += len;
        }
        Ok(())
    }

    /// Checks that the CPU can read `start..end`.
    ///
    /// # Errors
    ///
    /// [`ReadError`], with the frag that the CPU cannot read, or with the range that leaves the packet.
    pub fn readable(&self, start: usize, end: usize) -> Result<(), ReadError> {
        self.walk(start, end, |_| {})
    }

    /// Copies `to.len()` bytes of the packet from `offset` on.
    ///
    /// # Errors
    ///
    /// [`ReadError`]. What lies before the unreadable frag may have been copied.
    #[doc(alias = "skb_copy_bits")]
    pub fn copy_bits(&self, offset: usize, to: &mut [u8]) -> Result<(), ReadError> {
        let mut done = 0;
        self.walk(offset, offset.saturating_add(to.len()), |piece| {
            to[done..done + piece.len()].copy_from_slice(piece);
            done += piece.len();
        })
    }

    /// The one's-complement sum of `len` bytes from `offset` on, in host order, folded to 16 bits and not inverted.
    ///
    /// # Errors
    ///
    /// [`ReadError`]. Only the range that was asked for has to be readable.
    #[doc(alias = "skb_checksum")]
    pub fn checksum(&self, offset: usize, len: usize) -> Result<u16, ReadError> {
        let mut sum = Checksum::new();
        self.walk(offset, offset.saturating_add(len), |piece| sum.add(piece))?;
        Ok(!sum.finish())
    }
}

/// A frag that is being changed, and is counted when that is over.
struct Edited<'a> {
    frag: &'a mut SkbFrag,
    data_len: &'a mut usize,
}

impl Drop for Edited<'_> {
    fn drop(&mut self) {
        *self.data_len += self.frag.len() as usize;
    }
}

impl Default for Skb {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Skb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Skb")
            .field("len", &self.len())
            .field("linear", &self.linear().len())
            .field("nr_frags", &self.nr_frags())
            .field("readable", &self.frags_readable())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::Zone;

    #[test]
    fn a_frag_of_which_nothing_stays_leaves_the_packet() {
        let zone = Zone::new(3).expect("three pages");
        let mut skb = Skb::new();
        for len in [1, 2, 3] {
            let page = zone.alloc(0).expect("a page");
            skb.add_mm_frag(MmFrag::new(page, 0, len).expect("inside")).expect("17 fit");
        }
        assert_eq!(skb.edit_first_frag(|frag| (None, frag.len())), Some(1));
        assert_eq!((skb.nr_frags(), skb.data_len(), zone.free_frames()), (2, 5, 1));
        assert_eq!(skb.edit_first_frag(|mut frag| (frag.narrow(1, 1).is_ok().then_some(frag), ())), Some(()));
        assert_eq!((skb.nr_frags(), skb.data_len()), (2, 4));
        let page = zone.alloc(0).expect("the one that came back");
        skb.add_mm_frag(MmFrag::new(page, 0, 9).expect("inside")).expect("17 fit");
        assert_eq!(skb.frags().map(SkbFrag::len).collect::<Vec<_>>(), [1, 3, 9]);
        assert_eq!(Skb::new().edit_first_frag(|_| (None, ())), None);
        assert_eq!(skb.edit_frag(2, |frag| frag.narrow(2, 4)), Some(Ok(())));
        assert_eq!((skb.data_len(), skb.edit_frag(3, |_| ())), (8, None));
        assert_eq!(skb.take_frags().next().map(|frag| frag.len()), Some(1));
        assert_eq!((skb.nr_frags(), skb.len(), zone.free_frames()), (0, 0, 3));
    }

    #[test]
    fn a_frag_is_counted_although_its_edit_panics() {
        let zone = Zone::new(1).expect("a page");
        let mut skb = Skb::new();
        let page = zone.alloc(0).expect("a page");
        skb.add_mm_frag(MmFrag::new(page, 0, 100).expect("inside")).expect("17 fit");
        let edit = std::panic::AssertUnwindSafe(|| {
            skb.edit_frag(0, |frag| {
                frag.narrow(0, 60).expect("inside");
                panic!("on purpose");
            })
        });
        assert!(std::panic::catch_unwind(edit).is_err());
        assert_eq!(skb.len(), 60);
    }
}
