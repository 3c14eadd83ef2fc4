//! [`XdpBuff`] and [`Verdict`]: a packet before there is an skb, and what becomes of it.

use crate::Refused;
use crate::alloc::Box;
use crate::assert::assert_not_impl_any;
use crate::error::errno::{EFAULT, EINVAL};
use crate::memory::{Kind, NetIov, Page, PageOrIov};
use crate::page_pool::SyncError;
use crate::page_pool::{Frag, PagePool, PoolKind, Received};
use crate::skb::FrameError;
use crate::skb::{ETH_HLEN, check_frame};
use core::fmt;

/// A packet that an XDP program sees: one buffer, readable, and the room around it.
///
/// It is of host memory by type: a frag of device memory does not become one (rule D1). The program sees the bytes that
/// were received and synced (rule D2); by [`adjust_head`](Self::adjust_head) and [`adjust_tail`](Self::adjust_tail) it
/// moves the two ends within the buffer that the driver posted. The bytes around what was received are whatever was there
/// before, so an end that grows over them clears them first.
///
/// It is a frame of Ethernet ([`check_frame`]): a program may read the whole header of each packet
/// that it sees, and leaves a whole header.
///
/// Where an `xdp_frame` goes when it is done with, C learns from `xdp_rxq_info` and a registered memory model
/// (`MEM_TYPE_PAGE_POOL`). Here the frag knows its pool: nothing is registered, and returning a frame is dropping it.
///
/// ```
/// use netmem::{mm::Zone, netdev::{AdjustError, XdpBuff}, page_pool::{PagePool, PagePoolParams}, provider::PageProvider, Page};
///
/// let mut pool = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(Zone::new(64)?))?;
/// let mut buff = XdpBuff::try_from(pool.alloc_frag(1024).expect("pages are free")).expect("it is long enough");
/// buff.adjust_head(100)?; // decapsulate
/// buff.adjust_head(-28)?; // encapsulate
/// buff.bytes_mut()[..28].fill(0);
/// assert_eq!((buff.len(), buff.headroom()), (952, 72));
/// let error = buff.adjust_head(-73).unwrap_err();
/// assert_eq!(error, AdjustError { delta: -73, room: 72, len: 952 });
/// pool.recycle_frag(buff.into_frag()); // the frame is returned
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Invariants
///
/// `seen <= start`, `start + ETH_HLEN <= end`, and `end <= frag.len()`. The bytes from `seen` to `end` were synced, written or
/// cleared.
pub struct XdpBuff {
    frag: Frag<Page>,
    seen: u32,
    start: u32,
    end: u32,
}

assert_not_impl_any!(XdpBuff: Clone, Copy, Default, core::ops::Deref);
assert_not_impl_any!(XdpBuff: From<Frag<Page>>, TryFrom<Frag<NetIov>>, TryFrom<Frag<PageOrIov>>);

/// An end of a packet that was not moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot move that end by {delta}: {room} bytes are free behind it, and of {len} bytes in the packet 14 must stay"
)]
pub struct AdjustError {
    /// By how much, as it was asked for.
    pub delta: i32,
    /// How many bytes are free on that side.
    pub room: u32,
    /// How many bytes the packet has.
    pub len: u32,
}

impl AdjustError {
    /// Returns EINVAL, as `bpf_xdp_adjust_head` and `bpf_xdp_adjust_tail` do.
    pub fn errno(&self) -> i32 {
        EINVAL
    }
}

/// Why a buffer that was received is no packet for an XDP program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XdpReceiveError {
    /// The buffer is of another pool.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// The CPU cannot read the buffer, and a program reads all of a packet.
    #[error(
        "the buffer cannot be read by the CPU, and a program reads all of a packet: sync it, and pass it on as a frag"
    )]
    Unreadable,
    /// What was received ends within an Ethernet header.
    #[error(transparent)]
    TooShort(#[from] FrameError),
}

impl XdpReceiveError {
    /// Returns EINVAL for the first: Linux does not ask. Programs are not attached to queues of unreadable memory, and a frame
    /// that is too short is dropped, so Linux has no number for the others; EFAULT and EINVAL are the nearest.
    pub fn errno(&self) -> i32 {
        match self {
            XdpReceiveError::Sync(reason) => reason.errno(),
            XdpReceiveError::Unreadable => EFAULT,
            XdpReceiveError::TooShort(reason) => reason.errno(),
        }
    }
}

