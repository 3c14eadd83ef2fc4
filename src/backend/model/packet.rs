//! [`Packet`]: a packet as a value.

use crate::Refused;
use crate::alloc::Vec;
use crate::backend::{self, Bound};
use crate::dma::DeviceId;
use crate::few::Few;
use crate::memory::{NetmemRef, Page};
use crate::page_pool::{BoundFrag, Frag, Received};
use crate::skb::{AddFragError, IpSummed, MAX_SKB_FRAGS, SkbFrag};

/// A linear part and frags.
///
/// # Invariants
///
/// `data_len` is what the frags have together.
pub(crate) struct Packet {
    linear: Linear,
    frags: Few<SkbFrag, MAX_SKB_FRAGS>,
    data_len: usize,
    /// What the buffer of the linear part costs, and what the frags cost.
    head_truesize: u32,
    frags_truesize: u32,
    queue: u16,
    ip_summed: IpSummed,
}

/// Where the linear part is.
enum Linear {
    Heap(Vec<u8>),
    /// A page of a pool, around which the packet was built.
    Pool(Frag<Page>),
}

impl Packet {
    #[inline]
    fn with(linear: Linear, head_truesize: u32) -> Self {
        Packet {
            linear,
            frags: Few::new(),
            data_len: 0,
            head_truesize,
            frags_truesize: 0,
            queue: 0,
            ip_summed: IpSummed::None,
        }
    }

    /// Returns a packet of nothing.
    #[inline]
    pub(crate) fn empty() -> Self {
        Self::with(Linear::Heap(Vec::new()), 0)
    }

    /// Builds a packet around a frag.
    #[inline]
    pub(crate) fn build(head: Frag<Page>) -> Self {
        let truesize = head.len();
        Self::with(Linear::Pool(head), truesize)
    }

    /// Joins a frag of a pool to the last one.
    ///
    /// # Errors
    ///
    /// The frag, when it does not continue the last one.
    #[inline]
    pub(crate) fn coalesce(&mut self, frag: Frag, truesize: u32) -> Result<(), Frag> {
        let Some(SkbFrag::Pool(last)) = self.frags.as_mut_slice().last_mut() else { return Err(frag) };
        let len = frag.len() as usize;
        last.try_merge(frag)?;
        // INVARIANT: the last frag has grown by the length of this one.
        self.data_len += len;
        self.frags_truesize = self.frags_truesize.saturating_add(truesize);
        Ok(())
    }

    /// Joins device memory to transmit to the last frag.
    ///
    /// # Errors
    ///
    /// The frag, when it does not continue the last one.
    pub(crate) fn coalesce_bound(&mut self, frag: BoundFrag) -> Result<(), BoundFrag> {
        let Some(SkbFrag::Bound(last)) = self.frags.as_mut_slice().last_mut() else { return Err(frag) };
        let len = frag.len();
        last.try_merge(frag)?;
        // INVARIANT: the last frag has grown by the length of this one.
        self.data_len += len as usize;
        self.frags_truesize = self.frags_truesize.saturating_add(len);
        Ok(())
    }

    /// Attaches a frag as the last one.
    ///
    /// # Errors
    ///
    /// [`AddFragError`], with the frag.
    #[inline]
    pub(crate) fn push(&mut self, frag: SkbFrag, truesize: u32) -> Result<(), Refused<AddFragError, SkbFrag>> {
        let len = frag.len();
        let full = |frag| Refused { reason: AddFragError::Full { len }, back: frag };
        self.frags.try_push(frag).map_err(full)?;
        // INVARIANT: the frag is in.
        self.data_len += len as usize;
        self.frags_truesize = self.frags_truesize.saturating_add(truesize);
        Ok(())
    }

    /// Lends a frag to `edit`.
    pub(crate) fn edit_frag<R>(&mut self, index: usize, edit: impl FnOnce(&mut SkbFrag) -> R) -> Option<R> {
        let frag = self.frags.as_mut_slice().get_mut(index)?;
        self.data_len -= frag.len() as usize;
        let edited = Edited { frag, data_len: &mut self.data_len };
        Some(edit(edited.frag))
    }

    /// Takes the frags out, in order.
    #[inline]
    pub(crate) fn take_frags(&mut self) -> impl Iterator<Item = SkbFrag> {
        // INVARIANT: there are none any more.
        self.data_len = 0;
        self.frags_truesize = 0;
        self.frags.take_all()
    }

