//! Packets whose frags are values: what only user space does with an [`Skb`].
//!
//! In a kernel the stack owns the frags of a packet, and does this itself.

use super::packet::AddFragError;
use super::{MmFrag, Skb, SkbFrag};
use crate::Refused;
use crate::backend::Host;
use crate::memory::Page;
use crate::page_pool::{BoundFrag, Frag};

type Packet = <Host as crate::backend::Backend>::Packet;

impl Skb {
    /// Returns a packet of nothing.
    #[inline]
    pub fn new() -> Self {
        Skb(Packet::empty())
    }

    /// Builds a packet around a frag: the linear part is the frag, not a copy. Host memory only, by type.
    ///
    /// A driver has [`receive_head`](Self::receive_head). Over Linux this does not exist, because a frag does not say how much
    /// room is behind it.
    #[doc(alias = "napi_build_skb")]
    #[doc(alias = "build_skb")]
    #[inline]
    pub fn build(head: Frag<Page>) -> Self {
        Skb(Packet::build(head))
    }

    /// Joins a frag of a pool to the last one. `truesize` is what it costs, as for [`add_rx_frag`](Self::add_rx_frag).
    ///
    /// # Errors
    ///
    /// The frag, when it does not continue the last one.
    #[doc(alias = "skb_coalesce_rx_frag")]
    #[inline]
    pub fn coalesce_rx_frag(&mut self, frag: Frag, truesize: u32) -> Result<(), Frag> {
        self.0.coalesce(frag, truesize)
    }

    /// Attaches any frag as the last one, and joins nothing. It costs what it has, as far as this knows.
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
        let truesize = frag.len();
        self.0.push(frag, truesize)
    }

    /// Attaches a range of a page of mm's.
    ///
    /// # Errors
    ///
    /// [`AddFragError`], with the frag.
    #[doc(alias = "skb_fill_page_desc")]
    pub fn add_mm_frag(&mut self, frag: MmFrag) -> Result<(), Refused<AddFragError, SkbFrag>> {
        self.push_frag(SkbFrag::Mm(frag))
    }

    /// Attaches device memory to transmit, and joins it to the last frag when it continues that in the same net_iov.
    ///
    /// # Errors
    ///
    /// [`AddFragError`], with the frag.
    #[doc(alias = "skb_add_rx_frag_netmem")]
    #[doc(alias = "zerocopy_fill_skb_from_devmem")]
    pub fn add_bound_frag(&mut self, frag: BoundFrag) -> Result<(), Refused<AddFragError, SkbFrag>> {
        match self.0.coalesce_bound(frag) {
            Ok(()) => Ok(()),
            Err(frag) => self.push_frag(SkbFrag::Bound(frag)),
        }
    }

    /// Lends frag `index`, from 0, to `edit`, which may write and narrow it. `None` when there is no such frag.
    ///
    /// The length of the packet follows. In C the driver corrects `len` and `data_len` itself after `skb_frag_size_sub`.
    pub fn edit_frag<R>(&mut self, index: usize, edit: impl FnOnce(&mut SkbFrag) -> R) -> Option<R> {
        self.0.edit_frag(index, edit)
    }

    /// Takes the frags out, in order. The linear part stays. What the iterator has not given is dropped with it.
    #[inline]
    pub fn take_frags(&mut self) -> impl Iterator<Item = SkbFrag> {
        self.0.take_frags()
    }

    /// Hands the first frag to `edit`, which returns the rest of it; a frag without a rest leaves the packet.
    /// Returns `None` when there is no frag.
    pub fn edit_first_frag<R>(&mut self, edit: impl FnOnce(SkbFrag) -> (Option<SkbFrag>, R)) -> Option<R> {
        self.0.edit_first_frag(edit)
    }
}

impl Default for Skb {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::Zone;
    use crate::skb::FragRef;
    use std::vec::Vec;

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
        assert_eq!(skb.frags().map(FragRef::len).collect::<Vec<_>>(), [1, 3, 9]);
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