impl XdpBuff {
    /// Bytes that a driver keeps free in front of each buffer while a program is attached.
    #[doc(alias = "XDP_PACKET_HEADROOM")]
    pub const HEADROOM: u32 = 256;

    /// Makes a packet of a buffer that a ring has completed, and keeps the room around it. The pool syncs what was received.
    ///
    /// ```
    /// use netmem::{mm::Zone, page_pool::{PagePool, PagePoolParams}, provider::PageProvider, Page};
    /// use netmem::netdev::{Hardware, RxRing, XdpBuff};
    /// use netmem_sim::dma::{Bounce, DmaBus};
    /// use netmem_sim::nic::{Nic, NicParams, traffic::{Generator, GeneratorParams, PayloadSize}};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let params = GeneratorParams { seed: 1, packets: 1, size: PayloadSize::Fixed(100), ports: vec![5001] };
    /// let (device, traffic) = (Arc::new(Bounce::new()), Generator::new(params, 1514)?);
    /// let mut nic = Nic::start(NicParams::default(), device.clone(), Box::new(traffic))?;
    /// let params = PagePoolParams::for_device(device.driver_side(), 4096);
    /// let mut pool = PagePool::<Page>::new(params, PageProvider::new(Zone::new(64)?))?;
    ///
    /// let mut ring = RxRing::new(nic.rx_queue(0).expect("it has one")).expect("there is memory");
    /// ring.post_behind(pool.alloc_frag(2048).expect("pages are free"), XdpBuff::HEADROOM, None)?;
    /// ring.kick();
    /// let completed = loop {
    ///     match ring.complete() {
    ///         Some(completed) => break completed?,
    ///         None => nic.wait(Duration::from_millis(10)),
    ///     }
    /// };
    /// let buff = XdpBuff::receive(&pool, completed.payload)?;
    /// assert_eq!((buff.len(), buff.headroom()), (142, XdpBuff::HEADROOM));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`XdpReceiveError`], with the buffer as it was: it is not of this pool, or a program cannot have it.
    #[doc(alias = "xdp_prepare_buff")]
    #[doc(alias = "xdp_init_buff")]
    pub fn receive<P: PoolKind, K: Kind>(
        pool: &PagePool<P>,
        buffer: Received<K>,
    ) -> Result<Self, Refused<XdpReceiveError, Received<K>>>
    where
        Frag: From<Frag<K>>,
    {
        let reason = match check_frame(buffer.len() as usize) {
            _ if buffer.borrow().is_net_iov() => XdpReceiveError::Unreadable,
            Err(short) => short.into(),
            Ok(()) => {
                let synced =
                    pool.sync_in_place(buffer).map_err(|Refused { reason, back }| Refused::new(reason, back))?;
                let (frag, range) = synced.into_parts();
                let Ok(frag) = Frag::<Page>::try_from(Frag::from(frag)) else { unreachable!("the tag was asked") };
                // INVARIANT: a range inside the frag, long enough, and just synced.
                return Ok(XdpBuff { frag, seen: range.start, start: range.start, end: range.end });
            }
        };
        Err(Refused { reason, back: buffer })
    }

    /// The bytes of the packet.
    #[doc(alias = "xdp_get_buff_len")]
    pub fn bytes(&self) -> &[u8] {
        &self.frag.bytes()[self.start as usize..self.end as usize]
    }

