//! [`RxRing`]: the buffers that the device has.

use super::held::HeldPools;
use super::slots::{NoItem, Reserved, Slots};
use crate::Refused;
use crate::alloc::Arc;
use crate::assert::assert_not_impl_any;
use crate::backend::Mapping;
use crate::dma::{DmaDevice, DmaQueue, DmaSlice, RxCompletion, RxDescriptor};
use crate::error::errno::{EINVAL, EIO, ENETDOWN, ENOMEM, ENOSPC};
use crate::memory::{Kind, Page, PageOrIov};
use crate::netdev::RingError;
use crate::page_pool::{Frag, Received};
use core::fmt;
use core::mem::ManuallyDrop;

/// A receive ring: the queue of the hardware and, for each descriptor in it, the buffer.
///
/// A buffer that is posted is moved in here and gone from the driver (rule O3). It comes back in two ways (rule D5): by
/// a completion that fits what was posted, or from the ring when it has been stopped. Dropping a ring stops it. Either way
/// it comes back as [`Received`], because the device may have written it: its bytes are had after a sync (rule D2).
///
/// What is posted stays mapped until it comes back, also when its pool is dropped before. A buffer must lie within the bytes
/// that its pool syncs (`offset` and `max_len` of [`PagePoolParams`](crate::page_pool::PagePoolParams)), because those behind
/// would never be shown to the CPU.
///
/// The device is not believed. A completion that names a descriptor which does not exist or is not out, or more bytes
/// than the buffer has, is a [`CompletionError`]. Descriptors carry a generation, so a completion that comes twice is
/// known even when its slot has been used again.
///
/// Should the queue panic instead of stopping, the buffers are leaked: the device may still have them.
///
/// ```
/// use netmem_sim::dma::{Coherent, DmaBus};
/// use netmem::netdev::Hardware;
/// use netmem_sim::nic::{Nic, NicParams};
/// use netmem_sim::nic::traffic::{Generator, GeneratorParams, PayloadSize};
/// use netmem::{mm::Zone, netdev::RxRing, page_pool::{PagePool, PagePoolParams}, provider::PageProvider, Page};
/// use std::{sync::Arc, time::Duration};
///
/// let size = PayloadSize::Fixed(100);
/// let traffic = Generator::new(GeneratorParams { seed: 1, packets: 1, size, ports: vec![5001] }, 1514)?;
/// let device = Arc::new(Coherent::new());
/// let mut nic = Nic::start(NicParams::default(), device.clone(), Box::new(traffic))?;
/// let params = PagePoolParams::for_device(device.driver_side(), 4096);
/// let mut pool = PagePool::<Page>::new(params, PageProvider::new(Zone::new(64)?))?;
///
/// let mut ring = RxRing::new(nic.rx_queue(0).expect("it has one")).expect("there is memory");
/// ring.post(pool.alloc_frag(2048).expect("pages are free"), None)?; // the frag is gone
/// ring.kick();
/// let completed = loop {
///     match ring.complete() {
///         Some(completed) => break completed?,
///         None => nic.wait(Duration::from_millis(10)),
///     }
/// };
/// let frag = pool.sync_for_cpu(completed.payload)?; // and back, as long as the frame
/// assert_eq!(frag.bytes().len(), 142);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Invariants
///
/// A slot with buffers has been posted to the queue and not been completed. `held` has the pool of each buffer in the slots.
pub struct RxRing<Q: DmaQueue, K: Kind = PageOrIov> {
    queue: Q,
    slots: Slots<Buffers<K>>,
    held: HeldPools,
    running: bool,
}

struct Buffers<K: Kind> {
    payload: Frag<K>,
    /// Bytes at the start of it that the device is not given.
    headroom: u32,
    header: Option<Frag<Page>>,
}

/// A buffer the device has given back: received, not synced, not readable yet.
#[derive(Debug)]
pub struct Completed<K: Kind = PageOrIov> {
    /// What went to the payload buffer.
    pub payload: Received<K>,
    /// What went to the header buffer; `None` when none was posted or the frame was not split.
    pub header: Option<Received<Page>>,
    /// Whether this is the last buffer of its frame.
    pub end_of_frame: bool,
    /// What the device says of the frame's checksum, with the last buffer; `None` when it did not check.
    pub csum_ok: Option<bool>,
}

