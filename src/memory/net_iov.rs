//! [`NetIov`]: one chunk of memory that has no page.

use super::{NetmemDesc, Page};
use crate::assert::assert_not_impl_any;
use crate::sync::{AtomicPtr, AtomicUsize};
use core::fmt;
use core::ptr::null_mut;
use core::sync::atomic::Ordering::Relaxed;
use static_assertions::assert_impl_all;

/// One chunk of memory that has no page behind it: `struct net_iov`.
///
/// Device memory, or memory that user space lent. The CPU never reads it through a handle (rule D1), mm never sees it
/// (rule C5), and nothing turns it into a [`Page`] (rule C1). It has no `Deref`.
///
/// # Invariants
///
/// `owner` points to the [`NetIovArea`] whose array holds this net_iov, for as long as the net_iov lives.
#[repr(C)]
pub struct NetIov {
    pub(super) desc: NetmemDesc,
    #[cfg(netmem_linux = "6.18")]
    owner: AtomicPtr<NetIovArea>,
    ty: TypeWord,
    #[cfg(not(netmem_linux = "6.18"))]
    owner: AtomicPtr<NetIovArea>,
}

/// Where `enum net_iov_type` lies. Linux 6.18 makes it as wide as a word, by an enumerator of `ULONG_MAX`.
#[cfg(netmem_linux = "6.18")]
type TypeWord = AtomicUsize;
#[cfg(not(netmem_linux = "6.18"))]
type TypeWord = crate::sync::AtomicU32;

#[cfg(all(target_pointer_width = "64", not(loom)))]
const _: () = {
    let (ty, owner) = (core::mem::offset_of!(NetIov, ty), core::mem::offset_of!(NetIov, owner));
    if cfg!(netmem_linux = "6.18") {
        assert!(owner == 48 && ty == 56);
    } else {
        assert!(ty == 48 && owner == 56);
    }
};

assert_impl_all!(NetIov: Send, Sync);
assert_not_impl_any!(NetIov: Clone, Copy, Default, core::ops::Deref, AsRef<Page>, core::borrow::Borrow<Page>, Into<Page>,
    zerocopy::FromZeros, zerocopy::TryFromBytes, zerocopy::IntoBytes, zerocopy::Immutable);
assert_not_impl_any!(&'static NetIov: Into<&'static Page>, TryInto<&'static Page>);

/// What kind of memory stands behind a net_iov: `enum net_iov_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetIovType {
    /// A dma-buf bound to a queue.
    #[doc(alias = "NET_IOV_DMABUF")]
    DmaBuf = 0,
    /// An area of user memory registered with io_uring.
    #[doc(alias = "NET_IOV_IOURING")]
    IoUring = 1,
}

impl NetIov {
    /// A net_iov that belongs to no area yet.
    pub(crate) fn new(ty: NetIovType) -> Self {
        NetIov { desc: NetmemDesc::new(), ty: TypeWord::new(ty as _), owner: AtomicPtr::new(null_mut()) }
    }

    /// Stamps the owning area on a net_iov of its array.
    ///
    /// # Safety
    ///
    /// `owner` is the area whose array holds `self`, and lives as long as `self` can be reached.
    pub(crate) unsafe fn set_owner(&self, owner: *mut NetIovArea) {
        // INVARIANT: the caller promises what the type demands.
        self.owner.store(owner, Relaxed);
    }

    /// The view that page and net_iov share.
    #[inline(always)]
    pub fn desc(&self) -> &NetmemDesc {
        &self.desc
    }

    /// What stands behind it; `None` for a type that this crate does not know (a newer kernel's).
    pub fn ty(&self) -> Option<NetIovType> {
        match self.ty.load(Relaxed) {
            0 => Some(NetIovType::DmaBuf),
            1 => Some(NetIovType::IoUring),
            _ => None,
        }
    }

    /// Whether a dma-buf stands behind it.
    #[doc(alias = "net_is_devmem_iov")]
    pub fn is_devmem(&self) -> bool {
        self.ty() == Some(NetIovType::DmaBuf)
    }