    /// The bytes of the packet, to write.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.frag.bytes_mut()[self.start as usize..self.end as usize]
    }

    /// How many bytes the packet has.
    #[expect(clippy::len_without_is_empty, reason = "a packet is a frame, not a container")]
    pub fn len(&self) -> u32 {
        self.end - self.start
    }

    /// How many bytes the head can grow by.
    pub fn headroom(&self) -> u32 {
        self.start
    }

    /// How many bytes the tail can grow by.
    #[doc(alias = "xdp_data_hard_end")]
    pub fn tailroom(&self) -> u32 {
        self.frag.len() - self.end
    }

    /// Moves the start of the packet by `delta` bytes: forward if it is positive, into the headroom if it is negative. Bytes
    /// that are taken in are 0, but for those that were part of the packet before.
    ///
    /// # Errors
    ///
    /// [`AdjustError`], when it would leave the buffer, or less than an Ethernet header. Nothing has changed then.
    #[doc(alias = "bpf_xdp_adjust_head")]
    pub fn adjust_head(&mut self, delta: i32) -> Result<(), AdjustError> {
        let start = i64::from(self.start) + i64::from(delta);
        let most = i64::from(self.end) - i64::from(ETH_HLEN);
        match u32::try_from(start) {
            Ok(to) if start <= most => {
                if to < self.seen {
                    self.frag.bytes_mut()[to as usize..self.seen as usize].fill(0);
                    self.seen = to;
                }
                self.start = to; // INVARIANT: a whole header before the end, and nothing of it unseen
            }
            _ => return Err(AdjustError { delta, room: self.headroom(), len: self.len() }),
        }
        Ok(())
    }

    /// Moves the end of the packet by `delta` bytes: back if it is negative, into the tailroom if it is positive. Bytes that
    /// are taken in are 0.
    ///
    /// # Errors
    ///
    /// [`AdjustError`], when it would leave the buffer, or less than an Ethernet header. Nothing has changed then.
    #[doc(alias = "bpf_xdp_adjust_tail")]
    pub fn adjust_tail(&mut self, delta: i32) -> Result<(), AdjustError> {
        let end = i64::from(self.end) + i64::from(delta);
        let least = i64::from(self.start) + i64::from(ETH_HLEN);
        match u32::try_from(end) {
            Ok(to) if end >= least && to <= self.frag.len() => {
                if to > self.end {
                    self.frag.bytes_mut()[self.end as usize..to as usize].fill(0);
                }
                self.end = to; // INVARIANT: inside the frag, a whole header behind the start
            }
            _ => return Err(AdjustError { delta, room: self.tailroom(), len: self.len() }),
        }
        Ok(())
    }

    /// The packet as a frag: to send, to attach to an skb, or to return. The room around it is nobody's from here on.
    #[doc(alias = "xdp_convert_buff_to_frame")]
    pub fn into_frag(self) -> Frag<Page> {
        let XdpBuff { mut frag, seen: _, start, end } = self;
        frag.advance(start);
        frag.truncate(end - start);
        frag
    }
}

#[diagnostic::do_not_recommend]
impl TryFrom<Frag<Page>> for XdpBuff {
    /// The frag, when it ends within an Ethernet header.
    type Error = Frag<Page>;

    /// Makes a packet that fills the frag: no room on either side.
    fn try_from(frag: Frag<Page>) -> Result<Self, Frag<Page>> {
        match check_frame(frag.len() as usize) {
            // INVARIANT: the whole of it, which is long enough. Its bytes are the caller's.
            Ok(()) => Ok(XdpBuff { seen: 0, start: 0, end: frag.len(), frag }),
            Err(_) => Err(frag),
        }
    }
}

impl fmt::Debug for XdpBuff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "XdpBuff({}..{} of {:?})", self.start, self.end, self.frag)
    }
}

/// What becomes of a packet: the program's answer, with the packet in it.
///
/// A program gets the packet by value and gives one packet to one verdict, so none is passed and dropped, and none is passed
/// and kept (rule O3). A program that keeps the packet answers with another one, which it has made of memory of its own. C's `XDP_ABORTED` is `Drop`, after whatever the program notes.
#[derive(Debug)]
#[must_use = "dropping a verdict drops the packet through the ring"]
pub enum Verdict {
    /// On to the stack.
    #[doc(alias = "XDP_PASS")]
    Pass(XdpBuff),
    /// Gone. Its memory is recycled directly, as the poll is in hand.
    #[doc(alias = "XDP_DROP")]
    #[doc(alias = "XDP_ABORTED")]
    Drop(XdpBuff),
    /// Out by the device that it came in by.
    #[doc(alias = "XDP_TX")]
    Tx(XdpBuff),
    /// Elsewhere: another device, a CPU, a socket.
    #[doc(alias = "XDP_REDIRECT")]
    #[doc(alias = "xdp_do_redirect")]
    Redirect(XdpBuff, u32),
}

assert_not_impl_any!(Verdict: Clone, Copy, Default);

type Program = Box<dyn FnMut(XdpBuff) -> Verdict + Send>;
type Transmit = Box<dyn FnMut(XdpBuff) -> Result<(), XdpBuff> + Send>;
type Redirect = Box<dyn FnMut(XdpBuff, u32) -> Result<(), XdpBuff> + Send>;

/// A program, and where its packets go that are neither passed nor dropped.
///
/// ```
/// use netmem::netdev::{Verdict, Xdp};
///
/// let xdp = Xdp::new(|buff| match buff.bytes() {
///     [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ..] => Verdict::Drop(buff), // no broadcasts
///     _ => Verdict::Pass(buff),
/// });
/// # drop(xdp);
/// ```
pub struct Xdp {
    program: Program,
    tx: Transmit,
    redirect: Redirect,
}

