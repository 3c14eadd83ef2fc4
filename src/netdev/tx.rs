//! [`TxRing`]: the packets that the device has.

use super::slots::{NoItem, Reserved, Slots};
use super::{Poll, XdpBuff};
use crate::Refused;
use crate::alloc::Arc;
use crate::assert::assert_not_impl_any;
use crate::backend::Bound;
use crate::dma::{
    DeviceId, DmaDevice, DmaSlice, DmaTxQueue, MAX_TX_PIECES, TxChecksum, TxCompletion, TxDescriptor, TxMap, TxMapError,
};
use crate::error::errno::{EBUSY, EINVAL, EIO, ENODEV, ENOMEM};
use crate::few::Few;
use crate::memory::Page;
use crate::mm::{FreePage, MAX_ORDER, PAGE_SIZE, Zone};
use crate::netdev::RingError;
use crate::page_pool::Frag;
use crate::skb::{FragRef, FrameError, IpSummed, MAX_SKB_FRAGS, ReadableSkb, Skb, check_frame};
use core::fmt;
use core::mem::ManuallyDrop;

const _: () = assert!(MAX_TX_PIECES == MAX_SKB_FRAGS + 1, "a linear part and the frags");

/// What a driver does with packets that the CPU cannot read: `netdev->netmem_tx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetmemTxMode {
    /// It hands their addresses to its device, which must be the one they are bound to.
    #[doc(alias = "NETMEM_TX_DMA")]
    Dma,
    /// It does no DMA and passes them on, as a virtual device does; whoever does the DMA checks.
    #[doc(alias = "NETMEM_TX_NO_DMA")]
    NoDma,
}

/// Declares that a driver transmits packets that the CPU cannot read (rule S2).
///
/// The driver's queue implements it. A driver that does not is Linux's `NETMEM_TX_NONE`: there is nothing to set and
/// nothing to forget, `send_netmem` just does not exist for it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not declare that it transmits memory the CPU cannot read",
    label = "this queue takes readable packets only",
    note = "rule S2: transmit takes readable skbs; send `skb.into_readable()?` with `send`, or implement `NetmemTx` for \
            a driver that never touches the bytes",
    note = "see docs/rules.md#s2"
)]
pub trait NetmemTx {
    /// How.
    const MODE: NetmemTxMode;
}

/// Why a packet was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TxError {
    /// Not as many descriptors are free as it has pieces.
    #[error("the ring has {room} free descriptors, and the packet needs {need}: clean it first, or ask `room()`")]
    Full {
        /// How many it needs.
        need: usize,
        /// How many are free.
        room: usize,
    },
    /// It is no frame of Ethernet.
    #[error(transparent)]
    TooShort(#[from] FrameError),
    /// No page to copy the linear part to.
    #[error("no memory to copy a linear part of {len} bytes from the heap to: build the skb around a page instead")]
    NoMemory {
        /// How many bytes it has.
        len: usize,
    },
    /// The device did not map it.
    #[error("piece {piece} of the packet: {source}")]
    Map {
        /// Which piece: 0 is the linear part, 1 the first frag.
        piece: usize,
        /// Why it was not mapped.
        source: TxMapError,
    },
    /// Device memory that came by receive.
    #[error(
        "frag {frag} is device memory that is bound to receive into, which its device may write and not read: send from \
         a DmabufTxBinding"
    )]
    NotForTransmit {
        /// The frag, from 0.
        frag: usize,
    },
    /// Device memory that another device can reach.
    #[error("frag {frag} is device memory that is bound to another device: bind it to the one that sends it")]
    OtherDevice {
        /// The frag, from 0.
        frag: usize,
    },
    /// A checksum that would lie outside.
    #[error("a checksum of bytes from {start} on, to be stored at {start} + {offset}, in a packet of {len} bytes")]
    Checksum {
        /// Where the sum would begin.
        start: u16,
        /// Where it would go, from there.
        offset: u16,
        /// How long the packet is.
        len: usize,
    },
}

impl TxError {
    /// Returns EBUSY for a full ring: `ndo_start_xmit` returns `NETDEV_TX_BUSY`, which has that value. For device
    /// memory it is what `net_devmem_get_binding` returns when a program sends it: EINVAL if the memory is bound to
    /// receive into, and ENODEV if it is bound to another device. (`validate_xmit_unreadable_skb` drops such a packet
    /// later, without a number.) For a checksum it is EINVAL, as `skb_checksum_help` does. The others have the number
    /// of their reason.
    pub fn errno(&self) -> i32 {
        match self {
            TxError::Full { .. } => EBUSY,
            TxError::TooShort(reason) => reason.errno(),
            TxError::NoMemory { .. } => ENOMEM,
            TxError::Map { source, .. } => source.errno(),
            TxError::NotForTransmit { .. } | TxError::Checksum { .. } => EINVAL,
            TxError::OtherDevice { .. } => ENODEV,
        }
    }
}