    /// The area it is part of.
    #[inline(always)]
    #[doc(alias = "net_iov_owner")]
    pub fn area(&self) -> &NetIovArea {
        // SAFETY: by the type's invariant the owner is set and lives as long as this net_iov, thus as long as `self`.
        unsafe { &*self.owner.load(Relaxed) }
    }

    /// The owner as a pointer with the provenance it was stamped with, which may reach more than the area.
    pub(crate) fn owner(&self) -> *mut NetIovArea {
        self.owner.load(Relaxed)
    }

    /// Its index in the area, from 0.
    #[inline(always)]
    #[doc(alias = "net_iov_idx")]
    pub fn index(&self) -> usize {
        ((self as *const NetIov).addr() - self.area().niovs.load(Relaxed).addr()) / size_of::<NetIov>()
    }
}

impl<'a> From<&'a NetIov> for &'a NetmemDesc {
    #[inline(always)]
    fn from(iov: &'a NetIov) -> Self {
        iov.desc()
    }
}

impl AsRef<NetmemDesc> for NetIov {
    #[inline(always)]
    fn as_ref(&self) -> &NetmemDesc {
        self.desc()
    }
}

impl fmt::Debug for NetIov {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetIov")
            .field("desc", &self.desc)
            .field("ty", &self.ty())
            .field("index", &self.index())
            .finish()
    }
}

/// An array of net_iovs and where their memory starts: `struct net_iov_area`.
///
/// # Invariants
///
/// `niovs` points to `num_niovs` net_iovs, each stamped with this area, which live as long as the area.
#[repr(C)]
pub struct NetIovArea {
    niovs: AtomicPtr<NetIov>,
    num_niovs: AtomicUsize,
    base_virtual: AtomicUsize,
}

assert_impl_all!(NetIovArea: Send, Sync);
assert_not_impl_any!(NetIovArea: Clone, Copy, Default, zerocopy::FromZeros, zerocopy::TryFromBytes, zerocopy::IntoBytes);

impl NetIovArea {
    /// An area without an array.
    pub(crate) fn new(base_virtual: usize) -> Self {
        NetIovArea {
            niovs: AtomicPtr::new(null_mut()),
            num_niovs: AtomicUsize::new(0),
            base_virtual: AtomicUsize::new(base_virtual),
        }
    }

    /// Gives the area its array.
    ///
    /// # Safety
    ///
    /// `niovs` points to `len` net_iovs that live as long as the area and are stamped with it before anybody sees it.
    pub(crate) unsafe fn set_niovs(&self, niovs: *mut NetIov, len: usize) {
        // INVARIANT: the caller promises what the type demands.
        self.niovs.store(niovs, Relaxed);
        self.num_niovs.store(len, Relaxed);
    }

    /// How many net_iovs it has.
    pub fn num_niovs(&self) -> usize {
        self.num_niovs.load(Relaxed)
    }

    /// Offset, in bytes, of the area's first byte within the memory it was cut from (the dma-buf).
    pub fn base_virtual(&self) -> usize {
        self.base_virtual.load(Relaxed)
    }
}

impl fmt::Debug for NetIovArea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetIovArea")
            .field("num_niovs", &self.num_niovs())
            .field("base_virtual", &self.base_virtual())
            .finish()
    }
}

#[cfg(not(netmem_linux = "6.18"))]
impl super::layout::Mirror for NetIov {
    const C_NAME: &'static str = "net_iov";
    const FIELDS: &'static [super::layout::Field] =
        super::layout::fields!(NetIov, desc = "desc", ty = "type", owner = "owner");
}
#[cfg(netmem_linux = "6.18")]
impl super::layout::Mirror for NetIov {
    const C_NAME: &'static str = "net_iov";
    const FIELDS: &'static [super::layout::Field] =
        super::layout::fields!(NetIov, desc = "desc", owner = "owner", ty = "type");
}
impl super::layout::Mirror for NetIovArea {
    const C_NAME: &'static str = "net_iov_area";
    const FIELDS: &'static [super::layout::Field] =
        super::layout::fields!(NetIovArea, niovs = "niovs", num_niovs = "num_niovs", base_virtual = "base_virtual");
}
