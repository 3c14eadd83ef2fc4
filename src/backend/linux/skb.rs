//! [`Packet`]: a `struct sk_buff`, by its pointer.

use super::ffi;
use crate::Refused;
use crate::backend::{self, Backend, Bound, Host};
use crate::dma::DeviceId;
use crate::memory::{Backing, DmaAddr, NetmemRef, Page, Raw};
use crate::page_pool::{Frag, Received};
use crate::skb::{AddFragError, IpSummed, SkbFrag};
use core::marker::PhantomData;
use core::mem::{self, MaybeUninit};
use core::ptr::{self, NonNull};
use core::slice;

/// An owned `struct sk_buff`.
///
/// # Invariants
///
/// The skb is this value's: nobody else has a reference to it or to its data, so it is neither cloned nor shared. Each frag
/// of a pool holds one reference, and the skb is marked for recycling.
pub(crate) struct Packet(NonNull<ffi::SkBuff>);

// SAFETY: an skb has no CPU of its own; the pointer is all there is, and it is owned.
unsafe impl Send for Packet {}
// SAFETY: `&Packet` reads fields that only `&mut Packet` writes.
unsafe impl Sync for Packet {}

impl Packet {
    /// Takes over an skb that C had.
    ///
    /// # Safety
    ///
    /// The type's invariant holds, and the caller gives the skb up.
    #[inline]
    pub(crate) unsafe fn from_raw(skb: NonNull<()>) -> Self {
        // INVARIANT: the caller promises what the type demands.
        Packet(skb.cast())
    }

    /// Gives the skb to C, which frees it.
    #[inline]
    pub(crate) fn into_raw(self) -> NonNull<()> {
        let skb = self.0.cast();
        mem::forget(self);
        skb
    }

    #[inline]
    fn as_ptr(&self) -> *mut ffi::SkBuff {
        self.0.as_ptr()
    }

    /// Builds an skb around a buffer, when the kernel's own data fits behind what was received.
    fn around(head: Received<Page>) -> Result<Self, Received<Page>> {
        let (frag, received) = head.parts();
        let size = frag.len() - received.start;
        let len = received.end - received.start;
        if len.checked_add(Self::room()).is_none_or(|needed| needed > size) {
            return Err(head);
        }
        let start = Host::page_address(frag.borrow().page());
        // SAFETY: the range of a frag is inside its memory.
        let data = unsafe { start.add((frag.offset() + received.start) as usize) };
        // SAFETY: `size` bytes from `data` on are the frag's alone, because a frag is exclusive. Those that were received have
        // been synced for the CPU, and the kernel writes the others without reading them.
        let skb = NonNull::new(unsafe { ffi::netmem_rs_skb_build(data.as_ptr(), size, len) });
        match skb {
            None => Err(head),
            Some(skb) => {
                // The reference is the skb's now.
                mem::forget(head);
                // INVARIANT: the skb was just built, and is marked for recycling.
                Ok(Packet(skb))
            }
        }
    }

    fn room() -> u32 {
        // SAFETY: the function returns a constant.
        unsafe { ffi::netmem_rs_skb_room() }
    }
}

impl backend::Packet for Packet {
    type View<'a> = View<'a>;

    fn copy_from(bytes: &[u8]) -> Option<Self> {
        let size = u32::try_from(bytes.len()).ok()?;
        // SAFETY: the function may be called in any context.
        let skb = NonNull::new(unsafe { ffi::netmem_rs_skb_alloc(size) })?;
        // INVARIANT: the skb is new.
        let mut packet = Packet(skb);
        backend::Packet::linear_mut(&mut packet).copy_from_slice(bytes);
        Some(packet)
    }

    fn receive(head: Received<Page>) -> Result<Self, Received<Page>> {
        let head = match Self::around(head) {
            Ok(packet) => return Ok(packet),
            Err(head) => head,
        };
        // A short buffer, or a short memory: a copy needs less.
        match <Self as backend::Packet>::copy_from(head.synced_bytes()) {
            Some(packet) => Ok(packet),
            None => Err(head),
        }
    }