/// Makes a frag of a packet reachable for the device that `map` is for: maps it if it is of pages. Device memory is not
/// mapped, and so not unmapped: the device finds it where its binding says. `frag` is its number, for the error.
///
/// # Errors
///
/// [`TxError`]: the device cannot reach it, or the packet has too many pieces. What was mapped before stays mapped.
pub fn map_frag(map: &mut TxMap, frag: usize, of: FragRef<'_>) -> Result<DmaSlice, TxError> {
    match (of.bound(map.device().id()), of.page(), of.bytes()) {
        (Bound::Here(addr), ..) => Ok(DmaSlice::new(addr, of.len())),
        (Bound::Elsewhere, ..) => Err(TxError::OtherDevice { frag }),
        (Bound::No, Some(page), Some(bytes)) => {
            map.map(page, bytes).map_err(|source| TxError::Map { piece: frag + 1, source })
        }
        (Bound::No, ..) => Err(TxError::NotForTransmit { frag }),
    }
}

/// Whether a driver of this type may be given the packet, for this device: what the stack asks before it calls one.
///
/// Linux looks at the first frag alone; this looks at each.
///
/// # Errors
///
/// [`TxError::NotForTransmit`] and [`TxError::OtherDevice`], with the frag; in mode [`NetmemTxMode::NoDma`] none.
pub fn validate_xmit<T: NetmemTx>(skb: &Skb, device: DeviceId) -> Result<(), TxError> {
    match T::MODE {
        NetmemTxMode::NoDma => Ok(()),
        NetmemTxMode::Dma => skb.frags().enumerate().try_for_each(|(frag, of)| reachable(frag, of, device)),
    }
}

/// Whether the device can be given a frag's memory, or it can be mapped for it.
fn reachable(frag: usize, of: FragRef<'_>, device: DeviceId) -> Result<(), TxError> {
    match of.bound(device) {
        Bound::Here(_) => Ok(()),
        Bound::Elsewhere => Err(TxError::OtherDevice { frag }),
        Bound::No if of.is_net_iov() => Err(TxError::NotForTransmit { frag }),
        Bound::No => Ok(()),
    }
}

/// A transmit ring: the queue of the hardware and, for each packet in it, the skb and what of it is mapped.
///
/// A packet that is sent is moved in here and gone from the driver until the device has completed it (rule O3). Then it
/// is unmapped, and handed back to be recycled or dropped. What was mapped is unmapped exactly once, on every way out:
/// after the completion, when the ring is stopped or dropped, and half way through a packet that could not be mapped.
///
/// Pages are mapped `ToDevice` with their whole block. Device memory is neither mapped nor unmapped: it has the address
/// that its binding gave it (rule D3). A linear part on the heap has no page; it is copied to one first (a bounce page,
/// from the zone), which is the only copy made here. Headers built in a frag of a pool, or a frag of mm's, are not
/// copied.
///
/// The device is not believed, as by [`RxRing`](super::RxRing): a completion that names no packet, or one that is not
/// out, is a [`TxCompletionError`].
///
/// # Invariants
///
/// A slot with a packet has been posted to the queue and not been completed. The descriptors of the packets and `room` add up to
/// the depth.
pub struct TxRing<Q: DmaTxQueue> {
    queue: Q,
    zone: Zone,
    slots: Slots<Packet>,
    room: usize,
    running: bool,
}

/// A packet that the device has.
struct Packet {
    // Dropped in this order: unmapped before the memory is given back.
    mapped: Mapped,
    load: TxLoad,
    descriptors: usize,
}

/// What a ring sends.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a packet is not to be boxed where memory may be short; over Linux it is a pointer"
)]
pub enum TxLoad {
    /// A packet of the stack.
    Packet(Skb),
    /// A packet of an XDP program: one buffer, which never was an skb.
    XdpFrame(Frag<Page>),
}