impl Xdp {
    /// A program whose verdicts are `Pass` and `Drop`; others fail, until [`on_tx`](Self::on_tx) and
    /// [`on_redirect`](Self::on_redirect) say where to.
    #[doc(alias = "bpf_prog_run_xdp")]
    pub fn new(program: impl FnMut(XdpBuff) -> Verdict + Send + 'static) -> Self {
        Xdp { program: Box::new(program), tx: Box::new(Err), redirect: Box::new(|buff, _| Err(buff)) }
    }

    /// What sends the packets of [`Verdict::Tx`]. It takes them, or hands them back, and they are dropped and counted.
    #[doc(alias = "ndo_xdp_xmit")]
    pub fn on_tx(mut self, tx: impl FnMut(XdpBuff) -> Result<(), XdpBuff> + Send + 'static) -> Self {
        self.tx = Box::new(tx);
        self
    }

    /// The same for [`Verdict::Redirect`], with the target.
    pub fn on_redirect(mut self, to: impl FnMut(XdpBuff, u32) -> Result<(), XdpBuff> + Send + 'static) -> Self {
        self.redirect = Box::new(to);
        self
    }

    /// Runs the program on a packet, and does what it says.
    pub fn run(&mut self, buff: XdpBuff) -> XdpOutcome {
        let unsent = |buff: XdpBuff| XdpOutcome::Unsent(buff.into_frag());
        match (self.program)(buff) {
            Verdict::Pass(buff) => XdpOutcome::Passed(buff.into_frag()),
            Verdict::Drop(buff) => XdpOutcome::Dropped(buff.into_frag()),
            Verdict::Tx(buff) => (self.tx)(buff).map_or_else(unsent, |()| XdpOutcome::Sent),
            Verdict::Redirect(buff, to) => (self.redirect)(buff, to).map_or_else(unsent, |()| XdpOutcome::Redirected),
        }
    }
}

impl fmt::Debug for Xdp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Xdp")
    }
}

/// What is left for the driver to do.
#[derive(Debug)]
pub enum XdpOutcome {
    /// Make an skb of it.
    Passed(Frag<Page>),
    /// Recycle it.
    Dropped(Frag<Page>),
    /// Nothing: it is with the device.
    Sent,
    /// Nothing: it is elsewhere.
    Redirected,
    /// Recycle it, and count that it was not sent.
    Unsent(Frag<Page>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::Zone;
    use crate::page_pool::PagePoolParams;
    use crate::provider::PageProvider;

    #[test]
    fn both_ends_stay_in_the_buffer_and_around_an_ethernet_header() {
        let params = PagePoolParams::default();
        let mut pool = PagePool::<Page>::new(params, PageProvider::new(Zone::new(64).unwrap())).unwrap();
        let mut frag = pool.alloc_frag(1024).unwrap();
        frag.bytes_mut().fill(0xee);
        let mut buff = XdpBuff { frag, seen: 256, start: 256, end: 356 };
        for (delta, fits) in
            [(-257, false), (i32::MIN, false), (87, false), (i32::MAX, false), (86, true), (-342, true)]
        {
            let before = (buff.start, buff.end);
            let result = buff.adjust_head(delta);
            assert_eq!(result.is_ok(), fits, "{delta}");
            if !fits {
                assert_eq!(before, (buff.start, buff.end));
                assert_eq!(result, Err(AdjustError { delta, room: 256, len: 100 }));
            }
        }
        assert_eq!((buff.start, buff.len(), buff.headroom()), (0, 356, 0));
        buff.adjust_head(256).unwrap();
        for (delta, fits) in
            [(669, false), (i32::MAX, false), (-87, false), (i32::MIN, false), (-86, true), (754, true)]
        {
            assert_eq!(buff.adjust_tail(delta).is_ok(), fits, "{delta}");
        }
        assert_eq!((buff.len(), buff.tailroom()), (768, 0));
        let (old, grown) = buff.bytes().split_at(14);
        assert!(old.iter().all(|byte| *byte == 0xee) && grown.iter().all(|byte| *byte == 0), "what is taken in is 0");
        let frag = buff.into_frag();
        assert_eq!((frag.len(), frag.offset() % 64), (768, 0));
    }
}