assert_not_impl_any!(Completed: Clone, Copy, Default);

/// A completion that does not fit what was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompletionError {
    /// No descriptor has that index.
    #[error("completion for descriptor {index} of a ring of {depth}: the device is broken or hostile")]
    Index {
        /// The index that the completion names.
        index: usize,
        /// How many descriptors there are.
        depth: usize,
    },
    /// That descriptor is not with the device, or not any more.
    #[error("completion for descriptor {index}, generation {generation}, which is not out: reported twice?")]
    NotPosted {
        /// The index that the completion names.
        index: usize,
        /// The generation that the completion names.
        generation: u16,
    },
    /// The device says that it failed. The buffer has gone back to its pool.
    #[error("the device failed to receive into descriptor {index}")]
    Failed {
        /// The index that the completion names.
        index: usize,
        /// Whether it said that the frame ends here.
        end_of_frame: bool,
    },
    /// More payload than the buffer has. The buffer has gone back to its pool.
    #[error("completion of {len} bytes in a payload buffer of {posted}")]
    PayloadLength {
        /// What it said.
        len: u32,
        /// What was posted.
        posted: u32,
        /// Whether it said that the frame ends here.
        end_of_frame: bool,
    },
    /// More headers than the buffer has, or headers where no buffer for them was. The buffer has gone back to its pool.
    #[error("completion of {len} bytes in a header buffer of {posted}")]
    HeaderLength {
        /// What it said.
        len: u32,
        /// What was posted; 0 when nothing was.
        posted: u32,
        /// Whether it said that the frame ends here.
        end_of_frame: bool,
    },
}

impl CompletionError {
    /// Returns EIO, which is the nearest. Drivers of Linux count such a completion, or believe it.
    pub fn errno(&self) -> i32 {
        match self {
            CompletionError::Index { .. }
            | CompletionError::NotPosted { .. }
            | CompletionError::Failed { .. }
            | CompletionError::PayloadLength { .. }
            | CompletionError::HeaderLength { .. } => EIO,
        }
    }
}

impl From<NoItem> for CompletionError {
    fn from(no: NoItem) -> Self {
        match no {
            NoItem::Index { index, depth } => CompletionError::Index { index, depth },
            NoItem::NotPosted { index, generation } => CompletionError::NotPosted { index, generation },
        }
    }
}

/// Why buffers were not posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PostError {
    /// No descriptor is free.
    #[error("the ring has no free descriptor: handle completions first, or ask `room()`")]
    Full,
    /// The device cannot reach them.
    #[error(
        "a buffer is not mapped for this ring's device: allocate it from a pool made for this device that still lives"
    )]
    NotMapped,
    /// The ring has been halted.
    #[error("the ring is halted and its device takes no more buffers: post to the ring that takes over")]
    Halted,
    /// Nothing would be left for the device.
    #[error("{headroom} bytes of headroom leave nothing of a buffer of {len}: ask for less, or allocate larger ones")]
    Headroom {
        /// The headroom that was asked for, in bytes.
        headroom: u32,
        /// What the buffer has.
        len: u32,
    },
    /// The device would write where the pool does not sync, so the CPU would read old bytes there (rule D5).
    #[error(
        "a buffer at {start}..{end} of its memory leaves {from}..{to}, which its pool syncs: post a shorter one, or make the \
         pool with an offset and a max_len that hold it"
    )]
    NotSynced {
        /// First byte for the device, within the memory.
        start: u32,
        /// The end of the buffer, within the memory.
        end: u32,
        /// First byte that the pool syncs.
        from: u32,
        /// The end of what the pool syncs.
        to: u32,
    },
    /// No memory to note one more pool.
    #[error("no memory to note one more pool in the ring: post buffers of the pools that it has")]
    NoMemory,
}

impl PostError {
    /// Returns the number that is nearest. A driver of Linux writes a descriptor, and nobody asks.
    pub fn errno(&self) -> i32 {
        match self {
            PostError::Full => ENOSPC,
            PostError::NotMapped | PostError::Headroom { .. } | PostError::NotSynced { .. } => EINVAL,
            PostError::Halted => ENETDOWN,
            PostError::NoMemory => ENOMEM,
        }
    }
}

