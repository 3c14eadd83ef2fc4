//! [`SkbFrag`]: a piece of a packet.

use crate::memory::{NetmemRef, Page};
use crate::mm::FreePage;
use crate::page_pool::{BoundFrag, Frag, RangeError};
use core::fmt;

/// A piece of a packet: of a pool's memory, of a page of mm's, or of device memory that is bound to transmit from.
///
/// Which of them is part of the value, so it goes back the right way: in Linux one flag of the skb, `pp_recycle`,
/// speaks for all of its frags, and mixing them was a bug more than once.
pub enum SkbFrag {
    /// Memory of a page pool, page or net_iov.
    #[doc(alias = "skb_frag_fill_netmem_desc")]
    Pool(Frag),
    /// A page of mm's that never was a pool's.
    Mm(MmFrag),
    /// Device memory of a transmit binding, to be sent.
    Bound(BoundFrag),
}

/// A range of a page of mm's, which this value owns.
pub struct MmFrag {
    page: FreePage,
    offset: u32,
    len: u32,
}

impl MmFrag {
    /// `len` bytes of `page` from `offset` on.
    ///
    /// # Errors
    ///
    /// The page, when the range leaves it.
    #[doc(alias = "skb_frag_fill_page_desc")]
    pub fn new(page: FreePage, offset: u32, len: u32) -> Result<Self, FreePage> {
        if offset.checked_add(len).is_none_or(|end| end as usize > page.bytes().len()) {
            return Err(page);
        }
        Ok(MmFrag { page, offset, len })
    }

    fn bytes(&self) -> &[u8] {
        &self.page.bytes()[self.offset as usize..][..self.len as usize]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.page.bytes_mut()[self.offset as usize..][..self.len as usize]
    }
}

impl SkbFrag {
    /// How many bytes it has.
    #[doc(alias = "skb_frag_size")]
    pub fn len(&self) -> u32 {
        match self {
            SkbFrag::Pool(frag) => frag.len(),
            SkbFrag::Mm(frag) => frag.len,
            SkbFrag::Bound(frag) => frag.len(),
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Narrows the range to `len` of its bytes, from its `start`th on.
    ///
    /// # Errors
    ///
    /// [`RangeError`], when that is not inside the range.
    #[doc(alias = "skb_frag_off_add")]
    #[doc(alias = "skb_frag_off_set")]
    #[doc(alias = "skb_frag_size_set")]
    #[doc(alias = "skb_frag_size_sub")]
    pub fn narrow(&mut self, start: u32, len: u32) -> Result<(), RangeError> {
        match self {
            SkbFrag::Pool(frag) => frag.narrow(start, len),
            SkbFrag::Mm(frag) => {
                RangeError::check(start, len, frag.len)?;
                (frag.offset, frag.len) = (frag.offset + start, len);
                Ok(())
            }
            SkbFrag::Bound(frag) => frag.narrow(start, len),
        }
    }

    /// First byte of the range, within its memory.
    #[doc(alias = "skb_frag_off")]
    pub fn offset(&self) -> u32 {
        match self {
            SkbFrag::Pool(frag) => frag.offset(),
            SkbFrag::Mm(frag) => frag.offset,
            SkbFrag::Bound(frag) => frag.offset(),
        }
    }

    /// The memory it is a part of.
    #[doc(alias = "skb_frag_netmem")]
    pub fn borrow(&self) -> NetmemRef<'_> {
        match self {
            SkbFrag::Pool(frag) => frag.borrow(),
            SkbFrag::Mm(frag) => frag.page.page().into(),
            SkbFrag::Bound(frag) => frag.borrow().into(),
        }
    }

    /// The page it is a part of; `None` for a net_iov, which is part of none.
    #[doc(alias = "skb_frag_page")]
    pub fn page(&self) -> Option<&Page> {
        self.borrow().backing().page()
    }

    /// Whether it is memory without a page.
    #[doc(alias = "skb_frag_is_net_iov")]
    pub fn is_net_iov(&self) -> bool {
        self.borrow().is_net_iov()
    }

    /// The bytes; `None` when the CPU cannot read them.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            SkbFrag::Pool(frag) => frag.bytes(),
            SkbFrag::Mm(frag) => Some(frag.bytes()),
            SkbFrag::Bound(_) => None,
        }
    }

    /// The bytes, to write; `None` when the CPU cannot reach them.
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        match self {
            SkbFrag::Pool(frag) => frag.bytes_mut(),
            SkbFrag::Mm(frag) => Some(frag.bytes_mut()),
            SkbFrag::Bound(_) => None,
        }
    }
}

impl fmt::Debug for SkbFrag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SkbFrag::Pool(frag) => frag.fmt(f),
            SkbFrag::Mm(frag) => write!(f, "MmFrag({:?}, {} bytes at {})", frag.page, frag.len, frag.offset),
            SkbFrag::Bound(frag) => frag.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::Zone;

    #[test]
    fn what_is_left_of_a_narrowed_frag() {
        let zone = Zone::new(1).expect("a page");
        let mut page = zone.alloc(0).expect("a page");
        page.bytes_mut()[105] = 0x77;
        let mut frag = SkbFrag::Mm(MmFrag::new(page, 100, 10).expect("inside"));
        frag.narrow(5, 5).expect("five are left");
        assert_eq!((frag.offset(), frag.len(), frag.bytes().expect("host memory")[0]), (105, 5, 0x77));
        assert!(frag.narrow(5, 1).is_err());
        drop(frag);
        assert_eq!(zone.free_frames(), 1);
    }
}