impl TxLoad {
    /// Returns how many bytes the packet has.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            TxLoad::Packet(skb) => skb.len(),
            TxLoad::XdpFrame(frag) => frag.len() as usize,
        }
    }

    /// Returns whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the packet of the stack; `None` for one of an XDP program, which is dropped.
    pub fn into_skb(self) -> Option<Skb> {
        match self {
            TxLoad::Packet(skb) => Some(skb),
            TxLoad::XdpFrame(_) => None,
        }
    }

    /// Drops the packet, and recycles what is of the poll's pools directly.
    pub fn recycle(self, poll: &mut Poll<'_>) {
        match self {
            TxLoad::Packet(skb) => poll.recycle(skb),
            TxLoad::XdpFrame(frag) => poll.recycle_frag(frag),
        }
    }
}

assert_not_impl_any!(TxLoad: Clone, Copy, Default);

/// What of a packet is mapped, and the page that its linear part was copied to.
struct Mapped {
    map: TxMap,
    _bounce: Option<FreePage>,
}

/// Where the device finds the pieces of a packet.
type Pieces = Few<DmaSlice, MAX_TX_PIECES>;

/// A packet that the device has sent, or failed to. Nothing of it is mapped any more.
#[derive(Debug)]
pub struct Sent {
    /// The packet.
    pub load: TxLoad,
    /// Whether the device says that it failed.
    pub failed: bool,
}

/// A completion that names no packet of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TxCompletionError {
    /// No packet has that index.
    #[error("completion for packet {index} of a ring of {depth}: the device is broken or hostile")]
    Index {
        /// The index that the completion names.
        index: usize,
        /// How many descriptors the ring has.
        depth: usize,
    },
    /// That packet is not with the device, or not any more.
    #[error("completion for packet {index}, generation {generation}, which is not out: reported twice?")]
    NotPosted {
        /// The index that the completion names.
        index: usize,
        /// The generation that the completion names.
        generation: u16,
    },
}

impl TxCompletionError {
    /// Returns EIO, which is the nearest. Drivers of Linux believe such a completion.
    pub fn errno(&self) -> i32 {
        match self {
            TxCompletionError::Index { .. } | TxCompletionError::NotPosted { .. } => EIO,
        }
    }
}

impl From<NoItem> for TxCompletionError {
    fn from(no: NoItem) -> Self {
        match no {
            NoItem::Index { index, depth } => TxCompletionError::Index { index, depth },
            NoItem::NotPosted { index, generation } => TxCompletionError::NotPosted { index, generation },
        }
    }
}

/// What [`TxRing::clean`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cleaned {
    /// Packets sent.
    pub sent: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Packets that the device failed to send.
    pub failed: u64,
    /// Completions that named no packet.
    pub refused: u64,
}

impl<Q: DmaTxQueue> TxRing<Q> {
    /// Makes a ring over a queue of the hardware; `zone` has pages for linear parts that are on the heap.
    ///
    /// # Errors
    ///
    /// [`RingError`]: the queue's depth is 0 or more than 32768, or there is no memory for the ring. The queue is dropped.
    pub fn new(queue: Q, zone: Zone) -> Result<Self, RingError> {
        let slots = Slots::new(queue.depth())?;
        let room = slots.depth();
        Ok(TxRing { queue, zone, slots, room, running: true })
    }

    /// The device that sends.
    pub fn device(&self) -> &Arc<dyn DmaDevice> {
        self.queue.device()
    }

    /// How many descriptors are free. A packet needs one for each piece that is not empty, at most 18.
    pub fn room(&self) -> usize {
        self.room
    }

    /// How many descriptors there are.
    pub fn depth(&self) -> usize {
        self.slots.depth()
    }

    /// Returns how many packets the device has. A queue that failed to stop keeps them.
    pub fn packets(&self) -> usize {
        self.slots.depth() - self.slots.room()
    }

    /// Hands a packet to the device, which sees it at the next [`kick`](Self::kick).
    ///
    /// # Errors
    ///
    /// [`TxError`], with the reason and the packet; nothing of it stays mapped.
    #[doc(alias = "ndo_start_xmit")]
    #[doc(alias = "dev_queue_xmit")]
    pub fn send(&mut self, skb: ReadableSkb) -> Result<(), Refused<TxError, ReadableSkb>> {
        self.send_skb(skb.into_skb()).map_err(|refused| {
            let Refused { reason, back } = refused;
            Refused { reason, back: ReadableSkb::back(back) }
        })
    }

    /// Hands a packet to the device that the CPU need not be able to read. Only for a driver that declares it (rule S2).
    ///
    /// Device memory must be bound to this very device, to transmit from. Its checksum cannot be computed here: set
    /// [`IpSummed::Partial`] and let the device do it.
    ///
    /// # Errors
    ///
    /// [`TxError`], with the reason and the packet; nothing of it stays mapped.
    pub fn send_netmem(&mut self, skb: Skb) -> Result<(), Refused<TxError, Skb>>
    where
        Q: NetmemTx,
    {
        match validate_xmit::<Q>(&skb, self.device().id()) {
            Ok(()) => self.send_skb(skb),
            Err(reason) => Err(Refused { reason, back: skb }),
        }
    }

