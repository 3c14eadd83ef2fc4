//! [`Page`]: one page of host memory.

use super::{NetIov, NetmemDesc};
use crate::assert::assert_not_impl_any;
use crate::sync::{AtomicI32, AtomicPtr, AtomicU32};
use core::fmt;
use core::ptr::null_mut;
use static_assertions::assert_impl_all;

/// One page of host memory, as far as the pool may see it: `struct page`.
///
/// A `&Page` is what functions of [`crate::mm`] take (rule C5). It becomes a [`NetmemRef`](crate::NetmemRef) or a
/// [`NetmemDesc`] for nothing, by `From`, and that is the one direction in which a cast exists.
///
/// # Invariants
///
/// A `&Page` points into the page array of a [`Zone`](crate::mm::Zone) (in a kernel: into the memory map), and mm's
/// `_refcount` is at least 1 while it lives.
#[repr(C)]
pub struct Page {
    pub(super) desc: NetmemDesc,
    page_type: AtomicU32,
    refcount: AtomicI32,
    // In a kernel the memory control group. The zone of crate::mm keeps a pointer to itself here.
    memcg_data: AtomicPtr<()>,
}

assert_impl_all!(Page: Send, Sync);
assert_not_impl_any!(Page: Clone, Copy, Default, core::ops::Deref, AsRef<NetIov>, core::borrow::Borrow<NetIov>,
    zerocopy::FromZeros, zerocopy::TryFromBytes, zerocopy::IntoBytes);
assert_not_impl_any!(&'static Page: Into<&'static NetIov>, TryInto<&'static NetIov>);

impl Page {
    /// A page nobody has a reference to.
    pub(crate) fn new() -> Self {
        Page {
            desc: NetmemDesc::new(),
            page_type: AtomicU32::new(0),
            refcount: AtomicI32::new(0),
            memcg_data: AtomicPtr::new(null_mut()),
        }
    }

    /// The view that page and net_iov share: the cast of the thread, without the handle.
    #[inline(always)]
    #[doc(alias = "pp_page_to_nmdesc")]
    pub fn desc(&self) -> &NetmemDesc {
        &self.desc
    }

    /// mm's reference count, `_refcount`, for mm.
    #[inline(always)]
    pub(crate) fn refcount_ref(&self) -> &AtomicI32 {
        &self.refcount
    }

    /// mm's word for the order of a head page.
    #[inline(always)]
    pub(crate) fn page_type_ref(&self) -> &AtomicU32 {
        &self.page_type
    }

    /// mm's word for the zone.
    #[inline(always)]
    pub(crate) fn zone_ref(&self) -> &AtomicPtr<()> {
        &self.memcg_data
    }
}

impl<'a> From<&'a Page> for &'a NetmemDesc {
    #[inline(always)]
    fn from(page: &'a Page) -> Self {
        page.desc()
    }
}

impl AsRef<NetmemDesc> for Page {
    #[inline(always)]
    fn as_ref(&self) -> &NetmemDesc {
        self.desc()
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Page").field(&self.desc).finish()
    }
}

// The descriptor's fields lie in struct page itself, in an anonymous struct, and its first word is mm's `flags`.
impl super::layout::Mirror for Page {
    const C_NAME: &'static str = "page";
    const FIELDS: &'static [super::layout::Field] = super::layout::fields!(
        Page,
        desc.flags = "flags",
        desc.pp_magic = "pp_magic",
        desc.pp = "pp",
        desc.pp_mapping_pad = "_pp_mapping_pad",
        desc.dma_addr = "dma_addr",
        desc.pp_ref_count = "pp_ref_count",
        page_type = "page_type",
        refcount = "_refcount",
        memcg_data = "memcg_data"
    );
}