    /// Hands the first frag to `edit`, which returns the rest of it.
    pub(crate) fn edit_first_frag<R>(&mut self, edit: impl FnOnce(SkbFrag) -> (Option<SkbFrag>, R)) -> Option<R> {
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
}

impl backend::Packet for Packet {
    type View<'a> = &'a SkbFrag;

    fn copy_from(bytes: &[u8]) -> Option<Self> {
        let mut linear = Vec::new();
        linear.try_reserve_exact(bytes.len()).ok()?;
        linear.extend_from_slice(bytes);
        let truesize = u32::try_from(linear.capacity()).unwrap_or(u32::MAX);
        Some(Self::with(Linear::Heap(linear), truesize))
    }

    #[inline]
    fn receive(head: Received<Page>) -> Result<Self, Received<Page>> {
        let truesize = head.truesize();
        Ok(Self::with(Linear::Pool(head.into_frag()), truesize))
    }

    fn head_room() -> u32 {
        0
    }

    #[inline]
    fn linear(&self) -> &[u8] {
        match &self.linear {
            Linear::Heap(bytes) => bytes,
            Linear::Pool(frag) => frag.bytes(),
        }
    }

    fn linear_mut(&mut self) -> &mut [u8] {
        match &mut self.linear {
            Linear::Heap(bytes) => bytes,
            Linear::Pool(frag) => frag.bytes_mut(),
        }
    }

    fn linear_page(&self) -> Option<&Page> {
        match &self.linear {
            Linear::Pool(frag) => Some(frag.borrow().page()),
            Linear::Heap(_) => None,
        }
    }

    #[inline]
    fn linear_len(&self) -> usize {
        match &self.linear {
            Linear::Heap(bytes) => bytes.len(),
            Linear::Pool(frag) => frag.len() as usize,
        }
    }

    #[inline]
    fn add_frag(&mut self, frag: Frag, truesize: u32) -> Result<(), Refused<AddFragError, SkbFrag>> {
        match self.coalesce(frag, truesize) {
            Ok(()) => Ok(()),
            Err(frag) => self.push(SkbFrag::Pool(frag), truesize),
        }
    }

    #[inline]
    fn nr_frags(&self) -> usize {
        self.frags.len()
    }

    #[inline]
    fn frag(&self, index: usize) -> Option<&SkbFrag> {
        self.frags.as_slice().get(index)
    }

    #[inline]
    fn data_len(&self) -> usize {
        self.data_len
    }

    fn truesize(&self) -> u32 {
        self.head_truesize.saturating_add(self.frags_truesize)
    }

    #[inline]
    fn queue(&self) -> u16 {
        self.queue
    }

    #[inline]
    fn set_queue(&mut self, queue: u16) {
        self.queue = queue;
    }

    #[inline]
    fn ip_summed(&self) -> IpSummed {
        self.ip_summed
    }

    #[inline]
    fn set_ip_summed(&mut self, ip_summed: IpSummed) {
        self.ip_summed = ip_summed;
    }

    #[inline]
    fn recycle(&mut self, mut each: impl FnMut(Frag)) {
        if let Linear::Pool(head) = core::mem::replace(&mut self.linear, Linear::Heap(Vec::new())) {
            each(head.into());
        }
        for frag in self.take_frags() {
            if let SkbFrag::Pool(frag) = frag {
                each(frag);
            }
        }
    }
}

impl<'a> backend::FragView<'a> for &'a SkbFrag {
    #[inline]
    fn len(self) -> u32 {
        SkbFrag::len(self)
    }

    #[inline]
    fn offset(self) -> u32 {
        SkbFrag::offset(self)
    }

    #[inline]
    fn borrow(self) -> NetmemRef<'a> {
        SkbFrag::borrow(self)
    }

    #[inline]
    fn bytes(self) -> Option<&'a [u8]> {
        SkbFrag::bytes(self)
    }

    fn bound(self, device: DeviceId) -> Bound {
        match self {
            SkbFrag::Bound(frag) if frag.is_for(device) => Bound::Here(frag.dma_addr()),
            SkbFrag::Bound(_) => Bound::Elsewhere,
            SkbFrag::Pool(_) | SkbFrag::Mm(_) => Bound::No,
        }
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