    /// Hands an XDP program's packet to the device: `XDP_TX`, or the other end of a redirect. See
    /// [`Xdp::on_tx`](super::Xdp::on_tx).
    ///
    /// # Errors
    ///
    /// The packet, when the ring is full or the device cannot map it. It has no headroom any more.
    #[doc(alias = "ndo_xdp_xmit")]
    #[doc(alias = "xdp_convert_buff_to_frame")]
    pub fn send_xdp(&mut self, buff: XdpBuff) -> Result<(), XdpBuff> {
        let Err((_, back)) = self.send_load(TxLoad::XdpFrame(buff.into_frag())) else { return Ok(()) };
        let TxLoad::XdpFrame(frag) = back else { return Ok(()) };
        XdpBuff::try_from(frag).map_or_else(
            |short| {
                debug_assert!(false, "the frag was a packet of XDP, and is as long still: {short:?}");
                Ok(())
            },
            Err,
        )
    }

    /// Sends a packet of the stack that the device may be given.
    fn send_skb(&mut self, skb: Skb) -> Result<(), Refused<TxError, Skb>> {
        match self.send_load(TxLoad::Packet(skb)) {
            Err((reason, TxLoad::Packet(back))) => Err(Refused { reason, back }),
            Err((_, TxLoad::XdpFrame(_))) | Ok(()) => Ok(()),
        }
    }

    /// Maps and posts what the device may be given, or gives it back.
    fn send_load(&mut self, load: TxLoad) -> Result<(), (TxError, TxLoad)> {
        // Mapped where it is, because a packet is large.
        let mapped = Mapped { map: TxMap::new(self.queue.device().clone()), _bounce: None };
        let mut packet = Packet { mapped, load, descriptors: 0 };
        let mut pieces = Pieces::new();
        match self.map(&packet.load, &mut packet.mapped, &mut pieces) {
            Ok(slot) => {
                packet.descriptors = pieces.len();
                self.post(slot, packet, &pieces);
                Ok(())
            }
            Err(reason) => {
                let Packet { mapped, load, .. } = packet;
                drop(mapped);
                Err((reason, load))
            }
        }
    }

    /// Maps each page of a packet, notes where its pieces are, and reserves a slot for it. What was mapped when it fails is
    /// unmapped when the caller drops `mapped`.
    fn map(&mut self, load: &TxLoad, mapped: &mut Mapped, pieces: &mut Pieces) -> Result<Reserved, TxError> {
        check_frame(load.len())?;
        let need = match load {
            TxLoad::Packet(skb) => self.map_skb(skb, mapped, pieces)?,
            TxLoad::XdpFrame(_) if self.room == 0 => return Err(TxError::Full { need: 1, room: 0 }),
            TxLoad::XdpFrame(frag) => {
                let slice = mapped.map.map(frag.borrow().page(), frag.bytes());
                let noted = pieces.try_push(slice.map_err(|source| TxError::Map { piece: 0, source })?);
                debug_assert!(noted.is_ok(), "it is the only piece");
                1
            }
        };
        self.slots.reserve().ok_or(TxError::Full { need, room: self.room })
    }

    /// Maps the pieces of a packet of the stack. Returns how many descriptors they need.
    fn map_skb(&mut self, skb: &Skb, mapped: &mut Mapped, pieces: &mut Pieces) -> Result<usize, TxError> {
        if let IpSummed::Partial { start, offset } = skb.ip_summed() {
            let (len, end) = (skb.len(), usize::from(start) + usize::from(offset) + 2);
            if end > len {
                return Err(TxError::Checksum { start, offset, len });
            }
        }
        let linear = core::iter::once(skb.linear().len());
        let need = linear.chain(skb.frags().map(|frag| frag.len() as usize)).filter(|len| *len != 0).count();
        if need > self.room {
            return Err(TxError::Full { need, room: self.room });
        }
        let mut note = |slice| {
            let noted = pieces.try_push(slice);
            debug_assert!(noted.is_ok(), "an skb has no more pieces");
        };
        let map = |map: &mut TxMap, piece, page: &Page, bytes: &[u8]| {
            map.map(page, bytes).map_err(|source| TxError::Map { piece, source })
        };
        let bytes = skb.linear();
        match skb.linear_page() {
            _ if bytes.is_empty() => {}
            Some(page) => note(map(&mut mapped.map, 0, page, bytes)?),
            None => {
                let copy = self.bounce(bytes).ok_or(TxError::NoMemory { len: bytes.len() })?;
                note(map(&mut mapped.map, 0, copy.page(), &copy.bytes()[..bytes.len()])?);
                mapped._bounce = Some(copy);
            }
        }
        for (frag, of) in skb.frags().enumerate().filter(|(_, of)| !of.is_empty()) {
            note(map_frag(&mut mapped.map, frag, of)?);
        }
        Ok(need)
    }

