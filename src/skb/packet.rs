//! [`Skb`]: a packet.

use super::checksum::Checksum;
use super::{FragRef, ReadableSkb, SkbFrag, frag_ref};
use crate::Refused;
use crate::assert::assert_not_impl_any;
use crate::backend::{Backend, Host, Packet};
use crate::error::errno::{EFAULT, EMSGSIZE, ENOMEM};
use crate::memory::{Kind, Page};
use crate::page_pool::{Frag, PagePool, PoolKind, Received, SyncError};
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
/// skb.add_rx_frag(payload, 1024).expect("17 fit");
/// assert_eq!((skb.len(), skb.linear().len(), skb.data_len()), (1064, 64, 1000));
/// let mut copy = [0; 66];
/// skb.copy_bits(0, &mut copy)?;
/// assert_eq!(copy[63], 0xaa);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Skb(pub(crate) <Host as Backend>::Packet);

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

/// Why no packet was built around a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The pool does not sync the buffer.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// There is no memory for the packet.
    #[error("no memory for a packet around a buffer with {len} bytes: drop the frame, or try again")]
    NoMemory {
        /// How many bytes were received.
        len: u32,
    },
}

impl HeadError {
    /// Returns ENOMEM where `napi_build_skb` returns no skb, and the number of the sync otherwise.
    pub fn errno(&self) -> i32 {
        match self {
            HeadError::Sync(reason) => reason.errno(),
            HeadError::NoMemory { .. } => ENOMEM,
        }
    }
}

impl Skb {
    /// Returns a packet whose linear part is a copy of `bytes`; `None` when there is no memory. Of no bytes it is a packet that
    /// has frags alone.
    #[doc(alias = "napi_alloc_skb")]
    pub fn copy_from(bytes: &[u8]) -> Option<Self> {
        Packet::copy_from(bytes).map(Skb)
    }

    /// Syncs a buffer that came back from the device, and builds a packet around it: the linear part is what was received. Host
    /// memory only, by type.
    ///
    /// It takes the buffer as it was posted, because the packet uses bytes behind those that were received: Linux has
    /// `struct skb_shared_info` there ([`head_room`](Self::head_room)). They stay unreadable (rule D2).
    ///
    /// # Errors
    ///
    /// [`HeadError`], with the buffer: it is of another pool, or there is no memory.
    #[doc(alias = "napi_build_skb")]
    #[doc(alias = "build_skb")]
    #[doc(alias = "skb_mark_for_recycle")]
    #[inline]
    pub fn receive_head(
        pool: &PagePool<Page>,
        header: Received<Page>,
    ) -> Result<Self, Refused<HeadError, Received<Page>>> {
        match pool.sync(header, false).map(Packet::receive) {
            Ok(Ok(packet)) => Ok(Skb(packet)),
            Ok(Err(back)) => {
                let len = back.len();
                Err(Refused { reason: HeadError::NoMemory { len }, back })
            }
            Err(Refused { reason, back }) => Err(Refused { reason: reason.into(), back }),
        }
    }

    /// Returns how many bytes [`receive_head`](Self::receive_head) needs behind the headers, in the same buffer. With fewer
    /// Linux copies the headers. 0 in user space.
    #[doc(alias = "SKB_DATA_ALIGN")]
    #[doc(alias = "skb_shared_info")]
    pub fn head_room() -> u32 {
        <Host as Backend>::Packet::head_room()
    }

    /// The linear part. Always readable.
    #[inline]
    pub fn linear(&self) -> &[u8] {
        self.0.linear()
    }

    /// The linear part, to write. Possible whatever the frags are (rule D4).
    pub fn linear_mut(&mut self) -> &mut [u8] {
        self.0.linear_mut()
    }

    /// Returns how many bytes the linear part has.
    #[inline]
    #[doc(alias = "skb_headlen")]
    pub fn linear_len(&self) -> usize {
        self.0.linear_len()
    }