    fn head_room() -> u32 {
        Self::room()
    }

    #[inline]
    fn linear(&self) -> &[u8] {
        // SAFETY: the skb is this value's, so it lives.
        let data = unsafe { ffi::netmem_rs_skb_data(self.as_ptr()) };
        // SAFETY: `headlen` bytes from `data` on are the skb's, and initialised; only `&mut Packet` writes them.
        unsafe { slice::from_raw_parts(data, self.linear_len()) }
    }

    #[inline]
    fn linear_mut(&mut self) -> &mut [u8] {
        // SAFETY: the skb is this value's, so it lives.
        let data = unsafe { ffi::netmem_rs_skb_data(self.as_ptr()) };
        // SAFETY: as in `linear`, and this is borrowed exclusively. Nobody else has the data, because the skb is not cloned.
        unsafe { slice::from_raw_parts_mut(data, self.linear_len()) }
    }

    fn linear_page(&self) -> Option<&Page> {
        // SAFETY: the skb is this value's, so it lives.
        let page = unsafe { ffi::netmem_rs_skb_head_page(self.as_ptr()) };
        // SAFETY: the page lives as long as the data of the skb, when there is one.
        unsafe { page.as_ref() }
    }

    #[inline]
    fn linear_len(&self) -> usize {
        // SAFETY: the skb is this value's, so it lives.
        unsafe { ffi::netmem_rs_skb_headlen(self.as_ptr()) as usize }
    }

    #[inline]
    fn add_frag(&mut self, frag: Frag, truesize: u32) -> Result<(), Refused<AddFragError, SkbFrag>> {
        let word = frag.borrow().as_raw().as_ptr().cast();
        // SAFETY: the skb is this value's. The range is inside the memory, and the frag's reference goes with it as is said below.
        let done = unsafe { ffi::netmem_rs_skb_add_frag(self.as_ptr(), word, frag.offset(), frag.len(), truesize) };
        match done {
            // The reference is the skb's now.
            ffi::FRAG_ATTACHED => mem::forget(frag),
            // The last frag has grown, and has a reference of its own.
            ffi::FRAG_JOINED => drop(frag),
            _ => {
                let len = frag.len();
                return Err(Refused { reason: AddFragError::Full { len }, back: SkbFrag::Pool(frag) });
            }
        }
        Ok(())
    }

    #[inline]
    fn nr_frags(&self) -> usize {
        // SAFETY: the skb is this value's, so it lives.
        unsafe { ffi::netmem_rs_skb_nr_frags(self.as_ptr()) as usize }
    }

