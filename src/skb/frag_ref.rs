//! [`FragRef`]: a look at a frag of a packet.

use super::Skb;
use crate::assert::assert_not_impl_any;
use crate::backend::{Backend, Bound, FragView, Host, Packet};
use crate::dma::DeviceId;
use crate::memory::{NetmemRef, Page};
use core::fmt;

type View<'a> = <<Host as Backend>::Packet as Packet>::View<'a>;

/// A frag of a packet, to look at: what [`Skb::frags`] gives. One that is owned is an [`SkbFrag`](super::SkbFrag).
///
/// ```
/// # use netmem::{mm::Zone, page_pool::{PagePool, PagePoolParams}, provider::PageProvider, skb::Skb, Page};
/// # let mut pool = PagePool::<Page>::new(PagePoolParams::default(), PageProvider::new(Zone::new(64)?))?;
/// let mut skb = Skb::copy_from(b"headers").expect("there is memory");
/// skb.add_rx_frag(pool.alloc_frag(100).expect("pages are free"), 128)?;
/// let frag = skb.frags().next().expect("one was attached");
/// assert_eq!((frag.len(), frag.bytes().map(<[u8]>::len), frag.is_net_iov()), (100, Some(100), false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct FragRef<'a>(View<'a>);

assert_not_impl_any!(FragRef<'static>: Default, AsRef<[u8]>, core::ops::Deref, Into<&'static Page>);

impl<'a> FragRef<'a> {
    /// Returns how many bytes it has.
    #[inline]
    #[doc(alias = "skb_frag_size")]
    pub fn len(self) -> u32 {
        FragView::len(self.0)
    }

    /// Returns whether it has none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Returns the first byte of the range, within its memory.
    #[inline]
    #[doc(alias = "skb_frag_off")]
    pub fn offset(self) -> u32 {
        FragView::offset(self.0)
    }

    /// Returns the memory that it is a part of.
    #[inline]
    #[doc(alias = "skb_frag_netmem")]
    pub fn borrow(self) -> NetmemRef<'a> {
        FragView::borrow(self.0)
    }

    /// Returns the page that it is a part of; `None` for a net_iov, which is part of none.
    #[doc(alias = "skb_frag_page")]
    pub fn page(self) -> Option<&'a Page> {
        self.borrow().backing().page()
    }

    /// Returns whether it is memory without a page.
    #[inline]
    #[doc(alias = "skb_frag_is_net_iov")]
    pub fn is_net_iov(self) -> bool {
        self.borrow().is_net_iov()
    }

    /// Returns the bytes; `None` when the CPU cannot read them (rule S1).
    #[inline]
    #[doc(alias = "skb_frag_address")]
    #[doc(alias = "skb_frag_address_safe")]
    pub fn bytes(self) -> Option<&'a [u8]> {
        FragView::bytes(self.0)
    }

    /// Returns whether the memory is bound to transmit from, and where `device` finds it.
    pub(crate) fn bound(self, device: DeviceId) -> Bound {
        FragView::bound(self.0, device)
    }
}

/// Returns a frag of a packet, from 0.
#[inline]
pub(super) fn frag(skb: &Skb, index: usize) -> Option<FragRef<'_>> {
    skb.0.frag(index).map(FragRef)
}

#[cfg(not(netmem_backend = "linux"))]
impl<'a> From<&'a super::SkbFrag> for FragRef<'a> {
    fn from(frag: &'a super::SkbFrag) -> Self {
        FragRef(frag)
    }
}

impl fmt::Debug for FragRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FragRef({:?}, {} bytes at {})", self.borrow(), self.len(), self.offset())
    }
}