/// The buffers of one descriptor, as [`RxRing::post`] takes them. They come back from a post that is refused.
#[derive(Debug)]
pub struct RxBuffers<K: Kind = PageOrIov> {
    /// The payload buffer.
    pub payload: Frag<K>,
    /// The header buffer, for a queue that splits headers off.
    pub header: Option<Frag<Page>>,
}

impl<Q: DmaQueue, K: Kind> RxRing<Q, K> {
    /// Makes a ring over a queue of the hardware.
    ///
    /// # Errors
    ///
    /// [`RingError`]: the queue's depth is 0 or more than 32768, or there is no memory for the ring. The queue is dropped.
    pub fn new(queue: Q) -> Result<Self, RingError> {
        let slots = Slots::new(queue.depth())?;
        let held = HeldPools::new().ok_or(RingError::NoMemory { depth: slots.depth() })?;
        Ok(RxRing { queue, slots, held, running: true })
    }

    /// The device that its buffers must be mapped for.
    pub fn device(&self) -> &Arc<dyn DmaDevice> {
        self.queue.device()
    }

    /// How many descriptors are free.
    pub fn room(&self) -> usize {
        self.slots.room()
    }

    /// How many descriptors there are.
    pub fn depth(&self) -> usize {
        self.slots.depth()
    }

    /// How many descriptors the device has; with header buffers each stands for two. A queue that failed to stop keeps them.
    pub fn posted(&self) -> usize {
        self.depth() - self.room()
    }

    /// Returns whether the device may be given buffers: not once it was [halted](Self::halt).
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// Hands buffers to the device, which sees them at the next [`kick`](Self::kick).
    ///
    /// # Errors
    ///
    /// [`PostError`], with the reason and the buffers.
    pub fn post(
        &mut self,
        payload: Frag<K>,
        header: Option<Frag<Page>>,
    ) -> Result<(), Refused<PostError, RxBuffers<K>>> {
        self.post_behind(payload, 0, header)
    }

    /// The same, and keeps the first `headroom` bytes of the payload buffer from the device: room to grow into for an XDP
    /// program ([`XdpBuff::HEADROOM`](super::XdpBuff::HEADROOM)).
    ///
    /// # Errors
    ///
    /// [`PostError`], with the reason and the buffers.
    #[inline]
    pub fn post_behind(
        &mut self,
        payload: Frag<K>,
        headroom: u32,
        header: Option<Frag<Page>>,
    ) -> Result<(), Refused<PostError, RxBuffers<K>>> {
        let reserved = match self.admit(&payload, headroom, header.as_ref()) {
            Ok(reserved) => reserved,
            Err(reason) => return Err(Refused { reason, back: RxBuffers { payload, header } }),
        };
        let header_slice = header.as_ref().map(|header| DmaSlice::new(header.dma_addr(), header.len()));
        let payload_slice = DmaSlice::new(payload.dma_addr().add(headroom as usize), payload.len() - headroom);
        let descriptor = RxDescriptor::new(reserved.id(), payload_slice, header_slice);
        // INVARIANT: the buffers are in the slot, and their pools held, before the device knows of them.
        self.slots.fill(reserved, Buffers { payload, headroom, header });
        self.queue.post(descriptor);
        Ok(())
    }

    /// Posts buffers again that came back, whole and unseen, with the headroom that they had.
    ///
    /// # Errors
    ///
    /// [`PostError`]. The buffers have gone back to their pools then, because there is nothing else to do with them.
    pub fn repost(&mut self, payload: Received<K>, header: Option<Received<Page>>) -> Result<(), PostError> {
        let (payload, received) = payload.into_parts();
        let header = header.map(|header| header.into_parts().0);
        self.post_behind(payload, received.start, header).map_err(|refused| refused.reason)
    }

    /// Checks buffers, holds their pools, and reserves a slot for them.
    #[inline]
    fn admit(&mut self, payload: &Frag<K>, headroom: u32, header: Option<&Frag<Page>>) -> Result<Reserved, PostError> {
        if !self.running {
            return Err(PostError::Halted);
        }
        if headroom != 0 && headroom >= payload.len() {
            return Err(PostError::Headroom { headroom, len: payload.len() });
        }
        match self.held.check(payload, headroom) {
            Some(checked) => checked?,
            None => self.hold(payload, headroom, None)?,
        }
        if let Some(header) = header {
            match self.held.check(header, 0) {
                Some(checked) => checked?,
                None => self.hold(header, 0, Some(payload))?,
            }
        }
        self.slots.reserve().ok_or(PostError::Full)
    }