    /// Attaches a frag of a pool, and joins it to the last one when it continues that.
    ///
    /// `truesize` is what the frag costs, in bytes: the whole buffer that was posted ([`Received::truesize`]), and not the part
    /// that the device filled.
    ///
    /// # Errors
    ///
    /// [`AddFragError`], with the frag.
    #[doc(alias = "skb_add_rx_frag_netmem")]
    #[doc(alias = "skb_add_rx_frag")]
    #[inline]
    pub fn add_rx_frag<K: Kind>(&mut self, frag: Frag<K>, truesize: u32) -> Result<(), Refused<AddFragError, SkbFrag>>
    where
        Frag<K>: Into<Frag>,
    {
        self.0.add_frag(frag.into(), truesize)
    }

    /// Whether the packet's last frag is of the pool's memory and ends where `frag` begins, so that
    /// [`add_rx_frag`](Self::add_rx_frag) will join them.
    #[doc(alias = "skb_can_coalesce_netmem")]
    #[doc(alias = "skb_can_coalesce")]
    pub fn can_coalesce<K: Kind>(&self, frag: &Frag<K>) -> bool {
        let last = self.nr_frags().checked_sub(1).and_then(|last| frag_ref::frag(self, last));
        last.is_some_and(|last| {
            last.borrow().as_raw() == frag.borrow().as_raw() && last.offset() + last.len() == frag.offset()
        })
    }

    /// The frags, in order, to look at.
    #[inline]
    pub fn frags(&self) -> impl Iterator<Item = FragRef<'_>> {
        (0..self.nr_frags()).filter_map(|index| frag_ref::frag(self, index))
    }

    /// How many frags there are.
    #[inline]
    pub fn nr_frags(&self) -> usize {
        self.0.nr_frags()
    }

    /// Bytes in the packet.
    #[inline]
    pub fn len(&self) -> usize {
        self.linear_len() + self.data_len()
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes in the frags.
    #[inline]
    pub fn data_len(&self) -> usize {
        self.0.data_len()
    }

    /// Returns what the packet costs in memory, in bytes: the buffer of the linear part, and what was said of each frag. Linux
    /// charges it to a socket.
    #[doc(alias = "skb_truesize")]
    #[doc(alias = "SKB_TRUESIZE")]
    pub fn truesize(&self) -> u32 {
        self.0.truesize()
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
        self.ip_summed() == IpSummed::Unnecessary || self.frags_readable()
    }

    /// The page that the linear part is in; `None` when there is none that may be mapped.
    pub(crate) fn linear_page(&self) -> Option<&Page> {
        self.0.linear_page()
    }

    /// Drops the packet, and recycles what is of `pool` directly. The rest returns to its own pools, as by a plain drop.
    ///
    /// [`Poll::recycle`](crate::netdev::Poll::recycle) does it for all pools of a NAPI.
    #[doc(alias = "napi_consume_skb")]
    pub fn recycle_into<K: PoolKind>(mut self, pool: &mut PagePool<K>) {
        self.0.recycle(|frag| pool.recycle_frag(frag));
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
        self.0.queue()
    }

    /// Notes the queue that received it.
    #[doc(alias = "skb_record_rx_queue")]
    #[inline]
    pub fn set_queue(&mut self, queue: u16) {
        self.0.set_queue(queue);
    }

    /// What is known of its checksum.
    #[inline]
    pub fn ip_summed(&self) -> IpSummed {
        self.0.ip_summed()
    }

    /// Notes what is known of its checksum.
    #[doc(alias = "skb_checksum_none_assert")]
    #[inline]
    pub fn set_ip_summed(&mut self, ip_summed: IpSummed) {
        self.0.set_ip_summed(ip_summed);
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

impl fmt::Debug for Skb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Skb")
            .field("len", &self.len())
            .field("linear", &self.linear_len())
            .field("nr_frags", &self.nr_frags())
            .field("readable", &self.frags_readable())
            .finish()
    }
}
