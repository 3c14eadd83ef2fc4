//! [`Received`]: a buffer that came back from the device.

use super::{Frag, Netmem};
use crate::assert::assert_not_impl_any;
use crate::memory::{Kind, NetIov, NetmemRef, Page, PageOrIov};
use core::fmt;

/// A buffer that the device has filled and the CPU has not looked at.
///
/// It has no bytes (rule D2): [`PagePool::sync_for_cpu`](super::PagePool::sync_for_cpu) makes it into a [`Frag`] of the
/// bytes that were received. What lies behind them is unreachable.
///
/// # Invariants
///
/// `start + len` is at most the length of the frag. The device was given no byte before `start`.
pub struct Received<K: Kind = PageOrIov> {
    frag: Frag<K>,
    start: u32,
    len: u32,
}

assert_not_impl_any!(Received: Clone, Copy, Default, core::ops::Deref, AsRef<[u8]>);
assert_not_impl_any!(Received<Page>: Into<Frag<Page>>, AsRef<[u8]>);
assert_not_impl_any!(Received<NetIov>: Into<Received<Page>>);

#[cfg(netmem_backend = "linux")]
impl Received<Page> {
    /// Returns the bytes that were received: for the backend, after the pool's sync.
    pub(crate) fn synced_bytes(&self) -> &[u8] {
        self.frag.bytes_in(self.start..self.start + self.len)
    }
}

impl<K: Kind> Received<K> {
    /// A buffer that the device was given from byte `start` on, and gave back with `len` bytes in it; both are cut to what
    /// the buffer has.
    pub(crate) fn new(frag: Frag<K>, start: u32, len: u32) -> Self {
        // INVARIANT: the lesser of each two.
        let start = start.min(frag.len());
        let len = len.min(frag.len() - start);
        Received { frag, start, len }
    }

    /// How many bytes were received.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a buffer with nothing in it is a frame's business, not a container's"
    )]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Returns what the buffer costs, in bytes: all of it, however few were received. A packet wants to know
    /// ([`Skb::add_rx_frag`](crate::skb::Skb::add_rx_frag)).
    #[inline]
    pub fn truesize(&self) -> u32 {
        self.frag.len()
    }

    /// Borrows the handle of the memory that the buffer is a part of (rule O4).
    #[inline]
    pub fn borrow(&self) -> NetmemRef<'_, K> {
        self.frag.borrow()
    }

    /// The buffer, uncut and unsynced, for the pool.
    pub(super) fn frag(&self) -> &Frag<K> {
        &self.frag
    }

    /// First byte that was received, within the buffer, for the pool.
    pub(super) fn start(&self) -> u32 {
        self.start
    }

    /// The bytes that were received, for the pool, after its sync.
    #[inline]
    pub(crate) fn into_frag(self) -> Frag<K> {
        let Received { mut frag, start, len } = self;
        if start != 0 {
            frag.advance(start);
        }
        frag.truncate(len);
        frag
    }

    /// Gives up the buffer and keeps the reference, to put it. As [`Frag::into_memory`], it leads to no byte.
    #[inline]
    pub(crate) fn into_memory(self) -> Netmem<K> {
        self.frag.into_memory()
    }

    /// Borrows the whole buffer, and says which bytes of it were received.
    #[cfg(netmem_backend = "linux")]
    pub(crate) fn parts(&self) -> (&Frag<K>, core::ops::Range<u32>) {
        (&self.frag, self.start..self.start + self.len)
    }

    /// The whole buffer, and which bytes of it were received: after the pool's sync, or to be posted again.
    pub(crate) fn into_parts(self) -> (Frag<K>, core::ops::Range<u32>) {
        (self.frag, self.start..self.start + self.len)
    }
}

#[diagnostic::do_not_recommend]
impl From<Received<Page>> for Received {
    fn from(buffer: Received<Page>) -> Self {
        Received { frag: buffer.frag.into(), start: buffer.start, len: buffer.len }
    }
}

#[diagnostic::do_not_recommend]
impl From<Received<NetIov>> for Received {
    fn from(buffer: Received<NetIov>) -> Self {
        Received { frag: buffer.frag.into(), start: buffer.start, len: buffer.len }
    }
}

impl<K: Kind> fmt::Debug for Received<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Received({} of {:?})", self.len, self.frag)
    }
}