    /// Holds a pool that is new to the ring, and lets go of those of which the device has nothing. `beside` is posted together with
    /// `frag`, and is in no slot yet.
    #[cold]
    fn hold<H: Kind>(&mut self, frag: &Frag<H>, headroom: u32, beside: Option<&Frag<K>>) -> Result<(), PostError> {
        let slots = &self.slots;
        self.held.retain(|pool| {
            beside.is_some_and(|beside| pool.is_of(beside))
                || slots.items().any(|item| {
                    pool.is_of(&item.payload) || item.header.as_ref().is_some_and(|header| pool.is_of(header))
                })
        });
        self.held.add(frag, headroom, self.queue.device().id())
    }

    /// Lets go of pools that were dropped: the device has nothing any more.
    #[cold]
    fn let_go(&mut self) {
        self.held.retain(Mapping::has_owner);
    }

    /// Tells the device about what was posted since the last time.
    pub fn kick(&mut self) {
        self.queue.kick();
    }

    /// The next buffer that the device gives back; `None` when there is none now.
    ///
    /// # Errors
    ///
    /// [`CompletionError`]. For `Index` and `NotPosted` no buffer is touched; else those of the descriptor that it names go
    /// back to their pools.
    #[inline]
    pub fn complete(&mut self) -> Option<Result<Completed<K>, CompletionError>> {
        let completion = self.queue.complete()?;
        Some(self.take(completion))
    }

    #[inline]
    fn take(&mut self, completion: RxCompletion) -> Result<Completed<K>, CompletionError> {
        let RxCompletion { id, payload_len, header_len, end_of_frame, failed, csum_ok } = completion;
        let Buffers { payload, headroom, header } = self.slots.remove(id)?;
        if self.slots.room() == self.slots.depth() {
            self.let_go();
        }
        let index = (id & 0xffff) as usize;
        if failed {
            return Err(CompletionError::Failed { index, end_of_frame });
        }
        let given = payload.len() - headroom;
        if payload_len > given {
            return Err(CompletionError::PayloadLength { len: payload_len, posted: given, end_of_frame });
        }
        let posted = header.as_ref().map_or(0, Frag::len);
        if header_len > posted {
            return Err(CompletionError::HeaderLength { len: header_len, posted, end_of_frame });
        }
        Ok(Completed {
            payload: Received::new(payload, headroom, payload_len),
            header: header.filter(|_| header_len != 0).map(|header| Received::new(header, 0, header_len)),
            end_of_frame,
            csum_ok,
        })
    }

    /// Stops the device, and keeps the buffers. What it completed before can still be had from
    /// [`complete`](Self::complete), so that a restart loses no frame; nothing can be posted any more.
    pub fn halt(&mut self) {
        self.quiesce();
    }

    /// Stops the queue, and gives the buffers back that the device had. It may have written them, and did not say so: they
    /// have received no byte, and are [posted again](Self::repost), recycled
    /// ([`PagePool::recycle_received`](crate::PagePool::recycle_received)) or dropped.
    pub fn stop(mut self) -> impl Iterator<Item = (Received<K>, Option<Received<Page>>)> {
        self.quiesce();
        self.held = HeldPools::default();
        self.slots.take_all().map(|Buffers { payload, headroom, header }| {
            (Received::new(payload, headroom, 0), header.map(|header| Received::new(header, 0, 0)))
        })
    }

    fn quiesce(&mut self) {
        if core::mem::replace(&mut self.running, false) {
            // Should the queue panic instead of stopping, the buffers must not be dropped on the way out, nor unmapped: the
            // device may still have them.
            let kept = ManuallyDrop::new((self.slots.detach(), core::mem::take(&mut self.held)));
            self.queue.stop();
            let (slots, held) = ManuallyDrop::into_inner(kept);
            self.slots.attach(slots);
            self.held = held;
        }
    }
}

impl<Q: DmaQueue, K: Kind> Drop for RxRing<Q, K> {
    fn drop(&mut self) {
        self.quiesce();
    }
}

impl<Q: DmaQueue, K: Kind> fmt::Debug for RxRing<Q, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RxRing").field("depth", &self.depth()).field("posted", &self.posted()).finish()
    }
}