    fn frag(&self, index: usize) -> Option<View<'_>> {
        if index >= self.nr_frags() {
            return None;
        }
        let mut frag = MaybeUninit::uninit();
        // SAFETY: the skb lives, it has that frag, and the pointer is to a local variable.
        unsafe { ffi::netmem_rs_skb_frag(self.as_ptr(), index as u32, frag.as_mut_ptr()) };
        // SAFETY: the call has written it.
        let ffi::Frag { netmem, offset, len } = unsafe { frag.assume_init() };
        let raw = NonNull::new(netmem.cast::<()>()).map(Raw::from_word)?;
        // INVARIANT: the skb has the memory for as long as it is borrowed, and the range is inside it.
        Some(View { raw, offset, len, _skb: PhantomData })
    }

    #[inline]
    fn data_len(&self) -> usize {
        // SAFETY: the skb is this value's, so it lives.
        let len = unsafe { ffi::netmem_rs_skb_len(self.as_ptr()) } as usize;
        len - self.linear_len()
    }

    fn truesize(&self) -> u32 {
        // SAFETY: the skb is this value's, so it lives.
        unsafe { ffi::netmem_rs_skb_truesize(self.as_ptr()) }
    }

    fn queue(&self) -> u16 {
        // SAFETY: the skb is this value's, so it lives.
        unsafe { ffi::netmem_rs_skb_queue(self.as_ptr()) }
    }

    #[inline]
    fn set_queue(&mut self, queue: u16) {
        // SAFETY: the skb is this value's, so it lives.
        unsafe { ffi::netmem_rs_skb_set_queue(self.as_ptr(), queue) }
    }

    fn ip_summed(&self) -> IpSummed {
        let (mut start, mut offset) = (0, 0);
        // SAFETY: the skb is this value's, so it lives; the pointers are to local variables.
        if unsafe { ffi::netmem_rs_skb_partial(self.as_ptr(), &mut start, &mut offset) } {
            return IpSummed::Partial { start, offset };
        }
        // SAFETY: the skb is this value's, so it lives.
        match unsafe { ffi::netmem_rs_skb_summed(self.as_ptr()) } {
            true => IpSummed::Unnecessary,
            false => IpSummed::None,
        }
    }

    #[inline]
    fn set_ip_summed(&mut self, ip_summed: IpSummed) {
        if let IpSummed::Partial { start, offset } = ip_summed {
            // SAFETY: the skb is this value's, so it lives.
            return unsafe { ffi::netmem_rs_skb_set_partial(self.as_ptr(), start, offset) };
        }
        // SAFETY: the same.
        unsafe { ffi::netmem_rs_skb_set_summed(self.as_ptr(), ip_summed == IpSummed::Unnecessary) }
    }

    /// The kernel recycles by itself, because it knows whether it frees the skb on the CPU of the pool's NAPI.
    #[inline]
    fn recycle(&mut self, _: impl FnMut(Frag)) {}
}

impl Drop for Packet {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the skb is this value's, and it is gone after this.
        unsafe { ffi::netmem_rs_skb_free(self.as_ptr()) }
    }
}

/// A frag of an skb that is borrowed for `'a`.
///
/// # Invariants
///
/// `raw` is memory that the skb has a reference to, and the range is inside it. The skb is borrowed, so nobody writes the bytes.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    raw: Raw,
    offset: u32,
    len: u32,
    _skb: PhantomData<&'a Packet>,
}

impl<'a> backend::FragView<'a> for View<'a> {
    #[inline]
    fn len(self) -> u32 {
        self.len
    }

    #[inline]
    fn offset(self) -> u32 {
        self.offset
    }

    #[inline]
    fn borrow(self) -> NetmemRef<'a> {
        // SAFETY: the memory lives as long as the skb has it, by the type's invariant; `PageOrIov` says nothing of its kind.
        unsafe { NetmemRef::new(self.raw) }
    }

    fn bytes(self) -> Option<&'a [u8]> {
        let page = self.borrow().backing().page()?;
        let start = Host::page_address(page);
        let range = ptr::slice_from_raw_parts(start.as_ptr().wrapping_add(self.offset as usize), self.len as usize);
        // SAFETY: the range is inside the page's block, and nobody writes it while the skb is borrowed, by the type's invariant.
        Some(unsafe { &*range })
    }

    fn bound(self, device: DeviceId) -> Bound {
        let Backing::NetIov(iov) = self.borrow().backing() else { return Bound::No };
        let mut addr = 0;
        // SAFETY: the net_iov lives by the type's invariant; the device is one that the kernel knows, as its identity says; the
        // last pointer is to a local variable.
        let found = unsafe { ffi::netmem_rs_iov_tx_addr(iov, device.as_ptr().cast(), &mut addr) };
        match found {
            ffi::IOV_HERE => {
                // SAFETY: the kernel says that the device finds the net_iov there, for as long as it is bound.
                let addr = unsafe { DmaAddr::from_raw(addr) };
                Bound::Here(addr.add(self.offset as usize))
            }
            ffi::IOV_ELSEWHERE => Bound::Elsewhere,
            _ => Bound::No,
        }
    }
}