    /// A page with a copy of these bytes.
    fn bounce(&self, bytes: &[u8]) -> Option<FreePage> {
        let order = bytes.len().div_ceil(PAGE_SIZE).next_power_of_two().trailing_zeros();
        let mut page = if order <= MAX_ORDER { self.zone.alloc(order)? } else { return None };
        page.bytes_mut()[..bytes.len()].copy_from_slice(bytes);
        Some(page)
    }

    #[inline]
    fn post(&mut self, slot: Reserved, packet: Packet, pieces: &Pieces) {
        let checksum = match &packet.load {
            TxLoad::Packet(skb) => match skb.ip_summed() {
                IpSummed::Partial { start, offset } => Some(TxChecksum { start, offset }),
                IpSummed::None | IpSummed::Unnecessary => None,
            },
            TxLoad::XdpFrame(_) => None,
        };
        let id = slot.id();
        self.room -= pieces.len();
        // INVARIANT: the packet is in the slot before the device knows of it.
        self.slots.fill(slot, packet);
        for (i, slice) in pieces.as_slice().iter().enumerate() {
            let last = i + 1 == pieces.len();
            self.queue.post(TxDescriptor::new(id, *slice, last, checksum.filter(|_| last)));
        }
    }

    /// Tells the device about what was sent since the last time (`xmit_more`: once for several packets).
    #[doc(alias = "netdev_xmit_more")]
    pub fn kick(&mut self) {
        self.queue.kick();
    }

    /// The next packet that the device gives back; `None` when there is none now.
    ///
    /// # Errors
    ///
    /// [`TxCompletionError`]; no packet is touched.
    pub fn complete(&mut self) -> Option<Result<Sent, TxCompletionError>> {
        let completion = self.queue.complete()?;
        Some(self.take(completion))
    }

    fn take(&mut self, completion: TxCompletion) -> Result<Sent, TxCompletionError> {
        let TxCompletion { id, failed } = completion;
        let Packet { mapped, load, descriptors } = self.slots.remove(id)?;
        // INVARIANT: the slot is empty, so its descriptors are free.
        self.room += descriptors;
        drop(mapped);
        Ok(Sent { load, failed })
    }

    /// Reaps what the device has completed, and recycles it: what is of the poll's pools directly. Ends after as many
    /// completions as the ring has descriptors, whatever the device reports.
    #[doc(alias = "napi_consume_skb")]
    pub fn clean(&mut self, poll: &mut Poll<'_>) -> Cleaned {
        let mut cleaned = Cleaned::default();
        for _ in 0..self.depth() {
            match self.complete() {
                None => break,
                Some(Ok(Sent { load, failed })) => {
                    if failed {
                        cleaned.failed += 1;
                    } else {
                        cleaned.sent += 1;
                        cleaned.bytes += load.len() as u64;
                    }
                    load.recycle(poll);
                }
                Some(Err(_)) => cleaned.refused += 1,
            }
        }
        cleaned
    }

    /// Stops the queue, unmaps what is mapped, and gives the packets back that the device had.
    pub fn stop(mut self) -> impl Iterator<Item = TxLoad> {
        self.quiesce();
        self.slots.take_all().map(|Packet { mapped, load, .. }| {
            drop(mapped);
            load
        })
    }

    fn quiesce(&mut self) {
        if core::mem::replace(&mut self.running, false) {
            // Should the queue panic instead of stopping, the packets must not be dropped on the way out: the device
            // may still read them.
            let slots = ManuallyDrop::new(self.slots.detach());
            self.queue.stop();
            self.slots.attach(ManuallyDrop::into_inner(slots));
        }
    }
}

assert_not_impl_any!(Sent: Clone, Copy, Default);

impl<Q: DmaTxQueue> Drop for TxRing<Q> {
    fn drop(&mut self) {
        self.quiesce();
    }
}

impl<Q: DmaTxQueue> fmt::Debug for TxRing<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TxRing").field("depth", &self.depth()).field("packets", &self.packets()).finish()
    }
}
